//! Notes on disk which events are in progress: an event that ends the process each time is parked, the others
//! continue.
//!
//! A note is written before an event is read, and before it is planned. It is removed on disk before the worker waits
//! for anything else. Only large events and those of an earlier process are noted. No call to a remote, pause or wait
//! happens under a note, so a process that is ended then blames no event.
//!
//! A process that ends in the middle of a step blames all events of that step. So an event that was blamed once is
//! worked on alone from then on: the harmless ones are cleared one by one, and only the cause reaches the limit.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Mutex as Turn;

use crate::aside::LARGE;
use crate::state::{EntryState, Store, StoreError};

const NAME: &str = "begun";
/// After this many processes that ended while they worked on an event, it is not tried again.
const TOO_OFTEN: u32 = 3;

/// Shared by the inbound workers.
pub(crate) struct InProgress {
    /// Number of the last event of earlier processes.
    before: u64,
    counts: Mutex<BTreeMap<u64, u32>>,
    /// One worker at a time works on a blamed event, so that the end of the process blames no other such event.
    turn: Turn<()>,
}

/// How far an event has come when its note is removed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Through {
    /// It was read. Planning it may still end the process, so earlier counts stay.
    Reading,
    /// It was planned as well: earlier processes did not end because of this event.
    Planning,
}

impl InProgress {
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
        Ok(Self { before: store.last_seq(), counts: Mutex::new(counts), turn: Turn::new(()) })
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, u32>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether an event of that number and size (bytes) is noted.
    pub fn notes(&self, seq: u64, bytes: usize) -> bool {
        seq <= self.before || bytes > LARGE
    }

    /// Whether too many processes ended while they worked on it.
    pub fn ended_too_many(&self, seq: u64) -> bool {
        self.lock().get(&seq).is_some_and(|count| *count >= TOO_OFTEN)
    }

    /// Whether a process ended while it worked on this event, so that it is worked on alone.
    pub fn is_blamed(&self, seq: u64) -> bool {
        self.lock().get(&seq).is_some_and(|count| (1..TOO_OFTEN).contains(count))
    }

    /// Does `work` on these events, with a note of them on disk meanwhile. The note is removed on disk before this
    /// returns, also when `work` fails.
    pub async fn note<T, E: From<StoreError>>(
        &self,
        store: &Store,
        seqs: &[u64],
        through: Through,
        work: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        if seqs.is_empty() {
            return work();
        }
        let blamed = seqs.iter().any(|seq| self.is_blamed(*seq));
        let _turn = if blamed { Some(self.turn.lock().await) } else { None };
        self.begin(store, seqs).await?;
        let done = work();
        self.end(store, seqs, through).await?;
        done
    }

    async fn begin(&self, store: &Store, seqs: &[u64]) -> Result<(), StoreError> {
        self.change(store, seqs, |count| count + 1)?;
        store.durable().await
    }

    async fn end(&self, store: &Store, seqs: &[u64], through: Through) -> Result<(), StoreError> {
        self.change(store, seqs, |count| match through {
            Through::Reading => count.saturating_sub(1),
            Through::Planning => 0,
        })?;
        store.durable().await
    }

    /// Clears the count of a parked event, so that a human may have it retried.
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
    use std::path::Path;

    use super::*;
    use crate::goodays::ResponseId;
    use crate::state::{Receipt, Settings};

    fn received(store: &Store, name: &str) -> u64 {
        let id = Ok(ResponseId::new(name).unwrap());
        match store.receive(name.as_bytes(), "response", &id, 0).unwrap() {
            Receipt::Accepted { seq, .. } => seq,
            other => panic!("{other:?}"),
        }
    }

    fn copy(from: &Path, to: &Path) {
        std::fs::create_dir_all(to).unwrap();
        for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
            let (path, target) = (entry.path(), to.join(entry.file_name()));
            if path.is_dir() {
                copy(&path, &target);
            } else if entry.file_name() != "lock" {
                std::fs::copy(&path, &target).unwrap();
            }
        }
    }

    const FINE: fn() -> Result<(), StoreError> = || Ok(());

    #[tokio::test]
    async fn c10_an_event_that_ended_three_processes_is_known_and_the_others_are_not_blamed() {
        let dir = tempfile::tempdir().unwrap();
        let store = || Store::open(dir.path(), Settings::default()).unwrap();
        let (bad, good) = {
            let store = store();
            let seqs = (received(&store, "bad"), received(&store, "good"));
            assert!(
                !InProgress::open(&store).unwrap().notes(seqs.1 + 1, LARGE),
                "an ordinary one costs nothing"
            );
            store.durable().await.unwrap();
            seqs
        };
        for start in 0..TOO_OFTEN {
            let store = store();
            let in_progress = InProgress::open(&store).unwrap();
            assert!(in_progress.notes(bad, 1) && in_progress.notes(u64::MAX, LARGE + 1));
            assert!(!in_progress.ended_too_many(bad), "{start}");
            assert_eq!(in_progress.is_blamed(bad), start > 0);
            in_progress.note(&store, &[bad, good], Through::Reading, FINE).await.unwrap();
            in_progress.note(&store, &[good], Through::Planning, FINE).await.unwrap();
            in_progress.begin(&store, &[bad]).await.unwrap();
        }
        let store = store();
        let in_progress = InProgress::open(&store).unwrap();
        assert!(
            in_progress.ended_too_many(bad)
                && !in_progress.ended_too_many(good)
                && !in_progress.is_blamed(good)
        );
        in_progress.forget(&store, bad).unwrap();
        assert!(!in_progress.ended_too_many(bad) && !InProgress::open(&store).unwrap().ended_too_many(bad));
    }

    #[tokio::test]
    async fn what_came_through_is_cleared_on_disk_whatever_the_work_said() {
        let dir = tempfile::tempdir().unwrap();
        let store = || Store::open(dir.path(), Settings::default()).unwrap();
        let seq = {
            let store = store();
            let seq = received(&store, "a");
            let in_progress = InProgress::open(&store).unwrap();
            in_progress.begin(&store, &[seq]).await.unwrap();
            seq
        };
        let store = store();
        let in_progress = InProgress::open(&store).unwrap();
        assert!(in_progress.is_blamed(seq));
        in_progress.note(&store, &[seq], Through::Reading, FINE).await.unwrap();
        assert!(in_progress.is_blamed(seq), "reading alone clears nobody: the plan may be what ended it");
        let full = || Err::<(), _>(StoreError::NoSpace { free: 0, floor: 1 });
        assert!(in_progress.note(&store, &[seq], Through::Planning, full).await.is_err());
        let killed_now = tempfile::tempdir().unwrap();
        copy(dir.path(), killed_now.path());
        let left = Store::open(killed_now.path(), Settings::default()).unwrap();
        assert!(left.entry(seq).unwrap().is_some() && !InProgress::open(&left).unwrap().is_blamed(seq));
    }
}
