//! `state copy`: a state is the same after it was copied into a database and back, and nobody takes half a copy for a
//! state. Not tested where there is no PostgreSQL.

use std::path::Path;
use std::process::{Command, Output};

use goodays_salesforce::decide::{
    ActionKind, CaseRef, Feedback, Intent, IntentState, Link, Note, Sending, hash64,
};
use goodays_salesforce::demo::stage::{Stage, Tuning, until};
use goodays_salesforce::goodays::{MessageId, ResponseId, Verb};
use goodays_salesforce::messages::Words;
use goodays_salesforce::state::copy::{Copied, CopyError, Place, Step, copy, reopen};
use goodays_salesforce::state::engine::{Tx, keys};
use goodays_salesforce::state::postgres::lease::{Instance, Lease};
use goodays_salesforce::state::postgres::{self, ConnectError};
use goodays_salesforce::state::{EntryState, Loaded, OpenError, RKey, Receipt, Settings, Store};
use goodays_salesforce::time::GoodaysTime;

use crate::arena::PATIENCE;
use crate::contract::{case, done, intent};
use crate::database;

const NOW_MS: i64 = 1_000_000;
/// More than one page of each kind has.
const RESPONSES: u32 = 900;

fn open(dir: &Path) -> Store {
    Store::open(dir, Settings::default()).unwrap()
}

fn id(n: u32) -> ResponseId {
    ResponseId::new(format!("response {n}")).unwrap()
}

async fn accept(store: &Store, n: u32, body: &str) {
    let receipt = store.accept(body.as_bytes(), "message", &Ok(id(n)), NOW_MS).await.unwrap();
    assert!(matches!(receipt, Receipt::Accepted { .. }));
}

fn link(loaded: &mut Loaded, n: u32) -> &mut Link {
    let link = loaded.now.link.get_or_insert_with(|| Link::new(id(n)));
    let case = case(u8::try_from(n % 200).unwrap());
    link.case = Some(CaseRef { id: case, number: Some(format!("0000{n}")) });
    link.customer = Some(hash64(&format!("person {}", n / 3)));
    link.waiting_since = n.is_multiple_of(2).then(|| GoodaysTime::from_millis(i64::from(n)));
    link
}

fn action(store: &Store, n: u32) -> Intent {
    let sending = || Sending::new(Verb::Message, NOW_MS, vec![MessageId::new("m1")]);
    let why = Words::new("state-damaged");
    let state = match n % 6 {
        0 => IntentState::Ready { not_before_ms: 5 },
        1 => IntentState::Sending(sending()),
        2 => IntentState::Unclear { since_ms: 1, why, sending: sending() },
        3 => IntentState::Parked { since_ms: 2, code: "so".to_owned(), why },
        4 => IntentState::Delivered { at_ms: 3, verb: Verb::Message, message: None },
        _ => IntentState::Cancelled { at_ms: 4, why: "taken back".to_owned() },
    };
    let kind = match n % 2 {
        0 => intent(u64::from(n), id(n)).kind,
        _ => ActionKind::Close { remark_type: Some("é \u{0} \"".to_owned()), after: None },
    };
    let case_id = case(u8::try_from(n % 200).unwrap());
    Intent { kind, state, case_id, ..intent(store.next_seq(), id(n)) }
}

/// A conversation with its events, actions and notes in states that differ by its number.
async fn converse(store: &Store, n: u32) {
    accept(store, n, &format!("{n} once")).await;
    if n.is_multiple_of(3) {
        accept(store, n, &format!("{n} twice \u{0} é")).await;
    }
    let of = id(n);
    let made = store.change(&of, NOW_MS, |loaded| {
        let waiting = loaded.waiting.entries.clone();
        let state = match n % 4 {
            0 => done(NOW_MS),
            1 => EntryState::Parked { since_ms: 7, code: "no_place".to_owned(), why: "because".to_owned() },
            2 => EntryState::Dropped { at_ms: 8 },
            _ => EntryState::Waiting { due_ms: 9 },
        };
        match state {
            EntryState::Waiting { due_ms } => loaded.postpone_events(&waiting, due_ms, 3),
            ended => loaded.end_events(&waiting[..1], &ended),
        };
        link(loaded, n);
        if !n.is_multiple_of(5) {
            loaded.now.put(action(store, n));
        }
        if n.is_multiple_of(7) {
            loaded.now.notes.push(Note::new(Feedback::Sent, &n.to_string(), "", Words::default()));
        }
    });
    made.await.unwrap();
    if n.is_multiple_of(14) {
        let later = store.change(&of, NOW_MS, |loaded| {
            let notes = loaded.waiting.notes.clone();
            loaded.postpone_notes(&notes, NOW_MS + 10, 2);
        });
        later.await.unwrap();
    }
}

