//! Whose Case an event would make: what `match` looks up, and what Salesforce has.

use serde::Serialize;

use super::{Preview, Written};
use crate::decide::inbound::customer::{Found, Wanted};
use crate::mapping::CaseMapping;

/// The look-up of one new Case.
#[derive(Debug, Clone, Serialize)]
pub struct Customer {
    pub object: String,
    /// The Case's field for the id.
    pub field: String,
    /// The fields of the object by which it is found, in this order.
    pub by: Vec<String>,
    pub outcome: Outcome,
    /// How many records fit, if several do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<usize>,
    /// `file:line:column` of `match`.
    pub from: String,
    #[serde(skip)]
    wanted: Wanted,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    NotAsked,
    One,
    Nobody,
    Several,
    NotTold,
}

impl Customer {
    pub(super) fn of(wanted: &Wanted, case: Option<&CaseMapping>) -> Self {
        let at = case.and_then(|case| case.matching.as_ref()).map(|matching| matching.at.to_string());
        Self {
            object: wanted.object.to_owned(),
            field: wanted.case_field.to_owned(),
            by: wanted.fields().into_iter().map(str::to_owned).collect(),
            outcome: Outcome::NotAsked,
            count: None,
            from: at.unwrap_or_default(),
            wanted: wanted.clone(),
        }
    }

    /// As a sentence; none if the record's fields show the id.
    pub(super) fn words(&self) -> Option<String> {
        let (object, field, by) = (&self.object, &self.field, self.by.join(" or "));
        Some(match self.outcome {
            Outcome::One => return None,
            Outcome::NotAsked => format!("{field}: found by {by} of {object}; --diff asks Salesforce now"),
            Outcome::Nobody => format!("{field}: stays empty, no {object} has this {by}"),
            Outcome::Several => {
                let count = self.count.unwrap_or_default();
                format!(
                    "{field}: stays empty, {count} of {object} have the same {by}, and one cannot be chosen"
                )
            }
            Outcome::NotTold => format!("{field}: stays empty, Salesforce does not say which {object} it is"),
        })
    }
}

impl Preview {
    /// What is still to look up.
    pub fn wanted_customer(&self) -> Option<&Wanted> {
        self.customer.as_ref().filter(|one| one.outcome == Outcome::NotAsked).map(|one| &one.wanted)
    }

    pub fn set_customer(&mut self, found: &Found) {
        let Some(customer) = &mut self.customer else { return };
        customer.outcome = match found {
            Found::One { id, by } => {
                customer.by = vec![by.clone()];
                let written = Written {
                    field: customer.field.clone(),
                    value: id.as_str().into(),
                    from: customer.from.clone(),
                };
                if let Some(record) = &mut self.record {
                    record.fields.push(written);
                }
                Outcome::One
            }
            Found::Nobody => Outcome::Nobody,
            Found::Several { by, count } => {
                (customer.by, customer.count) = (vec![by.clone()], Some(*count));
                Outcome::Several
            }
            Found::NotTold { .. } => Outcome::NotTold,
        };
    }
}
