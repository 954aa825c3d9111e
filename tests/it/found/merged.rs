//! A Case that is merged into a Case that was never ours (design, rule 11).

use std::collections::BTreeMap;

use goodays_salesforce::sim::wire::{Act, Fault};
use serde_json::json;

use crate::arena::{AGENT, World};

/// The customer also wrote an e-mail, and that Case has no key.
fn by_mail(world: &World) -> String {
    let fields = json!({ "Subject": "By e-mail", "Status": "Working", "Origin": "Email" });
    world.stage.salesforce.create_case(fields, AGENT).unwrap()
}

/// A Case of ours, merged into that of an e-mail.
async fn merged(world: &mut World) -> (String, String) {
    let (id, case) = world.arrives().await;
    let survivor = by_mail(world);
    world.quiet().await;
    world.stage.salesforce.merge_cases(&survivor, &case).unwrap();
    (id, survivor)
}

async fn has_key(world: &World, id: &str, survivor: &str) {
    let found = || world.stage.salesforce.case_by_key(id).filter(|case| case["Id"] == survivor);
    world.holds("its key on the survivor", found).await;
}

#[tokio::test]
async fn answers_and_a_close_on_a_survivor_without_key_are_seen() {
    let mut world = World::start().await;
    let (id, survivor) = merged(&mut world).await;
    has_key(&world, &id, &survivor).await;
    let text = world.agent_answers(&survivor);
    world.receives(&id, &text).await;
    world.quiet().await;
    let words = world.customer_writes(&id);
    world.quiet().await;
    assert!(world.comments(&survivor).iter().any(|comment| comment.contains(&words)));
    let marker = world.stage.salesforce.case_by_key(&id).unwrap()["Goodays_Message_Ids__c"].clone();
    assert!(marker.as_str().is_some_and(|marker| !marker.is_empty()), "{marker}");
    assert_eq!(world.parked().await, []);
    let (other, survivor) = merged(&mut world).await;
    has_key(&world, &other, &survivor).await;
    world.quiet().await;
    world.agent_sets(&survivor, json!({ "Status": "Closed" }));
    world.holds("the close", || (world.puts("/close") == 1).then_some(())).await;
}

/// The daemon is down during the merge, and its first write of the key gets no answer.
#[tokio::test]
async fn the_key_is_written_after_a_start_and_after_a_lost_answer() {
    let mut world = World::start().await;
    let (id, case) = world.arrives().await;
    let survivor = by_mail(&world);
    world.quiet().await;
    world.stage.stop_daemon().await;
    world.stage.salesforce.merge_cases(&survivor, &case).unwrap();
    world.graph_fault(Act::ResetBefore);
    world.stage.start_daemon().await.unwrap();
    has_key(&world, &id, &survivor).await;
    world.quiet().await;
    let text = world.agent_answers(&survivor);
    world.receives(&id, &text).await;
}

/// What was said by e-mail was not said to the customer of the feedback.
#[tokio::test]
async fn comments_of_the_survivor_from_before_the_merge_are_not_sent() {
    let mut world = World::start().await;
    let (id, case) = world.arrives().await;
    let survivor = by_mail(&world);
    world.agent_answers(&survivor);
    world.quiet().await;
    // Longer ago than the overlap of the polls, within which a row may become visible.
    world.stage.salesforce.advance(660_000);
    let late = world.arrives().await;
    world.agent_answers(&late.1);
    world.quiet().await;
    world.stage.salesforce.merge_cases(&survivor, &case).unwrap();
    has_key(&world, &id, &survivor).await;
    world.stage.salesforce.touch_all();
    world.quiet().await;
    assert_eq!((world.received(&id), world.parked().await.len()), (Vec::new(), 0));
    world.stage.salesforce.advance(1_000);
    let text = world.agent_answers(&survivor);
    world.receives(&id, &text).await;
    world.quiet().await;
    assert_eq!(world.received(&id), [text]);
}

/// Another Case has the key still, where we cannot see it.
#[tokio::test]
async fn a_survivor_that_cannot_take_the_key_says_so() {
    let mut world = World::start().await;
    let (id, case) = world.arrives().await;
    let survivor = by_mail(&world);
    world.quiet().await;
    let part = json!({ "referenceId": "refCase", "httpStatusCode": 400, "body": [{
        "errorCode": "DUPLICATE_VALUE", "fields": [],
        "message": "duplicate value found: Goodays_Response_Id__c duplicates value on record with id: 5000" }] });
    let graph =
        json!({ "graphId": "g0", "isSuccessful": false, "graphResponse": { "compositeResponse": [part] } });
    let body = json!({ "graphs": [graph] }).to_string();
    let act = Act::Answer { status: 200, body, content_type: None, headers: BTreeMap::new() };
    world.stage.salesforce.wire().fault(Fault {
        times: None,
        body_contains: Some("\"Goodays_Response_Id__c\"".to_owned()),
        ..Fault::once("/composite/graph", act)
    });
    world.stage.salesforce.merge_cases(&survivor, &case).unwrap();
    let told = || {
        let row = world.stage.salesforce.record(&survivor)?;
        let told = row["Goodays_Sync_Error__c"].as_str()?.to_owned();
        (told.contains("DUPLICATE_VALUE") && row["Goodays_Sync_Status__c"] == "Not sent").then_some(())
    };
    world.holds("the reason on the Case", told).await;
    // What the customer writes comes all the same.
    world.stage.goodays.colleague_replies(&id, "We are sorry.").unwrap();
    let words = world.customer_writes(&id);
    world.quiet().await;
    assert!(world.comments(&survivor).iter().any(|comment| comment.contains(&words)));
    assert_eq!(world.parked().await, []);
}

/// The org keeps the merged Case, closed, with its key. Nobody closed the feedback.
#[tokio::test]
async fn a_merged_case_that_the_org_keeps_is_no_close() {
    let mut world = World::start().await;
    let (first, kept) = world.answered().await;
    let (second, gone) = world.answered().await;
    world.stage.salesforce.with_settings(|s| s.merged_status = "Closed".to_owned());
    world.stage.salesforce.merge_cases(&kept, &gone).unwrap();
    world.quiet().await;
    let words = world.customer_writes(&second);
    world.quiet().await;
    world.stage.salesforce.touch_all();
    world.quiet().await;
    assert_eq!(world.puts("/close"), 0);
    let times = |case: &str| world.comments(case).iter().filter(|text| text.contains(&words)).count();
    assert_eq!((times(&kept), times(&gone)), (1, 0));
    let text = world.agent_answers(&kept);
    world.receives(&second, &text).await;
    world.quiet().await;
    // The ledger is lost: the survivor is found again.
    world.stage.stop_daemon().await;
    std::fs::remove_dir_all(world.stage.dir.path().join("state")).unwrap();
    world.stage.start_daemon().await.unwrap();
    world.polled().await;
    world.stage.salesforce.advance(1_000);
    let words = world.customer_writes(&second);
    world.quiet().await;
    let times = |case: &str| world.comments(case).iter().filter(|text| text.contains(&words)).count();
    assert_eq!((times(&kept), times(&gone)), (1, 0));
    assert_eq!((world.puts("/close"), world.received(&first).len(), world.parked().await.len()), (0, 1, 0));
}
