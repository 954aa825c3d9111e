//! Outgoing events: one queue, sent in the background, with switches for everything that can go wrong.
//!
//! POST of JSON to one URL. `X-HMAC-SHA256` is the lower-case hex HMAC over the exact bytes, and is absent without a
//! secret (reference, 2.1 and 5.1). No retries unless switched on.

use std::collections::VecDeque;
use std::time::Duration;

use hmac::{Hmac, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use super::Shared;
use super::ids::Ids;
use super::state::State;

/// The order in which waiting webhooks are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    #[default]
    Kept,
    Reversed,
    /// Random, derived from the seed.
    Shuffled,
}

/// One attempt to send a webhook, or the reason why there was none.
#[derive(Debug, Clone, Serialize)]
pub struct Sent {
    pub event_type: String,
    pub response_id: String,
    pub body: String,
    pub signature: Option<String>,
    /// `None`: no answer, see `problem`.
    pub status: Option<u16>,
    pub problem: Option<String>,
    pub attempt: u32,
    pub at_ms: i64,
}

#[derive(Debug, Clone)]
pub struct Parcel {
    event_type: String,
    response_id: String,
    body: Vec<u8>,
}

/// The waiting webhooks, and the log of all others.
pub struct Line {
    pub url: Option<String>,
    pub secret: Option<String>,
    pub paused: bool,
    /// How many of the next events are lost.
    pub drop_next: u32,
    /// How many of the next events are sent twice.
    pub duplicate_next: u32,
    pub order: Order,
    pub log: Vec<Sent>,
    queue: VecDeque<Parcel>,
    in_flight: usize,
}

impl Line {
    pub fn new(url: Option<String>, secret: Option<String>) -> Self {
        Self {
            url,
            secret,
            paused: false,
            drop_next: 0,
            duplicate_next: 0,
            order: Order::Kept,
            log: Vec::new(),
            queue: VecDeque::new(),
            in_flight: 0,
        }
    }

    pub fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// No event is being sent, and none will be sent by itself.
    fn is_idle(&self) -> bool {
        self.in_flight == 0 && (self.paused || self.queue.is_empty())
    }

    /// Resets everything but the count of events that are being sent.
    pub fn clear(&mut self) {
        let in_flight = self.in_flight;
        *self = Self::new(self.url.take(), self.secret.take());
        self.in_flight = in_flight;
    }

    fn next(&mut self, ids: &mut Ids) -> Option<Parcel> {
        let index = match self.order {
            Order::Kept => 0,
            Order::Reversed => self.queue.len().saturating_sub(1),
            Order::Shuffled => ids.below(self.queue.len()),
        };
        let parcel = self.queue.remove(index)?;
        self.in_flight += 1;
        Some(parcel)
    }

    pub fn sign(&self, body: &[u8]) -> Option<String> {
        let secret = self.secret.as_ref()?;
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any length is a key");
        mac.update(body);
        Some(hex::encode(mac.finalize().into_bytes()))
    }
}

impl State {
    /// Queues an event with its present bytes.
    pub fn fire(&mut self, id: &str, kind: &str) {
        let Some(parcel) = self.parcel(id, kind) else { return };
        if self.line.drop_next > 0 {
            self.line.drop_next -= 1;
            self.note(&parcel, 0, Err("dropped".to_owned()));
            return;
        }
        if self.line.duplicate_next > 0 {
            self.line.duplicate_next -= 1;
            self.line.queue.push_back(parcel.clone());
        }
        self.line.queue.push_back(parcel);
    }

    fn parcel(&self, id: &str, kind: &str) -> Option<Parcel> {
        let body = self.event(id, kind)?;
        Some(Parcel { event_type: kind.to_owned(), response_id: id.to_owned(), body })
    }

    fn note(&mut self, parcel: &Parcel, attempt: u32, outcome: Result<u16, String>) {
        self.line.log.push(Sent {
            event_type: parcel.event_type.clone(),
            response_id: parcel.response_id.clone(),
            body: String::from_utf8_lossy(&parcel.body).into_owned(),
            signature: self.line.sign(&parcel.body),
            status: outcome.as_ref().ok().copied(),
            problem: outcome.err(),
            attempt,
            at_ms: self.clock.now_ms(),
        });
    }
}

impl Shared {
    /// Sends queued events until the simulator is dropped.
    pub async fn keep_sending(&self) {
        let mut changes = self.changed.subscribe();
        loop {
            changes.borrow_and_update();
            self.send_waiting(false).await;
            if changes.changed().await.is_err() {
                return;
            }
        }
    }

    /// Sends the waiting events one after the other. `held`: paused ones too.
    pub async fn send_waiting(&self, held: bool) {
        let _one_at_a_time = self.sending.lock().await;
        while let Some(parcel) = self.take(held) {
            self.send(&parcel).await;
            self.with(|state| state.line.in_flight = state.line.in_flight.saturating_sub(1));
        }
    }

    fn take(&self, held: bool) -> Option<Parcel> {
        // Not through `with`: a look at an empty queue is no change, and must not wake this task.
        let mut guard = self.state();
        let state = &mut *guard;
        if state.line.paused && !held { None } else { state.line.next(&mut state.ids) }
    }

    async fn send(&self, parcel: &Parcel) {
        let (retries, pause) = self.with(|state| {
            (state.switches.webhook_retries, Duration::from_millis(state.switches.webhook_retry_after_ms))
        });
        for attempt in 1..=retries.saturating_add(1) {
            let outcome = self.post(&parcel.body).await;
            let received = matches!(outcome, Ok(200..=299));
            self.with(|state| state.note(parcel, attempt, outcome));
            if received {
                return;
            }
            if attempt <= retries {
                tokio::time::sleep(pause).await;
            }
        }
    }

    /// Sends one event now, bypassing the queue. Returns the status of its answer.
    pub async fn send_event(&self, id: &str, kind: &str) -> Result<u16, String> {
        let parcel = self.state().parcel(id, kind).ok_or_else(|| format!("no {kind} event for {id}"))?;
        let outcome = self.post(&parcel.body).await;
        self.with(|state| state.note(&parcel, 1, outcome.clone()));
        outcome
    }

    async fn post(&self, body: &[u8]) -> Result<u16, String> {
        let (url, signature) = {
            let state = self.state();
            (state.line.url.clone(), state.line.sign(body))
        };
        let url = url.ok_or("no webhook URL is set")?;
        let mut request =
            self.client.post(url).header("Content-Type", "application/json").body(body.to_vec());
        if let Some(signature) = signature {
            request = request.header("X-HMAC-SHA256", signature);
        }
        let answer = request.send().await.map_err(|error| error.to_string())?;
        Ok(answer.status().as_u16())
    }

    /// Waits until no event is being sent and none will be sent by itself. Paused events stay in the queue.
    pub async fn webhooks_sent(&self) {
        let mut changes = self.changed.subscribe();
        while !self.state().line.is_idle() {
            if changes.changed().await.is_err() {
                return;
            }
        }
    }
}
