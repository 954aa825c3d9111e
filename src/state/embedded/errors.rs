//! What a transaction answers; the errors of every store are in [`crate::state::errors`].

use std::io::ErrorKind;

use thiserror::Error;

use crate::state::errors::is_bad_place;
pub use crate::state::errors::{OpenError, StoreError};

/// Whether sled says with this error that its files are damaged, or lie on a bad sector. What cannot be read now may be
/// read later: that is no damage.
pub(super) fn is_damage(error: &sled::Error) -> bool {
    match error {
        sled::Error::Io(error) => {
            is_bad_place(error) || matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::InvalidData)
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use rustix::io::Errno;

    use super::*;
    use crate::state::embedded::open::Trouble;

    /// A bad sector of sled would be met again by each start: so it is made anew, unlike what passes by itself.
    #[test]
    fn a_bad_sector_of_sled_is_damage() {
        for (error, damage) in [
            (io::Error::from(Errno::IO), true),
            (io::ErrorKind::UnexpectedEof.into(), true),
            (Errno::NOSPC.into(), false),
            (Errno::MFILE.into(), false),
        ] {
            let error = sled::Error::from(error);
            assert_eq!(is_damage(&error), damage, "{error}");
            assert_eq!(matches!(Trouble::from(error), Trouble::Damaged(_)), damage);
        }
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
