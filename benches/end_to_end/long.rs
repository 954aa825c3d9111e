//! Longer measurements: a long outage, pruning under load, and the way back from an agent to a customer.

use std::time::{Duration, Instant};

use anyhow::Context;
use goodays_salesforce::clock::Clock;
use goodays_salesforce::goodays::ResponseId;
use goodays_salesforce::state::{EntryState, Receipt, Settings, Store};
use serde_json::json;

use crate::database::Database;
use crate::load::{Acknowledged, event, per_second, post, quantile};
use crate::org::Org;
use crate::report::Row;
use crate::scenes::{CONNECTIONS, LOOK, Scenes, requests, row, share};
use crate::target::{Kind, Target};

/// How many requests are built at a time: those of a day do not fit into memory.
const AHEAD: usize = 10_000;
/// Finished events that wait to be pruned.
const OLD: usize = 20_000;
const DAY_MS: i64 = 24 * 3_600_000;
/// Answers of agents, in sequence.
const ANSWERS: usize = 40;
const INTERVAL_MS: u64 = 400;

impl Scenes {
    /// Many events while Salesforce is down, then it is available again; on either store.
    pub async fn outage(&self, events: usize) -> anyhow::Result<Vec<Row>> {
        let org = Org::start().await?;
        let target = Target::start(Kind::Ours, &org, &self.peers).await?;
        let mut rows = outage_of(Kind::Ours, org, target, &Target::disk, events).await?;
        if let Some(database) = Database::start()? {
            let org = Org::start().await?;
            let target = database.target("outage", &org).await?;
            rows.extend(outage_of(Kind::OnPostgres, org, target, &|_| database.disk(), events).await?);
        }
        Ok(rows)
    }

    /// The same load on a state of finished events: recent ones, and ones that are being pruned.
    pub async fn pruning(&self) -> anyhow::Result<Vec<Row>> {
        let old = if self.quick { OLD / 20 } else { OLD };
        let mut rows = Vec::new();
        for (what, age_ms) in [("nothing to prune", 0), ("beside pruning", 8 * DAY_MS)] {
            let mut row = row(what, Kind::Ours, 0, self.events);
            let mut org = Org::start().await?;
            let dir = crate::process::folder()?;
            done(&dir.path().join("state"), old, age_ms).await.context("the state cannot be made")?;
            let target = Target::start_in(dir, Kind::Ours, &org, &self.peers).await?;
            org.go_down().await?;
            row.acknowledged(&post(target.addr, requests(0, self.events), CONNECTIONS).await?);
            row.process(&target.process, target.disk());
            rows.push(row);
        }
        Ok(rows)
    }

    /// From an agent's comment to the customer, polling every [`INTERVAL_MS`].
    pub async fn way_back(&self, latency_ms: u64) -> anyhow::Result<Row> {
        let answers = if self.quick { 3 } else { ANSWERS };
        let mut row = row("an agent's answer", Kind::Ours, latency_ms, answers);
        let mut org = Org::start().await?;
        let target = Target::ours(&org, &format!("poll: {{ interval: {INTERVAL_MS}ms }}\n")).await?;
        let url = format!("http://{}/webhooks/goodays", target.addr);
        let line = json!({"url": url, "secret": crate::load::SECRET});
        org.ask_goodays("POST webhook", &line).await?;
        org.tell("latency", &json!({"ms": latency_ms})).await?;
        org.ask_goodays("POST latency", &json!({"ms": latency_ms})).await?;
        let mut times = Vec::new();
        for number in 1..=answers {
            let left = org.ask_goodays("POST responses", &json!({})).await?;
            let id = left["id"].as_str().context("a response")?.to_owned();
            while org.count("Case").await? < number {
                tokio::time::sleep(LOOK).await;
            }
            // Spread over the interval, so that the phase of the poll does not matter.
            tokio::time::sleep(Duration::from_millis(number as u64 * 37 % INTERVAL_MS)).await;
            let comment = json!({"response_id": id, "body": "Thank you for telling us."});
            org.tell("agent/comment", &comment).await?;
            let began = Instant::now();
            let received = format!("GET received/{id}");
            while org.ask_goodays(&received, &json!({})).await?.as_array().is_none_or(Vec::is_empty) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            times.push(began.elapsed());
        }
        times.sort_unstable();
        row.back_p50_ms = Some(quantile(&times, 0.5));
        row.back_worst_ms = Some(quantile(&times, 1.0));
        row.process(&target.process, target.disk());
        Ok(row)
    }
}

/// Memory and disk are measured before and after the drain.
async fn outage_of(
    kind: Kind,
    mut org: Org,
    target: Target,
    disk: &dyn Fn(&Target) -> u64,
    events: usize,
) -> anyhow::Result<Vec<Row>> {
    org.go_down().await?;
    let mut taken = row("long outage, taken in", kind, 0, events);
    let mut all = Acknowledged { took: Duration::ZERO, latencies: Vec::new() };
    for from in (0..events).step_by(AHEAD) {
        let ack = post(target.addr, requests(from, AHEAD.min(events - from)), CONNECTIONS).await?;
        all.took += ack.took;
        all.latencies.extend(ack.latencies);
    }
    all.latencies.sort_unstable();
    taken.acknowledged(&all);
    taken.process(&target.process, disk(&target));
    taken.memory_mb = Some(target.process.memory_mb());
    target.process.forget_peak()?;
    let mut drained = row("long outage, drained", kind, 0, events);
    let (calls, cpu_ms) = (org.calls().await?, target.process.cpu_ms());
    org.come_up().await?;
    while org.calls().await? == calls {
        tokio::time::sleep(LOOK).await;
    }
    let began = Instant::now();
    org.holds(events, 20 * LOOK).await?;
    drained.events_per_s = Some(per_second(events, began.elapsed()));
    drained.calls_per_event = Some(share(org.calls().await? - calls, events));
    drained.process(&target.process, disk(&target));
    drained.memory_mb = Some(target.process.memory_mb());
    drained.cpu_ms_per_event = Some(share(target.process.cpu_ms() - cpu_ms, events));
    Ok(vec![taken, drained])
}

/// A state with `count` finished events that are `age_ms` old.
async fn done(state: &std::path::Path, count: usize, age_ms: i64) -> anyhow::Result<()> {
    std::fs::create_dir_all(state)?;
    let store = Store::open(state, Settings::default())?;
    let then_ms = Clock::System.now_ms() - age_ms;
    for number in 0..count {
        let id = ResponseId::new(format!("old{number}"))?;
        let body = event(number).replace("bench", "old");
        let receipt = store.accept(body.as_bytes(), "message", &Ok(id.clone()), then_ms).await?;
        anyhow::ensure!(matches!(receipt, Receipt::Accepted { .. }), "not accepted");
        let state = EntryState::Done { at_ms: then_ms, how: "created".to_owned(), course: None };
        store
            .change(&id, then_ms, |loaded| {
                let waiting = loaded.waiting.entries.clone();
                loaded.end_events(&waiting, &state)
            })
            .await?;
    }
    store.close()?;
    Ok(())
}
