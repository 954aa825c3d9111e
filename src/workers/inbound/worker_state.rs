//! What both inbound workers know about conversations beside the ledger: which are taken, unconfirmed or postponed.
//!
//! A conversation belongs to one worker, but its notes may be written in a call of the other one. So the workers share
//! this state. No worker touches a conversation that the other has taken.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::OnceCell;

use crate::decide::inbound::customer::FailedLookUps;
use crate::decide::outcome::refusals::Refusals;
use crate::mutant;
use crate::salesforce::field_fix::FieldFix;
use crate::state::{LANES, RKey, Store, StoreError, Waiting};
use crate::sync::lock;
use crate::workers::runtime::retry::{REMOTE, interval, millis};

/// [`WorkerState`], shared by the inbound workers; never locked during a call to a remote or to the store.
#[derive(Clone, Default)]
pub struct SharedWorkerState(Arc<Guarded>);

#[derive(Default)]
struct Guarded {
    state: Mutex<WorkerState>,
    /// Held while attempts are stored: each list that is stored is younger than those before it.
    noting: tokio::sync::Mutex<()>,
    /// Set when the attempts of the process before were read.
    remembered: OnceCell<()>,
}

impl SharedWorkerState {
    pub(crate) fn lock(&self) -> MutexGuard<'_, WorkerState> {
        lock(&self.0.state)
    }

    /// After a start: what was in flight when the process ended may or may not be in Salesforce, so it is unconfirmed.
    /// For all workers at once, since each stores attempts of both.
    pub(crate) async fn remember(&self, store: &Store, now_ms: i64) -> Result<(), StoreError> {
        let reading = async || {
            for lane in 0..LANES {
                for found in store.load_due(&store.attempt(lane).await?).await? {
                    self.lock().remember(found.waiting(), now_ms);
                }
            }
            Ok(())
        };
        self.0.remembered.get_or_try_init(reading).await.copied()
    }

    /// Called before a call that writes these conversations is sent.
    pub(crate) async fn leaving(&self, store: &Store, rkeys: &[RKey]) -> Result<(), StoreError> {
        self.lock().in_flight.extend(rkeys);
        self.note_attempts(store, rkeys).await
    }

    /// Called when the outcome of the writes is known.
    pub(crate) async fn answered(&self, store: &Store, rkeys: &[RKey]) -> Result<(), StoreError> {
        self.lock().landed(rkeys);
        self.note_attempts(store, rkeys).await
    }

    /// Stores, in one transaction, what Salesforce may have without our knowing, for each worker that owns one of
    /// `rkeys`.
    async fn note_attempts(&self, store: &Store, rkeys: &[RKey]) -> Result<(), StoreError> {
        if mutant::is_on("skip-attempt") {
            return Ok(());
        }
        let _in_turn = self.0.noting.lock().await;
        let lanes = self.lock().attempts(rkeys);
        store.set_attempts(&lanes).await
    }
}

#[derive(Default)]
pub(crate) struct WorkerState {
    /// A worker works on them now, usually their own worker.
    taken: HashSet<RKey>,
    /// Conversations in calls in flight.
    in_flight: HashSet<RKey>,
    /// Written without an answer, and when that attempt ended (milliseconds): read back before another write.
    pub(crate) unconfirmed: HashMap<RKey, i64>,
    /// To be read from Salesforce before they are written.
    pub(crate) needs_refresh: HashSet<RKey>,
    /// Comment texts of the Cases that were read.
    pub(crate) comments: HashMap<RKey, Vec<String>>,
    /// Not taken before this time (milliseconds).
    pub(crate) postponed: HashMap<RKey, i64>,
    /// Fields to leave out or shorten in one conversation only.
    pub(crate) fixes: HashMap<RKey, Vec<FieldFix>>,
    /// At most this many comments in one transaction until then (milliseconds), after one exceeded the org's limits.
    fewer: HashMap<RKey, (usize, i64)>,
    /// The same for conversations in one call.
    graphs: Option<(usize, i64)>,
    /// How often each got no answer from Salesforce when it was sent alone.
    alone: HashMap<RKey, u32>,
    /// How often Salesforce was asked again at once since it last took something of the conversation.
    pub(crate) at_once: HashMap<RKey, u32>,
    /// Refused as duplicates, and then not found by a read.
    pub(crate) nowhere: HashSet<RKey>,
    /// What Salesforce refused since it accepted something.
    pub(crate) refusals: Refusals<RKey>,
    /// Look-ups of customers that failed.
    pub(crate) look_ups: FailedLookUps,
}

