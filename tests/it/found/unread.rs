//! Salesforce refuses to show the Case of a conversation that has to be read before it is written.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use goodays_salesforce::sim::wire::{Act, Fault};
use serde_json::json;

use crate::arena::{World, lane};

fn refuses(code: &str) -> Act {
    let body = json!([{ "errorCode": code, "message": "refused" }]).to_string();
    Act::Answer { status: 400, body, content_type: None, headers: BTreeMap::new() }
}

fn refuse_reads(world: &World, code: &str, times: Option<u32>) {
    world.stage.salesforce.wire().fault(Fault { times, ..Fault::once("/queryAll", refuses(code)) });
}

fn reads(world: &World) -> usize {
    let all = world.stage.salesforce.wire().requests();
    all.iter().filter(|seen| seen.path.contains("/queryAll")).count()
}

/// The answer to a write is lost, and its read-back is refused twice in a row: it comes a little later, once.
#[tokio::test]
async fn a_refused_read_back_delays_and_nothing_is_lost_or_twice() {
    join_all(["QUERY_TIMEOUT", "INVALID_QUERY_LOCATOR", "INVALID_FIELD", "SOMETHING_NEW"].map(
        |code| async move {
            let mut world = World::start().await;
            let (id, case) = world.answered().await;
            refuse_reads(&world, code, Some(2));
            world.graph_fault(Act::ResetAfter);
            let text = world.customer_writes(&id);
            world.quiet().await;
            let times = world.comments(&case).iter().filter(|comment| comment.contains(&text)).count();
            assert_eq!((times, reads(&world) >= 3), (1, true), "{code}");
            world.laws_hold().await;
        },
    ))
    .await;
}

/// The others of the same worker do not wait for it.
#[tokio::test]
async fn who_cannot_be_read_holds_nobody_up() {
    let mut world = World::start().await;
    let (id, _) = world.answered().await;
    refuse_reads(&world, "QUERY_TIMEOUT", None);
    world.graph_fault(Act::ResetBefore);
    world.customer_writes(&id);
    world.holds("a refused read", || (reads(&world) > 0).then_some(())).await;
    for _ in 0..2 {
        let mut other = world.leaves();
        while lane(&other) != lane(&id) {
            other = world.leaves();
        }
        world.case(&other).await;
    }
    world.stage.salesforce.wire().clear_faults();
    world.quiet().await;
    world.laws_hold().await;
}
