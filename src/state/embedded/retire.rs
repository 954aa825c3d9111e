//! The end of journals, and of the words in them.
//!
//! [`Store::retire`] removes a journal that is older than events are kept. What it alone protects is written again
//! before, into the running journal. [`Store::wipe`] overwrites the values that a person asked to have forgotten, at
//! once and wherever they lie.

use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tracing::{debug, error};

use crate::aside::aside;
use crate::state::embedded::errors::StoreError;
use crate::state::embedded::journal::JournalWrite;
use crate::state::embedded::memtable::{Memtable, Written};
use crate::state::embedded::open::{Places, WIPING, sync_dir};
use crate::state::embedded::segments::{is_ledger, is_pointed_to};
use crate::state::embedded::tx::MAX_WRITES;
use crate::state::embedded::{SEQ_KEY, Store, Tx, journal, loss, patient, prefix_end, rebuild};

/// Before the mark's number and the key whose earlier values are to be overwritten.
const MARK: &[u8] = b"\0wipe";
/// The other keys of the store itself that journals hold.
const OWN_KEYS: [&[u8]; 3] = [SEQ_KEY, rebuild::INDEXED_KEY, loss::SEEN_KEY];
/// Bytes before the key in a mark.
const MARK_HEAD: usize = MARK.len() + 8;
/// Writes that are moved under one lock, which includes reading them. They were read before, so the system has them in
/// memory.
const MOVED_AT_ONCE: usize = 20;

/// Notes which keys the transaction wants wiped.
pub(super) fn mark(recent: &mut Memtable, tx: &Tx, number: u64) {
    for key in &tx.wipes {
        recent.write(&[MARK, &number.to_be_bytes(), key].concat(), Some(&[]));
    }
}

impl Store {
    /// Removes journals that were last written before this time (milliseconds, wall clock). Returns how many.
    pub async fn retire(&self, before_ms: i64) -> Result<usize, StoreError> {
        let _alone = self.inner.tidying.lock().await;
        let old = aside(|| self.old_journals(before_ms))?;
        for &number in &old {
            let moved = aside(|| self.move_out_of(number))?;
            self.durable().await?;
            debug!(journal = number, moved, "an old journal is removed");
            aside(|| self.remove_journal(number))?;
        }
        Ok(old.len())
    }

    /// The oldest journals, up to the first that is young or not in sled. The newest is never removed: it shows that
    /// the folder has journals.
    fn old_journals(&self, before_ms: i64) -> Result<Vec<u64>, StoreError> {
        let places = &self.inner.places;
        let mut numbers = journal::numbers(places).map_err(|error| unreadable(&error))?;
        let applied = self.inner.front.read().applied;
        // A journal is not younger than any after it, whatever the clock was when it was written.
        let (newest, mut written) = (numbers.pop(), i64::MAX);
        if let Some(at_ms) = newest.and_then(|number| written_ms(places, number)) {
            written = at_ms;
        }
        numbers.retain(|number| *number <= applied);
        let mut old = Vec::new();
        for number in numbers.into_iter().rev() {
            written = written_ms(places, number).map_or(written, |at_ms| at_ms.min(written));
            if written < before_ms {
                old.push(number);
            }
        }
        old.reverse();
        Ok(old)
    }

    /// Writes again what is not in any other journal. Returns how many values that were.
    fn move_out_of(&self, number: u64) -> Result<usize, StoreError> {
        let content = journal::read(&self.inner.places, number, false);
        let content = content.map_err(|error| unreadable(&error))?;
        let mut keys: Vec<Vec<u8>> = Vec::new();
        for (key, Written { value, .. }) in content.writes {
            if value.is_some() && !is_ledger(&key) && self.is_now(&key, value.as_deref())? {
                keys.push(key);
            }
        }
        if !content.unreadable.is_empty() {
            error!(journal = number, "an old journal is damaged: what can still be read of it is kept");
            keys.extend(self.sound(self.only_in_sled(number))?);
        }
        for some in keys.chunks(MOVED_AT_ONCE) {
            self.write_again(some)?;
        }
        Ok(keys.len())
    }

