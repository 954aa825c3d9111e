//! Applies the rows of a poll. What a row means is decided in [`crate::decide::outbound::rows`].

use serde_json::Value;
use tracing::{debug, info, warn};

use crate::decide::outbound::rows::{Seen, Since, addressee};
use crate::decide::outbound::{EarlierRules, Rules};
use crate::decide::reconcile::{adopt, read_row};
use crate::decide::{CaseRef, answer_identity};
use crate::goodays::ResponseId;
use crate::salesforce::RecordId;
use crate::state::ledger::put_link;
use crate::state::{RKey, Store, StoreError, Tx};
use crate::time::SalesforceTime;
use crate::workers::runtime::plan_context::OwnedPlanContext;
use crate::workers::{Fatal, OrgIdentity, Shared};

/// The context in which rows are applied.
pub(crate) struct Applying<'a> {
    pub context: &'a OwnedPlanContext,
    pub earlier: &'a [EarlierRules],
    pub first_start: SalesforceTime,
    /// Our own users in Salesforce.
    us: Vec<RecordId>,
    now: SalesforceTime,
}

impl<'a> Applying<'a> {
    pub(crate) fn new(
        shared: &Shared,
        contact: &OrgIdentity,
        context: &'a OwnedPlanContext,
        earlier: &'a [EarlierRules],
    ) -> Self {
        let us = contact.formerly.iter().chain([&contact.us]).cloned().collect();
        let now = shared.salesforce.now().unwrap_or(contact.first_start);
        Self { context, earlier, first_start: contact.first_start, us, now }
    }

    pub(crate) fn rules(&self) -> Rules<'_> {
        Rules { now: &self.context.mapping, earlier: self.earlier }
    }

    pub(crate) fn since(&self, now_ms: i64) -> Since<'_> {
        Since { first_start: self.first_start, us: &self.us, now_ms, now: self.now }
    }

    /// The row of a comment's Case.
    pub(crate) fn parent_of(&self, comment: &Value) -> Value {
        let parent = &self.context.mapping.actions().comments.parent;
        comment.get(parent.trim_end_matches("Id")).cloned().unwrap_or(Value::Null)
    }
}

pub(crate) fn id_of(row: &Value, field: &str) -> Option<RecordId> {
    row.get(field).and_then(Value::as_str).and_then(RecordId::new)
}

fn key_of(row: &Value, field: &str) -> Option<ResponseId> {
    row.get(field).and_then(Value::as_str).and_then(|id| ResponseId::new(id).ok())
}

/// The responses of a Case: its own, and those of Cases that were merged into it.
pub(crate) fn case_answers(
    shared: &Shared,
    applying: &Applying<'_>,
    row: &Value,
) -> Result<Vec<ResponseId>, StoreError> {
    let Some(case) = applying.context.mapping.case_mappings().first() else { return Ok(Vec::new()) };
    let (Some(id), Some(own)) = (id_of(row, "Id"), key_of(row, &case.key_field)) else {
        return Ok(Vec::new());
    };
    let mut responses = vec![own.clone()];
    for rkey in shared.store.responses_of_case(&id)? {
        let link = if rkey == RKey::of(&own) { None } else { shared.store.link(rkey)? };
        responses.extend(link.map(|link| link.response_id));
    }
    Ok(responses)
}

/// Applies a changed Case.
pub(crate) fn apply_case_row(shared: &Shared, applying: &Applying<'_>, row: &Value) -> Result<(), Fatal> {
    for response in case_answers(shared, applying, row)? {
        let context = applying.context.plan_context();
        let seen = shared.change(&response, |loaded| {
            let since = applying.since(shared.clock.now_ms());
            let next_seq = &mut || shared.store.next_seq();
            Ok(loaded.now.see_case(row, (applying.rules(), &context), &since, next_seq))
        })?;
        log_seen(&response, &seen, "a status rule cannot be evaluated");
    }
    Ok(())
}

fn log_seen(response: &ResponseId, seen: &Seen, problem_is: &str) {
    if let Some(problem) = &seen.problem {
        warn!(%response, %problem, "{problem_is}");
    }
    if seen.taken_back > 0 {
        info!(%response, actions = seen.taken_back, "taken back before it was sent");
    }
    if let Some(action) = seen.fired {
        info!(%response, action, "an agent's action is in the outbox");
    }
}

