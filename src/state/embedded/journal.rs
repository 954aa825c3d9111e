//! The journals: append-only files with all writes, in their order.
//!
//! ```text
//! <dir>/sled.journal-N   record, record, ...
//! record                 length, CRC-32, then the writes of a group:
//! write                  length of the key, length of the value, key, value
//! ```
//!
//! A record is what one sync makes durable: the writes of all transactions that waited for it. A crash can only cut the
//! last record of the last journal, and that one was never reported as durable. So a group is there as a whole or not
//! at all. When a journal is full it is written into sled, and kept: values with people's words lie in it only
//! ([`segments`](super::segments)), and sled can be made anew from the journals ([`rebuild`](super::rebuild)).
//! [`retire`](super::retire) removes it when it is old.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use tracing::error;

use crate::state::embedded::memtable::{Writes, Written};
use crate::state::embedded::open::{JOURNAL, Places, sync_dir};
use crate::state::embedded::patient;
use crate::state::errors::is_bad_place;

/// Bytes of a record's length and checksum.
const HEADER: usize = 8;
/// Bytes of a write's two lengths.
const LENGTHS: usize = 8;
const DELETED: u32 = u32::MAX;
/// Set in the key's length of a write whose value was overwritten with zeros.
const WIPED: u32 = 1 << 31;

/// Encoded writes that are not in a journal yet.
pub(super) struct Record(Vec<u8>);

impl Default for Record {
    fn default() -> Self {
        Self(vec![0; HEADER])
    }
}

impl Record {
    /// Returns the offset of the value.
    pub fn add(&mut self, key: &[u8], value: Option<&[u8]>) -> usize {
        self.0.extend_from_slice(&length(key).to_be_bytes());
        self.0.extend_from_slice(&value.map_or(DELETED, length).to_be_bytes());
        self.0.extend_from_slice(key);
        let at = self.0.len();
        self.0.extend_from_slice(value.unwrap_or_default());
        at
    }

    pub fn is_empty(&self) -> bool {
        self.0.len() == HEADER
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The bytes for the file, with length and checksum filled in.
    fn sealed(&mut self) -> &[u8] {
        let (header, writes) = self.0.split_at_mut(HEADER);
        header.copy_from_slice(&seal(writes));
        &self.0
    }
}

fn seal(writes: &[u8]) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    header[..4].copy_from_slice(&length(writes).to_be_bytes());
    header[4..].copy_from_slice(&crc32fast::hash(writes).to_be_bytes());
    header
}

fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).expect("the store keeps its buffers far below 2 GiB")
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

    pub fn append(&mut self, record: &mut Record) -> io::Result<()> {
        self.file.write_all(record.sealed())
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
    let mut numbers = patient::open(|| places.numbered(JOURNAL))?;
    numbers.sort_unstable();
    Ok(numbers)
}

/// Size of all journals, in bytes.
pub(super) fn size(places: &Places) -> io::Result<u64> {
    places.numbered(JOURNAL)?.into_iter().map(|number| Ok(fs::metadata(places.journal(number))?.len())).sum()
}

/// What a journal holds.
#[derive(Debug, Default)]
pub(super) struct Content {
    /// The last write to each key.
    pub writes: Writes,
    /// Offset and length of the parts that cannot be read.
    pub unreadable: Vec<(usize, usize)>,
    /// The length without the record that a crash cut at the end.
    pub whole: usize,
}

/// Bytes that the disk gives or refuses together.
const PAGE: usize = 4096;

/// The bytes of a journal.
pub(super) struct Bytes {
    pub bytes: Vec<u8>,
    /// Whether the disk refused a part (a bad sector). There are zeros in its place.
    pub refused: bool,
}

/// Reads the bytes of a journal. A bad sector costs only what lies there.
pub(super) fn bytes(places: &Places, number: u64) -> io::Result<Bytes> {
    let file = patient::open(|| File::open(places.journal(number)))?;
    let len = usize::try_from(file.metadata()?.len()).map_err(io::Error::other)?;
    let bytes = read_pages(len, |part, at| file.read_exact_at(part, at))?;
    if bytes.refused {
        error!(journal = number, "the disk cannot read a part of a journal");
    }
    Ok(bytes)
}

