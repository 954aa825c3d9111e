//! `plan` and `samples`: what Goodays' documented events would write, and by which rule.

#![expect(clippy::unwrap_used, reason = "a test may fail at once, in its helpers too")]

mod live;

use std::path::Path;

use goodays_salesforce::config::{Config, Secrets};
use goodays_salesforce::decide::{CaseRef, Link, MessageOrigin, Perimeter, PlanContext};
use goodays_salesforce::mapping::{Mapping, Source};
use goodays_salesforce::messages::Messages;
use goodays_salesforce::preview::{self, Ledger, Preview};
use goodays_salesforce::salesforce::RecordId;
use goodays_salesforce::salesforce::describe::Describe;
use goodays_salesforce::samples;
use goodays_salesforce::sim::goodays::{self, Goodays};
use goodays_salesforce::sim::salesforce::{self, Salesforce};
use goodays_salesforce::sim::wire::{Act, Fault};
use serde_json::{Value, json};
use tokio::net::TcpListener;

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/goodays");

fn shipped() -> Mapping {
    Mapping::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("mappings")).expect("as arranged").0
}

/// The shipped mappings with one text replaced.
fn edited(from: &str, to: &str) -> Mapping {
    let shipped = shipped();
    let sources = shipped.sources().iter().map(|source| {
        let Source { name, text } = source.clone();
        Source { name, text: text.replace(from, to) }
    });
    Mapping::from_sources(sources.collect()).expect("as arranged").0
}

fn fixture(name: &str) -> Value {
    let text = std::fs::read_to_string(format!("{FIXTURES}/{name}.json")).expect("as arranged");
    serde_json::from_str(&text).expect("as arranged")
}

fn plain(mapping: &Mapping, body: &Value) -> Preview {
    preview::event(mapping, None, None, &Perimeter::default(), body)
}

/// The simulated org's description of an object.
async fn described(org: &Salesforce, object: &str) -> Describe {
    let url = format!("{}/services/data/v66.0/sobjects/{object}/describe", org.url());
    let http = goodays_salesforce::http::client(std::time::Duration::from_secs(5));
    let answer = http.get(url).bearer_auth(org.new_token()).send().await.unwrap();
    Describe::from_value(&answer.json().await.unwrap()).unwrap()
}

