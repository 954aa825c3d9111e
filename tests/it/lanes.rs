//! Notes for agents of both lanes go out in one call. If it gets no answer, the conversations of both lanes are in
//! doubt. If it hangs, only those conversations wait.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use goodays_salesforce::demo::stage::Stage;
use goodays_salesforce::sim::goodays::Feedback;
use goodays_salesforce::sim::wire::{Act, Fault};
use goodays_salesforce::state::LANES;

use crate::arena::{AGENT, Tuning, World, lane, quick};
use crate::mortal::Mortal;

/// Longer than any test.
const FOR_EVER: u64 = 600_000;
const GRAPH: &str = "/composite/graph";

/// Leaves feedback until each lane has a conversation. Returns one of each lane, by lane.
fn one_of_each_lane(mut leaves: impl FnMut() -> String) -> Vec<String> {
    let mut found = BTreeMap::new();
    while found.len() < usize::from(LANES) {
        let id = leaves();
        found.entry(lane(&id)).or_insert(id);
    }
    found.into_values().collect()
}

/// Without polls: an answer to each, which one poll will see, and a fault for the call that writes their notes.
fn answer_all(stage: &Stage, ids: &[String], act: Act) {
    for id in ids {
        stage.salesforce.agent_comments(id, &format!("An answer to {id}"), true, AGENT).unwrap();
    }
    stage.salesforce.wire().clear_requests();
    stage.salesforce.wire().fault(Fault::once(GRAPH, act));
}

fn told(stage: &Stage, ids: &[String]) -> bool {
    let status = |id| stage.salesforce.case_by_key(id).unwrap()["Goodays_Sync_Status__c"].clone();
    ids.iter().all(|id| status(id) == "Sent: public reply")
}

/// Asserts that one call wrote the notes of all, and that all were read back before the next one.
fn all_were_read_back(stage: &Stage, ids: &[String], what: &str) {
    let requests = stage.salesforce.wire().requests();
    let writes: Vec<usize> = (0..requests.len()).filter(|n| requests[*n].path.ends_with(GRAPH)).collect();
    let cases: Vec<_> =
        ids.iter().map(|id| stage.salesforce.case_by_key(id).unwrap()["Id"].clone()).collect();
    let first = &requests[writes[0]].body;
    assert!(cases.iter().all(|case| first.contains(case.as_str().unwrap())), "{what}: not one call");
    let next = writes.get(1).copied().unwrap_or(requests.len());
    let read = |id: &String| {
        let reads = requests[writes[0]..next].iter().filter(|seen| seen.path.ends_with("/queryAll"));
        reads.into_iter().any(|seen| seen.query.contains(id.as_str()))
    };
    assert!(ids.iter().all(read), "{what}: not read back");
}

/// A world in which each lane has a conversation, and the daemon is stopped.
async fn resting(tuning: Tuning) -> (World, Vec<String>) {
    let mut world = World::with(tuning).await;
    let ids = one_of_each_lane(|| world.leaves());
    world.quiet().await;
    world.stage.stop_daemon().await;
    (world, ids)
}

#[tokio::test]
async fn a_call_without_an_answer_is_in_doubt_for_both_lanes() {
    let lost = [Act::ResetBefore, Act::ResetAfter, Act::Truncate, Act::CommitLater { ms: 150 }];
    join_all(lost.map(|act| async move {
        let (mut world, ids) = resting(quick()).await;
        answer_all(&world.stage, &ids, act.clone());
        world.stage.start_daemon().await.unwrap();
        world.holds("both are told", || told(&world.stage, &ids).then_some(())).await;
        world.quiet().await;
        all_were_read_back(&world.stage, &ids, &format!("{act:?}"));
        assert!(ids.iter().all(|id| world.received(id).len() == 1), "{act:?}");
        assert_eq!(world.graphs(), 2, "{act:?}");
        world.laws_hold().await;
        assert_eq!(world.parked().await, [], "{act:?}");
    }))
    .await;
}

#[tokio::test]
async fn a_kill_during_a_call_leaves_it_in_doubt_for_both_lanes() {
    let open = [Act::HangBefore { ms: FOR_EVER }, Act::HangAfter { ms: FOR_EVER }];
    join_all(open.map(|act| async move {
        let mortal = Mortal::new(quick()).await;
        mortal.live(|_, _| true).await;
        let ids = one_of_each_lane(|| mortal.stage.goodays.customer_leaves(Feedback::default()));
        mortal.rest().await.unwrap();
        mortal.stop().await.unwrap();
        answer_all(&mortal.stage, &ids, act.clone());
        mortal.live(|_, _| true).await;
        let under_way = || mortal.stage.salesforce.wire().under_way("POST", GRAPH) == 1;
        mortal.until("the call is under way", under_way).await.unwrap();
        mortal.kill().await;
        mortal.live(|_, _| true).await;
        mortal.until("both are told", || told(&mortal.stage, &ids)).await.unwrap();
        mortal.rest().await.unwrap();
        all_were_read_back(&mortal.stage, &ids, &format!("{act:?}"));
        let breaches = mortal.breaches(&|_| 0);
        assert!(breaches.is_empty(), "{act:?}: {}\n{}", breaches.join("\n"), mortal.account());
        mortal.stop().await.unwrap();
    }))
    .await;
}

/// The lane that lent a conversation continues with its others. The lent one waits, so that its order is kept.
#[tokio::test]
async fn a_call_that_hangs_holds_up_the_conversations_in_it_and_no_other_of_the_lane_that_lent_them() {
    let (mut world, ids) = resting(quick()).await;
    answer_all(&world.stage, &ids, Act::HangAfter { ms: FOR_EVER });
    world.stage.start_daemon().await.unwrap();
    let under_way = |world: &World| world.stage.salesforce.wire().under_way("POST", GRAPH);
    world.holds("the call hangs", || (under_way(&world) == 1).then_some(())).await;
    for id in &ids {
        world.customer_writes(id);
    }
    world.stage.goodays.webhooks_sent().await;
    let others = one_of_each_lane(|| world.leaves());
    let case = |id: &String| world.stage.salesforce.case_by_key(id);
    world.holds("a Case", || others.iter().find_map(case)).await;
    // The customers wrote before that Case's feedback was left.
    let comments = || ids.iter().map(|id| world.comments(case(id).unwrap()["Id"].as_str().unwrap()).len());
    assert_eq!(comments().collect::<Vec<_>>(), [1, 1]);
    assert!(world.stage.stop_daemon().await);
    world.stage.start_daemon().await.unwrap();
    world.quiet().await;
    world.laws_hold().await;
    assert_eq!(world.parked().await, []);
}
