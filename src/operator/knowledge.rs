//! The daemon's knowledge that decides what an event would write: for `plan`.

use serde::{Deserialize, Serialize};

use crate::decide::{Intent, Link, Names};
use crate::goodays::ResponseId;
use crate::salesforce::RecordId;
use crate::salesforce::describe::Describe;
use crate::salesforce::field_fix::FieldFix;
use crate::state::StoreError;
use crate::time::GoodaysTime;
use crate::workers::Shared;

/// The org's fields, and one conversation from the ledger. The default is empty: each field takes every value, and the
/// conversation is new.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Knowledge {
    pub case: Option<Describe>,
    pub comment: Option<Describe>,
    /// Status values that close a Case.
    pub closed: Vec<String>,
    pub names: Vec<Named>,
    /// Fields that Salesforce refused under this mapping.
    pub fixes: Vec<FieldFix>,
    pub link: Option<Link>,
    /// Actions of this response, as far as its conversation has them.
    pub intents: Vec<Intent>,
    /// Our first start by Goodays' clock; `None` while that clock is not known.
    pub first_start: Option<GoodaysTime>,
    /// The mapping version in force.
    pub mapping: String,
    /// The instance that answered waits: it has not asked the org.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub waits: bool,
}

/// A record type or owner that the mapping names.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Named {
    pub field: String,
    pub name: String,
    pub id: RecordId,
}

impl Knowledge {
    /// In the planner's form.
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
    /// The knowledge about a response, in the ledger or not, and about the org.
    pub async fn knowledge(&self, response: &ResponseId) -> Result<Knowledge, StoreError> {
        let context = self.plan_context();
        let schema = &context.schema;
        let conversation = self.store.load(response).await?.now;
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
            waits: !self.works,
        };
        knowledge.set_names(&schema.names);
        Ok(knowledge)
    }
}
