//! Links between responses and Cases, cursors, and other values by name.

use serde::{Serialize, de::DeserializeOwned};

use crate::decide::Link;
use crate::salesforce::RecordId;
use crate::state::embedded::Entry as Row;
use crate::state::keys::{self, RKey};
use crate::state::pages::Pages;
use crate::state::{Store, StoreError, Tx, decode, encode};
use crate::time::GoodaysTime;

impl Store {
    pub fn link(&self, rkey: RKey) -> Result<Option<Link>, StoreError> {
        self.or_damaged("link", &keys::link(rkey), self.read(&keys::link(rkey)))
    }

    /// Reads a link and guards it.
    pub fn guard_link(&self, tx: &mut Tx, rkey: RKey) -> Result<Option<Link>, StoreError> {
        // A damaged link is read again from Salesforce, as after the loss of the state.
        let read = self.guard(tx, keys::link(rkey))?.as_deref().map(decode).transpose();
        self.or_damaged("link", &keys::link(rkey), read)
    }

    /// The responses of this Case.
    pub fn responses_of_case(&self, case: &RecordId) -> Result<Vec<RKey>, StoreError> {
        let found = self.all_keys(keys::case_prefix(case))?;
        Ok(found.iter().filter_map(|k| RKey::read(&k[k.len().saturating_sub(16)..])).collect())
    }

    /// Links of one customer's responses.
    pub fn links_of_customer(&self, hash: u64) -> Result<Vec<Link>, StoreError> {
        let (from, to) = keys::customer_prefix(hash);
        let mut links = Vec::new();
        for key in self.keys(&from, &to, 100)? {
            if let Some(rkey) = RKey::read(&key[key.len().saturating_sub(16)..]) {
                links.extend(self.link(rkey)?);
            }
        }
        Ok(links)
    }

    /// Whether the ledger knows any response.
    pub fn has_links(&self) -> Result<bool, StoreError> {
        let (cases, end) = keys::room(b'C');
        if !self.keys(&cases, &end, 1)?.is_empty() {
            return Ok(true);
        }
        let mut walk = LinkWalk::default();
        while let Some(links) = walk.next(self)? {
            if !links.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Unprocessed responses: their number (counted up to `limit`), and the time of the oldest.
    pub fn unprocessed(&self, limit: usize) -> Result<(usize, Option<GoodaysTime>), StoreError> {
        let (from, to) = keys::room(b'W');
        let found = self.keys(&from, &to, limit)?;
        let oldest = found.first().and_then(|k| k.get(1..9)).and_then(keys::tail_seq);
        Ok((found.len(), oldest.map(|at| GoodaysTime::from_millis(at.cast_signed()))))
    }

    pub fn meta<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, StoreError> {
        self.or_damaged("meta", &keys::meta(name), self.read(&keys::meta(name)))
    }

    pub fn set_meta<T: Serialize>(&self, name: &str, value: &T) -> Result<(), StoreError> {
        let mut tx = Tx::default();
        tx.set(keys::meta(name), encode(value));
        self.try_transact(&tx).map(|_| ())
    }

    /// The responses whose write to Salesforce may have been in flight when the process ended.
    pub fn attempt(&self, lane: u8) -> Result<Vec<RKey>, StoreError> {
        let bytes = self.get(&keys::attempt(lane))?.unwrap_or_default();
        Ok(bytes.chunks_exact(16).filter_map(RKey::read).collect())
    }

    pub fn set_attempt(&self, lane: u8, rkeys: &[RKey]) -> Result<(), StoreError> {
        let mut tx = Tx::default();
        put_attempt(&mut tx, lane, rkeys);
        self.try_transact(&tx).map(|_| ())
    }
}

/// All links, page by page.
pub struct LinkWalk(Pages);

impl Default for LinkWalk {
    fn default() -> Self {
        Self(Pages::new(keys::room(b'L')))
    }
}

impl LinkWalk {
    /// The next links, encoded, with their keys; none at the end.
    pub fn next(&mut self, store: &Store) -> Result<Option<Vec<Row>>, StoreError> {
        let rows = self.0.rows(store)?;
        Ok(rows.map(|rows| rows.into_iter().filter(|(key, _)| keys::is_link(key)).collect()))
    }
}

/// Stores which responses a lane is about to write.
pub fn put_attempt(tx: &mut Tx, lane: u8, rkeys: &[RKey]) {
    if rkeys.is_empty() {
        tx.remove(keys::attempt(lane));
        return;
    }
    tx.set(keys::attempt(lane), rkeys.iter().flat_map(|r| r.0).collect::<Vec<u8>>());
}

/// Writes a link and updates its indexes. `before` is the guarded link.
pub fn put_link(tx: &mut Tx, rkey: RKey, before: Option<&Link>, after: &Link) {
    let case_before = before.and_then(|l| l.case.as_ref()).map(|c| &c.id);
    let case_after = after.case.as_ref().map(|c| &c.id);
    if case_before != case_after {
        if let Some(case) = case_before {
            tx.remove(keys::case(case, rkey));
        }
        if let Some(case) = case_after {
            tx.set(keys::case(case, rkey), Vec::new());
        }
    }
    let waited = before.and_then(|l| l.waiting_since);
    if waited != after.waiting_since {
        if let Some(since) = waited {
            tx.remove(keys::waiting(since.to_millis(), rkey));
        }
        if let Some(since) = after.waiting_since {
            tx.set(keys::waiting(since.to_millis(), rkey), Vec::new());
        }
    }
    if let Some(customer) = after.customer.filter(|c| before.and_then(|l| l.customer) != Some(*c)) {
        tx.set(keys::customer(customer, rkey), Vec::new());
    }
    tx.set(keys::link(rkey), encode(after));
}
