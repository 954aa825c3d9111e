//! The webhook listener: verifies the signature before it reads the body's content, and responds after the event is
//! on disk.

use std::net::IpAddr;
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
use tokio::sync::Semaphore;
use tracing::{error, info, warn};

use super::body::{Reader, Taken, Unread};
use super::seats::Seat;
use super::strangers::{Strangers, Throttle};
use super::{Limits, answer};
use crate::aside::{self, LARGE};
use crate::config::Signature;
use crate::goodays::ResponseId;
use crate::goodays::event::peek_response_id;
use crate::goodays::peek::{self, excess};
use crate::goodays::signature::{self, SignatureProblem, Verified};
use crate::state::{Receipt, StoreError};
use crate::workers::{Current, Process, Shared};

/// Value of `Retry-After`, in seconds.
const RETRY_AFTER: &str = "30";
/// Maximum length of a stored event name, in characters.
const NAME: usize = 64;
/// How many refused bodies are read and discarded at the same time, so that their senders see the response.
const PASSING: usize = 4;
/// How many bodies are written to the store at the same time; more would only wait for each other.
const STORING: usize = 8;
const NAMES: [&str; 4] = ["response", "message", "delegated", "reply"];

struct Hook {
    current: Current,
    process: Arc<Process>,
    reader: Reader,
    strangers: Strangers,
    /// For refused requests.
    lines: Throttle,
    passing: Arc<Semaphore>,
    large: Semaphore,
    storing: Semaphore,
}

/// The only path is compared byte by byte: nothing in it is decoded or normalized.
pub fn router(current: &Current, limits: &Limits) -> Router {
    let reader = Reader::new(current.process().config.server.max_body_bytes, limits);
    let hook = Hook {
        current: current.clone(),
        process: current.process().clone(),
        reader,
        strangers: Strangers::default(),
        lines: Throttle::new(),
        passing: Arc::new(Semaphore::new(PASSING)),
        large: Semaphore::new(1),
        storing: Semaphore::new(STORING),
    };
    Router::new().fallback(knock).with_state(Arc::new(hook))
}

async fn knock(State(hook): State<Arc<Hook>>, request: Request) -> Response {
    let outcome = hook.take(request).await;
    hook.process.metrics.webhook(outcome.name());
    outcome.into_response()
}

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

/// What is stored of a body besides its bytes.
struct Peek {
    event: String,
    id: Result<ResponseId, String>,
    /// Why the body is not processed but parked.
    excess: Option<String>,
}

impl Hook {
    async fn take(&self, request: Request) -> Outcome {
        if request.uri().path() != self.process.config.server.webhook_path {
            return Outcome::Nowhere;
        }
        if request.method() != Method::POST {
            return Outcome::WrongMethod;
        }
        let (head, body) = request.into_parts();
        let Some(seat) = head.extensions.get::<Seat>() else { return Outcome::Nowhere };
        if let Err(problem) = self.look(&head.headers) {
            self.pass_over(head.headers.clone(), body);
            return self.refused(problem, seat.peer()).await;
        }
        let taken = match self.read(&head.headers, body, seat).await {
            Ok(taken) => taken,
            Err(why) => return Outcome::Unread(why),
        };
        let began = Instant::now();
        let outcome = self.judge(&head.headers, taken, seat).await;
        self.process.metrics.acknowledgement.observe(began.elapsed().as_secs_f64());
        outcome
    }

    async fn read(&self, headers: &HeaderMap, body: Body, seat: &Seat) -> Result<Taken, Unread> {
        let read = self.reader.read_from(headers, body, Some(seat)).await;
        if let Err(why) = &read
            && let Some(left_out) = self.lines.line(Instant::now())
        {
            match why {
                Unread::TooLong => {
                    let limit = self.process.config.server.max_body_bytes;
                    warn!(limit, "a webhook was refused: its body is longer than server.max_body_bytes");
                }
                why => warn!(?why, "a webhook could not be read to its end"),
            }
            warn_left_out(left_out);
        }
        read
    }

    /// Only for [`PASSING`] senders at the same time; the connections of others are cut.
    fn pass_over(&self, headers: HeaderMap, body: Body) {
        if let Ok(turn) = self.passing.clone().try_acquire_owned() {
            let reader = self.reader.clone();
            tokio::spawn(async move {
                reader.pass_over(&headers, body).await;
                drop(turn);
            });
        }
    }

    /// Refuses a request without a well-formed signature header before its body is read.
    fn look(&self, headers: &HeaderMap) -> Result<(), SignatureProblem> {
        match self.process.config.goodays.webhook.signature {
            _ if crate::mutant::is_on("skip-signature") => Ok(()),
            Signature::Off => Ok(()),
            Signature::Hmac => signature::given(given(headers)).map(drop),
        }
    }

    async fn refused(&self, problem: SignatureProblem, peer: IpAddr) -> Outcome {
        let now = Instant::now();
        if let Some(left_out) = self.lines.line(now) {
            warn!(%problem, "a webhook was refused");
            warn_left_out(left_out);
        }
        let wait = self.strangers.refused(peer, now);
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        Outcome::Unsigned
    }

