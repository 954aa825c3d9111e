//! Goodays refuses an action that has arrived, or that somebody else was faster with (design, rules 2 and 8).

use std::collections::BTreeMap;

use futures_util::future::join_all;
use goodays_salesforce::sim::wire::{Act, Fault};
use serde_json::{Value, json};

use crate::arena::World;

/// A gateway repeats a call that it got no answer to, and hands on the refusal of the repetition.
fn repeated(status: u16) -> Act {
    Act::AnswerAfter {
        status,
        body: json!({"detail": "This action is not allowed."}).to_string(),
        content_type: None,
    }
}

fn refused() -> Act {
    Act::Answer {
        status: 400,
        body: json!({"detail": "This action is not allowed."}).to_string(),
        content_type: None,
        headers: BTreeMap::new(),
    }
}

fn told(world: &World, id: &str) -> (Value, Value) {
    let case = world.stage.salesforce.case_by_key(id).unwrap();
    (case["Goodays_Sync_Status__c"].clone(), case["Goodays_Sync_Error__c"].clone())
}

#[tokio::test]
async fn an_answer_that_arrived_is_sent_although_its_put_was_refused() {
    join_all([400, 404, 409, 422].map(|status| async move {
        let mut world = World::start().await;
        let (id, case) = world.arrives().await;
        for (verb, status_text) in [("/reply", "Sent: public reply"), ("/message", "Sent: private message")] {
            world.goodays_fault(verb, repeated(status));
            let text = world.agent_answers(&case);
            world.receives(&id, &text).await;
            world.quiet().await;
            assert_eq!(told(&world, &id), (json!(status_text), json!(null)), "{status} {verb}");
            world.customer_writes(&id);
            world.quiet().await;
        }
        assert_eq!(world.parked().await, [], "{status}");
        world.laws_hold().await;
    }))
    .await;
}

#[tokio::test]
async fn a_call_that_arrived_did_travel() {
    let mut world = World::start().await;
    let (id, case) = world.arrives().await;
    world.goodays_fault("/call", repeated(409));
    world.agent_sets(&case, json!({ "Status": "Closed by phone", "Goodays_Call_Note__c": "A good  talk." }));
    world.holds("the call", || (world.puts("/call") == 1).then_some(())).await;
    world.quiet().await;
    assert_eq!(told(&world, &id), (json!("Sent: call"), json!(null)));
}

#[tokio::test]
async fn a_refused_answer_that_is_not_shown_is_parked_with_goodays_own_words() {
    let mut world = World::start().await;
    let (id, case) = world.arrives().await;
    world.goodays_fault("/reply", refused());
    world.agent_answers(&case);
    let item = world.parked_with("status_400").await;
    assert!(item.reason.contains("This action is not allowed."), "{}", item.reason);
    assert_eq!(world.received(&id), Vec::<String>::new());
    assert_eq!(world.puts("/reply"), 1);
}

/// The colleague answers after the look before the PUT, in other words.
#[tokio::test]
async fn somebody_was_faster_is_said_and_not_that_goodays_refused() {
    let mut world = World::start().await;
    let (id, case) = world.arrives().await;
    let look = Fault::once(&format!("/responses/{id}"), Act::Slow { ms: 1_500 });
    world.stage.goodays.wire().fault(Fault { method: Some("GET".to_owned()), ..look });
    world.agent_answers(&case);
    let looks = || {
        let all = world.stage.goodays.wire().requests();
        all.iter().any(|r| r.method == "GET" && r.path.ends_with(&id)).then_some(())
    };
    world.holds("the look", looks).await;
    world.stage.goodays.colleague_replies(&id, "We have sent you a voucher.").unwrap();
    let item = world.parked_with("answered_by_other").await;
    assert_eq!(item.response_id.as_deref(), Some(id.as_str()));
    assert_eq!(world.received(&id), ["We have sent you a voucher."]);
}
