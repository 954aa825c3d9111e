//! Rules 3 and 4: the webhook of our own answer, and a colleague's answer.

use goodays_salesforce::sim::goodays::Feedback;
use goodays_salesforce::sim::wire::{Act, Fault};

use crate::world::{AGENT, World};

const ANSWER: &str = "We have looked into it, & it won't happen again.";

#[tokio::test]
async fn rule_03_a_colleagues_answer_is_imported_and_ours_is_not() {
    let world = World::start().await;
    world.goodays.set_switches(|s| {
        s.reply_event = true;
        s.reply_event_echo = true;
        s.html_entities = true;
    });
    let ours = world.replied().await;
    let theirs = world.arrives(Feedback::default()).await;
    world.goodays.colleague_replies(&theirs, "A colleague wrote this.").unwrap();
    world.settle().await;
    for id in [&ours, &theirs] {
        world.goodays.send_event(id, "response").await.unwrap();
    }
    world.settle().await;
    assert_eq!(world.thread(&ours), ["We are sorry to hear that."]);
    assert_eq!(world.thread(&theirs), ["A colleague wrote this."]);
    assert_eq!(world.received(&theirs).len(), 1, "what came from Goodays is not sent back");
}

#[tokio::test]
async fn rule_03_a_colleague_who_writes_while_we_send_is_not_taken_for_us() {
    let world = World::start().await;
    let id = world.replied().await;
    world.customer_writes(&id, "And what now, please?");
    world.settle().await;
    world.goodays.set_switches(|s| s.message_stays_allowed = true);
    world.goodays.wire().fault(Fault::once("/message", Act::Slow { ms: 300 }));
    world.agent_comments(&id, ANSWER);
    world.until("ours is on its way", || !world.puts(&id).is_empty()).await;
    world.goodays.colleague_messages(&id, "Somebody else's answer.").unwrap();
    world.goodays.send_event(&id, "response").await.unwrap();
    world.settle().await;
    let comments = world.thread(&id);
    assert_eq!(comments.iter().filter(|c| *c == "Somebody else's answer.").count(), 1, "{comments:?}");
    assert_eq!(comments.iter().filter(|c| *c == ANSWER).count(), 1, "{comments:?}");
    assert_eq!(world.received(&id).len(), 3);
}

#[tokio::test]
async fn rule_04_our_answer_in_a_webhook_that_comes_while_it_is_being_sent() {
    let world = World::start().await;
    let id = world.arrives(Feedback::default()).await;
    // The action is done but answered late: the webhook arrives first.
    world.goodays.wire().fault(Fault::once("/reply", Act::Slow { ms: 700 }));
    world.agent_comments(&id, ANSWER);
    world.until("it was applied", || world.received(&id).len() == 1).await;
    world.goodays.send_event(&id, "response").await.unwrap();
    world.customer_writes(&id, "That was fast, thank you.");
    world.settle().await;
    assert_eq!(world.thread(&id), [ANSWER, "That was fast, thank you."]);
    assert_eq!(world.received(&id).len(), 1);
    assert_eq!(world.told(&id).0, "Sent: public reply");
}

#[tokio::test]
async fn rule_04_a_webhook_settles_an_answer_without_known_outcome() {
    let world = World::start().await;
    let id = world.arrives(Feedback::default()).await;
    world.goodays.wire().fault(Fault::once("/reply", Act::ResetAfter));
    // The read-back does not show the answer before the webhook arrives.
    world.goodays.set_switches(|s| s.visible_after_ms = 60_000);
    world.agent_comments(&id, ANSWER);
    world.until("it was applied", || world.received(&id).len() == 1).await;
    world.goodays.send_event(&id, "response").await.unwrap();
    world.settle().await;
    assert_eq!(world.thread(&id), [ANSWER]);
    assert_eq!(world.received(&id).len(), 1);
    assert_eq!(world.puts(&id).len(), 1, "sent once");
    assert_eq!(world.told(&id).0, "Sent: public reply");
}

#[tokio::test]
async fn rule_04_a_message_that_cannot_be_read_back_yet_is_known_when_it_comes() {
    let world = World::start().await;
    let id = world.arrives(Feedback::default()).await;
    world.goodays.set_switches(|s| s.visible_after_ms = 60_000);
    world.agent_comments(&id, ANSWER);
    // A success whose message is not shown is only a claim.
    world.until("it is unclear", || world.told(&id).0.starts_with("Unclear")).await;
    assert_eq!(world.received(&id).len(), 1);
    world.customer_writes(&id, "Thank you very much!");
    world.settle().await;
    assert_eq!(world.told(&id).0, "Sent: public reply");
    assert_eq!(world.thread(&id), [ANSWER, "Thank you very much!"]);
    let by_agent = world.salesforce.comments_of(&id);
    assert_eq!(by_agent.len(), 2);
    world.comments_by(&id, "An internal remark.", false, AGENT);
    world.settle().await;
    assert_eq!(world.received(&id).len(), 1);
}