    /// Whether this is the value now. A later one that is damaged is another one.
    fn is_now(&self, key: &[u8], value: Option<&[u8]>) -> Result<bool, StoreError> {
        match self.any(key) {
            Ok((now, _)) => Ok(now.as_deref() == value),
            Err(StoreError::Damaged(_)) => Ok(false),
            Err(other) => Err(other),
        }
    }

    fn write_again(&self, keys: &[Vec<u8>]) -> Result<(), StoreError> {
        self.exclusive(|recent| {
            for key in keys {
                // What the memtable has was written to a later journal.
                if recent.get(key).is_some() {
                    continue;
                }
                match self.inner.tables.value(key) {
                    Ok(Some(value)) => recent.write(key, Some(&value)),
                    Ok(None) => {}
                    Err(StoreError::Damaged(reason)) => {
                        error!(key = hex::encode(key), reason, "a stored value is damaged");
                    }
                    Err(other) => return Err(other),
                }
            }
            Ok(())
        })
    }

    /// The keys whose values this damaged journal alone may protect, found in sled: those that point into it, and of those
    /// that sled itself holds all, because nothing tells which journal they came from.
    fn only_in_sled(&self, number: u64) -> Result<Vec<Vec<u8>>, StoreError> {
        let tables = &self.inner.tables;
        let mut found: Vec<Vec<u8>> = OWN_KEYS.iter().map(|key| key.to_vec()).collect();
        for row in tables.rows(MARK, &prefix_end(MARK)).chain(tables.rows(&[1], &[u8::MAX])) {
            let key = row?.0.into_owned();
            let pointer = if is_pointed_to(&key) { tables.pointer(&key)? } else { None };
            let elsewhere = pointer.is_some_and(|pointer| pointer.journal != number);
            if !elsewhere && !is_ledger(&key) {
                found.push(key);
            }
        }
        Ok(found)
    }

    fn remove_journal(&self, number: u64) -> Result<(), StoreError> {
        let places = &self.inner.places;
        let removed = fs::remove_file(places.journal(number)).and_then(|()| sync_dir(&places.dir));
        self.inner.tables.segments.close(number);
        removed.map_err(|error| unreadable(&error))
    }

    /// Whether the value of this key was written after that time (milliseconds, wall clock).
    pub fn is_written_after(&self, key: &[u8], at_ms: i64) -> Result<bool, StoreError> {
        if self.inner.front.read().get(key).is_some() {
            return Ok(true);
        }
        let pointer = self.sound(self.inner.tables.pointer(key))?;
        Ok(pointer
            .and_then(|pointer| written_ms(&self.inner.places, pointer.journal))
            .is_some_and(|at| at > at_ms))
    }

    /// All keys with this prefix that a journal has, also of records that were removed since.
    pub fn keys_ever_written(&self, prefix: &[u8]) -> Result<BTreeSet<Vec<u8>>, StoreError> {
        aside(|| self.find_written(prefix))
    }

    fn find_written(&self, prefix: &[u8]) -> Result<BTreeSet<Vec<u8>>, StoreError> {
        let mut found: BTreeSet<Vec<u8>> = self.inner.front.read().written(prefix).collect();
        let places = &self.inner.places;
        for number in journal::numbers(places).map_err(|error| unreadable(&error))? {
            let read = match journal::bytes(places, number) {
                // It was removed meanwhile.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                read => read.map_err(|error| unreadable(&error))?,
            };
            let keys = writes_of(&read.bytes).into_iter().map(|write| write.key);
            found.extend(keys.filter(|key| key.starts_with(prefix)).map(<[u8]>::to_vec));
        }
        Ok(found)
    }

    /// Overwrites the earlier values of the keys that transactions named in [`Tx::wipes`]. After a crash the marks that
    /// it left are found by the next call. Returns how many keys that were.
    pub async fn wipe(&self) -> Result<usize, StoreError> {
        let _alone = self.inner.tidying.lock().await;
        let mut wiped = 0;
        loop {
            let marks = self.marks()?;
            if marks.is_empty() {
                return Ok(wiped);
            }
            let last = self.close_journal().await?;
            aside(|| self.wipe_up_to(last, &marks))?;
            self.exclusive(|recent| {
                for mark in &marks {
                    recent.write(mark, None);
                }
                Ok(())
            })?;
            self.durable().await?;
            wiped += marks.len();
        }
    }

