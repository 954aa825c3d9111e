//! What each store has to do, written against the interface of `state` alone: a second store runs the same tests.
//!
//! A model holds the same conversations in plain lists. Random steps go to both, and both must say the same.

use std::collections::{BTreeMap, BTreeSet};

use goodays_salesforce::decide::{
    ActionKind, Audience, CaseRef, Feedback, Intent, IntentState, Link, Note, hash64,
};
use goodays_salesforce::goodays::{MessageId, ResponseId, Verb};
use goodays_salesforce::messages::Words;
use goodays_salesforce::salesforce::RecordId;
use goodays_salesforce::state::{
    Commit, Entry, EntryState, LANES, Loaded, Parked, RKey, Receipt, Settings, Store, WaitingNote, postgres,
};
use goodays_salesforce::time::GoodaysTime;
use proptest::prelude::*;

/// Where the store under test keeps its records.
enum Place {
    Folder(tempfile::TempDir),
    Database(postgres::Settings),
}

impl Place {
    fn folder() -> Self {
        Self::Folder(tempfile::tempdir().unwrap())
    }

    /// A new schema; none without a server, which is said once.
    fn database() -> Option<Self> {
        crate::database::settings().map(Self::Database)
    }

    /// Opens the store, empty or as it was left.
    async fn open(&self) -> Store {
        match self {
            Self::Folder(dir) => Store::open(dir.path(), Settings::default()).unwrap(),
            Self::Database(settings) => Store::connect(settings).await.unwrap(),
        }
    }
}

/// Runs each of these tests against each store.
macro_rules! on_each_store {
    ($($name:ident),* $(,)?) => {
        mod on_the_embedded_store {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $name() {
                super::$name(super::Place::folder()).await;
            })*
        }
        mod on_postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $name() {
                if let Some(place) = super::Place::database() {
                    super::$name(place).await;
                }
            })*
        }
    };
}

on_each_store! {
    a_batch_of_any_size_is_written_whole,
    a_conversation_that_is_named_twice_in_a_batch_is_changed_twice,
    threads_that_change_one_conversation_lose_no_change,
    a_word_of_an_operator_counts_only_for_the_event_that_he_saw,
    an_event_that_names_no_response_is_parked_and_can_be_dropped_or_forgotten,
    bodies_are_given_in_order_as_far_as_there_is_room,
    at_most_so_many_actions_are_counted_in_an_hour_and_only_if_they_are_written,
    links_are_found_by_case_by_customer_and_by_a_walk,
    what_is_forgotten_is_gone_and_the_ids_stay,
    a_store_that_starts_over_keeps_events_and_nothing_else,
    what_is_old_and_finished_is_pruned_and_a_repeat_stays_a_duplicate,
    a_parked_action_that_nothing_asks_for_again_can_be_ended,
}

fn id(n: u8) -> ResponseId {
    ResponseId::new(format!("r{n}")).unwrap()
}

pub fn case(n: u8) -> RecordId {
    RecordId::new(&format!("500KB0000000{n:03}")).unwrap()
}

pub fn intent(seq: u64, response_id: ResponseId) -> Intent {
    let comment = RecordId::new(&format!("00aKB0{:09}", seq % 1_000_000_000)).unwrap();
    Intent::new(seq, response_id, case(0), ActionKind::answer(comment, "Hello.", Audience::Private), 0)
}

fn note(action: u64) -> Note {
    Note::new(Feedback::Sent, &action.to_string(), "", Words::default())
}

pub fn done(at_ms: i64) -> EntryState {
    EntryState::Done { at_ms, how: "created".to_owned(), course: None }
}

fn parked() -> EntryState {
    EntryState::Parked { since_ms: 0, code: "no_place".to_owned(), why: "because".to_owned() }
}

async fn accept(store: &Store, n: u8, body: &str, now_ms: i64) -> Receipt {
    store.accept(body.as_bytes(), "message", &Ok(id(n)), now_ms).await.unwrap()
}

