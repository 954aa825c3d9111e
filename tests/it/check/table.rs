//! docs/checks.md has each code of the source, once, and no other.

use std::collections::BTreeSet;
use std::path::Path;

use goodays_salesforce::{check, config, mapping, mapping_tests};

use crate::shape::{code, files};

const TABLE: &str = include_str!("../../../docs/checks.md");
const FRENCH: &str = include_str!("../../../src/web/pages/words/mistakes.fr.ftl");

fn is_code(word: &str) -> bool {
    let letter = word.starts_with(['C', 'D', 'G', 'M', 'S', 'T', 'Y']);
    letter && word.len() == 4 && word[1..].bytes().all(|digit| digit.is_ascii_digit())
}

/// Literals in the source that look like a code.
fn in_source() -> BTreeSet<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = in_rooms(&["check", "config", "document", "mapping"]);
    found.extend(in_text(&code(&root.join("mapping_tests.rs"))));
    found
}

fn in_rooms(rooms: &[&str]) -> BTreeSet<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    rooms.iter().flat_map(|room| files(&root.join(room))).flat_map(|file| in_text(&code(&file))).collect()
}

fn in_text(text: &str) -> BTreeSet<String> {
    let literals = text.split('"').skip(1).step_by(2);
    literals.filter(|word| is_code(word)).map(str::to_owned).collect()
}

#[test]
fn every_code_is_in_the_table_and_no_other() {
    let rows = TABLE.lines().filter_map(|line| line.strip_prefix("| ")?.split(" |").next());
    let told: Vec<&str> = rows.filter(|cell| is_code(cell)).collect();
    let mut sorted: BTreeSet<String> = told.iter().map(|code| (*code).to_owned()).collect();
    assert_eq!(sorted.len(), told.len(), "a code stands twice");
    assert_eq!(sorted, in_source());
    let lists = [check::codes(), config::codes(), mapping::codes(), mapping_tests::codes()];
    for code in lists.iter().flat_map(|list| list.iter()) {
        assert!(in_source().contains(*code), "{code}");
        sorted.remove(*code);
    }
    assert!(sorted.is_empty(), "in no list of codes: {sorted:?}");
}

/// A refused edit shows what reading the files finds, and what the org lacks.
#[test]
fn every_code_of_a_refused_edit_is_told_in_french() {
    let mut shown = in_rooms(&["document", "mapping"]);
    shown.extend(check::REFUSED_WHEN_SAVED.map(str::to_owned));
    let lines = FRENCH.lines().filter_map(|line| line.split_once(" = "));
    let told: BTreeSet<&str> =
        lines.filter(|(_, sentence)| !sentence.trim().is_empty()).map(|(name, _)| name).collect();
    let wanted = shown.iter().flat_map(|code| ["means", "do"].map(|what| format!("{code}-{what}")));
    let wanted: BTreeSet<String> = wanted.collect();
    assert_eq!(told, wanted.iter().map(String::as_str).collect());
}

/// Each row states a meaning and a remedy.
#[test]
fn each_row_has_its_three_cells() {
    for line in TABLE.lines().filter(|line| line.strip_prefix("| ").is_some_and(|row| is_code(&row[..4]))) {
        let cells = line.replace("\\|", "").split('|').filter(|cell| !cell.trim().is_empty()).count();
        assert_eq!(cells, 3, "{line}");
    }
}
