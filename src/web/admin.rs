//! The admin listener: health, metrics, and the console's routes, behind one guard.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, Weak};

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Router, middleware};
use serde_json::json;
use tokio_util::sync::CancellationToken;
use tracing::error;

use super::body::Reader;
use super::guard::{self, Guard};
use super::pages::Sessions;
use super::{Limits, answer, bulk, console, forward, pages};
use crate::operator::status::{Status, gauge_process, trouble};
use crate::state::StoreError;
use crate::workers::{Current, Shared, SweepProgress};

/// The longest body in bytes: requests to the console are short.
const LONGEST: usize = 64 << 10;
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Shared state of the admin routes.
pub struct AdminContext {
    pub current: Current,
    pub reader: Reader,
    /// How far the sweep is that was begun last by hand; gone when it has ended.
    pub sweeping: Mutex<Weak<SweepProgress>>,
    started_ms: i64,
}

impl AdminContext {
    pub fn shared(&self) -> Arc<Shared> {
        self.current.shared()
    }
}

pub fn router(
    current: &Current,
    bound: SocketAddr,
    limits: &Limits,
    closing: CancellationToken,
) -> std::io::Result<Router> {
    let context = Arc::new(AdminContext {
        current: current.clone(),
        reader: Reader::new(LONGEST, limits),
        sweeping: Mutex::default(),
        started_ms: current.process().clock.now_ms(),
    });
    let sessions = Arc::new(Sessions::new()?);
    let guard = Arc::new(Guard::new(bound, current.process().clone(), sessions.clone()));
    let router = Router::new()
        .route("/", get(index))
        .route("/health/live", get(live))
        .route("/health/accepting", get(accepting))
        .route("/health/ready", get(ready))
        .route("/metrics", get(metrics))
        .route("/status", get(status))
        .route("/parked", get(console::parked))
        .route("/parked/retry", post(bulk::retry_all))
        .route("/parked/drop", post(bulk::drop_all))
        .route("/parked/{id}/retry", post(console::retry))
        .route("/parked/{id}/drop", post(console::give_up))
        .route("/events/{id}", get(console::event))
        .route("/cases/{id}", get(console::case))
        .route("/responses/{id}", get(console::response))
        .route("/timeline/{id}", get(console::timeline))
        .route("/reload", post(console::reload))
        .route("/sweep", get(console::sweeping).post(console::sweep))
        .route("/apply-actions", post(bulk::apply_actions))
        .route("/forget", post(console::forget))
        .route_layer(middleware::from_fn_with_state(context.clone(), forward::forward))
        .with_state(context)
        .merge(pages::router(current, sessions, limits, closing))
        .method_not_allowed_fallback(answer::wrong_method)
        .fallback(answer::not_found)
        .layer(middleware::from_fn_with_state(guard, guard::check));
    Ok(router)
}

/// The list of paths; a browser is led to the console.
async fn index(headers: HeaderMap) -> Response {
    let accepted = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    if accepted.contains("text/html") {
        return (StatusCode::SEE_OTHER, [(header::LOCATION, pages::PAGES.root)]).into_response();
    }
    answer::json(
        StatusCode::OK,
        json!({
            "program": concat!("goodays-salesforce ", env!("CARGO_PKG_VERSION")),
            "GET": {
                "/console": "pages for people",
                "/health/live": "the process runs",
                "/health/accepting": "a webhook can be stored now",
                "/health/ready": "both remotes are reachable",
                "/status": "how it is doing",
                "/parked": "what waits for a human",
                "/metrics": "for Prometheus",
                "/events/{id}": "the payload of a stored event",
                "/cases/{id or number}": "what would go to Goodays for a Case now, and why",
                "/responses/{id}": "what is known of a response",
                "/timeline/{id}": "what happened to a feedback",
                "/sweep": "how far a sweep is",
            },
            "POST": {
                "/parked/{id}/retry": "try again",
                "/parked/{id}/drop": "give up",
                "/parked/retry": "try all of one reason again",
                "/parked/drop": "give up all of one reason",
                "/reload": "read mappings, connector.yaml and secrets anew",
                "/sweep": "compare both sides",
                "/apply-actions": "carry out rules of an edited actions.yaml on what stands",
                "/forget": "remove what is held of a person",
            },
        }),
    )
}

async fn live() -> Response {
    answer::json(StatusCode::OK, json!({ "live": true }))
}

/// Whether a webhook can be stored now. The state of the remotes does not matter.
async fn accepting(State(context): State<Arc<AdminContext>>) -> Response {
    let shared = context.shared();
    let refusal = shared.accepting().err();
    let mut body = json!({ "accepting": refusal.is_none() });
    let status = refusal.as_ref().map_or(StatusCode::OK, |_| StatusCode::SERVICE_UNAVAILABLE);
    if let Some(why) = refusal {
        body["reason"] = json!(why.to_string());
    }
    if let Some(standing) = &*shared.standing.load() {
        // Whoever asks several instances has to know whom he reached.
        body["instance"] = json!(standing.me);
    }
    answer::json(status, body)
}

async fn ready(State(context): State<Arc<AdminContext>>) -> Response {
    let shared = &context.shared();
    if !shared.works {
        return waits(shared);
    }
    let salesforce = shared.salesforce_breaker.trouble().map(|t| trouble(&t));
    let asked = shared.salesforce_breaker.is_well() || salesforce.is_some();
    let body = json!({
        "ready": shared.is_ready(),
        "salesforce": if asked { json!(salesforce) } else { json!("not reached yet") },
        "goodays": shared.goodays_breaker.trouble().map(|t| trouble(&t)),
    });
    let status = if shared.is_ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    answer::json(status, body)
}

/// An instance that does not work.
fn waits(shared: &Shared) -> Response {
    let works = shared.standing.load().as_ref().and_then(|standing| standing.leader.clone());
    let status = if shared.is_ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    answer::json(status, json!({ "ready": shared.is_ready(), "works": works }))
}

async fn metrics(State(context): State<Arc<AdminContext>>) -> Response {
    let shared = context.shared();
    gauge_process(&shared);
    match Status::read(&shared, context.started_ms).await {
        Ok(status) => status.gauge(&shared),
        // The counters and the other gauges are still useful.
        Err(problem) => error!(%problem, "what is stored could not be read for the gauges"),
    }
    let text = shared.metrics.text();
    ([(header::CONTENT_TYPE, HeaderValue::from_static(OPEN_METRICS))], text).into_response()
}

async fn status(State(context): State<Arc<AdminContext>>) -> Response {
    match read_status(&context).await {
        Ok(status) => answer::json(StatusCode::OK, status),
        Err(problem) => answer::error(StatusCode::SERVICE_UNAVAILABLE, &problem.to_string()),
    }
}

async fn read_status(context: &AdminContext) -> Result<serde_json::Value, StoreError> {
    let shared = context.shared();
    let status = Status::read(&shared, context.started_ms).await?;
    let findings = status.findings(&shared).await?;
    Ok(status.show(&shared, &findings))
}