async fn accepted(store: &Store, n: u8, body: &str) -> u64 {
    match accept(store, n, body, 0).await {
        Receipt::Accepted { seq, .. } => seq,
        other => panic!("{other:?}"),
    }
}

/// Changes one conversation.
async fn change(store: &Store, n: u8, mut with: impl FnMut(&mut Loaded) + Send) {
    let changed = store
        .change(&id(n), 0, |loaded| {
            with(loaded);
            Ok(())
        })
        .await;
    changed.unwrap();
}

fn linked(loaded: &mut Loaded, words: u64) {
    let id = loaded.now.response_id.clone();
    loaded.now.link.get_or_insert_with(|| Link::new(id)).mapping = words.to_string();
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Accept {
        of: u8,
        body: u8,
    },
    /// Loads a conversation, and keeps it for a later commit.
    Load {
        of: u8,
    },
    /// Commits everything that was loaded, in one batch, each with its own change.
    Commit(What),
    Reopen,
}

#[derive(Debug, Clone, Copy)]
enum What {
    Link,
    Act,
    Deliver,
    EndEvents,
    ParkEvents,
    PostponeEvents,
    Tell,
    EndNotes,
    PostponeNotes,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let what = prop::sample::select(vec![
        What::Link,
        What::Act,
        What::Deliver,
        What::EndEvents,
        What::ParkEvents,
        What::PostponeEvents,
        What::Tell,
        What::EndNotes,
        What::PostponeNotes,
    ]);
    let step = prop_oneof![
        6 => (0..4u8, 0..6u8).prop_map(|(of, body)| Step::Accept { of, body }),
        8 => (0..4u8).prop_map(|of| Step::Load { of }),
        6 => what.prop_map(Step::Commit),
        1 => Just(Step::Reopen),
    ];
    prop::collection::vec(step, 1..60)
}

/// One conversation in plain lists.
#[derive(Debug, Clone, Default, PartialEq)]
struct Plain {
    words: Option<String>,
    events: BTreeMap<u64, (u32, EntryState)>,
    notes: BTreeMap<u64, (i64, u32, Note)>,
    intents: BTreeMap<u64, IntentState>,
    bodies: BTreeMap<u8, u64>,
    /// Raised by each change, and not by an event that comes in.
    version: u64,
}

#[derive(Default)]
struct Model {
    all: BTreeMap<u8, Plain>,
    done: u64,
    delivered: u64,
}

/// A loaded conversation, and the model's as it was then.
struct Held {
    of: u8,
    before: Plain,
    loaded: Loaded,
}

impl Model {
    fn of(&mut self, n: u8) -> &mut Plain {
        self.all.entry(n).or_default()
    }

    async fn accept(&mut self, store: &Store, n: u8, body: u8, now_ms: i64) {
        let receipt = accept(store, n, &body.to_string(), now_ms).await;
        let plain = self.of(n);
        // Where several machines take events, none of their clocks says when one is due.
        let due_ms = if store.is_common() { 0 } else { now_ms };
        let waits = (0, EntryState::Waiting { due_ms });
        match plain.bodies.get(&body).copied() {
            None => {
                let Receipt::Accepted { seq, rkey } = receipt else { panic!("{receipt:?}") };
                assert_eq!(rkey, RKey::of(&id(n)));
                plain.bodies.insert(body, seq);
                plain.events.insert(seq, waits);
            }
            Some(seq) if matches!(plain.events[&seq].1, EntryState::Parked { .. }) => {
                assert_eq!(receipt, Receipt::Accepted { seq, rkey: RKey::of(&id(n)) });
                plain.events.insert(seq, (plain.events[&seq].0, waits.1));
            }
            Some(seq) => assert_eq!(receipt, Receipt::Duplicate { seq }),
        }
    }

