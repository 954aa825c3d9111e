//! A8: what became of the agent's words stays on the Case when nothing came of what was told over it.

use goodays_salesforce::demo::stage::Tuning;
use goodays_salesforce::sim::wire::{Act, Fault};
use serde_json::{Value, json};

use super::{brisk, instead, told};
use crate::world::World;

const SENT: &str = "Sent: public reply";

fn away(world: &World, act: Act) {
    world.goodays.wire().fault(Fault { times: None, ..Fault::once("/v2/", act) });
}

fn back(world: &World) {
    world.goodays.wire().clear_faults();
    world.app().shared.goodays_breaker.reopen();
    world.app().shared.wake_all();
}

/// The agent acts while Goodays is away, when his answer was sent long ago.
#[tokio::test]
async fn a08_an_answer_is_told_again_when_nothing_was_to_send_after_an_outage() {
    for fields in [json!({"Status": "Closed"}), json!({"Status": "Closed by phone"})] {
        let mut world = World::with(brisk()).await;
        let id = world.replied().await;
        told(&world, &id, SENT).await;
        away(&world, instead(503, "<html>", "text/html"));
        world.agent_sets(&id, fields.clone());
        world.until("it waits", || world.told(&id).0.starts_with("Waiting")).await;
        back(&world);
        told(&world, &id, SENT).await;
        world.settle().await;
        assert_eq!(world.told(&id), (SENT.to_owned(), String::new()), "{fields}");
        assert_eq!(world.processed(&id), ["reply"], "{fields}");
        world.errors_are_fine();
        world.end().await;
    }
}

/// Goodays takes no spam of what was handled: the agent must not believe that it was reported.
#[tokio::test]
async fn spam_of_an_answered_feedback_is_told_as_not_reported() {
    let set = [json!({"Status": "Spam"}), json!({"Goodays_Command__c": "spam"})];
    for fields in set {
        let world = World::as_deployed(Tuning::default()).await;
        let id = world.replied().await;
        world.agent_sets(&id, fields.clone());
        world.until("it is told", || world.told(&id).1.contains("not reported as spam")).await;
        world.settle().await;
        assert_eq!(world.processed(&id), ["reply"], "{fields}");
        world.end().await;
    }
}

/// The same when the agent takes it back himself while it waits.
#[tokio::test]
async fn a08_an_answer_is_told_again_when_a_close_that_waited_is_taken_back() {
    let mut world = World::with(brisk()).await;
    let id = world.replied().await;
    told(&world, &id, SENT).await;
    away(&world, instead(503, "<html>", "text/html"));
    let before: Value = world.case(&id)["Status"].clone();
    world.agent_sets(&id, json!({"Status": "Closed"}));
    world.until("it waits", || world.told(&id).0.starts_with("Waiting")).await;
    world.agent_sets(&id, json!({"Status": before}));
    told(&world, &id, SENT).await;
    back(&world);
    world.settle().await;
    assert_eq!(world.told(&id), (SENT.to_owned(), String::new()));
    world.errors_are_fine();
}
