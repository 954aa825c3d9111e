//! The memtable: the writes of the current journal, and of the one before it while that is checkpointed. Reads look
//! here before sled.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::iter::Peekable;
use std::ops::Bound;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use tokio::sync::Notify;

use crate::aside::aside;
use crate::state::embedded::committer::Health;
use crate::state::embedded::errors::StoreError;
use crate::state::embedded::journal::Record;
use crate::state::embedded::read::{Piece, Row};
use crate::sync::lock;

/// The last write to each key in a journal.
pub(super) type Writes = BTreeMap<Vec<u8>, Written>;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Written {
    /// None for a deletion.
    pub value: Option<Vec<u8>>,
    /// Offset of the value in the journal.
    pub at: usize,
}

/// Bytes after which a journal is checkpointed and the next one begun.
const FULL: usize = 2 << 20;
/// Bytes after which writers wait for the checkpoint of the journal before: it bounds memory when the disk is slow.
const TOO_FULL: usize = 3 * FULL;
/// How long a wait for room lasts at most before it checks again.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// Rough memory cost of a write besides its bytes.
const OVERHEAD: usize = 128;

/// The memtable, and the callers that wait for room in it.
pub(super) struct SharedMemtable {
    recent: RwLock<Memtable>,
    turn: Mutex<()>,
    room: Condvar,
    /// The same, for callers that wait without blocking a thread.
    freed: Notify,
    pub health: Arc<Health>,
}

impl SharedMemtable {
    /// `running`: the number of the first journal. sled holds all before it.
    pub fn new(health: Arc<Health>, running: u64) -> Self {
        let recent = Memtable { applied: running - 1, running, ..Memtable::default() };
        Self {
            recent: RwLock::new(recent),
            turn: Mutex::new(()),
            room: Condvar::new(),
            freed: Notify::new(),
            health,
        }
    }

    pub fn read(&self) -> RwLockReadGuard<'_, Memtable> {
        self.recent.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn write(&self) -> RwLockWriteGuard<'_, Memtable> {
        self.recent.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Locks for a write, with room for more. Calls `full` each time there is no room.
    pub fn write_with_room(&self, full: impl Fn()) -> Result<RwLockWriteGuard<'_, Memtable>, StoreError> {
        loop {
            let turn = lock(&self.turn);
            self.health.check()?;
            let recent = self.write();
            if recent.has_room() {
                return Ok(recent);
            }
            drop(recent);
            full();
            drop(self.wait(turn));
        }
    }

    /// Resolves when this holds. Calls `wake` each time it does not. It blocks no runtime worker.
    pub async fn until(&self, holds: impl Fn(&Memtable) -> bool, wake: impl Fn()) -> Result<(), StoreError> {
        loop {
            let freed = self.freed.notified();
            self.health.check()?;
            if holds(&self.read()) {
                return Ok(());
            }
            wake();
            // With a time limit: a store that becomes broken meanwhile checkpoints nothing.
            let _ = tokio::time::timeout(LOOK_AGAIN, freed).await;
        }
    }

    /// Waits until the running checkpoint has ended, or the store is broken.
    pub fn wait_for_checkpoint(&self) {
        let mut turn = lock(&self.turn);
        while self.health.check().is_ok() && self.read().checkpointing.is_some() {
            turn = self.wait(turn);
        }
    }

    /// With a time limit: a store that becomes broken meanwhile checkpoints nothing. On a runtime worker, other threads
    /// take over its tasks meanwhile.
    fn wait<'t>(&self, turn: MutexGuard<'t, ()>) -> MutexGuard<'t, ()> {
        aside(|| self.room.wait_timeout(turn, LOOK_AGAIN)).unwrap_or_else(PoisonError::into_inner).0
    }

    /// The checkpointer calls this after sled holds the writes of this journal.
    pub fn checkpointed(&self, journal: u64) {
        // Freed outside of the lock.
        let done = {
            let mut recent = self.write();
            recent.applied = journal;
            recent.checkpointing.take()
        };
        drop(done);
        let _turn = self.turn.lock();
        self.room.notify_all();
        self.freed.notify_waiters();
    }

    pub fn fail(&self, reason: &dyn Display) -> StoreError {
        self.health.fail(reason)
    }
}

#[derive(Default)]
pub(super) struct Memtable {
    filling: Writes,
    /// Size of all writes since the journal began, replaced ones included, with [`OVERHEAD`] for each.
    bytes: usize,
    checkpointing: Option<Arc<Writes>>,
    /// The last journal that sled holds. A value read from sled may be outdated when this has changed.
    pub applied: u64,
    /// The number of the running journal.
    pub running: u64,
    /// Whether the running journal is to be closed although it is not full.
    closes: bool,
    /// The writes that are not in a journal yet.
    record: Record,
    /// Where the record will begin in the running journal.
    record_at: usize,
}

