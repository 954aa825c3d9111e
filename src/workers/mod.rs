//! Workers: each reads, lets `decide` decide, acts, and records.
//!
//! A worker runs one `step()` after another. A step does one piece of work, or says until when there is none. Workers
//! end between steps; delivery ends when its calls in flight have ended. After a kill, the disk says what was
//! unfinished (`Sending`, attempts).

mod current;
pub(crate) mod delivery;
pub(crate) mod figures;
pub(crate) mod housekeeping;
pub(crate) mod inbound;
pub(crate) mod poll;
mod process;
pub(crate) mod runtime;
mod shared;
mod stale_state;
pub(crate) mod sweep;
pub(crate) mod terms;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{error, info};

pub use current::Current;
use delivery::dispatcher;
pub use housekeeping::files::Files;
pub use housekeeping::reload::{Edits, last_good_mapping, remember_mapping};
pub use process::{EditCheck, LogLevel, Process};
pub use runtime::budget::{Allowance, Forecast, Purpose};
pub(crate) use runtime::calls::Remote;
pub use runtime::circuit_breaker::{CircuitBreaker, Trouble};
pub use runtime::org_identity::{OrgIdentities, OrgIdentity, Schema};
pub use runtime::plan_context::perimeter;
pub(crate) use runtime::worker::supervised;
use runtime::worker::{Worker, run_worker};
pub use shared::{Counts, Shared};
pub use sweep::{HowFar, SweepOptions, SweepProgress, SweepReport};
pub use terms::{Member, Standing, Term, Terms};

use crate::http::Failure;
use crate::state::{LANES, StoreError};

/// The result of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Did,
    /// Nothing to do before then (milliseconds), unless the worker is woken.
    Idle {
        until_ms: Option<i64>,
    },
}

/// Why a worker cannot continue: only the store stops the process.
#[derive(Debug, thiserror::Error)]
pub enum Fatal {
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a piece of work ended early.
#[derive(Debug, thiserror::Error)]
pub enum Stop {
    /// A remote failed; it is called again later.
    #[error(transparent)]
    Remote(Failure),
    #[error(transparent)]
    Fatal(Fatal),
}

impl Stop {
    /// The remote's failure, or the error that ends the process.
    pub(crate) fn remote(self) -> Result<Failure, Fatal> {
        match self {
            Self::Remote(failure) => Ok(failure),
            Self::Fatal(fatal) => Err(fatal),
        }
    }
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Remote(failure)
    }
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Fatal(error.into())
    }
}

impl From<Fatal> for Stop {
    fn from(fatal: Fatal) -> Self {
        Self::Fatal(fatal)
    }
}

/// The running workers.
pub struct Daemon {
    pub shared: Arc<Shared>,
    token: CancellationToken,
    /// Cancels calls in flight when a stop no longer waits for them.
    cut: CancellationToken,
    tracker: TaskTracker,
}

/// How long a stop waits for calls in flight (design, rule 17); afterwards the disk says `Sending`.
const STOP: Duration = Duration::from_secs(8);

impl Daemon {
    /// Starts the workers. A worker that ends by itself cancels the token: the process must not continue without it.
    pub fn start(shared: Arc<Shared>, token: CancellationToken) -> Self {
        let (cut, tracker) = (CancellationToken::new(), TaskTracker::new());
        let daemon = Self { shared, token, cut, tracker };
        let worker_state = inbound::worker_state::SharedWorkerState::default();
        for lane in 0..LANES {
            daemon.spawn(inbound::InboundWorker::new(lane, worker_state.clone()));
        }
        daemon.spawn(poll::Poller::default());
        let epoch = daemon.shared.store.begin_term();
        daemon.spawn(dispatcher::Dispatcher::new(epoch, daemon.shared.clock.now_ms()));
        daemon.spawn(sweep::Sweeper::default());
        daemon.spawn(housekeeping::Keeper::default());
        daemon.spawn(figures::Reader::default());
        daemon.spawn(housekeeping::files::FileWatch::default());
        let watch = daemon.shared.clone();
        let stop = daemon.token.clone();
        daemon.tracker.spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                error = watch.store.broken() => {
                    error!(%error, "the store is broken: nothing more can be acknowledged");
                    watch.failed.store(true, Ordering::SeqCst);
                    stop.cancel();
                }
            }
        });
        daemon.tracker.close();
        daemon
    }

    /// Watches the files of an instance that does not work, and counts what comes in at its door.
    pub(crate) fn stand_by(shared: Arc<Shared>, token: CancellationToken) -> Self {
        let (cut, tracker) = (CancellationToken::new(), TaskTracker::new());
        let daemon = Self { shared, token, cut, tracker };
        daemon.spawn(housekeeping::files::FileWatch::default());
        daemon.spawn(housekeeping::minutes::DoorCount::default());
        daemon.tracker.close();
        daemon
    }

    /// Cancelled, it ends a stop's wait for calls in flight.
    pub(crate) fn cut(&self) -> CancellationToken {
        self.cut.clone()
    }

    /// Ends the workers where they wait, with their calls in flight, and stores nothing more.
    pub(crate) async fn abandon(self) {
        self.token.cancel();
        self.cut.cancel();
        self.tracker.wait().await;
    }

    fn spawn<H: Worker + 'static>(&self, hands: H) {
        let driving = run_worker(hands, self.shared.clone(), self.token.clone());
        self.tracker.spawn(self.cut.clone().run_until_cancelled_owned(driving));
    }

    /// Stops between steps, and waits a while for calls in flight. False when a worker or the store failed.
    pub async fn stop(self) -> bool {
        self.token.cancel();
        if tokio::time::timeout(STOP, self.tracker.wait()).await.is_err() {
            info!("calls were still in flight; the disk says so");
            self.cut.cancel();
            self.tracker.wait().await;
        }
        // Only for the plots: a failure shows in the next line.
        let _ = housekeeping::minutes::save_last(&self.shared).await;
        let closed = self.shared.budget.close(self.shared.clock.now_ms()).await;
        let durable = self.shared.store.durable().await;
        closed.is_ok() && durable.is_ok() && !self.shared.failed.load(Ordering::SeqCst)
    }
}
