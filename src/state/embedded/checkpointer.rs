//! Writes full journals into sled.
//!
//! ```text
//! append bodies to a blob file and sync it;
//! write the journal's entries: new chunks before the entry that names them; remove old chunks after it;
//! note the journal's number; flush, sync; punch holes where removed bodies were;
//! remove the journal; drop its writes from the memtable
//! ```
//!
//! After a crash at any point the journal is still there, and the next start replays it. sled gets no write that is not
//! on disk in a journal, so it never holds a part of a group that a replay cannot complete.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc;
use std::thread::JoinHandle;

use crate::state::embedded::blob_index::BlobIndex;
use crate::state::embedded::blobs::{self, BlobPointer};
use crate::state::embedded::errors::StoreError;
use crate::state::embedded::memtable::{Front, Writes};
use crate::state::embedded::open::{Places, Tables, Trouble};
use crate::state::embedded::sled_writer::{self, Writer};
use crate::state::embedded::value::{self, CHUNK, Head};
use crate::state::embedded::watchdog::Busy;
use crate::state::embedded::{blocks, journal};

/// The number of the last journal that is completely in sled.
const SETTLED_KEY: &[u8] = b"\0settled";

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
        places: Arc<Places>,
        front: Arc<Front>,
        busy: Arc<Busy>,
    ) -> io::Result<Self> {
        let mut hands = Hands::open(tables, &places)?;
        let (queue, full) = mpsc::channel::<Full>();
        let run = move || {
            for full in full {
                let _working = busy.start();
                let work = || hands.settle(&places, full.number, &full.writes);
                match catch_unwind(AssertUnwindSafe(work)) {
                    Ok(Ok(())) => front.settled(),
                    Ok(Err(trouble)) => return drop(front.fail(&trouble)),
                    Err(_) => return drop(front.fail(&"the database panicked")),
                }
            }
        };
        let thread = std::thread::Builder::new().name("store-settler".into()).spawn(run)?;
        Ok(Self { queue: Some(queue), thread: Some(thread) })
    }

    pub fn settle(&self, full: Full) {
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

struct Hands {
    tables: Tables,
    writer: Writer,
    /// Kept open, because the kernel reports a failed write-back only once per handle.
    log: File,
    filing: BlobIndex,
    /// During a replay: a crash may have left chunks that no entry names.
    looks_for_leftovers: bool,
}

impl Hands {
    fn open(tables: Tables, places: &Places) -> io::Result<Self> {
        let log = OpenOptions::new().read(true).write(true).open(places.live.join("db"))?;
        let live = sled_writer::live(&tables.state).map_err(|error| io::Error::other(error.to_string()))?;
        let writer = Writer::new(tables.db.clone(), live);
        Ok(Self { filing: BlobIndex::open(tables.clone())?, writer, tables, log, looks_for_leftovers: false })
    }

    fn settle(&mut self, places: &Places, number: u64, writes: &Writes) -> Result<(), Trouble> {
        let spots = self.filing.append(&mut self.writer, writes)?;
        let rows = writes.iter().map(|(key, value)| {
            let spot = spots.get(key.as_slice()).map(<[u8; BlobPointer::BYTES]>::as_slice);
            (key.as_slice(), spot.or(value.as_deref()))
        });
        let mut writes = rows.peekable();
        while let Some((key, value)) = writes.next() {
            let Some(block) = blocks::block_key(key) else {
                self.write(key, value).map_err(Trouble::of)?;
                continue;
            };
            let mut members = vec![(key, value)];
            while let Some(next) = writes.next_if(|(key, _)| blocks::block_key(key).as_ref() == Some(&block))
            {
                members.push(next);
            }
            self.write_members(&block, &members)?;
        }
        self.writer.put(&self.tables.state, SETTLED_KEY, &number.to_be_bytes()).map_err(Trouble::of)?;
        self.writer.note_live(&self.tables.state).map_err(Trouble::of)?;
        self.tables.db.flush().map_err(Trouble::of)?;
        let io = |error: io::Error| Trouble::Io(error.to_string());
        self.log.sync_data().map_err(io)?;
        self.filing.bury(&mut self.writer)?;
        fs::remove_file(places.journal(number)).map_err(io)
    }

    fn write_members(&mut self, block: &[u8], members: &[(&[u8], Option<&[u8]>)]) -> Result<(), Trouble> {
        let unreadable = |error: StoreError| Trouble::Damaged(error.to_string());
        let before = self.tables.own_value(block).map_err(unreadable)?.unwrap_or_default();
        let after = blocks::merged(&before, members).map_err(unreadable)?;
        if blobs::is_filed(block) {
            self.filing.replaced(&before, members).map_err(unreadable)?;
        }
        self.write(block, after.as_deref()).map_err(Trouble::of)
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

/// Replays the journals that are left. Returns the number of the next one.
pub(super) fn replay(tables: &Tables, places: &Places) -> Result<u64, Trouble> {
    let mut hands = Hands::open(tables.clone(), places)?;
    hands.replay(places)
}

impl Hands {
    fn replay(&mut self, places: &Places) -> Result<u64, Trouble> {
        self.looks_for_leftovers = true;
        let mut settled = settled(&self.tables)?;
        let numbers = open_journals(places, settled)?;
        if !numbers.is_empty() {
            // Removes the blobs of an earlier replay that failed, so that repeated failures do not fill the disk.
            self.filing.tidy(&mut self.writer)?;
        }
        for &number in &numbers {
            let writes = journal::read(&places.journal(number), Some(&number) == numbers.last())?;
            tracing::debug!(number, writes = writes.len(), "a journal that was not settled is carried out");
            self.settle(places, number, &writes)?;
            settled = number;
        }
        self.filing.tidy(&mut self.writer)?;
        Ok(settled + 1)
    }
}

/// The journals that sled does not hold; none may be missing between them. Removes those that sled holds.
fn open_journals(places: &Places, settled: u64) -> Result<Vec<u64>, Trouble> {
    let mut open = journal::numbers(places)?;
    for done in open.extract_if(.., |number| *number <= settled) {
        fs::remove_file(places.journal(done))?;
    }
    for (expected, number) in (settled + 1..).zip(&open) {
        if *number != expected {
            return Err(Trouble::Damaged(format!("the journal {expected} is missing")));
        }
    }
    Ok(open)
}

fn settled(tables: &Tables) -> Result<u64, Trouble> {
    let bytes = tables.state.get(SETTLED_KEY).map_err(Trouble::of)?;
    Ok(bytes.and_then(|bytes| bytes.as_ref().try_into().ok()).map_or(0, u64::from_be_bytes))
}

/// A replay that fails after this many writes to sled.
#[cfg(test)]
pub(super) fn replay_until(tables: &Tables, places: &Places, left: usize) {
    let mut hands = Hands::open(tables.clone(), places).unwrap();
    hands.writer.left = Some(left);
    assert!(hands.replay(places).is_err());
    tables.db.flush().unwrap();
}

/// A checkpoint that crashes after this many writes to sled.
#[cfg(test)]
pub(super) fn settle_until(dir: &std::path::Path, number: u64, writes: &Writes, left: usize) {
    let places = Places::in_dir(dir);
    let (_lock, tables) = crate::state::embedded::open::open(&places).ok().unwrap();
    let mut hands = Hands::open(tables.clone(), &places).unwrap();
    hands.writer.left = Some(left);
    let _ = hands.settle(&places, number, writes);
    tables.db.flush().unwrap();
}
