//! Detects a state that is older than what was written from it: a restored backup. Its ledger would import again what
//! Salesforce has, and its outbox would send again what customers have. So it counts as lost (design, rule 5).

use jiff::Timestamp;
use serde_json::Value;
use tracing::{error, warn};

use crate::decide::DAMAGED;
use crate::decide::ledger::marker::read_marker;
use crate::goodays::{MessageId, ResponseId};
use crate::http::Failure;
use crate::mapping::CaseMapping;
use crate::salesforce::query::{self, After, Poll};
use crate::state::{LANES, RKey, Store, StoreError};
use crate::time::SalesforceTime;
use crate::workers::Shared;
use crate::workers::inbound::reconcile::unsayable;
use crate::workers::poll::apply_rows::id_of;
use crate::workers::poll::{CURSOR, DEEP, LOOKED};
use crate::workers::runtime::budget::Purpose;
use crate::workers::runtime::org_identity::disk;

/// After the disk lost writes that had been acknowledged: unsent actions wait for a human, and the next poll reads the
/// daily span again, because the cursor may be ahead of what was kept.
pub(crate) async fn after_loss(store: &Store, now_ms: i64) -> Result<(), StoreError> {
    let open = store.all_open_intents().await?;
    let mut parked = 0;
    for intent in &open {
        let (was_parked, _) = store
            .change(&intent.response_id, now_ms, |loaded| loaded.now.after_loss(intent.seq, now_ms))
            .await?;
        parked += usize::from(was_parked);
    }
    error!(
        code = DAMAGED,
        parked, "a part of the state is lost: actions that may have been sent wait for a human"
    );
    store.set_meta(DEEP, &0_i64).await?;
    // Last: a start that is cut off before has to do all of this again.
    store.loss_is_seen_to()
}

/// How many Cases are checked: as many as a query returns in one call.
const LOOKED_AT: usize = 2000;
impl Shared {
    /// Whether Cases that changed since our last poll have messages in their marker that the ledger does not know, or were
    /// made since then and are not known at all. Only a later state than this one can have written them. (Earlier Cases are
    /// unknown after a damage of the disk, too.)
    pub(crate) async fn is_outdated(&self, first_start: SalesforceTime) -> Result<bool, Failure> {
        let cursor_ms: Option<i64> = self.store.meta(CURSOR).await.map_err(|e| disk(&e))?;
        // None is stored before something has changed since the first start.
        let cursor_ms = cursor_ms.unwrap_or(first_start.to_millis());
        let mapping = self.mapping();
        let Some(case) = mapping.case_mappings().first() else { return Ok(false) };
        let poll = Poll {
            object: &case.object,
            fields: &[&case.key_field, &case.marker_field, "CreatedDate"],
            key: &case.key_field,
            not_by: None,
            except: &[],
            limit: LOOKED_AT,
        };
        let at = Timestamp::from_millisecond(cursor_ms).unwrap_or_default();
        let soql = query::poll(&poll, &After { at, id: None }).map_err(|e| unsayable(&e))?;
        self.allowance(Purpose::Feedback).await?;
        let rows = match self.salesforce.query(&soql).await {
            Ok(rows) => rows,
            // A field is missing: `check` and the first write report it.
            Err(Failure::Refused { .. }) => return Ok(false),
            Err(failure) => return Err(failure),
        };
        for row in &rows {
            let since = SalesforceTime::from_millis(cursor_ms);
            if self.is_ahead(row, case, since).await.map_err(|e| disk(&e))? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn is_ahead(
        &self,
        row: &Value,
        case: &CaseMapping,
        since: SalesforceTime,
    ) -> Result<bool, StoreError> {
        let text = |field: &str| row.get(field).and_then(Value::as_str);
        let (Some(id), Some(key)) = (id_of(row, "Id"), text(&case.key_field)) else { return Ok(false) };
        let Some(own) = ResponseId::new(key).ok().map(|id| RKey::of(&id)) else { return Ok(false) };
        for lane in 0..LANES {
            // It was in flight when the process ended; it is read back anyway.
            if self.store.attempt(lane).await?.contains(&own) {
                return Ok(false);
            }
        }
        let links = self.store.links_of_case(&id).await?;
        let marked = read_marker(text(&case.marker_field).unwrap_or_default());
        if links.is_empty() && self.store.link(own).await?.is_none() {
            let created = text("CreatedDate").and_then(SalesforceTime::parse);
            return Ok(!marked.is_empty() && created.is_some_and(|created| created > since));
        }
        // A link that was never read knows nothing yet.
        if links.is_empty() || links.iter().any(|link| link.unread) {
            return Ok(false);
        }
        let known = |id: &MessageId| links.iter().any(|link| link.knows(id));
        Ok(!marked.iter().all(known))
    }

    /// Removes the ledger and the outbox; waiting events stay. The cursor is removed last: until then the next start
    /// finds what is left.
    pub(crate) async fn start_over(&self) -> Result<(), StoreError> {
        let open = self.store.all_open_intents().await?.len();
        warn!(
            open,
            "this state is older than what was written from it (a restored backup?): it is taken for lost"
        );
        self.store.start_over(&[LOOKED, CURSOR]).await
    }
}
