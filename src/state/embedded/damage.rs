//! What a flipped bit, a zeroed page and a cut cost, in each kind of file of the state folder.
//!
//! Each state is damaged in one place and opened. It must open by itself; nothing may be wrong, only missing; and what is
//! missing must be said: by an error for its record, or by [`Store::is_incomplete`].

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::state::embedded::open::{Places, Tables};
use crate::state::embedded::{Settings, Store, StoreError, Tx};

const PAGE: usize = 4096;
/// Places in each file.
const PLACES: usize = 12;

fn open(dir: &Path) -> Store {
    Store::open(dir, Settings::default()).unwrap()
}

/// Pseudo-random hexadecimal digits.
fn digits(mut seed: u64, len: usize) -> String {
    let mut text = String::new();
    while text.len() < len {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let _ = write!(text, "{:08x}", seed >> 32);
    }
    text
}

type Records = BTreeMap<Vec<u8>, Vec<u8>>;

/// Bodies, actions, headers, links and other records, in groups of five keys.
fn write(store: &Store, records: &mut Records, groups: std::ops::Range<u64>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for n in groups {
        let seq = n.to_be_bytes();
        let link: Vec<u8> = digits(n, 16).into_bytes();
        let group = [
            ([b"P", seq.as_slice()].concat(), digits(n, 3000)),
            ([b"O", seq.as_slice()].concat(), digits(n + 7, 400)),
            ([b"E", seq.as_slice()].concat(), digits(n + 8, 200)),
            ([b"L", link.as_slice()].concat(), digits(n + 9, 400)),
            ([b"M", seq.as_slice()].concat(), digits(n + 10, 50)),
        ];
        let mut tx = Tx::new();
        for (key, value) in group {
            tx.set(key.clone(), value.clone());
            records.insert(key, value.into_bytes());
        }
        store.transact(&tx).unwrap();
        runtime.block_on(store.durable()).unwrap();
    }
}

struct State {
    dir: TempDir,
    records: Records,
}

/// Two lives with a clean end; then perhaps a third that was killed, so that its journal is not in sled.
fn state(killed: bool) -> State {
    let dir = tempfile::tempdir().unwrap();
    let mut records = Records::new();
    for life in 0..2 {
        let store = open(dir.path());
        write(&store, &mut records, life * 40..(life + 1) * 40);
        store.close().unwrap();
    }
    if !killed {
        return State { dir, records };
    }
    let store = open(dir.path());
    write(&store, &mut records, 80..120);
    let copy = tempfile::tempdir().unwrap();
    copy_all(dir.path(), copy.path());
    State { dir: copy, records }
}

pub(in crate::state) fn copy_all(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_all(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            all.extend(files(&entry.path()));
        } else if entry.metadata().unwrap().len() > 0 {
            all.push(entry.path());
        }
    }
    all.sort();
    all
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Damage {
    Flip,
    Zero,
    Cut,
}

const DAMAGES: [Damage; 3] = [Damage::Flip, Damage::Zero, Damage::Cut];

impl Damage {
    fn apply(self, bytes: &mut Vec<u8>, at: usize) {
        match self {
            Self::Flip => bytes[at] ^= 1 << (at % 8),
            Self::Zero => {
                let page = at / PAGE * PAGE;
                let end = (page + PAGE).min(bytes.len());
                bytes[page..end].fill(0);
            }
            Self::Cut => bytes.truncate(at),
        }
    }
}

/// A copy of a closed store in which sled has something else for this key, as a bad disk may give it. No start looks there.
pub(in crate::state) fn spoiled(dir: &Path, key: &[u8]) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    copy_all(dir, copy.path());
    let places = Places::in_dir(copy.path());
    let tables = Tables::open(&places, &places.live).unwrap();
    assert!(tables.state.insert(key, &[u8::MAX]).unwrap().is_some(), "sled does not have it");
    tables.db.flush().unwrap();
    copy
}

/// sled is damaged, and nobody reads that place before old journals are to go: what they alone hold is still there after
/// the next start, because what sled says of it is not believed.
#[tokio::test]
async fn a_damaged_sled_costs_nothing_of_what_only_old_journals_hold() {
    let State { dir, records } = tokio::task::spawn_blocking(|| state(false)).await.unwrap();
    for key in records.keys().filter(|key| key[0] == b'O').step_by(17) {
        let copy = spoiled(dir.path(), key);
        let store = open(copy.path());
        assert!(store.retire(i64::MAX).await.is_err());
        let _ = store.close();
        let store = open(copy.path());
        assert!(copy.path().join("sled.damaged-1").exists() && !store.is_incomplete());
        // A link is read from Salesforce again.
        for (key, value) in records.iter().filter(|(key, _)| key[0] != b'L') {
            assert_eq!(store.get(key).unwrap().as_ref(), Some(value), "{key:?}");
        }
    }
}

