//! Explains what would be sent to Goodays for a Case now, and why: for `plan --case`. Reads only.

use serde::Serialize;

use crate::decide::outbound::eligibility::Ending;
use crate::decide::outbound::{Beside, Eligibility, Look, eligibility};
use crate::decide::{Conversation, Intent, Link};
use crate::goodays::ResponseId;
use crate::goodays::event::Response;
use crate::http::Failure;
use crate::operator::ItemId;
use crate::salesforce::{RecordId, query};
use crate::state::{RKey, StoreError};
use crate::workers::poll::apply_rows::id_of;
use crate::workers::runtime::budget::Purpose;
use crate::workers::{Remote, Shared, Stop};

/// One response of the Case.
#[derive(Debug, Clone, Serialize)]
pub struct Explained {
    pub response_id: String,
    pub case_number: Option<String>,
    /// What Goodays lists now, or why it could not be read.
    pub goodays: Result<Listed, String>,
    /// The active status rule of the Case; a rule fires when it becomes active.
    pub rule: Option<String>,
    /// The mapping version that last wrote to the Case; `None` while nothing was written.
    pub mapping: Option<String>,
    pub actions: Vec<ExplainedAction>,
}

#[derive(Debug, Clone, Serialize)]
pub struct Listed {
    pub state: Option<String>,
    pub actions: Vec<String>,
}

/// An agent's action, without its text.
#[derive(Debug, Clone, Serialize)]
pub struct ExplainedAction {
    pub id: ItemId,
    pub action: String,
    pub state: String,
    /// What would happen if it were sent now.
    pub now: String,
}

impl Shared {
    /// The Case with this id or Case number: from the ledger, otherwise from one query to Salesforce. `None`: neither
    /// has it.
    pub async fn case_named(&self, name: &str) -> Result<Option<RecordId>, Stop> {
        if let Some(id) = RecordId::new(name) {
            return Ok(Some(id));
        }
        match self.case_in_ledger(name).await? {
            Some(id) => Ok(Some(id)),
            None => Ok(self.case_in_salesforce(name).await?),
        }
    }

    /// Case numbers have no index: operators ask seldom, and each write of a link would be slower.
    async fn case_in_ledger(&self, number: &str) -> Result<Option<RecordId>, StoreError> {
        let mut from = Some(RKey::FIRST);
        while let Some(first) = from {
            let page = self.store.links_from(first).await?;
            for case in page.links.into_iter().filter_map(|link| link.case) {
                if case.number.as_deref() == Some(number) {
                    return Ok(Some(case.id));
                }
            }
            from = page.next;
            tokio::task::yield_now().await;
        }
        Ok(None)
    }

    async fn case_in_salesforce(&self, number: &str) -> Result<Option<RecordId>, Failure> {
        let now_ms = self.clock.now_ms();
        if self.salesforce_breaker.paused_until(now_ms).is_some() {
            return Err(Failure::NotSent("it was out of reach a moment ago".to_owned()));
        }
        let mapping = self.mapping();
        let Some(case) = mapping.case_mappings().first() else { return Ok(None) };
        let Ok(soql) = query::case_by_number(&case.object, number) else { return Ok(None) };
        // Counts like a poll: the part of the budget that is kept for feedback is not used.
        self.allowance(Purpose::Poll).await?;
        let result = self.salesforce.query(&soql).await;
        self.call_ended(Remote::Salesforce, &result, now_ms);
        Ok(result?.first().and_then(|row| id_of(row, "Id")))
    }

    /// Explains each response of a Case.
    pub async fn explain(&self, case: &RecordId) -> Result<Vec<Explained>, StoreError> {
        let mut explained = Vec::new();
        for link in self.store.links_of_case(case).await? {
            explained.push(self.explain_one(&link).await?);
        }
        Ok(explained)
    }

    /// Explains one response; none if the ledger does not know it.
    pub async fn explain_response(&self, response: &ResponseId) -> Result<Option<Explained>, StoreError> {
        match self.store.link(RKey::of(response)).await? {
            Some(link) => self.explain_one(&link).await.map(Some),
            None => Ok(None),
        }
    }

    async fn explain_one(&self, link: &Link) -> Result<Explained, StoreError> {
        let asked_ms = self.clock.now_ms();
        let view = match self.may_ask() {
            Ok(()) => self.goodays.response(&link.response_id).await,
            Err(elsewhere) => Err(elsewhere),
        };
        let conversation = self.store.load(&link.response_id).await?.now;
        let mut actions = Vec::new();
        for intent in &self.with_ended(conversation.clone()).await?.intents {
            let now = self.would_happen(&conversation, intent, view.as_ref().ok(), asked_ms).await?;
            actions.push(action(intent, now));
        }
        Ok(Explained {
            response_id: link.response_id.to_string(),
            case_number: link.case.as_ref().and_then(|c| c.number.clone()),
            goodays: view
                .map(|v| Listed { state: v.state, actions: v.actions.into_iter().collect() })
                .map_err(|failure: Failure| failure.to_string()),
            rule: link.active_status_rule.map(|verb| verb.to_string()),
            mapping: Some(link.mapping.clone()).filter(|version| !version.is_empty()),
            actions,
        })
    }
}

fn action(intent: &Intent, now: String) -> ExplainedAction {
    ExplainedAction {
        id: ItemId::Action(intent.seq),
        action: intent.kind.name().to_owned(),
        state: intent.state.name().to_owned(),
        now,
    }
}

impl Shared {
    /// Asks the same function as the dispatcher and the check before the PUT; for a parked action, as if it were
    /// retried.
    async fn would_happen(
        &self,
        conversation: &Conversation,
        intent: &Intent,
        view: Option<&Response>,
        asked_ms: i64,
    ) -> Result<String, StoreError> {
        let mut asked = conversation.clone();
        if asked.intent(intent.seq).is_none() {
            asked.put(intent.clone());
        }
        let now = self.circumstances(asked_ms);
        if intent.state.is_parked() {
            asked.try_again(intent.seq, 0);
        }
        if let Some(intent) = asked.intent_mut(intent.seq) {
            // An action older than one poll is read again first; that is no reason to show here.
            intent.read_ms = asked_ms;
        }
        let newer = self.newer_case(intent).await?;
        let acted = self.on_goodays_clock(intent.acted);
        let beside = Beside { newer_case: newer.as_deref(), acted, ..Beside::default() };
        let look = view.map(|view| Look { view, asked_ms, beside });
        Ok(words(eligibility(&asked, intent.seq, look, &now)))
    }
}

fn words(decided: Eligibility) -> String {
    match decided {
        Eligibility::Look => "it waits until Goodays can be read".to_owned(),
        Eligibility::Send(action) => format!("it goes out as {}", action.verb()),
        Eligibility::NotYet(wait) => format!("not yet: {}", wait.words()),
        Eligibility::Never(ending) => match ending {
            Ending::Arrived(..) => "nothing: it was sent before, and it arrived".to_owned(),
            Ending::Settled(_) => "nothing is sent: Goodays has it as processed already".to_owned(),
            Ending::NotSent { code, why } => format!("not sent ({code}): {why}"),
            Ending::Unclear { why, .. } => format!("unclear: {why}"),
            Ending::Observed(verb) => format!("nothing is sent (goodays.actions: observe); else {verb}"),
            Ending::Ended => "nothing: it is done with".to_owned(),
        },
    }
}
