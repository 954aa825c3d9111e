//! The daemon between both simulators, and the laws that must hold after every run, checked by counting.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use goodays_salesforce::clock::Clock;
use goodays_salesforce::decide::{Intent, IntentState};
use goodays_salesforce::goodays::ResponseId;
use goodays_salesforce::operator::ParkedItem;
use goodays_salesforce::sim::goodays::Feedback;
use goodays_salesforce::sim::wire::{Act, Fault};
use goodays_salesforce::state::{LANES, RKey};
use goodays_salesforce::workers::Shared;
use serde_json::Value;

use crate::judge::Judge;
use crate::now;

pub use goodays_salesforce::demo::stage::{Stage, Tuning, until};

/// Longer than any single step takes on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(120);
pub const AGENT: &str = "jennifer.parker@brand.example";

/// A clock that a test sets ahead; it goes on meanwhile.
pub struct Ahead {
    by_ms: Arc<AtomicI64>,
    now_ms: Arc<AtomicI64>,
}

impl Ahead {
    pub fn none() -> Self {
        let by_ms = Arc::new(AtomicI64::new(0));
        let now_ms = Arc::new(AtomicI64::new(Clock::System.now_ms()));
        let (by, now) = (by_ms.clone(), now_ms.clone());
        tokio::spawn(async move {
            let mut ticks = tokio::time::interval(Duration::from_millis(10));
            loop {
                ticks.tick().await;
                now.store(Clock::System.now_ms() + by.load(Ordering::SeqCst), Ordering::SeqCst);
            }
        });
        Self { by_ms, now_ms }
    }

    pub fn set(&self, by_ms: i64) {
        self.by_ms.store(by_ms, Ordering::SeqCst);
        self.now_ms.store(Clock::System.now_ms() + by_ms, Ordering::SeqCst);
    }

    pub fn clock(&self) -> Clock {
        Clock::Manual(self.now_ms.clone())
    }
}

pub struct World {
    pub stage: Stage,
    written: u32,
}

/// Short waits. Everything else as shipped.
pub fn quick() -> Tuning {
    Tuning { poll_ms: 100, close_grace_ms: 200, settle_ms: 400, ..Tuning::default() }
}

impl World {
    pub async fn start() -> Self {
        Self::with(quick()).await
    }

    pub async fn with(tuning: Tuning) -> Self {
        let mut stage = Stage::set(tuning).await.unwrap();
        crate::world::text_status(&stage.salesforce);
        stage.start_daemon().await.unwrap();
        let world = Self { stage, written: 0 };
        // Changes before the first contact with Salesforce are ignored, so a first poll must be over.
        world.holds("a first poll", || **world.stage.app().shared.poll_state.last_completed_ms.load()).await;
        world
    }

    /// A text that occurs only once.
    pub fn text(&mut self, who: &str) -> String {
        self.written += 1;
        format!("{who} says [{:05}]", self.written)
    }

    /// A customer leaves feedback. Returns the response's id.
    pub fn leaves(&mut self) -> String {
        let content = Some(self.text("customer"));
        self.stage.goodays.customer_leaves(Feedback { content, ..Feedback::default() })
    }

    /// A customer leaves feedback about this place, whose name is in the Case's subject. Returns the response's id.
    pub fn leaves_at(&mut self, place: &str) -> String {
        let content = Some(self.text("customer"));
        self.stage.goodays.customer_leaves(Feedback {
            content,
            place_partner_id: place.to_owned(),
            place_name: place.to_owned(),
            ..Feedback::default()
        })
    }

    /// A customer leaves feedback, and it becomes a Case. Returns both ids.
    pub async fn arrives(&mut self) -> (String, String) {
        let id = self.leaves();
        let case = self.case(&id).await;
        (id, case)
    }

    /// Waits for the Case of a response.
    pub async fn case(&self, id: &str) -> String {
        let case = self.holds("its Case", || self.stage.salesforce.case_by_key(id)).await;
        case["Id"].as_str().unwrap().to_owned()
    }

    pub fn comments(&self, case: &str) -> Vec<String> {
        let comments = self.stage.salesforce.comments_of(case);
        comments.iter().map(|c| c["CommentBody"].as_str().unwrap_or_default().to_owned()).collect()
    }

    pub fn agent_answers(&mut self, case: &str) -> String {
        let text = self.text("agent");
        self.stage.salesforce.agent_comments(case, &text, true, AGENT).unwrap();
        text
    }

    pub fn agent_sets(&self, case: &str, fields: Value) {
        self.stage.salesforce.agent_updates_case(case, fields, AGENT).unwrap();
    }

    pub fn customer_writes(&mut self, id: &str) -> String {
        let text = self.text("customer");
        self.stage.goodays.customer_writes(id, &text).unwrap();
        text
    }

    pub fn received(&self, id: &str) -> Vec<String> {
        let got = self.stage.goodays.received_by_customer(id);
        got.iter().map(|g| g["content"].as_str().unwrap_or_default().to_owned()).collect()
    }