/// Counts the records that are missing or damaged. Panics on one that is wrong.
fn missing(store: &Store, records: &Records) -> (usize, usize) {
    let (mut silent, mut said) = (0, 0);
    for (key, value) in records {
        match store.get(key) {
            Ok(Some(found)) => assert_eq!(&found, value, "{key:?}"),
            Ok(None) => silent += 1,
            Err(StoreError::Damaged(_) | StoreError::Rebuild(_)) => said += 1,
            Err(other) => panic!("{other}"),
        }
    }
    (silent, said)
}

/// The kind of a file: journals that sled holds, and the last one.
fn kind(file: &Path, last: &Path) -> &'static str {
    let name = file.file_name().unwrap().to_str().unwrap();
    match name {
        _ if file == last => "last journal",
        _ if name.starts_with("sled.journal") => "older journal",
        "format" => "format",
        _ if file.parent().unwrap().ends_with("sled") => "sled",
        _ => "other",
    }
}

/// What damage cost at most, for one kind of file and of damage.
#[derive(Debug, Default)]
struct Cost {
    states: usize,
    missing: usize,
    after_restart: usize,
}

fn costs(killed: bool) -> BTreeMap<(&'static str, Damage), Cost> {
    let State { dir, records } = state(killed);
    let all = files(dir.path());
    let last = all.iter().rfind(|file| file.to_str().unwrap().contains("journal-")).unwrap();
    let mut costs: BTreeMap<_, Cost> = BTreeMap::new();
    for file in &all {
        let bytes = fs::read(file).unwrap();
        for damage in DAMAGES {
            for place in 0..PLACES.min(bytes.len()) {
                let at = bytes.len() * place / PLACES.min(bytes.len()) + place % 7;
                let copy = tempfile::tempdir().unwrap();
                copy_all(dir.path(), copy.path());
                let mut changed = bytes.clone();
                damage.apply(&mut changed, at.min(bytes.len() - 1));
                fs::write(copy.path().join(file.strip_prefix(dir.path()).unwrap()), changed).unwrap();
                let what = format!("{} {damage:?} at {at}", file.display());
                let cost = costs.entry((kind(file, last), damage)).or_default();
                cost.states += 1;
                let mut counts = Vec::new();
                for _ in 0..2 {
                    let store = Store::open(copy.path(), Settings::default())
                        .unwrap_or_else(|error| panic!("{what}: {error}"));
                    let (silent, said) = missing(&store, &records);
                    let end_of_last = kind(file, last) == "last journal" && killed;
                    assert!(
                        silent == 0 || store.is_incomplete() || end_of_last || !counts.is_empty(),
                        "{what}"
                    );
                    counts.push(silent + said);
                    // A damaged sled may refuse its last checkpoint.
                    let _ = store.close();
                }
                cost.missing = cost.missing.max(counts[0]);
                cost.after_restart = cost.after_restart.max(counts[1]);
            }
        }
    }
    costs
}

/// After a clean stop: sled costs nothing that a restart does not bring back, and a journal costs the values that lie in
/// the damaged place only: an event, its body and an action of each record there.
#[test]
fn damage_after_a_clean_stop_costs_what_lay_there() {
    for ((kind, damage), cost) in costs(false) {
        println!("stopped {kind:14} {damage:?}: {cost:?}");
        let most = match (kind, damage) {
            ("sled" | "format" | "other", _) => 0,
            (_, Damage::Flip) => 1,
            // A page has parts of at most two records of 4 KB, with three such values each.
            (_, Damage::Zero) => 6,
            _ => 120,
        };
        assert!(cost.after_restart <= most, "{kind} {damage:?}: {cost:?}");
    }
}

/// After a kill the last journal is not in sled: there a damaged place costs its records, of five keys each.
#[test]
fn damage_after_a_kill_costs_what_lay_there() {
    for ((kind, damage), cost) in costs(true) {
        println!("killed {kind:14} {damage:?}: {cost:?}");
        let most = match (kind, damage) {
            ("sled" | "format" | "other", _) => 0,
            ("last journal", Damage::Flip) => 5,
            ("last journal", Damage::Zero) => 10,
            (_, Damage::Flip) => 1,
            (_, Damage::Zero) => 6,
            _ => 200,
        };
        assert!(cost.after_restart <= most, "{kind} {damage:?}: {cost:?}");
    }
}
