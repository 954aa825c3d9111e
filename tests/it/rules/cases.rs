//! Rules 11 and 12: Cases that are deleted, merged, linked by hand or reopened, and several Cases of one customer.

use goodays_salesforce::sim::goodays::Feedback;
use goodays_salesforce::sim::wire::{Act, Fault};
use serde_json::json;

use crate::world::{AGENT, World, words};

#[tokio::test]
async fn rule_11_a_deleted_case_stays_deleted_until_the_customer_writes() {
    let world = World::start().await;
    let id = world.replied().await;
    let number = world.field(&id, "CaseNumber");
    world.salesforce.delete_case(&id).unwrap();
    for kind in ["response", "reply", "delegated"] {
        world.goodays.send_event(&id, kind).await.unwrap();
        world.settle().await;
    }
    assert_eq!(world.cases(&id).len(), 0, "a repeat changes nothing");
    world.customer_writes(&id, "You have not answered my question.");
    world.settle().await;
    let comments = world.thread(&id);
    assert!(comments[0].contains(&number), "{comments:?}");
    assert_eq!(comments[1..], ["You have not answered my question."]);
    assert_ne!(world.field(&id, "CaseNumber"), number);
    world.answers(&id, "Now we do.").await;
}

#[tokio::test]
async fn rule_11_a_deleted_case_of_an_open_feedback_is_not_made_again() {
    let world = World::start().await;
    let id = world.arrives(words("Delete me.")).await;
    world.salesforce.delete_case(&id).unwrap();
    // The values change, so the Case would have to be written.
    world.goodays.customer_edits(&id, "Deleted, and edited.").unwrap();
    world.settle().await;
    world.goodays.customer_edits(&id, "Edited again.").unwrap();
    world.settle().await;
    assert_eq!(world.cases(&id).len(), 0);
}

#[tokio::test]
async fn rule_11_a_merged_case_is_followed_to_its_survivor() {
    let world = World::start().await;
    let (kept, gone) = (world.replied().await, world.replied().await);
    world.salesforce.merge_cases(&kept, &gone).unwrap();
    world.settle().await;
    world.customer_writes(&gone, "This belongs to the second one.");
    world.settle().await;
    assert_eq!(world.cases(&gone).len(), 0);
    assert_eq!(world.thread(&kept).last().unwrap(), "This belongs to the second one.");
    // The answer goes to the response that waits for one.
    world.agent_comments(&kept, "And so does this.");
    world.settle().await;
    assert_eq!(world.received(&kept).len(), 1);
    assert_eq!(
        world.received(&gone).last().unwrap(),
        &("message".to_owned(), "And so does this.".to_owned())
    );
}

#[tokio::test]
async fn rule_11_an_answer_on_a_merged_case_that_could_be_for_either_is_parked() {
    let mut world = World::start().await;
    world.parked_is_fine();
    let (kept, gone) = (world.replied().await, world.replied().await);
    world.salesforce.merge_cases(&kept, &gone).unwrap();
    world.settle().await;
    for id in [&kept, &gone] {
        world.customer_writes(id, "I am waiting!");
    }
    world.settle().await;
    world.agent_comments(&kept, "For whom is this?");
    world.settle().await;
    assert_eq!((world.received(&kept).len(), world.received(&gone).len()), (1, 1));
    assert_eq!(world.the_parked().await.reason_code, "merged");
    assert_eq!(world.told(&kept).0, "Not sent");
}

/// The comment has moved to the surviving Case when a poll first shows it.
#[tokio::test]
async fn rule_11_an_answer_beside_a_merge_that_no_poll_has_shown_is_parked() {
    for (merged_first, answered) in [(false, false), (true, false), (false, true)] {
        let mut world = World::start().await;
        world.parked_is_fine();
        let kept = world.arrives(words("I want my money back.")).await;
        let gone = if answered { world.replied().await } else { world.arrives(words("Thank you.")).await };
        let before = world.received(&gone).len();
        let ids = [&kept, &gone].map(|id| world.field(id, "Id"));
        world.stop().await;
        if !merged_first {
            world.agent_comments(&gone, "You are welcome.");
            world.salesforce.advance(2_000);
        }
        world.salesforce.merge_cases(&ids[0], &ids[1]).unwrap();
        if merged_first {
            world.agent_comments(&kept, "You are welcome.");
        }
        world.go_on().await;
        world.settle().await;
        assert_eq!(world.the_parked().await.reason_code, "merged");
        assert_eq!((world.received(&kept).len(), world.received(&gone).len()), (0, before));
        world.end().await;
    }
}

#[tokio::test]
async fn rule_11_a_case_linked_by_hand_takes_over() {
    let world = World::start().await;
    let id = world.replied().await;
    let first = world.field(&id, "Id");
    let second = json!({ "Subject": "The right one" });
    let second = world.salesforce.create_case(second, AGENT).unwrap();
    world.salesforce.agent_updates_case(&first, json!({ "Goodays_Response_Id__c": null }), AGENT).unwrap();
    world.salesforce.agent_updates_case(&second, json!({ "Goodays_Response_Id__c": id }), AGENT).unwrap();
    world.settle().await;
    world.customer_writes(&id, "To the right one, please.");
    world.settle().await;
    assert_eq!(world.field(&id, "Subject"), "The right one");
    assert_eq!(world.thread(&id).last().unwrap(), "To the right one, please.");
    assert_eq!(world.salesforce.comments_of(&first).len(), 1);
    world.answers(&id, "From the right one.").await;
}

