//! What happened in each minute of the last day: for the plots of the console.
//!
//! Whatever happens is counted in [`Tally`] without a lock. Once a minute its counts become a row of [`Minutes`].

use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use serde::{Deserialize, Serialize};

use crate::sync::lock;

/// Rows that are kept: a day.
const KEPT: i64 = 24 * 60;
const HOUR: i64 = 60;
/// Hours of which the number of webhooks is kept: a week and a day.
const RECEIVED: i64 = 8 * 24;

/// How long something took, in one minute.
#[derive(Debug, Default)]
struct Lasting {
    count: AtomicU64,
    sum_ms: AtomicU64,
    most_ms: AtomicU64,
}

impl Lasting {
    fn add(&self, ms: i64) {
        let ms = u64::try_from(ms).unwrap_or_default();
        self.count.fetch_add(1, Relaxed);
        self.sum_ms.fetch_add(ms, Relaxed);
        self.most_ms.fetch_max(ms, Relaxed);
    }

    fn take(&self) -> [u64; 3] {
        [&self.count, &self.sum_ms, &self.most_ms].map(|number| number.swap(0, Relaxed))
    }
}

/// The counts of the minute that runs.
#[derive(Debug, Default)]
pub struct Tally {
    received: AtomicU64,
    written: AtomicU64,
    parked: AtomicU64,
    delivered: AtomicU64,
    not_sent: AtomicU64,
    carried_in: Lasting,
    carried_out: Lasting,
}

impl Tally {
    /// A webhook was answered; its outcome as in the metrics.
    pub fn webhook(&self, outcome: &str) {
        if outcome == "accepted" {
            self.received.fetch_add(1, Relaxed);
        }
    }

    /// An event ended; its outcome as in the metrics.
    pub fn event(&self, outcome: &str) {
        match outcome {
            "created" | "updated" => self.written.fetch_add(1, Relaxed),
            "parked" => self.parked.fetch_add(1, Relaxed),
            _ => 0,
        };
    }

    /// An action ended; its outcome as in the metrics.
    pub fn action(&self, outcome: &str) {
        match outcome {
            "delivered" => self.delivered.fetch_add(1, Relaxed),
            "parked" | "unclear" => self.not_sent.fetch_add(1, Relaxed),
            _ => 0,
        };
    }

    /// From the webhook to the record of its Case (milliseconds).
    pub fn carried_in(&self, ms: i64) {
        self.carried_in.add(ms);
    }

    /// From when an agent's action was seen to the proof that the customer has it (milliseconds).
    pub fn carried_out(&self, ms: i64) {
        self.carried_out.add(ms);
    }

    /// Webhooks so far; they begin at zero again.
    pub fn take_received(&self) -> u64 {
        self.received.swap(0, Relaxed)
    }

    /// The counts so far; they begin at zero again.
    pub fn take(&self) -> Minute {
        let [received, written, parked, delivered, not_sent] =
            [&self.received, &self.written, &self.parked, &self.delivered, &self.not_sent]
                .map(|counter| counter.swap(0, Relaxed));
        let [in_count, in_sum_ms, in_most_ms] = self.carried_in.take();
        let [out_count, out_sum_ms, out_most_ms] = self.carried_out.take();
        Minute([
            received,
            written,
            parked,
            delivered,
            not_sent,
            in_count,
            in_sum_ms,
            in_most_ms,
            out_count,
            out_sum_ms,
            out_most_ms,
        ])
    }
}

/// One minute: received, written, parked, delivered, not sent; then for each direction how many were carried, their
/// time together and the longest (milliseconds).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Minute([u64; 11]);

impl Minute {
    /// In which nothing else happened.
    pub fn of_received(received: u64) -> Self {
        Self([received, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
    }

    pub fn received(&self) -> u64 {
        self.0[0]
    }

    pub fn written(&self) -> u64 {
        self.0[1]
    }

    /// Events that were parked.
    pub fn parked(&self) -> u64 {
        self.0[2]
    }

    pub fn delivered(&self) -> u64 {
        self.0[3]
    }

    /// Actions that were parked, or whose outcome is not known.
    pub fn not_sent(&self) -> u64 {
        self.0[4]
    }

    /// Mean and longest time from the webhook to the Case (milliseconds); none if nothing was carried.
    pub fn inwards(&self) -> Option<(u64, u64)> {
        Some((self.0[6].checked_div(self.0[5])?, self.0[7]))
    }

    /// The same from an agent's action to the customer.
    pub fn outwards(&self) -> Option<(u64, u64)> {
        Some((self.0[9].checked_div(self.0[8])?, self.0[10]))
    }

    /// Both together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let mut sum = self;
        for (place, number) in sum.0.iter_mut().enumerate() {
            let longest = place == 7 || place == 10;
            *number = if longest { (*number).max(other.0[place]) } else { *number + other.0[place] };
        }
        sum
    }
}

/// One hour as it is stored: minutes since the epoch, without those in which nothing happened.
pub type Hour = BTreeMap<i64, Minute>;

/// The rows of the last day. Minutes in which nothing happened have none.
#[derive(Debug, Default)]
pub struct Minutes {
    rows: Mutex<VecDeque<(i64, Minute)>>,
    /// Accepted webhooks by the hour (hours since the epoch), for [`RECEIVED`] hours: which hours are usual?
    received: Mutex<BTreeMap<i64, u64>>,
}

impl Minutes {
    /// With rows and hours that were stored.
    pub fn of(hours: impl IntoIterator<Item = Hour>, received: BTreeMap<i64, u64>, now_minute: i64) -> Self {
        let rows: BTreeMap<i64, Minute> = hours.into_iter().flatten().collect();
        let fresh =
            rows.into_iter().filter(|(minute, _)| *minute > now_minute - KEPT && *minute <= now_minute);
        Self { rows: Mutex::new(fresh.collect()), received: Mutex::new(received) }
    }

