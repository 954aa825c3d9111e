//! Locks.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks, also after a panic of another thread that had locked it. In a loop that the process needs, a panic ends the
/// process (`workers::runtime::worker`). A web request that panics ends alone, and all others still need what it had
/// locked. What is locked so is small, such as a counter, a cache or a queue, and usable after each step of a change.
/// Records are not among it: half of a change to them must not become durable, and the store sees to that itself
/// (`state::embedded`).
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
