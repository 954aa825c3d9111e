//! The storage engine: one ordered map of small keys to values, guarded transactions, and `durable`.
//!
//! All writes go to journals, and from there into one sled tree that only this module knows. A second tree holds the
//! chunks of large values. Values with people's words stay in the journals, and sled points to them ([`segments`]).
//!
//! ```text
//! transact:  check the guards; write to the memtable, and to the next record of the journal
//! durable:   the committer appends the record and syncs the file, once for all waiting callers
//! later:     the checkpointer writes a full journal into sled, flushes and syncs sled
//! start:     the journals that sled does not hold are replayed
//! old:       what a journal still holds alone is written again, and the file is removed ([`retire`])
//! damage:    sled is made anew from the journals ([`rebuild`])
//! ```
//!
//! So the bytes of a transaction are written once to an append-only file, a value that is soon replaced or deleted
//! never reaches sled, and one thread writes sled, in the order of its keys.
//!
//! A transaction excludes readers and other writers, so every call sees all of a transaction or nothing of it. A write
//! is visible at once, and durable after the next [`Store::durable`]. After a crash, a group that was not durable is
//! there as a whole or not at all. If it is there, so are all groups before it.

mod blocks;
mod checkpointer;
mod committer;
mod compact;
#[cfg(test)]
pub(in crate::state) mod damage;
mod errors;
mod format4;
mod journal;
mod loss;
mod memtable;
mod migrate;
mod open;
mod patient;
mod prepare;
mod read;
mod rebuild;
mod retire;
mod segments;
mod sled_writer;
mod space;
#[cfg(test)]
mod tests;
mod tx;
mod value;
mod watchdog;

use std::collections::BTreeSet;
use std::future::{Future, pending};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Mutex, RwLockReadGuard};
use std::time::{Duration, Instant};

use checkpointer::Checkpointer;
use committer::{Committer, Health, Work};
use journal::Journal;
use memtable::{Memtable, SharedMemtable};
use open::{Lock, Places, Tables};
use prepare::Prepared;
use read::{Piece, Row};
use tx::Guard;
use watchdog::{Busy, Working};

use crate::sync::lock;

pub use errors::{OpenError, StoreError, TxError};
pub use tx::{MAX_KEY, MAX_VALUE, MAX_WRITES, Tx};

const SEQ_KEY: &[u8] = b"\0seq";
/// Sequence numbers reserved at a time. A restart skips the unused rest.
const SEQ_BLOCK: u64 = 1024;

pub type Entry = (Vec<u8>, Vec<u8>);

#[derive(Debug, Clone)]
pub struct Settings {
    /// Below this many free bytes nothing new is accepted: sled must never run into a full disk.
    pub free_space_floor: u64,
    /// Whether to copy a mostly dead database into a fresh one when it is opened.
    pub compact: bool,
    /// Databases up to this size, in bytes, are not compacted.
    pub compact_above: u64,
    /// Age at which a journal is closed although it is not full, so that it can be removed on time.
    pub close_journals_after: Duration,
    /// A database operation without progress for this long makes the store broken.
    pub stuck_after: Duration,
    /// A failure to inject; only tests set it.
    pub fault: Fault,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            free_space_floor: 64 << 20,
            compact: true,
            compact_above: 64 << 20,
            close_journals_after: Duration::from_secs(20 * 60),
            stuck_after: Duration::from_secs(60),
            fault: Fault::None,
        }
    }
}

/// Failures to inject.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Fault {
    #[default]
    None,
    /// Every sync after this many successful ones fails.
    FailSyncAfter(u64),
    /// A sync does not return until the store is declared broken.
    HangSync,
    /// A mutant: reports durable without a sync.
    SkipSync,
}

/// An open store. Clones share it; dropping the last one closes it.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    /// Dropped first: its last commit needs the other fields.
    committer: Committer,
    /// Writers hold its lock exclusively, readers share it.
    front: Arc<SharedMemtable>,
    busy: Arc<Busy>,
    tables: Tables,
    health: Arc<Health>,
    places: Arc<Places>,
    settings: Settings,
    seq: Mutex<Seq>,
    /// Keys of the damaged records that were read since the start.
    damaged: Mutex<BTreeSet<Vec<u8>>>,
    /// Whether acknowledged writes are lost, and nobody had seen to that at the start.
    incomplete: bool,
    /// One at a time removes or overwrites journals.
    tidying: tokio::sync::Mutex<()>,
    /// Dropped last: until then no other process may open the folder.
    _lock: Lock,
}

