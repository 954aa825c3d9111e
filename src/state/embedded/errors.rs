//! What a transaction answers; the errors of every store are in [`crate::state::errors`].

use std::io::ErrorKind;

use thiserror::Error;

pub use crate::state::errors::{OpenError, StoreError};

/// Whether sled says with this error that its files are damaged. What cannot be read now may be read later: that is no
/// damage.
pub(super) fn is_damage(error: &sled::Error) -> bool {
    match error {
        sled::Error::Io(error) => matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::InvalidData),
        _ => true,
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TxError {
    /// A guard does not hold; nothing was written.
    #[error("somebody else changed it first")]
    Conflict,
    #[error(transparent)]
    Store(#[from] StoreError),
}