    fn marks(&self) -> Result<Vec<Vec<u8>>, StoreError> {
        let end = prefix_end(MARK);
        let (_working, recent) = self.shared();
        let rows = recent.rows(MARK, &end, self.inner.tables.rows(MARK, &end));
        let marks =
            rows.filter_map(|row| row.map(|(key, piece)| piece.map(|_| key.into_owned())).transpose());
        self.sound(marks.take(MAX_WRITES).collect())
    }

    /// Ends the running journal. Returns the last one that holds writes of now or before, when sled holds it.
    pub(super) async fn close_journal(&self) -> Result<u64, StoreError> {
        let last = self.inner.front.write().close();
        self.durable().await?;
        self.inner.front.until(|recent| recent.applied >= last, || self.inner.committer.wake()).await?;
        Ok(last)
    }

    /// Overwrites all values of the marked keys but the last of each, the newest journal first.
    fn wipe_up_to(&self, last: u64, marks: &[Vec<u8>]) -> Result<(), StoreError> {
        let keys: HashSet<&[u8]> = marks.iter().filter_map(|mark| mark.get(MARK_HEAD..)).collect();
        let mut met: HashSet<Vec<u8>> = HashSet::new();
        let places = &self.inner.places;
        let numbers = journal::numbers(places).map_err(|error| unreadable(&error))?;
        for number in numbers.into_iter().rev().filter(|number| *number <= last) {
            let bytes = journal::bytes(places, number).map_err(|error| unreadable(&error))?.bytes;
            let unwanted = unwanted(&bytes, &keys, &mut met);
            if let Some(after) = journal::wiped(&bytes, |write| unwanted.contains(&write.at)) {
                replace(places, number, &after).map_err(|error| unreadable(&error))?;
                self.inner.tables.segments.close(number);
            }
        }
        Ok(())
    }
}

/// The offsets of the values that are not the last ones of their keys. `met`: the keys of newer journals.
fn unwanted(bytes: &[u8], keys: &HashSet<&[u8]>, met: &mut HashSet<Vec<u8>>) -> HashSet<usize> {
    let writes = writes_of(bytes);
    let known = writes.iter().rev().filter(|write| keys.contains(write.key));
    known.filter(|write| !met.insert(write.key.to_vec())).map(|write| write.at).collect()
}

/// All writes of a journal that can be read, in order.
fn writes_of(bytes: &[u8]) -> Vec<JournalWrite<'_>> {
    let records = journal::Parts::of(bytes).filter_map(|part| match part {
        journal::Part::Record { writes, .. } => Some(writes),
        journal::Part::Unreadable { .. } => None,
    });
    records.flatten().collect()
}

/// Replaces a journal by one with the same layout, at once or not at all. It keeps its age.
fn replace(places: &Places, number: u64, bytes: &[u8]) -> io::Result<()> {
    let new = places.dir.join(format!("{WIPING}{number}"));
    let written = fs::metadata(places.journal(number))?.modified()?;
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let mut file = patient::open(|| options.open(&new))?;
    file.write_all(bytes)?;
    file.set_modified(written)?;
    file.sync_all()?;
    fs::rename(&new, places.journal(number))?;
    sync_dir(&places.dir)
}

/// Removes what a crash left of a replacement.
pub(super) fn remove_leftovers(places: &Places) -> io::Result<()> {
    places
        .numbered(WIPING)?
        .into_iter()
        .try_for_each(|number| fs::remove_file(places.dir.join(format!("{WIPING}{number}"))))
}

/// When a journal was last written, in milliseconds of the wall clock.
fn written_ms(places: &Places, number: u64) -> Option<i64> {
    let at: SystemTime = fs::metadata(places.journal(number)).ok()?.modified().ok()?;
    let since = at.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    i64::try_from(since.as_millis()).ok()
}

fn unreadable(error: &io::Error) -> StoreError {
    StoreError::Unreadable(format!("the journals: {error}"))
}
