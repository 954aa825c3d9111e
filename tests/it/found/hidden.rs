//! An admin takes a field from the connector's user while it runs: answers go on (law 8).

use std::collections::BTreeMap;

use futures_util::future::join_all;
use goodays_salesforce::sim::wire::{Act, Fault};
use serde_json::json;

use crate::arena::{Tuning, World, quick};

fn hide(world: &World, fields: &[&str]) {
    let fields = fields.iter().map(|field| (*field).to_owned()).collect();
    world.stage.salesforce.with_settings(|s| s.hidden_fields = fields);
}

fn asks_for(world: &World, field: &str) -> bool {
    let all = world.stage.salesforce.wire().requests();
    let poll = all.iter().rev().find(|seen| seen.path.ends_with("/composite") && seen.status == 200);
    // The query is encoded for a URL.
    poll.is_some_and(|seen| seen.body.contains(&field.replace('_', "%5F")))
}

#[tokio::test]
async fn a_field_that_is_hidden_while_running_stops_no_answer() {
    let hidden: Vec<&[&str]> = vec![
        &["Case.Goodays_Call_Note__c"],
        &["User.Email"],
        &["Case.Goodays_Call_Note__c", "User.Email", "Case.Goodays_Call_Rating__c"],
    ];
    join_all(hidden.into_iter().map(|fields| async move {
        let mut world = World::start().await;
        let (id, case) = world.answered().await;
        hide(&world, fields);
        world.customer_writes(&id);
        world.quiet().await;
        let text = world.agent_answers(&case);
        world.receives(&id, &text).await;
        world.agent_sets(&case, json!({ "Status": "Closed" }));
        world.quiet().await;
        world.laws_hold().await;
        // Granted again, it is read again.
        hide(&world, &[]);
        world.stage.app().shared.reload_mappings().await.unwrap();
        let field = fields[0].rsplit('.').next().unwrap();
        world.holds(field, || asks_for(&world, field).then_some(())).await;
    }))
    .await;
}

/// The field is hidden while an answer can still be taken back, which is read again before it is sent.
#[tokio::test]
async fn an_answer_is_read_again_without_a_hidden_field() {
    let world = World::with(Tuning { goodays: "undo: { reply: 2s }".to_owned(), ..quick() }).await;
    let mut world = world;
    let (id, case) = world.arrives().await;
    world.quiet().await;
    let text = world.agent_answers(&case);
    hide(&world, &["User.Email"]);
    world.receives(&id, &text).await;
    world.quiet().await;
    world.laws_hold().await;
}

/// Salesforce refuses that query for another reason: it is asked less and less often, and `status` says so.
#[tokio::test]
async fn an_answer_that_cannot_be_read_again_waits_and_is_told() {
    let mut world = World::with(Tuning { goodays: "undo: { reply: 1s }".to_owned(), ..quick() }).await;
    let (id, case) = world.arrives().await;
    world.quiet().await;
    let text = world.agent_answers(&case);
    let body = json!([{ "errorCode": "QUERY_TIMEOUT", "message": "" }]).to_string();
    let act = Act::Answer { status: 400, body, content_type: None, headers: BTreeMap::new() };
    world.stage.salesforce.wire().fault(Fault { times: Some(3), ..Fault::once("/queryAll", act) });
    let trouble = || {
        let told = (**world.stage.app().shared.poll_state.trouble.load()).clone();
        told.filter(|told| told.contains("QUERY_TIMEOUT"))
    };
    world.holds("the trouble", trouble).await;
    world.receives(&id, &text).await;
    let all = world.stage.salesforce.wire().requests();
    let asked: Vec<i64> =
        all.iter().filter(|s| s.path.contains("/queryAll") && s.status == 400).map(|s| s.at_ms).collect();
    assert!(asked.len() == 3 && asked[2] - asked[1] > 1_200, "{asked:?}");
    world
        .holds("no trouble", || world.stage.app().shared.poll_state.trouble.load().is_none().then_some(()))
        .await;
    world.quiet().await;
    assert_eq!(world.received(&id), [text]);
}
