//! Tests of the mapping files, written by those who edit them: `mappings/tests/*.yaml`.
//!
//! A test names an event, or what an agent did, and what shall come of it. `goodays-salesforce test` and
//! `check --offline` run all of them. Each uses the planner of `run`, without an org and without a store.

mod names;
mod personal;
mod read;
mod run;
mod show;
mod write;

use std::path::Path;

use serde::Serialize;

use crate::decide::Perimeter;
use crate::document::diagnostic::{Diagnostic, Place};
use crate::mapping::Mapping;

pub use write::{GENERATED, written};

/// A value is not as the test expects it.
pub const FAILS: &str = "T001";
/// A test cannot be run.
pub const NO_TEST: &str = "T002";

/// All codes of findings about mapping tests.
pub fn codes() -> &'static [&'static str] {
    &[FAILS, NO_TEST]
}

/// The results of all tests of a folder.
#[derive(Debug, Default, Serialize)]
pub struct Results {
    pub tests: Vec<Tested>,
    /// Mistakes in the test files themselves. Such a test is not run.
    pub mistakes: Vec<Diagnostic>,
}

/// The result of one file.
#[derive(Debug, Serialize)]
pub struct Tested {
    /// As shown, for example `mappings/tests/bad-score.yaml`.
    pub file: String,
    /// What the test shows, in its author's words.
    pub about: String,
    pub differences: Vec<Difference>,
}

/// One value that differs from the expectation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// For example `Priority`, `comment 1, CommentBody` or `action 2`.
    pub what: String,
    /// Where the test says what it expects.
    pub at: Place,
    pub expected: String,
    pub found: String,
    /// `file:line:column` of the rule that decided; none if no rule did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// The rule's line in its file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule_text: Option<String>,
}

impl Results {
    /// Runs the tests in the folder `tests` of the mappings' folder. Without that folder there are none.
    pub fn of(mappings: &Path, mapping: &Mapping, perimeter: &Perimeter) -> Self {
        let mut results = Self::default();
        for (name, text) in read::files(mappings, &mut results.mistakes) {
            let folder = mappings.join(read::FOLDER);
            match read::test(&name, &text, &folder) {
                Ok(test) => {
                    let unknown = names::unknown(&test, &text, mapping);
                    if unknown.is_empty() {
                        results.tests.push(run::test(test, mapping, perimeter));
                    }
                    results.mistakes.extend(unknown);
                }
                Err(found) => results.mistakes.extend(found),
            }
        }
        results
    }

    /// Whether every test could be run and found what it expects.
    pub fn passed(&self) -> bool {
        self.mistakes.is_empty() && self.failed().next().is_none()
    }

    pub fn failed(&self) -> impl Iterator<Item = &Tested> {
        self.tests.iter().filter(|test| !test.differences.is_empty())
    }

    /// For people: the failed tests with their differences, then the count.
    pub fn render(&self) -> String {
        show::results(self)
    }
}

impl Difference {
    /// In one line, for a list of findings.
    pub fn line(&self) -> String {
        show::line(self)
    }
}
