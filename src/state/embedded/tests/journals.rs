//! Journals that are kept: words that lie in them only, their removal, overwriting, and sled made anew from them.

use super::*;

/// The key of an event's body.
pub(super) fn body(n: u64) -> Vec<u8> {
    [b"P".as_slice(), &n.to_be_bytes()].concat()
}

fn words(n: u64) -> Vec<u8> {
    format!("what customer {n} said. ").repeat(400).into_bytes()
}

/// Whether any file of the state folder holds these bytes.
fn on_disk(dir: &Path, text: &str) -> bool {
    contents(dir).values().any(|bytes| bytes.windows(text.len()).any(|part| part == text.as_bytes()))
}

/// A time in the future: everything is older.
const LATER: i64 = i64::MAX;

fn journals(dir: &Path) -> Vec<u64> {
    journal::numbers(&Places::in_dir(dir)).unwrap()
}

#[test]
fn words_lie_in_journals_only_and_are_read_from_there() {
    let (dir, store) = fresh();
    for n in 0..6 {
        store.transact(Tx::new().set(body(n), words(n))).unwrap();
    }
    store.transact(Tx::new().set("Oaction-1", "her answer").set("Nnote-123", "a note")).unwrap();
    store.close().unwrap();
    let store = open(dir.path());
    assert!(store.inner.tables.chunks.is_empty());
    assert_eq!(store.get(&body(3)).unwrap(), Some(words(3)));
    assert_eq!(store.get(b"Oaction-1").unwrap(), Some(b"her answer".to_vec()));
    assert_eq!(store.range(&body(2), &body(4), 9).unwrap(), [(body(2), words(2)), (body(3), words(3))]);
    let guarded = Tx::new().expect(body(3), Some(words(3))).remove(body(3)).clone();
    store.transact(&guarded).unwrap();
    assert_eq!(store.keys(&body(0), &body(9), 9).unwrap(), [body(0), body(1), body(2), body(4), body(5)]);
    store.close().unwrap();
    for text in ["customer 1", "her answer", "a note"] {
        assert!(!on_disk(&dir.path().join("sled"), text), "{text}");
        assert!(on_disk(dir.path(), text), "{text}");
    }
}

