//! The measurements.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use goodays_salesforce::decide::{CaseRef, Freshness, Link, MessageOrigin, hash64};
use goodays_salesforce::goodays::{MessageId, ResponseId};
use goodays_salesforce::salesforce::RecordId;
use goodays_salesforce::state::engine::{Tx, keys};
use goodays_salesforce::state::{RKey, Settings, Store};
use goodays_salesforce::time::GoodaysTime;
use serde_json::json;

use crate::load::{Acknowledged, Line, per_second, post, quantile, request};
use crate::org::Org;
use crate::process::folder;
use crate::report::Row;
use crate::target::{Kind, Target};

/// Connections of the load. Each sends the next request when it has an answer.
pub const CONNECTIONS: usize = 64;
/// Rounds of the server comparison. The median is reported.
pub const ROUNDS: usize = 5;
/// The interval between queries of the simulator's progress.
pub const LOOK: Duration = Duration::from_millis(5);

pub struct Scenes {
    pub events: usize,
    pub quick: bool,
    pub peers: PathBuf,
}

/// Requests of the conversations `from..from + count`.
pub fn requests(from: usize, count: usize) -> Arc<Vec<Vec<u8>>> {
    Arc::new((from..from + count).map(request).collect())
}

pub fn row(what: &str, kind: Kind, latency_ms: u64, events: usize) -> Row {
    eprintln!("{what}: {}, {latency_ms} ms, {events} events", kind.name());
    Row { what: what.to_owned(), who: kind.name(), latency_ms, events, ..Row::default() }
}

#[expect(clippy::cast_precision_loss, reason = "counts of a bench")]
pub fn share(part: u64, of: usize) -> f64 {
    part as f64 / of as f64
}

impl Scenes {
    /// The rate of accepted webhooks, in turns with the simple servers, while Salesforce is down.
    pub async fn doors(&self) -> anyhow::Result<Vec<Row>> {
        let kinds = [Kind::Forgets, Kind::Appends, Kind::Sled, Kind::Ours];
        let mut org = Org::start().await?;
        let mut targets = Vec::new();
        for kind in kinds {
            targets.push(Target::start(kind, &org, &self.peers).await?);
        }
        org.go_down().await?;
        let mut rounds: [Vec<Acknowledged>; 4] = Default::default();
        for round in 0..ROUNDS {
            let requests = requests(round * self.events, self.events);
            for (target, results) in targets.iter().zip(&mut rounds) {
                results.push(post(target.addr, requests.clone(), CONNECTIONS).await?);
            }
        }
        let mut rows = Vec::new();
        for ((kind, target), mut results) in kinds.into_iter().zip(&targets).zip(rounds) {
            results.sort_by_key(|ack| ack.took);
            let mut row = row("acknowledge", kind, 0, self.events * ROUNDS);
            row.process(&target.process, target.disk());
            row.acknowledged(&results[ROUNDS / 2]);
            rows.push(row);
        }
        Ok(rows)
    }

    /// Salesforce is down and everything is stored, then Salesforce is available again.
    pub async fn backlog(&self, latency_ms: u64) -> anyhow::Result<Row> {
        let mut org = Org::start().await?;
        let target = Target::start(Kind::Ours, &org, &self.peers).await?;
        self.drain(Kind::Ours, &mut org, &target, latency_ms).await
    }

    /// The same with a target that runs.
    pub async fn drain(
        &self,
        kind: Kind,
        org: &mut Org,
        target: &Target,
        latency_ms: u64,
    ) -> anyhow::Result<Row> {
        let mut row = row("outage, then drain", kind, latency_ms, self.events);
        org.tell("latency", &json!({"ms": latency_ms})).await?;
        org.go_down().await?;
        row.acknowledged(&post(target.addr, requests(0, self.events), CONNECTIONS).await?);
        let calls = org.calls().await?;
        org.come_up().await?;
        // The daemon checks at intervals whether Salesforce is available. That pause is not measured.
        while org.calls().await? == calls {
            tokio::time::sleep(LOOK).await;
        }
        let began = Instant::now();
        org.holds(self.events, LOOK).await?;
        row.events_per_s = Some(per_second(self.events, began.elapsed()));
        row.calls_per_event = Some(share(org.calls().await? - calls, self.events));
        row.process(&target.process, target.disk());
        Ok(row)
    }

    /// As fast as webhooks are accepted, until the last Case exists.
    pub async fn steady(&self, kind: Kind, latency_ms: u64, events: usize) -> anyhow::Result<Row> {
        let mut row = row("steady", kind, latency_ms, events);
        let mut org = Org::start().await?;
        let target = Target::start(kind, &org, &self.peers).await?;
        org.tell("latency", &json!({"ms": latency_ms})).await?;
        let requests = requests(0, events);
        let (calls, cpu_ms) = (org.calls().await?, target.process.cpu_ms());
        let began = Instant::now();
        row.acknowledged(&post(target.addr, requests, CONNECTIONS).await?);
        org.holds(events, LOOK).await?;
        row.events_per_s = Some(per_second(events, began.elapsed()));
        row.calls_per_event = Some(share(org.calls().await? - calls, events));
        row.process(&target.process, target.disk());
        // Without what its start took: n8n takes seconds, before the first event.
        row.cpu_ms_per_event = Some(share(target.process.cpu_ms() - cpu_ms, events));
        Ok(row)
    }

