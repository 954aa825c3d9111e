//! Declares the store broken when the database hangs.
//!
//! sled 0.34.7 has deadlocks, and perhaps not all are known. Callers would wait for ever, so after a time the store is
//! declared broken, which ends the process. If the process does not end, because all its threads wait for the store,
//! the watchdog aborts it: the store survives that, and a restart continues.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::state::embedded::committer::Health;

/// Minimum time for the process to end by itself.
const GRACE: Duration = Duration::from_secs(10);

/// Operations in progress: how many, and when one last began (if there was none) or ended.
pub(super) struct Busy {
    begun: Instant,
    active: AtomicU64,
    progress: AtomicU64,
}

pub(super) struct Working<'a>(&'a Busy);

impl Busy {
    pub fn new(begun: Instant) -> Arc<Self> {
        Arc::new(Self { begun, active: AtomicU64::new(0), progress: AtomicU64::new(0) })
    }

    pub fn start(&self) -> Working<'_> {
        // In this order: a watchdog that sees the operation also sees that it began just now.
        if self.active.load(Ordering::SeqCst) == 0 {
            self.progress.store(self.now(), Ordering::SeqCst);
        }
        self.active.fetch_add(1, Ordering::SeqCst);
        Working(self)
    }

    fn now(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// How long no operation has ended, while there are some.
    fn stalls(&self) -> Duration {
        if self.active.load(Ordering::SeqCst) == 0 {
            return Duration::ZERO;
        }
        Duration::from_millis(self.now().saturating_sub(self.progress.load(Ordering::SeqCst)))
    }
}

impl Drop for Working<'_> {
    fn drop(&mut self) {
        self.0.progress.store(self.0.now(), Ordering::SeqCst);
        self.0.active.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Watches until the store is closed.
pub(super) fn start(watched: Vec<Arc<Busy>>, limit: Duration, health: &Arc<Health>) -> std::io::Result<()> {
    let health = Arc::downgrade(health);
    let watch = move || {
        let mut declared = None;
        loop {
            std::thread::sleep(limit / 4);
            let Some(health) = health.upgrade() else { return };
            let stalls = watched.iter().map(|busy| busy.stalls()).max().unwrap_or_default();
            if stalls <= limit {
                declared = None;
                continue;
            }
            health.fail(&format_args!("it has not answered for {} s", stalls.as_secs()));
            if declared.get_or_insert_with(Instant::now).elapsed() > limit.max(GRACE) {
                tracing::error!("the store hangs and the process goes on: aborting it");
                std::process::abort();
            }
        }
    };
    std::thread::Builder::new().name("store-watchdog".into()).spawn(watch).map(drop)
}
