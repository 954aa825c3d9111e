//! A10: an action counts as listed only if it has an address.

use futures_util::future::join_all;
use goodays_salesforce::sim::goodays::Feedback;
use serde_json::{Value, json};

use super::{brisk, told, verbs};
use crate::world::{World, words};

/// Feedback that Goodays shows in a different shape.
fn patched(patch: Value) -> Feedback {
    Feedback { patch, ..words("The queue was long.") }
}

fn odd() -> Vec<Value> {
    vec![
        json!(false),
        json!(0),
        json!([]),
        json!({"enabled": false}),
        Value::Null,
        json!(true),
        json!("no"),
        json!("n/a"),
        json!({"href": null}),
    ]
}

#[tokio::test]
async fn a10_an_odd_value_lists_no_reply() {
    join_all(odd().into_iter().map(|value| async move {
        let mut world = World::with(brisk()).await;
        let actions = json!({"reply": value, "close": "", "call": "", "spam": "", "message": ""});
        let id = world.arrives(patched(json!({ "actions": actions }))).await;
        world.agent_comments(&id, "Nobody may send this.");
        told(&world, &id, "Not sent").await;
        assert_eq!(verbs(&world, &id), [""; 0], "{value}");
        assert_ne!(world.told(&id).1, "");
        world.settle().await;
        world.parked_is_fine();
        world.end().await;
    }))
    .await;
}

#[tokio::test]
async fn a10_a_list_of_refusals_lists_nothing() {
    for actions in
        [json!([{"name": "reply", "allowed": false}]), json!([{"reply": false}]), json!("none"), Value::Null]
    {
        let mut world = World::with(brisk()).await;
        let id = world.arrives(patched(json!({ "actions": actions }))).await;
        world.agent_comments(&id, "Nobody may send this.");
        world.agent_sets(&id, json!({ "Status": "Closed" }));
        world.until("it is said", || !world.told(&id).0.is_empty()).await;
        world.settle_with_open(world.app().shared.store.all_open_intents().await.unwrap().len()).await;
        assert_eq!(verbs(&world, &id), [""; 0], "{actions}");
        world.parked_is_fine();
        world.open_is_fine();
        world.end().await;
    }
}

#[tokio::test]
async fn a10_odd_values_list_no_close_call_or_spam() {
    for (verb, status) in [("close", "Closed"), ("call", "Closed by phone"), ("spam", "Spam")] {
        for value in odd() {
            let mut world = World::with(brisk()).await;
            let id = world.arrives(patched(json!({ "actions": { verb: value } }))).await;
            world.agent_sets(&id, json!({ "Status": status }));
            world.until("it is said", || !world.told(&id).0.is_empty()).await;
            world.settle().await;
            assert_eq!(verbs(&world, &id), [""; 0], "{verb} {value}");
            world.parked_is_fine();
            world.end().await;
        }
    }
}
