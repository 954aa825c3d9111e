//! Rules 9 and 10: several answers, and answers that change.

use goodays_salesforce::operator::Outcome;
use goodays_salesforce::sim::goodays::Feedback;
use goodays_salesforce::sim::wire::Fault;
use serde_json::{Value, json};

use super::together::refusal;
use crate::now;
use crate::world::{World, words};

#[tokio::test]
async fn rule_09_the_next_answer_waits_for_the_customer_and_for_a_human() {
    let mut world = World::start().await;
    world.parked_is_fine();
    let id = world.arrives(Feedback::default()).await;
    world.agent_comments(&id, "First part.");
    world.agent_comments(&id, "Second part.");
    world.settle().await;
    assert_eq!(world.received(&id), [("reply".to_owned(), "First part.".to_owned())]);
    let (status, reason) = world.told(&id);
    assert_eq!(status, "Not sent");
    assert!(reason.contains("after the customer writes"), "{reason}");
    let parked = world.the_parked().await;
    assert_eq!(parked.reason_code, "wait_for_customer");
    world.customer_writes(&id, "And the second part?");
    world.settle().await;
    assert_eq!(world.received(&id).len(), 1, "never sent later by itself");
    assert_eq!(world.retry(parked.id).await, Outcome::Done);
    world.settle().await;
    assert_eq!(world.received(&id)[1..], [("message".to_owned(), "Second part.".to_owned())]);
    assert_eq!(world.parked().await, []);
    assert_eq!(world.told(&id).0, "Sent: private message");
}

#[tokio::test]
async fn rule_09_answers_go_in_the_order_in_which_they_were_written() {
    let world = World::start().await;
    world.goodays.set_switches(|s| s.message_stays_allowed = true);
    let id = world.arrives(Feedback::default()).await;
    let all = ["One.", "Two.", "Three.", "Four."];
    for words in all {
        world.agent_comments(&id, words);
    }
    world.settle().await;
    let got: Vec<String> = world.received(&id).into_iter().map(|(_, words)| words).collect();
    assert_eq!(got, all);
}

#[tokio::test]
async fn rule_09_a_public_text_is_not_sent_after_somebody_else_answered() {
    let mut world = World::start().await;
    world.parked_is_fine();
    let id = world.arrives(Feedback::default()).await;
    world.goodays.colleague_replies(&id, "I was faster.").unwrap();
    world.agent_comments(&id, "Our public answer.");
    world.settle().await;
    assert_eq!(world.the_parked().await.reason_code, "answered_by_other");
    world.customer_writes(&id, "Thank you both.");
    world.settle().await;
    // A private message would be possible now, but the text was not written as one.
    assert_eq!(world.retry(world.the_parked().await.id).await, Outcome::Done);
    world.settle().await;
    assert_eq!(world.the_parked().await.reason_code, "answered_by_other");
    assert_eq!(world.puts(&id), []);
    world.agent_comments(&id, "You are welcome.");
    world.settle().await;
    assert_eq!(world.received(&id).last().unwrap(), &("message".to_owned(), "You are welcome.".to_owned()));
}

#[tokio::test]
async fn rule_09_a_private_text_never_becomes_public() {
    let mut world = World::start().await;
    world.parked_is_fine();
    let replied =
        json!({ "id": "r1", "type": "text", "content": "Hello.", "created_date": "2020-01-01T10:00:00Z" });
    let feedback = Feedback { patch: json!({ "reply": replied }), ..words("Taken back by a colleague.") };
    let id = world.arrives(feedback).await;
    world.agent_comments(&id, "Your account number is 12345678.");
    world.settle().await;
    assert_eq!(world.puts(&id), []);
    assert_eq!(world.the_parked().await.reason_code, "would_be_public");
}

