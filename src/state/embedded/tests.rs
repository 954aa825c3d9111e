//! Tests that need the store's internals: crashes between two writes, and databases of other versions.

mod journals;

use std::fs;
use std::sync::atomic::Ordering;

use tempfile::TempDir;

use crate::state::embedded::journal::Record;
use crate::state::embedded::*;
use journals::body;

fn open(dir: &Path) -> Store {
    Store::open(dir, Settings::default()).unwrap()
}

fn fresh() -> (TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    (dir, store)
}

fn put(store: &Store, key: &str, value: Vec<u8>) {
    store.transact(Tx::new().set(key, value)).unwrap();
}

/// Bytes that do not compress.
fn noise(seed: u8, len: usize) -> Vec<u8> {
    let hashes = (0..).flat_map(|at: u32| value::hash(&[&[seed], at.to_be_bytes().as_slice()].concat()));
    hashes.take(len).collect()
}

/// How many chunks sled holds after all writes are checkpointed.
fn chunks(dir: &Path) -> usize {
    let store = open(dir);
    let chunks = store.inner.tables.chunks.len();
    store.close().unwrap();
    chunks
}

#[test]
fn replaced_and_deleted_values_leave_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    for (len, left) in [(4 * value::CHUNK, 4), (2 * value::CHUNK, 2), (10, 0), (9000, 3)] {
        let store = open(dir.path());
        put(&store, "a", noise(1, len));
        store.close().unwrap();
        assert_eq!(chunks(dir.path()), left, "{len}");
    }
    let store = open(dir.path());
    store.transact(Tx::new().remove("a")).unwrap();
    store.close().unwrap();
    assert_eq!(chunks(dir.path()), 0);
}

type Write<'w> = (&'w str, Option<&'w [u8]>);

