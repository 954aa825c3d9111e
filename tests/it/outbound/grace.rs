//! Rule 7: close, spam and call go only when a poll has shown that no answer was given with them, and that nobody took
//! them back.

use goodays_salesforce::demo::stage::{Stage, Tuning, until};
use goodays_salesforce::sim::goodays::Feedback;
use serde_json::json;

use crate::arena::{AGENT, PATIENCE, World};

/// Polls are farther apart than the grace is long.
fn slow_polls() -> Tuning {
    Tuning { poll_ms: 4_000, close_grace_ms: 1_000, settle_ms: 400, ..Tuning::default() }
}

fn is_seen(world: &World) -> Option<()> {
    let store = &world.stage.app().shared.store;
    let open = crate::now(store.all_open_intents()).unwrap();
    (!open.is_empty()).then_some(())
}

#[tokio::test]
async fn an_answer_given_after_a_close_was_seen_goes_before_it() {
    let mut world = World::with(slow_polls()).await;
    let (id, case) = world.arrives().await;
    world.agent_sets(&case, json!({ "Status": "Closed" }));
    world.holds("the close is seen", || is_seen(&world)).await;
    let text = world.agent_answers(&case);
    world.receives(&id, &text).await;
    world.quiet().await;
    assert_eq!((world.puts("/reply"), world.puts("/close"), world.parked().await.len()), (1, 0, 0));
}

#[tokio::test]
async fn a_close_that_is_taken_back_within_its_grace_does_not_go() {
    let mut world = World::with(slow_polls()).await;
    let (_, case) = world.arrives().await;
    for status in ["Closed", "Spam", "Closed by phone"] {
        world.agent_sets(&case, json!({ "Status": status }));
        world.holds("it is seen", || is_seen(&world)).await;
        world.agent_sets(&case, json!({ "Status": "New" }));
        world.quiet().await;
    }
    let puts = world.stage.goodays.wire().requests().iter().filter(|seen| seen.method == "PUT").count();
    assert_eq!(puts, 0);
}

/// The next regular poll is an hour away.
#[tokio::test]
async fn a_close_costs_at_most_one_poll_of_its_own() {
    let mut stage = Stage::start(Tuning { poll_ms: 3_600_000, ..slow_polls() }).await.unwrap();
    let ids: Vec<String> = (0..5).map(|_| stage.goodays.customer_leaves(Feedback::default())).collect();
    let cases = || ids.iter().all(|id| stage.salesforce.case_by_key(id).is_some()).then_some(());
    until(PATIENCE, cases).await.unwrap();
    stage.stop_daemon().await;
    for id in &ids {
        stage.salesforce.agent_updates_case(id, json!({ "Status": "Closed" }), AGENT).unwrap();
    }
    stage.salesforce.wire().clear_requests();
    // The first poll sees all of them; one more shows that nothing was given with them.
    stage.start_daemon().await.unwrap();
    let closed = || ids.iter().all(|id| !stage.goodays.processed(id).is_empty()).then_some(());
    until(PATIENCE, closed).await.unwrap();
    let requests = stage.salesforce.wire().requests();
    let polls = requests.iter().filter(|seen| seen.path.ends_with("/composite")).count();
    assert_eq!(polls, 2);
    stage.stop_daemon().await;
}