#[tokio::test]
async fn rule_11_a_case_that_had_the_key_before_its_event_is_used() {
    let world = World::start().await;
    world.goodays.pause_webhooks(true);
    let id = world.customer_leaves(Feedback::default());
    // The event arrives before any poll has seen the Case.
    world
        .salesforce
        .create_case(json!({ "Subject": "By hand", "Goodays_Response_Id__c": id }), AGENT)
        .unwrap();
    world.goodays.pause_webhooks(false);
    world.settle().await;
    assert_eq!(world.field(&id, "Subject"), "By hand");
    world.answers(&id, "Answered on the Case made by hand.").await;
}

/// A Case that was never ours, with a public comment about another matter.
async fn about_another_matter(world: &World) -> String {
    let case = world.salesforce.create_case(json!({ "Subject": "Another matter" }), AGENT).unwrap();
    world.salesforce.agent_comments(&case, "Your refund is on its way.", true, AGENT).unwrap();
    world.polled().await;
    world.salesforce.advance(60_000);
    world.polled().await;
    case
}

#[tokio::test]
async fn rule_06_what_a_case_said_before_somebody_linked_it_is_not_sent() {
    let mut world = World::start().await;
    let (moved, early) = (world.replied().await, about_another_matter(&world).await);
    let first = world.field(&moved, "Id");
    world.agent_sets(&first, json!({ "Goodays_Response_Id__c": null }));
    world.agent_sets(&early, json!({ "Goodays_Response_Id__c": moved }));
    world.settle().await;
    // The key is there before the event, and before any poll has seen it with the Case.
    world.goodays.pause_webhooks(true);
    let (new, case) = (world.customer_leaves(Feedback::default()), about_another_matter(&world).await);
    world.agent_sets(&case, json!({ "Goodays_Response_Id__c": new }));
    world.goodays.pause_webhooks(false);
    world.settle().await;
    world.salesforce.touch_all();
    world.settle().await;
    world.restart().await;
    // As the daily look and any later change show them.
    world.salesforce.touch_all();
    world.settle().await;
    assert_eq!((world.received(&moved).len(), world.received(&new).len()), (1, 0));
    assert_eq!((world.told(&new).0, world.parked().await.len()), (String::new(), 0));
    world.salesforce.advance(1_000);
    world.answers(&new, "This one is for you.").await;
    world.customer_writes(&moved, "And me?");
    world.settle().await;
    world.answers(&moved, "And this one is for you.").await;
}

#[tokio::test]
async fn rule_06_an_old_comment_that_is_published_after_the_link_is_for_a_human() {
    let mut world = World::start().await;
    world.parked_is_fine();
    let (id, case) = (world.replied().await, about_another_matter(&world).await);
    let draft = world.salesforce.agent_comments(&case, "He calls every week.", false, AGENT).unwrap();
    world.polled().await;
    world.salesforce.advance(60_000);
    world.polled().await;
    world.agent_sets(&world.field(&id, "Id"), json!({ "Goodays_Response_Id__c": null }));
    world.agent_sets(&case, json!({ "Goodays_Response_Id__c": id }));
    world.settle().await;
    world.salesforce.agent_publishes(&draft, true).unwrap();
    world.settle().await;
    assert_eq!((world.received(&id).len(), world.the_parked().await.reason_code.as_str()), (1, "linked"));
    assert_eq!(world.told(&id).0, "Not sent");
    assert!(world.told(&id).1.starts_with("Somebody put the feedback on this Case"), "{:?}", world.told(&id));
}

/// The agent answers before the insert of his Case is answered: nothing was said before on a Case of ours.
#[tokio::test]
async fn rule_06_what_is_written_on_a_case_of_ours_before_its_insert_is_answered_is_sent() {
    let world = World::start().await;
    let fault = Fault::once("/composite/graph", Act::ResetAfter);
    world.salesforce.wire().fault(fault);
    let id = world.customer_leaves(Feedback::default());
    world.until("its Case", || world.cases(&id).len() == 1).await;
    world.agent_comments(&id, "We are quick.");
    world.salesforce.advance(5_000);
    world.agent_sets(&id, json!({ "Priority": "High" }));
    world.settle().await;
    assert_eq!(world.received(&id).len(), 1);
}

#[tokio::test]
async fn rule_11_a_case_that_is_reopened_and_closed_again_is_news_after_the_customer_wrote() {
    let world = World::start().await;
    let id = world.replied().await;
    world.agent_sets(&id, json!({ "Status": "Closed" }));
    world.settle().await;
    world.customer_writes(&id, "Please open it again.");
    world.settle().await;
    assert_eq!(world.field(&id, "Status"), "Customer Replied");
    world.answers(&id, "It is open.").await;
    world.agent_sets(&id, json!({ "Status": "Closed" }));
    world.settle().await;
    assert_eq!(
        world.told(&id).0,
        "Sent: private message",
        "that nothing had to be closed is no news over it"
    );
    assert_eq!(world.processed(&id), ["reply", "message"]);
}

#[tokio::test]
async fn rule_12_two_responses_of_one_customer_are_two_cases() {
    let mut world = World::start().await;
    world.parked_is_fine();
    let of_one =
        |content: &str| Feedback { email: Some("chester@customer.example".into()), ..words(content) };
    let older = world.arrives(of_one("My first visit.")).await;
    world.answers(&older, "Tell us more.").await;
    world.customer_writes(&older, "There is more.");
    world.settle().await;
    let newer = world.arrives(of_one("My second visit.")).await;
    assert_eq!(world.salesforce.records("Case").len(), 2);
    world.agent_comments(&older, "What is it?");
    world.settle().await;
    assert_eq!(world.received(&older).len(), 1);
    let (status, reason) = world.told(&older);
    assert_eq!(status, "Not sent");
    assert!(reason.contains(&world.field(&newer, "CaseNumber")), "{reason}");
    assert_eq!(world.the_parked().await.reason_code, "newer_feedback");
    world.answers(&newer, "What was it the first time?").await;
}
