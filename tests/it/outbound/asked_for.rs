//! C1: what a refusal names beside the agent's own words is put right without a human.

use goodays_salesforce::demo::stage::Tuning;
use goodays_salesforce::sim::goodays::Feedback;
use goodays_salesforce::sim::wire::Fault;
use serde_json::{Value, json};

use super::{brisk, instead, told};
use crate::world::{AGENT, AGENT_USER, World};

fn from_source(source: &str) -> Feedback {
    Feedback { source: source.to_owned(), ..Feedback::default() }
}

/// The bodies of what was sent for a response.
fn bodies(world: &World, id: &str) -> Vec<Value> {
    world.puts(id).into_iter().map(|(_, body)| body).collect()
}

#[tokio::test]
async fn c01_a_remark_type_that_goodays_asks_for_is_sent_with_the_next_attempt() {
    let world = World::with(brisk()).await;
    world.goodays.set_switches(|switches| {
        switches.remark_type_required_on = ["reply", "close", "spam", "message"].map(str::to_owned).into();
    });
    let spam = world.arrives(from_source("google")).await;
    world.agent_sets(&spam, json!({"Status": "Spam"}));
    told(&world, &spam, "Sent: spam").await;
    assert_eq!(world.processed(&spam), ["spam"]);
    assert_eq!(bodies(&world, &spam)[1]["remark_type"], json!("Message"));

    let id = world.arrives(from_source("facebook")).await;
    world.answers(&id, "We are sorry to hear that.").await;
    world.customer_writes(&id, "And the colour?");
    world.settle().await;
    world.agent_sets(&id, json!({"Goodays_Remark_Type__c": "Question"}));
    world.agent_comments(&id, "The colour is blue.");
    told(&world, &id, "Sent: private message").await;
    world.settle().await;
    assert_eq!(world.received(&id).len(), 2, "once");
    let sent = bodies(&world, &id);
    assert_eq!((sent.len(), &sent[1]["remark_type"]), (3, &Value::Null));
    assert_eq!(sent[2]["remark_type"], json!("Question"), "the one that the agent chose");
}

/// A type that Goodays does not know, or a source that we take for Goodays' own: a human decides after one more attempt.
#[tokio::test]
async fn c01_a_remark_type_that_is_refused_is_not_sent_for_ever() {
    let mut world = World::with(brisk()).await;
    let refusal = instead(400, r#"{"remark_type":["This field is required."]}"#, "application/json");
    let fault = Fault { method: Some("PUT".to_owned()), times: None, ..Fault::once("/close", refusal) };
    world.goodays.wire().fault(fault);
    let id = world.arrives(Feedback::default()).await;
    world.agent_sets(&id, json!({"Status": "Closed"}));
    told(&world, &id, "Not sent").await;
    let sent = bodies(&world, &id);
    assert_eq!((sent.len(), &sent[1]["remark_type"]), (2, &json!("Message")));
    world.parked_is_fine();
}

fn with_default_user(id: &str) -> Tuning {
    Tuning { goodays: format!("default_user: {id}"), ..brisk() }
}

#[tokio::test]
async fn c01_a_default_user_that_goodays_does_not_know_stops_nobody() {
    let world = World::with(with_default_user("zzzzzzz")).await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(world.arrives_beside(Feedback::default()).await);
    }
    for id in &ids {
        world.comments_by(id, "An answer to what was written.", true, "nobody@brand.example");
    }
    for id in &ids {
        told(&world, id, "Sent: public reply").await;
        assert_eq!(world.received(id).len(), 1, "once");
        assert_eq!(bodies(&world, id).last().unwrap()["user"], Value::Null);
    }
    world.settle().await;
    assert!(world.log().contains("Goodays does not take a user"));
    let said = super::refused::status(&world).await;
    let codes: Vec<&str> =
        said["findings"].as_array().unwrap().iter().filter_map(|found| found["code"].as_str()).collect();
    assert_eq!(codes, ["users"], "{said}");
}

/// An agent's account at Goodays is made anew within the hour in which its id is kept.
#[tokio::test]
async fn a_user_that_was_made_anew_is_looked_up_again() {
    let world = World::with(brisk()).await;
    let id = world.replied().await;
    assert_eq!(bodies(&world, &id)[0]["user"], json!(AGENT_USER));
    let other = world.arrives(Feedback::default()).await;
    world.goodays.add_user(AGENT_USER, "nobody.any.more@brand.example", false);
    world.goodays.add_user("9z9z9z9", AGENT, false);
    let unknown = instead(400, r#"{"user":["Object with id=1a2b3c4 does not exist."]}"#, "application/json");
    let fault = Fault {
        method: Some("PUT".to_owned()),
        times: None,
        body_contains: Some(AGENT_USER.to_owned()),
        ..Fault::once("/responses/", unknown)
    };
    world.goodays.wire().fault(fault);
    world.answers(&other, "An answer under the new account.").await;
    let sent = bodies(&world, &other);
    assert_eq!((sent.len(), &sent[1]["user"]), (2, &json!("9z9z9z9")));
    assert_eq!(world.received(&other).len(), 1);
}

/// A proxy refuses one address, and everything else works.
#[tokio::test]
async fn an_agent_whose_user_cannot_be_looked_up_is_told_why_it_waits() {
    let world = World::with(brisk()).await;
    let page = instead(403, "<html><body>Blocked</body></html>", "text/html");
    let fault = Fault { times: None, ..Fault::once("/users", page) };
    world.goodays.wire().fault(fault);
    let id = world.arrives(Feedback::default()).await;
    world.comments_by(&id, "An answer that waits.", true, AGENT);
    world.until("it is told", || world.told(&id).0.starts_with("Waiting")).await;
    assert!(world.told(&id).1.contains("look up the agent’s user"), "{:?}", world.told(&id));
    let said = super::refused::status(&world).await;
    assert!(said["findings"].to_string().contains("users"), "{said}");
    world.goodays.wire().clear_faults();
    told(&world, &id, "Sent: public reply").await;
    assert_eq!(super::refused::status(&world).await["findings"], json!([]));
}
