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

    /// The response is not busy any more, and is checked now, behind those that are to be checked already.
    pub(super) fn look_again(&mut self, rkey: RKey) {
        if self.is_new_now(rkey) {
            self.now.push_back(rkey);
        }
    }

    /// The same, before those that are to be checked already.
    pub(super) fn look_first(&mut self, rkey: RKey) {
        if self.is_new_now(rkey) {
            self.now.push_front(rkey);
        }
    }

    fn is_new_now(&mut self, rkey: RKey) -> bool {
        self.busy.remove(&rkey);
        if let Some(at_ms) = self.time_of.remove(&rkey) {
            self.later.remove(&(at_ms, rkey));
        }
        self.queued.insert(rkey)
    }

    /// Nothing of the response may be sent before `at_ms`; with `i64::MAX` not before [`Self::look_again`].
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

    /// When the next check is due (milliseconds); none if each waits for something to happen.
    pub(super) fn due_ms(&self, now_ms: i64) -> Option<i64> {
        if !self.now.is_empty() {
            return Some(now_ms);
        }
        self.later.first().map(|(at_ms, _)| *at_ms).filter(|at_ms| *at_ms < i64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(ids: &[&str]) -> (Queue, Vec<RKey>) {
        let mut queue = Queue::default();
        let ids = ids.iter().map(|id| ResponseId::new(*id).unwrap());
        let rkeys = ids.map(|id| {
            let rkey = RKey::of(&id);
            queue.changed(rkey, id);
            rkey
        });
        let rkeys = rkeys.collect();
        (queue, rkeys)
    }

    #[test]
    fn what_was_just_read_is_checked_before_all_others() {
        let (mut queue, rkeys) = queue(&["a", "b", "c", "d"]);
        let read = queue.take(2, 0);
        assert_eq!(read, rkeys[..2]);
        for rkey in &read {
            queue.begin(*rkey);
        }
        for rkey in read.iter().rev() {
            queue.look_first(*rkey);
        }
        assert_eq!(queue.take(3, 0), rkeys[..3], "in their order");
        queue.at(rkeys[0], i64::MAX);
        assert_eq!(queue.due_ms(7), Some(7), "one is left");
        assert_eq!(queue.take(9, 7), rkeys[3..]);
        assert_eq!(queue.due_ms(7), None, "it waits for something else");
        queue.look_again(rkeys[0]);
        assert_eq!(queue.take(9, 7), rkeys[..1]);
    }
}
