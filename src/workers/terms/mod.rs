//! Terms: of several instances that share a database, one at a time works.
//!
//! ```text
//! wait   read the lease, until it is free or was not beaten for its length  (decide::lease)
//! take   a new epoch; everything that the workers know is read anew from the store
//! work   the workers run, each write of theirs names the epoch, and a beat renews the lease
//! end    a stop: the workers end, the lease is given back
//!        a write without an answer, another's epoch, or no beat: the workers are cut off, and this instance waits again
//! ```
//!
//! While it works, a timer of the kernel runs that ends the process at the end of the lease, set anew by each beat: a
//! process that was stopped (by a signal, or by a machine that swaps) does no more after that, whatever it was about to
//! send.

mod candidate;
mod deadline;
mod lead;
mod standing;

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::clock::Clock;
use crate::decide::lease::LeaseTimes;
use crate::state::postgres::lease::{Instance, Lease, LeaseRow};
use crate::state::{Store, StoreError};
use crate::workers::{Current, Process, Shared};
use deadline::Deadline;
pub use standing::{Member, Standing};

/// How often an instance that waits reads the lease.
const READ_EVERY: Duration = Duration::from_millis(250);
/// How long the first read of the lease may take: it also connects.
const START: Duration = Duration::from_secs(5);

/// This instance among the others.
pub struct Terms {
    process: Arc<Process>,
    /// Without an epoch.
    store: Store,
    lease: Lease,
    times: LeaseTimes,
    me: Instance,
    /// Cancelled when the process ends.
    token: CancellationToken,
}

/// A term that has begun; its workers have not.
pub struct Term {
    epoch: i64,
    pub shared: Arc<Shared>,
    /// Cancelled when a write of the term has no answer, or another instance has taken over.
    ended: CancellationToken,
    held: Held,
}

/// The lease, while this instance has it. Whoever drops it disarms the kernel's timer.
struct Held {
    epoch: i64,
    deadline: Deadline,
    /// When the last beat that arrived was sent (milliseconds).
    beaten_ms: i64,
}

impl Terms {
    pub fn new(
        process: Arc<Process>,
        store: Store,
        lease: Lease,
        length: Duration,
        token: CancellationToken,
    ) -> Self {
        let length_ms = i64::try_from(length.as_millis()).unwrap_or(i64::MAX);
        let me = Instance {
            id: name(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            mapping: process.mapping().version().to_owned(),
            started_ms: Clock::System.now().as_millisecond(),
            admin_addr: String::new(),
        };
        Self { process, store, lease, times: LeaseTimes::of(length_ms), me, token }
    }

    /// Takes the lease if nobody has it. If that fails, this instance waits like any other.
    pub async fn first(&self) -> Result<Option<Term>, StoreError> {
        let row = self.lease.read(START).await?;
        if !candidate::is_free(&row) {
            info!(
                leader = row.holder.as_deref().unwrap_or_default(),
                "another instance works: this one waits"
            );
            return Ok(None);
        }
        Ok(self.take(&row).await)
    }

    /// What the doors of an instance need that does not work.
    pub async fn without_work(&self) -> Result<Shared, StoreError> {
        Shared::waiting(self.process.clone(), self.store.clone()).await
    }

    /// Works whenever it has the lease, until the token is cancelled. `admin` is where the admin door listens. False when
    /// a worker failed.
    pub async fn run(mut self, current: Current, first: Option<Term>, admin: String) -> bool {
        self.me.admin_addr = admin;
        let mut begun = first;
        let mut clean = true;
        while let Some(term) = match begun.take() {
            Some(term) => Some(term),
            None => self.candidate(&current).await,
        } {
            clean = self.lead(&current, term).await;
            if self.token.is_cancelled() {
                break;
            }
        }
        let _ = self.lease.unregister(&self.me.id, self.limit()).await;
        clean
    }

    /// Takes the lease, unless another one was faster, and begins a term. What fails is logged: the lease may be tried for
    /// again.
    async fn take(&self, row: &LeaseRow) -> Option<Term> {
        let sent_ms = now_ms();
        let epoch = match self.lease.take(row, &self.me.id, self.limit()).await {
            Ok(taken) => taken?,
            Err(error) => {
                warn!(%error, "the lease could not be taken");
                return None;
            }
        };
        info!(epoch, before = row.holder.as_deref().unwrap_or_default(), "this instance has the lease");
        match self.begin(epoch, sent_ms).await {
            Ok(term) => Some(term),
            Err(error) => {
                warn!(%error, "the term could not begin");
                None
            }
        }
    }

    /// Reads anew what the workers know. The kernel's timer runs from here on, so the lease is renewed meanwhile: where
    /// the database is far away or has much to count, reading takes longer than the lease.
    async fn begin(&self, epoch: i64, sent_ms: i64) -> Result<Term, StoreError> {
        let deadline = Deadline::at(sent_ms + self.times.end_ms)?;
        let mut held = Held { epoch, deadline, beaten_ms: sent_ms };
        let ended = CancellationToken::new();
        let store = self.store.for_term(epoch, ended.clone());
        let begun = tokio::select! {
            begun = self.read(store) => begun,
            () = self.beat(None, &mut held) => Err(StoreError::TermOver),
        };
        match begun {
            Ok(shared) => Ok(Term { epoch, shared: Arc::new(shared), ended, held }),
            Err(error) => {
                drop(held);
                let _ = self.lease.release(epoch, self.limit()).await;
                Err(error)
            }
        }
    }

    /// What the term begins with. Files that were edited while nobody watched are read before anything is sent.
    async fn read(&self, store: Store) -> Result<Shared, StoreError> {
        let shared = Shared::begin(self.process.clone(), store).await?;
        shared.look_at_files().await;
        Ok(shared)
    }

    /// How long a statement about the lease may take: a beat can be sent again before the work has to stop.
    fn limit(&self) -> Duration {
        millis(self.times.beat_ms)
    }
}

/// Steady time, whatever clock the workers have (milliseconds).
fn now_ms() -> i64 {
    Clock::System.now_ms()
}

fn millis(ms: i64) -> Duration {
    Duration::from_millis(u64::try_from(ms).unwrap_or_default())
}

/// The machine's name and a random number: containers may share their machine's name.
fn name() -> String {
    let node = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let random = RandomState::new().build_hasher().finish();
    format!("{node}-{:06x}", random & 0x00ff_ffff)
}
