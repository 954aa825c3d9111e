//! Free space: sled must never run into a full disk.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::state::embedded::errors::StoreError;

/// Maximum age of the cached free space.
const AGE: Duration = Duration::from_secs(1);

/// The free bytes of the folder's disk, as they were last asked for.
#[derive(Default)]
pub(super) struct Space {
    known: Mutex<Option<(Instant, u64)>>,
    /// Bytes written since then: many large writes need a new look before the cached value is too old.
    written: AtomicU64,
}

impl Space {
    pub fn written(&self, bytes: u64) {
        self.written.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Fails if fewer bytes than `floor` are free.
    pub fn check(&self, dir: &Path, floor: u64) -> Result<(), StoreError> {
        let free =
            self.free(dir, floor).map_err(|error| StoreError::Unreadable(format!("free space: {error}")))?;
        if free < floor { Err(StoreError::NoSpace { free, floor }) } else { Ok(()) }
    }

    fn free(&self, dir: &Path, floor: u64) -> Result<u64, rustix::io::Errno> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let few_written = self.written.load(Ordering::Relaxed) < floor / 4;
        if let Some((at, free)) = *known
            && at.elapsed() < AGE
            && few_written
        {
            return Ok(free);
        }
        self.written.store(0, Ordering::Relaxed);
        let free = free_bytes(dir)?;
        *known = Some((Instant::now(), free));
        Ok(free)
    }
}

pub(super) fn free_bytes(dir: &Path) -> Result<u64, rustix::io::Errno> {
    let space = rustix::fs::statvfs(dir)?;
    Ok(space.f_bavail.saturating_mul(space.f_frsize))
}
