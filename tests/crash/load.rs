//! Customers, agents and the network between all parts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use goodays_salesforce::demo::stage::until;
use goodays_salesforce::sim::goodays::{Feedback, Goodays, Options as GoodaysOptions};
use goodays_salesforce::sim::salesforce::{Options as SalesforceOptions, Salesforce};
use goodays_salesforce::sim::wire::{Act, Fault};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::chance::Chance;
use crate::daemon::Daemon;
use crate::judge::Judge;

const SECRET: &str = "crash-secret";
const AGENT: &str = "jennifer.parker@brand.example";
/// The number of conversations at the same time.
const AT_ONCE: usize = 10;
/// The time limit of a step. The judge decides on a conversation that exceeds it.
const STEP: Duration = Duration::from_secs(8);

/// Both remotes, and everything that was written and done so far.
pub struct Field {
    pub goodays: Goodays,
    pub salesforce: Salesforce,
    webhook: std::net::SocketAddr,
    http: reqwest::Client,
    /// Message ids in acknowledged events, by response.
    told: Mutex<BTreeMap<String, BTreeSet<String>>>,
    /// Status changes by agents: the response, and the verb that Goodays must receive.
    changed: Mutex<Vec<(String, &'static str)>>,
    under_way: AtomicUsize,
    open_posts: AtomicUsize,
    posted: AtomicU64,
    acknowledged: AtomicU64,
    acted: AtomicU64,
    texts: AtomicU64,
    ended: AtomicBool,
}

/// Counts for the report.
pub struct Facts {
    pub responses: usize,
    pub posted: u64,
    pub acknowledged: u64,
    pub acted: u64,
    pub cases: usize,
    pub imported: usize,
    pub done: usize,
}

async fn listener() -> anyhow::Result<TcpListener> {
    Ok(TcpListener::bind("127.0.0.1:0").await?)
}

impl Field {
    pub async fn new(seed: u64) -> anyhow::Result<Self> {
        let salesforce = Salesforce::start(listener().await?, SalesforceOptions::default()).await;
        let goodays = Goodays::start(listener().await?, GoodaysOptions { seed, ..Default::default() }).await;
        for wire in [salesforce.wire(), goodays.wire()] {
            wire.keep_bodies(false);
            wire.keep_requests(1);
        }
        salesforce.set_daily_limit(100_000_000, 0);
        // The daemon has the same address after every restart.
        let webhook = listener().await?.local_addr()?;
        Ok(Self {
            goodays,
            salesforce,
            webhook,
            http: goodays_salesforce::http::client(Duration::from_secs(20)),
            told: Mutex::default(),
            changed: Mutex::default(),
            under_way: AtomicUsize::new(0),
            open_posts: AtomicUsize::new(0),
            posted: AtomicU64::new(0),
            acknowledged: AtomicU64::new(0),
            acted: AtomicU64::new(0),
            texts: AtomicU64::new(0),
            ended: AtomicBool::new(false),
        })
    }

    pub fn configuration(&self) -> String {
        let options = SalesforceOptions::default();
        format!(
            "server: {{ listen: '{}' }}\n\
             admin: {{ listen: '127.0.0.1:0' }}\n\
             goodays:\n  base_url: {}\n  token: {}\n  webhook: {{ secrets: [{SECRET}] }}\n  \
             max_actions_per_hour: 100000\n\
             salesforce:\n  login_url: {}\n  \
             auth: {{ flow: client_credentials, client_id: {}, client_secret: {} }}\n  \
             api_calls_per_day: 10000000\n\
             poll: {{ interval: 100ms, overlap: 1m, close_grace: 150ms }}\n\
             sweep: {{ every: 0 }}\n\
             settle: 400ms\n\
             state: {{ path: ./state }}\n\
             mappings: ./mappings\n",
            self.webhook_addr(),
            self.goodays.url(),
            GoodaysOptions::default().token,
            self.salesforce.url(),
            options.client_id,
            options.client_secret,
        )
    }

    /// Where webhooks are sent to.
    pub fn webhook_addr(&self) -> std::net::SocketAddr {
        self.webhook
    }

    /// No new conversations and no more faults.
    pub fn end(&self) {
        self.ended.store(true, Ordering::SeqCst);
        self.goodays.wire().clear_faults();
        self.salesforce.wire().clear_faults();
    }

    fn is_ended(&self) -> bool {
        self.ended.load(Ordering::SeqCst)
    }

    /// The number of requests that both remotes have received.
    pub fn calls(&self) -> u64 {
        self.salesforce.wire().count() + self.goodays.wire().count()
    }

    pub fn webhooks_under_way(&self) -> usize {
        self.under_way.load(Ordering::SeqCst)
    }

    pub fn graphs_under_way(&self) -> usize {
        self.salesforce.wire().under_way("POST", "/composite/graph")
    }

    pub fn actions_under_way(&self) -> usize {
        self.goodays.wire().under_way("PUT", "/responses/")
    }

    /// The number of calls to Salesforce. When nothing else is in progress, only polls increase it.
    pub fn polls(&self) -> u64 {
        self.salesforce.wire().count()
    }

