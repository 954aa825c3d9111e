//! Rule 5: after loss of the local state.

use goodays_salesforce::sim::goodays::Feedback;
use serde_json::{Value, json};

use crate::world::{World, words};

/// A conversation with messages from everybody.
async fn conversation(world: &World) -> String {
    let id = world.arrives(words("The till was closed.")).await;
    world.answers(&id, "We are sorry; when was that?").await;
    world.customer_writes(&id, "It was on Monday.");
    world.settle().await;
    world.goodays.colleague_messages(&id, "Your shop's manager here: I have seen it.").unwrap();
    world.customer_writes(&id, "Good to hear!");
    world.settle().await;
    world.answers(&id, "So are we done?").await;
    id
}

async fn redeliver(world: &World, id: &str) {
    for kind in ["response", "message", "reply", "delegated", "response"] {
        world.goodays.send_event(id, kind).await.unwrap();
        world.settle().await;
    }
}

#[tokio::test]
async fn rule_05_nothing_is_doubled_and_agents_work_stands_after_loss_of_the_state() {
    let mut world = World::start().await;
    let id = conversation(&world).await;
    let thread = world.thread(&id);
    assert_eq!(thread.len(), 5, "{thread:?}");
    world.agent_sets(&id, json!({ "Description": "Corrected by an agent.", "Status": "Closed by phone" }));
    world.settle().await;
    let puts = world.puts(&id);
    let told = world.told(&id);
    world.restart_without_state().await;
    redeliver(&world, &id).await;
    assert_eq!(world.thread(&id), thread);
    assert_eq!(world.field(&id, "Description"), "Corrected by an agent.");
    assert_eq!(world.field(&id, "Status"), "Closed by phone");
    assert_eq!(world.told(&id), told);
    assert_eq!(world.puts(&id), puts, "nothing created before is sent again");
    assert_eq!(world.salesforce.records("Case").len(), 1);

    world.customer_writes(&id, "One more thing.");
    world.settle().await;
    assert_eq!(world.thread(&id).len(), thread.len() + 1);
    assert_eq!(world.field(&id, "Status"), "Customer Replied");
    world.answers(&id, "Yes, please?").await;
}

#[tokio::test]
async fn rule_05_without_marker_a_comment_with_the_text_counts() {
    let mut world = World::start().await;
    let id = conversation(&world).await;
    let (thread, puts) = (world.thread(&id), world.puts(&id));
    world.agent_sets(&id, json!({ "Goodays_Message_Ids__c": null }));
    world.restart_without_state().await;
    redeliver(&world, &id).await;
    assert_eq!(world.thread(&id), thread);
    assert_eq!(world.puts(&id), puts);
    assert_ne!(world.field(&id, "Goodays_Message_Ids__c"), "", "the marker is mended");
}

#[tokio::test]
async fn rule_05_the_same_words_twice_are_two_messages() {
    let mut world = World::start().await;
    let id = world.replied().await;
    for _ in 0..3 {
        world.customer_writes(&id, "Hello? Anybody?");
    }
    world.settle().await;
    assert_eq!(world.thread(&id).len(), 4);
    world.agent_sets(&id, json!({ "Goodays_Message_Ids__c": null }));
    world.restart_without_state().await;
    redeliver(&world, &id).await;
    assert_eq!(world.thread(&id).len(), 4);
    world.customer_writes(&id, "Hello? Anybody?");
    world.settle().await;
    assert_eq!(world.thread(&id).len(), 5);
}

#[tokio::test]
async fn rule_05_a_long_text_in_parts_is_known_again() {
    let mut world = World::start().await;
    let id = world.replied().await;
    world.customer_writes(&id, &"It is a long story & it goes on. ".repeat(400));
    world.settle().await;
    let comments = world.comments(&id);
    assert!(comments.len() > 3, "{}", comments.len());
    world.agent_sets(&id, json!({ "Goodays_Message_Ids__c": null }));
    world.restart_without_state().await;
    redeliver(&world, &id).await;
    assert_eq!(world.comments(&id), comments);
}

#[tokio::test]
async fn rule_05_new_feedback_after_the_loss_is_made_and_old_is_completed() {
    let mut world = World::start().await;
    let id = world.replied().await;
    world.stop().await;
    world.customer_writes(&id, "Is anybody there?");
    world.goodays.webhooks_sent().await;
    world.go_on_without_state().await;
    let other = world.customer_leaves(Feedback::default());
    world.customer_writes(&id, "Hello again?");
    world.settle().await;
    assert_eq!(world.thread(&id)[1..], ["Is anybody there?", "Hello again?"]);
    assert_eq!(world.comments(&id).len(), 3);
    assert_eq!(world.case(&other)["Status"], Value::from("New"));
}

#[tokio::test]
async fn rule_05_a_deleted_case_stays_deleted_after_the_loss() {
    let mut world = World::start().await;
    let id = conversation(&world).await;
    world.salesforce.delete_case(&id).unwrap();
    world.restart_without_state().await;
    redeliver(&world, &id).await;
    assert_eq!(world.cases(&id).len(), 0);
    world.customer_writes(&id, "Why don't you answer?");
    world.settle().await;
    let comments = world.thread(&id);
    assert!(comments[0].contains("deleted"), "{comments:?}");
    assert_eq!(comments[1..], ["Why don't you answer?"]);
}

#[tokio::test]
async fn rule_05_an_old_event_first_does_not_hide_what_the_comments_hold() {
    let mut world = World::start().await;
    let id = world.arrives(words("The till was closed.")).await;
    let old = world.goodays.event_body(&id, "response");
    world.answers(&id, "We are sorry; when was that?").await;
    world.customer_writes(&id, "It was on Monday.");
    world.settle().await;
    let thread = world.thread(&id);
    world.agent_sets(&id, json!({ "Goodays_Message_Ids__c": null }));
    world.restart_without_state().await;
    // An agent's answer is also sent in between.
    world.answers(&id, "Thank you for the date.").await;
    world.post_bytes(old).await;
    world.settle().await;
    redeliver(&world, &id).await;
    assert_eq!(world.thread(&id)[..2], thread);
    assert_eq!(world.comments(&id).len(), 3);
}
