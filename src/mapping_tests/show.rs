//! Results as text.

use std::fmt::Write as _;

use super::{Difference, Results, Tested};

pub fn results(results: &Results) -> String {
    let mut out = String::new();
    for mistake in &results.mistakes {
        let _ = writeln!(out, "{}\n", mistake.render());
    }
    for test in results.failed() {
        failed(&mut out, test);
    }
    let (all, failed) = (results.tests.len(), results.failed().count());
    if all == 0 && results.mistakes.is_empty() {
        return "There are no mapping tests: `plan EVENT.json --update NAME` writes one.\n".to_owned();
    }
    let _ = writeln!(out, "{} passed, {} failed", all - failed, failed + results.mistakes.len());
    out
}

fn failed(out: &mut String, test: &Tested) {
    let _ = writeln!(out, "FAILED {}: {}\n", test.file, test.about);
    for one in &test.differences {
        let _ = writeln!(out, "  {}, expected at {}", one.what, place(&one.at.to_string()));
        if let Some(rule) = &one.rule {
            let quoted = one.rule_text.as_ref().map(|line| format!(": {line}")).unwrap_or_default();
            let _ = writeln!(out, "    by the rule at {}{quoted}", place(rule));
        }
        for (sign, text) in [('-', &one.expected), ('+', &one.found)] {
            for line in text.lines() {
                let _ = writeln!(out, "    {sign} {line}");
            }
        }
        out.push('\n');
    }
}

pub fn line(one: &Difference) -> String {
    let Difference { what, at, expected, found, rule, .. } = one;
    let rule = rule.as_ref().map(|rule| format!(" by the rule at {}", place(rule))).unwrap_or_default();
    format!("{}: {what}: expected {expected:?}, found {found:?}{rule}", place(&at.to_string()))
}

/// `file:line`, taken from `file:line:column`.
fn place(at: &str) -> &str {
    let is_column = |(_, column): &(&str, &str)| column.chars().all(|c| c.is_ascii_digit());
    at.rsplit_once(':').filter(is_column).map_or(at, |(line, _)| line)
}
