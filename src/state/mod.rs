//! The store: the only module that knows sled. A few operations (get, compare-and-set, transact, range, durable), and
//! the records on top of them.

mod damaged;
mod embedded;

pub mod conversation;
pub mod inbox;
pub mod keys;
pub mod ledger;
pub mod outbox;
pub mod pages;

pub use conversation::{Changed, Ended, Loaded};
pub use embedded::{
    Fault, MAX_KEY, MAX_VALUE, MAX_WRITES, OpenError, Settings, Store, StoreError, Tx, TxError, prefix_end,
};
pub use inbox::{Entry, EntryState, Item, Receipt, Waiting};
pub use keys::{LANES, RKey};

use serde::{Serialize, de::DeserializeOwned};

/// How many syncs sled has requested. Each is an `fdatasync`, see the crate `real_sync`, which this function links into
/// every program.
pub fn sled_syncs() -> u64 {
    real_sync::syncs()
}

/// Version of the records: the first byte of each, for later programs.
const RECORD: u8 = 1;

pub(crate) fn encode<T: Serialize>(record: &T) -> Vec<u8> {
    let mut bytes = vec![RECORD];
    serde_json::to_writer(&mut bytes, record).expect("a record has text keys only");
    bytes
}

pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, StoreError> {
    match bytes.split_first() {
        Some((&RECORD, json)) => serde_json::from_slice(json)
            .map_err(|e| StoreError::Damaged(format!("it cannot be read: {}", e.classify_name()))),
        Some((version, _)) => Err(StoreError::Damaged(format!("it has the unknown version {version}"))),
        None => Err(StoreError::Damaged("it is empty".to_owned())),
    }
}

impl Store {
    /// Whether the transaction was applied. False if a guard did not hold.
    pub fn try_transact(&self, tx: &Tx) -> Result<bool, StoreError> {
        match self.transact(tx) {
            Ok(()) => Ok(true),
            Err(TxError::Conflict) => Ok(false),
            Err(TxError::Store(error)) => Err(error),
        }
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
