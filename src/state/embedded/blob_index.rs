//! Which blob files hold values, and which are empty and can be removed.
//!
//! A file's record in sled names the first and the last key whose entry may point into it. It is written before those
//! entries and only ever widened, so replaying a journal changes nothing in it.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::ops::Bound;

use crate::state::embedded::blobs::{self, BlobPointer, BlobWriter};
use crate::state::embedded::blocks;
use crate::state::embedded::errors::StoreError;
use crate::state::embedded::memtable::Writes;
use crate::state::embedded::open::{Tables, Trouble};
use crate::state::embedded::sled_writer::Writer;

/// Prefix of a record's key, before the file's number. The value: length of the first key, first key, last key.
const PREFIX: &[u8] = b"\0values";

/// Key, and the encoded pointer for its entry.
pub(super) type Spots<'w> = BTreeMap<&'w [u8], [u8; BlobPointer::BYTES]>;

pub(super) struct BlobIndex {
    tables: Tables,
    filling: BlobWriter,
    /// Pointers that no entry holds any more.
    dead: Vec<BlobPointer>,
}

impl BlobIndex {
    pub fn open(tables: Tables) -> io::Result<Self> {
        let known = Record::all(&tables).map_err(|trouble| io::Error::other(trouble.to_string()))?;
        let last = known.iter().map(|record| record.file).max().unwrap_or(0);
        let filling = BlobWriter::after(tables.files.clone(), last)?;
        Ok(Self { tables, filling, dead: Vec::new() })
    }

    /// Appends the values that belong in blob files, and widens the records of those files.
    pub fn append<'w>(&mut self, sled: &mut Writer, writes: &'w Writes) -> Result<Spots<'w>, Trouble> {
        let filed = writes.iter().filter(|(key, _)| blobs::is_filed(key));
        let (keys, bodies): (Vec<&[u8]>, Vec<&[u8]>) =
            filed.filter_map(|(key, value)| Some((key.as_slice(), value.as_deref()?))).unzip();
        let places = self.filling.append(&bodies)?;
        let mut first_to_last: BTreeMap<u32, (&[u8], &[u8])> = BTreeMap::new();
        for (key, spot) in keys.iter().zip(&places) {
            // The keys come in order, so the latest one is the last.
            first_to_last.entry(spot.file).or_insert((key, key)).1 = key;
        }
        for (file, (first, last)) in first_to_last {
            self.widen(sled, file, first, last)?;
        }
        Ok(keys.into_iter().zip(places.into_iter().map(BlobPointer::bytes)).collect())
    }

    fn widen(&self, sled: &mut Writer, file: u32, first: &[u8], last: &[u8]) -> Result<(), Trouble> {
        let mut record = Record { file, first: first.to_vec(), last: last.to_vec() };
        if let Some(known) = Record::of(&self.tables, file)? {
            record.first = known.first.min(record.first);
            record.last = known.last.max(record.last);
        }
        sled.put(&self.tables.state, &Record::key(file), &record.value()).map_err(Trouble::of)?;
        Ok(())
    }

    /// Collects the pointers in a block that these writes replace or remove.
    pub fn replaced(&mut self, before: &[u8], members: &[(&[u8], Option<&[u8]>)]) -> Result<(), StoreError> {
        for (key, _) in members {
            self.dead.extend(blocks::member(before, key)?.and_then(|held| BlobPointer::read(&held)));
        }
        Ok(())
    }

    /// Removes files that became empty, and punches holes in others. Call it only after sled has synced the removal of
    /// their pointers.
    pub fn bury(&mut self, sled: &mut Writer) -> Result<(), Trouble> {
        let dead = std::mem::take(&mut self.dead);
        let touched: BTreeSet<u32> = dead.iter().map(|spot| spot.file).collect();
        for file in touched {
            if let Some(record) = Record::of(&self.tables, file)? {
                self.remove_empty(sled, &record)?;
            }
        }
        Ok(self.tables.files.erase(dead)?)
    }

    /// After a crash: removes files that no entry points into, and files without a record.
    pub fn tidy(&self, sled: &mut Writer) -> Result<(), Trouble> {
        let mut strays = self.tables.files.numbers()?;
        for record in Record::all(&self.tables)? {
            strays.remove(&record.file);
            self.remove_empty(sled, &record)?;
        }
        strays.retain(|number| !self.filling.is_at(*number));
        Ok(strays.into_iter().try_for_each(|number| self.tables.files.remove(number))?)
    }

    fn remove_empty(&self, sled: &mut Writer, record: &Record) -> Result<(), Trouble> {
        if self.filling.is_at(record.file) || self.is_named(record)? {
            return Ok(());
        }
        self.tables.files.remove(record.file)?;
        sled.remove(&self.tables.state, &Record::key(record.file)).map_err(Trouble::of)?;
        Ok(())
    }

    /// Whether any entry points into this file.
    fn is_named(&self, record: &Record) -> Result<bool, Trouble> {
        let unreadable = |error: StoreError| Trouble::Damaged(error.to_string());
        let range = (Bound::Included(blocks::start(&record.first)), Bound::Included(record.last.clone()));
        for entry in self.tables.state.range::<Vec<u8>, _>(range) {
            let (key, entry) = entry.map_err(Trouble::of)?;
            let block = self.tables.load(&key, &entry).map_err(unreadable)?;
            let held = blocks::members(&block).map_err(unreadable)?;
            if held
                .iter()
                .any(|(_, held)| BlobPointer::read(held).is_some_and(|spot| spot.file == record.file))
            {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// The range of keys whose entries may point into a file.
struct Record {
    file: u32,
    first: Vec<u8>,
    last: Vec<u8>,
}

impl Record {
    fn key(file: u32) -> Vec<u8> {
        [PREFIX, &file.to_be_bytes()].concat()
    }

    fn value(&self) -> Vec<u8> {
        let length = u16::try_from(self.first.len()).expect("keys are bounded");
        [&length.to_be_bytes(), self.first.as_slice(), &self.last].concat()
    }

    fn read(file: u32, value: &[u8]) -> Option<Self> {
        let (length, keys) = value.split_first_chunk()?;
        let (first, last) = keys.split_at_checked(u16::from_be_bytes(*length).into())?;
        Some(Self { file, first: first.to_vec(), last: last.to_vec() })
    }

    fn of(tables: &Tables, file: u32) -> Result<Option<Self>, Trouble> {
        let value = tables.state.get(Self::key(file)).map_err(Trouble::of)?;
        Ok(value.and_then(|value| Self::read(file, &value)))
    }

    fn all(tables: &Tables) -> Result<Vec<Self>, Trouble> {
        let read = |entry: sled::Result<(sled::IVec, sled::IVec)>| {
            let (key, value) = entry.map_err(Trouble::of)?;
            let file = key.get(PREFIX.len()..).and_then(|file| file.try_into().ok()).map(u32::from_be_bytes);
            let record = file.and_then(|file| Self::read(file, &value));
            record.ok_or_else(|| Trouble::Damaged("the record of a file cannot be read".into()))
        };
        tables.state.scan_prefix(PREFIX).map(read).collect()
    }
}
