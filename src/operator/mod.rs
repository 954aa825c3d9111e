//! What operators ask for: parked items and their retry, why something waits, forgetting a person, and applying the
//! rules of an edited actions.yaml to existing rows.

pub(crate) mod apply;
pub mod bulk;
mod ended;
pub(crate) mod explain;
pub mod findings;
pub(crate) mod forget;
mod item_id;
pub(crate) mod knowledge;
pub(crate) mod parked;
pub mod reasons;
pub mod search;
pub mod status;
pub mod timeline;

pub use apply::{Applied, ApplyOptions, Place};
pub use explain::{Explained, ExplainedAction, Listed};
pub use forget::Forgotten;
pub use item_id::{ItemId, NoItem};
pub use knowledge::Knowledge;
pub use parked::{IfUnclear, Outcome, ParkedItem};