    /// Commits a batch. Applied is what was loaded at the present version, and nothing else.
    async fn commit(&mut self, store: &Store, held: Vec<Held>, what: What, now_ms: i64) {
        let mut expected = Vec::new();
        let mut batch = Vec::new();
        for Held { of, before, mut loaded } in held {
            let mut after = before.clone();
            decide(store, &mut loaded, &mut after, what, now_ms);
            let (written, present) = (after != before, self.of(of).version == before.version);
            expected.push(!written || present);
            if written && present {
                self.count(&before, &after);
                self.of(of).merge(&before, after);
            }
            batch.push((of, loaded));
        }
        let (of, batch): (Vec<u8>, Vec<Loaded>) = batch.into_iter().unzip();
        let commits = store.commit_many(batch, now_ms).await.unwrap();
        let applied: Vec<bool> = commits.iter().map(|one| matches!(one, Commit::Applied(_))).collect();
        assert_eq!(applied, expected, "{what:?} of {of:?}");
        // The store numbers new notes itself.
        for of in of {
            let waiting = store.waiting(RKey::of(&id(of))).await.unwrap();
            self.of(of).number_notes(&waiting.notes);
        }
    }

    fn count(&mut self, before: &Plain, after: &Plain) {
        let ended = |plain: &Plain| {
            let done = plain.events.values().filter(|event| matches!(event.1, EntryState::Done { .. }));
            let sent = plain.intents.values().filter(|state| matches!(state, IntentState::Delivered { .. }));
            (done.count() as u64, sent.count() as u64)
        };
        self.done += ended(after).0 - ended(before).0;
        self.delivered += ended(after).1 - ended(before).1;
    }

    async fn holds(&self, store: &Store, now_ms: i64) {
        let mut queued = BTreeSet::new();
        for n in 0..4 {
            let plain = self.all.get(&n).cloned().unwrap_or_default();
            let loaded = store.load(&id(n)).await.unwrap();
            assert_eq!(loaded.now.link.as_ref().map(|link| &link.mapping), plain.words.as_ref());
            let open = |state: &IntentState| matches!(state, IntentState::Ready { .. });
            let intents: Vec<u64> =
                loaded.now.intents.iter().filter(|i| open(&i.state)).map(|i| i.seq).collect();
            let expected = plain.intents.iter().filter(|(_, state)| open(state)).map(|(seq, _)| *seq);
            assert_eq!(intents, expected.collect::<Vec<_>>());
            for (seq, (attempts, state)) in &plain.events {
                let entry = store.entry(*seq).await.unwrap().unwrap();
                assert_eq!((entry.attempts, &entry.state), (*attempts, state));
            }
            let waits = |state: &EntryState| matches!(state, EntryState::Waiting { .. });
            let events: Vec<u64> = loaded.waiting.entries.iter().map(|entry| entry.seq).collect();
            let expected = plain.events.iter().filter(|(_, (_, state))| waits(state)).map(|(seq, _)| *seq);
            assert_eq!(events, expected.collect::<Vec<_>>());
            let notes: Vec<(i64, u32, Note)> =
                loaded.waiting.notes.iter().map(|n| (n.due_ms, n.attempts, n.note.clone())).collect();
            assert_eq!(notes, plain.notes.values().cloned().collect::<Vec<_>>());
            let rkey = RKey::of(&id(n));
            for entry in &loaded.waiting.entries {
                let EntryState::Waiting { due_ms } = entry.state else { panic!("{entry:?}") };
                queued.insert((rkey, due_ms, entry.seq, true));
            }
            queued.extend(loaded.waiting.notes.iter().map(|n| (rkey, n.due_ms, n.seq, false)));
        }
        queues_hold(store, &queued, now_ms).await;
        let counters = store.counters().await.unwrap();
        assert_eq!(counters.pending, queued.iter().filter(|item| item.3).count() as u64);
        assert_eq!((counters.done.iter().sum::<u64>(), counters.delivered), (self.done, self.delivered));
        let parked = self.all.values().flat_map(|plain| &plain.events);
        let parked: Vec<u64> =
            parked.filter(|(_, e)| matches!(e.1, EntryState::Parked { .. })).map(|(seq, _)| *seq).collect();
        let listed = store.parked(1000).await.unwrap().into_iter().map(|item| match item {
            Parked::Event(entry) => entry.seq,
            other => panic!("{other:?}"),
        });
        assert_eq!(listed.collect::<BTreeSet<_>>(), parked.into_iter().collect::<BTreeSet<_>>());
    }
}

