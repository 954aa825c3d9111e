//! Counters for alerts exist from the start: an alert on growth needs a first sample.

use std::collections::{BTreeMap, BTreeSet};

use goodays_salesforce::clock::Clock;
use goodays_salesforce::state::{Settings, Store};
use goodays_salesforce::workers::{Allowance, Purpose};
use serde_json::Value;

use super::{House, Plan, answered, house};

const ALERTS: &str = include_str!("../../../deploy/prometheus-alerts.yaml");
const DOOR: &str = include_str!("../../../src/web/webhook.rs");
/// Its labels come from Salesforce, so it has no series before a refusal; the alert counts a series' first value.
const WITHOUT_KNOWN_LABELS: &str = "goodays_salesforce_fields_refused_total";

fn names(text: &str) -> BTreeSet<&str> {
    let is_name = |c: char| c.is_ascii_lowercase() || c == '_';
    let starts = text.match_indices("goodays_salesforce_").map(|(at, _)| &text[at..]);
    starts.map(|rest| &rest[..rest.find(|c| !is_name(c)).unwrap_or(rest.len())]).collect()
}

#[tokio::test]
async fn f01_every_metric_of_the_alerts_is_there_before_any_traffic() {
    let house = house().await;
    let text = house.metrics().await;
    let named = names(ALERTS);
    assert!(named.len() > 15, "{named:?}");
    for name in named.into_iter().filter(|name| *name != WITHOUT_KNOWN_LABELS) {
        let lines: Vec<&str> = text.lines().filter(|line| line.starts_with(name)).collect();
        assert!(!lines.is_empty(), "{name} is not there\n{text}");
        if name.ends_with("_total") {
            assert!(lines.iter().all(|line| line.ends_with(" 0")), "{lines:?}");
        }
    }
}

/// An outcome that is added to the webhook listener must be added to the counters, too.
#[tokio::test]
async fn f01_every_answer_of_the_webhooks_door_is_counted_from_0() {
    let text = house().await.metrics().await;
    let named = DOOR.split("fn name(&self)").nth(1).unwrap().split("\n    }").next().unwrap();
    let outcomes: Vec<&str> = named.split('"').skip(1).step_by(2).collect();
    assert!(outcomes.len() >= 12, "{outcomes:?}");
    for outcome in outcomes {
        let line = format!("goodays_salesforce_webhooks_total{{outcome=\"{outcome}\"}} 0");
        assert!(text.lines().any(|found| found == line), "{line}");
    }
    for line in [
        "goodays_salesforce_events_total{outcome=\"created\"} 0",
        "goodays_salesforce_actions_total{action=\"answer\",outcome=\"delivered\"} 0",
        "goodays_salesforce_remote_seconds_count{remote=\"goodays\",outcome=\"ok\"} 0",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
    }
}

/// Without a sweep nothing calls Goodays until an agent acts. That is not a fault.
#[tokio::test]
async fn f01_goodays_is_up_until_a_call_fails() {
    let house = house().await;
    assert!(house.metrics().await.contains("goodays_salesforce_goodays_up 1\n"));
    let failure = goodays_salesforce::http::Failure::login("bad_token", "Set goodays.token.");
    house.shared.goodays_breaker.failed(&failure, 0);
    assert!(house.metrics().await.contains("goodays_salesforce_goodays_up 0\n"));
}

/// A daemon that has made this many calls to Salesforce in this hour.
async fn after(calls: u64) -> House {
    let dir = tempfile::tempdir().unwrap();
    let config = Plan::default().config(dir.path());
    let store = Store::open(&config.state.path, Settings::default()).unwrap();
    let hour = Clock::System.now_ms() / 3_600_000;
    store.set_meta("calls", &BTreeMap::from([(hour, calls)])).await.unwrap();
    store.durable().await.unwrap();
    drop(store);
    Plan::default().build_in(dir).await
}

/// Reported exactly while polls are stopped. The alert's numbers are the same.
#[tokio::test]
async fn f03_polls_that_stopped_for_the_budget_are_told() {
    for (calls, stopped) in [(17_999, false), (18_000, true)] {
        let house = after(calls).await;
        let said: Value = answered(house.get("/status")).await.1;
        assert_eq!(said["poll"]["stopped_by_budget"], stopped, "{said}");
        assert_eq!(said["salesforce"]["api_calls_today"], calls);
        let asked = house.shared.budget.ask(Clock::System.now_ms(), Purpose::Poll).await.unwrap();
        assert_eq!(matches!(asked, Allowance::Exhausted { .. }), stopped);
    }
}
