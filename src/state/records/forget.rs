//! Removes what is kept about a person. What is personal in a record is decided by the caller.
//!
//! Each transaction here also names what is to be overwritten on the disk; `wipe` does that.

use crate::decide::Link;
use crate::state::embedded::Tx;
use crate::state::records::Records;
use crate::state::records::keys;
use crate::state::records::ledger::put_link;
use crate::state::records::queue::drop_note;
use crate::state::{AT_ONCE, Entry, EntryState, ForgottenConversation, RKey, StoreError};

impl Records {
    /// The responses whose customer has or had the address with this hash.
    pub fn responses_of_customer(&self, hash: u64) -> Result<Vec<RKey>, StoreError> {
        let index = self.all_keys(keys::customer_prefix(hash))?;
        Ok(index.iter().filter_map(|key| keys::tail_rkey(key)).collect())
    }

    /// Removes the address's hash as a way to find this response, unless an event that just arrived has the address
    /// again.
    pub fn forget_customer(&self, hash: u64, rkey: RKey) -> Result<(), StoreError> {
        loop {
            let mut tx = Tx::default();
            let link: Option<Link> = self.guarded(&mut tx, "link", &keys::link(rkey))?;
            if link.is_some_and(|link| link.customer == Some(hash)) {
                return Ok(());
            }
            tx.remove(keys::customer(hash, rkey));
            if self.try_transact(&tx)? {
                return Ok(());
            }
        }
    }

    /// Removes a parked event that names no response. False if it changed since it was read.
    pub fn forget_nameless_event(&self, read: &Entry) -> Result<bool, StoreError> {
        let Some(mut tx) = self.guard_event_as_read(read)? else { return Ok(false) };
        tx.remove(keys::parked(b'e', read.seq));
        tx.remove(keys::payload(read.seq));
        tx.remove(keys::entry(read.seq));
        tx.wipe_written();
        self.try_transact(&tx)
    }

    /// Removes all events and notes of a response, and the index entry of its customer; `clean` removes what is personal
    /// in its link, and may run several times. The actions stay.
    pub fn forget_conversation(
        &self,
        rkey: RKey,
        clean: impl Fn(&mut Link),
    ) -> Result<ForgottenConversation, StoreError> {
        let mut all = ForgottenConversation::default();
        loop {
            let Some((mut tx, found)) = self.without_person(rkey, &clean)? else { continue };
            tx.wipe_written();
            tx.wipes.extend(self.personal_keys(rkey)?);
            if self.try_transact(&tx)? {
                all.events += found.events;
                all.pending += found.pending;
                all.known |= found.known;
                if found.events < AT_ONCE {
                    return Ok(all);
                }
            }
        }
    }

    /// The records with a person's words that there ever were for a response: notes that were written on the Case and
    /// removed, for example.
    fn personal_keys(&self, rkey: RKey) -> Result<impl Iterator<Item = Vec<u8>> + use<>, StoreError> {
        let (prefix, _) = keys::all_of_response(rkey);
        let listed = self.engine.keys_ever_written(&prefix)?;
        let seqs = listed.into_iter().filter_map(|key| keys::tail_seq(&key));
        Ok(seqs.flat_map(|seq| [keys::payload(seq), keys::note(seq)]))
    }

    /// The transaction that removes at most [`AT_ONCE`] events and all the rest; none if an event changes meanwhile.
    fn without_person(
        &self,
        rkey: RKey,
        clean: impl Fn(&mut Link),
    ) -> Result<Option<(Tx, ForgottenConversation)>, StoreError> {
        let mut tx = Tx::default();
        let waiting = self.guard_waiting(&mut tx, rkey)?;
        let events = self.entries_of(rkey, AT_ONCE)?;
        let mut pending = 0;
        for entry in &events {
            if self.guarded::<Entry>(&mut tx, "event", &keys::entry(entry.seq))?.as_ref() != Some(entry) {
                return Ok(None);
            }
            if let EntryState::Waiting { due_ms } = entry.state {
                tx.remove(keys::queue(rkey.lane(), due_ms, entry.seq));
                pending += 1;
            }
            remove_event(&mut tx, rkey, entry.seq);
        }
        for note in &waiting.notes {
            drop_note(&mut tx, rkey, note.seq, note.due_ms);
        }
        for seq in self.without_header(rkey)? {
            // Its queue item is removed when the inbound worker finds it.
            remove_event(&mut tx, rkey, seq);
        }
        let before: Option<Link> = self.guarded(&mut tx, "link", &keys::link(rkey))?;
        if let Some(before) = &before {
            let mut link = before.clone();
            clean(&mut link);
            if let Some(hash) = before.customer.filter(|_| link.customer.is_none()) {
                tx.remove(keys::customer(hash, rkey));
            }
            put_link(&mut tx, rkey, Some(before), &link);
        }
        let found = ForgottenConversation { events: events.len(), pending, known: before.is_some() };
        Ok(Some((tx, found)))
    }
}

fn remove_event(tx: &mut Tx, rkey: RKey, seq: u64) {
    tx.remove(keys::parked(b'e', seq)).remove(keys::payload(seq));
    tx.remove(keys::entry(seq)).remove(keys::of_response(rkey, seq));
}
