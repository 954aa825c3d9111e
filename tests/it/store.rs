//! The storage engine: its guarantees over restarts, damage, races and refusing disks.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use futures_util::future::join_all;
use goodays_salesforce::state::engine::{
    Fault, MAX_KEY, OpenError, Settings, Store, StoreError, Tx, TxError, prefix_end,
};
use proptest::prelude::*;
use tempfile::TempDir;

/// Values up to this length are stored in one entry.
const INLINE: usize = 3072;

fn open(dir: &Path) -> Store {
    Store::open(dir, Settings::default()).unwrap()
}

fn open_with(dir: &Path, fault: Fault) -> Store {
    Store::open(dir, Settings { fault, ..Settings::default() }).unwrap()
}

fn fresh() -> (TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    (dir, store)
}

/// The bytes differ, so that parts in the wrong order are detected.
fn value(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()[0]
    };
    (0..len).map(|_| next()).collect()
}

/// All user keys.
fn everything(store: &Store) -> BTreeMap<Vec<u8>, Vec<u8>> {
    store.range(&[], &prefix_end(&[]), usize::MAX).unwrap().into_iter().collect()
}

// --- values, guards, ranges

#[test]
fn a_failing_guard_writes_nothing() {
    let (_dir, store) = fresh();
    let mut claim = Tx::new();
    claim.expect("a", None).set("a", "1").set("b", value(1, 5000));
    store.transact(&claim).unwrap();
    assert_eq!(store.transact(&claim), Err(TxError::Conflict));
    let mut wrong = Tx::new();
    wrong.expect("b", Some(value(2, 5000))).remove("a").set("c", "3");
    assert_eq!(store.transact(&wrong), Err(TxError::Conflict));
    assert_eq!(store.get(b"c").unwrap(), None);
    store.transact(Tx::new().expect("b", Some(value(1, 5000))).remove("a")).unwrap();
    assert_eq!(store.get(b"a").unwrap(), None);
}

#[test]
fn one_of_many_claims_wins() {
    let (_dir, store) = fresh();
    for len in [10, 10_000] {
        let claims: Vec<_> = (0..8u64)
            .map(|who| {
                let store = store.clone();
                let key = format!("claim/{len}");
                std::thread::spawn(move || {
                    store.transact(Tx::new().expect(key.as_str(), None).set(key, value(who, len))).is_ok()
                })
            })
            .collect();
        let won = claims.into_iter().filter_map(|claim| claim.join().unwrap().then_some(())).count();
        assert_eq!(won, 1);
    }
}

/// Journals are settled continuously: a guard finds its value among the recent writes, in sled, or between them.
#[test]
fn no_increment_is_lost_while_journals_are_settled() {
    const ROUNDS: u64 = 150;
    let (_dir, store) = fresh();
    let count =
        |value: Option<Vec<u8>>| value.map_or(0, |value| u64::from_be_bytes(value[..8].try_into().unwrap()));
    // In its own chunks, and two that share a block.
    let keys = ["count", "Labc-one", "Labc-two"];
    std::thread::scope(|scope| {
        for (key, len) in keys.iter().zip([10_000, 2_000, 10_000]).chain([(&keys[0], 10_000)]) {
            let store = &store;
            scope.spawn(move || {
                for _ in 0..ROUNDS {
                    loop {
                        let mut tx = Tx::new();
                        let next = count(store.guard(&mut tx, (*key).into()).unwrap()) + 1;
                        let grown = [next.to_be_bytes().as_slice(), &value(next, len)].concat();
                        if store.transact(tx.set(*key, grown)).is_ok() {
                            break;
                        }
                    }
                }
            });
        }
    });
    let counts = keys.map(|key| count(store.get(key.as_bytes()).unwrap()));
    assert_eq!(counts, [2 * ROUNDS, ROUNDS, ROUNDS]);
}

#[test]
fn eight_mebibytes_survive_a_restart() {
    let (dir, store) = fresh();
    let large = value(3, 8 << 20);
    store.transact(Tx::new().set("a", large.clone())).unwrap();
    store.close().unwrap();
    let store = open(dir.path());
    assert_eq!(store.get(b"a").unwrap(), Some(large));
}

