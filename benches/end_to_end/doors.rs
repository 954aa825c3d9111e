//! Simple servers for comparison, each in its own process, with the same HTTP server, HMAC and parser. One discards the
//! event. The others store it and answer after a sync that waiters share: in a file, or in sled alone, which is how the
//! daemon could do without a journal.

use std::fs::File;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, mpsc};

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use goodays_salesforce::goodays::event::peek_response_id;
use goodays_salesforce::goodays::signature;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use secrecy::SecretString;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::load::SECRET;

type Waiter = (Bytes, oneshot::Sender<()>);

struct Door {
    secrets: [SecretString; 1],
    log: Option<mpsc::Sender<Waiter>>,
}

/// Where a door stores events.
#[derive(Clone, Copy)]
pub enum Keep<'a> {
    Nowhere,
    File(&'a Path),
    Sled(&'a Path),
}

/// Serves until the process is killed.
pub async fn serve(addr: SocketAddr, keep: Keep<'_>) -> anyhow::Result<()> {
    let log = match keep {
        Keep::Nowhere => None,
        Keep::File(path) => {
            let file = File::create(path)?;
            Some(committer(move |waiters| commit(file, &waiters)))
        }
        Keep::Sled(path) => {
            let db = sled::open(path)?;
            db.insert(b"first", b"")?;
            db.flush()?;
            // Without it sled's log is in no order after a power cut: no comparison.
            anyhow::ensure!(real_sync::syncs() > 0, "sled's syncs are real ones");
            Some(committer(move |waiters| commit_to_sled(&db, &waiters)))
        }
    };
    let door = Arc::new(Door { secrets: [SecretString::from(SECRET)], log });
    let router = Router::new().fallback(take).with_state(door);
    let listener = TcpListener::bind(addr).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let service = TowerToHyperService::new(router.clone());
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

async fn take(State(door): State<Arc<Door>>, request: Request<Body>) -> Response {
    let (head, body) = request.into_parts();
    let Ok(body) = to_bytes(body, 8 << 20).await else { return StatusCode::BAD_REQUEST.into_response() };
    let given = head.headers.get(signature::HEADER).map(http::HeaderValue::as_bytes);
    if signature::verify(&body, given, &door.secrets).is_err() {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let parsed = serde_json::from_slice::<Value>(&body).ok();
    if parsed.and_then(|value| peek_response_id(&value).ok()).is_none() {
        return StatusCode::BAD_REQUEST.into_response();
    }
    if let Some(log) = &door.log {
        let (waiter, synced) = oneshot::channel();
        if log.send((body, waiter)).is_err() || synced.await.is_err() {
            return StatusCode::SERVICE_UNAVAILABLE.into_response();
        }
    }
    axum::Json(serde_json::json!({ "status": "accepted" })).into_response()
}

fn committer(work: impl FnOnce(mpsc::Receiver<Waiter>) + Send + 'static) -> mpsc::Sender<Waiter> {
    let (queue, waiters) = mpsc::channel();
    std::thread::spawn(move || work(waiters));
    queue
}

/// Inserts all waiting events, and flushes once.
fn commit_to_sled(db: &sled::Db, waiters: &mpsc::Receiver<Waiter>) {
    let mut number = 0_u64;
    while let Ok(first) = waiters.recv() {
        let group: Vec<Waiter> = std::iter::once(first).chain(waiters.try_iter()).collect();
        for (body, _) in &group {
            number += 1;
            if db.insert(number.to_be_bytes(), body.as_ref()).is_err() {
                return;
            }
        }
        if db.flush().is_err() {
            return;
        }
        for (_, waiter) in group {
            let _ = waiter.send(());
        }
    }
}

/// Writes all waiting events with one write and one sync.
fn commit(mut file: File, waiters: &mpsc::Receiver<Waiter>) {
    let mut bytes = Vec::new();
    while let Ok(first) = waiters.recv() {
        let group: Vec<Waiter> = std::iter::once(first).chain(waiters.try_iter()).collect();
        bytes.clear();
        bytes.extend(group.iter().flat_map(|(body, _)| body.iter()));
        if file.write_all(&bytes).and_then(|()| file.sync_data()).is_err() {
            return;
        }
        for (_, waiter) in group {
            let _ = waiter.send(());
        }
    }
}
