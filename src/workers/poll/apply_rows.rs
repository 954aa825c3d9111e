//! Applies the rows of a poll. What a row means is decided in [`crate::decide::outbound`].

use std::sync::Arc;

use serde_json::Value;
use tracing::{info, warn};

use crate::decide::ledger::joined::{Joined, KeyOfSurvivor};
use crate::decide::outbound::comment_rows::addressee;
use crate::decide::outbound::rows::{MergedCase, Seen, Since};
use crate::decide::outbound::{EarlierRules, Rules};
use crate::decide::reconcile::{adopt, read_row};
use crate::decide::{CaseRef, Feedback, Link, Note, answer_identity};
use crate::goodays::ResponseId;
use crate::messages::Words;
use crate::salesforce::RecordId;
use crate::state::{RKey, Store, StoreError};
use crate::time::SalesforceTime;
use crate::workers::poll::columns::SURVIVOR;
use crate::workers::runtime::plan_context::OwnedPlanContext;
use crate::workers::{Fatal, OrgIdentity, Shared};

/// The context in which rows are applied.
pub(crate) struct Applying<'a> {
    pub context: &'a OwnedPlanContext,
    pub earlier: &'a [EarlierRules],
    pub first_start: SalesforceTime,
    seen_until: SalesforceTime,
    /// Our own users in Salesforce.
    us: Vec<RecordId>,
    now: SalesforceTime,
    /// When the rows were asked for, by our clock (milliseconds).
    asked_ms: i64,
}

impl<'a> Applying<'a> {
    pub(crate) fn new(
        shared: &Shared,
        contact: &OrgIdentity,
        context: &'a OwnedPlanContext,
        earlier: &'a [EarlierRules],
        asked_ms: i64,
    ) -> Self {
        let (us, now) = (contact.all_of_us(), shared.salesforce_now());
        let seen_until = shared.poll_state.seen_until(contact);
        Self { context, earlier, first_start: contact.first_start, seen_until, us, now, asked_ms }
    }

    pub(crate) fn rules(&self) -> Rules<'_> {
        Rules { now: &self.context.mapping, earlier: self.earlier }
    }

    pub(crate) fn since(&self, now_ms: i64) -> Since<'_> {
        let (first_start, asked_ms) = (self.first_start, self.asked_ms);
        let (seen_until, us, now) = (self.seen_until, self.us.as_slice(), self.now);
        Since { first_start, seen_until, us, now_ms, now, asked_ms, merged: MergedCase::default() }
    }

    /// The row of a comment's Case.
    pub(crate) fn parent_of(&self, comment: &Value) -> Value {
        let relation = self.context.mapping.actions().comments.parent_relation();
        comment.get(relation).cloned().unwrap_or(Value::Null)
    }
}

pub(crate) fn id_of(row: &Value, field: &str) -> Option<RecordId> {
    row.get(field).and_then(Value::as_str).and_then(RecordId::new)
}

fn time(row: &Value, field: &str) -> Option<SalesforceTime> {
    row.get(field).and_then(Value::as_str).and_then(SalesforceTime::parse)
}

fn key_of(row: &Value, field: &str) -> Option<ResponseId> {
    row.get(field).and_then(Value::as_str).and_then(|id| ResponseId::new(id).ok())
}

/// The responses of each Case: its own, and those of Cases that were merged into it. None of a Case that was merged away
/// and that the org keeps, closed: no agent closed it, and its responses follow the survivor.
pub(crate) async fn responses_of_cases(
    shared: &Shared,
    applying: &Applying<'_>,
    rows: &[Value],
) -> Result<Vec<Vec<ResponseId>>, StoreError> {
    let Some(case) = applying.context.mapping.case_mappings().first() else {
        return Ok(vec![Vec::new(); rows.len()]);
    };
    let stands = |row: &Value| id_of(row, SURVIVOR).is_none();
    let named = |row: &Value| {
        let response = key_of(row, &case.key_field).filter(|_| stands(row))?;
        Some((id_of(row, "Id")?, response))
    };
    let named: Vec<Option<(RecordId, ResponseId)>> = rows.iter().map(named).collect();
    let cases: Vec<RecordId> = named.iter().flatten().map(|(id, _)| id.clone()).collect();
    let mut links = shared.store.links_of_cases(&cases).await?.into_iter();
    let mut all = |(_, own): (RecordId, ResponseId)| {
        let others = links.next().into_iter().flatten().map(|link| link.response_id);
        let others: Vec<ResponseId> = others.filter(|other| *other != own).collect();
        [own].into_iter().chain(others).collect()
    };
    Ok(named.into_iter().map(|one| one.map(&mut all).unwrap_or_default()).collect::<Vec<_>>())
}

