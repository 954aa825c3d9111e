//! Takes in what another store gave.

use crate::state::copy::{ActionCopy, Batch, EventCopy};
use crate::state::embedded::Tx;
use crate::state::mark::MARK;
use crate::state::records::ledger::put_link;
use crate::state::records::outbox::put_intent;
use crate::state::records::queue::{KEPT, NOTE, PENDING, enqueue, noted};
use crate::state::records::{RECORD, Records, encode, encoded, keys};
use crate::state::{EntryState, RKey, StoreError};

/// The letters of all rooms.
const ROOMS: [u8; 13] = *b"YODXEPNQLCUWA";

impl Records {
    /// Removes everything but the mark.
    pub fn clear(&self) -> Result<(), StoreError> {
        for room in ROOMS {
            self.remove_all(keys::room(room))?;
        }
        let mark = keys::meta(MARK);
        let (first, end) = keys::room(b'M');
        self.remove_all((first, mark.clone()))?;
        self.remove_all(([mark.as_slice(), &[0]].concat(), end))
    }

    /// Writes records that are not there yet.
    pub async fn put(&self, batch: &Batch) -> Result<(), StoreError> {
        self.engine.accepting()?;
        self.engine.room().await?;
        let mut tx = Tx::default();
        batch.events.iter().for_each(|event| put_event(&mut tx, event));
        for (seq, rkey) in &batch.owners {
            tx.set(keys::of_response(*rkey, *seq), vec![KEPT]);
        }
        for receipt in &batch.receipts {
            tx.set(keys::receipt(receipt.owner, receipt.hash), receipt.seq.to_be_bytes().to_vec());
        }
        for note in &batch.notes {
            tx.set(keys::note(note.seq), encode(&note.note));
            enqueue(&mut tx, note.rkey, note.due_ms, note.seq, NOTE);
            tx.set(keys::of_response(note.rkey, note.seq), noted(note.due_ms, note.attempts));
        }
        batch.links.iter().for_each(|(rkey, link)| put_link(&mut tx, *rkey, None, link));
        for (hash, rkey) in &batch.customers {
            tx.set(keys::customer(*hash, *rkey), Vec::new());
        }
        batch.actions.iter().for_each(|action| put_action(&mut tx, action));
        for (hash, seq) in &batch.identities {
            tx.set(keys::identity_hash(*hash), seq.to_be_bytes().to_vec());
        }
        for (lane, rkeys) in &batch.attempts {
            tx.set(keys::attempt(*lane), rkeys.iter().flat_map(|rkey| rkey.0).collect::<Vec<u8>>());
        }
        for (name, json) in &batch.values {
            tx.set(keys::meta(name), encoded(json.as_bytes()));
        }
        self.try_transact(&tx).map(drop)
    }

    /// The end of a copy: all of it is on the disk, and later numbers are greater than `last`.
    pub async fn end_of_copy(&self, last: u64) -> Result<(), StoreError> {
        self.engine.skip_seqs(last);
        self.engine.durable().await
    }
}

fn put_event(tx: &mut Tx, EventCopy { entry, rkey, body }: &EventCopy) {
    tx.set(keys::entry(entry.seq), encode(entry));
    if let Some(body) = body {
        tx.set(keys::payload(entry.seq), body.clone());
    }
    let mut waits = KEPT;
    match (&entry.state, rkey) {
        (EntryState::Waiting { due_ms }, Some(rkey)) => {
            waits = PENDING;
            enqueue(tx, *rkey, *due_ms, entry.seq, PENDING);
        }
        (EntryState::Parked { .. }, _) => drop(tx.set(keys::parked(b'e', entry.seq), Vec::new())),
        _ => {}
    }
    if let Some(rkey) = rkey {
        tx.set(keys::of_response(*rkey, entry.seq), vec![waits]);
    }
}

fn put_action(tx: &mut Tx, action: &ActionCopy) {
    match action {
        ActionCopy::Whole(intent) => put_intent(tx, RKey::of(&intent.response_id), intent),
        ActionCopy::Damaged { seq, for_human, text } => {
            tx.set(keys::intent(*seq), [&[RECORD], text.as_bytes()].concat());
            if *for_human {
                tx.set(keys::parked(b'a', *seq), Vec::new());
            }
        }
    }
}
