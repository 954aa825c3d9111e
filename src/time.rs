//! Times of the remotes' clocks, with one type per clock.
//!
//! There are three clocks: Goodays', Salesforce's, and this machine's. They may differ by minutes. So times are
//! compared only with times of the same clock (design, rule 20), and the types enforce that. Our own times are plain
//! milliseconds of [`crate::clock::Clock`], in names that end with `_ms`.

use std::fmt;
use std::sync::Mutex;
use std::time::Instant;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::sync::lock;

macro_rules! remote_time {
    ($name:ident, $clock:literal) => {
        #[doc = concat!("A time as ", $clock, "'s clock tells it: milliseconds since the epoch, UTC.")]
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name(i64);

        impl $name {
            pub const fn from_millis(millis: i64) -> Self {
                Self(millis)
            }

            /// For keys, queries and display. Never compare it with another clock's time.
            pub const fn to_millis(self) -> i64 {
                self.0
            }

            /// For queries and display. Saturates at the limits of the calendar.
            pub fn timestamp(self) -> Timestamp {
                let edge = if self.0 < 0 { Timestamp::MIN } else { Timestamp::MAX };
                Timestamp::from_millisecond(self.0).unwrap_or(edge)
            }

            /// The time that is this much later on the same clock; earlier if negative.
            #[must_use]
            pub const fn plus_millis(self, millis: i64) -> Self {
                Self(self.0.saturating_add(millis))
            }

            /// The difference to an earlier time of the same clock, in milliseconds.
            pub const fn millis_since(self, earlier: Self) -> i64 {
                self.0.saturating_sub(earlier.0)
            }
        }

        impl From<Timestamp> for $name {
            fn from(time: Timestamp) -> Self {
                Self(time.as_millisecond())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.timestamp().fmt(f)
            }
        }
    };
}

remote_time!(GoodaysTime, "Goodays");
remote_time!(SalesforceTime, "Salesforce");

impl SalesforceTime {
    /// Parses a date and time of the REST API (Salesforce reference, 5). Audit fields have whole seconds.
    pub fn parse(text: &str) -> Option<Self> {
        text.parse::<Timestamp>().ok().map(Self::from)
    }
}

/// A remote's clock, from the `Date` header of its responses: exact to a second.
#[derive(Debug, Default)]
pub struct RemoteClock {
    latest: Mutex<Option<(Timestamp, Instant)>>,
}

impl RemoteClock {
    /// Records the `Date` of a response that has just arrived.
    pub fn set(&self, date: Timestamp) {
        *lock(&self.latest) = Some((date, Instant::now()));
    }

    /// The `Date` of the latest response.
    pub fn latest(&self) -> Option<Timestamp> {
        (*lock(&self.latest)).map(|(date, _)| date)
    }

    /// The remote's current time; none before the first response.
    pub fn now(&self) -> Option<Timestamp> {
        let (date, at) = (*lock(&self.latest))?;
        date.checked_add(at.elapsed()).ok()
    }
}

/// Error of a time converted from one clock to another, in milliseconds: both `Date` headers have whole seconds, and
/// each response took some time to arrive.
pub const CARRIED_MS: i64 = 5_000;

/// How far our own clock may be ahead of both remotes' and still tell ages (milliseconds).
const AHEAD_MS: i64 = 24 * 3_600_000;

/// The time by which the age of our own records counts (milliseconds): what is removed for its age does not come back, so a
/// wrong clock of this machine must not age it. None before a remote has said its time. The one exception from the rule
/// that clocks are not compared.
pub fn age_clock_ms(
    ours_ms: i64,
    goodays: Option<GoodaysTime>,
    salesforce: Option<SalesforceTime>,
) -> Option<i64> {
    let theirs = [goodays.map(GoodaysTime::to_millis), salesforce.map(SalesforceTime::to_millis)];
    let theirs_ms = theirs.into_iter().flatten().max()?;
    Some(ours_ms.min(theirs_ms.saturating_add(AHEAD_MS)))
}

/// Goodays' current time, for questions by its dates; none if Goodays has not told it, or if what it tells is far ahead of
/// both other clocks: a list of what is newer than that time would be empty.
pub fn credible(
    goodays: Option<GoodaysTime>,
    salesforce: Option<SalesforceTime>,
    ours_ms: i64,
) -> Option<GoodaysTime> {
    let others_ms = ours_ms.max(salesforce.map_or(i64::MIN, SalesforceTime::to_millis));
    goodays.filter(|at| at.to_millis() <= others_ms.saturating_add(AHEAD_MS))
}

/// Converts a time of Salesforce's clock to Goodays' clock. Both current times must be of the same moment.
pub fn salesforce_to_goodays(
    moment: SalesforceTime,
    salesforce_now: SalesforceTime,
    goodays_now: GoodaysTime,
) -> GoodaysTime {
    goodays_now.plus_millis(-salesforce_now.millis_since(moment))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_far_ahead_of_both_other_clocks_is_not_believed() {
        let (goodays, salesforce) = (GoodaysTime::from_millis(AHEAD_MS + 5), SalesforceTime::from_millis(5));
        assert_eq!(credible(Some(goodays), Some(salesforce), 0), Some(goodays));
        assert_eq!(credible(Some(goodays), None, 5), Some(goodays), "a day is no matter");
        assert_eq!(credible(Some(goodays), Some(SalesforceTime::from_millis(4)), 4), None);
        assert_eq!(credible(Some(goodays), None, 4), None);
        assert_eq!(credible(None, Some(salesforce), 5), None);
    }

    #[test]
    fn a_clock_far_ahead_of_both_remotes_ages_nothing() {
        let (goodays, salesforce) = (GoodaysTime::from_millis(1_000), SalesforceTime::from_millis(2_000));
        assert_eq!(age_clock_ms(5_000, None, None), None, "nobody has said the time yet");
        assert_eq!(age_clock_ms(5_000, Some(goodays), None), Some(5_000), "a little ahead is no matter");
        assert_eq!(age_clock_ms(-5_000, Some(goodays), None), Some(-5_000), "behind ages later");
        let far = 100 * AHEAD_MS;
        assert_eq!(age_clock_ms(far, Some(goodays), None), Some(1_000 + AHEAD_MS));
        assert_eq!(age_clock_ms(far, Some(goodays), Some(salesforce)), Some(2_000 + AHEAD_MS));
    }

    #[test]
    fn a_remotes_time_is_kept_as_milliseconds() {
        let time = SalesforceTime::parse("2026-07-07T00:37:00.000+0000").unwrap();
        assert_eq!(serde_json::to_string(&time).unwrap(), "1783384620000");
        assert_eq!(time.plus_millis(1500).millis_since(time), 1500);
        assert_eq!(time.to_string(), "2026-07-07T00:37:00Z");
        assert_eq!(SalesforceTime::parse("soon"), None);
        assert_eq!(GoodaysTime::from_millis(i64::MAX).timestamp(), Timestamp::MAX);
    }

    #[test]
    fn a_moment_is_carried_from_one_clock_to_the_other() {
        let (now, then) = (SalesforceTime::from_millis(900_000), SalesforceTime::from_millis(600_000));
        let goodays = salesforce_to_goodays(then, now, GoodaysTime::from_millis(1_000_000));
        assert_eq!(goodays, GoodaysTime::from_millis(700_000));
    }

    #[test]
    fn a_remotes_clock_goes_on_after_its_answer() {
        let clock = RemoteClock::default();
        assert_eq!(clock.now(), None);
        let date: Timestamp = "2026-01-01T00:10:00Z".parse().unwrap();
        clock.set(date);
        assert!(clock.now().unwrap() >= date);
    }
}
