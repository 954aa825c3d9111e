//! Cursors and other values by name, calls in flight, and totals.

use serde::{Serialize, de::DeserializeOwned};

use crate::aside::aside;
use crate::state::{Counters, Figures, RKey, Store, StoreError};

impl Store {
    pub async fn meta<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, StoreError> {
        match self {
            Self::Embedded(records) => records.meta(name),
            Self::Postgres(records) => Box::pin(records.meta(name)).await,
        }
    }

    /// The values of these names, in their order.
    pub async fn metas<T: DeserializeOwned>(&self, names: &[String]) -> Result<Vec<Option<T>>, StoreError> {
        match self {
            Self::Embedded(records) => names.iter().map(|name| records.meta(name)).collect(),
            Self::Postgres(records) => Box::pin(records.metas(names)).await,
        }
    }

    pub async fn set_meta<T: Serialize>(&self, name: &str, value: &T) -> Result<(), StoreError> {
        match self {
            Self::Embedded(records) => records.set_meta(name, value),
            Self::Postgres(records) => Box::pin(records.set_meta(name, value)).await,
        }
    }

    /// Adds to a number that several instances count in. Where there is one only, nothing is added.
    pub async fn add_to_number(&self, name: &str, count: u64) -> Result<(), StoreError> {
        match self {
            Self::Embedded(_) => Ok(()),
            Self::Postgres(records) => Box::pin(records.add_to_number(name, count)).await,
        }
    }

    /// That number; it begins at zero again.
    pub async fn take_number(&self, name: &str) -> Result<u64, StoreError> {
        match self {
            Self::Embedded(_) => Ok(0),
            Self::Postgres(records) => Box::pin(records.take_number(name)).await,
        }
    }

    /// The responses whose write to Salesforce may have been in flight when the process ended.
    pub async fn attempt(&self, lane: u8) -> Result<Vec<RKey>, StoreError> {
        match self {
            Self::Embedded(records) => records.attempt(lane),
            Self::Postgres(records) => Box::pin(records.attempt(lane)).await,
        }
    }

    /// Stores, in one transaction, which responses each of these lanes is about to write.
    pub async fn set_attempts(&self, lanes: &[(u8, Vec<RKey>)]) -> Result<(), StoreError> {
        match self {
            Self::Embedded(records) => records.set_attempts(lanes),
            Self::Postgres(records) => Box::pin(records.set_attempts(lanes)).await,
        }
    }

    /// Totals since the state began, and how many events wait.
    pub async fn counters(&self) -> Result<Counters, StoreError> {
        match self {
            Self::Embedded(records) => records.counters(),
            Self::Postgres(records) => Box::pin(records.counters()).await,
        }
    }

    /// What is counted for `status`, each up to `limit`.
    pub async fn figures(&self, limit: usize) -> Result<Figures, StoreError> {
        match self {
            // Thousands of rows are read, so a worker of the runtime must not block on it.
            Self::Embedded(records) => aside(|| records.figures(limit)),
            Self::Postgres(records) => Box::pin(records.figures(limit)).await,
        }
    }
}
