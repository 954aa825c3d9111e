//! Received events and their state.

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::decide::Note;
use crate::goodays::ResponseId;
use crate::state::keys::{self, RKey};
use crate::state::pages::Pages;
use crate::state::{Store, StoreError, Tx, decode, encode};

/// A stored event without its body.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    pub seq: u64,
    /// None if the body could not be read.
    pub response_id: Option<ResponseId>,
    /// `event_type` as Goodays sent it, or `sweep`.
    pub event: String,
    pub received_ms: i64,
    pub state: EntryState,
    #[serde(default)]
    pub attempts: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "lowercase")]
pub enum EntryState {
    Waiting { due_ms: i64 },
    Done { at_ms: i64, how: String },
    Parked { since_ms: i64, code: String, why: String },
    Dropped { at_ms: i64 },
}

/// The result of receiving an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Receipt {
    Accepted { seq: u64, rkey: RKey },
    Duplicate { seq: u64 },
    Parked { seq: u64, why: String },
}

#[derive(Debug)]
struct Incoming<'a> {
    body: &'a [u8],
    event: &'a str,
    id: Option<&'a ResponseId>,
    /// Code and reason, if the event is parked.
    parked: Option<(&'static str, &'a str)>,
}

/// All events and notes that wait for one response.
#[derive(Debug, Clone)]
pub struct Waiting {
    pub rkey: RKey,
    pub entries: Vec<Entry>,
    pub notes: Vec<(u64, i64, Note)>,
    /// The largest number of attempts of any of the notes.
    pub note_attempts: u32,
    /// Events and notes with a damaged or missing record.
    pub lost: Vec<u64>,
}

/// One entry of a lane's queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Item {
    pub rkey: RKey,
    pub due_ms: i64,
    pub seq: u64,
    /// True for an event, false for a note.
    pub event: bool,
}

/// Maximum of events and notes of one response that are processed together.
pub const AT_ONCE: usize = 400;
/// How many rows are read together.
const PAGE: usize = 1000;
const PENDING: u8 = b'p';
const NOTE: u8 = b'n';
const KEPT: u8 = b'k';

impl Store {
    /// Stores an event. The caller acknowledges it only after [`Store::durable`].
    ///
    /// An equal body is a duplicate, unless the stored event is parked or dropped: then it is queued again.
    pub fn receive(
        &self,
        body: &[u8],
        event: &str,
        read: &Result<ResponseId, String>,
        now_ms: i64,
    ) -> Result<Receipt, StoreError> {
        let incoming = Incoming {
            body,
            event,
            id: read.as_ref().ok(),
            parked: read.as_ref().err().map(|why| ("unreadable", why.as_str())),
        };
        self.take_in(&incoming, now_ms)
    }

