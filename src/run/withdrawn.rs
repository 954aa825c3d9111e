//! Parked answers whose comment an agent deleted. A poll shows no deleted rows, so while answers are parked the
//! same call asks for their comments too.

use serde_json::Value;
use tracing::info;

use super::Shared;
use super::desk::Held;
use super::learn::unsayable;
use super::take::{commit, id_of};
use crate::http::Failure;
use crate::plan::{IntentState, answer_identity};
use crate::salesforce::{RecordId, query};
use crate::store::outbox::put_intent;
use crate::store::{RKey, Store, StoreError, Tx};

/// Comments that one poll asks for; more parked answers take turns.
const AT_ONCE: usize = 200;

/// Whose turn it is.
#[derive(Default)]
pub(super) struct Withdrawn {
    from: u64,
}

impl Withdrawn {
    /// The query (for `queryAll`) that shows which of the next parked answers' comments are deleted; none while
    /// nothing is parked.
    pub(super) fn query(
        &mut self,
        store: &Store,
        held: &Held,
    ) -> Result<Result<Option<String>, Failure>, StoreError> {
        let mut found = store.parked_intents(self.from, AT_ONCE)?;
        if found.is_empty() && self.from > 0 {
            found = store.parked_intents(0, AT_ONCE)?;
        }
        self.from = found.last().map_or(0, |last| last.seq + 1);
        let parked = found.into_iter().filter(|i| i.state.is_parked());
        let ids: Vec<RecordId> = parked.filter_map(|i| i.wish.comment().cloned()).collect();
        let object = &held.mapping.actions().comments.object;
        let queries = query::by_ids(object, &[], &ids).map_err(|e| unsayable(&e));
        Ok(queries.map(|q| q.first().map(|soql| format!("{soql} AND IsDeleted = true"))))
    }
}

/// Deleting an answer that was not sent takes it back, as unpublishing does.
pub(super) fn take_deleted(shared: &Shared, row: &Value) -> Result<(), StoreError> {
    let Some(comment) = id_of(row, "Id") else { return Ok(()) };
    loop {
        let mut tx = Tx::default();
        let Some(found) = shared.store.intent_by_identity(&answer_identity(&comment))? else { return Ok(()) };
        let Some(mut intent) = shared.store.guard_intent(&mut tx, found.seq)? else { return Ok(()) };
        if !intent.state.is_parked() {
            return Ok(());
        }
        info!(response = %intent.response_id, "an answer was deleted before it was sent");
        let why = "deleted before it was sent".to_owned();
        intent.state = IntentState::Cancelled { at_ms: shared.clock.now_ms(), why };
        let rkey = RKey::of(&intent.response_id);
        put_intent(&mut tx, rkey, &intent);
        if commit(shared, &tx, rkey)? {
            return Ok(());
        }
    }
}
