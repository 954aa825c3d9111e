//! The webhook's door: bytes in, verified before anything is read of them, on disk before they are answered.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use serde::de::IgnoredAny;
use serde_json::{Value, json};
use tracing::{error, info, warn};

use super::body::{Reader, Taken, Unread};
use super::{Limits, answer};
use crate::config::Signature;
use crate::goodays::ResponseId;
use crate::goodays::event::peek_response_id;
use crate::goodays::glance::glance;
use crate::goodays::signature::{self, SignatureProblem, Verified};
use crate::run::Shared;
use crate::store::{Receipt, StoreError};

/// Seconds until a sender may try again.
const RETRY_AFTER: &str = "30";
/// The most that is kept of an event's name.
const NAME: usize = 64;
const NAMES: [&str; 4] = ["response", "message", "delegated", "reply"];

struct Hook {
    shared: Arc<Shared>,
    reader: Reader,
}

/// The door's only route is compared as it stands: nothing in a path is decoded or guessed.
pub fn router(shared: &Arc<Shared>, limits: &Limits) -> Router {
    let reader = Reader::new(shared.config.server.max_body_bytes, limits);
    Router::new().fallback(knock).with_state(Arc::new(Hook { shared: shared.clone(), reader }))
}

async fn knock(State(hook): State<Arc<Hook>>, request: Request) -> Response {
    let outcome = hook.take(request).await;
    hook.shared.metrics.webhook(outcome.name());
    outcome.into_response()
}

/// How a request ended.
enum Outcome {
    Accepted,
    Duplicate,
    Parked(String),
    NotJson,
    Unsigned,
    Unread(Unread),
    Unavailable,
    WrongMethod,
    Nowhere,
}

/// What is kept of a body beside its bytes.
struct Peek {
    event: String,
    id: Result<ResponseId, String>,
}

impl Hook {
    async fn take(&self, request: Request) -> Outcome {
        if request.uri().path() != self.shared.config.server.webhook_path {
            return Outcome::Nowhere;
        }
        if request.method() != Method::POST {
            return Outcome::WrongMethod;
        }
        let (head, body) = request.into_parts();
        let taken = match self.read(&head.headers, body).await {
            Ok(taken) => taken,
            Err(why) => return Outcome::Unread(why),
        };
        let began = Instant::now();
        let outcome = self.judge(&head.headers, &taken.bytes).await;
        self.shared.metrics.acknowledgement.observe(began.elapsed().as_secs_f64());
        outcome
    }

    async fn read(&self, headers: &HeaderMap, body: Body) -> Result<Taken, Unread> {
        let read = self.reader.read(headers, body).await;
        match read {
            Err(Unread::TooLong) => {
                let limit = self.shared.config.server.max_body_bytes;
                warn!(limit, "a webhook was refused: its body is longer than server.max_body_bytes");
            }
            Err(why) => warn!(?why, "a webhook could not be read to its end"),
            Ok(_) => {}
        }
        read
    }

    async fn judge(&self, headers: &HeaderMap, bytes: &[u8]) -> Outcome {
        let verified = match self.verify(headers, bytes) {
            Ok(verified) => verified,
            Err(problem) => {
                warn!(%problem, "a webhook was refused");
                return Outcome::Unsigned;
            }
        };
        let Some(peek) = peek(verified) else {
            warn!(bytes = bytes.len(), "a webhook with a good signature was refused: its body is not JSON");
            return Outcome::NotJson;
        };
        self.keep(verified, peek).await.unwrap_or_else(|problem| {
            error!(%problem, "a webhook could not be stored; its sender is asked to come again");
            Outcome::Unavailable
        })
    }

    fn verify<'a>(&self, headers: &HeaderMap, bytes: &'a [u8]) -> Result<Verified<'a>, SignatureProblem> {
        match self.shared.config.goodays.webhook.signature {
            _ if crate::mutant::is_on("skip-signature") => Ok(signature::unsigned(bytes)),
            Signature::Off => Ok(signature::unsigned(bytes)),
            Signature::Hmac => {
                let given = headers.get(signature::HEADER).map(HeaderValue::as_bytes);
                signature::verify(bytes, given, &self.shared.secrets.webhook.load())
            }
        }
    }

    /// Stores the bytes and waits until they are on disk. A duplicate waits too: its twin may still be on the way.
    async fn keep(&self, verified: Verified<'_>, peek: Peek) -> Result<Outcome, StoreError> {
        let shared = &self.shared;
        shared.store.accepting()?;
        let shown = peek.id.clone().map(|id| id.to_string()).unwrap_or_default();
        let receipt = shared.store.receive(verified.bytes(), &peek.event, &peek.id, shared.clock.now_ms())?;
        let mut wake = None;
        let (seq, outcome) = match receipt {
            Receipt::Accepted { seq, rkey } => {
                shared.counts.pending.fetch_add(1, Ordering::Relaxed);
                shared.somebody_is_active();
                wake = Some(Wake { shared, lane: rkey.lane() });
                (seq, Outcome::Accepted)
            }
            Receipt::Duplicate { seq } => (seq, Outcome::Duplicate),
            Receipt::Parked { seq, why } => (seq, Outcome::Parked(why)),
        };
        shared.store.durable().await?;
        drop(wake);
        let event = NAMES.iter().find(|name| **name == peek.event).unwrap_or(&"other");
        info!(seq, response = %shown, event, outcome = outcome.name(), "webhook");
        Ok(outcome)
    }
}

