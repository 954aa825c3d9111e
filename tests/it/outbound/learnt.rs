//! A2: what an account teaches about itself, and what an attempt that was refused leaves open.

use goodays_salesforce::demo::stage::Tuning;
use goodays_salesforce::sim::goodays::Feedback;
use goodays_salesforce::sim::wire::Act;
use serde_json::json;

use super::{UNCLEAR, brisk, next_put, told, verbs};
use crate::arena::Ahead;
use crate::world::World;

const HOUR_MS: i64 = 3_600_000;

/// A world in which Goodays' clock can be set ahead.
async fn ahead() -> (World, Ahead) {
    let clock = Ahead::none();
    let world = World::with(Tuning { goodays_clock: clock.clock(), ..brisk() }).await;
    (world, clock)
}

/// From now on Goodays goes on listing `message`, and shows what comes through its API an hour later.
fn lists_message_and_shows_late(world: &World) {
    world.goodays.set_switches(|switches| {
        switches.message_stays_allowed = true;
        switches.visible_after_ms = u64::try_from(HOUR_MS).unwrap();
    });
}

/// A public reply takes `message` away with it. That says nothing of an account that goes on listing it after a private
/// message.
#[tokio::test]
async fn a02_a_reply_teaches_nothing_about_private_messages() {
    let (world, clock) = ahead().await;
    let id = world.replied().await;
    world.customer_writes(&id, "And the colour?");
    world.settle().await;
    lists_message_and_shows_late(&world);
    next_put(&world, "message", Act::ResetAfter);
    world.agent_comments(&id, "The colour is blue.");
    told(&world, &id, UNCLEAR).await;
    clock.set(2 * HOUR_MS);
    told(&world, &id, "Sent: private message").await;
    world.settle().await;
    assert_eq!(world.received(&id).len(), 2, "once");
    assert_eq!(verbs(&world, &id), ["reply", "message"]);
}

/// An account that took `message` away with each private message, and was then set up in another way: one event shows it.
#[tokio::test]
async fn a02_an_event_shows_that_an_account_lists_message_now() {
    let (world, clock) = ahead().await;
    let (id, other) = (world.replied().await, world.replied().await);
    for id in [&id, &other] {
        world.customer_writes(id, "And the colour?");
        world.settle().await;
        world.answers(id, "The colour is blue.").await;
    }
    world.customer_writes(&id, "And the price?");
    world.settle().await;
    lists_message_and_shows_late(&world);
    world.goodays.customer_edits(&other, "It broke, and so did the box.").unwrap();
    world.settle().await;
    next_put(&world, "message", Act::ResetAfter);
    world.agent_comments(&id, "The price is twelve euros.");
    told(&world, &id, UNCLEAR).await;
    clock.set(2 * HOUR_MS);
    told(&world, &id, "Sent: private message").await;
    world.settle().await;
    assert_eq!(world.received(&id).len(), 3, "once");
    assert_eq!(verbs(&world, &id), ["reply", "message", "message"]);
}

/// The PUT was done, and a gateway handed on what its repetition met. The message is shown later.
async fn refused_and_shown_later(world: &World) -> (String, String) {
    let id = world.replied().await;
    world.customer_writes(&id, "And the colour?");
    world.settle().await;
    lists_message_and_shows_late(world);
    let body = json!({"detail": "no"}).to_string();
    next_put(world, "message", Act::AnswerAfter { status: 400, body, content_type: None });
    let comment = world.agent_comments(&id, "The colour is blue and it costs 10 EUR.");
    told(world, &id, "Not sent").await;
    (id, comment)
}

#[tokio::test]
async fn a02_an_edit_does_not_hide_the_text_that_was_refused_and_arrived() {
    let (world, clock) = ahead().await;
    let (id, comment) = refused_and_shown_later(&world).await;
    world.salesforce.agent_edits_comment(&comment, "It is green, and these are other words.").unwrap();
    world.polled().await;
    let parked = world.the_parked().await;
    clock.set(2 * HOUR_MS);
    world.retry(parked.id).await;
    told(&world, &id, "Sent: private message").await;
    world.settle().await;
    assert!(world.told(&id).1.contains("the customer has the first text"), "{:?}", world.told(&id));
    assert_eq!(world.received(&id).len(), 2, "once: {:?}", world.received(&id));
    assert_eq!(verbs(&world, &id), ["reply", "message"]);
}

/// The same with the button: the answer that becomes a comment is the one that the customer has.
#[tokio::test]
async fn a02_an_edit_of_a_commands_text_does_not_hide_it_either() {
    let clock = Ahead::none();
    let world = World::as_deployed(Tuning { goodays_clock: clock.clock(), ..brisk() }).await;
    let id = world.arrives(Feedback::default()).await;
    world.answers(&id, "We are sorry to hear that.").await;
    world.customer_writes(&id, "And the colour?");
    world.settle().await;
    lists_message_and_shows_late(&world);
    // Goodays is busy, so the command waits, and the agent goes on writing.
    let body = json!({"message": "API rate limit exceeded"}).to_string();
    next_put(&world, "message", Act::AnswerAfter { status: 429, body, content_type: None });
    let command = json!({"Goodays_Answer__c": "The colour is blue.", "Goodays_Command__c": "answer"});
    world.agent_sets(&id, command);
    world.until("it is tried", || world.puts(&id).len() == 2).await;
    world.agent_sets(&id, json!({"Goodays_Answer__c": "It is green, and these are other words."}));
    world.polled().await;
    clock.set(2 * HOUR_MS);
    world.app().shared.goodays_breaker.reopen();
    world.app().shared.wake_all();
    world.until("it is found", || world.field(&id, "Goodays_Sync_Status__c") == "sent").await;
    world.settle().await;
    assert_eq!(world.received(&id).len(), 2, "once: {:?}", world.received(&id));
    assert!(world.thread(&id).contains(&"The colour is blue.".to_owned()), "{:?}", world.thread(&id));
}
