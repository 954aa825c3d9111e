//! The Goodays simulator against `reference/goodays-api.md`. Each test names the section that it checks.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests too")]

mod actions;
mod control;
mod events;
mod lists;
mod token;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use axum::Router;
use goodays_salesforce::clock::Clock;
use goodays_salesforce::sim::goodays::{Feedback, Goodays, Options, Order, Rate, Switches, UpdatedDate};
use goodays_salesforce::sim::wire::{self, Act, Fault, Server, Wire};
use serde_json::{Value, json};
use tokio::net::TcpListener;

const TOKEN: &str = "0123456789abcdef";
const JENNIFER: &str = "1a2b3c4";
/// 2020-02-05T10:20:39.810+01:00, as in the samples.
const START_MS: i64 = 1_580_894_439_810;

struct World {
    goodays: Goodays,
    client: reqwest::Client,
    millis: Arc<AtomicI64>,
}

async fn port() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

async fn world() -> World {
    world_with(Switches::default()).await
}

async fn world_with(switches: Switches) -> World {
    let millis = Arc::new(AtomicI64::new(START_MS));
    let clock = Clock::Manual(Arc::clone(&millis));
    let options = Options { token: TOKEN.to_owned(), clock, switches, ..Options::default() };
    let goodays = Goodays::start(port().await, options).await;
    World { goodays, client: goodays_salesforce::http::client(Duration::from_secs(10)), millis }
}

struct Got {
    status: u16,
    body: Value,
    headers: http::HeaderMap,
}

impl World {
    async fn send(&self, method: &str, url: &str, token: Option<&str>, body: Option<&str>) -> Got {
        let mut request = self.client.request(method.parse().unwrap(), url);
        if let Some(token) = token {
            request = request.header("Authorization", token);
        }
        if let Some(body) = body {
            request = request.header("Content-Type", "application/json").body(body.to_owned());
        }
        let answer = request.send().await.unwrap();
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        Got { status, body: answer.json().await.unwrap(), headers }
    }

    async fn get(&self, path: &str) -> Got {
        self.send("GET", &format!("{}{path}", self.goodays.url()), Some(TOKEN), None).await
    }

    async fn put(&self, id: &str, verb: &str, body: Value) -> Got {
        let url = format!("{}/responses/{id}/{verb}", self.goodays.url());
        self.send("PUT", &url, Some(TOKEN), Some(&body.to_string())).await
    }

    async fn control(&self, method: &str, path: &str, body: Value) -> Got {
        let url = format!("http://{}/__sim/{path}", self.goodays.addr());
        let body = if method == "GET" { None } else { Some(body.to_string()) };
        self.send(method, &url, None, body.as_deref()).await
    }

    fn leaves(&self) -> String {
        self.goodays.customer_leaves(Feedback::default())
    }

    fn advance(&self, millis: i64) {
        self.millis.fetch_add(millis, Ordering::SeqCst);
    }

    fn actions(&self, id: &str) -> Vec<String> {
        self.goodays.response(id).unwrap()["actions"].as_object().unwrap().keys().cloned().collect()
    }

    fn state(&self, id: &str) -> String {
        self.goodays.response(id).unwrap()["state"].as_str().unwrap().to_owned()
    }
}

fn answer(content: &str) -> Value {
    json!({"content": content, "user": JENNIFER})
}

/// A receiver of events: the log of its `Wire` is the inbox, and faults make it fail.
async fn receiver(goodays: &Goodays, secret: Option<&str>) -> (Server, Wire) {
    let wire = Wire::new();
    let server = wire::serve(port().await, Router::new().fallback(|| async { "{}" }), wire.clone()).await;
    goodays.set_webhook(&format!("http://{}/hook", server.addr()), secret.map(str::to_owned));
    (server, wire)
}

fn kinds(wire: &Wire) -> Vec<String> {
    let kind =
        |body: &str| serde_json::from_str::<Value>(body).unwrap()["event_type"].as_str().unwrap().to_owned();
    wire.requests().iter().map(|seen| kind(&seen.body)).collect()
}
