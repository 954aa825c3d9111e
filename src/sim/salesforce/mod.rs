//! A simulated Salesforce org with Service Cloud, as `reference/salesforce-api.md` describes the real one.
//!
//! It speaks bytes and uses no type of the connector, so an error in the connector's types cannot repeat itself here.
//! [`wire`](super::wire) adds faults and a log; `rest` handles requests; `org` holds records and their times; `write`
//! and `validate` have the rules of saving; `soql` is the query language. [`settings`] has the switches, including
//! all that the reference could not verify. Tests and integrators act as agents in-process through [`Sim`], or over
//! HTTP with the verbs of [`control`].

mod agents;
mod collections;
mod composite;
pub mod control;
mod describe;
mod ids;
mod oauth;
mod org;
mod problem;
mod rest;
pub mod schema;
pub mod settings;
mod sobjects;
mod soql;
mod table;
mod validate;
mod write;

use std::net::SocketAddr;
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use axum::Router;
use tokio::net::TcpListener;

use super::wire::{Server, Wire, serve};
use crate::clock::Clock;
use org::Org;
pub use org::{AUTOMATED_PROCESS, INTEGRATION_USER, PORTAL_USER};
use settings::Settings;

#[derive(Clone, Debug)]
pub struct Options {
    pub client_id: String,
    pub client_secret: String,
    /// The user for whom a JWT may be issued.
    pub username: String,
    /// PEM. Without it, no JWT is accepted.
    pub jwt_public_key: Option<String>,
    /// A further audience that a JWT may have.
    pub audience: Option<String>,
    pub clock: Clock,
    pub settings: Settings,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            client_id: "sim-client".into(),
            client_secret: "sim-secret".into(),
            username: INTEGRATION_USER.into(),
            jwt_public_key: None,
            audience: None,
            clock: Clock::System,
            settings: Settings::default(),
        }
    }
}

/// A running simulator. Clones share it. When the last one is dropped, its server closes.
#[derive(Clone)]
pub struct Salesforce {
    sim: Sim,
    server: Arc<Mutex<Option<Server>>>,
}

impl Salesforce {
    pub async fn start(listener: TcpListener, options: Options) -> Self {
        let sim = Sim::new(options);
        let router = Router::new().fallback(rest::handle).with_state(sim.clone());
        let router = router.layer(axum::extract::DefaultBodyLimit::max(50 * 1024 * 1024));
        let server = serve(listener, router, sim.wire().clone()).await;
        // The only place that sets the address.
        let _ = sim.0.addr.set(server.addr());
        Self { sim, server: Arc::new(Mutex::new(Some(server))) }
    }

    /// Closes the server and cuts all connections. The records stay readable.
    pub async fn stop(&self) {
        let server = self.server.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(server) = server {
            server.stop().await;
        }
    }
}

impl Deref for Salesforce {
    type Target = Sim;

    fn deref(&self) -> &Sim {
        &self.sim
    }
}

/// The simulated org without its server: the state that requests and tests share.
#[derive(Clone)]
pub struct Sim(Arc<Inner>);

struct Inner {
    org: Mutex<Org>,
    options: Options,
    wire: Wire,
    addr: OnceLock<SocketAddr>,
}

impl Sim {
    fn new(options: Options) -> Self {
        let org = Mutex::new(Org::new(options.clock.clone(), options.settings.clone()));
        Self(Arc::new(Inner { org, options, wire: Wire::new(), addr: OnceLock::new() }))
    }

    pub fn url(&self) -> String {
        self.0.addr.get().map_or_else(String::new, |addr| format!("http://{addr}"))
    }

    pub fn wire(&self) -> &Wire {
        &self.0.wire
    }

    /// API calls since the start or the last reset, in Salesforce's counting.
    pub fn api_calls(&self) -> u64 {
        self.org().calls
    }

    /// Resets the org to its start. Log, faults and latency are cleared too.
    pub fn reset(&self) {
        let options = self.options();
        *self.org() = Org::new(options.clock.clone(), options.settings.clone());
        self.wire().clear_faults();
        self.wire().clear_requests();
        self.wire().set_latency(0);
    }

    fn options(&self) -> &Options {
        &self.0.options
    }

    fn org(&self) -> MutexGuard<'_, Org> {
        self.0.org.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
