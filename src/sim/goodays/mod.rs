//! A stand-in for Goodays: its `/v2` API, its signed webhooks, and the people who use both.
//!
//! Its only source is the public pages (`reference/goodays-api.md`; each test in `tests/it/sim_goodays.rs` names the
//! section that it checks). What no page says is a switch: see [`Switches`]. It speaks bytes and shares no type with
//! the connector, so an error in the connector's types cannot repeat itself here.
//!
//! `api` answers `/v2`, `lists` its pages, `people` has the verbs, `rules` decides what is allowed,
//! `show` writes the JSON, `webhook` sends events, `control` is
//! `/__sim/…` over HTTP.

mod api;
mod control;
mod ids;
mod lists;
mod options;
mod people;
mod rules;
mod show;
mod state;
mod webhook;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use self::options::{Altered, Feedback, Options, Rate, Switches, UpdatedDate};
use self::rules::Verb;
use self::show::View;
use self::state::{Person, State, User};
pub use self::webhook::{Order, Sent};
use crate::sim::wire::{self, Server, Wire};

/// State shared by the handle, the API, the control API and the sender of webhooks.
struct Shared {
    state: Mutex<State>,
    wire: Wire,
    client: reqwest::Client,
    changed: watch::Sender<()>,
    sending: tokio::sync::Mutex<()>,
    options: Options,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state, and notifies all that wait for changes.
    fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let outcome = change(&mut self.state());
        self.changed.send_replace(());
        outcome
    }

    /// As at the start: no responses, faults or logs; default switches and people. The webhook's URL and secret stay.
    fn reset(&self) {
        self.wire.clear_faults();
        self.wire.clear_requests();
        self.wire.set_latency(0);
        self.with(|state| {
            let mut fresh = State::new(&self.options);
            std::mem::swap(&mut fresh.line, &mut state.line);
            fresh.line.clear();
            // The ids continue, so that none is given twice, even after a reset.
            std::mem::swap(&mut fresh.ids, &mut state.ids);
            *state = fresh;
        });
    }
}

/// A running simulator. It stops when the last clone is dropped.
#[derive(Clone)]
pub struct Goodays {
    shared: Arc<Shared>,
    running: Arc<Running>,
}

struct Running {
    server: Server,
    sender: JoinHandle<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.sender.abort();
    }
}

impl Goodays {
    pub async fn start(listener: TcpListener, options: Options) -> Self {
        let shared = Arc::new(Shared {
            state: Mutex::new(State::new(&options)),
            wire: Wire::new(),
            client: crate::http::client(Duration::from_secs(10)),
            changed: watch::Sender::new(()),
            sending: tokio::sync::Mutex::new(()),
            options,
        });
        let router = Router::new().fallback(api::serve).with_state(Arc::clone(&shared));
        let server = wire::serve(listener, router, shared.wire.clone()).await;
        let sender = tokio::spawn({
            let shared = Arc::clone(&shared);
            async move { shared.keep_sending().await }
        });
        Self { shared, running: Arc::new(Running { server, sender }) }
    }

    pub fn addr(&self) -> SocketAddr {
        self.running.server.addr()
    }

    /// The base URL of the API, with `/v2`.
    pub fn url(&self) -> String {
        format!("http://{}/v2", self.addr())
    }

    /// Faults, latency and the log of requests.
    pub fn wire(&self) -> &Wire {
        &self.shared.wire
    }

    pub fn reset(&self) {
        self.shared.reset();
    }

    pub fn switches(&self) -> Switches {
        self.shared.state().switches.clone()
    }

    pub fn set_switches(&self, change: impl FnOnce(&mut Switches)) {
        self.shared.with(|state| change(&mut state.switches));
    }
}

/// People.
impl Goodays {
    /// A customer leaves feedback: the event `response` is sent. Returns the response's id.
    pub fn customer_leaves(&self, feedback: Feedback) -> String {
        self.shared.with(|state| state.leaves(feedback))
    }

    /// The customer writes privately, which is possible once the brand has answered. The event `message` is sent, and
    /// the action `message` is allowed again. Returns the message's id.
    pub fn customer_writes(&self, id: &str, content: &str) -> Result<String, String> {
        self.shared.with(|state| state.writes(id, content, None))
    }

    pub fn customer_writes_with(&self, id: &str, content: &str, attachment: &str) -> Result<String, String> {
        self.shared.with(|state| state.writes(id, content, Some(attachment.to_owned())))
    }

    /// The customer changes the first verbatim, for example a review on Google. A second event `response` with the
    /// same id is sent (reference, 6).
    pub fn customer_edits(&self, id: &str, content: &str) -> Result<(), String> {
        self.shared.with(|state| state.edits(id, content))
    }

    /// The response disappears without any event: a review was deleted, or a person was forgotten.
    pub fn removes(&self, id: &str) -> Result<(), String> {
        self.shared.with(|state| state.removes(id))
    }

    /// The store delegates the response to customer service: the event `delegated` is sent.
    pub fn store_delegates(&self, id: &str) -> Result<(), String> {
        self.shared.with(|state| state.delegates(id))
    }

