//! Work that takes long, aside from the runtime's workers.
//!
//! Two workers carry everything: the doors, `/health/live`, the loops. Whoever computes or waits on one of them for
//! long stops what else it would carry. tokio gives a worker's other tasks to a fresh thread while
//! [`tokio::task::block_in_place`] is in it; that works on the multi-threaded runtime of the daemon, and is not allowed
//! on the single-threaded one of most tests, which has nobody to stop.

use tokio::runtime::{Handle, RuntimeFlavor};

/// Bytes from which on a body is large: reading and planning it takes more than a moment.
pub const LARGE: usize = 64 << 10;

/// Does it where it may take its time.
pub fn aside<T>(work: impl FnOnce() -> T) -> T {
    match Handle::try_current() {
        Ok(runtime) if runtime.runtime_flavor() == RuntimeFlavor::MultiThread => {
            tokio::task::block_in_place(work)
        }
        _ => work(),
    }
}

/// The same for work on more than [`LARGE`] bytes; on fewer it is done at once.
pub fn if_large<T>(bytes: usize, work: impl FnOnce() -> T) -> T {
    if bytes > LARGE { aside(work) } else { work() }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    /// One worker, which waits for what only another task of the same runtime can do.
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
