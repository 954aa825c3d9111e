//! The key of each record: a letter for its kind, then big-endian numbers, so that ranges are in order.
//!
//! The records that every event of a response touches are neighbours under the response's key: its link, its events and
//! notes, and the hashes of its bodies.

use sha2::{Digest, Sha256};

use crate::salesforce::RecordId;
use crate::state::RKey;
use crate::state::embedded::prefix_end;

fn join(room: u8, parts: &[&[u8]]) -> Vec<u8> {
    let mut key = Vec::with_capacity(1 + parts.iter().map(|part| part.len()).sum::<usize>());
    key.push(room);
    for part in parts {
        key.extend_from_slice(part);
    }
    key
}

/// The key of a record that has only a number.
pub fn numbered(room: u8, seq: u64) -> Vec<u8> {
    join(room, &[&seq.to_be_bytes()])
}

/// An event's header.
pub fn entry(seq: u64) -> Vec<u8> {
    join(b'E', &[&seq.to_be_bytes()])
}

/// An event's body as received.
pub fn payload(seq: u64) -> Vec<u8> {
    join(b'P', &[&seq.to_be_bytes()])
}

/// A result to write on the Case.
pub fn note(seq: u64) -> Vec<u8> {
    join(b'N', &[&seq.to_be_bytes()])
}

/// Hash of a body (16 bytes of its SHA-256) to the event. A body that names no response is under its own hash.
pub fn body_hash(rkey: Option<RKey>, body: &[u8]) -> Vec<u8> {
    let hash: [u8; 16] = Sha256::digest(body)[..16].try_into().expect("a digest has 32 bytes");
    receipt(rkey.map_or(hash, |rkey| rkey.0), hash)
}

/// The same by the hash. `owner` is the response, or the hash itself.
pub fn receipt(owner: [u8; 16], hash: [u8; 16]) -> Vec<u8> {
    join(b'L', &[&owner, b"h", &hash])
}

/// Owner and hash of such a key.
pub fn receipt_parts(key: &[u8]) -> Option<([u8; 16], [u8; 16])> {
    let is_receipt = key.len() == 34 && key.get(17) == Some(&b'h');
    is_receipt.then_some(())?;
    Some((key.get(1..17)?.try_into().ok()?, key.get(18..)?.try_into().ok()?))
}

/// A lane's queue, ordered by due time in milliseconds: to the response.
pub fn queue(lane: u8, due_ms: i64, seq: u64) -> Vec<u8> {
    join(b'Q', &[&[lane], &due_ms.max(0).to_be_bytes(), &seq.to_be_bytes()])
}

/// The range of a lane's entries that are due at that time or earlier.
pub fn queue_until(lane: u8, due_ms: i64) -> (Vec<u8>, Vec<u8>) {
    (join(b'Q', &[&[lane]]), join(b'Q', &[&[lane], &due_ms.max(0).saturating_add(1).to_be_bytes()]))
}

/// The range of a lane's queue.
pub fn queue_of(lane: u8) -> (Vec<u8>, Vec<u8>) {
    (join(b'Q', &[&[lane]]), join(b'Q', &[&[lane + 1]]))
}

pub fn queue_parts(key: &[u8]) -> Option<(i64, u64)> {
    let due = i64::from_be_bytes(key.get(2..10)?.try_into().ok()?);
    let seq = u64::from_be_bytes(key.get(10..18)?.try_into().ok()?);
    Some((due, seq))
}

/// An event or a note of a response, waiting or kept.
pub fn of_response(rkey: RKey, seq: u64) -> Vec<u8> {
    join(b'L', &[&rkey.0, b"r", &seq.to_be_bytes()])
}

/// The range of all events and notes of a response, in order.
pub fn all_of_response(rkey: RKey) -> (Vec<u8>, Vec<u8>) {
    prefix(join(b'L', &[&rkey.0, b"r"]))
}

pub fn link(rkey: RKey) -> Vec<u8> {
    join(b'L', &[&rkey.0])
}

/// A link's key ends after the response; other keys with the same letter are longer.
pub fn is_link(key: &[u8]) -> bool {
    key.len() == 17
}

/// A Case to its responses (several after a merge). Salesforce counts ids up, so new ones are neighbours.
pub fn case(id: &RecordId, rkey: RKey) -> Vec<u8> {
    join(b'C', &[first15(id), &rkey.0])
}

pub fn case_prefix(id: &RecordId) -> (Vec<u8>, Vec<u8>) {
    prefix(join(b'C', &[first15(id)]))
}

/// The part of an id that is unique (Salesforce reference, 2).
fn first15(id: &RecordId) -> &[u8] {
    &id.as_str().as_bytes()[..15]
}

pub fn intent(seq: u64) -> Vec<u8> {
    join(b'O', &[&seq.to_be_bytes()])
}

/// Intents that are not final, by response.
pub fn open_intent(rkey: RKey, seq: u64) -> Vec<u8> {
    join(b'Y', &[&rkey.0, &seq.to_be_bytes()])
}

/// An intent's identity to the intent.
pub fn identity(text: &str) -> Vec<u8> {
    join(b'D', &[&Sha256::digest(text.as_bytes())[..16]])
}

/// The same by the hash.
pub fn identity_hash(hash: [u8; 16]) -> Vec<u8> {
    join(b'D', &[&hash])
}

/// What is parked or unclear: `e` events, `a` actions.
pub fn parked(kind: u8, seq: u64) -> Vec<u8> {
    join(b'X', &[&[kind], &seq.to_be_bytes()])
}

/// Unprocessed responses, oldest first.
pub fn waiting(since_ms: i64, rkey: RKey) -> Vec<u8> {
    join(b'W', &[&since_ms.max(0).to_be_bytes(), &rkey.0])
}

/// Responses of one customer, by the hash of the address.
pub fn customer(hash: u64, rkey: RKey) -> Vec<u8> {
    join(b'U', &[&hash.to_be_bytes(), &rkey.0])
}

pub fn customer_prefix(hash: u64) -> (Vec<u8>, Vec<u8>) {
    prefix(join(b'U', &[&hash.to_be_bytes()]))
}

/// The hash and the response.
pub fn customer_parts(key: &[u8]) -> Option<(u64, RKey)> {
    Some((key.get(1..9).and_then(tail_seq)?, tail_rkey(key)?))
}

/// The responses of a lane's call that is in flight.
pub fn attempt(lane: u8) -> Vec<u8> {
    join(b'A', &[&[lane]])
}

pub fn meta(name: &str) -> Vec<u8> {
    join(b'M', &[name.as_bytes()])
}

pub fn room(letter: u8) -> (Vec<u8>, Vec<u8>) {
    (vec![letter], vec![letter + 1])
}

/// The open actions of a response.
pub fn open_intents_of(rkey: RKey) -> (Vec<u8>, Vec<u8>) {
    prefix(join(b'Y', &[&rkey.0]))
}

/// The range of all keys with this prefix.
pub fn prefix(from: Vec<u8>) -> (Vec<u8>, Vec<u8>) {
    let to = prefix_end(&from);
    (from, to)
}

/// The last eight bytes as a number.
pub fn tail_seq(key: &[u8]) -> Option<u64> {
    let at = key.len().checked_sub(8)?;
    key[at..].try_into().ok().map(u64::from_be_bytes)
}

/// The last sixteen bytes as a response's key.
pub fn tail_rkey(key: &[u8]) -> Option<RKey> {
    RKey::read(&key[key.len().saturating_sub(16)..])
}
