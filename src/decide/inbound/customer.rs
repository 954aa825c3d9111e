//! Which Contact or Person Account a new Case belongs to: `match` in case.yaml.
//!
//! A plan that makes a Case says what to look up ([`Wanted`]); the rows that Salesforce has become a [`Found`], which
//! completes the plan. Nothing is kept: a Case that has to be written again is looked up again. An existing Case is
//! never looked up, so that an agent's choice stands.

use std::fmt;

use serde_json::{Value, json};

use crate::decide::Report;
use crate::decide::inbound::{Plan, Planner};
use crate::http::{Concerns, Failure};
use crate::mapping::{Facts, MatchClue};
use crate::salesforce::RecordId;
use crate::salesforce::customers::Equals;
use crate::salesforce::describe::Purpose;
use crate::salesforce::fit;
use crate::salesforce::query::{units, value};

/// Several records fit, so none is taken.
const AMBIGUOUS: &str = "AMBIGUOUS_CUSTOMER";
/// Salesforce did not say who fits.
const NOT_TOLD: &str = "CUSTOMER_NOT_TOLD";
/// Longest e-mail address that Salesforce holds (Salesforce reference, 6.1), and longest text field, in UTF-16 units.
const LONGEST_EMAIL: usize = 80;
const LONGEST_TEXT: usize = 255;
/// An id that no record has: it shows whether the Case's field takes ids.
const SOME_ID: &str = "000000000000000AAA";
/// After so many look-ups in a row without an answer, Cases are made without a customer.
const PATIENCE: u32 = 3;
/// How long nothing is looked up after a refusal (milliseconds).
const LEFT_ALONE_MS: i64 = 600_000;

/// What to look up before a Case is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    pub object: &'static str,
    /// The Case's field for the id.
    pub case_field: &'static str,
    pub external_id: Option<Clue>,
    pub email: Option<Clue>,
}

/// A field and the value that it has to equal. `Debug` does not show the value.
#[derive(Clone, PartialEq, Eq)]
pub struct Clue {
    pub field: String,
    pub value: String,
}

impl fmt::Debug for Clue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clue").field("field", &self.field).finish_non_exhaustive()
    }
}

/// The customer of one Case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    One {
        id: RecordId,
        by: String,
    },
    Nobody,
    /// None is taken.
    Several {
        by: String,
        count: usize,
    },
    /// Salesforce did not say. `code`: its own, or why it was not asked.
    NotTold {
        code: String,
    },
}

impl Wanted {
    /// The fields to read.
    pub fn fields(&self) -> Vec<&str> {
        self.clues().map(|clue| clue.field.as_str()).collect()
    }

    pub fn equals(&self) -> Vec<Equals<'_>> {
        self.clues().map(|clue| (clue.field.as_str(), clue.value.as_str())).collect()
    }

    fn clues(&self) -> impl Iterator<Item = &Clue> {
        self.external_id.iter().chain(&self.email)
    }

    /// The customer, by rows that may belong to other Cases as well. None: rows that are not shown could decide; the
    /// Case is asked for again with fewer others. `complete`: the rows are all that fit.
    pub fn found(&self, rows: &[Value], complete: bool) -> Option<Found> {
        // Salesforce compares without case. Of an external id that would be a guess.
        let external = |clue: &Clue, there: &str| there.trim() == clue.value;
        let email = |clue: &Clue, there: &str| there.trim().to_lowercase() == clue.value.to_lowercase();
        let by_external = self.external_id.as_ref().map(|clue| (clue, ids(rows, clue, external)));
        let by_email = self.email.as_ref().map(|clue| (clue, ids(rows, clue, email)));
        for (clue, ids) in [by_external, by_email].into_iter().flatten() {
            let by = clue.field.clone();
            match &ids[..] {
                [_, _, ..] => return Some(Found::Several { by, count: ids.len() }),
                _ if !complete => return None,
                [id] => return Some(Found::One { id: id.clone(), by }),
                [] => {}
            }
        }
        Some(Found::Nobody)
    }
}

