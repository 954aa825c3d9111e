//! What an answer of a remote leads to.

pub mod codes;
