//! The two HTTP listeners: one for webhooks, one for operators and monitoring.
//!
//! A listener reads and authorizes requests and passes them on; other modules interpret them.

mod admin;
mod answer;
mod body;
mod bulk;
mod console;
mod forward;
mod guard;
mod idle;
mod pages;
mod seats;
mod serve;
mod strangers;
mod webhook;

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, info};

use crate::workers::Current;
use serve::{Door, Which};

/// How long a request to the admin door may take: a connection that is older is closed soon. What such a request has begun
/// goes on.
pub const LONGEST_REQUEST: Duration = Duration::from_secs(600);

/// Limits of the listeners. The defaults are generous for Goodays and strict for other clients.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Time for a request's head, from its first byte; for a connection's first head, from the connection's start.
    pub head_time: Duration,
    /// How long a connection may wait for its next request. Proxies keep connections for 60 s. The proxy must close
    /// first: otherwise it may send a request on a connection that we are just closing.
    pub keep_alive: Duration,
    /// Time for a body, from its first byte to its last.
    pub body_time: Duration,
    /// How long a body that is too long is still read, so that its sender sees the response.
    pub linger: Duration,
    /// Maximum age of a connection; it is closed between two requests.
    pub lifetime: Duration,
    /// How long closing waits for requests in flight.
    pub stop: Duration,
    /// Maximum number of headers of a request.
    pub headers: usize,
    /// Maximum size of a request's head in bytes; at least 8192.
    pub head_bytes: usize,
    /// Total bytes of webhook bodies that are being read, large ones excluded.
    pub bodies: usize,
    /// The same for large ones (more than 64 KiB each); at least the longest allowed body.
    pub large_bodies: usize,
    pub webhook_connections: usize,
    pub admin_connections: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head_time: Duration::from_secs(10),
            keep_alive: Duration::from_secs(75),
            body_time: Duration::from_secs(30),
            linger: Duration::from_secs(5),
            lifetime: LONGEST_REQUEST,
            stop: Duration::from_secs(5),
            headers: 64,
            head_bytes: 32 << 10,
            bodies: 24 << 20,
            large_bodies: 32 << 20,
            webhook_connections: 1024,
            admin_connections: 64,
        }
    }
}

/// A listener could not bind its address.
#[derive(Debug, Error)]
#[error(
    "the {} door cannot listen on {address} (`{}` in connector.yaml): {}; \
     stop what listens there, or give another address (port 0 takes a free port)",
    .which.title(), .which.key(), .reason.kind()
)]
pub struct DoorError {
    which: Which,
    address: SocketAddr,
    reason: std::io::Error,
}

/// Both listeners, bound and serving.
pub struct Doors {
    webhook: SocketAddr,
    admin: SocketAddr,
    limits: Limits,
    /// Cancelled: no new connections, and no further requests on existing ones.
    closing: CancellationToken,
    /// Cancelled: cuts requests in flight.
    cut: CancellationToken,
    tracker: TaskTracker,
}

impl Doors {
    /// Binds both addresses and serves until [`close`](Self::close), or until the token is cancelled.
    pub async fn open(current: impl Into<Current>, token: CancellationToken) -> Result<Self, DoorError> {
        Self::open_with(current, token, Limits::default()).await
    }

    /// The same with given limits.
    pub async fn open_with(
        current: impl Into<Current>,
        token: CancellationToken,
        limits: Limits,
    ) -> Result<Self, DoorError> {
        let current = current.into();
        let config = &current.process().config;
        let webhook = bind(Which::Webhook, config.server.listen).await?;
        let admin = bind(Which::Admin, config.admin.listen).await?;
        let mut doors = Self {
            webhook: webhook.1,
            admin: admin.1,
            closing: token.child_token(),
            cut: CancellationToken::new(),
            tracker: TaskTracker::new(),
            limits,
        };
        let path = &config.server.webhook_path;
        debug!(webhook = %doors.webhook, path, admin = %doors.admin, "the doors are open");
        let webhooks = crate::descriptors::for_connections(doors.limits.webhook_connections);
        let connections = (webhooks, doors.limits.admin_connections);
        doors.serve(Which::Webhook, webhook.0, webhook::router(&current, &doors.limits), connections.0);
        let console = admin::router(&current, admin.1, &doors.limits, doors.closing.clone());
        let console =
            console.map_err(|reason| DoorError { which: Which::Admin, address: admin.1, reason })?;
        doors.serve(Which::Admin, admin.0, console, connections.1);
        doors.tracker.close();
        Ok(doors)
    }

    fn serve(&mut self, which: Which, listener: TcpListener, router: Router, connections: usize) {
        let door = Door {
            which,
            router,
            limits: self.limits.clone(),
            closing: self.closing.clone(),
            cut: self.cut.clone(),
            tracker: self.tracker.clone(),
        };
        self.tracker.spawn(door.serve(listener, connections));
    }

    pub fn webhook_addr(&self) -> SocketAddr {
        self.webhook
    }

    pub fn admin_addr(&self) -> SocketAddr {
        self.admin
    }

    /// Stops accepting connections, and waits up to [`Limits::stop`] for requests in flight.
    pub async fn close(self) {
        self.closing.cancel();
        if tokio::time::timeout(self.limits.stop, self.tracker.wait()).await.is_err() {
            info!("requests were still in flight at the doors; their senders get no answer");
            self.cut.cancel();
            self.tracker.wait().await;
        }
    }
}

impl Drop for Doors {
    fn drop(&mut self) {
        self.closing.cancel();
        self.cut.cancel();
    }
}

async fn bind(which: Which, address: SocketAddr) -> Result<(TcpListener, SocketAddr), DoorError> {
    let failed = |reason| DoorError { which, address, reason };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}