/// How long a reduced limit is kept.
const REMEMBERED_MS: i64 = 3_600_000;

impl WorkerState {
    /// Postpones a conversation that got no answer when it was sent alone, longer each time: if others get answers,
    /// something on the network path refuses its text. Nothing is parked for that.
    pub(crate) fn unanswered_alone(&mut self, rkey: RKey, ended_ms: i64) {
        let times = self.alone.entry(rkey).or_default();
        let until_ms = ended_ms + millis(interval(REMOTE, *times, None));
        *times += 1;
        self.postponed.insert(rkey, until_ms);
    }

    /// Limits the comments in one transaction of the conversation, for an hour.
    pub(crate) fn fewer_comments(&mut self, rkey: RKey, comments: usize, now_ms: i64) {
        self.fewer.insert(rkey, (comments, now_ms + REMEMBERED_MS));
    }

    /// Limits the conversations in one call, for an hour.
    pub(crate) fn fewer_graphs(&mut self, graphs: usize, now_ms: i64) {
        let most = self.most_graphs(now_ms);
        let graphs = most.map_or(graphs.max(1), |most| most.min(graphs.max(1)));
        self.graphs = Some((graphs, now_ms + REMEMBERED_MS));
    }

    /// The limit on comments in one transaction of the conversation, if there is one.
    pub(crate) fn most_comments(&self, rkey: RKey) -> Option<usize> {
        self.fewer.get(&rkey).map(|(comments, _)| *comments)
    }

    /// How many conversations a call may have.
    pub(crate) fn most_graphs(&self, now_ms: i64) -> Option<usize> {
        self.graphs.filter(|(_, until_ms)| now_ms < *until_ms).map(|(graphs, _)| graphs)
    }

    /// Drops postponements and comment limits whose time has passed.
    pub(crate) fn pass(&mut self, now_ms: i64) {
        self.postponed.retain(|_, until_ms| *until_ms > now_ms);
        self.fewer.retain(|_, (_, until_ms)| *until_ms > now_ms);
    }

    /// What waits for a response that was in flight when the process before ended.
    fn remember(&mut self, waiting: &Waiting, now_ms: i64) {
        if !waiting.is_empty() {
            self.unconfirmed.insert(waiting.rkey, now_ms);
            self.needs_refresh.insert(waiting.rkey);
        }
    }

    /// Whether a worker may take it now.
    pub(crate) fn is_free(&self, rkey: RKey) -> bool {
        !self.taken.contains(&rkey) && !self.postponed.contains_key(&rkey)
    }

    pub(crate) fn take(&mut self, rkeys: &[RKey]) {
        self.taken.extend(rkeys);
    }

    pub(crate) fn give_back(&mut self, rkeys: &[RKey]) {
        for rkey in rkeys {
            self.taken.remove(rkey);
        }
    }

    /// Called when the outcome of the writes is not known; the attempts stay on disk.
    pub(crate) fn unanswered(&mut self, rkeys: &[RKey], ended_ms: i64) {
        self.landed(rkeys);
        if mutant::is_on("skip-doubt") {
            return;
        }
        for rkey in rkeys {
            self.unconfirmed.insert(*rkey, ended_ms);
            self.needs_refresh.insert(*rkey);
            self.comments.remove(rkey);
        }
    }

    fn landed(&mut self, rkeys: &[RKey]) {
        for rkey in rkeys {
            self.in_flight.remove(rkey);
        }
    }

    /// Conversations in flight and those still unconfirmed, for each worker that owns one of `rkeys`.
    fn attempts(&self, rkeys: &[RKey]) -> Vec<(u8, Vec<RKey>)> {
        let mut lanes = Vec::new();
        for lane in (0..LANES).filter(|lane| rkeys.iter().any(|r| r.lane() == *lane)) {
            let unconfirmed = self.unconfirmed.keys().filter(|r| !self.in_flight.contains(r));
            let all = self.in_flight.iter().chain(unconfirmed).filter(|r| r.lane() == lane).copied();
            lanes.push((lane, all.collect()));
        }
        lanes
    }

