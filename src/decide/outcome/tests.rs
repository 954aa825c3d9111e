//! What each error code of the Salesforce reference (2.4) leads to, and what the rest of a call changes about it.

use super::*;
use crate::decide::inbound::MAX_COMMENTS;
use crate::decide::tests::plan_context;
use crate::salesforce::describe::Describe;

fn error(status: u16, code: &str, message: &str, fields: &[&str]) -> NodeError {
    NodeError {
        reference: CASE.to_owned(),
        object: Some("Case".to_owned()),
        record: None,
        sent: ["Subject", "OwnerId", "SuppliedEmail", "Origin", "Legacy__c"].map(str::to_owned).into(),
        status,
        problem: Problem {
            code: code.to_owned(),
            message: message.to_owned(),
            fields: fields.iter().map(|f| (*f).to_owned()).collect(),
        },
    }
}

/// What follows for one conversation that was sent alone.
fn alone(one: &Written, error: NodeError) -> Next {
    let mut next =
        after_call(std::slice::from_ref(one), vec![GraphOutcome::Failed(vec![error])], &plan_context());
    next.remove(0)
}

/// A word for what follows, and the fields that are changed.
fn shown(next: &Next) -> String {
    let field = |fix: &FieldFix| match fix {
        FieldFix::Drop { field, .. } => format!(" without {field}"),
        FieldFix::Shorten { field, max } => format!(" {field} to {max:?}"),
        FieldFix::AsCode { field } => format!(" {field} as code"),
        FieldFix::StripControl => " without control characters".to_owned(),
        FieldFix::Fewer { comments } => format!(" {comments} comments"),
    };
    match next {
        Next::FixFields { everywhere, here } => {
            let one: String = here.iter().map(field).collect();
            let all: String = everywhere.iter().map(field).collect();
            if all.is_empty() { format!("fix{one}") } else { format!("fix{one} and everywhere{all}") }
        }
        other => other.name().to_owned(),
    }
}

/// Status, code, example message and named fields of a refusal, and what follows.
type Row = (u16, &'static str, &'static str, &'static [&'static str], &'static str);

/// A trigger or flow that ran into a lock.
const LOCKED: &str =
    "T: UNABLE_TO_LOCK_ROW, unable to obtain exclusive access to this record or 1 records: 500";

