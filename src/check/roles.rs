//! Fields that the connector itself needs: the key, the marker, and the parent of a comment.

use super::codes::{BAD_KEY, BAD_MARKER, MAILS_TWICE};
use super::fields::Look;
use super::objects::case_object;
use super::report::Report;
use crate::goodays::MAX_RESPONSE_ID;
use crate::mapping::{CommentMapping, Mapping, Severity};
use crate::salesforce::describe::Field;
use crate::salesforce::fit::is_true;

/// A shorter marker loses the oldest messages of a long conversation.
const MARKER_CHARS: usize = 32_768;

/// The key identifies the Case. It must be a unique text field that distinguishes `a` from `A`.
pub fn key(look: &Look<'_>, name: &str, report: &mut Report) {
    let location = look.files.value(look.file, &["key", "field"]);
    let Some(field) = look.field(name, location.as_ref(), report) else { return };
    look.spelling(name, field, location.as_ref(), report);
    for (missing, why) in wrong_with_key(field) {
        let message = format!("the key field `{name}` {missing}");
        look.report(Severity::Error, BAD_KEY, location.as_ref(), message, why, report);
    }
    if !field.createable {
        look.read_only(field, location.as_ref(), report);
    }
}

fn wrong_with_key(field: &Field) -> Vec<(String, &'static str)> {
    let mut wrong: Vec<(String, &str)> = Vec::new();
    if field.kind != "string" {
        wrong.push((format!("is a {}", field.kind), "make it a Text field: Goodays' ids are texts"));
        return wrong;
    }
    if !field.external_id {
        wrong.push(("is no External ID".into(), "mark it as External ID: it is searched for at every step"));
    }
    if !field.unique {
        wrong.push((
            "is not unique".into(),
            "mark it as unique: it is what keeps a feedback from becoming two Cases",
        ));
    }
    if field.unique && !field.case_sensitive {
        wrong.push((
            "does not tell `a` from `A`".into(),
            "make it case-sensitive: Goodays' ids differ by case alone, and the second one would be refused",
        ));
    }
    if field.length > 0 && field.length < MAX_RESPONSE_ID {
        wrong.push((
            format!("holds {} characters", field.length),
            "make it 64 characters long: a response with a longer id could not be imported",
        ));
    }
    wrong
}

/// The marker holds the ids of all messages that were carried over.
pub fn marker(look: &Look<'_>, name: &str, report: &mut Report) {
    let location = look.files.value(look.file, &["marker"]);
    let Some(field) = look.field(name, location.as_ref(), report) else { return };
    look.spelling(name, field, location.as_ref(), report);
    if field.kind != "textarea" {
        let message = format!("the marker `{name}` is a {}, no long text area", field.kind);
        let help = "make it a Long Text Area of 131072 characters: it keeps the ids of all messages";
        look.report(Severity::Error, BAD_MARKER, location.as_ref(), message, help, report);
    } else if field.length > 0 && field.length < MARKER_CHARS {
        let message = format!("the marker `{name}` holds only {} characters", field.length);
        let help =
            "lengthen it to 131072: after a loss of state, messages that it forgot would be compared by text";
        look.report(Severity::Warning, BAD_MARKER, location.as_ref(), message, help, report);
    }
    if !field.createable || !field.updateable {
        look.read_only(field, location.as_ref(), report);
    }
}

/// A comment's parent must be the Case. Salesforce may mail a published comment to the customer.
pub fn parent(look: &Look<'_>, comment: &CommentMapping, mapping: &Mapping, report: &mut Report) {
    let location =
        look.files.value(look.file, &["parent"]).or_else(|| look.files.key(look.file, &["fields"]));
    if let Some(field) = look.field(&comment.parent_field, location.as_ref(), report) {
        look.spelling(&comment.parent_field, field, location.as_ref(), report);
        let case = case_object(mapping);
        let leads = field.reference_to.is_empty()
            || field.reference_to.iter().any(|to| to.eq_ignore_ascii_case(case));
        if !leads {
            let message = format!("`{}` does not lead to {case}", field.name);
            look.report(
                Severity::Error,
                BAD_KEY,
                location.as_ref(),
                message,
                "name the look-up field that points to the Case",
                report,
            );
        } else if !field.createable {
            look.read_only(field, location.as_ref(), report);
        }
    }
    published(look, comment, report);
}

/// Warns about comments that we publish, as the org may mail them.
fn published(look: &Look<'_>, comment: &CommentMapping, report: &mut Report) {
    let rules = comment.field_rules().iter().find(|rule| rule.field.eq_ignore_ascii_case("IsPublished"));
    let publishes = rules.is_some_and(|rule| rule.fixed_values().into_iter().any(is_true));
    let location = look.files.key(look.file, &["fields", "IsPublished"]);
    if publishes {
        let message = "imported comments are published: the customer may be mailed what Goodays told him already, \
                       and portal users read it";
        look.report(
            Severity::Warning,
            MAILS_TWICE,
            location.as_ref(),
            message,
            "set `IsPublished: { value: false }`",
            report,
        );
    }
    if look.describe.field("IsNotificationSelected").is_some() {
        let message =
            "this org can mail customers when a comment is published; agents' answers would reach them twice";
        let help = "in Setup > Support Settings, turn off case comment notification to contacts, or make sure that \
                    Cases of Goodays have no contact";
        look.report(Severity::Warning, MAILS_TWICE, location.as_ref(), message, help, report);
    }
}