#[test]
fn the_last_write_to_a_key_counts() {
    let (_dir, store) = fresh();
    store.transact(Tx::new().set("a", value(1, 9000)).remove("a").set("a", "x")).unwrap();
    assert_eq!(store.get(b"a").unwrap(), Some(b"x".to_vec()));
}

#[test]
fn keys_that_would_harm_are_refused() {
    let (_dir, store) = fresh();
    for key in [vec![], vec![0, 1], vec![b'k'; MAX_KEY + 1]] {
        let refused = store.transact(Tx::new().set(key.clone(), "x"));
        assert!(matches!(refused, Err(TxError::Store(StoreError::Refused(_)))), "{refused:?}");
        assert!(store.get(&key).is_err());
    }
    assert!(everything(&store).is_empty());
    store.accepting().unwrap();
}

#[test]
fn ranges_are_ordered_limited_and_free_of_internals() {
    let (_dir, store) = fresh();
    let mut tx = Tx::new();
    for n in (0..20u8).rev() {
        tx.set([b'k', n], value(n.into(), usize::from(n) * 500));
    }
    store.transact(tx.set("j", "before").set("l", "after")).unwrap();
    let found = store.range(b"k", &prefix_end(b"k"), usize::MAX).unwrap();
    assert_eq!(found.len(), 20);
    for (n, (key, found)) in (0..20u8).zip(found) {
        assert_eq!((key, found), (vec![b'k', n], value(n.into(), usize::from(n) * 500)));
    }
    assert_eq!(store.keys(b"k\x05", b"k\x09", 3).unwrap(), [[b'k', 5], [b'k', 6], [b'k', 7]]);
    assert_eq!(store.keys(b"z", b"a", 3).unwrap(), Vec::<Vec<u8>>::new());
    assert_eq!(everything(&store).len(), 22);
}

#[test]
fn the_end_of_a_prefix_is_after_all_its_keys() {
    assert_eq!(prefix_end(b"ab"), b"ac");
    assert_eq!(prefix_end(b"a\xff"), b"b");
    assert!(prefix_end(b"\xff") > vec![0xff; MAX_KEY]);
}

/// A reader may read while a large value is replaced: it sees the old or the new one, complete.
#[test]
fn a_reader_never_sees_parts_of_two_values() {
    let (_dir, store) = fresh();
    store.transact(Tx::new().set("a", value(0, 20_000))).unwrap();
    let writer = store.clone();
    let writing = std::thread::spawn(move || {
        for n in 1..200 {
            let len = 20_000 + usize::try_from(n).unwrap();
            writer.transact(Tx::new().set("a", value(n, len))).unwrap();
        }
    });
    while !writing.is_finished() {
        for seen in [store.get(b"a").unwrap().unwrap(), store.range(b"a", b"b", 1).unwrap().remove(0).1] {
            let n = seen.len() - 20_000;
            assert_eq!(seen, value(n as u64, seen.len()));
        }
    }
    writing.join().unwrap();
}

#[derive(Debug, Clone)]
enum Step {
    Transact { guards: Vec<(u8, Guess)>, writes: Vec<(u8, Option<usize>)> },
    Reopen,
}

#[derive(Debug, Clone, Copy)]
enum Guess {
    Right,
    Absent,
    Wrong,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let len = prop_oneof![
        Just(0),
        1..40usize,
        INLINE - 2..INLINE + 3,
        2 * INLINE - 1..2 * INLINE + 2,
        5 * INLINE - 1..5 * INLINE + 2,
    ];
    let guess = prop_oneof![8 => Just(Guess::Right), 1 => Just(Guess::Absent), 1 => Just(Guess::Wrong)];
    let transact = (
        prop::collection::vec((0..8u8, guess), 0..3),
        prop::collection::vec((0..8u8, prop::option::weighted(0.7, len)), 0..5),
    )
        .prop_map(|(guards, writes)| Step::Transact { guards, writes });
    prop::collection::vec(prop_oneof![12 => transact, 1 => Just(Step::Reopen)], 1..40)
}

/// Some in a keyspace whose entries share blocks, some in one whose values are stored in files.
fn model_key(n: u8) -> Vec<u8> {
    let room = ["key", "Links", "Payloads"][usize::from(n % 3)];
    format!("{room}/{n}").into_bytes()
}

