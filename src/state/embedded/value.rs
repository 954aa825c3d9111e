//! How a value is stored in sled: small ones inline or packed, larger ones in chunks.
//!
//! Reading or writing a page of sled costs the bytes of all its sixteen entries. Records are similar JSON, so a block
//! of them is compressed.
//!
//! sled moves a page of sixteen big values out of its log into a file that it never syncs. So no stored value is larger
//! than a chunk. Chunks are in a tree of their own: key, slot (0 or 1), number. A new value uses the slot that the old
//! one does not use, so the old value stays whole until the entry names the new one.

use std::borrow::Cow;
use std::ops::RangeInclusive;

use lz4_flex::block::{compress_prepend_size_with_dict, decompress_size_prepended_with_dict};
use sha2::{Digest, Sha256};

/// Text that records have in common. It is part of the format: packed values can be read only with the same dictionary.
const DICTIONARY: &[u8] = include_bytes!("dictionary.txt");

/// Largest chunk in bytes: sixteen of them with their keys stay far below the 128 KiB of a page.
pub(super) const CHUNK: usize = 3072;

const INLINE: u8 = 0;
const CHUNKED: u8 = 1;
const PACKED: u8 = 2;
/// Sizes in bytes of values that are packed if that saves an eighth.
const PACKABLE: RangeInclusive<usize> = 128..=16 << 10;
const HEAD: usize = 1 + 1 + 8 + 32;

/// The content of an entry in the state tree.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Stored<'a> {
    Inline(Cow<'a, [u8]>),
    Chunked(Head),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    /// 0 or 1.
    pub slot: u8,
    pub len: u64,
    pub hash: [u8; 32],
}

pub(super) fn hash(value: &[u8]) -> [u8; 32] {
    Sha256::digest(value).into()
}

/// The entry of a value without chunks; none if the value needs chunks.
pub(super) fn whole(value: &[u8]) -> Option<Vec<u8>> {
    packed(value).or_else(|| (value.len() <= CHUNK).then(|| [&[INLINE], value].concat()))
}

fn packed(value: &[u8]) -> Option<Vec<u8>> {
    if !PACKABLE.contains(&value.len()) {
        return None;
    }
    let packed = compress_prepend_size_with_dict(value, DICTIONARY);
    let worth = packed.len() <= CHUNK && packed.len() < value.len() / 8 * 7;
    worth.then(|| [&[PACKED], packed.as_slice()].concat())
}

fn unpacked(packed: &[u8]) -> Option<Vec<u8>> {
    let len = usize::try_from(u32::from_le_bytes(*packed.first_chunk()?)).ok()?;
    // A damaged length must not cause a large allocation.
    PACKABLE.contains(&len).then_some(())?;
    decompress_size_prepended_with_dict(packed, DICTIONARY).ok().filter(|value| value.len() == len)
}

/// `None` for an entry that this version cannot read.
pub(super) fn parse(entry: &[u8]) -> Option<Stored<'_>> {
    match entry.split_first()? {
        (&INLINE, value) => Some(Stored::Inline(Cow::Borrowed(value))),
        (&PACKED, packed) => unpacked(packed).map(|value| Stored::Inline(Cow::Owned(value))),
        (&CHUNKED, rest) if entry.len() == HEAD => Some(Stored::Chunked(Head {
            slot: rest[0],
            len: u64::from_be_bytes(rest[1..9].try_into().ok()?),
            hash: rest[9..].try_into().ok()?,
        })),
        _ => None,
    }
}

/// The head of a value in chunks; none if the entry has no chunks.
pub(super) fn head(entry: &[u8]) -> Option<Head> {
    match entry.first() {
        Some(&CHUNKED) => parse(entry).and_then(|stored| match stored {
            Stored::Chunked(head) => Some(head),
            Stored::Inline(_) => None,
        }),
        _ => None,
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

/// Unique: the suffix has a fixed length, so equal chunk keys have equal keys.
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
    fn records_are_packed_and_noise_is_not() {
        let link =
            br#"{"response_id":"Kq3","case":{"id":"500A","number":"1"},"fields":{"SuppliedEmail":17}}"#;
        let block = link.repeat(12);
        let entry = whole(&block).unwrap();
        assert!(entry.len() * 3 < block.len(), "{} of {}", entry.len(), block.len());
        assert_eq!(parse(&entry), Some(Stored::Inline(Cow::Borrowed(&block))));
        assert!(head(&entry).is_none());
        let noise: Vec<u8> = (0..40u8).flat_map(|n| hash(&[n])).collect();
        assert_eq!(whole(&noise).unwrap()[1..], noise);
        // Noise is packed only if the result fits into one entry.
        assert_eq!(whole(&noise.repeat(3)).map(|entry| entry.len() < CHUNK), Some(true));
        let more: Vec<u8> = (0..200u8).flat_map(|n| hash(&[n])).collect();
        assert_eq!(whole(&more), None);
    }

    #[test]
    fn a_packed_entry_that_is_cut_or_lies_is_not_guessed() {
        let block = b"a record, a record, a record. ".repeat(20);
        let entry = whole(&block).unwrap();
        assert_eq!(parse(&entry), Some(Stored::Inline(Cow::Borrowed(&block))));
        for cut in 0..entry.len() {
            assert_eq!(parse(&entry[..cut]), None, "{cut}");
        }
        let huge = [&[PACKED], u32::MAX.to_le_bytes().as_slice(), &entry[5..]].concat();
        assert_eq!(parse(&huge), None);
    }
}
