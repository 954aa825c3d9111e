//! The records of a conversation: the input of decisions, and what they change.

pub(super) mod command;
pub(super) mod conversation;
pub mod course;
pub(super) mod intent;
pub mod joined;
pub(super) mod link;
pub mod link_update;
pub mod linked;
pub mod marker;
pub(super) mod note;
