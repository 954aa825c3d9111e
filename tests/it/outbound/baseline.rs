//! What stood before is not news: fields and commands that were not read before, comments that were only observed, and
//! what an agent changes while or after something is sent.

use std::path::Path;

use goodays_salesforce::demo::stage::Tuning;
use goodays_salesforce::sim::goodays::Feedback;
use goodays_salesforce::sim::wire::{Act, Fault};
use serde_json::json;

use super::{brisk, next_put, told};
use crate::world::World;

const SHIPPED: &str = include_str!("../../../mappings/actions.yaml");
const SPAM: &str = "  - { do: spam,   on: case, when: \"case.Status == 'Spam'\" }";
const ANSWER: &str = "  - { do: answer, on: comment,";

fn write(folder: &Path, old: &str, new: &str) {
    assert!(SHIPPED.contains(old), "{old}");
    std::fs::write(folder.join("mappings/actions.yaml"), SHIPPED.replace(old, new)).unwrap();
}

/// Holds one poll up: it gets no answer, and reads nothing.
async fn a_poll_hangs(world: &World, ms: u64) {
    world.salesforce.wire().fault(Fault::once("/composite?", Act::HangBefore { ms }));
    world.until("a poll hangs", || world.salesforce.wire().under_way("POST", "/composite") > 0).await;
}

#[tokio::test]
async fn a_condition_on_a_field_that_was_never_read_does_not_begin_to_hold() {
    for verb in ["close", "spam", "call"] {
        let world = World::with(brisk()).await;
        let id = world.arrives(Feedback { nps: Some(2), ..Feedback::default() }).await;
        assert_eq!(world.field(&id, "Priority"), "High");
        world.settle().await;
        world
            .salesforce
            .wire()
            .fault(Fault { times: None, ..Fault::once("/composite?", Act::HangBefore { ms: 200 }) });
        world.until("a poll hangs", || world.salesforce.wire().under_way("POST", "/composite") > 0).await;
        let rule = format!("  - {{ do: {verb}, on: case, when: \"case.Priority == 'High'\" }}\n{SPAM}");
        write(world.dir.path(), SPAM, &rule);
        world.app().shared.reload().await.unwrap();
        world.until("the edit", || world.log().contains("the rules of actions.yaml were edited")).await;
        // Stamps have whole seconds.
        world.salesforce.advance(3_000);
        world.agent_sets(&id, json!({ "Subject": "A corrected subject" }));
        world.salesforce.wire().clear_faults();
        world.settle().await;
        assert_eq!((verb, world.puts(&id)), (verb, Vec::new()));
        // From then on it is known.
        world.agent_sets(&id, json!({ "Priority": "Low" }));
        world.settle().await;
        world.agent_sets(&id, json!({ "Priority": "High" }));
        world.settle().await;
        assert_eq!(world.processed(&id), [verb]);
        world.end().await;
    }
}

/// The org uses this field already, and then an edit makes it the field of commands.
#[tokio::test]
async fn what_stands_in_a_field_is_no_command_when_an_edit_names_it() {
    let mut world = World::with(brisk()).await;
    world.stop().await;
    let without = SHIPPED.split_inclusive('\n').filter(|line| !line.contains("Goodays_Command__c"));
    let without: String = without.collect();
    std::fs::write(world.dir.path().join("mappings/actions.yaml"), without).unwrap();
    world.go_on_without_state().await;
    let id = world.arrives(Feedback::default()).await;
    let other = world.arrives(Feedback::default()).await;
    world.agent_sets(&id, json!({ "Goodays_Command__c": "close" }));
    world.settle().await;
    world
        .salesforce
        .wire()
        .fault(Fault { times: None, ..Fault::once("/composite?", Act::HangBefore { ms: 200 }) });
    world.until("a poll hangs", || world.salesforce.wire().under_way("POST", "/composite") > 0).await;
    std::fs::write(world.dir.path().join("mappings/actions.yaml"), SHIPPED).unwrap();
    world.app().shared.reload().await.unwrap();
    world.until("the edit", || world.log().contains("the rules of actions.yaml were edited")).await;
    world.salesforce.advance(3_000);
    world.agent_sets(&id, json!({ "Subject": "A corrected subject" }));
    world.salesforce.wire().clear_faults();
    world.settle().await;
    assert_eq!(world.puts(&id), []);
    // A command that is given afterwards is one.
    world.agent_sets(&other, json!({ "Goodays_Command__c": "close" }));
    world.settle().await;
    assert_eq!(world.processed(&other), ["close"]);
    world.end().await;
}

