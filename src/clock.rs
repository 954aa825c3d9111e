//! The only module that reads the system time.

use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::Timestamp;
use rustix::time::{ClockId, clock_gettime};

/// Our own time, real or set by a test.
#[derive(Debug, Clone)]
pub enum Clock {
    System,
    /// Milliseconds since the epoch.
    Manual(Arc<AtomicI64>),
    /// The system's time plus an offset in milliseconds, for remotes whose clocks differ.
    Ahead(i64),
    /// The wall clock is the system's. [`Clock::now_ms`] adds an offset in milliseconds (see [`Clock::not_before`]).
    Lifted(i64),
}

impl Clock {
    /// The wall clock, for times that others read, for example in a login. It jumps when the system time is set.
    pub fn now(&self) -> Timestamp {
        match self {
            #[expect(clippy::disallowed_methods, reason = "the one place")]
            Self::System | Self::Lifted(_) => Timestamp::now(),
            Self::Manual(_) | Self::Ahead(_) => {
                Timestamp::from_millisecond(self.now_ms()).expect("a moved clock stays within the calendar")
            }
        }
    }

    /// Milliseconds since the epoch: the wall clock at the start of the process, plus the time that has passed since
    /// then. It never goes back and never jumps when the wall clock is set, so waits have the right length.
    pub fn now_ms(&self) -> i64 {
        match self {
            Self::System => steady_ms(),
            Self::Manual(millis) => millis.load(Ordering::SeqCst),
            Self::Ahead(ahead_ms) | Self::Lifted(ahead_ms) => steady_ms() + ahead_ms,
        }
    }

    /// The same clock, but not earlier than `then_ms`. So times stored by an earlier process are never in the future,
    /// even if the wall clock was set back between the two.
    #[must_use]
    pub fn not_before(self, then_ms: i64) -> Self {
        let behind_ms = then_ms - self.now_ms();
        match self {
            Self::System if behind_ms > 0 => Self::Lifted(behind_ms),
            _ => self,
        }
    }
}

fn steady_ms() -> i64 {
    /// The wall clock at the start, minus the time since boot.
    static ORIGIN_MS: OnceLock<i64> = OnceLock::new();
    if crate::mutant::is_on("wall-clock") {
        return Clock::System.now().as_millisecond();
    }
    let origin_ms = ORIGIN_MS.get_or_init(|| Clock::System.now().as_millisecond() - since_boot_ms());
    origin_ms + since_boot_ms()
}

/// Includes the time that the machine was suspended.
fn since_boot_ms() -> i64 {
    let time = clock_gettime(ClockId::Boottime);
    time.tv_sec * 1000 + time.tv_nsec / 1_000_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_steady_time_is_the_wall_clocks_at_first() {
        let steady_ms = Clock::System.now_ms();
        let wall_ms = Clock::System.now().as_millisecond();
        assert!((wall_ms - steady_ms).abs() < 60_000, "{wall_ms} {steady_ms}");
        assert!(Clock::System.now_ms() >= steady_ms);
        assert!(Clock::Ahead(600_000).now_ms() >= steady_ms + 600_000);
        // A time in the past changes nothing.
        assert!(matches!(Clock::System.not_before(steady_ms - 1000), Clock::System));
        let lifted = Clock::System.not_before(steady_ms + 7_200_000);
        assert!(lifted.now_ms() >= steady_ms + 7_200_000);
        assert!(lifted.now().as_millisecond() < steady_ms + 60_000);
    }
}
