//! C1: Goodays refuses one thing, or everything, in its API's own words; and what was refused may have arrived.

use futures_util::future::join_all;
use goodays_salesforce::sim::goodays::Feedback;
use goodays_salesforce::sim::wire::{Act, Fault};
use serde_json::{Value, json};

use super::{brisk, instead, told, verbs};
use crate::now;
use crate::world::World;

const NO_RIGHT: &str = r#"{"detail":"You do not have permission to perform this action."}"#;

/// Every request of an agent's action gets this answer, and reads work.
fn every_put(world: &World, act: Act) {
    let fault = Fault { method: Some("PUT".to_owned()), times: None, ..Fault::once("/responses/", act) };
    world.goodays.wire().fault(fault);
}

async fn answered(world: &World, count: usize) -> Vec<String> {
    let mut ids = Vec::new();
    for _ in 0..count {
        ids.push(world.arrives_beside(Feedback::default()).await);
    }
    world.polled().await;
    for id in &ids {
        world.agent_comments(id, "An answer to what was written.");
    }
    ids
}

/// The admin door's `/status`, as a watchdog reads it.
pub(super) async fn status(world: &World) -> Value {
    let url = format!("http://{}/status", world.app().doors.admin_addr());
    goodays_salesforce::http::client(std::time::Duration::from_secs(10))
        .get(url)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap()
}

fn try_now(world: &World) {
    let shared = &world.app().shared;
    shared.goodays_breaker.reopen();
    shared.wake_all();
}

