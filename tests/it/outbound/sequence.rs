//! A3, A8, A13: the agent's actions keep their order, and the Case reports each outcome.

use goodays_salesforce::demo::stage::Tuning;
use goodays_salesforce::sim::goodays::Feedback;
use goodays_salesforce::sim::wire::{Act, Fault};
use serde_json::json;

use super::{brisk, told, verbs};
use crate::world::World;

/// Goodays answers the next look at a response late.
fn slow_look(world: &World) {
    let slow = Fault { method: Some("GET".to_owned()), ..Fault::once("/responses/", Act::Slow { ms: 1500 }) };
    world.goodays.wire().fault(slow);
}

async fn looked_at(world: &World) {
    world.until("the look is on its way", || world.goodays.wire().faults().is_empty()).await;
}

#[tokio::test]
async fn a03_an_answer_before_its_close() {
    let world = World::with(Tuning { close_grace_ms: 0, ..brisk() }).await;
    let id = world.arrives(Feedback::default()).await;
    slow_look(&world);
    world.agent_sets(&id, json!({ "Status": "Closed" }));
    looked_at(&world).await;
    world.agent_comments(&id, "One more word before I close.");
    told(&world, &id, "Sent: public reply").await;
    world.settle().await;
    assert_eq!(world.received(&id).len(), 1);
    assert_eq!(world.processed(&id), ["reply"]);
}

#[tokio::test]
async fn a03_what_is_taken_back_during_the_look_is_not_sent() {
    let world = World::with(brisk()).await;
    let id = world.arrives(Feedback::default()).await;
    slow_look(&world);
    let comment = world.agent_comments(&id, "Written in haste.");
    looked_at(&world).await;
    world.salesforce.agent_publishes(&comment, false).unwrap();
    world.settle().await;
    assert_eq!(world.received(&id), []);
    assert_eq!(verbs(&world, &id), [""; 0]);
}

#[tokio::test]
async fn a03_what_is_edited_during_the_look_goes_out_as_it_is_now() {
    let world = World::with(brisk()).await;
    let id = world.arrives(Feedback::default()).await;
    slow_look(&world);
    let comment = world.agent_comments(&id, "Written in haste.");
    looked_at(&world).await;
    world.salesforce.agent_edits_comment(&comment, "Written with care.").unwrap();
    world.settle().await;
    assert_eq!(world.received(&id), [("reply".to_owned(), "Written with care.".to_owned())]);
}

#[tokio::test]
async fn a03_an_answer_before_spam_and_a_call() {
    for (status, verb) in [("Spam", "spam"), ("Closed by phone", "call")] {
        let world = World::with(Tuning { close_grace_ms: 0, ..brisk() }).await;
        let id = world.arrives(Feedback::default()).await;
        slow_look(&world);
        world.agent_sets(&id, json!({ "Status": status }));
        looked_at(&world).await;
        world.agent_comments(&id, "One more word before that.");
        world.settle().await;
        assert_eq!(world.received(&id).len(), 1, "{status}: {:?}", world.told(&id));
        assert_eq!(verbs(&world, &id)[0], "reply", "{verb}");
        world.end().await;
    }
}

#[tokio::test]
async fn a08_a_close_without_effect_says_nothing_over_the_answer() {
    let world = World::with(brisk()).await;
    let id = world.replied().await;
    world.agent_sets(&id, json!({ "Status": "Closed" }));
    world.settle().await;
    assert_eq!(world.told(&id).0, "Sent: public reply");
}

#[tokio::test]
async fn a08_answering_and_closing_at_once_says_what_became_of_the_words() {
    let world = World::with(brisk()).await;
    let id = world.arrives(Feedback::default()).await;
    world.agent_comments(&id, "Solved, and closed.");
    world.agent_sets(&id, json!({ "Status": "Closed" }));
    told(&world, &id, "Sent: public reply").await;
    world.settle().await;
    assert_eq!(world.told(&id).0, "Sent: public reply");
    assert_eq!(world.processed(&id), ["reply"]);
}

#[tokio::test]
async fn a08_a_call_after_the_answer_says_nothing_over_it_either() {
    let world = World::with(brisk()).await;
    let id = world.replied().await;
    world.agent_sets(&id, json!({ "Status": "Closed by phone" }));
    world.settle().await;
    assert_eq!(world.told(&id).0, "Sent: public reply");
    assert_eq!(world.received(&id).len(), 1);
}

#[tokio::test]
async fn a08_what_stood_before_the_answer_is_told_again() {
    let world = World::with(brisk()).await;
    let id = world.arrives(Feedback::default()).await;
    world.goodays.colleague_closes(&id).unwrap();
    world.agent_sets(&id, json!({ "Status": "Closed" }));
    world.settle().await;
    assert_eq!(world.told(&id).0, "Nothing to send: already handled in Goodays");
}

#[tokio::test]
async fn a13_a_case_closed_by_mistake_says_what_can_be_done() {
    let mut world = World::with(brisk()).await;
    let id = world.arrives(Feedback::default()).await;
    world.agent_sets(&id, json!({ "Status": "Closed" }));
    told(&world, &id, "Sent: close").await;
    world.agent_sets(&id, json!({ "Status": "New" }));
    world.agent_comments(&id, "Sorry, here is the answer.");
    told(&world, &id, "Not sent").await;
    let why = world.told(&id).1;
    assert!(why.contains("closed in Goodays without an answer"), "{why}");
    assert!(why.contains("another way"), "{why}");
    world.settle().await;
    assert_eq!(world.received(&id), []);
    world.parked_is_fine();
}

#[tokio::test]
async fn a13_a_reopened_case_is_closed_again_without_a_second_close() {
    let world = World::with(brisk()).await;
    let id = world.arrives(Feedback::default()).await;
    for status in ["Closed", "New", "Closed"] {
        world.agent_sets(&id, json!({ "Status": status }));
        world.settle().await;
    }
    assert_eq!(world.processed(&id), ["close"]);
}

#[tokio::test]
async fn a13_an_answer_to_what_stands_as_spam_says_so() {
    let mut world = World::with(brisk()).await;
    let id = world.arrives(Feedback::default()).await;
    world.agent_sets(&id, json!({ "Status": "Spam" }));
    told(&world, &id, "Sent: spam").await;
    world.agent_sets(&id, json!({ "Status": "New" }));
    world.agent_comments(&id, "It was no spam, sorry.");
    told(&world, &id, "Not sent").await;
    assert!(world.told(&id).1.contains("spam"), "{:?}", world.told(&id));
    world.parked_is_fine();
}
