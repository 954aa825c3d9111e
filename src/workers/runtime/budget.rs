//! The daily budget of Salesforce calls: not exceeded by a single call, and kept over restarts.
//!
//! Calls are granted to the meter in blocks. A block is on disk before its first call is spent; what a kill leaves
//! unspent counts as spent.
//!
//! A block is booked in the hour in which it is granted, and may be spent later. So its unspent rest is booked again
//! in the hour of each question; after a start, the rest as it was last stored. A booking counts until 24 hours after
//! the end of its hour: whenever in its hour a call was made, a day has passed since.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::Mutex;

use crate::decide::pace::{calls_expected, spacing_ms, used_up_at_ms};
use crate::salesforce::client::Meter;
use crate::state::{Store, StoreError};

const HOUR_MS: i64 = 3_600_000;
const NAME: &str = "calls";
/// Booked calls that were not spent when this was stored.
const UNSPENT: &str = "calls unspent";
/// How long a booking counts, in hours: its own hour, and the day after it.
pub const KEPT: i64 = 25;
/// Polls leave one in this many calls of the budget to new feedback.
const RESERVE: u64 = 10;

/// Booked calls by the hour.
type Hours = BTreeMap<i64, u64>;

#[derive(Default)]
struct Books {
    hours: Hours,
    /// Calls that may have been spent since they were booked.
    unspent: u64,
}

impl Books {
    fn booked(&self) -> u64 {
        self.hours.values().sum()
    }

    /// Takes back `count` calls, from the latest bookings.
    fn take_back(&mut self, mut count: u64) {
        for booked in self.hours.values_mut().rev() {
            let taken = count.min(*booked);
            *booked -= taken;
            count -= taken;
        }
        self.hours.retain(|_, booked| *booked > 0);
    }

    /// Books calls again in this `hour` that may have been spent since the last question: those unspent then, those
    /// `left` (the meter may have taken some back), and those booked while the clock was ahead. Drops bookings older
    /// than a day.
    fn turn(&mut self, hour: i64, left: u64) {
        let ahead = self.hours.split_off(&(hour + 1)).values().sum::<u64>();
        let moved = self.unspent.max(left).saturating_sub(ahead).min(self.booked());
        self.take_back(moved);
        if ahead + moved > 0 {
            *self.hours.entry(hour).or_default() += ahead + moved;
        }
        self.hours.retain(|booked_in, _| *booked_in > hour - KEPT);
    }

    async fn save(&self, store: &Store) -> Result<(), StoreError> {
        store.set_meta(NAME, &self.hours).await?;
        store.set_meta(UNSPENT, &self.unspent).await
    }
}

pub struct Budget {
    store: Store,
    pub meter: Arc<Meter>,
    allowed: u64,
    books: Mutex<Books>,
}

/// When the budget is used up if calls go on as in this hour and the one before; none: not within a day.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Forecast {
    /// When agents' actions are no longer read, since the rest is kept for new feedback (milliseconds).
    pub polls_stop_ms: Option<i64>,
    pub used_up_ms: Option<i64>,
    /// Calls that count, by the hour from now on: time (milliseconds) and number.
    pub ahead: Vec<(i64, u64)>,
}

/// What a call is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To read what agents did, and what may wait as it does.
    Poll,
    /// Everything else: feedback, and what it needs.
    Feedback,
}

/// What the budget allows now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Allowance {
    /// Calls may be made; leave this much time (milliseconds) before the next one.
    Go { spacing_ms: i64 },
    /// No calls are left before then (milliseconds).
    Exhausted { until_ms: i64 },
}

impl Budget {
    pub async fn open(store: Store, allowed: u64) -> Result<Self, StoreError> {
        let hours = store.meta::<Hours>(NAME).await?.unwrap_or_default();
        let unspent = store.meta(UNSPENT).await?.unwrap_or_default();
        let books = Mutex::new(Books { hours, unspent });
        Ok(Self { store, meter: Arc::new(Meter::new()), allowed, books })
    }

    /// Makes sure that a few calls are granted. Polls are refused before feedback is.
    pub async fn ask(&self, now_ms: i64, purpose: Purpose) -> Result<Allowance, StoreError> {
        let mut books = self.books.lock().await;
        let hour = now_ms / HOUR_MS;
        let granted = self.meter.left();
        books.turn(hour, granted);
        books.unspent = granted;
        let used = books.booked().saturating_sub(granted);
        let left = self.allowed.saturating_sub(used);
        let left = if crate::mutant::is_on("skip-budget") { self.allowed } else { left };
        let until_ms = books.hours.keys().next().map_or(now_ms + HOUR_MS, |hour| (hour + KEPT) * HOUR_MS);
        let floor = if purpose == Purpose::Poll { self.allowed / RESERVE } else { 0 };
        if left <= floor && !crate::mutant::is_on("skip-budget") {
            return Ok(Allowance::Exhausted { until_ms });
        }
        let wanted = self.block().min(left);
        if granted < wanted.min(4) {
            let more = wanted - granted;
            *books.hours.entry(hour).or_default() += more;
            books.unspent = wanted;
            books.save(&self.store).await?;
            self.store.durable().await?;
            self.meter.grant(more);
        }
        Ok(Allowance::Go { spacing_ms: spacing_ms(left, self.allowed) })
    }

    /// How many calls to book at once: few when the budget is small.
    fn block(&self) -> u64 {
        (self.allowed / 100).clamp(4, 50)
    }

