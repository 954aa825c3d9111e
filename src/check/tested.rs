//! The mapping tests, as findings.

use super::report::{Area, Report};
use crate::config::Config;
use crate::mapping::Mapping;
use crate::mapping_tests::{FAILS, Results};
use crate::workers::perimeter;

/// Runs the tests of the mappings' folder. Without tests nothing is reported.
pub fn check(config: &Config, mapping: &Mapping, report: &mut Report) {
    let results = Results::of(&config.mappings, mapping, &perimeter(config));
    if results.passed() {
        if !results.tests.is_empty() {
            report.ok(Area::Mapping, format!("{} mapping tests pass", results.tests.len()));
        }
        return;
    }
    for test in results.failed() {
        for one in &test.differences {
            let found = report.error(Area::Mapping, FAILS, one.line()).help(
                "`goodays-salesforce test` shows the difference with the rule's line: mend the rule, or the test",
            );
            found.at.clone_from(&one.rule);
            found.about(format!("{}: {}", test.file, one.what));
        }
    }
    report.diagnostics(Area::Mapping, results.mistakes);
}