#[tokio::test]
async fn a_comment_rule_with_a_condition_of_its_own_stands_under_that_of_all_comments() {
    let mut world = World::with(brisk()).await;
    world.stop().await;
    write(world.dir.path(), ANSWER, &format!("{ANSWER} when: \"case.Priority == 'High'\","));
    world.go_on_without_state().await;
    let id = world.arrives(Feedback { nps: Some(2), ..Feedback::default() }).await;
    let note = world.agent_drafts(&id, "He calls every week.");
    world.settle().await;
    assert_eq!(world.puts(&id), []);
    world.salesforce.agent_publishes(&note, true).unwrap();
    world.settle().await;
    assert_eq!(world.received(&id).len(), 1);
    world.end().await;
}

#[tokio::test]
async fn a_comment_that_was_only_observed_is_sent_when_it_is_published_again() {
    let goodays = "actions: observe\n".to_owned();
    let mut world = World::with(Tuning { goodays, ..brisk() }).await;
    let id = world.arrives(Feedback::default()).await;
    let comment = world.agent_comments(&id, "Rehearsed.");
    world.settle().await;
    world.stage.tuning.goodays = String::new();
    world.restart().await;
    world.settle().await;
    assert_eq!(world.puts(&id), [], "what was observed is not sent by itself");
    world.salesforce.agent_publishes(&comment, false).unwrap();
    world.settle().await;
    world.salesforce.agent_publishes(&comment, true).unwrap();
    world.settle().await;
    assert_eq!(world.received(&id).len(), 1);
    assert_eq!(world.told(&id).0, "Sent: public reply");
    world.end().await;
}

#[tokio::test]
async fn a_command_that_our_own_write_covers_is_for_a_human() {
    let mut world = World::with(brisk()).await;
    world.parked_is_fine();
    let id = world.replied().await;
    a_poll_hangs(&world, 2_000).await;
    let fields = json!({ "Goodays_Command__c": "answer", "Goodays_Answer__c": "I answer myself." });
    world.salesforce.agent_updates_case(&id, fields, "portal.customer@sim.example").unwrap();
    world.customer_writes(&id, "And one more thing.");
    world.until("our write", || world.field(&id, "Status") == "Customer Replied").await;
    world.settle().await;
    assert_eq!(world.received(&id).len(), 1);
    assert_eq!(world.the_parked().await.reason_code, "author_unseen");
    assert!(world.told(&id).1.contains("the connector itself changed the Case"), "{:?}", world.told(&id));
    // An agent has looked at the text.
    world.agent_sets(&id, json!({ "Goodays_Command__c": "answer" }));
    world.settle().await;
    assert_eq!(world.received(&id).len(), 2);
}

#[tokio::test]
async fn an_edit_while_the_answer_is_on_its_way_is_told_with_the_outcome() {
    let world = World::with(brisk()).await;
    let id = world.arrives(Feedback::default()).await;
    next_put(&world, "reply", Act::Slow { ms: 1_500 });
    let comment = world.agent_comments(&id, "You get 10 EUR.");
    world.until("it is on its way", || !world.puts(&id).is_empty()).await;
    world.salesforce.agent_edits_comment(&comment, "You get 1000 EUR.").unwrap();
    world.settle().await;
    let (status, why) = world.told(&id);
    assert_eq!(status, "Sent: public reply");
    assert!(why.contains("edited after"), "{why}");
    // Each further edit is told, too.
    world.customer_writes(&id, "Thank you!");
    world.settle().await;
    world.answers(&id, "You are welcome.").await;
    assert_eq!(world.told(&id), ("Sent: private message".to_owned(), String::new()));
    world.salesforce.agent_edits_comment(&comment, "You get 2000 EUR.").unwrap();
    told(&world, &id, "Not sent").await;
    assert!(world.told(&id).1.contains("edited after"), "{:?}", world.told(&id));
    world.end().await;
}

#[tokio::test]
async fn a_type_that_is_chosen_after_the_close_went_out_is_told() {
    let world = World::with(brisk()).await;
    let id = world.arrives(Feedback::default()).await;
    world.agent_sets(&id, json!({ "Status": "Closed" }));
    world.settle().await;
    assert_eq!(world.told(&id), ("Sent: close".to_owned(), String::new()));
    world.agent_sets(&id, json!({ "Goodays_Remark_Type__c": "Problem" }));
    world.settle().await;
    world.until("it is told", || world.told(&id).1.starts_with("The type was chosen or changed after")).await;
    assert_eq!((world.told(&id).0, world.puts(&id).len()), ("Sent: close".to_owned(), 1));
    world.end().await;
}
