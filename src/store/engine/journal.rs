//! Several writes that become one: first recorded as a whole, then carried out, then the record is removed.
//!
//! sled recovers a prefix of what was written. If the record is there after a crash, its writes are carried out
//! again; if it is not, either none of them had begun or all were done. There is at most one record, since there
//! is one writer.

use super::open::{Tables, Trouble};
use super::value::{CHUNK, hash};
use super::writer::Writer;

/// Key and new entry; `None` deletes.
pub(super) type Change = (Vec<u8>, Option<Vec<u8>>);

const RECORD: [u8; 4] = [0; 4];
const HASH: usize = 32;
/// A record begins with the length and the hash of all that follows in it and in its parts.
const HEADER: usize = 8 + HASH;

/// Carries out all changes or, after a crash, none.
pub(super) fn apply(writer: &mut Writer, tables: &Tables, changes: &[Change]) -> sled::Result<()> {
    // A single one is atomic by itself.
    if changes.len() > 1 {
        record(writer, tables, changes)?;
    }
    for (key, entry) in changes {
        writer.write(&tables.state, key, entry.as_deref())?;
    }
    if changes.len() > 1 {
        writer.remove(&tables.journal, &RECORD)?;
    }
    Ok(())
}

/// Finishes what a crash cut short.
pub(super) fn replay(writer: &mut Writer, tables: &Tables) -> Result<(), Trouble> {
    let Some(record) = tables.journal.get(RECORD).map_err(Trouble::of)? else { return Ok(()) };
    let changes = read(tables, &record)?;
    for (key, entry) in &changes {
        writer.write(&tables.state, key, entry.as_deref()).map_err(Trouble::of)?;
    }
    writer.remove(&tables.journal, &RECORD).map_err(Trouble::of)?;
    tracing::debug!(changes = changes.len(), "a transaction that a crash had cut was finished");
    Ok(())
}

/// The record proper is written last: parts without it are nothing, and are overwritten by the next ones.
pub(super) fn record(writer: &mut Writer, tables: &Tables, changes: &[Change]) -> sled::Result<()> {
    let bytes = encode(changes);
    let (first, rest) = bytes.split_at(bytes.len().min(CHUNK - HEADER));
    for (part, bytes) in (1u32..).zip(rest.chunks(CHUNK)) {
        writer.put(&tables.journal, &part.to_be_bytes(), bytes)?;
    }
    let length = (bytes.len() as u64).to_be_bytes();
    writer.put(&tables.journal, &RECORD, &[&length, hash(&bytes).as_slice(), first].concat())
}

fn read(tables: &Tables, record: &[u8]) -> Result<Vec<Change>, Trouble> {
    let broken = || Trouble::Damaged("the record of the last transaction is incomplete".into());
    let (length, rest) = record.split_first_chunk().ok_or_else(broken)?;
    let (expected, first) = rest.split_at_checked(HASH).ok_or_else(broken)?;
    let length = u64::from_be_bytes(*length);
    let mut bytes = first.to_vec();
    for part in 1u32.. {
        if bytes.len() as u64 >= length {
            break;
        }
        let next = tables.journal.get(part.to_be_bytes()).map_err(Trouble::of)?.ok_or_else(broken)?;
        bytes.extend_from_slice(&next);
    }
    if hash(&bytes) != expected {
        return Err(broken());
    }
    decode(&bytes).ok_or_else(broken)
}

const DELETED: u32 = u32::MAX;

fn encode(changes: &[Change]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let length = |bytes: &[u8]| u32::try_from(bytes.len()).expect("keys and entries are short");
    for (key, entry) in changes {
        bytes.extend_from_slice(&length(key).to_be_bytes());
        bytes.extend_from_slice(&entry.as_deref().map_or(DELETED, length).to_be_bytes());
        bytes.extend_from_slice(key);
        bytes.extend_from_slice(entry.as_deref().unwrap_or_default());
    }
    bytes
}

fn decode(mut bytes: &[u8]) -> Option<Vec<Change>> {
    let mut changes = Vec::new();
    while !bytes.is_empty() {
        let key = number(&mut bytes)?;
        let entry = number(&mut bytes)?;
        let key = take(&mut bytes, key)?;
        let entry = if entry == DELETED { None } else { Some(take(&mut bytes, entry)?) };
        changes.push((key, entry));
    }
    Some(changes)
}

fn number(bytes: &mut &[u8]) -> Option<u32> {
    let (number, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(u32::from_be_bytes(*number))
}

fn take(bytes: &mut &[u8], length: u32) -> Option<Vec<u8>> {
    let (taken, rest) = bytes.split_at_checked(usize::try_from(length).ok()?)?;
    *bytes = rest;
    Some(taken.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_survive_their_record() {
        let changes =
            vec![(b"a".to_vec(), None), (b"b".to_vec(), Some(vec![])), (vec![1; 900], Some(vec![7; 3073]))];
        assert_eq!(decode(&encode(&changes)), Some(changes.clone()));
        let bytes = encode(&changes);
        assert_eq!(decode(&bytes[..bytes.len() - 1]), None);
    }
}
