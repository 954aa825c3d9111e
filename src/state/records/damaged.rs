//! Damaged records: each is logged once, and callers that can continue without it do so.

use crate::decide::Intent;
use crate::state::StoreError;
use crate::state::embedded::Tx;
use crate::state::records::Records;
use crate::state::records::keys;
use crate::state::records::pages::Pages;

pub(super) fn is_damaged<T>(read: Result<Option<T>, StoreError>) -> Result<bool, StoreError> {
    match read {
        Err(StoreError::Damaged(_)) => Ok(true),
        read => read.map(|_| false),
    }
}

impl Records {
    /// Turns a damaged record into none. `kind` and `key` name it in the log.
    pub(super) fn or_damaged<T>(
        &self,
        kind: &'static str,
        key: &[u8],
        read: Result<Option<T>, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        match read {
            Err(StoreError::Damaged(reason)) => {
                if self.engine.note_damaged(key) {
                    let key = hex::encode(key);
                    tracing::error!(kind, key, reason, "a stored record is damaged: going on without it");
                }
                Ok(None)
            }
            read => read,
        }
    }

    pub fn is_damaged_intent(&self, seq: u64) -> Result<bool, StoreError> {
        is_damaged(self.read::<Intent>(&keys::intent(seq)))
    }

    /// Parks open actions with a damaged record. They are never sent, because it is unknown whether they were sent
    /// before. Returns how many were parked now.
    pub fn set_actions_aside(&self) -> Result<u64, StoreError> {
        let mut open = Pages::new(keys::room(b'Y'));
        let mut aside = 0;
        while let Some(found) = open.keys(self)? {
            for key in found {
                let Some(seq) = keys::tail_seq(&key) else { continue };
                if self.is_damaged_intent(seq)? {
                    let mut tx = Tx::default();
                    tx.remove(key).set(keys::parked(b'a', seq), Vec::new());
                    aside += u64::from(self.try_transact(&tx)?);
                }
            }
        }
        Ok(aside)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::decide::{ActionKind, Answered, Audience, Intent, IntentState, Link};
    use crate::goodays::ResponseId;
    use crate::salesforce::RecordId;
    use crate::state::embedded::Store as Engine;
    use crate::state::embedded::damage::{copy_all, spoiled};
    use crate::state::records::encode;
    use crate::state::records::queue::PENDING;
    use crate::state::{Commit, Due, Entry, EntryState, Loaded, Parked, RKey, Receipt, Settings};

    /// Flips a bit in each value of this key that a journal of a closed store holds.
    pub fn flip(dir: &Path, key: &[u8]) {
        let mut flipped = 0;
        for file in fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()) {
            if !file.file_name().unwrap().to_str().unwrap().starts_with("sled.journal-") {
                continue;
            }
            let mut bytes = fs::read(&file).unwrap();
            for at in 8..bytes.len().saturating_sub(key.len()) {
                let lengths = [bytes[at - 8..at - 4].to_vec(), bytes[at - 4..at].to_vec()];
                let [of_key, of_value] =
                    lengths.map(|length| u32::from_be_bytes(length.try_into().unwrap()) as usize);
                if bytes[at..].starts_with(key) && of_key == key.len() && of_value < 10_000 {
                    bytes[at + key.len() + of_value / 2] ^= 4;
                    flipped += 1;
                }
            }
            fs::write(&file, bytes).unwrap();
        }
        assert!(flipped > 0, "no journal holds the key");
    }

    fn open(dir: &Path) -> Records {
        Records::open(dir, Settings::default()).unwrap()
    }

    fn id(name: &str) -> ResponseId {
        ResponseId::new(name).unwrap()
    }

