//! What Salesforce's error codes mean for the next step (Salesforce reference, 2.4). Pure functions.
//!
//! A code without a rule of its own is handled by its family: if a field is named, that field is left out; `LIMIT`:
//! less is sent, later; `SESSION`: the next call logs in first; a server status: retried later.
//!
//! Messages are localised and echo customers' texts: they are searched for known parts, and never logged.

use crate::salesforce::answer::{is_halted, speaks_of_session};
use crate::salesforce::field_fix::FieldFix;
use crate::salesforce::graph::NodeError;
use crate::salesforce::named::{
    between, id_label, is_of_a_rule, named_fields, no_such_field, or_label, sent_fields,
};

/// A text has characters that the org cannot store.
pub(super) const UNSUPPORTED_TEXT: &str = "TEXT_DATA_OUTSIDE_SUPPORTED_CHARSET";

/// What to do about a failed graph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Locks and other temporary problems: retry later.
    Retry,
    /// The org's limits for one transaction were exceeded: send less at once, later.
    TooMuch { code: String },
    /// Change these fields and send again immediately.
    Fix(Vec<FieldFix>),
    /// A key exists already: read the Cases again before any further write.
    Duplicate,
    /// The record to change, or a comment's parent, is deleted or unknown.
    Gone,
    /// All writes of this kind fail until an admin changes the org.
    AdminMustAct { code: String },
    /// This record is refused as it is.
    Permanent { code: String },
}

/// Whether an admin has to act on a code: it is about a right or the org, not about one value.
pub fn is_an_admins(code: &str) -> bool {
    code.starts_with("INSUFFICIENT_ACCESS")
        || matches!(code, "INVALID_TYPE" | "NOT_FOUND" | "STORAGE_LIMIT_EXCEEDED")
}

/// One verdict for all errors of a graph. Verdicts that may change everything else have priority. Fixes come last: they
/// help only if nothing but fields is wrong.
pub fn classify(errors: &[NodeError]) -> Verdict {
    let own = errors.iter().filter(|e| !is_halted(&e.problem.code)).map(verdict);
    own.reduce(joined).unwrap_or(Verdict::Retry)
}

fn joined(one: Verdict, other: Verdict) -> Verdict {
    match (one, other) {
        (Verdict::Fix(mut fixes), Verdict::Fix(more)) => {
            fixes.extend(more);
            Verdict::Fix(fixes)
        }
        (one, other) if rank(&one) <= rank(&other) => one,
        (_, other) => other,
    }
}

fn rank(verdict: &Verdict) -> u8 {
    match verdict {
        Verdict::Duplicate => 0,
        Verdict::Gone => 1,
        Verdict::TooMuch { .. } => 2,
        Verdict::Retry => 3,
        Verdict::AdminMustAct { .. } => 4,
        Verdict::Permanent { .. } => 5,
        Verdict::Fix(_) => 6,
    }
}

/// Decides by code, then by parts of the message, then by family, then by status.
fn verdict(error: &NodeError) -> Verdict {
    let code = error.problem.code.as_str();
    let message = error.problem.message.as_str();
    match code {
        _ if speaks_of_a_lock(message) || speaks_of_session(code) => Verdict::Retry,
        _ if error.status == 413 || is_too_much(code, message) => Verdict::TooMuch { code: code.to_owned() },
        "UNABLE_TO_LOCK_ROW"
        | "REQUEST_LIMIT_EXCEEDED"
        | "SERVER_UNAVAILABLE"
        | "UNKNOWN_EXCEPTION"
        | "QUERY_TIMEOUT"
        | "TOO_MANY_APEX_REQUESTS"
        | "API_CURRENTLY_DISABLED"
        | "INSERT_UPDATE_DELETE_NOT_ALLOWED_DURING_MAINTENANCE"
        | "TXN_SECURITY_METERING_ERROR"
        | "ENTITY_IS_LOCKED"
        | "RECORD_IN_USE_BY_WORKFLOW"
        | "CANNOT_EXECUTE_FLOW_TRIGGER" => Verdict::Retry,
        "DUPLICATE_VALUE" => Verdict::Duplicate,
        // For a new Case, one of its references is deleted. Otherwise the Case itself, or a comment's Case, is deleted.
        "ENTITY_IS_DELETED" if is_case(error) && error.record.is_none() => pointing(error),
        "ENTITY_IS_DELETED" => Verdict::Gone,
        "NOT_FOUND" if error.record.is_some() => Verdict::Gone,
        "INVALID_CROSS_REFERENCE_KEY" | "MALFORMED_ID" => reference(error),
        "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY" => no_access(error),
        "INACTIVE_OWNER_OR_USER" => drop_or(error, &["OwnerId"]),
        "STORAGE_LIMIT_EXCEEDED"
        | "API_DISABLED_FOR_ORG"
        | "FUNCTIONALITY_NOT_ENABLED"
        | "INSUFFICIENT_ACCESS"
        | "INSUFFICIENT_ACCESS_OR_READONLY"
        | "INVALID_TYPE"
        | "NOT_FOUND" => Verdict::AdminMustAct { code: code.to_owned() },
        _ => fix(error).unwrap_or_else(|| by_status(error)),
    }
}

/// If a trigger or flow runs into a lock, another error contains the lock's message.
fn speaks_of_a_lock(message: &str) -> bool {
    message.contains("UNABLE_TO_LOCK_ROW") || message.contains("unable to obtain exclusive access")
}