/// Applies changed Cases: one load and one commit for all of their conversations.
pub(crate) async fn apply_case_rows(
    shared: &Shared,
    applying: &Applying<'_>,
    rows: &[Value],
) -> Result<(), Fatal> {
    let responses = responses_of_cases(shared, applying, rows).await?;
    let mut ids = Vec::new();
    let mut row_of = Vec::new();
    for (row, responses) in rows.iter().zip(responses) {
        let answered = answered_by_case(shared, &responses).await?;
        for response in responses {
            let merged = match &answered {
                Some(one) if *one == response => MergedCase::AnswersThis,
                Some(_) => MergedCase::AnswersAnother,
                None => MergedCase::Unsure,
            };
            row_of.push((row, merged));
            ids.push(response);
        }
    }
    let context = applying.context.plan_context();
    let seen = shared
        .change_many(&ids, |place, loaded| {
            let (row, merged) = row_of[place];
            let since = Since { merged, ..applying.since(shared.clock.now_ms()) };
            let next_seq = &mut || shared.store.next_seq();
            loaded.now.see_case(row, (applying.rules(), &context), &since, next_seq)
        })
        .await?;
    for (response, seen) in ids.iter().zip(&seen) {
        log_seen(shared, response, seen, "a status rule cannot be evaluated");
    }
    Ok(())
}

/// The response that an answer from the Case is for; `None` when several are possible.
async fn answered_by_case(
    shared: &Shared,
    responses: &[ResponseId],
) -> Result<Option<ResponseId>, StoreError> {
    if let [only] = responses {
        return Ok(Some(only.clone()));
    }
    let mut links = Vec::new();
    for response in responses {
        links.extend(shared.store.link(RKey::of(response)).await?);
    }
    Ok(addressee(&links).map(|link| link.response_id.clone()))
}

fn log_seen(shared: &Shared, response: &ResponseId, seen: &Seen, problem_is: &str) {
    if let Some(failure) = &seen.problem {
        warn!(%response, problem = failure.rule, "{problem_is}");
        if failure.is_in_force {
            shared.rule_failure.store(Arc::new(Some(failure.rule.clone())));
        }
    }
    if seen.taken_back > 0 {
        info!(%response, actions = seen.taken_back, "taken back before it was sent");
    }
    if let Some(action) = seen.fired {
        info!(%response, action, "an agent's action is in the outbox");
    }
}

/// The response that a comment belongs to.
#[derive(Debug, Clone)]
pub(crate) struct Addressed {
    pub response: ResponseId,
    /// It is only a guess: several responses share the Case.
    pub unsure: bool,
}

/// The response of each comment. `None`: it belongs to no response, or its action is damaged.
pub(crate) async fn responses_of_comments(
    shared: &Shared,
    applying: &Applying<'_>,
    rows: &[Value],
) -> Result<Vec<Option<Addressed>>, StoreError> {
    let parent = &applying.context.mapping.actions().comments.parent;
    let Some(case_mapping) = applying.context.mapping.case_mappings().first() else {
        return Ok(vec![None; rows.len()]);
    };
    let named = |row: &Value| {
        let own = key_of(&applying.parent_of(row), &case_mapping.key_field)?;
        let created = time(row, "CreatedDate");
        Some(NamedComment { comment: id_of(row, "Id")?, case: id_of(row, parent)?, own, created })
    };
    let named: Vec<Option<NamedComment>> = rows.iter().map(named).collect();
    let mut found = whose(&shared.store, &named.iter().flatten().collect::<Vec<_>>()).await?.into_iter();
    Ok(named.iter().map(|one| one.as_ref().and_then(|_| found.next().flatten())).collect())
}

/// Applies comments that were written, published, unpublished or edited: one load and one commit for all of their
/// conversations.
pub(crate) async fn apply_comment_rows(
    shared: &Shared,
    applying: &Applying<'_>,
    rows: &[Value],
) -> Result<(), Fatal> {
    let found = responses_of_comments(shared, applying, rows).await?;
    let known: Vec<(&Value, Addressed)> =
        rows.iter().zip(found).filter_map(|(row, one)| Some((row, one?))).collect();
    let ids: Vec<ResponseId> = known.iter().map(|(_, one)| one.response.clone()).collect();
    let seen = shared
        .change_many(&ids, |place, loaded| {
            let (row, Addressed { unsure, .. }) = &known[place];
            let since = applying.since(shared.clock.now_ms());
            let next_seq = &mut || shared.store.next_seq();
            let case_row = applying.parent_of(row);
            loaded.now.see_comment((row, &case_row), applying.rules(), &since, *unsure, next_seq)
        })
        .await?;
    for (response, seen) in ids.iter().zip(&seen) {
        log_seen(shared, response, seen, "a comment rule cannot be evaluated");
    }
    Ok(())
}