fn read_pages(len: usize, read: impl Fn(&mut [u8], u64) -> io::Result<()>) -> io::Result<Bytes> {
    let mut bytes = vec![0; len];
    match read(&mut bytes, 0) {
        Err(error) if is_bad_place(&error) => {}
        all => return all.map(|()| Bytes { bytes, refused: false }),
    }
    for (page, at) in bytes.chunks_mut(PAGE).zip((0..).step_by(PAGE)) {
        match read(page, at) {
            Err(error) if is_bad_place(&error) => page.fill(0),
            page => page?,
        }
    }
    Ok(Bytes { bytes, refused: true })
}

/// Reads a journal. Only the `last` one may end in the middle of a record, and only if the disk shows all of it.
pub(super) fn read(places: &Places, number: u64, last: bool) -> io::Result<Content> {
    let Bytes { bytes, refused } = bytes(places, number)?;
    Ok(content(&bytes, last && !refused))
}

fn content(bytes: &[u8], last: bool) -> Content {
    let mut content = Content::default();
    for part in Parts::of(bytes) {
        match part {
            Part::Record { at, len, writes } => {
                content.whole = at + len;
                for JournalWrite { key, value, at, wiped } in writes {
                    let value = value.filter(|_| !wiped).map(<[u8]>::to_vec);
                    content.writes.insert(key.to_vec(), Written { value, at });
                }
            }
            // A cut end: nothing that can be read follows.
            Part::Unreadable { at, len } if last && at + len == bytes.len() => {}
            Part::Unreadable { at, len } => {
                content.whole = at + len;
                content.unreadable.push((at, len));
            }
        }
    }
    content
}

/// Cuts what a crash left of the last record, so that it does not count as damage when other journals follow.
pub(super) fn cut(path: &Path, whole: usize) -> io::Result<()> {
    let file = OpenOptions::new().write(true).open(path)?;
    if file.metadata()?.len() > whole as u64 {
        file.set_len(whole as u64)?;
        file.sync_all()?;
    }
    Ok(())
}

/// A part of a journal.
pub(super) enum Part<'b> {
    /// The writes of a whole record, and their place.
    Record {
        at: usize,
        len: usize,
        writes: Vec<JournalWrite<'b>>,
    },
    Unreadable {
        at: usize,
        len: usize,
    },
}

/// The parts of a journal in order. After unreadable bytes it goes on with the next whole record.
pub(super) struct Parts<'b> {
    bytes: &'b [u8],
    at: usize,
}

impl<'b> Parts<'b> {
    pub fn of(bytes: &'b [u8]) -> Self {
        Self { bytes, at: 0 }
    }
}

impl<'b> Iterator for Parts<'b> {
    type Item = Part<'b>;

    fn next(&mut self) -> Option<Part<'b>> {
        let from = self.at;
        if from == self.bytes.len() {
            return None;
        }
        let found = (from..self.bytes.len()).find_map(|at| Some((at, record_at(self.bytes, at)?)));
        match found {
            Some((at, (len, writes))) if at == from => {
                self.at = at + HEADER + len;
                Some(Part::Record { at: at + HEADER, len, writes })
            }
            Some((at, _)) => {
                self.at = at;
                Some(Part::Unreadable { at: from, len: at - from })
            }
            None => {
                self.at = self.bytes.len();
                Some(Part::Unreadable { at: from, len: self.bytes.len() - from })
            }
        }
    }
}

/// Length and writes of the record that begins here, if it is whole.
fn record_at(bytes: &[u8], at: usize) -> Option<(usize, Vec<JournalWrite<'_>>)> {
    let mut rest = bytes.get(at..)?;
    let (length, checksum) = (number(&mut rest)?, number(&mut rest)?);
    let writes = rest.get(..usize::try_from(length).ok()?)?;
    // An empty record is never written, but a cut file may end in zeros.
    let whole = !writes.is_empty() && crc32fast::hash(writes) == checksum;
    let parsed = whole.then(|| writes_in(writes, at + HEADER))??;
    Some((writes.len(), parsed))
}

