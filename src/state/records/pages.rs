//! Reads and writes of the embedded database that the records share.
//!
//! A range of keys is read page by page: writers wait for one page at most, and memory holds one page at most.

use crate::state::embedded::{Entry as Row, Tx, TxError};
use crate::state::records::keys;
use crate::state::records::{Records, decode};
use crate::state::{Page, StoreError};
use serde::de::DeserializeOwned;

/// Keys that one read gives.
const PAGE: usize = 400;

/// Where the reading of a range stands. What is written behind that place meanwhile is not seen.
pub struct Pages {
    from: Vec<u8>,
    to: Vec<u8>,
    done: bool,
}

impl Pages {
    pub fn new((from, to): (Vec<u8>, Vec<u8>)) -> Self {
        Self { from, to, done: false }
    }

    /// The next keys; none at the end.
    pub fn keys(&mut self, store: &Records) -> Result<Option<Vec<Vec<u8>>>, StoreError> {
        if self.done {
            return Ok(None);
        }
        let keys = store.engine.keys(&self.from, &self.to, PAGE)?;
        self.step(keys.last(), keys.len());
        Ok(Some(keys))
    }

    /// The next keys with their values; none at the end.
    pub fn rows(&mut self, store: &Records) -> Result<Option<Vec<Row>>, StoreError> {
        if self.done {
            return Ok(None);
        }
        let rows = store.engine.range(&self.from, &self.to, PAGE)?;
        self.step(rows.last().map(|(key, _)| key), rows.len());
        Ok(Some(rows))
    }

    pub fn is_done(&self) -> bool {
        self.done
    }

    fn step(&mut self, last: Option<&Vec<u8>>, count: usize) {
        self.done = count < PAGE;
        if let Some(last) = last {
            self.from = [last.as_slice(), &[0]].concat();
        }
    }
}

impl Records {
    /// Whether the transaction was applied. False if a guard did not hold.
    pub(super) fn try_transact(&self, tx: &Tx) -> Result<bool, StoreError> {
        match self.engine.transact(tx) {
            Ok(()) => Ok(true),
            Err(TxError::Conflict) => Ok(false),
            Err(TxError::Store(error)) => Err(error),
        }
    }

    pub(super) fn read<T: DeserializeOwned>(&self, key: &[u8]) -> Result<Option<T>, StoreError> {
        self.engine.get(key)?.as_deref().map(decode).transpose()
    }

    /// Reads a record and guards it; none also if it is damaged. `kind` names it in the log.
    pub(super) fn guarded<T: DeserializeOwned>(
        &self,
        tx: &mut Tx,
        kind: &'static str,
        key: &[u8],
    ) -> Result<Option<T>, StoreError> {
        let held = self.engine.guard(tx, key.to_vec());
        let read = held.and_then(|held| held.as_deref().map(decode).transpose());
        self.or_damaged(kind, key, read)
    }

    /// Numbers of the records in a room, from `from` on, at most `limit`.
    pub(super) fn numbers(&self, room: u8, from: u64, limit: usize) -> Result<Page<u64>, StoreError> {
        let (_, to) = keys::room(room);
        let found = self.engine.keys(&keys::numbered(room, from), &to, limit)?;
        let records: Vec<u64> = found.iter().filter_map(|key| keys::tail_seq(key)).collect();
        let next = records.last().filter(|_| found.len() == limit).map(|last| last + 1);
        Ok(Page { records, next })
    }

    /// All keys of a range of which each response, Case or customer has a few.
    pub(super) fn all_keys(&self, range: (Vec<u8>, Vec<u8>)) -> Result<Vec<Vec<u8>>, StoreError> {
        let mut pages = Pages::new(range);
        let mut all = Vec::new();
        while let Some(keys) = pages.keys(self)? {
            all.extend(keys);
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::Settings;

    #[test]
    fn pages_give_each_key_once_in_order() {
        let dir = tempfile::tempdir().unwrap();
        let store = Records::open(dir.path(), Settings::default()).unwrap();
        for count in [0, 1, PAGE - 1, PAGE, PAGE + 1, 2 * PAGE] {
            let key = |n: usize| [b"Z".as_slice(), &(n as u64).to_be_bytes()].concat();
            let mut tx = Tx::default();
            (0..count).for_each(|n| {
                tx.set(key(n), vec![1]);
            });
            assert!(store.try_transact(&tx).unwrap());
            let range = || (vec![b'Z'], vec![b'Z' + 1]);
            let expected: Vec<Vec<u8>> = (0..count).map(key).collect();
            assert_eq!(store.all_keys(range()).unwrap(), expected, "{count}");
            let mut pages = Pages::new(range());
            let mut rows = Vec::new();
            while let Some(page) = pages.rows(&store).unwrap() {
                assert!(page.len() <= PAGE);
                rows.extend(page.into_iter().map(|(key, _)| key));
            }
            assert_eq!(rows, expected, "{count}");
        }
    }
}
