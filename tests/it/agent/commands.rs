//! The buttons on the Case: one command, carried out once, told, and emptied.

use goodays_salesforce::demo::stage::Tuning;
use goodays_salesforce::operator::Outcome;
use goodays_salesforce::sim::goodays::Feedback;
use goodays_salesforce::sim::wire::{Act, Fault};
use serde_json::{Value, json};

use crate::world::World;

async fn desk() -> World {
    World::as_deployed(Tuning::default()).await
}

/// The button *Answer the customer*.
fn answers(world: &World, id: &str, words: &str) {
    world.agent_sets(id, json!({ "Goodays_Command__c": "answer", "Goodays_Answer__c": words }));
}

/// Command and answer as the Case shows them.
fn left(world: &World, id: &str) -> (String, String) {
    (world.field(id, "Goodays_Command__c"), world.field(id, "Goodays_Answer__c"))
}

fn nothing() -> (String, String) {
    (String::new(), String::new())
}

fn puts(world: &World, id: &str) -> Vec<String> {
    world.puts(id).into_iter().map(|(verb, _)| verb).collect()
}

/// A12: a customer of a portal who may edit the Case.
#[tokio::test]
async fn a_portal_users_command_sends_nothing_and_is_emptied() {
    let world = desk().await;
    let id = world.arrives(Feedback::default()).await;
    let fields = json!({ "Goodays_Command__c": "answer", "Goodays_Answer__c": "We are the worst." });
    world.salesforce.agent_updates_case(&id, fields, "portal.customer@sim.example").unwrap();
    world.settle().await;
    assert_eq!((world.received(&id), left(&world, &id).0), (Vec::new(), String::new()));
    answers(&world, &id, "Thank you for your visit.");
    world.settle().await;
    assert_eq!(world.received(&id), [("reply".to_owned(), "Thank you for your visit.".to_owned())]);
}

#[tokio::test]
async fn an_answer_goes_once_is_told_becomes_a_comment_and_the_command_is_emptied() {
    let world = desk().await;
    let id = world.arrives(Feedback { source: "google".to_owned(), ..Feedback::default() }).await;
    world.agent_sets(&id, json!({ "Goodays_Remark_Type__c": "Praise" }));
    answers(&world, &id, "Thank you for your visit.");
    world.settle().await;
    assert_eq!(world.received(&id), [("reply".to_owned(), "Thank you for your visit.".to_owned())]);
    assert_eq!(world.puts(&id)[0].1["remark_type"], json!("Praise"));
    assert_eq!(world.told(&id), ("sent".into(), String::new()));
    assert_eq!(left(&world, &id), nothing());
    assert_eq!(world.thread(&id), ["Thank you for your visit."]);
    let case = world.case(&id)["Id"].clone();
    let comment = world.salesforce.comments_of(case.as_str().unwrap()).remove(0);
    assert_eq!(comment["IsPublished"], Value::Bool(false), "published, it would be an answer of its own");
    // The same words again are another answer.
    world.customer_writes(&id, "What about Sunday?");
    world.settle().await;
    answers(&world, &id, "Thank you for your visit.");
    world.settle().await;
    let kinds: Vec<String> = world.received(&id).into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(kinds, ["reply", "message"]);
    let thread = ["Thank you for your visit.", "What about Sunday?", "Thank you for your visit."];
    assert_eq!(world.thread(&id), thread);
    world.end().await;
}

#[tokio::test]
async fn call_close_and_spam_go_by_command() {
    let world = desk().await;
    let call = world.arrives(Feedback::default()).await;
    let fields = json!({
        "Goodays_Command__c": "call", "Goodays_Call_Rating__c": 4, "Goodays_Call_Note__c": "A mistake.",
    });
    world.agent_sets(&call, fields);
    let close = world.arrives_beside(Feedback::default()).await;
    world.agent_sets(&close, json!({ "Goodays_Command__c": "close" }));
    let spam = world.arrives_beside(Feedback::default()).await;
    world.agent_sets(&spam, json!({ "Goodays_Command__c": "spam" }));
    world.settle().await;
    for (id, verb) in [(&call, "call"), (&close, "close"), (&spam, "spam")] {
        assert_eq!(world.processed(id), [verb]);
        assert_eq!((world.told(id).0.as_str(), left(&world, id)), ("sent", nothing()));
        assert_eq!(world.thread(id), Vec::<String>::new());
    }
    assert_eq!(world.puts(&call)[0].1["note"], json!("A mistake."));
    // The status says the same afterwards: nothing is left to do at Goodays.
    world.agent_sets(&close, json!({ "Status": "Closed" }));
    world.settle().await;
    assert_eq!(puts(&world, &close), ["close"]);
    world.end().await;
}

