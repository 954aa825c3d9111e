//! The catalogues are compared with each other and with the source.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use super::*;

/// The messages of a catalogue: name, text, and the names of its arguments.
fn messages(text: &str) -> BTreeMap<String, (String, BTreeSet<String>)> {
    let mut found = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty()) {
        let (id, value) = line.split_once(" = ").unwrap_or_else(|| panic!("one message a line: {line}"));
        let args = value.split("{ $").skip(1).filter_map(|rest| rest.split(" }").next());
        let args = args.map(str::to_owned).collect();
        assert!(found.insert(id.to_owned(), (value.to_owned(), args)).is_none(), "{id} is there twice");
    }
    found
}

#[test]
fn both_languages_have_the_same_messages_with_the_same_arguments() {
    let (en, fr) = (messages(include_str!("../en.ftl")), messages(include_str!("../fr.ftl")));
    assert_eq!(en.keys().collect::<Vec<_>>(), fr.keys().collect::<Vec<_>>());
    for (id, (text, args)) in &en {
        let (french, of_french) = &fr[id];
        assert_eq!(args, of_french, "{id}");
        assert_ne!(text, french, "{id} is still in English");
    }
}

/// Words that no French sentence has.
#[test]
fn no_english_is_left_in_french() {
    let english = [" the ", " is ", " was ", " of ", " and ", " to ", "The ", " not ", " it ", "Please"];
    for (id, (text, _)) in messages(include_str!("../fr.ftl")) {
        let left = english.iter().find(|word| text.contains(**word));
        assert_eq!(left, None, "{id}: {text}");
    }
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|x| x == "rs") && !path.ends_with("words.rs") {
            found.push(path);
        }
    }
}

/// Each message that the source names is in the catalogue, and each message of the catalogue is said somewhere.
#[test]
fn the_source_says_what_the_catalogue_has() {
    let mut paths = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut paths);
    let mut said = BTreeSet::new();
    for path in paths {
        let text = fs::read_to_string(path).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap();
        for (before, _) in code.match_indices("Words::new(") {
            let rest = code[before..].trim_start_matches("Words::new(").trim_start();
            said.extend(rest.strip_prefix('"').and_then(|rest| rest.split('"').next()).map(str::to_owned));
        }
    }
    let known: BTreeSet<String> = messages(include_str!("../en.ftl")).into_keys().collect();
    assert_eq!(said.difference(&known).collect::<Vec<_>>(), Vec::<&String>::new(), "in no catalogue");
    assert_eq!(known.difference(&said).collect::<Vec<_>>(), Vec::<&String>::new(), "said nowhere");
}

#[test]
fn arguments_and_times_are_shown() {
    let words = Words::new("newer-feedback").with("case", "00001002");
    let fr = Messages::new(Language::Fr);
    let expected = "Le client a laissé un avis plus récent : merci de répondre sur la requête 00001002.";
    assert_eq!(fr.say(&words), expected);
    assert_eq!(fr.time_of_day(1_580_897_400_000), "10:10:00 UTC");
    let paris = TimeZone::get("Europe/Paris").unwrap();
    assert_eq!(fr.in_zone(paris).time_of_day(1_580_897_400_000), "11:10:00");
}
