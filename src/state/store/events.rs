//! Events: how they come in, what of them is due, and their bodies.

use crate::aside;
use crate::goodays::ResponseId;
use crate::state::{Entry, Item, Page, RKey, Receipt, Store, StoreError, Waiting};

impl Store {
    /// Stores an event. The caller acknowledges it only after [`Store::durable`].
    ///
    /// An equal body is a duplicate, unless the stored event is parked or dropped: then it is queued again.
    pub async fn accept(
        &self,
        body: &[u8],
        event: &str,
        read: &Result<ResponseId, String>,
        now_ms: i64,
    ) -> Result<Receipt, StoreError> {
        match self {
            Self::Embedded(records) => {
                aside::if_large(body.len(), || records.accept(body, event, read, now_ms))
            }
            Self::Postgres(records) => Box::pin(records.accept(body, event, read, now_ms)).await,
        }
    }

    /// Stores an event as parked for a reason (its code, and a text for people), with its body.
    pub async fn accept_parked(
        &self,
        body: &[u8],
        event: &str,
        id: &ResponseId,
        reason: (&'static str, &str),
        now_ms: i64,
    ) -> Result<Receipt, StoreError> {
        match self {
            Self::Embedded(records) => {
                aside::if_large(body.len(), || records.accept_parked(body, event, id, reason, now_ms))
            }
            Self::Postgres(records) => Box::pin(records.accept_parked(body, event, id, reason, now_ms)).await,
        }
    }

    /// A stored event, if it has not been removed yet.
    pub async fn entry(&self, seq: u64) -> Result<Option<Entry>, StoreError> {
        match self {
            Self::Embedded(records) => records.entry(seq),
            Self::Postgres(records) => Box::pin(records.entry(seq)).await,
        }
    }

    /// Stored events by number, from `from` on; damaged ones are left out.
    pub async fn events_from(&self, from: u64, limit: usize) -> Result<Page<Entry>, StoreError> {
        match self {
            Self::Embedded(records) => records.events_from(from, limit),
            Self::Postgres(records) => Box::pin(records.events_from(from, limit)).await,
        }
    }

    /// Stored events of a response, finished ones included: the newest `limit`, in order of arrival.
    pub async fn entries_of(&self, rkey: RKey, limit: usize) -> Result<Vec<Entry>, StoreError> {
        match self {
            Self::Embedded(records) => records.entries_of(rkey, limit),
            Self::Postgres(records) => Box::pin(records.entries_of(rkey, limit)).await,
        }
    }

    /// The body of a stored event; none if it was removed, or is damaged.
    pub async fn body(&self, seq: u64) -> Result<Option<Vec<u8>>, StoreError> {
        match self {
            Self::Embedded(records) => records.body(seq),
            Self::Postgres(records) => Box::pin(records.body(seq)).await,
        }
    }

    /// The bodies of these events in their order: as many as have `most` bytes together, and at least one.
    pub async fn bodies(&self, seqs: &[u64], most: usize) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        match self {
            Self::Embedded(records) => records.bodies(seqs, most),
            Self::Postgres(records) => Box::pin(records.bodies(seqs, most)).await,
        }
    }

    /// A lane's due queue entries, oldest first, at most `limit`.
    pub async fn due(&self, lane: u8, now_ms: i64, limit: usize) -> Result<Vec<Item>, StoreError> {
        match self {
            Self::Embedded(records) => records.due(lane, now_ms, limit),
            Self::Postgres(records) => Box::pin(records.due(lane, now_ms, limit)).await,
        }
    }

    /// When the lane's next entry is due, in milliseconds.
    pub async fn next_due(&self, lane: u8) -> Result<Option<i64>, StoreError> {
        match self {
            Self::Embedded(records) => records.next_due(lane),
            Self::Postgres(records) => Box::pin(records.next_due(lane)).await,
        }
    }

    /// What waits for a response, in order of arrival; at most [`crate::state::AT_ONCE`] events and notes. The rest
    /// stays queued.
    pub async fn waiting(&self, rkey: RKey) -> Result<Waiting, StoreError> {
        match self {
            Self::Embedded(records) => records.waiting(rkey),
            Self::Postgres(records) => Box::pin(records.waiting(rkey)).await,
        }
    }

    /// Repairs queue entries of a response that cannot be processed. An event with a damaged or missing header is
    /// parked, if its body may still be there. A queue entry without an event or a note is removed. `name` reads the
    /// response's id in an event's body. Returns how many events were parked now.
    pub async fn mend(
        &self,
        rkey: RKey,
        name: fn(&[u8]) -> Option<ResponseId>,
        now_ms: i64,
    ) -> Result<i64, StoreError> {
        match self {
            Self::Embedded(records) => records.mend(rkey, name, now_ms),
            Self::Postgres(records) => Box::pin(records.mend(rkey, name, now_ms)).await,
        }
    }
}
