//! Small records with the same key prefix are packed together: one entry of sled holds a block of several records.
//!
//! sled keeps some 400 bytes in memory per page, read or not. A page holds at most sixteen entries whatever their size,
//! and each written entry costs a walk through the tree. So the block is chosen by the key's leading bits: keys that
//! begin with a hash are spread evenly over a fixed number of blocks, and keys that begin with a number or a time share
//! a block with their neighbours:
//!
//! ```text
//! block's key:   the prefix letter and the next bits of its members' keys, so blocks are in the order of keys
//! block's value: for each member, in order: the lengths of the key and of the value, the key, the value
//! ```
//!
//! With these prefixes every entry of sled is a block. While there are fewer members than blocks, most blocks have one
//! member, which costs nothing extra.

use crate::state::embedded::errors::StoreError;

/// A key prefix whose records are packed into blocks.
struct Room {
    letter: u8,
    /// Length of a block's key in bytes.
    len: usize,
    /// The bits of the last byte that belong to the block's key.
    mask: u8,
}

/// 2^16 blocks, or 2^18 for the records of responses, which are larger.
const fn hashed(letter: u8, mask: u8) -> Room {
    Room { letter, len: 4, mask }
}

/// Neighbouring numbers, as many as fit into one entry of sled.
const fn numbered(letter: u8, mask: u8) -> Room {
    Room { letter, len: 9, mask }
}

/// A lane's queue: one block per four milliseconds.
const DUE: Room = Room { letter: b'Q', len: 10, mask: 0b1111_1100 };

/// Salesforce counts ids up in 62 digits: ids that differ only in the last one share a block.
const CASES: Room = Room { letter: b'C', len: 15, mask: u8::MAX };

/// The masks are part of the format. A member that points to its value has 36 bytes.
const ROOMS: [Room; 6] = [
    CASES,
    DUE,
    numbered(b'E', 0b1111_0000),
    hashed(b'L', 0b1100_0000),
    numbered(b'P', 0b1100_0000),
    hashed(b'U', 0),
];

fn room(key: &[u8]) -> Option<&'static Room> {
    ROOMS.iter().find(|room| key.first() == Some(&room.letter))
}

/// The key of the block that holds this key; none if the key has an entry of its own.
pub(super) fn block_key(key: &[u8]) -> Option<Vec<u8>> {
    let room = room(key)?;
    let mut block = key.get(..room.len)?.to_vec();
    if let Some(last) = block.last_mut() {
        *last &= room.mask;
    }
    Some(block)
}

pub(super) fn is_block(key: &[u8]) -> bool {
    room(key).is_some()
}

/// Whether a key is refused because it is too short to determine its block.
pub(super) fn is_reserved(key: &[u8]) -> bool {
    room(key).is_some_and(|room| key.len() < room.len)
}

/// The key in sled at which a walk over all rows from this key on has to begin. Keys shorter than a block's key sort
/// before the blocks.
pub(super) fn start(from: &[u8]) -> Vec<u8> {
    block_key(from).unwrap_or_else(|| from.to_vec())
}

/// The block that holds all keys of `[from, to)`, if it is one.
pub(super) fn only_block(from: &[u8], to: &[u8]) -> Option<Vec<u8>> {
    block_key(from).filter(|block| block_key(to).as_ref() == Some(block))
}

type Member<'b> = (&'b [u8], &'b [u8]);

pub(super) fn members(mut block: &[u8]) -> Result<Vec<Member<'_>>, StoreError> {
    let mut members = Vec::new();
    while !block.is_empty() {
        let (member, rest) = first(block)?;
        members.push(member);
        block = rest;
    }
    Ok(members)
}

/// The first member and what follows it.
fn first(block: &[u8]) -> Result<(Member<'_>, &[u8]), StoreError> {
    let parts = || {
        let (key, rest) = block.split_first_chunk()?;
        let (value, rest) = rest.split_first_chunk()?;
        let (key, rest) = rest.split_at_checked(u16::from_be_bytes(*key).into())?;
        let (value, rest) = rest.split_at_checked(usize::try_from(u32::from_be_bytes(*value)).ok()?)?;
        Some(((key, value), rest))
    };
    parts().ok_or_else(|| StoreError::Rebuild("a block is cut off".into()))
}

