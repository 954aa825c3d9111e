//! Writes full journals into sled.
//!
//! ```text
//! write the journal's entries: new chunks before the entry that names them; remove old chunks after it;
//! note the journal's number; flush, sync; drop its writes from the memtable
//! ```
//!
//! sled notes the last journal that it holds completely, so a start replays those after it: also when sled lost its
//! latest writes. sled gets no write that is not on disk in a journal, so it never holds a part of a group that a replay
//! cannot complete.

use std::borrow::Cow;
use std::fs::{File, OpenOptions};
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc;
use std::thread::JoinHandle;

use tracing::error;

use crate::state::embedded::memtable::{SharedMemtable, Writes, Written};
use crate::state::embedded::open::{Places, Tables, Trouble};
use crate::state::embedded::segments::{Pointer, is_pointed_to};
use crate::state::embedded::sled_writer::{self, Writer};
use crate::state::embedded::value::{self, CHUNK, Head};
use crate::state::embedded::watchdog::Busy;
use crate::state::embedded::{blocks, journal, loss};

/// The number of the last journal that is completely in sled.
const APPLIED_KEY: &[u8] = b"\0settled";

/// A key and what sled is to hold for it; none for a deletion.
type Held<'w> = (&'w [u8], Option<Cow<'w, [u8]>>);

/// A journal that is to be written into sled, and its writes.
pub(super) struct Full {
    pub number: u64,
    pub writes: Arc<Writes>,
}

/// The checkpointer thread. Dropping this waits until all journals passed to it are checkpointed.
pub(super) struct Checkpointer {
    queue: Option<mpsc::Sender<Full>>,
    thread: Option<JoinHandle<()>>,
}

impl Checkpointer {
    pub fn start(
        tables: Tables,
        places: &Places,
        front: Arc<SharedMemtable>,
        busy: Arc<Busy>,
    ) -> Result<Self, Trouble> {
        let mut sled = SledTables::open(tables, places)?;
        let (queue, full) = mpsc::channel::<Full>();
        let run = move || {
            for full in full {
                let _working = busy.start();
                let work = || sled.apply(full.number, &full.writes);
                match catch_unwind(AssertUnwindSafe(work)) {
                    Ok(Ok(())) => front.checkpointed(full.number),
                    Ok(Err(Trouble::Damaged(reason))) => return drop(front.health.damaged(&reason)),
                    Ok(Err(other)) => return drop(front.fail(&other)),
                    Err(_) => return drop(front.health.damaged("the database panicked")),
                }
            }
        };
        let thread = std::thread::Builder::new().name("store-checkpointer".into()).spawn(run)?;
        Ok(Self { queue: Some(queue), thread: Some(thread) })
    }

