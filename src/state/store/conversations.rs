//! Conversations and their actions.

use crate::decide::{Intent, Link};
use crate::goodays::ResponseId;
use crate::salesforce::RecordId;
use crate::state::{
    Changed, Commit, Due, Entry, LinkPage, Loaded, Page, Parked, RKey, SentMinutes, Store, StoreError,
};

impl Store {
    /// Loads the conversations of these responses, known or not, in their order.
    pub async fn load_many(&self, ids: &[ResponseId]) -> Result<Vec<Loaded>, StoreError> {
        match self {
            Self::Embedded(records) => records.load_many(ids),
            Self::Postgres(records) => Box::pin(records.load_many(ids)).await,
        }
    }

    /// [`Self::load_many`] of one.
    pub async fn load(&self, id: &ResponseId) -> Result<Loaded, StoreError> {
        let mut loaded = self.load_many(std::slice::from_ref(id)).await?;
        Ok(loaded.pop().expect("one conversation was asked for"))
    }

    /// [`Self::load`] with this action of it. A parked action is part of a conversation only while something could request
    /// it again; whoever ends it names it.
    pub async fn load_with(&self, id: &ResponseId, action: u64) -> Result<Loaded, StoreError> {
        match self {
            Self::Embedded(records) => records.load_with(id, action),
            Self::Postgres(records) => Box::pin(records.load_with(id, action)).await,
        }
    }

    /// Loads conversations that are due, in their order.
    pub async fn load_due(&self, rkeys: &[RKey]) -> Result<Vec<Due>, StoreError> {
        match self {
            Self::Embedded(records) => records.load_due(rkeys),
            Self::Postgres(records) => Box::pin(records.load_due(rkeys)).await,
        }
    }

    /// Writes the changes of conversations in one transaction, and says of each, in their order, whether it was applied
    /// or had changed since it was loaded. Many writes take several transactions; one conversation never does.
    pub async fn commit_many(&self, loaded: Vec<Loaded>, now_ms: i64) -> Result<Vec<Commit>, StoreError> {
        match self {
            Self::Embedded(records) => records.commit_many(loaded, now_ms),
            Self::Postgres(records) => Box::pin(records.commit_many(loaded, now_ms)).await,
        }
    }

    /// Loads conversations, applies `change` to each (with its place in `ids`), and writes the results. Those that
    /// changed in between are loaded and decided again, so `change` may run several times and must only decide.
    pub async fn change_many<T: Send>(
        &self,
        ids: &[ResponseId],
        now_ms: i64,
        mut change: impl FnMut(usize, &mut Loaded) -> T + Send,
    ) -> Result<Vec<(T, Changed)>, StoreError> {
        let mut done: Vec<Option<(T, Changed)>> = ids.iter().map(|_| None).collect();
        let mut left: Vec<usize> = (0..ids.len()).collect();
        while !left.is_empty() {
            let asked: Vec<ResponseId> = left.iter().map(|place| ids[*place].clone()).collect();
            let mut loaded = self.load_many(&asked).await?;
            let outcomes: Vec<T> =
                left.iter().zip(&mut loaded).map(|(place, one)| change(*place, one)).collect();
            let commits = self.commit_many(loaded, now_ms).await?;
            let mut again = Vec::new();
            for ((place, outcome), commit) in left.into_iter().zip(outcomes).zip(commits) {
                match commit {
                    Commit::Applied(changed) => done[place] = Some((outcome, changed)),
                    Commit::Outdated => again.push(place),
                }
            }
            left = again;
        }
        Ok(done.into_iter().flatten().collect())
    }

    /// [`Self::change_many`] of one.
    pub async fn change<T: Send>(
        &self,
        id: &ResponseId,
        now_ms: i64,
        mut change: impl FnMut(&mut Loaded) -> T + Send,
    ) -> Result<(T, Changed), StoreError> {
        let changing = self.change_many(std::slice::from_ref(id), now_ms, |_, loaded| change(loaded));
        Ok(changing.await?.pop().expect("one conversation was asked for"))
    }

