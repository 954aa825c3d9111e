//! Notes which events are in progress: an event that ends the process each time is parked, the others continue.
//!
//! A note is written before an event is read, and before it is planned. It is removed before the worker waits for
//! anything. Only large events and those of an earlier process are noted. No call to a remote, pause, wait or sync
//! happens under a note, so a process that is ended then blames no event.
//!
//! The notes are one line of JSON in a file of the state folder, event number to count, and are never synced: they are
//! about processes that end, and the kernel keeps what such a process wrote. After a power cut they may be lost, and
//! then counting begins anew.
//!
//! A process that ends in the middle of a step blames all events of that step. So an event that was blamed once is
//! worked on alone from then on: the harmless ones are cleared one by one, and only the cause reaches the limit.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Mutex;

use tokio::sync::Mutex as Turn;
use tracing::warn;

use crate::aside::LARGE;
use crate::state::{EntryState, Store, StoreError};
use crate::sync::lock;

/// The file's name in the state folder.
const FILE: &str = "in_progress";
/// After this many processes that ended while they worked on an event, it is not tried again.
const TOO_OFTEN: u32 = 3;

/// Shared by the inbound workers.
pub(crate) struct InProgress {
    /// Number of the last event of earlier processes.
    before: u64,
    counts: Mutex<BTreeMap<u64, u32>>,
    /// None if it cannot be opened: then no event is blamed, and everything else works.
    file: Option<File>,
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
    /// Reads the notes of earlier processes from the state folder.
    pub async fn open(store: &Store, folder: &Path) -> Result<Self, StoreError> {
        let path = folder.join(FILE);
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let file = file.inspect_err(|error| warn!(%error, "{} cannot be used", path.display())).ok();
        let mut counts = file.as_ref().map(read).unwrap_or_default();
        let mut gone = Vec::new();
        for seq in counts.keys() {
            let entry = store.entry(*seq).await?;
            if !entry.is_some_and(|entry| matches!(entry.state, EntryState::Waiting { .. })) {
                gone.push(*seq);
            }
        }
        counts.retain(|seq, _| !gone.contains(seq));
        Ok(Self { before: store.last_seq().await?, counts: Mutex::new(counts), file, turn: Turn::new(()) })
    }

    /// Whether an event of that number and size (bytes) is noted.
    pub fn notes(&self, seq: u64, bytes: usize) -> bool {
        seq <= self.before || bytes > LARGE
    }

    /// Whether too many processes ended while they worked on it.
    pub fn ended_too_many(&self, seq: u64) -> bool {
        lock(&self.counts).get(&seq).is_some_and(|count| *count >= TOO_OFTEN)
    }

    /// Whether a process ended while it worked on this event, so that it is worked on alone.
    pub fn is_blamed(&self, seq: u64) -> bool {
        lock(&self.counts).get(&seq).is_some_and(|count| (1..TOO_OFTEN).contains(count))
    }

    /// Does `work` on these events, with a note of them meanwhile. The note is removed before this returns, also when
    /// `work` fails.
    pub async fn note<T>(&self, seqs: &[u64], through: Through, work: impl FnOnce() -> T) -> T {
        if seqs.is_empty() {
            return work();
        }
        let blamed = seqs.iter().any(|seq| self.is_blamed(*seq));
        let _turn = if blamed { Some(self.turn.lock().await) } else { None };
        self.change(seqs, |count| count + 1);
        let done = work();
        self.change(seqs, |count| match through {
            Through::Reading => count.saturating_sub(1),
            Through::Planning => 0,
        });
        done
    }

    /// Clears the count of a parked event, so that a human may have it retried.
    pub fn forget(&self, seq: u64) {
        self.change(&[seq], |_| 0);
    }

    fn change(&self, seqs: &[u64], with: impl Fn(u32) -> u32) {
        let mut counts = lock(&self.counts);
        for seq in seqs {
            let count = with(counts.get(seq).copied().unwrap_or_default());
            if count == 0 {
                counts.remove(seq);
            } else {
                counts.insert(*seq, count);
            }
        }
        if let Some(Err(error)) = self.file.as_ref().map(|file| write(file, &counts)) {
            warn!(%error, "events in progress cannot be noted");
        }
    }
}

/// The first line; what stands behind it is the rest of a longer one.
fn read(file: &File) -> BTreeMap<u64, u32> {
    let mut line = String::new();
    let read = BufReader::new(file).read_line(&mut line);
    read.ok().and_then(|_| serde_json::from_str(&line).ok()).unwrap_or_default()
}

/// One write, so that a process that ends leaves the old line or the new one.
fn write(file: &File, counts: &BTreeMap<u64, u32>) -> io::Result<()> {
    let mut line = serde_json::to_vec(counts)?;
    line.push(b'\n');
    file.write_all_at(&line, 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::goodays::ResponseId;
    use crate::state::{Receipt, Settings};

    async fn received(store: &Store, name: &str) -> u64 {
        let id = Ok(ResponseId::new(name).unwrap());
        match store.accept(name.as_bytes(), "response", &id, 0).await.unwrap() {
            Receipt::Accepted { seq, .. } => seq,
            other => panic!("{other:?}"),
        }
    }

    /// The process ends in the middle of the work: the file holds the note still.
    fn ends_in(in_progress: &InProgress, seqs: &[u64]) {
        in_progress.change(seqs, |count| count + 1);
    }

    #[tokio::test]
    async fn c10_an_event_that_ended_three_processes_is_known_and_the_others_are_not_blamed() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), Settings::default()).unwrap();
        let start = async || InProgress::open(&store, dir.path()).await.unwrap();
        let (bad, good) = (received(&store, "bad").await, received(&store, "good").await);
        assert!(!start().await.notes(good + 1, LARGE), "an ordinary one costs nothing");
        for count in 0..TOO_OFTEN {
            let in_progress = start().await;
            assert!(in_progress.notes(bad, 1) && in_progress.notes(u64::MAX, LARGE + 1));
            assert!(!in_progress.ended_too_many(bad), "{count}");
            assert_eq!(in_progress.is_blamed(bad), count > 0);
            in_progress.note(&[bad, good], Through::Reading, || ()).await;
            in_progress.note(&[good], Through::Planning, || ()).await;
            ends_in(&in_progress, &[bad]);
        }
        let in_progress = start().await;
        assert!(in_progress.ended_too_many(bad) && !in_progress.ended_too_many(good));
        assert!(!in_progress.is_blamed(good));
        in_progress.forget(bad);
        assert!(!in_progress.ended_too_many(bad) && !start().await.ended_too_many(bad));
    }

    #[tokio::test]
    async fn what_came_through_is_cleared_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), Settings::default()).unwrap();
        let start = async || InProgress::open(&store, dir.path()).await.unwrap();
        let (one, other) = (received(&store, "a").await, received(&store, "b").await);
        ends_in(&start().await, &[one, other]);
        let in_progress = start().await;
        assert!(in_progress.is_blamed(one) && in_progress.is_blamed(other));
        in_progress.note(&[one], Through::Reading, || ()).await;
        assert!(start().await.is_blamed(one), "reading alone clears nobody: the plan may be what ended it");
        in_progress.note(&[one], Through::Planning, || ()).await;
        // A shorter line over a longer one, and a process that ends right now.
        assert!(!start().await.is_blamed(one) && start().await.is_blamed(other));
        std::fs::write(dir.path().join(FILE), "no JSON").unwrap();
        assert!(!start().await.is_blamed(other), "a damaged file blames nobody");
    }
}