    /// Calls of the last 24 hours, and how many are allowed.
    pub async fn today(&self, now_ms: i64) -> (u64, u64) {
        let books = self.books.lock().await;
        let oldest = now_ms / HOUR_MS - KEPT;
        let booked: u64 = books.hours.iter().filter(|(hour, _)| **hour > oldest).map(|(_, n)| n).sum();
        (booked.saturating_sub(self.meter.left()), self.allowed)
    }

    /// Calls by the hour (hours since the epoch), without those that are granted and not spent.
    pub async fn hours(&self) -> BTreeMap<i64, u64> {
        let books = self.books.lock().await;
        let mut spent = Books { hours: books.hours.clone(), unspent: 0 };
        spent.take_back(self.meter.left());
        spent.hours
    }

    /// When the budget is used up at the present rate.
    pub async fn forecast(&self, now_ms: i64) -> Forecast {
        let hours = self.hours().await;
        let floor = self.allowed - self.allowed / RESERVE;
        Forecast {
            polls_stop_ms: used_up_at_ms(&hours, KEPT, floor, now_ms),
            used_up_ms: used_up_at_ms(&hours, KEPT, self.allowed, now_ms),
            ahead: (0..=24)
                .map(|hour| now_ms + hour * HOUR_MS)
                .map(|at_ms| (at_ms, calls_expected(&hours, KEPT, now_ms, at_ms)))
                .collect(),
        }
    }

    /// Whether polls wait after `used` calls: the rest is kept for new feedback.
    pub fn polls_wait(&self, used: u64) -> bool {
        self.allowed.saturating_sub(used) <= self.allowed / RESERVE
    }

    /// Gives back unspent calls at a clean stop.
    pub async fn close(&self, now_ms: i64) -> Result<(), StoreError> {
        let mut books = self.books.lock().await;
        let unspent = self.meter.left();
        books.turn(now_ms / HOUR_MS, unspent);
        books.take_back(unspent);
        books.unspent = 0;
        books.save(&self.store).await
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::state::Settings;

    const MINUTE_MS: i64 = 60_000;
    const DAY_MS: i64 = 24 * HOUR_MS;

    #[derive(Debug, Clone)]
    enum Do {
        Wait {
            minutes: i64,
        },
        Ask,
        /// Calls without a question before each, as a read of several pages makes.
        Call {
            times: u32,
        },
        Kill,
        Stop,
    }

    fn deeds() -> impl Strategy<Value = Vec<Do>> {
        let deed = prop_oneof![
            4 => (1i64..100).prop_map(|minutes| Do::Wait { minutes }),
            1 => (100i64..1500).prop_map(|minutes| Do::Wait { minutes }),
            6 => Just(Do::Ask),
            6 => (1u32..30).prop_map(|times| Do::Call { times }),
            1 => Just(Do::Kill),
            1 => Just(Do::Stop),
        ];
        prop::collection::vec(deed, 1..200)
    }

    /// When each call was made.
    async fn calls(store: &Store, allowed: u64, deeds: &[Do]) -> Vec<i64> {
        let open = async || Budget::open(store.clone(), allowed).await.unwrap();
        // Just before an hour ends.
        let (mut budget, mut now_ms, mut made) = (open().await, 1000 * HOUR_MS - MINUTE_MS, Vec::new());
        for deed in deeds {
            match deed {
                Do::Wait { minutes } => now_ms += minutes * MINUTE_MS,
                Do::Ask => drop(budget.ask(now_ms, Purpose::Feedback).await.unwrap()),
                Do::Call { times } => {
                    made.extend((0..*times).filter(|_| budget.meter.take().is_ok()).map(|_| now_ms));
                }
                Do::Kill => budget = open().await,
                Do::Stop => {
                    budget.close(now_ms).await.unwrap();
                    budget = open().await;
                }
            }
        }
        made
    }

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().build().unwrap()
    }

    fn most_within_a_day(made: &[i64]) -> usize {
        let within = |end: &i64| made.iter().filter(|at| **at > end - DAY_MS && *at <= end).count();
        made.iter().map(within).max().unwrap_or_default()
    }

    #[test]
    fn d16_a_block_that_is_spent_in_the_next_hour_counts_from_there() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), Settings::default()).unwrap();
        let wait = |minutes| Do::Wait { minutes };
        // Granted in the last minute of an hour, spent in the last minute of the next, and asked for again a day later.
        let spend = [Do::Ask, wait(60), Do::Call { times: 50 }];
        let deeds = [&spend[..], &[wait(23 * 60 + 2)], &[Do::Ask, Do::Call { times: 50 }]].concat();
        let made = runtime().block_on(calls(&store, 50, &deeds));
        assert_eq!(most_within_a_day(&made), made.len().min(50));
        assert!(made.len() >= 4, "something was allowed");
    }

    #[test]
    fn a_day_later_all_is_allowed_again() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), Settings::default()).unwrap();
        let spend = vec![vec![Do::Ask, Do::Call { times: 4 }]; 20].concat();
        let deeds = [&spend[..], &[Do::Wait { minutes: 25 * 60 }], &spend[..]].concat();
        assert_eq!(runtime().block_on(calls(&store, 40, &deeds)).len(), 80);
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

        /// In any 24 hours, whenever they begin and whenever the process was killed.
        #[test]
        fn d16_no_day_has_one_call_too_many(deeds in deeds(), allowed in prop_oneof![Just(7u64), Just(60), Just(2000)]) {
            let dir = tempfile::tempdir().unwrap();
            let store = Store::open(dir.path(), Settings::default()).unwrap();
            let made = runtime().block_on(calls(&store, allowed, &deeds));
            prop_assert!(most_within_a_day(&made) as u64 <= allowed, "{made:?}");
        }
    }
}
