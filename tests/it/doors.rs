//! Both listeners from the callers' view: requests, answers, and refusals.
#![allow(clippy::unwrap_used, reason = "tests")]

mod admin;
mod console;
mod counters;
mod hostile;
mod idle;
mod limits;
mod webhook;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use goodays_salesforce::clock::Clock;
use goodays_salesforce::config::{Config, Secrets};
use goodays_salesforce::goodays::signature::{HEADER, sign};
use goodays_salesforce::mapping::Mapping;
use goodays_salesforce::state::{Settings, Store};
use goodays_salesforce::web::{Doors, Limits};
use goodays_salesforce::workers::Shared;
use reqwest::{RequestBuilder, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use crate::now;

const PATH: &str = "/webhooks/goodays";
const SECRET: &str = "Critizr";

/// How a house differs from the default. Without other settings, neither remote answers.
struct Plan {
    server: &'static str,
    admin: &'static str,
    webhook: &'static str,
    goodays: String,
    mappings: PathBuf,
    limits: Limits,
    store: Settings,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            server: "listen: '127.0.0.1:0'",
            admin: "listen: '127.0.0.1:0'",
            webhook: "secrets: [Critizr]",
            goodays: "http://127.0.0.1:1/v2".to_owned(),
            mappings: Path::new(env!("CARGO_MANIFEST_DIR")).join("mappings"),
            limits: Limits::default(),
            store: Settings::default(),
        }
    }
}

/// A daemon without its loops: two listeners and a store.
struct House {
    dir: TempDir,
    shared: Arc<Shared>,
    doors: Doors,
    http: reqwest::Client,
}

impl Plan {
    fn config(&self, dir: &Path) -> Config {
        let Self { server, admin, webhook, goodays, mappings, .. } = self;
        let text = format!(
            "server: {{ {server} }}\nadmin: {{ {admin} }}\n\
             goodays: {{ base_url: '{goodays}', token: t, webhook: {{ {webhook} }} }}\n\
             salesforce:\n  login_url: http://127.0.0.1:1\n  auth: {{ client_id: i, client_secret: s }}\n\
             mappings: '{}'\n",
            mappings.display()
        );
        let file = dir.join("connector.yaml");
        std::fs::write(&file, text).unwrap();
        Config::load_with(&file, Secrets::Required, &|_| None).unwrap()
    }

    async fn shared(&self, dir: &Path) -> Arc<Shared> {
        let config = self.config(dir);
        let (mapping, _) = Mapping::load(&config.mappings).unwrap();
        let store = Store::open(&config.state.path, self.store.clone()).unwrap();
        Arc::new(Shared::open(config, mapping, store, Clock::System).await.unwrap())
    }

    async fn build(self) -> House {
        self.build_in(tempfile::tempdir().unwrap()).await
    }

    async fn build_in(self, dir: TempDir) -> House {
        let shared = self.shared(dir.path()).await;
        let doors = Doors::open_with(shared.clone(), CancellationToken::new(), self.limits).await.unwrap();
        let http = goodays_salesforce::http::client(Duration::from_secs(30));
        House { dir, shared, doors, http }
    }
}

async fn house() -> House {
    Plan::default().build().await
}

impl House {
    fn hook(&self) -> RequestBuilder {
        self.http.post(format!("http://{}{PATH}", self.doors.webhook_addr()))
    }

    /// Posts a body as Goodays would.
    async fn post(&self, body: impl Into<Vec<u8>>) -> (StatusCode, Value) {
        let body = body.into();
        let signed = self.hook().header(HEADER, sign(&body, &SECRET.into()));
        answered(signed.body(body)).await
    }

    fn get(&self, path: &str) -> RequestBuilder {
        self.http.get(format!("http://{}{path}", self.doors.admin_addr()))
    }

    fn order(&self, path: &str) -> RequestBuilder {
        self.http.post(format!("http://{}{path}", self.doors.admin_addr()))
    }

    fn pending(&self) -> u64 {
        now(self.shared.store.counters()).unwrap().pending
    }

    async fn metrics(&self) -> String {
        self.get("/metrics").send().await.unwrap().text().await.unwrap()
    }

    /// How many webhooks had this outcome.
    async fn counted(&self, outcome: &str) -> u64 {
        let text = self.metrics().await;
        let name = format!("goodays_salesforce_webhooks_total{{outcome=\"{outcome}\"}} ");
        text.lines().find_map(|line| line.strip_prefix(&name)?.parse().ok()).unwrap_or_default()
    }
}

/// Status and JSON of an answer.
async fn answered(request: RequestBuilder) -> (StatusCode, Value) {
    let answer = request.send().await.unwrap();
    (answer.status(), answer.json().await.unwrap())
}

fn event(id: &str) -> String {
    json!({ "event_type": "response", "response": { "id": id } }).to_string()
}

fn fixture(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/goodays").join(name);
    std::fs::read_to_string(path).unwrap()
}

/// A connection that sends what no correct client would.
async fn say(house: &House, bytes: &str) -> TcpStream {
    let mut stream = TcpStream::connect(house.doors.webhook_addr()).await.unwrap();
    stream.write_all(bytes.as_bytes()).await.unwrap();
    stream
}

/// Reads until the server closes the connection.
async fn hear(stream: &mut TcpStream) -> String {
    let mut heard = Vec::new();
    let _ = stream.read_to_end(&mut heard).await;
    String::from_utf8_lossy(&heard).into_owned()
}
