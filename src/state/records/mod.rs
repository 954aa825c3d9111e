//! The records over the embedded database: its keys, guards and transactions.

mod commit;
mod damaged;
pub mod forget;
pub mod inbox;
pub mod keys;
pub mod ledger;
pub(super) mod load;
mod mend;
pub mod outbox;
pub(super) mod pages;
pub(super) mod parked;
mod prune;
mod queue;
mod start_over;