    async fn judge(&self, headers: &HeaderMap, taken: Taken, seat: &Seat) -> Outcome {
        let large = taken.bytes.len() > LARGE;
        // One large body at a time, because its copies are large, too.
        let _turn = if large { self.large.acquire().await.ok() } else { None };
        let read = aside::if_large(taken.bytes.len(), || {
            self.verify(headers, &taken.bytes).map(|verified| (verified, peek(verified)))
        });
        let (verified, peek) = match read {
            Ok((verified, Some(peek))) => (verified, peek),
            Ok((_, None)) => {
                warn!(
                    bytes = taken.bytes.len(),
                    "a webhook with a good signature was refused: its body is not JSON"
                );
                return Outcome::NotJson;
            }
            Err(problem) => {
                seat.holds(0);
                return self.refused(problem, seat.peer()).await;
            }
        };
        let _busy = seat.believed();
        self.keep(verified, peek).await.unwrap_or_else(|problem| {
            error!(%problem, "a webhook could not be stored; its sender is asked to come again");
            Outcome::Unavailable
        })
    }

    fn verify<'a>(&self, headers: &HeaderMap, bytes: &'a [u8]) -> Result<Verified<'a>, SignatureProblem> {
        match self.process.config.goodays.webhook.signature {
            _ if crate::mutant::is_on("skip-signature") => Ok(signature::unsigned(bytes)),
            Signature::Off => Ok(signature::unsigned(bytes)),
            Signature::Hmac => signature::verify(bytes, given(headers), &self.process.secrets.webhook.load()),
        }
    }

    /// Stores the body and waits until it is on disk. A duplicate waits, too: the first one may not be on disk yet.
    async fn keep(&self, verified: Verified<'_>, peek: Peek) -> Result<Outcome, StoreError> {
        let (store, shared) = (self.current.store(), &*self.current.shared());
        store.accepting()?;
        let shown = peek.id.clone().map(|id| id.to_string()).unwrap_or_default();
        // Runtime workers must not block on the disk: so few calls at the same time, and each waits for room first.
        let turn = self.storing.acquire().await.ok();
        store.room().await?;
        let (bytes, now_ms) = (verified.bytes(), shared.clock.now_ms());
        let receipt = match (&peek.id, &peek.excess) {
            (Ok(id), Some(why)) => {
                store.accept_parked(bytes, &peek.event, id, ("too_large", why), now_ms).await?
            }
            _ => store.accept(bytes, &peek.event, &peek.id, now_ms).await?,
        };
        drop(turn);
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
        store.durable().await?;
        drop(wake);
        let event = NAMES.iter().find(|name| **name == peek.event).unwrap_or(&"other");
        info!(seq, response = %shown, event, outcome = outcome.name(), "webhook");
        Ok(outcome)
    }
}

/// Wakes the lane once the event is on disk, or when the sender disconnects before that.
struct Wake<'a> {
    shared: &'a Shared,
    lane: u8,
}

impl Drop for Wake<'_> {
    fn drop(&mut self) {
        self.shared.wake_lane(self.lane);
    }
}

/// The event's name and response; none if the body is not JSON. It builds no tree of the whole body.
fn peek(verified: Verified<'_>) -> Option<Peek> {
    let text = std::str::from_utf8(verified.bytes()).ok()?;
    match peek::outline(text) {
        Ok(value) => {
            let event = value.get("event_type").and_then(Value::as_str).unwrap_or_default();
            let event = event.trim().chars().filter(|c| !c.is_control()).take(NAME).collect();
            let excess = excess(text, &value);
            Some(Peek { event, id: peek_response_id(&value).map_err(|e| e.to_string()), excess })
        }
        // JSON that cannot be represented. This check builds no tree, however deep the nesting is.
        Err(error) => serde_json::from_str::<IgnoredAny>(text).ok().map(|_| {
            let deep = error.to_string().starts_with("recursion limit");
            let why = if deep { "the body is nested too deep" } else { "the body has a number out of range" };
            Peek { event: String::new(), id: Err(why.to_owned()), excess: None }
        }),
    }
}

fn given(headers: &HeaderMap) -> Option<&[u8]> {
    headers.get(signature::HEADER).map(HeaderValue::as_bytes)
}

fn warn_left_out(left_out: u64) {
    if left_out > 0 {
        warn!(left_out, "lines about refused webhooks were left out");
    }
}

impl Outcome {
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
            Self::Unsigned => closing(answer::error(StatusCode::UNAUTHORIZED, "signature missing or wrong")),
            Self::Unread(Unread::TooLong) => {
                closing(answer::error(StatusCode::PAYLOAD_TOO_LARGE, "the body is too long"))
            }
            Self::Unread(Unread::TooSlow) => {
                closing(answer::error(StatusCode::REQUEST_TIMEOUT, "the body came too slowly"))
            }
            Self::Unread(Unread::Cut) => {
                closing(answer::error(StatusCode::BAD_REQUEST, "the body was cut off"))
            }
            // Another instance may take it: a balancer of connections chooses anew.
            Self::Unread(Unread::Busy) | Self::Unavailable => closing(later()),
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

/// The connection is closed instead of waiting for the rest of the body.
fn closing(response: Response) -> Response {
    with(response, header::CONNECTION, "close")
}

fn with(mut response: Response, name: header::HeaderName, value: &'static str) -> Response {
    response.headers_mut().insert(name, HeaderValue::from_static(value));
    response
}
