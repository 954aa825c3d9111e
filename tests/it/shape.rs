//! The modules and what they may use (docs/architecture.md), checked in the source.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// A module, and the names that its files must not contain.
const MUST_NOT_NAME: [(&str, &[&str]); 10] = [
    (
        "src/goodays",
        &["crate::salesforce", "crate::state", "crate::decide", "crate::workers", "sled", "crate::clock"],
    ),
    ("src/salesforce", &["crate::goodays", "crate::state", "crate::decide", "crate::workers", "sled"]),
    (
        "src/mapping",
        &["crate::goodays", "crate::salesforce", "crate::state", "crate::workers", "sled", "reqwest"],
    ),
    (
        "src/decide",
        &["async fn", "reqwest", "sled", "tracing", "crate::state", "crate::workers", "Clock", "::client"],
    ),
    ("src/state", &["reqwest", "axum", "crate::workers", "crate::web", "http::"]),
    ("src/web", &["salesforce::client", "goodays::client", "crate::decide", "sled"]),
    ("src/sim", &["crate::goodays", "crate::salesforce", "crate::decide", "crate::state", "crate::workers"]),
    ("src/workers", &["sled::", "axum", "anyhow", "crate::web"]),
    ("src/operator", &["sled::", "axum", "anyhow", "crate::web"]),
    ("src/config", &["crate::workers", "crate::state", "anyhow"]),
];

pub fn files(room: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(room).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|x| x == "rs") {
            found.push(path);
        }
    }
    found
}

/// Production code only: without comments, and without the items behind `#[cfg(test)]`.
pub fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let mut lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    let mut kept = Vec::new();
    while let Some(line) = lines.next() {
        if line.trim() == "#[cfg(test)]" {
            skip_item(&mut lines);
        } else {
            kept.push(line);
        }
    }
    kept.join("\n")
}

/// Goes past one item. Its last line is known by its indentation, as all code here is formatted.
fn skip_item<'t>(lines: &mut impl Iterator<Item = &'t str>) {
    let Some(first) = lines.find(|line| !line.trim_start().starts_with("#[")) else { return };
    let indent = &first[..first.len() - first.trim_start().len()];
    let ends = |line: &str| line.strip_prefix(indent).is_some_and(|rest| rest.starts_with('}'));
    if !first.ends_with([';', ',']) && !first.trim_end().ends_with('}') {
        lines.find(|line| ends(line));
    }
}

#[test]
fn code_behind_a_test_item_is_seen() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (file, lines) in
        [("src/decide/outcome.rs", 200), ("src/state/embedded/mod.rs", 300), ("src/json.rs", 50)]
    {
        let code = code(&root.join(file));
        assert!(code.lines().count() > lines, "{file}: {} lines", code.lines().count());
        assert!(!code.contains("#[test]"), "{file}");
    }
}

#[test]
fn each_room_knows_only_what_it_may() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut broken = Vec::new();
    for (room, words) in MUST_NOT_NAME {
        for file in files(&root.join(room)) {
            let code = code(&file);
            let named = words.iter().filter(|w| code.contains(**w));
            broken.extend(named.map(|w| format!("{} names {w}", file.strip_prefix(root).unwrap().display())));
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn only_the_store_knows_the_database() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let knowing = |p: &PathBuf| code(p).contains("sled::");
    let strangers: Vec<PathBuf> = files(&root.join("src"))
        .into_iter()
        .filter(knowing)
        .filter(|p| !p.starts_with(root.join("src/state")))
        .collect();
    assert!(strangers.is_empty(), "{strangers:?}");
}

/// The interface of the store speaks of records. What is below it (transactions, keys, the database) is its own matter.
#[test]
fn only_the_store_builds_transactions_and_knows_keys() {
    const WORDS: [&str; 4] = ["Tx", "keys::", "state::engine", ".engine().unwrap()"];
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let named = |code: &str, word: &str| {
        let part = |c: char| c.is_alphanumeric() || c == '_';
        code.match_indices(word).any(|(at, _)| {
            let (before, after) = (&code[..at], &code[at + word.len()..]);
            // `document::keys` are the keys of a YAML file.
            let other = before.ends_with("document::") || before.ends_with(part);
            !other && (word.ends_with(':') || !after.starts_with(part))
        })
    };
    let mut broken = Vec::new();
    for file in files(&root.join("src")).into_iter().filter(|p| !p.starts_with(root.join("src/state"))) {
        let code = code(&file);
        let found = WORDS.iter().filter(|word| named(&code, word));
        broken.extend(found.map(|word| format!("{} names {word}", file.display())));
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn retry_intervals_are_computed_in_one_place() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let uses = |p: &PathBuf| code(p).contains("backoff::");
    let found: Vec<PathBuf> = files(&root.join("src")).into_iter().filter(uses).collect();
    assert_eq!(found, [root.join("src/workers/runtime/retry.rs")]);
}

/// Files of the workers that read an answer of a remote for a fact (an account's name, an expired cursor),
/// and the circuit breaker, which only pauses.
const READ_FACTS: [&str; 11] = [
    "runtime/circuit_breaker.rs",
    "runtime/org_identity.rs",
    "poll/mod.rs",
    "poll/page.rs",
    "delivery/facts.rs",
    "delivery/limits.rs",
    "delivery/reread.rs",
    "delivery/users.rs",
    "housekeeping/reload.rs",
    "stale_state.rs",
    "sweep.rs",
];

/// A worker applies what `decide` has chosen. It does not choose itself by a verdict or a failure, and has no reason for
/// parking of its own.
#[test]
fn what_an_answer_leads_to_is_decided_in_decide() {
    let workers = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/workers");
    let mut choosing = Vec::new();
    for file in files(&workers) {
        let code = code(&file);
        let name = file.strip_prefix(&workers).unwrap().to_str().unwrap().to_owned();
        let verdict = ["Verdict", "classify("].iter().any(|word| code.contains(word));
        let failure = ["Failure::Refused", "Failure::NoAnswer", "Failure::Road", "may_have_been_done"];
        let by_failure =
            failure.iter().any(|word| code.contains(word)) && !READ_FACTS.contains(&name.as_str());
        let parks = code.split(".park(").skip(1).any(|call| {
            let call = call.split(')').next().unwrap_or_default();
            call.contains('"')
        });
        if verdict || by_failure || parks {
            choosing.push(name);
        }
    }
    assert!(choosing.is_empty(), "{choosing:?}");
}

/// Each queue, page and body has a bound with a name.
#[test]
fn no_bound_is_the_largest_number() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let unbounded = |file: &PathBuf| {
        let code = code(file);
        ["usize::MAX", "unbounded_channel", "mpsc::channel()"].iter().any(|word| code.contains(word))
    };
    // The storage engine checks lengths against its files.
    let found: Vec<PathBuf> = files(&src)
        .into_iter()
        .filter(|file| !file.starts_with(src.join("state")) && unbounded(file))
        .collect();
    assert!(found.is_empty(), "{found:?}");
}

/// A mutant without code breaks nothing, so its test would seem to catch nothing.
#[test]
fn each_mutant_is_in_the_source_and_in_the_list() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let script = fs::read_to_string(root.join("tests/mutants")).unwrap();
    let list = script.split("mutants='").nth(1).and_then(|rest| rest.split('\'').next()).unwrap();
    let listed: BTreeSet<&str> = list.lines().filter_map(|line| line.split_whitespace().next()).collect();
    let source: String = files(&root.join("src")).iter().map(|file| code(file)).collect();
    let named = source.split("mutant::is_on(\"").skip(1).filter_map(|rest| rest.split('"').next());
    assert_eq!(named.collect::<BTreeSet<_>>(), listed);
}

