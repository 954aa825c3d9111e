//! One thread that makes everything durable, for all who wait.
//!
//! sled's own asynchronous flush dead-locks from seven callers up, and its flush alone does not survive a power
//! cut: it never asks the device to empty its cache. So one thread flushes, then syncs the log's file itself.
//! One file handle is kept for the whole life, because the kernel reports a failed write-back once per handle.

use std::fmt::Display;
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::{oneshot, watch};

use super::Fault;
use super::errors::StoreError;
use super::watchdog::Busy;

type Answer = Result<(), StoreError>;

/// Whether the disk still takes what it is given. A failure stays: after a failed sync the kernel forgets which
/// pages were dirty, and a second sync that succeeds proves nothing.
pub(super) struct Health {
    failure: watch::Sender<Option<StoreError>>,
}

impl Health {
    pub fn new() -> Self {
        Self { failure: watch::Sender::new(None) }
    }

    pub fn check(&self) -> Answer {
        self.failure.borrow().clone().map_or(Ok(()), Err)
    }

    /// The first reason stays.
    pub fn fail(&self, reason: &dyn Display) -> StoreError {
        let error = StoreError::Broken(reason.to_string());
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

pub(super) struct Committer {
    queue: Option<mpsc::Sender<oneshot::Sender<Answer>>>,
    thread: Option<JoinHandle<()>>,
    commits: Arc<AtomicU64>,
}

impl Committer {
    pub fn start(
        db: sled::Db,
        log: File,
        fault: Fault,
        health: Arc<Health>,
        busy: Arc<Busy>,
    ) -> std::io::Result<Self> {
        let (queue, waiters) = mpsc::channel();
        let commits = Arc::new(AtomicU64::new(0));
        let work = Work { db, log, fault, health, busy, commits: commits.clone(), attempts: 0 };
        let thread =
            std::thread::Builder::new().name("store-committer".into()).spawn(move || work.run(&waiters))?;
        Ok(Self { queue: Some(queue), thread: Some(thread), commits })
    }

    /// A place in the next group; everything written before this call is in it.
    pub fn enqueue(&self) -> oneshot::Receiver<Answer> {
        let (waiter, answer) = oneshot::channel();
        if let Some(queue) = &self.queue {
            // A thread that is gone drops the waiter, which its receiver sees.
            let _ = queue.send(waiter);
        }
        answer
    }

    pub fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }
}

impl Drop for Committer {
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Work {
    db: sled::Db,
    log: File,
    fault: Fault,
    health: Arc<Health>,
    busy: Arc<Busy>,
    commits: Arc<AtomicU64>,
    attempts: u64,
}

impl Work {
    fn run(mut self, queue: &mpsc::Receiver<oneshot::Sender<Answer>>) {
        while let Ok(first) = queue.recv() {
            // Whoever is in the queue now wrote before this flush begins.
            let group: Vec<_> = std::iter::once(first).chain(queue.try_iter()).collect();
            let answer = self.commit();
            for waiter in group {
                // One that no longer waits (a cut connection) is no concern.
                let _ = waiter.send(answer.clone());
            }
        }
        // Closing: what nobody waited for is made durable, too.
        let _ = self.commit();
    }

    fn commit(&mut self) -> Answer {
        self.health.check()?;
        let busy = self.busy.clone();
        let _working = busy.start();
        let synced = catch_unwind(AssertUnwindSafe(|| {
            self.db.flush().map_err(|error| error.to_string())?;
            self.sync().map_err(|error| error.to_string())
        }));
        match synced {
            Ok(Ok(())) => Ok(()),
            Ok(Err(reason)) => Err(self.health.fail(&reason)),
            Err(_) => Err(self.health.fail(&"the database panicked while it was flushed")),
        }
    }

    fn sync(&mut self) -> std::io::Result<()> {
        self.attempts += 1;
        match self.fault {
            Fault::SkipSync => return Ok(()),
            Fault::HangSync => {
                while self.health.check().is_ok() {
                    std::thread::park_timeout(Duration::from_millis(1));
                }
                return Err(std::io::Error::other("injected"));
            }
            Fault::FailSync => return Err(std::io::Error::other("injected")),
            Fault::FailSyncAfter(good) if self.attempts > good => {
                return Err(std::io::Error::other("injected"));
            }
            _ => {}
        }
        self.log.sync_data()?;
        self.commits.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}
