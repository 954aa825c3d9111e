//! Which fields of a refused conversation are left out or shortened, and which fields no Case can do without.

use super::codes::UNSUPPORTED_TEXT;
use super::{Next, Written, first_code};
use crate::decide::PlanContext;
use crate::salesforce::describe::Describe;
use crate::salesforce::field_fix::FieldFix;
use crate::salesforce::graph::{GraphOutcome, NodeError};
use crate::salesforce::named::{named_fields, or_label, with_labels};

/// How often one text is shortened before it is left out.
const MAX_CUTS: usize = 20;

/// Leaves out or shortens the refused fields. Parks the conversation if no field is left to change.
pub(super) fn fix(
    one: &Written,
    fixes: Vec<FieldFix>,
    errors: &[NodeError],
    context: &PlanContext<'_>,
) -> Next {
    let (mut everywhere, mut here) = (Vec::new(), Vec::new());
    let is_stripped = fixes.contains(&FieldFix::StripControl) && one.fixes.contains(&FieldFix::StripControl);
    let fixes = if is_stripped { without_text(fixes, errors, context) } else { fixes };
    if let Some(next) =
        is_stripped.then(|| without_optional(one, errors, context)).flatten().filter(|_| fixes.is_empty())
    {
        return next;
    }
    for fix in fixes {
        let fix = by_name(context, fix);
        if let FieldFix::Drop { field, code } = &fix
            && is_vital(context, field)
        {
            return without_vital_field(field, code);
        }
        if let Some(next) = for_a_picklist(context, &fix) {
            everywhere.extend(Some(next).filter(|next| !context.fixes.contains(next)));
            continue;
        }
        let of_the_field = matches!(&fix, FieldFix::Drop { code, .. } if is_of_the_field(code));
        if of_the_field && !is_relation_value(errors) {
            if !context.fixes.contains(&fix) {
                everywhere.push(fix);
            }
        } else {
            let tried: Vec<&FieldFix> = one.fixes.iter().chain(&here).collect();
            let next = harder(&tried, fix, |field| on_the_case(context, field) && !is_vital(context, field));
            here.extend(next);
        }
    }
    if !everywhere.is_empty() || !here.is_empty() {
        return Next::FixFields { everywhere, here };
    }
    let code = first_code(errors);
    let field = errors.iter().flat_map(|e| &e.problem.fields).next().cloned().unwrap_or_default();
    let why = format!("Salesforce refuses it with {code} {field}");
    Next::Park { code, why }
}

/// Replacing the characters that are refused most often did not help: the named fields are left out instead. A comment
/// cannot do without its text.
fn without_text(fixes: Vec<FieldFix>, errors: &[NodeError], context: &PlanContext<'_>) -> Vec<FieldFix> {
    let of_text = |e: &&NodeError| e.problem.code == UNSUPPORTED_TEXT;
    let named = errors.iter().filter(of_text).flat_map(|e| or_label(named_fields(e), &e.problem.message));
    let drops = named.filter(|field| !field.eq_ignore_ascii_case(&context.mapping.comment().body_field));
    let drops = drops.map(|field| FieldFix::Drop { field, code: UNSUPPORTED_TEXT.to_owned() });
    fixes.into_iter().filter(|fix| *fix != FieldFix::StripControl).chain(drops).collect()
}

/// An org that describes no fields to us may have a restricted picklist where an outcome is told: it gets the outcome's
/// code from now on, and is left out if it does not have that either.
fn for_a_picklist(context: &PlanContext<'_>, fix: &FieldFix) -> Option<FieldFix> {
    let FieldFix::Drop { field, code } = fix else { return None };
    let is_restricted = code == "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST" && context.case.is_none();
    if !is_restricted || !context.mapping.actions().feedback_fields().contains(field) {
        return None;
    }
    let as_code = FieldFix::AsCode { field: field.clone() };
    Some(if context.fixes.contains(&as_code) { fix.clone() } else { as_code })
}

/// Without the key or the marker field no write is safe.
fn is_vital(context: &PlanContext<'_>, field: &str) -> bool {
    let same = |name: &str| name.eq_ignore_ascii_case(field);
    context.mapping.case_mappings().iter().any(|m| same(&m.key_field) || same(&m.marker_field))
}

/// Pauses all writes if no Case can take the field, and parks this conversation if its value is refused.
fn without_vital_field(field: &str, code: &str) -> Next {
    if is_of_the_field(code) {
        let advice = format!(
            "The Case field {field} cannot be written ({code}): deploy the fields and the permission set \
             in salesforce/, and assign the set to the connector's user."
        );
        return Next::PauseAll { code: "key_field".to_owned(), advice };
    }
    let why = format!("Salesforce refuses it with {code} for {field}, which no Case can do without.");
    Next::Park { code: code.to_owned(), why }
}

/// Whether the code is about the field and not about its value: no Case can take the field.
fn is_of_the_field(code: &str) -> bool {
    matches!(code, "INVALID_FIELD" | "INVALID_FIELD_FOR_INSERT_UPDATE")
}

