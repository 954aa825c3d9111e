//! Rule 6: rules act on a change to a state, not on the state itself.

use goodays_salesforce::sim::goodays::Feedback;
use serde_json::json;

use crate::world::{AGENT, World};

#[tokio::test]
async fn rule_06_a_status_rule_fires_once_when_it_begins_to_hold() {
    let world = World::start().await;
    let id = world.arrives(Feedback::default()).await;
    world.agent_sets(&id, json!({ "Status": "Closed" }));
    world.settle().await;
    world.agent_sets(&id, json!({ "Subject": "Another subject" }));
    world.salesforce.touch_all();
    world.settle().await;
    assert_eq!(world.processed(&id), ["close"]);
    assert_eq!(world.puts(&id).len(), 1);
}

#[tokio::test]
async fn rule_06_a_case_that_the_mapping_makes_closed_is_not_news() {
    let mapping = include_str!("../../../mappings/case.yaml").replace("value: New,", "value: Closed,");
    let world = World::with_mapping("case.yaml", &mapping).await;
    let id = world.arrives(Feedback::default()).await;
    assert_eq!(world.field(&id, "Status"), "Closed");
    world.salesforce.touch_all();
    world.settle().await;
    assert_eq!(world.puts(&id), []);
}

#[tokio::test]
async fn rule_06_a_case_linked_by_hand_starts_with_the_state_it_has() {
    let world = World::start().await;
    world.goodays.pause_webhooks(true);
    let id = world.customer_leaves(Feedback::default());
    let fields = json!({ "Subject": "Made by hand", "Status": "Closed", "Goodays_Response_Id__c": id });
    world.salesforce.create_case(fields, AGENT).unwrap();
    world.settle().await;
    assert_eq!(world.puts(&id), [], "the state at first sight is the baseline");
    world.goodays.pause_webhooks(false);
    world.settle().await;
    assert_eq!(world.field(&id, "Subject"), "Made by hand");
    assert_eq!(world.puts(&id), []);
    world.agent_sets(&id, json!({ "Status": "New" }));
    world.settle().await;
    world.agent_sets(&id, json!({ "Status": "Closed" }));
    world.settle().await;
    assert_eq!(world.processed(&id), ["close"]);
}

#[tokio::test]
async fn rule_06_what_stood_before_the_first_start_is_never_sent() {
    let mut world = World::start().await;
    let id = world.arrives(Feedback::default()).await;
    world.stop().await;
    let published = world.agent_comments(&id, "Published before the first start.");
    let draft = world.agent_drafts(&id, "Written before the first start.");
    world.agent_sets(&id, json!({ "Status": "Closed" }));
    world.go_on_without_state().await;
    world.salesforce.agent_publishes(&draft, true).unwrap();
    world.salesforce.touch_all();
    world.settle().await;
    world.salesforce.agent_publishes(&published, false).unwrap();
    world.settle().await;
    world.salesforce.agent_publishes(&published, true).unwrap();
    world.settle().await;
    assert_eq!(world.puts(&id), []);
    world.answers(&id, "Written after it.").await;
}

#[tokio::test]
async fn rule_06_our_own_comments_are_never_sent_whoever_publishes_them() {
    let world = World::start().await;
    let id = world.replied().await;
    world.customer_writes(&id, "One more question, please.");
    world.settle().await;
    let imported = world.salesforce.comments_of(&id).into_iter();
    let imported = imported.map(|c| c["Id"].as_str().unwrap().to_owned()).next_back().unwrap();
    world.salesforce.agent_publishes(&imported, true).unwrap();
    world.settle().await;
    world.salesforce.agent_edits_comment(&imported, "Edited by an agent.").unwrap();
    world.settle().await;
    assert_eq!(world.received(&id).len(), 1);
}
