//! Laws 2 and 5: every call takes effect once, whatever happens to it (design, rules 2 to 4).

use std::collections::BTreeMap;

use futures_util::future::join_all;
use goodays_salesforce::sim::wire::{Act, Fault};
use serde_json::json;

use crate::arena::{Tuning, World, quick};

/// Answers of a proxy in between: the remote did nothing, or everything.
fn bad_gateway(status: u16) -> [Act; 2] {
    let body = "<html><body><h1>Bad Gateway</h1></body></html>".to_owned();
    let content_type = Some("text/html".to_owned());
    [
        Act::Answer {
            status,
            body: body.clone(),
            content_type: content_type.clone(),
            headers: BTreeMap::new(),
        },
        Act::AnswerAfter { status, body, content_type },
    ]
}

fn unknown_outcomes() -> Vec<Act> {
    let mut acts = vec![
        Act::ResetBefore,
        Act::ResetAfter,
        Act::CommitLater { ms: 150 },
        Act::Truncate,
        Act::HangBefore { ms: 50 },
        Act::HangAfter { ms: 50 },
    ];
    acts.extend([500, 502, 503, 504].into_iter().flat_map(bad_gateway));
    acts
}

#[tokio::test]
async fn an_insert_without_an_answer_makes_one_case() {
    join_all(unknown_outcomes().into_iter().map(|act| async move {
        let mut world = World::start().await;
        world.graph_fault(act.clone());
        let ids = [world.leaves(), world.leaves(), world.leaves()];
        for id in &ids {
            world.case(id).await;
        }
        world.quiet().await;
        assert!(world.stage.salesforce.wire().faults().is_empty(), "{act:?} was not met");
        world.laws_hold().await;
        assert_eq!(world.parked().await, [], "{act:?}");
    }))
    .await;
}

#[tokio::test]
async fn comments_without_an_answer_are_written_once() {
    join_all(unknown_outcomes().into_iter().map(|act| async move {
        let mut world = World::start().await;
        let (id, case) = world.answered().await;
        world.graph_fault(act.clone());
        let first = world.customer_writes(&id);
        world
            .holds("the comment", || world.comments(&case).iter().find(|c| c.contains(&first)).cloned())
            .await;
        let reply = world.agent_answers(&case);
        world.receives(&id, &reply).await;
        world.customer_writes(&id);
        world.quiet().await;
        world.laws_hold().await;
        assert!(world.stage.salesforce.wire().faults().is_empty(), "{act:?} was not met");
        assert_eq!(world.stage.salesforce.case_by_key(&id).unwrap()["Status"], json!("Customer Replied"));
    }))
    .await;
}

/// A second attempt also gets no answer.
#[tokio::test]
async fn two_lost_answers_in_a_row_still_make_one_of_each() {
    let pairs = [
        (Act::ResetAfter, Act::ResetAfter),
        (Act::ResetBefore, Act::ResetAfter),
        (Act::CommitLater { ms: 200 }, Act::CommitLater { ms: 200 }),
        (Act::ResetBefore, Act::CommitLater { ms: 200 }),
    ];
    join_all(pairs.into_iter().map(|(first, second)| async move {
        let mut world = World::start().await;
        let (id, case) = world.answered().await;
        world.graph_fault(first.clone());
        world.graph_fault(second.clone());
        world.customer_writes(&id);
        let other = world.leaves();
        world.case(&other).await;
        world.quiet().await;
        world.laws_hold().await;
        assert_eq!(world.comments(&case).len(), 2, "{first:?} {second:?}");
    }))
    .await;
}

/// An answer of Salesforce is as old as its request: a read that began before the write was applied proves nothing,
/// however late it ends (design, rule 2).
#[tokio::test]
async fn a_slow_look_at_salesforce_is_as_old_as_its_beginning() {
    let mut world = World::with(Tuning { settle_ms: 2000, ..quick() }).await;
    let (id, case) = world.answered().await;
    world.graph_fault(Act::CommitLater { ms: 1600 });
    // The last query of the look. It asks for the existing comments.
    let slow = Fault::once("FROM CaseComment", Act::Slow { ms: 3000 });
    world.stage.salesforce.wire().fault(slow);
    let words = world.customer_writes(&id);
    world.holds("the comment", || world.comments(&case).iter().find(|c| c.contains(&words)).cloned()).await;
    world.quiet().await;
    assert!(world.stage.salesforce.wire().faults().is_empty(), "it was not looked at");
    assert_eq!(world.comments(&case).iter().filter(|c| c.contains(&words)).count(), 1);
    world.laws_hold().await;
}

#[tokio::test]
async fn an_answer_without_an_answer_reaches_the_customer_once() {
    let both = |act: Act| [(act.clone(), "reply"), (act, "message")];
    join_all(unknown_outcomes().into_iter().flat_map(both).map(|(act, verb)| async move {
        let mut world = World::start().await;
        let (id, case) = if verb == "reply" {
            world.arrives().await
        } else {
            let (id, case) = world.answered().await;
            world.customer_writes(&id);
            world.quiet().await;
            // This shows that the account takes `message` away with each message.
            let first = world.agent_answers(&case);
            world.receives(&id, &first).await;
            world.quiet().await;
            world.customer_writes(&id);
            world.quiet().await;
            (id, case)
        };
        world.goodays_fault(verb, act.clone());
        let text = world.agent_answers(&case);
        world.receives(&id, &text).await;
        world.quiet().await;
        world.laws_hold().await;
        assert!(world.stage.goodays.wire().faults().is_empty(), "{act:?} was not met");
        let told = world.stage.salesforce.case_by_key(&id).unwrap()["Goodays_Sync_Status__c"].clone();
        let name = if verb == "reply" { "public reply" } else { "private message" };
        assert_eq!(told, json!(format!("Sent: {name}")), "{act:?}");
        assert_eq!(world.parked().await, [], "{act:?} {verb}");
    }))
    .await;
}

#[tokio::test]
async fn close_call_and_spam_without_an_answer_are_done_once() {
    join_all(unknown_outcomes().into_iter().map(|act| async move {
        let mut world = World::start().await;
        for (verb, status) in [("close", "Closed"), ("call", "Closed by phone"), ("spam", "Spam")] {
            let (id, case) = world.arrives().await;
            world.goodays_fault(verb, act.clone());
            world.agent_sets(&case, json!({ "Status": status }));
            let done = || world.stage.goodays.processed(&id).into_iter().find(|p| p["action"] == json!(verb));
            world.holds(verb, done).await;
            world.quiet().await;
            assert_eq!(world.stage.goodays.processed(&id).len(), 1, "{act:?} {verb}");
            let told = world.stage.salesforce.case_by_key(&id).unwrap()["Goodays_Sync_Status__c"].clone();
            assert_eq!(told, json!(format!("Sent: {verb}")), "{act:?}");
        }
        assert_eq!(world.parked().await, [], "{act:?}");
        world.laws_hold().await;
    }))
    .await;
}
