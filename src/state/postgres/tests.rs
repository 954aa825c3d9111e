//! What is particular to this store. What every store has to do is in tests/it/contract.rs.
//!
//! They run where `GOODAYS_TEST_POSTGRES_URL` names a server (`tests/postgres run cargo test`), each in its own schema.

mod found;

use std::sync::atomic::{AtomicU32, Ordering};

use super::*;
use crate::decide::{Feedback, Link, Note};
use crate::goodays::ResponseId;
use crate::messages::Words;
use crate::state::{Commit, EntryState, Item, Loaded, RKey, Receipt};
use lease::{Instance, Lease};

const SOON: Duration = Duration::from_secs(5);

/// Settings with a schema of their own; none without a server.
fn settings() -> Option<Settings> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let Ok(url) = std::env::var("GOODAYS_TEST_POSTGRES_URL") else {
        eprintln!("no PostgreSQL here: not tested (tests/postgres run cargo test)");
        return None;
    };
    let schema = format!("unit_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    Some(Settings { url, schema, root_cert: None })
}

async fn fresh() -> Option<(Settings, Postgres)> {
    let settings = settings()?;
    let store = Postgres::connect(&settings).await.unwrap();
    Some((settings, store))
}

/// A connection of somebody else to the same tables.
fn other(settings: &Settings) -> Connection {
    Connection::new(Arc::new(target(settings).unwrap()), Use::Records)
}

fn id(n: usize) -> ResponseId {
    ResponseId::new(format!("r{n}")).unwrap()
}

async fn accept(store: &Postgres, n: usize, body: &str) -> Receipt {
    store.accept(body.as_bytes(), "message", &Ok(id(n)), 0).await.unwrap()
}

fn touch(loaded: &mut Loaded) {
    let id = loaded.now.response_id.clone();
    loaded.now.link.get_or_insert_with(|| Link::new(id)).mapping.push('x');
}

async fn load(store: &Postgres, n: usize) -> Loaded {
    store.load_many(&[id(n)]).await.unwrap().pop().unwrap()
}

#[tokio::test]
async fn processes_that_start_at_once_make_the_tables_once() {
    let Some(settings) = settings() else { return };
    let starting = (0..8).map(|_| Postgres::connect(&settings));
    let started = futures_util::future::join_all(starting).await;
    let numbers: HashSet<u64> = started.iter().map(|one| one.as_ref().unwrap().next_seq()).collect();
    assert_eq!(numbers.len(), 8, "no number of an action is given twice");
}

/// A worker waits for one statement while another one of its own is under way and not looked at.
#[tokio::test]
async fn an_answer_that_nobody_takes_holds_up_no_other() {
    const LARGE: &str = "select repeat('x', 1000) from generate_series(1, 20000)";
    let Some((settings, _store)) = fresh().await else { return };
    let connection = other(&settings);
    let large = connection.rows(LARGE, &[], SOON);
    tokio::pin!(large);
    // It is sent, and then waits.
    while connection.trips() == 0 {
        assert!(futures_util::poll!(large.as_mut()).is_pending());
        tokio::task::yield_now().await;
    }
    connection.row("select 1", &[], SOON).await.unwrap();
    assert_eq!(large.await.unwrap().len(), 20_000);
}

/// One statement waits for a row that somebody else has locked.
#[tokio::test]
async fn a_webhook_that_waits_in_the_database_holds_up_no_other() {
    const BLOCKS: &str = "
        select exists (select from pg_locks l where not l.granted and pg_backend_pid() = any(pg_blocking_pids(l.pid)))";
    let Some((settings, store)) = fresh().await else { return };
    let somebody = other(&settings);
    somebody.batch("begin", SOON).await.unwrap();
    let same = "insert into receipts (owner, hash, seq) values ($1, $2, 2) returning seq";
    let (owner, hash) = (RKey::of(&id(1)).0, rows::hash(b"a"));
    somebody.row(same, &[&owner.as_slice(), &hash.as_slice()], SOON).await.unwrap();
    let held = tokio::spawn({
        let store = store.clone();
        async move { store.accept(b"a", "message", &Ok(id(1)), 0).await }
    });
    while !somebody.row(BLOCKS, &[], SOON).await.unwrap().get::<_, bool>(0) {
        tokio::task::yield_now().await;
    }
    assert!(matches!(accept(&store, 2, "b").await, Receipt::Accepted { .. }));
    assert!(!held.is_finished());
    somebody.batch("rollback", SOON).await.unwrap();
    assert!(matches!(held.await.unwrap(), Ok(Receipt::Accepted { .. })));
}

