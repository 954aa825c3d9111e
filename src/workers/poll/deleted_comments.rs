//! Takes back parked answers whose comment an agent deleted. A poll shows no deleted rows, so while answers are parked
//! the same call asks for their comments, too.

use serde_json::Value;
use tracing::info;

use crate::decide::answer_identity;
use crate::goodays::ResponseId;
use crate::salesforce::{RecordId, query};
use crate::state::Store;
use crate::workers::inbound::reconcile::unsayable;
use crate::workers::poll::apply_rows::id_of;
use crate::workers::runtime::plan_context::OwnedPlanContext;
use crate::workers::{Fatal, Shared, Stop};

/// How many comments one poll asks for; more parked answers take turns.
const AT_ONCE: usize = 200;

/// Which parked answers come next.
#[derive(Default)]
pub(crate) struct DeletedComments {
    from: u64,
}

impl DeletedComments {
    /// The query (for `queryAll`) that shows which comments of the next parked answers are deleted; `None` while
    /// nothing is parked.
    pub(crate) async fn query(
        &mut self,
        store: &Store,
        context: &OwnedPlanContext,
    ) -> Result<Option<String>, Stop> {
        let mut found = store.parked_intents(self.from, AT_ONCE).await?;
        if found.is_empty() && self.from > 0 {
            found = store.parked_intents(0, AT_ONCE).await?;
        }
        self.from = found.last().map_or(0, |last| last.seq + 1);
        let parked = found.into_iter().filter(|i| i.state.is_parked());
        let ids: Vec<RecordId> = parked.filter_map(|i| i.kind.comment().cloned()).collect();
        let object = &context.mapping.actions().comments.object;
        let queries = query::by_ids(object, &[], &ids).map_err(|e| unsayable(&e))?;
        Ok(queries.first().map(|soql| format!("{soql} AND IsDeleted = true")))
    }
}

/// Deleted comments take back answers that were not sent, as unpublishing does.
pub(crate) async fn apply_deleted_comments(shared: &Shared, rows: &[Value]) -> Result<(), Fatal> {
    let comments: Vec<RecordId> = rows.iter().filter_map(|row| id_of(row, "Id")).collect();
    let identities: Vec<String> = comments.iter().map(answer_identity).collect();
    let mut parked = Vec::new();
    for (comment, found) in comments.into_iter().zip(shared.store.intents_by_identity(&identities).await?) {
        parked.extend(found?.filter(|intent| intent.state.is_parked()).map(|i| (i.response_id, comment)));
    }
    let now_ms = shared.clock.now_ms();
    let (ids, comments): (Vec<ResponseId>, Vec<RecordId>) = parked.into_iter().unzip();
    let taken_back =
        shared.change_many(&ids, |place, loaded| loaded.now.see_deleted(&comments[place], now_ms)).await?;
    for response in ids.iter().zip(taken_back).filter_map(|(id, taken_back)| taken_back.then_some(id)) {
        info!(%response, "an answer was deleted before it was sent");
    }
    Ok(())
}
