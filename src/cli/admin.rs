//! Commands that talk with the running daemon over its admin door.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::{FINDINGS, OK, UNREACHABLE, load, show};
use crate::app::ADMIN_FILE;
use crate::config::{Config, Secrets};
use crate::goodays::ResponseId;
use crate::run::Knowledge;

/// The running daemon's admin door.
pub struct Admin {
    base: String,
    token: Option<String>,
    http: reqwest::Client,
}

impl Admin {
    pub fn find(path: &Path) -> anyhow::Result<Self> {
        let config = load(path, Secrets::Optional)?;
        let file = config.state.path.join(ADMIN_FILE);
        let addr = std::fs::read_to_string(&file).with_context(|| {
            format!("no running daemon was found ({} is not there): start it with `run`", file.display())
        })?;
        Ok(Self::at(&config, addr.trim()))
    }

    fn at(config: &Config, addr: &str) -> Self {
        let token =
            config.admin.token.as_ref().map(|t| t.expose_secret().to_owned()).filter(|t| !t.is_empty());
        // Listening everywhere is reached by way of loopback.
        let addr = addr.replace("0.0.0.0:", "127.0.0.1:").replace("[::]:", "[::1]:");
        Self { base: format!("http://{addr}"), token, http: crate::http::client(Duration::from_secs(120)) }
    }

    async fn ask(
        &self,
        method: reqwest::Method,
        path: &str,
        body: Option<Value>,
    ) -> anyhow::Result<(u16, Value)> {
        let mut request = self.http.request(method, format!("{}{path}", self.base));
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer =
            request.send().await.map_err(reqwest::Error::without_url).with_context(|| {
                format!("the daemon does not answer at {}: is it still running?", self.base)
            })?;
        let status = answer.status().as_u16();
        let text = answer.text().await.map_err(reqwest::Error::without_url)?;
        if status == 401 {
            bail!("the admin door wants its token: set admin.token in connector.yaml as the daemon has it");
        }
        Ok((status, serde_json::from_str(&text).unwrap_or(Value::String(text))))
    }

    async fn get(&self, path: &str) -> anyhow::Result<Value> {
        let (status, body) = self.ask(reqwest::Method::GET, path, None).await?;
        if status == 200 { Ok(body) } else { bail!("{path}: status {status}: {}", said(&body)) }
    }

    /// What the daemon knows of a response, and of the org's fields.
    pub async fn knowledge(&self, id: &ResponseId) -> anyhow::Result<Knowledge> {
        let id = utf8_percent_encode(id.as_str(), NON_ALPHANUMERIC);
        Ok(serde_json::from_value(self.get(&format!("/responses/{id}")).await?)?)
    }

    async fn post(&self, path: &str, body: Option<Value>) -> anyhow::Result<(u16, Value)> {
        self.ask(reqwest::Method::POST, path, body).await
    }
}

fn said(body: &Value) -> String {
    let words = ["error", "errors", "reason", "message"].iter().find_map(|k| body.get(k)?.as_str());
    words.map_or_else(|| body.to_string(), str::to_owned)
}

pub async fn status(path: &Path, json: bool) -> anyhow::Result<u8> {
    let status = Admin::find(path)?.get("/status").await?;
    if json {
        println!("{status:#}");
    } else {
        print!("{}", show::status(&status));
    }
    let parked = |side: &str| status[side]["parked"].as_u64().unwrap_or_default();
    let unclear = status["outbox"]["unclear"].as_u64().unwrap_or_default();
    let troubled = !status["salesforce"]["trouble"].is_null()
        || !status["goodays"]["trouble"].is_null()
        || !status["mapping"]["trouble"].is_null();
    Ok(if parked("inbox") + parked("outbox") + unclear > 0 || troubled { FINDINGS } else { OK })
}

pub async fn parked(path: &Path, json: bool) -> anyhow::Result<u8> {
    let items = Admin::find(path)?.get("/parked").await?;
    if json {
        println!("{items:#}");
    } else {
        print!("{}", show::parked(&items));
    }
    Ok(if items.as_array().is_some_and(|i| !i.is_empty()) { FINDINGS } else { OK })
}

pub async fn retry(path: &Path, id: &str, send_again: bool) -> anyhow::Result<u8> {
    let body = send_again.then(|| json!({ "send_again": true }));
    let (status, body) = Admin::find(path)?.post(&format!("/parked/{id}/retry"), body).await?;
    match status {
        200 => {
            println!("{id}: {}", body["status"].as_str().unwrap_or("ok"));
            Ok(OK)
        }
        503 => {
            eprintln!("{id}: {}", said(&body));
            Ok(UNREACHABLE)
        }
        _ => {
            eprintln!("{id}: {}", said(&body));
            Ok(FINDINGS)
        }
    }
}

pub async fn retry_all(path: &Path, reason: Option<&str>) -> anyhow::Result<u8> {
    let (status, body) = Admin::find(path)?.post("/parked/retry", Some(json!({ "reason": reason }))).await?;
    if status != 200 {
        eprintln!("error: {}", said(&body));
        return Ok(FINDINGS);
    }
    print!("{}", show::tally(&body));
    Ok(OK)
}

pub async fn drop(path: &Path, id: &str) -> anyhow::Result<u8> {
    let (status, body) = Admin::find(path)?.post(&format!("/parked/{id}/drop"), None).await?;
    if status == 200 {
        println!("{id}: dropped");
        return Ok(OK);
    }
    eprintln!("{id}: {}", said(&body));
    Ok(FINDINGS)
}

pub async fn sweep(path: &Path, since: Option<&str>, dry_run: bool, json: bool) -> anyhow::Result<u8> {
    let body = json!({ "since": since, "dry_run": dry_run });
    let (status, body) = Admin::find(path)?.post("/sweep", Some(body)).await?;
    if status != 200 {
        eprintln!("error: {}", said(&body));
        return Ok(UNREACHABLE);
    }
    if json {
        println!("{body:#}");
    } else {
        print!("{}", show::swept(&body, dry_run));
    }
    let missing = body["missing"].as_array().is_some_and(|m| !m.is_empty());
    Ok(if missing && dry_run { FINDINGS } else { OK })
}

pub async fn forget(
    path: &Path,
    response: Option<&str>,
    email: Option<&str>,
    json: bool,
) -> anyhow::Result<u8> {
    let body = json!({ "response": response, "email": email });
    let (status, body) = Admin::find(path)?.post("/forget", Some(body)).await?;
    if status != 200 {
        eprintln!("error: {}", said(&body));
        return Ok(FINDINGS);
    }
    if json {
        println!("{body:#}");
    } else {
        print!("{}", show::forgotten(&body));
    }
    Ok(OK)
}

/// What would go to Goodays for a Case now, and why; the Case is named by its number or its id.
pub async fn case(path: &Path, name: &str, json: bool) -> anyhow::Result<u8> {
    let admin = Admin::find(path)?;
    let named = utf8_percent_encode(name, NON_ALPHANUMERIC);
    let (status, body) = admin.ask(reqwest::Method::GET, &format!("/cases/{named}"), None).await?;
    if status != 200 {
        eprintln!("{name}: {}", said(&body));
        return Ok(if status == 503 { UNREACHABLE } else { FINDINGS });
    }
    if json {
        println!("{body:#}");
    } else {
        print!("{}", show::explained(&body));
    }
    Ok(OK)
}

/// A stored event's body.
pub async fn event(path: &Path, id: &str) -> anyhow::Result<Value> {
    Admin::find(path)?.get(&format!("/events/{id}")).await
}
