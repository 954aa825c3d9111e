//! Records that are chosen at random while they are copied, and compared afterwards through the store's interface.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, RandomState};

use crate::goodays::ResponseId;
use crate::state::copy::{ActionCopy, Batch, CopyError};
use crate::state::{RKey, Store, StoreError};

/// Records of each kind.
const MOST: usize = 100;
/// Events of one response that are compared.
const EVENTS: usize = 50;

#[derive(Default)]
pub(super) struct Sample {
    events: Chosen<u64>,
    responses: Chosen<ResponseId>,
    actions: Chosen<u64>,
    values: Chosen<String>,
}

/// Each of the records that were offered is in it with the same probability.
struct Chosen<T> {
    seen: u64,
    records: Vec<T>,
    random: RandomState,
}

impl<T> Default for Chosen<T> {
    fn default() -> Self {
        Self { seen: 0, records: Vec::new(), random: RandomState::new() }
    }
}

impl<T> Chosen<T> {
    fn offer(&mut self, record: T) {
        self.seen += 1;
        if self.records.len() < MOST {
            self.records.push(record);
            return;
        }
        let place = usize::try_from(self.random.hash_one(self.seen) % self.seen).unwrap_or(MOST);
        if let Some(before) = self.records.get_mut(place) {
            *before = record;
        }
    }
}

impl Sample {
    pub fn add(&mut self, batch: &Batch) {
        batch.events.iter().for_each(|event| self.events.offer(event.entry.seq));
        batch.links.iter().for_each(|(_, link)| self.responses.offer(link.response_id.clone()));
        let whole = batch.actions.iter().filter_map(ActionCopy::whole);
        whole.for_each(|intent| self.actions.offer(intent.seq));
        batch.values.iter().for_each(|(name, _)| self.values.offer(name.clone()));
    }

    /// How many were compared.
    pub async fn compare(&self, source: &Store, target: &Store) -> Result<usize, CopyError> {
        let differs = |what: String| Err(CopyError::Differs(what));
        for seq in &self.events.records {
            if !is_same_event(*seq, source, target).await? {
                return differs(format!("event e{seq}"));
            }
        }
        for seq in &self.actions.records {
            let (before, after) = (source.intent(*seq).await?, target.intent(*seq).await?);
            let found = match &after {
                Some(intent) => {
                    let found = target.intents_by_identity(&[intent.identity()]).await?.pop();
                    found.transpose()?.flatten().is_some()
                }
                None => false,
            };
            if before != after || !found {
                return differs(format!("action a{seq}"));
            }
        }
        for id in &self.responses.records {
            if !is_same_conversation(id, source, target).await? {
                return differs(format!("response {id}"));
            }
        }
        for name in &self.values.records {
            let read = source.meta::<serde_json::Value>(name).await?;
            if read != target.meta::<serde_json::Value>(name).await? {
                return differs(format!("the value {name:?}"));
            }
        }
        let lists = [self.events.records.len(), self.actions.records.len(), self.responses.records.len()];
        Ok(lists.iter().sum::<usize>() + self.values.records.len())
    }
}

async fn is_same_event(seq: u64, source: &Store, target: &Store) -> Result<bool, StoreError> {
    let same_body = source.body(seq).await? == target.body(seq).await?;
    // A damaged one is replaced by another one that is parked.
    let (before, after) = (source.entry(seq).await?, target.entry(seq).await?);
    Ok(same_body && (before == after || before.is_none()))
}

async fn is_same_conversation(id: &ResponseId, source: &Store, target: &Store) -> Result<bool, StoreError> {
    let rkey = RKey::of(id);
    let (before, after) = (source.load(id).await?, target.load(id).await?);
    let same = before.now == after.now
        && before.waiting.entries == after.waiting.entries
        && before.waiting.notes == after.waiting.notes;
    let seqs = async |store: &Store, most: usize| -> Result<BTreeSet<u64>, StoreError> {
        Ok(store.entries_of(rkey, most).await?.iter().map(|entry| entry.seq).collect())
    };
    // An event whose record is damaged is parked in the target.
    let kept = seqs(source, EVENTS).await?.is_subset(&seqs(target, 2 * EVENTS).await?);
    let case = after.now.link.as_ref().and_then(|link| link.case.clone());
    let found = match case {
        Some(case) => target.links_of_case(&case.id).await?.iter().any(|link| link.response_id == *id),
        None => true,
    };
    Ok(same && found && kept)
}
