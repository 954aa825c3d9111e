//! Refusals by family: a named field is left out, an amount that is too large is reduced, and a refusal of one record
//! stops no other (Salesforce reference, 2.4).

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use goodays_salesforce::app::App;
use goodays_salesforce::clock::Clock;
use goodays_salesforce::demo::stage::{SECRET, load};
use goodays_salesforce::goodays::ResponseId;
use goodays_salesforce::sim::goodays::Feedback;
use goodays_salesforce::sim::salesforce::settings::ValidationRule;
use goodays_salesforce::sim::wire::{Act, Fault};
use goodays_salesforce::state::RKey;
use serde_json::{Value, json};

use crate::arena::World;
use crate::now;

fn rule(when: &str, code: &str, message: &str, fields: &[&str]) -> ValidationRule {
    ValidationRule {
        object: "Case".to_owned(),
        when: when.to_owned(),
        message: message.to_owned(),
        fields: fields.iter().map(ToString::to_string).collect(),
        code: Some(code.to_owned()),
    }
}

fn refuse(world: &World, rule: ValidationRule) {
    world.stage.salesforce.with_settings(|s| s.validation_rules = vec![rule]);
}

fn case_of(world: &World, id: &str) -> Value {
    world.stage.salesforce.case_by_key(id).unwrap()
}

/// The number of nodes in each graph, for each call that wrote.
fn calls(world: &World) -> Vec<Vec<usize>> {
    let requests = world.stage.salesforce.wire().requests();
    let graphs = requests.iter().filter(|seen| seen.path.ends_with("/composite/graph"));
    let read = |body: &str| -> Vec<usize> {
        let body: Value = serde_json::from_str(body).unwrap();
        let graphs = body["graphs"].as_array().unwrap();
        graphs.iter().map(|g| g["compositeRequest"].as_array().unwrap().len()).collect()
    };
    graphs.map(|seen| read(&seen.body)).collect()
}

#[tokio::test]
async fn c02_a_refusal_that_names_a_field_costs_that_field() {
    let table = [
        (
            "FIELD_FILTER_VALIDATION_EXCEPTION",
            "Value does not exist or does not match filter criteria.",
            true,
        ),
        ("FIELD_INTEGRITY_EXCEPTION", "There's a problem with this name.: Web Name", false),
        ("INVALID_OPERATION", "SuppliedName: not for Cases", false),
        ("SOME_CODE_OF_NEXT_YEAR", "no", true),
    ];
    join_all(table.into_iter().map(|(code, message, listed)| async move {
        let mut world = World::start().await;
        let fields: &[&str] = if listed { &["SuppliedName"] } else { &[] };
        refuse(&world, rule("SuppliedName != null", code, message, fields));
        let (id, _) = world.arrives().await;
        let case = case_of(&world, &id);
        assert_eq!((&case["SuppliedName"], &case["Origin"]), (&Value::Null, &json!("Goodays")), "{code}");
        world.quiet().await;
        world.laws_hold().await;
        assert_eq!(world.parked().await, [], "{code}");
    }))
    .await;
}

#[tokio::test]
async fn c02_a_rule_of_the_org_and_a_vital_field_are_no_values_to_leave_out() {
    let table = [
        ("FIELD_CUSTOM_VALIDATION_EXCEPTION", "SuppliedName"),
        ("REQUIRED_FIELD_MISSING", "SuppliedName"),
        ("FIELD_INTEGRITY_EXCEPTION", "Goodays_Response_Id__c"),
    ];
    for (code, field) in table {
        let mut world = World::start().await;
        refuse(&world, rule("Subject LIKE '%Nowhere'", code, "no", &[field]));
        let content = Some(world.text("customer"));
        let (place_partner_id, place_name) = ("Nowhere".to_owned(), "Nowhere".to_owned());
        let feedback = Feedback { content, place_partner_id, place_name, ..Feedback::default() };
        let bad = world.stage.goodays.customer_leaves(feedback);
        let item = world.parked_with(code).await;
        assert_eq!(item.response_id.as_deref(), Some(bad.as_str()));
        world.arrives().await;
        assert_eq!(world.salesforce_trouble(), None);
    }
}