/// A relation whose target does not exist is a problem of this value, not of the field.
fn is_relation_value(errors: &[NodeError]) -> bool {
    errors.iter().any(|e| e.problem.message.contains("oreign key external"))
}

/// Leaves out optional fields until Salesforce can read the rest: it names none, and quotes no value that was sent. Those
/// that are no text come first; then half of the others at a time. `None`: nothing optional is left.
pub(super) fn without_optional(
    one: &Written,
    errors: &[NodeError],
    context: &PlanContext<'_>,
) -> Option<Next> {
    let error = errors.first()?;
    let code = error.problem.code.clone();
    let gone = |name: &str| {
        let is_it =
            |fix: &FieldFix| matches!(fix, FieldFix::Drop { field, .. } if field.eq_ignore_ascii_case(name));
        one.fixes.iter().any(is_it)
    };
    let left: Vec<&String> =
        error.sent.iter().filter(|name| !is_needed(context, name) && !gone(name)).collect();
    let is_text = |name: &&&String| {
        let field = describes(context).find_map(|describe| describe.field(name));
        let is_text =
            |kind: &str| matches!(kind, "string" | "textarea" | "picklist" | "email" | "phone" | "url");
        field.is_none_or(|field| is_text(&field.kind))
    };
    let (texts, others): (Vec<&String>, Vec<&String>) = left.iter().copied().partition(|name| is_text(&name));
    let go = if others.is_empty() { &texts[..texts.len().div_ceil(2)] } else { &others[..] };
    let here: Vec<FieldFix> =
        go.iter().map(|field| FieldFix::Drop { field: (*field).clone(), code: code.clone() }).collect();
    (!here.is_empty()).then_some(Next::FixFields { everywhere: Vec::new(), here })
}

/// Without these there is no Case of this response, or no comment.
fn is_needed(context: &PlanContext<'_>, field: &str) -> bool {
    let comment = context.mapping.comment();
    is_vital(context, field)
        || [&comment.parent_field, &comment.body_field].iter().any(|f| f.eq_ignore_ascii_case(field))
}

/// Adds the names of fields that the errors name by the org's labels.
pub(super) fn named(outcome: GraphOutcome, context: &PlanContext<'_>) -> GraphOutcome {
    let GraphOutcome::Failed(errors) = outcome else { return outcome };
    let name = |error: NodeError| describes(context).fold(error, |error, object| with_labels(&error, object));
    GraphOutcome::Failed(errors.into_iter().map(name).collect())
}

fn describes<'a>(context: &PlanContext<'a>) -> impl Iterator<Item = &'a Describe> {
    [context.case, context.comment].into_iter().flatten()
}

/// The key field, if our key on a Case that a merge led to is what Salesforce refuses. Another Case may have it still.
pub(super) fn refused_key(one: &Written, errors: &[NodeError], context: &PlanContext<'_>) -> Option<String> {
    let key = context.mapping.case_mappings().first().filter(|_| one.claims)?.key_field.as_str();
    let names = |e: &NodeError| e.problem.fields.iter().any(|field| field.eq_ignore_ascii_case(key));
    let is_duplicate = errors.iter().any(|e| e.problem.code == "DUPLICATE_VALUE")
        && another_unique_field(errors, context).is_none();
    (is_duplicate || errors.iter().any(names)).then(|| key.to_owned())
}

/// A unique field, not the key, that a duplicate error names. It is left out: the other Case is not ours.
pub(super) fn another_unique_field(errors: &[NodeError], context: &PlanContext<'_>) -> Option<String> {
    let mappings = context.mapping.case_mappings();
    let is_key = |name: &str| mappings.iter().any(|m| m.key_field.eq_ignore_ascii_case(name));
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
fn harder(tried: &[&FieldFix], fix: FieldFix, may_go: impl Fn(&str) -> bool) -> Option<FieldFix> {
    if !tried.contains(&&fix) {
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
    (may_go && !tried.contains(&&gone)).then_some(gone)
}

/// Whether the field is on the Case. A Case can lack one of its texts; a comment without its text is a lost message.
fn on_the_case(context: &PlanContext<'_>, field: &str) -> bool {
    context.case.is_some_and(|describe| describe.field_or_label(field).is_some())
}

/// Replaces a label by the field's name: Salesforce often names a field by its label.
fn by_name(context: &PlanContext<'_>, fix: FieldFix) -> FieldFix {
    let name = |field: String| {
        let known = describes(context).find_map(|describe| describe.field_or_label(&field));
        known.map_or(field, |f| f.name.clone())
    };
    match fix {
        FieldFix::Drop { field, code } => FieldFix::Drop { field: name(field), code },
        FieldFix::Shorten { field, max } => FieldFix::Shorten { field: name(field), max },
        other @ (FieldFix::StripControl | FieldFix::Fewer { .. } | FieldFix::AsCode { .. }) => other,
    }
}
