//! Several events at the same moment.

use goodays_salesforce::sim::goodays::Feedback;
use goodays_salesforce::sim::wire::{Act, Fault};
use serde_json::json;

use crate::world::{World, words};

#[tokio::test]
async fn customer_and_agent_write_in_the_same_moment() {
    let world = World::start().await;
    let id = world.replied().await;
    for round in 0..5 {
        world.customer_writes(&id, &format!("Question number {round}."));
        world.agent_comments(&id, &format!("Answer number {round}."));
        world.settle().await;
    }
    let received = world.received(&id);
    assert_eq!(received.len(), 6, "{received:?}");
    let thread = world.thread(&id);
    assert_eq!(thread.len(), 11, "{thread:?}");
}

#[tokio::test]
async fn an_agents_close_stands_when_an_old_event_comes_late() {
    let world = World::start().await;
    let id = world.arrives(words("Late events.")).await;
    let first = world.goodays.event_body(&id, "response");
    world.answers(&id, "We answer.").await;
    world.customer_writes(&id, "I answer, too.");
    world.settle().await;
    world.answers(&id, "Then all is well.").await;
    world.agent_sets(&id, json!({ "Status": "Closed", "Description": "Summary by the agent." }));
    world.settle().await;
    let case = world.case(&id);
    // The first event again, with different bytes.
    let mut late: serde_json::Value = serde_json::from_slice(&first).unwrap();
    late["response"]["message"]["content"] = json!("Late events, as they first were.");
    world.post(&late).await;
    world.settle().await;
    assert_eq!(world.case(&id), case, "what is older than what we know changes nothing");
}

#[tokio::test]
async fn a_mapping_edit_takes_effect_while_running() {
    let world = World::start().await;
    world.arrives(words("Before.")).await;
    let file = world.dir.path().join("mappings/case.yaml");
    let text = std::fs::read_to_string(&file).unwrap().replace("value: Goodays, ", "value: Web, ");
    std::fs::write(&file, text).unwrap();
    let before = world.app().shared.mapping().version().to_owned();
    world.until("it is read", || world.app().shared.mapping().version() != before).await;
    let id = world.arrives(words("After.")).await;
    assert_eq!(world.field(&id, "Origin"), "Web");
}

#[tokio::test]
async fn a_refused_note_for_the_agent_never_fails_the_action() {
    let world = World::start().await;
    world.salesforce.with_settings(|s| {
        s.read_only_fields.insert("Case.Goodays_Sync_Status__c".into());
        s.hidden_fields.insert("Case.Goodays_Sync_Error__c".into());
    });
    let id = world.arrives(Feedback::default()).await;
    world.answers(&id, "Can you read this?").await;
    world.customer_writes(&id, "Yes, I can.");
    world.settle().await;
    assert_eq!(world.comments(&id).len(), 2);
}

#[tokio::test]
async fn a_feedback_that_goodays_does_not_show_any_more_is_told() {
    let mut world = World::start().await;
    world.parked_is_fine();
    let id = world.arrives(words("Delete my data.")).await;
    world.goodays.removes(&id).unwrap();
    world.agent_comments(&id, "We have deleted it.");
    world.settle().await;
    assert_eq!(world.told(&id).0, "Not sent");
    assert_eq!(world.the_parked().await.action.as_deref(), Some("answer"));
}

#[tokio::test]
async fn a_restart_in_the_middle_of_everything_loses_and_doubles_nothing() {
    let mut world = World::start().await;
    let ids: Vec<String> = (0..8).map(|_| world.customer_leaves(Feedback::default())).collect();
    world.settle().await;
    world.goodays.wire().fault(Fault { times: Some(4), ..Fault::once("/reply", Act::Slow { ms: 150 }) });
    for id in &ids {
        world.agent_comments(id, "An answer around a restart.");
    }
    world.until("some are sent", || ids.iter().any(|id| !world.received(id).is_empty())).await;
    world.restart().await;
    world.settle().await;
    for id in &ids {
        assert_eq!(world.received(id).len(), 1);
        world.customer_writes(id, "Thank you for it.");
    }
    world.settle().await;
    for id in &ids {
        assert_eq!(world.thread(id), ["An answer around a restart.", "Thank you for it."]);
    }
}
