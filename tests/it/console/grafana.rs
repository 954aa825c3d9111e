//! The shipped dashboard shows metrics that exist.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Browser;
use crate::world::World;

const PREFIX: &str = "goodays_salesforce_";

/// The names of our metrics in a query.
fn named(query: &str) -> BTreeSet<String> {
    let part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let found = query.match_indices(PREFIX).filter_map(|(at, _)| query[at..].split(|c| !part(c)).next());
    found.map(str::to_owned).collect()
}

#[tokio::test]
async fn every_panel_of_the_dashboard_shows_a_metric_that_exists() {
    let world = World::start().await;
    // A counter with labels is shown once something was counted.
    world.app().shared.metrics.field("Subject", "SHORTENED");
    let text = Browser::new(&world.stage).open("/metrics").await.html;
    let lines = text.lines().filter_map(|line| line.split([' ', '{']).next());
    let known: BTreeSet<&str> = lines.filter(|name| !name.starts_with('#')).collect();
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/grafana-dashboard.json");
    let dashboard: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    assert!(panels.len() > 10);
    for panel in panels {
        for target in panel["targets"].as_array().unwrap() {
            let query = target["expr"].as_str().unwrap();
            let names = named(query);
            assert!(!names.is_empty(), "{query} names no metric");
            for name in names {
                assert!(known.contains(name.as_str()), "{}: no metric {name}", panel["title"]);
            }
        }
    }
}
