//! Which conversations an inbound worker takes next: what is due, as many as one call may write.

use std::collections::HashSet;
use std::sync::atomic::Ordering;

use crate::state::{Item, LANES, RKey, StoreError};
use crate::workers::Shared;
use crate::workers::inbound::InboundWorker;

/// Conversations of a call while Salesforce refuses everything: after so many failed ones it looks at no other one of the
/// call (Salesforce reference, 4).
const MAX_TRIED: usize = 14;
/// How long (milliseconds) notes wait for other actions in flight, so that one call writes all of them.
const TOLD_TOGETHER_MS: i64 = 5_000;
/// How many items of a queue are read at first: few, since most conversations have one item only.
const FIRST_LOOK: usize = 128;
const LOOK: usize = 512;

impl InboundWorker {
    /// Takes the next due conversations. If there is room, it also takes the other worker's conversations that have
    /// only notes: one call writes all notes.
    pub(super) async fn take_due(&self, shared: &Shared, now_ms: i64) -> Result<Vec<RKey>, StoreError> {
        // Read before the queue: the last action's note is in the queue before this flag is cleared.
        let delivering = shared.delivering.load(Ordering::SeqCst);
        let room = self.room(shared, now_ms);
        let mut limit = FIRST_LOOK;
        loop {
            let own = shared.store.due(self.number, now_ms, limit).await?;
            let more = own.len() == limit;
            let together = delivering && self.may_wait(&own);
            let has_room = !own.is_empty() && conversations(&own) < room;
            let others = if has_room && !together { self.due_to_others(shared).await? } else { Vec::new() };
            // The other worker may take at the same moment: one of the two takes all notes, since both queues were
            // read before.
            let taken = self.take(&own, &others, room, together);
            if more && taken.len() < room && (taken.is_empty() || limit < LOOK) {
                self.state().give_back(&taken);
                limit *= 4;
                continue;
            }
            return Ok(taken);
        }
    }

    /// How many conversations the next call may write. While Salesforce refuses everything, a few show whether it does.
    fn room(&self, shared: &Shared, now_ms: i64) -> usize {
        let mut state = self.state();
        // Also in that trouble: what is postponed may be all there is, and nothing else would show that it is over.
        state.pass(now_ms);
        if shared.salesforce_breaker.trouble_with_writes().is_some() {
            return MAX_TRIED;
        }
        state.most_graphs(now_ms).map_or(self.size.0, |most| most.min(self.size.0))
    }

    /// Whether notes may wait a little longer for other actions in flight.
    fn may_wait(&self, own: &[Item]) -> bool {
        let state = self.state();
        let oldest_ms = own.iter().filter(|i| !i.event && state.is_free(i.rkey)).map(|i| i.due_ms).min();
        oldest_ms.is_none_or(|at_ms| self.stepped_ms < at_ms + TOLD_TOGETHER_MS)
    }

    /// Takes conversations of a look at the queues. `together`: notes alone wait for actions in flight.
    fn take(&self, own: &[Item], others: &[Item], room: usize, together: bool) -> Vec<RKey> {
        let mut state = self.state();
        let mut taken = Vec::new();
        let own_events = with_events(own);
        let ripe =
            |i: &&Item| state.is_free(i.rkey) && (i.event || !together || own_events.contains(&i.rkey));
        fill(&mut taken, own.iter().filter(ripe), room);
        if !taken.is_empty() {
            let others_events = with_events(others);
            let told = |i: &&Item| state.is_free(i.rkey) && !others_events.contains(&i.rkey);
            fill(&mut taken, others.iter().filter(told), room);
        }
        state.take(&taken);
        taken
    }

    /// What is due to the other workers.
    async fn due_to_others(&self, shared: &Shared) -> Result<Vec<Item>, StoreError> {
        let mut due = Vec::new();
        for lane in (0..LANES).filter(|lane| *lane != self.number) {
            due.extend(shared.store.due(lane, self.stepped_ms, LOOK).await?);
        }
        Ok(due)
    }
}

fn conversations(items: &[Item]) -> usize {
    items.iter().map(|i| i.rkey).collect::<HashSet<_>>().len()
}

fn with_events(items: &[Item]) -> HashSet<RKey> {
    items.iter().filter(|i| i.event).map(|i| i.rkey).collect()
}

/// Adds conversations, each once, until there are `room` of them.
fn fill<'i>(taken: &mut Vec<RKey>, items: impl Iterator<Item = &'i Item>, room: usize) {
    for item in items {
        if taken.len() >= room {
            break;
        }
        if !taken.contains(&item.rkey) {
            taken.push(item.rkey);
        }
    }
}
