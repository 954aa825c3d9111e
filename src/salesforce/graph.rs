//! Transactions: a graph is written completely or not at all (Salesforce reference, 4.2).

use std::fmt;

use serde_json::{Map, Value, json};

use super::RecordId;
use super::answer::speaks_of_session;
use super::field_fix::FieldFix;
use crate::http::Problem;

mod outcomes;
mod request;

pub use outcomes::outcomes;
pub use request::{Request, auto_assign, request};

/// Maximum graphs per call.
pub const MAX_GRAPHS: usize = 75;
/// Maximum nodes per call, of all graphs together.
pub const MAX_NODES: usize = 500;

/// One transaction: a Case with its comments.
#[derive(Debug, Clone, PartialEq)]
pub struct Graph {
    pub id: String,
    pub nodes: Vec<Node>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    Post,
    Patch,
}

/// One record to insert or update. `Debug` shows only the names of the fields.
#[derive(Clone, PartialEq)]
pub struct Node {
    /// Letters, digits and `_`; begins with a letter or digit; unique within its graph.
    pub reference: String,
    pub method: Method,
    pub object: String,
    /// The record to update; none for an insert.
    pub record: Option<RecordId>,
    pub fields: Map<String, Value>,
    /// `Sforce-Auto-Assign`, if it is a Case.
    assign: String,
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Node");
        shown.field("reference", &self.reference).field("method", &self.method).field("object", &self.object);
        shown.field("record", &self.record).field("fields", &self.fields.keys());
        shown.field("assign", &self.assign).finish()
    }
}

/// The result of one graph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GraphOutcome {
    /// Reference and record of each node.
    Done(Vec<(String, Option<RecordId>)>),
    /// The graph's own errors, without those of halted nodes.
    Failed(Vec<NodeError>),
    /// No error of its own: other graphs before it failed (from the 15th on, reference 4).
    Halted,
}

impl GraphOutcome {
    /// Whether the session ended during the call.
    pub(super) fn speaks_of_session(&self) -> bool {
        matches!(self, Self::Failed(errors) if errors.iter().any(|e| speaks_of_session(&e.problem.code)))
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeError {
    pub reference: String,
    pub object: Option<String>,
    /// The record to update; none for an insert.
    pub record: Option<RecordId>,
    /// Names of the fields that were sent.
    pub sent: Vec<String>,
    pub status: u16,
    pub problem: Problem,
}

/// Key of the placeholder object for a reference. A text from outside cannot create such an object.
const REFERENCE: &str = "\0reference";
/// `Sforce-Auto-Assign` that runs no assignment rule.
const NO_RULE: &str = "FALSE";

impl Node {
    pub fn insert(reference: impl Into<String>, object: &str, fields: Map<String, Value>) -> Self {
        let (object, assign) = (object.to_owned(), NO_RULE.to_owned());
        Self { reference: reference.into(), method: Method::Post, object, record: None, fields, assign }
    }

    /// The new Case is assigned so: `TRUE` (the active rule), `FALSE`, or a rule's id.
    #[must_use]
    pub fn assigned(self, assign: &str) -> Self {
        Self { assign: assign.to_owned(), ..self }
    }

    pub fn update(
        reference: impl Into<String>,
        object: &str,
        record: RecordId,
        fields: Map<String, Value>,
    ) -> Self {
        let (object, assign) = (object.to_owned(), NO_RULE.to_owned());
        Self {
            reference: reference.into(),
            method: Method::Patch,
            object,
            record: Some(record),
            fields,
            assign,
        }
    }

    /// A placeholder for the id of the record that another node of the graph creates.
    pub fn reference_to(reference: &str) -> Value {
        json!({ REFERENCE: reference })
    }

    /// Applies one fix. False if it changes nothing: then sending again would fail in the same way.
    pub fn apply(&mut self, fix: &FieldFix) -> bool {
        fix.apply_to(&mut self.fields)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(value: &Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    pub(super) fn graph() -> Graph {
        let case = Node::insert("refCase", "Case", fields(&json!({"Subject": "pay @{refCase.id} @@{x}"})))
            .assigned("TRUE");
        let comment =
            fields(&json!({"ParentId": Node::reference_to("refCase"), "X": {"Y": ["@{z}"]}, "N": 1}));
        Graph { id: "g1".into(), nodes: vec![case, Node::insert("c1", "CaseComment", comment)] }
    }
}
