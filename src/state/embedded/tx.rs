//! Transactions: guards, writes and their limits.

use crate::state::embedded::blocks;
use crate::state::embedded::errors::StoreError;

/// In bytes. sled keeps up to sixteen entries in a page, whatever their size, so keys are bounded, too.
pub const MAX_KEY: usize = 1024;
pub const MAX_VALUE: usize = 64 << 20;
/// All other callers wait while a transaction is applied, so its writes are bounded.
pub const MAX_WRITES: usize = 4096;

/// A condition that must hold when a transaction is applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guard {
    pub key: Vec<u8>,
    /// `None`: the key must be absent.
    pub expected: Option<Vec<u8>>,
    /// The last journal in sled when the store returned this value. While that is unchanged, every
    /// later write is in the memtable, so sled need not be read again.
    pub(super) read: Option<u64>,
}

/// Guards and writes of one transaction: all writes are applied if all guards hold, otherwise none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tx {
    pub guards: Vec<Guard>,
    /// Key and new value; `None` deletes. The last write to a key counts.
    pub writes: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    /// Keys whose earlier values are to be overwritten on the disk, see [`Store::wipe`](super::Store::wipe).
    pub wipes: Vec<Vec<u8>>,
}

impl Tx {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    pub fn expect(&mut self, key: impl Into<Vec<u8>>, expected: Option<Vec<u8>>) -> &mut Self {
        self.guards.push(Guard { key: key.into(), expected, read: None });
        self
    }

    pub fn set(&mut self, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) -> &mut Self {
        self.writes.push((key.into(), Some(value.into())));
        self
    }

    pub fn remove(&mut self, key: impl Into<Vec<u8>>) -> &mut Self {
        self.writes.push((key.into(), None));
        self
    }

    /// The earlier values of all keys written until now are to be overwritten.
    pub fn wipe_written(&mut self) {
        self.wipes.extend(self.writes.iter().map(|(key, _)| key.clone()));
    }

    pub fn is_empty(&self) -> bool {
        self.guards.is_empty() && self.writes.is_empty()
    }

    /// Refuses keys, values and counts out of bounds.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        self.guards.iter().try_for_each(|guard| check_key(&guard.key))?;
        if self.writes.len() > MAX_WRITES {
            return Err(StoreError::Refused("more than 4096 writes in one transaction"));
        }
        for (key, value) in &self.writes {
            check_key(key)?;
            if value.as_ref().is_some_and(|value| value.len() > MAX_VALUE) {
                return Err(StoreError::Refused("a value is larger than 64 MiB"));
            }
        }
        Ok(())
    }
}

/// Keys that begin with a zero byte belong to the store itself.
pub(super) fn check_key(key: &[u8]) -> Result<(), StoreError> {
    match key.first() {
        None => Err(StoreError::Refused("an empty key")),
        Some(0) => Err(StoreError::Refused("a key that begins with a zero byte")),
        Some(_) if blocks::is_reserved(key) => Err(StoreError::Refused("a key too short for its room")),
        Some(_) if key.len() > MAX_KEY => Err(StoreError::Refused("a key longer than 1024 bytes")),
        Some(_) => Ok(()),
    }
}