    /// A number for the state of Salesforce that changes with each write.
    pub fn writes(&self) -> usize {
        let stamps = self.salesforce.records("Case").into_iter().map(|c| c["SystemModstamp"].to_string());
        let newest = stamps.max().unwrap_or_default();
        self.salesforce.records("CaseComment").len() + newest.bytes().map(usize::from).sum::<usize>()
    }

    /// How many webhooks were acknowledged.
    pub fn acknowledged_count(&self) -> u64 {
        self.acknowledged.load(Ordering::SeqCst)
    }

    pub fn is_still(&self) -> bool {
        self.open_posts.load(Ordering::SeqCst) == 0 && self.webhooks_under_way() == 0
    }

    pub fn facts(&self) -> Facts {
        let ids = self.goodays.response_ids();
        let by_api = |id: &String| {
            let done = self.goodays.processed(id);
            done.iter().filter(|p| p["by"] == json!("api")).count()
        };
        let comments = self.salesforce.records("CaseComment");
        Facts {
            done: ids.iter().map(by_api).sum(),
            responses: ids.len(),
            posted: self.posted.load(Ordering::SeqCst),
            acknowledged: self.acknowledged_count(),
            acted: self.acted.load(Ordering::SeqCst),
            cases: self.salesforce.records("Case").len(),
            imported: comments.iter().filter(|c| c["IsPublished"] == json!(false)).count(),
        }
    }

    /// Losses and duplicates. `acknowledged`: among acknowledged events, otherwise among all that Goodays has.
    pub async fn breaches(&self, daemon: &Daemon, acknowledged: bool) -> anyhow::Result<Vec<String>> {
        let parked = daemon.parked().await?;
        let reasons = |id: &str| -> Vec<&Value> {
            parked.iter().filter(|p| p["response_id"] == json!(id)).map(|p| &p["reason_code"]).collect()
        };
        // A later answer waits until a human has decided on an unclear one.
        let waiting = daemon.waiting_actions().await?;
        let excused = |id: &str| {
            let reasons = reasons(id);
            reasons.len() + if reasons.contains(&&json!("unclear")) { waiting } else { 0 }
        };
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let told = acknowledged.then_some(&told);
        // No event must be blamed for a kill from outside.
        let blamed = parked.iter().filter(|p| p["reason_code"] == "crashed");
        let blamed = blamed.map(|p| format!("{}: blamed for a kill", p["response_id"]));
        let judge = Judge { goodays: &self.goodays, salesforce: &self.salesforce, told };
        let mut found = judge.breaches(&excused);
        found.extend(blamed);
        if waiting > 0 && !parked.iter().any(|p| p["reason_code"] == "unclear") {
            found.push(format!("{waiting} actions wait for nothing"));
        }
        for id in self.goodays.response_ids() {
            found.extend(self.doubled_actions(&id));
        }
        for (id, verb) in self.changed.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            let processed = self.goodays.processed(id);
            if processed.is_empty() && excused(id) == 0 {
                found.push(format!("{id}: the agent's {verb} never arrived, and nobody is told"));
            }
        }
        Ok(found)
    }

    fn doubled_actions(&self, id: &str) -> Vec<String> {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for done in self.goodays.processed(id).iter().filter(|p| p["action"] != json!("message")) {
            *counts.entry(done["action"].as_str().unwrap_or_default().to_owned()).or_default() += 1;
        }
        counts.iter().filter(|(_, n)| **n > 1).map(|(a, n)| format!("{id}: {a} was done {n} times")).collect()
    }

    fn text(&self, who: &str) -> String {
        format!("{who} says [{:06}]", self.texts.fetch_add(1, Ordering::SeqCst))
    }

    /// Sends an event as it is now: late, out of order, sometimes twice, and repeated until acknowledged or given up.
    fn post(self: &Arc<Self>, id: &str, kind: &str, chance: &mut Chance) {
        let body = self.goodays.event_body(id, kind);
        let copies = if chance.percent(20) { 2 } else { 1 };
        for _ in 0..copies {
            self.open_posts.fetch_add(1, Ordering::SeqCst);
            let (field, body, id, mut chance) = (self.clone(), body.clone(), id.to_owned(), chance.fork());
            tokio::spawn(async move {
                for _ in 0..12 {
                    tokio::time::sleep(Duration::from_millis(chance.below(150))).await;
                    if field.send(&body).await {
                        field.acknowledged(&id, &body);
                        break;
                    }
                    tokio::time::sleep(Duration::from_millis(100 + chance.below(300))).await;
                }
                field.open_posts.fetch_sub(1, Ordering::SeqCst);
            });
        }
    }

    async fn send(&self, body: &[u8]) -> bool {
        let mac = {
            use hmac::{Hmac, Mac};
            let mut mac =
                Hmac::<sha2::Sha256>::new_from_slice(SECRET.as_bytes()).expect("any length is a key");
            mac.update(body);
            hex::encode(mac.finalize().into_bytes())
        };
        let request = self.http.post(format!("http://{}/webhooks/goodays", self.webhook));
        let request = request.header("X-HMAC-SHA256", mac).header("Content-Type", "application/json");
        self.posted.fetch_add(1, Ordering::SeqCst);
        self.under_way.fetch_add(1, Ordering::SeqCst);
        let answer = request.body(body.to_vec()).send().await;
        self.under_way.fetch_sub(1, Ordering::SeqCst);
        answer.is_ok_and(|a| a.status().is_success())
    }