    /// How many actions were sent within the last hour: for [`Loaded::count_sending`].
    pub async fn sent(&self) -> Result<SentMinutes, StoreError> {
        match self {
            Self::Embedded(records) => records.sent(),
            Self::Postgres(records) => Box::pin(records.sent()).await,
        }
    }

    pub async fn link(&self, rkey: RKey) -> Result<Option<Link>, StoreError> {
        match self {
            Self::Embedded(records) => records.link(rkey),
            Self::Postgres(records) => Box::pin(records.link(rkey)).await,
        }
    }

    /// Links of these responses, in their order.
    pub async fn links(&self, rkeys: &[RKey]) -> Result<Vec<Option<Link>>, StoreError> {
        match self {
            Self::Embedded(records) => records.links(rkeys),
            Self::Postgres(records) => Box::pin(records.links(rkeys)).await,
        }
    }

    /// The links of each of these Cases, in their order; several after a merge.
    pub async fn links_of_cases(&self, cases: &[RecordId]) -> Result<Vec<Vec<Link>>, StoreError> {
        match self {
            Self::Embedded(records) => records.links_of_cases(cases),
            Self::Postgres(records) => Box::pin(records.links_of_cases(cases)).await,
        }
    }

    /// The links of the responses of this Case.
    pub async fn links_of_case(&self, case: &RecordId) -> Result<Vec<Link>, StoreError> {
        match self {
            Self::Embedded(records) => records.links_of_case(case),
            Self::Postgres(records) => Box::pin(records.links_of_case(case)).await,
        }
    }

    /// Links of one customer's responses, at most a hundred.
    pub async fn links_of_customer(&self, hash: u64) -> Result<Vec<Link>, StoreError> {
        match self {
            Self::Embedded(records) => records.links_of_customer(hash),
            Self::Postgres(records) => Box::pin(records.links_of_customer(hash)).await,
        }
    }

    /// Whether the ledger knows any response.
    pub async fn has_links(&self) -> Result<bool, StoreError> {
        match self {
            Self::Embedded(records) => records.has_links(),
            Self::Postgres(records) => Box::pin(records.has_links()).await,
        }
    }

    /// Links in the order of their keys, from `from` on, without damaged ones. A page may be empty and not the last.
    pub async fn links_from(&self, from: RKey) -> Result<LinkPage, StoreError> {
        match self {
            Self::Embedded(records) => records.links_from(from),
            Self::Postgres(records) => Box::pin(records.links_from(from)).await,
        }
    }

    pub async fn intent(&self, seq: u64) -> Result<Option<Intent>, StoreError> {
        match self {
            Self::Embedded(records) => records.intent(seq),
            Self::Postgres(records) => Box::pin(records.intent(seq)).await,
        }
    }

    /// The intents with these identities, as far as there are any, in their order. A damaged one is an error: it may have
    /// been sent.
    pub async fn intents_by_identity(
        &self,
        identities: &[String],
    ) -> Result<Vec<Result<Option<Intent>, StoreError>>, StoreError> {
        match self {
            Self::Embedded(records) => Ok(records.intents_by_identity(identities)),
            Self::Postgres(records) => Box::pin(records.intents_by_identity(identities)).await,
        }
    }

    /// All actions by number, from `from` on; damaged ones are left out.
    pub async fn intents_from(&self, from: u64, limit: usize) -> Result<Page<Intent>, StoreError> {
        match self {
            Self::Embedded(records) => records.intents_from(from, limit),
            Self::Postgres(records) => Box::pin(records.intents_from(from, limit)).await,
        }
    }

    pub async fn all_open_intents(&self) -> Result<Vec<Intent>, StoreError> {
        match self {
            Self::Embedded(records) => records.all_open_intents(),
            Self::Postgres(records) => Box::pin(records.all_open_intents()).await,
        }
    }

