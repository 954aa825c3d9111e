//! What waits for a human, and what the human says of it.

use crate::goodays::ResponseId;
use crate::state::embedded::Tx;
use crate::state::records::keys;
use crate::state::records::queue::{finish, revive};
use crate::state::records::{Records, encode};
use crate::state::{Entry, EntryState, Parked, RKey, StoreError};

impl Records {
    /// Everything that waits for a human: at most `limit` actions, then at most `limit` events, each by number.
    pub fn parked(&self, limit: usize) -> Result<Vec<Parked>, StoreError> {
        let listed = |kind: u8| {
            let (from, to) = keys::prefix(vec![b'X', kind]);
            self.engine.keys(&from, &to, limit)
        };
        let mut items = Vec::new();
        for key in listed(b'a')?.into_iter().chain(listed(b'e')?) {
            let (Some(kind), Some(seq)) = (key.get(1), keys::tail_seq(&key)) else { continue };
            items.extend(match kind {
                b'e' => self.entry(seq)?.map(Parked::Event),
                _ if self.is_damaged_intent(seq)? => Some(Parked::DamagedIntent(seq)),
                _ => self.intent(seq)?.map(|intent| Parked::Intent(Box::new(intent))),
            });
        }
        Ok(items)
    }

    /// How many events are parked, counted up to `limit`.
    pub fn count_parked_events(&self, limit: usize) -> Result<usize, StoreError> {
        let (from, to) = keys::prefix(vec![b'X', b'e']);
        Ok(self.engine.keys(&from, &to, limit)?.len())
    }

    /// Queues a parked or dropped event again, for this response and with no attempts. False if the event changed since
    /// it was read.
    pub fn retry_event(&self, read: &Entry, id: &ResponseId, now_ms: i64) -> Result<bool, StoreError> {
        let Some(mut tx) = self.guard_event_as_read(read)? else { return Ok(false) };
        let entry = Entry { response_id: Some(id.clone()), attempts: 0, ..read.clone() };
        revive(&mut tx, entry, RKey::of(id), now_ms);
        self.try_transact(&tx)
    }

    /// Drops a parked event; its record stays until it is pruned. False if the event changed since it was read.
    pub fn drop_event(&self, read: &Entry, now_ms: i64) -> Result<bool, StoreError> {
        let Some(mut tx) = self.guard_event_as_read(read)? else { return Ok(false) };
        tx.remove(keys::parked(b'e', read.seq));
        let state = EntryState::Dropped { at_ms: now_ms };
        match &read.response_id {
            Some(id) => finish(&mut tx, read.clone(), RKey::of(id), state),
            None => {
                tx.set(keys::entry(read.seq), encode(&Entry { state, ..read.clone() }));
            }
        }
        self.try_transact(&tx)
    }

    /// Takes a damaged action off the list. Its record stays: it may have been sent, so it must not begin again.
    pub fn drop_damaged_intent(&self, seq: u64) -> Result<(), StoreError> {
        let mut tx = Tx::default();
        tx.remove(keys::parked(b'a', seq));
        self.try_transact(&tx).map(drop)
    }

    /// A guard for this event; none if it changed since it was read.
    pub(super) fn guard_event_as_read(&self, read: &Entry) -> Result<Option<Tx>, StoreError> {
        let mut tx = Tx::default();
        let now: Option<Entry> = self.guarded(&mut tx, "event", &keys::entry(read.seq))?;
        Ok((now.as_ref() == Some(read)).then_some(tx))
    }
}