    pub async fn receives(&self, id: &str, text: &str) {
        self.holds(text, || self.received(id).iter().any(|t| t == text).then_some(())).await;
    }

    /// A new response whose answer has reached the customer, with nothing left to do on either side.
    pub async fn answered(&mut self) -> (String, String) {
        let (id, case) = self.arrives().await;
        let text = self.agent_answers(&case);
        self.receives(&id, &text).await;
        self.quiet().await;
        (id, case)
    }

    pub fn goodays_fault(&self, path: &str, act: Act) {
        let fault = Fault { method: Some("PUT".to_owned()), ..Fault::once(path, act) };
        self.stage.goodays.wire().fault(fault);
    }

    pub fn graph_fault(&self, act: Act) {
        self.stage.salesforce.wire().fault(Fault::once("/composite/graph", act));
    }

    pub fn puts(&self, path: &str) -> usize {
        let requests = self.stage.goodays.wire().requests();
        requests.iter().filter(|s| s.method == "PUT" && s.path.ends_with(path)).count()
    }

    pub fn graphs(&self) -> usize {
        let requests = self.stage.salesforce.wire().requests();
        requests.iter().filter(|s| s.path.ends_with("/composite/graph")).count()
    }

    pub async fn parked(&self) -> Vec<ParkedItem> {
        self.stage.app().shared.parked(1000).await.unwrap()
    }

    pub async fn parked_with(&self, code: &str) -> ParkedItem {
        self.holds(code, || now(self.parked()).into_iter().find(|p| p.reason_code == code)).await
    }

    pub fn salesforce_trouble(&self) -> Option<String> {
        self.stage.app().shared.salesforce_breaker.trouble().map(|t| t.code)
    }

    pub fn goodays_trouble(&self) -> Option<String> {
        self.stage.app().shared.goodays_breaker.trouble().map(|t| t.code)
    }

    /// Waits for a condition. `what` names it in the failure.
    pub async fn holds<T>(&self, what: &str, holds: impl FnMut() -> Option<T>) -> T {
        match until(PATIENCE, holds).await {
            Some(found) => found,
            None => panic!("waited in vain for: {what}\n{}", self.state().await),
        }
    }

    async fn state(&self) -> String {
        let Some(app) = &self.stage.app else { return "no daemon".to_owned() };
        let shared = &app.shared;
        format!(
            "pending {:?}; open {:?}; parked {:?}; salesforce {:?}; goodays {:?}",
            shared.store.counters().await.map(|counters| counters.pending),
            shared
                .store
                .all_open_intents()
                .await
                .map(|all| all.into_iter().map(|i| i.state).collect::<Vec<_>>()),
            shared.parked(20).await,
            shared.salesforce_breaker.trouble(),
            shared.goodays_breaker.trouble(),
        )
    }

    /// Waits until no event, action or note is in progress, and a poll that began after that is completed.
    pub async fn quiet(&self) {
        self.stage.goodays.webhooks_sent().await;
        let mut polls = None;
        self.holds("rest", || {
            if !now(is_idle(&self.stage.app().shared)) {
                polls = None;
                return None;
            }
            let now = self.polls_done();
            let from = *polls.get_or_insert(now);
            (now >= from + 3).then_some(())
        })
        .await;
    }

    /// Waits for polls that began after this call.
    pub async fn polled(&self) {
        let from = self.polls_done();
        self.holds("polls", || (self.polls_done() >= from + 3).then_some(())).await;
    }

    fn polls_done(&self) -> usize {
        let requests = self.stage.salesforce.wire().requests();
        requests.iter().filter(|s| s.path.ends_with("/composite") && s.status == 200).count()
    }

    /// Every response at Goodays is complete and not duplicated, in both directions.
    pub async fn laws_hold(&self) {
        let parked = match &self.stage.app {
            Some(_) => self.parked().await,
            None => Vec::new(),
        };
        let excused = |id: &str| parked.iter().filter(|p| p.response_id.as_deref() == Some(id)).count();
        let judge = Judge { goodays: &self.stage.goodays, salesforce: &self.stage.salesforce, told: None };
        let found = judge.breaches(&excused);
        assert!(found.is_empty(), "{}", found.join("\n"));
    }
}

/// The inbound worker's lane for a response's conversation.
pub fn lane(id: &str) -> u8 {
    RKey::of(&ResponseId::new(id).unwrap()).lane()
}

/// Whether only items are left that wait for a human, or that wait for such an item.
pub async fn is_idle(shared: &Shared) -> bool {
    let store = &shared.store;
    let open = store.all_open_intents().await.unwrap();
    let queued = (0..LANES).any(|lane| now(store.next_due(lane)).unwrap().is_some());
    let parked = shared.parked(1000).await.unwrap();
    // A close waits for an answer that a human has to look at.
    let behind = |i: &Intent| {
        !i.kind.is_answer() && parked.iter().any(|p| p.response_id.as_deref() == Some(i.response_id.as_str()))
    };
    !queued && open.iter().all(|i| matches!(i.state, IntentState::Unclear { .. }) || behind(i))
}
