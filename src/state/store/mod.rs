//! The store's interface: each function names the one that answers it in each kind of store.

mod conversations;
mod copy;
mod events;
mod removal;
mod values;

use std::path::Path;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::state::embedded::Store as Engine;
use crate::state::postgres::{self, ConnectError, Postgres};
use crate::state::records::Records;
use crate::state::{OpenError, Settings, StoreError};

/// The store of one daemon. Clones share it; dropping the last one closes it.
#[derive(Clone)]
pub enum Store {
    /// In the state folder, for one process.
    Embedded(Records),
    /// In a database, for several instances.
    Postgres(Postgres),
}

impl Store {
    /// Opens the embedded store in `<dir>/sled`; creates it, makes it anew from the journals, migrates or compacts it if
    /// necessary.
    pub fn open(dir: &Path, settings: Settings) -> Result<Self, OpenError> {
        Records::open(dir, settings).map(Self::Embedded)
    }

    /// Connects to a database, and brings its tables to the version of this program.
    pub async fn connect(settings: &postgres::Settings) -> Result<Self, ConnectError> {
        Postgres::connect(settings).await.map(Self::Postgres)
    }

    /// From here on connections are opened by these settings, but for the schema; those that are open stay. False if nothing
    /// is new.
    pub fn reach_by(&self, settings: &postgres::Settings) -> Result<bool, ConnectError> {
        match self {
            Self::Embedded(_) => Ok(false),
            Self::Postgres(records) => records.reach_by(settings),
        }
    }

    /// The embedded database, for tests and benches that damage or build records. Production code uses the records
    /// (tests/it/shape.rs).
    pub fn engine(&self) -> Option<&Engine> {
        match self {
            Self::Embedded(records) => Some(&records.engine),
            Self::Postgres(_) => None,
        }
    }

    /// Resolves once everything written before the call is on disk and survives a power cut.
    pub async fn durable(&self) -> Result<(), StoreError> {
        match self {
            Self::Embedded(records) => records.engine.durable().await,
            Self::Postgres(_) => Ok(()),
        }
    }

    /// Resolves when there is room for a write. A write after that waits only if other writers were faster.
    pub async fn room(&self) -> Result<(), StoreError> {
        match self {
            Self::Embedded(records) => records.engine.room().await,
            Self::Postgres(records) => Box::pin(records.room()).await,
        }
    }

    /// Fails if new events may not be accepted: the store is broken or out of reach, or too little disk space is free.
    /// Answers at once.
    pub fn accepting(&self) -> Result<(), StoreError> {
        match self {
            Self::Embedded(records) => records.engine.accepting(),
            Self::Postgres(records) => records.accepting(),
        }
    }

    /// Resolves when a write, a flush or a sync has failed: stop acknowledging, and exit.
    pub async fn broken(&self) -> StoreError {
        match self {
            Self::Embedded(records) => records.engine.broken().await,
            Self::Postgres(_) => std::future::pending().await,
        }
    }

    /// A number for a new record, greater than all before it. This holds over restarts as well, once any later write
    /// is durable. Decisions ask for it, so it waits for nothing.
    pub fn next_seq(&self) -> u64 {
        match self {
            Self::Embedded(records) => records.engine.next_seq(),
            Self::Postgres(records) => records.next_seq(),
        }
    }

    /// The number of this term, which no other term of this store has. On PostgreSQL the epoch of the lease; the term of
    /// a store of one process begins with this call. It is negative, so that a state that is copied from one kind to the
    /// other has no attempt that looks like one of a term there.
    pub fn begin_term(&self) -> i64 {
        match self {
            Self::Embedded(records) => -i64::try_from(records.engine.next_seq()).unwrap_or(i64::MAX),
            Self::Postgres(records) => records.epoch(),
        }
    }

