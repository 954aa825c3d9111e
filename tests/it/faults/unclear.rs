//! Law 5: an outcome that reading back cannot decide is shown to a human, not guessed.

use std::collections::BTreeMap;

use goodays_salesforce::operator::{IfUnclear, ItemId, Outcome};
use goodays_salesforce::sim::wire::{Act, Fault};
use serde_json::json;

use crate::arena::{Tuning, World, quick};
use crate::now;

/// An answer with an unknown outcome, for a response that Goodays does not show when it is read back.
async fn unclear(world: &mut World, put: Act) -> (String, String, ItemId) {
    let (id, case) = world.arrives().await;
    world.goodays_fault("reply", put);
    let gone = Act::Answer {
        status: 404,
        body: r#"{"detail":"Not found."}"#.to_owned(),
        content_type: None,
        headers: BTreeMap::new(),
    };
    world.stage.goodays.wire().fault(Fault {
        method: Some("GET".to_owned()),
        // The look before the action works, those after it fail: one refusal may be a moment's.
        skip: 1,
        times: Some(4),
        ..Fault::once(&format!("/responses/{id}"), gone)
    });
    let text = world.agent_answers(&case);
    let item = world.parked_with("unclear").await;
    assert_eq!((item.state, item.response_id.as_deref()), ("unclear", Some(id.as_str())));
    assert!(!item.reason.is_empty());
    world.quiet().await;
    let told = world.stage.salesforce.case_by_key(&id).unwrap();
    assert_eq!(told["Goodays_Sync_Status__c"], json!("Unclear: please check in Goodays"));
    (id, text, item.id)
}

/// Goodays is looked at again after `settle`, and that look must not come while the test asserts what was told before it.
async fn patient() -> World {
    World::with(Tuning { settle_ms: 5_000, ..quick() }).await
}

#[tokio::test]
async fn something_unclear_that_arrived_is_never_sent_again() {
    let mut world = patient().await;
    let (id, text, item) = unclear(&mut world, Act::ResetAfter).await;
    assert_eq!(world.stage.app().shared.retry(item, IfUnclear::SendAgain).await.unwrap(), Outcome::Arrived);
    world.quiet().await;
    assert_eq!(world.received(&id), [text]);
    assert_eq!(world.puts("/reply"), 1);
    assert_eq!(world.parked().await, []);
    world.laws_hold().await;
}

#[tokio::test]
async fn something_unclear_that_did_not_arrive_is_sent_when_a_human_says_so() {
    let mut world = patient().await;
    let (id, text, item) = unclear(&mut world, Act::ResetBefore).await;
    assert_eq!(world.stage.app().shared.retry(item, IfUnclear::Confirm).await.unwrap(), Outcome::Confirm);
    world.quiet().await;
    assert_eq!(world.received(&id), Vec::<String>::new());
    assert_eq!(world.stage.app().shared.retry(item, IfUnclear::SendAgain).await.unwrap(), Outcome::Done);
    world.receives(&id, &text).await;
    world.quiet().await;
    assert_eq!(world.received(&id), [text]);
    world.laws_hold().await;
}

/// Customers' messages do not wait for an unclear answer (design, rule 4). A webhook may settle it.
#[tokio::test]
async fn what_is_unclear_holds_nobody_else_up() {
    let mut world = patient().await;
    let (id, text, _) = unclear(&mut world, Act::ResetAfter).await;
    let words = world.customer_writes(&id);
    let case = world.case(&id).await;
    world.holds("the comment", || world.comments(&case).iter().find(|c| c.contains(&words)).cloned()).await;
    world.holds("settled by what Goodays tells", || now(world.parked()).is_empty().then_some(())).await;
    world.quiet().await;
    assert_eq!(world.received(&id), [text]);
    world.laws_hold().await;
}

/// Both remotes take what they are sent, and neither answer arrives. An event shows our answer, the call that notes so on
/// the Case is lost, and then the Case is read back: its marker has the answer's id, and the action is still open.
#[tokio::test]
async fn an_answer_whose_id_is_known_from_a_lost_call_is_not_sent_again() {
    let mut world = World::start().await;
    let (id, case) = world.answered().await;
    let before = world.customer_writes(&id);
    world.holds("its comment", || world.comments(&case).iter().find(|c| c.contains(&before)).cloned()).await;
    world.quiet().await;
    let mut expected = world.received(&id);
    world.goodays_fault("message", Act::ResetAfter);
    world.stage.goodays.wire().fault(Fault {
        method: Some("GET".to_owned()),
        skip: 1,
        times: None,
        ..Fault::once("/responses/", Act::ResetBefore)
    });
    world.graph_fault(Act::ResetAfter);
    let text = world.agent_answers(&case);
    world.receives(&id, &text).await;
    world.stage.goodays.webhooks_sent().await;
    // Only now Goodays takes another message, which is what a repetition needs.
    let after = world.customer_writes(&id);
    world.holds("its comment", || world.comments(&case).iter().find(|c| c.contains(&after)).cloned()).await;
    world
        .holds("no event waits", || {
            let shared = &world.stage.app().shared;
            (shared.counts.pending.load(std::sync::atomic::Ordering::SeqCst) == 0).then_some(())
        })
        .await;
    world.stage.goodays.wire().clear_faults();
    world.quiet().await;
    expected.push(text);
    assert_eq!(world.received(&id), expected);
    assert_eq!(world.parked().await, []);
    world.laws_hold().await;
}

