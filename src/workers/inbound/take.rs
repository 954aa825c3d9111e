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
            let items = shared.store.due(self.number, now_ms, limit).await?;
            let more = items.len() == limit;
            let (mut taken, together) = self.take(&items, room, delivering);
            if more && taken.len() < room && (taken.is_empty() || limit < LOOK) {
                self.state().give_back(&taken);
                limit *= 4;
                continue;
            }
            if !taken.is_empty() && !together {
                self.take_along(shared, &mut taken, room).await?;
            }
            return Ok(taken);
        }
    }

    /// How many conversations the next call may write. While Salesforce refuses everything, a few show whether it does.
    fn room(&self, shared: &Shared, now_ms: i64) -> usize {
        if shared.salesforce_breaker.trouble_with_writes().is_some() {
            return MAX_TRIED;
        }
        let mut state = self.state();
        state.pass(now_ms);
        state.most_graphs(now_ms).map_or(self.size.0, |most| most.min(self.size.0))
    }

    /// Takes conversations of a look at the queue; also says whether notes wait for actions in flight.
    fn take(&self, items: &[Item], room: usize, delivering: bool) -> (Vec<RKey>, bool) {
        let mut state = self.state();
        let oldest_ms = items.iter().filter(|i| !i.event && state.is_free(i.rkey)).map(|i| i.due_ms).min();
        let together = delivering && oldest_ms.is_none_or(|at_ms| self.stepped_ms < at_ms + TOLD_TOGETHER_MS);
        let with_events = with_events(items);
        let ripe =
            |i: &&Item| state.is_free(i.rkey) && (i.event || !together || with_events.contains(&i.rkey));
        let mut taken = Vec::new();
        fill(&mut taken, items.iter().filter(ripe), room);
        state.take(&taken);
        (taken, together)
    }

    /// Takes conversations of other workers that have notes and no events.
    async fn take_along(
        &self,
        shared: &Shared,
        taken: &mut Vec<RKey>,
        room: usize,
    ) -> Result<(), StoreError> {
        for lane in (0..LANES).filter(|lane| *lane != self.number) {
            if taken.len() >= room {
                break;
            }
            let items = shared.store.due(lane, self.stepped_ms, LOOK).await?;
            let mut state = self.state();
            let with_events = with_events(&items);
            let told = |i: &&Item| state.is_free(i.rkey) && !with_events.contains(&i.rkey);
            fill(taken, items.iter().filter(told), room);
            state.take(taken);
        }
        Ok(())
    }
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
