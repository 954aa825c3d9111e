//! What each store has to do, written against the interface of `state` alone: a second store runs the same tests.
//!
//! A model holds the same conversations in plain lists. Random steps go to both, and both must say the same.

mod model;

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
    open_responses_are_known_by_the_version_of_their_conversation,
    at_most_so_many_actions_are_counted_in_an_hour_and_only_if_they_are_written,
    the_newest_events_of_a_response_are_given_in_their_order_and_notes_are_none,
    nothing_that_is_due_waits_for_the_end_of_what_comes_in,
    values_are_found_by_their_names_in_the_order_of_the_names,
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
async fn change(store: &Store, n: u8, with: impl FnMut(&mut Loaded) + Send) {
    store.change(&id(n), 0, with).await.unwrap();
}

fn linked(loaded: &mut Loaded, words: u64) {
    let id = loaded.now.response_id.clone();
    loaded.now.link.get_or_insert_with(|| Link::new(id)).mapping = words.to_string();
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
        loaded.end_events(&waiting, &done(1))
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
        words
    };
    let before = store.change_many(&twice, 0, count).await.unwrap();
    assert_eq!(before.into_iter().map(|(words, _)| words).collect::<Vec<_>>(), [0, 0, 1]);
}

async fn the_newest_events_of_a_response_are_given_in_their_order_and_notes_are_none(place: Place) {
    let store = place.open().await;
    let mut seqs = Vec::new();
    for body in 0..5 {
        seqs.push(accepted(&store, 1, &body.to_string()).await);
    }
    let newest = async |limit| -> Vec<u64> {
        let entries = store.entries_of(RKey::of(&id(1)), limit).await.unwrap();
        entries.iter().map(|entry| entry.seq).collect()
    };
    assert_eq!(
        (newest(1).await, newest(3).await, newest(9).await),
        (seqs[4..].into(), seqs[2..].into(), seqs.clone())
    );
    change(&store, 1, |loaded| {
        linked(loaded, 1);
        loaded.now.notes.extend([note(1), note(2)]);
    })
    .await;
    assert_eq!(newest(3).await, seqs[2..]);
}

async fn nothing_that_is_due_waits_for_the_end_of_what_comes_in(place: Place) {
    let store = place.open().await;
    accepted(&store, 1, "postponed").await;
    change(&store, 1, |loaded| {
        let waiting = loaded.waiting.entries.clone();
        loaded.postpone_events(&waiting, 50, 1);
    })
    .await;
    change(&store, 2, |loaded| {
        linked(loaded, 1);
        loaded.now.notes.push(note(1));
    })
    .await;
    let both = [id(1), id(2)].map(|id| RKey::of(&id));
    for n in 3..60 {
        accept(&store, n, "new", 100).await;
    }
    for lane in 0..LANES {
        let due = store.due(lane, 1000, 4).await.unwrap();
        let expected = both.iter().filter(|rkey| rkey.lane() == lane);
        for rkey in expected {
            assert!(due.iter().any(|item| item.rkey == *rkey), "{rkey:?} waits: {due:?}");
        }
    }
}

async fn values_are_found_by_their_names_in_the_order_of_the_names(place: Place) {
    let store = place.open().await;
    store.set_meta("a", &1).await.unwrap();
    store.set_meta("b", &2).await.unwrap();
    let names = ["b", "missing", "a", "b"].map(str::to_owned);
    assert_eq!(store.metas::<i32>(&names).await.unwrap(), [Some(2), None, Some(1), Some(2)]);
    assert!(store.metas::<i32>(&[]).await.unwrap().is_empty());
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
    assert_eq!(store.figures(10).await.unwrap().parked_events, 1);
    assert!(store.retry_event(&seen, &id(1), 5).await.unwrap());
    assert_eq!(
        (store.figures(10).await.unwrap().parked_events, store.counters().await.unwrap().pending),
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
        assert_eq!(store.figures(10).await.unwrap().unprocessed, (4, Some(GoodaysTime::from_millis(96))));
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

/// In a common store a reader sees by the number what another instance changed.
async fn open_responses_are_known_by_the_version_of_their_conversation(place: Place) {
    let store = place.open().await;
    let seqs = [store.next_seq(), store.next_seq(), store.next_seq()];
    for (n, seq) in [(1, seqs[0]), (1, seqs[1]), (2, seqs[2])] {
        change(&store, n, |loaded| {
            linked(loaded, n.into());
            loaded.now.put(intent(seq, id(n)));
        })
        .await;
    }
    accepted(&store, 3, "nothing is open").await;
    let open = async || -> BTreeMap<String, i64> {
        let open = store.open_responses().await.unwrap();
        assert_eq!(open.len(), 2, "each once");
        open.into_iter().map(|(id, version)| (id.as_str().to_owned(), version)).collect()
    };
    let before = open().await;
    assert_eq!(before, open().await, "nothing changed");
    change(&store, 2, |loaded| loaded.now.intent_mut(seqs[2]).unwrap().attempts = 3).await;
    let after = open().await;
    assert_eq!(before[id(1).as_str()], after[id(1).as_str()]);
    assert_eq!(before[id(2).as_str()] != after[id(2).as_str()], store.is_common());
}