fn model_tx(
    seed: u64,
    guards: &[(u8, Guess)],
    writes: &[(u8, Option<usize>)],
    model: &BTreeMap<Vec<u8>, Vec<u8>>,
) -> Tx {
    let mut tx = Tx::new();
    for (n, guess) in guards {
        let expected = match guess {
            Guess::Right => model.get(&model_key(*n)).cloned(),
            Guess::Absent => None,
            Guess::Wrong => Some(value(999, 4000)),
        };
        tx.expect(model_key(*n), expected);
    }
    for (n, len) in writes {
        match len {
            Some(len) => tx.set(model_key(*n), value(seed, *len)),
            None => tx.remove(model_key(*n)),
        };
    }
    tx
}

/// The reference model of a transaction.
fn model_apply(tx: &Tx, model: &mut BTreeMap<Vec<u8>, Vec<u8>>) -> Result<(), TxError> {
    if tx.guards.iter().any(|guard| model.get(&guard.key) != guard.expected.as_ref()) {
        return Err(TxError::Conflict);
    }
    for (key, value) in &tx.writes {
        match value {
            Some(value) => model.insert(key.clone(), value.clone()),
            None => model.remove(key),
        };
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_store_is_an_ordered_map(steps in steps()) {
        let (dir, mut store) = fresh();
        let mut model = BTreeMap::new();
        for (seed, step) in steps.iter().enumerate() {
            match step {
                Step::Transact { guards, writes } => {
                    let tx = model_tx(seed as u64, guards, writes, &model);
                    prop_assert_eq!(store.transact(&tx), model_apply(&tx, &mut model));
                }
                Step::Reopen => {
                    store.close().unwrap();
                    store = open(dir.path());
                }
            }
            prop_assert_eq!(&everything(&store), &model);
        }
    }
}

// --- durability

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_wait_for_few_syncs() {
    let (dir, store) = fresh();
    let writers = (0..256u64).map(|who| {
        let store = store.clone();
        tokio::spawn(async move {
            for n in 0..4 {
                store.transact(Tx::new().set(format!("{who}/{n}"), value(who, 100))).unwrap();
                store.durable().await.unwrap();
            }
        })
    });
    for writer in join_all(writers).await {
        writer.unwrap();
    }
    let commits = store.commits();
    assert!((4..=1024).contains(&commits), "{commits}");
    store.close().unwrap();
    assert_eq!(everything(&open(dir.path())).len(), 1024);
}

#[tokio::test]
async fn one_waiter_costs_one_sync() {
    let (_dir, store) = fresh();
    for expected in 1..=5 {
        store.transact(Tx::new().set("a", expected.to_string())).unwrap();
        store.durable().await.unwrap();
        assert_eq!(store.commits(), expected);
    }
}

/// Nothing has to be made durable: a duplicate, or an answer that was already given.
#[tokio::test]
async fn who_waits_for_nothing_new_costs_no_sync() {
    let (_dir, store) = fresh();
    store.transact(Tx::new().set("a", "1")).unwrap();
    for _ in 0..5 {
        store.durable().await.unwrap();
    }
    assert_eq!(store.commits(), 1);
}

#[tokio::test]
async fn a_waiter_that_gives_up_harms_nobody() {
    let (_dir, store) = fresh();
    for _ in 0..50 {
        let waiting = store.durable();
        tokio::select! {
            biased;
            _ = waiting => {}
            () = std::future::ready(()) => {}
        }
    }
    store.durable().await.unwrap();
}

#[tokio::test]
async fn a_failed_sync_is_for_ever() {
    let dir = tempfile::tempdir().unwrap();
    let store = open_with(dir.path(), Fault::FailSyncAfter(1));
    let broken = tokio::spawn(store.broken());
    store.transact(Tx::new().set("a", "1")).unwrap();
    store.durable().await.unwrap();
    store.accepting().unwrap();

    store.transact(Tx::new().set("b", "2")).unwrap();
    let failure = store.durable().await.unwrap_err();
    assert!(matches!(failure, StoreError::Broken(_)), "{failure:?}");
    assert_eq!(broken.await.unwrap(), failure);
    // Later callers get the failure at once.
    assert_eq!(store.broken().await, failure);
    assert_eq!(store.durable().await, Err(failure.clone()));
    assert_eq!(store.accepting(), Err(failure.clone()));
    assert_eq!(store.transact(Tx::new().set("c", "3")), Err(TxError::Store(failure.clone())));
    assert_eq!(store.get(b"a").unwrap(), Some(b"1".to_vec()), "reading goes on");
    assert_eq!(store.commits(), 1);
    assert_eq!(store.close(), Err(failure));

    assert_eq!(open(dir.path()).get(b"a").unwrap(), Some(b"1".to_vec()));
}

#[tokio::test]
async fn everybody_in_a_failed_group_hears_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = open_with(dir.path(), Fault::FailSync);
    store.transact(Tx::new().set("a", "1")).unwrap();
    let answers = join_all((0..64).map(|_| store.durable())).await;
    assert!(answers.iter().all(Result::is_err));
    assert_eq!(store.commits(), 0);
}

