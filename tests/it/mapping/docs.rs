//! The guide's examples work as printed.

use goodays_salesforce::mapping::Told;
use goodays_salesforce::mapping::{Diagnostic, Facts, Mapping, Moment, Outcome, Rendered, codes};
use goodays_salesforce::schemas::{SchemaKind, schema};
use serde_json::{Value, json};

use super::{case_with, fixture, with};

const GUIDE: &str = include_str!("../../../docs/mappings.md");

/// The blocks that begin with "```yaml" and a word, each with that word.
fn examples() -> Vec<(&'static str, &'static str)> {
    let blocks = GUIDE.split("```yaml ").skip(1);
    blocks
        .map(|block| {
            let (word, rest) = block.split_once('\n').expect("a word and a block");
            (word, rest.split("```").next().unwrap_or_default())
        })
        .collect()
}

fn loaded(word: &str, text: &str) -> Mapping {
    let sources = match word {
        "fields" => with("case.yaml", &case_with(text.trim_end())),
        file => with(&format!("{file}.yaml"), text),
    };
    let (mapping, found) = match Mapping::from_sources(sources) {
        Ok((mapping, warnings)) => (Some(mapping), warnings),
        Err(found) => (None, found),
    };
    let said: Vec<String> = found.iter().map(Diagnostic::render).collect();
    assert!(said.is_empty(), "{}\n{text}", said.join("\n"));
    mapping.expect("no mistakes")
}

/// The documented response, from a survey with every kind of answer, and with extra data.
fn response() -> Value {
    let mut response = fixture("response")["response"].clone();
    response["context"]["extra"] = json!({"transaction_date": "2020-01-28"});
    response["source"] = json!("google");
    response["answers"] = json!([
        {"value": "4.5", "question": {"type": "nps", "id": "q1", "title": "**Recommend** /PLACE/?"}},
        {"value": ["Price", "Staff"], "question": {"type": "choices", "id": "12AB34", "title": "Why?"}},
    ]);
    response
}

fn shown(rendered: Vec<Rendered>) -> String {
    let line = |one: Rendered| {
        let value = one.value.unwrap_or_else(|problem| panic!("{problem}"));
        format!("{}: {}", one.field, value.unwrap_or(Value::Null))
    };
    rendered.into_iter().map(line).collect::<Vec<_>>().join("\n")
}

/// The result of an example for an everyday event.
fn run(word: &str, mapping: &Mapping) -> String {
    let facts = Facts::new("response", &response());
    let message = fixture("message_first")["message"].clone();
    match word {
        "comment" => shown(mapping.comment().fields(&facts, &message)),
        "actions" => {
            let case = json!({"IsClosed": true, "Resolution__c": "Called", "Call_Note__c": "Sorry", "Call_Rating__c": 4});
            let comment = json!({"CommentBody": "Hello", "IsPublished": true});
            let actions = mapping.actions();
            let say = Told { action: "reply", reason: "no answer", code: "no_answer", status: "Sent" };
            let told =
                [Outcome::Sent, Outcome::Settled, Outcome::Unclear, Outcome::Failed, Outcome::Observed];
            let told = told.map(|outcome| shown(actions.feedback(outcome, &say))).join("\n");
            let wanted = [actions.on_comment(&case, &comment), actions.on_case(&case)].map(|wanted| {
                let wanted = wanted.expect("it runs").expect("a rule holds");
                format!("{:?} {:?} {:?} {:?}", wanted.act, wanted.content, wanted.note, wanted.rating)
            });
            format!("{}\n{told}", wanted.join("\n"))
        }
        _ => {
            let case = mapping.case_mapping(&facts).mapping.expect("it is wanted");
            shown(case.fields(&facts, Moment { create: true, message: false }))
        }
    }
}

#[test]
fn every_example_loads_and_runs() {
    let examples = examples();
    assert!(examples.len() > 10, "the guide has examples");
    let said = examples.into_iter().map(|(word, text)| run(word, &loaded(word, text)));
    insta::assert_snapshot!(said.collect::<Vec<_>>().join("\n\n"), @r#"
    Origin: "Public review"

    Origin: "Goodays"

    Priority: "High"

    Status: "New"

    Urgency__c: "Now"
    Channel__c: "Review"
    Weight__c: 3

    Type: "Problem"

    Reply_Waits__c: "yes"

    Store__r: {"Partner_Id__c":"1234"}
    RecordType: {"DeveloperName":"Customer_Feedback"}
    Owner: {"DeveloperName":"Service_Desk"}

    Visit_Date__c: "2020-01-28"
    Received__c: "2020-02-05T10:20:39.810686+01:00"
    Received_Day__c: "2020-02-05"
    Alert__c: false
    Bought__c: "28.01.2020"
    Newsletter__c: false
    Reasons__c: "Price;Staff"
    Answers__c: "Recommend place name?: 4.5\nWhy?: Price, Staff"
    First_Question__c: "Recommend place name?"

    SuppliedName: "Chester COPPERPOT"
    Customer_Number__c: null

    CommentBody: "Chester, 2020-02-06 09:20:\nThank you for your response. I need more information about your current backpack promotion: how long does it last?"
    IsPublished: false

    Answer Some("Hello") None None
    Call None Some("Sorry") Some(Number(4))
    Sync__c: "Sent: reply no answer"
    Sync__c: ""
    Sync__c: "Unclear, please look: no answer"
    Sync__c: "Not sent: no answer"
    Sync__c: "Would be sent: reply"
    "#);
}

fn keys(schema: &Value, found: &mut Vec<String>) {
    if let Some(properties) = schema["properties"].as_object() {
        found.extend(properties.keys().cloned());
    }
    match schema {
        Value::Object(entries) => entries.values().for_each(|value| keys(value, found)),
        Value::Array(items) => items.iter().for_each(|item| keys(item, found)),
        _ => {}
    }
}

#[test]
fn every_key_is_explained() {
    let mut all = Vec::new();
    for kind in [SchemaKind::Case, SchemaKind::Comment, SchemaKind::Actions] {
        keys(&schema(kind), &mut all);
    }
    let told = |key: &String| {
        [format!("`{key}`"), format!("`{key}:"), format!(".{key}`"), format!("`on: {key}")]
            .iter()
            .any(|text| GUIDE.contains(text.as_str()))
    };
    let without: Vec<_> = all.iter().filter(|key| !told(key)).collect();
    assert!(all.len() > 30 && without.is_empty(), "not explained: {without:?}");
}

#[test]
fn every_code_is_explained() {
    let without: Vec<_> = codes().iter().filter(|code| !GUIDE.contains(&format!("| {code} |"))).collect();
    assert!(without.is_empty(), "no line for {without:?}");
}
