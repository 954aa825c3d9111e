//! Figures for people: what Goodays measures of the brand's work, read each hour, and how long our own way takes.
//!
//! They decide nothing. A failure here pauses no call: an account that may not read statistics goes on working.

use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;
use serde_json::{Value, json};
use tokio::sync::Notify;
use tracing::{debug, info};

use crate::goodays::relationship::Relationship;
use crate::sync::lock;
use crate::workers::runtime::recent::Recent;
use crate::workers::{Fatal, Shared, Step, Worker};

/// The first reading waits until a start has done its work (milliseconds).
const AFTER_START_MS: i64 = 60_000;
const EVERY_MS: i64 = 3_600_000;

#[derive(Default)]
pub struct Figures {
    /// From a webhook to its Case, of events that were written.
    pub to_case: Recent,
    /// From an agent's act to the proof that Goodays has it.
    pub to_goodays: Recent,
    /// Returns that Goodays counts as waiting.
    pub dashboard: ArcSwap<Option<u64>>,
    /// Goodays' figures, and when they were read (milliseconds).
    relationship: ArcSwap<Option<(Relationship, i64)>>,
    /// Why the last reading of them failed.
    missing: Mutex<Option<String>>,
    wake: Notify,
}

impl Figures {
    /// For `status`: null where nothing is known yet.
    pub fn show(&self) -> Value {
        let read = **self.relationship.load();
        json!({
            "feedback_to_case": self.to_case.summary(),
            "agent_to_goodays": self.to_goodays.summary(),
            "goodays": read.map(|(figures, _)| figures),
            "goodays_read": read.and_then(|(_, at_ms)| jiff::Timestamp::from_millisecond(at_ms).ok()),
            "goodays_missing": *lock(&self.missing),
        })
    }

    /// True if the reason is another one than before, so that it is said once.
    fn is_news(&self, reason: Option<String>) -> bool {
        let mut missing = lock(&self.missing);
        let news = *missing != reason;
        *missing = reason;
        news
    }
}

#[derive(Default)]
pub struct Reader {
    next_ms: Option<i64>,
}

impl Worker for Reader {
    const NAME: &'static str = "figures";

    fn wake<'s>(&self, shared: &'s Shared) -> &'s Notify {
        &shared.figures.wake
    }

    async fn step(&mut self, shared: &Arc<Shared>) -> Result<Step, Fatal> {
        let now_ms = shared.clock.now_ms();
        let next_ms = *self.next_ms.get_or_insert(now_ms + AFTER_START_MS);
        if now_ms < next_ms {
            return Ok(Step::Idle { until_ms: Some(next_ms) });
        }
        if let Some(until_ms) = shared.goodays_breaker.paused_until(now_ms) {
            return Ok(Step::Idle { until_ms: Some(until_ms) });
        }
        shared.read_figures().await;
        self.next_ms = Some(now_ms + EVERY_MS);
        Ok(Step::Idle { until_ms: self.next_ms })
    }
}

impl Shared {
    /// Reads the figures that Goodays has.
    pub async fn read_figures(&self) {
        self.read_dashboard().await;
        match self.goodays.relationship().await {
            Ok(figures) => {
                self.metrics.relationship(&figures);
                self.figures.relationship.store(Arc::new(Some((figures, self.clock.now_ms()))));
                if self.figures.is_news(None) {
                    info!("Goodays gives its figures of reply rate and time");
                }
            }
            Err(failure) => {
                self.metrics.relationship(&Relationship::default());
                self.figures.relationship.store(Arc::default());
                if self.figures.is_news(Some(failure.code())) {
                    info!(%failure, "Goodays does not give its figures of reply rate and time: all else goes on");
                }
            }
        }
    }

    /// Stores what Goodays itself counts as waiting, for comparison with our own count.
    pub(crate) async fn read_dashboard(&self) {
        match self.goodays.dashboard().await {
            Ok(waiting) => {
                let sum = waiting.pending_alert + waiting.pending_reply;
                self.figures.dashboard.store(Arc::new(Some(sum)));
            }
            Err(failure) => debug!(%failure, "no dashboard"),
        }
    }

    /// An event of a webhook was written to its Case.
    pub(crate) fn reached_case(&self, took_ms: i64) {
        self.figures.to_case.add(took_ms);
        self.metrics.took(&self.metrics.to_case, took_ms);
    }

    /// An agent's action is proved to be at Goodays.
    pub(crate) fn reached_goodays(&self, took_ms: i64) {
        self.figures.to_goodays.add(took_ms);
        self.metrics.took(&self.metrics.to_goodays, took_ms);
    }
}
