//! Walks over all records, a page at a time.

use std::collections::HashSet;

use crate::decide::{Intent, Note};
use crate::state::copy::{ActionCopy, Batch, EventCopy, NoteCopy, ReceiptCopy, Unreadable, damaged_event};
use crate::state::mark::MARK;
use crate::state::records::pages::Pages;
use crate::state::records::queue::{NOTE, read_noted};
use crate::state::records::{Records, decode, keys};
use crate::state::{Entry, LANES, Page, RKey, StoreError};

/// Records that one page has.
const PAGE: usize = 400;
/// A page ends after so many bytes of bodies.
const BYTES: usize = 4 << 20;
/// The letters of the rooms in their order. Responses come before what names them.
const ROOMS: [u8; 7] = *b"ELUODAM";

/// Where a walk stands.
pub struct Reader<'a> {
    store: &'a Records,
    room: usize,
    /// Of the rooms that are read by number.
    next_seq: u64,
    pages: Option<Pages>,
    now_ms: i64,
    /// Events that name no response.
    nameless: HashSet<u64>,
    pub unreadable: Unreadable,
}

impl<'a> Reader<'a> {
    pub fn new(store: &'a Records, now_ms: i64) -> Self {
        let (nameless, unreadable) = (HashSet::new(), Unreadable::default());
        Self { store, room: 0, next_seq: 0, pages: None, now_ms, nameless, unreadable }
    }

    /// The next records; none at the end.
    pub fn next(&mut self) -> Result<Option<Batch>, StoreError> {
        let Some(room) = ROOMS.get(self.room) else { return Ok(None) };
        let mut batch = Batch::default();
        let is_over = match room {
            b'E' => self.events(&mut batch)?,
            b'O' => self.actions(&mut batch)?,
            b'A' => self.attempts(&mut batch)?,
            room => self.rows(*room, &mut batch)?,
        };
        if is_over {
            (self.room, self.next_seq, self.pages) = (self.room + 1, 0, None);
        }
        Ok(Some(batch))
    }

    fn events(&mut self, batch: &mut Batch) -> Result<bool, StoreError> {
        let Page { records, next } = self.store.numbers(b'E', self.next_seq, PAGE)?;
        let mut bytes = 0;
        for seq in records {
            if bytes > BYTES {
                self.next_seq = seq;
                return Ok(false);
            }
            let entry = match self.store.read::<Entry>(&keys::entry(seq)) {
                Err(StoreError::Damaged(_)) => {
                    self.unreadable.events += 1;
                    Some(damaged_event(seq, self.now_ms))
                }
                read => read?,
            };
            let Some(entry) = entry else { continue };
            let rkey = entry.response_id.as_ref().map(RKey::of);
            if rkey.is_none() {
                self.nameless.insert(seq);
            }
            let body = self.store.body(seq)?;
            bytes += body.as_ref().map_or(0, Vec::len);
            batch.events.push(EventCopy { entry, rkey, body });
        }
        self.next_seq = next.unwrap_or(0);
        Ok(next.is_none())
    }

    fn actions(&mut self, batch: &mut Batch) -> Result<bool, StoreError> {
        let Page { records, next } = self.store.numbers(b'O', self.next_seq, PAGE)?;
        for seq in records {
            match self.store.read::<Intent>(&keys::intent(seq)) {
                Err(StoreError::Damaged(_)) => {
                    self.unreadable.actions += 1;
                    let for_human = self.store.engine.get(&keys::parked(b'a', seq))?.is_some();
                    let text = self.text(&keys::intent(seq)).unwrap_or_else(|| "\"damaged\"".to_owned());
                    batch.actions.push(ActionCopy::Damaged { seq, for_human, text });
                }
                read => {
                    batch.actions.extend(read?.map(|intent| ActionCopy::Whole(Box::new(intent))));
                }
            }
        }
        self.next_seq = next.unwrap_or(0);
        Ok(next.is_none())
    }

    /// The JSON of a record, if it is JSON.
    fn text(&self, key: &[u8]) -> Option<String> {
        let bytes = self.store.engine.get(key).ok()??;
        let json = String::from_utf8(bytes.get(1..)?.to_vec()).ok()?;
        serde_json::from_str::<serde::de::IgnoredAny>(&json).ok().map(|_| json)
    }

    fn attempts(&mut self, batch: &mut Batch) -> Result<bool, StoreError> {
        for lane in 0..LANES {
            let rkeys = self.store.attempt(lane)?;
            if !rkeys.is_empty() {
                batch.attempts.push((lane, rkeys));
            }
        }
        Ok(true)
    }

    fn rows(&mut self, room: u8, batch: &mut Batch) -> Result<bool, StoreError> {
        let mut pages = self.pages.take().unwrap_or_else(|| Pages::new(keys::room(room)));
        let rows = pages.rows(self.store)?;
        let is_over = rows.is_none();
        for (key, value) in rows.unwrap_or_default() {
            match room {
                b'L' => self.of_response(&key, &value, batch)?,
                b'U' => batch.customers.extend(keys::customer_parts(&key)),
                b'D' => {
                    let hash = key.get(1..).and_then(|hash| hash.try_into().ok());
                    batch.identities.extend(hash.zip(keys::tail_seq(&value)));
                }
                _ => self.value(&key, batch),
            }
        }
        self.pages = Some(pages);
        Ok(is_over)
    }

    fn of_response(&mut self, key: &[u8], value: &[u8], batch: &mut Batch) -> Result<(), StoreError> {
        if keys::is_link(key) {
            match (keys::tail_rkey(key), decode(value)) {
                (Some(rkey), Ok(link)) => batch.links.push((rkey, link)),
                _ => self.unreadable.responses += 1,
            }
            return Ok(());
        }
        if let Some((owner, hash)) = keys::receipt_parts(key) {
            batch.receipts.extend(keys::tail_seq(value).map(|seq| ReceiptCopy { owner, hash, seq }));
            return Ok(());
        }
        let (Some(rkey), Some(seq)) = (key.get(1..).and_then(RKey::read), keys::tail_seq(key)) else {
            return Ok(());
        };
        if value.first() == Some(&NOTE) {
            let (due_ms, attempts) = read_noted(value);
            match self.store.read::<Note>(&keys::note(seq)) {
                Ok(Some(note)) => batch.notes.push(NoteCopy { seq, rkey, due_ms, attempts, note }),
                Ok(None) | Err(StoreError::Damaged(_)) => self.unreadable.notes += 1,
                Err(error) => return Err(error),
            }
        } else if self.nameless.contains(&seq) {
            batch.owners.push((seq, rkey));
        }
        Ok(())
    }

    fn value(&mut self, key: &[u8], batch: &mut Batch) {
        let name = key.get(1..).and_then(|name| std::str::from_utf8(name).ok()).unwrap_or_default();
        if name == MARK {
            return;
        }
        match self.text(key) {
            Some(json) => batch.values.push((name.to_owned(), json)),
            None => self.unreadable.values += 1,
        }
    }
}
