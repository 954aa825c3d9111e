//! What one transaction asks for, and the form in which it is carried out.

use std::collections::BTreeMap;

use super::errors::StoreError;
use super::value::{Expected, is_large};

/// sled keeps up to sixteen entries in a page, whatever their size: keys are bounded as values are.
pub const MAX_KEY: usize = 1024;
pub const MAX_VALUE: usize = 64 << 20;
/// A transaction excludes everybody else while it is written.
pub const MAX_WRITES: usize = 4096;

/// Guards and writes that hold together: all, or nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tx {
    /// Key and expected value; `None` must be absent.
    pub guards: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    /// Key and new value; `None` deletes. The last write to a key counts.
    pub writes: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

impl Tx {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    #[must_use]
    pub fn guard(mut self, key: impl Into<Vec<u8>>, expected: Option<Vec<u8>>) -> Self {
        self.guards.push((key.into(), expected));
        self
    }

    #[must_use]
    pub fn put(mut self, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) -> Self {
        self.writes.push((key.into(), Some(value.into())));
        self
    }

    #[must_use]
    pub fn delete(mut self, key: impl Into<Vec<u8>>) -> Self {
        self.writes.push((key.into(), None));
        self
    }

    /// The same as [`Tx::guard`], on a transaction that grows.
    pub fn expect(&mut self, key: impl Into<Vec<u8>>, expected: Option<Vec<u8>>) {
        self.guards.push((key.into(), expected));
    }

    /// The same as [`Tx::put`], on a transaction that grows.
    pub fn set(&mut self, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) {
        self.writes.push((key.into(), Some(value.into())));
    }

    /// The same as [`Tx::delete`], on a transaction that grows.
    pub fn remove(&mut self, key: impl Into<Vec<u8>>) {
        self.writes.push((key.into(), None));
    }

    pub fn is_empty(&self) -> bool {
        self.guards.is_empty() && self.writes.is_empty()
    }
}

/// A checked transaction: keys allowed, one write per key, hashes of big values taken outside of the lock.
pub(super) struct Plan<'a> {
    pub guards: Vec<(&'a [u8], Option<Expected>)>,
    pub writes: BTreeMap<&'a [u8], Option<&'a [u8]>>,
    pub bytes: u64,
}

impl<'a> Plan<'a> {
    pub fn of(tx: &'a Tx) -> Result<Self, StoreError> {
        let mut guards = Vec::with_capacity(tx.guards.len());
        for (key, expected) in &tx.guards {
            check_key(key)?;
            guards.push((key.as_slice(), expected.as_deref().map(Expected::of)));
        }
        let mut writes = BTreeMap::new();
        let mut bytes = 0;
        for (key, value) in &tx.writes {
            check_key(key)?;
            let value = value.as_deref();
            let size = value.map_or(0, <[u8]>::len);
            if size > MAX_VALUE {
                return Err(StoreError::Refused("a value is larger than 64 MiB"));
            }
            bytes += (key.len() + size) as u64;
            writes.insert(key.as_slice(), value);
        }
        if writes.len() > MAX_WRITES {
            return Err(StoreError::Refused("more than 4096 writes in one transaction"));
        }
        Ok(Self { guards, writes, bytes })
    }

    pub fn is_large(&self) -> bool {
        self.writes.values().flatten().any(|value| is_large(value))
    }
}

/// The first byte 0 belongs to the store itself.
pub(super) fn check_key(key: &[u8]) -> Result<(), StoreError> {
    match key.first() {
        None => Err(StoreError::Refused("an empty key")),
        Some(0) => Err(StoreError::Refused("a key that begins with a zero byte")),
        Some(_) if key.len() > MAX_KEY => Err(StoreError::Refused("a key longer than 1024 bytes")),
        Some(_) => Ok(()),
    }
}
