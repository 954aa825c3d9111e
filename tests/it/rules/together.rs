//! Rules 7 and 8: answer and close at the same moment, and actions that Goodays does not allow.

use goodays_salesforce::demo::stage::Tuning;
use goodays_salesforce::operator::Outcome;
use goodays_salesforce::sim::goodays::Feedback;
use goodays_salesforce::sim::wire::{Act, Fault};
use serde_json::json;

use crate::world::World;

const SETTLED: &str = "Nothing to send: already handled in Goodays";

pub fn refusal(status: u16, body: &str) -> Act {
    Act::Answer { status, body: body.to_owned(), content_type: None, headers: [].into() }
}

#[tokio::test]
async fn rule_07_an_answer_goes_before_the_close_of_the_same_moment() {
    let world = World::with(Tuning { close_grace_ms: 3000, ..Tuning::default() }).await;
    let (first, second) = (Feedback::default(), Feedback::default());
    let (closed_first, answered_first) = (world.arrives(first).await, world.arrives(second).await);
    world.agent_sets(&closed_first, json!({ "Status": "Closed" }));
    world.agent_comments(&answered_first, "Here you are.");
    world.polled().await;
    world.agent_comments(&closed_first, "Here you are.");
    world.agent_sets(&answered_first, json!({ "Status": "Closed" }));
    world.settle().await;
    for id in [&closed_first, &answered_first] {
        assert_eq!(world.processed(id), ["reply"], "the reply closes it");
        assert_eq!(world.told(id), ("Sent: public reply".into(), String::new()), "what became of the words");
    }
}

#[tokio::test]
async fn rule_07_close_spam_and_call_wait_for_an_answer_that_is_parked() {
    let mut world = World::start().await;
    world.open_is_fine();
    let id = world.arrives(Feedback::default()).await;
    world.goodays.wire().fault(Fault::once("/reply", refusal(400, r#"{"detail":"Too rude."}"#)));
    world.agent_comments(&id, "You fool!");
    world.agent_sets(&id, json!({ "Status": "Closed" }));
    world.settle_with_open(1).await;
    let parked = world.the_parked().await;
    assert_eq!(parked.action.as_deref(), Some("answer"));
    assert!(world.told(&id).1.contains("Too rude."), "{:?}", world.told(&id));
    assert_eq!(world.processed(&id), [] as [&str; 0]);
    assert_eq!(world.app().shared.drop_parked(parked.id).await.unwrap(), Outcome::Done);
    world.settle().await;
    assert_eq!(world.processed(&id), ["close"]);
}

#[tokio::test]
async fn rule_07_a_close_taken_back_within_the_grace_is_never_sent() {
    let world = World::with(Tuning { close_grace_ms: 5000, ..Tuning::default() }).await;
    let id = world.arrives(Feedback::default()).await;
    world.agent_sets(&id, json!({ "Status": "Spam" }));
    world.polled().await;
    world.agent_sets(&id, json!({ "Status": "New" }));
    world.settle().await;
    assert_eq!(world.puts(&id), []);
    world.agent_sets(&id, json!({ "Status": "Closed" }));
    world.settle().await;
    assert_eq!(world.processed(&id), ["close"]);
}

#[tokio::test]
async fn rule_08_what_goodays_has_processed_is_settled() {
    let world = World::start().await;
    let (closed, spam) = (world.arrives(Feedback::default()).await, world.arrives(Feedback::default()).await);
    world.goodays.colleague_closes(&closed).unwrap();
    world.goodays.colleague_marks_spam(&spam).unwrap();
    for (id, status) in [(&closed, "Closed"), (&spam, "Spam")] {
        world.agent_sets(id, json!({ "Status": status }));
    }
    world.settle().await;
    for id in [closed, spam] {
        assert_eq!(world.puts(&id), []);
        assert_eq!(world.told(&id), (SETTLED.into(), String::new()));
    }
}

#[tokio::test]
async fn rule_08_a_calls_note_that_could_not_travel_is_named() {
    let world = World::start().await;
    let id = world.arrives(Feedback::default()).await;
    world.goodays.colleague_calls(&id, "I called her already.").unwrap();
    world
        .agent_sets(&id, json!({ "Status": "Closed by phone", "Goodays_Call_Note__c": "She was friendly." }));
    world.settle().await;
    assert_eq!(world.puts(&id), []);
    let (status, reason) = world.told(&id);
    assert_eq!(status, SETTLED);
    assert!(reason.contains("note"), "{reason:?}");
}

#[tokio::test]
async fn rule_08_a_rating_that_goodays_does_not_take_is_named() {
    let world = World::start().await;
    let id = world.arrives(Feedback::default()).await;
    world.agent_sets(&id, json!({ "Status": "Closed by phone", "Goodays_Call_Rating__c": 8 }));
    world.settle().await;
    assert_eq!(world.processed(&id), ["call"]);
    assert_eq!(world.puts(&id)[0].1.get("rating"), None);
    let (status, reason) = world.told(&id);
    assert_eq!(status, "Sent: call");
    assert!(reason.contains("rating"), "{reason:?}");
}

#[tokio::test]
async fn rule_08_a_verb_that_is_not_listed_is_not_sent() {
    let mut world = World::start().await;
    world.parked_is_fine();
    let id = world.arrives(Feedback::default()).await;
    world.goodays.store_delegates(&id).unwrap();
    world.settle().await;
    world.agent_sets(&id, json!({ "Status": "Closed by phone" }));
    world.settle().await;
    assert_eq!(world.puts(&id), []);
    let (status, reason) = world.told(&id);
    assert_eq!(status, "Not sent");
    assert!(reason.contains("call"), "{reason:?}");
    assert_eq!(world.the_parked().await.reason_code, "not_allowed");
}

#[tokio::test]
async fn rule_08_an_answer_to_spam_is_not_sent() {
    let mut world = World::start().await;
    world.parked_is_fine();
    let id = world.arrives(Feedback::default()).await;
    world.goodays.colleague_marks_spam(&id).unwrap();
    world.agent_comments(&id, "Dear spammer, thank you.");
    world.settle().await;
    assert_eq!(world.puts(&id), []);
    assert_eq!(world.told(&id).0, "Not sent");
    assert_eq!(world.the_parked().await.reason_code, "spam");
}
