//! The storage engine: one ordered map of small keys to values, guarded transactions, and `durable`.
//!
//! All state lies in one sled tree, so that every transaction is a transaction of a single tree; chunks of large
//! values lie in a second one, which only this room knows:
//!
//! ```text
//! transact:  mark the new chunks as garbage, write them
//!            check the guards; then as one, through the journal:
//!                write heads and small values, unmark the new chunks, mark the replaced ones
//!            remove the replaced chunks and their marks
//! ```
//!
//! sled recovers a prefix of what was written, in order. So after a crash at any point the chunks of a head that
//! can be seen are there, and everything else is marked, and removed at the next start.
//!
//! sled's own transactions are not used: see [`writer`] for the dead-lock that they lead to. One writer at a time
//! excludes readers for the duration of one transaction, so every call sees all of a transaction or nothing of it.
//! A write is visible at once, and durable after the next [`Store::durable`].

mod committer;
mod compact;
mod errors;
mod journal;
mod open;
#[cfg(test)]
mod tests;
mod tx;
mod value;
mod watchdog;
mod writer;

use std::fs::OpenOptions;
use std::future::{Future, pending};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};
use std::time::{Duration, Instant};

use committer::{Committer, Health};
use open::{Lock, Places, Tables};
use tx::Plan;
use value::{Head, Stored};
use watchdog::{Busy, Watchdog, Working};
use writer::Writer;

pub use errors::{OpenError, StoreError, TxError};
pub use tx::{MAX_KEY, MAX_VALUE, MAX_WRITES, Tx};

const SEQ_KEY: &[u8] = b"\0seq";
const GARBAGE: &[u8] = b"\0garbage/";
/// Numbers reserved at a time; a restart skips what was left of a block.
const SEQ_BLOCK: u64 = 1024;
/// Chunks written in one turn.
const TURN: usize = 64;
/// How old the known free space may be.
const SPACE_AGE: Duration = Duration::from_secs(1);

/// A key and its value.
pub type Entry = (Vec<u8>, Vec<u8>);

/// How the store behaves.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Below this many free bytes nothing new is accepted: sled must never meet a full disk.
    pub free_space_floor: u64,
    /// Copy a mostly dead database into a fresh one when it is opened.
    pub compact: bool,
    /// Databases up to this size are left alone.
    pub compact_above: u64,
    /// A database that does not answer for so long is broken.
    pub stuck_after: Duration,
    /// For tests that must be able to fail; no configuration leads here.
    pub fault: Fault,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            free_space_floor: 64 << 20,
            compact: true,
            compact_above: 64 << 20,
            stuck_after: Duration::from_secs(60),
            fault: Fault::None,
        }
    }
}

/// What goes wrong on purpose.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Fault {
    #[default]
    None,
    /// Every sync fails.
    FailSync,
    /// Every sync after so many good ones fails.
    FailSyncAfter(u64),
    /// A sync does not return until the store was declared broken.
    HangSync,
    /// The mutant: says durable without having asked the disk.
    SkipSync,
    /// Opening stops at this step of a compaction (1 to 5), as a crash would.
    CompactionStops(u8),
}

/// An open store; clones share it, and the last one closes it.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    /// Dropped first: its last commit needs the rest.
    committer: Committer,
    _watchdog: Watchdog,
    /// Held by whoever writes, shared by whoever reads.
    writer: RwLock<Writer>,
    busy: Arc<Busy>,
    tables: Tables,
    health: Arc<Health>,
    places: Places,
    settings: Settings,
    seq: Mutex<Seq>,
    space: Space,
    /// Dropped last: until then the folder is ours.
    _lock: Lock,
}

struct Seq {
    next: u64,
    reserved: u64,
}

struct Space {
    known: Mutex<Option<(Instant, u64)>>,
    /// Bytes taken since it was known; many large writes do not wait for the clock.
    written: AtomicU64,
}

impl Store {
    /// Opens the store in `<dir>/sled`, creating, repairing and compacting it as need be.
    pub fn open(dir: &Path, settings: Settings) -> Result<Self, OpenError> {
        let places = Places::in_dir(dir);
        let (lock, tables) = open::open(&places)?;
        let trouble = |error: sled::Error| open::Trouble::of(error).into_error(&places);
        let mut writer = Writer::new(tables.db.clone());
        journal::replay(&mut writer, &tables).map_err(|trouble| trouble.into_error(&places))?;
        remove_garbage(&mut writer, &tables).map_err(trouble)?;
        drop(writer);
        let tables = compact::compact(&places, tables, &settings)?;
        let reserved = read_seq(&tables).map_err(trouble)?;
        let seq = Mutex::new(Seq { next: reserved, reserved });
        Self::start(lock, places, tables, settings, seq)
    }