async fn queues_hold(store: &Store, queued: &BTreeSet<(RKey, i64, u64, bool)>, now_ms: i64) {
    for lane in 0..LANES {
        let of_lane = queued.iter().filter(|item| item.0.lane() == lane);
        let mut due: Vec<_> = of_lane.clone().filter(|item| item.1 <= now_ms).copied().collect();
        due.sort_by_key(|item| (item.1, item.2));
        let found = store.due(lane, now_ms, 1000).await.unwrap();
        let found: Vec<_> =
            found.into_iter().map(|item| (item.rkey, item.due_ms, item.seq, item.event)).collect();
        assert_eq!(found, due);
        assert_eq!(store.due(lane, now_ms, 1).await.unwrap().len(), due.len().min(1));
        assert_eq!(store.next_due(lane).await.unwrap(), of_lane.map(|item| item.1).min());
    }
}

impl Plain {
    /// Adds a change to what came in since it was loaded.
    fn merge(&mut self, before: &Self, after: Self) {
        self.version += 1;
        self.words = after.words;
        self.intents.extend(after.intents);
        self.events.extend(after.events.into_iter().filter(|(seq, e)| before.events.get(seq) != Some(e)));
        self.notes = after.notes;
    }

    fn number_notes(&mut self, waiting: &[WaitingNote]) {
        let known = std::mem::take(&mut self.notes);
        self.notes = waiting.iter().map(|note| note.seq).zip(known.into_values()).collect();
    }
}

/// Makes the same change to the loaded conversation and to the model.
fn decide(store: &Store, loaded: &mut Loaded, after: &mut Plain, what: What, now_ms: i64) {
    let events: Vec<Entry> = loaded.waiting.entries.clone();
    let notes: Vec<WaitingNote> = loaded.waiting.notes.clone();
    let words = now_ms.unsigned_abs();
    match what {
        What::Link => {
            linked(loaded, words);
            after.words = Some(words.to_string());
        }
        What::Act => {
            let seq = store.next_seq();
            linked(loaded, words);
            let id = loaded.now.response_id.clone();
            loaded.now.put(intent(seq, id));
            after.words = Some(words.to_string());
            after.intents.insert(seq, IntentState::Ready { not_before_ms: 0 });
        }
        What::Deliver => {
            for intent in &mut loaded.now.intents {
                if matches!(intent.state, IntentState::Ready { .. }) {
                    intent.state = IntentState::Delivered { at_ms: now_ms, verb: Verb::Reply, message: None };
                    after.intents.insert(intent.seq, intent.state.clone());
                }
            }
        }
        What::EndEvents => end(loaded, &events, after, &done(now_ms)),
        What::ParkEvents => end(loaded, &events, after, &parked()),
        What::PostponeEvents => {
            let attempts = events.iter().map(|entry| entry.attempts).max().unwrap_or_default() + 1;
            let due_ms = now_ms + 5;
            assert_eq!(loaded.postpone_events(&events, due_ms, attempts), events.len());
            let waits = EntryState::Waiting { due_ms };
            after.events.extend(events.iter().map(|entry| (entry.seq, (attempts, waits.clone()))));
        }
        What::Tell => {
            // A note that comes in is no change of the conversation, so here its link changes, too.
            linked(loaded, words);
            loaded.now.tell(note(words));
            after.words = Some(words.to_string());
            after.notes.insert(u64::MAX, (now_ms, 0, note(words)));
        }
        What::EndNotes => {
            assert_eq!(loaded.end_notes(&notes), notes.len());
            after.notes.retain(|seq, _| notes.iter().all(|note| note.seq != *seq));
        }
        What::PostponeNotes => {
            assert_eq!(loaded.postpone_notes(&notes, now_ms + 5, 7), notes.len());
            after.notes.extend(notes.into_iter().map(|note| (note.seq, (now_ms + 5, 7, note.note))));
        }
    }
}

