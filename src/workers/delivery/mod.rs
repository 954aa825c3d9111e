//! Agents' actions on their way to Goodays: which is next, its attempt, and what became of it.

pub(crate) mod deliver;
pub(crate) mod dispatcher;
mod reread;
pub(crate) mod users;
