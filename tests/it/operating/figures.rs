//! Figures for people: how long the way takes, and what Goodays measures.

use goodays_salesforce::sim::goodays::Feedback;
use goodays_salesforce::sim::wire::{Act, Fault};
use serde_json::Value;

use crate::world::World;

async fn read(world: &World, path: &str) -> String {
    let url = format!("http://{}{path}", world.app().doors.admin_addr());
    let http = goodays_salesforce::http::client(std::time::Duration::from_secs(30));
    http.get(url).send().await.unwrap().text().await.unwrap()
}

async fn figures(world: &World) -> Value {
    let status: Value = serde_json::from_str(&read(world, "/status").await).unwrap();
    status["figures"].clone()
}

#[tokio::test]
async fn our_own_way_and_goodays_figures_are_told() {
    let world = World::start().await;
    assert_eq!(figures(&world).await["feedback_to_case"], Value::Null);
    world.replied().await;
    world.arrives(Feedback::default()).await;
    world.app().shared.read_figures().await;
    let told = figures(&world).await;
    assert_eq!((&told["feedback_to_case"]["of"], &told["agent_to_goodays"]["of"]), (&2.into(), &1.into()));
    for way in ["feedback_to_case", "agent_to_goodays"] {
        let (median, p90) = (&told[way]["median_seconds"], &told[way]["p90_seconds"]);
        assert!(median.as_f64() <= p90.as_f64() && p90.as_f64() < Some(30.0), "{told}");
    }
    assert_eq!(told["goodays"]["reply_rate"], 50.0);
    assert!(told["goodays_read"].is_string() && told["goodays_missing"].is_null());
    let metrics = read(&world, "/metrics").await;
    for line in [
        "goodays_salesforce_case_seconds_count 2",
        "goodays_salesforce_delivery_seconds_count 1",
        "goodays_salesforce_goodays_relationship{figure=\"reply_rate\"} 50.0",
        "goodays_salesforce_unprocessed_dashboard 1",
    ] {
        assert!(metrics.lines().any(|one| one == line), "{line}\n{metrics}");
    }
    assert!(!metrics.contains("reply_quality"), "a figure that Goodays does not give is absent");
}

#[tokio::test]
async fn an_account_without_statistics_goes_on_and_it_is_said_once() {
    let world = World::start().await;
    let refused = Act::Answer {
        status: 403,
        body: r#"{"detail":"You do not have permission to perform this action."}"#.to_owned(),
        content_type: None,
        headers: [].into(),
    };
    world.goodays.wire().fault(Fault { times: None, ..Fault::once("/stats/relationship", refused) });
    for _ in 0..3 {
        world.app().shared.read_figures().await;
    }
    let id = world.arrives(Feedback::default()).await;
    world.answers(&id, "We are sorry.").await;
    let told = figures(&world).await;
    assert_eq!((&told["goodays"], &told["goodays_missing"]), (&Value::Null, &"status_403".into()));
    assert!(world.app().shared.goodays_breaker.trouble().is_none());
    let said = world.log().matches("does not give its figures").count();
    assert_eq!(said, 1, "{}", world.log());
    // With the right given, they come at the next reading.
    world.goodays.wire().clear_faults();
    world.app().shared.read_figures().await;
    assert_eq!(figures(&world).await["goodays"]["reply_rate"], 100.0);
    assert!(world.log().contains("Goodays gives its figures"));
}