    fn body(name: &str) -> Vec<u8> {
        format!(r#"{{"response":{{"id":"{name}"}}}}"#).into_bytes()
    }

    fn named(body: &[u8]) -> Option<ResponseId> {
        ["r1", "r2", "r3", "r4"].into_iter().find(|name| body == self::body(name)).map(id)
    }

    fn receive(store: &Records, name: &str) -> Receipt {
        store.accept(&body(name), "response", &Ok(id(name)), 1_000).unwrap()
    }

    fn load(store: &Records, name: &str) -> Loaded {
        store.load_many(&[id(name)]).unwrap().pop().unwrap()
    }

    fn commit(store: &Records, loaded: Loaded) {
        assert!(matches!(store.commit_many(vec![loaded], 1_000).unwrap()[..], [Commit::Applied(_)]));
    }

    /// The numbers of the parked events, which are all damaged.
    fn parked(store: &Records) -> Vec<u64> {
        let number = |parked| match parked {
            Parked::Event(entry) => {
                assert!(matches!(&entry.state, EntryState::Parked { code, .. } if code == "damaged"));
                entry.seq
            }
            other => panic!("{other:?}"),
        };
        store.parked(9).unwrap().into_iter().map(number).collect()
    }

    /// An event that waits, one that was dropped and one that is parked have a header that the disk has changed: each is
    /// parked and named, and the one between them goes on, also when the journal is gone.
    #[tokio::test]
    async fn d02_a_header_that_the_disk_has_changed_costs_its_event_and_no_other() {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path());
        let seqs: Vec<u64> = ["r1", "r2", "r3"]
            .into_iter()
            .map(|name| match receive(&store, name) {
                Receipt::Accepted { seq, .. } => seq,
                other => panic!("{other:?}"),
            })
            .collect();
        let why = ("unreadable", "it names a response that is not there");
        let Receipt::Parked { seq: fourth, .. } =
            store.accept_parked(&body("r4"), "response", &id("r4"), why, 1_000).unwrap()
        else {
            panic!("it is not parked");
        };
        let mut done = load(&store, "r3");
        let entries = done.waiting.entries.clone();
        assert_eq!(done.end_events(&entries, &EntryState::Dropped { at_ms: 1_000 }), 1);
        commit(&store, done);
        store.engine.close().unwrap();
        for seq in [seqs[0], seqs[2], fourth] {
            flip(dir.path(), &keys::entry(seq));
        }

        let store = open(dir.path());
        let rkeys = ["r1", "r2"].map(|name| RKey::of(&id(name)));
        let [Due::Nameless(lost), Due::Known(other)] = &store.load_due(&rkeys).unwrap()[..] else {
            panic!("other events are found");
        };
        assert_eq!((lost.lost.as_slice(), other.waiting.entries.len()), (&seqs[..1], 1));
        assert_eq!(receive(&store, "r1"), Receipt::Duplicate { seq: seqs[0] });
        assert_eq!(receive(&store, "r3"), Receipt::Duplicate { seq: seqs[2] });
        // What waits is parked by its worker, not by the pruning.
        store.prune_events(0, 1_000, 99).unwrap();
        assert_eq!(store.set_events_aside(named, 2_000).unwrap(), 2);
        assert_eq!(parked(&store), [seqs[2], fourth]);
        assert_eq!(store.mend(rkeys[0], named, 2_000).unwrap(), 1);
        assert_eq!(store.mend(rkeys[0], named, 2_000).unwrap(), 0);
        assert_eq!(store.set_events_aside(named, 2_000).unwrap(), 0);
        for _ in 0..2 {
            let store = store.clone();
            assert_eq!(parked(&store), [seqs[0], seqs[2], fourth]);
            assert_eq!(store.entry(seqs[0]).unwrap().unwrap().response_id, Some(id("r1")));
            assert_eq!(load(&store, "r2").waiting.entries.len(), 1);
            store.prune_events(0, 1_000, 99).unwrap();
            store.engine.retire(i64::MAX).await.unwrap();
        }
        // The bytes are there: the same event is taken in once more.
        assert_eq!(receive(&store, "r1"), Receipt::Accepted { seq: seqs[0], rkey: rkeys[0] });
        store.engine.close().unwrap();
        let store = open(dir.path());
        assert_eq!(load(&store, "r1").waiting.entries.len(), 1);
        assert_eq!(parked(&store), [seqs[2], fourth]);
    }

