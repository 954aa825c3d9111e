//! Sends agents' actions to Goodays: which is next, its attempt, and its outcome.

mod attempt;
pub(crate) mod deliver;
pub(crate) mod dispatcher;
pub(crate) mod facts;
mod limits;
mod queue;
mod reread;
pub(crate) mod users;
