//! Runs slow work without blocking the runtime's workers.
//!
//! The runtime's workers, one for each core, run everything: the listeners, `/health/live`, the daemon's workers. Work
//! that computes or blocks for long there stops all else. Inside [`tokio::task::block_in_place`], tokio moves the
//! worker's other tasks to a new thread. That works only on the daemon's multi-threaded runtime. It is not allowed on
//! the single-threaded one of most tests, where the work runs in place.

use tokio::runtime::{Handle, RuntimeFlavor};

/// Bodies with more bytes than this are large: reading and planning them takes long.
pub const LARGE: usize = 64 << 10;

/// Runs work that may take long or block.
pub fn aside<T>(work: impl FnOnce() -> T) -> T {
    match Handle::try_current() {
        Ok(runtime) if runtime.runtime_flavor() == RuntimeFlavor::MultiThread => {
            tokio::task::block_in_place(work)
        }
        _ => work(),
    }
}

/// The same if there are more than [`LARGE`] bytes; otherwise runs the work in place.
pub fn if_large<T>(bytes: usize, work: impl FnOnce() -> T) -> T {
    if bytes > LARGE { aside(work) } else { work() }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    /// The only worker blocks until another task of the same runtime has run.
    #[test]
    fn d11_other_tasks_go_on_while_a_worker_waits() {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
        let (done, waits) = mpsc::channel();
        let waiting = runtime.spawn(async move {
            tokio::spawn(async move { done.send(()) });
            aside(|| waits.recv_timeout(Duration::from_secs(30)).is_ok())
        });
        assert!(runtime.block_on(waiting).unwrap());
    }

    #[tokio::test]
    async fn where_nobody_else_works_it_is_done_in_place() {
        assert_eq!(aside(|| 1), 1);
        assert_eq!((if_large(LARGE, || 1), if_large(LARGE + 1, || 2)), (1, 2));
        assert_eq!(std::thread::spawn(|| aside(|| 3)).join().unwrap(), 3);
    }
}
