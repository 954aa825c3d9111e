//! How a value lies in sled: small ones inline, larger ones cut into chunks.
//!
//! sled moves a page of sixteen big values out of its log into a file that it never syncs; so no stored value is
//! larger than a chunk. Chunks lie in a tree of their own, under the value's key, a slot and their number: a new value
//! takes the slot that the old one does not have, so the old one is whole until the entry names the new one.

use sha2::{Digest, Sha256};

/// The largest piece in one entry: sixteen of them with their keys stay far below the 128 KiB of a page.
pub(super) const CHUNK: usize = 3072;

const INLINE: u8 = 0;
const CHUNKED: u8 = 1;
const HEAD: usize = 1 + 1 + 8 + 32;

/// What an entry of the state tree says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Stored<'a> {
    Inline(&'a [u8]),
    Chunked(Head),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    /// 0 or 1.
    pub slot: u8,
    pub len: u64,
    pub hash: [u8; 32],
}

pub(super) fn is_large(value: &[u8]) -> bool {
    value.len() > CHUNK
}

pub(super) fn hash(value: &[u8]) -> [u8; 32] {
    Sha256::digest(value).into()
}

pub(super) fn inline(value: &[u8]) -> Vec<u8> {
    let mut entry = Vec::with_capacity(1 + value.len());
    entry.push(INLINE);
    entry.extend_from_slice(value);
    entry
}

/// `None` for an entry that no version up to this one writes.
pub(super) fn parse(entry: &[u8]) -> Option<Stored<'_>> {
    match entry.split_first()? {
        (&INLINE, value) => Some(Stored::Inline(value)),
        (&CHUNKED, rest) if entry.len() == HEAD => Some(Stored::Chunked(Head {
            slot: rest[0],
            len: u64::from_be_bytes(rest[1..9].try_into().ok()?),
            hash: rest[9..].try_into().ok()?,
        })),
        _ => None,
    }
}

/// What an entry says of its chunks, if it has some.
pub(super) fn head(entry: &[u8]) -> Option<Head> {
    match parse(entry) {
        Some(Stored::Chunked(head)) => Some(head),
        _ => None,
    }
}

/// Whether an entry has this value; the hash of a large one stands for it.
pub(super) fn is(entry: &[u8], value: &[u8]) -> bool {
    match parse(entry) {
        Some(Stored::Inline(held)) => held == value,
        Some(Stored::Chunked(head)) => head.len == value.len() as u64 && head.hash == hash(value),
        None => false,
    }
}

impl Head {
    pub fn of(slot: u8, value: &[u8]) -> Self {
        Self { slot, len: value.len() as u64, hash: hash(value) }
    }

    pub fn entry(&self) -> Vec<u8> {
        let mut entry = Vec::with_capacity(HEAD);
        entry.push(CHUNKED);
        entry.push(self.slot);
        entry.extend_from_slice(&self.len.to_be_bytes());
        entry.extend_from_slice(&self.hash);
        entry
    }

    pub fn chunks(&self) -> u32 {
        u32::try_from(self.len.div_ceil(CHUNK as u64)).unwrap_or(u32::MAX)
    }
}

/// No two keys share one: chunks of keys of other lengths have other lengths.
pub(super) fn chunk_key(key: &[u8], slot: u8, index: u32) -> Vec<u8> {
    [key, &[slot], &index.to_be_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_survives_its_entry() {
        let head = Head::of(1, &vec![9; CHUNK + 1]);
        assert_eq!(parse(&head.entry()), Some(Stored::Chunked(head)));
        assert_eq!(head.chunks(), 2);
    }

    #[test]
    fn unknown_and_cut_entries_are_not_guessed() {
        assert_eq!(parse(&[]), None);
        assert_eq!(parse(&[9, 1, 2]), None);
        let entry = Head::of(0, b"x").entry();
        assert_eq!(parse(&entry[..entry.len() - 1]), None);
    }

    #[test]
    fn equal_lengths_are_told_apart() {
        let (one, two) = (vec![1; CHUNK + 1], vec![2; CHUNK + 1]);
        assert!(is(&Head::of(1, &one).entry(), &one));
        assert!(!is(&Head::of(1, &one).entry(), &two));
        assert!(!is(&inline(b"a"), b"b"));
    }
}
