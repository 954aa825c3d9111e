//! Each step takes a bounded part of the work, and others run in between, for any amount of work (fault D12).

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::join_all;
use goodays_salesforce::decide::IntentState;
use goodays_salesforce::http::Failure;
use serde_json::json;

use crate::arena::{AGENT, Tuning, World, quick};
use crate::now;

/// Feedback that has become Cases, in few calls.
async fn cases(world: &mut World, count: usize) -> Vec<String> {
    let ids: Vec<String> = (0..count).map(|_| world.leaves()).collect();
    world.holds("all Cases", || (world.stage.salesforce.count("Case") >= count).then_some(())).await;
    join_all(ids.iter().map(|id| world.case(id))).await
}

/// The test has one worker thread. Between the rows of one page another task observes the progress.
#[tokio::test]
async fn d12_a_page_of_2000_rows_lets_others_have_their_turn() {
    const CASES: usize = 100;
    const ROWS: usize = 2000;
    let mut world = World::start().await;
    let cases = cases(&mut world, CASES).await;
    world.polled().await;
    let shared = world.stage.app().shared.clone();
    let outage = Failure::Busy {
        reason: "outage".to_owned(),
        retry_after: Some(Duration::from_secs(3600)),
        daily_limit: false,
    };
    shared.goodays_breaker.failed(&outage, shared.clock.now_ms());
    // No other task runs meanwhile, so the next poll reads all of these rows.
    for n in 0..ROWS {
        world
            .stage
            .salesforce
            .agent_comments(&cases[n % CASES], &format!("answer {n}"), true, AGENT)
            .unwrap();
    }
    let watching = tokio::spawn(async move {
        let mut seen = BTreeSet::new();
        loop {
            let waiting = shared.store.figures(10_000).await.unwrap().outbox.pending;
            seen.insert(waiting);
            if waiting == ROWS {
                return seen;
            }
            tokio::task::yield_now().await;
        }
    });
    let seen =
        tokio::time::timeout(crate::arena::PATIENCE, watching).await.expect("all rows are taken in").unwrap();
    assert!(seen.len() >= 20, "others had their turn {} times only", seen.len());
}

/// A waiting action is loaded when its time has come or it has changed, but not when something else happens. The test
/// makes closes due without telling the dispatcher: if it loaded them, it would send them.
#[tokio::test]
async fn d12_held_closes_are_not_loaded_at_each_step() {
    const HELD: usize = 150;
    let mut world = World::with(Tuning { close_grace_ms: 3_600_000, ..quick() }).await;
    for case in cases(&mut world, HELD).await {
        world.agent_sets(&case, json!({ "Status": "Closed" }));
    }
    let store = world.stage.app().shared.store.clone();
    let held = world
        .holds("all are held", || {
            Some(now(store.all_open_intents()).unwrap()).filter(|all| all.len() == HELD)
        })
        .await;
    world.polled().await;
    let now_ms = world.stage.app().shared.clock.now_ms();
    for intent in &held {
        let due = store
            .change(&intent.response_id, now_ms, |loaded| {
                let intent = loaded.now.intent_mut(intent.seq).unwrap();
                (intent.seen_ms, intent.read_ms) = (0, now_ms + 3_600_000);
            })
            .await;
        due.unwrap();
    }
    for _ in 0..5 {
        let (id, case) = world.arrives().await;
        let text = world.agent_answers(&case);
        world.receives(&id, &text).await;
    }
    let mut still = store.all_open_intents().await.unwrap();
    still.retain(|intent| intent.seen_ms == 0 && matches!(intent.state, IntentState::Ready { .. }));
    assert_eq!((still.len(), world.puts("/close")), (HELD, 0));
    // A start loads all of them once, and they are sent.
    assert!(world.stage.stop_daemon().await);
    drop(store);
    world.stage.start_daemon().await.unwrap();
    world.holds("they go", || (world.puts("/close") > 0).then_some(())).await;
}
