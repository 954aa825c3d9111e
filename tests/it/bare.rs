//! Remotes that offer only what the connector needs: no describe, no list of statuses, no query for deleted rows in a
//! poll, no session, users or dashboard. Each missing part costs comfort, but never feedback.

use std::time::Duration;

use goodays_salesforce::demo::stage::{Stage, Tuning, until};
use goodays_salesforce::sim::goodays::Feedback;
use goodays_salesforce::sim::wire::{Act, Fault, Wire};
use serde_json::json;

use crate::now;

const PATIENCE: Duration = Duration::from_secs(120);

/// Answers every such request with this status, without end.
fn lacks(wire: &Wire, path: &str, body: Option<&str>, status: u16) {
    let text =
        json!([{ "message": "The requested resource does not exist", "errorCode": "NOT_FOUND" }]).to_string();
    let act = Act::Answer {
        status,
        body: text,
        content_type: Some("application/json".to_owned()),
        headers: std::collections::BTreeMap::default(),
    };
    wire.fault(Fault { times: None, body_contains: body.map(str::to_owned), ..Fault::once(path, act) });
}

async fn bare_stage() -> Stage {
    let mut stage = Stage::start(Tuning::default()).await.unwrap();
    assert!(stage.stop_daemon().await);
    std::fs::remove_dir_all(stage.dir.path().join("state")).unwrap();
    let salesforce = stage.salesforce.wire();
    lacks(salesforce, "/describe", None, 404);
    lacks(salesforce, "CaseStatus", None, 400);
    lacks(salesforce, "/composite", Some("queryAll"), 400);
    let goodays = stage.goodays.wire();
    lacks(goodays, "/session", None, 501);
    lacks(goodays, "/users", None, 404);
    lacks(goodays, "/dashboard", None, 404);
    stage.start_daemon().await.unwrap();
    stage
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bare_org_and_a_bare_account_carry_the_conversation() {
    let mut stage = bare_stage().await;
    let id = stage.goodays.customer_leaves(Feedback {
        content: Some("bare words".to_owned()),
        email: Some("not an address".to_owned()),
        ..Feedback::default()
    });
    let case = until(PATIENCE, || stage.salesforce.case_by_key(&id)).await.expect("a Case");
    assert_eq!(case["Description"], json!("bare words"));
    assert_eq!(case["SuppliedEmail"], json!(null), "the bad address is left out");
    let case = case["Id"].as_str().unwrap();
    let agent = "jennifer.parker@brand.example";
    stage.salesforce.agent_comments(case, "an answer", true, agent).unwrap();
    until(PATIENCE, || (stage.goodays.received_by_customer(&id).len() == 1).then_some(()))
        .await
        .expect("an answer");
    stage.goodays.customer_writes(&id, "one more question").unwrap();
    let asks = || (stage.salesforce.case_by_key(&id)?["Status"] == json!("Customer Replied")).then_some(());
    until(PATIENCE, asks).await.expect("the Case asks for attention");
    stage.salesforce.agent_comments(case, "one more answer", true, agent).unwrap();
    until(PATIENCE, || (stage.goodays.received_by_customer(&id).len() == 2).then_some(()))
        .await
        .expect("a message");
    // With a parked item, polls ask for deleted rows. They must work without the answer.
    stage.salesforce.agent_comments(case, "and one too many", true, agent).unwrap();
    let parked = || (!now(stage.app().shared.parked(1)).unwrap().is_empty()).then_some(());
    until(PATIENCE, parked).await.expect("it waits for the customer");
    let other = stage.goodays.customer_leaves(Feedback::default());
    let closing = until(PATIENCE, || stage.salesforce.case_by_key(&other)).await.expect("a second Case");
    let closing = closing["Id"].as_str().unwrap();
    stage.salesforce.agent_updates_case(closing, json!({ "Status": "Closed" }), agent).unwrap();
    let closed =
        || stage.goodays.processed(&other).iter().any(|p| p["action"] == json!("close")).then_some(());
    until(PATIENCE, closed).await.expect("a close");
    assert!(stage.stop_daemon().await);
}
