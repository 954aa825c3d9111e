//! A range of keys read page by page: writers wait for one page at most, and memory holds one page at most.

use super::embedded::Entry as Row;
use super::{Store, StoreError};

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
    pub fn keys(&mut self, store: &Store) -> Result<Option<Vec<Vec<u8>>>, StoreError> {
        if self.done {
            return Ok(None);
        }
        let keys = store.keys(&self.from, &self.to, PAGE)?;
        self.step(keys.last(), keys.len());
        Ok(Some(keys))
    }

    /// The next keys with their values; none at the end.
    pub fn rows(&mut self, store: &Store) -> Result<Option<Vec<Row>>, StoreError> {
        if self.done {
            return Ok(None);
        }
        let rows = store.range(&self.from, &self.to, PAGE)?;
        self.step(rows.last().map(|(key, _)| key), rows.len());
        Ok(Some(rows))
    }

    fn step(&mut self, last: Option<&Vec<u8>>, count: usize) {
        self.done = count < PAGE;
        if let Some(last) = last {
            self.from = [last.as_slice(), &[0]].concat();
        }
    }
}

impl Store {
    /// All keys of a range of which each response, Case or customer has a few.
    pub(crate) fn all_keys(&self, range: (Vec<u8>, Vec<u8>)) -> Result<Vec<Vec<u8>>, StoreError> {
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
    use crate::state::{Settings, Tx};

    #[test]
    fn pages_give_each_key_once_in_order() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), Settings::default()).unwrap();
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
