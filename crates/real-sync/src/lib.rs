//! `sync_file_range` that is a real sync: see the README of this crate.
//!
//! A symbol that the program defines is found before the C library's, also where the C library is linked dynamically.

use std::ffi::{c_int, c_uint};
use std::sync::atomic::{AtomicU64, Ordering};

static SYNCS: AtomicU64 = AtomicU64::new(0);

/// How often this process asked for `sync_file_range`, and got an `fdatasync`.
pub fn syncs() -> u64 {
    SYNCS.load(Ordering::Relaxed)
}

/// As in `sync_file_range(2)`: 0, or -1 and `errno`. Writes more than was asked for: all of the file, and its length.
#[unsafe(no_mangle)]
pub extern "C" fn sync_file_range(fd: c_int, _offset: i64, _nbytes: i64, _flags: c_uint) -> c_int {
    SYNCS.fetch_add(1, Ordering::Relaxed);
    // SAFETY: fdatasync takes any number, says EBADF where it is no open file, and touches no memory of ours.
    unsafe { libc::fdatasync(fd) }
}