struct NamedComment {
    comment: RecordId,
    case: RecordId,
    /// The response that the Case's key names.
    own: ResponseId,
    created: Option<SalesforceTime>,
}

/// Three requests to the store, whatever the number of comments.
async fn whose(store: &Store, comments: &[&NamedComment]) -> Result<Vec<Option<Addressed>>, StoreError> {
    let identities: Vec<String> = comments.iter().map(|one| answer_identity(&one.comment)).collect();
    let actions = store.intents_by_identity(&identities).await?;
    let links =
        store.links_of_cases(&comments.iter().map(|one| one.case.clone()).collect::<Vec<_>>()).await?;
    let own = store.links(&comments.iter().map(|one| RKey::of(&one.own)).collect::<Vec<_>>()).await?;
    let mut found = Vec::with_capacity(comments.len());
    for (((one, action), mut links), own) in comments.iter().zip(actions).zip(links).zip(own) {
        found.push(match action {
            // A merge moves comments to the master Case; an action that exists stays with its response.
            Ok(Some(intent)) => Some(Addressed { response: intent.response_id, unsure: false }),
            // It may have been sent, so it is never sent again without a human.
            Err(StoreError::Damaged(_)) => None,
            other => {
                other.map(drop)?;
                links.extend(own.filter(|own| links.iter().all(|link| link.response_id != own.response_id)));
                Some(by_links(one, &links))
            }
        });
    }
    Ok(found)
}

/// A comment without an action: who is meant, by the responses of its Case.
fn by_links(comment: &NamedComment, links: &[Link]) -> Addressed {
    let sure = |response: &ResponseId| Addressed { response: response.clone(), unsure: false };
    if let Some(link) = links.iter().find(|link| link.answer(&comment.comment).is_some()) {
        return sure(&link.response_id);
    }
    // A merge moves comments: one from before it may have been written on either of the Cases.
    let from_before =
        |at: SalesforceTime| comment.created.is_none_or(|created| created < at) && links.len() > 1;
    if links.iter().filter_map(|link| link.joined).any(|joined| from_before(joined.at)) {
        return Addressed { response: comment.own.clone(), unsure: true };
    }
    match addressee(links) {
        Some(link) => sure(&link.response_id),
        None => Addressed { response: comment.own.clone(), unsure: !links.is_empty() },
    }
}

/// Applies merged Cases: their responses follow the master Case.
pub(crate) async fn apply_merged_rows(
    shared: &Shared,
    (context, seen_until): (&OwnedPlanContext, SalesforceTime),
    rows: &[Value],
) -> Result<(), Fatal> {
    let Some(case) = context.mapping.case_mappings().first() else { return Ok(()) };
    let merged = |row: &Value| {
        let response = key_of(row, &case.key_field)?;
        let survivor = read_row(row, &case.marker_field)?;
        let at = time(row, "SystemModstamp")?;
        let joined = Joined { from: seen_until.min(at), at, key: KeyOfSurvivor::Unread };
        Some((response, (id_of(row, "Id"), id_of(row, SURVIVOR)?, survivor, joined)))
    };
    let (ids, rows): (Vec<ResponseId>, Vec<_>) = rows.iter().filter_map(merged).unzip();
    let moved = shared
        .change_many(&ids, |place, loaded| {
            let (loser, master, survivor, joined) = &rows[place];
            let Some(before) = loaded.now.link.take() else { return false };
            let moves = before.case.as_ref().map(|case| &case.id) == loser.as_ref();
            loaded.now.link = Some(if moves {
                let mut survivor = survivor.clone();
                survivor.case = CaseRef { id: master.clone(), number: None };
                survivor.fields.clear();
                let mut after = adopt(Some(before.clone()), &ids[place], &survivor, &context.plan_context());
                (after.active_status_rule, after.rules) = (before.active_status_rule, before.rules);
                after.last_seen_fields.clone_from(&before.last_seen_fields);
                after.fields_forgotten = before.fields_forgotten;
                after
            } else {
                before
            });
            let link = loaded.now.link.as_mut().filter(|link| link.joined.is_none());
            if let Some(link) = link.filter(|link| link.case.as_ref().is_some_and(|case| case.id == *master))
            {
                link.joined = Some(*joined);
                // The survivor is read, and gets our key if it has none.
                loaded.now.notes.push(Note::new(Feedback::Nothing, "merged", "", Words::default()));
            }
            moves
        })
        .await?;
    for response in ids.iter().zip(moved).filter_map(|(id, moved)| moved.then_some(id)) {
        info!(%response, "its Case was merged; it follows the survivor");
    }
    Ok(())
}
