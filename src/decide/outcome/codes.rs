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

/// Drops the fields with invalid references, if Salesforce names them.
fn pointing(error: &NodeError) -> Verdict {
    let fields = named_fields(error);
    if !fields.is_empty() {
        return drops(error, fields);
    }
    id_label(&error.problem.message).map_or_else(|| by_status(error), |field| drops(error, vec![field]))
}

fn no_access(error: &NodeError) -> Verdict {
    if is_case(error) {
        drop_or(error, &["OwnerId", "ContactId"])
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
        "TEXT_DATA_OUTSIDE_SUPPORTED_CHARSET" => return Some(Verdict::Fix(vec![FieldFix::StripControl])),
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
mod tests {
    use super::*;
    use crate::http::Problem;
    use crate::salesforce::RecordId;
    use crate::salesforce::describe::Describe;
    use crate::salesforce::named::with_labels;

    fn error(code: &str, message: &str, fields: &[&str]) -> NodeError {
        NodeError {
            reference: "refCase".into(),
            object: Some("Case".into()),
            record: None,
            sent: ["Subject", "OwnerId", "MailingState", "Store_Country__c"].map(str::to_owned).into(),
            status: 400,
            problem: Problem {
                code: code.into(),
                message: message.into(),
                fields: fields.iter().map(|f| (*f).to_owned()).collect(),
            },
        }
    }

    fn dropped(field: &str, code: &str) -> Verdict {
        Verdict::Fix(vec![FieldFix::Drop { field: field.into(), code: code.into() }])
    }

    fn shortened(field: &str, max: Option<usize>) -> Verdict {
        Verdict::Fix(vec![FieldFix::Shorten { field: field.into(), max }])
    }

    #[test]
    fn codes_then_messages() {
        let lock = "first error: UNABLE_TO_LOCK_ROW, unable to obtain exclusive access to this record";
        let fls =
            "Unable to create/update fields: A__c, B__c. Please check the security settings of this field";
        let foreign = "Foreign key external ID: for field x in entity y not found for field Partner_Id__c in entity Store__c";
        let table = [
            (error("UNABLE_TO_LOCK_ROW", "", &[]), Verdict::Retry),
            (error("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", lock, &[]), Verdict::Retry),
            (
                error("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "trigger failed", &[]),
                Verdict::Permanent { code: "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY".into() },
            ),
            (error("DUPLICATE_VALUE", "valeur en double", &[]), Verdict::Duplicate),
            (error("ENTITY_IS_DELETED", "", &["ContactId"]), dropped("ContactId", "ENTITY_IS_DELETED")),
            (
                error(
                    "STRING_TOO_LONG",
                    "Subject: data value too large: max length=9 (max length=255)",
                    &["Subject"],
                ),
                shortened("Subject", Some(255)),
            ),
            (
                error("STRING_TOO_LONG", "Subject: data value too large: x (max len", &[]),
                shortened("Subject", None),
            ),
            (
                error("INVALID_EMAIL_ADDRESS", "Web Email: invalid email address: foo@", &["SuppliedEmail"]),
                dropped("SuppliedEmail", "INVALID_EMAIL_ADDRESS"),
            ),
            (
                error(
                    "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
                    "Case Origin: bad value for restricted",
                    &[],
                ),
                dropped("Case Origin", "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"),
            ),
            (
                error("INVALID_FIELD_FOR_INSERT_UPDATE", fls, &[]),
                Verdict::Fix(
                    ["A__c", "B__c"]
                        .map(|f| FieldFix::Drop {
                            field: f.into(),
                            code: "INVALID_FIELD_FOR_INSERT_UPDATE".into(),
                        })
                        .into(),
                ),
            ),
            (
                error("INVALID_FIELD", "No such column 'X__c' on sobject of type Case", &[]),
                dropped("X__c", "INVALID_FIELD"),
            ),
            (error("INVALID_FIELD", foreign, &[]), dropped("Partner_Id__c", "INVALID_FIELD")),
            (
                error(
                    "INVALID_CROSS_REFERENCE_KEY",
                    "Record Type ID: this ID value isn't valid for the user: 012",
                    &[],
                ),
                dropped("RecordTypeId", "INVALID_CROSS_REFERENCE_KEY"),
            ),
            (
                error("INVALID_CROSS_REFERENCE_KEY", "Owner ID: owner cannot be blank", &["OwnerId"]),
                dropped("OwnerId", "INVALID_CROSS_REFERENCE_KEY"),
            ),
            (
                error("TEXT_DATA_OUTSIDE_SUPPORTED_CHARSET", "", &[]),
                Verdict::Fix(vec![FieldFix::StripControl]),
            ),
            (
                error("STORAGE_LIMIT_EXCEEDED", "", &[]),
                Verdict::AdminMustAct { code: "STORAGE_LIMIT_EXCEEDED".into() },
            ),
            (
                error("FIELD_CUSTOM_VALIDATION_EXCEPTION", "no", &["Subject"]),
                Verdict::Permanent { code: "FIELD_CUSTOM_VALIDATION_EXCEPTION".into() },
            ),
            (error("SOMETHING_NEW", "", &[]), Verdict::Permanent { code: "SOMETHING_NEW".into() }),
            (NodeError { status: 500, ..error("SOMETHING_NEW", "", &[]) }, Verdict::Retry),
            (error("PROCESSING_HALTED", "", &[]), Verdict::Retry),
        ];
        for (error, verdict) in table {
            assert_eq!(classify(std::slice::from_ref(&error)), verdict, "{error:?}");
        }
    }

    #[test]
    fn c02_any_refusal_that_names_a_field_costs_that_field() {
        let state = "There's a problem with this state. Please select a state from the list of valid states.: Mailing State";
        let table = [
            (error("FIELD_FILTER_VALIDATION_EXCEPTION", "Value does not exist", &["Store__c"]), "Store__c"),
            (error("FIELD_INTEGRITY_EXCEPTION", state, &[]), "MailingState"),
            (error("INVALID_OPERATION", "Owner ID: queue is not for this object", &[]), "OwnerId"),
            (error("INVALID_OPERATION", "Store_Country__c does not take it", &[]), "Store_Country__c"),
            (error("SOMETHING_NEW", "Subject: no", &[]), "Subject"),
            (error("SOMETHING_NEW", "no", &["A__c"]), "A__c"),
        ];
        for (error, field) in table {
            assert!(
                matches!(classify(std::slice::from_ref(&error)), Verdict::Fix(fixes)
                if matches!(&fixes[..], [FieldFix::Drop { field: f, .. }] if f.replace(' ', "") == *field)),
                "{error:?}"
            );
        }
        let kept = [
            error("REQUIRED_FIELD_MISSING", "Required fields are missing: [X__c]", &["X__c"]),
            error("FIELD_CUSTOM_VALIDATION_EXCEPTION", "Subject: no", &["Subject"]),
            error(
                "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY",
                "T: FIELD_CUSTOM_VALIDATION_EXCEPTION, no",
                &["Subject"],
            ),
            error("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "Subject: execution of BeforeInsert", &[]),
            error("SOMETHING_NEW", "This Subject is not allowed", &[]),
        ];
        for error in kept {
            assert!(matches!(classify(std::slice::from_ref(&error)), Verdict::Permanent { .. }), "{error:?}");
        }
    }

    #[test]
    fn c02_a_label_of_the_orgs_own_names_a_field() {
        let describe = Describe::from_value(&serde_json::json!({"name": "Case", "fields": [
            {"name": "Store_Country__c", "label": "Land"}, {"name": "Subject", "label": "Betreff"}]}));
        let describe = describe.unwrap();
        let named = |message: &str| {
            with_labels(&error("FIELD_INTEGRITY_EXCEPTION", message, &[]), &describe).problem.fields
        };
        assert_eq!(named("Dieses Land gibt es nicht.: Land"), ["Store_Country__c"]);
        assert_eq!(named("Land: gibt es nicht"), ["Store_Country__c"]);
        assert_eq!(named("Dieses Land gibt es nicht."), Vec::<String>::new());
        let rule = error("FIELD_CUSTOM_VALIDATION_EXCEPTION", "Land: nein", &[]);
        assert_eq!(with_labels(&rule, &describe).problem.fields, Vec::<String>::new());
    }

    #[test]
    fn c03_limits_of_one_transaction_mean_less_at_once() {
        let table = [
            (
                "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY",
                "T: System.LimitException: Apex CPU time limit exceeded",
            ),
            ("CANNOT_EXECUTE_FLOW_TRIGGER", "System.LimitException: Too many SOQL queries: 101"),
            ("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "T: Too many DML rows: 10001"),
            ("LIMIT_EXCEEDED", ""),
            ("SOME_NEW_LIMIT", ""),
            ("EXCEEDED_MAX_SIZE_REQUEST", ""),
            ("REQUEST_RUNNING_TOO_LONG", ""),
        ];
        let large = NodeError { status: 413, ..error("status_413", "", &[]) };
        assert_eq!(classify(&[large]), Verdict::TooMuch { code: "status_413".into() });
        for (code, message) in table {
            let verdict = classify(&[error(code, message, &["Subject"])]);
            assert_eq!(verdict, Verdict::TooMuch { code: code.into() }, "{code} {message}");
        }
        let lock = "T: UNABLE_TO_LOCK_ROW, CPU time limit exceeded";
        assert_eq!(classify(&[error("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", lock, &[])]), Verdict::Retry);
        assert_eq!(classify(&[error("INVALID_SESSION_ID", "", &[])]), Verdict::Retry);
    }

    #[test]
    fn a_missing_record_is_gone_whether_it_is_patched_or_commented() {
        let message = "invalid cross reference id";
        let unknown = error("INVALID_CROSS_REFERENCE_KEY", message, &[]);
        let patched = NodeError { record: RecordId::new("500000000000001"), ..unknown.clone() };
        let comment = NodeError { object: Some("CaseComment".into()), ..unknown.clone() };
        let named = NodeError {
            object: Some("CaseComment".into()),
            ..error("INVALID_CROSS_REFERENCE_KEY", "Parent ID: id value of incorrect type", &["ParentId"])
        };
        let deleted =
            NodeError { record: RecordId::new("500000000000001"), ..error("ENTITY_IS_DELETED", "", &[]) };
        for error in [patched, comment, named, deleted] {
            assert_eq!(classify(&[error]), Verdict::Gone);
        }
        assert!(matches!(classify(&[unknown]), Verdict::Permanent { .. }));
    }

    #[test]
    fn several_errors_make_one_verdict() {
        let halted = error("PROCESSING_HALTED", "", &[]);
        let email = error("INVALID_EMAIL_ADDRESS", "", &["SuppliedEmail"]);
        let picklist = error("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", "", &["Origin"]);
        let lock = error("UNABLE_TO_LOCK_ROW", "", &[]);
        let Verdict::Fix(fixes) = classify(&[halted.clone(), email.clone(), picklist]) else { panic!() };
        assert_eq!(fixes.len(), 2);
        assert_eq!(classify(&[email, lock]), Verdict::Retry);
        assert_eq!(classify(&[halted, error("DUPLICATE_VALUE", "", &[])]), Verdict::Duplicate);
        assert_eq!(classify(&[]), Verdict::Retry);
    }
}
