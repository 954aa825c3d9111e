//! Blob files next to sled, for values that are written once and read once or twice: the bodies of events.
//!
//! ```text
//! <dir>/sled.values-N   value, value, ...      sled holds only pointers: file, offset, length, checksum
//! ```
//!
//! sled rewrites a page of up to sixteen entries at about every tenth change to it, caches the pages it read, and
//! hardly frees disk space. A body of some kilobytes would cost all of that. In a blob file it is appended once, and
//! when its entry is removed, its range becomes a hole, so it takes no space on disk any more.
//!
//! A file gets values until it is [`FULL`] or the store is closed. Before an entry points into a file, both the file
//! and its record (the first and the last key it ever got) are on disk. A file is removed when no entry between those
//! keys points into it, or when it has no record, which happens after a crash.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::{FallocateFlags, fallocate};

use crate::state::embedded::open::{numbered, sync_dir};
use crate::state::embedded::patient;

const NAME: &str = "sled.values-";
/// Bytes after which the next file is begun: a day's outage makes hundreds of files, not thousands.
const FULL: u64 = 16 << 20;
/// How many files may be open for reading at the same time.
const OPEN: usize = 16;
/// Write buffer, in bytes.
const BUFFER: usize = 64 << 10;

/// Whether this key's value belongs in a blob file, whatever its size.
pub(super) fn is_filed(key: &[u8]) -> bool {
    key.first() == Some(&b'P')
}

/// Where a value is stored: file, offset, length in bytes, checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct BlobPointer {
    pub file: u32,
    pub at: u32,
    pub len: u32,
    pub crc: u32,
}

impl BlobPointer {
    pub const BYTES: usize = 16;

    /// The encoding in sled.
    pub fn bytes(self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        for (part, number) in bytes.chunks_exact_mut(4).zip([self.file, self.at, self.len, self.crc]) {
            part.copy_from_slice(&number.to_be_bytes());
        }
        bytes
    }

    pub fn read(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; Self::BYTES] = bytes.try_into().ok()?;
        let number = |at: usize| u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        Some(Self { file: number(0), at: number(4), len: number(8), crc: number(12) })
    }

    fn end(self) -> u64 {
        u64::from(self.at) + u64::from(self.len)
    }
}

/// All blob files of a store, for readers.
pub(super) struct Files {
    dir: PathBuf,
    open: Mutex<HashMap<u32, Arc<File>>>,
}

impl Files {
    pub fn in_dir(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), open: Mutex::default() }
    }

    fn path(&self, number: u32) -> PathBuf {
        self.dir.join(format!("{NAME}{number}"))
    }

    /// Numbers of the existing files, in order.
    pub fn numbers(&self) -> io::Result<BTreeSet<u32>> {
        Ok(numbered(&self.dir, NAME)?.into_iter().collect())
    }

    /// Bytes on disk, without holes.
    pub fn size(&self) -> io::Result<u64> {
        let of = |number: u32| fs::metadata(self.path(number)).map_or(0, |data| data.blocks() * 512);
        Ok(self.numbers()?.into_iter().map(of).sum())
    }

    pub fn read(&self, spot: BlobPointer) -> io::Result<Vec<u8>> {
        let mut value = vec![0; usize::try_from(spot.len).unwrap_or(usize::MAX)];
        self.file(spot.file)?.read_exact_at(&mut value, spot.at.into())?;
        if crc32fast::hash(&value) != spot.crc {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it does not have its checksum"));
        }
        Ok(value)
    }

    /// Whether the file is long enough for this value. The bytes are not read.
    pub fn may_hold(&self, spot: BlobPointer) -> bool {
        fs::metadata(self.path(spot.file)).is_ok_and(|data| spot.end() <= data.len())
    }

    fn file(&self, number: u32) -> io::Result<Arc<File>> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = open.get(&number) {
            return Ok(file.clone());
        }
        if open.len() >= OPEN {
            open.clear();
        }
        let file = Arc::new(patient::open(|| File::open(self.path(number)))?);
        open.insert(number, file.clone());
        Ok(file)
    }

    pub fn remove(&self, number: u32) -> io::Result<()> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).remove(&number);
        match fs::remove_file(self.path(number)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Punches holes at these places. Writes zeros if the file system does not support holes.
    pub fn erase(&self, mut spots: Vec<BlobPointer>) -> io::Result<()> {
        spots.sort_unstable();
        for (number, ranges) in runs(&spots) {
            let file = match patient::open(|| OpenOptions::new().write(true).open(self.path(number))) {
                // The whole file was removed.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                opened => opened?,
            };
            for (at, len) in ranges {
                erase(&file, at, len)?;
            }
        }
        Ok(())
    }
}

