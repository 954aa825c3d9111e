//! Many parked items at once: tried again, or given up. Unclear actions are left alone: they may have reached a
//! customer, so a human has to look at each.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde::Serialize;
use tracing::info;

use crate::operator::{IfUnclear, Outcome, ParkedItem};
use crate::workers::{Fatal, Shared};

/// State of an action that may or may not have reached the customer.
const UNCLEAR: &str = "unclear";

/// What became of items that were tried again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Retried {
    pub retrying: usize,
    pub delivered: usize,
    /// Unclear: each needs its own confirmation.
    pub confirm: usize,
    /// They did not wait any more.
    pub refused: usize,
    /// Actions that may have been sent, without a record of it: they can only be dropped.
    pub damaged: usize,
    /// Goodays could not be read back.
    pub not_now: usize,
}

/// What became of items that were given up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Dropped {
    pub dropped: usize,
    pub unclear: usize,
    /// They did not wait any more.
    pub refused: usize,
}

/// What a drop of several items does with those whose outcome is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unclear {
    LeaveAlone,
    /// A human named the item itself.
    Drop,
}

impl Shared {
    /// Tries items again. `done` counts them.
    pub async fn retry_each(&self, items: &[ParkedItem], done: &AtomicUsize) -> Result<Retried, Fatal> {
        let mut tally = Retried::default();
        for item in items {
            if item.state == UNCLEAR {
                tally.confirm += 1;
            } else {
                match self.retry(item.id, IfUnclear::Confirm).await? {
                    Outcome::Done => tally.retrying += 1,
                    Outcome::Arrived => tally.delivered += 1,
                    Outcome::Confirm => tally.confirm += 1,
                    Outcome::Unknown | Outcome::WrongState(_) => tally.refused += 1,
                    Outcome::Damaged => tally.damaged += 1,
                    Outcome::NotNow(_) => tally.not_now += 1,
                }
            }
            done.fetch_add(1, Ordering::Relaxed);
            tokio::task::yield_now().await;
        }
        self.store.durable().await?;
        let Retried { retrying, delivered, confirm, refused, damaged, not_now } = tally;
        info!(retrying, delivered, confirm, refused, damaged, not_now, "several retried by hand");
        Ok(tally)
    }

    /// Gives items up. `done` counts them.
    pub async fn drop_each(
        &self,
        items: &[ParkedItem],
        unclear: Unclear,
        done: &AtomicUsize,
    ) -> Result<Dropped, Fatal> {
        let mut tally = Dropped::default();
        for item in items {
            if item.state == UNCLEAR && unclear == Unclear::LeaveAlone {
                tally.unclear += 1;
            } else {
                match self.drop_parked(item.id).await? {
                    Outcome::Done => tally.dropped += 1,
                    _ => tally.refused += 1,
                }
            }
            done.fetch_add(1, Ordering::Relaxed);
            tokio::task::yield_now().await;
        }
        self.store.durable().await?;
        let Dropped { dropped, unclear, refused } = tally;
        info!(dropped, unclear, refused, "several dropped by hand");
        Ok(tally)
    }
}
