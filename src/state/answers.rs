//! What the store answers beside events and conversations: lists, counts, and what a removal removed.

use crate::decide::{Intent, Link};
use crate::state::{Entry, LANES, RKey};
use crate::time::GoodaysTime;

/// Numbers of actions that wait. `unclear` ones also wait for a human.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outbox {
    pub pending: usize,
    pub unclear: usize,
    pub parked: usize,
}

/// Whether the earlier forms of a record are overwritten on the disk, or stay until they are old.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wipe {
    Earlier,
    Nothing,
}

/// One item of the list of what waits for a human.
#[derive(Debug, Clone, PartialEq)]
pub enum Parked {
    Event(Entry),
    /// Parked or unclear.
    Intent(Box<Intent>),
    /// The number of an action with a damaged record: nobody can tell whether it was sent.
    DamagedIntent(u64),
}

/// Records in the order of their numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    pub records: Vec<T>,
    /// Where the next page begins; none at the end.
    pub next: Option<u64>,
}

/// What was removed of one conversation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ForgottenConversation {
    pub events: usize,
    /// Of these events, how many waited.
    pub pending: i64,
    /// The ledger knows the response.
    pub known: bool,
}

/// Links in the order of their keys.
#[derive(Debug, Clone, PartialEq)]
pub struct LinkPage {
    pub links: Vec<Link>,
    /// Where the next page begins; none at the end.
    pub next: Option<RKey>,
}

/// Totals that are kept, so that nothing has to be scanned.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Events that wait.
    pub pending: u64,
    /// Events that are done, by lane.
    pub done: [u64; LANES as usize],
    /// Actions that were delivered.
    pub delivered: u64,
}

/// What is counted for `status`, each up to a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Figures {
    /// Unprocessed responses, and the time of the oldest.
    pub unprocessed: (usize, Option<GoodaysTime>),
    pub parked_events: usize,
    /// When the oldest waiting event was received (milliseconds), of the [`LOOKED_AT`](super::LOOKED_AT) of each lane that
    /// are due first.
    pub oldest_waiting_ms: Option<i64>,
    pub outbox: Outbox,
}
