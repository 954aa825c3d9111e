//! Values that lie in the journals only, because they hold people's words: events with their bodies, actions and notes.
//!
//! sled keeps a pointer to such a value: journal, offset, length, checksum. So the words are on disk once, sled never
//! holds them, and a journal that is removed or overwritten takes them along.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use crate::state::embedded::errors::StoreError;
use crate::state::embedded::format4;
use crate::state::embedded::open::JOURNAL;
use crate::state::embedded::patient;
use crate::sync::lock;

/// How many files may be open for reading at the same time.
const OPEN: usize = 16;
/// Length of a link's key. Other keys with its letter are longer.
const LINK: usize = 17;
/// The first byte of a pointer. No record begins with it.
const TAG: u8 = 0xf5;

/// Whether sled holds only a pointer to this key's value.
pub(super) fn is_pointed_to(key: &[u8]) -> bool {
    matches!(key.first(), Some(b'E' | b'N' | b'O' | b'P'))
}

/// Where a value lies: journal, offset and length in bytes, CRC-32 of the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pointer {
    pub journal: u64,
    pub at: u32,
    pub len: u32,
    pub crc: u32,
}

impl Pointer {
    pub const BYTES: usize = 21;

    /// To a value at this offset.
    pub fn to(journal: u64, at: usize, value: &[u8]) -> Self {
        let short = |length: usize| u32::try_from(length).expect("a journal is far shorter than 4 GiB");
        Self { journal, at: short(at), len: short(value.len()), crc: crc32fast::hash(value) }
    }

    /// The encoding in sled.
    pub fn bytes(self) -> [u8; Self::BYTES] {
        let mut bytes = [TAG; Self::BYTES];
        bytes[1..9].copy_from_slice(&self.journal.to_be_bytes());
        for (part, number) in bytes[9..].chunks_exact_mut(4).zip([self.at, self.len, self.crc]) {
            part.copy_from_slice(&number.to_be_bytes());
        }
        bytes
    }

    pub fn read(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; Self::BYTES] = bytes.try_into().ok()?;
        let (&tag, rest) = bytes.split_first()?;
        let (journal, rest) = rest.split_first_chunk()?;
        let number = |at: usize| Some(u32::from_be_bytes(*rest.get(at..)?.first_chunk()?));
        (tag == TAG).then_some(())?;
        let journal = u64::from_be_bytes(*journal);
        Some(Self { journal, at: number(0)?, len: number(4)?, crc: number(8)? })
    }
}

/// The journals of a store, for readers of the values in them.
pub(super) struct Segments {
    dir: PathBuf,
    open: Mutex<HashMap<u64, Arc<File>>>,
}

impl Segments {
    pub fn in_dir(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), open: Mutex::default() }
    }

    /// The value of a key, from what sled holds for it.
    pub fn value(&self, key: &[u8], held: Vec<u8>) -> Result<Vec<u8>, StoreError> {
        match Pointer::read(&held) {
            Some(pointer) => self
                .read(pointer)
                .map_err(|error| StoreError::of_file(&format!("{JOURNAL}{}", pointer.journal), &error)),
            None => format4::value(&self.dir, key, held),
        }
    }

    fn read(&self, pointer: Pointer) -> io::Result<Vec<u8>> {
        let file = self.file(pointer.journal)?;
        // A damaged length must not cause a large allocation.
        if u64::from(pointer.at) + u64::from(pointer.len) > file.metadata()?.len() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut value = vec![0; pointer.len as usize];
        file.read_exact_at(&mut value, pointer.at.into())?;
        if crc32fast::hash(&value) != pointer.crc {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it does not have its checksum"));
        }
        Ok(value)
    }

    fn file(&self, journal: u64) -> io::Result<Arc<File>> {
        let mut open = lock(&self.open);
        if let Some(file) = open.get(&journal) {
            return Ok(file.clone());
        }
        if open.len() >= OPEN {
            open.clear();
        }
        let path = self.dir.join(format!("{JOURNAL}{journal}"));
        let file = Arc::new(patient::open(|| File::open(&path))?);
        open.insert(journal, file.clone());
        Ok(file)
    }

    /// Closes the file of a journal that was removed or replaced.
    pub fn close(&self, journal: u64) {
        lock(&self.open).remove(&journal);
    }
}

/// Whether a lost record of this key is found again: links and their indexes by reading the Case in Salesforce, hashes
/// of bodies by the messages that a Case has. All other records are kept in a journal as long as they live.
pub(super) fn is_ledger(key: &[u8]) -> bool {
    match key.first() {
        Some(b'C' | b'U' | b'W') => true,
        Some(b'L') => key.len() == LINK || key.get(LINK) == Some(&b'h'),
        _ => false,
    }
}
