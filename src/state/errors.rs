//! Errors of the store. Their texts say what to do.

use std::io::ErrorKind;
use std::path::PathBuf;

use thiserror::Error;

use crate::state::mark::Mark;

#[derive(Debug, Error)]
pub enum OpenError {
    #[error(
        "another instance is running on the state folder {dir}: stop it first, or give this one its own \
         folder (state.path)"
    )]
    Locked { dir: PathBuf },
    #[error(
        "the state folder {dir} cannot be used: {reason}; check that it exists, is writable and has space"
    )]
    Folder { dir: PathBuf, reason: String },
    #[error(
        "the state folder {dir} was written by a newer version (format {found}, this version knows {known}): \
         run that version again, or restore a backup from before the upgrade"
    )]
    Newer { dir: PathBuf, found: u32, known: u32 },
    #[error(
        "the state folder {dir} was written by a version from before the first release (format {found}, this \
         version knows {known}): move {dir} away to start with an empty state; the sweep finds again what \
         Goodays and Salesforce know"
    )]
    Older { dir: PathBuf, found: u32, known: u32 },
    #[error(
        "the state in {dir} is damaged and cannot be made anew from its journals ({reason}); nothing was removed from it. \
         Keep a copy for analysis, then restore the last backup, or move {dir} away to start with an empty \
         state: the sweep finds again what Goodays and Salesforce know"
    )]
    Damaged { dir: PathBuf, reason: String },
    #[error("the state in {dir} is not to be used: {mark}")]
    Marked { dir: PathBuf, mark: Mark },
}

/// The store cannot do this now.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum StoreError {
    /// Permanent: writes that were not yet durable may be lost, so nothing may be acknowledged any more.
    #[error(
        "the disk refused a write ({0}); nothing is accepted until a restart: check the disk and its space"
    )]
    Broken(String),
    #[error(
        "only {free} bytes are free where the state lives, {floor} must stay free: make room or enlarge the disk"
    )]
    NoSpace { free: u64, floor: u64 },
    /// Nothing that is read or decided now may last: the process ends, and the next start makes the database anew.
    #[error(
        "the database is damaged ({0}): the process ends, and the next start makes it anew from the journals"
    )]
    Rebuild(String),
    /// Only this record; others can still be read.
    #[error("a stored record is damaged: {0}")]
    Damaged(String),
    #[error("the store cannot be read: {0}")]
    Unreadable(String),
    #[error("refused: {0}")]
    Refused(&'static str),
    /// This request failed, or its answer did not come: a write may have been done or not.
    #[error("the database does not answer: {0}")]
    Unavailable(String),
    /// Another instance leads now, so nothing of the write was done.
    #[error("another instance has taken over the work")]
    TermOver,
}

impl StoreError {
    /// Whether the term of the working instance is over: it is another's, or nobody knows what was written.
    pub fn ends_term(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::TermOver)
    }

    /// An error of a file with values. If the file is missing, cut off, changed or on a bad sector, only this value is
    /// damaged. Any other error, for example too many open files, is not damage.
    pub(in crate::state) fn of_file(name: &str, error: &std::io::Error) -> Self {
        let what = format!("{name}: {error}");
        match error.kind() {
            ErrorKind::InvalidData | ErrorKind::UnexpectedEof | ErrorKind::NotFound => Self::Damaged(what),
            _ if is_bad_place(error) => Self::Damaged(what),
            _ => Self::Unreadable(what),
        }
    }
}

/// Whether the disk refuses one place: a bad sector.
pub(in crate::state) fn is_bad_place(error: &std::io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error())
}
