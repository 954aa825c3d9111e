//! The mapping tests, as findings. They are warnings: the daemon does not read the tests, so no feedback waits.

use super::report::{Area, Report};
use crate::config::Config;
use crate::mapping::{Mapping, Severity};
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
            let found = report.warn(Area::Mapping, FAILS, one.line()).help(
                "`goodays-salesforce test` shows the difference with the rule's line: mend the rule, or the test",
            );
            found.at.clone_from(&one.rule);
            found.about(format!("{}: {}", test.file, one.what));
        }
    }
    for mut mistake in results.mistakes {
        mistake.severity = Severity::Warning;
        report.diagnostic(Area::Mapping, mistake);
    }
}
