//! Changes that make a refused record acceptable.

use serde::{Deserialize, Serialize};

/// One change that may make a refused record acceptable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum FieldFix {
    /// `field` is an API name, a label if Salesforce gave only that, or the external id field of a relation.
    Drop {
        field: String,
        code: String,
    },
    Shorten {
        field: String,
        max: Option<usize>,
    },
    /// A restricted picklist that tells an action's outcome gets the outcome's code instead of a text.
    AsCode {
        field: String,
    },
    /// Removes control characters from all texts, and replaces what is not in the basic multilingual plane.
    StripControl,
    /// Writes at most this many comments in one transaction, and the rest in the next ones.
    Fewer {
        comments: usize,
    },
}
