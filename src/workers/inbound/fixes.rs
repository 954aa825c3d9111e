//! Which fields of a refused conversation are left out or shortened, and which fields no Case can do without.

use crate::http::Failure;
use crate::salesforce::field_fix::FieldFix;
use crate::salesforce::graph::{GraphOutcome, NodeError};
use crate::salesforce::named::with_labels;
use crate::workers::inbound::refused::first_code;
use crate::workers::inbound::{InboundWorker, Job};
use crate::workers::{Fatal, Shared};

/// How often one text is shortened before it is left out.
const MAX_CUTS: usize = 20;

impl InboundWorker {
    /// Leaves out or shortens the refused fields; the next step writes again.
    pub(crate) fn fix(
        &mut self,
        shared: &Shared,
        job: &Job,
        fixes: Vec<FieldFix>,
        errors: &[NodeError],
    ) -> Result<(), Fatal> {
        let mapping = shared.mapping();
        let vital = |field: &str| {
            let same = |name: &str| name.eq_ignore_ascii_case(field);
            mapping.case_mappings().iter().any(|m| same(&m.key_field) || same(&m.marker_field))
        };
        let mut anything_new = false;
        for fix in fixes {
            let fix = by_name(shared, fix);
            if let FieldFix::Drop { field, code } = &fix
                && vital(field)
            {
                if is_of_the_field(code) {
                    vital_field(shared, field, code);
                    return Ok(());
                }
                let why =
                    format!("Salesforce refuses it with {code} for {field}, which no Case can do without.");
                return self.park(shared, job, code, &why);
            }
            let forever = matches!(&fix, FieldFix::Drop { code, .. } if is_of_the_field(code))
                && !is_relation_value(errors);
            anything_new |= if forever {
                shared.fixes.add(mapping.version(), fix)
            } else {
                let mut state = self.state();
                let own = state.fixes.entry(job.rkey).or_default();
                let next = harder(own, fix, |field| on_the_case(shared, field) && !vital(field));
                let new = next.is_some();
                own.extend(next);
                new
            };
        }
        if anything_new {
            return Ok(());
        }
        let code = first_code(errors);
        let field = errors.iter().flat_map(|e| &e.problem.fields).next().cloned().unwrap_or_default();
        self.park(shared, job, &code, &format!("Salesforce refuses it with {code} {field}"))
    }
}

/// Pauses all writes: without the key or the marker field no write is safe.
fn vital_field(shared: &Shared, field: &str, code: &str) {
    let advice = format!(
        "The Case field {field} cannot be written ({code}): deploy the fields and the permission set \
             in salesforce/, and assign the set to the connector's user."
    );
    let result: Result<(), Failure> = Err(Failure::Login { code: "key_field".to_owned(), advice });
    shared.salesforce_said(&result, shared.clock.now_ms());
}

/// Whether the code is about the field and not about its value: no Case can take the field.
fn is_of_the_field(code: &str) -> bool {
    matches!(code, "INVALID_FIELD" | "INVALID_FIELD_FOR_INSERT_UPDATE")
}

/// Replaces the org's field labels in the errors by field names.
pub(crate) fn labelled(shared: &Shared, outcome: GraphOutcome) -> GraphOutcome {
    let GraphOutcome::Failed(errors) = outcome else { return outcome };
    let schema = shared.contacts.schema.load();
    let both = || [&schema.case, &schema.comment].into_iter().flatten();
    let named = |error: NodeError| both().fold(error, |error, describe| with_labels(&error, describe));
    GraphOutcome::Failed(errors.into_iter().map(named).collect())
}

/// A unique field, not the key, that a duplicate error names. It is left out: the other Case is not ours.
pub(crate) fn another_unique_field(shared: &Shared, errors: &[NodeError]) -> Option<String> {
    let mapping = shared.mapping();
    let is_key = |name: &str| mapping.case_mappings().iter().any(|m| m.key_field.eq_ignore_ascii_case(name));
    let duplicate = errors.iter().find(|e| e.problem.code == "DUPLICATE_VALUE")?;
    // "duplicate value found: X__c duplicates value on record ..": the text is translated, the name is not.
    let words = duplicate.problem.message.split(|c: char| !c.is_alphanumeric() && c != '_');
    let named: Vec<&str> = words.chain(duplicate.problem.fields.iter().map(String::as_str)).collect();
    if named.iter().any(|name| is_key(name)) {
        return None;
    }
    duplicate.sent.iter().find(|sent| sent.contains("__") && named.contains(&sent.as_str())).cloned()
}

/// The next fix when the same one was tried before. A limit may count in other units than stated (bytes), so the text
/// is halved again. A text that is refused at any length is left out if `may_go` allows it.
fn harder(tried: &[FieldFix], fix: FieldFix, may_go: impl Fn(&str) -> bool) -> Option<FieldFix> {
    if !tried.contains(&fix) {
        return Some(fix);
    }
    let FieldFix::Shorten { field, .. } = fix else { return None };
    let cuts: Vec<Option<usize>> = tried
        .iter()
        .filter_map(|f| match f {
            FieldFix::Shorten { field: cut, max } if *cut == field => Some(*max),
            _ => None,
        })
        .collect();
    let max = cuts.iter().flatten().min().map(|shortest| shortest / 2);
    if cuts.len() < MAX_CUTS && max != Some(0) {
        return Some(FieldFix::Shorten { field, max });
    }
    let may_go = may_go(&field);
    let gone = FieldFix::Drop { field, code: "STRING_TOO_LONG".to_owned() };
    (may_go && !tried.contains(&gone)).then_some(gone)
}

/// Whether the field is on the Case. A Case can lack one of its texts; a comment without its text is a lost message.
fn on_the_case(shared: &Shared, field: &str) -> bool {
    let schema = shared.contacts.schema.load();
    schema.case.as_ref().is_some_and(|d| d.field_or_label(field).is_some())
}

/// Replaces a label by the field's name: Salesforce often names a field by its label.
fn by_name(shared: &Shared, fix: FieldFix) -> FieldFix {
    let schema = shared.contacts.schema.load();
    let name = |field: String| {
        let either = [&schema.case, &schema.comment];
        let known = either.into_iter().flatten().find_map(|d| d.field_or_label(&field));
        known.map_or(field, |f| f.name.clone())
    };
    match fix {
        FieldFix::Drop { field, code } => FieldFix::Drop { field: name(field), code },
        FieldFix::Shorten { field, max } => FieldFix::Shorten { field: name(field), max },
        other @ (FieldFix::StripControl | FieldFix::Fewer { .. }) => other,
    }
}

/// A relation whose target does not exist is a problem of this value, not of the field.
fn is_relation_value(errors: &[NodeError]) -> bool {
    errors.iter().any(|e| e.problem.message.contains("oreign key external"))
}
