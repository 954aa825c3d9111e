//! Connections: their number, their lifetime, and how they are closed.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;
use tracing::{debug, warn};

use super::Limits;
use super::idle::{Noting, Timed};
use super::seats::{Seat, Seats};
use super::strangers::Throttle;

/// Pause after a failed accept (usually: no file descriptors left), so that other connections can end.
const BREATH: Duration = Duration::from_millis(50);

/// The two doors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    Webhook,
    Admin,
}

impl Which {
    /// As an error message names it: "the ... door".
    pub fn title(self) -> &'static str {
        match self {
            Self::Webhook => "webhook's",
            Self::Admin => "admin",
        }
    }

    /// As the log names it.
    fn name(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::Admin => "admin",
        }
    }

    /// Its address in connector.yaml.
    pub fn key(self) -> &'static str {
        match self {
            Self::Webhook => "server.listen",
            Self::Admin => "admin.listen",
        }
    }

    /// Whether every request counts as authenticated. The admin guard sees to that; webhooks are authenticated one by
    /// one.
    fn believes(self) -> bool {
        self == Self::Admin
    }
}

/// One listener.
#[derive(Clone)]
pub struct Door {
    pub which: Which,
    pub router: Router,
    pub limits: Limits,
    pub closing: CancellationToken,
    pub cut: CancellationToken,
    pub tracker: TaskTracker,
}

impl Door {
    /// Accepts connections until closing. At the limit, each new one replaces an unverified one.
    pub async fn serve(self, listener: TcpListener, connections: usize) {
        static FAILED: Throttle = Throttle::new();
        let seats = Seats::new(connections);
        loop {
            let accepted = tokio::select! {
                () = self.closing.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => {
                    let Some(seat) = self.seat(&seats, peer.ip()).await else { return };
                    self.tracker.spawn(self.clone().connection(stream, seat));
                }
                Err(error) => {
                    if let Some(left_out) = FAILED.line(Instant::now()) {
                        warn!(door = self.which.name(), %error, left_out, "a connection could not be taken");
                    }
                    tokio::time::sleep(BREATH).await;
                }
            }
        }
    }

    /// None if the listener is closing.
    async fn seat(&self, seats: &Arc<Seats>, peer: IpAddr) -> Option<Seat> {
        static FULL: Throttle = Throttle::new();
        while !self.closing.is_cancelled() {
            if let Some(seat) = seats.take(peer) {
                return Some(seat);
            }
            if let Some(left_out) = FULL.line(Instant::now()) {
                warn!(door = self.which.name(), left_out, "as many connections as allowed: new ones wait");
            }
            tokio::time::sleep(BREATH).await;
        }
        None
    }

    async fn connection(self, stream: TcpStream, seat: Seat) {
        let _ = stream.set_nodelay(true);
        let in_request = Arc::new(AtomicBool::new(false));
        let stream = Timed::new(stream, self.limits.head_time, in_request.clone());
        let (router, sitting, believes) = (self.router, seat.clone(), self.which.believes());
        let answer = service_fn(move |request: Request<Incoming>| {
            let (router, seat) = (router.clone(), sitting.clone());
            async move {
                let _busy = believes.then(|| seat.believed());
                let mut request = request.map(Body::new);
                request.extensions_mut().insert(seat);
                router.oneshot(request).await
            }
        });
        let service = Noting { answer, in_request };
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
                () = seat.must_leave() => break Ok(()),
                () = self.closing.cancelled(), if !leaving => {}
                // After the request to shut down, there is time for one more body; then the connection is cut.
                () = tokio::time::sleep(patience) => if leaving { break Ok(()) },
            }
            leaving = true;
            patience = self.limits.body_time + self.limits.head_time;
            connection.as_mut().graceful_shutdown();
        };
        if let Err(error) = ended {
            debug!(door = self.which.name(), %error, "a connection broke");
        }
    }
}
