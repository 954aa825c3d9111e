//! Repairs the queue of a conversation that cannot be loaded whole.

use crate::decide::{DAMAGED, Note};
use crate::goodays::ResponseId;
use crate::state::embedded::Tx;
use crate::state::records::keys;
use crate::state::records::pages::Pages;
use crate::state::records::queue::{KEPT, PENDING, drop_note, is_noted, item};
use crate::state::records::{Records, decode, encode};
use crate::state::{Entry, EntryState, Item, RKey, StoreError};

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
        let header = self.engine.guard(tx, keys::entry(seq))?;
        let entry = header.as_deref().and_then(|header| decode::<Entry>(header).ok());
        match entry.map(|entry| entry.state) {
            Some(EntryState::Waiting { due_ms: due }) if due == due_ms => {
                if self.engine.guard(tx, row.clone())?.as_deref() != Some(&[PENDING]) {
                    tx.set(row, vec![PENDING]);
                }
                return Ok(false);
            }
            None if header.is_some() || self.engine.get(&keys::payload(seq)) != Ok(None) => {
                let why = "What is kept of this event is damaged; its bytes may be readable: try it again, or drop it.";
                let state = EntryState::Parked { since_ms: now_ms, code: DAMAGED.into(), why: why.into() };
                let named = self.body(seq).ok().flatten().and_then(|body| name(&body));
                let (response_id, event) = (named.filter(|id| RKey::of(id) == rkey), "unknown".to_owned());
                let entry = Entry { seq, response_id, event, received_ms: now_ms, state, attempts: 0 };
                tx.set(row, vec![KEPT]).set(keys::parked(b'e', seq), Vec::new());
                tx.set(keys::entry(seq), encode(&entry));
            }
            Some(_) | None => tracing::warn!(seq, "a place in the queue belongs to no event: it goes"),
        }
        tx.remove(keys::queue(rkey.lane(), due_ms, seq));
        Ok(tx.writes.iter().any(|(key, value)| value.is_some() && *key == keys::entry(seq)))
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