fn end(loaded: &mut Loaded, events: &[Entry], after: &mut Plain, state: &EntryState) {
    assert_eq!(loaded.end_events(events, state), events.len());
    after.events.extend(events.iter().map(|entry| (entry.seq, (entry.attempts, state.clone()))));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_store_does_what_plain_lists_do(steps in steps()) {
        block_on(beside_plain_lists(Place::folder(), steps));
    }

    #[test]
    fn a_database_does_what_plain_lists_do(steps in steps()) {
        if let Some(place) = Place::database() {
            block_on(beside_plain_lists(place, steps));
        }
    }
}

fn block_on(steps: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(steps);
}

async fn beside_plain_lists(place: Place, steps: Vec<Step>) {
    let mut store = place.open().await;
    let (mut model, mut held) = (Model::default(), Vec::new());
    for (step, now_ms) in steps.into_iter().zip(1..) {
        match step {
            Step::Accept { of, body } => model.accept(&store, of, body, now_ms).await,
            Step::Load { of } => {
                let loaded = store.load(&id(of)).await.unwrap();
                held.push(Held { of, before: model.of(of).clone(), loaded });
            }
            Step::Commit(what) => model.commit(&store, std::mem::take(&mut held), what, now_ms).await,
            Step::Reopen => {
                held.clear();
                store.close().unwrap();
                store = place.open().await;
            }
        }
        model.holds(&store, now_ms).await;
    }
}

async fn a_batch_of_any_size_is_written_whole(place: Place) {
    let store = place.open().await;
    let ids: Vec<ResponseId> = (0..20).map(id).collect();
    for n in 0..20 {
        let bodies: Vec<String> = (0..300).map(|body| body.to_string()).collect();
        futures_util::future::join_all(bodies.iter().map(|body| accepted(&store, n, body))).await;
    }
    let all = |_, loaded: &mut Loaded| {
        let waiting = loaded.waiting.entries.clone();
        Ok(loaded.end_events(&waiting, &done(1)))
    };
    let ended = store.change_many(&ids, 1, all).await.unwrap();
    assert_eq!(ended.iter().map(|(ended, _)| ended).sum::<usize>(), 6000);
    assert_eq!(store.counters().await.unwrap().pending, 0);
}

async fn a_conversation_that_is_named_twice_in_a_batch_is_changed_twice(place: Place) {
    let store = place.open().await;
    let twice = [id(1), id(2), id(1)];
    let count = |_, loaded: &mut Loaded| {
        let words: u64 = loaded.now.link.as_ref().map_or(0, |link| link.mapping.parse().unwrap());
        linked(loaded, words + 1);
        Ok(words)
    };
    let before = store.change_many(&twice, 0, count).await.unwrap();
    assert_eq!(before.into_iter().map(|(words, _)| words).collect::<Vec<_>>(), [0, 0, 1]);
}

async fn threads_that_change_one_conversation_lose_no_change(place: Place) {
    const ROUNDS: u64 = 100;
    let store = place.open().await;
    let changing = (0..4).map(|_| {
        let store = store.clone();
        tokio::spawn(async move {
            for _ in 0..ROUNDS {
                let one_more = |loaded: &mut Loaded| {
                    let words: u64 = loaded.now.link.as_ref().map_or(0, |l| l.mapping.parse().unwrap());
                    linked(loaded, words + 1);
                };
                change(&store, 1, one_more).await;
            }
        })
    });
    futures_util::future::try_join_all(changing).await.unwrap();
    assert_eq!(store.load(&id(1)).await.unwrap().now.link.unwrap().mapping, (4 * ROUNDS).to_string());
}

