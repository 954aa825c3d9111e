//! What agents read on a Case, in their language.
//!
//! Decisions say [`Words`]: names of messages with arguments. They become text only where they are written, so that the
//! store holds no language, and a change of `language` in connector.yaml also changes what was decided before.

mod catalogue;
mod known;
mod words;

pub use catalogue::{Language, Messages};
pub use words::Words;