#[tokio::test]
async fn c03_a_call_that_meets_the_orgs_limits_is_made_smaller_and_stays_so() {
    let texts = [
        ("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "T: System.LimitException: Apex CPU time limit exceeded"),
        ("CANNOT_EXECUTE_FLOW_TRIGGER", "System.LimitException: Too many SOQL queries: 101"),
        ("LIMIT_EXCEEDED", "too much"),
    ];
    join_all(texts.into_iter().map(|(code, message)| async move {
        let mut world = World::start().await;
        world.arrives().await;
        world.stage.salesforce.with_settings(|s| {
            (s.governor_graphs, s.governor_code, s.governor_message) = (5, code.into(), message.into());
        });
        for round in 0..2 {
            world.stage.goodays.pause_webhooks(true);
            let ids: Vec<String> = (0..24).map(|_| world.leaves()).collect();
            world.stage.salesforce.wire().clear_requests();
            world.stage.goodays.pause_webhooks(false);
            world.stage.goodays.deliver().await;
            for id in &ids {
                world.case(id).await;
            }
            world.quiet().await;
            let largest = calls(&world).iter().map(Vec::len).max().unwrap();
            assert!(round == 0 || largest <= 5, "{code}: {largest} conversations in a call");
        }
        world.laws_hold().await;
        assert_eq!(world.parked().await, [], "{code}");
        assert_eq!(world.salesforce_trouble(), None, "{code}");
    }))
    .await;
}

/// One conversation exceeds what the org accepts at once: it is sent in parts, complete and in order.
#[tokio::test]
async fn c03_a_conversation_that_meets_the_orgs_limits_goes_in_pieces() {
    let mut world = World::start().await;
    let (id, case) = world.answered().await;
    world.stage.salesforce.with_settings(|s| s.governor_nodes = 3);
    world.stage.goodays.pause_webhooks(true);
    let said: Vec<String> = (0..7).map(|_| world.customer_writes(&id)).collect();
    world.stage.goodays.pause_webhooks(false);
    world.stage.goodays.deliver().await;
    world.quiet().await;
    let comments = world.comments(&case);
    let found: Vec<&String> = said.iter().filter(|w| comments.iter().any(|c| c.contains(*w))).collect();
    assert_eq!(found.len(), said.len(), "{comments:?}");
    world.laws_hold().await;
    assert_eq!(world.parked().await, []);
    let (_, other) = world.arrives().await;
    assert_eq!(world.comments(&other), Vec::<String>::new());
}

/// A note for agents fails because of a long lock: it is retried at growing intervals, and nothing else waits.
#[tokio::test]
async fn c06_a_note_on_a_locked_case_backs_off_and_stops_nobody() {
    join_all(["ENTITY_IS_LOCKED", "INSUFFICIENT_ACCESS_OR_READONLY", "RECORD_IN_USE_BY_WORKFLOW"].map(
        |code| async move {
            let mut world = World::start().await;
            let (id, case) = world.arrives().await;
            refuse(&world, rule("Goodays_Sync_Status__c != null", code, "locked", &[]));
            let text = world.agent_answers(&case);
            world.receives(&id, &text).await;
            let key = RKey::of(&ResponseId::new(&id).unwrap());
            let store = &world.stage.app().shared.store;
            let tries = || Some(now(store.waiting(key)).unwrap().note_attempts()).filter(|tries| *tries > 2);
            world.stage.salesforce.wire().clear_requests();
            world.holds("a third try", tries).await;
            let writes = calls(&world).len();
            assert!(writes <= 6, "{code}: {writes} writes");
            world.arrives().await;
            assert_eq!(world.salesforce_trouble(), None, "{code}");
            world.stage.salesforce.with_settings(|s| s.validation_rules.clear());
            let told = || case_of(&world, &id)["Goodays_Sync_Status__c"].as_str().map(str::to_owned);
            assert_eq!(world.holds("the word to the agent", told).await, "Sent: public reply", "{code}");
            world.quiet().await;
            assert_eq!(world.parked().await, [], "{code}");
        },
    ))
    .await;
}

#[tokio::test]
async fn c07_a_text_is_cut_by_utf16_units() {
    let world = World::start().await;
    world.stage.salesforce.with_settings(|s| s.utf16_lengths = true);
    let text = "a".repeat(15_000) + &"😊".repeat(10_000);
    let feedback = Feedback { content: Some(text), ..Feedback::default() };
    let id = world.stage.goodays.customer_leaves(feedback);
    world.case(&id).await;
    let description = case_of(&world, &id)["Description"].as_str().unwrap().to_owned();
    assert_eq!(description.encode_utf16().count(), 32_000);
    assert!(description.ends_with('😊'));
    assert_eq!(world.graphs(), 1, "it was never refused");
    world.quiet().await;
    assert_eq!(world.parked().await, []);
}

#[tokio::test]
async fn c08_what_was_left_out_is_tried_again_after_a_reload() {
    let mut world = World::start().await;
    world.arrives().await;
    let read_only = |fields: &[&str]| {
        let fields = fields.iter().map(ToString::to_string).collect();
        world.stage.salesforce.with_settings(|s| s.read_only_fields = fields);
    };
    read_only(&["Case.SuppliedName"]);
    let name =
        |world: &World, id: &str| case_of(world, id)["SuppliedName"].as_str().is_some_and(|n| !n.is_empty());
    let id = world.stage.goodays.customer_leaves(Feedback::default());
    world.case(&id).await;
    assert!(!name(&world, &id));
    world.stage.salesforce.with_settings(|s| s.read_only_fields.clear());
    let (id, _) = world.arrives().await;
    assert!(!name(&world, &id), "nobody has said that it was mended");
    world.stage.app().shared.reload_mappings().await.unwrap();
    let (id, _) = world.arrives().await;
    assert!(name(&world, &id));
    world.quiet().await;
    assert_eq!(world.parked().await, []);
}

/// Restarts the daemon with a clock that the test can advance (milliseconds).
async fn on_a_clock_of_its_own(world: &mut World) -> Arc<AtomicI64> {
    assert!(world.stage.stop_daemon().await);
    let ahead_ms = Arc::new(AtomicI64::new(0));
    let ahead = ahead_ms.clone();
    let shown = move || Clock::System.now_ms() + ahead.load(Ordering::SeqCst);
    let millis = Arc::new(AtomicI64::new(shown()));
    let clock = Clock::Manual(millis.clone());
    tokio::spawn(async move {
        let mut ticks = tokio::time::interval(Duration::from_millis(5));
        loop {
            ticks.tick().await;
            millis.store(shown(), Ordering::SeqCst);
        }
    });
    let app = App::start(load(&world.stage.config_file()).unwrap(), clock).await.unwrap();
    let url = format!("http://{}/webhooks/goodays", app.doors.webhook_addr());
    world.stage.goodays.set_webhook(&url, Some(SECRET.to_owned()));
    world.stage.app = Some(app);
    ahead_ms
}

#[tokio::test]
async fn c08_what_was_left_out_is_tried_again_after_an_hour() {
    let mut world = World::start().await;
    let ahead_ms = on_a_clock_of_its_own(&mut world).await;
    // The org is described before the permission is removed: the field is left out because it was refused.
    world.arrives().await;
    world.stage.salesforce.with_settings(|s| s.read_only_fields = ["Case.SuppliedName".to_owned()].into());
    let named = |world: &World, id: &str| case_of(world, id)["SuppliedName"].is_string();
    let (id, _) = world.arrives().await;
    assert!(!named(&world, &id));
    world.stage.salesforce.with_settings(|s| s.read_only_fields.clear());
    ahead_ms.store(59 * 60_000, Ordering::SeqCst);
    world.polled().await;
    let (id, _) = world.arrives().await;
    assert!(!named(&world, &id), "the hour is not over");
    ahead_ms.store(61 * 60_000, Ordering::SeqCst);
    world.polled().await;
    let (id, _) = world.arrives().await;
    assert!(named(&world, &id), "the org was described anew");
    world.quiet().await;
    assert_eq!(world.parked().await, []);
}

/// A firewall refuses one text: the others are sent, and nothing is parked.
#[tokio::test]
async fn c04_one_text_that_the_road_refuses_stops_no_other() {
    let mut world = World::start().await;
    world.arrives().await;
    world.stage.goodays.pause_webhooks(true);
    let content = Some("Poison".to_owned());
    let bad = world.stage.goodays.customer_leaves(Feedback { content, ..Feedback::default() });
    let good: Vec<String> = (0..9).map(|_| world.leaves()).collect();
    let page = Act::Answer {
        status: 403,
        body: "<html>Your request looks like an attack.</html>".to_owned(),
        content_type: Some("text/html".to_owned()),
        headers: [].into(),
    };
    let body_contains = Some("Poison".to_owned());
    let fault = Fault { body_contains, times: None, ..Fault::once("/composite/graph", page) };
    world.stage.salesforce.wire().fault(fault);
    world.stage.goodays.pause_webhooks(false);
    world.stage.goodays.deliver().await;
    for id in &good {
        world.case(id).await;
    }
    world.arrives().await;
    assert_eq!(world.stage.salesforce.case_by_key(&bad), None);
    assert_eq!(world.parked().await, []);
    world.stage.salesforce.wire().clear_faults();
    world.case(&bad).await;
    world.quiet().await;
    world.laws_hold().await;
}

/// Salesforce's code is shown and logged only if it is one short word.
#[tokio::test]
async fn c13_what_is_no_code_is_not_shown_as_one() {
    let mut world = World::start().await;
    world.arrives().await;
    for code in ["A\\nERROR forged", "A\\u001b[2J", &"A".repeat(200_000)] {
        let body = format!(r#"[{{"errorCode":"{code}","message":"m\n\u001b[2J"}}]"#);
        let act = Act::Answer { status: 400, body, content_type: None, headers: [].into() };
        world.stage.salesforce.wire().fault(Fault { times: None, ..Fault::once("/composite/graph", act) });
        let id = world.leaves();
        let item = world
            .holds("it is parked", || {
                now(world.parked()).into_iter().find(|p| p.response_id.as_deref() == Some(id.as_str()))
            })
            .await;
        assert_eq!(item.reason_code, "UNREADABLE_CODE");
        assert!(item.reason.len() < 500 && !item.reason.contains(char::is_control), "{}", item.reason);
        world.stage.salesforce.wire().clear_faults();
        // Equal refusals in a row would be of everything.
        world.arrives().await;
    }
}

/// Without its blanks the id would be that of another response, whose Case is there.
#[tokio::test]
async fn c12_an_id_with_a_blank_around_it_is_not_another_responses() {
    let mut world = World::start().await;
    let (id, case) = world.arrives().await;
    let before = world.stage.salesforce.count("Case");
    let ids = [format!("{id} "), format!(" {id}"), format!("{id}\n"), format!("\u{a0}{id}"), " ".to_owned()];
    for odd in &ids {
        posted(&world, odd, "Somebody else's words.").await;
    }
    let mut reasons: Vec<String> = world.parked().await.into_iter().map(|item| item.reason).collect();
    reasons.sort();
    let blank = |reason: &&String| reason.contains("begins or ends with a blank");
    assert_eq!((reasons.len(), reasons.iter().filter(blank).count()), (5, 4), "{reasons:?}");
    world.quiet().await;
    assert_eq!(world.stage.salesforce.count("Case"), before);
    assert_eq!(world.stage.salesforce.comments_of(&id).len(), 0);
    let text = world.agent_answers(&case);
    world.receives(&id, &text).await;
}

/// Posts a signed event of this response, which is accepted whatever becomes of it.
async fn posted(world: &World, id: &str, words: &str) {
    let response = json!({ "id": id, "actions": {}, "message": { "id": "m", "content": words } });
    let body = json!({ "event_type": "response", "response": response }).to_string();
    let signature = world.stage.goodays.sign(body.as_bytes()).unwrap();
    let url = format!("http://{}/webhooks/goodays", world.stage.webhook_addr());
    let client = goodays_salesforce::http::client(std::time::Duration::from_secs(10));
    let answer = client.post(url).header("X-HMAC-SHA256", signature).body(body).send().await.unwrap();
    assert_eq!(answer.status(), 200, "{id:?}");
}

/// These ids would be a path of the API, or another Case's key. They wait for a human, and nothing else does.
#[tokio::test]
async fn c12_ids_that_cannot_stand_in_a_path_or_key_are_parked() {
    let mut world = World::start().await;
    world.arrives().await;
    let before = world.stage.salesforce.count("Case");
    let ids = ["bulk", "..", "a/b", "x@{refCase.id}", "a\nb", ""];
    for id in ids {
        posted(&world, id, "Words.").await;
    }
    let parked = world.parked().await;
    assert_eq!(parked.len(), ids.len());
    for item in parked {
        assert_eq!(item.reason_code, "unreadable");
        assert!(item.reason.contains("response.id"), "{}", item.reason);
    }
    world.quiet().await;
    assert_eq!(world.stage.salesforce.count("Case"), before);
    assert_eq!((world.goodays_trouble(), world.salesforce_trouble()), (None, None));
    let (id, case) = world.arrives().await;
    let text = world.agent_answers(&case);
    world.receives(&id, &text).await;
}

/// The org is well again, and no other feedback comes: what waits is tried again by itself.
#[tokio::test]
async fn a_refusal_of_everything_that_is_over_is_noticed_by_what_waits() {
    let mut world = World::start().await;
    refuse(&world, rule("Subject != null", "STORAGE_LIMIT_EXCEEDED", "storage limit exceeded", &[]));
    let id = world.leaves();
    let trouble = || world.stage.app().shared.salesforce_breaker.trouble_with_writes();
    world.holds("nothing is written", || trouble().map(drop)).await;
    world.stage.salesforce.with_settings(|s| s.validation_rules.clear());
    world.holds("its Case", || world.stage.salesforce.case_by_key(&id).map(drop)).await;
    world.quiet().await;
    world.laws_hold().await;
}
