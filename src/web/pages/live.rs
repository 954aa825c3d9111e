//! Server-sent events: the numbers of the overview, whenever they change.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use super::snapshot::FRESH_MS;
use super::{Asked, Console, overview};
use crate::messages::Language;

/// Streams at once. A connection of the door each, so that others are left for the monitoring.
const MOST: usize = 16;
/// A stream ends after this many looks, and the browser opens another: a session that has ended is noticed.
const LOOKS: u32 = 150;

/// The streams to browsers.
pub struct Streams {
    places: Arc<Semaphore>,
    closing: CancellationToken,
}

impl Streams {
    pub fn new(closing: CancellationToken) -> Self {
        Self { places: Arc::new(Semaphore::new(MOST)), closing }
    }
}

/// One stream.
struct Watching {
    console: Arc<Console>,
    language: Language,
    /// What was sent last.
    sent: String,
    looks: u32,
    _place: OwnedSemaphorePermit,
}

pub async fn stream(State(console): State<Arc<Console>>, asked: Asked) -> Response {
    let Ok(place) = console.streams.places.clone().try_acquire_owned() else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    let language = asked.look.language;
    let watching = Watching { console, language, sent: String::new(), looks: 0, _place: place };
    Sse::new(stream::unfold(watching, next)).into_response()
}

/// Waits until the numbers change, or sends a line that keeps the connection.
async fn next(mut watching: Watching) -> Option<(Result<Event, Infallible>, Watching)> {
    if watching.looks >= LOOKS {
        return None;
    }
    if watching.looks > 0 {
        let closing = watching.console.streams.closing.clone();
        tokio::select! {
            () = closing.cancelled() => return None,
            () = tokio::time::sleep(Duration::from_millis(FRESH_MS.unsigned_abs())) => {}
        }
    }
    watching.looks += 1;
    let snapshot = watching.console.snapshots.get(&watching.console.shared()).await.ok()?;
    let numbers: serde_json::Map<String, serde_json::Value> = overview::numbers(&snapshot, watching.language)
        .into_iter()
        .map(|(name, text)| (name.to_owned(), json!(text)))
        .collect();
    let now = json!(numbers).to_string();
    let event = if now == watching.sent { Event::default().comment("") } else { Event::default().data(&now) };
    watching.sent = now;
    Some((Ok(event), watching))
}
