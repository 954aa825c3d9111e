//! The HTTP layer in front of a simulator: a request log, scripted faults, latency, gzip both ways.
//!
//! A cut connection is really cut: the TCP stream closes without an answer, or after half of one. A request that a
//! fault calls *done* is done even if the client disconnects meanwhile, as on a real server.

mod fault;
mod server;

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::io::{Read, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use http_body_util::BodyExt;
use hyper::body::{Body as _, Bytes, Frame, Incoming};
use tower::ServiceExt;

use crate::clock::Clock;
use fault::take;

pub use fault::{Act, Fault, Seen};
pub use server::{Server, serve};

/// The most requests that the log keeps.
pub const MAX_KEPT: usize = 1_000_000;

/// Request log, faults and latency of one simulator. Clones share them.
#[derive(Clone)]
pub struct Wire(Arc<Mutex<State>>);

struct State {
    faults: Vec<Fault>,
    latency: Duration,
    /// With the serial number that identifies the entry when its status is known.
    log: VecDeque<(u64, Seen)>,
    next: u64,
    /// Requests that were neither answered nor cut yet.
    under_way: BTreeMap<u64, (String, String)>,
    bodies: bool,
    /// The number of entries. The oldest are removed first.
    keep: usize,
}

impl Default for Wire {
    fn default() -> Self {
        Self::new()
    }
}

impl Wire {
    pub fn new() -> Self {
        let (faults, log) = (Vec::new(), VecDeque::new());
        let (latency, keep) = (Duration::ZERO, MAX_KEPT);
        let under_way = BTreeMap::new();
        Self(Arc::new(Mutex::new(State { faults, latency, log, next: 0, under_way, bodies: true, keep })))
    }

    pub fn fault(&self, fault: Fault) {
        self.state().faults.push(fault);
    }

    pub fn clear_faults(&self) {
        self.state().faults.clear();
    }

    /// The faults that still wait for a match.
    pub fn faults(&self) -> Vec<Fault> {
        self.state().faults.clone()
    }

    /// Each request waits this long before it is handled.
    pub fn set_latency(&self, ms: u64) {
        self.state().latency = Duration::from_millis(ms);
    }

    pub fn requests(&self) -> Vec<Seen> {
        self.state().log.iter().map(|(_, seen)| seen.clone()).collect()
    }

    pub fn clear_requests(&self) {
        self.state().log.clear();
    }

    /// `false`: the log keeps requests without their bodies (for long runs and benches).
    pub fn keep_bodies(&self, keep: bool) {
        self.state().bodies = keep;
    }

    /// The log keeps at most this many requests.
    pub fn keep_requests(&self, most: usize) {
        let mut state = self.state();
        state.keep = most;
        let surplus = state.log.len().saturating_sub(most);
        state.log.drain(..surplus);
    }

    /// The number of requests with this method and this part of the path that are neither answered nor cut.
    pub fn under_way(&self, method: &str, path_contains: &str) -> usize {
        let state = self.state();
        state.under_way.values().filter(|(m, p)| m == method && p.contains(path_contains)).count()
    }

    /// The number of requests since the start.
    pub fn count(&self) -> u64 {
        self.state().next
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Logs the request, and takes the fault that matches it.
    fn arrive(&self, seen: &Seen) -> (u64, Option<Act>, Duration) {
        let mut state = self.state();
        let serial = state.next;
        state.next += 1;
        state.under_way.insert(serial, (seen.method.clone(), seen.path.clone()));
        let mut kept = seen.clone();
        if !state.bodies {
            kept.body.clear();
        }
        state.log.push_back((serial, kept));
        if state.log.len() > state.keep {
            state.log.pop_front();
        }
        let act = take(&mut state.faults, seen);
        (serial, act, state.latency)
    }

    fn answered(&self, serial: u64, status: u16) {
        let mut state = self.state();
        if let Some((_, seen)) = state.log.iter_mut().rev().find(|(number, _)| *number == serial) {
            seen.status = status;
        }
    }
}

/// Counts a request as open until dropped, also if the client disconnects and hyper drops the exchange.
struct UnderWay(Wire, u64);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.state().under_way.remove(&self.1);
    }
}

/// An error that makes hyper close the connection.
#[derive(Debug, thiserror::Error)]
#[error("cut on purpose")]
struct Cut;

async fn exchange(request: http::Request<Incoming>, router: Router, wire: Wire) -> Result<Response, Cut> {
    let (mut parts, body) = request.into_parts();
    let packed = body.collect().await.map_err(|_| Cut)?.to_bytes();
    let accepts_gzip = mentions_gzip(&parts.headers, &ACCEPT_ENCODING);
    let bytes = unpack(&mut parts.headers, packed);
    if parts.uri.path().starts_with("/__sim/") {
        return Ok(call(router, Request::from_parts(parts, Body::from(bytes))).await);
    }
    let seen = seen(&parts, &bytes);
    let (serial, act, latency) = wire.arrive(&seen);
    let _under_way = UnderWay(wire.clone(), serial);
    if !latency.is_zero() {
        tokio::time::sleep(latency).await;
    }
    let request = Request::from_parts(parts, Body::from(bytes));
    let response = perform(act, router, request).await?;
    wire.answered(serial, response.status().as_u16());
    Ok(if accepts_gzip { pack(response).await } else { response })
}