async fn a_word_of_an_operator_counts_only_for_the_event_that_he_saw(place: Place) {
    let store = place.open().await;
    let seq = accepted(&store, 1, "a").await;
    let park = |loaded: &mut Loaded| {
        let waiting = loaded.waiting.entries.clone();
        loaded.end_events(&waiting, &parked());
    };
    change(&store, 1, park).await;
    let seen = store.entry(seq).await.unwrap().unwrap();
    assert_eq!(store.count_parked_events(10).await.unwrap(), 1);
    assert!(store.retry_event(&seen, &id(1), 5).await.unwrap());
    assert_eq!(
        (store.count_parked_events(10).await.unwrap(), store.counters().await.unwrap().pending),
        (0, 1)
    );
    assert!(
        !store.drop_event(&seen, 6).await.unwrap() && !store.retry_event(&seen, &id(1), 6).await.unwrap()
    );
    change(&store, 1, park).await;
    let seen = store.entry(seq).await.unwrap().unwrap();
    assert!(store.drop_event(&seen, 7).await.unwrap());
    assert_eq!(store.entry(seq).await.unwrap().unwrap().state, EntryState::Dropped { at_ms: 7 });
    assert!(matches!(accept(&store, 1, "a", 8).await, Receipt::Accepted { .. }), "a repeat counts again");
}

async fn an_event_that_names_no_response_is_parked_and_can_be_dropped_or_forgotten(place: Place) {
    let store = place.open().await;
    let unreadable = async |body: &str| match store
        .accept(body.as_bytes(), "", &Err("no id".to_owned()), 1)
        .await
        .unwrap()
    {
        Receipt::Parked { seq, .. } => store.entry(seq).await.unwrap().unwrap(),
        other => panic!("{other:?}"),
    };
    let (one, other) = (unreadable("one").await, unreadable("other").await);
    assert!(store.drop_event(&one, 2).await.unwrap());
    assert!(store.forget_nameless_event(&other).await.unwrap());
    assert_eq!(store.parked(10).await.unwrap(), []);
    assert_eq!(
        (store.body(one.seq).await.unwrap().is_some(), store.body(other.seq).await.unwrap()),
        (true, None)
    );
}

async fn bodies_are_given_in_order_as_far_as_there_is_room(place: Place) {
    let store = place.open().await;
    let mut seqs = Vec::new();
    for body in ["aaaa", "bbbb", "cccc"] {
        seqs.push(accepted(&store, 1, body).await);
    }
    let asked = [seqs[1], 999, seqs[0], seqs[2]];
    let given = async |most| {
        let bodies = store.bodies(&asked, most).await.unwrap().into_iter();
        bodies.map(|body| body.map(|bytes| String::from_utf8(bytes).unwrap())).collect::<Vec<_>>()
    };
    let text = |body: &str| Some(body.to_owned());
    assert_eq!(given(1).await, [text("bbbb")], "at least one");
    assert_eq!(given(8).await, [text("bbbb"), None, text("aaaa")]);
    assert_eq!(given(100).await, [text("bbbb"), None, text("aaaa"), text("cccc")]);
}

async fn at_most_so_many_actions_are_counted_in_an_hour_and_only_if_they_are_written(place: Place) {
    const HOUR_MS: i64 = 3_600_000;
    let store = place.open().await;
    let sends = async |most, now_ms| {
        let (sent, mut loaded) = (store.sent().await.unwrap(), store.load(&id(1)).await.unwrap());
        let goes = loaded.count_sending(&sent, most, now_ms);
        assert!(matches!(store.commit_many(vec![loaded], now_ms).await.unwrap()[..], [Commit::Applied(_)]));
        goes
    };
    let mut dropped = store.load(&id(2)).await.unwrap();
    assert!(dropped.count_sending(&store.sent().await.unwrap(), Some(2), 0));
    drop(dropped);
    for (now_ms, goes) in [(0, true), (1, true), (2, false)] {
        assert_eq!(sends(Some(2), now_ms).await, goes);
    }
    assert!(sends(None, 3).await, "approved by a human");
    assert!(!sends(Some(3), HOUR_MS - 1).await && sends(Some(3), HOUR_MS).await);
    // Two begin at once, on the same count: the later one counts again.
    let sent = store.sent().await.unwrap();
    let mut both = store.load_many(&[id(1), id(2)]).await.unwrap();
    assert!(both.iter_mut().all(|loaded| loaded.count_sending(&sent, None, HOUR_MS)));
    for (loaded, applied) in both.into_iter().zip([true, false]) {
        let commits = store.commit_many(vec![loaded], HOUR_MS).await.unwrap();
        assert_eq!(matches!(commits[..], [Commit::Applied(_)]), applied);
    }
}