    pub fn take(&self, full: Full) {
        if let Some(queue) = &self.queue {
            // If the thread has ended, it has already reported why.
            let _ = queue.send(full);
        }
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// sled, and what writing to it needs.
pub(super) struct SledTables {
    tables: Tables,
    writer: Writer,
    /// Kept open, because the kernel reports a failed write-back only once per handle.
    log: File,
    /// During a replay: a crash may have left chunks that no entry names.
    looks_for_leftovers: bool,
}

impl SledTables {
    pub fn open(tables: Tables, places: &Places) -> Result<Self, Trouble> {
        let log = OpenOptions::new().read(true).write(true).open(places.live.join("db"))?;
        let live = sled_writer::live(&tables.state)?;
        let writer = Writer::new(tables.db.clone(), live);
        Ok(Self { writer, tables, log, looks_for_leftovers: false })
    }

    /// Writes a journal's content and syncs it.
    fn apply(&mut self, number: u64, writes: &Writes) -> Result<(), Trouble> {
        let mut writes =
            writes.iter().map(|(key, written)| (key.as_slice(), held(key, written, number))).peekable();
        while let Some((key, value)) = writes.next() {
            let Some(block) = blocks::block_key(key) else {
                self.write(key, value.as_deref())?;
                continue;
            };
            let mut members = vec![(key, value)];
            while let Some(next) = writes.next_if(|(key, _)| blocks::block_key(key).as_ref() == Some(&block))
            {
                members.push(next);
            }
            self.write_members(&block, &members)?;
        }
        self.writer.put(&self.tables.state, APPLIED_KEY, &number.to_be_bytes())?;
        self.writer.note_live(&self.tables.state)?;
        self.tables.db.flush()?;
        Ok(self.log.sync_data()?)
    }

    fn write_members(&mut self, block: &[u8], members: &[Held<'_>]) -> Result<(), Trouble> {
        let before = self.tables.own_value(block)?.unwrap_or_default();
        let after = blocks::merged(&before, members)?;
        Ok(self.write(block, after.as_deref())?)
    }

    fn write(&mut self, key: &[u8], value: Option<&[u8]>) -> sled::Result<()> {
        let state = self.tables.state.clone();
        let mut new = None;
        let old = match value.map(|value| (value, value::whole(value))) {
            Some((_, Some(entry))) => self.writer.put(&state, key, &entry)?,
            Some((large, None)) => {
                let head = new.insert(self.write_chunks(key, large)?).entry();
                self.writer.put(&state, key, &head)?
            }
            None => self.writer.remove(&state, key)?,
        };
        if let Some(old) = old.as_deref().and_then(value::head) {
            self.remove_chunks(key, old.slot, 0..old.chunks())?;
        }
        if self.looks_for_leftovers { self.remove_leftovers(key, new) } else { Ok(()) }
    }

    /// Writes to the slot that the old value does not use, so the old value stays readable.
    fn write_chunks(&mut self, key: &[u8], value: &[u8]) -> sled::Result<Head> {
        let old = self.tables.state.get(key)?.as_deref().and_then(value::head);
        let slot = old.map_or(0, |old| 1 - old.slot.min(1));
        for (index, chunk) in (0..).zip(value.chunks(CHUNK)) {
            self.writer.put(&self.tables.chunks, &value::chunk_key(key, slot, index), chunk)?;
        }
        Ok(Head::of(slot, value))
    }

    /// Removes the chunks of a key that its entry does not name.
    fn remove_leftovers(&mut self, key: &[u8], named: Option<Head>) -> sled::Result<()> {
        for slot in [0, 1] {
            let first = named.filter(|head| head.slot == slot).map_or(0, |head| head.chunks());
            let mut end = first;
            while self.tables.chunks.contains_key(value::chunk_key(key, slot, end))? {
                end += 1;
            }
            self.remove_chunks(key, slot, first..end)?;
        }
        Ok(())
    }

    /// Removes the last chunk first: what a crash leaves then still starts where `remove_leftovers` looks.
    fn remove_chunks(&mut self, key: &[u8], slot: u8, indexes: Range<u32>) -> sled::Result<()> {
        for index in indexes.rev() {
            self.writer.remove(&self.tables.chunks, &value::chunk_key(key, slot, index))?;
        }
        Ok(())
    }
}

/// What sled holds for a key: a pointer if the value lies in journals only.
fn held<'w>(key: &[u8], written: &'w Written, journal: u64) -> Option<Cow<'w, [u8]>> {
    let value = written.value.as_deref()?;
    let pointer = || Pointer::to(journal, written.at, value).bytes();
    Some(if is_pointed_to(key) { Cow::Owned(pointer().into()) } else { Cow::Borrowed(value) })
}

/// Replays the journals that sled does not hold. Returns the number of the next one. If acknowledged writes could not be
/// read, sled says so from then on ([`loss`]).
pub(super) fn replay(tables: &Tables, places: &Places) -> Result<u64, Trouble> {
    SledTables::open(tables.clone(), places)?.replay(places)
}

impl SledTables {
    fn replay(&mut self, places: &Places) -> Result<u64, Trouble> {
        self.looks_for_leftovers = true;
        let applied = applied(&self.tables)?;
        let numbers = journal::numbers(places)?;
        let last = numbers.last().copied().unwrap_or(0);
        let (next, mut expected) = (applied.max(last) + 1, applied + 1);
        for number in numbers.into_iter().filter(|number| *number > applied) {
            if number != expected {
                error!(from = expected, to = number - 1, "journals are missing: what only they held is lost");
                loss::note(&self.tables, next)?;
            }
            expected = number + 1;
            let content = journal::read(places, number, number == last)?;
            for (at, len) in &content.unreadable {
                error!(
                    journal = number,
                    at, len, "a part of a journal is damaged: what only it held is lost"
                );
                loss::note(&self.tables, next)?;
            }
            tracing::debug!(number, writes = content.writes.len(), "a journal is carried out");
            if number == last {
                journal::cut(&places.journal(number), content.whole)?;
            }
            self.apply(number, &content.writes)?;
        }
        Ok(next)
    }
}

/// The number of the last journal that sled holds completely.
pub(super) fn applied(tables: &Tables) -> Result<u64, Trouble> {
    let bytes = tables.state.get(APPLIED_KEY)?;
    Ok(bytes.and_then(|bytes| bytes.as_ref().try_into().ok()).map_or(0, u64::from_be_bytes))
}

/// Notes in a new database that it holds the journals up to this one.
pub(super) fn note_applied(tables: &Tables, number: u64) -> Result<(), Trouble> {
    tables.state.insert(APPLIED_KEY, &number.to_be_bytes())?;
    Ok(())
}

/// A replay that fails after this many writes to sled.
#[cfg(test)]
pub(super) fn replay_until(tables: &Tables, places: &Places, left: usize) {
    let mut sled = SledTables::open(tables.clone(), places).unwrap();
    sled.writer.left = Some(left);
    assert!(sled.replay(places).is_err());
    tables.db.flush().unwrap();
}

/// A checkpoint that crashes after this many writes to sled.
#[cfg(test)]
pub(super) fn apply_until(dir: &std::path::Path, number: u64, left: usize) {
    let places = Places::in_dir(dir);
    let tables = Tables::open(&places, &places.live).unwrap();
    let mut sled = SledTables::open(tables.clone(), &places).unwrap();
    sled.writer.left = Some(left);
    let _ = sled.apply(number, &journal::read(&places, number, false).unwrap().writes);
    tables.db.flush().unwrap();
}
