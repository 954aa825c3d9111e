//! Damaged and missing databases are made anew; mostly dead ones are copied.

use super::*;

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

fn compacting() -> Settings {
    Settings { compact_above: 2 << 20, ..Settings::default() }
}

#[test]
fn a_mostly_dead_store_is_copied_small_once() {
    let dir = tempfile::tempdir().unwrap();
    let content = mostly_dead(dir.path());
    let off = Settings { compact: false, ..compacting() };
    let store = Store::open(dir.path(), off).unwrap();
    let (before, last) = (store.disk_bytes(), store.next_seq());
    store.close().unwrap();

    let store = Store::open(dir.path(), compacting()).unwrap();
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
    let folder = || fs::metadata(dir.path().join("sled")).unwrap().ino();
    let before = folder();
    Store::open(dir.path(), compacting()).unwrap();
    assert_eq!(folder(), before, "it was copied");
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_file() {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

/// The folders as a kill leaves them: after half of a copy, after the copy, and after each rename.
#[test]
fn a_compaction_may_be_cut_at_every_step() {
    let dir = tempfile::tempdir().unwrap();
    let content = mostly_dead(dir.path());
    let copied = tempfile::tempdir().unwrap();
    let copy = copied.path().join("state");
    copy_folder(dir.path(), &copy);
    copy_folder(&dir.path().join("sled"), &copy.join("sled"));
    Store::open(&copy, compacting()).unwrap().close().unwrap();

    // Where the database before and its copy are.
    let steps =
        [("sled", "sled.new"), ("sled", "sled.ready"), ("sled.old", "sled.ready"), ("sled.old", "sled")];
    for (step, (before, after)) in [("sled", "")].into_iter().chain(steps).enumerate() {
        let cut = tempfile::tempdir().unwrap();
        let state = cut.path().join("state");
        copy_folder(dir.path(), &state);
        copy_folder(&dir.path().join("sled"), &state.join(before));
        if after.is_empty() {
            fs::create_dir(state.join("sled.new")).unwrap();
            fs::write(state.join("sled.new/db"), "half").unwrap();
        } else {
            copy_folder(&copy.join("sled"), &state.join(after));
        }
        let store = Store::open(&state, compacting()).unwrap();
        assert_eq!(everything(&store), content, "step {step}");
        assert_eq!(names(&state), ["admin.addr", "sled", "sled.lock"], "step {step}");
    }
}