/// Leaves a journal in the folder of a closed store, as a crash would.
fn crashed(dir: &Path, number: u64, records: &[&[Write<'_>]]) {
    let places = Places::in_dir(dir);
    let mut journal = Journal::create(&places, number).unwrap();
    for writes in records {
        let mut record = Record::default();
        for (key, value) in *writes {
            record.add(key.as_bytes(), *value);
        }
        journal.append(&mut record).unwrap();
    }
}

/// The store must be closed.
fn next_journal(dir: &Path) -> u64 {
    let places = Places::in_dir(dir);
    let tables = open::Tables::open(&places, &places.live).unwrap();
    let next = checkpointer::replay(&tables, &places).unwrap();
    assert_eq!(checkpointer::applied(&tables).unwrap() + 1, next, "a closed store has all in sled");
    next
}

type Writes = std::collections::BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// Leaves the journal of these writes after sled got the first `left` of them, as a crash would.
fn cut(dir: &Path, writes: &Writes, left: usize) {
    let number = next_journal(dir);
    let mut record = Record::default();
    for (key, value) in writes {
        record.add(key, value.as_deref());
    }
    Journal::create(&Places::in_dir(dir), number).unwrap().append(&mut record).unwrap();
    checkpointer::apply_until(dir, number, left);
}

#[test]
fn a_journal_is_carried_out_again_from_wherever_it_was_cut() {
    let large = |n: u8, chunks: usize| noise(n, chunks * value::CHUNK);
    let (one, two) = (large(1, 3), large(2, 2));
    let new = [("a", None), ("b", Some(two.clone())), ("c", Some(b"new".to_vec())), ("d", None)];
    let writes: Writes = new.into_iter().map(|(key, value)| (key.as_bytes().to_vec(), value)).collect();
    for left in 0..20 {
        let (dir, store) = fresh();
        for key in ["a", "b", "d"] {
            put(&store, key, one.clone());
        }
        store.close().unwrap();
        cut(dir.path(), &writes, left);

        let store = open(dir.path());
        assert_eq!(store.get(b"a").unwrap(), None, "{left}");
        assert_eq!(store.get(b"b").unwrap(), Some(two.clone()), "{left}");
        assert_eq!(store.get(b"c").unwrap(), Some(b"new".to_vec()), "{left}");
        assert_eq!(store.inner.tables.chunks.len(), 2, "{left}");
        // The leftovers do not disturb later writes.
        put(&store, "c", b"newer".to_vec());
        store.close().unwrap();
        assert_eq!(open(dir.path()).get(b"c").unwrap(), Some(b"newer".to_vec()));
    }
}

#[test]
fn journals_are_carried_out_in_order_and_a_missing_one_is_said() {
    let (dir, store) = fresh();
    store.close().unwrap();
    let next = next_journal(dir.path());
    crashed(dir.path(), next, &[&[("a", Some(b"1"))], &[("a", Some(b"2"))]]);
    crashed(dir.path(), next + 1, &[&[("a", Some(b"3")), ("b", Some(b"4"))]]);
    let store = open(dir.path());
    assert_eq!(store.get(b"a").unwrap(), Some(b"3".to_vec()));
    assert_eq!(store.get(b"b").unwrap(), Some(b"4".to_vec()));
    assert!(!store.is_incomplete());
    store.close().unwrap();

    crashed(dir.path(), next_journal(dir.path()) + 1, &[&[("a", Some(b"5"))]]);
    let store = open(dir.path());
    assert_eq!(store.get(b"a").unwrap(), Some(b"5".to_vec()));
    assert!(store.is_incomplete());
}

/// A block much larger than one entry: a crash at any write loses none of its members.
#[test]
fn members_of_a_block_survive_a_cut() {
    let key = |n: u8| [b"Labc", [n; 12].as_slice()].concat();
    let value = |round: u8, n: u8| noise(round ^ n, 100 + 900 * usize::from(n % 4));
    let writes: Writes = (2..10).map(|n| (key(n), (n != 4).then(|| value(2, n)))).collect();
    let after: Vec<Entry> =
        (0..10).filter(|n| *n != 4).map(|n| (key(n), value(if n < 2 { 1 } else { 2 }, n))).collect();
    let block: usize = after.iter().map(|(key, value)| 6 + key.len() + value.len()).sum();
    for left in 0..12 {
        let (dir, store) = fresh();
        for n in 0..8 {
            store.transact(Tx::new().set(key(n), value(1, n))).unwrap();
        }
        store.close().unwrap();
        cut(dir.path(), &writes, left);

        let store = open(dir.path());
        assert_eq!(store.range(b"L", b"M", 100).unwrap(), after, "{left}");
        assert_eq!(store.range(&key(3), &key(6), 100).unwrap(), after[3..5], "{left}");
        assert_eq!(store.get(&key(5)).unwrap(), Some(value(2, 5)), "{left}");
        assert_eq!(store.inner.tables.chunks.len(), block.div_ceil(value::CHUNK), "{left}");
        store.transact(Tx::new().expect(key(5), Some(value(2, 5))).remove(key(5))).unwrap();
        store.close().unwrap();
        assert_eq!(open(dir.path()).keys(&key(4), &key(7), 9).unwrap(), [key(6)]);
    }
}

/// Reads give the same result during a checkpoint and after it.
#[test]
fn what_is_replaced_while_it_is_settled_stays_replaced() {
    let (dir, store) = fresh();
    let big = vec![7; 3 << 20];
    for round in 0..6u8 {
        put(&store, "kept", vec![round; 5000]);
        put(&store, "big", big.clone());
        put(&store, "gone", vec![round; 10]);
        store.transact(Tx::new().remove("gone")).unwrap();
        assert_eq!(store.get(b"kept").unwrap(), Some(vec![round; 5000]));
        assert_eq!(store.keys(b"a", b"z", 9).unwrap(), [b"big".to_vec(), b"kept".to_vec()]);
    }
    store.close().unwrap();
    let store = open(dir.path());
    assert_eq!(
        store.range(b"a", b"z", 9).unwrap(),
        [(b"big".to_vec(), big), (b"kept".to_vec(), vec![5; 5000])]
    );
}

/// Writes other keys until this key's last write is in sled only. No other thread may write meanwhile.
fn until_settled(store: &Store, key: &[u8]) {
    while store.inner.front.read().get(key).is_some() {
        put(store, "big", vec![7; 3 << 20]);
    }
}

/// A guard is compared with sled again after a checkpoint, because sled may hold another value by then.
#[test]
fn a_guard_does_not_outlive_the_value_that_was_read() {
    let (_dir, store) = fresh();
    for key in ["alone", "Labc-shared"] {
        let guarded = || {
            let mut tx = Tx::new();
            let value = store.guard(&mut tx, key.into()).unwrap();
            tx.set(key, "late");
            (value, tx)
        };
        let (absent, too_late) = guarded();
        put(&store, key, b"1".to_vec());
        until_settled(&store, key.as_bytes());
        let (one, overtaken) = guarded();
        let (_, in_time) = guarded();
        assert_eq!((absent, one), (None, Some(b"1".to_vec())));
        assert!(matches!(store.transact(&too_late), Err(TxError::Conflict)), "{key}");
        put(&store, key, b"2".to_vec());
        until_settled(&store, key.as_bytes());
        assert!(matches!(store.transact(&overtaken), Err(TxError::Conflict)), "{key}");
        put(&store, key, b"1".to_vec());
        until_settled(&store, key.as_bytes());
        // Guards compare values: a value that was written again counts as unchanged.
        store.transact(&in_time).unwrap();
        assert_eq!(store.get(key.as_bytes()).unwrap(), Some(b"late".to_vec()));
    }
}

/// The checkpointer replaces a block because of one member while another member is read.
#[test]
fn a_member_is_read_while_its_block_is_replaced() {
    let (_dir, store) = fresh();
    let kept = noise(1, 4000);
    put(&store, "Labc-kept", kept.clone());
    until_settled(&store, b"Labc-kept");
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for round in 0..12 {
                for member in 0..20u8 {
                    put(&store, &format!("Labc-{member}"), noise(round ^ member, 9000));
                }
                put(&store, "big", vec![7; 3 << 20]);
            }
            done.store(true, Ordering::SeqCst);
        });
        while !done.load(Ordering::SeqCst) {
            assert_eq!(store.range(b"Labc-kept", b"Labc-l", 9).unwrap()[0].1, kept);
            assert_eq!(store.get(b"Labc-kept").unwrap().as_ref(), Some(&kept));
        }
    });
}

