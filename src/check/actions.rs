//! What actions.yaml reads of agents' work, what it compares, and what it writes back.

use super::codes::{NO_CONDITION, NO_FEEDBACK, NOT_READABLE, UNKNOWN_LITERAL, WRONG_KIND};
use super::fields::{GRANT_READ, Look};
use super::objects::{Objects, Walk, case_object};
use super::places::{Location, MappingFiles};
use super::report::{Area, Report};
use super::values;
use crate::decide::Feedback;
use crate::mapping::{FieldKind, Mapping, Severity};
use crate::salesforce::describe::Field;

/// A value of Case.Status, and whether it closes the Case.
pub struct Status {
    pub name: String,
    pub closed: bool,
}

pub fn check(
    mapping: &Mapping,
    files: &MappingFiles,
    objects: &Objects,
    statuses: Option<&[Status]>,
    report: &mut Report,
) {
    let object = case_object(mapping);
    let Some(describe) = objects.get(object) else { return };
    let file: &str = &mapping.actions().at.file;
    let look = Look { files, objects, describe, file, updates: true };
    let before = report.findings.len();
    reads(&look, mapping, object, report);
    compares(&look, statuses, report);
    misuses(&look, mapping, object, report);
    feedback(&look, mapping, report);
    emptied(&look, mapping, report);
    kinds(&look, mapping, report);
    earlier_metadata(&look, mapping, report);
    if report.findings.len() == before {
        let (read, written) =
            (mapping.actions().case_paths().len(), mapping.actions().feedback_fields().len());
        report.ok(
            Area::Salesforce,
            format!(
                "{file}: {read} fields of {object} can be read, {written} feedback fields can be written"
            ),
        );
    }
}

/// Checks the fields that polls read: every poll fails if one of them cannot be read.
fn reads(look: &Look<'_>, mapping: &Mapping, object: &str, report: &mut Report) {
    let actions = mapping.actions();
    for path in actions.case_paths() {
        readable(look, object, "case", &path, report);
    }
    for path in actions.comment_paths() {
        readable(look, &actions.comments.object, "comment", &path, report);
    }
}

fn readable(look: &Look<'_>, object: &str, root: &str, path: &str, report: &mut Report) {
    let location = || mention(look, &format!("{root}.{path}")).or_else(|| mention(look, path));
    let (on, name, relation) = match look.objects.walk(object, path) {
        Walk::Unknown { on, name, relation } => (on, name, relation),
        Walk::Field(field) => {
            let last = path.rsplit('.').next().unwrap_or_default();
            return look.spelling(last, field, location().as_ref(), report);
        }
        Walk::Needs(_) | Walk::Opaque => return,
    };
    let what = if relation { "relation" } else { "field" };
    let message = format!(
        "{} has no {what} `{name}` that the integration user can see, so polls would fail",
        on.object
    );
    look.report(Severity::Error, NOT_READABLE, location().as_ref(), message, GRANT_READ, report)
        .about(format!("{}.{name}", on.object));
}

fn mention(look: &Look<'_>, word: &str) -> Option<Location> {
    look.files.mention(look.file, word)
}

/// Checks conditions: a condition on a value that a field never has never holds.
fn compares(look: &Look<'_>, statuses: Option<&[Status]>, report: &mut Report) {
    for (name, text, location) in look.files.compared(look.file) {
        let Some(field) = look.describe.field(&name) else { continue };
        let known = match statuses {
            Some(statuses) if field.name == "Status" => statuses.iter().map(|one| one.name.clone()).collect(),
            _ => field.values.clone(),
        };
        if known.is_empty() || field.kind != "picklist" || known.contains(&text) {
            continue;
        }
        let message = format!("`{name}` never is `{text}` in this org, so this never holds");
        look.report(
            Severity::Error,
            UNKNOWN_LITERAL,
            Some(&location),
            message,
            &values::offer(&known, &text),
            report,
        );
    }
}

/// Checks conditions by what their fields hold: one that gives a text, or compares a number with a text, never holds.
fn misuses(look: &Look<'_>, mapping: &Mapping, case: &str, report: &mut Report) {
    let kind = |root: &str, path: &str| {
        let object = match root {
            "case" => case,
            "comment" => mapping.actions().comments.object.as_str(),
            _ => return None,
        };
        match look.objects.walk(object, path) {
            Walk::Field(field) => held(field),
            Walk::Unknown { .. } | Walk::Needs(_) | Walk::Opaque => None,
        }
    };
    for (one, location) in look.files.misused(look.file, kind) {
        let code = if one.is_condition { NO_CONDITION } else { UNKNOWN_LITERAL };
        look.report(Severity::Error, code, Some(&location), one.message, &one.help, report);
    }
}