    fn acknowledged(&self, id: &str, body: &[u8]) {
        let event: Value = serde_json::from_slice(body).unwrap_or_default();
        let messages = event["response"]["attached_messages"].as_array().cloned().unwrap_or_default();
        let ids = messages.iter().filter_map(|m| m["id"].as_str().map(str::to_owned));
        self.acknowledged.fetch_add(1, Ordering::SeqCst);
        self.told
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .entry(id.to_owned())
            .or_default()
            .extend(ids);
    }
}

/// Runs several conversations at a time until the field is ended. The open ones then continue to their end.
pub async fn people(field: Arc<Field>, mut chance: Chance) {
    let mut talking = JoinSet::new();
    while !field.is_ended() {
        while talking.len() < AT_ONCE {
            talking.spawn(conversation(field.clone(), chance.fork()));
        }
        let _ = tokio::time::timeout(Duration::from_millis(100), talking.join_next()).await;
    }
    while talking.join_next().await.is_some() {}
}

async fn conversation(field: Arc<Field>, mut chance: Chance) {
    let content = Some(field.text("customer"));
    let id = field.goodays.customer_leaves(Feedback { content, ..Feedback::default() });
    field.post(&id, "response", &mut chance);
    let case = until(STEP, || field.salesforce.case_by_key(&id)).await;
    let Some(case) = case.and_then(|c| c["Id"].as_str().map(str::to_owned)) else { return };
    if chance.percent(25) {
        return change_status(&field, &id, &case, &mut chance);
    }
    if chance.percent(5) {
        let _ = field.goodays.colleague_replies(&id, &field.text("colleague"));
    }
    for _ in 0..=chance.below(3) {
        if !answer(&field, &id, &case, &mut chance).await {
            return;
        }
        let text = field.text("customer");
        if field.goodays.customer_writes(&id, &text).is_err() {
            return;
        }
        field.post(&id, "message", &mut chance);
        // Agents answer what they see. Sometimes they do not wait for it.
        if chance.percent(70) {
            until(STEP, || shown(&field, &case, &text).then_some(())).await;
        }
    }
    answer(&field, &id, &case, &mut chance).await;
}

fn shown(field: &Field, case: &str, text: &str) -> bool {
    let comments = field.salesforce.comments_of(case);
    comments.iter().any(|c| c["CommentBody"].as_str().is_some_and(|b| b.contains(text)))
}

async fn answer(field: &Field, id: &str, case: &str, chance: &mut Chance) -> bool {
    let text = field.text("agent");
    if field.salesforce.agent_comments(case, &text, true, AGENT).is_err() {
        return false;
    }
    field.acted.fetch_add(1, Ordering::SeqCst);
    if chance.percent(5) {
        // One more answer, which Goodays does not accept before the customer writes again.
        let more = field.text("agent");
        let _ = field.salesforce.agent_comments(case, &more, true, AGENT);
        field.acted.fetch_add(1, Ordering::SeqCst);
    }
    let got = || {
        let received = field.goodays.received_by_customer(id);
        received.iter().any(|r| r["content"] == json!(text)).then_some(())
    };
    until(STEP, got).await.is_some()
}

fn change_status(field: &Field, id: &str, case: &str, chance: &mut Chance) {
    let (status, verb) = match chance.below(3) {
        0 => ("Closed", "close"),
        1 => ("Closed by phone", "call"),
        _ => ("Spam", "spam"),
    };
    if field.salesforce.agent_updates_case(case, json!({ "Status": status }), AGENT).is_ok() {
        field.acted.fetch_add(1, Ordering::SeqCst);
        let mut changed = field.changed.lock().unwrap_or_else(PoisonError::into_inner);
        changed.push((id.to_owned(), verb));
    }
}

/// Changes the latency continuously, and sometimes makes a call fail.
pub async fn mischief(field: Arc<Field>, mut chance: Chance) {
    while !field.is_ended() {
        field.salesforce.wire().set_latency(chance.below(40));
        field.goodays.wire().set_latency(chance.below(40));
        if chance.percent(4) {
            let act = match chance.below(6) {
                0 => Act::ResetBefore,
                1 => Act::ResetAfter,
                2 => Act::Truncate,
                3 => Act::CommitLater { ms: 100 },
                4 => Act::Slow { ms: 100 },
                _ => Act::HangAfter { ms: 60 },
            };
            let (wire, method, path) = match chance.below(4) {
                0 | 1 => (field.salesforce.wire(), "POST", "/composite/graph"),
                2 => (field.goodays.wire(), "PUT", "/responses/"),
                _ => (field.goodays.wire(), "GET", "/responses/"),
            };
            let fault = Fault::once(path, act);
            wire.fault(Fault { method: Some(method.to_owned()), ..fault });
        }
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    field.salesforce.wire().set_latency(0);
    field.goodays.wire().set_latency(0);
    field.end();
}