/// Offset and length of each range by file, in order; adjacent values are joined.
fn runs(spots: &[BlobPointer]) -> BTreeMap<u32, Vec<(u64, u64)>> {
    let mut files: BTreeMap<u32, Vec<(u64, u64)>> = BTreeMap::new();
    for spot in spots.iter().filter(|spot| spot.len > 0) {
        let ranges = files.entry(spot.file).or_default();
        match ranges.last_mut() {
            Some((at, len)) if *at + *len == u64::from(spot.at) => *len += u64::from(spot.len),
            _ => ranges.push((spot.at.into(), spot.len.into())),
        }
    }
    files
}

fn erase(file: &File, at: u64, len: u64) -> io::Result<()> {
    match fallocate(file, FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE, at, len) {
        Err(rustix::io::Errno::OPNOTSUPP) => {
            let zeros = vec![0; usize::try_from(len).unwrap_or(usize::MAX)];
            file.write_all_at(&zeros, at)
        }
        done => Ok(done?),
    }
}

/// Appends to the current file, and begins the next one when it is full.
pub(super) struct BlobWriter {
    files: Arc<Files>,
    next: u32,
    current: Option<(u32, File, u64)>,
}

impl BlobWriter {
    /// Starts a new file after all existing ones, which stay unchanged.
    pub fn after(files: Arc<Files>, known: u32) -> io::Result<Self> {
        let last = files.numbers()?.last().copied().unwrap_or(0).max(known);
        Ok(Self { files, next: last + 1, current: None })
    }

    /// Appends values and syncs. Returns their pointers in the same order.
    pub fn append(&mut self, values: &[&[u8]]) -> io::Result<Vec<BlobPointer>> {
        let mut spots = Vec::with_capacity(values.len());
        while let Some(rest) = values.get(spots.len()..).filter(|rest| !rest.is_empty()) {
            spots.extend(self.append_some(rest)?);
        }
        Ok(spots)
    }

    /// Appends as many as fit into the current file.
    fn append_some(&mut self, values: &[&[u8]]) -> io::Result<Vec<BlobPointer>> {
        let (number, file, len) = self.file()?;
        let mut spots = Vec::with_capacity(values.len());
        let mut writer = BufWriter::with_capacity(BUFFER, &*file);
        for value in values {
            if *len >= FULL {
                break;
            }
            writer.write_all(value)?;
            let at = u32::try_from(*len).map_err(|_| io::Error::other("a file of values is too long"))?;
            spots.push(BlobPointer { file: *number, at, len: length(value), crc: crc32fast::hash(value) });
            *len += value.len() as u64;
        }
        writer.flush()?;
        drop(writer);
        file.sync_data()?;
        if *len >= FULL {
            self.current = None;
        }
        Ok(spots)
    }

    fn file(&mut self) -> io::Result<&mut (u32, File, u64)> {
        if self.current.is_none() {
            let path = self.files.path(self.next);
            let mut options = OpenOptions::new();
            options.append(true).create_new(true).mode(0o600);
            let file = patient::open(|| options.open(&path))?;
            sync_dir(&self.files.dir)?;
            self.current = Some((self.next, file, 0));
            self.next += 1;
        }
        self.current.as_mut().ok_or_else(|| io::Error::other("no file"))
    }

    /// Whether this is the current file, which may still grow.
    pub fn is_at(&self, number: u32) -> bool {
        self.current.as_ref().is_some_and(|(current, ..)| *current == number)
    }
}

fn length(value: &[u8]) -> u32 {
    u32::try_from(value.len()).expect("the store's values are bounded")
}