/// The page names functions; a function that moved is found by this test, not by a newcomer.
#[test]
fn the_functions_that_the_architecture_page_names_are_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("docs/architecture.md")).unwrap();
    let mut named = 0;
    for line in page.lines().filter(|line| line.contains("](../src/")) {
        let function = line.split('`').rev().nth(1).unwrap();
        let path = line.split("](../").nth(1).and_then(|rest| rest.split(')').next()).unwrap();
        let source = fs::read_to_string(root.join(path)).unwrap_or_else(|_| panic!("{path}"));
        let found = ["(", "<"].iter().any(|after| source.contains(&format!("fn {function}{after}")));
        assert!(found, "{path} has no {function}");
        named += 1;
    }
    assert!(named >= 15, "{named}");
}

#[test]
fn the_files_of_the_source_that_pages_name_are_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let pages = fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let pages = pages.filter(|path| path.extension().is_some_and(|x| x == "md"));
    let mut named = 0;
    for page in pages.chain(["CONTRIBUTING.md", "README.md"].map(|name| root.join(name))) {
        let text = fs::read_to_string(&page).unwrap();
        for (at, _) in text.match_indices("`src/") {
            let path = text[at + 1..].split('`').next().unwrap();
            assert!(root.join(path).exists(), "{} names {path}", page.display());
            named += 1;
        }
    }
    assert!(named >= 10, "{named}");
}

/// Which rooms of the source each room names.
fn rooms() -> BTreeMap<String, BTreeSet<String>> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut named: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for file in files(&src) {
        let first = file.strip_prefix(&src).unwrap().components().next().unwrap();
        let room = first.as_os_str().to_str().unwrap().trim_end_matches(".rs").to_owned();
        if file.components().any(|part| part.as_os_str() == "tests") {
            continue;
        }
        let source = code(&file);
        let others = source.split("crate::").skip(1).flat_map(|rest| {
            let list = rest.strip_prefix('{').and_then(|list| list.split(';').next()).unwrap_or(rest);
            let count = if rest.starts_with('{') { usize::from(u8::MAX) } else { 1 };
            list.split(',').take(count)
        });
        let name = |one: &str| {
            one.trim().split(|c: char| !(c.is_alphanumeric() || c == '_')).next().unwrap().to_owned()
        };
        let others = others.map(name).filter(|other| *other != room);
        named.entry(room.clone()).or_default().extend(others);
    }
    let known: BTreeSet<String> = named.keys().cloned().collect();
    for others in named.values_mut() {
        others.retain(|other| known.contains(other));
    }
    named
}

#[test]
fn no_two_rooms_need_each_other() {
    let rooms = rooms();
    assert!(rooms["decide"].contains("mapping") && rooms.len() > 20, "{rooms:?}");
    let reached = |from: &str| {
        let (mut found, mut next) = (BTreeSet::new(), vec![from.to_owned()]);
        while let Some(room) = next.pop() {
            for other in rooms.get(&room).into_iter().flatten() {
                if found.insert(other.clone()) {
                    next.push(other.clone());
                }
            }
        }
        found
    };
    let circles: Vec<&String> = rooms.keys().filter(|room| reached(room).contains(*room)).collect();
    assert!(circles.is_empty(), "{circles:?}");
}
