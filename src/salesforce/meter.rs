//! The budgets of calls: our own, and the org's as Salesforce reports it (Salesforce reference, 3 and 7.4).

use std::sync::atomic::{AtomicU64, Ordering};

use crate::http::Failure;

/// Counts calls against our own budget, and keeps the org's latest usage.
#[derive(Debug, Default)]
pub struct Meter {
    left: AtomicU64,
    used: AtomicU64,
    org_used: AtomicU64,
    org_max: AtomicU64,
}

impl Meter {
    /// A meter with a budget of 0 calls; see [`grant`](Self::grant).
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes one call from the budget.
    pub fn take(&self) -> Result<(), Failure> {
        let taken = self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        taken.map_err(|_| Failure::Budget)?;
        self.used.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    /// Adds calls to the budget.
    pub fn grant(&self, calls: u64) {
        let add = |left: u64| Some(left.saturating_add(calls));
        let _ = self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, add);
    }

    /// Undoes one [`take`](Self::take), because nothing reached Salesforce.
    pub(super) fn give_back(&self) {
        self.grant(1);
        let less = |used: u64| used.checked_sub(1);
        let _ = self.used.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less);
    }

    /// Replaces the rest of the budget, for a budget that is computed elsewhere.
    pub fn set_left(&self, calls: u64) {
        self.left.store(calls, Ordering::SeqCst);
    }

    pub fn left(&self) -> u64 {
        self.left.load(Ordering::SeqCst)
    }

    /// Calls since this meter was created.
    pub fn used(&self) -> u64 {
        self.used.load(Ordering::SeqCst)
    }

    /// The org's calls of the last 24 hours and its allowance, as Salesforce reported them last.
    pub fn org_usage(&self) -> Option<(u64, u64)> {
        let max = self.org_max.load(Ordering::SeqCst);
        (max > 0).then(|| (self.org_used.load(Ordering::SeqCst), max))
    }

    /// Reads `Sforce-Limit-Info: api-usage=10018/100000; …`.
    pub(super) fn note(&self, info: &str) {
        let usage = info.split(';').find_map(|part| part.trim().strip_prefix("api-usage="));
        let usage = usage.and_then(|u| u.split_once('/'));
        let usage = usage.and_then(|(used, max)| Some((used.trim().parse().ok()?, max.trim().parse().ok()?)));
        if let Some((used, max)) = usage {
            self.org_used.store(used, Ordering::SeqCst);
            self.org_max.store(max, Ordering::SeqCst);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_meter_gives_what_was_granted() {
        let meter = Meter::new();
        assert_eq!(meter.take(), Err(Failure::Budget));
        meter.grant(2);
        assert_eq!((meter.take(), meter.take()), (Ok(()), Ok(())));
        assert_eq!((meter.take(), meter.used(), meter.left()), (Err(Failure::Budget), 2, 0));
        assert_eq!(meter.org_usage(), None);
        meter.note("per-app-api-usage=17/250(appName=x); api-usage=10018/100000");
        assert_eq!(meter.org_usage(), Some((10018, 100_000)));
    }
}
