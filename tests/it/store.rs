//! The storage engine: its guarantees over restarts, damage, races and refusing disks.
#![allow(clippy::unwrap_used, reason = "tests")]

mod damage;
mod durability;
mod kills;

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::MetadataExt;
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

/// The files of the folder, without the journal of an open store.
fn names(dir: &Path) -> Vec<String> {
    let all = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = all.filter(|name| !name.starts_with("sled.journal-")).collect();
    names.sort();
    names
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
