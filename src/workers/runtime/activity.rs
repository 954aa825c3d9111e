//! Whether a customer or an agent is active.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use crate::decide::pace::PollPace;
use crate::workers::Shared;

/// When the last activity was, and whether polls have slowed down since.
#[derive(Debug, Default)]
pub struct Activity {
    /// Milliseconds; 0: none since the start.
    last_ms: AtomicI64,
    is_slow: AtomicBool,
}

impl Activity {
    /// Notes activity. True when the poller has to be woken, since it waits longer than it would now.
    fn happens(&self, now_ms: i64) -> bool {
        self.last_ms.store(now_ms, Ordering::SeqCst);
        self.is_slow.swap(false, Ordering::SeqCst)
    }

    /// The time between two polls (milliseconds); a start counts as activity.
    pub(crate) fn interval_ms(&self, pace: PollPace, now_ms: i64) -> i64 {
        let _ = self.last_ms.compare_exchange(0, now_ms, Ordering::SeqCst, Ordering::SeqCst);
        // Set before `last_ms` is read: activity in between wakes the poller.
        self.is_slow.store(true, Ordering::SeqCst);
        let interval_ms = pace.interval_ms(now_ms - self.last_ms.load(Ordering::SeqCst));
        if interval_ms <= pace.active_ms {
            self.is_slow.store(false, Ordering::SeqCst);
        }
        interval_ms
    }
}

impl Shared {
    /// Notes activity, and wakes the poller if it polls slowly.
    pub fn somebody_is_active(&self) {
        if self.activity.happens(self.clock.now_ms()) {
            self.poll.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACE: PollPace = PollPace { active_ms: 10_000, quiet_ms: 30_000 };
    const HOUR_MS: i64 = 3_600_000;

    #[test]
    fn a_poller_that_waits_long_is_woken_once() {
        let activity = Activity::default();
        let start_ms = 1000 * HOUR_MS;
        assert_eq!(activity.interval_ms(PACE, start_ms), 10_000, "right after the start");
        assert!(!activity.happens(start_ms + 1000), "it polls often anyway");
        assert_eq!(activity.interval_ms(PACE, start_ms + HOUR_MS), 30_000);
        assert!(activity.happens(start_ms + HOUR_MS + 1000));
        assert!(!activity.happens(start_ms + HOUR_MS + 1001));
        assert_eq!(activity.interval_ms(PACE, start_ms + HOUR_MS + 2000), 10_000);
    }
}