#[tokio::test]
async fn a_disk_that_hangs_is_broken() {
    let dir = tempfile::tempdir().unwrap();
    let stuck_after = Duration::from_millis(200);
    let settings = Settings { fault: Fault::HangSync, stuck_after, ..Settings::default() };
    let store = Store::open(dir.path(), settings).unwrap();
    store.transact(Tx::new().set("a", "1")).unwrap();
    let failure = store.durable().await.unwrap_err();
    assert!(failure.to_string().contains("not answered"), "{failure}");
    assert!(store.transact(Tx::new().set("a", "1")).is_err());
}

#[tokio::test]
async fn a_healthy_store_is_never_called_broken() {
    let (_dir, store) = fresh();
    let broken = tokio::spawn(store.broken());
    store.durable().await.unwrap();
    store.close().unwrap();
    tokio::task::yield_now().await;
    assert!(!broken.is_finished());
}

/// Counting syncs must detect the mutant.
#[tokio::test]
async fn the_mutant_syncs_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = open_with(dir.path(), Fault::SkipSync);
    store.transact(Tx::new().set("a", "1")).unwrap();
    store.durable().await.unwrap();
    assert_eq!(store.commits(), 0);
}

#[test]
fn too_little_space_is_said_before_the_disk_is_full() {
    let dir = tempfile::tempdir().unwrap();
    let settings = Settings { free_space_floor: u64::MAX, ..Settings::default() };
    let store = Store::open(dir.path(), settings).unwrap();
    assert!(matches!(store.accepting(), Err(StoreError::NoSpace { floor: u64::MAX, .. })));
    // Earlier events can still be processed.
    store.transact(Tx::new().set("a", "1")).unwrap();
}

// --- numbers

#[test]
fn numbers_only_grow() {
    let (dir, mut store) = fresh();
    let mut last = 0;
    for round in 0..4 {
        for _ in 0..[1, 1023, 1024, 3000][round] {
            let next = store.next_seq();
            assert!(next > last);
            last = next;
        }
        store.close().unwrap();
        store = open(dir.path());
    }
}

#[test]
fn numbers_are_given_once() {
    let (_dir, store) = fresh();
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let store = store.clone();
            std::thread::spawn(move || (0..2000).map(|_| store.next_seq()).collect::<Vec<_>>())
        })
        .collect();
    let mut all: Vec<_> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 8000);
}

// --- opening

#[test]
fn a_second_instance_is_refused() {
    let (dir, store) = fresh();
    let refused = Store::open(dir.path(), Settings::default()).err().unwrap();
    assert!(matches!(refused, OpenError::Locked { .. }), "{refused}");
    let text = refused.to_string();
    assert!(text.contains("another instance") && text.contains("state.path"), "{text}");
    let clone = store.clone();
    drop(store);
    assert!(matches!(Store::open(dir.path(), Settings::default()), Err(OpenError::Locked { .. })));
    drop(clone);
    open(dir.path());
}

#[test]
fn a_missing_folder_is_made() {
    let dir = tempfile::tempdir().unwrap();
    open(&dir.path().join("some/where"));
}

