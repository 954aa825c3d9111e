//! The records of a conversation: what decisions are made of, and what they change.

pub(super) mod conversation;
pub(super) mod intent;
pub(super) mod link;
pub mod link_update;
pub mod marker;
pub(super) mod note;
