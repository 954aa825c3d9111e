//! The keys that say what waits for a conversation and when it is due: written together with each event and note.

use crate::decide::Note;
use crate::state::embedded::Tx;
use crate::state::records::encode;
use crate::state::records::keys;
use crate::state::{Entry, EntryState, Item, RKey};

/// The value of an event that waits.
pub(super) const PENDING: u8 = b'p';
/// The first byte of a waiting note's value.
pub(super) const NOTE: u8 = b'n';
/// The value of an event that waits no more.
pub(super) const KEPT: u8 = b'k';

/// The value under a response for a waiting note: its due time and its number of attempts.
pub(super) fn noted(due_ms: i64, attempts: u32) -> Vec<u8> {
    [[NOTE].as_slice(), &due_ms.to_be_bytes(), &attempts.to_be_bytes()].concat()
}

/// Due time and attempts of a waiting note.
pub(super) fn read_noted(value: &[u8]) -> (i64, u32) {
    let due = value.get(1..9).and_then(keys::tail_seq).unwrap_or(0).cast_signed();
    let attempts = value.get(9..13).and_then(|bytes| bytes.try_into().ok());
    (due, attempts.map_or(0, u32::from_be_bytes))
}

/// Whether the value is a note that is due then, with any number of attempts.
pub(super) fn is_noted(held: Option<&[u8]>, due_ms: i64) -> bool {
    held.is_some_and(|held| held.starts_with(&noted(due_ms, 0)[..9]))
}

pub(super) fn item(key: &[u8], value: &[u8]) -> Option<Item> {
    let (due_ms, seq) = keys::queue_parts(key)?;
    Some(Item { rkey: RKey::read(value)?, due_ms, seq, event: value.get(16) == Some(&PENDING) })
}

/// The value names the response, and whether this is an event or a note.
pub(super) fn enqueue(tx: &mut Tx, rkey: RKey, due_ms: i64, seq: u64, kind: u8) {
    let mut value = rkey.0.to_vec();
    value.push(kind);
    tx.set(keys::queue(rkey.lane(), due_ms, seq), value);
}

/// Queues a parked or dropped event again.
pub(super) fn revive(tx: &mut Tx, mut entry: Entry, rkey: RKey, now_ms: i64) {
    tx.remove(keys::parked(b'e', entry.seq));
    enqueue(tx, rkey, now_ms, entry.seq, PENDING);
    tx.set(keys::of_response(rkey, entry.seq), vec![PENDING]);
    entry.state = EntryState::Waiting { due_ms: now_ms };
    tx.set(keys::entry(entry.seq), encode(&entry));
}

/// Gives an event a new state. It leaves the queue, unless the state is `Waiting`.
pub(super) fn finish(tx: &mut Tx, mut entry: Entry, rkey: RKey, state: EntryState) {
    if let EntryState::Waiting { due_ms } = entry.state {
        tx.remove(keys::queue(rkey.lane(), due_ms, entry.seq));
    }
    if let EntryState::Waiting { due_ms } = state {
        enqueue(tx, rkey, due_ms, entry.seq, PENDING);
    } else {
        tx.set(keys::of_response(rkey, entry.seq), vec![KEPT]);
    }
    if matches!(state, EntryState::Parked { .. }) {
        tx.set(keys::parked(b'e', entry.seq), Vec::new());
    }
    entry.state = state;
    tx.set(keys::entry(entry.seq), encode(&entry));
}

/// Queues a note for the Case.
pub(super) fn put_note(tx: &mut Tx, rkey: RKey, seq: u64, due_ms: i64, note: &Note) {
    tx.set(keys::note(seq), encode(note));
    enqueue(tx, rkey, due_ms, seq, NOTE);
    tx.set(keys::of_response(rkey, seq), noted(due_ms, 0));
}

/// Queues a note for another time.
pub(super) fn move_note(tx: &mut Tx, rkey: RKey, seq: u64, from_ms: i64, due_ms: i64, attempts: u32) {
    tx.remove(keys::queue(rkey.lane(), from_ms, seq));
    enqueue(tx, rkey, due_ms, seq, NOTE);
    tx.set(keys::of_response(rkey, seq), noted(due_ms, attempts));
}

/// Removes a note that was written, or never can be.
pub(super) fn drop_note(tx: &mut Tx, rkey: RKey, seq: u64, due_ms: i64) {
    tx.remove(keys::note(seq));
    tx.remove(keys::queue(rkey.lane(), due_ms, seq));
    tx.remove(keys::of_response(rkey, seq));
}
