//! How a value lies in sled: small ones inline, larger ones cut into chunks.
//!
//! sled moves a page of sixteen big values out of its log into a file that it never syncs; so no stored value is
//! larger than a chunk. A chunked value's head names the chunks by an id that is never used again, which is why
//! parts of two values cannot mix.

use sha2::{Digest, Sha256};

/// The largest piece in one entry: sixteen of them with their keys stay far below the 128 KiB of a page.
pub(super) const CHUNK: usize = 3072;

const INLINE: u8 = 0;
const CHUNKED: u8 = 1;
const HEAD: usize = 1 + 8 + 8 + 32;

/// What an entry of the state tree says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Stored<'a> {
    Inline(&'a [u8]),
    Chunked(Head),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    pub id: u64,
    pub len: u64,
    pub hash: [u8; 32],
}

/// A guard's value; the hash of a large one stands for it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Expected {
    Inline(Vec<u8>),
    Chunked { len: u64, hash: [u8; 32] },
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
            id: u64::from_be_bytes(rest[..8].try_into().ok()?),
            len: u64::from_be_bytes(rest[8..16].try_into().ok()?),
            hash: rest[16..].try_into().ok()?,
        })),
        _ => None,
    }
}

impl Head {
    pub fn of(id: u64, value: &[u8]) -> Self {
        Self { id, len: value.len() as u64, hash: hash(value) }
    }

    pub fn entry(&self) -> Vec<u8> {
        let mut entry = Vec::with_capacity(HEAD);
        entry.push(CHUNKED);
        entry.extend_from_slice(&self.id.to_be_bytes());
        entry.extend_from_slice(&self.len.to_be_bytes());
        entry.extend_from_slice(&self.hash);
        entry
    }

    /// The keys of its chunks, in order.
    pub fn chunk_keys(&self) -> impl Iterator<Item = [u8; 16]> + use<> {
        let id = self.id;
        (0..self.len.div_ceil(CHUNK as u64)).map(move |index| chunk_key(id, index))
    }
}

pub(super) fn chunk_key(id: u64, index: u64) -> [u8; 16] {
    let mut key = [0; 16];
    key[..8].copy_from_slice(&id.to_be_bytes());
    key[8..].copy_from_slice(&index.to_be_bytes());
    key
}

impl Expected {
    pub fn of(value: &[u8]) -> Self {
        if is_large(value) {
            Self::Chunked { len: value.len() as u64, hash: hash(value) }
        } else {
            Self::Inline(value.to_vec())
        }
    }

    pub fn holds(&self, entry: &[u8]) -> bool {
        match (self, parse(entry)) {
            (Self::Inline(expected), Some(Stored::Inline(value))) => expected == value,
            (Self::Chunked { len, hash }, Some(Stored::Chunked(head))) => {
                *len == head.len && *hash == head.hash
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_survives_its_entry() {
        let head = Head::of(7, &vec![9; CHUNK + 1]);
        assert_eq!(parse(&head.entry()), Some(Stored::Chunked(head)));
        assert_eq!(head.chunk_keys().count(), 2);
    }

    #[test]
    fn unknown_and_cut_entries_are_not_guessed() {
        assert_eq!(parse(&[]), None);
        assert_eq!(parse(&[9, 1, 2]), None);
        let entry = Head::of(7, b"x").entry();
        assert_eq!(parse(&entry[..entry.len() - 1]), None);
    }

    #[test]
    fn a_guard_tells_equal_lengths_apart() {
        let (one, two) = (vec![1; CHUNK + 1], vec![2; CHUNK + 1]);
        assert!(Expected::of(&one).holds(&Head::of(1, &one).entry()));
        assert!(!Expected::of(&one).holds(&Head::of(1, &two).entry()));
        assert!(!Expected::of(b"a").holds(&inline(b"b")));
    }
}
