//! Law 11: few calls for much work.

use goodays_salesforce::sim::goodays::Feedback;
use goodays_salesforce::sim::wire::Fault;
use serde_json::{Value, json};

use super::together::refusal;
use crate::world::{World, words};

#[tokio::test]
async fn a_backlog_of_500_events_costs_few_calls() {
    let world = World::start().await;
    let sample = world.arrives(words("The first one.")).await;
    let sample: Value = serde_json::from_slice(&world.goodays.event_body(&sample, "response")).unwrap();
    world.salesforce.wire().fault(Fault { times: None, ..Fault::once("/composite/graph", refusal(420, "")) });
    let posts = (0..500).map(|n| {
        let mut event = sample.clone();
        event["response"]["id"] = json!(format!("backlog{n}"));
        event
    });
    let posts = posts.map(|event| {
        let world = &world;
        async move { assert_eq!(world.post(&event).await.0, 200) }
    });
    futures_util::future::join_all(posts).await;
    world.salesforce.wire().clear_faults();
    world.salesforce.wire().clear_requests();
    world.settle().await;
    assert_eq!(world.salesforce.records("Case").len(), 501);
    let writes = world.writes().len();
    assert!(writes <= 10, "{writes} calls for 500 events");
    let all = world.salesforce.wire().requests().len() - world.polls();
    assert_eq!(all, writes, "nothing but writes");
}

#[tokio::test]
async fn an_idle_poll_is_one_call() {
    let world = World::start().await;
    world.replied().await;
    world.salesforce.wire().clear_requests();
    let before = world.salesforce.api_calls();
    world.polled().await;
    world.polled().await;
    let polls = world.polls() as u64;
    assert!(polls >= 2);
    assert_eq!(world.salesforce.wire().requests().len() as u64, polls);
    assert!(world.salesforce.api_calls() - before <= polls + 1);
}

#[tokio::test]
async fn what_agents_are_told_after_one_poll_is_one_write() {
    let world = World::start().await;
    let ids: Vec<String> = (0..12).map(|_| world.customer_leaves(Feedback::default())).collect();
    world.settle().await;
    world.salesforce.wire().clear_requests();
    // One poll shows all of them.
    world.polled().await;
    for id in &ids {
        world.agent_comments(id, "The same to everybody.");
    }
    world.settle().await;
    for id in &ids {
        assert_eq!(world.received(id).len(), 1);
        assert_eq!(world.told(id).0, "Sent: public reply");
    }
    assert_eq!(world.writes().len(), 1);
}
