//! A damaged record of an event affects only itself: it is parked with that reason, and the others continue.

use std::sync::atomic::Ordering;

use tracing::error;

use crate::goodays::ResponseId;
use crate::goodays::event::peek_response_id;
use crate::json;
use crate::state::{RKey, StoreError};
use crate::workers::Shared;

const CODE: &str = "damaged";
const NO_BODY: &str = "The bytes of this event are damaged on the disk. Let Goodays send it again, or sweep: what is \
                       missing is found there.";

/// Why an event without a readable body is parked.
pub(crate) fn no_body() -> (&'static str, String) {
    (CODE, NO_BODY.to_owned())
}

/// Repairs a queue: items without a readable record are parked or removed.
pub(crate) async fn mend(shared: &Shared, rkey: RKey) -> Result<(), StoreError> {
    let now_ms = shared.clock.now_ms();
    let parked = shared.store.mend(rkey, named, now_ms).await?;
    (0..parked).for_each(|_| shared.metrics.event("parked"));
    if parked > 0 {
        error!(code = CODE, events = parked, "parked: its record is damaged");
        shared.counts.pending.fetch_sub(parked, Ordering::Relaxed);
    }
    Ok(())
}

/// Parks events that wait for nothing and whose record is damaged: what they were is not known any more.
pub(crate) fn set_aside(shared: &Shared) -> Result<(), StoreError> {
    let parked = shared.store.set_events_aside(named, shared.clock.now_ms())?;
    (0..parked).for_each(|_| shared.metrics.event("parked"));
    if parked > 0 {
        error!(code = CODE, events = parked, "parked: its record is damaged");
    }
    Ok(())
}

/// The response that the stored bytes name.
fn named(body: &[u8]) -> Option<ResponseId> {
    peek_response_id(&json::read(body).ok()?).ok()
}