async fn links_are_found_by_case_by_customer_and_by_a_walk(place: Place) {
    let mut store = place.open().await;
    for n in 1..=5 {
        change(&store, n, |loaded| {
            let mut link = Link::new(id(n));
            link.case = Some(CaseRef { id: case(n % 2), number: None });
            link.customer = Some(hash64(&format!("{}@x.example", n % 2)));
            link.waiting_since = Some(GoodaysTime::from_millis(100 - i64::from(n)));
            loaded.now.link = Some(link);
        })
        .await;
    }
    change(&store, 5, |loaded| {
        let link = loaded.now.link.as_mut().unwrap();
        (link.case, link.waiting_since) = (Some(CaseRef { id: case(0), number: None }), None);
    })
    .await;
    for _ in 0..2 {
        let names = |links: Vec<Link>| {
            links.into_iter().map(|link| link.response_id.to_string()).collect::<BTreeSet<_>>()
        };
        let set = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<BTreeSet<_>>();
        let of_cases = store.links_of_cases(&[case(1), case(0), case(9)]).await.unwrap();
        let expected = [set(&["r1", "r3"]), set(&["r2", "r4", "r5"]), set(&[])];
        assert_eq!(of_cases.into_iter().map(names).collect::<Vec<_>>(), expected);
        let customers = store.links_of_customer(hash64("0@x.example")).await.unwrap();
        assert_eq!(names(customers), set(&["r2", "r4"]));
        assert_eq!(store.unprocessed(10).await.unwrap(), (4, Some(GoodaysTime::from_millis(96))));
        let (mut from, mut all) = (Some(RKey::FIRST), Vec::new());
        while let Some(first) = from {
            let page = store.links_from(first).await.unwrap();
            all.extend(page.links);
            from = page.next;
        }
        assert_eq!(names(all), set(&["r1", "r2", "r3", "r4", "r5"]));
        store.close().unwrap();
        store = place.open().await;
    }
}

async fn what_is_forgotten_is_gone_and_the_ids_stay(place: Place) {
    let store = place.open().await;
    let hash = hash64("a@x.example");
    let seq = accepted(&store, 1, "private").await;
    change(&store, 1, |loaded| {
        linked(loaded, 1);
        loaded.now.link.as_mut().unwrap().customer = Some(hash);
        loaded.now.tell(note(1));
    })
    .await;
    assert_eq!(store.responses_of_customer(hash).await.unwrap(), [RKey::of(&id(1))]);
    let forgotten = store.forget_conversation(RKey::of(&id(1)), |link| link.customer = None).await.unwrap();
    assert_eq!((forgotten.events, forgotten.pending, forgotten.known), (1, 1, true));
    assert_eq!((store.entry(seq).await.unwrap(), store.body(seq).await.unwrap()), (None, None));
    let loaded = store.load(&id(1)).await.unwrap();
    assert!(loaded.waiting.is_empty() && loaded.now.link.is_some());
    assert_eq!(store.responses_of_customer(hash).await.unwrap(), []);
    assert_eq!(
        (store.counters().await.unwrap().pending, store.next_due(RKey::of(&id(1)).lane()).await.unwrap()),
        (0, None)
    );
}

