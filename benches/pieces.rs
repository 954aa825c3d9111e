//! The performance-critical functions, each alone: `cargo bench --bench pieces`.

use std::sync::LazyLock;

use divan::{Bencher, black_box};
use futures_util::future::join_all;
use goodays_salesforce::decide::inbound::{Input, Plan, plan};
use goodays_salesforce::decide::outbound::Rules;
use goodays_salesforce::decide::outbound::rows::{MergedCase, Since};
use goodays_salesforce::decide::{CaseRef, Conversation, Link, Names, Perimeter, PlanContext};
use goodays_salesforce::demo::stage::MAPPINGS;
use goodays_salesforce::goodays::event::{self, Event, peek_response_id};
use goodays_salesforce::goodays::peek::outline;
use goodays_salesforce::goodays::{ResponseId, signature};
use goodays_salesforce::mapping::{Facts, Mapping, Moment, Source};
use goodays_salesforce::messages::Messages;
use goodays_salesforce::salesforce::RecordId;
use goodays_salesforce::state::{Settings, Store};
use goodays_salesforce::time::SalesforceTime;
use secrecy::SecretString;
use serde_json::{Value, json};

/// A conversation of three messages, as Goodays sends it.
const EVENT: &str = include_str!("../tests/fixtures/goodays/message_first.json");
const RESPONSE: &str = "vdOpL1NJ74l";
const USER: &str = "005000000000001AAA";
const CASE: &str = "500000000000001AAA";

static MAPPING: LazyLock<Mapping> = LazyLock::new(|| {
    let source = |(name, text): &(&str, &str)| Source { name: (*name).into(), text: (*text).into() };
    Mapping::from_sources(MAPPINGS.iter().map(source).collect()).expect("the shipped mappings are good").0
});
static PERIMETER: LazyLock<Perimeter> = LazyLock::new(Perimeter::default);
static NAMES: LazyLock<Names> = LazyLock::new(Names::new);
static ENGLISH: LazyLock<Messages> = LazyLock::new(Messages::default);
static CLOSED: LazyLock<Vec<String>> = LazyLock::new(|| vec!["Closed".to_owned()]);

fn main() {
    divan::main();
}

fn plan_context() -> PlanContext<'static> {
    PlanContext {
        mapping: &MAPPING,
        case: None,
        comment: None,
        perimeter: &PERIMETER,
        closed: &CLOSED,
        fixes: &[],
        names: &NAMES,
        messages: &ENGLISH,
    }
}

fn body() -> Value {
    serde_json::from_str(EVENT).expect("the fixture is JSON")
}

fn read_event() -> Event {
    event::read(&body()).expect("the fixture is an event")
}

#[divan::bench]
fn signature_of_an_event(bencher: Bencher) {
    let secrets = [SecretString::from("secret")];
    let given = signature::sign(EVENT.as_bytes(), &secrets[0]);
    bencher
        .bench(|| signature::verify(black_box(EVENT.as_bytes()), Some(given.as_bytes()), &secrets).is_ok());
}

/// What the webhook listener does before it stores: JSON and the response's id.
#[divan::bench]
fn parse_at_the_door(bencher: Bencher) {
    bencher.bench(|| peek_response_id(&outline(black_box(EVENT)).expect("JSON")).expect("an id"));
}

#[divan::bench]
fn read_of_an_event(bencher: Bencher) {
    let body = body();
    bencher.bench(|| event::read(black_box(&body)).expect("an event"));
}

#[divan::bench]
fn mapping_of_a_case(bencher: Bencher) {
    let event = read_event();
    let facts = Facts::new(&event.name, &event.response.raw);
    let moment = Moment { create: true, message: true };
    let case = &MAPPING.case_mappings()[0];
    bencher.bench(|| case.fields(black_box(&facts), moment));
}

fn planned(event: &Event) -> Plan {
    let input = Input {
        response_id: &event.response.id,
        events: std::slice::from_ref(event),
        notes: &[],
        link: None,
        intents: &[],
        comments: &[],
        first_start: Some(goodays_salesforce::time::GoodaysTime::default()),
        goodays_now: None,
    };
    plan(&input, &plan_context())
}

/// One event to a Case with its comments and marker.
#[divan::bench]
fn plan_of_a_new_conversation(bencher: Bencher) {
    let event = read_event();
    assert_eq!(planned(&event).write.expect("it is written").comments.len(), 2);
    bencher.bench(|| planned(black_box(&event)));
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

fn store() -> (tempfile::TempDir, Store) {
    // Next to the build: a temporary folder may be in memory, where a sync costs nothing.
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    let store = Store::open(dir.path(), Settings::default()).expect("a store");
    (dir, store)
}

async fn keep(store: &Store, number: u64) {
    let body = EVENT.replace(RESPONSE, &format!("r{number}"));
    let id = ResponseId::new(format!("r{number}")).map_err(|e| e.to_string());
    store.accept(body.as_bytes(), "message", &id, 0).await.expect("it is stored");
    store.durable().await.expect("it is on disk");
}

/// Events that are stored and synced. They share a sync if the disk is slower than their arrival.
#[divan::bench(args = [1, 64], sample_count = 30, sample_size = 1)]
fn store_commit(bencher: Bencher, waiters: u64) {
    let (_dir, store) = store();
    let runtime = runtime();
    let mut number = 0;
    bencher.counter(waiters).bench_local(|| {
        let first = number;
        number += waiters;
        runtime.block_on(join_all((first..number).map(|number| keep(&store, number))));
    });
}

/// A full page of Cases, as text.
fn page() -> String {
    let row = |n: usize| {
        json!({
            "attributes": { "type": "Case", "url": format!("/services/data/v66.0/sobjects/Case/{CASE}") },
            "Id": CASE, "SystemModstamp": "2026-01-05T10:20:39.000+0000", "Status": "New", "IsClosed": false,
            "Goodays_Call_Note__c": null, "Goodays_Call_Rating__c": null, "Goodays_Remark_Type__c": null,
            "LastModifiedBy": { "Email": "connector@sim.example" }, "LastModifiedById": USER,
            "CaseNumber": format!("{n:08}"), "Goodays_Response_Id__c": RESPONSE
        })
    };
    let rows: Vec<Value> = (0..2000).map(row).collect();
    json!({ "totalSize": 2000, "done": true, "records": rows }).to_string()
}

#[divan::bench(sample_count = 20)]
fn parse_of_a_page_of_2000_cases(bencher: Bencher) {
    let page = page();
    bencher.bench(|| serde_json::from_str::<Value>(black_box(&page)).expect("JSON"));
}

/// Compares rows without changes, which are nearly all rows of a poll.
#[divan::bench(sample_count = 20)]
fn look_at_2000_known_cases(bencher: Bencher) {
    let page: Value = serde_json::from_str(&page()).expect("JSON");
    let rows = page["records"].as_array().expect("rows");
    let id = ResponseId::new(RESPONSE).expect("an id");
    let mut conversation = Conversation::new(id.clone());
    let mut link = Link::new(id);
    link.case =
        Some(CaseRef { id: RecordId::new(CASE).expect("an id"), number: Some("00000001".to_owned()) });
    conversation.link = Some(link);
    let at = SalesforceTime::default();
    let since = Since {
        first_start: at,
        seen_until: at,
        us: &[],
        now_ms: 0,
        now: at,
        asked_ms: 0,
        merged: MergedCase::default(),
    };
    bencher.bench_local(|| {
        for row in rows {
            conversation.see_case(
                row,
                (Rules::only(plan_context().mapping), &plan_context()),
                &since,
                &mut || 1,
            );
        }
    });
}