/// The response that a comment belongs to, and whether that is only a guess. `None`: it belongs to no response, or its
/// action is damaged.
pub(crate) fn comment_answers(
    shared: &Shared,
    applying: &Applying<'_>,
    row: &Value,
) -> Result<Option<(ResponseId, bool)>, StoreError> {
    let parent = &applying.context.mapping.actions().comments.parent;
    let Some(case_mapping) = applying.context.mapping.case_mappings().first() else { return Ok(None) };
    let (Some(comment), Some(case)) = (id_of(row, "Id"), id_of(row, parent)) else { return Ok(None) };
    let Some(own) = key_of(&applying.parent_of(row), &case_mapping.key_field) else { return Ok(None) };
    whose(&shared.store, &case, &own, &comment)
}

/// Applies a comment that was written, published, unpublished or edited.
pub(crate) fn apply_comment_row(shared: &Shared, applying: &Applying<'_>, row: &Value) -> Result<(), Fatal> {
    let Some((response, unsure)) = comment_answers(shared, applying, row)? else { return Ok(()) };
    let case_row = applying.parent_of(row);
    let seen = shared.change(&response, |loaded| {
        let since = applying.since(shared.clock.now_ms());
        let next_seq = &mut || shared.store.next_seq();
        Ok(loaded.now.see_comment((row, &case_row), applying.rules(), &since, unsure, next_seq))
    })?;
    log_seen(&response, &seen, "a comment rule cannot be evaluated");
    Ok(())
}

/// The response that a comment belongs to, and whether that is only a guess. `None`: its action is damaged.
fn whose(
    store: &Store,
    case: &RecordId,
    own: &ResponseId,
    comment: &RecordId,
) -> Result<Option<(ResponseId, bool)>, StoreError> {
    // A merge moves comments to the master Case; an action that exists stays with its response.
    match store.intent_by_identity(&answer_identity(comment)) {
        Ok(Some(intent)) => return Ok(Some((intent.response_id, false))),
        // It may have been sent, so it is never sent again without a human.
        Err(StoreError::Damaged(_)) => return Ok(None),
        other => other.map(drop)?,
    }
    let mut rkeys = store.responses_of_case(case)?;
    if !rkeys.contains(&RKey::of(own)) {
        rkeys.push(RKey::of(own));
    }
    let mut links = Vec::new();
    for rkey in rkeys {
        links.extend(store.link(rkey)?);
    }
    if let Some(link) = links.iter().find(|l| l.answer(comment).is_some()) {
        return Ok(Some((link.response_id.clone(), false)));
    }
    if links.is_empty() {
        return Ok(Some((own.clone(), false)));
    }
    Ok(Some(addressee(&links).map_or((own.clone(), true), |l| (l.response_id.clone(), false))))
}

/// Applies a merged Case: its response follows the master Case.
pub(crate) fn apply_merged_row(
    shared: &Shared,
    context: &OwnedPlanContext,
    row: &Value,
) -> Result<(), StoreError> {
    let Some(case) = context.mapping.case_mappings().first() else { return Ok(()) };
    let (Some(master), Some(response)) = (id_of(row, "MasterRecordId"), key_of(row, &case.key_field)) else {
        return Ok(());
    };
    let rkey = RKey::of(&response);
    let loser = id_of(row, "Id");
    loop {
        let mut tx = Tx::default();
        let Some(before) = shared.store.guard_link(&mut tx, rkey)? else { return Ok(()) };
        let Some(mut survivor) = read_row(row, &case.marker_field) else { return Ok(()) };
        if before.case.as_ref().map(|c| &c.id) != loser.as_ref() {
            return Ok(());
        }
        survivor.case = CaseRef { id: master.clone(), number: None };
        survivor.fields.clear();
        let mut after = adopt(Some(before.clone()), &response, &survivor, &context.plan_context());
        (after.active_status_rule, after.rules) = (before.active_status_rule, before.rules);
        after.last_seen_fields.clone_from(&before.last_seen_fields);
        put_link(&mut tx, rkey, Some(&before), &after);
        if shared.store.try_transact(&tx)? {
            info!(%response, "its Case was merged; it follows the survivor");
            return Ok(());
        }
        debug!(%response, "the link changed meanwhile");
    }
}
