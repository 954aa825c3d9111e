//! Loads waiting conversations, with as many of their events as one step may hold in memory.
//!
//! An event that cannot be read is parked with the reason; the others of its conversation continue.

use std::sync::atomic::Ordering;

use tracing::warn;

use crate::aside;
use crate::goodays::event::{self, Event};
use crate::goodays::{ResponseId, peek};
use crate::json;
use crate::state::{Due, Entry, EntryState, Loaded, RKey};
use crate::workers::inbound::Job;
use crate::workers::inbound::damaged;
use crate::workers::inbound::in_progress::Through;
use crate::workers::{Fatal, Shared};

/// Memory for the events of one step in bytes, roughly: their bytes as received, and their values when read.
const ROOM: usize = 24 << 20;
/// Memory of one JSON value in bytes, with its share of the list or object that contains it.
const VALUE: usize = 200;

/// A loaded conversation, with the bytes of those of its waiting events that this step works on.
struct Bodies {
    loaded: Box<Loaded>,
    entries: Vec<Entry>,
    bytes: Vec<Vec<u8>>,
    /// Events to park, and why.
    misfits: Vec<(Entry, Misfit)>,
}

/// Why an event is parked: a code, and a text for people.
type Misfit = (&'static str, String);

/// Loads everything that waits for these conversations, as far as there is room; the rest stays queued. Two requests to
/// the store, whatever their number.
pub(crate) async fn load(shared: &Shared, taken: &[RKey]) -> Result<Vec<Job>, Fatal> {
    let found = shared.store.load_due(taken).await?;
    let seqs: Vec<u64> = found.iter().flat_map(|due| due.waiting().entries.iter().map(|e| e.seq)).collect();
    let mut bodies = shared.store.bodies(&seqs, ROOM / 2).await?.into_iter();
    let mut room = ROOM;
    let (mut all, mut broken) = (Vec::new(), Vec::new());
    for due in found {
        all.extend(gather(due, &mut bodies, &mut room, &mut broken));
    }
    for rkey in broken {
        damaged::mend(shared, rkey).await?;
    }
    only_one_blamed(shared, &mut all);
    let noted = noted(shared, &all);
    let (jobs, parked) = shared.in_progress.note(&noted, Through::Reading, || read_all(shared, all)).await;
    park(shared, &parked).await?;
    Ok(jobs)
}

/// If an event is blamed for the end of a process, the step works on that event only; the rest stays queued.
fn only_one_blamed(shared: &Shared, all: &mut Vec<Bodies>) {
    let blamed =
        |bodies: &Bodies| bodies.entries.iter().position(|entry| shared.in_progress.is_blamed(entry.seq));
    let Some((at, first)) = all.iter().enumerate().find_map(|(at, b)| blamed(b).map(|first| (at, first)))
    else {
        return;
    };
    let mut bodies = all.swap_remove(at);
    // In order: the events before it are handled first.
    let count = first.max(1);
    bodies.entries.truncate(count);
    bodies.bytes.truncate(count);
    all.clear();
    all.push(bodies);
}

/// The events to note as in progress. Those that ended too many processes are not read, so they are not noted.
fn noted(shared: &Shared, all: &[Bodies]) -> Vec<u64> {
    let events = all.iter().flat_map(|bodies| bodies.entries.iter().zip(&bodies.bytes));
    let noted = events.filter(|(entry, bytes)| {
        shared.in_progress.notes(entry.seq, bytes.len()) && !shared.in_progress.ended_too_many(entry.seq)
    });
    noted.map(|(entry, _)| entry.seq).collect()
}

/// The bodies of a conversation's events, as many as there is room for, at least one in each step. `bodies` are those of
/// all conversations; an event behind their end stays queued. A conversation whose queue has to be repaired is added to
/// `broken`.
fn gather(
    due: Due,
    bodies: &mut impl Iterator<Item = Option<Vec<u8>>>,
    room: &mut usize,
    broken: &mut Vec<RKey>,
) -> Option<Bodies> {
    if *room == 0 {
        return None;
    }
    let loaded = match due {
        Due::Known(loaded) => loaded,
        Due::Nameless(waiting) => {
            broken.push(waiting.rkey);
            return None;
        }
    };
    let (mut bytes, mut entries, mut misfits) = (Vec::new(), Vec::new(), Vec::new());
    for entry in &loaded.waiting.entries {
        let Some(body) = bodies.next() else {
            *room = 0;
            break;
        };
        let Some(body) = body else {
            misfits.push((entry.clone(), damaged::no_body()));
            continue;
        };
        let cost = aside::if_large(body.len(), || cost(&body));
        if cost > *room && *room < ROOM {
            *room = 0;
            break;
        }
        *room = room.saturating_sub(cost);
        bytes.push(body);
        entries.push(entry.clone());
    }
    let none_fits = *room == 0 && entries.is_empty() && misfits.is_empty();
    if none_fits {
        return None;
    }
    let nothing = entries.is_empty() && loaded.waiting.notes.is_empty();
    if nothing && misfits.is_empty() || !loaded.waiting.lost.is_empty() {
        broken.push(loaded.rkey());
    }
    Some(Bodies { loaded, entries, bytes, misfits })
}

/// Events of a response that are parked.
type Parked = (ResponseId, Vec<(Entry, Misfit)>);

/// Reads the events; also says which cannot be read. The conversations were loaded after their events came in: an
/// event with our own answer came after the answer was noted as `Sending`, so it cannot be mistaken for a colleague's.
fn read_all(shared: &Shared, all: Vec<Bodies>) -> (Vec<Job>, Vec<Parked>) {
    let (mut jobs, mut parked) = (Vec::with_capacity(all.len()), Vec::new());
    for bodies in all {
        let Bodies { loaded, entries, bytes, mut misfits } = bodies;
        let (rkey, response_id) = (loaded.rkey(), loaded.now.response_id.clone());
        let size = bytes.iter().map(Vec::len).sum();
        let (mut events, mut kept) = (Vec::new(), Vec::new());
        for (entry, bytes) in entries.into_iter().zip(bytes) {
            match aside::if_large(bytes.len(), || read_event(shared, &entry, &bytes)) {
                Ok(event) => {
                    events.push(event);
                    kept.push(entry);
                }
                Err(misfit) => misfits.push((entry, misfit)),
            }
        }
        if !misfits.is_empty() {
            parked.push((response_id.clone(), misfits));
        }
        let Loaded { now, mut waiting, .. } = *loaded;
        waiting.entries = kept;
        if !waiting.is_empty() {
            let notes = waiting.notes.iter().map(|waiting| waiting.note.clone()).collect();
            let (intents, link) = (now.intents, now.link);
            jobs.push(Job { rkey, response_id, waiting, events, notes, intents, link, size });
        }
    }
    (jobs, parked)
}

/// Parks events that still wait.
async fn park(shared: &Shared, parked: &[Parked]) -> Result<(), Fatal> {
    let since_ms = shared.clock.now_ms();
    let ids: Vec<ResponseId> = parked.iter().map(|(id, _)| id.clone()).collect();
    let done = shared
        .change_many(&ids, |place, loaded| {
            let park = |(entry, (code, why)): &(Entry, Misfit)| {
                let state = EntryState::Parked { since_ms, code: (*code).to_owned(), why: why.clone() };
                loaded.end_events(std::slice::from_ref(entry), &state) == 1
            };
            parked[place].1.iter().map(park).collect::<Vec<bool>>()
        })
        .await?;
    for ((response, misfits), done) in parked.iter().zip(done) {
        for (entry, (code, _)) in misfits.iter().zip(done).filter_map(|(misfit, done)| done.then_some(misfit))
        {
            shared.in_progress.forget(entry.seq);
            shared.metrics.event("parked");
            shared.counts.pending.fetch_sub(1, Ordering::Relaxed);
            warn!(%response, seq = entry.seq, code, "parked: this event is not carried");
        }
    }
    Ok(())
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
