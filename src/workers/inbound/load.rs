//! Loads waiting conversations, with as many of their events as one step may hold in memory.
//!
//! An event that cannot be read is parked with the reason; the others of its conversation continue.

use std::sync::atomic::Ordering;

use tracing::warn;

use crate::aside;
use crate::decide::Conversation;
use crate::goodays::event::{self, Event};
use crate::goodays::peek;
use crate::json;
use crate::state::inbox::finish;
use crate::state::{Entry, EntryState, RKey, Tx, Waiting};
use crate::workers::inbound::Job;
use crate::workers::inbound::damaged;
use crate::workers::inbound::in_progress::Through;
use crate::workers::inbound::worker_state::SharedWorkerState;
use crate::workers::{Fatal, Shared};

/// Memory for the events of one step in bytes, roughly: their bytes as received, and their values when read.
const ROOM: usize = 24 << 20;
/// Memory of one JSON value in bytes, with its share of the list or object that contains it.
const VALUE: usize = 200;

/// A conversation's waiting events and notes, with the bytes of the events in the same order.
struct Bodies {
    waiting: Waiting,
    bytes: Vec<Vec<u8>>,
}

/// Why an event is parked: a code, and a text for people.
type Misfit = (&'static str, String);

/// Loads everything that waits for these conversations, as far as there is room; the rest stays queued.
pub(crate) async fn load(
    shared: &Shared,
    worker_state: &SharedWorkerState,
    taken: &[RKey],
) -> Result<Vec<Job>, Fatal> {
    let mut room = ROOM;
    let mut all = Vec::new();
    for rkey in taken {
        all.extend(gather(shared, worker_state, *rkey, &mut room)?);
    }
    only_one_blamed(shared, &mut all);
    let noted = noted(shared, &all);
    let read_all = || -> Result<Vec<Job>, Fatal> {
        let mut jobs = Vec::new();
        for bodies in all {
            jobs.extend(read(shared, bodies)?);
        }
        Ok(jobs)
    };
    shared.in_progress.note(&noted, Through::Reading, read_all).await
}

/// If an event is blamed for the end of a process, the step works on that event only; the rest stays queued.
fn only_one_blamed(shared: &Shared, all: &mut Vec<Bodies>) {
    let blamed = |bodies: &Bodies| {
        bodies.waiting.entries.iter().position(|entry| shared.in_progress.is_blamed(entry.seq))
    };
    let Some((at, first)) = all.iter().enumerate().find_map(|(at, b)| blamed(b).map(|first| (at, first)))
    else {
        return;
    };
    let mut bodies = all.swap_remove(at);
    // In order: the events before it are handled first.
    let count = first.max(1);
    bodies.waiting.entries.truncate(count);
    bodies.bytes.truncate(count);
    all.clear();
    all.push(bodies);
}

/// The events to note as in progress. Those that ended too many processes are not read, so they are not noted.
fn noted(shared: &Shared, all: &[Bodies]) -> Vec<u64> {
    let events = all.iter().flat_map(|bodies| bodies.waiting.entries.iter().zip(&bodies.bytes));
    let noted = events.filter(|(entry, bytes)| {
        shared.in_progress.notes(entry.seq, bytes.len()) && !shared.in_progress.ended_too_many(entry.seq)
    });
    noted.map(|(entry, _)| entry.seq).collect()
}

/// Reads the events, then the conversation: an event with our own answer came after the answer was noted as `Sending`,
/// so it cannot be mistaken for a colleague's. `None`: nothing is left to do.
fn read(shared: &Shared, bodies: Bodies) -> Result<Option<Job>, Fatal> {
    let Bodies { mut waiting, bytes } = bodies;
    let (rkey, size) = (waiting.rkey, bytes.iter().map(Vec::len).sum());
    let mut events = Vec::new();
    let mut entries = Vec::new();
    let mut id = waiting.entries.iter().find_map(|e| e.response_id.clone());
    for (entry, bytes) in waiting.entries.drain(..).zip(bytes) {
        match aside::if_large(bytes.len(), || read_event(shared, &entry, &bytes)) {
            Ok(event) => {
                events.push(event);
                entries.push(entry);
            }
            Err(misfit) => park_event(shared, rkey, &entry, &misfit)?,
        }
    }
    if id.is_none() {
        id = shared.store.link(rkey)?.map(|link| link.response_id);
    }
    let nothing_left = entries.is_empty() && waiting.notes.is_empty();
    let Some(response_id) = id.filter(|_| !nothing_left) else { return Ok(None) };
    let Conversation { intents, link, .. } = shared.store.conversation(rkey, &response_id)?.now;
    waiting.entries = entries;
    let notes = waiting.notes.iter().map(|(_, _, n)| n.clone()).collect();
    Ok(Some(Job { rkey, response_id, waiting, events, notes, intents, link, size }))
}

/// Reads what waits for a response, with as many events as there is room for, at least one in each step. Damaged
/// events are parked and left out.
fn gather(
    shared: &Shared,
    worker_state: &SharedWorkerState,
    rkey: RKey,
    room: &mut usize,
) -> Result<Option<Bodies>, Fatal> {
    if *room == 0 {
        return Ok(None);
    }
    let Some(mut waiting) = damaged::waiting(shared, worker_state, rkey)? else { return Ok(None) };
    let (mut bytes, mut entries, mut none_fits) = (Vec::new(), Vec::new(), false);
    for entry in std::mem::take(&mut waiting.entries) {
        let Some(body) = damaged::body(&shared.store, entry.seq)? else {
            damaged::park(shared, rkey, &entry)?;
            continue;
        };
        let cost = aside::if_large(body.len(), || cost(&body));
        if cost > *room && *room < ROOM {
            *room = 0;
            none_fits = bytes.is_empty();
            break;
        }
        *room = room.saturating_sub(cost);
        bytes.push(body);
        entries.push(entry);
    }
    waiting.entries = entries;
    let nothing = waiting.entries.is_empty() && waiting.notes.is_empty();
    if !none_fits && (nothing || !waiting.lost.is_empty()) {
        damaged::mend(shared, rkey)?;
    }
    Ok((!none_fits).then_some(Bodies { waiting, bytes }))
}

fn cost(body: &[u8]) -> usize {
    2 * body.len() + VALUE * json::values(body).min(peek::MAX_VALUES)
}

/// Reads an event, unless it ended too many processes or is too large.
fn read_event(shared: &Shared, entry: &Entry, bytes: &[u8]) -> Result<Event, Misfit> {
    if shared.in_progress.ended_too_many(entry.seq) {
        let why = "working on it ended the process three times; `retry` tries it again";
        return Err(("crashed", why.to_owned()));
    }
    let unreadable = |why: &str| ("unreadable", format!("the stored event cannot be read: {why}"));
    let text = std::str::from_utf8(bytes).map_err(|_| unreadable("it is not UTF-8"))?;
    // The webhook checks the size of new events; those that an older version accepted were not checked.
    if bytes.len() > peek::MAX_VALUES / 4 {
        let outlined = peek::outline(text).map_err(|_| unreadable("it is not JSON that can be held"))?;
        if let Some(why) = peek::excess(text, &outlined) {
            return Err(("too_large", why));
        }
    }
    let body = json::read(bytes).map_err(|_| unreadable("it is not JSON that can be held"))?;
    event::read_owned(body).map_err(|why| unreadable(&why.to_string()))
}

fn park_event(shared: &Shared, rkey: RKey, entry: &Entry, (code, why): &Misfit) -> Result<(), Fatal> {
    loop {
        let mut tx = Tx::default();
        let Some(now) = shared.store.guard_entry(&mut tx, entry.seq)? else { return Ok(()) };
        if !matches!(now.state, EntryState::Waiting { .. }) {
            return Ok(());
        }
        let since_ms = shared.clock.now_ms();
        let state = EntryState::Parked { since_ms, code: (*code).to_owned(), why: why.clone() };
        finish(&mut tx, now, rkey, state);
        if shared.store.try_transact(&tx)? {
            break;
        }
    }
    shared.in_progress.forget(entry.seq);
    shared.metrics.event("parked");
    shared.counts.pending.fetch_sub(1, Ordering::Relaxed);
    let response = entry.response_id.as_ref().map(ToString::to_string).unwrap_or_default();
    warn!(%response, seq = entry.seq, code, "parked: this event is not carried");
    Ok(())
}
