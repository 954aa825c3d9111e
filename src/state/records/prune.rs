//! Removes old events and the texts of old actions.

use crate::decide::Intent;
use crate::state::embedded::Tx;
use crate::state::records::Records;
use crate::state::records::keys;
use crate::state::{Entry, EntryState, Page, RKey, StoreError, Wipe};

/// What was written this much later than it was received (milliseconds) lies in a journal that is not removed soon, so
/// its words are overwritten. A journal is closed sooner than that.
const LATE_MS: i64 = 3_600_000;

impl Records {
    /// Removes finished events that were received at `oldest_ms` or before, with their bodies: of `limit` events from
    /// number `from` on. The hash of the body stays, so that a late repeat is still a duplicate. Returns where to go on;
    /// none when nothing more is old.
    pub fn prune_events(&self, from: u64, oldest_ms: i64, limit: usize) -> Result<Option<u64>, StoreError> {
        let Page { records, next } = self.numbers(b'E', from, limit)?;
        loop {
            let (tx, young) = self.without_old(&records, oldest_ms)?;
            if tx.writes.is_empty() || self.try_transact(&tx)? {
                tracing::debug!(keys = tx.writes.len(), "pruned events");
                // Numbers grow with time: after a young event there is no old one.
                return Ok(next.filter(|_| !young));
            }
        }
    }

    /// Removes the agents' texts from finished actions that were seen at `oldest_ms` or before, of `limit` actions from
    /// number `from` on; the record that they were done stays. Returns where to go on; none when nothing more is old.
    pub fn prune_intents(&self, from: u64, oldest_ms: i64, limit: usize) -> Result<Option<u64>, StoreError> {
        let Page { records, next } = self.intents_from(from, limit)?;
        let mut young = false;
        for intent in records {
            young |= intent.seen_ms > oldest_ms;
            let ended = !intent.state.is_open() && !intent.state.is_parked();
            if ended && intent.seen_ms <= oldest_ms && intent.clone().forget_texts() {
                let forget = |now: &mut Intent| {
                    if now.state == intent.state {
                        now.forget_texts();
                    }
                };
                let late = self.engine.is_written_after(&keys::intent(intent.seq), oldest_ms + LATE_MS)?;
                self.rewrite_intent(intent.seq, forget, if late { Wipe::Earlier } else { Wipe::Nothing })?;
            }
        }
        Ok(next.filter(|_| !young))
    }

    /// Removes finished and old events, guarded: a repeat turns a dropped event into a waiting one. Also says whether a
    /// young event is among them.
    fn without_old(&self, events: &[u64], oldest_ms: i64) -> Result<(Tx, bool), StoreError> {
        let (mut tx, mut young) = (Tx::default(), false);
        for seq in events {
            let Some(entry) = self.guarded::<Entry>(&mut tx, "event", &keys::entry(*seq))? else {
                // It is listed, so that it is parked and does not stay for ever.
                if self.is_damaged_event(*seq)? {
                    tx.set(keys::parked(b'e', *seq), Vec::new());
                }
                continue;
            };
            young |= entry.received_ms > oldest_ms;
            let finished = matches!(entry.state, EntryState::Done { .. } | EntryState::Dropped { .. });
            if finished && entry.received_ms <= oldest_ms {
                tx.remove(keys::entry(*seq)).remove(keys::payload(*seq));
                if self.engine.is_written_after(&keys::payload(*seq), oldest_ms + LATE_MS)? {
                    tx.wipes.push(keys::payload(*seq));
                }
                if let Some(id) = &entry.response_id {
                    tx.remove(keys::of_response(RKey::of(id), *seq));
                }
            }
        }
        Ok((tx, young))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::goodays::ResponseId;
    use crate::state::{Commit, Loaded, Receipt, Settings};

    const BODY: &[u8] = br#"{"response":{"id":"r1"}}"#;

    fn id() -> ResponseId {
        ResponseId::new("r1").unwrap()
    }

    fn receive(store: &Records, now_ms: i64) -> (u64, RKey) {
        match store.accept(BODY, "response", &Ok(id()), now_ms).unwrap() {
            Receipt::Accepted { seq, rkey } => (seq, rkey),
            other => panic!("{other:?}"),
        }
    }

    fn load(store: &Records) -> Loaded {
        store.load_many(&[id()]).unwrap().pop().unwrap()
    }

    fn drop_all(store: &Records, at_ms: i64) {
        let mut loaded = load(store);
        let waiting = loaded.waiting.entries.clone();
        assert_eq!(loaded.end_events(&waiting, &EntryState::Dropped { at_ms }), 1);
        let commits = store.commit_many(vec![loaded], at_ms).unwrap();
        assert!(matches!(commits[..], [Commit::Applied(_)]));
    }

    /// A repeat of an old dropped event arrives while that is pruned: the repeat is acknowledged, so it must stay.
    #[test]
    fn d14_a_repeat_that_is_taken_while_its_event_is_pruned_is_not_lost() {
        let dir = tempfile::tempdir().unwrap();
        let store = Records::open(dir.path(), Settings::default()).unwrap();
        let (seq, rkey) = receive(&store, 1_000);
        drop_all(&store, 1_000);

        let (pruning, young) = store.without_old(&[seq], 5_000).unwrap();
        assert!(!pruning.writes.is_empty() && !young);
        assert_eq!(receive(&store, 9_000), (seq, rkey));
        assert!(!store.try_transact(&pruning).unwrap(), "the acknowledged event is pruned");
        assert_eq!(store.waiting(rkey).unwrap().entries.len(), 1);
        assert_eq!(store.body(seq).unwrap().as_deref(), Some(BODY));
        // The second try does not remove it.
        let (pruning, _) = store.without_old(&[seq], 5_000).unwrap();
        assert!(pruning.writes.is_empty());
    }

    /// The same when an event is postponed, parked or marked as done.
    #[test]
    fn d14_what_changed_since_it_was_read_is_not_written_over() {
        let dir = tempfile::tempdir().unwrap();
        let store = Records::open(dir.path(), Settings::default()).unwrap();
        let (seq, _) = receive(&store, 1_000);
        let mut late = load(&store);
        let read = late.waiting.entries.clone();
        assert_eq!(late.postpone_events(&read, 3_000, 1), 1);
        drop_all(&store, 2_000);
        assert_eq!(store.commit_many(vec![late], 3_000).unwrap(), [Commit::Outdated]);
        let mut again = load(&store);
        assert_eq!(again.postpone_events(&read, 3_000, 1), 0, "it waits no more");
        assert_eq!(store.entry(seq).unwrap().unwrap().state, EntryState::Dropped { at_ms: 2_000 });
    }
}