/// A role that lost its right to write. A few answers are tried, none stays parked, and one at a time is tried again.
#[tokio::test]
async fn c01_a_refusal_of_everything_parks_nothing_and_pauses_what_is_sent() {
    const NO_CSRF: &str = r#"{"detail":"CSRF Failed: CSRF token missing."}"#;
    let refusals = [
        (403, NO_RIGHT),
        (403, NO_CSRF),
        (400, r#"{"detail":"Not allowed, request 4711."}"#),
        (404, NO_RIGHT),
    ];
    join_all(refusals.into_iter().map(|(code, body)| async move {
        let mut world = World::with(brisk()).await;
        every_put(&world, instead(code, body, "application/json"));
        let ids = answered(&world, 10).await;
        world.until("it is known", || world.app().shared.goodays_breaker.trouble().is_some()).await;
        let puts = || ids.iter().map(|id| world.puts(id).len()).sum::<usize>();
        world
            .until("the Cases say that they wait", || {
                ids.iter().all(|id| world.told(id).0.starts_with("Waiting"))
            })
            .await;
        assert_eq!(world.parked().await, [], "{code}");
        let before = puts();
        assert!(before <= 8, "{code}: {before} requests for ten answers");
        let said = status(&world).await;
        assert_eq!(said["goodays"]["trouble"]["code"], json!(format!("status_{code}")), "{said}");
        try_now(&world);
        world.until("one is tried", || puts() > before).await;
        world.polled().await;
        assert_eq!(puts(), before + 1, "{code}: one at a time");
        assert_eq!(world.parked().await, [], "{code}");
        world.goodays.wire().clear_faults();
        for id in &ids {
            let is_told = || {
                // A refusal that is still on its way makes another pause.
                try_now(&world);
                world.told(id).0 == "Sent: public reply"
            };
            world.until("it is sent", is_told).await;
            assert_eq!(world.received(id).len(), 1, "{code}");
        }
        assert_eq!(status(&world).await["goodays"]["trouble"], Value::Null);
        world.settle().await;
        world.errors_are_fine();
        world.end().await;
    }))
    .await;
}

/// The words are those of a bad token, but the refusal is of one text: everything else is shown and taken.
#[tokio::test]
async fn c01_a_text_that_is_refused_with_words_about_a_token_stops_itself_alone() {
    let mut world = World::with(brisk()).await;
    let blocked =
        instead(403, r#"{"detail":"Request blocked: forbidden token in content"}"#, "application/json");
    let fault = Fault {
        method: Some("PUT".to_owned()),
        times: None,
        body_contains: Some("DROP TABLE".to_owned()),
        ..Fault::once("/reply", blocked)
    };
    world.goodays.wire().fault(fault);
    let bad = world.arrives(Feedback::default()).await;
    world.agent_comments(&bad, "Our shop is called DROP TABLE & sons.");
    told(&world, &bad, "Not sent").await;
    assert_eq!(world.the_parked().await.reason_code, "status_403");
    let ids = answered(&world, 2).await;
    for id in &ids {
        told(&world, id, "Sent: public reply").await;
    }
    assert_eq!(world.app().shared.goodays_breaker.trouble(), None);
    world.parked_is_fine();
    world.errors_are_fine();
    world.end().await;
}

/// Goodays refuses three texts for their own sake, and takes the others.
#[tokio::test]
async fn c01_texts_that_are_refused_for_their_own_sake_stop_themselves_alone() {
    let mut world = World::with(brisk()).await;
    let fault = Fault {
        method: Some("PUT".to_owned()),
        times: None,
        body_contains: Some("forbidden".to_owned()),
        ..Fault::once(
            "/reply",
            instead(400, r#"{"detail":"This text is not accepted."}"#, "application/json"),
        )
    };
    world.goodays.wire().fault(fault);
    let mut bad = Vec::new();
    for _ in 0..4 {
        bad.push(world.arrives_beside(Feedback::default()).await);
    }
    for id in &bad {
        world.agent_comments(id, "A forbidden word stands in here.");
    }
    world.until("it is known", || world.app().shared.goodays_breaker.trouble().is_some()).await;
    let good = answered(&world, 3).await;
    try_now(&world);
    for id in &good {
        told(&world, id, "Sent: public reply").await;
    }
    world.until("each is parked", || now(world.parked()).len() == bad.len()).await;
    for id in &bad {
        told(&world, id, "Not sent").await;
        assert!(world.told(id).1.contains("This text is not accepted."), "{:?}", world.told(id));
    }
    assert_eq!(world.app().shared.goodays_breaker.trouble(), None);
    world.parked_is_fine();
    world.open_is_fine();
}

/// An agent's command is emptied when its outcome is told; that does not take back what waits again.
#[tokio::test]
async fn c01_a_command_that_was_parked_for_it_waits_again_as_well() {
    let mut world = World::as_deployed(brisk()).await;
    every_put(&world, instead(403, NO_RIGHT, "application/json"));
    let mut ids = Vec::new();
    for _ in 0..4 {
        ids.push(world.arrives_beside(Feedback::default()).await);
    }
    world.polled().await;
    for id in &ids {
        world.agent_sets(id, json!({"Goodays_Answer__c": "By the button.", "Goodays_Command__c": "answer"}));
    }
    world.until("it is known", || world.app().shared.goodays_breaker.trouble().is_some()).await;
    world.polled().await;
    world.goodays.wire().clear_faults();
    try_now(&world);
    for id in &ids {
        world.until("it is sent", || !world.received(id).is_empty()).await;
    }
    world.settle().await;
    assert!(ids.iter().all(|id| world.received(id).len() == 1));
    world.errors_are_fine();
}

/// A gateway repeats a call that it got no answer to, and hands on what the repetition met.
fn refused_after(status: u16) -> Act {
    let body = json!({"message": "API rate limit exceeded"}).to_string();
    Act::AnswerAfter { status, body, content_type: None }
}

#[tokio::test]
async fn an_answer_that_arrived_is_sent_whatever_refused_its_put() {
    join_all([401, 403, 429].map(|code| async move {
        let mut world = World::with(brisk()).await;
        world.goodays.set_switches(|switches| switches.message_stays_allowed = true);
        let id = world.arrives(Feedback::default()).await;
        for (n, (verb, status)) in
            [("reply", "Sent: public reply"), ("message", "Sent: private message")].into_iter().enumerate()
        {
            let fault = Fault { method: Some("PUT".to_owned()), ..Fault::once(verb, refused_after(code)) };
            world.goodays.wire().fault(fault);
            world.agent_comments(&id, &format!("The words of the {verb}."));
            world.until("it is tried", || world.puts(&id).len() > n).await;
            try_now(&world);
            told(&world, &id, status).await;
            world.settle().await;
            assert_eq!(world.received(&id).len(), n + 1, "{code} {verb}: once");
            assert_eq!(world.puts(&id).len(), n + 1, "{code} {verb}");
            world.customer_writes(&id, "And then?");
            world.settle().await;
        }
        world.errors_are_fine();
        world.end().await;
    }))
    .await;
}

/// Nothing arrived: it goes out once, when Goodays takes calls again.
#[tokio::test]
async fn an_answer_that_was_refused_and_did_not_arrive_is_sent_again() {
    join_all([401, 429].map(|code| async move {
        let mut world = World::with(brisk()).await;
        world.goodays.set_switches(|switches| switches.message_stays_allowed = true);
        let id = world.replied().await;
        world.customer_writes(&id, "And the colour?");
        world.settle().await;
        super::next_put(&world, "message", instead(code, r#"{"message":"no"}"#, "application/json"));
        world.agent_comments(&id, "The colour is blue.");
        world.until("it is tried", || world.puts(&id).len() == 2).await;
        try_now(&world);
        told(&world, &id, "Sent: private message").await;
        world.settle().await;
        assert_eq!(world.received(&id).len(), 2, "{code}");
        assert_eq!(verbs(&world, &id), ["reply", "message", "message"], "{code}");
        world.errors_are_fine();
        world.end().await;
    }))
    .await;
}