/// Wakes the lane once the event is on disk, and also when the sender goes away while it gets there.
struct Wake<'a> {
    shared: &'a Shared,
    lane: u8,
}

impl Drop for Wake<'_> {
    fn drop(&mut self) {
        self.shared.wake_lane(self.lane);
    }
}

/// What the body is about; none if it is not JSON, or nested deeper than anything that Goodays sends.
fn peek(verified: Verified<'_>) -> Option<Peek> {
    let text = std::str::from_utf8(verified.bytes()).ok()?;
    // Only what holds half an emoji, or is refused, is read whole.
    match glance(text).or_else(|_| crate::json::read(text.as_bytes())) {
        Ok(value) => {
            let event = value.get("event_type").and_then(Value::as_str).unwrap_or_default();
            let event = event.trim().chars().filter(|c| !c.is_control()).take(NAME).collect();
            Some(Peek { event, id: peek_response_id(&value).map_err(|e| e.to_string()) })
        }
        Err(error) if error.to_string().starts_with("recursion limit") => None,
        // A number out of range: JSON, but nothing that can be held.
        Err(_) => serde_json::from_str::<IgnoredAny>(text)
            .ok()
            .map(|_| Peek { event: String::new(), id: Err("the body has a number out of range".to_owned()) }),
    }
}

impl Outcome {
    /// The label of the metric.
    fn name(&self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Duplicate => "duplicate",
            Self::Parked(_) => "parked",
            Self::NotJson => "not_json",
            Self::Unsigned => "unsigned",
            Self::Unread(Unread::TooLong) => "too_long",
            Self::Unread(Unread::TooSlow) => "too_slow",
            Self::Unread(Unread::Cut) => "cut",
            Self::Unread(Unread::Busy) => "busy",
            Self::Unavailable => "unavailable",
            Self::WrongMethod => "wrong_method",
            Self::Nowhere => "nowhere",
        }
    }

    fn into_response(self) -> Response {
        match self {
            Self::Accepted | Self::Duplicate => {
                answer::json(StatusCode::OK, json!({ "status": self.name() }))
            }
            Self::Parked(why) => answer::json(StatusCode::OK, json!({ "status": "parked", "reason": why })),
            Self::NotJson => answer::error(StatusCode::BAD_REQUEST, "the body is not JSON"),
            Self::Unsigned => answer::error(StatusCode::UNAUTHORIZED, "signature missing or wrong"),
            Self::Unread(Unread::TooLong) => {
                closing(answer::error(StatusCode::PAYLOAD_TOO_LARGE, "the body is too long"))
            }
            Self::Unread(Unread::TooSlow) => {
                closing(answer::error(StatusCode::REQUEST_TIMEOUT, "the body came too slowly"))
            }
            Self::Unread(Unread::Cut) => {
                closing(answer::error(StatusCode::BAD_REQUEST, "the body was cut off"))
            }
            Self::Unread(Unread::Busy) => closing(later()),
            Self::Unavailable => later(),
            Self::WrongMethod => {
                let refusal = answer::error(StatusCode::METHOD_NOT_ALLOWED, "webhooks are posted");
                with(refusal, header::ALLOW, "POST")
            }
            Self::Nowhere => answer::error(StatusCode::NOT_FOUND, "nothing is here"),
        }
    }
}

fn later() -> Response {
    let refusal = answer::error(StatusCode::SERVICE_UNAVAILABLE, "it cannot be stored now");
    with(refusal, header::RETRY_AFTER, RETRY_AFTER)
}

/// What is left of the body is not waited for.
fn closing(response: Response) -> Response {
    with(response, header::CONNECTION, "close")
}

fn with(mut response: Response, name: header::HeaderName, value: &'static str) -> Response {
    response.headers_mut().insert(name, HeaderValue::from_static(value));
    response
}
