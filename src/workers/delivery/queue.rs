//! Which responses the dispatcher checks next: those that changed, and those that are due later.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};

use crate::goodays::ResponseId;
use crate::state::RKey;

/// Each response is in one of these at most: to be checked now, due later, or busy.
#[derive(Default)]
pub(super) struct Queue {
    ids: HashMap<RKey, ResponseId>,
    now: VecDeque<RKey>,
    /// The same responses as in `now`, for a fast lookup.
    queued: HashSet<RKey>,
    /// Due later (milliseconds).
    later: BTreeSet<(i64, RKey)>,
    time_of: HashMap<RKey, i64>,
    /// An intent of theirs is in flight or next: no other one begins.
    busy: HashSet<RKey>,
}

impl Queue {
    /// Something of the response changed: it is checked now, unless it is busy and so will be checked anyway.
    pub(super) fn changed(&mut self, rkey: RKey, response_id: ResponseId) {
        self.ids.entry(rkey).or_insert(response_id);
        if !self.busy.contains(&rkey) {
            self.look_again(rkey);
        }
    }

    /// The response is not busy any more, and is checked now.
    pub(super) fn look_again(&mut self, rkey: RKey) {
        self.busy.remove(&rkey);
        if let Some(at_ms) = self.time_of.remove(&rkey) {
            self.later.remove(&(at_ms, rkey));
        }
        if self.queued.insert(rkey) {
            self.now.push_back(rkey);
        }
    }

    /// Nothing of the response may be sent before `at_ms`.
    pub(super) fn at(&mut self, rkey: RKey, at_ms: i64) {
        self.time_of.insert(rkey, at_ms);
        self.later.insert((at_ms, rkey));
    }

    /// The response is busy until [`Self::look_again`].
    pub(super) fn begin(&mut self, rkey: RKey) {
        self.busy.insert(rkey);
    }

    /// Nothing of the response is open.
    pub(super) fn forget(&mut self, rkey: RKey) {
        self.ids.remove(&rkey);
    }

    pub(super) fn is_anything_busy(&self) -> bool {
        !self.busy.is_empty()
    }

    pub(super) fn id(&self, rkey: RKey) -> Option<&ResponseId> {
        self.ids.get(&rkey)
    }

    /// Takes at most `most` responses to check, those that have become due among them.
    pub(super) fn take(&mut self, most: usize, now_ms: i64) -> Vec<RKey> {
        while let Some(&(at_ms, rkey)) = self.later.first()
            && at_ms <= now_ms
        {
            self.look_again(rkey);
        }
        let taken: Vec<RKey> = self.now.drain(..self.now.len().min(most)).collect();
        for rkey in &taken {
            self.queued.remove(rkey);
        }
        taken.into_iter().filter(|rkey| !self.busy.contains(rkey)).collect()
    }

    /// When the next check is due (milliseconds).
    pub(super) fn due_ms(&self, now_ms: i64) -> Option<i64> {
        if !self.now.is_empty() {
            return Some(now_ms);
        }
        self.later.first().map(|(at_ms, _)| *at_ms)
    }
}