#[tokio::test]
async fn a_refused_answer_stays_on_the_case_and_goes_when_the_command_is_chosen_again() {
    let world = desk().await;
    let id = world.arrives(Feedback::default()).await;
    answers(&world, &id, "First.");
    world.settle().await;
    answers(&world, &id, "Second.");
    world.settle().await;
    assert_eq!(world.told(&id).0, "not_sent");
    assert_eq!(left(&world, &id), (String::new(), "Second.".to_owned()), "the agent need not write it again");
    world.customer_writes(&id, "Go on.");
    world.settle().await;
    assert_eq!(world.received(&id).len(), 1, "never sent later by itself");
    world.agent_sets(&id, json!({ "Goodays_Command__c": "answer" }));
    world.settle().await;
    assert_eq!(world.received(&id)[1..], [("message".to_owned(), "Second.".to_owned())]);
    assert_eq!((world.told(&id).0.as_str(), left(&world, &id)), ("sent", nothing()));
    assert_eq!(world.parked().await.len(), 0, "nobody can send the parked one as well");
    world.end().await;
}

/// The integration user may not edit the fields: the org was not asked by `check`, or changed since.
#[tokio::test]
async fn a_command_that_cannot_be_emptied_is_told_and_holds_up_nothing() {
    let world = desk().await;
    let id = world.arrives(Feedback::default()).await;
    let own = ["Case.Goodays_Command__c", "Case.Goodays_Answer__c"].map(str::to_owned);
    world.salesforce.with_settings(|settings| settings.read_only_fields.extend(own));
    answers(&world, &id, "Thank you.");
    world.settle().await;
    assert_eq!(world.received(&id), [("reply".to_owned(), "Thank you.".to_owned())]);
    let (status, reason) = world.told(&id);
    assert_eq!(status, "sent");
    assert!(
        reason.contains("stays in Goodays_Command__c") && reason.contains("stays in Goodays_Answer__c"),
        "{reason}"
    );
    assert_eq!(left(&world, &id), ("answer".to_owned(), "Thank you.".to_owned()));
    world.customer_writes(&id, "And on Sunday?");
    world.settle().await;
    assert_eq!(world.thread(&id), ["Thank you.", "And on Sunday?"]);
    assert_eq!((world.received(&id).len(), world.parked().await.len()), (1, 0));
    // Emptied by hand, it can be chosen again.
    world.agent_sets(&id, json!({ "Goodays_Command__c": null }));
    world.settle().await;
    world.polled().await;
    answers(&world, &id, "Closed on Sunday.");
    world.settle().await;
    assert_eq!(world.received(&id)[1..], [("message".to_owned(), "Closed on Sunday.".to_owned())]);
    world.end().await;
}

#[tokio::test]
async fn an_operator_sends_a_parked_command_whose_field_was_emptied() {
    let world = desk().await;
    let id = world.arrives(Feedback::default()).await;
    answers(&world, &id, "First.");
    world.settle().await;
    answers(&world, &id, "Second.");
    world.settle().await;
    let parked = world.the_parked().await;
    assert_eq!(parked.reason_code, "wait_for_customer");
    world.customer_writes(&id, "Go on.");
    world.settle().await;
    assert_eq!(world.retry(parked.id).await, Outcome::Done);
    world.settle().await;
    assert_eq!(world.received(&id)[1..], [("message".to_owned(), "Second.".to_owned())]);
    assert_eq!(world.thread(&id), ["First.", "Go on.", "Second."]);
    world.end().await;
}