#[test]
fn the_documented_response() {
    insta::assert_snapshot!(plain(&shipped(), &fixture("response")).render(), @"
    event `response` of response vdOpL1NJ74l
    makes a Case (mappings/case.yaml)
      Subject                 mappings/case.yaml:32  Problem - place name
      Description             mappings/case.yaml:35  The seller needs to respond in a timely manner and respond to my needs. Often the information provided was incorrect or did not answer the query. We found this experience very frustrating.
      SuppliedName            mappings/case.yaml:36  Chester COPPERPOT
      SuppliedEmail           mappings/case.yaml:37  [email protected]
      Origin                  mappings/case.yaml:39  Goodays
      Priority                mappings/case.yaml:41  High
      Status                  mappings/case.yaml:46  New
      Goodays_Next_Action__c  mappings/case.yaml:50  Public reply
      Goodays_Alert__c        mappings/case.yaml:52  false
      Goodays_Message_Ids__c  marker                 (empty)
      Goodays_Response_Id__c  key                    vdOpL1NJ74l

    blank in this event, so not written: SuppliedPhone
    ");
}

#[test]
fn the_documented_conversation() {
    let preview = plain(&shipped(), &fixture("message_second_customer_turn"));
    insta::assert_snapshot!(preview.render(), @"
    event `message` of response vdOpL1NJ74l
    makes a Case (mappings/case.yaml)
      Subject                 mappings/case.yaml:32  Problem - place name
      Description             mappings/case.yaml:35  The seller needs to respond in a timely manner and respond to my needs. Often the information provided was incorrect or did not answer the query. We found this experience very frustrating.
      SuppliedName            mappings/case.yaml:36  Chester COPPERPOT
      SuppliedEmail           mappings/case.yaml:37  [email protected]
      Origin                  mappings/case.yaml:39  Goodays
      Priority                mappings/case.yaml:41  High
      Status                  mappings/case.yaml:46  New
      Goodays_Next_Action__c  mappings/case.yaml:50  Private message
      Goodays_Alert__c        mappings/case.yaml:52  false
      Goodays_Message_Ids__c  marker                 54EjZ70lxy vdJmjjLk8D LdLD59eedj exqmBvGmxY
      Goodays_Response_Id__c  key                    vdOpL1NJ74l

    CaseComment 1 of 4, 163 of 4000 bytes
      CommentBody  mappings/comment.yaml:12  Jennifer Parker, 2020-02-05 12:20:
                                             Dear Customer, thank you for your feedback. We are sorry for the inconvenience. What information you were looking for? Regards,
      IsPublished  mappings/comment.yaml:14  false

    CaseComment 2 of 4, 152 of 4000 bytes
      CommentBody  mappings/comment.yaml:12  Chester Copperpot, 2020-02-06 09:20:
                                             Thank you for your response. I need more information about your current backpack promotion: how long does it last?
      IsPublished  mappings/comment.yaml:14  false

    CaseComment 3 of 4, 189 of 4000 bytes
      CommentBody  mappings/comment.yaml:12  Jennifer Parker, 2020-02-06 13:33:
                                             Dear customer, thank you for your interest in our range of backpacks: our promotion lasts until 19/03/2020. We hope to see you soon in our shop! Regards,
      IsPublished  mappings/comment.yaml:14  false

    CaseComment 4 of 4, 66 of 4000 bytes
      CommentBody  mappings/comment.yaml:12  Chester Copperpot, 2020-02-10 16:20:
                                             Thank you! See you soon 😊
      IsPublished  mappings/comment.yaml:14  false

    blank in this event, so not written: SuppliedPhone
    ");
    let json = json!(preview);
    assert_eq!(json["record"]["fields"][0]["from"], json!("mappings/case.yaml:32:5"));
    assert_eq!(
        json["record"]["comments"][3]["fields"][0]["value"].as_str().map(|text| text.contains("😊")),
        Some(true)
    );
}

#[tokio::test]
async fn what_the_orgs_fields_do_to_values() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let org = Salesforce::start(listener, salesforce::Options::default()).await;
    org.change_settings(&json!({
        "restricted_picklists": ["Case.Priority"],
        "hidden_fields": ["Case.Origin"],
        "read_only_fields": ["Case.SuppliedName"],
    }))
    .unwrap();
    let (case, comment) = (described(&org, "Case").await, described(&org, "CaseComment").await);
    let mapping = edited("\"0..6\": High", "\"0..6\": Urgent");
    let mut body = fixture("response");
    body["response"]["place"]["name"] = json!("A shop with a long name ".repeat(12));
    let preview = preview::event(&mapping, Some(&case), Some(&comment), &Perimeter::default(), &body);
    let text = preview.render();
    insta::assert_snapshot!(text.split_once("\nblank").expect("as arranged").1, @"
     in this event, so not written: SuppliedPhone

    not as the rules say:
      Subject: shortened to the field's 255 characters (mappings/case.yaml:32)
      SuppliedName: left out: the integration user can't write it (mappings/case.yaml:36)
      SuppliedEmail: left out: no e-mail address that Salesforce takes (mappings/case.yaml:37)
      Origin: left out: Salesforce shows no such field (mappings/case.yaml:39)
      Priority: left out: the restricted picklist does not know the value (mappings/case.yaml:41)
    ");
}

#[test]
fn long_messages_come_in_parts() {
    let mut body = fixture("message_first");
    let turns = body["response"]["attached_messages"].as_array_mut().expect("as arranged");
    turns[0]["content"] = json!("So much to tell. ".repeat(300));
    let preview = plain(&shipped(), &body);
    let comments = preview.record.expect("as arranged").comments;
    let starts: Vec<(String, usize)> = comments
        .iter()
        .map(|one| (one.fields[0].value.as_str().expect("as arranged")[..6].to_owned(), one.bytes))
        .collect();
    insta::assert_debug_snapshot!(starts, @r#"
    [
        (
            "Jennif",
            163,
        ),
        (
            "(1/2) ",
            3999,
        ),
        (
            "(2/2) ",
            1150,
        ),
    ]
    "#);
}

#[test]
fn nothing_is_written_because() {
    let perimeter = Perimeter { delegated_only: true, places: vec!["77".to_owned()] };
    let body = fixture("response");
    let outside = preview::event(&shipped(), None, None, &perimeter, &body);
    let unwanted = plain(&edited("when: \"true\"", "when: response.source == 'google'"), &body);
    let strange = plain(&shipped(), &json!({"event_type": "response"}));
    let all = [outside, unwanted, strange].map(|one| one.render());
    insta::assert_snapshot!(all.join("\n"), @"
    event `response` of response vdOpL1NJ74l
    writes nothing, because it is outside the perimeter: neither delegated nor of a place in `goodays.places`

    event `response` of response vdOpL1NJ74l
    writes nothing, because no mapping wants it: no `when` of case*.yaml holds

    writes nothing, because this is no event of Goodays: response is missing or no object; it would be parked
    ");
}

#[test]
fn rules_that_fail_are_named_and_cost_no_feedback() {
    let mapping = edited("{ from: response.user.email }", "{ from: response.context.phone | date }");
    let mut body = fixture("response_context_phone_crm_id");
    body["response"]["context"]["phone"] = json!("no date at all");
    let text = plain(&mapping, &body).render();
    insta::assert_snapshot!(text.split_once("\nnot").expect("as arranged").1, @"
    as the rules say:
     SuppliedEmail: left out, its rule fails: what should be a date is not one (mappings/case.yaml:37)
    ");
}

/// The link after the first event: the Case exists with its first two messages.
fn link(body: &Value) -> Link {
    let event = goodays_salesforce::goodays::event::read(body).expect("as arranged");
    let mut link = Link::new(event.response.id.clone());
    link.case = RecordId::new("500000000000001").map(|id| CaseRef { id, number: None });
    for turn in event.response.turns.iter().take(2) {
        link.learn(turn.id.clone(), turn.at, MessageOrigin::Imported);
    }
    link.marked = 2;
    link
}

#[test]
fn a_known_conversation_gets_what_is_new_and_agents_work_stands() {
    let (mapping, body) = (shipped(), fixture("message_second_customer_turn"));
    let perimeter = Perimeter::default();
    let context = PlanContext {
        mapping: &mapping,
        case: None,
        comment: None,
        perimeter: &perimeter,
        closed: &[],
        fixes: &[],
        names: &goodays_salesforce::decide::Names::new(),
        messages: &Messages::default(),
    };
    let link = link(&body);
    let ledger = Ledger { link: Some(&link), ..Ledger::default() };
    let preview = preview::with(&context, &ledger, &body);
    insta::assert_snapshot!(preview.render(), @"
    event `message` of response vdOpL1NJ74l
    changes the Case 500000000000001AAA (mappings/case.yaml)
      Status                  mappings/case.yaml:47  Customer Replied
      Goodays_Message_Ids__c  marker                 54EjZ70lxy vdJmjjLk8D LdLD59eedj exqmBvGmxY

    CaseComment 1 of 2, 189 of 4000 bytes
      CommentBody  mappings/comment.yaml:12  Jennifer Parker, 2020-02-06 13:33:
                                             Dear customer, thank you for your interest in our range of backpacks: our promotion lasts until 19/03/2020. We hope to see you soon in our shop! Regards,
      IsPublished  mappings/comment.yaml:14  false

    CaseComment 2 of 2, 66 of 4000 bytes
      CommentBody  mappings/comment.yaml:12  Chester Copperpot, 2020-02-10 16:20:
                                             Thank you! See you soon 😊
      IsPublished  mappings/comment.yaml:14  false

    blank in this event, so not written: SuppliedPhone
    ");
    let row = json!({"Status": "Working", "Goodays_Message_Ids__c": "54EjZ70lxy vdJmjjLk8D"});
    insta::assert_snapshot!(preview.render_diff(&row), @"
    Status  (mappings/case.yaml:47)
      - Working
      + Customer Replied
    Goodays_Message_Ids__c  (marker)
      - 54EjZ70lxy vdJmjjLk8D
      + 54EjZ70lxy vdJmjjLk8D LdLD59eedj exqmBvGmxY
    ");
    let row = json!({"Status": "Customer Replied", "Goodays_Message_Ids__c": "54EjZ70lxy vdJmjjLk8D LdLD59eedj exqmBvGmxY"});
    assert_eq!(preview.diff(&row), []);
}

#[test]
fn a_folder_is_looked_at_file_by_file() {
    let all = preview::bodies(Path::new(FIXTURES)).unwrap();
    let all: Vec<String> = all
        .into_iter()
        .map(|(name, body)| {
            let name = name.rsplit('/').next().unwrap_or_default().to_owned();
            let said = match body {
                Ok(body) => plain(&shipped(), &body).render().lines().next().unwrap_or_default().to_owned(),
                Err(why) => why,
            };
            format!("{name}: {said}")
        })
        .collect();
    insta::assert_snapshot!(all.join("\n"), @"
    action_call.json: writes nothing, because this is no event of Goodays: response is missing or no object; it would be parked
    action_close.json: writes nothing, because this is no event of Goodays: response is missing or no object; it would be parked
    action_message.json: writes nothing, because this is no event of Goodays: response is missing or no object; it would be parked
    action_message_google.json: writes nothing, because this is no event of Goodays: response is missing or no object; it would be parked
    action_reply.json: writes nothing, because this is no event of Goodays: response is missing or no object; it would be parked
    action_reply_no_remark_type.json: writes nothing, because this is no event of Goodays: response is missing or no object; it would be parked
    action_spam.json: writes nothing, because this is no event of Goodays: response is missing or no object; it would be parked
    delegated.json: event `delegated` of response vdOpL1NJ74l
    delegated_malformed_urls.json: event `delegated` of response vdOpL1NJ74l
    hmac_sample_body.json: writes nothing, because this is no event of Goodays: response is missing or no object; it would be parked
    message_first.json: event `message` of response vdOpL1NJ74l
    message_second_customer_turn.json: event `message` of response vdOpL1NJ74l
    response.json: event `response` of response vdOpL1NJ74l
    response_context_phone_crm_id.json: event `response` of response vdOpL1NJ74l
    ");
    assert!(preview::bodies(Path::new("/nowhere/at/all.json")).is_err());
}

async fn account(dir: &Path) -> (Goodays, Config) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let goodays = Goodays::start(listener, goodays::Options::default()).await;
    let text = format!(
        "goodays: {{ base_url: \"{}\", token: goodays-simulator-token, webhook: {{ secrets: [s] }} }}\n\
         salesforce: {{ login_url: http://127.0.0.1:1, auth: {{ client_id: i, client_secret: s }} }}\n",
        goodays.url()
    );
    std::fs::write(dir.join("connector.yaml"), text).unwrap();
    let config = Config::load(&dir.join("connector.yaml"), Secrets::Required).unwrap();
    (goodays, config)
}

#[tokio::test]
async fn samples_become_files_and_no_file_is_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let (goodays, config) = account(dir.path()).await;
    let to = dir.path().join("samples");
    let first = samples::fetch(&config, &to).await.unwrap();
    let names: Vec<_> =
        first.written.iter().map(|path| path.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(names, ["response.json", "message.json", "delegated.json", "reply.json"]);
    let text = std::fs::read_to_string(&first.written[0]).unwrap();
    assert!(!text.contains("token") && text.lines().count() > 20, "{text}");
    for (_, body) in preview::bodies(&to).unwrap() {
        assert!(plain(&shipped(), &body.unwrap()).record.is_some());
    }
    goodays.set_switches(|switches| switches.events_as_page = true);
    std::fs::write(&first.written[1], "{}").unwrap();
    let again = samples::fetch(&config, &to).await.unwrap();
    assert_eq!(
        (again.written.len(), again.unchanged.len(), again.kept),
        (0, 3, vec![first.written[1].clone()])
    );
    assert_eq!(std::fs::read_to_string(&first.written[1]).unwrap(), "{}");
}

#[tokio::test]
async fn samples_that_goodays_does_not_give() {
    let dir = tempfile::tempdir().unwrap();
    let (goodays, config) = account(dir.path()).await;
    let answer = |status, body: &str| Act::Answer {
        status,
        body: body.to_owned(),
        content_type: None,
        headers: std::collections::BTreeMap::new(),
    };
    goodays.wire().fault(Fault::once("/v2/events", answer(200, r#"[{"id": "e1"}, {"samples": null}]"#)));
    goodays.wire().fault(Fault { times: None, ..Fault::once("/v2/events/e1", answer(404, "{}")) });
    let none = samples::fetch(&config, dir.path()).await.unwrap();
    assert_eq!(none.render(), "Goodays gives no sample of its events for this account.\n");
    goodays.wire().clear_faults();
    goodays
        .wire()
        .fault(Fault::once("/v2/events", answer(403, r#"{"message":"Invalid authentication credentials"}"#)));
    let error = samples::fetch(&config, dir.path()).await.unwrap_err().to_string();
    assert!(error.contains("check goodays.token"), "{error}");
}
