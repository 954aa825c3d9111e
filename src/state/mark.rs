//! The mark of a state that no daemon may use: one that is being copied, was copied, or is not whole yet.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The value by name that holds it.
pub(super) const MARK: &str = "state copy";

/// Why a state is not to be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "lowercase")]
pub enum Mark {
    /// A copy into it was begun and has not ended.
    Unfinished { since_ms: i64 },
    /// A copy of it was begun. The other state counts once that has ended.
    Left { since_ms: i64, to: String },
}

impl Mark {
    /// A mark that cannot be read is still one.
    pub(super) fn read(json: &[u8]) -> Self {
        serde_json::from_slice(json).unwrap_or(Self::Unfinished { since_ms: 0 })
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = |ms: &i64| Timestamp::from_millisecond((ms / 1000) * 1000).unwrap_or_default();
        match self {
            Self::Unfinished { since_ms } => write!(
                f,
                "a copy into it began at {} and did not end, so it is not whole: run `goodays-salesforce state copy` again",
                at(since_ms)
            ),
            Self::Left { since_ms, to } => write!(
                f,
                "a copy of it to {to} began at {}. If that has ended, use the other state: what happened since is not in this \
                 one. If it did not end, run `goodays-salesforce state copy` again. To use this one, because the other one never \
                 was: `goodays-salesforce state reopen`",
                at(since_ms)
            ),
        }
    }
}
