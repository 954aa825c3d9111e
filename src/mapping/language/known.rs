//! The names that expressions may use, for each kind of file.

use minijinja::value::Value;

use crate::mapping::language::shape::{Filled, MESSAGE, RESPONSE, Shape, feedback_sample, samples};

pub const FILTERS: &[&str] = &[
    "abs",
    "attr",
    "batch",
    "bool",
    "capitalize",
    "chain",
    "d",
    "default",
    "dictsort",
    "e",
    "escape",
    "first",
    "float",
    "format",
    "groupby",
    "indent",
    "int",
    "items",
    "join",
    "last",
    "length",
    "count",
    "lines",
    "list",
    "lower",
    "map",
    "max",
    "min",
    "reject",
    "rejectattr",
    "replace",
    "reverse",
    "round",
    "safe",
    "select",
    "selectattr",
    "slice",
    "sort",
    "split",
    "string",
    "sum",
    "title",
    "tojson",
    "trim",
    "unique",
    "upper",
    "zip",
];
pub const TESTS: &[&str] = &[
    "boolean",
    "defined",
    "divisibleby",
    "endingwith",
    "eq",
    "equalto",
    "even",
    "false",
    "float",
    "in",
    "int",
    "integer",
    "iterable",
    "lower",
    "mapping",
    "ne",
    "none",
    "number",
    "odd",
    "sameas",
    "sequence",
    "startingwith",
    "string",
    "true",
    "undefined",
    "upper",
];
pub const FUNCTIONS: &[&str] = &["answer", "range"];
/// Names that exist in at least one kind of file.
pub const EVERYWHERE: &[&str] =
    &["event", "response", "message", "case", "comment", "action", "reason", "code", "status"];

/// Which names expressions of a file may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Names {
    Case,
    Comment,
    /// Rules of actions.yaml on a Case.
    CaseAction,
    /// Rules of actions.yaml on a comment.
    CommentAction,
    Feedback,
}

impl Names {
    pub fn roots(self) -> &'static [(&'static str, Shape)] {
        match self {
            Names::Case => &[("event", Shape::Leaf), ("response", RESPONSE)],
            Names::Comment => &[("event", Shape::Leaf), ("response", RESPONSE), ("message", MESSAGE)],
            Names::CaseAction => &[("case", Shape::Any)],
            Names::CommentAction => &[("case", Shape::Any), ("comment", Shape::Any)],
            Names::Feedback => &[
                ("action", Shape::Leaf),
                ("reason", Shape::Leaf),
                ("code", Shape::Leaf),
                ("status", Shape::Leaf),
            ],
        }
    }

    /// Whether the name is a whole record of Salesforce.
    pub fn is_record(self, name: &str) -> bool {
        !self.is_goodays()
            && self.roots().iter().any(|(root, shape)| *root == name && matches!(shape, Shape::Any))
    }

    /// Whether expressions read what Goodays sends, and not records of Salesforce.
    pub fn is_goodays(self) -> bool {
        matches!(self, Names::Case | Names::Comment)
    }

    /// Samples to try expressions on, and what they stand for.
    pub fn scopes(self) -> Vec<(Filled, Value)> {
        match self {
            Names::Case => samples().iter().map(|one| (one.filled, one.case_scope())).collect(),
            Names::Comment => samples().iter().map(|one| (one.filled, one.comment_scope())).collect(),
            Names::Feedback => vec![(Filled::Everyday, feedback_sample())],
            // Only the org knows what its records hold.
            Names::CaseAction | Names::CommentAction => Vec::new(),
        }
    }
}