    /// Adds what happened up to this minute. True if there was anything.
    pub fn add(&self, minute: i64, row: Minute) -> bool {
        let mut rows = lock(&self.rows);
        while rows.front().is_some_and(|(oldest, _)| *oldest <= minute - KEPT) {
            rows.pop_front();
        }
        if row == Minute::default() {
            return false;
        }
        self.count_received(minute.div_euclid(HOUR), row.received());
        match rows.back_mut() {
            Some((last, known)) if *last >= minute => *known = known.and(row),
            _ => rows.push_back((minute, row)),
        }
        true
    }

    fn count_received(&self, hour: i64, count: u64) {
        let mut received = lock(&self.received);
        received.retain(|known, _| *known > hour - RECEIVED);
        if count > 0 {
            *received.entry(hour).or_default() += count;
        }
    }

    /// Accepted webhooks by the hour (hours since the epoch), of the last eight days.
    pub fn received_by_hour(&self) -> BTreeMap<i64, u64> {
        lock(&self.received).clone()
    }

    /// The rows of an hour (hours since the epoch).
    pub fn hour(&self, hour: i64) -> Hour {
        lock(&self.rows).iter().filter(|(minute, _)| minute.div_euclid(HOUR) == hour).copied().collect()
    }

    /// The sum of the rows after this minute.
    pub fn since(&self, minute: i64) -> Minute {
        let rows = lock(&self.rows);
        let recent = rows.iter().rev().take_while(|(at, _)| *at > minute);
        recent.fold(Minute::default(), |sum, (_, row)| sum.and(*row))
    }

    /// All rows, in pieces of so many minutes: the piece's first minute, and its sum.
    pub fn pieces(&self, minutes: i64) -> Vec<(i64, Minute)> {
        let mut pieces: BTreeMap<i64, Minute> = BTreeMap::new();
        for (minute, row) in lock(&self.rows).iter() {
            let piece = pieces.entry(minute.div_euclid(minutes) * minutes).or_default();
            *piece = piece.and(*row);
        }
        pieces.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> Minute {
        let tally = Tally::default();
        tally.webhook("accepted");
        tally.webhook("duplicate");
        tally.event("created");
        tally.event("unchanged");
        tally.event("skipped");
        tally.event("parked");
        tally.action("delivered");
        tally.action("unclear");
        tally.action("settled");
        tally.carried_in(100);
        tally.carried_in(300);
        let row = tally.take();
        assert_eq!(tally.take(), Minute::default());
        row
    }

    #[test]
    fn a_minute_counts_what_happened() {
        let row = row();
        let counts = [row.received(), row.written(), row.parked(), row.delivered(), row.not_sent()];
        assert_eq!(counts, [1; 5]);
        assert_eq!((row.inwards(), row.outwards()), (Some((200, 300)), None));
        assert_eq!(row.and(row).inwards(), Some((200, 300)));
    }

    #[test]
    fn a_day_is_kept() {
        let minutes = Minutes::default();
        for minute in 0..3 * KEPT {
            assert!(minutes.add(minute, row()));
        }
        assert_eq!(lock(&minutes.rows).len(), usize::try_from(KEPT).unwrap());
        assert!(!minutes.add(3 * KEPT, Minute::default()));
        let received = minutes.received_by_hour();
        assert_eq!((received.len(), received.values().sum::<u64>()), (72, 3 * 24 * 60));
        assert_eq!(minutes.since(3 * KEPT - 11).received(), 10);
        let pieces = minutes.pieces(60);
        // The oldest hour lacks the minute that went.
        assert_eq!((pieces.len(), pieces[0].1.received(), pieces[1].1.received()), (24, 59, 60));
    }

    #[test]
    fn stored_hours_are_read_again() {
        let minutes = Minutes::default();
        minutes.add(59, row());
        minutes.add(60, row());
        let stored: Vec<Hour> = [0, 1].into_iter().map(|hour| minutes.hour(hour)).collect();
        assert_eq!((stored[0].len(), stored[1].len()), (1, 1));
        let text = serde_json::to_string(&stored).unwrap();
        let again = Minutes::of(serde_json::from_str::<Vec<Hour>>(&text).unwrap(), BTreeMap::new(), 61);
        assert_eq!(again.pieces(1), minutes.pieces(1));
        assert_eq!(Minutes::of(stored, BTreeMap::new(), 60 + KEPT).pieces(1), []);
    }
}
