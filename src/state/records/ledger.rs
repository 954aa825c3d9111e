//! Links between responses and Cases, cursors, and other values by name.

use serde::{Serialize, de::DeserializeOwned};

use crate::decide::Link;
use crate::salesforce::RecordId;
use crate::state::embedded::Tx;
use crate::state::records::keys;
use crate::state::records::pages::Pages;
use crate::state::records::{Records, decode, encode};
use crate::state::{Counters, Figures, LANES, LinkPage, RKey, StoreError};
use crate::time::GoodaysTime;

impl Records {
    pub fn link(&self, rkey: RKey) -> Result<Option<Link>, StoreError> {
        self.or_damaged("link", &keys::link(rkey), self.read(&keys::link(rkey)))
    }

    /// Links of these responses, in their order.
    pub fn links(&self, rkeys: &[RKey]) -> Result<Vec<Option<Link>>, StoreError> {
        rkeys.iter().map(|rkey| self.link(*rkey)).collect()
    }

    /// The links of each of these Cases, in their order; several after a merge.
    pub fn links_of_cases(&self, cases: &[RecordId]) -> Result<Vec<Vec<Link>>, StoreError> {
        cases.iter().map(|case| self.links_of_case(case)).collect()
    }

    /// The links of the responses of this Case.
    pub fn links_of_case(&self, case: &RecordId) -> Result<Vec<Link>, StoreError> {
        let found = self.all_keys(keys::case_prefix(case))?;
        let rkeys: Vec<RKey> = found.iter().filter_map(|key| keys::tail_rkey(key)).collect();
        Ok(self.links(&rkeys)?.into_iter().flatten().collect())
    }

    /// Links of one customer's responses.
    pub fn links_of_customer(&self, hash: u64) -> Result<Vec<Link>, StoreError> {
        let (from, to) = keys::customer_prefix(hash);
        let mut links = Vec::new();
        for key in self.engine.keys(&from, &to, 100)? {
            if let Some(rkey) = keys::tail_rkey(&key) {
                links.extend(self.link(rkey)?);
            }
        }
        Ok(links)
    }