/// One write in a journal.
pub(super) struct JournalWrite<'b> {
    pub key: &'b [u8],
    /// None for a deletion.
    pub value: Option<&'b [u8]>,
    /// Offset of the value in the file.
    pub at: usize,
    /// Whether the value was overwritten.
    pub wiped: bool,
}

/// The writes of a record that begin at this offset of the file; none if they cannot be read.
fn writes_in(mut rest: &[u8], mut at: usize) -> Option<Vec<JournalWrite<'_>>> {
    let mut writes = Vec::new();
    while !rest.is_empty() {
        let (key_length, value_length) = (number(&mut rest)?, number(&mut rest)?);
        let (key, behind) = rest.split_at_checked(usize::try_from(key_length & !WIPED).ok()?)?;
        let (value, behind) = match value_length {
            DELETED => (None, behind),
            length => {
                let (value, behind) = behind.split_at_checked(usize::try_from(length).ok()?)?;
                (Some(value), behind)
            }
        };
        at += LENGTHS + key.len();
        writes.push(JournalWrite { key, value, at, wiped: key_length & WIPED != 0 });
        at += value.map_or(0, <[u8]>::len);
        rest = behind;
    }
    Some(writes)
}

fn number(bytes: &mut &[u8]) -> Option<u32> {
    let (number, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(u32::from_be_bytes(*number))
}

/// The journal with zeros for the values of these writes, which are named by their offsets. All other values keep their
/// place.
pub(super) fn wiped(bytes: &[u8], unwanted: impl Fn(&JournalWrite<'_>) -> bool) -> Option<Vec<u8>> {
    let mut after = bytes.to_vec();
    let mut changed = false;
    for part in Parts::of(bytes) {
        let Part::Record { at, len, writes } = part else { continue };
        for write in writes {
            let Some(value) = write.value.filter(|_| !write.wiped && unwanted(&write)) else { continue };
            after[write.at..write.at + value.len()].fill(0);
            let key_length = write.at - write.key.len() - LENGTHS;
            let marked = length(write.key) | WIPED;
            after[key_length..key_length + 4].copy_from_slice(&marked.to_be_bytes());
            changed = true;
        }
        let header = seal(&after[at..at + len]);
        after[at - HEADER..at].copy_from_slice(&header);
    }
    changed.then_some(after)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use rustix::io::Errno;

    use super::*;

    type Values = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

    /// The bytes of two records, the end of the first, and the writes after none, one and both of them.
    fn two() -> (Vec<u8>, usize, Vec<Values>) {
        let groups: [&[(&str, Option<&str>)]; 2] =
            [&[("a", Some("1")), ("b", None)], &[("a", None), ("c", Some(""))]];
        let (mut bytes, mut first, mut after, mut state) =
            (Vec::new(), 0, vec![Values::new()], Values::new());
        for group in groups {
            let mut record = Record::default();
            for (key, value) in group {
                record.add(key.as_bytes(), value.map(str::as_bytes));
                state.insert(key.as_bytes().to_vec(), value.map(|value| value.as_bytes().to_vec()));
            }
            bytes.extend_from_slice(record.sealed());
            first = if first == 0 { bytes.len() } else { first };
            after.push(state.clone());
        }
        (bytes, first, after)
    }

    /// The writes, or none if a part is unreadable.
    fn read_bytes(bytes: &[u8], last: bool) -> Option<Values> {
        let content = content(bytes, last);
        let values = content.writes.into_iter().map(|(key, written)| (key, written.value));
        content.unreadable.is_empty().then(|| values.collect())
    }

    #[test]
    fn a_cut_anywhere_leaves_whole_groups() {
        let (bytes, first, after) = two();
        for cut in 0..=bytes.len() {
            let groups = usize::from(cut >= first) + usize::from(cut == bytes.len());
            assert_eq!(read_bytes(&bytes[..cut], true), Some(after[groups].clone()), "{cut}");
            let whole = cut == 0 || cut == first || cut == bytes.len();
            assert_eq!(read_bytes(&bytes[..cut], false).is_some(), whole, "{cut}");
        }
        // A file that was extended but never written to.
        let longer = [bytes.as_slice(), &[0; 100]].concat();
        assert_eq!(read_bytes(&longer, true), Some(after[2].clone()));
    }

    #[test]
    fn damage_before_a_whole_record_is_no_cut_end() {
        let (bytes, first, after) = two();
        for at in 0..bytes.len() {
            let mut bytes = bytes.clone();
            bytes[at] ^= 1;
            let read = read_bytes(&bytes, true);
            assert_eq!(read, (at >= first).then(|| after[1].clone()), "{at}");
        }
    }

    /// Damage costs the record that it is in, is named, and keeps the rest.
    #[test]
    fn what_cannot_be_read_costs_its_record_only() {
        let (bytes, first, _) = two();
        let all = content(&bytes, false);
        assert_eq!((all.whole, all.unreadable.len()), (bytes.len(), 0));
        for at in 0..bytes.len() {
            let mut bytes = bytes.clone();
            bytes[at] ^= 1;
            let content = content(&bytes, false);
            let (start, len) = if at < first { (0, first) } else { (first, bytes.len() - first) };
            assert_eq!(content.unreadable, [(start, len)], "{at}");
            assert_eq!(content.writes.contains_key(b"b".as_slice()), at >= first, "{at}");
            assert_eq!(content.writes.contains_key(b"c".as_slice()), at < first, "{at}");
        }
    }

    /// The disk refuses a page: the records on it are lost, and those on other pages are not. What is refused is never
    /// taken for the end that a crash cut.
    #[test]
    fn a_bad_sector_costs_the_records_on_it() {
        let mut bytes = Vec::new();
        for n in 0..20u8 {
            let mut record = Record::default();
            record.add(&[n], Some(&[n; 1000]));
            bytes.extend_from_slice(record.sealed());
        }
        for (bad, errno) in [(0, Errno::IO), (2, Errno::IO), (4, Errno::IO), (1, Errno::NXIO)] {
            let read = |part: &mut [u8], at: u64| {
                let at = usize::try_from(at).unwrap();
                part.copy_from_slice(&bytes[at..at + part.len()]);
                let hit = at < (bad + 1) * PAGE && bad * PAGE < at + part.len();
                if hit { Err(io::Error::from_raw_os_error(errno.raw_os_error())) } else { Ok(()) }
            };
            let read = read_pages(bytes.len(), read);
            let Ok(read) = read else {
                assert_eq!(errno, Errno::NXIO, "that is no bad place");
                continue;
            };
            assert!(read.refused);
            let content = content(&read.bytes, !read.refused);
            assert_eq!((content.unreadable.len(), content.whole), (1, bytes.len()), "{bad}");
            let lost: Vec<u8> = (0..20).filter(|n| !content.writes.contains_key([*n].as_slice())).collect();
            let record = bytes.len() / 20;
            let on_page = |n: usize| n * record < (bad + 1) * PAGE && bad * PAGE < (n + 1) * record;
            assert_eq!(lost, (0..20).filter(|n| on_page(usize::from(*n))).collect::<Vec<u8>>(), "{bad}");
        }
        let whole = read_pages(bytes.len(), |part, _| {
            part.copy_from_slice(&bytes);
            Ok(())
        });
        let whole = whole.unwrap();
        assert!(!whole.refused && whole.bytes == bytes);
    }

    #[test]
    fn a_wiped_value_is_gone_and_the_others_keep_their_place() {
        let mut record = Record::default();
        for (key, value) in [(b"P1", "she said"), (b"P2", "others words"), (b"P1", "she added")] {
            record.add(key, Some(value.as_bytes()));
        }
        let bytes = record.sealed().to_vec();
        let before = content(&bytes, false);
        let others = &before.writes[b"P2".as_slice()];
        assert_eq!(&bytes[others.at..others.at + 12], b"others words");

        let after = wiped(&bytes, |write| write.key == b"P1").unwrap();
        for words in ["she said", "she added"] {
            assert!(!after.windows(words.len()).any(|part| part == words.as_bytes()));
        }
        let read = content(&after, false);
        assert!(read.unreadable.is_empty());
        assert_eq!(&read.writes[b"P2".as_slice()], others);
        assert_eq!(read.writes[b"P1".as_slice()].value, None);
        assert!(wiped(&after, |write| write.key == b"P1").is_none(), "nothing is left to wipe");
    }
}
