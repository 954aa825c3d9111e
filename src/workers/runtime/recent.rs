//! The last durations of something, of which median and 90th percentile are told.

use std::collections::VecDeque;
use std::sync::Mutex;

use serde::Serialize;

use crate::sync::lock;

/// How many durations are kept.
pub const KEPT: usize = 1000;

/// Durations in milliseconds, oldest first.
#[derive(Debug, Default)]
pub struct Recent(Mutex<VecDeque<i64>>);

/// A summary. A percentile is the smallest duration that so many of a hundred do not exceed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Summary {
    /// How many durations it is of: at most [`KEPT`].
    pub of: usize,
    pub median_seconds: f64,
    pub p90_seconds: f64,
}

impl Recent {
    /// Adds a duration. A clock that went back counts as none.
    pub fn add(&self, took_ms: i64) {
        let mut kept = lock(&self.0);
        if kept.len() >= KEPT {
            kept.pop_front();
        }
        kept.push_back(took_ms.max(0));
    }

    /// None while there is no duration.
    pub fn summary(&self) -> Option<Summary> {
        let mut sorted: Vec<i64> = lock(&self.0).iter().copied().collect();
        sorted.sort_unstable();
        let percentile = |percent: usize| {
            let rank = (sorted.len() * percent).div_ceil(100).max(1);
            sorted.get(rank - 1).map(|ms| seconds(*ms))
        };
        Some(Summary { of: sorted.len(), median_seconds: percentile(50)?, p90_seconds: percentile(90)? })
    }
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds of a duration")]
fn seconds(ms: i64) -> f64 {
    ms as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_durations_that_occurred() {
        let recent = Recent::default();
        assert_eq!(recent.summary(), None);
        recent.add(4000);
        let one = Summary { of: 1, median_seconds: 4.0, p90_seconds: 4.0 };
        assert_eq!(recent.summary(), Some(one));
        for ms in [1000, 3000, 2000, 5000, 6000, 7000, 8000, 9000, -5] {
            recent.add(ms);
        }
        let ten = Summary { of: 10, median_seconds: 4.0, p90_seconds: 8.0 };
        assert_eq!(recent.summary(), Some(ten));
    }

    #[test]
    fn only_the_last_are_kept() {
        let recent = Recent::default();
        for took_ms in [60_000; KEPT].into_iter().chain([1000; KEPT]) {
            recent.add(took_ms);
        }
        let now = Summary { of: KEPT, median_seconds: 1.0, p90_seconds: 1.0 };
        assert_eq!(recent.summary(), Some(now));
    }
}
