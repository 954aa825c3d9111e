//! What both lanes know of conversations beside the ledger: who has them in hand, what is in doubt about them, and
//! what is put off.
//!
//! A conversation belongs to one lane, but what agents are told in it may travel in the other one's call. So what is
//! known of it stands here, whoever writes it; no lane touches what the other has in hand.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::mutant;
use crate::salesforce::errors::FieldFix;
use crate::state::ledger::put_attempt;
use crate::state::{LANES, RKey, Store, StoreError, Tx};
use crate::workers::runtime::retry::{REMOTE, interval, millis};

/// [`WorkerState`], shared by the lanes; never locked while a remote is asked.
#[derive(Clone, Default)]
pub struct SharedWorkerState(Arc<Mutex<WorkerState>>);

impl SharedWorkerState {
    pub(crate) fn lock(&self) -> MutexGuard<'_, WorkerState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Default)]
pub(crate) struct WorkerState {
    /// A lane works on them, usually their own.
    in_hand: HashSet<RKey>,
    /// Those of calls under way.
    in_flight: HashSet<RKey>,
    /// Written without an answer, and when that attempt ended: to be read back before another write.
    pub(crate) unconfirmed: HashMap<RKey, i64>,
    /// To be read from Salesforce before they are written.
    pub(crate) needs_refresh: HashSet<RKey>,
    /// Read, and what the Case's comments said.
    pub(crate) comments: HashMap<RKey, Vec<String>>,
    /// Not before then (milliseconds).
    pub(crate) postponed: HashMap<RKey, i64>,
    /// Refusals of one conversation's values.
    pub(crate) fixes: HashMap<RKey, Vec<FieldFix>>,
    /// Fewer comments in one transaction, until then (milliseconds): what met the org's own limits.
    fewer: HashMap<RKey, (usize, i64)>,
    /// The same of conversations in one call.
    graphs: Option<(usize, i64)>,
    /// How often each had no answer of Salesforce's when it was sent alone.
    alone: HashMap<RKey, u32>,
    /// Turned away as duplicates and then found nowhere.
    pub(crate) nowhere: HashSet<RKey>,
    remembered: bool,
}

/// How long what the org's limits allowed is kept to.
const REMEMBERED_MS: i64 = 3_600_000;

impl WorkerState {
    /// Sent alone, it had no answer: while others have, something on the road refuses its text, and it comes less and
    /// less often. Nothing is parked for that.
    pub(crate) fn unanswered_alone(&mut self, rkey: RKey, ended_ms: i64) {
        let times = self.alone.entry(rkey).or_default();
        let until_ms = ended_ms + millis(interval(REMOTE, *times, None));
        *times += 1;
        self.postponed.insert(rkey, until_ms);
    }

    /// Half of a conversation's comments were too many.
    pub(crate) fn fewer_comments(&mut self, rkey: RKey, comments: usize, now_ms: i64) {
        self.fewer.insert(rkey, (comments, now_ms + REMEMBERED_MS));
    }

    /// As many conversations in one call, and no more.
    pub(crate) fn fewer_graphs(&mut self, graphs: usize, now_ms: i64) {
        let most = self.most_graphs(now_ms);
        let graphs = most.map_or(graphs.max(1), |most| most.min(graphs.max(1)));
        self.graphs = Some((graphs, now_ms + REMEMBERED_MS));
    }

    /// How many comments a conversation's transaction holds, if fewer than usual.
    pub(crate) fn most_comments(&self, rkey: RKey) -> Option<usize> {
        self.fewer.get(&rkey).map(|(comments, _)| *comments)
    }

    /// How many conversations a call holds.
    pub(crate) fn most_graphs(&self, now_ms: i64) -> Option<usize> {
        self.graphs.filter(|(_, until_ms)| now_ms < *until_ms).map(|(graphs, _)| graphs)
    }

    /// What was put off until now is due, and what was remembered for a while is forgotten.
    pub(crate) fn pass(&mut self, now_ms: i64) {
        self.postponed.retain(|_, until_ms| *until_ms > now_ms);
        self.fewer.retain(|_, (_, until_ms)| *until_ms > now_ms);
    }