fn ids(rows: &[Value], clue: &Clue, same: impl Fn(&Clue, &str) -> bool) -> Vec<RecordId> {
    let fits = |row: &&Value| value(row, &clue.field).as_str().is_some_and(|there| same(clue, there));
    rows.iter().filter(fits).filter_map(|row| RecordId::new(value(row, "Id").as_str()?)).collect()
}

impl Planner<'_> {
    /// What to look up for a Case that is made now. Nothing if the Case's field cannot be written: that is reported.
    pub(super) fn customer(&mut self, facts: &Facts) -> Option<Wanted> {
        let matching = self.mapping(facts)?.matching.as_ref()?;
        let case_field = matching.object.case_field();
        let clue = |clue: &Option<MatchClue>, usable: fn(&str) -> bool| {
            let clue = clue.as_ref()?;
            let value = clue.value(facts).filter(|value| usable(value))?;
            Some(Clue { field: clue.field.clone(), value })
        };
        let external_id = clue(&matching.external_id, is_external_id);
        let email = clue(&matching.email, is_email);
        external_id.as_ref().or(email.as_ref())?;
        self.fitted(case_field, json!(SOME_ID), self.context.case, Purpose::Create)?;
        Some(Wanted { object: matching.object.name(), case_field, external_id, email })
    }
}

fn is_external_id(text: &str) -> bool {
    units(text) <= LONGEST_TEXT && !text.chars().any(char::is_control)
}

fn is_email(text: &str) -> bool {
    units(text) <= LONGEST_EMAIL && fit::is_email(text)
}

/// Completes a plan with its customer.
pub fn put(plan: &mut Plan, found: &Found) {
    let (Some(wanted), Some(write)) = (plan.customer.take(), &mut plan.write) else { return };
    let mut report = |code: &str| {
        plan.reports.push(Report { field: wanted.case_field.to_owned(), code: code.to_owned() });
    };
    match found {
        Found::One { id, .. } => {
            write.fields.insert(wanted.case_field.to_owned(), json!(id.as_str()));
        }
        Found::Nobody => {}
        Found::Several { .. } => report(AMBIGUOUS),
        Found::NotTold { code } => report(code),
    }
}

/// What follows when a look-up failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AfterFailedLookUp {
    /// It is made again with the same Cases, when calls are allowed again.
    Wait,
    /// The Cases are made without a customer.
    WithoutCustomer { code: String },
}

/// The look-ups that failed since one was answered. A look-up that is refused, or that alone gets no answer, costs the
/// customer and never the Case.
#[derive(Debug, Default)]
pub struct FailedLookUps {
    unanswered: u32,
    /// The code of the last refusal, the mapping version that it was about, and until when nothing is asked
    /// (milliseconds).
    refused: Option<(String, String, i64)>,
}

impl FailedLookUps {
    /// The code of a refusal for which nothing is asked now.
    pub fn refused(&self, version: &str, now_ms: i64) -> Option<&str> {
        let (code, of, until_ms) = self.refused.as_ref()?;
        (of == version && now_ms < *until_ms).then_some(code)
    }

    pub fn failed(&mut self, failure: &Failure, version: &str, now_ms: i64) -> AfterFailedLookUp {
        let code = failure.code();
        match failure.concerns() {
            Concerns::ThisRequest => {
                self.refused = Some((code.clone(), version.to_owned(), now_ms + LEFT_ALONE_MS));
                AfterFailedLookUp::WithoutCustomer { code }
            }
            Concerns::Everything if failure.may_have_been_done() => {
                self.unanswered += 1;
                // In an outage the write fails as well, and Salesforce is asked again before the next one.
                if self.unanswered < PATIENCE {
                    AfterFailedLookUp::Wait
                } else {
                    AfterFailedLookUp::WithoutCustomer { code }
                }
            }
            Concerns::Everything | Concerns::Ourselves => AfterFailedLookUp::Wait,
        }
    }
}

/// The customer of a Case about which even a question for few told too much.
pub fn not_told() -> Found {
    Found::NotTold { code: NOT_TOLD.to_owned() }
}