#[tokio::test]
async fn an_emptied_command_is_taken_back() {
    let world = World::as_deployed(Tuning { close_grace_ms: 1500, ..Tuning::default() }).await;
    let id = world.arrives(Feedback::default()).await;
    world.agent_sets(&id, json!({ "Goodays_Command__c": "close" }));
    world.polled().await;
    world.agent_sets(&id, json!({ "Goodays_Command__c": null }));
    world.settle().await;
    assert_eq!(puts(&world, &id), Vec::<String>::new());
    // Another command in its place is another action.
    world.agent_sets(&id, json!({ "Goodays_Command__c": "close" }));
    world.polled().await;
    world.agent_sets(&id, json!({ "Goodays_Command__c": "spam" }));
    world.settle().await;
    assert_eq!(puts(&world, &id), ["spam"]);
    world.end().await;
}

#[tokio::test]
async fn what_an_agent_changes_while_his_answer_travels_is_kept_and_told() {
    let world = desk().await;
    let id = world.arrives(Feedback::default()).await;
    let slow = Act::Slow { ms: 1200 };
    world.goodays.wire().fault(Fault { method: Some("PUT".to_owned()), ..Fault::once("/reply", slow) });
    answers(&world, &id, "The first text.");
    world.until("it travels", || world.goodays.wire().faults().is_empty()).await;
    world.agent_sets(&id, json!({ "Goodays_Answer__c": "A better text." }));
    world.polled().await;
    world.settle().await;
    assert_eq!(world.received(&id), [("reply".to_owned(), "The first text.".to_owned())]);
    assert_eq!(left(&world, &id), (String::new(), "A better text.".to_owned()));
    let (status, reason) = world.told(&id);
    assert!(status == "sent" && reason.contains("choose the command again"), "{status}: {reason}");
    world.end().await;
}

#[tokio::test]
async fn an_outcome_without_an_answer_of_salesforce_is_one_comment() {
    let world = desk().await;
    let id = world.arrives(Feedback::default()).await;
    world.salesforce.wire().fault(Fault::once("/composite/graph", Act::ResetAfter));
    answers(&world, &id, "Thank you.");
    world.settle().await;
    assert!(world.salesforce.wire().faults().is_empty());
    assert_eq!(world.received(&id).len(), 1);
    assert_eq!(world.thread(&id), ["Thank you."]);
    assert_eq!((world.told(&id).0.as_str(), left(&world, &id)), ("sent", nothing()));
    world.end().await;
}

#[tokio::test]
async fn an_answer_without_an_answer_of_goodays_reaches_the_customer_once() {
    let world = desk().await;
    let id = world.arrives(Feedback::default()).await;
    world
        .goodays
        .wire()
        .fault(Fault { method: Some("PUT".to_owned()), ..Fault::once("/reply", Act::ResetAfter) });
    answers(&world, &id, "Thank you.");
    world.settle().await;
    assert_eq!(world.received(&id).len(), 1);
    assert_eq!(puts(&world, &id), ["reply"]);
    assert_eq!(world.thread(&id), ["Thank you."]);
    world.end().await;
}

#[tokio::test]
async fn a_command_given_while_the_daemon_is_down_is_carried_out_once() {
    let mut world = desk().await;
    let id = world.arrives(Feedback::default()).await;
    world.stop().await;
    answers(&world, &id, "Thank you.");
    world.go_on().await;
    world.settle().await;
    world.restart().await;
    world.settle().await;
    assert_eq!(world.received(&id).len(), 1);
    assert_eq!((world.told(&id).0.as_str(), left(&world, &id)), ("sent", nothing()));
    world.end().await;
}

#[tokio::test]
async fn a_command_that_stood_before_the_state_was_lost_is_told_and_not_sent() {
    let mut world = desk().await;
    let id = world.arrives(Feedback::default()).await;
    world.stop().await;
    answers(&world, &id, "Thank you.");
    world.go_on_without_state().await;
    world.until("the agent is told", || world.told(&id).0 == "unclear").await;
    world.settle().await;
    assert_eq!(world.received(&id), []);
    assert_eq!(left(&world, &id), (String::new(), "Thank you.".to_owned()));
    world.agent_sets(&id, json!({ "Goodays_Command__c": "answer" }));
    world.settle().await;
    assert_eq!(world.received(&id).len(), 1, "chosen again, it goes");
    world.end().await;
}

