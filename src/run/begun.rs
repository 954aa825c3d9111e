//! Which events are in work, on disk: one that ends the process each time waits for a human, and the others go on.
//!
//! Noted before an event is read, and before it is planned; taken back after it. Ordinary events cost nothing: only
//! large ones are noted, and those that an earlier process left. A call to a remote is never within a note, so a
//! process that is ended while it waits for one blames no event.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::aside::LARGE;
use crate::store::{EntryState, Store, StoreError};

const NAME: &str = "begun";
/// After so many processes that ended in the middle of an event, no other one tries it.
const TOO_OFTEN: u32 = 3;

/// Shared by the lanes.
pub(super) struct Begun {
    /// The last event of earlier processes.
    before: u64,
    counts: Mutex<BTreeMap<u64, u32>>,
}

impl Begun {
    pub fn open(store: &Store) -> Result<Self, StoreError> {
        let mut counts: BTreeMap<u64, u32> = store.meta(NAME)?.unwrap_or_default();
        let mut gone = Vec::new();
        for seq in counts.keys() {
            let entry = store.entry(*seq)?;
            if !entry.is_some_and(|entry| matches!(entry.state, EntryState::Waiting { .. })) {
                gone.push(*seq);
            }
        }
        counts.retain(|seq, _| !gone.contains(seq));
        Ok(Self { before: store.last_seq(), counts: Mutex::new(counts) })
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, u32>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether an event of that number and size is noted.
    pub fn notes(&self, seq: u64, bytes: usize) -> bool {
        seq <= self.before || bytes > LARGE
    }

    /// Whether it ended too many processes.
    pub fn ended_too_many(&self, seq: u64) -> bool {
        self.lock().get(&seq).is_some_and(|count| *count >= TOO_OFTEN)
    }

    /// Notes these; on disk when this returns.
    pub async fn begin(&self, store: &Store, seqs: &[u64]) -> Result<(), StoreError> {
        if seqs.is_empty() {
            return Ok(());
        }
        self.change(store, seqs, |count| count + 1)?;
        store.durable().await
    }

    /// The process lives: takes the note back. On disk with whatever becomes durable next.
    pub fn end(&self, store: &Store, seqs: &[u64]) -> Result<(), StoreError> {
        if seqs.is_empty() { Ok(()) } else { self.change(store, seqs, |count| count.saturating_sub(1)) }
    }

    /// It is parked: a human may have it tried anew.
    pub fn forget(&self, store: &Store, seq: u64) -> Result<(), StoreError> {
        self.change(store, &[seq], |_| 0)
    }

    fn change(&self, store: &Store, seqs: &[u64], with: impl Fn(u32) -> u32) -> Result<(), StoreError> {
        let mut counts = self.lock();
        for seq in seqs {
            let count = with(counts.get(seq).copied().unwrap_or_default());
            if count == 0 {
                counts.remove(seq);
            } else {
                counts.insert(*seq, count);
            }
        }
        store.set_meta(NAME, &*counts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::goodays::ResponseId;
    use crate::store::{Receipt, Settings};

    fn received(store: &Store, name: &str) -> u64 {
        let id = Ok(ResponseId::new(name).unwrap());
        match store.receive(name.as_bytes(), "response", &id, 0).unwrap() {
            Receipt::Accepted { seq, .. } => seq,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn c10_an_event_that_ended_three_processes_is_known_and_the_others_are_not_blamed() {
        let dir = tempfile::tempdir().unwrap();
        let store = || Store::open(dir.path(), Settings::default()).unwrap();
        let (bad, good) = {
            let store = store();
            let seqs = (received(&store, "bad"), received(&store, "good"));
            assert!(!Begun::open(&store).unwrap().notes(seqs.1 + 1, LARGE), "an ordinary one costs nothing");
            store.durable().await.unwrap();
            seqs
        };
        for start in 0..TOO_OFTEN {
            let store = store();
            let begun = Begun::open(&store).unwrap();
            assert!(begun.notes(bad, 1) && begun.notes(u64::MAX, LARGE + 1));
            assert!(!begun.ended_too_many(bad), "{start}");
            begun.begin(&store, &[bad, good]).await.unwrap();
            begun.end(&store, &[bad, good]).unwrap();
            begun.begin(&store, &[good]).await.unwrap();
            begun.end(&store, &[good]).unwrap();
            begun.begin(&store, &[bad]).await.unwrap();
        }
        let store = store();
        let begun = Begun::open(&store).unwrap();
        assert!(begun.ended_too_many(bad) && !begun.ended_too_many(good));
        begun.forget(&store, bad).unwrap();
        assert!(!begun.ended_too_many(bad) && !Begun::open(&store).unwrap().ended_too_many(bad));
    }
}
