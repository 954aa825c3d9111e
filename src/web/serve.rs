//! Connections: how many, how long, and how they end.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

use super::Limits;
use super::idle::{Noting, Timed};

/// After a failed accept (no file handles left, mostly) others get a moment to end.
const BREATH: Duration = Duration::from_millis(50);

/// One listening door.
#[derive(Clone)]
pub struct Door {
    pub name: &'static str,
    pub router: Router,
    pub limits: Limits,
    pub closing: CancellationToken,
    pub cut: CancellationToken,
    pub tracker: TaskTracker,
}

impl Door {
    /// Takes connections until closing. Over the limit they wait where the system keeps them.
    pub async fn serve(self, listener: TcpListener, connections: usize) {
        let slots = Arc::new(Semaphore::new(connections));
        while let Some(slot) = self.slot(&slots).await {
            let accepted = tokio::select! {
                () = self.closing.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, _)) => {
                    self.tracker.spawn(self.clone().connection(stream, slot));
                }
                Err(error) => {
                    warn!(door = self.name, %error, "a connection could not be taken");
                    tokio::time::sleep(BREATH).await;
                }
            }
        }
    }

    async fn slot(&self, slots: &Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
        if let Ok(slot) = slots.clone().try_acquire_owned() {
            return Some(slot);
        }
        warn!(door = self.name, "as many connections as allowed: new ones wait");
        tokio::select! {
            () = self.closing.cancelled() => None,
            slot = slots.clone().acquire_owned() => slot.ok(),
        }
    }

    async fn connection(self, stream: TcpStream, slot: OwnedSemaphorePermit) {
        let _ = stream.set_nodelay(true);
        let in_request = Arc::new(AtomicBool::new(false));
        let stream = Timed::new(stream, self.limits.head_time, in_request.clone());
        let service = Noting { router: TowerToHyperService::new(self.router), in_request };
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.keep_alive.max(self.limits.head_time))
            .max_headers(self.limits.headers)
            .max_buf_size(self.limits.head_bytes.max(8192))
            .serve_connection(TokioIo::new(stream), service);
        tokio::pin!(connection);
        let mut patience = self.limits.lifetime;
        let mut leaving = false;
        let ended = loop {
            tokio::select! {
                ended = &mut connection => break ended,
                () = self.cut.cancelled() => break Ok(()),
                () = self.closing.cancelled(), if !leaving => {}
                // Once asked to end, a connection has time for one more body; then it is cut.
                () = tokio::time::sleep(patience) => if leaving { break Ok(()) },
            }
            leaving = true;
            patience = self.limits.body_time + self.limits.head_time;
            connection.as_mut().graceful_shutdown();
        };
        if let Err(error) = ended {
            debug!(door = self.name, %error, "a connection broke");
        }
        drop(slot);
    }
}
