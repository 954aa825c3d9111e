//! Received events and their state.

use crate::goodays::ResponseId;
use crate::state::embedded::Tx;
use crate::state::records::keys;
use crate::state::records::pages::Pages;
use crate::state::records::queue::{KEPT, NOTE, PENDING, enqueue, item, read_noted, revive};
use crate::state::records::{Records, decode, encode};
use crate::state::{
    AT_ONCE, Entry, EntryState, Item, LANES, LOOKED_AT, Page, RKey, Receipt, StoreError, Waiting, WaitingNote,
};

/// The same body was received again: none for a duplicate; otherwise the event is queued again, or stays parked.
fn again(tx: &mut Tx, entry: Entry, incoming: &Incoming<'_>, now_ms: i64) -> Option<Receipt> {
    let seq = entry.seq;
    match (&entry.state, &entry.response_id) {
        (EntryState::Parked { .. } | EntryState::Dropped { .. }, Some(id)) if incoming.parked.is_none() => {
            let rkey = RKey::of(id);
            revive(tx, entry, rkey, now_ms);
            Some(Receipt::Accepted { seq, rkey })
        }
        (EntryState::Parked { why, .. }, _) => Some(Receipt::Parked { seq, why: why.clone() }),
        _ => None,
    }
}

/// Whether the event may be of this response: an event without a readable name may be of any.
pub(super) fn is_of(entry: &Entry, rkey: RKey) -> bool {
    entry.response_id.as_ref().is_none_or(|id| RKey::of(id) == rkey)
}

#[derive(Debug)]
struct Incoming<'a> {
    body: &'a [u8],
    event: &'a str,
    id: Option<&'a ResponseId>,
    /// Code and reason, if the event is parked.
    parked: Option<(&'static str, &'a str)>,
}

impl Records {
    /// Stores an event. The caller acknowledges it only after `durable`.
    ///
    /// An equal body is a duplicate, unless the stored event is parked or dropped: then it is queued again.
    pub fn accept(
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
    pub fn accept_parked(
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
            let known = self.engine.guard(&mut tx, hash.clone())?;
            let receipt = match known.as_deref().and_then(keys::tail_seq) {
                Some(seq) => {
                    let entry = self.guarded::<Entry>(&mut tx, "event", &keys::entry(seq))?;
                    // Its number was given a second time, to another response's event.
                    let is_lost = |entry: &Entry| incoming.id.is_some_and(|id| !is_of(entry, RKey::of(id)));
                    if entry.as_ref().is_some_and(is_lost) {
                        self.first_time(&mut tx, hash.clone(), incoming, now_ms)
                    } else if let Some(receipt) =
                        entry.and_then(|entry| again(&mut tx, entry, incoming, now_ms))
                    {
                        // The stored body may be damaged, and this one is equal to it.
                        tx.set(keys::payload(seq), incoming.body.to_vec());
                        receipt
                    } else {
                        return Ok(Receipt::Duplicate { seq });
                    }
                }
                None => self.first_time(&mut tx, hash.clone(), incoming, now_ms),
            };
            if self.try_transact(&tx)? {
                return Ok(receipt);
            }
        }
    }

    fn first_time(&self, tx: &mut Tx, hash: Vec<u8>, incoming: &Incoming<'_>, now_ms: i64) -> Receipt {
        let seq = self.engine.next_seq();
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

    /// A stored event, if it has not been removed yet.
    pub fn entry(&self, seq: u64) -> Result<Option<Entry>, StoreError> {
        self.or_damaged("event", &keys::entry(seq), self.read(&keys::entry(seq)))
    }

    /// The body of a stored event; none if it was removed, or is damaged.
    pub fn body(&self, seq: u64) -> Result<Option<Vec<u8>>, StoreError> {
        self.or_damaged("body", &keys::payload(seq), self.engine.get(&keys::payload(seq)))
    }

    /// The bodies of these events in their order: as many as have `most` bytes together, and at least one.
    pub fn bodies(&self, seqs: &[u64], most: usize) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        let (mut bodies, mut bytes) = (Vec::new(), 0);
        for seq in seqs {
            let body = self.body(*seq)?;
            bytes += body.as_ref().map_or(0, Vec::len);
            if bytes > most && !bodies.is_empty() {
                break;
            }
            bodies.push(body);
        }
        Ok(bodies)
    }

    /// Stored events by number, from `from` on; damaged ones are left out.
    pub fn events_from(&self, from: u64, limit: usize) -> Result<Page<Entry>, StoreError> {
        let Page { records, next } = self.numbers(b'E', from, limit)?;
        let mut events = Vec::with_capacity(records.len());
        for seq in records {
            events.extend(self.entry(seq)?);
        }
        Ok(Page { records: events, next })
    }

    /// A lane's due queue entries, oldest first, at most `limit`.
    pub fn due(&self, lane: u8, now_ms: i64, limit: usize) -> Result<Vec<Item>, StoreError> {
        let (from, to) = keys::queue_until(lane, now_ms);
        Ok(self.engine.range(&from, &to, limit)?.iter().filter_map(|(k, v)| item(k, v)).collect())
    }