    /// One at a time: the next customer writes when the previous one's Case exists.
    pub async fn trickle(&self, latency_ms: u64) -> anyhow::Result<Row> {
        let events = if latency_ms == 0 && !self.quick { 200 } else { 50 };
        let mut row = row("trickle", Kind::Ours, latency_ms, events);
        let mut org = Org::start().await?;
        let target = Target::start(Kind::Ours, &org, &self.peers).await?;
        org.tell("latency", &json!({"ms": latency_ms})).await?;
        let mut line = Line::open(target.addr).await?;
        let calls = org.calls().await?;
        let (mut acks, mut cases) = (Vec::new(), Vec::new());
        for (number, request) in requests(0, events).iter().enumerate() {
            let began = Instant::now();
            line.ask(request).await?;
            acks.push(began.elapsed());
            org.holds(number + 1, Duration::from_micros(200)).await?;
            cases.push(began.elapsed());
        }
        row.calls_per_event = Some(share(org.calls().await? - calls, events));
        acks.sort_unstable();
        cases.sort_unstable();
        row.acknowledged(&Acknowledged { took: acks.iter().sum(), latencies: acks });
        row.accepted_per_s = None;
        row.case_p50_ms = Some(quantile(&cases, 0.5));
        row.case_p99_ms = Some(quantile(&cases, 0.99));
        row.process(&target.process, target.disk());
        Ok(row)
    }

    /// The cost of many known conversations: start, memory, work per event.
    pub async fn scale(&self, sizes: &[usize]) -> anyhow::Result<Vec<Row>> {
        let mut rows = Vec::new();
        for &size in sizes {
            let mut row = row("steady, many known", Kind::Ours, 0, self.events);
            row.what = format!("{size} known");
            let mut org = Org::start().await?;
            let dir = folder()?;
            know(&dir.path().join("state"), size).await.context("the state cannot be made")?;
            // The first start may compact the new state. The second one is typical.
            let dir = Target::start_in(dir, Kind::Ours, &org, &self.peers).await?.stop();
            let began = Instant::now();
            let target = Target::start_in(dir, Kind::Ours, &org, &self.peers).await?;
            row.start_ms = Some(began.elapsed().as_secs_f64() * 1e3);
            let calls = org.calls().await?;
            let began = Instant::now();
            let cpu_ms = target.process.cpu_ms();
            row.acknowledged(&post(target.addr, requests(0, self.events), CONNECTIONS).await?);
            org.holds(self.events, LOOK).await?;
            row.events_per_s = Some(per_second(self.events, began.elapsed()));
            row.calls_per_event = Some(share(org.calls().await? - calls, self.events));
            row.process(&target.process, target.disk());
            row.cpu_ms_per_event = Some(share(target.process.cpu_ms() - cpu_ms, self.events));
            row.disk_bytes_per_event = Some(share(target.disk(), size + self.events));
            row.written_bytes_per_event = None;
            rows.push(row);
        }
        Ok(rows)
    }
}

/// Fields that the shipped mapping writes and that are not texts of the conversation.
const FIELDS: [&str; 6] =
    ["Description", "Goodays_Next_Action__c", "Subject", "SuppliedEmail", "SuppliedName", "SuppliedPhone"];

/// A state with `count` known conversations, each with its Case, its customer, three messages and the hashes of their
/// events.
async fn know(state: &std::path::Path, count: usize) -> anyhow::Result<()> {
    const GROUP: usize = 500;
    std::fs::create_dir_all(state)?;
    let store = Store::open(state, Settings::default())?;
    for group in (0..count).collect::<Vec<_>>().chunks(GROUP) {
        let (mut ids, mut links, mut hashes) = (Vec::new(), Vec::new(), Tx::default());
        for &number in group {
            let id = ResponseId::new(format!("known{number}"))?;
            let mut link = Link::new(id.clone());
            let case = RecordId::new(&format!("500{number:012}AAA")).context("an id")?;
            link.case = Some(CaseRef { id: case, number: Some(format!("{number:08}")) });
            link.customer = Some(hash64(&format!("known{number}@example.com")));
            for text in 0..3 {
                link.learn(
                    MessageId::new(format!("k{number}x{text}")),
                    Some(GoodaysTime::from_millis(1_700_000_000_000)),
                    MessageOrigin::Imported,
                );
            }
            link.fields =
                FIELDS.iter().map(|name| ((*name).to_owned(), hash64(&format!("{name}{number}")))).collect();
            link.last_seen_fields =
                [("Status".to_owned(), json!("Closed")), ("IsClosed".to_owned(), json!(true))]
                    .into_iter()
                    .collect();
            let at = GoodaysTime::from_millis(1_700_000_000_000);
            link.fresh = Freshness { newest: at, turns: 3, updated: at };
            (link.source, link.mapping) = (Some("google".to_owned()), "a68b463051ba".to_owned());
            let rkey = RKey::of(&id);
            for seq in (3 * number as u64..).take(3) {
                let body = format!("the body of the event {seq}");
                hashes.set(keys::body_hash(Some(rkey), body.as_bytes()), seq.to_be_bytes());
            }
            ids.push(id);
            links.push(link);
        }
        store.engine().expect("it is embedded").transact(&hashes)?;
        store
            .change_many(&ids, 0, |place, loaded| {
                loaded.now.link = Some(links[place].clone());
            })
            .await?;
    }
    store.close()?;
    Ok(())
}
