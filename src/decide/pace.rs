//! How far back to read, how much to write at once, how fast to spend calls.

use std::collections::BTreeMap;

/// How far an ordinary poll reads back (milliseconds): rows become visible late (Salesforce reference, 7.1).
const SHORT_BACK_MS: i64 = 30_000;
const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 24 * 60 * MINUTE_MS;
const DEEP_BACK_MS: i64 = 2 * DAY_MS;

/// When a poll last read the overlap, and when it last read the daily span (milliseconds). The overlap's time is not
/// stored, so that the first poll after a start reads the overlap.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LooksBack {
    pub overlap_ms: Option<i64>,
    pub deep_ms: Option<i64>,
}

/// How far before the cursor a poll begins to read (milliseconds): 30 s; the overlap once a minute and after each
/// start; 48 h once a day (design, 4).
pub fn poll_back(overlap_ms: i64, looks: &mut LooksBack, now_ms: i64) -> i64 {
    if looks.deep_ms.is_some_and(|at| now_ms - at >= DAY_MS) {
        looks.deep_ms = Some(now_ms);
        looks.overlap_ms = Some(now_ms);
        return DEEP_BACK_MS.max(overlap_ms);
    }
    looks.deep_ms.get_or_insert(now_ms);
    if looks.overlap_ms.is_none_or(|at| now_ms - at >= MINUTE_MS) {
        looks.overlap_ms = Some(now_ms);
        return overlap_ms;
    }
    SHORT_BACK_MS.min(overlap_ms)
}

/// How long activity counts after a webhook, an agent's change or an answer of ours (milliseconds).
const ACTIVE_MS: i64 = 5 * MINUTE_MS;

/// The shortest and the longest time between two polls (milliseconds).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PollPace {
    pub active_ms: i64,
    pub quiet_ms: i64,
}

impl PollPace {
    /// Short after activity, then longer the more time has passed since.
    pub fn interval_ms(self, idle_ms: i64) -> i64 {
        let stretched = self.active_ms.saturating_mul(idle_ms.max(0)) / ACTIVE_MS;
        stretched.min(self.quiet_ms).max(self.active_ms)
    }
}

/// How far back sweeps read before their window, piece by piece (milliseconds).
const OLDER_MS: i64 = 30 * DAY_MS;
/// A piece is this many sweep intervals long, so that each day is read about every 28 hours.
const PIECE: i64 = 24;

/// The next piece of older feedback, from and until (milliseconds): backwards from the window's start, then again.
/// `read_ms` is where the last piece began.
pub fn older_piece(read_ms: Option<i64>, edge_ms: i64, every_ms: i64, now_ms: i64) -> Option<(i64, i64)> {
    let bottom_ms = now_ms - OLDER_MS;
    if edge_ms <= bottom_ms {
        return None;
    }
    let until_ms = read_ms.filter(|at| (bottom_ms + 1..=edge_ms).contains(at)).unwrap_or(edge_ms);
    Some(((until_ms - PIECE * every_ms).max(bottom_ms), until_ms))
}

/// How many conversations are in one call: halved after a slow one, then grows slowly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchSize(pub usize);

/// The most conversations in one call (Salesforce reference, 4: graphs per request).
pub const MAX_GRAPHS: usize = 75;
/// The most nodes in one call.
pub const MAX_NODES: usize = 500;
const SLOW_MS: i64 = 10_000;

impl Default for BatchSize {
    fn default() -> Self {
        Self(MAX_GRAPHS)
    }
}

impl BatchSize {
    #[must_use]
    pub fn after(self, took_ms: i64) -> Self {
        if took_ms > SLOW_MS { Self((self.0 / 2).max(1)) } else { Self((self.0 + 5).min(MAX_GRAPHS)) }
    }

    /// After a call without an answer: smaller calls find the conversation that causes it.
    #[must_use]
    pub fn halved(self) -> Self {
        Self((self.0 / 2).max(1))
    }
}

/// The pause between two calls (milliseconds) when the day's budget runs short. No pause while more than half is left;
/// then the rest is spread over the day, with at most a minute between calls (design, 4).
pub fn spacing_ms(left: u64, allowed: u64) -> i64 {
    if allowed == 0 || left * 2 > allowed {
        return 0;
    }
    let spread = DAY_MS / i64::try_from(left.max(1)).unwrap_or(DAY_MS);
    spread.min(MINUTE_MS)
}

const HOUR_MS: i64 = 60 * MINUTE_MS;
/// A forecast looks this far ahead, in steps of [`STEP_MS`].
const AHEAD_MS: i64 = DAY_MS;
const STEP_MS: i64 = 10 * MINUTE_MS;

