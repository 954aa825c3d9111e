//! The guide's examples can be copied.

use goodays_salesforce::mapping::{Diagnostic, Mapping, codes};

use super::{case_with, with};

const GUIDE: &str = include_str!("../../../docs/mappings.md");

/// The blocks that begin with "```yaml" and a word, with that word.
fn examples() -> Vec<(&'static str, &'static str)> {
    let blocks = GUIDE.split("```yaml ").skip(1);
    blocks
        .map(|block| {
            let (word, rest) = block.split_once('\n').expect("a word and a block");
            (word, rest.split("```").next().unwrap_or_default())
        })
        .collect()
}

#[test]
fn every_example_loads() {
    let examples = examples();
    assert!(examples.len() > 7, "the guide has examples");
    for (word, text) in examples {
        let sources = match word {
            "fields" => with("case.yaml", &case_with(text.trim_end())),
            file => with(&format!("{file}.yaml"), text),
        };
        let found = match Mapping::from_sources(sources) {
            Ok((_, warnings)) => warnings,
            Err(found) => found,
        };
        let said: Vec<String> = found.iter().map(Diagnostic::render).collect();
        assert!(said.is_empty(), "{}\n{text}", said.join("\n"));
    }
}

#[test]
fn every_code_is_explained() {
    let without: Vec<_> = codes().iter().filter(|code| !GUIDE.contains(&format!("| {code} |"))).collect();
    assert!(without.is_empty(), "no line for {without:?}");
}
