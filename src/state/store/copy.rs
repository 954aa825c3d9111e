//! What a copy of a whole state asks of each store.

use crate::state::copy::{Batch, Counts};
use crate::state::mark::Mark;
use crate::state::{Store, StoreError};

impl Store {
    /// Why no daemon may use it.
    pub(in crate::state) async fn mark(&self) -> Result<Option<Mark>, StoreError> {
        match self {
            Self::Embedded(records) => records.mark(),
            Self::Postgres(records) => records.mark().await,
        }
    }

    /// Sets the mark, or takes it away, for good.
    pub(in crate::state) async fn set_mark(&self, mark: Option<&Mark>) -> Result<(), StoreError> {
        match self {
            Self::Embedded(records) => records.set_mark(mark).await,
            Self::Postgres(records) => records.set_mark(mark).await,
        }
    }

    /// An instance that may still write, and before how many seconds it was seen. A folder has a lock for that.
    pub(in crate::state) async fn running(&self) -> Result<Option<(String, i64)>, StoreError> {
        match self {
            Self::Embedded(_) => Ok(None),
            Self::Postgres(records) => records.running().await,
        }
    }

    /// How many records there are.
    pub(in crate::state) async fn counts(&self) -> Result<Counts, StoreError> {
        match self {
            Self::Embedded(records) => records.counts(),
            Self::Postgres(records) => records.counts().await,
        }
    }

    /// No record has a greater number than this.
    pub(in crate::state) async fn greatest_seq(&self) -> Result<u64, StoreError> {
        match self {
            Self::Embedded(records) => Ok(records.engine.last_seq()),
            Self::Postgres(records) => records.greatest_seq().await,
        }
    }

    /// Removes everything but the mark.
    pub(in crate::state) async fn clear(&self) -> Result<(), StoreError> {
        match self {
            Self::Embedded(records) => records.clear(),
            Self::Postgres(records) => records.clear().await,
        }
    }

    /// Writes records that are not there yet.
    pub(in crate::state) async fn put(&self, batch: &Batch) -> Result<(), StoreError> {
        match self {
            Self::Embedded(records) => records.put(batch).await,
            Self::Postgres(records) => records.put(batch).await,
        }
    }

    /// The end of a copy: all of it is kept, later numbers are greater than `last`, and later terms than `epoch`. Those of
    /// an embedded store are negative.
    pub(in crate::state) async fn end_of_copy(&self, last: u64, epoch: i64) -> Result<(), StoreError> {
        match self {
            Self::Embedded(records) => records.end_of_copy(last).await,
            Self::Postgres(records) => records.end_of_copy(last, epoch).await,
        }
    }
}
