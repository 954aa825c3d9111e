//! The Salesforce simulator against `reference/salesforce-api.md`. Each test names the section that it checks.
//! Verbatim quotes of the reference are in `tests/fixtures/salesforce/`.

#![expect(clippy::unwrap_used, reason = "a test may fail at once, in its helpers too")]

mod agents;
mod composite;
mod faults;
mod limits;
mod login;
mod records;
mod soql;
mod time;
mod validation;

use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::time::Duration;

use goodays_salesforce::clock::Clock;
use goodays_salesforce::sim::salesforce::{Options, Salesforce};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// A plain client with a session, and its org.
struct World {
    org: Salesforce,
    http: reqwest::Client,
    token: String,
}

/// An answer.
struct Got {
    status: u16,
    headers: reqwest::header::HeaderMap,
    body: Value,
}

impl World {
    async fn new() -> Self {
        Self::with(Options::default()).await
    }

    async fn with(options: Options) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let org = Salesforce::start(listener, options).await;
        let token = org.new_token();
        let http = goodays_salesforce::http::client(Duration::from_secs(20));
        Self { org, http, token }
    }

    /// With a clock that changes only when the test changes it.
    async fn at(ms: i64) -> (Self, Arc<AtomicI64>) {
        let time = Arc::new(AtomicI64::new(ms));
        let clock = Clock::Manual(time.clone());
        (Self::with(Options { clock, ..Options::default() }).await, time)
    }

    async fn send(&self, method: &str, path: &str, body: Value, headers: &[(&str, &str)]) -> Got {
        let absolute = path.starts_with("/services") || path.starts_with("//") || path.starts_with("/__sim");
        let base = if absolute { "" } else { "/services/data/v66.0" };
        let url = format!("{}{base}{path}", self.org.url());
        let mut request = self.http.request(method.parse().unwrap(), url).bearer_auth(&self.token);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if !body.is_null() {
            request = request.json(&body);
        }
        read(request.send().await.unwrap()).await
    }

    async fn get(&self, path: &str) -> Got {
        self.send("GET", path, Value::Null, &[]).await
    }

    async fn post(&self, path: &str, body: Value) -> Got {
        self.send("POST", path, body, &[]).await
    }

    async fn patch(&self, path: &str, body: Value) -> Got {
        self.send("PATCH", path, body, &[]).await
    }

    async fn delete(&self, path: &str) -> Got {
        self.send("DELETE", path, Value::Null, &[]).await
    }

    async fn query(&self, soql: &str) -> Got {
        self.get(&format!("/query?q={}", encoded(soql))).await
    }

    /// The ids that a query finds, in its order.
    async fn ids(&self, soql: &str) -> Vec<String> {
        let got = self.query(soql).await;
        assert_eq!(got.status, 200, "{soql}: {}", got.body);
        let records = got.body["records"].as_array().unwrap();
        records.iter().map(|record| record["Id"].as_str().unwrap().to_owned()).collect()
    }

    async fn create(&self, object: &str, body: Value) -> String {
        let got = self.post(&format!("/sobjects/{object}"), body).await;
        assert_eq!(got.status, 201, "{}", got.body);
        got.body["id"].as_str().unwrap().to_owned()
    }

    async fn comment(&self, case: &str, text: &str) -> String {
        self.create("CaseComment", json!({"ParentId": case, "CommentBody": text})).await
    }

    /// Requests a token with this form, and Basic credentials if given.
    async fn login(&self, form: &[(&str, &str)], basic: Option<(&str, &str)>) -> Got {
        let url = format!("{}/services/oauth2/token", self.org.url());
        let mut request = self.http.post(url).form(form);
        if let Some((id, secret)) = basic {
            request = request.basic_auth(id, Some(secret));
        }
        read(request.send().await.unwrap()).await
    }
}

async fn read(response: reqwest::Response) -> Got {
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let text = response.text().await.unwrap();
    let body = if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap() };
    Got { status, headers, body }
}

fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

fn fixture(name: &str) -> String {
    std::fs::read_to_string(format!("tests/fixtures/salesforce/{name}")).unwrap()
}

/// Compares with a golden file, ids and dates masked in both.
#[track_caller]
fn golden(name: &str, got: &Value) {
    let wanted: Value = serde_json::from_str(&fixture(&format!("{name}.json"))).unwrap();
    assert_eq!(masked(got), masked(&wanted), "{name}");
}

fn masked(value: &Value) -> Value {
    match value {
        Value::String(text) => json!(masked_text(text)),
        Value::Array(items) => items.iter().map(masked).collect(),
        Value::Object(members) => {
            Value::Object(members.iter().map(|(name, value)| (name.clone(), masked(value))).collect())
        }
        other => other.clone(),
    }
}

fn masked_text(text: &str) -> String {
    let prefixes = ["500", "00a", "005", "00D", "a00", "003"];
    let parts = text.split_inclusive(|c: char| !c.is_ascii_alphanumeric());
    let masked = parts.map(|part| {
        let word = part.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
        let is_id = matches!(word.len(), 15 | 18) && prefixes.iter().any(|prefix| word.starts_with(prefix));
        if is_id { part.replace(word, "<id>") } else { part.to_owned() }
    });
    let text: String = masked.collect();
    if text.ends_with("+0000") && text.len() == 28 { "<date>".to_owned() } else { text }
}

/// A graph of one Case with one comment, as the connector sends it.
fn graph(key: &str, text: &str) -> Value {
    json!({"graphId": key, "compositeRequest": [
        {"method": "POST", "url": "/services/data/v66.0/sobjects/Case", "referenceId": "refCase",
         "body": {"Goodays_Response_Id__c": key, "Subject": "Hello"}},
        {"method": "POST", "url": "/services/data/v66.0/sobjects/CaseComment", "referenceId": "refComment0",
         "body": {"ParentId": "@{refCase.id}", "CommentBody": text, "IsPublished": false}}]})
}

fn step(method: &str, path: &str, reference: &str, body: &Value) -> Value {
    json!({"method": method, "url": format!("/services/data/v66.0{path}"), "referenceId": reference, "body": body})
}

const CLIENT: [(&str, &str); 3] =
    [("grant_type", "client_credentials"), ("client_id", "sim-client"), ("client_secret", "sim-secret")];
