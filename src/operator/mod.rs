//! What a human asks for: what waits and what becomes of it, why something waits, forgetting a person, rules of an
//! edited actions.yaml on what stands already.

pub(crate) mod apply;
pub(crate) mod explain;
pub(crate) mod forget;
pub(crate) mod knowledge;
pub(crate) mod parked;

pub use apply::{Applied, ApplyOptions, Place};
pub use explain::{Explained, ExplainedAction, Listed};
pub use forget::Forgotten;
pub use knowledge::Knowledge;
pub use parked::{ParkedItem, RetryOutcome};