#[test]
fn after_a_panic_nobody_writes_and_nothing_more_is_durable() {
    let (dir, store) = fresh();
    put(&store, "a", b"1".to_vec());
    let broken = store.exclusive::<()>(|recent| {
        recent.write(b"b", Some(b"2"));
        panic!("within a transaction");
    });
    assert!(matches!(broken, Err(StoreError::Broken(_))));
    assert!(store.transact(Tx::new().set("c", "3")).is_err());
    assert!(store.accepting().is_err());
    drop(store);
    let store = open(dir.path());
    assert_eq!(store.get(b"b").unwrap(), None);
    assert_eq!(store.get(b"c").unwrap(), None);
}

#[test]
fn another_format_is_refused_and_untouched() {
    for (found, word) in [(open::FORMAT + 1, "newer version"), (open::FORMAT - 2, "before the first release")]
    {
        let (dir, store) = fresh();
        put(&store, "a", b"1".to_vec());
        assert!(store.inner.tables.set_format(found).is_ok());
        store.close().unwrap();
        let refused = Store::open(dir.path(), Settings::default()).err().unwrap();
        assert!(refused.to_string().contains(word), "{refused}");
    }
}

#[test]
fn a_lost_part_of_a_value_is_said_not_guessed() {
    let (dir, store) = fresh();
    put(&store, "a", noise(1, 7000));
    store.close().unwrap();
    let store = open(dir.path());
    let (key, _) = store.inner.tables.chunks.first().unwrap().unwrap();
    store.inner.tables.chunks.insert(&key, "other").unwrap();
    assert!(matches!(store.get(b"a"), Err(StoreError::Rebuild(_))));
    store.inner.tables.chunks.remove(&key).unwrap();
    assert!(matches!(store.get(b"a"), Err(StoreError::Rebuild(_))));
}

/// The counted live size agrees with a walk over all entries.
#[test]
fn what_lives_is_counted() {
    let (dir, store) = fresh();
    for n in 0..40u8 {
        put(&store, &format!("key/{n}"), noise(n, 100 * usize::from(n)));
    }
    store.close().unwrap();
    let store = open(dir.path());
    for (key, value) in [("key/1", None), ("key/30", Some(noise(1, 10))), ("key/7", Some(noise(7, 9000)))] {
        store.transact(&Tx { writes: vec![(key.into(), value)], ..Tx::new() }).unwrap();
    }
    store.close().unwrap();
    let store = open(dir.path());
    let tables = &store.inner.tables;
    let rows = tables.state.iter().chain(tables.chunks.iter()).map(Result::unwrap);
    let walked: i64 = rows.map(|(key, value)| sled_writer::size(&key, &value)).sum();
    let counted = sled_writer::live(&tables.state).unwrap();
    // Some of the store's own few keys are not counted.
    assert!((counted - walked).abs() < 1000, "{counted} and {walked}");
}

/// sled must never move a page out of its log, so no entry is large.
#[test]
fn no_entry_is_large() {
    let (dir, store) = fresh();
    for len in [value::CHUNK, value::CHUNK + 1, 100_000] {
        for n in 0..20 {
            put(&store, &format!("{len}/{n}"), noise(n, len));
        }
    }
    store.close().unwrap();
    let store = open(dir.path());
    let tables = &store.inner.tables;
    assert!(tables.state.len() > 60);
    for tree in [&tables.state, &tables.chunks] {
        for entry in tree {
            assert!(entry.unwrap().1.len() <= value::CHUNK + 1);
        }
    }
    assert_eq!(fs::read_dir(dir.path().join("sled/blobs")).map_or(0, Iterator::count), 0);
}

