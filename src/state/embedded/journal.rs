//! The journal: an append-only write-ahead log of the writes that may not be in sled yet.
//!
//! ```text
//! <dir>/sled.journal-N   frame, frame, ...     a frame: length, checksum, then the writes of a group
//! ```
//!
//! A frame is what one sync makes durable: the writes of all transactions that waited for it. A crash can only cut the
//! last frame of the last journal, and that one was never reported as durable. So a group is there as a whole or not
//! at all. A journal's writes go to sled after its last frame is on disk, and the file is removed after sled is synced.
//! Until then a start replays them; replaying a write that sled already has changes nothing.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::state::embedded::memtable::Writes;
use crate::state::embedded::open::{JOURNAL, Places, Trouble, sync_dir};
use crate::state::embedded::patient;

/// Bytes of a frame's length and checksum.
const HEADER: usize = 8;
const DELETED: u32 = u32::MAX;

/// Encoded writes that are not in a journal yet.
pub(super) struct Frame(Vec<u8>);

impl Default for Frame {
    fn default() -> Self {
        Self(vec![0; HEADER])
    }
}

impl Frame {
    pub fn add(&mut self, key: &[u8], value: Option<&[u8]>) {
        self.0.extend_from_slice(&length(key).to_be_bytes());
        self.0.extend_from_slice(&value.map_or(DELETED, length).to_be_bytes());
        self.0.extend_from_slice(key);
        self.0.extend_from_slice(value.unwrap_or_default());
    }

    pub fn is_empty(&self) -> bool {
        self.0.len() == HEADER
    }

    /// The bytes for the file, with length and checksum filled in.
    fn sealed(&mut self) -> &[u8] {
        let (header, writes) = self.0.split_at_mut(HEADER);
        header[..4].copy_from_slice(&length(writes).to_be_bytes());
        header[4..].copy_from_slice(&crc32fast::hash(writes).to_be_bytes());
        &self.0
    }

    /// Empties the frame, and shrinks its buffer to `keep` bytes.
    pub fn clear(&mut self, keep: usize) {
        self.0.truncate(HEADER);
        self.0.shrink_to(keep);
    }
}

fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).expect("the store keeps its buffers far below 4 GiB")
}

/// The current journal. One file handle is kept for its whole life, because the kernel reports a failed write-back
/// only once per handle.
pub(super) struct Journal {
    pub number: u64,
    file: File,
}

impl Journal {
    pub fn create(places: &Places, number: u64) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.append(true).create_new(true).mode(0o600);
        let file = patient::open(|| options.open(places.journal(number)))?;
        sync_dir(&places.dir)?;
        Ok(Self { number, file })
    }

    pub fn append(&mut self, frame: &mut Frame) -> io::Result<()> {
        self.file.write_all(frame.sealed())
    }

    pub fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    pub fn remove_empty(&self, places: &Places) -> io::Result<()> {
        if self.file.metadata()?.len() == 0 { fs::remove_file(places.journal(self.number)) } else { Ok(()) }
    }
}

/// The numbers of the existing journals, in order.
pub(super) fn numbers(places: &Places) -> io::Result<Vec<u64>> {
    let mut numbers = places.numbered(JOURNAL)?;
    numbers.sort_unstable();
    Ok(numbers)
}

/// Size of all journals, in bytes.
pub(super) fn size(places: &Places) -> io::Result<u64> {
    numbers(places)?.into_iter().map(|number| Ok(fs::metadata(places.journal(number))?.len())).sum()
}

/// The writes of a journal. Only the `last` one may end in the middle of a frame.
pub(super) fn read(path: &Path, last: bool) -> Result<Writes, Trouble> {
    let bytes = fs::read(path).map_err(|error| Trouble::Io(error.to_string()))?;
    let mut rest = bytes.as_slice();
    let mut writes = Writes::new();
    while let Some(frame) = next(&mut rest) {
        take_in(frame, &mut writes).ok_or_else(|| damaged("holds a frame that cannot be read"))?;
    }
    if !rest.is_empty() && (!last || holds_a_frame(rest)) {
        return Err(damaged("is damaged in the middle"));
    }
    Ok(writes)
}

