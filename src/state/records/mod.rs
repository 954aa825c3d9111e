//! The records over the embedded database: its keys, guards and transactions.

mod commit;
pub(in crate::state) mod copy;
mod damaged;
mod forget;
mod inbox;
pub mod keys;
mod ledger;
mod load;
mod mend;
mod outbox;
mod pages;
mod parked;
mod prune;
mod queue;
mod start_over;

use std::path::Path;

use serde::{Serialize, de::DeserializeOwned};

use crate::state::embedded::Store as Engine;
use crate::state::{OpenError, Settings, StoreError};

/// The store of one process, in its state folder. Clones share it; dropping the last one closes it.
#[derive(Clone)]
pub struct Records {
    pub(super) engine: Engine,
}

impl Records {
    /// Opens the store in `<dir>/sled`; creates it, makes it anew from the journals, migrates or compacts it if necessary.
    pub fn open(dir: &Path, settings: Settings) -> Result<Self, OpenError> {
        let records = Self::open_marked(dir, settings)?;
        match records.mark().map_err(|error| unreadable(dir, &error))? {
            Some(mark) => Err(OpenError::Marked { dir: dir.to_owned(), mark }),
            None => Ok(records),
        }
    }

    /// The same of a state that is being copied, or copied to.
    pub fn open_marked(dir: &Path, settings: Settings) -> Result<Self, OpenError> {
        let records = Self { engine: Engine::open(dir, settings)? };
        records.complete_indexes().map_err(|error| unreadable(dir, &error))?;
        Ok(records)
    }
}

fn unreadable(dir: &Path, error: &StoreError) -> OpenError {
    OpenError::Folder { dir: dir.to_owned(), reason: error.to_string() }
}

/// Version of the records: the first byte of each, for later programs.
const RECORD: u8 = 1;

fn encode<T: Serialize>(record: &T) -> Vec<u8> {
    let mut bytes = vec![RECORD];
    serde_json::to_writer(&mut bytes, record).expect("a record has text keys only");
    bytes
}

/// The same of a record that is JSON already.
fn encoded(json: &[u8]) -> Vec<u8> {
    [&[RECORD], json].concat()
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