    /// The note of the last number is lost with a place of the journal, and later events are not: no number is given twice.
    #[tokio::test]
    async fn no_number_is_given_twice_after_a_loss() {
        let (dir, copy) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let store = open(dir.path());
        for name in ["r1", "r2", "r3"] {
            receive(&store, name);
            store.engine.durable().await.unwrap();
        }
        // As after a kill, and the first of the journal's records is damaged.
        copy_all(dir.path(), copy.path());
        let state = copy.path();
        let journal = state.join("sled.journal-1");
        let mut bytes = fs::read(&journal).unwrap();
        bytes[20] ^= 1;
        fs::write(journal, bytes).unwrap();
        let given = store.engine.last_seq();

        // An earlier start may have ended before it gave a number.
        for _ in 0..2 {
            let store = open(state);
            assert!(store.engine.is_incomplete());
            assert!(store.engine.last_seq() > given);
            store.engine.close().unwrap();
        }
        let store = open(state);
        // It was seen to, and that start gave no number either.
        store.engine.loss_is_seen_to().unwrap();
        store.engine.close().unwrap();
        let store = open(state);
        assert!(!store.engine.is_incomplete());
        assert!(store.engine.last_seq() > given);
        for name in ["r1", "r2", "r3"] {
            assert!(matches!(receive(&store, name), Receipt::Accepted { .. }) == (name == "r1"), "{name}");
        }
        for name in ["r1", "r2", "r3"] {
            let [entry] = &load(&store, name).waiting.entries[..] else { panic!("{name}") };
            assert_eq!(store.body(entry.seq).unwrap(), Some(body(name)));
        }
    }

    /// A number that an earlier program gave twice: the event that stands there is not taken for the other response's,
    /// which is told instead.
    #[test]
    fn an_event_of_another_response_is_not_planned() {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path());
        let Receipt::Accepted { seq, rkey } = receive(&store, "r1") else { panic!("it is known") };
        let mut link = Link::new(id("r1"));
        link.mapping = "known".to_owned();
        let mut loaded = load(&store, "r1");
        loaded.now.link = Some(link);
        commit(&store, loaded);
        let other = Entry { response_id: Some(id("r2")), ..store.entry(seq).unwrap().unwrap() };
        let mut tx = Tx::default();
        tx.set(keys::entry(seq), encode(&other)).set(keys::payload(seq), body("r2"));
        tx.set(keys::of_response(RKey::of(&id("r2")), seq), vec![PENDING]);
        assert!(store.try_transact(&tx).unwrap());

        let waiting = load(&store, "r1").waiting;
        assert_eq!((waiting.entries.len(), waiting.lost), (0, vec![seq]));
        assert_eq!(store.mend(rkey, named, 2_000), Ok(1));
        let waiting = load(&store, "r1").waiting;
        assert!(waiting.entries.is_empty() && waiting.lost.is_empty());
        let [told] = parked(&store)[..] else { panic!("one is parked") };
        assert_eq!(store.entry(told).unwrap().unwrap().response_id, Some(id("r1")));
        assert_eq!(load(&store, "r2").waiting.entries, [other]);

