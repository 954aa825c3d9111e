//! The thread that makes writes durable, for all waiting callers.
//!
//! Callers that wait at the same time share one record of the journal and one sync. Nothing waits for sled's own flush:
//! it deadlocks with seven or more asynchronous callers, and does not survive a power cut.

use std::fmt::Display;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::{oneshot, watch};

use crate::state::embedded::checkpointer::{Checkpointer, Full};
use crate::state::embedded::errors::StoreError;
use crate::state::embedded::journal::{Journal, Record};
use crate::state::embedded::memtable::SharedMemtable;
use crate::state::embedded::open::Places;
use crate::state::embedded::watchdog::Busy;
use crate::state::embedded::{Fault, rebuild};
use crate::sync::lock;

type Answer = Result<(), StoreError>;

/// How long a write may stay out of the journal when no caller waits for it.
const LATEST: Duration = Duration::from_millis(500);

/// Whether the disk still accepts writes. A failure is permanent: after a failed sync the kernel forgets which pages
/// were dirty, so a later sync that succeeds proves nothing.
pub(super) struct Health {
    failure: watch::Sender<Option<StoreError>>,
    /// Where the next start finds that it has to make sled anew.
    rebuild: PathBuf,
}

impl Health {
    pub fn new(places: &Places) -> Self {
        Self { failure: watch::Sender::new(None), rebuild: places.rebuild.clone() }
    }

    pub fn check(&self) -> Answer {
        self.failure.borrow().clone().map_or(Ok(()), Err)
    }

    /// Marks the store as broken. Only the first reason is kept.
    pub fn fail(&self, reason: &dyn Display) -> StoreError {
        self.end(StoreError::Broken(reason.to_string()))
    }

    /// sled is damaged, and may give wrong answers. So nothing more becomes durable, and the next start makes it anew.
    pub fn damaged(&self, reason: &str) -> StoreError {
        rebuild::ask(&self.rebuild, reason);
        self.end(StoreError::Rebuild(reason.to_owned()))
    }

    fn end(&self, error: StoreError) -> StoreError {
        let first = self.failure.send_if_modified(|failure| {
            let first = failure.is_none();
            failure.get_or_insert_with(|| error.clone());
            first
        });
        if first {
            tracing::error!(%error, "the store is broken");
        }
        self.check().err().unwrap_or(error)
    }

    pub fn watch(&self) -> watch::Receiver<Option<StoreError>> {
        self.failure.subscribe()
    }
}

/// A waiting caller. `None` wakes the thread without one.
type Waiter = Option<oneshot::Sender<Answer>>;

pub(super) struct Committer {
    /// None after `finish`.
    queue: Mutex<Option<mpsc::Sender<Waiter>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    commits: Arc<AtomicU64>,
}

/// State of the committer thread.
pub(super) struct Work {
    pub journal: Journal,
    pub checkpointer: Checkpointer,
    pub places: Arc<Places>,
    pub front: Arc<SharedMemtable>,
    pub fault: Fault,
    pub busy: Arc<Busy>,
    /// Age at which a journal is closed although it is not full.
    pub close_after: Duration,
}

impl Committer {
    pub fn start(work: Work) -> std::io::Result<Self> {
        let (queue, waiters) = mpsc::channel();
        let commits = Arc::new(AtomicU64::new(0));
        let thread = Thread {
            work,
            commits: commits.clone(),
            attempts: 0,
            is_waited_for: false,
            began: Instant::now(),
        };
        let thread =
            std::thread::Builder::new().name("store-committer".into()).spawn(move || thread.run(&waiters))?;
        Ok(Self { queue: Mutex::new(Some(queue)), thread: Mutex::new(Some(thread)), commits })
    }

    /// Joins the next group, which contains everything written before this call.
    pub fn enqueue(&self) -> oneshot::Receiver<Answer> {
        let (waiter, answer) = oneshot::channel();
        self.tell(Some(waiter));
        answer
    }