// --- D1: crashes inside sled

/// sled calls our `sync_file_range`, which is a real sync.
#[test]
fn d01_what_sled_asks_for_is_a_real_sync() {
    let before = crate::state::sled_syncs();
    let (_dir, store) = fresh();
    let opened = crate::state::sled_syncs();
    assert!(opened > before, "the C library's own call was used");
    put(&store, "a", noise(1, 100));
    store.close().unwrap();
    assert!(crate::state::sled_syncs() > opened);
}

/// Too many open files, for example, while a block is read for a checkpoint.
#[test]
fn d05_what_cannot_be_read_now_is_no_damage() {
    let now = open::Trouble::from(StoreError::Unreadable("too many open files".into()));
    assert!(matches!(now, open::Trouble::Io(_)));
    let damaged = open::Trouble::from(StoreError::Rebuild("a block is cut off".into()));
    assert!(matches!(damaged, open::Trouble::Damaged(_)));
}

/// A store after a checkpoint, and the content of its snapshot file.
fn settled() -> (TempDir, Vec<u8>) {
    let (dir, store) = fresh();
    for n in 0..50u8 {
        put(&store, &format!("key/{n}"), noise(n, 300));
    }
    store.close().unwrap();
    let store = open(dir.path());
    put(&store, "last", b"one".to_vec());
    store.close().unwrap();
    let snapshot = snapshots(dir.path()).pop().unwrap();
    let bytes = fs::read(snapshot).unwrap();
    (dir, bytes)
}

fn snapshots(dir: &Path) -> Vec<std::path::PathBuf> {
    let files = fs::read_dir(dir.join("sled")).unwrap().map(|entry| entry.unwrap().path());
    let is_one = |path: &std::path::PathBuf| path.file_name().unwrap().to_str().unwrap().starts_with("snap.");
    files.filter(is_one).collect()
}

fn remove_snapshots(dir: &Path) {
    for path in snapshots(dir) {
        fs::remove_file(path).unwrap();
    }
}

#[test]
fn d01_an_unfinished_snapshot_never_keeps_a_state_from_opening() {
    for (finished, compact_above) in [(true, u64::MAX), (false, u64::MAX), (false, 0)] {
        for share in [0, 1, 2, 4] {
            let (dir, bytes) = settled();
            if !finished {
                remove_snapshots(dir.path());
            }
            let cut = &bytes[..bytes.len() * share / 4];
            fs::write(dir.path().join("sled/snap.FFFFFFFFFFFFFFF0.generating"), cut).unwrap();
            for _ in 0..2 {
                let settings = Settings { compact_above, ..Settings::default() };
                let store = Store::open(dir.path(), settings).unwrap();
                assert_eq!(store.keys(b"key/", b"key0", 99).unwrap().len(), 50, "{finished} {share}");
                assert_eq!(store.get(b"last").unwrap(), Some(b"one".to_vec()));
                store.close().unwrap();
            }
            assert!(snapshots(dir.path()).iter().all(|path| !path.to_str().unwrap().ends_with("generating")));
            assert!(!dir.path().join("sled.damaged-1").exists(), "nothing was damaged");
        }
    }
}

/// A journal is missing, and the same start copies the database.
#[test]
fn a_loss_is_said_also_by_a_start_that_compacts() {
    let (dir, _) = settled();
    crashed(dir.path(), next_journal(dir.path()) + 1, &[&[("a", Some(b"1"))]]);
    let folder = || std::os::unix::fs::MetadataExt::ino(&fs::metadata(dir.path().join("sled")).unwrap());
    let before = folder();
    let store = Store::open(dir.path(), Settings { compact_above: 0, ..Settings::default() }).unwrap();
    assert_ne!(folder(), before, "it was not copied");
    assert_eq!(store.get(b"a").unwrap(), Some(b"1".to_vec()));
    assert!(store.is_incomplete());
}