struct Seq {
    next: u64,
    reserved: u64,
}

impl Store {
    /// Opens the store in `<dir>/sled`; creates it, makes it anew from the journals, migrates or compacts it if necessary.
    pub fn open(dir: &Path, settings: Settings) -> Result<Self, OpenError> {
        let places = Places::in_dir(dir);
        let (lock, prepared) = prepare::prepare(&places, &settings)?;
        let folder = |error: std::io::Error| places.folder_error(&error);
        let journal = Journal::create(&places, prepared.next).map_err(folder)?;
        Self::start(lock, places, prepared, settings, journal)
    }

    fn start(
        lock: Lock,
        places: Places,
        prepared: Prepared,
        settings: Settings,
        journal: Journal,
    ) -> Result<Self, OpenError> {
        let Prepared { tables, next: _, reserved, incomplete } = prepared;
        let places = Arc::new(places);
        let folder = |error: std::io::Error| places.folder_error(&error);
        let health = Arc::new(Health::new(&places));
        let begun = Instant::now();
        let [busy, committing, checkpointing] = [(); 3].map(|()| Busy::new(begun));
        let watched = vec![busy.clone(), committing.clone(), checkpointing.clone()];
        watchdog::start(watched, settings.stuck_after, &health).map_err(folder)?;
        let front = Arc::new(SharedMemtable::new(health.clone(), journal.number));
        let checkpointer = Checkpointer::start(tables.clone(), &places, front.clone(), checkpointing);
        let checkpointer = checkpointer.map_err(|trouble| trouble.into_error(&places))?;
        let work = Work {
            journal,
            checkpointer,
            places: places.clone(),
            front: front.clone(),
            fault: settings.fault,
            busy: committing,
            close_after: settings.close_journals_after,
        };
        let committer = Committer::start(work).map_err(folder)?;
        let inner = Inner {
            committer,
            front,
            busy,
            tables,
            health,
            places,
            settings,
            seq: Mutex::new(Seq { next: reserved, reserved }),
            damaged: Mutex::default(),
            incomplete,
            tidying: tokio::sync::Mutex::default(),
            _lock: lock,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.look(key).map(|(value, _)| value)
    }

    /// Reads a value, and makes the transaction fail if the value has changed by then.
    pub fn guard(&self, tx: &mut Tx, key: Vec<u8>) -> Result<Option<Vec<u8>>, StoreError> {
        let (value, applied) = self.look(&key)?;
        tx.guards.push(Guard { key, expected: value.clone(), read: Some(applied) });
        Ok(value)
    }

    /// A value, and the last journal that sled held when it was read.
    fn look(&self, key: &[u8]) -> Result<(Option<Vec<u8>>, u64), StoreError> {
        tx::check_key(key)?;
        self.any(key)
    }

    /// What sled gave. If it is damaged, nothing more becomes durable, so that nothing that is decided on it lasts.
    fn sound<T>(&self, read: Result<T, StoreError>) -> Result<T, StoreError> {
        match read {
            Err(StoreError::Rebuild(reason)) => Err(self.inner.health.damaged(&reason)),
            read => read,
        }
    }

    /// The same for any key, also for those of the store itself.
    fn any(&self, key: &[u8]) -> Result<(Option<Vec<u8>>, u64), StoreError> {
        let (_working, recent) = self.shared();
        let applied = recent.applied;
        if let Some(value) = recent.get(key) {
            return Ok((value.clone(), applied));
        }
        // Released before the read from disk, so that writers do not wait for it.
        drop(recent);
        if let Ok(value) = self.inner.tables.value(key) {
            return Ok((value, applied));
        }
        // A checkpoint may have replaced its chunks meanwhile, so it is read again under the lock.
        let (_working, recent) = self.shared();
        let value = match recent.get(key) {
            Some(value) => value.clone(),
            None => self.sound(self.inner.tables.value(key))?,
        };
        Ok((value, recent.applied))
    }

    /// Applies all writes if all guards hold, and nothing otherwise (`TxError::Conflict`).
    pub fn transact(&self, tx: &Tx) -> Result<(), TxError> {
        self.inner.health.check()?;
        tx.check()?;
        if tx.is_empty() {
            return Ok(());
        }
        let mark = if tx.wipes.is_empty() { 0 } else { self.next_seq() };
        let applied = self.exclusive(|recent| {
            let held = self.guards_hold(recent, tx)?;
            if held {
                tx.writes.iter().for_each(|(key, value)| recent.write(key, value.as_deref()));
                retire::mark(recent, tx, mark);
            }
            Ok(held)
        })?;
        if applied { Ok(()) } else { Err(TxError::Conflict) }
    }

    /// Keys in `[from, to)` with their values, in order, at most `limit`. It is a consistent snapshot, so writers wait.
    pub fn range(&self, from: &[u8], to: &[u8], limit: usize) -> Result<Vec<Entry>, StoreError> {
        let (_working, recent) = self.shared();
        let load = |row: Row<'_>| {
            let (key, piece) = row?;
            let value = match piece {
                None => return Ok(None),
                Some(Piece::Value(value)) => value.into_owned(),
                Some(Piece::InSled) => match self.inner.tables.value(&key)? {
                    Some(value) => value,
                    None => return Ok(None),
                },
            };
            Ok(Some((key.into_owned(), value)))
        };
        self.sound(self.rows(&recent, from, to).filter_map(|row| load(row).transpose()).take(limit).collect())
    }