/// What Salesforce's API gives for a field. `None`: this depends on the record.
fn held(field: &Field) -> Option<FieldKind> {
    match field.kind.as_str() {
        "boolean" => Some(FieldKind::Flag),
        "int" | "long" | "double" | "currency" | "percent" => Some(FieldKind::Number),
        "string" | "textarea" | "picklist" | "multipicklist" | "email" | "phone" | "url" | "id"
        | "reference" | "date" | "datetime" | "time" => Some(FieldKind::Text),
        _ => None,
    }
}

/// Checks the feedback fields: without them an agent does not see what became of his answer.
fn feedback(look: &Look<'_>, mapping: &Mapping, report: &mut Report) {
    for name in mapping.actions().feedback_fields() {
        let location = mention(look, &name);
        let Some(field) = look.field(&name, location.as_ref(), report) else { continue };
        if !field.updateable {
            look.read_only(field, location.as_ref(), report);
            continue;
        }
        let message = if !takes_status(field) {
            format!(
                "`{name}` is a {} without the values {}: what became of an answer cannot be told",
                field.kind,
                Feedback::CODES.join(", ")
            )
        } else if field.kind != "picklist" && field.length > 0 && field.length < 80 {
            format!("`{name}` holds {} characters: what an agent is told would be cut", field.length)
        } else {
            continue;
        };
        let help = "use a text field of 255 characters, or the picklist of salesforce/";
        look.report(Severity::Warning, NO_FEEDBACK, location.as_ref(), message, help, report);
    }
}

/// A text takes the outcome in words, a picklist as a code.
fn takes_status(field: &Field) -> bool {
    let has = |code: &&str| field.values.iter().any(|value| value == code);
    match field.kind.as_str() {
        "string" | "textarea" => true,
        "picklist" => !field.restricted || Feedback::CODES.iter().all(has),
        _ => false,
    }
}

/// Says which fields of `feedback` the metadata of this version has as a picklist.
fn earlier_metadata(look: &Look<'_>, mapping: &Mapping, report: &mut Report) {
    let name = "Goodays_Sync_Status__c";
    let told = mapping.actions().feedback_fields().iter().any(|field| field == name);
    if told && look.describe.field(name).is_some_and(|field| field.kind == "string") {
        let what = "is a text field: agents read it in the language of connector.yaml; the picklist of salesforce/ has \
                    labels that the org translates (salesforce/README.md, From an earlier version)";
        report.ok(Area::Salesforce, format!("`{name}` {what}"));
    }
}

/// Checks the fields that are emptied: command and answer when a command is carried out, and the approval.
fn emptied(look: &Look<'_>, mapping: &Mapping, report: &mut Report) {
    let actions = mapping.actions();
    let agents_own = actions.command.iter().chain(&actions.approved).cloned();
    for name in agents_own.chain(actions.answer_fields()) {
        let spot = mention(look, &name).or_else(|| mention(look, &format!("case.{name}")));
        if let Some(field) = look.describe.field(&name).filter(|field| !field.updateable) {
            look.read_only(field, spot.as_ref(), report);
        }
    }
}

/// Checks what the fields of the buttons hold: a command is a text, and an approval is true.
fn kinds(look: &Look<'_>, mapping: &Mapping, report: &mut Report) {
    let actions = mapping.actions();
    let command = "is no text and no picklist, so no command would be seen";
    let approved = "is no checkbox, so no approval would be seen";
    for (key, name, is_right, why, shipped) in [
        (
            "command",
            &actions.command,
            is_text as fn(&Field) -> bool,
            command,
            "the picklist Goodays_Command__c",
        ),
        ("approved", &actions.approved, is_checkbox, approved, "the checkbox Goodays_Approved__c"),
    ] {
        let field = name.as_ref().and_then(|name| look.describe.field(name));
        let Some(field) = field.filter(|field| !is_right(field)) else { continue };
        let location = look.files.value(look.file, &["case", key]);
        let message = format!("`{}` ({}) {why}", field.name, field.kind);
        let help = format!("take another field, such as {shipped} of salesforce/");
        look.report(Severity::Error, WRONG_KIND, location.as_ref(), message, &help, report);
    }
}

fn is_text(field: &Field) -> bool {
    matches!(field.kind.as_str(), "string" | "textarea" | "picklist" | "combobox")
}

fn is_checkbox(field: &Field) -> bool {
    field.kind == "boolean"
}