async fn a_store_that_starts_over_keeps_events_and_nothing_else(place: Place) {
    let store = place.open().await;
    let seq = accepted(&store, 1, "a").await;
    store.set_meta("cursor", &1).await.unwrap();
    store.set_meta("other", &2).await.unwrap();
    store.set_attempts(&[(0, vec![RKey::of(&id(1))]), (1, Vec::new())]).await.unwrap();
    assert_eq!(store.attempt(0).await.unwrap(), [RKey::of(&id(1))]);
    change(&store, 1, |loaded| {
        linked(loaded, 1);
        loaded.now.link.as_mut().unwrap().case = Some(CaseRef { id: case(1), number: None });
        loaded.now.put(intent(7, id(1)));
        loaded.now.tell(note(1));
    })
    .await;
    assert!(store.has_links().await.unwrap());
    store.start_over(&["cursor"]).await.unwrap();
    let loaded = store.load(&id(1)).await.unwrap();
    assert_eq!((loaded.now.link, loaded.now.intents.len()), (None, 0));
    assert_eq!(loaded.waiting.entries.iter().map(|entry| entry.seq).collect::<Vec<_>>(), [seq]);
    assert_eq!(loaded.waiting.notes, []);
    assert_eq!(
        (store.meta::<i32>("cursor").await.unwrap(), store.meta("other").await.unwrap()),
        (None, Some(2))
    );
    assert_eq!(store.attempt(0).await.unwrap(), []);
    assert!(!store.has_links().await.unwrap() && store.all_open_intents().await.unwrap().is_empty());
    assert_eq!(accept(&store, 1, "a", 9).await, Receipt::Duplicate { seq });
}

async fn what_is_old_and_finished_is_pruned_and_a_repeat_stays_a_duplicate(place: Place) {
    let store = place.open().await;
    let mut seqs = Vec::new();
    for n in 0..5 {
        seqs.push(accepted(&store, n, "a").await);
    }
    for n in [0, 1, 3] {
        change(&store, n, |loaded| {
            let waiting = loaded.waiting.entries.clone();
            loaded.end_events(&waiting, &done(1));
        })
        .await;
    }
    let mut from = Some(0);
    while let Some(number) = from {
        from = store.prune_events(number, 0, 2).await.unwrap();
    }
    let kept: Vec<u64> =
        store.events_from(0, 10).await.unwrap().records.iter().map(|event| event.seq).collect();
    assert_eq!(kept, [seqs[2], seqs[4]], "those that wait");
    assert_eq!(accept(&store, 0, "a", 9).await, Receipt::Duplicate { seq: seqs[0] });
    let page = store.events_from(0, 1).await.unwrap();
    assert_eq!((page.records[0].seq, page.next), (seqs[2], Some(seqs[2] + 1)));
}

/// The Case's state asks for another action by now, and no comment names it.
async fn a_parked_action_that_nothing_asks_for_again_can_be_ended(place: Place) {
    let store = place.open().await;
    let seq = store.next_seq();
    change(&store, 1, |loaded| {
        linked(loaded, 1);
        let kind = ActionKind::Close { remark_type: None, after: None };
        let state = IntentState::Parked { since_ms: 1, code: "no".to_owned(), why: Words::default() };
        loaded.now.put(Intent { state, ..Intent::new(seq, id(1), case(1), kind, 0) });
    })
    .await;
    change(&store, 1, |loaded| {
        loaded.now.link.as_mut().unwrap().last_customer = Some(MessageId::new("later"));
    })
    .await;
    assert_eq!(store.load(&id(1)).await.unwrap().now.intent(seq), None);
    assert_eq!(store.load_with(&id(2), seq).await.unwrap().now.intent(seq), None, "of another response");
    let mut loaded = store.load_with(&id(1), seq).await.unwrap();
    loaded.now.drop_action(seq, "dropped by an operator", 5);
    let mut outdated = store.load_with(&id(1), seq).await.unwrap();
    outdated.now.try_again(seq, 6);
    assert!(matches!(store.commit_many(vec![loaded], 5).await.unwrap()[..], [Commit::Applied(_)]));
    assert!(matches!(store.commit_many(vec![outdated], 6).await.unwrap()[..], [Commit::Outdated]));
    let state = store.intent(seq).await.unwrap().unwrap().state;
    assert!(matches!(state, IntentState::Settled { .. }) && store.parked(10).await.unwrap().is_empty());
    assert_eq!(store.waiting(RKey::of(&id(1))).await.unwrap().notes.len(), 1, "the Case says so");
}
