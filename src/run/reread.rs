//! An intent older than one poll is read again from Salesforce before it is sent (design, rule 10).

use serde_json::Value;
use tracing::{info, warn};

use super::deliver::Delivery;
use super::retry::millis;
use super::{Fatal, Shared};
use crate::goodays::event::normalised;
use crate::http::Failure;
use crate::mapping::Act;
use crate::plan::inbound::held;
use crate::plan::{Intent, IntentState, Note, Told, Wish, hash64};
use crate::salesforce::{RecordId, query};
use crate::store::inbox::put_note;
use crate::store::ledger::put_link;
use crate::store::outbox::put_intent;
use crate::store::{RKey, StoreError, Tx};

/// Whether an intent is older than one poll. What is `Sending` has gone already.
pub(super) fn is_old(shared: &Shared, intent: &Intent, now_ms: i64) -> bool {
    let limit_ms = millis(shared.live().poll.interval);
    !matches!(intent.state, IntentState::Sending(_)) && now_ms - intent.read_ms > limit_ms
}

impl Delivery {
    /// Reads old intents again from Salesforce: they may have been unpublished, deleted, edited or taken back.
    /// Gives those that go; when Salesforce cannot be read, they wait.
    pub(super) async fn read_again(&self, shared: &Shared, old: Vec<Intent>) -> Result<Vec<Intent>, Fatal> {
        let began_ms = shared.clock.now_ms();
        let mut go = Vec::new();
        match shared.salesforce_rows(&old).await {
            Ok(rows) => {
                for intent in old {
                    go.extend(confirm(shared, intent, &rows)?);
                }
            }
            Err(failure) => {
                let until_ms =
                    shared.salesforce_said::<()>(&Err(failure), began_ms).unwrap_or(began_ms + 1000);
                for intent in &old {
                    self.hold(intent.seq, until_ms);
                }
            }
        }
        Ok(go)
    }
}

/// Notes the text that goes, so that the poll does not take the edit for one after sending.
fn note_text(
    shared: &Shared,
    tx: &mut Tx,
    rkey: RKey,
    comment: &RecordId,
    text: &str,
) -> Result<(), StoreError> {
    let Some(before) = shared.store.guard_link(tx, rkey)? else { return Ok(()) };
    let mut link = before.clone();
    let hash = hash64(&normalised(text));
    link.answers.iter_mut().filter(|a| a.comment == *comment).for_each(|a| a.text = hash);
    if link != before {
        put_link(tx, rkey, Some(&before), &link);
    }
    Ok(())
}

/// A deleted row is shown as deleted: what is not shown at all may be hidden from us only, and the agent has to know.
fn invisible(intent: &Intent) -> Note {
    Note {
        told: Told::Failed,
        action: intent.wish.name().to_owned(),
        reason: "It was taken back, or the connector cannot see it any more; nothing was sent.".to_owned(),
        view: None,
    }
}

/// What Salesforce shows for an old intent: still wanted, changed, or taken back.
fn confirm(shared: &Shared, mut intent: Intent, rows: &[Value]) -> Result<Option<Intent>, Fatal> {
    let mapping = shared.mapping();
    let desk = shared.desk();
    let id = match &intent.wish {
        Wish::Answer { comment, .. } => comment,
        _ => &intent.case_id,
    };
    let row = rows
        .iter()
        .find(|r| r.get("Id").and_then(Value::as_str).and_then(RecordId::new).as_ref() == Some(id));
    let alive = row.filter(|r| r.get("IsDeleted") != Some(&Value::Bool(true)));
    // A rule that cannot be evaluated now takes nothing back.
    let wanted = match (&intent.wish, alive) {
        (_, None) => None,
        (Wish::Answer { .. }, Some(row)) => {
            let parent = mapping.actions().comments.parent.trim_end_matches("Id");
            let case = row.get(parent).cloned().unwrap_or(Value::Null);
            match mapping.actions().on_comment(&case, row) {
                Ok(wanted) => wanted.filter(|w| w.act == Act::Answer).map(|w| w.content),
                Err(problem) => {
                    warn!(response = %intent.response_id, %problem, "a comment rule cannot be evaluated");
                    Some(None)
                }
            }
        }
        (wish, Some(row)) => {
            let verb = crate::plan::observe::verb(wish);
            let holds = mapping.actions().on_case(row).is_err() || held(&desk.desk(), row) == verb;
            holds.then_some(None)
        }
    };
    let mut tx = Tx::default();
    let Some(mut stored) = shared.store.guard_intent(&mut tx, intent.seq)? else { return Ok(None) };
    let now_ms = shared.clock.now_ms();
    if let Some(text) = wanted {
        stored.read_ms = now_ms;
        if let (Wish::Answer { comment, content, .. }, Some(text)) = (&mut stored.wish, text)
            && *content != text
        {
            note_text(shared, &mut tx, RKey::of(&stored.response_id), comment, &text)?;
            *content = text;
        }
    } else {
        info!(response = %stored.response_id, action = stored.wish.name(), "taken back before it was sent");
        let why = "unpublished, deleted or taken back before it was sent".to_owned();
        stored.state = IntentState::Cancelled { at_ms: now_ms, why };
        if row.is_none() {
            let note = invisible(&stored);
            put_note(&mut tx, RKey::of(&stored.response_id), shared.store.next_seq(), now_ms, &note);
        }
    }
    put_intent(&mut tx, RKey::of(&stored.response_id), &stored);
    let kept = stored.state.is_open();
    intent = stored;
    Ok((shared.store.try_transact(&tx)? && kept).then_some(intent))
}

impl Shared {
    /// The rows behind some intents, as few queries as possible.
    async fn salesforce_rows(&self, intents: &[Intent]) -> Result<Vec<Value>, Failure> {
        self.contact().await?;
        let mapping = self.mapping();
        let actions = mapping.actions();
        let Some(case) = mapping.case_mappings().first() else { return Ok(Vec::new()) };
        let (mut comments, mut cases): (Vec<RecordId>, Vec<RecordId>) = (Vec::new(), Vec::new());
        for intent in intents {
            match &intent.wish {
                Wish::Answer { comment, .. } => comments.push(comment.clone()),
                _ => cases.push(intent.case_id.clone()),
            }
        }
        let schema = self.contacts.schema.load();
        let known = |p: &String| p.contains('.') || schema.case.as_ref().is_none_or(|d| d.field(p).is_some());
        let case_paths: Vec<String> = actions.case_paths().into_iter().filter(known).collect();
        let parent = actions.comments.parent.trim_end_matches("Id");
        let mut of_comment = actions.comment_paths();
        of_comment.extend([
            actions.comments.parent.clone(),
            actions.comments.body.clone(),
            "IsDeleted".to_owned(),
        ]);
        let of_parent = actions.comment_case_paths().into_iter().filter(known);
        of_comment.extend(of_parent.map(|p| format!("{parent}.{p}")));
        let mut of_case = case_paths;
        of_case.push("IsDeleted".to_owned());
        let mut rows = Vec::new();
        let asked = [(&actions.comments.object, of_comment, comments), (&case.object, of_case, cases)];
        for (object, fields, ids) in asked {
            let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
            let queries = query::by_ids(object, &fields, &ids).map_err(|e| super::learn::unsayable(&e))?;
            for soql in queries {
                self.allowance(false).await?;
                rows.extend(self.salesforce.query_all(&soql).await?);
            }
        }
        Ok(rows)
    }
}
