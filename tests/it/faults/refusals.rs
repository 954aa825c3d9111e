//! A refusal of Salesforce affects only what it refuses (laws 2 and 8; Salesforce reference, 2.4 and 4.2).

use goodays_salesforce::goodays::ResponseId;
use goodays_salesforce::operator::IfUnclear;
use goodays_salesforce::sim::salesforce::settings::ValidationRule;
use goodays_salesforce::sim::wire::{Act, Fault};
use goodays_salesforce::state::RKey;
use serde_json::json;

use crate::arena::World;
use crate::now;

fn refuse_place(world: &World, place: &str) {
    let rule = ValidationRule {
        object: "Case".to_owned(),
        when: format!("Subject LIKE '%{place}'"),
        message: "not from there".to_owned(),
        fields: Vec::new(),
        code: None,
    };
    world.stage.salesforce.with_settings(|s| s.validation_rules = vec![rule]);
}

#[tokio::test]
async fn a_locked_case_is_asked_again() {
    let mut world = World::start().await;
    let (id, case) = world.answered().await;
    world.stage.salesforce.lock_case(&case, 2).unwrap();
    world.customer_writes(&id);
    world.quiet().await;
    world.laws_hold().await;
    assert_eq!(world.parked().await, []);
    assert_eq!(world.comments(&case).len(), 2);
}

#[tokio::test]
async fn one_bad_record_among_many_blocks_nobody() {
    let mut world = World::start().await;
    world.arrives().await;
    refuse_place(&world, "Nowhere");
    world.stage.goodays.pause_webhooks(true);
    let mut ids: Vec<String> = (0..12).map(|_| world.leaves()).collect();
    let bad = world.leaves_at("Nowhere");
    ids.extend((0..12).map(|_| world.leaves()));
    world.stage.goodays.deliver().await;
    for id in &ids {
        world.case(id).await;
    }
    let item = world.parked_with("FIELD_CUSTOM_VALIDATION_EXCEPTION").await;
    assert_eq!(item.response_id.as_deref(), Some(bad.as_str()));
    assert_eq!(world.parked().await.len(), 1);
    // An admin fixes the rule and retries the item.
    world.stage.salesforce.with_settings(|s| s.validation_rules.clear());
    world.stage.app().shared.retry(item.id, IfUnclear::Confirm).await.unwrap();
    world.case(&bad).await;
    world.quiet().await;
    world.laws_hold().await;
    assert_eq!(world.parked().await, []);
}

/// After 14 failed graphs Salesforce halts the rest. The halted ones have not failed.
#[tokio::test]
async fn what_salesforce_halts_because_of_others_is_not_parked() {
    let mut world = World::start().await;
    world.arrives().await;
    refuse_place(&world, "Nowhere");
    world.stage.goodays.pause_webhooks(true);
    let mut bad: Vec<String> = (0..20).map(|_| world.leaves_at("Nowhere")).collect();
    let mut good: Vec<String> = (0..10).map(|_| world.leaves()).collect();
    bad.extend((0..20).map(|_| world.leaves_at("Nowhere")));
    good.extend((0..10).map(|_| world.leaves()));
    world.stage.goodays.deliver().await;
    for id in &good {
        world.case(id).await;
    }
    world.holds("all bad ones parked", || (now(world.parked()).len() == bad.len()).then_some(())).await;
    world.quiet().await;
    let mut parked: Vec<String> = world.parked().await.into_iter().filter_map(|p| p.response_id).collect();
    parked.sort();
    bad.sort();
    assert_eq!(parked, bad);
}

/// Somebody else created the Cases, and the ledger does not have them.
#[tokio::test]
async fn a_key_that_exists_already_is_learned_and_written_to() {
    let mut world = World::start().await;
    world.arrives().await;
    world.stage.goodays.pause_webhooks(true);
    let ids: Vec<String> = (0..5).map(|_| world.leaves()).collect();
    for id in &ids[1..3] {
        let fields = json!({ "Goodays_Response_Id__c": id, "Subject": "Made by hand", "Status": "Working" });
        world.stage.salesforce.create_case(fields, "somebody@brand.example").unwrap();
    }
    world.stage.goodays.pause_webhooks(false);
    world.stage.goodays.deliver().await;
    for id in &ids {
        world.case(id).await;
    }
    world.quiet().await;
    world.laws_hold().await;
    assert_eq!(world.parked().await, []);
    for id in &ids[1..3] {
        let case = world.stage.salesforce.case_by_key(id).unwrap();
        assert_eq!((&case["Subject"], &case["Status"]), (&json!("Made by hand"), &json!("Working")));
    }
}

/// A deleted Case: repeats change nothing. A new message creates a Case that names the old one (design, rule 11).
#[tokio::test]
async fn a_deleted_case_is_followed_by_a_new_one_only_for_new_words() {
    let mut world = World::start().await;
    let (id, case) = world.answered().await;
    let number = world.stage.salesforce.case_by_key(&id).unwrap()["CaseNumber"].as_str().unwrap().to_owned();
    world.stage.salesforce.delete_case(&case).unwrap();
    assert_eq!(world.stage.goodays.send_event(&id, "response").await, Ok(200));
    world.quiet().await;
    assert_eq!(world.stage.salesforce.case_by_key(&id), None);
    let words = world.customer_writes(&id);
    let new = world.case(&id).await;
    world.quiet().await;
    let comments = world.comments(&new);
    assert!(comments.iter().any(|c| c.contains(&number)), "{comments:?}");
    assert_eq!(comments.iter().filter(|c| c.contains(&words)).count(), 1);
    let text = world.agent_answers(&new);
    world.receives(&id, &text).await;
    world.quiet().await;
    assert_eq!(world.received(&id).len(), 2);
}

