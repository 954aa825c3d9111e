//! What a transaction answers; the errors of every store are in [`crate::state::errors`].

use thiserror::Error;

pub use crate::state::errors::{OpenError, StoreError};

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TxError {
    /// A guard does not hold; nothing was written.
    #[error("somebody else changed it first")]
    Conflict,
    #[error(transparent)]
    Store(#[from] StoreError),
}
