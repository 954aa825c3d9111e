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
    let fls = "Unable to create/update fields: A__c, B__c. Please check the security settings of this field";
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
            error("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", "Case Origin: bad value for restricted", &[]),
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
        (error("TEXT_DATA_OUTSIDE_SUPPORTED_CHARSET", "", &[]), Verdict::Fix(vec![FieldFix::StripControl])),
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
    let describe = Describe::from_value(&serde_json::json!({"name": "Case", "fields": [{"name": "Id"},
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
        ("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "T: System.LimitException: Apex CPU time limit exceeded"),
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
    // A new Case: one of its references, as far as it has any.
    let plain = NodeError { sent: vec!["Subject".to_owned()], ..unknown.clone() };
    assert!(matches!(classify(&[unknown]), Verdict::Fix(fixes) if fixes.len() == 1));
    assert!(matches!(classify(&[plain]), Verdict::Permanent { .. }));
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