    /// Keys in `[from, to)`, in order, at most `limit`.
    pub fn keys(&self, from: &[u8], to: &[u8], limit: usize) -> Result<Vec<Vec<u8>>, StoreError> {
        let (_working, recent) = self.shared();
        let load = |row: Row<'_>| {
            let (key, piece) = row?;
            Ok(piece.map(|_| key.into_owned()))
        };
        self.sound(self.rows(&recent, from, to).filter_map(|row| load(row).transpose()).take(limit).collect())
    }

    /// Resolves once everything written before the call is on disk and survives a power cut.
    pub async fn durable(&self) -> Result<(), StoreError> {
        self.inner.health.check()?;
        let answer = self.inner.committer.enqueue();
        tokio::select! {
            biased;
            answer = answer => {
                answer.unwrap_or_else(|_| Err(self.inner.health.fail(&"the committer has stopped")))
            }
            // The committer thread itself may hang.
            failure = self.broken() => Err(failure),
        }
    }

    /// A number greater than all before it. This holds over restarts as well, once any later write is durable.
    pub fn next_seq(&self) -> u64 {
        let mut seq = lock(&self.inner.seq);
        if seq.next == seq.reserved {
            self.reserve(&mut seq, SEQ_BLOCK);
        }
        seq.next += 1;
        seq.next
    }

    fn reserve(&self, seq: &mut Seq, more: u64) {
        seq.reserved = seq.next + more;
        // If this fails, no later write becomes durable, so no number can appear twice on disk.
        let _ = self.exclusive(|recent| {
            recent.write(SEQ_KEY, Some(&seq.reserved.to_be_bytes()));
            Ok(())
        });
    }

    /// Later numbers are greater than this one.
    pub fn skip_seqs(&self, last: u64) {
        let mut seq = lock(&self.inner.seq);
        if seq.next < last {
            seq.next = last;
            self.reserve(&mut seq, 0);
        }
    }

    /// The last number given, or a later one: no stored record has a greater number.
    pub fn last_seq(&self) -> u64 {
        lock(&self.inner.seq).next
    }

    /// Resolves when there is room for a write. A write after that waits only if other writers were faster.
    pub async fn room(&self) -> Result<(), StoreError> {
        self.inner.front.until(Memtable::has_room, || self.inner.committer.wake()).await
    }

    /// Fails if new events may not be accepted: the store is broken, or too little disk space is free.
    pub fn accepting(&self) -> Result<(), StoreError> {
        self.inner.health.check()?;
        space::check(&self.inner.places.dir, self.inner.settings.free_space_floor)
    }

    /// Resolves when a write, a flush or a sync has failed, or sled is damaged: stop acknowledging, and exit.
    pub fn broken(&self) -> impl Future<Output = StoreError> + Send + use<> {
        let mut health = self.inner.health.watch();
        async move {
            let failure = match health.wait_for(Option::is_some).await {
                Ok(failure) => failure.clone(),
                Err(_) => None,
            };
            match failure {
                Some(failure) => failure,
                // The store was closed without a failure.
                None => pending().await,
            }
        }
    }

    /// Remembers that the record of this key is damaged. True if it was not known yet.
    pub fn note_damaged(&self, key: &[u8]) -> bool {
        lock(&self.inner.damaged).insert(key.to_vec())
    }

    /// How many damaged records were read since the start.
    pub fn damaged(&self) -> usize {
        lock(&self.inner.damaged).len()
    }

    /// Whether writes that were acknowledged could not be read by this start, or by an earlier one and nobody has seen to
    /// that ([`Self::loss_is_seen_to`]), because a journal is damaged or missing. What had begun may look as if it had not.
    pub fn is_incomplete(&self) -> bool {
        self.inner.incomplete
    }

    /// How many syncs had a waiting caller.
    pub fn commits(&self) -> u64 {
        self.inner.committer.commits()
    }

    pub fn disk_bytes(&self) -> u64 {
        let journals = journal::size(&self.inner.places).unwrap_or(0);
        journals + open::size(&self.inner.places.live).unwrap_or(0)
    }

    /// The last checkpoint: makes everything durable, writes it into sled and ends. Later writes are lost. Blocks until
    /// it is done.
    pub fn finish(&self) -> Result<(), StoreError> {
        self.inner.committer.finish();
        self.inner.health.check()
    }

    /// If this is the last clone: makes everything durable and releases the folder. Dropping does the same, without
    /// reporting a failure.
    pub fn close(self) -> Result<(), StoreError> {
        let health = self.inner.health.clone();
        drop(self);
        health.check()
    }

    fn rows<'a>(
        &self,
        recent: &'a Memtable,
        from: &[u8],
        to: &[u8],
    ) -> impl Iterator<Item = Row<'a>> + use<'a> {
        // The store's own keys begin with a zero byte.
        let from = from.max(&[1]);
        // A range whose end is before its start is empty, and sled must not see it.
        let to = to.max(from);
        recent.rows(from, to, self.inner.tables.rows(from, to))
    }

    /// Whether the guarded value is still the one that was read.
    pub fn holds(&self, guard: &Guard) -> Result<bool, StoreError> {
        let (_working, recent) = self.shared();
        self.sound(self.guard_holds(&recent, guard))
    }

    fn guards_hold(&self, recent: &Memtable, tx: &Tx) -> Result<bool, StoreError> {
        for guard in &tx.guards {
            if !self.guard_holds(recent, guard)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn guard_holds(&self, recent: &Memtable, guard: &Guard) -> Result<bool, StoreError> {
        let Guard { key, expected, read } = guard;
        match recent.get(key) {
            Some(value) => Ok(value == expected),
            None if *read == Some(recent.applied) => Ok(true),
            None => match self.inner.tables.value(key) {
                // It is not what was read.
                Err(StoreError::Damaged(_)) => Ok(false),
                value => Ok(value? == *expected),
            },
        }
    }

    fn shared(&self) -> (Working<'_>, RwLockReadGuard<'_, Memtable>) {
        let working = self.inner.busy.start();
        (working, self.inner.front.read())
    }

    /// A read error changes nothing. A panic may leave half of a transaction in the memtable, so the failure is noted
    /// while the lock is held, and nothing more becomes durable.
    fn exclusive<T>(
        &self,
        work: impl FnOnce(&mut Memtable) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let _working = self.inner.busy.start();
        let mut recent = self.inner.front.write_with_room(|| self.inner.committer.wake())?;
        match catch_unwind(AssertUnwindSafe(|| work(&mut recent))) {
            Ok(done) => self.sound(done),
            Err(_) => Err(self.inner.health.fail(&"the database panicked")),
        }
    }
}

/// The smallest key greater than all keys with this prefix: the exclusive end of a range.
pub fn prefix_end(prefix: &[u8]) -> Vec<u8> {
    let kept = prefix.iter().rposition(|byte| *byte != u8::MAX).map_or(0, |last| last + 1);
    let mut end = prefix[..kept].to_vec();
    match end.last_mut() {
        Some(last) => *last += 1,
        // No key is greater than a prefix of 0xff bytes, so the end is longer than any key.
        None => end = vec![u8::MAX; MAX_KEY + 1],
    }
    end
}