    fn start(
        lock: Lock,
        places: Places,
        tables: Tables,
        settings: Settings,
        seq: Mutex<Seq>,
    ) -> Result<Self, OpenError> {
        let folder = |error: std::io::Error| places.folder_error(&error);
        let health = Arc::new(Health::new());
        let begun = Instant::now();
        let (busy, committing) = (Busy::new(begun), Busy::new(begun));
        let watched = vec![busy.clone(), committing.clone()];
        let watchdog = Watchdog::start(watched, settings.stuck_after, health.clone()).map_err(folder)?;
        let log = OpenOptions::new().read(true).write(true).open(places.live.join("db")).map_err(folder)?;
        let committer = Committer::start(tables.db.clone(), log, settings.fault, health.clone(), committing)
            .map_err(folder)?;
        let inner = Inner {
            committer,
            _watchdog: watchdog,
            writer: RwLock::new(Writer::new(tables.db.clone())),
            busy,
            tables,
            health,
            places,
            settings,
            seq,
            space: Space { known: Mutex::new(None), written: AtomicU64::new(0) },
            _lock: lock,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        tx::check_key(key)?;
        let _shared = self.shared();
        let entry = self.inner.tables.state.get(key).map_err(unreadable)?;
        entry.map(|entry| self.load(&entry)).transpose()
    }

    /// All guards hold and all writes are applied, or nothing is.
    pub fn transact(&self, tx: &Tx) -> Result<(), TxError> {
        self.inner.health.check()?;
        let plan = Plan::of(tx)?;
        if tx.is_empty() {
            return Ok(());
        }
        self.inner.space.written.fetch_add(plan.bytes, Ordering::Relaxed);
        // A repeated payload is refused before its chunks are written, not after.
        if plan.is_large() && !self.guards_hold(&plan)? {
            return Err(TxError::Conflict);
        }
        let heads = self.write_chunks(&plan)?;
        let applied = self.exclusive(|writer| apply(writer, &self.inner.tables, &plan, heads))?;
        if applied { Ok(()) } else { Err(TxError::Conflict) }
    }

    /// Keys in `[from, to)` with their values, in order, at most `limit`; all of one moment, so writers wait.
    pub fn range(&self, from: &[u8], to: &[u8], limit: usize) -> Result<Vec<Entry>, StoreError> {
        let _shared = self.shared();
        self.entries(from, to)
            .take(limit)
            .map(|entry| {
                let (key, entry) = entry.map_err(unreadable)?;
                Ok((key.to_vec(), self.load(&entry)?))
            })
            .collect()
    }

    /// Keys in `[from, to)`, in order, at most `limit`.
    pub fn keys(&self, from: &[u8], to: &[u8], limit: usize) -> Result<Vec<Vec<u8>>, StoreError> {
        let _shared = self.shared();
        self.entries(from, to)
            .take(limit)
            .map(|entry| entry.map(|(key, _)| key.to_vec()).map_err(unreadable))
            .collect()
    }

    /// Resolves once everything written before the call is on disk, also through a power cut.
    pub async fn durable(&self) -> Result<(), StoreError> {
        self.inner.health.check()?;
        let answer = self.inner.committer.enqueue();
        tokio::select! {
            biased;
            answer = answer => {
                answer.unwrap_or_else(|_| Err(self.inner.health.fail(&"the committer has stopped")))
            }
            // The committer itself may hang.
            failure = self.broken() => Err(failure),
        }
    }

    /// A number greater than all before it, over restarts as well once anything later is durable.
    pub fn next_seq(&self) -> u64 {
        let mut seq = self.inner.seq.lock().unwrap_or_else(PoisonError::into_inner);
        if seq.next == seq.reserved {
            let reserved = seq.reserved + SEQ_BLOCK;
            // If this fails nothing written later becomes durable, so no number can appear twice on disk.
            let _ = self
                .exclusive(|writer| writer.put(&self.inner.tables.state, SEQ_KEY, &reserved.to_be_bytes()));
            seq.reserved = reserved;
        }
        seq.next += 1;
        seq.next
    }

    /// Whether something new may be taken in.
    pub fn accepting(&self) -> Result<(), StoreError> {
        self.inner.health.check()?;
        let floor = self.inner.settings.free_space_floor;
        let free = self.free().map_err(|error| StoreError::Unreadable(format!("free space: {error}")))?;
        if free < floor { Err(StoreError::NoSpace { free, floor }) } else { Ok(()) }
    }

    /// Resolves when a write, a flush or a sync failed: stop acknowledging, and exit.
    pub fn broken(&self) -> impl Future<Output = StoreError> + Send + use<> {
        let mut health = self.inner.health.watch();
        async move {
            let failure = match health.wait_for(Option::is_some).await {
                Ok(failure) => failure.clone(),
                Err(_) => None,
            };
            match failure {
                Some(failure) => failure,
                // Closed in good health.
                None => pending().await,
            }
        }
    }

    /// How many syncs succeeded.
    pub fn commits(&self) -> u64 {
        self.inner.committer.commits()
    }

    pub fn disk_bytes(&self) -> u64 {
        open::size(&self.inner.places.live).unwrap_or(0)
    }

    /// If this is the last clone: makes everything durable, and leaves the folder to others. Dropping does the
    /// same, without an answer.
    pub fn close(self) -> Result<(), StoreError> {
        let health = self.inner.health.clone();
        drop(self);
        health.check()
    }

    fn entries(
        &self,
        from: &[u8],
        to: &[u8],
    ) -> impl Iterator<Item = sled::Result<(sled::IVec, sled::IVec)>> {
        // The store's own keys begin with a zero byte.
        let from = from.max(&[1]).to_vec();
        let range = (from.as_slice() < to).then(|| self.inner.tables.state.range(from..to.to_vec()));
        range.into_iter().flatten()
    }

    fn load(&self, entry: &[u8]) -> Result<Vec<u8>, StoreError> {
        match value::parse(entry) {
            None => Err(StoreError::Unreadable("its form is unknown".into())),
            Some(Stored::Inline(value)) => Ok(value.to_vec()),
            Some(Stored::Chunked(head)) => self.assemble(&head),
        }
    }

    fn assemble(&self, head: &Head) -> Result<Vec<u8>, StoreError> {
        let mut value = Vec::new();
        for key in head.chunk_keys() {
            match self.inner.tables.chunks.get(key).map_err(unreadable)? {
                Some(chunk) => value.extend_from_slice(&chunk),
                None => return Err(StoreError::Unreadable("a part of it is missing".into())),
            }
        }
        if value::hash(&value) != head.hash {
            return Err(StoreError::Unreadable("its parts do not have the hash of the whole".into()));
        }
        Ok(value)
    }

    /// One for each write, in order; `None` where no chunks are needed. Nobody can see them yet.
    fn write_chunks(&self, plan: &Plan) -> Result<Vec<Option<Head>>, StoreError> {
        plan.writes
            .values()
            .map(|value| match value {
                Some(value) if value::is_large(value) => self.write_value(value).map(Some),
                _ => Ok(None),
            })
            .collect()
    }

    fn write_value(&self, value: &[u8]) -> Result<Head, StoreError> {
        let head = Head::of(self.next_seq(), value);
        let tables = &self.inner.tables;
        self.exclusive(|writer| writer.put(&tables.state, &garbage_key(head.id), &[]))?;
        let mut chunks = head.chunk_keys().zip(value.chunks(value::CHUNK)).peekable();
        while chunks.peek().is_some() {
            // Others get their turn within a very large value.
            self.exclusive(|writer| {
                chunks
                    .by_ref()
                    .take(TURN)
                    .try_for_each(|(key, chunk)| writer.put(&tables.chunks, &key, chunk))
            })?;
        }
        Ok(head)
    }

    fn guards_hold(&self, plan: &Plan) -> Result<bool, StoreError> {
        let _shared = self.shared();
        guards_hold(&self.inner.tables, plan).map_err(unreadable)
    }

    fn shared(&self) -> (Working<'_>, RwLockReadGuard<'_, Writer>) {
        let working = self.inner.busy.start();
        (working, self.inner.writer.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// A write that fails or panics may be half done. The next start finishes it from the journal, so until then
    /// nobody may write, nor replace the journal's record; therefore the failure is noted within the lock.
    fn exclusive<T>(&self, work: impl FnOnce(&mut Writer) -> sled::Result<T>) -> Result<T, StoreError> {
        let _working = self.inner.busy.start();
        let mut writer = self.inner.writer.write().unwrap_or_else(PoisonError::into_inner);
        self.inner.health.check()?;
        match catch_unwind(AssertUnwindSafe(|| work(&mut writer))) {
            Ok(done) => done.map_err(|error| self.inner.health.fail(&error)),
            Err(_) => Err(self.inner.health.fail(&"the database panicked")),
        }
    }

    fn free(&self) -> Result<u64, rustix::io::Errno> {
        let Space { known, written } = &self.inner.space;
        let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
        let enough = written.load(Ordering::Relaxed) < self.inner.settings.free_space_floor / 4;
        if let Some((at, free)) = *known
            && at.elapsed() < SPACE_AGE
            && enough
        {
            return Ok(free);
        }
        written.store(0, Ordering::Relaxed);
        let free = free_bytes(&self.inner.places.dir)?;
        *known = Some((Instant::now(), free));
        Ok(free)
    }
}

/// The smallest key that is greater than all keys with this prefix, for the end of a range.
pub fn prefix_end(prefix: &[u8]) -> Vec<u8> {
    let kept = prefix.iter().rposition(|byte| *byte != u8::MAX).map_or(0, |last| last + 1);
    let mut end = prefix[..kept].to_vec();
    match end.last_mut() {
        Some(last) => *last += 1,
        // Nothing is greater than a prefix of ones: longer than any key.
        None => end = vec![u8::MAX; MAX_KEY + 1],
    }
    end
}

/// Whether the guards held and everything was written.
fn apply(writer: &mut Writer, tables: &Tables, plan: &Plan, heads: Vec<Option<Head>>) -> sled::Result<bool> {
    let held = guards_hold(tables, plan)?;
    let garbage = if held {
        let (changes, replaced) = changes(tables, plan, &heads)?;
        journal::apply(writer, tables, &changes)?;
        replaced
    } else {
        heads.into_iter().flatten().collect()
    };
    garbage.iter().try_for_each(|head| discard(writer, tables, head))?;
    Ok(held)
}

fn guards_hold(tables: &Tables, plan: &Plan) -> sled::Result<bool> {
    for (key, expected) in &plan.guards {
        if !holds(expected.as_ref(), tables.state.get(key)?.as_deref()) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// What to write, and the heads of the values that it replaces.
fn changes(
    tables: &Tables,
    plan: &Plan,
    heads: &[Option<Head>],
) -> sled::Result<(Vec<journal::Change>, Vec<Head>)> {
    let (mut changes, mut replaced) = (Vec::new(), Vec::new());
    for ((key, value), head) in plan.writes.iter().zip(heads) {
        let old = tables.state.get(key)?;
        if let Some(Stored::Chunked(old)) = old.as_deref().and_then(value::parse) {
            changes.push((garbage_key(old.id), Some(Vec::new())));
            replaced.push(old);
        }
        if let Some(head) = head {
            changes.push((garbage_key(head.id), None));
        }
        let entry = value.map(|value| head.map_or_else(|| value::inline(value), |head| head.entry()));
        changes.push((key.to_vec(), entry));
    }
    Ok((changes, replaced))
}

fn holds(expected: Option<&value::Expected>, entry: Option<&[u8]>) -> bool {
    match (expected, entry) {
        (None, None) => true,
        (Some(expected), Some(entry)) => expected.holds(entry),
        _ => false,
    }
}

fn garbage_key(id: u64) -> Vec<u8> {
    [GARBAGE, &id.to_be_bytes()].concat()
}

/// The mark goes last: until then the next start finds what is left.
fn discard(writer: &mut Writer, tables: &Tables, head: &Head) -> sled::Result<()> {
    for key in head.chunk_keys() {
        writer.remove(&tables.chunks, &key)?;
    }
    writer.remove(&tables.state, &garbage_key(head.id))
}

/// What a crash left behind.
fn remove_garbage(writer: &mut Writer, tables: &Tables) -> sled::Result<()> {
    for mark in tables.state.scan_prefix(GARBAGE).keys() {
        let mark = mark?;
        let id = &mark[GARBAGE.len()..];
        for key in tables.chunks.scan_prefix(id).keys() {
            writer.remove(&tables.chunks, &key?)?;
        }
        writer.remove(&tables.state, &mark)?;
    }
    Ok(())
}

fn read_seq(tables: &Tables) -> sled::Result<u64> {
    let bytes = tables.state.get(SEQ_KEY)?;
    Ok(bytes.and_then(|bytes| bytes.as_ref().try_into().ok()).map_or(0, u64::from_be_bytes))
}

fn free_bytes(dir: &Path) -> Result<u64, rustix::io::Errno> {
    let space = rustix::fs::statvfs(dir)?;
    Ok(space.f_bavail.saturating_mul(space.f_frsize))
}

#[expect(clippy::needless_pass_by_value, reason = "it stands in map_err")]
fn unreadable(error: sled::Error) -> StoreError {
    StoreError::Unreadable(error.to_string())
}
