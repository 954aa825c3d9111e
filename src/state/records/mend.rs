//! Repairs the queue of a conversation that cannot be loaded whole.

use crate::decide::{DAMAGED, Note};
use crate::goodays::ResponseId;
use crate::state::embedded::Tx;
use crate::state::records::damaged::is_damaged;
use crate::state::records::inbox::is_of;
use crate::state::records::keys;
use crate::state::records::pages::Pages;
use crate::state::records::queue::{KEPT, PENDING, drop_note, is_noted, item};
use crate::state::records::{Records, decode, encode};
use crate::state::{Entry, EntryState, Item, LANES, RKey, StoreError};

/// Parks an event without a readable header under a new one. What it was is not known, so a human decides.
fn park_damaged(tx: &mut Tx, seq: u64, response_id: Option<ResponseId>, now_ms: i64) {
    let why = "What is kept of this event is damaged; its bytes may be readable: try it again, or drop it.";
    let state = EntryState::Parked { since_ms: now_ms, code: DAMAGED.into(), why: why.into() };
    let event = "unknown".to_owned();
    let entry = Entry { seq, response_id, event, received_ms: now_ms, state, attempts: 0 };
    tx.set(keys::parked(b'e', seq), Vec::new()).set(keys::entry(seq), encode(&entry));
}

fn foreign(seq: u64) {
    tracing::warn!(seq, "a place in the queue belongs to no event: it goes");
}

impl Records {
    /// Repairs queue entries of a response that cannot be processed. An event with a damaged or missing header is
    /// parked, if its body may still be there. A queue entry without an event or a note is removed. `name` reads the
    /// response's id in an event's body. Returns how many events were parked now.
    pub fn mend(
        &self,
        rkey: RKey,
        name: fn(&[u8]) -> Option<ResponseId>,
        now_ms: i64,
    ) -> Result<i64, StoreError> {
        let mut aside = 0;
        let mut queue = Pages::new(keys::queue_of(rkey.lane()));
        while let Some(rows) = queue.rows(self)? {
            let all = rows.iter().filter_map(|(key, value)| item(key, value));
            for item in all.filter(|item| item.rkey == rkey) {
                let mut tx = Tx::default();
                let parked = if item.event {
                    self.mend_event(&mut tx, item, name, now_ms)?
                } else {
                    self.mend_note(&mut tx, item)?;
                    false
                };
                aside += i64::from(!tx.writes.is_empty() && self.try_transact(&tx)? && parked);
            }
        }
        Ok(aside)
    }

    fn mend_event(
        &self,
        tx: &mut Tx,
        item: Item,
        name: fn(&[u8]) -> Option<ResponseId>,
        now_ms: i64,
    ) -> Result<bool, StoreError> {
        let Item { rkey, due_ms, seq, .. } = item;
        let row = keys::of_response(rkey, seq);
        let header = match self.engine.guard(tx, keys::entry(seq)) {
            Ok(Some(header)) => decode::<Entry>(&header).map(Some),
            held => held.map(|_| None),
        };
        // What the disk has changed cannot be guarded, so the row of its response is.
        let listed = self.engine.guard(tx, row.clone())?;
        match header {
            Ok(Some(entry)) if !is_of(&entry, rkey) => {
                tracing::error!(seq, "an event's number was given a second time: what stood there is lost");
                let (again, named) = (self.engine.next_seq(), self.link(rkey)?.map(|link| link.response_id));
                tx.remove(row).remove(keys::queue(rkey.lane(), due_ms, seq));
                tx.set(keys::of_response(rkey, again), vec![KEPT]);
                park_damaged(tx, again, named, now_ms);
                return Ok(true);
            }
            Ok(Some(Entry { state: EntryState::Waiting { due_ms: due }, .. })) if due == due_ms => {
                if listed.as_deref() != Some(&[PENDING]) {
                    tx.set(row, vec![PENDING]);
                }
                return Ok(false);
            }
            Ok(None) if self.engine.get(&keys::payload(seq)) == Ok(None) => foreign(seq),
            Ok(Some(_)) => foreign(seq),
            Err(error) if !matches!(error, StoreError::Damaged(_)) => return Err(error),
            Ok(None) | Err(_) => {
                let named = self.body(seq)?.and_then(|body| name(&body)).filter(|id| RKey::of(id) == rkey);
                tx.set(row, vec![KEPT]);
                park_damaged(tx, seq, named, now_ms);
            }
        }
        tx.remove(keys::queue(rkey.lane(), due_ms, seq));
        Ok(tx.writes.iter().any(|(key, value)| value.is_some() && *key == keys::entry(seq)))
    }

    /// Parks listed events with a damaged header that do not wait: they are shown by the new one. (Those that wait are
    /// parked by [`Self::mend`].) Returns how many were parked now.
    pub fn set_events_aside(
        &self,
        name: fn(&[u8]) -> Option<ResponseId>,
        now_ms: i64,
    ) -> Result<u64, StoreError> {
        let mut listed = Pages::new(keys::prefix(vec![b'X', b'e']));
        let mut aside = 0;
        while let Some(found) = listed.keys(self)? {
            for key in found {
                let Some(seq) = keys::tail_seq(&key) else { continue };
                if self.is_damaged_event(seq)? && !self.is_queued(seq)? {
                    let mut tx = Tx::default();
                    tx.expect(key, Some(Vec::new()));
                    park_damaged(&mut tx, seq, self.body(seq)?.and_then(|body| name(&body)), now_ms);
                    aside += u64::from(self.try_transact(&tx)?);
                }
            }
        }
        Ok(aside)
    }

    pub(super) fn is_damaged_event(&self, seq: u64) -> Result<bool, StoreError> {
        is_damaged(self.read::<Entry>(&keys::entry(seq)))
    }

    /// Whether the queue has this event. It walks over all that waits, so it is asked of damaged events only.
    fn is_queued(&self, seq: u64) -> Result<bool, StoreError> {
        for lane in 0..LANES {
            let mut queue = Pages::new(keys::queue_of(lane));
            while let Some(found) = queue.keys(self)? {
                if found.iter().any(|key| keys::tail_seq(key) == Some(seq)) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// Removes a note that cannot be read, and a queue entry that is not the note's current one.
    fn mend_note(&self, tx: &mut Tx, item: Item) -> Result<(), StoreError> {
        let Item { rkey, due_ms, seq, .. } = item;
        let waits = is_noted(self.engine.guard(tx, keys::of_response(rkey, seq))?.as_deref(), due_ms);
        let note = self.or_damaged("note", &keys::note(seq), self.read::<Note>(&keys::note(seq)))?;
        if waits && note.is_none() {
            drop_note(tx, rkey, seq, due_ms);
        } else if !waits {
            tx.remove(keys::queue(rkey.lane(), due_ms, seq));
        }
        Ok(())
    }
}
