//! The mapping language: the result of the shipped files for Goodays' samples, and every mistake with its message.

mod docs;
mod edited;
mod live;
mod mistakes;
mod robust;
mod schemas;
pub mod silent;

use std::path::Path;

use goodays_salesforce::mapping::Told;
use goodays_salesforce::mapping::{Act, Facts, Mapping, Moment, Outcome, Severity, Source};
use serde_json::{Value, json};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn shipped() -> Mapping {
    let (mapping, warnings) = Mapping::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("mappings"))
        .unwrap_or_else(|found| {
            panic!(
                "{}",
                found
                    .iter()
                    .map(goodays_salesforce::mapping::Diagnostic::render)
                    .collect::<Vec<_>>()
                    .join("\n")
            )
        });
    assert_eq!(warnings, []);
    mapping
}

fn fixture(name: &str) -> Value {
    let path = format!("{}/tests/fixtures/goodays/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).expect("as arranged")).expect("as arranged")
}

fn facts(event: &Value) -> Facts {
    Facts::new(event["event_type"].as_str().expect("as arranged"), &event["response"])
}

fn fields(mapping: &Mapping, event: &Value, create: bool, message: bool) -> Value {
    let facts = facts(event);
    let case = mapping.case_mapping(&facts).mapping.expect("wanted");
    let rendered = case.fields(&facts, Moment { create, message });
    rendered
        .into_iter()
        .map(|one| (one.field, one.value.expect("as arranged").unwrap_or(Value::Null)))
        .collect()
}

#[test]
fn the_documented_response_becomes_a_case() {
    let fields = fields(&shipped(), &fixture("response"), true, false);
    insta::assert_json_snapshot!(fields, @r#"
    {
      "Subject": "Problem - place name",
      "Description": "The seller needs to respond in a timely manner and respond to my needs. Often the information provided was incorrect or did not answer the query. We found this experience very frustrating.",
      "SuppliedName": "Chester COPPERPOT",
      "SuppliedEmail": "[email protected]",
      "SuppliedPhone": null,
      "Origin": "Goodays",
      "Priority": "High",
      "Status": "New",
      "Goodays_Next_Action__c": "Public reply",
      "Goodays_Alert__c": false
    }
    "#);
}

#[test]
fn a_later_message_changes_the_status_only() {
    let fields = fields(&shipped(), &fixture("message_first"), false, true);
    insta::assert_json_snapshot!(fields, @r#"
    {
      "Description": "The seller needs to respond in a timely manner and respond to my needs. Often the information provided was incorrect or did not answer the query. We found this experience very frustrating.",
      "SuppliedName": "Chester COPPERPOT",
      "SuppliedEmail": "[email protected]",
      "SuppliedPhone": null,
      "Status": "Customer Replied",
      "Goodays_Next_Action__c": "Private message",
      "Goodays_Alert__c": false
    }
    "#);
}

#[test]
fn a_message_becomes_a_comment() {
    let event = fixture("message_first");
    let mapping = shipped();
    let rendered = mapping.comment().fields(&facts(&event), &event["message"]);
    let fields: Value = rendered.into_iter().map(|one| (one.field, one.value.unwrap().unwrap())).collect();
    insta::assert_json_snapshot!(fields, @r#"
    {
      "CommentBody": "Chester COPPERPOT, 2020-02-06 09:20:\nThank you for your response. I need more information about your current backpack promotion: how long does it last?",
      "IsPublished": false
    }
    "#);
}

#[test]
fn agents_deeds_become_actions() {
    let mapping = shipped();
    let actions = mapping.actions();
    let case = json!({"Status": "New", "IsClosed": false, "Goodays_Remark_Type__c": "Problem"});
    let comment = json!({"CommentBody": "We are sorry.", "IsPublished": true});
    let wanted = actions.on_comment(&case, &comment).unwrap().unwrap();
    assert_eq!((wanted.act, wanted.content.as_deref()), (Act::Answer, Some("We are sorry.")));
    assert_eq!(wanted.remark_type.as_deref(), Some("Problem"));
    let internal = json!({"CommentBody": "Called the shop.", "IsPublished": false});
    assert_eq!(actions.on_comment(&case, &internal), Ok(None));
    assert_eq!(actions.on_case(&case), Ok(None));
    let closed = json!({"Status": "Closed", "IsClosed": true});
    assert_eq!(actions.on_case(&closed).unwrap().unwrap().act, Act::Close);
    let called = json!({"Status": "Closed by phone", "IsClosed": true, "Goodays_Call_Rating__c": 4.0});
    let called = actions.on_case(&called).unwrap().unwrap();
    assert_eq!((called.act, called.rating), (Act::Call, Some(json!(4.0))));
    let feedback = actions
        .feedback(Outcome::Sent, &Told { action: "answer", status: "Sent: answer", ..Told::default() });
    let feedback: Vec<_> = feedback.into_iter().map(|one| (one.field, one.value.unwrap().unwrap())).collect();
    assert_eq!(feedback[0], ("Goodays_Sync_Status__c".to_owned(), json!("Sent: answer")));
    assert_eq!(feedback[1], ("Goodays_Sync_Error__c".to_owned(), json!("")));
}

#[test]
fn the_poll_knows_which_fields_expressions_read() {
    let mapping = shipped();
    assert_eq!(
        mapping.actions().case_paths(),
        [
            "Goodays_Answer__c",
            "Goodays_Approved__c",
            "Goodays_Call_Note__c",
            "Goodays_Call_Rating__c",
            "Goodays_Command__c",
            "Goodays_Remark_Type__c",
            "IsClosed",
            "LastModifiedBy.Email",
            "LastModifiedBy.UserType",
            "Status"
        ]
    );
    assert_eq!(
        mapping.actions().comment_paths(),
        ["CommentBody", "CreatedBy.Email", "IsPublished", "ParentId"]
    );
}

/// The shipped files, with one of them replaced.
fn with(name: &str, text: &str) -> Vec<Source> {
    let mut sources = shipped().sources().to_vec();
    for source in &mut sources {
        if source.name.ends_with(name) {
            text.clone_into(&mut source.text);
        }
    }
    sources
}

/// A case mapping with these fields.
fn case_with(fields: &str) -> String {
    format!("key: {{ field: K__c }}\nmarker: M__c\nfields:\n  {}\n", fields.replace('\n', "\n  "))
}

fn value_of(rule: &str, response: &Value) -> Result<Option<Value>, String> {
    let (mapping, _) =
        Mapping::from_sources(with("case.yaml", &case_with(&format!("F: {rule}")))).map_err(|found| {
            found.iter().map(goodays_salesforce::mapping::Diagnostic::render).collect::<String>()
        })?;
    let facts = Facts::new("response", response);
    let rendered = mapping.case_mappings()[0].fields(&facts, Moment { create: true, message: false });
    let Some(one) = rendered.into_iter().next() else { return Ok(None) };
    one.value.map_err(|problem| problem.to_string())
}

#[test]
fn values() {
    let response = json!({"id": "x", "alert_triggered": true, "message": null, "user": {"first_name": " "},
        "place": {"name": "Lille", "partner_id": "007"}, "created_date": "2020-02-06T08:20:00.5Z",
        "answers": [
            {"value": "7.5", "question": {"type": "nps", "id": "q1"}},
            {"value": "0612345678", "question": {"type": "text", "id": "q2", "title": "**Phone** of /PLACE/"}},
            {"value": ["a", "b"], "question": {"type": "choices", "id": "q3", "title": "Which?"}},
            {"value": 5, "question": {"type": "stars", "id": "q4", "title": "Stars"}}]});
    let value = |rule: &str| value_of(rule, &response);
    assert_eq!(value("{ value: No }"), Ok(Some(json!("No"))));
    assert_eq!(value("{ value: 007 }"), Ok(Some(json!("007"))));
    assert_eq!(value("{ value: 5.10 }"), Ok(Some(json!("5.10"))));
    assert_eq!(value("{ value: 5 }"), Ok(Some(json!(5))));
    assert_eq!(value("{ value: '5' }"), Ok(Some(json!("5"))));
    assert_eq!(value("{ value: false }"), Ok(Some(json!(false))));
    assert_eq!(value("{ from: response.message.content }"), Ok(None));
    assert_eq!(value("{ from: response.user.first_name }"), Ok(None));
    assert_eq!(value("{ template: \"{{ response.message.content }}\" }"), Ok(None));
    assert_eq!(value("{ from: response.message.content, default: x }"), Ok(Some(json!("x"))));
    assert_eq!(value("{ from: response.alert_triggered }"), Ok(Some(json!(true))));
    assert_eq!(value("{ from: \"answer(type='nps')\" }"), Ok(Some(json!(7.5))));
    assert_eq!(value("{ from: \"answer(id='q2')\" }"), Ok(Some(json!("0612345678"))));
    assert_eq!(value("{ from: \"answer(id='q3')\" }"), Ok(Some(json!("a;b"))));
    assert_eq!(value("{ template: \"{{ answer(type='stars') }}/5\" }"), Ok(Some(json!("5/5"))));
    assert_eq!(value("{ from: \"answer(type='csat')\" }"), Ok(None));
    assert_eq!(
        value("{ from: response.created_date | date('Europe/Paris') }"),
        Ok(Some(json!("2020-02-06 09:20")))
    );
    assert_eq!(value("{ from: response.created_date | date }"), Ok(Some(json!("2020-02-06 08:20"))));
    assert_eq!(value("{ from: \"'2020-01-28' | date('Asia/Tokyo')\" }"), Ok(Some(json!("2020-01-28"))));
    assert_eq!(value("{ from: \"'2020-01-28' | date(format='%d.%m.%Y')\" }"), Ok(Some(json!("28.01.2020"))));
    assert_eq!(
        value("{ from: response.answers | answers_text }"),
        Ok(Some(json!("7.5\nPhone of Lille: 0612345678\nWhich?: a, b\nStars: 5")))
    );
    assert_eq!(
        value("{ from: \"answer(type='nps')\", map: { ..6: H, \"6.1..8\": M, 9..: L } }"),
        Ok(Some(json!("M")))
    );
    for (map, expected) in [
        ("{ 0..6: H, 7..8: null }, default: L", Ok(None)),
        ("{ 0..6: H, 9..10: null }, default: L", Ok(Some(json!("L")))),
    ] {
        let rule = format!("{{ from: \"answer(type='nps')\", map: {map} }}");
        assert_eq!(value(&rule), expected, "{map}");
    }
    assert_eq!(value("{ from: response.place.partner_id, map: { \"7\": seven } }"), Ok(None));
    assert_eq!(value("[{ value: A, when: \"answer(type='nps') < 7\" }, { value: B }]"), Ok(Some(json!("B"))));
    assert_eq!(value("{ value: A, when: \"answer(type='csat') < 7\" }"), Ok(None));
    assert_eq!(
        value("{ value: A, when: response.message is none and response.user.first_name == '' }"),
        Ok(Some(json!("A")))
    );
    let problem = value("{ value: A, when: \"answer(id='q2') > 5\" }").unwrap_err();
    assert!(
        problem.starts_with("mappings/case.yaml:4:")
            && problem.ends_with("a text is ordered against a number"),
        "{problem}"
    );
    let problem = value("{ value: A, when: \"answer(id='q2')\" }").unwrap_err();
    assert!(
        problem.starts_with("mappings/case.yaml:4:") && problem.ends_with("`when` must give true or false"),
        "{problem}"
    );
}

/// Digits that are a name stay what they are: no two of them become one, and none becomes another text.
#[test]
fn digits_that_are_a_name_lose_nothing() {
    let answered = |text: &str, rule: &str| {
        let answers = [json!({"value": text, "question": {"type": "text", "id": "q"}})];
        value_of(rule, &json!({"id": "x", "answers": answers, "place": {"partner_id": text}}))
    };
    let from = "{ from: \"answer(id='q')\" }";
    for text in ["89330112345678901234", "12E3", "1e5", "007", "-0", "0.1000000000000000055"] {
        assert_eq!(answered(text, from), Ok(Some(json!(text))), "{text}");
    }
    assert_eq!(answered("9007199254740993", from), Ok(Some(json!(9_007_199_254_740_993_u64))));
    assert_eq!(answered("-7.25", from), Ok(Some(json!(-7.25))));
    for (text, when) in [("5.0", "<= 5"), ("5.10", "> 5")] {
        let rule = format!("{{ value: A, when: \"answer(id='q') {when}\" }}");
        assert_eq!(answered(text, &rule), Ok(Some(json!("A"))), "{text}");
    }
    let score = json!({"id": "x", "answers": [{"value": "4.50", "question": {"type": "stars"}}]});
    assert_eq!(value_of("{ value: A, when: \"answer(type='stars') < 5\" }", &score), Ok(Some(json!("A"))));

    let map = "{ from: response.place.partner_id, map: { \"75\": Paris, \"0075\": Test, \"1..9\": Near, \
               \"9007199254740992\": A, \"9007199254740993\": B, \"12E3\": C } }";
    for (shop, expected) in [
        ("75", Some("Paris")),
        ("0075", Some("Test")),
        ("00075", None),
        ("75.0", Some("Paris")),
        ("0007", Some("Near")),
        ("9007199254740992", Some("A")),
        ("9007199254740993", Some("B")),
        ("12E3", Some("C")),
        ("5E0", None),
    ] {
        assert_eq!(answered(shop, map), Ok(expected.map(|name| json!(name))), "{shop}");
    }
}

#[test]
fn relations_go_by_external_id() {
    let text = case_with("Store__r.Partner_Id__c: { from: response.place.partner_id }");
    let (mapping, _) = Mapping::from_sources(with("case.yaml", &text)).unwrap();
    let fields = fields(&mapping, &fixture("response"), true, false);
    assert_eq!(fields, json!({"Store__r": {"Partner_Id__c": "1234"}}));
    assert_eq!(mapping.case_mappings()[0].field_names(), ["Store__r.Partner_Id__c"]);
}

#[test]
fn the_org_can_be_asked_about_what_rules_read_and_write() {
    let text = case_with(
        "A: { from: response.context.extra.store }\nB: { template: \"{{ response.context.extra['visit'] }}\", \
         when: response.context.extra.loyal }\nC: { from: event, map: { response: x }, default: y }",
    );
    let (mapping, _) = Mapping::from_sources(with("case.yaml", &text)).unwrap();
    assert_eq!(mapping.extra_keys(), ["loyal", "store", "visit"]);
    let field = &mapping.case_mappings()[0].field_rules()[2];
    assert_eq!(field.fixed_values(), [&json!("x"), &json!("y")]);
    let at = field.at().unwrap();
    let finding = mapping.finding(Severity::Error, "S001", at, "the org's `C` knows no value `x`");
    insta::assert_snapshot!(finding.render(), @r"
    error[S001]: the org's `C` knows no value `x`
     --> mappings/case.yaml:6:6
      |
    6 |   C: { from: event, map: { response: x }, default: y }
      |      ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
    ");
}