#[tokio::test]
async fn an_answer_on_a_merged_case_goes_to_the_customer_who_waits() {
    let world = desk().await;
    let (kept, gone) = (world.arrives(Feedback::default()).await, world.arrives(Feedback::default()).await);
    let ids = [&kept, &gone].map(|id| world.field(id, "Id"));
    world.agent_sets(&kept, json!({ "Goodays_Command__c": "close" }));
    world.settle().await;
    world.salesforce.merge_cases(&ids[0], &ids[1]).unwrap();
    world.settle().await;
    // A command that the first poll of the merged Case meets is told instead: it may have been carried out already.
    world.polled().await;
    answers(&world, &kept, "For the one who waits.");
    world.settle().await;
    assert_eq!(world.received(&kept), []);
    assert_eq!(world.received(&gone), [("reply".to_owned(), "For the one who waits.".to_owned())]);
    assert_eq!((world.told(&kept).0.as_str(), left(&world, &kept)), ("sent", nothing()));
    world.end().await;
}

/// Whatever button came between, a parked answer holds a later close back, and is not sent beside a newer one.
#[tokio::test]
async fn a_parked_answer_stays_known_behind_other_commands() {
    let mut world = desk().await;
    world.parked_is_fine();
    let id = world.arrives(Feedback::default()).await;
    answers(&world, &id, "First.");
    world.settle().await;
    answers(&world, &id, "Second.");
    world.settle().await;
    world.agent_sets(&id, json!({ "Goodays_Command__c": "close" }));
    world.settle_with_open(1).await;
    assert_eq!(puts(&world, &id), ["reply"], "an answer waits for a human");
    world.restart().await;
    world.settle_with_open(1).await;
    assert_eq!(puts(&world, &id), ["reply"]);
    world.customer_writes(&id, "Go on.");
    world.settle_with_open(1).await;
    answers(&world, &id, "Second.");
    world.settle().await;
    assert_eq!(world.received(&id)[1..], [("message".to_owned(), "Second.".to_owned())]);
    assert_eq!(world.parked().await.len(), 0, "nobody can send the parked one as well");
}

#[tokio::test]
async fn the_outcome_for_one_customer_of_a_merged_case_takes_nothing_back_from_the_other() {
    let mut world = desk().await;
    world.parked_is_fine();
    let (kept, gone) = (world.arrives(Feedback::default()).await, world.arrives(Feedback::default()).await);
    let ids = [&kept, &gone].map(|id| world.field(id, "Id"));
    world.salesforce.merge_cases(&ids[0], &ids[1]).unwrap();
    world.settle().await;
    world.agent_comments(&kept, "For whom is this?");
    world.settle().await;
    let parked = world.the_parked().await;
    world.agent_sets(&kept, json!({ "Goodays_Command__c": "close" }));
    world.until("the other is closed", || puts(&world, &gone) == ["close"]).await;
    world.until("the command is emptied", || left(&world, &kept).0.is_empty()).await;
    world.polled().await;
    world.settle_with_open(1).await;
    assert_eq!(puts(&world, &kept), Vec::<String>::new());
    assert_eq!(world.app().shared.drop_parked(parked.id).await.unwrap(), Outcome::Done);
    world.settle().await;
    assert_eq!(puts(&world, &kept), ["close"], "the agent took nothing back");
    assert_eq!(puts(&world, &gone), ["close"]);
}

#[tokio::test]
async fn a_command_that_nothing_is_done_with_is_emptied_and_can_be_chosen_again() {
    let actions = include_str!("../../../mappings/actions.yaml");
    let close = "case.Goodays_Command__c == 'close'";
    let actions = actions.replacen(close, &format!("{close} and case.Goodays_Remark_Type__c != ''"), 1);
    let actions =
        actions.replacen("case.Goodays_Command__c == 'spam'", "case.Goodays_Command__c == 'bin'", 1);
    let world = World::with_mapping("actions.yaml", &actions).await;
    let id = world.arrives(Feedback::default()).await;
    for (command, says) in [("spam", "is not known"), ("close", "is known, but no rule")] {
        world.agent_sets(&id, json!({ "Goodays_Command__c": command }));
        world.settle().await;
        let (status, reason) = world.told(&id);
        assert!(status == "Not sent" && reason.contains(says), "{status}: {reason}");
        assert_eq!(left(&world, &id).0, "", "the agent can choose it again");
    }
    world.agent_sets(&id, json!({ "Goodays_Command__c": "close", "Goodays_Remark_Type__c": "Praise" }));
    world.settle().await;
    assert_eq!(puts(&world, &id), ["close"]);
}
