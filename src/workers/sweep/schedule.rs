//! When the daemon sweeps by itself, and what a failed page leads to.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use jiff::Timestamp;
use tokio::sync::Notify;
use tracing::{info, warn};

use super::{Sweep, is_refused};
use crate::decide::pace::older_piece;
use crate::http::Failure;
use crate::state::StoreError;
use crate::workers::runtime::retry::millis;
use crate::workers::{Fatal, Shared, Step, Stop, Worker};

/// When the last sweep was completed (milliseconds); before the first one, when this state was started on.
const SWEPT: &str = "last sweep";
/// Until where older feedback was read, by its date (milliseconds).
pub(super) const OLDER: &str = "sweep of older feedback";
/// Failed pages in a row before the sweep starts again, slowly, and `status` says so.
const MAX_TRIES: u32 = 20;
/// The same for pages that Goodays refuses: refusals without getting any further in between.
const MAX_REFUSED: u32 = 3;

#[derive(Default)]
pub struct Sweeper {
    next_ms: Option<i64>,
    running: Option<Sweep>,
    tries: u32,
    refusals: u32,
    /// The farthest place since the last completed sweep. A refusal leads back to the first page, so a page that is read
    /// is no progress by itself.
    farthest: Reached,
}

/// How far a sweep is: the spans that ended, then the responses of the next one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Reached {
    pub(super) spans: usize,
    pub(super) responses: usize,
}

impl Worker for Sweeper {
    const NAME: &'static str = "sweep";

    fn wake<'s>(&self, shared: &'s Shared) -> &'s Notify {
        &shared.sweep
    }

    /// Reads one page, so that a stop waits for no more than that.
    async fn step(&mut self, shared: &Arc<Shared>) -> Result<Step, Fatal> {
        let Some(every) = shared.config.sweep.every else { return Ok(Step::Idle { until_ms: None }) };
        let (now_ms, every_ms) = (shared.clock.now_ms(), millis(every));
        let next_ms = match self.next_ms {
            Some(next_ms) => next_ms,
            None => *self.next_ms.insert(shared.first_sweep_ms(now_ms, every_ms).await?),
        };
        if now_ms < next_ms {
            return Ok(Step::Idle { until_ms: Some(next_ms) });
        }
        for breaker in [&shared.goodays_breaker, &shared.salesforce_breaker] {
            if let Some(until_ms) = breaker.paused_until(now_ms) {
                return Ok(Step::Idle { until_ms: Some(until_ms) });
            }
        }
        let mut sweep = match self.running.take() {
            Some(sweep) => sweep,
            None => Sweep::new(shared.scheduled(every_ms).await?, false),
        };
        match shared.sweep_page(&mut sweep).await {
            Ok(true) => self.goes_on(sweep),
            Ok(false) => {
                let report = shared.swept(sweep).await?;
                info!(looked_at = report.looked_at, missing = report.missing_count, "swept");
                shared.sweep_ended(None);
                *self = Self { next_ms: Some(now_ms + every_ms), ..Self::default() };
                shared.store.set_meta(SWEPT, &now_ms).await?;
            }
            Err(Stop::Fatal(fatal)) => return Err(fatal),
            Err(Stop::Remote(failure)) => {
                let wait_ms = self.failed(sweep, &failure, shared);
                self.next_ms = Some(now_ms + every_ms.min(wait_ms));
            }
        }
        Ok(Step::Did)
    }
}

impl Sweeper {
    /// A page was read, and there are more.
    fn goes_on(&mut self, sweep: Sweep) {
        self.tries = 0;
        if sweep.reached > self.farthest {
            (self.farthest, self.refusals) = (sweep.reached, 0);
        }
        self.running = Some(sweep);
    }

    /// A page failed. Returns how long to wait (milliseconds).
    fn failed(&mut self, sweep: Sweep, failure: &Failure, shared: &Shared) -> i64 {
        let (tries, most) = if is_refused(failure) {
            (&mut self.refusals, MAX_REFUSED)
        } else {
            (&mut self.tries, MAX_TRIES)
        };
        *tries += 1;
        let tries = *tries;
        warn!(%failure, tries, "the sweep was interrupted; it is tried again");
        if tries < most {
            self.running = Some(sweep);
            return 1000;
        }
        shared.sweep_ended(Some(failure.to_string()));
        60_000
    }
}

impl Shared {
    /// `trouble`: why the scheduled sweep does not get through.
    fn sweep_ended(&self, trouble: Option<String>) {
        self.sweep_trouble.store(Arc::new(trouble));
        self.has_swept.store(true, Ordering::Relaxed);
    }

    /// When the first sweep after a start is due: starts, and terms, may come more often than sweeps, so the last one before
    /// the start counts. One that is overdue is due at once.
    async fn first_sweep_ms(&self, now_ms: i64, every_ms: i64) -> Result<i64, StoreError> {
        let swept_ms: Option<i64> = self.store.meta(SWEPT).await?;
        // The clock was ahead then: until it is as late again, each start would put the sweep off.
        let swept_ms = swept_ms.filter(|at_ms| *at_ms <= now_ms);
        if swept_ms.is_none() {
            self.store.set_meta(SWEPT, &now_ms).await?;
        }
        Ok(swept_ms.unwrap_or(now_ms) + every_ms)
    }

    /// The window, and then a piece of older feedback.
    async fn scheduled(&self, every_ms: i64) -> Result<Vec<(Timestamp, Option<Timestamp>)>, StoreError> {
        let now_ms = self.goodays_now().as_millisecond();
        let at = |ms: i64| Timestamp::from_millisecond(ms).unwrap_or_default();
        let edge_ms = now_ms - millis(self.config.sweep.window);
        let piece = older_piece(self.store.meta(OLDER).await?, edge_ms, every_ms, now_ms);
        let older = piece.map(|(from_ms, until_ms)| (at(from_ms), Some(at(until_ms))));
        Ok(older.into_iter().chain([(at(edge_ms), None)]).collect())
    }
}
