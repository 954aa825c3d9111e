//! Server-sent events: the numbers of the overview, or the progress of long work, whenever they change.

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde_json::{Value, json};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use super::snapshot::FRESH_MS;
use super::{Asked, Console, overview};

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

/// One stream: what it says, and how it is found.
struct Watching<F> {
    console: Arc<Console>,
    every: Duration,
    say: F,
    /// What was sent last.
    sent: String,
    looks: u32,
    _place: OwnedSemaphorePermit,
}

/// The numbers of the overview.
pub async fn stream(State(console): State<Arc<Console>>, asked: Asked) -> Response {
    let language = asked.look.language;
    let every = Duration::from_millis(FRESH_MS.unsigned_abs());
    events(console, every, move |console: Arc<Console>| async move {
        let snapshot = console.snapshots.get(&console.shared()).await.ok()?;
        let numbers = overview::numbers(&snapshot, language).into_iter();
        Some(Value::Object(numbers.map(|(name, text)| (name.to_owned(), json!(text))).collect()))
    })
}

/// A stream of what `say` says, whenever that changes. It ends when `say` says nothing.
pub fn events<F, W>(console: Arc<Console>, every: Duration, say: F) -> Response
where
    F: FnMut(Arc<Console>) -> W + Send + 'static,
    W: Future<Output = Option<Value>> + Send + 'static,
{
    let Ok(place) = console.streams.places.clone().try_acquire_owned() else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    let watching = Watching { console, every, say, sent: String::new(), looks: 0, _place: place };
    Sse::new(stream::unfold(watching, next)).into_response()
}

/// Waits until something changes, or sends a line that keeps the connection.
async fn next<F, W>(mut watching: Watching<F>) -> Option<(Result<Event, Infallible>, Watching<F>)>
where
    F: FnMut(Arc<Console>) -> W,
    W: Future<Output = Option<Value>>,
{
    if watching.looks >= LOOKS {
        return None;
    }
    if watching.looks > 0 {
        let closing = watching.console.streams.closing.clone();
        tokio::select! {
            () = closing.cancelled() => return None,
            () = tokio::time::sleep(watching.every) => {}
        }
    }
    watching.looks += 1;
    let now = (watching.say)(watching.console.clone()).await?.to_string();
    let event = if now == watching.sent { Event::default().comment("") } else { Event::default().data(&now) };
    watching.sent = now;
    Some((Ok(event), watching))
}
