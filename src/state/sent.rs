//! How many actions were sent within the last hour: counted in the transaction that notes `Sending`.

use std::collections::BTreeMap;

use crate::state::Loaded;

/// Name of the value that has the counts.
pub(super) const SENT: &str = "sent minutes";
const MINUTE_MS: i64 = 60_000;
/// For how many minutes an action counts.
const KEPT: i64 = 60;

/// The counts by the minute, as they were read.
#[derive(Debug, Clone, Default)]
pub struct SentMinutes {
    /// The value as it is stored, in the store's own form: it is replaced only if it is still the same.
    kept: Option<Vec<u8>>,
    minutes: BTreeMap<i64, u64>,
}

/// A value by name that is written with a conversation, if it is still what was read.
#[derive(Debug, Clone)]
pub(super) struct MetaSwap {
    pub name: &'static str,
    /// As the store has read it; none if there was no value.
    pub before: Option<Vec<u8>>,
    /// The new value, as JSON.
    pub after: Vec<u8>,
}

impl SentMinutes {
    /// `kept` is the value in the store's own form, `minutes` what it says; an unreadable value counts nothing.
    pub(super) fn new(kept: Option<Vec<u8>>, minutes: Option<BTreeMap<i64, u64>>) -> Self {
        Self { kept, minutes: minutes.unwrap_or_default() }
    }
}

impl Loaded {
    /// Counts an action that is about to be sent, in the transaction of this change. False, and nothing is counted, if
    /// `most` were sent within the last hour. Several actions begin at once: if the counts changed since they were read,
    /// the commit answers [`crate::state::Commit::Outdated`].
    pub fn count_sending(&mut self, sent: &SentMinutes, most: Option<u64>, now_ms: i64) -> bool {
        let mut minutes = sent.minutes.clone();
        minutes.retain(|minute, _| *minute > now_ms / MINUTE_MS - KEPT);
        if most.is_some_and(|most| minutes.values().sum::<u64>() >= most) {
            return false;
        }
        *minutes.entry(now_ms / MINUTE_MS).or_default() += 1;
        let after = serde_json::to_vec(&minutes).expect("numbers can be written as JSON");
        self.swap = Some(MetaSwap { name: SENT, before: sent.kept.clone(), after });
        true
    }
}