    /// How many events wait.
    pub fn count_pending(&self) -> Result<u64, StoreError> {
        let mut count = 0;
        for lane in 0..LANES {
            let mut queue = Pages::new(keys::queue_of(lane));
            while let Some(rows) = queue.rows(self)? {
                count += rows.iter().filter(|(_, value)| value.get(16) == Some(&PENDING)).count() as u64;
            }
        }
        Ok(count)
    }

    /// When the oldest waiting event was received, of the [`LOOKED_AT`] of each lane that are due first. Numbers grow with
    /// time.
    pub fn oldest_waiting_ms(&self) -> Result<Option<i64>, StoreError> {
        let mut oldest: Option<u64> = None;
        for lane in 0..LANES {
            let waiting = self.due(lane, i64::MAX, LOOKED_AT)?;
            let first = waiting.iter().filter(|item| item.event).map(|item| item.seq).min();
            oldest = oldest.into_iter().chain(first).min();
        }
        let entry = oldest.map_or(Ok(None), |seq| self.entry(seq))?;
        Ok(entry.map(|entry| entry.received_ms))
    }

    /// When the lane's next entry is due, in milliseconds.
    pub fn next_due(&self, lane: u8) -> Result<Option<i64>, StoreError> {
        let (from, to) = keys::queue_of(lane);
        Ok(self.engine.keys(&from, &to, 1)?.first().and_then(|k| keys::queue_parts(k)).map(|(due, _)| due))
    }

    /// What waits for a response, in order of arrival; at most [`AT_ONCE`] events and notes, so that they fit into one
    /// transaction. The rest stays queued.
    pub fn waiting(&self, rkey: RKey) -> Result<Waiting, StoreError> {
        self.guard_waiting(&mut Tx::default(), rkey)
    }

    /// Reads what waits for a response, and guards each event and note.
    pub(super) fn guard_waiting(&self, guards: &mut Tx, rkey: RKey) -> Result<Waiting, StoreError> {
        let mut waiting = Waiting::new(rkey);
        let mut listed = Pages::new(keys::all_of_response(rkey));
        while let Some(rows) = listed.rows(self)? {
            for (key, value) in &rows {
                match value.first() {
                    Some(&PENDING) => self.guard_waiting_event(guards, key, &mut waiting)?,
                    Some(&NOTE) => self.guard_waiting_note(guards, key, value, &mut waiting)?,
                    _ => {}
                }
                if waiting.entries.len() + waiting.notes.len() >= AT_ONCE {
                    return Ok(waiting);
                }
            }
        }
        Ok(waiting)
    }

    fn guard_waiting_event(
        &self,
        guards: &mut Tx,
        key: &[u8],
        waiting: &mut Waiting,
    ) -> Result<(), StoreError> {
        let Some(seq) = keys::tail_seq(key) else { return Ok(()) };
        let read = self.engine.guard(guards, keys::entry(seq));
        let read = read.and_then(|value| value.as_deref().map(decode).transpose());
        match self.or_damaged::<Entry>("event", &keys::entry(seq), read)? {
            // Its number was given a second time: it is of another response.
            Some(entry) if !is_of(&entry, waiting.rkey) => waiting.lost.push(seq),
            // Finished since the list was read.
            Some(entry) if !matches!(entry.state, EntryState::Waiting { .. }) => {}
            Some(entry) => waiting.entries.push(entry),
            None => waiting.lost.push(seq),
        }
        Ok(())
    }

    fn guard_waiting_note(
        &self,
        guards: &mut Tx,
        key: &[u8],
        value: &[u8],
        waiting: &mut Waiting,
    ) -> Result<(), StoreError> {
        let Some(seq) = keys::tail_seq(key) else { return Ok(()) };
        let (due_ms, attempts) = read_noted(value);
        guards.expect(key, Some(value.to_vec()));
        match self.or_damaged("note", &keys::note(seq), self.read(&keys::note(seq)))? {
            Some(note) => waiting.notes.push(WaitingNote { seq, due_ms, attempts, note }),
            None => waiting.lost.push(seq),
        }
        Ok(())
    }

    /// Stored events of a response, finished ones included: the newest `limit`, in order of arrival.
    pub fn entries_of(&self, rkey: RKey, limit: usize) -> Result<Vec<Entry>, StoreError> {
        let (mut pages, mut seqs) = (Pages::new(keys::all_of_response(rkey)), Vec::new());
        while let Some(found) = pages.keys(self)? {
            seqs.extend(found.iter().filter_map(|key| keys::tail_seq(key)));
        }
        // Its notes are among them.
        let mut newest = Vec::new();
        for seq in seqs.into_iter().rev() {
            if newest.len() == limit {
                break;
            }
            newest.extend(self.entry(seq)?);
        }
        newest.reverse();
        Ok(newest)
    }

    /// Events of a response with a damaged or missing header; at most [`AT_ONCE`] records are read.
    pub(super) fn without_header(&self, rkey: RKey) -> Result<Vec<u64>, StoreError> {
        let (from, to) = keys::all_of_response(rkey);
        let mut found = Vec::new();
        for (key, value) in self.engine.range(&from, &to, AT_ONCE)? {
            let event = matches!(value.first(), Some(&PENDING | &KEPT));
            if let Some(seq) = keys::tail_seq(&key).filter(|_| event)
                && self.entry(seq)?.is_none()
            {
                found.push(seq);
            }
        }
        Ok(found)
    }
}
