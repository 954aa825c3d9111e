//! The daily budget of Salesforce calls: never exceeded by one call, kept over restarts.
//!
//! Calls are granted to the meter in blocks that are on disk before the first of them is spent; what a kill
//! leaves unspent counts as spent.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::Mutex;

use crate::plan::pace::spacing_ms;
use crate::salesforce::client::Meter;
use crate::store::{Store, StoreError};

const HOUR_MS: i64 = 3_600_000;
const NAME: &str = "calls";
/// Polls leave this part of the budget to new feedback: one in so many.
const RESERVE: u64 = 10;

/// Calls of the last 24 hours, by hour.
type Hours = BTreeMap<i64, u64>;

pub struct Budget {
    store: Store,
    pub meter: Arc<Meter>,
    allowed: u64,
    hours: Mutex<Hours>,
}

/// What the budget allows now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Allowance {
    /// Go, and leave that much time (milliseconds) before the next call.
    Go { spacing_ms: i64 },
    /// Nothing is left before then (milliseconds).
    Exhausted { until_ms: i64 },
}

impl Budget {
    pub fn open(store: Store, allowed: u64) -> Result<Self, StoreError> {
        let hours = store.meta::<Hours>(NAME)?.unwrap_or_default();
        Ok(Self { store, meter: Arc::new(Meter::new()), allowed, hours: Mutex::new(hours) })
    }

    /// Makes sure that a few calls are granted. Polls are turned away before feedback is.
    pub async fn ask(&self, now_ms: i64, poll: bool) -> Result<Allowance, StoreError> {
        let mut hours = self.hours.lock().await;
        let oldest = now_ms / HOUR_MS - 24;
        hours.retain(|hour, _| *hour > oldest);
        let reserved: u64 = hours.values().sum();
        let granted = self.meter.left();
        let used = reserved.saturating_sub(granted);
        let left = self.allowed.saturating_sub(used);
        let left = if crate::mutant::is_on("skip-budget") { self.allowed } else { left };
        let until_ms = hours.keys().next().map_or(now_ms + HOUR_MS, |hour| (hour + 25) * HOUR_MS);
        let floor = if poll { self.allowed / RESERVE } else { 0 };
        if left <= floor && !crate::mutant::is_on("skip-budget") {
            return Ok(Allowance::Exhausted { until_ms });
        }
        let wanted = self.block().min(left);
        if granted < wanted.min(4) {
            let more = wanted - granted;
            *hours.entry(now_ms / HOUR_MS).or_default() += more;
            self.store.set_meta(NAME, &*hours)?;
            self.store.durable().await?;
            self.meter.grant(more);
        }
        Ok(Allowance::Go { spacing_ms: spacing_ms(left, self.allowed) })
    }

    /// Calls to take from the disk at once: few when the budget is small.
    fn block(&self) -> u64 {
        (self.allowed / 100).clamp(4, 50)
    }

    /// Calls of the last 24 hours, and how many are allowed.
    pub async fn today(&self, now_ms: i64) -> (u64, u64) {
        let hours = self.hours.lock().await;
        let oldest = now_ms / HOUR_MS - 24;
        let reserved: u64 = hours.iter().filter(|(hour, _)| **hour > oldest).map(|(_, n)| n).sum();
        (reserved.saturating_sub(self.meter.left()), self.allowed)
    }

    /// Whether polls wait, so many calls being spent: the rest is kept for new feedback.
    pub fn polls_wait(&self, used: u64) -> bool {
        self.allowed.saturating_sub(used) <= self.allowed / RESERVE
    }

    /// Gives back what was not spent, at a clean stop.
    pub async fn close(&self, now_ms: i64) -> Result<(), StoreError> {
        let mut hours = self.hours.lock().await;
        let unspent = self.meter.left();
        if let Some(count) = hours.get_mut(&(now_ms / HOUR_MS)) {
            *count = count.saturating_sub(unspent);
        }
        self.store.set_meta(NAME, &*hours)
    }
}