    /// Whether the ledger knows any response.
    pub fn has_links(&self) -> Result<bool, StoreError> {
        let (cases, end) = keys::room(b'C');
        if !self.engine.keys(&cases, &end, 1)?.is_empty() {
            return Ok(true);
        }
        let mut room = Pages::new(keys::room(b'L'));
        while let Some(found) = room.keys(self)? {
            if found.iter().any(|key| keys::is_link(key)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Unprocessed responses: their number (counted up to `limit`), and the time of the oldest.
    pub fn unprocessed(&self, limit: usize) -> Result<(usize, Option<GoodaysTime>), StoreError> {
        let (from, to) = keys::room(b'W');
        let found = self.engine.keys(&from, &to, limit)?;
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
        let bytes = self.engine.get(&keys::attempt(lane))?.unwrap_or_default();
        Ok(bytes.chunks_exact(16).filter_map(RKey::read).collect())
    }

    /// Stores, in one transaction, which responses each of these lanes is about to write.
    pub fn set_attempts(&self, lanes: &[(u8, Vec<RKey>)]) -> Result<(), StoreError> {
        let mut tx = Tx::default();
        for (lane, rkeys) in lanes {
            if rkeys.is_empty() {
                tx.remove(keys::attempt(*lane));
            } else {
                tx.set(keys::attempt(*lane), rkeys.iter().flat_map(|r| r.0).collect::<Vec<u8>>());
            }
        }
        self.try_transact(&tx).map(drop)
    }

    /// Links in the order of their keys, without damaged ones. A page may be empty and not the last.
    pub fn links_from(&self, from: RKey) -> Result<LinkPage, StoreError> {
        let (_, end) = keys::room(b'L');
        let mut pages = Pages::new((keys::link(from), end));
        let rows = pages.rows(self)?.unwrap_or_default();
        let mut links = Vec::new();
        for (key, value) in rows.iter().filter(|(key, _)| keys::is_link(key)) {
            links.extend(self.or_damaged("link", key, decode(value).map(Some))?);
        }
        // A response's link comes before its other keys, so the rest of them can be left out.
        let last = rows.last().filter(|_| !pages.is_done()).and_then(|(key, _)| RKey::read(key.get(1..)?));
        Ok(LinkPage { links, next: last.and_then(RKey::next) })
    }

    /// Writes the indexes of all links, if sled was made anew: a link that was written again is in a younger journal than
    /// its indexes, which change seldom.
    pub(super) fn complete_indexes(&self) -> Result<(), StoreError> {
        if !self.engine.lacks_indexes()? {
            return Ok(());
        }
        let mut room = Pages::new(keys::room(b'L'));
        while let Some(rows) = room.rows(self)? {
            let mut tx = Tx::default();
            for (key, value) in rows.iter().filter(|(key, _)| keys::is_link(key)) {
                let link = self.or_damaged("link", key, decode::<Link>(value).map(Some))?;
                if let Some((rkey, link)) = keys::tail_rkey(key).zip(link) {
                    put_indexes(&mut tx, rkey, None, &link);
                }
            }
            self.try_transact(&tx)?;
        }
        self.engine.note_indexed()
    }

    /// Totals since the state began, and how many events wait.
    pub fn counters(&self) -> Result<Counters, StoreError> {
        let mut counters = Counters { pending: self.count_pending()?, ..Counters::default() };
        for (lane, done) in (0..LANES).zip(&mut counters.done) {
            *done = self.meta(&format!("done {lane}"))?.unwrap_or_default();
        }
        counters.delivered = self.meta("delivered")?.unwrap_or_default();
        Ok(counters)
    }

    /// What is counted for `status`, each up to `limit`.
    pub fn figures(&self, limit: usize) -> Result<Figures, StoreError> {
        Ok(Figures {
            unprocessed: self.unprocessed(limit)?,
            parked_events: self.count_parked_events(limit)?,
            oldest_waiting_ms: self.oldest_waiting_ms()?,
            outbox: self.outbox(limit)?,
        })
    }
}

/// Writes a link and updates its indexes. `before` is the guarded link.
pub(super) fn put_link(tx: &mut Tx, rkey: RKey, before: Option<&Link>, after: &Link) {
    put_indexes(tx, rkey, before, after);
    tx.set(keys::link(rkey), encode(after));
}

fn put_indexes(tx: &mut Tx, rkey: RKey, before: Option<&Link>, after: &Link) {
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
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;
    use crate::decide::CaseRef;
    use crate::goodays::ResponseId;
    use crate::state::Settings;

    fn open(dir: &Path) -> Records {
        Records::open(dir, Settings::default()).unwrap()
    }

    /// Makes all journals of a closed store old.
    fn age(dir: &Path) {
        for file in fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()) {
            if file.file_name().unwrap().to_str().unwrap().starts_with("sled.journal-") {
                let file = fs::File::options().write(true).open(file).unwrap();
                file.set_modified(UNIX_EPOCH + Duration::from_secs(1)).unwrap();
            }
        }
    }

    /// A conversation goes on, and the journal with its indexes is gone when sled is made anew, twice.
    #[tokio::test]
    async fn a_living_link_is_found_after_sled_was_made_anew() {
        let dir = tempfile::tempdir().unwrap();
        let (id, case) = (ResponseId::new("r1").unwrap(), RecordId::new("500000000000001").unwrap());
        let rkey = RKey::of(&id);
        let mut link = Link::new(id);
        link.case = Some(CaseRef { id: case.clone(), number: None });
        link.customer = Some(7);
        link.waiting_since = Some(GoodaysTime::from_millis(1_000));
        let store = open(dir.path());
        let mut tx = Tx::default();
        put_link(&mut tx, rkey, None, &link);
        assert!(store.try_transact(&tx).unwrap());
        store.engine.close().unwrap();
        for round in 0..2 {
            age(dir.path());
            let store = open(dir.path());
            let before = link.clone();
            link.version += 1;
            let mut tx = Tx::default();
            put_link(&mut tx, rkey, Some(&before), &link);
            assert!(store.try_transact(&tx).unwrap());
            store.engine.durable().await.unwrap();
            assert!(store.engine.retire(10_000).await.unwrap() > 0);
            store.engine.close().unwrap();
            fs::remove_dir_all(dir.path().join("sled")).unwrap();
            for _ in 0..2 {
                let store = open(dir.path());
                assert_eq!(store.links_of_case(&case).unwrap(), [link.clone()], "{round}");
                assert_eq!(store.links_of_customer(7).unwrap(), [link.clone()], "{round}");
                assert_eq!(store.responses_of_customer(7).unwrap(), [rkey], "{round}");
                assert_eq!(store.unprocessed(9).unwrap().0, 1, "{round}");
                assert!(!store.engine.lacks_indexes().unwrap());
            }
        }
    }
}