pub(super) fn member(block: &[u8], key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
    let mut rest = block;
    while !rest.is_empty() {
        let ((other, value), behind) = first(rest)?;
        if other >= key {
            return Ok((other == key).then(|| value.to_vec()));
        }
        rest = behind;
    }
    Ok(None)
}

/// The block after these writes, which are in the order of keys; none if no member is left.
pub(super) fn merged(
    block: &[u8],
    writes: &[(&[u8], Option<impl AsRef<[u8]>>)],
) -> Result<Option<Vec<u8>>, StoreError> {
    let mut after = Vec::with_capacity(block.len());
    let mut old = members(block)?.into_iter().peekable();
    for (key, value) in writes {
        while let Some((other, held)) = old.next_if(|(other, _)| other < key) {
            push(&mut after, other, held);
        }
        old.next_if(|(other, _)| other == key);
        if let Some(value) = value {
            push(&mut after, key, value.as_ref());
        }
    }
    old.for_each(|(key, value)| push(&mut after, key, value));
    Ok((!after.is_empty()).then_some(after))
}

fn push(block: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    let lengths = (u16::try_from(key.len()), u32::try_from(value.len()));
    let (Ok(key_length), Ok(value_length)) = lengths else {
        unreachable!("keys and values are bounded when they are written")
    };
    block.extend_from_slice(&key_length.to_be_bytes());
    block.extend_from_slice(&value_length.to_be_bytes());
    block.extend_from_slice(key);
    block.extend_from_slice(value);
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn members_lie_behind_their_block_and_before_the_next() {
        assert_eq!(block_key(b"Labcdef"), Some(b"Lab\x40".to_vec()));
        assert_eq!(block_key(b"Uabcdef"), Some(b"Uab\0".to_vec()));
        assert_eq!(block_key(b"P1234567\xff"), Some(b"P1234567\xc0".to_vec()));
        assert_eq!(block_key(b"Q\x01\0\0\0\0\0\0\0\x07-seq"), Some(b"Q\x01\0\0\0\0\0\0\0\x04".to_vec()));
        assert_eq!(block_key(b"Zabcdef"), None);
        for key in [b"L\0\0".as_slice(), b"Uab", b"C", b"E1234567", b"Q\x01"] {
            assert!(is_reserved(key) && block_key(key).is_none(), "{key:?}");
        }
        assert!(is_block(b"Uab\0") && is_block(b"P1234567\0") && !is_block(b"Zab\0"));
    }

    proptest! {
        #[test]
        fn a_block_is_an_ordered_map(
            rounds in prop::collection::vec(
                prop::collection::btree_map(0..20u8, prop::option::of(0..200usize), 0..8), 0..6)
        ) {
            let (mut block, mut model) = (Vec::new(), BTreeMap::new());
            for writes in rounds {
                let writes: Vec<(Vec<u8>, Option<Vec<u8>>)> = writes
                    .into_iter()
                    .map(|(key, len)| (vec![b'L', key], len.map(|len| vec![key; len])))
                    .collect();
                let given: Vec<_> =
                    writes.iter().map(|(key, value)| (key.as_slice(), value.as_deref())).collect();
                block = merged(&block, &given).unwrap().unwrap_or_default();
                for (key, value) in writes {
                    match value {
                        Some(value) => model.insert(key, value),
                        None => model.remove(&key),
                    };
                }
                let held = members(&block).unwrap().into_iter().map(|(k, v)| (k.to_vec(), v.to_vec()));
                prop_assert_eq!(held.collect::<Vec<_>>(), model.clone().into_iter().collect::<Vec<_>>());
                for (key, value) in &model {
                    prop_assert_eq!(member(&block, key).unwrap(), Some(value.clone()));
                }
                prop_assert_eq!(member(&block, b"M").unwrap(), None);
                prop_assert!(block.is_empty() || members(&block[..block.len() - 1]).is_err());
            }
        }
    }
}