#[tokio::test]
async fn what_is_wrong_inside_of_the_server_is_no_refusal_of_the_statement() {
    let Some((settings, _store)) = fresh().await else { return };
    for (code, is_lost) in [("XX000", true), ("XX001", true), ("40003", true), ("22P02", false)] {
        let raise = format!("do $$ begin raise exception 'secret' using errcode = '{code}'; end $$");
        let error = other(&settings).batch(&raise, SOON).await.unwrap_err();
        assert_eq!(matches!(error, StoreError::Unavailable(_)), is_lost, "{code}: {error}");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}

#[tokio::test]
async fn the_server_looks_whether_we_are_still_there() {
    let Some((settings, _store)) = fresh().await else { return };
    let set = "select current_setting('client_connection_check_interval')";
    assert_eq!(other(&settings).row(set, &[], SOON).await.unwrap().get::<_, String>(0), "2s");
}

#[tokio::test]
async fn a_schema_that_needs_a_newer_program_is_refused() {
    let Some((settings, store)) = fresh().await else { return };
    drop(store);
    other(&settings).rows("insert into migrations (number, needs) values (99, 99)", &[], SOON).await.unwrap();
    let Err(refused) = Postgres::connect(&settings).await else { panic!("opened") };
    assert!(refused.to_string().contains("version 99"), "{refused}");
}

#[tokio::test]
async fn a_schema_of_a_newer_program_that_this_one_can_live_with_is_used() {
    let Some((settings, store)) = fresh().await else { return };
    drop(store);
    let wider = "with n as (insert into migrations (number, needs) values (99, 1)) select 1";
    other(&settings).rows(wider, &[], SOON).await.unwrap();
    Postgres::connect(&settings).await.unwrap();
}

#[tokio::test]
async fn a_term_that_is_over_writes_nothing_and_says_so() {
    let Some((_, store)) = fresh().await else { return };
    let lease = Lease::new(&store);
    let seen = lease.read(SOON).await.unwrap();
    let epoch = lease.take(&seen, "one", SOON).await.unwrap().unwrap();
    assert_eq!(lease.take(&seen, "two", SOON).await.unwrap(), None, "seen is old");
    let ended = CancellationToken::new();
    let term = store.for_term(epoch, ended.clone());
    accept(&store, 1, "a").await;
    let mut loaded = load(&term, 1).await;
    touch(&mut loaded);
    assert!(matches!(term.commit_many(vec![loaded], 0).await.unwrap()[..], [Commit::Applied(_)]));
    assert!(lease.beat(epoch, SOON).await.unwrap());

    let mut stale = load(&term, 1).await;
    touch(&mut stale);
    let seen = lease.read(SOON).await.unwrap();
    let next = lease.take(&seen, "two", SOON).await.unwrap().unwrap();
    assert!(next > epoch && !lease.beat(epoch, SOON).await.unwrap());
    assert!(!ended.is_cancelled());
    let over = Err(StoreError::TermOver);
    assert_eq!(term.commit_many(vec![stale], 0).await, over);
    assert!(ended.is_cancelled());
    assert_eq!(term.set_meta("x", &1).await, Err(StoreError::TermOver));
    assert_eq!(term.set_attempts(&[(0, vec![RKey::of(&id(1))])]).await, Err(StoreError::TermOver));
    assert_eq!(term.start_over(&[]).await, Err(StoreError::TermOver));
    assert_eq!(term.accept(b"b", "sweep", &Ok(id(1)), 0).await, Err(StoreError::TermOver));
    assert_eq!(term.prune_events(0, i64::MAX, 10).await, Err(StoreError::TermOver));
    assert_eq!(load(&store, 1).await.now.link.unwrap().mapping, "x");
    assert_eq!((store.count_pending().await.unwrap(), store.meta::<i32>("x").await.unwrap()), (1, None));
    assert_eq!(store.attempt(0).await.unwrap(), []);
}

/// One statement would hold up the others on the connection, each of which has a limit, and then the term would end.
#[tokio::test]
async fn a_large_ledger_is_removed_in_slices() {
    const LEFT: &str = "
        select (select count(*) from conversations where link is not null or case_id is not null)
            + (select count(*) from customers) + (select count(*) from actions)
            + (select count(*) from conversations where version <> 2)";
    let Some((settings, store)) = fresh().await else { return };
    let many = "
        insert into conversations (rkey, version, response_id, case_id, link)
            select decode(md5(n::text), 'hex'), 1, n::text, '500', '{}' from generate_series(1, 4500) n;
        insert into customers select n, decode(md5(n::text), 'hex') from generate_series(1, 4500) n;
        insert into actions (seq, rkey, response_id, case_id, kind, state, is_open, for_human, seen_ms, identity, record)
            select n, decode(md5(n::text), 'hex'), n::text, '500', 'close', 'ready', true, false, 0, '', '{}'
            from generate_series(1, 4500) n;
        insert into meta values ('x', '1'), ('y', '2')";
    other(&settings).batch(many, SOON).await.unwrap();
    let trips = store.trips();
    store.start_over(&["x"]).await.unwrap();
    assert!(store.trips() - trips > 12, "{} requests", store.trips() - trips);
    let left: i64 = store.read_row(LEFT, &[]).await.unwrap().get(0);
    let kept = (store.meta::<i32>("x").await.unwrap(), store.meta::<i32>("y").await.unwrap());
    assert_eq!((left, kept), (0, (None, Some(2))));
}

/// A statement of the term that is still under way is either before the takeover or nothing: the takeover waits for it.
#[tokio::test]
async fn a_takeover_waits_for_a_statement_of_the_term_before_and_a_beat_does_not() {
    let Some((settings, store)) = fresh().await else { return };
    let lease = Lease::new(&store);
    let epoch = lease.take(&lease.read(SOON).await.unwrap(), "one", SOON).await.unwrap().unwrap();
    let term = store.for_term(epoch, CancellationToken::new());
    term.set_meta("x", &1).await.unwrap();
    let blocker = other(&settings);
    blocker.batch("begin; update meta set value = '2' where name = 'x'", SOON).await.unwrap();
    let writing = tokio::spawn(async move { term.set_meta("x", &3).await });
    let waits = "select count(*) from pg_locks where not granted and locktype = 'transactionid'";
    while blocker.row(waits, &[], SOON).await.unwrap().get::<_, i64>(0) == 0 {
        tokio::task::yield_now().await;
    }
    assert!(lease.beat(epoch, SOON).await.unwrap());
    let seen = lease.read(SOON).await.unwrap();
    let taken = lease.take(&seen, "two", Duration::from_millis(300)).await;
    assert!(matches!(taken, Err(StoreError::Unavailable(_))), "{taken:?}");
    blocker.batch("commit", SOON).await.unwrap();
    assert_eq!(writing.await.unwrap(), Ok(()));
    assert_eq!(store.meta("x").await.unwrap(), Some(3));
}

#[tokio::test]
async fn a_lease_that_is_given_back_is_free_and_its_term_over() {
    let Some((_, store)) = fresh().await else { return };
    let lease = Lease::new(&store);
    let epoch = lease.take(&lease.read(SOON).await.unwrap(), "one", SOON).await.unwrap().unwrap();
    assert!(lease.release(epoch, SOON).await.unwrap());
    let seen = lease.read(SOON).await.unwrap();
    assert!(seen.released);
    assert_eq!(
        store.for_term(epoch, CancellationToken::new()).set_meta("x", &1).await,
        Err(StoreError::TermOver)
    );
    assert!(lease.take(&seen, "two", SOON).await.unwrap().is_some());
    let me = Instance {
        id: "two".to_owned(),
        version: "1".to_owned(),
        mapping: "m".to_owned(),
        started_ms: 7,
        admin_addr: "127.0.0.1:1".to_owned(),
    };
    lease.register(&me, SOON).await.unwrap();
    lease.register(&Instance { mapping: "n".to_owned(), ..me.clone() }, SOON).await.unwrap();
    let all = lease.instances(SOON).await.unwrap();
    assert_eq!((all.len(), all[0].instance.mapping.as_str()), (1, "n"));
    for (listens, reached) in
        [("0.0.0.0:94", "127.0.0.1:94"), ("[::]:94", "127.0.0.1:94"), ("10.0.0.1:9", "10.0.0.1:9")]
    {
        lease.register(&Instance { admin_addr: listens.to_owned(), ..me.clone() }, SOON).await.unwrap();
        assert_eq!(lease.instances(SOON).await.unwrap()[0].instance.admin_addr, reached);
    }
    lease.unregister("two", SOON).await.unwrap();
    assert!(lease.instances(SOON).await.unwrap().is_empty());
}

/// The requests of a batch of 75 conversations: what is due, load them, their bodies, record them, when is the next due.
#[tokio::test]
async fn a_batch_costs_five_round_trips_and_not_more_with_more_records() {
    let Some((_, store)) = fresh().await else { return };
    for n in 0..75 {
        accept(&store, n, "a").await;
    }
    let batch = || async {
        let before = store.trips();
        for lane in 0..1 {
            store.due(lane, 10, 1000).await.unwrap();
        }
        let rkeys: Vec<RKey> = (0..75).map(|n| RKey::of(&id(n))).collect();
        let mut loaded = load_known(&store, &rkeys).await;
        let seqs: Vec<u64> =
            loaded.iter().flat_map(|one| one.waiting.entries.iter().map(|entry| entry.seq)).collect();
        store.bodies(&seqs, 1 << 20).await.unwrap();
        for one in &mut loaded {
            touch(one);
            let read = one.waiting.entries.clone();
            one.end_events(&read, &EntryState::Done { at_ms: 1, how: String::new(), course: None });
            one.now.tell(Note::new(Feedback::Sent, "a", "", Words::default()));
        }
        let commits = store.commit_many(loaded, 5).await.unwrap();
        assert!(commits.iter().all(|commit| matches!(commit, Commit::Applied(_))));
        store.next_due(0).await.unwrap();
        store.trips() - before
    };
    let first = batch().await;
    let second = batch().await;
    assert_eq!((first, second), (5, 5));
    assert_eq!(store.counters().await.unwrap().done.iter().sum::<u64>(), 75);
}

async fn load_known(store: &Postgres, rkeys: &[RKey]) -> Vec<Loaded> {
    let due = store.load_due(rkeys).await.unwrap().into_iter();
    due.map(|one| match one {
        crate::state::Due::Known(loaded) => *loaded,
        crate::state::Due::Nameless(_) => panic!("its name is known"),
    })
    .collect()
}

#[tokio::test]
async fn webhooks_that_come_together_are_stored_by_few_commits_and_once_each() {
    let Some((settings, store)) = fresh().await else { return };
    let bodies = (0..600).map(|n| format!("body {}", n % 200));
    let taking = bodies.enumerate().map(|(n, body)| {
        let store = store.clone();
        async move { accept(&store, n % 200, &body).await }
    });
    let receipts = futures_util::future::join_all(taking).await;
    let accepted = receipts.iter().filter(|one| matches!(one, Receipt::Accepted { .. })).count();
    assert_eq!((accepted, receipts.len()), (200, 600));
    assert_eq!(store.count_pending().await.unwrap(), 200);
    assert!(store.commits() < 60, "{}", store.commits());
    let repeats = "select sum(repeats)::bigint from receipts";
    let repeats: i64 = other(&settings).row(repeats, &[], SOON).await.unwrap().get(0);
    assert!(repeats > 0, "a repeat in another statement writes");
}

#[tokio::test]
async fn any_text_can_be_stored() {
    let Some((_, store)) = fresh().await else { return };
    let receipt = store.accept(b"\0\xff", "mess\0age", &Err("why\0".to_owned()), 3).await.unwrap();
    let Receipt::Parked { seq, why } = receipt else { panic!("{receipt:?}") };
    let entry = store.entry(seq).await.unwrap().unwrap();
    assert_eq!((why.as_str(), entry.event.as_str(), entry.seq), ("why\0", "mess\0age", seq));
    assert_eq!(store.body(seq).await.unwrap().unwrap(), b"\0\xff");
    let mut loaded = load(&store, 1).await;
    touch(&mut loaded);
    loaded.now.link.as_mut().unwrap().source = Some("a\0b\u{1f600}".to_owned());
    store.commit_many(vec![loaded], 0).await.unwrap();
    assert_eq!(load(&store, 1).await.now.link.unwrap().source.unwrap(), "a\0b\u{1f600}");
}

#[tokio::test]
async fn a_body_of_the_largest_size_is_stored() {
    let Some((_, store)) = fresh().await else { return };
    let body: Vec<u8> = (0..33_554_432u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let stored = store.accept(&body, "message", &Ok(id(1)), 0).await.unwrap();
    let Receipt::Accepted { seq, .. } = stored else { panic!("{stored:?}") };
    assert!(store.body(seq).await.unwrap().unwrap() == body);
}

#[tokio::test]
async fn a_connection_that_the_server_closes_costs_one_call() {
    let Some((settings, store)) = fresh().await else { return };
    let mine: i32 = store.read_row("select pg_backend_pid()", &[]).await.unwrap().get(0);
    let stop = other(&settings);
    stop.rows("select pg_terminate_backend($1, 5000)", &[&mine], SOON).await.unwrap();
    let lost = store.count_pending().await;
    assert!(matches!(lost, Err(StoreError::Unavailable(_)) | Ok(0)), "{lost:?}");
    assert_eq!(store.count_pending().await, Ok(0));
}

#[tokio::test]
async fn a_notice_that_the_standby_was_not_waited_for_is_a_failure() {
    let Some((settings, _store)) = fresh().await else { return };
    let connection = other(&settings);
    let raise = "do $$ begin raise warning 'canceling wait for synchronous replication' using errcode = '57014'; end $$";
    let doubtful = connection.batch(raise, SOON).await;
    assert!(matches!(doubtful, Err(StoreError::Unavailable(_))), "{doubtful:?}");
    connection.row("select 1", &[], SOON).await.unwrap();
}

/// Otherwise each try while the standby is away would leave a session behind, until the server takes none any more.
#[tokio::test]
async fn a_statement_that_was_given_up_does_not_stay_at_the_server() {
    let Some((settings, store)) = fresh().await else { return };
    store.set_meta("x", &1).await.unwrap();
    let (blocker, given_up) = (other(&settings), other(&settings));
    blocker.batch("begin; update meta set value = '2' where name = 'x'", SOON).await.unwrap();
    let waiting = "update meta set value = '3' where name = 'x'";
    let mine: i32 = given_up.row("select pg_backend_pid()", &[], SOON).await.unwrap().get(0);
    let lost = given_up.rows(waiting, &[], Duration::from_millis(300)).await;
    assert!(matches!(lost, Err(StoreError::Unavailable(_))), "{lost:?}");
    let stays = "select count(*) from pg_stat_activity where pid = $1";
    let gone = async {
        while store.read_row(stays, &[&mine]).await.unwrap().get::<_, i64>(0) > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(SOON * 4, gone).await.expect("its session ends");
    blocker.batch("rollback", SOON).await.unwrap();
    assert_eq!(store.meta("x").await.unwrap(), Some(1));
}

#[tokio::test]
async fn sessions_wait_for_the_standby_whatever_the_database_says() {
    let Some((settings, store)) = fresh().await else { return };
    let weaker =
        "do $$ begin execute format('alter role %I set synchronous_commit = off', current_user); end $$";
    let stronger =
        "do $$ begin execute format('alter role %I reset synchronous_commit', current_user); end $$";
    let admin = other(&settings);
    admin.batch(weaker, SOON).await.unwrap();
    let fresh = other(&settings);
    let shown: String =
        fresh.row("select current_setting('synchronous_commit')", &[], SOON).await.unwrap().get(0);
    let inspected = inspect::inspect(&settings).await.unwrap();
    admin.batch(stronger, SOON).await.unwrap();
    assert_eq!((shown.as_str(), inspected.synchronous_commit.as_str()), ("on", "off"));
    assert_eq!(inspected.schema_version, inspected.known_version);
    drop(store);
}

#[tokio::test]
async fn events_of_all_instances_have_one_order() {
    let Some((settings, one)) = fresh().await else { return };
    let two = Postgres::connect(&settings).await.unwrap();
    let mut seqs = Vec::new();
    for n in 0..10 {
        let store = if n % 2 == 0 { &one } else { &two };
        let Receipt::Accepted { seq, .. } = accept(store, 1, &n.to_string()).await else {
            panic!("a repeat")
        };
        seqs.push(seq);
    }
    assert!(seqs.is_sorted());
    assert_eq!(one.last_seq().await.unwrap(), *seqs.last().unwrap());
    let due: Vec<Item> = two.due(RKey::of(&id(1)).lane(), 10, 100).await.unwrap();
    assert_eq!(due.iter().map(|item| item.seq).collect::<Vec<_>>(), seqs);
}

#[tokio::test]
async fn a_record_that_cannot_be_read_costs_itself() {
    let Some((settings, store)) = fresh().await else { return };
    let Receipt::Accepted { seq, rkey } = accept(&store, 1, "a").await else { panic!("a repeat") };
    accept(&store, 1, "b").await;
    let spoil = "update events set record = '{}' where seq = $1";
    other(&settings).rows(spoil, &[&rows::signed(seq)], SOON).await.unwrap();
    let waiting = store.waiting(rkey).await.unwrap();
    assert_eq!((waiting.entries.len(), waiting.lost.as_slice()), (1, [seq].as_slice()));
    assert_eq!(store.mend(rkey, |_| Some(id(1)), 9).await.unwrap(), 1);
    let parked = store.parked(10).await.unwrap();
    let [crate::state::Parked::Event(entry)] = parked.as_slice() else { panic!("{parked:?}") };
    assert_eq!((entry.seq, entry.response_id.as_ref()), (seq, Some(&id(1))));
    assert!(store.retry_event(entry, &id(1)).await.unwrap());
    assert_eq!((store.waiting(rkey).await.unwrap().entries.len(), store.damaged()), (2, 1));
}
