//! What is kept: received events, the ledger of conversations, agents' actions, and a few values by name.
//!
//! The interface is [`Store`], and it speaks of conversations. A conversation is the unit of consistency: its link, its
//! waiting events and notes and its actions are loaded together ([`Loaded`]), decided on together, and written in one
//! transaction, unless one of them changed meanwhile. Loads and commits take many conversations at once, because a
//! store behind a network is asked seldom.
//!
//! | What | Functions |
//! | --- | --- |
//! | An event came in | [`Store::accept`], [`Store::accept_parked`], then [`Store::durable`] |
//! | What is due in a lane | [`Store::due`], [`Store::next_due`] |
//! | Conversations | [`Store::load_many`], [`Store::load_due`], [`Store::commit_many`]; all three in one: [`Store::change_many`] |
//! | Bodies of events | [`Store::bodies`], [`Store::body`] |
//! | Calls in flight | [`Store::attempt`], [`Store::set_attempts`] |
//! | Cursors and other values | [`Store::meta`], [`Store::set_meta`] |
//! | What waits for a human | [`Store::parked`], [`Store::retry_event`], [`Store::drop_event`], [`Store::drop_damaged_intent`] |
//! | Removal | [`Store::prune_events`], [`Store::prune_intents`], [`Store::start_over`], the functions of [`forget`] |
//!
//! Only this room knows keys, ranges, guards and the embedded database below them.

mod conversation;
mod embedded;
mod errors;
mod records;

/// The embedded database below the records, for tests and benches (tests/it/shape.rs).
pub mod engine {
    pub use super::embedded::{
        Fault, MAX_KEY, MAX_VALUE, OpenError, Settings, Store, StoreError, Tx, TxError, prefix_end,
    };
}

use std::path::Path;

pub use conversation::{Changed, Commit, Ended, Loaded};
pub use embedded::{Fault, Settings};
pub use errors::{OpenError, StoreError};
pub use records::inbox::{Entry, EntryState, Item, Receipt, Waiting, WaitingNote};
pub use records::keys::{LANES, RKey};
pub use records::load::Due;
pub use records::pages::Page;
pub use records::parked::Parked;
pub use records::{forget, inbox, keys, ledger, outbox};

use embedded::Store as Engine;
use serde::{Serialize, de::DeserializeOwned};

/// How many syncs sled has requested. Each is an `fdatasync`, see the crate `real_sync`, which this function links into
/// every program.
pub fn sled_syncs() -> u64 {
    real_sync::syncs()
}

/// The store of one daemon. Clones share it; dropping the last one closes it.
#[derive(Clone)]
pub struct Store {
    engine: Engine,
}

impl Store {
    /// Opens the store in `<dir>/sled`; creates it, makes it anew from the journals, migrates or compacts it if necessary.
    pub fn open(dir: &Path, settings: Settings) -> Result<Self, OpenError> {
        Engine::open(dir, settings).map(|engine| Self { engine })
    }

    /// The embedded database, for tests and benches that damage or build records. Production code uses the records
    /// (tests/it/shape.rs).
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Resolves once everything written before the call is on disk and survives a power cut.
    pub async fn durable(&self) -> Result<(), StoreError> {
        self.engine.durable().await
    }

    /// Resolves when there is room for a write. A write after that waits only if other writers were faster.
    pub async fn room(&self) -> Result<(), StoreError> {
        self.engine.room().await
    }

    /// Fails if new events may not be accepted: the store is broken, or too little disk space is free.
    pub fn accepting(&self) -> Result<(), StoreError> {
        self.engine.accepting()
    }

    /// Resolves when a write, a flush or a sync has failed: stop acknowledging, and exit.
    pub fn broken(&self) -> impl Future<Output = StoreError> + Send + use<> {
        self.engine.broken()
    }

    /// A number for a new record, greater than all before it. This holds over restarts as well, once any later write
    /// is durable.
    pub fn next_seq(&self) -> u64 {
        self.engine.next_seq()
    }

    /// The last number given, or a later one: no stored record has a greater number.
    pub fn last_seq(&self) -> u64 {
        self.engine.last_seq()
    }

    /// How many damaged records were read since the start.
    pub fn damaged(&self) -> usize {
        self.engine.damaged()
    }

    /// Whether writes that were acknowledged could not be read at the start, because a journal is damaged or missing.
    pub fn is_incomplete(&self) -> bool {
        self.engine.is_incomplete()
    }

    /// Removes from the disk what was last written before this time (milliseconds, wall clock) and is needed no more.
    pub async fn retire(&self, before_ms: i64) -> Result<usize, StoreError> {
        match self.engine.retire(before_ms).await {
            Err(StoreError::Damaged(reason)) => {
                tracing::error!(reason, "old journals stay: the next start makes the database anew");
                Ok(0)
            }
            retired => retired,
        }
    }

    /// Overwrites on the disk what was forgotten. Returns the number of overwritten records.
    pub async fn wipe(&self) -> Result<usize, StoreError> {
        self.engine.wipe().await
    }

    /// How many syncs had a waiting caller.
    pub fn commits(&self) -> u64 {
        self.engine.commits()
    }

    pub fn disk_bytes(&self) -> u64 {
        self.engine.disk_bytes()
    }

    /// The last checkpoint: makes everything durable, writes it into sled and ends. Later writes are lost. Blocks until
    /// it is done.
    pub fn finish(&self) -> Result<(), StoreError> {
        self.engine.finish()
    }

    /// If this is the last clone: makes everything durable and releases the folder. Dropping does the same, without
    /// reporting a failure.
    pub fn close(self) -> Result<(), StoreError> {
        self.engine.close()
    }
}

/// Version of the records: the first byte of each, for later programs.
const RECORD: u8 = 1;

fn encode<T: Serialize>(record: &T) -> Vec<u8> {
    let mut bytes = vec![RECORD];
    serde_json::to_writer(&mut bytes, record).expect("a record has text keys only");
    bytes
}

fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, StoreError> {
    match bytes.split_first() {
        Some((&RECORD, json)) => serde_json::from_slice(json)
            .map_err(|e| StoreError::Damaged(format!("it cannot be read: {}", e.classify_name()))),
        Some((version, _)) => Err(StoreError::Damaged(format!("it has the unknown version {version}"))),
        None => Err(StoreError::Damaged("it is empty".to_owned())),
    }
}

/// The kind of a JSON error, without any text of the record.
trait ClassifyName {
    fn classify_name(&self) -> &'static str;
}

impl ClassifyName for serde_json::Error {
    fn classify_name(&self) -> &'static str {
        match self.classify() {
            serde_json::error::Category::Io => "io",
            serde_json::error::Category::Syntax => "syntax",
            serde_json::error::Category::Data => "shape",
            serde_json::error::Category::Eof => "cut off",
        }
    }
}
