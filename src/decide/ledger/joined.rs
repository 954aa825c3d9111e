//! What a link keeps of the merge that led to its Case.

use serde::{Deserialize, Serialize};

use crate::time::SalesforceTime;

/// The response's own Case was merged into another one, which may never have been ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Joined {
    /// What was written earlier on our own Case was seen before the merge.
    pub from: SalesforceTime,
    /// When the Cases were merged.
    pub at: SalesforceTime,
    pub key: KeyOfSurvivor,
}

/// Whether the surviving Case has a key. Without one, no poll reads what agents do there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyOfSurvivor {
    /// It has to be read.
    Unread,
    /// It has none, so it gets ours.
    Missing,
    /// It has ours, which we wrote.
    Ours,
    /// It has another one, or cannot take ours.
    NotOurs,
}

/// Which response a comment on the surviving Case may be for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommentOfJoined {
    /// For this one: it was written after the merge.
    Ours,
    /// It is not known on which of the two Cases it was written.
    Unsure,
    /// It was written on the surviving Case, when that had nothing to do with this response.
    Earlier,
}

impl Joined {
    /// A comment without an action, by when it was written and when it was changed last.
    pub fn comment(
        &self,
        created: Option<SalesforceTime>,
        modified: Option<SalesforceTime>,
    ) -> CommentOfJoined {
        match created {
            Some(created) if created < self.at && self.key == KeyOfSurvivor::Ours => {
                // It may have been published on the merged Case.
                let is_changed = modified.is_some_and(|modified| modified >= self.at);
                let is_old = created < self.from && !is_changed;
                if is_old { CommentOfJoined::Earlier } else { CommentOfJoined::Unsure }
            }
            _ => CommentOfJoined::Ours,
        }
    }
}