/// The disk changes a journal before its checkpoint, or nobody can open it then: sled still gets no words, and the
/// checkpoint does not need it.
#[tokio::test]
async fn words_never_go_into_sled_whatever_the_disk_does_to_their_journal() {
    for gone in [false, true] {
        let (dir, store) = fresh();
        store.transact(Tx::new().set("Oaction-1", "her answer").set("Nnote-123", "a note")).unwrap();
        store.durable().await.unwrap();
        let path = Places::in_dir(dir.path()).journal(*journals(dir.path()).last().unwrap());
        let mut bytes = fs::read(&path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        if gone {
            fs::remove_file(&path).unwrap();
        } else {
            fs::write(&path, bytes).unwrap();
        }
        store.close().unwrap();
        let store = open(dir.path());
        for key in ["Oaction-1", "Nnote-123"] {
            assert!(store.inner.tables.pointer(key.as_bytes()).unwrap().is_some(), "{key}");
        }
        assert!(matches!(store.get(b"Nnote-123"), Err(StoreError::Damaged(_))));
        assert_eq!(store.get(b"Oaction-1").is_ok(), !gone);
    }
}

#[test]
fn a_value_that_the_disk_changed_is_said_not_guessed() {
    let (dir, store) = fresh();
    store.transact(Tx::new().set(body(1), "as it came").set("a", "b")).unwrap();
    store.close().unwrap();
    let [only] = journals(dir.path())[..] else { panic!() };
    let path = Places::in_dir(dir.path()).journal(only);
    let bytes = fs::read(&path).unwrap();
    let at = bytes.windows(10).position(|part| part == b"as it came").unwrap();
    let mut changed = bytes.clone();
    changed[at + 9] = b'E';
    fs::write(&path, changed).unwrap();
    let store = open(dir.path());
    assert!(matches!(store.get(&body(1)), Err(StoreError::Damaged(_))));
    fs::write(&path, &bytes[..at]).unwrap();
    store.close().unwrap();
    let store = open(dir.path());
    assert!(matches!(store.get(&body(1)), Err(StoreError::Damaged(_))));
    assert_eq!(store.get(b"a").unwrap(), Some(b"b".to_vec()));
}

#[tokio::test]
async fn an_old_journal_is_removed_and_what_it_alone_holds_is_kept() {
    let (dir, store) = fresh();
    let last_seq = store.next_seq();
    store.transact(Tx::new().set(body(1), words(1)).set(body(2), words(2)).set("Zold", "x")).unwrap();
    store.transact(Tx::new().set("L0123456789abcdef", "a link").set("Oaction-1", "her answer")).unwrap();
    store.close().unwrap();
    let first = journals(dir.path());
    let store = open(dir.path());
    store.transact(Tx::new().remove(body(1)).set("Zold", "y")).unwrap();
    assert_eq!(store.retire(0).await, Ok(0), "it is young");
    assert_eq!(store.retire(LATER).await, Ok(first.len()));
    assert!(journals(dir.path()).iter().all(|number| !first.contains(number)));
    for _ in 0..2 {
        let store = store.clone();
        assert_eq!(store.get(&body(1)).unwrap(), None);
        assert_eq!(store.get(&body(2)).unwrap(), Some(words(2)));
    }
    store.close().unwrap();
    assert!(!on_disk(dir.path(), "customer 1"));

    // Without sled, only the link is lost.
    fs::remove_dir_all(dir.path().join("sled")).unwrap();
    let store = open(dir.path());
    assert_eq!(store.get(&body(2)).unwrap(), Some(words(2)));
    assert_eq!(store.get(b"Oaction-1").unwrap(), Some(b"her answer".to_vec()));
    assert_eq!(store.get(b"Zold").unwrap(), Some(b"y".to_vec()));
    assert_eq!(store.get(b"L0123456789abcdef").unwrap(), None);
    assert!(store.next_seq() > last_seq, "a number is given once");
}

/// The newest journal stays, and a move may be repeated.
#[tokio::test]
async fn journals_are_retired_again_and_again() {
    let (dir, store) = fresh();
    for round in 0..5u64 {
        store.transact(Tx::new().set(body(round), words(round))).unwrap();
        store.close_journal().await.unwrap();
        store.retire(LATER).await.unwrap();
        store.close_journal().await.unwrap();
        assert!(journals(dir.path()).len() <= 3, "{:?}", journals(dir.path()));
    }
    store.close().unwrap();
    fs::remove_dir_all(dir.path().join("sled")).unwrap();
    let store = open(dir.path());
    for round in 0..5 {
        assert_eq!(store.get(&body(round)).unwrap(), Some(words(round)), "{round}");
    }
}

/// What can be read of a damaged old journal is kept, its unreadable record costs only itself.
#[tokio::test]
async fn a_damaged_journal_loses_nothing_that_sled_still_finds() {
    let (dir, store) = fresh();
    let given = store.next_seq();
    store.transact(Tx::new().set(body(1), words(1)).set("Zone", "1")).unwrap();
    store.durable().await.unwrap();
    store.transact(Tx::new().set(body(2), words(2))).unwrap();
    store.close().unwrap();
    let [only] = journals(dir.path())[..] else { panic!() };
    let path = Places::in_dir(dir.path()).journal(only);
    let mut bytes = fs::read(&path).unwrap();
    // The length of the first record, so that its writes cannot be found.
    bytes[1] ^= 1;
    fs::write(&path, bytes).unwrap();
    let store = open(dir.path());
    assert_eq!(store.retire(LATER).await, Ok(1));
    for n in [1, 2] {
        assert_eq!(store.get(&body(n)).unwrap(), Some(words(n)), "{n}");
    }
    store.close().unwrap();
    // Also without sled.
    fs::remove_dir_all(dir.path().join("sled")).unwrap();
    let store = open(dir.path());
    assert_eq!(store.get(&body(1)).unwrap(), Some(words(1)));
    assert_eq!(store.get(b"Zone").unwrap(), Some(b"1".to_vec()));
    assert!(store.next_seq() > given && !store.is_incomplete());
}

/// A value that the disk changed cannot be written again, and keeps nothing else from being.
#[tokio::test]
async fn a_damaged_value_does_not_keep_its_journal_from_being_removed() {
    let (dir, store) = fresh();
    store.transact(Tx::new().set(body(1), "as it came").set(body(2), words(2))).unwrap();
    store.close().unwrap();
    let [only] = journals(dir.path())[..] else { panic!() };
    let path = Places::in_dir(dir.path()).journal(only);
    let mut bytes = fs::read(&path).unwrap();
    let at = bytes.windows(10).position(|part| part == b"as it came").unwrap();
    bytes[at] ^= 1;
    fs::write(&path, bytes).unwrap();
    let store = open(dir.path());
    assert_eq!(store.retire(LATER).await, Ok(1));
    assert!(matches!(store.get(&body(1)), Err(StoreError::Damaged(_))));
    assert_eq!(store.get(&body(2)).unwrap(), Some(words(2)));
}

#[tokio::test]
async fn what_is_forgotten_is_overwritten_wherever_it_lies() {
    let (dir, store) = fresh();
    for round in 0..3 {
        let answer = format!("her answer {round}");
        store.transact(Tx::new().set("Oaction-1", answer).set(body(round), words(round))).unwrap();
        if round < 2 {
            store.close_journal().await.unwrap();
        }
    }
    let mut tx = Tx::new();
    tx.set("Oaction-1", "done").remove(body(0)).remove(body(2)).wipe_written();
    store.transact(&tx).unwrap();
    assert!(on_disk(dir.path(), "her answer 0"));
    assert_eq!(store.wipe().await, Ok(3));
    assert_eq!(store.wipe().await, Ok(0));
    for text in ["her answer", "customer 0", "customer 2"] {
        assert!(!on_disk(dir.path(), text), "{text}");
    }
    assert_eq!(store.get(&body(1)).unwrap(), Some(words(1)));
    assert_eq!(store.get(b"Oaction-1").unwrap(), Some(b"done".to_vec()));
    store.close().unwrap();
    fs::remove_dir_all(dir.path().join("sled")).unwrap();
    let store = open(dir.path());
    assert!(!store.is_incomplete(), "a journal that was overwritten is whole");
    assert_eq!(store.get(&body(1)).unwrap(), Some(words(1)));
    assert_eq!(store.get(&body(0)).unwrap(), None);
    assert_eq!(store.get(b"Oaction-1").unwrap(), Some(b"done".to_vec()));
}

/// A kill between the transaction and the overwriting.
#[tokio::test]
async fn what_a_crash_left_unwiped_is_wiped_later() {
    let (dir, store) = fresh();
    store.transact(Tx::new().set(body(1), words(1))).unwrap();
    let mut tx = Tx::new();
    tx.remove(body(1)).wipe_written();
    store.transact(&tx).unwrap();
    store.close().unwrap();
    fs::write(dir.path().join("sled.wiping-1"), "half").unwrap();
    let store = open(dir.path());
    assert_eq!(store.wipe().await, Ok(1));
    assert!(!on_disk(dir.path(), "customer 1") && !dir.path().join("sled.wiping-1").exists());
}

/// Damage that was found while running is mended by the next start.
#[test]
fn a_database_that_was_found_damaged_is_made_anew_by_the_next_start() {
    let (dir, store) = fresh();
    store.transact(Tx::new().set(body(1), words(1)).set("Zone", "1")).unwrap();
    store.close().unwrap();
    let places = Places::in_dir(dir.path());
    rebuild::ask(&places.rebuild, "a bad page");
    for _ in 0..2 {
        let store = open(dir.path());
        assert_eq!(store.get(&body(1)).unwrap(), Some(words(1)));
        assert_eq!(store.get(b"Zone").unwrap(), Some(b"1".to_vec()));
        store.close().unwrap();
    }
    assert!(places.damaged(1).exists() && !places.damaged(2).exists() && !places.rebuild.exists());
}

/// sled is put back to an earlier state, as by a lost end of its log: the journals carry it on.
#[tokio::test]
async fn a_database_that_lost_its_end_is_carried_on() {
    for retired in [false, true] {
        let (dir, store) = fresh();
        store.transact(Tx::new().set("Zone", "1").set(body(1), words(1))).unwrap();
        store.close().unwrap();
        let before = contents(&dir.path().join("sled"));
        let store = open(dir.path());
        for n in 2..5 {
            store.transact(Tx::new().set("Zone", format!("{n}")).set(body(n), words(n))).unwrap();
            store.close_journal().await.unwrap();
        }
        if retired {
            store.retire(LATER).await.unwrap();
        }
        store.close().unwrap();
        fs::remove_dir_all(dir.path().join("sled")).unwrap();
        fs::create_dir(dir.path().join("sled")).unwrap();
        for (path, bytes) in before {
            fs::write(path, bytes).unwrap();
        }
        let store = open(dir.path());
        assert_eq!(store.get(b"Zone").unwrap(), Some(b"4".to_vec()));
        for n in 1..5 {
            assert_eq!(store.get(&body(n)).unwrap(), Some(words(n)), "{n}");
        }
        assert!(!store.is_incomplete());
        assert_eq!(Places::in_dir(dir.path()).damaged(1).exists(), retired, "too old to be carried on");
    }
}