/// A state with each kind of record.
async fn fill(store: &Store) {
    for n in 0..RESPONSES {
        converse(store, n).await;
    }
    let nameless = Err("it names nothing".to_owned());
    store.accept(b"{nothing", "message", &nameless, NOW_MS).await.unwrap();
    let big = vec![b'x'; 3 << 20];
    for n in 0..4 {
        let body = [big.as_slice(), &[n]].concat();
        store.accept(&body, "message", &Ok(id(1)), NOW_MS).await.unwrap();
    }
    store.prune_events(0, NOW_MS, 50).await.unwrap();
    let clean = |link: &mut Link| link.customer = None;
    store.forget_conversation(RKey::of(&id(12)), clean).await.unwrap();
    let attempt = vec![RKey::of(&id(1)), RKey::of(&id(2))];
    store.set_attempts(&[(1, attempt)]).await.unwrap();
    for n in 0..RESPONSES {
        store.set_meta(&format!("value {n}"), &format!("é {n}")).await.unwrap();
    }
    let sent = store.sent().await.unwrap();
    let count = |loaded: &mut Loaded| {
        link(loaded, 3).mapping = 3.to_string();
        assert!(loaded.count_sending(&sent, None, NOW_MS));
    };
    store.change(&id(3), NOW_MS, count).await.unwrap();
    store.durable().await.unwrap();
}

/// All records of an embedded store, but for its own.
fn rows(dir: &Path) -> Vec<(Vec<u8>, Vec<u8>)> {
    let store = open(dir);
    let rows = store.engine().unwrap().range(&[1], &[0xff], usize::MAX).unwrap();
    store.close().unwrap();
    rows
}

async fn move_over(from: &Place, to: &Place) -> Result<Copied, CopyError> {
    copy(from, to, NOW_MS, &mut |_| {}).await
}

struct Places {
    dir: tempfile::TempDir,
    settings: postgres::Settings,
}

impl Places {
    fn new() -> Option<Self> {
        Some(Self { dir: tempfile::tempdir().unwrap(), settings: database::settings()? })
    }

    fn folder(&self, name: &str) -> Place {
        Place::Local(self.dir.path().join(name))
    }

    fn database(&self) -> Place {
        Place::Postgres(self.settings.clone())
    }

    async fn filled(&self, name: &str) -> Place {
        let store = open(&self.dir.path().join(name));
        fill(&store).await;
        store.close().unwrap();
        self.folder(name)
    }