        // The lost one is received again: it is taken in, and the other one's bytes stay.
        let Receipt::Accepted { seq: again, .. } = receive(&store, "r1") else {
            panic!("it is no duplicate")
        };
        assert_ne!(again, seq);
        assert_eq!(store.body(again).unwrap(), Some(body("r1")));
        assert_eq!(store.body(seq).unwrap(), Some(body("r2")));
    }

    /// sled is damaged where it says where an action lies: no action is set aside for that, and the next start has all.
    #[test]
    fn a_damaged_sled_sets_no_action_aside() {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path());
        let case = RecordId::new("500000000000001").unwrap();
        let comment = |seq| RecordId::new(&format!("00a0000000000{seq:02}")).unwrap();
        for seq in 10..50 {
            let id = id(&format!("r{seq}"));
            let mut loaded = load(&store, id.as_str());
            let kind = ActionKind::answer(comment(seq), "Hello.", Audience::Private);
            loaded.now.put(Intent::new(seq, id, case.clone(), kind, 0));
            commit(&store, loaded);
        }
        store.engine.close().unwrap();
        let dir = spoiled(dir.path(), &keys::intent(30));

        let store = Records { engine: Engine::open(dir.path(), Settings::default()).unwrap() };
        assert!(matches!(store.set_actions_aside(), Err(StoreError::Rebuild(_))));
        let _ = store.engine.close();
        let store = open(dir.path());
        assert_eq!(store.set_actions_aside(), Ok(0));
        assert_eq!(store.all_open_intents().unwrap().len(), 40);
    }

    /// sled is damaged where it has a value: it is not taken for one that never was, and nothing is written over it.
    #[test]
    fn a_damaged_sled_forgets_no_value() {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path());
        let (name, value) = (|n| format!("value {n}"), |n| format!("of value {n}"));
        for n in 100..200 {
            store.set_meta(&name(n), &value(n)).unwrap();
        }
        store.engine.close().unwrap();
        for n in [100, 130, 199] {
            let copy = spoiled(dir.path(), &keys::meta(&name(n)));
            let store = Records { engine: Engine::open(copy.path(), Settings::default()).unwrap() };
            assert!(matches!(store.meta::<String>(&name(n)), Err(StoreError::Rebuild(_))));
            assert!(store.set_meta(&name(n), &"another").is_err());
            let _ = store.engine.close();
            assert_eq!(open(copy.path()).meta(&name(n)), Ok(Some(value(n))));
        }
    }

    /// Actions that the conversation's ledger and its open list name, and whose record the disk has changed.
    #[tokio::test]
    async fn d02_an_action_that_the_disk_has_changed_costs_itself() {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path());
        let case = RecordId::new("500000000000001").unwrap();
        let action = |seq: u64, state| Intent {
            state,
            ..Intent::new(
                seq,
                id("r1"),
                case.clone(),
                ActionKind::answer(
                    RecordId::new(&format!("00a00000000000{seq}")).unwrap(),
                    "Hello.",
                    Audience::Private,
                ),
                0,
            )
        };
        let mut loaded = load(&store, "r1");
        let delivered = action(1, IntentState::Cancelled { at_ms: 0, why: String::new() });
        let mut link = Link::new(id("r1"));
        let ActionKind::Answer { comment: Some(comment), .. } = delivered.kind.clone() else {
            panic!("it is an answer")
        };
        link.answers = vec![Answered { intent: 1, comment, text: 0, told: false, told_of: None }];
        loaded.now.link = Some(link);
        loaded.now.put(delivered);
        loaded.now.put(action(2, IntentState::Ready { not_before_ms: 0 }));
        commit(&store, loaded);
        receive(&store, "r1");
        store.engine.close().unwrap();
        for seq in [1, 2] {
            flip(dir.path(), &keys::intent(seq));
        }

        let mut store = open(dir.path());
        for round in 0..3 {
            let loaded = load(&store, "r1");
            assert!(loaded.now.intents.is_empty() && loaded.now.link.is_some());
            assert_eq!(loaded.waiting.entries.len(), 1);
            commit(&store, loaded);
            assert_eq!(store.set_actions_aside().unwrap(), u64::from(round == 0));
            store.prune_intents(0, 1_000, 99).unwrap();
            assert!(matches!(store.parked(9).unwrap()[..], [Parked::DamagedIntent(2)]));
            store.engine.retire(i64::MAX).await.unwrap();
            if round == 1 {
                store.engine.close().unwrap();
                store = open(dir.path());
            }
        }
    }
}