    /// Stores an event as parked, with its body.
    pub fn receive_parked(
        &self,
        body: &[u8],
        event: &str,
        id: &ResponseId,
        (code, why): (&'static str, &str),
        now_ms: i64,
    ) -> Result<Receipt, StoreError> {
        self.take_in(&Incoming { body, event, id: Some(id), parked: Some((code, why)) }, now_ms)
    }

    fn take_in(&self, incoming: &Incoming<'_>, now_ms: i64) -> Result<Receipt, StoreError> {
        let hash = keys::body_hash(incoming.id.map(RKey::of), incoming.body);
        loop {
            let mut tx = Tx::default();
            let known = self.guard(&mut tx, hash.clone())?;
            let receipt = match known.as_deref().and_then(keys::tail_seq) {
                Some(seq) => match self.again(&mut tx, seq, incoming, now_ms)? {
                    None => return Ok(Receipt::Duplicate { seq }),
                    Some(receipt) => {
                        // The stored body may be damaged, and this one is equal to it.
                        tx.set(keys::payload(seq), incoming.body.to_vec());
                        receipt
                    }
                },
                None => self.first_time(&mut tx, hash.clone(), incoming, now_ms),
            };
            if self.try_transact(&tx)? {
                return Ok(receipt);
            }
        }
    }

    fn first_time(&self, tx: &mut Tx, hash: Vec<u8>, incoming: &Incoming<'_>, now_ms: i64) -> Receipt {
        let seq = self.next_seq();
        tx.set(hash, seq.to_be_bytes().to_vec());
        tx.set(keys::payload(seq), incoming.body.to_vec());
        let rkey = incoming.id.map(RKey::of);
        let (state, receipt) = match (rkey, incoming.parked) {
            (Some(rkey), None) => {
                enqueue(tx, rkey, now_ms, seq, PENDING);
                tx.set(keys::of_response(rkey, seq), vec![PENDING]);
                (EntryState::Waiting { due_ms: now_ms }, Receipt::Accepted { seq, rkey })
            }
            (rkey, parked) => {
                tx.set(keys::parked(b'e', seq), Vec::new());
                if let Some(rkey) = rkey {
                    tx.set(keys::of_response(rkey, seq), vec![KEPT]);
                }
                let (code, why) = parked.unwrap_or(("unreadable", "it names no response"));
                let (code, why) = (code.to_owned(), why.to_owned());
                let state = EntryState::Parked { since_ms: now_ms, code, why: why.clone() };
                (state, Receipt::Parked { seq, why })
            }
        };
        let entry = Entry {
            seq,
            response_id: incoming.id.cloned(),
            event: incoming.event.to_owned(),
            received_ms: now_ms,
            state,
            attempts: 0,
        };
        tx.set(keys::entry(seq), encode(&entry));
        receipt
    }

    /// The same body was received again: none for a duplicate; otherwise the event is queued again, or stays parked.
    fn again(
        &self,
        tx: &mut Tx,
        seq: u64,
        incoming: &Incoming<'_>,
        now_ms: i64,
    ) -> Result<Option<Receipt>, StoreError> {
        let Some(entry) = self.guard_entry(tx, seq)? else { return Ok(None) };
        match (&entry.state, &entry.response_id) {
            (EntryState::Parked { .. } | EntryState::Dropped { .. }, Some(id))
                if incoming.parked.is_none() =>
            {
                let rkey = RKey::of(id);
                revive(tx, entry, rkey, now_ms);
                Ok(Some(Receipt::Accepted { seq, rkey }))
            }
            (EntryState::Parked { why, .. }, _) => Ok(Some(Receipt::Parked { seq, why: why.clone() })),
            _ => Ok(None),
        }
    }

    /// A stored event, if it has not been removed yet.
    pub fn entry(&self, seq: u64) -> Result<Option<Entry>, StoreError> {
        self.or_damaged("event", &keys::entry(seq), self.read(&keys::entry(seq)))
    }

    /// Reads an event and guards it.
    pub fn guard_entry(&self, tx: &mut Tx, seq: u64) -> Result<Option<Entry>, StoreError> {
        let read = self.guard(tx, keys::entry(seq))?.as_deref().map(decode).transpose();
        self.or_damaged("event", &keys::entry(seq), read)
    }

    /// Guards these events and returns those that are unchanged since they were read. The others were finished,
    /// dropped, revived or forgotten meanwhile; the code that did so has written their new state.
    pub fn guard_unchanged(&self, tx: &mut Tx, entries: &[Entry]) -> Result<Vec<Entry>, StoreError> {
        let mut same = Vec::with_capacity(entries.len());
        for entry in entries {
            same.extend(self.guard_entry(tx, entry.seq)?.filter(|now| now == entry));
        }
        Ok(same)
    }

    /// Guards these notes and returns those that are still due at the same time: number and due time.
    pub fn guard_notes(
        &self,
        tx: &mut Tx,
        rkey: RKey,
        notes: &[(u64, i64, Note)],
    ) -> Result<Vec<(u64, i64)>, StoreError> {
        let mut same = Vec::with_capacity(notes.len());
        for (seq, due_ms, _) in notes {
            let held = self.guard(tx, keys::of_response(rkey, *seq))?;
            same.extend(is_noted(held.as_deref(), *due_ms).then_some((*seq, *due_ms)));
        }
        Ok(same)
    }

    /// Repairs queue entries of a response that cannot be processed. An event with a damaged or missing header is
    /// parked, if its body may still be there. A queue entry without an event or a note is removed. `whose` gives the
    /// response of an event. Returns how many events were parked now.
    pub fn mend_queue(
        &self,
        rkey: RKey,
        whose: &dyn Fn(u64) -> Option<ResponseId>,
        now_ms: i64,
    ) -> Result<i64, StoreError> {
        let mut aside = 0;
        let mut queue = Pages::new(keys::queue_of(rkey.lane()));
        while let Some(rows) = queue.rows(self)? {
            let all = rows.iter().filter_map(|(key, value)| item(key, value));
            for item in all.filter(|item| item.rkey == rkey) {
                let mut tx = Tx::default();
                let parked = if item.event {
                    self.mend_event(&mut tx, item, whose, now_ms)?
                } else {
                    self.mend_note(&mut tx, item)?;
                    false
                };
                aside += i64::from(!tx.writes.is_empty() && self.try_transact(&tx)? && parked);
            }
        }
        Ok(aside)
    }

    fn mend_event(
        &self,
        tx: &mut Tx,
        item: Item,
        whose: &dyn Fn(u64) -> Option<ResponseId>,
        now_ms: i64,
    ) -> Result<bool, StoreError> {
        let Item { rkey, due_ms, seq, .. } = item;
        let row = keys::of_response(rkey, seq);
        let header = self.guard(tx, keys::entry(seq))?;
        let entry = header.as_deref().and_then(|header| decode::<Entry>(header).ok());
        match entry.map(|entry| entry.state) {
            Some(EntryState::Waiting { due_ms: due }) if due == due_ms => {
                if self.guard(tx, row.clone())?.as_deref() != Some(&[PENDING]) {
                    tx.set(row, vec![PENDING]);
                }
                return Ok(false);
            }
            None if header.is_some() || self.get(&keys::payload(seq)) != Ok(None) => {
                let why = "What is kept of this event is damaged; its bytes may be readable: try it again, or drop it.";
                let state = EntryState::Parked { since_ms: now_ms, code: "damaged".into(), why: why.into() };
                let (response_id, event) = (whose(seq), "unknown".to_owned());
                let entry = Entry { seq, response_id, event, received_ms: now_ms, state, attempts: 0 };
                tx.set(row, vec![KEPT]).set(keys::parked(b'e', seq), Vec::new());
                tx.set(keys::entry(seq), encode(&entry));
            }
            Some(_) | None => tracing::warn!(seq, "a place in the queue belongs to no event: it goes"),
        }
        tx.remove(keys::queue(rkey.lane(), due_ms, seq));
        Ok(tx.writes.iter().any(|(key, value)| value.is_some() && *key == keys::entry(seq)))
    }

    /// Removes a note that cannot be read, and a queue entry that is not the note's current one.
    fn mend_note(&self, tx: &mut Tx, item: Item) -> Result<(), StoreError> {
        let Item { rkey, due_ms, seq, .. } = item;
        let waits = is_noted(self.guard(tx, keys::of_response(rkey, seq))?.as_deref(), due_ms);
        let note = self.or_damaged("note", &keys::note(seq), self.read::<Note>(&keys::note(seq)))?;
        if waits && note.is_none() {
            drop_note(tx, rkey, seq, due_ms);
        } else if !waits {
            tx.remove(keys::queue(rkey.lane(), due_ms, seq));
        }
        Ok(())
    }

    /// The body of a stored event.
    pub fn payload(&self, seq: u64) -> Result<Option<Vec<u8>>, StoreError> {
        self.get(&keys::payload(seq))
    }

    /// A lane's due queue entries, oldest first, at most `limit`.
    pub fn due(&self, lane: u8, now_ms: i64, limit: usize) -> Result<Vec<Item>, StoreError> {
        let (from, to) = keys::queue_until(lane, now_ms);
        Ok(self.range(&from, &to, limit)?.iter().filter_map(|(k, v)| item(k, v)).collect())
    }

    pub fn count_pending(&self) -> Result<u64, StoreError> {
        let mut count = 0;
        for lane in 0..keys::LANES {
            let (mut from, to) = keys::queue_of(lane);
            loop {
                let rows = self.range(&from, &to, 10_000)?;
                count += rows.iter().filter(|(_, v)| v.get(16) == Some(&PENDING)).count() as u64;
                match rows.last() {
                    Some((key, _)) if rows.len() == 10_000 => from = [key.as_slice(), &[0]].concat(),
                    _ => break,
                }
            }
        }
        Ok(count)
    }

    /// When the lane's next entry is due, in milliseconds.
    pub fn next_due(&self, lane: u8) -> Result<Option<i64>, StoreError> {
        let (from, to) = keys::queue_of(lane);
        Ok(self.keys(&from, &to, 1)?.first().and_then(|k| keys::queue_parts(k)).map(|(due, _)| due))
    }

    /// What waits for a response, in order of arrival; at most [`AT_ONCE`] events and notes, so that they fit into one
    /// transaction. The rest stays queued.
    pub fn waiting(&self, rkey: RKey) -> Result<Waiting, StoreError> {
        let (mut from, to) = keys::all_of_response(rkey);
        let mut waiting =
            Waiting { rkey, entries: Vec::new(), notes: Vec::new(), note_attempts: 0, lost: Vec::new() };
        loop {
            let rows = self.range(&from, &to, PAGE)?;
            for (key, value) in &rows {
                let Some(seq) = keys::tail_seq(key) else { continue };
                match value.first() {
                    Some(&PENDING) => match self.entry(seq)? {
                        Some(entry) => waiting.entries.push(entry),
                        None => waiting.lost.push(seq),
                    },
                    Some(&NOTE) => {
                        let due = value.get(1..9).and_then(keys::tail_seq).unwrap_or(0).cast_signed();
                        let attempts = value.get(9..13).and_then(|bytes| bytes.try_into().ok());
                        let attempts = attempts.map_or(0, u32::from_be_bytes);
                        waiting.note_attempts = waiting.note_attempts.max(attempts);
                        match self.or_damaged("note", &keys::note(seq), self.read(&keys::note(seq)))? {
                            Some(note) => waiting.notes.push((seq, due, note)),
                            None => waiting.lost.push(seq),
                        }
                    }
                    _ => {}
                }
                if waiting.entries.len() + waiting.notes.len() >= AT_ONCE {
                    return Ok(waiting);
                }
            }
            match rows.last() {
                Some((key, _)) if rows.len() == PAGE => from = [key.as_slice(), &[0]].concat(),
                _ => return Ok(waiting),
            }
        }
    }

    /// Stored events of a response, finished ones included; at most `limit`.
    pub fn entries_of(&self, rkey: RKey, limit: usize) -> Result<Vec<Entry>, StoreError> {
        let (from, to) = keys::all_of_response(rkey);
        let mut found = Vec::new();
        for key in self.keys(&from, &to, limit)? {
            if let Some(seq) = keys::tail_seq(&key) {
                found.extend(self.entry(seq)?);
            }
        }
        Ok(found)
    }

    /// Events of a response with a damaged or missing header; at most [`AT_ONCE`] records are read.
    pub fn without_header(&self, rkey: RKey) -> Result<Vec<u64>, StoreError> {
        let (from, to) = keys::all_of_response(rkey);
        let mut found = Vec::new();
        for (key, value) in self.range(&from, &to, AT_ONCE)? {
            let event = matches!(value.first(), Some(&PENDING | &KEPT));
            if let Some(seq) = keys::tail_seq(&key).filter(|_| event)
                && self.entry(seq)?.is_none()
            {
                found.push(seq);
            }
        }
        Ok(found)
    }

    pub(crate) fn read<T: DeserializeOwned>(&self, key: &[u8]) -> Result<Option<T>, StoreError> {
        self.get(key)?.as_deref().map(decode).transpose()
    }
}

/// The value under a response for a waiting note: its due time and its number of attempts.
fn noted(due_ms: i64, attempts: u32) -> Vec<u8> {
    [[NOTE].as_slice(), &due_ms.to_be_bytes(), &attempts.to_be_bytes()].concat()
}

/// Whether the value is a note that is due then, with any number of attempts.
fn is_noted(held: Option<&[u8]>, due_ms: i64) -> bool {
    held.is_some_and(|held| held.starts_with(&noted(due_ms, 0)[..9]))
}

pub(crate) fn item(key: &[u8], value: &[u8]) -> Option<Item> {
    let (due_ms, seq) = keys::queue_parts(key)?;
    Some(Item { rkey: RKey::read(value)?, due_ms, seq, event: value.get(16) == Some(&PENDING) })
}

/// The value names the response, and whether this is an event or a note.
fn enqueue(tx: &mut Tx, rkey: RKey, due_ms: i64, seq: u64, kind: u8) {
    let mut value = rkey.0.to_vec();
    value.push(kind);
    tx.set(keys::queue(rkey.lane(), due_ms, seq), value);
}

pub fn revive(tx: &mut Tx, mut entry: Entry, rkey: RKey, now_ms: i64) {
    tx.remove(keys::parked(b'e', entry.seq));
    enqueue(tx, rkey, now_ms, entry.seq, PENDING);
    tx.set(keys::of_response(rkey, entry.seq), vec![PENDING]);
    entry.state = EntryState::Waiting { due_ms: now_ms };
    tx.set(keys::entry(entry.seq), encode(&entry));
}

/// Gives an event a new state. It leaves the queue, unless the state is `Waiting`.
pub fn finish(tx: &mut Tx, mut entry: Entry, rkey: RKey, state: EntryState) {
    if let EntryState::Waiting { due_ms } = entry.state {
        tx.remove(keys::queue(rkey.lane(), due_ms, entry.seq));
    }
    if let EntryState::Waiting { due_ms } = state {
        enqueue(tx, rkey, due_ms, entry.seq, PENDING);
    } else {
        tx.set(keys::of_response(rkey, entry.seq), vec![KEPT]);
    }
    if matches!(state, EntryState::Parked { .. }) {
        tx.set(keys::parked(b'e', entry.seq), Vec::new());
    }
    entry.state = state;
    tx.set(keys::entry(entry.seq), encode(&entry));
}

/// Queues a note for the Case.
pub fn put_note(tx: &mut Tx, rkey: RKey, seq: u64, due_ms: i64, note: &Note) {
    tx.set(keys::note(seq), encode(note));
    move_note(tx, rkey, seq, None, due_ms, 0);
}

/// Queues a note for another time.
pub fn move_note(tx: &mut Tx, rkey: RKey, seq: u64, from_ms: Option<i64>, due_ms: i64, attempts: u32) {
    if let Some(from_ms) = from_ms {
        tx.remove(keys::queue(rkey.lane(), from_ms, seq));
    }
    enqueue(tx, rkey, due_ms, seq, NOTE);
    tx.set(keys::of_response(rkey, seq), noted(due_ms, attempts));
}

/// Removes a note that was written, or never can be.
pub fn drop_note(tx: &mut Tx, rkey: RKey, seq: u64, due_ms: i64) {
    tx.remove(keys::note(seq));
    tx.remove(keys::queue(rkey.lane(), due_ms, seq));
    tx.remove(keys::of_response(rkey, seq));
}