    /// The number of the last event, or a later one: no stored event has a greater number.
    pub async fn last_seq(&self) -> Result<u64, StoreError> {
        match self {
            Self::Embedded(records) => Ok(records.engine.last_seq()),
            Self::Postgres(records) => Box::pin(records.last_seq()).await,
        }
    }

    /// How many damaged records were read since the start.
    pub fn damaged(&self) -> usize {
        match self {
            Self::Embedded(records) => records.engine.damaged(),
            Self::Postgres(records) => records.damaged(),
        }
    }

    /// Whether writes that were acknowledged could not be read, because a journal is damaged or missing, and no start
    /// before this one has seen to it.
    pub fn is_incomplete(&self) -> bool {
        match self {
            Self::Embedded(records) => records.engine.is_incomplete(),
            Self::Postgres(_) => false,
        }
    }

    /// What was lost was seen to: later starts find the state whole.
    pub fn loss_is_seen_to(&self) -> Result<(), StoreError> {
        match self {
            Self::Embedded(records) => records.engine.loss_is_seen_to(),
            Self::Postgres(_) => Ok(()),
        }
    }

    /// Removes from the disk what was last written before this time (milliseconds, wall clock) and is needed no more.
    pub async fn retire(&self, before_ms: i64) -> Result<usize, StoreError> {
        match self {
            Self::Embedded(records) => records.engine.retire(before_ms).await,
            Self::Postgres(_) => Ok(0),
        }
    }

    /// Overwrites on the disk what was forgotten. Returns the number of overwritten records.
    pub async fn wipe(&self) -> Result<usize, StoreError> {
        match self {
            Self::Embedded(records) => records.engine.wipe().await,
            Self::Postgres(_) => Ok(0),
        }
    }

    /// Whether whoever has this handle works. Beside a working instance others read the same store.
    pub fn is_of_the_working(&self) -> bool {
        match self {
            Self::Embedded(_) => true,
            Self::Postgres(records) => records.has_term(),
        }
    }

    /// Whether other processes write to it, too: then nobody says here that something came in.
    pub fn is_common(&self) -> bool {
        match self {
            Self::Embedded(_) => false,
            Self::Postgres(_) => true,
        }
    }

    /// The same store for the workers of a term: their writes change nothing once another term has begun, and `ended` is
    /// cancelled when that is found, or when nobody knows what was written. A store of one process has one term.
    #[must_use]
    pub fn for_term(&self, epoch: i64, ended: CancellationToken) -> Self {
        match self {
            Self::Embedded(_) => self.clone(),
            Self::Postgres(records) => Self::Postgres(records.for_term(epoch, ended)),
        }
    }

    /// How many syncs had a waiting caller.
    pub fn commits(&self) -> u64 {
        match self {
            Self::Embedded(records) => records.engine.commits(),
            Self::Postgres(records) => records.commits(),
        }
    }

    /// How long the last request took; nothing where no request leaves this process.
    pub fn round_trip(&self) -> Duration {
        match self {
            Self::Embedded(_) => Duration::ZERO,
            Self::Postgres(records) => records.last_trip(),
        }
    }

    /// Bytes that the state takes on this machine's disk; none if it is kept elsewhere.
    pub fn disk_bytes(&self) -> Option<u64> {
        match self {
            Self::Embedded(records) => Some(records.engine.disk_bytes()),
            Self::Postgres(_) => None,
        }
    }

    /// The last checkpoint: makes everything durable, writes it into sled and ends. Later writes are lost. Blocks until
    /// it is done.
    pub fn finish(&self) -> Result<(), StoreError> {
        match self {
            Self::Embedded(records) => records.engine.finish(),
            Self::Postgres(_) => Ok(()),
        }
    }

    /// If this is the last clone: makes everything durable and releases the folder. Dropping does the same, without
    /// reporting a failure.
    pub fn close(self) -> Result<(), StoreError> {
        match self {
            Self::Embedded(records) => records.engine.close(),
            Self::Postgres(_) => Ok(()),
        }
    }
}