#[test]
fn a_folder_that_cannot_be_is_named() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("file"), "").unwrap();
    let path = dir.path().join("file/state");
    let refused = Store::open(&path, Settings::default()).err().unwrap();
    assert!(matches!(refused, OpenError::Folder { .. }), "{refused:?}");
    assert!(refused.to_string().contains(path.to_str().unwrap()), "{refused}");
}

// --- damage

/// A closed store with a snapshot: 300 entries, among them large ones.
fn filled() -> (TempDir, BTreeMap<Vec<u8>, Vec<u8>>) {
    let (dir, store) = fresh();
    for n in 0..300u64 {
        let len = if n % 10 == 0 { 10_000 } else { 100 };
        store.transact(Tx::new().set(format!("key/{n}"), value(n, len))).unwrap();
    }
    store.close().unwrap();
    // The snapshot is written when the database is opened.
    let store = open(dir.path());
    store.transact(Tx::new().set("last", "one")).unwrap();
    let content = everything(&store);
    store.close().unwrap();
    fs::write(dir.path().join("admin.addr"), "127.0.0.1:9").unwrap();
    (dir, content)
}

fn snapshot(dir: &Path) -> PathBuf {
    let files = fs::read_dir(dir.join("sled")).unwrap().map(|entry| entry.unwrap().path());
    files.max_by_key(|path| path.file_name().unwrap().to_str().unwrap().starts_with("snap.")).unwrap()
}

/// The files of the folder, without the journal of an open store.
fn names(dir: &Path) -> Vec<String> {
    let all = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = all.filter(|name| !name.starts_with("sled.journal-")).collect();
    names.sort();
    names
}

#[test]
fn a_damaged_database_is_kept_for_analysis_and_made_anew_from_the_journals() {
    type Damage = fn(&Path);
    let damages: [Damage; 5] = [
        |dir| fs::write(snapshot(dir), "").unwrap(),
        |dir| {
            let mut bytes = fs::read(snapshot(dir)).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            fs::write(snapshot(dir), bytes).unwrap();
        },
        |dir| fs::write(snapshot(dir), vec![0; 4096]).unwrap(),
        // The log's end is missing, too.
        |dir| {
            fs::write(snapshot(dir), "").unwrap();
            fs::write(dir.join("sled/db"), vec![0; 1000]).unwrap();
        },
        // sled takes this for an empty database.
        |dir| {
            fs::remove_file(snapshot(dir)).unwrap();
            fs::write(dir.join("sled/db"), "").unwrap();
        },
    ];
    for (n, damage) in damages.into_iter().enumerate() {
        let (dir, content) = filled();
        damage(dir.path());
        for _ in 0..2 {
            assert_eq!(everything(&open(dir.path())), content, "damage {n}");
        }
        assert_eq!(names(dir.path()), ["admin.addr", "sled", "sled.damaged-1", "sled.lock"], "damage {n}");
    }
}

#[test]
fn a_missing_database_is_made_anew_from_the_journals() {
    let (dir, content) = filled();
    fs::remove_dir_all(dir.path().join("sled")).unwrap();
    assert_eq!(everything(&open(dir.path())), content);
}

#[test]
fn of_several_damaged_folders_the_newest_is_kept() {
    let (dir, content) = filled();
    for _ in 0..3 {
        fs::write(snapshot(dir.path()), "").unwrap();
        assert_eq!(everything(&open(dir.path())), content);
    }
    assert_eq!(names(dir.path()), ["admin.addr", "sled", "sled.damaged-3", "sled.lock"]);
}

/// Without journals nothing can be made anew, and an empty state would lose silently.
#[test]
fn a_damaged_database_without_journals_is_refused_and_untouched() {
    let (dir, _) = filled();
    fs::write(snapshot(dir.path()), "").unwrap();
    fs::write(dir.path().join("sled/db"), vec![0; 1000]).unwrap();
    for entry in fs::read_dir(dir.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().unwrap().to_str().unwrap().starts_with("sled.journal-") {
            fs::remove_file(path).unwrap();
        }
    }
    for _ in 0..2 {
        let refused = Store::open(dir.path(), Settings::default()).err().unwrap();
        assert!(matches!(refused, OpenError::Damaged { .. }), "{refused:?}");
        assert!(refused.to_string().contains("backup"), "{refused}");
        assert_eq!(names(dir.path()), ["admin.addr", "sled", "sled.lock"]);
    }
}