/// A call that is refused as a whole is divided until the cause is alone.
#[tokio::test]
async fn a_call_that_is_refused_as_a_whole_is_taken_apart() {
    let mut world = World::start().await;
    world.arrives().await;
    world.stage.goodays.pause_webhooks(true);
    let bad = world.leaves_at("Poison");
    let good: Vec<String> = (0..9).map(|_| world.leaves()).collect();
    world.stage.salesforce.wire().fault(Fault {
        body_contains: Some("Poison".to_owned()),
        times: None,
        ..Fault::once(
            "/composite/graph",
            Act::Answer {
                status: 400,
                body: r#"[{"errorCode":"JSON_PARSER_ERROR","message":"unexpected"}]"#.to_owned(),
                content_type: None,
                headers: std::collections::BTreeMap::new(),
            },
        )
    });
    world.stage.goodays.deliver().await;
    for id in &good {
        world.case(id).await;
    }
    // Salesforce names no field: those that can be left out are, until it reads the rest.
    world.case(&bad).await;
    world.quiet().await;
    assert!(world.stage.salesforce.case_by_key(&bad).unwrap()["Subject"].is_null());
    assert_eq!(world.parked().await, []);
}

/// Some codes mean either that an admin has to act, or that one record cannot be reached. Other records that the org
/// accepted show which it is, and nothing waits for that record.
#[tokio::test]
async fn a_case_out_of_reach_delays_nobody_else() {
    let mut world = World::start().await;
    world.arrives().await;
    world.stage.salesforce.with_settings(|s| {
        s.validation_rules = vec![ValidationRule {
            object: "Case".to_owned(),
            when: "Subject LIKE '%Nowhere'".to_owned(),
            message: "insufficient access rights on object id".to_owned(),
            fields: Vec::new(),
            code: Some("INSUFFICIENT_ACCESS_OR_READONLY".to_owned()),
        }];
    });
    // They collect while Salesforce is busy, so that one call contains the bad one and good ones.
    let busy = Act::Answer { status: 429, body: String::new(), content_type: None, headers: [].into() };
    world.stage.salesforce.wire().fault(Fault { times: None, ..Fault::once("/composite/graph", busy) });
    let bad = world.leaves_at("Nowhere");
    let good: Vec<String> = (0..12).map(|_| world.leaves()).collect();
    let store = &world.stage.app().shared.store;
    world.holds("all of them wait", || (now(store.counters()).unwrap().pending > 12).then_some(())).await;
    world.stage.salesforce.wire().clear_faults();
    for id in &good {
        world.case(id).await;
    }
    let key = RKey::of(&ResponseId::new(&bad).unwrap());
    let tries = || now(store.waiting(key)).unwrap().entries.iter().map(|e| e.attempts).max();
    world.holds("a try alone", || tries().filter(|tries| *tries > 1)).await;
    assert_eq!(world.salesforce_trouble(), None);
    assert_eq!(world.stage.salesforce.case_by_key(&bad), None);
    world.stage.salesforce.with_settings(|s| s.validation_rules.clear());
    world.case(&bad).await;
    world.quiet().await;
    world.laws_hold().await;
    assert_eq!(world.parked().await, []);
}

/// A limit in bytes is worded like one in characters, and some texts are refused at any length.
#[tokio::test]
async fn a_text_that_is_too_long_even_at_the_stated_length_never_costs_the_case() {
    for (when, kept) in [("SuppliedName LIKE '____________%'", true), ("SuppliedName != null", false)] {
        let mut world = World::start().await;
        world.stage.salesforce.with_settings(|s| {
            s.validation_rules = vec![ValidationRule {
                object: "Case".to_owned(),
                when: when.to_owned(),
                message: "Web Name: data value too large: x (max length=80)".to_owned(),
                fields: vec!["SuppliedName".to_owned()],
                code: Some("STRING_TOO_LONG".to_owned()),
            }];
        });
        let (id, _) = world.arrives().await;
        let case = world.stage.salesforce.case_by_key(&id).unwrap();
        assert_eq!(case["SuppliedName"].as_str().is_some_and(|name| !name.is_empty()), kept, "{case}");
        world.quiet().await;
        world.laws_hold().await;
        assert_eq!(world.parked().await, []);
    }
}

/// Salesforce escapes some characters before it counts a comment's bytes, but does not say which.
#[tokio::test]
async fn a_comment_that_weighs_more_than_we_count_goes_in_more_parts() {
    let mut world = World::start().await;
    let (id, case) = world.answered().await;
    world.stage.salesforce.with_settings(|s| {
        s.validation_rules = vec![ValidationRule {
            object: "CaseComment".to_owned(),
            when: format!("CommentBody LIKE '{}%'", "_".repeat(1500)),
            message: "Body: data value too large: x (max length=4000)".to_owned(),
            fields: vec!["CommentBody".to_owned()],
            code: Some("STRING_TOO_LONG".to_owned()),
        }];
    });
    let words = world.text("customer");
    let text = (0..600).map(|n| format!("{words} {n}")).collect::<Vec<_>>().join("\n");
    let before = world.comments(&case).len();
    world.stage.goodays.customer_writes(&id, &text).unwrap();
    world.holds("all of its parts", || (world.comments(&case).len() > before).then_some(())).await;
    world.quiet().await;
    let parts = world.comments(&case).split_off(before);
    let said: Vec<&str> =
        parts.iter().flat_map(|p| p.split_once(") ").unwrap().1.split_whitespace()).collect();
    let wanted: Vec<&str> = text.split_whitespace().collect();
    assert!(said.ends_with(&wanted), "{} parts", parts.len());
    assert_eq!(world.parked().await, []);
}
