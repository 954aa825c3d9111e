//! What Salesforce refuses again and again is asked after pauses that grow, and each try counts (law 11).

use std::collections::BTreeMap;

use futures_util::future::join_all;
use goodays_salesforce::sim::wire::{Act, Fault};
use serde_json::{Value, json};

use crate::arena::World;

/// Shorter than the first pause, longer than calls that follow at once.
const PAUSE_MS: i64 = 500;

/// A call with one conversation that ends like this.
fn ends(parts: &Value) -> Act {
    let graph = json!({
        "graphId": "g0", "isSuccessful": false, "graphResponse": { "compositeResponse": parts },
    });
    let body = json!({ "graphs": [graph] }).to_string();
    Act::Answer { status: 200, body, content_type: None, headers: BTreeMap::new() }
}

fn error(reference: &str, code: &str) -> Value {
    let message = "duplicate value found: <unknown> duplicates value on record with id: <unknown>";
    let body = json!([{ "errorCode": code, "message": message, "fields": [] }]);
    json!({ "referenceId": reference, "httpStatusCode": 400, "body": body })
}

/// When the graph calls came (milliseconds).
fn calls(world: &World) -> Vec<i64> {
    let all = world.stage.salesforce.wire().requests();
    all.iter().filter(|seen| seen.path.ends_with("/composite/graph")).map(|seen| seen.at_ms).collect()
}

/// A known Case, and three calls about it that end like this: the last one comes after a pause.
async fn pauses(parts: Value) {
    let mut world = World::start().await;
    let (id, case) = world.answered().await;
    world.stage.salesforce.wire().clear_requests();
    world
        .stage
        .salesforce
        .wire()
        .fault(Fault { times: Some(3), ..Fault::once("/composite/graph", ends(&parts)) });
    let text = world.customer_writes(&id);
    let calls = world.holds("three calls", || Some(calls(&world)).filter(|calls| calls.len() >= 3)).await;
    assert!(calls[2] - calls[1] >= PAUSE_MS, "{calls:?}: {parts}");
    world.quiet().await;
    let times = world.comments(&case).iter().filter(|comment| comment.contains(&text)).count();
    assert_eq!((times, world.parked().await.len()), (1, 0), "{parts}");
    world.laws_hold().await;
}

#[tokio::test]
async fn an_update_that_is_a_duplicate_of_something_unnamed_waits() {
    join_all(vec![
        pauses(json!([error("refCase", "DUPLICATE_VALUE")])),
        pauses(json!([error("refCase", "PROCESSING_HALTED"), error("refComment0", "DUPLICATE_VALUE")])),
    ])
    .await;
}

#[tokio::test]
async fn a_transaction_that_is_halted_without_a_cause_waits() {
    let both = |code| json!([error("refCase", code), error("refComment0", code)]);
    join_all(vec![
        pauses(both("PROCESSING_HALTED")),
        pauses(both("ALL_OR_NONE_OPERATION_ROLLED_BACK")),
        pauses(json!([])),
        pauses(Value::Null),
    ])
    .await;
}
