//! What sled does not hold yet, in memory: the writes of the journal that is being filled, and of the one before
//! it, while sled takes them in. Whoever reads looks here first.

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

/// Key and new value; `None` deletes.
pub(super) type Writes = BTreeMap<Vec<u8>, Option<Vec<u8>>>;
/// A journal of so many bytes is settled, and the next one begun.
const FULL: usize = 2 << 20;
/// More is not taken in before the one before it is settled: memory stays bounded when the disk is slow.
const TOO_FULL: usize = 3 * FULL;
/// How long a wait for room lasts at most before it is looked again.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// What a write takes in memory besides its bytes, roughly.
const OVERHEAD: usize = 128;

/// The recent writes, and who waits for room among them.
pub(super) struct Front {
    recent: RwLock<Memtable>,
    turn: Mutex<()>,
    room: Condvar,
    /// The same for those who wait without a thread.
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

    /// To write with room for more; `full` is told each time that there is none.
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

    /// Resolves when there is room; `full` is told each time that there is none. No worker sleeps for it.
    pub async fn has_room(&self, full: impl Fn()) -> Result<(), StoreError> {
        loop {
            let freed = self.freed.notified();
            self.health.check()?;
            if self.read().has_room() {
                return Ok(());
            }
            full();
            // Not for ever: a store that breaks meanwhile settles nothing.
            let _ = tokio::time::timeout(LOOK_AGAIN, freed).await;
        }
    }

    /// Until sled holds what it was given, or never will.
    pub fn wait_until_settled(&self) {
        let mut turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        while self.health.check().is_ok() && self.read().settling.is_some() {
            turn = self.wait(turn);
        }
    }

    /// Not for ever: a store that breaks meanwhile settles nothing. On a worker of the runtime, others take over its
    /// tasks meanwhile.
    fn wait<'t>(&self, turn: MutexGuard<'t, ()>) -> MutexGuard<'t, ()> {
        aside(|| self.room.wait_timeout(turn, LOOK_AGAIN)).unwrap_or_else(PoisonError::into_inner).0
    }

    /// sled holds what it was given.
    pub fn settled(&self) {
        // What was kept for it is given back outside of the lock.
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
    /// Of the writes in `filling`, replaced ones included, as they stand in the journal.
    bytes: usize,
    settling: Option<Arc<Writes>>,
    /// How many journals sled has taken in: what was not among these writes then may be another value now.
    pub settled: u64,
    /// Those writes that no journal holds yet.
    frame: Frame,
}

impl Memtable {
    /// Its last write, a value or a deletion; none: ask sled.
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

    /// Gives what has to go into the journal now, in exchange for an empty frame.
    pub fn next_frame(&mut self, empty: Frame) -> Frame {
        std::mem::replace(&mut self.frame, empty)
    }

    /// If the journal is full (or anyway) and the one before it is settled: its writes, to be settled.
    pub fn turn(&mut self, anyway: bool) -> Option<Arc<Writes>> {
        if self.settling.is_some() || self.filling.is_empty() || !(anyway || self.is_full()) {
            return None;
        }
        let writes = Arc::new(std::mem::take(&mut self.filling));
        self.bytes = 0;
        self.settling = Some(writes.clone());
        Some(writes)
    }

    /// All rows of `[from, to)`, on top of what sled has there.
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

/// Two in order; where both have a key, the newer one counts.
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
            // One of them is at its end, or cannot be read, which is told and not passed over.
            (_, Some(Err(_))) | (None, _) => self.older.next(),
            (Some(_), _) => self.newer.next(),
        }
    }
}