    /// The responses that have open actions, each with a number that changes whenever its conversation does; 0 in a store
    /// that nobody else writes to.
    pub async fn open_responses(&self) -> Result<Vec<(ResponseId, i64)>, StoreError> {
        match self {
            Self::Embedded(records) => {
                let mut open: Vec<_> =
                    records.all_open_intents()?.into_iter().map(|intent| (intent.response_id, 0)).collect();
                open.dedup();
                Ok(open)
            }
            Self::Postgres(records) => Box::pin(records.open_responses()).await,
        }
    }

    /// Open intents, at most `limit`.
    pub async fn some_open_intents(&self, limit: usize) -> Result<Vec<Intent>, StoreError> {
        match self {
            Self::Embedded(records) => records.some_open_intents(limit),
            Self::Postgres(records) => Box::pin(records.some_open_intents(limit)).await,
        }
    }

    /// Parked and unclear actions by number, starting with `from`.
    pub async fn parked_intents(&self, from: u64, limit: usize) -> Result<Vec<Intent>, StoreError> {
        match self {
            Self::Embedded(records) => records.parked_intents(from, limit),
            Self::Postgres(records) => Box::pin(records.parked_intents(from, limit)).await,
        }
    }

    pub async fn is_damaged_intent(&self, seq: u64) -> Result<bool, StoreError> {
        match self {
            Self::Embedded(records) => records.is_damaged_intent(seq),
            Self::Postgres(records) => Box::pin(records.is_damaged_intent(seq)).await,
        }
    }

    /// Parks open actions with a damaged record. They are never sent, because it is unknown whether they were sent
    /// before. Returns how many were parked now.
    pub async fn set_actions_aside(&self) -> Result<u64, StoreError> {
        match self {
            Self::Embedded(records) => records.set_actions_aside(),
            Self::Postgres(records) => Box::pin(records.set_actions_aside()).await,
        }
    }

    /// Parks events with a damaged header that do not wait, as far as they are listed or old. `name` reads the response's
    /// id in an event's body. Returns how many were parked now. (On PostgreSQL a header is a row, which is read or not.)
    pub fn set_events_aside(
        &self,
        name: fn(&[u8]) -> Option<ResponseId>,
        now_ms: i64,
    ) -> Result<u64, StoreError> {
        match self {
            Self::Embedded(records) => records.set_events_aside(name, now_ms),
            Self::Postgres(_) => Ok(0),
        }
    }

    /// Everything that waits for a human: at most `limit` actions, then at most `limit` events, each by number.
    pub async fn parked(&self, limit: usize) -> Result<Vec<Parked>, StoreError> {
        match self {
            Self::Embedded(records) => records.parked(limit),
            Self::Postgres(records) => Box::pin(records.parked(limit)).await,
        }
    }

    /// Queues a parked or dropped event again, for this response and with no attempts. False if the event changed since
    /// it was read.
    pub async fn retry_event(&self, read: &Entry, id: &ResponseId, now_ms: i64) -> Result<bool, StoreError> {
        match self {
            Self::Embedded(records) => records.retry_event(read, id, now_ms),
            Self::Postgres(records) => Box::pin(records.retry_event(read, id)).await,
        }
    }

    /// Drops a parked event; its record stays until it is pruned. False if the event changed since it was read.
    pub async fn drop_event(&self, read: &Entry, now_ms: i64) -> Result<bool, StoreError> {
        match self {
            Self::Embedded(records) => records.drop_event(read, now_ms),
            Self::Postgres(records) => Box::pin(records.drop_event(read, now_ms)).await,
        }
    }

    /// Takes a damaged action off the list. Its record stays: it may have been sent, so it must not begin again.
    pub async fn drop_damaged_intent(&self, seq: u64) -> Result<(), StoreError> {
        match self {
            Self::Embedded(records) => records.drop_damaged_intent(seq),
            Self::Postgres(records) => Box::pin(records.drop_damaged_intent(seq)).await,
        }
    }
}