/// How many calls count at `at_ms` if calls go on as in this hour and the one before. `hours` has the calls by the hour;
/// a call counts for `kept` hours.
pub fn calls_expected(hours: &BTreeMap<i64, u64>, kept: i64, now_ms: i64, at_ms: i64) -> u64 {
    let hour = now_ms / HOUR_MS;
    let recent = [hour - 1, hour].iter().filter_map(|hour| hours.get(hour)).sum::<u64>();
    let span_ms = now_ms - (hour - 1) * HOUR_MS;
    let left: u64 = hours.iter().filter(|(hour, _)| **hour > at_ms / HOUR_MS - kept).map(|(_, n)| n).sum();
    let ahead_ms = u64::try_from(at_ms - now_ms).unwrap_or_default();
    left + recent * ahead_ms / u64::try_from(span_ms).unwrap_or(1).max(1)
}

/// When the budget will be used up if calls go on as in this hour and the one before (milliseconds); none if not within
/// a day.
pub fn used_up_at_ms(hours: &BTreeMap<i64, u64>, kept: i64, allowed: u64, now_ms: i64) -> Option<i64> {
    let steps = (0..=AHEAD_MS / STEP_MS).map(|step| now_ms + step * STEP_MS);
    steps.into_iter().find(|at_ms| calls_expected(hours, kept, now_ms, *at_ms) >= allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_budget_is_forecast_by_the_last_two_hours() {
        let now_ms = 100 * HOUR_MS + HOUR_MS / 2;
        let hours = BTreeMap::from([(99, 200), (100, 100)]);
        // 300 in an hour and a half are 200 an hour: 1,000 are used after three and a half more hours.
        assert_eq!(used_up_at_ms(&hours, 25, 1_000, now_ms), Some(now_ms + 7 * HOUR_MS / 2));
        assert_eq!(used_up_at_ms(&hours, 25, 300, now_ms), Some(now_ms));
        assert_eq!(used_up_at_ms(&hours, 25, 100_000, now_ms), None);
        assert_eq!(used_up_at_ms(&BTreeMap::new(), 25, 1, now_ms), None);
    }

    #[test]
    fn calls_that_expire_meanwhile_are_not_counted() {
        let now_ms = 100 * HOUR_MS;
        // 900 that expire in an hour, and 20 an hour now.
        let hours = BTreeMap::from([(76, 900), (99, 20)]);
        assert_eq!(calls_expected(&hours, 25, now_ms, now_ms), 920);
        assert_eq!(calls_expected(&hours, 25, now_ms, now_ms + HOUR_MS), 40);
        assert_eq!(used_up_at_ms(&hours, 25, 950, now_ms), None);
    }

    #[test]
    fn a_start_and_each_minute_read_the_overlap_again() {
        let mut looks = LooksBack::default();
        let mut back = |now_ms| poll_back(600_000, &mut looks, now_ms);
        let expected = [600_000, 30_000, 600_000, DEEP_BACK_MS, 30_000];
        assert_eq!([0, 10_000, 60_000, DAY_MS, DAY_MS + 1].map(&mut back), expected);
    }

    #[test]
    fn polls_are_rarer_the_longer_nobody_was_active() {
        let pace = PollPace { active_ms: 10_000, quiet_ms: 30_000 };
        let after = |minutes: i64| pace.interval_ms(minutes * MINUTE_MS);
        assert_eq!([0, 5, 10, 15, 1_000_000].map(after), [10_000, 10_000, 20_000, 30_000, 30_000]);
        // A clock that went back, one that was never set, and equal bounds.
        assert_eq!([-1, i64::MAX / MINUTE_MS].map(after), [10_000, 30_000]);
        let fixed = PollPace { active_ms: 10_000, quiet_ms: 10_000 };
        assert_eq!(fixed.interval_ms(DAY_MS), 10_000);
    }

    #[test]
    fn older_feedback_is_read_in_turns() {
        let (now, edge) = (100 * DAY_MS, 98 * DAY_MS);
        let (mut read, mut turns) = (None, 0);
        loop {
            let (from, until) = older_piece(read, edge, HOUR_MS, now).unwrap();
            assert_eq!((until, until - from), (read.unwrap_or(edge), DAY_MS));
            turns += 1;
            if from == 70 * DAY_MS {
                break;
            }
            read = Some(from);
        }
        assert_eq!(turns, 28);
        // From the window's start again, also after a long pause.
        assert_eq!(older_piece(Some(70 * DAY_MS), edge, HOUR_MS, now), Some((97 * DAY_MS, edge)));
        assert_eq!(older_piece(Some(DAY_MS), edge, HOUR_MS, now), Some((97 * DAY_MS, edge)));
        assert_eq!(older_piece(None, 70 * DAY_MS, HOUR_MS, now), None, "the window reaches as far");
    }

    #[test]
    fn a_slow_call_halves_the_batch() {
        assert_eq!(BatchSize(75).after(10_001), BatchSize(37));
        assert_eq!(BatchSize(37).after(200), BatchSize(42));
        assert_eq!(BatchSize(1).after(60_000), BatchSize(1));
    }

    #[test]
    fn calls_are_spaced_only_when_the_budget_runs_short() {
        assert_eq!(spacing_ms(20_000, 20_000), 0);
        assert_eq!(spacing_ms(10_000, 20_000), 8_640);
        assert_eq!(spacing_ms(10, 20_000), 60_000);
    }
}