    fn refused(&self, name: &str) -> String {
        match Store::open(&self.dir.path().join(name), Settings::default()) {
            Err(error @ OpenError::Marked { .. }) => error.to_string(),
            Err(other) => panic!("{other}"),
            Ok(_) => panic!("opened"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_state_is_the_same_after_it_was_copied_into_a_database_and_back() {
    let Some(places) = Places::new() else { return };
    let here = places.filled("here").await;
    let before = rows(&places.dir.path().join("here"));
    let last = open(&places.dir.path().join("here")).last_seq().await.unwrap();

    let there = move_over(&here, &places.database()).await.unwrap();
    assert_eq!(there.counts.responses, u64::from(RESPONSES));
    assert!(there.compared >= 400, "{there:?}");
    let said = places.refused("here");
    assert!(said.contains(&places.settings.schema) && said.contains("state reopen"), "{said}");

    // The database is a state: what comes in and what is done there gets new numbers.
    let store = Store::connect(&places.settings).await.unwrap();
    assert!(store.next_seq() > last && store.last_seq().await.unwrap() > last);
    let open = store.all_open_intents().await.unwrap();
    assert!(open.iter().any(|intent| matches!(intent.state, IntentState::Sending(_))));
    let again = store.accept(b"0 once", "message", &Ok(id(0)), NOW_MS).await.unwrap();
    assert!(matches!(again, Receipt::Duplicate { .. }), "{again:?}");
    drop(store);

    let back = move_over(&places.database(), &places.folder("back")).await.unwrap();
    assert_eq!(back.counts, there.counts);
    let after = rows(&places.dir.path().join("back"));
    assert_eq!(before.len(), after.len());
    for (before, after) in before.iter().zip(&after) {
        assert_eq!(before, after, "{}", String::from_utf8_lossy(&before.0));
    }
    let Err(left) = Store::connect(&places.settings).await else { panic!("opened") };
    assert!(matches!(left, ConnectError::Marked { .. }), "{left}");
}

/// The copy is cut off at its tenth page, as a kill would.
async fn killed(from: Place, to: Place) {
    let mut pages = 0;
    let cut = tokio::spawn(async move {
        let mut told = move |step| {
            pages += u32::from(matches!(step, Step::More(_)));
            assert!(pages < 10, "killed, as the test wants");
        };
        copy(&from, &to, NOW_MS, &mut told).await.map(drop)
    });
    assert!(cut.await.unwrap_err().is_panic());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_a_copy_is_no_state_and_is_made_again_from_the_start() {
    let Some(places) = Places::new() else { return };
    let here = places.filled("here").await;
    let before = rows(&places.dir.path().join("here"));
    killed(here.clone(), places.database()).await;
    assert!(
        Store::connect(&places.settings).await.is_err_and(|error| error.to_string().contains("not whole"))
    );
    assert!(places.refused("here").contains("run `goodays-salesforce state copy` again"));
    move_over(&here, &places.database()).await.unwrap();

    let back = places.folder("back");
    killed(places.database(), back.clone()).await;
    assert!(places.refused("back").contains("not whole"));
    assert!(reopen(&back, &places.database(), true).await.is_err(), "half a copy is not given free");
    move_over(&places.database(), &back).await.unwrap();
    assert_eq!(rows(&places.dir.path().join("back")), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_that_is_not_empty_is_left_alone_and_so_is_the_source() {
    let Some(places) = Places::new() else { return };
    let here = places.filled("here").await;
    let store = Store::connect(&places.settings).await.unwrap();
    store.set_meta("cursor", &1).await.unwrap();
    drop(store);
    let refused = move_over(&here, &places.database()).await.unwrap_err();
    assert!(matches!(refused, CopyError::NotEmpty { .. }), "{refused}");
    assert!(refused.to_string().contains(&format!("drop schema {} cascade", places.settings.schema)));
    let store = open(&places.dir.path().join("here"));

    let locked = move_over(&here, &places.folder("there")).await.unwrap_err();
    assert!(matches!(locked, CopyError::Open(OpenError::Locked { .. })), "{locked}");
    drop(store);
    let refused = move_over(&places.database(), &here).await.unwrap_err();
    assert!(matches!(refused, CopyError::NotEmpty { .. }), "{refused}");
    assert!(refused.to_string().contains("move "), "{refused}");
    let nothing = move_over(&places.folder("nowhere"), &places.database()).await.unwrap_err();
    assert!(matches!(nothing, CopyError::Nothing(_)) && !places.dir.path().join("nowhere").exists());
    Store::connect(&places.settings).await.unwrap();
}

/// An instance that was away for a while has no mark to read: it can write nothing into a state that was left.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_was_left_takes_no_write_until_it_is_reopened() {
    let Some(places) = Places::new() else { return };
    let away = Store::connect(&places.settings).await.unwrap();
    let lease = Lease::of(&away).unwrap();
    accept(&away, 1, "before").await;
    let me = Instance {
        id: "me".to_owned(),
        version: String::new(),
        mapping: String::new(),
        started_ms: 0,
        admin_addr: String::new(),
    };
    lease.register(&me, PATIENCE).await.unwrap();
    let running = move_over(&places.database(), &places.folder("back")).await.unwrap_err();
    assert!(running.to_string().contains("the instance me used"), "{running}");
    lease.unregister("me", PATIENCE).await.unwrap();
    move_over(&places.database(), &places.folder("back")).await.unwrap();

    let body = b"after";
    assert!(away.accept(body, "message", &Ok(id(1)), NOW_MS).await.is_err());
    let row = lease.read(PATIENCE).await.unwrap();
    assert!(lease.take(&row, "me", PATIENCE).await.is_err());
    let refused = reopen(&places.database(), &places.folder("back"), false).await.unwrap_err();
    assert!(matches!(refused, CopyError::InUse { .. }), "{refused}");
    reopen(&places.database(), &places.folder("back"), true).await.unwrap();
    let again = reopen(&places.database(), &places.folder("back"), true).await.unwrap_err();
    assert!(matches!(again, CopyError::NotLeft(_)), "{again}");
    Store::connect(&places.settings).await.unwrap();
    until(PATIENCE, || away.accepting().ok()).await.expect("the next try succeeds");
    away.accept(body, "message", &Ok(id(1)), NOW_MS).await.unwrap();
}

/// A role that may write the tables, and may not change them, as a copy out of them has to.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_state_that_cannot_be_frozen_is_not_left_either() {
    let Some(places) = Places::new() else { return };
    let schema = places.settings.schema.clone();
    let store = Store::connect(&places.settings).await.unwrap();
    converse(&store, 1).await;
    let owner = database::connect(&places.settings).await;
    let role = format!("clerk_{schema}");
    let grant = format!(
        "create role {role} login; grant usage on schema {schema} to {role};
         grant all on all tables in schema {schema} to {role}; grant all on all sequences in schema {schema} to {role}"
    );
    owner.batch_execute(&grant).await.unwrap();
    let url = places.settings.url.replace("//goodays@", &format!("//{role}@"));
    let by_clerk = Place::Postgres(postgres::Settings { url, ..places.settings.clone() });
    let refused = move_over(&by_clerk, &places.folder("here")).await.unwrap_err();
    assert!(refused.to_string().contains("owner"), "{refused}");
    Store::connect(&places.settings).await.expect("it is as it was");
    owner.batch_execute(&format!("drop owned by {role}; drop role {role}")).await.unwrap();
}

/// An attempt of a term there is no attempt of a term here, though both count from one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_terms_of_a_copy_come_after_those_of_its_attempts() {
    let Some(places) = Places::new() else { return };
    let dir = places.dir.path().join("here");
    let store = open(&dir);
    let attempt = Sending { epoch: 40, ..Sending::new(Verb::Message, NOW_MS, Vec::new()) };
    let of = id(1);
    let made = store.change(&of, NOW_MS, |loaded| {
        link(loaded, 1);
        let unconfirmed = Some(Sending { epoch: 41, ..attempt.clone() });
        let state = IntentState::Sending(attempt.clone());
        loaded.now.put(Intent { unconfirmed, state, ..action(&store, 1) });
    });
    made.await.unwrap();
    store.close().unwrap();
    move_over(&places.folder("here"), &places.database()).await.unwrap();
    let lease = Lease::of(&Store::connect(&places.settings).await.unwrap()).unwrap();
    let seen = lease.read(PATIENCE).await.unwrap();
    assert_eq!(lease.take(&seen, "one", PATIENCE).await.unwrap(), Some(42));
}

/// What cannot be read is said, and what may have been sent is not begun again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damaged_records_stay_what_they_are() {
    let Some(places) = Places::new() else { return };
    let dir = places.dir.path().join("here");
    let store = open(&dir);
    converse(&store, 1).await;
    let sent = store.all_open_intents().await.unwrap().pop().unwrap();
    let event = store.entries_of(RKey::of(&id(1)), 1).await.unwrap().pop().unwrap();
    let mut spoil = Tx::new();
    spoil.set(keys::intent(sent.seq), b"\x01?".to_vec());
    spoil.set(keys::entry(event.seq), b"\x01?".to_vec());
    store.engine().unwrap().transact(&spoil).unwrap();
    store.close().unwrap();

    for (from, to) in [("here", None), ("", Some("back"))] {
        let from = if from.is_empty() { places.database() } else { places.folder(from) };
        let to = to.map_or_else(|| places.database(), |name| places.folder(name));
        let copied = move_over(&from, &to).await.unwrap();
        assert_eq!(copied.unreadable.actions, 1);
    }
    let store = open(&places.dir.path().join("back"));
    let kept = store.intents_by_identity(&[sent.identity()]).await.unwrap();
    assert!(kept[0].is_err(), "it may have been sent");
    assert!(store.all_open_intents().await.unwrap().is_empty());
    let entry = store.entry(event.seq).await.unwrap().unwrap();
    assert!(matches!(&entry.state, EntryState::Parked { code, .. } if code == "damaged"), "{entry:?}");
    assert_eq!(store.body(event.seq).await.unwrap().unwrap(), b"1 once");
    assert_eq!(store.entries_of(RKey::of(&id(1)), 9).await.unwrap(), [entry]);
}

/// The command, on a configuration with a database.
fn command(dir: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_goodays-salesforce"));
    command.arg("state").args(args).arg("-c").arg(dir.join("connector.yaml")).output().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_says_what_it_copied_and_what_to_do_next() {
    let Some(places) = Places::new() else { return };
    let dir = places.dir.path();
    let stage = Stage::set(Tuning::default()).await.unwrap();
    stage.config().unwrap();
    let text = std::fs::read_to_string(stage.config_file()).unwrap();
    std::fs::write(dir.join("connector.yaml"), &text).unwrap();
    let without = command(dir, &["copy", "--to", "postgres"]);
    assert_eq!(without.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&without.stderr).contains("has no `state.postgres`"));

    let section = format!(
        "state: {{ path: ./state, postgres: {{ url: '{}', schema: {} }} }}",
        places.settings.url, places.settings.schema
    );
    std::fs::write(dir.join("connector.yaml"), text.replace("state: { path: ./state }", &section)).unwrap();
    let store = open(&dir.join("state"));
    converse(&store, 1).await;
    store.close().unwrap();
    let done = command(dir, &["copy", "--to", "postgres"]);
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    assert_eq!(done.status.code(), Some(0), "{said}{}", String::from_utf8_lossy(&done.stderr));
    assert!(said.contains("1 responses") && said.contains("All counts agree"), "{said}");
    assert!(done.stderr.is_empty(), "a bar is for terminals only");
    let again = command(dir, &["reopen", "local"]);
    assert_eq!(again.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&again.stderr).contains("--force"));

    assert_eq!(command(dir, &["reopen", "local", "--force"]).status.code(), Some(0));
    open(&dir.join("state")).close().unwrap();
}
