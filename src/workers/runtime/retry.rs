//! Retry intervals: the one place that uses the backoff crate.

use std::time::Duration;

use backoff::backoff::Backoff;
use backoff::{ExponentialBackoff, ExponentialBackoffBuilder};

/// The first interval and the longest one.
#[derive(Debug, Clone, Copy)]
pub struct Policy {
    pub first: Duration,
    pub longest: Duration,
}

/// A remote that does not answer, or is busy for a moment.
pub const REMOTE: Policy = Policy { first: Duration::from_millis(500), longest: Duration::from_secs(60) };
/// A login that an admin has to repair: seconds do not help, and logins are counted.
pub const LOGIN: Policy = Policy { first: Duration::from_secs(5), longest: Duration::from_secs(300) };
/// The org's daily limit: probing now and then (Salesforce reference, 2.4).
pub const DAILY: Policy = Policy { first: Duration::from_secs(120), longest: Duration::from_secs(1800) };
/// A locked record: for a moment, or for as long as an approval takes.
pub const RECORD: Policy = Policy { first: Duration::from_secs(1), longest: Duration::from_secs(900) };

/// The jittered interval before retry `attempt` (0: the first retry). The remote's own interval `asked` is the
/// minimum, up to 15 minutes.
pub fn interval(policy: Policy, attempt: u32, asked: Option<Duration>) -> Duration {
    let mut backoff: ExponentialBackoff = ExponentialBackoffBuilder::new()
        .with_initial_interval(policy.first)
        .with_max_interval(policy.longest)
        .with_multiplier(2.0)
        .with_randomization_factor(0.3)
        .with_max_elapsed_time(None)
        .build();
    (0..attempt.min(32)).for_each(|_| {
        backoff.next_backoff();
    });
    let own = backoff.next_backoff().unwrap_or(policy.longest);
    let asked = asked.unwrap_or_default().min(Duration::from_secs(900));
    own.max(asked)
}

/// A duration in milliseconds, as the records store it.
pub fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_grow_to_their_bound_and_honour_what_was_asked() {
        for attempt in 0..50 {
            let wait = interval(REMOTE, attempt, None);
            let top = REMOTE.longest.mul_f64(1.31);
            assert!(wait >= Duration::from_millis(350) && wait <= top, "{attempt}: {wait:?}");
        }
        assert!(interval(REMOTE, 20, None) > Duration::from_secs(40));
        assert_eq!(interval(REMOTE, 0, Some(Duration::from_secs(30))), Duration::from_secs(30));
        assert_eq!(interval(REMOTE, 0, Some(Duration::from_secs(9000))), Duration::from_secs(900));
    }
}
