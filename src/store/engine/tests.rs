//! What can only be set up from within: crashes between two writes, and other versions' databases.

use tempfile::TempDir;

use super::journal::Change;
use super::*;

fn open(dir: &Path) -> Store {
    Store::open(dir, Settings::default()).unwrap()
}

fn fresh() -> (TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    (dir, store)
}

/// Chunks, and marks of garbage.
fn left_over(store: &Store) -> (usize, usize) {
    let tables = &store.inner.tables;
    (tables.chunks.len(), tables.state.scan_prefix(GARBAGE).count())
}

#[test]
fn replaced_deleted_and_refused_values_leave_nothing_behind() {
    let (_dir, store) = fresh();
    let put = |len: usize| Tx::new().put("a", vec![1; len]);
    store.transact(&put(4 * value::CHUNK)).unwrap();
    store.transact(&put(2 * value::CHUNK)).unwrap();
    assert_eq!(left_over(&store), (2, 0));
    // The guard is only found to fail once the chunks are written.
    let plan = Tx::new().guard("a", None).put("b", vec![2; 9000]);
    let plan = Plan::of(&plan).unwrap();
    let heads = store.write_chunks(&plan).unwrap();
    assert_eq!(left_over(&store), (5, 1));
    assert!(!store.exclusive(|writer| apply(writer, &store.inner.tables, &plan, heads)).unwrap());
    assert_eq!(left_over(&store), (2, 0));
    store.transact(&Tx::new().delete("a")).unwrap();
    assert_eq!(left_over(&store), (0, 0));
}

#[test]
fn chunks_without_their_head_are_removed_at_the_next_start() {
    let (dir, store) = fresh();
    store.transact(&Tx::new().put("kept", vec![1; 7000])).unwrap();
    store.write_value(&vec![2; 70_000]).unwrap();
    assert_eq!(left_over(&store), (3 + 23, 1));
    store.close().unwrap();
    let store = open(dir.path());
    assert_eq!(left_over(&store), (3, 0));
    assert_eq!(store.get(b"kept").unwrap(), Some(vec![1; 7000]));
}

/// A crash after each single write of a transaction that needs a record of several parts.
#[test]
fn a_transaction_cut_anywhere_is_whole_or_absent() {
    let changes: Vec<Change> =
        (0..6u8).map(|n| (vec![b'k', n], (n != 3).then(|| value::inline(&[n; 1500])))).collect();
    let parts = 3;
    for cut in 0..=parts + changes.len() {
        let (dir, store) = fresh();
        let old = vec![9; 1500];
        let before = (0..6u8).fold(Tx::new(), |tx, n| tx.put([b'k', n], old.clone()));
        store.transact(&before).unwrap();
        let tables = &store.inner.tables;
        if cut < parts {
            // The parts come first, the record that makes them count last.
            for part in 0..cut {
                tables.journal.insert(u32::try_from(part + 1).unwrap().to_be_bytes(), "part").unwrap();
            }
        } else {
            store.exclusive(|writer| journal::record(writer, tables, &changes)).unwrap();
            assert_eq!(tables.journal.len(), parts);
            for (key, entry) in &changes[..cut - parts] {
                store.exclusive(|writer| writer.write(&tables.state, key, entry.as_deref())).unwrap();
            }
        }
        store.close().unwrap();

        let store = open(dir.path());
        for n in 0..6u8 {
            let new = (n != 3).then(|| vec![n; 1500]);
            let expected = if cut < parts { Some(old.clone()) } else { new };
            assert_eq!(store.get(&[b'k', n]).unwrap(), expected, "cut {cut}, key {n}");
        }
        // The next one is not disturbed by what was left.
        store.transact(&Tx::new().put("a", "1").put("b", "2")).unwrap();
        assert_eq!(store.inner.tables.journal.get([0; 4]).unwrap(), None);
    }
}

#[test]
fn after_a_panic_nobody_writes_and_the_next_start_finishes() {
    let (dir, store) = fresh();
    let changes =
        vec![(b"a".to_vec(), Some(value::inline(b"1"))), (b"b".to_vec(), Some(value::inline(b"2")))];
    let tables = &store.inner.tables;
    let broken = store.exclusive::<()>(|writer| {
        journal::record(writer, tables, &changes)?;
        writer.write(&tables.state, &changes[0].0, changes[0].1.as_deref())?;
        panic!("within a transaction");
    });
    assert!(matches!(broken, Err(StoreError::Broken(_))));
    assert!(store.transact(&Tx::new().put("c", "3").put("d", "4")).is_err());
    assert!(store.accepting().is_err());
    drop(store);
    let store = open(dir.path());
    assert_eq!(store.get(b"b").unwrap(), Some(b"2".to_vec()));
    assert_eq!(store.get(b"c").unwrap(), None);
}

#[test]
fn a_newer_format_is_refused_and_untouched() {
    let (dir, store) = fresh();
    store.transact(&Tx::new().put("a", "1")).unwrap();
    assert!(store.inner.tables.set_format(open::FORMAT + 1).is_ok());
    store.close().unwrap();
    let refused = Store::open(dir.path(), Settings::default()).err().unwrap();
    assert!(matches!(refused, OpenError::Newer { found, .. } if found == open::FORMAT + 1), "{refused:?}");
    assert!(refused.to_string().contains("newer version"), "{refused}");
}

#[test]
fn a_lost_part_of_a_value_is_said_not_guessed() {
    let (_dir, store) = fresh();
    store.transact(&Tx::new().put("a", vec![1; 7000])).unwrap();
    let (key, _) = store.inner.tables.chunks.first().unwrap().unwrap();
    store.inner.tables.chunks.insert(&key, "other").unwrap();
    assert!(matches!(store.get(b"a"), Err(StoreError::Unreadable(_))));
    store.inner.tables.chunks.remove(&key).unwrap();
    assert!(matches!(store.get(b"a"), Err(StoreError::Unreadable(_))));
}

/// No entry may be so large that sixteen of them leave the log.
#[test]
fn no_entry_is_large() {
    let (dir, store) = fresh();
    for len in [value::CHUNK, value::CHUNK + 1, 100_000] {
        let tx = (0..20).fold(Tx::new(), |tx, n| tx.put(format!("{len}/{n}"), vec![1; len]));
        store.transact(&tx).unwrap();
    }
    let tables = &store.inner.tables;
    for tree in [&tables.state, &tables.chunks, &tables.journal] {
        for entry in tree {
            assert!(entry.unwrap().1.len() <= value::CHUNK + 1);
        }
    }
    assert_eq!(std::fs::read_dir(dir.path().join("sled/blobs")).map_or(0, Iterator::count), 0);
}