impl Memtable {
    /// The latest write to this key, a value or a deletion. `None`: the value is in sled, if there is one.
    pub fn get(&self, key: &[u8]) -> Option<&Option<Vec<u8>>> {
        let written = self.filling.get(key).or_else(|| self.checkpointing.as_ref()?.get(key))?;
        Some(&written.value)
    }

    /// The keys with this prefix that were written or removed.
    pub fn written<'a>(&'a self, prefix: &'a [u8]) -> impl Iterator<Item = Vec<u8>> + use<'a> {
        let of = move |writes: &'a Writes| {
            writes.range(prefix.to_vec()..).take_while(|(key, _)| key.starts_with(prefix))
        };
        let older = self.checkpointing.as_deref().map(of).into_iter().flatten();
        of(&self.filling).chain(older).map(|(key, _)| key.clone())
    }

    pub fn write(&mut self, key: &[u8], value: Option<&[u8]>) {
        let at = self.record_at + self.record.add(key, value);
        self.bytes += key.len() + value.map_or(0, <[u8]>::len) + OVERHEAD;
        self.filling.insert(key.to_vec(), Written { value: value.map(<[u8]>::to_vec), at });
    }

    pub fn is_full(&self) -> bool {
        self.bytes >= FULL
    }

    pub fn has_room(&self) -> bool {
        self.bytes < TOO_FULL
    }

    /// Takes the writes that follow in the journal, and leaves an empty record.
    pub fn next_record(&mut self) -> Record {
        if !self.record.is_empty() {
            self.record_at += self.record.len();
        }
        std::mem::take(&mut self.record)
    }

    /// If the journal is full (or `anyway`) and no other is being checkpointed: its writes, for the checkpointer. The
    /// record was taken before.
    pub fn turn(&mut self, anyway: bool) -> Option<Arc<Writes>> {
        let wanted = anyway || self.closes || self.is_full();
        if self.checkpointing.is_some() || self.filling.is_empty() || !wanted {
            return None;
        }
        let writes = Arc::new(std::mem::take(&mut self.filling));
        (self.bytes, self.record_at) = (0, 0);
        self.closes = false;
        self.running += 1;
        self.checkpointing = Some(writes.clone());
        Some(writes)
    }

    /// Asks for the end of the running journal. Returns the last journal that holds writes of now or before.
    pub fn close(&mut self) -> u64 {
        self.closes = !self.filling.is_empty();
        if self.closes { self.running } else { self.running - 1 }
    }

    /// All rows of `[from, to)`, merged with those of sled.
    pub fn rows<'a, S: Iterator<Item = Row<'a>>>(
        &'a self,
        from: &[u8],
        to: &[u8],
        sled: S,
    ) -> impl Iterator<Item = Row<'a>> + use<'a, S> {
        let range = (Bound::Included(from), Bound::Excluded(to));
        let checkpointing = self.checkpointing.as_deref().map(|writes| within(writes, range));
        let older = Over { newer: checkpointing.into_iter().flatten().peekable(), older: sled.peekable() };
        Over { newer: within(&self.filling, range).peekable(), older: older.peekable() }
    }
}

fn within<'a>(
    writes: &'a Writes,
    range: (Bound<&[u8]>, Bound<&[u8]>),
) -> impl Iterator<Item = Row<'a>> + use<'a> {
    let rows = writes.range::<[u8], _>(range);
    rows.map(|(key, written)| {
        let value = written.value.as_deref();
        Ok((Cow::Borrowed(key.as_slice()), value.map(|value| Piece::Value(Cow::Borrowed(value)))))
    })
}

/// Merges two ordered row iterators. If both have a key, the newer row is used.
struct Over<N: Iterator, O: Iterator> {
    newer: Peekable<N>,
    older: Peekable<O>,
}

impl<'a, N: Iterator<Item = Row<'a>>, O: Iterator<Item = Row<'a>>> Iterator for Over<N, O> {
    type Item = Row<'a>;

    fn next(&mut self) -> Option<Row<'a>> {
        match (self.newer.peek(), self.older.peek()) {
            (Some(Ok((newer, _))), Some(Ok((older, _)))) => match newer.cmp(older) {
                Ordering::Greater => self.older.next(),
                Ordering::Less => self.newer.next(),
                Ordering::Equal => {
                    self.older.next();
                    self.newer.next()
                }
            },
            // The newer side has ended or the older one failed; errors are passed on.
            (_, Some(Err(_))) | (None, _) => self.older.next(),
            (Some(_), _) => self.newer.next(),
        }
    }
}