/// A start that finds a loss and ends before anybody has seen to it, also by a kill, does not hide it from the next.
#[test]
fn a_loss_is_said_until_somebody_has_seen_to_it() {
    let (dir, _) = settled();
    let missing = next_journal(dir.path());
    crashed(dir.path(), missing + 1, &[&[("a", Some(b"1"))]]);
    for _ in 0..2 {
        let store = open(dir.path());
        assert!(store.is_incomplete());
        store.close().unwrap();
    }
    let store = open(dir.path());
    store.loss_is_seen_to().unwrap();
    store.close().unwrap();
    for made_anew in [false, true] {
        if made_anew {
            fs::remove_dir_all(dir.path().join("sled")).unwrap();
            // What was lost is missing in between once more, so this is another loss.
            fs::write(Places::in_dir(dir.path()).journal(missing + 1), "damaged").unwrap();
        }
        let store = open(dir.path());
        assert_eq!(store.is_incomplete(), made_anew);
        store.close().unwrap();
    }
}

/// The replaced database is kept until the new one was opened once.
#[test]
fn d01_a_compacted_copy_that_does_not_open_gives_way_to_the_one_before() {
    let (dir, _) = settled();
    let places = Places::in_dir(dir.path());
    fs::rename(&places.live, &places.old).unwrap();
    open::make_dir(&places.live).unwrap();
    fs::write(places.live.join("snap.0000000000000100"), "half").unwrap();
    fs::write(places.live.join("db"), "half").unwrap();
    let store = open(dir.path());
    assert_eq!(store.keys(b"key/", b"key0", 99).unwrap().len(), 50);
    store.close().unwrap();
    assert!(!places.old.exists() && !places.new.exists());
    assert_eq!(open(dir.path()).get(b"last").unwrap(), Some(b"one".to_vec()));
}

/// All files and their contents.
fn contents(dir: &Path) -> std::collections::BTreeMap<std::path::PathBuf, Vec<u8>> {
    let mut all = std::collections::BTreeMap::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(contents(&path));
        } else {
            all.insert(path.clone(), fs::read(path).unwrap());
        }
    }
    all
}

#[test]
fn d01_a_state_of_another_format_is_refused_before_anything_is_written() {
    for (found, word) in [("6 6", "newer version"), ("3", "before the first release")] {
        let (dir, _) = settled();
        // Opening would change this folder: without a snapshot sled writes a new one.
        remove_snapshots(dir.path());
        fs::write(dir.path().join("sled/format"), found).unwrap();
        let before = contents(dir.path());
        let refused = Store::open(dir.path(), Settings::default()).err().unwrap();
        assert!(refused.to_string().contains(word), "{refused}");
        assert_eq!(contents(dir.path()), before);
    }
    // A missing or damaged format file is written again.
    for note in [None, Some(""), Some("7 5"), Some("7")] {
        let (dir, _) = settled();
        let file = dir.path().join("sled/format");
        note.map_or_else(|| fs::remove_file(&file), |note| fs::write(&file, note)).unwrap();
        open(dir.path()).close().unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "5 5");
    }
}

/// A failure of the last checkpoint is reported by `finish`.
#[test]
fn d01_a_failed_last_checkpoint_is_told() {
    let (dir, store) = fresh();
    // A block that cannot be read.
    store.inner.tables.state.insert(blocks::block_key(b"Labc-1").unwrap(), b"\0junk").unwrap();
    put(&store, "Labc-1", b"1".to_vec());
    assert!(matches!(store.finish(), Err(StoreError::Rebuild(_))));
    assert!(matches!(store.close(), Err(StoreError::Rebuild(_))));

    // The next start makes sled anew.
    assert_eq!(open(dir.path()).get(b"Labc-1").unwrap(), Some(b"1".to_vec()));

    let (_dir, store) = fresh();
    put(&store, "a", b"1".to_vec());
    store.finish().unwrap();
    store.finish().unwrap();
    store.close().unwrap();
}

/// A replay that fails is repeated by the next start.
#[test]
fn d01_a_replay_that_fails_again_and_again_succeeds_at_last() {
    let (dir, store) = fresh();
    store.transact(Tx::new().set(body(1), noise(1, 3000))).unwrap();
    store.close().unwrap();
    let number = next_journal(dir.path());
    let mut record = Record::default();
    record.add(&body(2), Some(&noise(2, 3000)));
    record.add(b"Zlast", Some(b"1"));
    let places = Places::in_dir(dir.path());
    Journal::create(&places, number).unwrap().append(&mut record).unwrap();
    for _ in 0..6 {
        let tables = open::Tables::open(&places, &places.live).unwrap();
        checkpointer::replay_until(&tables, &places, 2);
    }
    let store = open(dir.path());
    assert_eq!(store.get(&body(1)).unwrap(), Some(noise(1, 3000)));
    assert_eq!(store.get(&body(2)).unwrap(), Some(noise(2, 3000)));
}
