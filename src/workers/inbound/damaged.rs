//! A damaged record of an event affects only itself: it is parked with that reason, and the others continue.

use std::sync::atomic::Ordering;

use tracing::error;

use crate::goodays::ResponseId;
use crate::goodays::event::peek_response_id;
use crate::json;
use crate::state::inbox::finish;
use crate::state::{Entry, EntryState, RKey, Store, StoreError, Tx, Waiting, keys};
use crate::workers::inbound::worker_state::SharedWorkerState;
use crate::workers::{Fatal, Shared};

/// How long a conversation is postponed when its list of waiting items cannot be read (milliseconds).
const LEFT_ALONE_MS: i64 = 600_000;
const CODE: &str = "damaged";
const NO_BODY: &str = "The bytes of this event are damaged on the disk. Let Goodays send it again, or sweep: what is \
                       missing is found there.";

/// What waits for a response. `None`: the list cannot be read, and the conversation is postponed.
pub(crate) fn waiting(
    shared: &Shared,
    worker_state: &SharedWorkerState,
    rkey: RKey,
) -> Result<Option<Waiting>, Fatal> {
    match shared.store.waiting(rkey) {
        Err(StoreError::Damaged(reason)) => {
            error!(rkey = hex::encode(rkey.0), reason, "what waits for a response cannot be read");
            worker_state.lock().postponed.insert(rkey, shared.clock.now_ms() + LEFT_ALONE_MS);
            Ok(None)
        }
        waiting => Ok(Some(waiting?)),
    }
}

/// `None` when it is damaged or missing.
pub(crate) fn body(store: &Store, seq: u64) -> Result<Option<Vec<u8>>, StoreError> {
    store.or_damaged("body", &keys::payload(seq), store.payload(seq))
}

pub(crate) fn park(shared: &Shared, rkey: RKey, entry: &Entry) -> Result<(), StoreError> {
    let now_ms = shared.clock.now_ms();
    loop {
        let mut tx = Tx::default();
        let unchanged = shared.store.guard_unchanged(&mut tx, std::slice::from_ref(entry))?;
        let parked = i64::try_from(unchanged.len()).unwrap_or_default();
        for entry in unchanged {
            let state =
                EntryState::Parked { since_ms: now_ms, code: CODE.to_owned(), why: NO_BODY.to_owned() };
            finish(&mut tx, entry, rkey, state);
        }
        if shared.store.try_transact(&tx)? {
            say(shared, parked);
            return Ok(());
        }
    }
}

/// Repairs a queue: items without a readable record are parked or removed.
pub(crate) fn mend(shared: &Shared, rkey: RKey) -> Result<(), StoreError> {
    let now_ms = shared.clock.now_ms();
    let whose = |seq| named(&shared.store, seq).filter(|id| RKey::of(id) == rkey);
    let parked = shared.store.mend_queue(rkey, &whose, now_ms)?;
    say(shared, parked);
    Ok(())
}

/// The response that the stored bytes name.
fn named(store: &Store, seq: u64) -> Option<ResponseId> {
    let body = json::read(&store.payload(seq).ok()??).ok()?;
    peek_response_id(&body).ok()
}

fn say(shared: &Shared, parked: i64) {
    (0..parked).for_each(|_| shared.metrics.event("parked"));
    if parked > 0 {
        error!(code = CODE, events = parked, "parked: its record is damaged");
        shared.counts.pending.fetch_sub(parked, Ordering::Relaxed);
    }
}
