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
use crate::state::embedded::journal::Frame;
use crate::state::embedded::read::{Piece, Row};

pub(super) type Writes = BTreeMap<Vec<u8>, Option<Vec<u8>>>;
/// Bytes after which a journal is checkpointed and the next one begun.
const FULL: usize = 2 << 20;
/// Bytes after which writers wait for the checkpoint of the journal before: it bounds memory when the disk is slow.
const TOO_FULL: usize = 3 * FULL;
/// How long a wait for room lasts at most before it checks again.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// Rough memory cost of a write besides its bytes.
const OVERHEAD: usize = 128;

/// The memtable, and the callers that wait for room in it.
pub(super) struct Front {
    recent: RwLock<Memtable>,
    turn: Mutex<()>,
    room: Condvar,
    /// The same, for callers that wait without blocking a thread.
    freed: Notify,
    pub health: Arc<Health>,
}

impl Front {
    pub fn new(health: Arc<Health>) -> Self {
        Self {
            recent: RwLock::default(),
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
            let turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
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

    /// Resolves when there is room. Calls `full` each time there is none. It blocks no runtime worker.
    pub async fn has_room(&self, full: impl Fn()) -> Result<(), StoreError> {
        loop {
            let freed = self.freed.notified();
            self.health.check()?;
            if self.read().has_room() {
                return Ok(());
            }
            full();
            // With a time limit: a store that becomes broken meanwhile checkpoints nothing.
            let _ = tokio::time::timeout(LOOK_AGAIN, freed).await;
        }
    }

    /// Waits until the running checkpoint has ended, or the store is broken.
    pub fn wait_until_settled(&self) {
        let mut turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        while self.health.check().is_ok() && self.read().settling.is_some() {
            turn = self.wait(turn);
        }
    }

    /// With a time limit: a store that becomes broken meanwhile checkpoints nothing. On a runtime worker, other threads
    /// take over its tasks meanwhile.
    fn wait<'t>(&self, turn: MutexGuard<'t, ()>) -> MutexGuard<'t, ()> {
        aside(|| self.room.wait_timeout(turn, LOOK_AGAIN)).unwrap_or_else(PoisonError::into_inner).0
    }

    /// The checkpointer calls this after sled holds the journal's writes.
    pub fn settled(&self) {
        // Freed outside of the lock.
        let done = {
            let mut recent = self.write();
            recent.settled += 1;
            recent.settling.take()
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
    settling: Option<Arc<Writes>>,
    /// How many journals were checkpointed. A value read from sled may be outdated when this has changed.
    pub settled: u64,
    /// The writes that are not in a journal yet.
    frame: Frame,
}

impl Memtable {
    /// The latest write to this key, a value or a deletion. `None`: the value is in sled, if there is one.
    pub fn get(&self, key: &[u8]) -> Option<&Option<Vec<u8>>> {
        self.filling.get(key).or_else(|| self.settling.as_ref()?.get(key))
    }

    pub fn write(&mut self, key: &[u8], value: Option<&[u8]>) {
        self.frame.add(key, value);
        self.bytes += key.len() + value.map_or(0, <[u8]>::len) + OVERHEAD;
        self.filling.insert(key.to_vec(), value.map(<[u8]>::to_vec));
    }

    pub fn is_full(&self) -> bool {
        self.bytes >= FULL
    }

    pub fn has_room(&self) -> bool {
        self.bytes < TOO_FULL
    }

    /// Takes the writes for the journal, and leaves an empty frame.
    pub fn next_frame(&mut self, empty: Frame) -> Frame {
        std::mem::replace(&mut self.frame, empty)
    }

    /// If the journal is full (or `anyway`) and no other is being checkpointed: its writes, for the checkpointer.
    pub fn turn(&mut self, anyway: bool) -> Option<Arc<Writes>> {
        if self.settling.is_some() || self.filling.is_empty() || !(anyway || self.is_full()) {
            return None;
        }
        let writes = Arc::new(std::mem::take(&mut self.filling));
        self.bytes = 0;
        self.settling = Some(writes.clone());
        Some(writes)
    }

    /// All rows of `[from, to)`, merged with those of sled.
    pub fn rows<'a, S: Iterator<Item = Row<'a>>>(
        &'a self,
        from: &[u8],
        to: &[u8],
        sled: S,
    ) -> impl Iterator<Item = Row<'a>> + use<'a, S> {
        let range = (Bound::Included(from), Bound::Excluded(to));
        let settling = self.settling.as_deref().map(|writes| within(writes, range));
        let older = Over { newer: settling.into_iter().flatten().peekable(), older: sled.peekable() };
        Over { newer: within(&self.filling, range).peekable(), older: older.peekable() }
    }
}

fn within<'a>(
    writes: &'a Writes,
    range: (Bound<&[u8]>, Bound<&[u8]>),
) -> impl Iterator<Item = Row<'a>> + use<'a> {
    let rows = writes.range::<[u8], _>(range);
    rows.map(|(key, value)| {
        Ok((Cow::Borrowed(key.as_slice()), value.as_deref().map(|v| Piece::Value(Cow::Borrowed(v)))))
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
