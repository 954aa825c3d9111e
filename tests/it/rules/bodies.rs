//! The bodies of the five actions are those of the documentation.

use goodays_salesforce::sim::goodays::Feedback;
use serde_json::{Value, json};

use crate::world::World;

macro_rules! sample {
    ($name:literal) => {
        serde_json::from_str::<Value>(include_str!(concat!("../../fixtures/goodays/", $name, ".json")))
            .unwrap()
    };
}

fn from(source: &str) -> Feedback {
    Feedback { source: source.to_owned(), ..Feedback::default() }
}

fn content(sample: &Value) -> &str {
    sample["content"].as_str().unwrap()
}

#[tokio::test]
async fn reply_and_message_have_the_documented_bodies() {
    let world = World::start().await;
    let (reply, message) = (sample!("action_reply_no_remark_type"), sample!("action_message"));
    let id = world.arrives(from("email")).await;
    world.answers(&id, content(&reply)).await;
    world.customer_writes(&id, "How long does it last?");
    world.settle().await;
    world.answers(&id, content(&message)).await;
    assert_eq!(world.puts(&id), [("reply".to_owned(), reply), ("message".to_owned(), message)]);
}

#[tokio::test]
async fn a_review_from_outside_is_answered_with_its_remark_type() {
    let world = World::start().await;
    let (reply, message) = (sample!("action_reply"), sample!("action_message_google"));
    let id = world.arrives(from("google")).await;
    world.agent_sets(&id, json!({ "Goodays_Remark_Type__c": reply["remark_type"] }));
    world.answers(&id, content(&reply)).await;
    world.agent_sets(&id, json!({ "Goodays_Remark_Type__c": null }));
    world.customer_writes(&id, "How long does it last?");
    world.settle().await;
    world.answers(&id, content(&message)).await;
    assert_eq!(world.puts(&id), [("reply".to_owned(), reply), ("message".to_owned(), message)]);
}

#[tokio::test]
async fn call_close_and_spam_have_the_documented_bodies() {
    let world = World::start().await;
    let (call, close, spam) = (sample!("action_call"), sample!("action_close"), sample!("action_spam"));
    let called = world.arrives(from("email")).await;
    world.agent_sets(
        &called,
        json!({
            "Status": "Closed by phone",
            "Goodays_Call_Rating__c": call["rating"],
            "Goodays_Call_Note__c": call["note"],
        }),
    );
    let closed = world.arrives(from("google")).await;
    let fields = json!({ "Status": "Closed", "Goodays_Remark_Type__c": close["remark_type"] });
    world.agent_sets(&closed, fields);
    let spammed = world.arrives(from("email")).await;
    world.agent_sets(&spammed, json!({ "Status": "Spam" }));
    world.settle().await;
    assert_eq!(world.puts(&called), [("call".to_owned(), call)]);
    assert_eq!(world.puts(&closed), [("close".to_owned(), close)]);
    assert_eq!(world.puts(&spammed), [("spam".to_owned(), spam)]);
    for id in [called, closed, spammed] {
        assert_eq!(world.comments(&id), [] as [&str; 0], "no echo");
        assert_eq!(world.processed(&id).len(), 1);
    }
}
