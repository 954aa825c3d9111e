//! `match` in case*.yaml: can the customer be looked up, and may the Case name him?

use super::codes::{CUSTOMER_MAILED, NO_EXTERNAL_ID};
use super::fields::Look;
use super::places::Location;
use super::report::{Area, Report};
use crate::mapping::{CaseMapping, Mapping, Matching, Severity};
use crate::salesforce::describe::Field;

/// Warns that Salesforce mails the contact of a Case. It can be said without the org.
pub fn warn_of_mails(mapping: &Mapping, report: &mut Report) {
    for matching in mapping.case_mappings().iter().filter_map(|case| case.matching.as_ref()) {
        let field = matching.object.case_field();
        let message =
            format!("`match` fills {field}, and Salesforce can mail the contact of a Case by itself");
        let help = "in Setup > Support Settings and in the assignment and auto-response rules, see to it that Cases of \
                    Goodays send no mail to contacts: the customer has his answer from Goodays";
        let found = mapping.finding(Severity::Warning, CUSTOMER_MAILED, &matching.at, message);
        report.diagnostic(Area::Mapping, found.with_help(help));
    }
}

pub fn check(case: &CaseMapping, look: &Look<'_>, report: &mut Report) {
    let Some(matching) = &case.matching else { return };
    let location = look.files.key(look.file, &["match"]);
    let name = matching.object.case_field();
    if let Some(field) = look.field(name, location.as_ref(), report)
        && !field.createable
    {
        look.read_only(field, location.as_ref(), report);
    }
    let Some(describe) = look.objects.get(matching.object.name()) else { return };
    clues(matching, &Look { describe, updates: false, ..*look }, report);
}

fn clues(matching: &Matching, there: &Look<'_>, report: &mut Report) {
    if let Some(clue) = &matching.external_id {
        let location = place(there, "external_id");
        if let Some(field) = there.field(&clue.field, location.as_ref(), report) {
            there.spelling(&clue.field, field, location.as_ref(), report);
            external_id(there, field, location.as_ref(), report);
        }
    }
    if let Some(clue) = &matching.email {
        let location = place(there, "email");
        if let Some(field) = there.field(&clue.field, location.as_ref(), report)
            && !is_text(field)
        {
            let message = format!("`{}` is a {}, and holds no address", field.name, field.kind);
            let help = "name an e-mail field, or leave `field` out";
            there.report(Severity::Error, NO_EXTERNAL_ID, location.as_ref(), message, help, report);
        }
    }
}

/// The look-up compares texts, and has to find one record fast.
fn external_id(there: &Look<'_>, field: &Field, location: Option<&Location>, report: &mut Report) {
    let (severity, message, help) = if !is_text(field) {
        let message = format!("`{}` is a {}, and the look-up compares texts", field.name, field.kind);
        (Severity::Error, message, "name a Text field that is marked as External ID")
    } else if !field.external_id {
        let message =
            format!("`{}` is not marked as External ID: each look-up would search all records", field.name);
        (Severity::Warning, message, "mark the field as External ID in Salesforce")
    } else if !field.unique {
        let message =
            format!("`{}` is not unique: where two records have one value, neither is taken", field.name);
        (Severity::Warning, message, "mark the field as unique, or go on if that is meant")
    } else {
        return;
    };
    there.report(severity, NO_EXTERNAL_ID, location, message, help, report);
}

fn is_text(field: &Field) -> bool {
    matches!(field.kind.as_str(), "string" | "email" | "textarea")
}

fn place(look: &Look<'_>, key: &str) -> Option<Location> {
    look.files
        .value(look.file, &["match", key, "field"])
        .or_else(|| look.files.key(look.file, &["match", key]))
}

/// The paths that have to be described: object and field.
pub fn paths(case: &CaseMapping) -> Vec<(String, String)> {
    let Some(matching) = &case.matching else { return Vec::new() };
    let object = matching.object;
    let clues = matching.clues().map(|clue| (object.name().to_owned(), clue.field.clone()));
    clues.chain([(case.object.clone(), object.case_field().to_owned())]).collect()
}
