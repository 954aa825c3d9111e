//! What format 4 kept elsewhere: bodies in files `sled.values-N`, actions and notes in sled itself.
//!
//! [`migrate`](super::migrate) copies them into journals. Until it has ended, they are read where they are.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::state::embedded::errors::StoreError;
use crate::state::embedded::open::numbered;

const FILES: &str = "sled.values-";
/// Bytes of a pointer: file, offset, length, CRC-32.
const POINTER: usize = 16;

/// A value of format 4, from what sled holds for its key.
pub(super) fn value(dir: &Path, key: &[u8], held: Vec<u8>) -> Result<Vec<u8>, StoreError> {
    if key.first() != Some(&b'P') {
        return Ok(held);
    }
    let pointer: &[u8; POINTER] = held
        .as_slice()
        .try_into()
        .map_err(|_| StoreError::Damaged("the place of a value has another form".into()))?;
    let part =
        |at: usize| u32::from_be_bytes([pointer[at], pointer[at + 1], pointer[at + 2], pointer[at + 3]]);
    let name = format!("{FILES}{}", part(0));
    read(&dir.join(&name), part(4), part(8), part(12)).map_err(|error| StoreError::of_file(&name, &error))
}

fn read(path: &Path, at: u32, len: u32, crc: u32) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    if u64::from(at) + u64::from(len) > file.metadata()?.len() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let mut value = vec![0; len as usize];
    file.read_exact_at(&mut value, at.into())?;
    if crc32fast::hash(&value) == crc {
        Ok(value)
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidData, "it does not have its checksum"))
    }
}

/// Whether bodies lie in files: the migration has not ended, or was killed at its end.
pub(super) fn has_files(dir: &Path) -> io::Result<bool> {
    Ok(!numbered::<u64>(dir, FILES)?.is_empty())
}

/// Removes the files, which nothing points into after the migration.
pub(super) fn remove_files(dir: &Path) -> io::Result<()> {
    for number in numbered::<u64>(dir, FILES)? {
        std::fs::remove_file(dir.join(format!("{FILES}{number}")))?;
    }
    Ok(())
}
