//! Both simulators, in a process of their own.

use std::net::SocketAddr;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::load::Line;
use crate::process::{BIN, PATIENCE, Process, folder, free_addr, listens};

/// Both simulators.
pub struct Org {
    _process: Process,
    _dir: TempDir,
    pub addr: SocketAddr,
    pub goodays: SocketAddr,
    line: Line,
    goodays_line: Line,
}

impl Org {
    pub async fn start() -> anyhow::Result<Self> {
        let dir = folder()?;
        let (addr, goodays) = (free_addr()?, free_addr()?);
        let mut command = Command::new(BIN);
        command.args(["sim", "--salesforce", &addr.to_string(), "--goodays", &goodays.to_string()]);
        let process = Process::start(&mut command, &dir.path().join("log"))?;
        let (line, goodays_line) = (listens(addr).await?, listens(goodays).await?);
        let mut org = Self { _process: process, _dir: dir, addr, goodays, line, goodays_line };
        org.tell("log", &json!({"bodies": false, "most": 100})).await?;
        org.tell("settings", &json!({"daily_limit": 100_000_000})).await?;
        Ok(org)
    }

    pub async fn tell(&mut self, verb: &str, body: &Value) -> anyhow::Result<Value> {
        self.ask(&format!("POST /__sim/{verb}"), &body.to_string()).await
    }

    async fn ask(&mut self, target: &str, body: &str) -> anyhow::Result<Value> {
        ask(&mut self.line, target, body).await
    }

    /// The same for the other simulator: `POST responses`, `GET received/ID`.
    pub async fn ask_goodays(&mut self, target: &str, body: &Value) -> anyhow::Result<Value> {
        let (method, path) = target.split_once(' ').context("a method and a path")?;
        ask(&mut self.goodays_line, &format!("{method} /__sim/{path}"), &body.to_string()).await
    }

    /// Refuses every call, as in an outage.
    pub async fn go_down(&mut self) -> anyhow::Result<()> {
        let act = json!({"do": "answer", "status": 503, "body": "[]"});
        self.tell("fault", &json!({"path_contains": "/services/", "times": null, "act": act})).await?;
        Ok(())
    }

    pub async fn come_up(&mut self) -> anyhow::Result<()> {
        self.tell("clear_faults", &json!({})).await.map(|_| ())
    }

    pub async fn calls(&mut self) -> anyhow::Result<u64> {
        Ok(self.ask("GET /__sim/calls", "").await?["calls"].as_u64().unwrap_or_default())
    }

    pub async fn count(&mut self, object: &str) -> anyhow::Result<usize> {
        let count = self.ask(&format!("GET /__sim/count/{object}"), "").await?["count"].as_u64();
        Ok(usize::try_from(count.unwrap_or_default())?)
    }

    /// All records of an object.
    pub async fn records(&mut self, object: &str) -> anyhow::Result<Vec<Value>> {
        match self.ask(&format!("GET /__sim/records/{object}"), "").await? {
            Value::Array(records) => Ok(records),
            other => bail!("not a list: {other}"),
        }
    }

    /// Waits for this many Cases with two comments each.
    pub async fn holds(&mut self, cases: usize, look: Duration) -> anyhow::Result<()> {
        let (mut progress, mut at) = (0, Instant::now());
        loop {
            let count = self.count("Case").await?;
            if count >= cases && self.count("CaseComment").await? >= 2 * cases {
                return Ok(());
            }
            if count > progress {
                (progress, at) = (count, Instant::now());
            }
            if at.elapsed() > 2 * PATIENCE {
                bail!("{count} of {cases} Cases, and nothing moves");
            }
            tokio::time::sleep(look).await;
        }
    }
}

async fn ask(line: &mut Line, target: &str, body: &str) -> anyhow::Result<Value> {
    let head = format!("{target} HTTP/1.1\r\nHost: sim\r\nContent-Length: {}\r\n\r\n", body.len());
    Ok(serde_json::from_slice(&line.ask((head + body).as_bytes()).await?)?)
}