// --- compaction

/// Many entries are written, and most are deleted. Returns the rest.
fn mostly_dead(dir: &Path) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let store = open(dir);
    for n in 0..400u64 {
        store.transact(Tx::new().set(format!("key/{n:03}"), value(n, 20_000))).unwrap();
    }
    // An entry that is deleted before it is settled is never written to sled.
    store.close().unwrap();
    let store = open(dir);
    for n in 10..400 {
        store.transact(Tx::new().remove(format!("key/{n:03}"))).unwrap();
    }
    let content = everything(&store);
    store.close().unwrap();
    fs::write(dir.join("admin.addr"), "127.0.0.1:9").unwrap();
    content
}

fn compacting(fault: Fault) -> Settings {
    Settings { compact_above: 2 << 20, fault, ..Settings::default() }
}

#[test]
fn a_mostly_dead_store_is_copied_small_once() {
    let dir = tempfile::tempdir().unwrap();
    let content = mostly_dead(dir.path());
    let off = Settings { compact: false, ..compacting(Fault::None) };
    let store = Store::open(dir.path(), off).unwrap();
    let (before, last) = (store.disk_bytes(), store.next_seq());
    store.close().unwrap();

    let store = Store::open(dir.path(), compacting(Fault::None)).unwrap();
    assert_eq!(everything(&store), content);
    assert!(store.disk_bytes() * 3 < before, "{} of {before}", store.disk_bytes());
    assert!(store.next_seq() > last);
    assert_eq!(names(dir.path()), ["admin.addr", "sled", "sled.lock"]);
}

#[test]
fn a_mostly_living_store_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    for n in 0..200u64 {
        store.transact(Tx::new().set(format!("key/{n:03}"), value(n, 20_000))).unwrap();
    }
    store.close().unwrap();
    // With this fault a compaction would fail if it began.
    Store::open(dir.path(), compacting(Fault::CompactionStops(1))).unwrap();
}

#[test]
fn a_compaction_may_be_cut_at_every_step() {
    for step in 1..=5 {
        let dir = tempfile::tempdir().unwrap();
        let content = mostly_dead(dir.path());
        let stopped = Store::open(dir.path(), compacting(Fault::CompactionStops(step))).err();
        assert!(matches!(stopped, Some(OpenError::Stopped(at)) if at == step), "{step}: {stopped:?}");
        if step == 1 {
            // Interrupted while copying: an incomplete copy exists.
            fs::create_dir(dir.path().join("sled.new")).unwrap();
            fs::write(dir.path().join("sled.new/db"), "half").unwrap();
        }
        let store = Store::open(dir.path(), compacting(Fault::None)).unwrap();
        assert_eq!(everything(&store), content, "step {step}");
        assert_eq!(names(dir.path()), ["admin.addr", "sled", "sled.lock"], "step {step}");
    }
}

// --- kill -9

const CHILD_DIR: &str = "STORE_KILL_DIR";
const WRITERS: u64 = 16;
/// How many of its own entries a writer keeps.
const KEPT: u64 = 20;

/// Each step replaces the writer's head, adds an entry and deletes an old one, in one transaction.
fn killed_step(writer: u64, n: u64) -> Tx {
    let head = format!("head/{writer}");
    let before = (n > 1).then(|| killed_head(writer, n - 1));
    let mut tx = Tx::new();
    tx.expect(head.as_str(), before);
    tx.set(head, killed_head(writer, n)).set(format!("Payload/{writer}/{n}"), value(n, 300));
    if n > KEPT {
        tx.remove(format!("Payload/{writer}/{}", n - KEPT));
    }
    tx
}

/// Begins with its number. The sizes are around that of a chunk, and far above.
fn killed_head(writer: u64, n: u64) -> Vec<u8> {
    let len = [50, INLINE, INLINE + 1, 3 * INLINE, 12_345][usize::try_from((writer + n) % 5).unwrap()];
    [n.to_be_bytes().to_vec(), value(writer * 1000 + n, len - 8)].concat()
}

