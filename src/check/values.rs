//! Whether the values that a rule can certainly produce fit their field.

use serde_json::Value;

use super::codes::{BAD_VALUE, NOT_IN_PICKLIST, STRANGE_TO_PICKLIST, TOO_LONG};
use super::fields::Look;
use super::places::Location;
use super::report::Report;
use crate::document::diagnostic::nearest;
use crate::mapping::{FieldRules, Severity};
use crate::salesforce::describe::{Field, Fitted, fit};

/// Checks fixed values, values of `map`, and defaults. They are the mapping's own texts, never a customer's.
pub fn check(look: &Look<'_>, rule: &FieldRules, field: &Field, report: &mut Report) {
    for value in produced(rule) {
        let location = look.files.value_of(look.file, &rule.full_name(), &shown(value));
        one(look, field, value, location.as_ref(), report);
    }
}

/// The values that a rule can certainly produce, each once.
pub fn produced(rule: &FieldRules) -> Vec<&Value> {
    let mut seen: Vec<&Value> = Vec::new();
    for value in rule.fixed_values() {
        if !seen.contains(&value) {
            seen.push(value);
        }
    }
    seen
}

fn one(look: &Look<'_>, field: &Field, value: &Value, location: Option<&Location>, report: &mut Report) {
    let (name, text) = (&field.name, shown(value));
    let about = format!("{}.{name}", look.describe.object);
    match fit(field, value) {
        Fitted::Value(_, Some(note)) if note.code == "SHORTENED" => {
            let message = format!("`{text}` is longer than the {} characters of `{name}`", field.length);
            look.report(
                Severity::Warning,
                TOO_LONG,
                location,
                message,
                "it would be cut: shorten it, or lengthen the field",
                report,
            )
            .about(about);
        }
        Fitted::Value(..) => strange(look, field, &text, location, report),
        Fitted::Dropped(note) if note.code == "UNKNOWN_PICKLIST_VALUE" => {
            let message = format!("the restricted picklist `{name}` does not know `{text}`");
            look.report(Severity::Error, NOT_IN_PICKLIST, location, message, &known(field, &text), report)
                .about(about);
        }
        Fitted::Dropped(note) => {
            let message = format!("`{text}` {} `{name}` ({})", reason(note.code), field.kind);
            look.report(
                Severity::Error,
                BAD_VALUE,
                location,
                message,
                "the field would be left out: correct the value",
                report,
            )
            .about(about);
        }
    }
}

/// Warns about unknown values: an unrestricted picklist accepts them, but reports do not find them.
fn strange(look: &Look<'_>, field: &Field, text: &str, location: Option<&Location>, report: &mut Report) {
    let picks = matches!(field.kind.as_str(), "picklist" | "multipicklist") && !field.values.is_empty();
    let all_known =
        text.split(';').all(|part| field.values.iter().any(|value| value.eq_ignore_ascii_case(part.trim())));
    if picks && !all_known {
        let message = format!("the picklist `{}` does not know `{text}`", field.name);
        let help = format!(
            "Salesforce takes it all the same, but list views and reports don't offer it; {}",
            known(field, text)
        );
        look.report(Severity::Warning, STRANGE_TO_PICKLIST, location, message, &help, report);
    }
}

pub fn known(field: &Field, text: &str) -> String {
    offer(&field.values, text)
}

/// The nearest of some values, or all of them if they are few.
pub fn offer(values: &[String], text: &str) -> String {
    if let Some(near) = nearest(text, values.iter().map(String::as_str)) {
        return format!("did you mean `{near}`?");
    }
    format!("add the value to the picklist, or use one of {}", some(values))
}

pub fn some(values: &[String]) -> String {
    let first: Vec<String> = values.iter().take(12).map(|value| format!("`{value}`")).collect();
    let more = if values.len() > first.len() { ", ..." } else { "" };
    format!("{}{more}", first.join(", "))
}

fn reason(code: &str) -> &'static str {
    match code {
        "NOT_A_BOOLEAN" => "is neither true nor false, as asked for by",
        "NOT_A_NUMBER" => "is no number, as asked for by",
        "OUT_OF_RANGE" => "has more digits than",
        "NOT_A_DATE" => "is no date, as asked for by",
        "INVALID_EMAIL" => "is no e-mail address, as asked for by",
        "NOT_A_RECORD_ID" => "is no record id, as asked for by",
        "TOO_LONG" => "is too long for",
        _ => "does not fit",
    }
}

fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
