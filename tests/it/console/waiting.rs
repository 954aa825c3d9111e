//! What waits for a human: retry, drop, send again; and the mappings.

use std::collections::BTreeMap;

use goodays_salesforce::sim::goodays::Feedback;
use goodays_salesforce::sim::wire::{Act, Fault};

use super::Browser;
use crate::now;
use crate::world::World;

const HERE: &str = "/console/waiting";

/// Parks a feedback that Salesforce refuses.
async fn parked(world: &mut World) -> String {
    world.parked_is_fine();
    world.post_bytes(b"{}".to_vec()).await;
    world.the_parked().await.id.to_string()
}

#[tokio::test]
async fn something_parked_is_shown_with_advice_and_given_up_after_a_question() {
    let mut world = World::start().await;
    let id = parked(&mut world).await;
    let browser = Browser::new(&world.stage);
    browser.open(HERE).await.has("<code>unreadable</code>").has("after an update `retry`").has(&id);
    browser.open("/console").await.has("Waiting for an operator: 1.");
    let asked = browser.send(HERE, HERE, &[("do", &format!("drop-{id}")), ("reason", "unreadable")]).await;
    asked.has("Give up?");
    assert_eq!(world.parked().await.len(), 1, "nothing is dropped before the answer");
    let fields = [("do", "drop-all"), ("reason", "unreadable"), ("sure", "yes")];
    browser.send(HERE, HERE, &fields).await.has("Dropped");
    assert_eq!(world.parked().await, []);
    browser.open(HERE).await.has("Nothing waits for a human");
    let gone = browser.send(HERE, HERE, &fields).await;
    assert_eq!(gone.status, 409);
}

#[tokio::test]
async fn a_parked_event_is_tried_again() {
    let mut world = World::start().await;
    let id = parked(&mut world).await;
    let browser = Browser::new(&world.stage);
    // It names no response: it cannot be tried again, and the page says so.
    let fields = [("do", "retry-chosen"), ("reason", "unreadable"), ("id", id.as_str())];
    browser.send(HERE, HERE, &fields).await.has("They did not wait any more");
    assert_eq!(world.parked().await.len(), 1);
}

/// A feedback with an answer of which nobody knows whether it arrived.
async fn unclear() -> (World, String) {
    let mut world = World::start().await;
    world.parked_is_fine();
    world.open_is_fine();
    let id = world.arrives(Feedback::default()).await;
    // The look before the action works; the PUT is lost, and no read back finds the response.
    world
        .goodays
        .wire()
        .fault(Fault { method: Some("PUT".to_owned()), ..Fault::once("/reply", Act::ResetBefore) });
    let gone = Act::Answer {
        status: 404,
        body: r#"{"detail":"Not found."}"#.to_owned(),
        content_type: None,
        headers: BTreeMap::new(),
    };
    let get = Some("GET".to_owned());
    let read_back =
        Fault { method: get, skip: 1, times: Some(4), ..Fault::once(&format!("/responses/{id}"), gone) };
    world.goodays.wire().fault(read_back);
    world.agent_comments(&id, "We are sorry about that.");
    world.until("it is unclear", || now(world.parked()).iter().any(|item| item.state == "unclear")).await;
    (world, id)
}

#[tokio::test]
async fn something_unclear_is_dropped_if_it_is_meant_by_itself() {
    let (world, id) = unclear().await;
    let item = world.the_parked().await.id;
    let browser = Browser::new(&world.stage);
    let all = [("do", "drop-all"), ("reason", "unclear"), ("sure", "yes")];
    browser.send(HERE, HERE, &all).await.has("Unclear and left alone");
    assert_eq!(world.parked().await.len(), 1);
    let one = [("do", &*format!("drop-{item}")), ("reason", "unclear"), ("sure", "yes")];
    browser.send(HERE, HERE, &one).await.lacks("Unclear and left alone");
    assert_eq!((world.parked().await, world.received(&id)), (Vec::new(), Vec::new()));
}

#[tokio::test]
async fn something_unclear_is_sent_again_after_a_word() {
    let (world, id) = unclear().await;
    let item = world.the_parked().await.id;
    let browser = Browser::new(&world.stage);
    browser.open("/console").await.has("Actions whose outcome is not known: 1.");
    let ask = browser.send(HERE, HERE, &[("do", &format!("retry-{item}")), ("reason", "unclear")]).await;
    ask.has("The customer may get it twice").has("It lists: ").has("Type “send again”");
    let path = format!("{HERE}/{item}/send-again");
    browser.send(&path, &path, &[("word", "yes")]).await.has("Nothing was sent");
    assert_eq!(world.received(&id), []);
    let unknown = format!("{HERE}/a4711/send-again");
    browser.send(&path, &unknown, &[("word", "send again")]).await.lacks("It is sent again");
    let logged = || world.log().contains("sent again from the console");
    assert!(!logged(), "nothing was sent");
    browser.send(&path, &path, &[("word", "send again")]).await.has("It is sent again");
    assert!(logged());
    world.until("the customer has it", || world.received(&id).len() == 1).await;
    world.settle().await;
    let page = browser.open(&format!("/console/feedback/{id}")).await;
    page.has("An operator had it tried again.").has("The customer has it (reply).");
}

#[tokio::test]
async fn an_event_is_tried_with_the_rules_in_force() {
    let world = World::start().await;
    let id = world.arrives(Feedback::default()).await;
    let browser = Browser::new(&world.stage);
    let here = "/console/mappings";
    browser.open(here).await.has("case.yaml").has(world.app().shared.mapping().version());
    let page = browser.send(here, here, &[("sample", "response"), ("as_new", "yes")]).await;
    page.has("Makes a Case").has("SuppliedEmail").has("<td class=\"value\">false</td>").has("case.yaml:");
    let hostile =
        r#"{"event":"response","response":{"id":"x1","message":{"content":"<img src=x>{{ 7*7 }}"}}}"#;
    browser.send(here, here, &[("pasted", hostile)]).await.lacks("<img");
    browser.send(here, here, &[("pasted", "no JSON")]).await.has("This is no JSON");
    let event = world.app().shared.store.events_from(0, 9).await.unwrap().records[0].seq;
    let page = browser.send(here, here, &[("stored", &format!("e{event}"))]).await;
    page.has(&id).has("Nothing is written");
    assert!(world.log().contains("what people wrote was shown"), "it is logged");
    browser.send(here, "/console/mappings/touched", &[]).await.has("<dt>Cases</dt><dd>0</dd>");
    browser.send(here, here, &[("stored", "e999999")]).await.has("No such event is kept");
}
