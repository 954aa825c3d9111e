//! A5, A7, A9, A12: whose text is sent, and with which of the agent's choices.

use goodays_salesforce::demo::stage::Tuning;
use goodays_salesforce::sim::goodays::Feedback;
use serde_json::{Value, json};

use super::{brisk, told};
use crate::world::World;

const PORTAL: &str = "portal.customer@sim.example";

fn of(source: &str) -> Feedback {
    Feedback { source: source.to_owned(), ..Feedback::default() }
}

async fn closed(source: &str, chosen: Option<&str>) -> Value {
    let world = World::with(brisk()).await;
    let id = world.arrives(of(source)).await;
    if let Some(chosen) = chosen {
        world.agent_sets(&id, json!({ "Goodays_Remark_Type__c": chosen }));
    }
    world.agent_sets(&id, json!({ "Status": "Closed" }));
    told(&world, &id, "Sent: close").await;
    world.settle().await;
    let sent = world.puts(&id)[0].1["remark_type"].clone();
    world.end().await;
    sent
}

#[tokio::test]
async fn a05_a_rule_without_when_is_refused_and_sends_no_internal_note() {
    let mut world = World::with(brisk()).await;
    let id = world.arrives(Feedback::default()).await;
    world.agent_drafts(&id, "Internal: this customer is difficult.");
    world.settle().await;
    let file = world.dir.path().join("mappings/actions.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    let line = text.lines().find(|line| line.contains("when: comment.IsPublished")).unwrap().to_owned();
    std::fs::write(&file, text.replace(&line, "")).unwrap();
    let trouble = || !world.app().shared.mapping_trouble.load().is_empty();
    world.until("the edit is refused", trouble).await;
    world.settle().await;
    assert_eq!(world.received(&id), []);
    world.errors_are_fine();
}

#[tokio::test]
async fn a07_what_the_agent_chose_travels_with_a_close() {
    assert_eq!(closed("email", Some("Problem")).await, json!("Problem"));
    assert_eq!(closed("google", Some("Praise")).await, json!("Praise"));
}

#[tokio::test]
async fn a07_nothing_is_invented_but_where_goodays_wants_a_type() {
    assert_eq!(closed("email", None).await, Value::Null);
    assert_eq!(closed("google", None).await, json!("Message"));
}

#[tokio::test]
async fn a07_what_the_agent_chose_travels_with_a_reply() {
    let world = World::with(brisk()).await;
    let id = world.arrives(of("email")).await;
    world.agent_sets(&id, json!({ "Goodays_Remark_Type__c": "Problem" }));
    world.answers(&id, "We see the problem.").await;
    assert_eq!(world.puts(&id)[0].1["remark_type"], json!("Problem"));
    let plain = world.arrives(of("email")).await;
    world.answers(&plain, "Thank you very much.").await;
    assert_eq!(world.puts(&plain)[0].1["remark_type"], Value::Null);
}

#[tokio::test]
async fn a09_a_note_that_is_typed_after_the_status_travels() {
    let world = World::with(Tuning { close_grace_ms: 1500, ..brisk() }).await;
    let id = world.arrives(Feedback::default()).await;
    world.agent_sets(&id, json!({ "Status": "Closed by phone" }));
    world.polled().await;
    world
        .agent_sets(&id, json!({ "Goodays_Call_Note__c": "She was friendly.", "Goodays_Call_Rating__c": 4 }));
    told(&world, &id, "Sent: call").await;
    world.settle().await;
    let (verb, call) = &world.puts(&id)[0];
    assert_eq!(
        (verb.as_str(), &call["note"], &call["rating"]),
        ("call", &json!("She was friendly."), &json!(4))
    );
    assert_eq!(world.processed(&id), ["call"]);
}

#[tokio::test]
async fn a09_a_note_after_the_call_went_out_is_said_to_stay_behind() {
    let world = World::with(Tuning { close_grace_ms: 0, ..brisk() }).await;
    let id = world.arrives(Feedback::default()).await;
    world.agent_sets(&id, json!({ "Status": "Closed by phone" }));
    told(&world, &id, "Sent: call").await;
    world.settle().await;
    world.agent_sets(&id, json!({ "Goodays_Call_Note__c": "She was friendly." }));
    world.until("the Case says so", || world.told(&id).1.contains("note")).await;
    world.settle().await;
    assert_eq!(world.processed(&id), ["call"]);
}

#[tokio::test]
async fn a09_a_rating_alone_is_waited_for_too() {
    let world = World::with(Tuning { close_grace_ms: 1500, ..brisk() }).await;
    let id = world.arrives(Feedback::default()).await;
    world.agent_sets(&id, json!({ "Status": "Closed by phone", "Goodays_Call_Note__c": "First words." }));
    world.polled().await;
    world.agent_sets(&id, json!({ "Goodays_Call_Note__c": "Last words.", "Goodays_Call_Rating__c": 2 }));
    told(&world, &id, "Sent: call").await;
    world.settle().await;
    let call = &world.puts(&id)[0].1;
    assert_eq!((&call["note"], &call["rating"]), (&json!("Last words."), &json!(2)));
}

#[tokio::test]
async fn a12_what_a_customer_writes_in_a_portal_is_not_the_brands_answer() {
    let world = World::with(brisk()).await;
    let id = world.arrives(Feedback::default()).await;
    world.comments_by(&id, "Hello, any news on my feedback?", true, PORTAL);
    world.settle().await;
    assert_eq!(world.received(&id), []);
    world.answers(&id, "Yes, here is news.").await;
    world.comments_by(&id, "Thank you for the news.", true, PORTAL);
    world.customer_writes(&id, "And by the shop's page as well.");
    world.settle().await;
    assert_eq!(world.received(&id).len(), 1);
}

#[tokio::test]
async fn a12_a_portal_users_comment_is_not_sent_when_it_is_published_later() {
    let world = World::with(brisk()).await;
    let id = world.arrives(Feedback::default()).await;
    let comment = world.comments_by(&id, "Hello, any news on my feedback?", false, PORTAL);
    world.settle().await;
    world.salesforce.agent_publishes(&comment, true).unwrap();
    world.settle().await;
    assert_eq!(world.received(&id), []);
}

#[tokio::test]
async fn a12_a_mapping_may_say_that_they_are_sent() {
    let actions = include_str!("../../../mappings/actions.yaml");
    let line = "  when: comment.IsPublished";
    let actions = actions.replacen(line, &format!("  authors: [Standard, CspLitePortal]\n{line}"), 1);
    let world = World::with_mapping("actions.yaml", &actions).await;
    let id = world.arrives(Feedback::default()).await;
    world.comments_by(&id, "Hello from the partner's shop.", true, PORTAL);
    world.settle().await;
    assert_eq!(world.received(&id).len(), 1);
}