    /// After a start: what was in flight when the process ended may or may not stand in Salesforce. Of all lanes at
    /// once, since each writes down attempts for both.
    pub(crate) fn remember(&mut self, store: &Store, now_ms: i64) -> Result<(), StoreError> {
        if self.remembered {
            return Ok(());
        }
        for lane in 0..LANES {
            for rkey in store.attempt(lane)? {
                let waiting = store.waiting(rkey)?;
                if !waiting.entries.is_empty() || !waiting.notes.is_empty() {
                    self.unconfirmed.insert(rkey, now_ms);
                    self.needs_refresh.insert(rkey);
                }
            }
        }
        self.remembered = true;
        Ok(())
    }

    /// Whether a lane may take it in hand now.
    pub(crate) fn is_free(&self, rkey: RKey) -> bool {
        !self.in_hand.contains(&rkey) && !self.postponed.contains_key(&rkey)
    }

    pub(crate) fn take(&mut self, rkeys: &[RKey]) {
        self.in_hand.extend(rkeys);
    }

    pub(crate) fn give_back(&mut self, rkeys: &[RKey]) {
        for rkey in rkeys {
            self.in_hand.remove(rkey);
        }
    }

    /// Before a call leaves that writes these.
    pub(crate) fn leaving(&mut self, store: &Store, rkeys: &[RKey]) -> Result<(), StoreError> {
        self.in_flight.extend(rkeys);
        self.note_attempts(store, rkeys)
    }

    /// What became of them is known.
    pub(crate) fn answered(&mut self, store: &Store, rkeys: &[RKey]) -> Result<(), StoreError> {
        self.landed(rkeys);
        self.note_attempts(store, rkeys)
    }

    /// What became of them is not known; the attempts stay on disk.
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

    /// Writes down, in one transaction, what may stand in Salesforce without our knowing, for each lane that these
    /// belong to: what is in flight, and what is in doubt still.
    fn note_attempts(&self, store: &Store, rkeys: &[RKey]) -> Result<(), StoreError> {
        if mutant::is_on("skip-attempt") {
            return Ok(());
        }
        let mut tx = Tx::default();
        for lane in (0..LANES).filter(|lane| rkeys.iter().any(|r| r.lane() == *lane)) {
            let doubted = self.unconfirmed.keys().filter(|r| !self.in_flight.contains(r));
            let all = self.in_flight.iter().chain(doubted).filter(|r| r.lane() == lane).copied();
            put_attempt(&mut tx, lane, &all.collect::<Vec<RKey>>());
        }
        store.try_transact(&tx).map(drop)
    }

    /// Nothing is in doubt about it any more.
    pub(crate) fn forget(&mut self, rkey: RKey) {
        self.unconfirmed.remove(&rkey);
        self.needs_refresh.remove(&rkey);
        self.comments.remove(&rkey);
        self.fixes.remove(&rkey);
        self.alone.remove(&rkey);
    }

    /// A suspect that was not found applied is held until a second look, `settle_ms` after the attempt ended;
    /// `asked_ms` is when this look began.
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

    /// Conversations of a lane.
    fn of_lane(lane: u8, count: usize) -> Vec<RKey> {
        let all = (0..).map(|n| RKey::of(&ResponseId::new(format!("r{n}")).unwrap()));
        all.filter(|rkey| rkey.lane() == lane).take(count).collect()
    }

    #[test]
    fn the_disk_names_what_is_in_flight_or_in_doubt_whoever_wrote_it() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), Settings::default()).unwrap();
        let (a, b) = (of_lane(0, 1), of_lane(1, 2));
        let attempts = || {
            let of = |lane| store.attempt(lane).unwrap().into_iter().collect::<HashSet<RKey>>();
            &of(0) | &of(1)
        };
        let mut state = WorkerState::default();
        // A call of lane 0 with a conversation of lane 1, beside a call of lane 1.
        let (shared, own) = ([a[0], b[0]], [b[1]]);
        state.leaving(&store, &own).unwrap();
        state.leaving(&store, &shared).unwrap();
        assert_eq!(attempts(), HashSet::from([a[0], b[0], b[1]]));
        state.unanswered(&shared, 1);
        state.answered(&store, &own).unwrap();
        assert_eq!(attempts(), HashSet::from(shared));
        state.leaving(&store, &own).unwrap();
        assert_eq!(attempts(), HashSet::from([a[0], b[0], b[1]]), "later calls forget no doubt");
        state.answered(&store, &own).unwrap();
        state.leaving(&store, &shared).unwrap();
        for rkey in shared {
            state.forget(rkey);
        }
        state.answered(&store, &shared).unwrap();
        assert_eq!(attempts(), HashSet::new());
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
