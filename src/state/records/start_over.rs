//! Removes the ledger and the outbox of a state that counts as lost.

use crate::state::embedded::Tx;
use crate::state::records::Records;
use crate::state::records::keys;
use crate::state::records::pages::Pages;
use crate::state::records::queue::{drop_note, item};
use crate::state::{LANES, StoreError};

/// Records removed in one transaction.
const SLICE: usize = 500;
/// Key prefixes of the ledger and the outbox. Intents are removed first, so that an interrupted start sends nothing.
const ROOMS: [u8; 6] = *b"YODCUW";

impl Records {
    /// Removes the ledger, the outbox and all notes; received events stay. The values named `last` are removed last: who
    /// finds them knows that something may be left.
    pub fn start_over(&self, last: &[&str]) -> Result<(), StoreError> {
        for room in ROOMS {
            self.remove_all(keys::room(room))?;
        }
        self.remove_links()?;
        self.remove_all((keys::parked(b'a', 0), keys::parked(b'a', u64::MAX)))?;
        for lane in 0..LANES {
            self.remove_notes(lane)?;
            self.set_attempts(&[(lane, Vec::new())])?;
        }
        let mut tx = Tx::default();
        for name in last {
            tx.remove(keys::meta(name));
        }
        self.try_transact(&tx).map(drop)
    }

    pub(super) fn remove_all(&self, (from, to): (Vec<u8>, Vec<u8>)) -> Result<(), StoreError> {
        loop {
            let found = self.engine.keys(&from, &to, SLICE)?;
            if found.is_empty() {
                return Ok(());
            }
            let mut tx = Tx::default();
            for key in found {
                tx.remove(key);
            }
            self.try_transact(&tx)?;
        }
    }

    /// Events and the hashes of bodies are stored beside the links, and stay.
    fn remove_links(&self) -> Result<(), StoreError> {
        let mut room = Pages::new(keys::room(b'L'));
        while let Some(found) = room.keys(self)? {
            let mut tx = Tx::default();
            for key in found.into_iter().filter(|key| keys::is_link(key)) {
                tx.remove(key);
            }
            self.try_transact(&tx)?;
        }
        Ok(())
    }

    fn remove_notes(&self, lane: u8) -> Result<(), StoreError> {
        let mut queue = Pages::new(keys::queue_of(lane));
        while let Some(rows) = queue.rows(self)? {
            let all = rows.iter().filter_map(|(key, value)| item(key, value));
            for note in all.filter(|item| !item.event) {
                let mut tx = Tx::default();
                drop_note(&mut tx, note.rkey, note.seq, note.due_ms);
                self.try_transact(&tx)?;
            }
        }
        Ok(())
    }
}