#[tokio::test]
async fn rule_10_a_parked_answer_is_edited_taken_back_and_published_anew() {
    let mut world = World::start().await;
    world.open_is_fine();
    let id = world.arrives(Feedback::default()).await;
    world.agent_comments(&id, "First part.");
    let second = world.agent_comments(&id, "Second part.");
    world.settle().await;
    let told = world.told(&id);
    assert_eq!(world.the_parked().await.reason_code, "wait_for_customer");
    world.salesforce.agent_edits_comment(&second, "Second part, better.").unwrap();
    world.settle().await;
    assert_eq!(world.told(&id), told, "nobody has the first text of it");
    world.agent_sets(&id, json!({ "Status": "Closed" }));
    world.settle_with_open(1).await;
    // The withdrawn answer does not block the others any more.
    world.salesforce.agent_publishes(&second, false).unwrap();
    world.settle().await;
    assert_eq!(world.parked().await, []);
    assert_eq!(world.told(&id).0, "Nothing to send: already handled in Goodays");
    world.customer_writes(&id, "And the second part?");
    world.settle().await;
    world.salesforce.agent_publishes(&second, true).unwrap();
    world.settle().await;
    assert_eq!(world.received(&id)[1..], [("message".to_owned(), "Second part, better.".to_owned())]);
}

#[tokio::test]
async fn rule_10_a_parked_answer_that_is_deleted_is_taken_back() {
    let world = World::start().await;
    let id = world.arrives(Feedback::default()).await;
    world.agent_comments(&id, "First part.");
    let second = world.agent_comments(&id, "Second part.");
    world.settle().await;
    assert_eq!(world.the_parked().await.reason_code, "wait_for_customer");
    world.agent_sets(&id, json!({ "Status": "Closed" }));
    world.settle_with_open(1).await;
    world.salesforce.wire().clear_requests();
    world.polled().await;
    assert_eq!(world.salesforce.wire().requests().len(), world.polls(), "no call of its own");
    world.salesforce.agent_deletes_comment(&second).unwrap();
    world.until("it is taken back", || now(world.parked()).is_empty()).await;
    world.settle().await;
    assert_eq!(world.told(&id).0, "Nothing to send: already handled in Goodays");
    world.customer_writes(&id, "And the second part?");
    world.settle().await;
    assert_eq!(world.received(&id).len(), 1);
}

/// Goodays answers nothing until the faults are cleared.
fn goodays_is_down(world: &World) {
    world.goodays.wire().fault(Fault { times: None, ..Fault::once("/responses/", refusal(503, "")) });
}

#[tokio::test]
async fn rule_10_edited_before_sending_the_new_text_goes() {
    let world = World::start().await;
    let id = world.arrives(Feedback::default()).await;
    goodays_is_down(&world);
    let comment = world.agent_comments(&id, "A text with a tpyo.");
    world.polled().await;
    world.salesforce.agent_edits_comment(&comment, "A text without a typo.").unwrap();
    world.polled().await;
    world.goodays.wire().clear_faults();
    world.settle().await;
    assert_eq!(world.received(&id), [("reply".to_owned(), "A text without a typo.".to_owned())]);
    assert_eq!(world.told(&id).0, "Sent: public reply");
}

#[tokio::test]
async fn rule_10_edited_after_sending_is_not_sent_again_and_says_so() {
    let world = World::start().await;
    let id = world.arrives(Feedback::default()).await;
    let comment = world.agent_comments(&id, "We'll call you on Monday.");
    world.settle().await;
    world.salesforce.agent_edits_comment(&comment, "We'll call you on Tuesday.").unwrap();
    world.settle().await;
    assert_eq!(world.received(&id).len(), 1);
    let (_, reason) = world.told(&id);
    assert!(reason.contains("edited"), "{reason:?}");
    world.customer_writes(&id, "I'll be waiting.");
    world.settle().await;
    assert_eq!(world.thread(&id), ["We'll call you on Tuesday.", "I'll be waiting."]);
    assert_eq!(world.received(&id).len(), 1);
}

