//! Intended actions and their state.

use std::collections::BTreeSet;

use crate::decide::{Intent, IntentState};
use crate::state::embedded::Tx;
use crate::state::records::keys;
use crate::state::records::{Records, decode, encode};
use crate::state::sent::{SENT, SentMinutes};
use crate::state::{Outbox, Page, RKey, StoreError, Wipe};

impl Records {
    pub fn intent(&self, seq: u64) -> Result<Option<Intent>, StoreError> {
        self.or_damaged("action", &keys::intent(seq), self.read(&keys::intent(seq)))
    }

    /// The intents with these identities, in their order. A damaged one is an error: it may have been sent.
    pub fn intents_by_identity(&self, identities: &[String]) -> Vec<Result<Option<Intent>, StoreError>> {
        let of = |identity: &String| match self.action_with(identity)? {
            Some(seq) => self.read(&keys::intent(seq)),
            None => Ok(None),
        };
        identities.iter().map(of).collect()
    }

    /// The number of the action with this identity.
    pub(super) fn action_with(&self, identity: &str) -> Result<Option<u64>, StoreError> {
        Ok(self.engine.get(&keys::identity(identity))?.as_deref().and_then(keys::tail_seq))
    }

    /// Parked and unclear actions by number, starting with `from`.
    pub fn parked_intents(&self, from: u64, limit: usize) -> Result<Vec<Intent>, StoreError> {
        let (_, to) = keys::prefix(vec![b'X', b'a']);
        self.intents_at(&self.engine.keys(&keys::parked(b'a', from), &to, limit)?)
    }

    pub fn all_open_intents(&self) -> Result<Vec<Intent>, StoreError> {
        self.intents_at(&self.all_keys(keys::room(b'Y'))?)
    }

    /// Open intents, at most `limit`.
    pub fn some_open_intents(&self, limit: usize) -> Result<Vec<Intent>, StoreError> {
        let (from, to) = keys::room(b'Y');
        self.intents_at(&self.engine.keys(&from, &to, limit)?)
    }

    /// Counts the waiting actions, at most `limit` of each kind. It reads only keys.
    pub fn outbox(&self, limit: usize) -> Result<Outbox, StoreError> {
        let seqs = |(from, to): (Vec<u8>, Vec<u8>)| -> Result<BTreeSet<u64>, StoreError> {
            Ok(self.engine.keys(&from, &to, limit)?.iter().filter_map(|key| keys::tail_seq(key)).collect())
        };
        let open = seqs(keys::room(b'Y'))?;
        let for_humans = seqs(keys::prefix(vec![b'X', b'a']))?;
        // Unclear actions are in both lists.
        let unclear = for_humans.intersection(&open).count();
        Ok(Outbox { pending: open.len() - unclear, unclear, parked: for_humans.len() - unclear })
    }

    fn intents_at(&self, found: &[Vec<u8>]) -> Result<Vec<Intent>, StoreError> {
        let mut intents = Vec::with_capacity(found.len());
        for key in found {
            if let Some(seq) = keys::tail_seq(key) {
                intents.extend(self.intent(seq)?);
            }
        }
        Ok(intents)
    }

    /// How many actions were sent within the last hour.
    pub fn sent(&self) -> Result<SentMinutes, StoreError> {
        let key = keys::meta(SENT);
        let kept = self.engine.get(&key)?;
        let minutes = kept.as_deref().map(decode).transpose();
        let minutes = self.or_damaged("meta", &key, minutes)?;
        Ok(SentMinutes::new(kept, minutes))
    }

    /// All actions by number, from `from` on; damaged ones are left out.
    pub fn intents_from(&self, from: u64, limit: usize) -> Result<Page<Intent>, StoreError> {
        let Page { records, next } = self.numbers(b'O', from, limit)?;
        let mut intents = Vec::with_capacity(records.len());
        for seq in records {
            intents.extend(self.intent(seq)?);
        }
        Ok(Page { records: intents, next })
    }

    /// Rewrites one action in any state, also one that its conversation does not load any more. Returns it as it was and
    /// as it is; none if it does not exist. `change` may run several times.
    pub fn rewrite_intent(
        &self,
        seq: u64,
        change: impl Fn(&mut Intent),
        wipe: Wipe,
    ) -> Result<Option<(Intent, Intent)>, StoreError> {
        loop {
            let mut tx = Tx::default();
            let Some(before) = self.guarded::<Intent>(&mut tx, "action", &keys::intent(seq))? else {
                return Ok(None);
            };
            let mut after = before.clone();
            change(&mut after);
            if after == before {
                return Ok(Some((before, after)));
            }
            put_intent(&mut tx, RKey::of(&after.response_id), &after);
            if wipe == Wipe::Earlier {
                tx.wipes.push(keys::intent(seq));
            }
            if self.try_transact(&tx)? {
                return Ok(Some((before, after)));
            }
        }
    }
}

/// Writes a new intent, and its identity for lookups.
pub(super) fn add_intent(tx: &mut Tx, rkey: RKey, intent: &Intent) {
    let identity = keys::identity(&intent.identity());
    tx.set(identity, intent.seq.to_be_bytes().to_vec());
    put_intent(tx, rkey, intent);
}

/// Writes an intent and updates the lists of open and parked ones.
pub(super) fn put_intent(tx: &mut Tx, rkey: RKey, intent: &Intent) {
    let open = keys::open_intent(rkey, intent.seq);
    if intent.state.is_open() {
        tx.set(open, Vec::new());
    } else {
        tx.remove(open);
    }
    let parked = keys::parked(b'a', intent.seq);
    let waits = intent.state.is_parked() || matches!(intent.state, IntentState::Unclear { .. });
    if waits {
        tx.set(parked, Vec::new());
    } else {
        tx.remove(parked);
    }
    tx.set(keys::intent(intent.seq), encode(intent));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::goodays::ResponseId;
    use crate::state::Settings;

    /// Counting 10,000 rows reads no action, and stops at the limit.
    #[test]
    fn d12_actions_are_counted_by_their_keys_and_up_to_a_limit() {
        let dir = tempfile::tempdir().unwrap();
        let store = Records::open(dir.path(), Settings::default()).unwrap();
        let rkey = RKey::of(&ResponseId::new("r").unwrap());
        let mut tx = Tx::default();
        for seq in 0..100 {
            // Records that cannot be decoded.
            tx.set(keys::intent(seq), b"?".to_vec());
            tx.set(keys::open_intent(rkey, seq), Vec::new());
        }
        // Two of them unclear, and two that are parked.
        for seq in 98..102 {
            tx.set(keys::parked(b'a', seq), Vec::new());
        }
        assert!(store.try_transact(&tx).unwrap());
        let Outbox { pending, unclear, parked } = store.outbox(1000).unwrap();
        assert_eq!((pending, unclear, parked), (98, 2, 2));
        assert_eq!(store.outbox(10).unwrap().pending, 10);
    }
}
