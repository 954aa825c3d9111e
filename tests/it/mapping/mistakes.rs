//! Every kind of mistake: a faulty file and its findings.

mod expressions;
mod files;
mod rules;
mod yaml;

use goodays_salesforce::mapping::{Mapping, Source, codes};

use super::{case_with, shipped, with};

/// The findings about a set of files, one of which is faulty.
fn said(sources: Vec<Source>) -> (Vec<&'static str>, String) {
    let found = match Mapping::from_sources(sources) {
        Ok((_, warnings)) => warnings,
        Err(found) => found,
    };
    let rendered: Vec<String> = found.iter().map(goodays_salesforce::mapping::Diagnostic::render).collect();
    (found.iter().map(|one| one.code).collect(), rendered.join("\n"))
}

/// The findings when a shipped file has this text instead. `code` must be among them.
fn mistake(code: &str, file: &str, text: &str) -> String {
    let mut sources = with(file, text);
    if !sources.iter().any(|source| source.name.ends_with(file)) {
        sources.push(Source { name: format!("mappings/{file}"), text: text.to_owned() });
    }
    checked(code, sources)
}

/// The same for the fields of a case mapping.
fn fields(code: &str, text: &str) -> String {
    mistake(code, "case.yaml", &case_with(text))
}

fn checked(code: &str, sources: Vec<Source>) -> String {
    let (codes, said) = said(sources);
    assert!(codes.contains(&code), "{code} is not among {codes:?}:\n{said}");
    assert_eq!(said.matches("= help: ").count(), codes.len(), "each says what to do:\n{said}");
    said
}

#[test]
fn every_code_has_a_wrong_file() {
    let tests = [
        include_str!("mistakes/expressions.rs"),
        include_str!("mistakes/files.rs"),
        include_str!("mistakes/rules.rs"),
        include_str!("mistakes/yaml.rs"),
    ]
    .concat();
    let tested = |code: &str| {
        ["fields", "mistake", "checked"]
            .iter()
            .any(|with| tests.contains(&format!("snapshot!({with}(\"{code}\"")))
            || super::silent::is_shown(code)
    };
    let without: Vec<_> = codes().iter().filter(|code| !tested(code)).collect();
    assert!(without.is_empty(), "no wrong file for {without:?}");
}

#[test]
fn codes_are_told_apart() {
    let mut all = codes().to_vec();
    all.extend(goodays_salesforce::config::codes());
    all.sort_unstable();
    all.dedup();
    let own = codes().iter().filter(|code| code.starts_with('M')).count();
    let shared = codes().len() - own;
    assert_eq!(all.iter().filter(|code| code.starts_with('M')).count(), own);
    assert_eq!(all.iter().filter(|code| code.starts_with('Y')).count(), shared);
}

/// A mistake in one file does not hide those in another.
#[test]
fn all_files_are_told_at_once() {
    let mut sources = shipped().sources().to_vec();
    for source in &mut sources {
        source.text = "a: [b\n".to_owned();
    }
    assert_eq!(said(sources).0, ["Y001", "Y001", "Y001"]);
}
