//! What the running daemon knows that decides what an event would write: for `plan`.

use serde::{Deserialize, Serialize};

use crate::decide::{Intent, Link, Names};
use crate::goodays::ResponseId;
use crate::salesforce::RecordId;
use crate::salesforce::describe::Describe;
use crate::salesforce::errors::FieldFix;
use crate::state::{RKey, StoreError};
use crate::time::GoodaysTime;
use crate::workers::Shared;

/// The org's fields, and one conversation as the ledger has it. The default knows nothing: every field takes
/// everything, and the conversation is new.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Knowledge {
    pub case: Option<Describe>,
    pub comment: Option<Describe>,
    /// Status values that close a Case.
    pub closed: Vec<String>,
    pub names: Vec<Named>,
    /// What Salesforce refused under this mapping.
    pub fixes: Vec<FieldFix>,
    pub link: Option<Link>,
    /// Actions of this response that are not final.
    pub intents: Vec<Intent>,
    /// Our first start by Goodays' clock; none while that is not known.
    pub first_start: Option<GoodaysTime>,
    /// The mapping version that is in force.
    pub mapping: String,
}

/// A record type or owner that the mapping calls by name.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Named {
    pub field: String,
    pub name: String,
    pub id: RecordId,
}

impl Knowledge {
    /// As the planner takes them.
    pub fn names(&self) -> Names {
        self.names.iter().map(|one| ((one.field.clone(), one.name.clone()), one.id.clone())).collect()
    }

    pub fn set_names(&mut self, names: &Names) {
        let entry = |((field, name), id): (&(String, String), &RecordId)| Named {
            field: field.clone(),
            name: name.clone(),
            id: id.clone(),
        };
        self.names = names.iter().map(entry).collect();
    }
}

impl Shared {
    /// What is known of a response, known or not, and of the org.
    pub async fn knowledge(&self, response: &ResponseId) -> Result<Knowledge, StoreError> {
        let (context, rkey) = (self.plan_context(), RKey::of(response));
        let schema = &context.schema;
        let conversation = self.store.conversation(rkey, response)?.now;
        let mut knowledge = Knowledge {
            case: schema.case.clone(),
            comment: schema.comment.clone(),
            closed: schema.closed.clone(),
            fixes: context.fixes().to_vec(),
            link: conversation.link,
            intents: conversation.intents,
            first_start: self.contacts.first_start().await.and_then(|at| self.on_goodays_clock(at)),
            mapping: context.mapping.version().to_owned(),
            names: Vec::new(),
        };
        knowledge.set_names(&schema.names);
        Ok(knowledge)
    }
}