    /// Wakes the thread because the journal is full: perhaps no caller waits.
    pub fn wake(&self) {
        self.tell(None);
    }

    fn tell(&self, waiter: Waiter) {
        if let Some(queue) = lock(&self.queue).as_ref() {
            // If the thread has ended, the waiter is dropped, and its receiver reports that.
            let _ = queue.send(waiter);
        }
    }

    pub fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }

    /// Commits and checkpoints everything. Returns when that is done or has failed.
    pub fn finish(&self) {
        drop(lock(&self.queue).take());
        if let Some(thread) = lock(&self.thread).take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Committer {
    fn drop(&mut self) {
        self.finish();
    }
}

struct Thread {
    work: Work,
    commits: Arc<AtomicU64>,
    attempts: u64,
    is_waited_for: bool,
    /// When the running journal was begun.
    began: Instant,
}

impl Thread {
    fn run(mut self, queue: &mpsc::Receiver<Waiter>) {
        loop {
            let first = match queue.recv_timeout(LATEST) {
                Ok(first) => first,
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => break,
            };
            // All callers in the queue wrote before this commit begins.
            let group: Vec<_> = first.into_iter().chain(queue.try_iter().flatten()).collect();
            self.is_waited_for = !group.is_empty();
            let old = self.began.elapsed() >= self.work.close_after;
            let (answer, full) = self.commit(old);
            for waiter in group {
                // A caller may have stopped waiting (a cut connection).
                let _ = waiter.send(answer.clone());
            }
            self.turn(full);
        }
        self.close();
    }

    /// Commits what no caller waited for, and checkpoints everything, so that no journal is left.
    fn close(mut self) {
        self.is_waited_for = false;
        self.work.front.wait_for_checkpoint();
        let (answer, full) = self.commit(true);
        match full {
            Some(full) => self.work.checkpointer.take(full),
            None if answer.is_ok() => {
                let _ = self.work.journal.remove_empty(&self.work.places);
            }
            None => {}
        }
    }

    /// Makes all writes until now durable. Returns the journal's writes if this was its last record.
    fn commit(&mut self, last: bool) -> (Answer, Option<Full>) {
        let busy = self.work.busy.clone();
        let _working = busy.start();
        let (mut record, writes) = {
            let mut recent = self.work.front.write();
            // Checked while the lock is held: a writer that failed under it may have written half of a transaction.
            if let Err(failure) = self.work.front.health.check() {
                return (Err(failure), None);
            }
            (recent.next_record(), recent.turn(last))
        };
        // If everything is on disk already, no sync is needed.
        let written = if record.is_empty() { Ok(()) } else { self.write(&mut record) };
        match written {
            Ok(()) => {
                let number = self.work.journal.number;
                (Ok(()), writes.map(|writes| Full { number, writes }))
            }
            Err(error) => (Err(self.work.front.fail(&error)), None),
        }
    }

    fn write(&mut self, record: &mut Record) -> std::io::Result<()> {
        self.work.journal.append(record)?;
        self.attempts += 1;
        match self.work.fault {
            Fault::SkipSync => return Ok(()),
            Fault::HangSync => {
                while self.work.front.health.check().is_ok() {
                    std::thread::park_timeout(Duration::from_millis(1));
                }
                return Err(std::io::Error::other("injected"));
            }
            Fault::FailSyncAfter(good) if self.attempts > good => {
                return Err(std::io::Error::other("injected"));
            }
            _ => {}
        }
        self.work.journal.sync()?;
        self.commits.fetch_add(u64::from(self.is_waited_for), Ordering::Relaxed);
        Ok(())
    }

    /// Passes a full journal to the checkpointer, and begins the next one.
    fn turn(&mut self, full: Option<Full>) {
        let Some(full) = full else { return };
        match Journal::create(&self.work.places, full.number + 1) {
            Ok(next) => (self.work.journal, self.began) = (next, Instant::now()),
            Err(error) => return drop(self.work.front.fail(&error)),
        }
        self.work.checkpointer.take(full);
    }
}
