//! Removal: of what is old, of a person, and of a state that counts as lost.

use crate::decide::{Intent, Link};
use crate::state::{Entry, ForgottenConversation, RKey, Store, StoreError, Wipe};

impl Store {
    /// Removes finished events that were received at `oldest_ms` or before, with their bodies: of `limit` events from
    /// number `from` on. The hash of the body stays, so that a late repeat is still a duplicate. Returns where to go on;
    /// none when nothing more is old.
    pub async fn prune_events(
        &self,
        from: u64,
        oldest_ms: i64,
        limit: usize,
    ) -> Result<Option<u64>, StoreError> {
        match self {
            Self::Embedded(records) => records.prune_events(from, oldest_ms, limit),
            Self::Postgres(records) => Box::pin(records.prune_events(from, oldest_ms, limit)).await,
        }
    }

    /// Removes the agents' texts from finished actions that were seen at `oldest_ms` or before, of `limit` actions from
    /// number `from` on; the record that they were done stays. Returns where to go on; none when nothing more is old.
    pub async fn prune_intents(
        &self,
        from: u64,
        oldest_ms: i64,
        limit: usize,
    ) -> Result<Option<u64>, StoreError> {
        match self {
            Self::Embedded(records) => records.prune_intents(from, oldest_ms, limit),
            Self::Postgres(records) => Box::pin(records.prune_intents(from, oldest_ms, limit)).await,
        }
    }

    /// Removes the ledger, the outbox and all notes; received events stay. The values named `last` are removed last: who
    /// finds them knows that something may be left.
    pub async fn start_over(&self, last: &[&str]) -> Result<(), StoreError> {
        match self {
            Self::Embedded(records) => records.start_over(last),
            Self::Postgres(records) => Box::pin(records.start_over(last)).await,
        }
    }

    /// The responses whose customer has or had the address with this hash.
    pub async fn responses_of_customer(&self, hash: u64) -> Result<Vec<RKey>, StoreError> {
        match self {
            Self::Embedded(records) => records.responses_of_customer(hash),
            Self::Postgres(records) => Box::pin(records.responses_of_customer(hash)).await,
        }
    }

    /// Removes the address's hash as a way to find this response, unless an event that just arrived has the address
    /// again.
    pub async fn forget_customer(&self, hash: u64, rkey: RKey) -> Result<(), StoreError> {
        match self {
            Self::Embedded(records) => records.forget_customer(hash, rkey),
            Self::Postgres(records) => Box::pin(records.forget_customer(hash, rkey)).await,
        }
    }

    /// Removes a parked event that names no response. False if it changed since it was read.
    pub async fn forget_nameless_event(&self, read: &Entry) -> Result<bool, StoreError> {
        match self {
            Self::Embedded(records) => records.forget_nameless_event(read),
            Self::Postgres(records) => Box::pin(records.forget_nameless_event(read)).await,
        }
    }

    /// Removes all events and notes of a response, and the index entry of its customer; `clean` removes what is personal
    /// in its link, and may run several times. The actions stay.
    pub async fn forget_conversation(
        &self,
        rkey: RKey,
        clean: impl Fn(&mut Link) + Send + Sync,
    ) -> Result<ForgottenConversation, StoreError> {
        match self {
            Self::Embedded(records) => records.forget_conversation(rkey, clean),
            Self::Postgres(records) => Box::pin(records.forget_conversation(rkey, clean)).await,
        }
    }

    /// Rewrites one action in any state, also one that its conversation does not load any more. Returns it as it was and
    /// as it is; none if it does not exist. `change` may run several times.
    pub async fn rewrite_intent(
        &self,
        seq: u64,
        change: impl Fn(&mut Intent) + Send + Sync,
        wipe: Wipe,
    ) -> Result<Option<(Intent, Intent)>, StoreError> {
        match self {
            Self::Embedded(records) => records.rewrite_intent(seq, change, wipe),
            Self::Postgres(records) => Box::pin(records.rewrite_intent(seq, change, wipe)).await,
        }
    }
}
