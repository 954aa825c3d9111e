//! A mistake in an expression that is seen without evaluating it.

use std::ops::Range;

use crate::document::diagnostic::Severity;

/// A comparison, a key of `map` or a fixed word that nothing is ever equal to.
pub const NEVER_EQUAL: &str = "M050";
pub const METHOD: &str = "M051";
pub const BAD_FORMAT: &str = "M052";
/// `in` with a text behind it, where a list is meant.
pub const IN_A_TEXT: &str = "M054";

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    pub code: &'static str,
    pub severity: Severity,
    /// Where in the expression.
    pub part: Range<usize>,
    pub message: String,
    pub help: String,
}

impl Mistake {
    pub fn error(
        code: &'static str,
        part: Range<usize>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> Self {
        Self { code, severity: Severity::Error, part, message: message.into(), help: help.into() }
    }

    pub fn warning(
        code: &'static str,
        part: Range<usize>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, part, message, help) }
    }
}
