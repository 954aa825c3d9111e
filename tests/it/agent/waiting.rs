//! What waits says so on the Case: an answer that can be taken back, one that needs an approval, and an outage.

use goodays_salesforce::demo::stage::Tuning;
use goodays_salesforce::sim::goodays::Feedback;
use goodays_salesforce::sim::wire::{Act, Fault};
use serde_json::{Value, json};

use crate::world::World;

async fn with(goodays: &str) -> World {
    let sections = "language: fr\ntime_zone: Europe/Paris\n".to_owned();
    World::as_deployed(Tuning { goodays: goodays.to_owned(), sections, ..Tuning::default() }).await
}

async fn is_told(world: &World, id: &str, status: &str, words: &str) {
    world
        .until(words, || {
            let told = world.told(id);
            told.0 == status && told.1.contains(words) && world.is_recorded()
        })
        .await;
}

#[tokio::test]
async fn a_public_reply_can_be_taken_back_and_the_case_says_until_when() {
    let world = with("undo: { reply: 3s }\n").await;
    let id = world.arrives(Feedback::default()).await;
    let comment = world.agent_comments(&id, "Written too fast.");
    is_told(&world, &id, "waiting", "La réponse publique part à ").await;
    world.salesforce.agent_publishes(&comment, false).unwrap();
    is_told(&world, &id, "nothing_to_send", "").await;
    world.settle().await;
    assert_eq!(world.received(&id), []);
    // The same with the button; then it goes.
    world.agent_sets(&id, json!({ "Goodays_Command__c": "answer", "Goodays_Answer__c": "Again too fast." }));
    is_told(&world, &id, "waiting", "La réponse publique part à ").await;
    world.agent_sets(&id, json!({ "Goodays_Command__c": null }));
    is_told(&world, &id, "nothing_to_send", "").await;
    assert_eq!(world.field(&id, "Goodays_Answer__c"), "Again too fast.");
    world.agent_sets(&id, json!({ "Goodays_Command__c": "answer", "Goodays_Answer__c": "Well considered." }));
    world.settle().await;
    assert_eq!(world.received(&id), [("reply".to_owned(), "Well considered.".to_owned())]);
    assert_eq!(world.told(&id), ("sent".into(), String::new()));
    world.end().await;
}

#[tokio::test]
async fn the_time_to_take_an_answer_back_survives_a_restart() {
    let mut world = with("undo: { reply: 3s }\n").await;
    let id = world.arrives(Feedback::default()).await;
    let comment = world.agent_comments(&id, "Written too fast.");
    is_told(&world, &id, "waiting", "La réponse publique part à ").await;
    world.stop().await;
    world.salesforce.agent_publishes(&comment, false).unwrap();
    world.go_on().await;
    world.settle().await;
    assert_eq!(world.received(&id), []);
    assert_eq!(world.told(&id).0, "nothing_to_send");
    world.end().await;
}

#[tokio::test]
async fn a_public_reply_waits_for_the_approval_of_its_text_and_a_private_message_does_not() {
    let world = with("approval: public\n").await;
    let id = world.arrives(Feedback::default()).await;
    world.agent_sets(&id, json!({ "Goodays_Command__c": "answer", "Goodays_Answer__c": "A draft." }));
    is_told(&world, &id, "waiting", "La réponse publique attend une approbation.").await;
    world.agent_sets(&id, json!({ "Goodays_Approved__c": true, "Goodays_Answer__c": "A better text." }));
    world.settle().await;
    assert_eq!(world.received(&id), [("reply".to_owned(), "A better text.".to_owned())]);
    assert_eq!(
        world.case(&id)["Goodays_Approved__c"],
        Value::Bool(false),
        "it does not count for the next one"
    );
    world.customer_writes(&id, "And on Sunday?");
    world.settle().await;
    world.answers(&id, "We are closed on Sunday.").await;
    world.end().await;
}

#[tokio::test]
async fn a_text_that_is_changed_after_its_approval_needs_another_one() {
    let world = with("approval: public\nundo: { reply: 3s }\n").await;
    let id = world.arrives(Feedback::default()).await;
    let comment = world.agent_comments(&id, "Approved words.");
    is_told(&world, &id, "waiting", "approbation").await;
    world.agent_sets(&id, json!({ "Goodays_Approved__c": true }));
    world.salesforce.agent_edits_comment(&comment, "Other words.").unwrap();
    world
        .until("the approval is taken off", || world.case(&id)["Goodays_Approved__c"] == Value::Bool(false))
        .await;
    is_told(&world, &id, "waiting", "approbation").await;
    assert_eq!(world.received(&id), []);
    world.until("it is in the ledger", || world.is_recorded()).await;
    world.agent_sets(&id, json!({ "Goodays_Approved__c": true }));
    world.settle().await;
    assert_eq!(world.received(&id), [("reply".to_owned(), "Other words.".to_owned())]);
    world.end().await;
}

/// The integration user may not edit the field. The approval of the earlier text counts for no other one.
#[tokio::test]
async fn an_approval_that_cannot_be_taken_off_is_told_and_approves_nothing_else() {
    let world = with("approval: public\nundo: { reply: 3s }\n").await;
    let own = "Case.Goodays_Approved__c".to_owned();
    world.salesforce.with_settings(|settings| settings.read_only_fields.extend([own]));
    let id = world.arrives(Feedback::default()).await;
    let comment = world.agent_comments(&id, "Approved words.");
    is_told(&world, &id, "waiting", "approbation").await;
    world.agent_sets(&id, json!({ "Goodays_Approved__c": true }));
    world.salesforce.agent_edits_comment(&comment, "Other words.").unwrap();
    is_told(&world, &id, "waiting", "L’approbation reste dans Goodays_Approved__c").await;
    world.polled().await;
    assert_eq!(world.received(&id), []);
    world.agent_sets(&id, json!({ "Goodays_Approved__c": false }));
    world.polled().await;
    world.until("it is in the ledger", || world.is_recorded()).await;
    world.agent_sets(&id, json!({ "Goodays_Approved__c": true }));
    world.settle().await;
    assert_eq!(world.received(&id), [("reply".to_owned(), "Other words.".to_owned())]);
    let (status, reason) = world.told(&id);
    assert_eq!((status.as_str(), reason.contains("L’approbation reste dans")), ("sent", true), "{reason}");
    assert_eq!(world.parked().await.len(), 0);
    world.end().await;
}

#[tokio::test]
async fn an_outage_of_goodays_is_told_and_what_waits_goes_once() {
    let world = with("").await;
    let id = world.arrives(Feedback::default()).await;
    let down = Act::Answer {
        status: 503,
        body: String::new(),
        content_type: None,
        headers: std::collections::BTreeMap::default(),
    };
    world.goodays.wire().fault(Fault { times: None, ..Fault::once("/", down) });
    world.agent_comments(&id, "We are sorry.");
    is_told(&world, &id, "waiting", "Goodays est injoignable depuis ").await;
    world.goodays.wire().clear_faults();
    world.settle().await;
    assert_eq!(world.received(&id), [("reply".to_owned(), "We are sorry.".to_owned())]);
    assert_eq!(world.told(&id), ("sent".into(), String::new()));
    world.end().await;
}
