//! Hosts that answer nothing, clocks of other machines, numbers of other instances, and events that are refused.

use tokio::net::TcpListener;

use super::*;
use crate::decide::{ActionKind, Audience, Intent, IntentState};
use crate::salesforce::RecordId;

/// The same database behind a host that takes connections and never says a word.
async fn behind_a_silent_host(settings: &Settings) -> (TcpListener, Settings) {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (scheme, rest) = settings.url.split_once("//").unwrap();
    let (user, host) = rest.split_once('@').unwrap_or(("goodays", rest));
    let url = format!("{scheme}//{user}@{},{host}", silent.local_addr().unwrap());
    (silent, Settings { url, ..settings.clone() })
}

#[tokio::test]
async fn a_host_that_answers_nothing_costs_nothing() {
    let Some((settings, _store)) = fresh().await else { return };
    let (_silent, settings) = behind_a_silent_host(&settings).await;
    let store = Postgres::connect(&settings).await.unwrap();
    let lease = Lease::new(&store);
    let short = Duration::from_secs(1);
    let seen = lease.read(short).await.unwrap();
    let epoch = lease.take(&seen, "one", short).await.unwrap().unwrap();
    assert!(matches!(accept(&store, 1, "a").await, Receipt::Accepted { .. }));
    // Each use opens its connection anew.
    for _ in 0..3 {
        other(&settings).row("select 1", &[], short).await.unwrap();
    }
    assert!(lease.beat(epoch, short).await.unwrap());
}

/// A statement whose time is up while the connection is being opened does not close it: the next one uses it.
#[tokio::test]
async fn a_connection_that_opens_slowly_is_used_by_a_later_statement() {
    let Some((settings, _store)) = fresh().await else { return };
    let connection = other(&settings);
    let hurried = connection.row("select 1", &[], Duration::from_micros(1)).await;
    assert!(matches!(hurried, Err(StoreError::Unavailable(_))), "{hurried:?}");
    let opened = connection.row("select pg_backend_pid()", &[], SOON).await.unwrap().get::<_, i32>(0);
    for _ in 0..3 {
        let hurried = connection.row("select pg_backend_pid()", &[], SOON).await;
        assert_eq!(hurried.unwrap().get::<_, i32>(0), opened);
    }
}

#[tokio::test]
async fn an_event_is_due_at_once_whatever_clock_its_door_has() {
    const AHEAD: i64 = i64::MAX / 2;
    let Some((_, store)) = fresh().await else { return };
    let Receipt::Accepted { seq, rkey } = store.accept(b"a", "message", &Ok(id(1)), AHEAD).await.unwrap()
    else {
        panic!("a repeat")
    };
    let due = store.due(rkey.lane(), 10, 100).await.unwrap();
    assert_eq!(due.iter().map(|item| item.seq).collect::<Vec<_>>(), [seq]);
}

#[tokio::test]
async fn an_event_that_the_database_refuses_refuses_no_other() {
    let Some((settings, store)) = fresh().await else { return };
    let rule = "alter table events add check (event <> 'refused')";
    other(&settings).batch(rule, SOON).await.unwrap();
    let one = |n: usize| {
        let (store, name) = (store.clone(), if n == 7 { "refused" } else { "message" });
        async move { store.accept(n.to_string().as_bytes(), name, &Ok(id(n)), 0).await }
    };
    let taken = futures_util::future::join_all((0..40).map(one)).await;
    let refused: Vec<usize> = (0..40).filter(|n| taken[*n].is_err()).collect();
    assert_eq!(refused, [7], "{:?}", taken[7]);
    assert_eq!((store.count_pending().await.unwrap(), store.accepting()), (39, Ok(())));
}

/// Each instance numbers its actions in a block of its own.
#[tokio::test]
async fn old_texts_are_removed_whoever_numbered_them() {
    let Some((settings, first)) = fresh().await else { return };
    let second = Postgres::connect(&settings).await.unwrap();
    let act = async |store: &Postgres, n: usize, seen_ms: i64| {
        let case = RecordId::new("500000000000001AAA").unwrap();
        let comment = RecordId::new("00a000000000001AAA").unwrap();
        let kind = ActionKind::answer(comment, "Words.", Audience::Public);
        let seq = store.next_seq();
        let mut loaded = load(store, n).await;
        touch(&mut loaded);
        let done = IntentState::Settled { at_ms: seen_ms, why: String::new() };
        loaded.now.put(Intent { state: done, ..Intent::new(seq, id(n), case, kind, seen_ms) });
        assert!(matches!(store.commit_many(vec![loaded], seen_ms).await.unwrap()[..], [Commit::Applied(_)]));
        seq
    };
    let old = act(&second, 1, 10).await;
    let young = act(&first, 2, 1000).await;
    assert!(young < old, "the block of the instance that began first");
    let mut from = Some(0);
    while let Some(next) = from {
        from = first.prune_intents(next, 500, 1).await.unwrap();
    }
    let has_words = async |seq: u64| first.intent(seq).await.unwrap().unwrap().clone().forget_texts();
    assert_eq!((has_words(old).await, has_words(young).await), (false, true));
}

#[tokio::test]
async fn a_database_that_lacks_letters_is_refused() {
    let Some((settings, store)) = fresh().await else { return };
    drop(store);
    let name = format!("latin_{}", std::process::id());
    let make = format!("create database {name} encoding 'LATIN1' locale 'C' template template0");
    other(&settings).batch(&make, SOON).await.unwrap();
    let (rest, _) = settings.url.rsplit_once('/').unwrap();
    let latin = Settings { url: format!("{rest}/{name}"), ..settings.clone() };
    let refused = Postgres::connect(&latin).await.err();
    let shown = inspect::inspect(&latin).await.unwrap();
    other(&settings).batch(&format!("drop database {name} with (force)"), SOON).await.unwrap();
    assert!(matches!(refused, Some(ConnectError::Encoding(_))), "{refused:?}");
    assert_eq!((shown.encoding.as_str(), shown.holds_every_letter), ("LATIN1", false));
}