    /// The conversation was written or needs no write: nothing about it is unconfirmed any more.
    pub(crate) fn forget(&mut self, rkey: RKey) {
        self.unconfirmed.remove(&rkey);
        self.needs_refresh.remove(&rkey);
        self.comments.remove(&rkey);
        self.fixes.remove(&rkey);
        self.alone.remove(&rkey);
        self.at_once.remove(&rkey);
    }

    /// Postpones an unconfirmed write that a read did not find, until a second read, `settle_ms` after the attempt
    /// ended. `asked_ms` is when this read began. True when it is postponed.
    pub(crate) fn must_settle(&mut self, rkey: RKey, settle_ms: i64, asked_ms: i64) -> bool {
        let Some(ended_ms) = self.unconfirmed.get(&rkey) else { return false };
        let until_ms = ended_ms + settle_ms;
        if asked_ms >= until_ms {
            self.unconfirmed.remove(&rkey);
            return false;
        }
        self.postponed.insert(rkey, until_ms);
        self.needs_refresh.insert(rkey);
        self.comments.remove(&rkey);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::goodays::ResponseId;
    use crate::state::Settings;

    /// Conversations of one worker.
    fn of_lane(lane: u8, count: usize) -> Vec<RKey> {
        let all = (0..).map(|n| RKey::of(&ResponseId::new(format!("r{n}")).unwrap()));
        all.filter(|rkey| rkey.lane() == lane).take(count).collect()
    }

    #[tokio::test]
    async fn the_disk_names_what_is_in_flight_or_in_doubt_whoever_wrote_it() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), Settings::default()).unwrap();
        let (a, b) = (of_lane(0, 1), of_lane(1, 2));
        let attempts = async || {
            let of = async |lane| store.attempt(lane).await.unwrap().into_iter().collect::<HashSet<RKey>>();
            &of(0).await | &of(1).await
        };
        let state = SharedWorkerState::default();
        // A call of worker 0 with a conversation of worker 1, beside a call of worker 1.
        let (shared, own) = ([a[0], b[0]], [b[1]]);
        state.leaving(&store, &own).await.unwrap();
        state.leaving(&store, &shared).await.unwrap();
        assert_eq!(attempts().await, HashSet::from([a[0], b[0], b[1]]));
        state.lock().unanswered(&shared, 1);
        state.answered(&store, &own).await.unwrap();
        assert_eq!(attempts().await, HashSet::from(shared));
        state.leaving(&store, &own).await.unwrap();
        assert_eq!(attempts().await, HashSet::from([a[0], b[0], b[1]]), "later calls forget no doubt");
        state.answered(&store, &own).await.unwrap();
        state.leaving(&store, &shared).await.unwrap();
        for rkey in shared {
            state.lock().forget(rkey);
        }
        state.answered(&store, &shared).await.unwrap();
        assert_eq!(attempts().await, HashSet::new());
    }

    #[test]
    fn c03_what_the_orgs_limits_allowed_is_remembered_for_an_hour() {
        let mut state = WorkerState::default();
        let rkey = of_lane(0, 1)[0];
        assert_eq!((state.most_graphs(0), state.most_comments(rkey)), (None, None));
        state.fewer_graphs(12, 0);
        state.fewer_graphs(6, 1);
        state.fewer_graphs(37, 2);
        state.fewer_comments(rkey, 3, 0);
        state.pass(REMEMBERED_MS - 1);
        assert_eq!((state.most_graphs(REMEMBERED_MS), state.most_comments(rkey)), (Some(6), Some(3)));
        state.pass(REMEMBERED_MS);
        assert_eq!((state.most_graphs(REMEMBERED_MS + 2), state.most_comments(rkey)), (None, None));
    }

    #[test]
    fn what_is_in_hand_or_held_is_not_free() {
        let mut state = WorkerState::default();
        let rkeys = of_lane(0, 2);
        state.take(&rkeys);
        assert!(!state.is_free(rkeys[0]));
        state.give_back(&rkeys);
        state.postponed.insert(rkeys[1], 1);
        assert!(state.is_free(rkeys[0]) && !state.is_free(rkeys[1]));
    }
}
