//! Free space: sled must never run into a full disk.

use std::path::Path;

use crate::state::embedded::errors::StoreError;

/// Fails if fewer bytes than `floor` are free.
pub(super) fn check(dir: &Path, floor: u64) -> Result<(), StoreError> {
    let free = free_bytes(dir).map_err(|error| StoreError::Unreadable(format!("free space: {error}")))?;
    if free < floor { Err(StoreError::NoSpace { free, floor }) } else { Ok(()) }
}

pub(super) fn free_bytes(dir: &Path) -> Result<u64, rustix::io::Errno> {
    let space = rustix::fs::statvfs(dir)?;
    Ok(space.f_bavail.saturating_mul(space.f_frsize))
}