/// The read-back fails for a while: the action waits, and is never sent without it.
#[tokio::test]
async fn a_read_back_that_fails_for_a_while_delays_and_nothing_else() {
    for put in [Act::ResetAfter, Act::ResetBefore] {
        let mut world = World::start().await;
        let (id, case) = world.arrives().await;
        world.goodays_fault("reply", put);
        world.stage.goodays.wire().fault(Fault {
            method: Some("GET".to_owned()),
            skip: 1,
            times: Some(3),
            ..Fault::once("/responses/", Act::ResetBefore)
        });
        let text = world.agent_answers(&case);
        world.receives(&id, &text).await;
        world.quiet().await;
        assert_eq!(world.received(&id), [text]);
        assert_eq!(world.parked().await, []);
        world.laws_hold().await;
    }
}

/// Goodays shows our message late, but within `settle`: it is not sent twice.
#[tokio::test]
async fn a_message_that_is_shown_late_is_not_sent_twice() {
    let mut world = World::start().await;
    let (id, case) = world.arrives().await;
    world.stage.goodays.set_switches(|s| {
        s.visible_after_ms = 300;
        s.whole_response_late = true;
    });
    world.goodays_fault("reply", Act::ResetAfter);
    let text = world.agent_answers(&case);
    world.receives(&id, &text).await;
    world.quiet().await;
    assert_eq!(world.received(&id), [text]);
    assert_eq!(world.puts("/reply"), 1);
    world.laws_hold().await;
}

/// A message that is not shown yet may still appear within `settle`. No second PUT is sent before that.
#[tokio::test]
async fn a_commit_within_settle_is_waited_for() {
    let mut world = World::with(Tuning { settle_ms: 2500, ..quick() }).await;
    let (id, case) = world.arrives().await;
    world.goodays_fault("reply", Act::CommitLater { ms: 2000 });
    let text = world.agent_answers(&case);
    world.receives(&id, &text).await;
    world.quiet().await;
    assert_eq!(world.parked().await, []);
    assert_eq!(world.received(&id), [text]);
    assert_eq!(world.puts("/reply"), 1);
    world.laws_hold().await;
}

/// A look that began too early proves nothing, however late its answer comes (design, rule 2).
#[tokio::test]
async fn a_slow_read_back_is_as_old_as_its_beginning() {
    let mut world = World::with(Tuning { settle_ms: 2000, ..quick() }).await;
    let (id, case) = world.arrives().await;
    world.goodays_fault("reply", Act::CommitLater { ms: 1600 });
    world.stage.goodays.wire().fault(Fault {
        method: Some("GET".to_owned()),
        skip: 1,
        ..Fault::once("/responses/", Act::Slow { ms: 3000 })
    });
    let text = world.agent_answers(&case);
    world.receives(&id, &text).await;
    world.quiet().await;
    assert_eq!(world.parked().await, []);
    assert_eq!(world.received(&id), [text]);
    assert_eq!(world.puts("/reply"), 1);
    world.laws_hold().await;
}

/// Goodays fails to show one response. Only that response waits: the others' answers are sent meanwhile.
#[tokio::test]
async fn a_response_that_cannot_be_read_is_asked_for_less_and_less() {
    let mut world = World::start().await;
    let (id, case) = world.arrives().await;
    let broken = Act::Answer {
        status: 500,
        body: "<html>".to_owned(),
        content_type: Some("text/html".to_owned()),
        headers: BTreeMap::new(),
    };
    let path = format!("/responses/{id}");
    world.stage.goodays.wire().fault(Fault { times: None, ..Fault::once(&path, broken) });
    let text = world.agent_answers(&case);
    let looks = |world: &World| -> Vec<i64> {
        let seen = world.stage.goodays.wire().requests();
        seen.iter().filter(|r| r.method == "GET" && r.path.contains(&path)).map(|r| r.at_ms).collect()
    };
    // Each sent answer shows that Goodays works.
    while looks(&world).len() < 5 {
        let (other, case) = world.arrives().await;
        let text = world.agent_answers(&case);
        world.receives(&other, &text).await;
    }
    let at_ms = looks(&world);
    // Half a second, one, two and four, each shortened by a third at most.
    assert!(at_ms[4] - at_ms[0] >= 5000, "{at_ms:?}");
    world.stage.goodays.wire().clear_faults();
    world.receives(&id, &text).await;
    world.quiet().await;
    world.laws_hold().await;
}
