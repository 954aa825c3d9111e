//! Law 2: the same feedback, any number of times, in any order, is one Case.

use serde_json::{Value, json};

use crate::world::World;

macro_rules! event {
    ($name:literal) => {
        serde_json::from_str::<Value>(include_str!(concat!("../../fixtures/goodays/", $name, ".json")))
            .unwrap()
    };
}

/// The documented conversation with a delegation in its middle.
fn story() -> Vec<Value> {
    let mut delegated = event!("message_first");
    delegated["event_type"] = json!("delegated");
    delegated.as_object_mut().unwrap().remove("message");
    delegated["response"]["delegated_to"] = event!("delegated")["response"]["delegated_to"].clone();
    let mut last = event!("message_second_customer_turn");
    last["response"]["delegated_to"] = delegated["response"]["delegated_to"].clone();
    vec![event!("response"), event!("message_first"), delegated, last]
}

fn with_id(mut event: Value, id: &str) -> Value {
    event["response"]["id"] = json!(id);
    event
}

fn orders(count: usize) -> Vec<Vec<usize>> {
    if count == 0 {
        return vec![Vec::new()];
    }
    let shorter = orders(count - 1);
    shorter
        .into_iter()
        .flat_map(|order| {
            (0..count).map(move |place| {
                let mut order = order.clone();
                order.insert(place, count - 1);
                order
            })
        })
        .collect()
}

/// Everything that must not depend on the order. `Status` shows whether the Case existed before the customer wrote
/// again.
fn essence(world: &World, id: &str) -> (Vec<Value>, Vec<String>) {
    let case = world.case(id);
    let names = ["Subject", "Description", "SuppliedName", "Priority", "Origin", "Goodays_Next_Action__c"];
    (names.iter().map(|n| case[n].clone()).collect(), world.thread(id))
}

#[tokio::test]
async fn any_order_of_events_ends_in_the_same_case() {
    let world = World::start().await;
    let orders = orders(4);
    assert_eq!(orders.len(), 24);
    // One event of each conversation in turn, so that each is applied separately.
    for step in 0..4 {
        for (n, order) in orders.iter().enumerate() {
            let (status, _) = world.post(&with_id(story()[order[step]].clone(), &format!("any{n}"))).await;
            assert_eq!(status, 200);
        }
        world.settle().await;
    }
    let (fields, thread) = essence(&world, "any0");
    assert_eq!(thread.len(), 4);
    assert_eq!(fields[5], "Private message");
    for (n, order) in orders.iter().enumerate() {
        let (other_fields, other_thread) = essence(&world, &format!("any{n}"));
        assert_eq!((other_fields, other_thread), (fields.clone(), thread.clone()), "order {order:?}");
    }
    assert_eq!(world.salesforce.records("Case").len(), 24);
    assert_eq!(world.salesforce.records("CaseComment").len(), 96);
}

#[tokio::test]
async fn events_that_come_at_once_end_in_the_same_case() {
    let world = World::start().await;
    let orders = orders(4);
    let posts = orders.iter().enumerate().flat_map(|(n, order)| {
        let id = format!("once{n}");
        let twice = order.iter().chain(order.iter().rev()).copied().collect::<Vec<_>>();
        twice.into_iter().map(move |k| with_id(story()[k].clone(), &id)).collect::<Vec<_>>()
    });
    futures_util::future::join_all(posts.map(|event| async {
        let event = event;
        assert_eq!(world.post(&event).await.0, 200);
    }))
    .await;
    world.settle().await;
    let first = essence(&world, "once0");
    assert_eq!(first.1.len(), 4);
    for (n, order) in orders.iter().enumerate() {
        assert_eq!(essence(&world, &format!("once{n}")), first, "order {order:?}");
    }
    assert_eq!(world.salesforce.records("CaseComment").len(), 96);
}

#[tokio::test]
async fn duplicates_cost_no_call() {
    let world = World::start().await;
    for event in story() {
        assert_eq!(world.post(&with_id(event, "dup")).await.1["status"], "accepted");
    }
    world.settle().await;
    world.salesforce.wire().clear_requests();
    for event in story().into_iter().chain(story().into_iter().rev()) {
        assert_eq!(world.post(&with_id(event, "dup")).await.1["status"], "duplicate");
    }
    world.settle().await;
    let others = world.salesforce.wire().requests().len() - world.polls();
    assert_eq!(others, 0, "{:?}", world.salesforce.wire().requests());
    // The same contents with different bytes cost nothing either.
    for event in story() {
        let body = serde_json::to_string_pretty(&with_id(event, "dup")).unwrap();
        assert_eq!(world.post_bytes(body.into_bytes()).await.1["status"], "accepted");
    }
    world.settle().await;
    assert_eq!(world.writes(), []);
    assert_eq!(world.comments("dup").len(), 4);
}
