//! What is kept: received events, the ledger of conversations, agents' actions, and a few values by name.
//!
//! The interface is [`Store`], and it speaks of conversations. A conversation is the unit of consistency: its link, its
//! waiting events and notes and its actions are loaded together ([`Loaded`]), decided on together, and written in one
//! transaction, unless one of them changed meanwhile. Loads and commits take many conversations at once, because a
//! store behind a network is asked seldom.
//!
//! | What | Functions |
//! | --- | --- |
//! | An event came in | [`Store::accept`], [`Store::accept_parked`], then [`Store::durable`] |
//! | What is due in a lane | [`Store::due`], [`Store::next_due`] |
//! | Conversations | [`Store::load_many`], [`Store::load_due`], [`Store::commit_many`]; all three in one: [`Store::change_many`] |
//! | Bodies of events | [`Store::bodies`], [`Store::body`] |
//! | Calls in flight | [`Store::attempt`], [`Store::set_attempts`] |
//! | Cursors and other values | [`Store::meta`], [`Store::set_meta`] |
//! | What waits for a human | [`Store::parked`], [`Store::retry_event`], [`Store::drop_event`], [`Store::drop_damaged_intent`] |
//! | Totals | [`Store::counters`], [`Store::figures`] |
//! | Removal | [`Store::prune_events`], [`Store::prune_intents`], [`Store::start_over`], [`Store::forget_conversation`] |
//!
//! Each function is `async`, since a store may be behind a network. The embedded one does its work at once: a call of it
//! waits for the disk, as a read of a file does. What one decides on is decided without waiting: the functions that take a
//! decision take a synchronous closure.
//!
//! A state is moved from one kind of store to the other by [`copy::copy`], while no daemon uses it.
//!
//! Only this room knows keys, ranges, guards and databases: `records` for the embedded one.

mod answers;
mod conversation;
pub mod copy;
mod embedded;
mod errors;
mod event;
mod mark;
pub mod postgres;
pub(crate) mod records;
mod rkey;
mod sent;
mod store;

/// The embedded database below the records, for tests and benches (tests/it/shape.rs).
pub mod engine {
    pub use super::embedded::{
        Fault, MAX_KEY, MAX_VALUE, OpenError, Settings, Store, StoreError, Tx, TxError, prefix_end,
    };
    pub use super::records::keys;
}

pub use answers::{Counters, Figures, ForgottenConversation, LinkPage, Outbox, Page, Parked, Wipe};
pub use conversation::{Changed, Commit, Due, Ended, Loaded};
pub use embedded::{Fault, Settings};
pub use errors::{OpenError, StoreError};
pub use event::{AT_ONCE, Entry, EntryState, Item, LOOKED_AT, Receipt, Waiting, WaitingNote};
pub use mark::Mark;
pub use rkey::{LANES, RKey};
pub use sent::SentMinutes;
pub use store::Store;

/// How many syncs sled has requested. Each is an `fdatasync`, see the crate `real_sync`, which this function links into
/// every program.
pub fn sled_syncs() -> u64 {
    real_sync::syncs()
}
