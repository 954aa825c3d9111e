//! Rules 14 and 15: which responses are ours, the sweep, and the fourth event.

use goodays_salesforce::demo::stage::Tuning;
use goodays_salesforce::sim::goodays::Feedback;
use serde_json::json;

use crate::world::{World, words};

fn delegated(sections: &str) -> Tuning {
    let goodays = "perimeter: delegated\nplaces: ['HQ 7']\n".to_owned();
    Tuning { goodays, sections: sections.to_owned(), ..Tuning::default() }
}

fn at(partner_id: &str) -> Feedback {
    Feedback { place_partner_id: partner_id.to_owned(), ..Feedback::default() }
}

#[tokio::test]
async fn rule_14_only_what_is_delegated_or_of_an_own_place_becomes_a_case() {
    let world = World::with(delegated("")).await;
    let (shop, own) = (world.customer_leaves(at("1234")), world.customer_leaves(at("HQ 7")));
    world.settle().await;
    assert_eq!(world.cases(&shop).len(), 0);
    assert_eq!(world.cases(&own).len(), 1);
    // The payload decides, not the name of the event.
    world.goodays.send_event(&shop, "delegated").await.unwrap();
    world.settle().await;
    assert_eq!(world.cases(&shop).len(), 0);
    world.goodays.store_delegates(&shop).unwrap();
    world.settle().await;
    world.answers(&shop, "Customer service is here.").await;
    assert_eq!(world.puts(&shop)[0].0, "reply");
}

#[tokio::test]
async fn rule_14_delegated_with_its_history_is_whole() {
    let world = World::with(delegated("")).await;
    let id = world.customer_leaves(at("1234"));
    world.goodays.colleague_replies(&id, "The shop answers.").unwrap();
    world.customer_writes(&id, "I am not satisfied.");
    world.settle().await;
    assert_eq!(world.cases(&id).len(), 0);
    world.goodays.store_delegates(&id).unwrap();
    world.settle().await;
    assert_eq!(world.thread(&id), ["The shop answers.", "I am not satisfied."]);
    assert_eq!(world.field(&id, "Goodays_Next_Action__c"), "Private message");
    world.answers(&id, "Let us see what we can do.").await;
    assert_eq!(world.puts(&id)[0].0, "message");
    // Taken back without any event: the Case stays, and new events are still carried over.
    world.goodays.store_takes_back(&id).unwrap();
    world.customer_writes(&id, "Thanks to the head office.");
    world.settle().await;
    assert_eq!(world.thread(&id).len(), 4);
}

#[tokio::test]
async fn rule_14_a_response_that_is_delegated_later_is_the_same_case() {
    let world = World::start().await;
    let id = world.arrives(words("First at the shop.")).await;
    world.goodays.store_delegates(&id).unwrap();
    world.settle().await;
    assert_eq!(world.salesforce.records("Case").len(), 1);
    assert_eq!(world.comments(&id), [] as [&str; 0]);
    world.answers(&id, "Now at customer service.").await;
}

#[tokio::test]
async fn rule_14_the_sweep_finds_what_no_webhook_announced_and_obeys_the_perimeter() {
    let world = World::with(delegated("sweep: { every: 1s, window: 48h }\n")).await;
    world.goodays.drop_webhooks(100);
    let (shop, own) = (world.customer_leaves(at("1234")), world.customer_leaves(at("HQ 7")));
    world.until("the sweep finds it", || !world.cases(&own).is_empty()).await;
    world.settle().await;
    world.answers(&own, "We have found it.").await;
    world.customer_writes(&own, "Well done, you.");
    world.until("the sweep finds the message", || world.comments(&own).len() == 2).await;
    world.settle().await;
    assert_eq!(world.cases(&shop).len(), 0);
    assert_eq!(world.field(&own, "Status"), "Customer Replied");
}

#[tokio::test]
async fn rule_14_the_sweep_leaves_alone_what_is_older_than_the_first_start() {
    let sections = "sweep: { every: 1s, window: 48h }\n".to_owned();
    let world = World::with(Tuning { sections, ..Tuning::default() }).await;
    world.goodays.drop_webhooks(100);
    let old = "2020-02-05T10:20:39.810686+01:00";
    let message = json!({ "id": "m0", "created_date": old, "type": "Problem", "content": "Long ago." });
    let patch = json!({ "created_date": old, "updated_date": old, "message": message });
    let old = world.customer_leaves(Feedback { patch, ..Feedback::default() });
    let new = world.customer_leaves(Feedback::default());
    world.until("the sweep finds the new one", || !world.cases(&new).is_empty()).await;
    world.settle().await;
    assert_eq!(world.cases(&old).len(), 0);
    // An event of its own is carried over.
    world.goodays.send_event(&old, "response").await.unwrap();
    world.settle().await;
    assert_eq!(world.cases(&old).len(), 1);
}

#[tokio::test]
async fn rule_15_the_fourth_event_is_imported_and_causes_nothing() {
    let world = World::start().await;
    world.goodays.set_switches(|s| s.reply_event = true);
    let id = world.replied().await;
    world.goodays.drop_webhooks(1);
    world.customer_writes(&id, "This event gets lost.");
    world.settle().await;
    world.goodays.send_event(&id, "reply").await.unwrap();
    world.settle().await;
    assert_eq!(world.thread(&id)[1..], ["This event gets lost."]);
    assert_eq!(world.field(&id, "Status"), "New", "no `on: message`");
    world.goodays.colleague_messages(&id, "A colleague answers.").unwrap();
    world.settle().await;
    assert_eq!(world.thread(&id)[2..], ["A colleague answers."]);
    assert_eq!(world.puts(&id).len(), 1, "no action");
    let unknown = world.arrives(Feedback::default()).await;
    world.goodays.send_event(&unknown, "something_new").await.unwrap();
    world.settle().await;
    assert_eq!(world.salesforce.records("Case").len(), 2);
}
