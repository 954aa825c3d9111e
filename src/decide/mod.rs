//! Every decision, and nothing else: no I/O, no clock, no store, no log.
//!
//! Times and known facts are arguments. The results say completely what to do, and leave no choice to
//! [`crate::workers`].

pub mod inbound;
pub mod invariants;
pub mod lease;
pub mod ledger;
pub mod names;
pub mod outbound;
pub mod outcome;
pub mod pace;
pub mod reconcile;

#[cfg(test)]
mod tests;

pub use ledger::command::{AnswerSent, CommandDone, CommandSeen, command_identity};
pub use ledger::conversation::Conversation;
pub use ledger::course::{Course, Moment, Request, What};
pub use ledger::intent::{ActionKind, Audience, DAMAGED, Intent, IntentState, Sending, answer_identity};
pub use ledger::link::{
    Answered, CallSent, CaseRef, Freshness, Known, Link, MessageOrigin, RepliedBy, ToldAt, hash64,
};
pub use ledger::link_update::LinkUpdate;
pub use ledger::note::{Feedback, Note};

use serde_json::Value;

use crate::goodays::Verb;
use crate::goodays::event::Response;
use crate::mapping::{Act, Mapping};
use crate::messages::Messages;
use crate::salesforce::describe::Describe;
use crate::salesforce::field_fix::FieldFix;

/// Which responses are ours (design, rule 14): decided by the payload, not by the event's name.
#[derive(Debug, Clone, Default)]
pub struct Perimeter {
    /// Only responses that are delegated to customer service, or belong to one of its own places.
    pub delegated_only: bool,
    /// `partner_id`s of customer service's own places.
    pub places: Vec<String>,
}

impl Perimeter {
    pub fn holds(&self, response: &Response) -> bool {
        let own = |id: Option<&str>| id.is_some_and(|id| self.places.iter().any(|p| p == id));
        !self.delegated_only
            || response.delegated_to.is_some()
            || own(response.place.as_ref().and_then(|p| p.partner_id.as_deref()))
    }
}

/// The status rule that is active for this row of a Case.
pub fn active_status_rule(mapping: &Mapping, row: &Value) -> Option<Verb> {
    let wanted = mapping.actions().on_case(row).ok().flatten()?;
    match wanted.act {
        Act::Call => Some(Verb::Call),
        Act::Close => Some(Verb::Close),
        Act::Spam => Some(Verb::Spam),
        Act::Answer => None,
    }
}

/// What the planner may read apart from the conversation itself.
#[derive(Clone, Copy)]
pub struct PlanContext<'a> {
    pub mapping: &'a Mapping,
    pub case: Option<&'a Describe>,
    pub comment: Option<&'a Describe>,
    pub perimeter: &'a Perimeter,
    /// Status values that close a Case (`CaseStatus`).
    pub closed: &'a [String],
    /// Fields that Salesforce refused under this mapping, or for this conversation.
    pub fixes: &'a [FieldFix],
    /// Ids of record types and owners, by the names that mappings use for them.
    pub names: &'a Names,
    /// The language of agents and admins.
    pub messages: &'a Messages,
}

/// Record types and owners by the relation's field and name: `("RecordType", "Customer_Feedback")`.
pub type Names = std::collections::HashMap<(String, String), crate::salesforce::RecordId>;

/// A field that could not be written as the mapping says; names and codes only, never a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    pub field: String,
    pub code: String,
}