async fn perform(act: Option<Act>, router: Router, request: Request) -> Result<Response, Cut> {
    match act {
        None => Ok(call(router, request).await),
        Some(Act::Answer { status, body, content_type, headers }) => {
            Ok(scripted(status, body, content_type.as_deref(), &headers))
        }
        Some(Act::AnswerAfter { status, body, content_type }) => {
            call(router, request).await;
            Ok(scripted(status, body, content_type.as_deref(), &BTreeMap::new()))
        }
        Some(Act::ResetBefore) => Err(Cut),
        Some(Act::ResetAfter) => {
            call(router, request).await;
            Err(Cut)
        }
        Some(ref act @ (Act::HangBefore { ms } | Act::HangAfter { ms })) => {
            if matches!(act, Act::HangAfter { .. }) {
                call(router, request).await;
            }
            tokio::time::sleep(Duration::from_millis(ms)).await;
            Err(Cut)
        }
        Some(Act::Slow { ms }) => {
            let response = call(router, request).await;
            tokio::time::sleep(Duration::from_millis(ms)).await;
            Ok(response)
        }
        Some(Act::CommitLater { ms }) => {
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(ms)).await;
                call(router, request).await;
            });
            Err(Cut)
        }
        // When a body fails, hyper discards what it has not flushed, so the half is flushed first.
        Some(Act::Truncate) => Ok(truncated(call(router, request).await, 5).await),
        Some(Act::Stall { ms }) => Ok(truncated(call(router, request).await, ms).await),
    }
}

/// Runs in its own task: a client that disconnects must not leave the request half done.
async fn call(router: Router, request: Request) -> Response {
    let answer: Result<Result<Response, Infallible>, _> = tokio::spawn(router.oneshot(request)).await;
    match answer {
        Ok(Ok(response)) => response,
        Ok(Err(never)) => match never {},
        Err(panicked) => {
            let text = format!("the simulator failed: {panicked}");
            scripted(500, text, Some("text/plain"), &BTreeMap::new())
        }
    }
}

fn scripted(
    status: u16,
    body: String,
    content_type: Option<&str>,
    headers: &BTreeMap<String, String>,
) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let content_type = content_type.unwrap_or("application/json;charset=UTF-8");
    if let Ok(value) = HeaderValue::from_str(content_type) {
        response.headers_mut().insert(CONTENT_TYPE, value);
    }
    for (name, value) in headers {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(value)) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// Announces the whole answer, sends half of it, and cuts the connection after `ms`.
async fn truncated(response: Response, ms: u64) -> Response {
    let (mut parts, bytes) = whole(response).await;
    parts.headers.insert(CONTENT_LENGTH, HeaderValue::from(bytes.len()));
    let half = bytes.slice(..bytes.len() / 2);
    let frames = futures_util::stream::unfold(Some(half), move |half| async move {
        if let Some(half) = half {
            return Some((Ok(Frame::data(half)), None));
        }
        tokio::time::sleep(Duration::from_millis(ms)).await;
        Some((Err(Cut), None))
    });
    Response::from_parts(parts, Body::new(http_body_util::StreamBody::new(frames)))
}

async fn whole(response: Response) -> (http::response::Parts, Bytes) {
    let (parts, body) = response.into_parts();
    let bytes = body.collect().await.map_or_else(|_| Bytes::new(), http_body_util::Collected::to_bytes);
    (parts, bytes)
}

fn seen(parts: &http::request::Parts, bytes: &Bytes) -> Seen {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    Seen {
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers: parts.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
        body: String::from_utf8_lossy(bytes).into_owned(),
        status: 0,
        at_ms: Clock::System.now_ms(),
    }
}

fn mentions_gzip(headers: &HeaderMap, name: &HeaderName) -> bool {
    headers.get(name).is_some_and(|value| String::from_utf8_lossy(value.as_bytes()).contains("gzip"))
}

/// Unpacks a gzipped request, so that log, faults and simulator see the plain body.
fn unpack(headers: &mut HeaderMap, packed: Bytes) -> Bytes {
    if !mentions_gzip(headers, &CONTENT_ENCODING) {
        return packed;
    }
    let mut plain = Vec::new();
    if flate2::read::GzDecoder::new(packed.as_ref()).read_to_end(&mut plain).is_err() {
        return packed;
    }
    headers.remove(CONTENT_ENCODING);
    headers.insert(CONTENT_LENGTH, HeaderValue::from(plain.len()));
    Bytes::from(plain)
}

/// Packs a large answer for a client that accepts gzip.
async fn pack(response: Response) -> Response {
    const WORTH_IT: usize = 1024;
    // A body that is to be cut has no exact size, and must stay as it is.
    if response.headers().contains_key(CONTENT_ENCODING) || response.body().size_hint().exact().is_none() {
        return response;
    }
    let (mut parts, bytes) = whole(response).await;
    if bytes.len() < WORTH_IT {
        return Response::from_parts(parts, Body::from(bytes));
    }
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let packed = encoder.write_all(&bytes).and_then(|()| encoder.finish());
    let Ok(packed) = packed else { return Response::from_parts(parts, Body::from(bytes)) };
    parts.headers.remove(CONTENT_LENGTH);
    parts.headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    Response::from_parts(parts, Body::from(packed))
}