/// Whether a limit for one transaction was exceeded. Apex limits in triggers and flows are inside other errors.
fn is_too_much(code: &str, message: &str) -> bool {
    const OTHERS: [&str; 3] = ["REQUEST_LIMIT_EXCEEDED", "STORAGE_LIMIT_EXCEEDED", "STRING_TOO_LONG"];
    const APEX: [&str; 5] = [
        "LimitException",
        "CPU time limit exceeded",
        "Too many SOQL queries",
        "Too many DML",
        "heap size too large",
    ];
    let by_code = code.contains("LIMIT") || code.contains("EXCEEDED") || code == "REQUEST_RUNNING_TOO_LONG";
    let by_message = matches!(
        code,
        "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY"
            | "CANNOT_EXECUTE_FLOW_TRIGGER"
            | "UNKNOWN_EXCEPTION"
            | "APEX_ERROR"
    ) && (APEX.iter().any(|piece| message.contains(piece)) || message.contains("Too many "));
    !OTHERS.contains(&code) && (by_code || by_message)
}

fn by_status(error: &NodeError) -> Verdict {
    let code = error.problem.code.clone();
    if error.status >= 500 { Verdict::Retry } else { Verdict::Permanent { code } }
}

/// Either the record (or a comment's parent) is unknown, or one of its fields refers to an unknown record.
fn reference(error: &NodeError) -> Verdict {
    let fields = named_fields(error);
    let parent = |f: &String| f.eq_ignore_ascii_case("ParentId") || f.eq_ignore_ascii_case("Id");
    if fields.iter().any(parent) && !is_case(error) {
        return Verdict::Gone;
    }
    let own_id = !fields.is_empty() && fields.iter().all(|f| f.eq_ignore_ascii_case("Id"));
    let message = &error.problem.message;
    let unknown = own_id || error.status == 404 || message.contains("invalid cross reference id");
    if error.record.is_some() && unknown {
        return Verdict::Gone;
    }
    match pointing(error) {
        // A comment has only one reference: its Case.
        Verdict::Permanent { .. } if !is_case(error) => Verdict::Gone,
        verdict => verdict,
    }
}

/// Drops the fields with invalid references, if Salesforce names them, or all that were sent.
fn pointing(error: &NodeError) -> Verdict {
    let fields = named_fields(error);
    if !fields.is_empty() {
        return drops(error, fields);
    }
    if let Some(field) = id_label(&error.problem.message) {
        return drops(error, vec![field]);
    }
    // It may be any of them: a Contact that was merged away since it was found, for example.
    let is_reference = |field: &&String| REFERENCES.iter().any(|name| field.eq_ignore_ascii_case(name));
    let sent = error.sent.iter().filter(|_| is_case(error)).filter(is_reference);
    let sent: Vec<String> = sent.cloned().collect();
    if sent.is_empty() { by_status(error) } else { drops(error, sent) }
}

/// The references of a Case that Salesforce may refuse without naming them.
const REFERENCES: [&str; 2] = ["OwnerId", "ContactId"];

fn no_access(error: &NodeError) -> Verdict {
    if is_case(error) {
        drop_or(error, &REFERENCES)
    } else {
        Verdict::AdminMustAct { code: error.problem.code.clone() }
    }
}

fn is_case(error: &NodeError) -> bool {
    error.object.as_deref().is_none_or(|o| o.eq_ignore_ascii_case("Case"))
}

fn drop_or(error: &NodeError, fields: &[&str]) -> Verdict {
    let named = named_fields(error);
    drops(error, if named.is_empty() { fields.iter().map(|f| (*f).to_owned()).collect() } else { named })
}

fn drops(error: &NodeError, fields: Vec<String>) -> Verdict {
    let code = &error.problem.code;
    Verdict::Fix(fields.into_iter().map(|field| FieldFix::Drop { field, code: code.clone() }).collect())
}

fn fix(error: &NodeError) -> Option<Verdict> {
    let message = &error.problem.message;
    let fields = match error.problem.code.as_str() {
        UNSUPPORTED_TEXT => return Some(Verdict::Fix(vec![FieldFix::StripControl])),
        "STRING_TOO_LONG" => {
            let max = stated_max(message);
            let fields = or_label(named_fields(error), message);
            let fixes = fields.into_iter().map(|field| FieldFix::Shorten { field, max });
            return Some(Verdict::Fix(fixes.collect())).filter(|v| *v != Verdict::Fix(Vec::new()));
        }
        "INVALID_FIELD_FOR_INSERT_UPDATE" => {
            let listed = between(message, "fields: ", ". ").unwrap_or_default();
            let listed = listed.split(',').map(|f| f.trim().to_owned()).filter(|f| !f.is_empty());
            Some(named_fields(error)).filter(|f| !f.is_empty()).unwrap_or_else(|| listed.collect())
        }
        "INVALID_FIELD" => no_such_field(error),
        "INVALID_EMAIL_ADDRESS"
        | "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"
        | "NUMBER_OUTSIDE_VALID_RANGE" => or_label(named_fields(error), message),
        // A rule of the org is not fixed by leaving a field out, and a trigger's message may contain any name.
        code if is_of_a_rule(code, message) => return None,
        "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY" => named_fields(error),
        _ => Some(named_fields(error)).filter(|f| !f.is_empty()).unwrap_or_else(|| sent_fields(error)),
    };
    if fields.is_empty() { None } else { Some(drops(error, fields)) }
}

/// Reads `(max length=255)`. The last one counts, because the value before it may contain anything.
fn stated_max(message: &str) -> Option<usize> {
    let (_, rest) = message.rsplit_once("max length=")?;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

#[cfg(test)]
mod tests;
