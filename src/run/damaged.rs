//! What a damaged record of an event costs: itself. It is parked with that reason, and the others go on.

use std::sync::atomic::Ordering;

use tracing::error;

use super::inbound::Lane;
use super::{Fatal, Shared};
use crate::goodays::ResponseId;
use crate::goodays::event::{self, Event, peek_response_id};
use crate::json;
use crate::store::inbox::finish;
use crate::store::{Entry, EntryState, RKey, Store, StoreError, Tx, Waiting, keys};

/// How long a conversation is left alone of which not even a list can be read (milliseconds).
const LEFT_ALONE_MS: i64 = 600_000;
const CODE: &str = "damaged";
const NO_BODY: &str = "The bytes of this event are damaged on the disk. Let Goodays send it again, or sweep: what is \
                       missing is found there.";

impl Lane {
    /// What waits for a response, and the events in it. What is damaged is parked, and is not in it any more. None:
    /// the list itself cannot be read.
    pub(super) fn waiting(
        &self,
        shared: &Shared,
        rkey: RKey,
    ) -> Result<Option<(Waiting, Vec<Event>)>, Fatal> {
        let now_ms = shared.clock.now_ms();
        let mut waiting = match shared.store.waiting(rkey) {
            Err(StoreError::Damaged(reason)) => {
                error!(rkey = hex::encode(rkey.0), reason, "what waits for a response cannot be read");
                self.doubts().held.insert(rkey, now_ms + LEFT_ALONE_MS);
                return Ok(None);
            }
            waiting => waiting?,
        };
        let mut events = Vec::new();
        for entry in std::mem::take(&mut waiting.entries) {
            match body(&shared.store, entry.seq)? {
                None => park(shared, rkey, &entry, now_ms)?,
                Some(body) => {
                    events.extend(json::read(&body).ok().and_then(|body| event::read_owned(body).ok()));
                    waiting.entries.push(entry);
                }
            }
        }
        if !waiting.lost.is_empty() || (waiting.entries.is_empty() && waiting.notes.is_empty()) {
            mend(shared, rkey, now_ms)?;
        }
        Ok(Some((waiting, events)))
    }
}

/// None when it is damaged, or missing.
fn body(store: &Store, seq: u64) -> Result<Option<Vec<u8>>, StoreError> {
    store.or_damaged("body", &keys::payload(seq), store.payload(seq))
}

fn park(shared: &Shared, rkey: RKey, entry: &Entry, now_ms: i64) -> Result<(), StoreError> {
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

fn mend(shared: &Shared, rkey: RKey, now_ms: i64) -> Result<(), StoreError> {
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