#[tokio::test]
async fn rule_10_unpublished_or_deleted_before_sending_is_cancelled() {
    let world = World::start().await;
    let (unpublished, deleted) =
        (world.arrives(words("One of two.")).await, world.arrives(words("Two of two.")).await);
    goodays_is_down(&world);
    let first = world.agent_comments(&unpublished, "Not yet ready.");
    let second = world.agent_comments(&deleted, "Wrong Case, sorry.");
    world.polled().await;
    world.salesforce.agent_publishes(&first, false).unwrap();
    world.salesforce.agent_deletes_comment(&second).unwrap();
    world.polled().await;
    world.goodays.wire().clear_faults();
    world.settle().await;
    assert_eq!(world.puts(&unpublished), []);
    assert_eq!(world.puts(&deleted), []);
    world.salesforce.agent_publishes(&first, true).unwrap();
    world.settle().await;
    assert_eq!(world.received(&unpublished), [("reply".to_owned(), "Not yet ready.".to_owned())]);
}

/// Sets the rows that Salesforce returns when a waiting answer is read again before it is sent.
fn read_again_shows(world: &World, rows: &Value) {
    let page = json!({ "totalSize": 1, "done": true, "records": rows }).to_string();
    world.salesforce.wire().fault(Fault::once("FROM CaseComment WHERE Id IN", refusal(200, &page)));
}

/// Simulates that the connector's user has lost access.
fn hide_everything(world: &World) {
    let nothing = json!({ "totalSize": 0, "done": true, "records": [] });
    let part = |n: u32| json!({ "body": nothing, "httpHeaders": {}, "httpStatusCode": 200, "referenceId": format!("q{n}") });
    let poll = json!({ "compositeResponse": [part(0), part(1), part(2)] });
    for (body_contains, path, answer) in [
        (None, "FROM CaseComment WHERE Id IN", nothing.clone()),
        (Some("SystemModstamp"), "/composite", poll),
    ] {
        let body_contains = body_contains.map(str::to_owned);
        let act = refusal(200, &answer.to_string());
        world.salesforce.wire().fault(Fault { times: None, body_contains, ..Fault::once(path, act) });
    }
}

#[tokio::test]
async fn rule_10_a_comment_that_is_hidden_from_us_before_sending_is_told() {
    let world = World::start().await;
    let id = world.arrives(Feedback::default()).await;
    goodays_is_down(&world);
    world.agent_comments(&id, "Written, and then hidden.");
    world.polled().await;
    hide_everything(&world);
    world.goodays.wire().clear_faults();
    world.settle().await;
    assert_eq!(world.puts(&id), []);
    let (status, reason) = world.told(&id);
    assert_eq!(status, "Not sent");
    assert!(reason.contains("cannot see it"), "{reason}");
}

#[tokio::test]
async fn rule_10_a_rule_that_cannot_be_evaluated_takes_no_answer_back() {
    let world = World::start().await;
    let id = world.arrives(Feedback::default()).await;
    goodays_is_down(&world);
    let comment = world.agent_comments(&id, "Still to be sent.");
    world.polled().await;
    let row = json!({ "Id": comment, "IsDeleted": false, "IsPublished": "perhaps", "CommentBody": "Still to be sent." });
    read_again_shows(&world, &json!([row]));
    world.goodays.wire().clear_faults();
    world.settle().await;
    assert_eq!(world.received(&id), [("reply".to_owned(), "Still to be sent.".to_owned())]);
}

#[tokio::test]
async fn rule_10_unpublished_republished_or_deleted_after_sending_changes_nothing() {
    let world = World::start().await;
    let id = world.arrives(Feedback::default()).await;
    let comment = world.agent_comments(&id, "The customer has this.");
    world.settle().await;
    world.salesforce.agent_publishes(&comment, false).unwrap();
    world.settle().await;
    world.salesforce.agent_publishes(&comment, true).unwrap();
    world.settle().await;
    world.salesforce.agent_deletes_comment(&comment).unwrap();
    world.settle().await;
    world.customer_writes(&id, "Yes, I have it.");
    world.settle().await;
    assert_eq!(world.received(&id).len(), 1);
    assert_eq!(world.thread(&id), ["Yes, I have it."]);
    assert_eq!(world.told(&id).0, "Sent: public reply");
}