fn damaged(how: &str) -> Trouble {
    Trouble::Damaged(format!("the journal {how}"))
}

/// The writes of the frame that begins here, if it is complete.
fn next<'b>(bytes: &mut &'b [u8]) -> Option<&'b [u8]> {
    let mut rest = *bytes;
    let (length, checksum) = (number(&mut rest)?, number(&mut rest)?);
    let (writes, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
    // An empty frame is never written, but a cut file may end in zeros.
    if writes.is_empty() || crc32fast::hash(writes) != checksum {
        return None;
    }
    *bytes = rest;
    Some(writes)
}

/// Whether a complete frame follows the unreadable bytes. Then this is damage and not a cut end: acknowledged writes
/// are lost.
fn holds_a_frame(bytes: &[u8]) -> bool {
    (1..bytes.len()).any(|at| {
        let mut rest = &bytes[at..];
        next(&mut rest).is_some_and(|writes| take_in(writes, &mut Writes::new()).is_some())
    })
}

fn take_in(mut frame: &[u8], writes: &mut Writes) -> Option<()> {
    while !frame.is_empty() {
        let (key, value) = (number(&mut frame)?, number(&mut frame)?);
        let key = take(&mut frame, key)?;
        let value = if value == DELETED { None } else { Some(take(&mut frame, value)?) };
        writes.insert(key, value);
    }
    Some(())
}

fn number(bytes: &mut &[u8]) -> Option<u32> {
    let (number, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(u32::from_be_bytes(*number))
}

fn take(bytes: &mut &[u8], length: u32) -> Option<Vec<u8>> {
    let (taken, rest) = bytes.split_at_checked(usize::try_from(length).ok()?)?;
    *bytes = rest;
    Some(taken.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bytes of two frames, the end of the first, and the writes after none, one and both of them.
    fn two() -> (Vec<u8>, usize, Vec<Writes>) {
        let groups: [&[(&str, Option<&str>)]; 2] =
            [&[("a", Some("1")), ("b", None)], &[("a", None), ("c", Some(""))]];
        let (mut bytes, mut first, mut after, mut state) =
            (Vec::new(), 0, vec![Writes::new()], Writes::new());
        for group in groups {
            let mut frame = Frame::default();
            for (key, value) in group {
                frame.add(key.as_bytes(), value.map(str::as_bytes));
                state.insert(key.as_bytes().to_vec(), value.map(|value| value.as_bytes().to_vec()));
            }
            bytes.extend_from_slice(frame.sealed());
            first = if first == 0 { bytes.len() } else { first };
            after.push(state.clone());
        }
        (bytes, first, after)
    }

    fn read_bytes(bytes: &[u8], last: bool) -> Result<Writes, Trouble> {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), bytes).unwrap();
        read(file.path(), last)
    }

    #[test]
    fn a_cut_anywhere_leaves_whole_groups() {
        let (bytes, first, after) = two();
        for cut in 0..=bytes.len() {
            let groups = usize::from(cut >= first) + usize::from(cut == bytes.len());
            assert_eq!(read_bytes(&bytes[..cut], true).ok(), Some(after[groups].clone()), "{cut}");
            let whole = cut == 0 || cut == first || cut == bytes.len();
            assert_eq!(read_bytes(&bytes[..cut], false).is_ok(), whole, "{cut}");
        }
        // A file that was extended but never written to.
        let longer = [bytes.as_slice(), &[0; 100]].concat();
        assert_eq!(read_bytes(&longer, true).ok(), Some(after[2].clone()));
    }

    #[test]
    fn damage_before_a_whole_frame_is_no_cut_end() {
        let (bytes, first, after) = two();
        for at in 0..bytes.len() {
            let mut bytes = bytes.clone();
            bytes[at] ^= 1;
            let read = read_bytes(&bytes, true).ok();
            assert_eq!(read, (at >= first).then(|| after[1].clone()), "{at}");
        }
    }
}