fn head_number(store: &Store, writer: u64) -> u64 {
    let head = store.get(format!("head/{writer}").as_bytes()).unwrap();
    head.map_or(0, |head| u64::from_be_bytes(head[..8].try_into().unwrap()))
}

/// Not a separate test (it ends at once unless the test below runs it): the child that writes until it is killed.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn child_of_the_kill_test() {
    let Ok(dir) = std::env::var(CHILD_DIR) else { return };
    let store = open(Path::new(&dir));
    let writers = (0..WRITERS).map(|writer| {
        let store = store.clone();
        tokio::spawn(async move {
            let mut n = head_number(&store, writer);
            loop {
                n += 1;
                store.transact(&killed_step(writer, n)).unwrap();
                store.durable().await.unwrap();
                // A single write call, so that the line is complete or absent.
                std::io::stdout().write_all(format!("\nack {writer} {n}\n").as_bytes()).unwrap();
            }
        })
    });
    join_all(writers).await;
}

/// Kills a child after this many acknowledgements. Returns the last one of each writer.
fn kill_after(dir: &Path, acknowledged: usize) -> HashMap<u64, u64> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "store::child_of_the_kill_test", "--nocapture"])
        .env(CHILD_DIR, dir)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut text = String::new();
    let mut lines = 0;
    while lines < acknowledged {
        let before = text.len();
        assert_ne!(output.read_line(&mut text).unwrap(), 0, "the child ended by itself: {text}");
        lines += usize::from(text[before..].starts_with("ack "));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    output.read_to_string(&mut text).unwrap();
    let mut last = HashMap::new();
    for ack in text.lines().filter_map(|line| line.strip_prefix("ack ")) {
        let (writer, n) = ack.split_once(' ').unwrap();
        last.insert(writer.parse().unwrap(), n.parse().unwrap());
    }
    last
}

#[test]
fn acknowledged_writes_survive_kill_9() {
    let dir = tempfile::tempdir().unwrap();
    let mut acknowledged = HashMap::new();
    for round in 0..10usize {
        // Early, during its first writes, and late.
        acknowledged.extend(kill_after(dir.path(), 1 + (round * 577) % 600));
        let store = open(dir.path());
        for writer in 0..WRITERS {
            let n = head_number(&store, writer);
            assert!(n >= acknowledged.get(&writer).copied().unwrap_or(0), "lost of {writer}: {n}");
            let Some(head) = store.get(format!("head/{writer}").as_bytes()).unwrap() else { continue };
            assert!(head == killed_head(writer, n), "torn: {writer} {n}");
            // The whole transaction exists, and nothing of the next one.
            let prefix = format!("Payload/{writer}/");
            let mut expected: Vec<_> = (n.saturating_sub(KEPT) + 1..=n)
                .map(|n| (format!("{prefix}{n}").into_bytes(), value(n, 300)))
                .collect();
            expected.sort();
            let found = store.range(prefix.as_bytes(), &prefix_end(prefix.as_bytes()), 1000).unwrap();
            assert!(found == expected, "torn: {writer} {n}");
        }
        store.close().unwrap();
    }
}

/// Killed as soon as the database file exists: sled reads it for the first time, and writes its first snapshot.
#[test]
fn d01_kill_9_during_a_first_start_never_keeps_a_state_from_opening() {
    for round in 0..8 {
        let dir = tempfile::tempdir().unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "store::child_of_the_kill_test", "--nocapture"])
            .env(CHILD_DIR, dir.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let live = dir.path().join("sled");
        let files = || fs::read_dir(&live).map_or(0, Iterator::count);
        // Some die when only the database file exists, some when another file exists.
        while files() < 2 + round % 3 && child.try_wait().unwrap().is_none() {
            std::hint::spin_loop();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        for _ in 0..2 {
            let store = open(dir.path());
            for writer in 0..WRITERS {
                let n = head_number(&store, writer);
                let expected = (n > 0).then(|| killed_head(writer, n));
                assert_eq!(store.get(format!("head/{writer}").as_bytes()).unwrap(), expected);
            }
            store.close().unwrap();
        }
        assert!(!names(dir.path()).iter().any(|name| name.contains("damaged")), "{:?}", names(dir.path()));
    }
}
