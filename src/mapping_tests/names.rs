//! Names of fields that a test expects. One that no rule writes is never written, whatever becomes of the mappings.

use serde_json::Value;

use super::NO_TEST;
use super::read::Test;
use crate::document::diagnostic::{Diagnostic, Page, Place, Severity, suggest};
use crate::mapping::{FieldRules, Mapping};

/// A finding for each name that no rule writes. `source`: the text of the test's file.
pub fn unknown(test: &Test, source: &str, mapping: &Mapping) -> Vec<Diagnostic> {
    let page = Page::new(test.file.as_str(), source);
    let mut found = Vec::new();
    let of_case = of_case(mapping);
    for (name, expected) in &test.expect.fields {
        found.extend(strange(&page, name, &expected.at, &of_case));
    }
    let of_comment = of_comment(mapping);
    for comment in test.expect.comments.iter().flat_map(|comments| &comments.value) {
        let Value::Object(fields) = &comment.value else { continue };
        found.extend(fields.keys().filter_map(|name| strange(&page, name, &comment.at, &of_comment)));
    }
    found
}

fn strange(page: &Page, name: &str, at: &Place, known: &[String]) -> Option<Diagnostic> {
    if known.iter().any(|known| known == name) {
        return None;
    }
    let message = format!("no rule writes `{name}`, so this tests nothing");
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    Some(page.finding(Severity::Error, NO_TEST, at, message).with_help(suggest(name, &known)))
}

fn names(rules: &[FieldRules]) -> impl Iterator<Item = String> {
    rules.iter().flat_map(|rules| [rules.full_name(), rules.field.clone()])
}

fn of_case(mapping: &Mapping) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for case in mapping.case_mappings() {
        all.extend(names(case.field_rules()));
        all.extend([case.key_field.clone(), case.marker_field.clone()]);
        all.extend(case.matching.iter().map(|matching| matching.object.case_field().to_owned()));
    }
    all.sort();
    all.dedup();
    all
}

fn of_comment(mapping: &Mapping) -> Vec<String> {
    let comment = mapping.comment();
    let mut all: Vec<String> = names(comment.field_rules()).collect();
    all.push(comment.parent_field.clone());
    all.sort();
    all.dedup();
    all
}