    /// The store takes it back, without any event. See [`Switches::taken_back_status`].
    pub fn store_takes_back(&self, id: &str) -> Result<(), String> {
        self.shared.with(|state| state.takes_back(id))
    }

    /// Somebody answers publicly in the back office.
    pub fn colleague_replies(&self, id: &str, content: &str) -> Result<String, String> {
        let message_id = self.colleague(id, Verb::Reply, &serde_json::json!({"content": content}))?;
        Ok(message_id.unwrap_or_default())
    }

    /// Somebody answers privately in the back office.
    pub fn colleague_messages(&self, id: &str, content: &str) -> Result<String, String> {
        let message_id = self.colleague(id, Verb::Message, &serde_json::json!({"content": content}))?;
        Ok(message_id.unwrap_or_default())
    }

    pub fn colleague_closes(&self, id: &str) -> Result<(), String> {
        self.colleague(id, Verb::Close, &Value::Null).map(|_| ())
    }

    pub fn colleague_marks_spam(&self, id: &str) -> Result<(), String> {
        self.colleague(id, Verb::Spam, &Value::Null).map(|_| ())
    }

    pub fn colleague_calls(&self, id: &str, note: &str) -> Result<(), String> {
        self.colleague(id, Verb::Call, &serde_json::json!({"note": note})).map(|_| ())
    }

    /// Somebody puts the response on hold (`pending`), without any event.
    pub fn colleague_holds(&self, id: &str) -> Result<(), String> {
        self.shared.with(|state| state.holds(id))
    }

    fn colleague(&self, id: &str, verb: Verb, fields: &Value) -> Result<Option<String>, String> {
        self.shared.with(|state| state.colleague(id, verb, fields))
    }
}

/// The account.
impl Goodays {
    /// Adds a user who may answer or, if `read_only`, may not. A known id is changed.
    pub fn add_user(&self, id: &str, email: &str, read_only: bool) {
        let person =
            Person { email: email.to_owned(), first_name: "Ada".to_owned(), last_name: "Agent".to_owned() };
        let user = User { id: id.to_owned(), person, phone: String::new(), read_only };
        self.shared.with(|state| state.add_user(user));
    }
}

/// Views for tests.
impl Goodays {
    /// Every text that reached the customer, in order: `{kind: reply|message, content, user, at, message_id}`.
    pub fn received_by_customer(&self, id: &str) -> Vec<Value> {
        self.shared.state().response(id).map(|response| response.received.clone()).unwrap_or_default()
    }

    /// Every action that was applied, in order: `{action, by: api|colleague, user, content, ..., at}`.
    pub fn processed(&self, id: &str) -> Vec<Value> {
        self.shared.state().response(id).map(|response| response.processed.clone()).unwrap_or_default()
    }

    /// The `response` object as it is now, without any switched-on delay.
    pub fn response(&self, id: &str) -> Option<Value> {
        let state = self.shared.state();
        state.response(id).map(|response| state.show(response, View::Now))
    }

    /// The ids of all responses, in order of creation.
    pub fn response_ids(&self) -> Vec<String> {
        self.shared.state().responses.iter().map(|response| response.id.clone()).collect()
    }

    /// The webhook's bytes as they would be sent now. Empty if there is no such event.
    pub fn event_body(&self, id: &str, kind: &str) -> Vec<u8> {
        self.shared.state().event(id, kind).unwrap_or_default()
    }

    /// The value of the signature header. `None` without a secret.
    pub fn sign(&self, body: &[u8]) -> Option<String> {
        self.shared.state().line.sign(body)
    }
}

/// Webhooks.
impl Goodays {
    pub fn set_webhook(&self, url: &str, secret: Option<String>) {
        self.shared.with(|state| {
            state.line.url = Some(url.to_owned());
            state.line.secret = secret;
        });
    }

    /// Every attempt to send, and every event that was dropped.
    pub fn webhook_log(&self) -> Vec<Sent> {
        self.shared.state().line.log.clone()
    }

    /// Paused events wait in the queue. Ending the pause sends them.
    pub fn pause_webhooks(&self, paused: bool) {
        self.shared.with(|state| state.line.paused = paused);
    }

    /// The next `count` events are lost.
    pub fn drop_webhooks(&self, count: u32) {
        self.shared.with(|state| state.line.drop_next = count);
    }

    /// The next `count` events are sent twice, with the same bytes.
    pub fn duplicate_webhooks(&self, count: u32) {
        self.shared.with(|state| state.line.duplicate_next = count);
    }

    /// Sets the order in which waiting events are sent. Pause first, so that several wait.
    pub fn order_webhooks(&self, order: Order) {
        self.shared.with(|state| state.line.order = order);
    }

    /// Sends all waiting events now, also paused ones.
    pub async fn deliver(&self) {
        self.shared.send_waiting(true).await;
    }

    /// Sends one event now, bypassing the queue. Returns the status of the answer.
    pub async fn send_event(&self, id: &str, kind: &str) -> Result<u16, String> {
        self.shared.send_event(id, kind).await
    }

    /// Waits until every event that is not paused has been sent.
    pub async fn webhooks_sent(&self) {
        self.shared.webhooks_sent().await;
    }
}