const TRANSIENT: &[Row] = &[
    (400, "UNABLE_TO_LOCK_ROW", "unable to obtain exclusive access to this record", &[], "send later"),
    (400, "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", LOCKED, &[], "send later"),
    (400, "CANNOT_EXECUTE_FLOW_TRIGGER", LOCKED, &[], "send later"),
    (403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.", &[], "send later"),
    (503, "SERVER_UNAVAILABLE", "", &[], "send later"),
    (500, "UNKNOWN_EXCEPTION", "ErrorId: 1-2", &[], "send later"),
    (400, "QUERY_TIMEOUT", "", &[], "send later"),
    (400, "REQUEST_RUNNING_TOO_LONG", "", &[], "fewer comments"),
    (403, "TOO_MANY_APEX_REQUESTS", "", &[], "send later"),
    (503, "API_CURRENTLY_DISABLED", "", &[], "send later"),
    (400, "INSERT_UPDATE_DELETE_NOT_ALLOWED_DURING_MAINTENANCE", "", &[], "send later"),
    (400, "TXN_SECURITY_METERING_ERROR", "", &[], "send later"),
    (400, "ENTITY_IS_LOCKED", "", &[], "send later"),
    (400, "RECORD_IN_USE_BY_WORKFLOW", "", &[], "send later"),
    (403, "STORAGE_LIMIT_EXCEEDED", "", &[], "pause all"),
    (400, "LIMIT_EXCEEDED", "", &[], "fewer comments"),
    (400, "ALL_OR_NONE_OPERATION_ROLLED_BACK", "", &[], "send later"),
    (400, "PROCESSING_HALTED", "", &[], "send later"),
];

const FIXABLE: &[Row] = &[
    (
        400,
        "STRING_TOO_LONG",
        "Subject: data value too large: x (max length=255)",
        &["Subject"],
        "fix Subject to Some(255)",
    ),
    (
        400,
        "INVALID_EMAIL_ADDRESS",
        "Web Email: invalid email address: foo@",
        &["SuppliedEmail"],
        "fix without SuppliedEmail",
    ),
    (
        400,
        "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
        "Case Origin: bad value for restricted picklist field: Goodays",
        &["Origin"],
        "fix without Origin",
    ),
    (
        400,
        "INVALID_FIELD_FOR_INSERT_UPDATE",
        "Unable to create/update fields: X__c. Please check the security settings of this field",
        &["X__c"],
        "fix and everywhere without X__c",
    ),
    (
        400,
        "INVALID_FIELD",
        "No such column 'X__c' on sobject of type Case",
        &[],
        "fix and everywhere without X__c",
    ),
    (
        400,
        "INVALID_FIELD",
        "Foreign key external ID: 7 not found for field Store__c in entity Store__c",
        &[],
        "fix without Store__c",
    ),
    (
        400,
        "INVALID_CROSS_REFERENCE_KEY",
        "Record Type ID: this ID value isn't valid for the user: 012",
        &[],
        "fix without RecordTypeId",
    ),
    (
        400,
        "INVALID_CROSS_REFERENCE_KEY",
        "Owner ID: owner cannot be blank",
        &["OwnerId"],
        "fix without OwnerId",
    ),
    (400, "INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", &[], "fix without OwnerId"),
    (400, "ENTITY_IS_DELETED", "entity is deleted", &[], "fix without OwnerId"),
    (400, "INACTIVE_OWNER_OR_USER", "", &[], "fix without OwnerId"),
    (400, "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY", "", &[], "fix without OwnerId without ContactId"),
    (400, "NUMBER_OUTSIDE_VALID_RANGE", "", &["Legacy__c"], "fix without Legacy__c"),
    (
        400,
        "JSON_PARSER_ERROR",
        "Cannot deserialize instance of currency",
        &["Legacy__c"],
        "fix without Legacy__c",
    ),
    (400, "TEXT_DATA_OUTSIDE_SUPPORTED_CHARSET", "", &[], "fix without control characters"),
    (400, "DUPLICATE_VALUE", "valeur en double", &[], "read first"),
    (
        400,
        "DUPLICATE_VALUE",
        "duplicate value found: Legacy__c duplicates value on record with id: 0018M000003uKqq",
        &[],
        "fix without Legacy__c",
    ),
];

const PERMANENT: &[Row] = &[
    (400, "REQUIRED_FIELD_MISSING", "Required fields are missing: [X__c]", &["X__c"], "park"),
    (400, "FIELD_CUSTOM_VALIDATION_EXCEPTION", "Subject: no", &["Subject"], "park"),
    (400, "FIELD_INTEGRITY_EXCEPTION", "no", &[], "park"),
    (400, "DUPLICATES_DETECTED", "Use one of these records?", &[], "park"),
    (400, "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "T: execution of BeforeInsert", &[], "park"),
    (400, "CANNOT_EXECUTE_FLOW_TRIGGER", "We can't save this record", &[], "send later"),
    (400, "INSUFFICIENT_ACCESS_OR_READONLY", "", &[], "send later"),
    (403, "INSUFFICIENT_ACCESS", "", &[], "send later"),
    (404, "INVALID_TYPE", "", &[], "pause all"),
    (400, "MALFORMED_QUERY", "", &[], "park"),
    (403, "API_DISABLED_FOR_ORG", "", &[], "pause all"),
    (400, "EXCEEDED_ID_LIMIT", "", &[], "fewer comments"),
    (400, "EXCEEDED_MAX_SIZE_REQUEST", "", &[], "fewer comments"),
    (400, "DUPLICATE_EXTERNAL_ID", "", &[], "park"),
];

const NOT_IN_THE_REFERENCE: &[Row] =
    &[(400, "SOMETHING_NEW", "", &[], "park"), (500, "SOMETHING_NEW", "", &[], "send later")];

/// The reference's tables, for a new Case with two comments that is refused for the first time.
#[test]
fn each_code_of_the_reference_leads_to_one_decision() {
    let one = Written { comments: 2, most_comments: MAX_COMMENTS, inserts: true, ..Written::default() };
    let rows = [TRANSIENT, FIXABLE, PERMANENT, NOT_IN_THE_REFERENCE].concat();
    for (status, code, message, fields, expected) in rows {
        let next = alone(&one, error(status, code, message, fields));
        assert_eq!(shown(&next), expected, "{code} {message}");
    }
}

#[test]
fn tries_end_and_only_real_tries_count() {
    let after = |attempts, error| alone(&Written { attempts, ..Written::default() }, error);
    let locked = || error(400, "ENTITY_IS_LOCKED", "", &[]);
    let code = "ENTITY_IS_LOCKED".to_owned();
    assert_eq!(after(0, locked()), Next::SendLater { code: code.clone(), attempts: 1 });
    assert_eq!(after(39, locked()), Next::SendLater { code, attempts: 40 });
    assert_eq!(shown(&after(40, locked())), "park");
    let limit = || error(400, "LIMIT_EXCEEDED", "", &[]);
    assert_eq!(shown(&after(7, limit())), "send later");
    assert_eq!(shown(&after(8, limit())), "park");
    let full = || error(403, "STORAGE_LIMIT_EXCEEDED", "", &[]);
    assert_eq!(shown(&after(0, full())), "pause all");
    assert_eq!(shown(&after(1, full())), "send later");
}

/// Each limit is smaller than the one before; then tries count.
#[test]
fn less_is_sent_until_nothing_is_left_to_leave_out() {
    for (inserts, parts, expected) in [(true, 1, vec![1, 0]), (false, 1, vec![1]), (false, 3, vec![1])] {
        let (mut most_comments, mut limits) = (MAX_COMMENTS, Vec::new());
        for _ in 0..20 {
            // As the planner takes them: a new Case may have no comment, and an answer may have several parts.
            let comments = most_comments.min(3).max(if inserts { 0 } else { parts });
            let one = Written { comments, most_comments, inserts, ..Written::default() };
            match alone(&one, error(400, "LIMIT_EXCEEDED", "", &[])) {
                Next::FewerComments { comments, .. } => {
                    limits.push(comments);
                    most_comments = comments;
                }
                other => assert_eq!(shown(&other), "send later"),
            }
        }
        assert_eq!(limits, expected, "{inserts} {parts}");
    }
}

#[test]
fn reads_that_are_refused_and_tries_without_progress_end_too() {
    for next in [|attempts| after_refused_read(attempts, "QUERY_TIMEOUT"), after_no_progress] {
        assert!(matches!(next(0), Next::SendLater { attempts: 1, .. }), "{:?}", next(0));
        assert_eq!(shown(&next(MAX_ATTEMPTS)), "park");
    }
}

#[test]
fn of_several_errors_the_words_of_the_one_that_decides_are_told() {
    let errors = vec![
        error(400, "INVALID_EMAIL_ADDRESS", "Web Email: invalid email address: x", &[]),
        error(400, "FIELD_CUSTOM_VALIDATION_EXCEPTION", "Priority must be set by the desk", &[]),
    ];
    let one = Written::default();
    let next = after_call(&[one], vec![GraphOutcome::Failed(errors)], &plan_context()).remove(0);
    let Next::Park { code, why } = next else { panic!("{next:?}") };
    assert_eq!(code, "FIELD_CUSTOM_VALIDATION_EXCEPTION");
    assert!(why.ends_with(": Priority must be set by the desk"), "{why}");
}

#[test]
fn what_was_read_decides_between_reading_and_parking() {
    let duplicate = || error(400, "DUPLICATE_VALUE", "", &[]);
    let gone =
        || NodeError { object: Some("CaseComment".to_owned()), ..error(404, "ENTITY_IS_DELETED", "", &[]) };
    for (has_case, was_read, of_duplicate, of_gone) in [
        (false, false, "read first", "send later"),
        (true, false, "read first", "read first"),
        (false, true, "read once more", "send later"),
        // An update that still is a duplicate: a unique field of the org's own, which is not named.
        (true, true, "send later", "send later"),
    ] {
        let one = Written { has_case, was_read, inserts: !has_case, ..Written::default() };
        let shown = [duplicate(), gone()].map(|error| shown(&alone(&one, error)));
        assert_eq!(shown, [of_duplicate, of_gone], "{has_case} {was_read}");
    }
    assert!(matches!(duplicate_elsewhere(), Next::Park { code, .. } if code == "duplicate_elsewhere"));
}

#[test]
fn the_key_and_the_marker_are_never_left_out() {
    let missing = |field: &str| error(400, "INVALID_FIELD", "", &[field]);
    let refused = |field: &str| error(400, "STRING_TOO_LONG", "", &[field]);
    let one = Written::default();
    let paused = alone(&one, missing("goodays_message_ids__c"));
    assert!(matches!(&paused, Next::PauseAll { code, .. } if code == "key_field"), "{paused:?}");
    let invalid = error(400, "INVALID_EMAIL_ADDRESS", "", &["Goodays_Response_Id__c"]);
    assert_eq!(shown(&alone(&one, invalid)), "park");
    // Too long a marker is shortened, again and again, and not left out in the end.
    let mut tried = Written::default();
    for _ in 0..100 {
        match alone(&tried, refused("Goodays_Message_Ids__c")) {
            Next::FixFields { here, .. } => {
                assert!(matches!(here[..], [FieldFix::Shorten { .. }]), "{here:?}");
                tried.fixes.extend(here);
            }
            other => return assert_eq!(shown(&other), "park"),
        }
    }
    panic!("it never ends: {:?}", tried.fixes);
}

/// A text of the Case that is refused at any length is left out in the end; a comment's text never is.
#[test]
fn a_text_that_is_refused_at_any_length_is_shortened_and_then_left_out() {
    let fields = serde_json::json!({"name": "Case", "fields": [{"name": "Id"}, {"name": "Subject", "label": "Subject"}]});
    let describe = Describe::from_value(&fields).unwrap();
    let context = PlanContext { case: Some(&describe), ..plan_context() };
    for (field, end) in [("Subject", "fix without Subject"), ("CommentBody", "park")] {
        let (mut one, mut last) = (Written::default(), String::new());
        for _ in 0..100 {
            let long = error(400, "STRING_TOO_LONG", "x (max length=255)", &[field]);
            let next =
                after_call(std::slice::from_ref(&one), vec![GraphOutcome::Failed(vec![long])], &context);
            last = shown(&next[0]);
            let Next::FixFields { here, .. } = &next[0] else { break };
            one.fixes.extend(here.clone());
            if last == end {
                break;
            }
        }
        assert_eq!(last, end, "{field}");
        assert!(one.fixes.len() <= 21, "{field}: {:?}", one.fixes);
    }
}

/// Each step costs less than the feedback: first rare characters, then the named fields, then optional ones.
#[test]
fn a_text_that_the_org_cannot_store_costs_its_field_at_most() {
    const CODE: &str = "TEXT_DATA_OUTSIDE_SUPPORTED_CHARSET";
    for (message, named, steps) in [
        ("", &["Legacy__c"][..], ["fix without control characters", "fix without Legacy__c", "park"]),
        (
            "Legacy__c: not in the charset",
            &[],
            ["fix without control characters", "fix without Legacy__c", "park"],
        ),
        (
            "",
            &["CommentBody"],
            [
                "fix without control characters",
                "fix without Subject without OwnerId without SuppliedEmail",
                "fix without Origin",
            ],
        ),
    ] {
        let mut one = Written::default();
        for step in steps {
            let next = alone(&one, error(400, CODE, message, named));
            assert_eq!(shown(&next), step, "{message} {named:?}");
            if let Next::FixFields { here, .. } = next {
                one.fixes.extend(here);
            }
        }
    }
}

#[test]
fn the_others_of_the_call_show_whose_problem_it_is() {
    let one =
        |comments| Written { comments, most_comments: MAX_COMMENTS, inserts: false, ..Written::default() };
    let limit = || GraphOutcome::Failed(vec![error(400, "LIMIT_EXCEEDED", "", &[])]);
    let full = || GraphOutcome::Failed(vec![error(403, "STORAGE_LIMIT_EXCEEDED", "", &[])]);
    let duplicate = || GraphOutcome::Failed(vec![error(400, "DUPLICATE_VALUE", "", &[])]);
    let done = || GraphOutcome::Done(vec![(CASE.to_owned(), RecordId::new("500000000000001"))]);
    let table = [
        (vec![limit(), limit()], ["fewer conversations", "fewer conversations"]),
        (vec![limit(), done()], ["fewer comments", "record"]),
        (vec![full(), full()], ["pause all", "pause all"]),
        (vec![full(), done()], ["send later", "record"]),
        (vec![duplicate(), GraphOutcome::Halted], ["read first", "read first"]),
        (vec![full(), GraphOutcome::Halted], ["pause all", "send again"]),
        // No error says why: the same call would end in the same way.
        (vec![GraphOutcome::Halted, GraphOutcome::Halted], ["send later", "send later"]),
        (vec![done(), GraphOutcome::Halted], ["record", "send later"]),
    ];
    for (outcomes, expected) in table {
        let next = after_call(&[one(4), one(4)], outcomes.clone(), &plan_context());
        assert_eq!(next.iter().map(shown).collect::<Vec<_>>(), expected, "{outcomes:?}");
    }
}

#[test]
fn a_call_that_fails_as_a_whole_is_divided_until_one_conversation_is_left() {
    let refused = |status, code: &str| Failure::Refused { status, problem: Problem::new(code, "") };
    let after = |count: usize, failure: &Failure| {
        after_failed_call(&vec![Written::default(); count], Vec::new(), failure, &plan_context())
    };
    let smaller = |conversations, remember| AfterFailedCall::SmallerCalls { conversations, remember };
    assert_eq!(after(75, &refused(413, "")), smaller(37, true));
    assert_eq!(after(3, &refused(400, "SOMETHING_NEW")), smaller(1, false));
    let AfterFailedCall::One(next) = after(1, &refused(400, "SOMETHING_NEW")) else { panic!() };
    assert_eq!(shown(&next), "park");
    let AfterFailedCall::One(Next::SendLater { code, .. }) = after(1, &refused(413, "")) else { panic!() };
    assert_eq!(code, "status_413");
    for (failure, expected) in [
        (Failure::no_answer("cut"), AfterFailedCall::Unknown),
        (Failure::Road("a page".to_owned()), AfterFailedCall::Unknown),
        (Failure::NotSent("no way".to_owned()), AfterFailedCall::NotDone),
        (Failure::SessionOver("over".to_owned()), AfterFailedCall::NotDone),
        (Failure::Store("full".to_owned()), AfterFailedCall::NotDone),
        (Failure::Budget, AfterFailedCall::NotDone),
    ] {
        assert_eq!(after(2, &failure), expected, "{failure}");
    }
}
