//! A1, A2, A4: only what Goodays shows afterwards proves that a message arrived.

use futures_util::future::join_all;
use goodays_salesforce::operator::Outcome;
use goodays_salesforce::sim::goodays::{Altered, Feedback};
use goodays_salesforce::sim::wire::{Act, Fault};
use serde_json::json;

use super::{UNCLEAR, brisk, called, instead, next_put, told, verbs};
use crate::world::World;

const PAGE: &str = "<html><body>Welcome to the portal</body></html>";

/// Answers that claim success although nothing was done.
fn claims() -> [Act; 4] {
    [
        instead(202, r#"{"status":"accepted"}"#, "application/json"),
        instead(200, PAGE, "text/html"),
        instead(200, "{}", "application/json"),
        instead(204, "", "application/json"),
    ]
}

#[tokio::test]
async fn a01_a_success_that_nothing_shows_is_a_claim() {
    join_all(claims().into_iter().map(|claim| async move {
        let world = World::with(brisk()).await;
        let id = world.arrives(Feedback::default()).await;
        next_put(&world, "reply", claim);
        world.agent_comments(&id, "The promised answer.");
        told(&world, &id, "Sent: public reply").await;
        world.settle().await;
        assert_eq!(world.received(&id), [("reply".to_owned(), "The promised answer.".to_owned())]);
        assert_eq!(verbs(&world, &id), ["reply", "reply"]);
        world.end().await;
    }))
    .await;
}

#[tokio::test]
async fn a01_a_claimed_message_is_unclear_where_goodays_takes_another_anyway() {
    let mut world = World::with(brisk()).await;
    world.goodays.set_switches(|switches| switches.message_stays_allowed = true);
    let id = world.replied().await;
    world.customer_writes(&id, "And the colour?");
    world.settle().await;
    next_put(&world, "message", instead(202, "{}", "application/json"));
    world.agent_comments(&id, "The colour is blue.");
    told(&world, &id, UNCLEAR).await;
    assert_eq!(world.received(&id).len(), 1, "nobody has received it");
    assert_eq!(verbs(&world, &id), ["reply", "message"]);
    world.parked_is_fine();
    world.open_is_fine();
}

#[tokio::test]
async fn a01_calls_closes_and_spam_are_claimed_and_then_done() {
    let status = [("call", "Closed by phone"), ("close", "Closed"), ("spam", "Spam")];
    let each = status.into_iter().flat_map(|verb| claims().into_iter().map(move |claim| (verb, claim)));
    join_all(each.map(|((verb, status), claim)| async move {
        let world = World::with(brisk()).await;
        let id = world.arrives(Feedback::default()).await;
        next_put(&world, verb, claim);
        world.agent_sets(&id, json!({ "Status": status }));
        told(&world, &id, &format!("Sent: {}", called(verb))).await;
        world.settle().await;
        assert_eq!(world.processed(&id), [verb]);
        assert_eq!(verbs(&world, &id), [verb, verb]);
        world.end().await;
    }))
    .await;
}

/// Shown after several times `settle`. The action is still listed, or not.
#[tokio::test]
async fn a02_a_message_that_is_shown_late_is_sent_once() {
    let ways: [fn(&mut goodays_salesforce::sim::goodays::Switches); 3] =
        [|_| {}, |s| s.message_stays_allowed = true, |s| s.whole_response_late = true];
    let each = ways.into_iter().flat_map(|way| ["reply", "message"].map(|verb| (way, verb)));
    join_all(each.map(|(way, verb)| async move {
        let world = World::with(brisk()).await;
        // The account's behaviour is learned from its first answers.
        world.goodays.set_switches(way);
        let id = if verb == "reply" {
            world.arrives(Feedback::default()).await
        } else {
            let id = world.replied().await;
            world.customer_writes(&id, "And the colour?");
            world.settle().await;
            id
        };
        let before = world.received(&id).len();
        world.goodays.set_switches(|switches| switches.visible_after_ms = 2500);
        next_put(&world, verb, Act::ResetAfter);
        world.agent_comments(&id, "The colour is blue.");
        told(&world, &id, &format!("Sent: {}", called(verb))).await;
        world.settle().await;
        assert_eq!(world.received(&id).len(), before + 1, "{:?}", world.received(&id));
        world.end().await;
    }))
    .await;
}

/// The documented command reads back and asks. If Goodays shows the message later, it is settled.
#[tokio::test]
async fn a02_a_retry_of_what_is_unclear_asks_and_sends_nothing() {
    let world = World::with(brisk()).await;
    let id = world.arrives(Feedback::default()).await;
    world.goodays.set_switches(|switches| switches.visible_after_ms = 4000);
    next_put(&world, "reply", Act::ResetAfter);
    world.agent_comments(&id, "It is on its way.");
    told(&world, &id, UNCLEAR).await;
    let item = world.the_parked().await;
    assert_eq!(item.state, "unclear");
    assert_eq!(world.retry(item.id).await, Outcome::Confirm);
    told(&world, &id, "Sent: public reply").await;
    world.settle().await;
    assert_eq!(world.received(&id).len(), 1);
    assert_eq!(verbs(&world, &id), ["reply"]);
}

/// A message is reported as a colleague's only if its text differs from ours.
#[tokio::test]
async fn a02_somebody_else_is_named_after_the_texts_were_compared() {
    let mut world = World::with(brisk()).await;
    let id = world.arrives(Feedback::default()).await;
    next_put(&world, "reply", Act::ResetBefore);
    world.goodays.wire().fault(Fault {
        method: Some("GET".to_owned()),
        skip: 1,
        times: Some(2),
        ..Fault::once("/responses/", Act::ResetBefore)
    });
    world.agent_comments(&id, "The brand's own answer.");
    world.until("it went out", || !verbs(&world, &id).is_empty()).await;
    world.goodays.colleague_replies(&id, "Something else entirely, by a colleague.").unwrap();
    world.settle().await;
    assert!(world.told(&id).1.contains("Somebody else"), "{:?}", world.told(&id));
    assert_eq!(world.received(&id).len(), 1);
    world.parked_is_fine();
}

#[tokio::test]
async fn a04_a_text_that_goodays_altered_is_ours_all_the_same() {
    let each = [Altered::WithoutEmoji, Altered::CutAtEmoji, Altered::MaskedDigits, Altered::Kept];
    let acts = [None, Some(Act::ResetAfter)];
    let each = each.into_iter().flat_map(|altered| acts.clone().map(|act| (altered, act)));
    join_all(each.map(|(altered, act)| async move {
        let world = World::with(brisk()).await;
        let id = world.arrives(Feedback::default()).await;
        world.goodays.set_switches(|switches| switches.altered = altered);
        if let Some(act) = act {
            next_put(&world, "reply", act);
        }
        world.agent_comments(&id, "Thank you, we are glad 😊 and can be called at 0612345678.");
        told(&world, &id, "Sent: public reply").await;
        world.customer_writes(&id, "I shall call you.");
        world.settle().await;
        assert_eq!(world.received(&id).len(), 1);
        assert_eq!(world.comments(&id).len(), 2, "{altered:?}: {:?}", world.comments(&id));
        assert_eq!(verbs(&world, &id), ["reply"]);
        world.end().await;
    }))
    .await;
}

/// Messages that colleagues write in Goodays meanwhile become comments, and never count as ours.
#[tokio::test]
async fn a04_a_colleagues_text_is_not_taken_for_ours() {
    let world = World::with(brisk()).await;
    let id = world.replied().await;
    world.customer_writes(&id, "And the colour?");
    world.settle().await;
    world.goodays.colleague_messages(&id, "A colleague answers: it is green.").unwrap();
    world.customer_writes(&id, "Thank you.");
    world.settle().await;
    assert_eq!(world.comments(&id).len(), 4, "{:?}", world.comments(&id));
}
