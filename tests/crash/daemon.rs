//! The real binary as a child process.

use std::fs::{File, OpenOptions};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use goodays_salesforce::demo::stage::MAPPINGS;
use serde_json::Value;

use crate::load::Field;

const BINARY: &str = env!("CARGO_BIN_EXE_goodays-salesforce");

/// An earlier version, which begins the run.
pub struct Earlier {
    pub program: PathBuf,
    /// Mappings that it reads; the current version gets the same ones.
    pub mappings: PathBuf,
}

pub struct Daemon {
    /// What is started next.
    program: PathBuf,
    dir: tempfile::TempDir,
    log: PathBuf,
    child: Option<Child>,
    http: reqwest::Client,
}

impl Daemon {
    pub fn new(field: &Field, log: Option<PathBuf>, earlier: Option<&Earlier>) -> anyhow::Result<Self> {
        let dir = tempfile::tempdir()?;
        std::fs::create_dir(dir.path().join("mappings"))?;
        for (name, text) in MAPPINGS {
            let text = match earlier {
                Some(earlier) => std::fs::read_to_string(earlier.mappings.join(name))?,
                None => text.to_owned(),
            };
            std::fs::write(dir.path().join("mappings").join(name), text)?;
        }
        std::fs::write(dir.path().join("connector.yaml"), field.configuration())?;
        let log = log.unwrap_or_else(|| dir.path().join("daemon.log"));
        File::create(&log).with_context(|| log.display().to_string())?;
        let http = goodays_salesforce::http::client(Duration::from_secs(60));
        let program = earlier.map_or_else(|| BINARY.into(), |earlier| earlier.program.clone());
        Ok(Self { program, dir, log, child: None, http })
    }

    /// From the next start on it is the current version.
    pub fn upgrade(&mut self) {
        self.program = BINARY.into();
    }

    fn config(&self) -> PathBuf {
        self.dir.path().join("connector.yaml")
    }

    pub fn start(&mut self) -> anyhow::Result<()> {
        let log = OpenOptions::new().append(true).open(&self.log)?;
        let mut command = Command::new(&self.program);
        command.arg("run").arg("-c").arg(self.config()).env("NO_COLOR", "1");
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        self.child = Some(command.spawn().context("the daemon does not start")?);
        Ok(())
    }

    /// Waits for the daemon's first contact with its org.
    pub async fn first_contact(&mut self, patience: Duration) -> anyhow::Result<()> {
        let log = self.log.clone();
        let said = || std::fs::read_to_string(&log).is_ok_and(|text| text.contains("first contact"));
        let found = self.until(patience, said).await?;
        anyhow::ensure!(found, "no first contact:\n{}", self.tail());
        Ok(())
    }

    /// Sends SIGKILL, and waits for the process to end.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        let mut child = self.child.take().context("nothing to kill")?;
        child.kill()?;
        child.wait()?;
        Ok(())
    }

    /// Waits for a condition. `false` after the deadline. Fails if the daemon ends by itself.
    pub async fn until(&mut self, deadline: Duration, holds: impl Fn() -> bool) -> anyhow::Result<bool> {
        let began = Instant::now();
        loop {
            if holds() {
                return Ok(true);
            }
            if let Some(status) = self.child.as_mut().map(Child::try_wait).transpose()?.flatten() {
                bail!("the daemon ended by itself with {status}:\n{}", self.tail());
            }
            if began.elapsed() > deadline {
                return Ok(false);
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    fn tail(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }

    /// Waits until nothing is pending and many polls change nothing. Returns a message if `patience` ends first.
    pub async fn rest(&mut self, field: &Field, patience: Duration) -> anyhow::Result<Vec<String>> {
        let began = Instant::now();
        let mut still = (Value::Null, 0);
        let mut since = field.polls();
        while began.elapsed() < patience {
            self.until(Duration::from_millis(50), || false).await?;
            let Ok(status) = self.admin("status").await else { continue };
            let counts = (serde_json::json!([status["inbox"]["done"], status["outbox"]]), field.writes());
            if status["inbox"]["pending"] != 0 || counts != still || !field.is_still() {
                still = counts;
                since = field.polls();
            }
            if field.polls() > since + 40 {
                return Ok(Vec::new());
            }
        }
        let status = self.admin("status").await.unwrap_or_default();
        Ok(vec![format!("no rest after {} s: {status}", patience.as_secs())])
    }

    async fn admin(&self, what: &str) -> anyhow::Result<Value> {
        let addr = std::fs::read_to_string(self.dir.path().join("state/admin.addr"))?;
        let answer = self.http.get(format!("http://{}/{what}", addr.trim())).send().await?;
        Ok(answer.error_for_status()?.json().await?)
    }

    /// The items that wait for a human.
    pub async fn parked(&self) -> anyhow::Result<Vec<Value>> {
        Ok(self.admin("parked").await?.as_array().cloned().unwrap_or_default())
    }

    pub async fn reasons(&self) -> anyhow::Result<String> {
        let mut counts = std::collections::BTreeMap::<String, usize>::new();
        for item in self.parked().await? {
            *counts.entry(item["reason_code"].as_str().unwrap_or("?").to_owned()).or_default() += 1;
        }
        Ok(counts.iter().map(|(code, n)| format!("{code}: {n}")).collect::<Vec<_>>().join(", "))
    }

    /// The number of open actions. When nothing else is in progress, they wait for a human.
    pub async fn waiting_actions(&self) -> anyhow::Result<usize> {
        let pending = self.admin("status").await?["outbox"]["pending"].as_u64();
        Ok(usize::try_from(pending.context("status names no pending actions")?)?)
    }

    /// Runs the operator's command.
    pub fn sweep(&self) -> anyhow::Result<()> {
        let output = Command::new(BINARY).arg("sweep").arg("-c").arg(self.config()).output()?;
        if !matches!(output.status.code(), Some(0 | 1)) {
            bail!("the sweep failed: {}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(())
    }

    pub fn panics(&self) -> Vec<String> {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        text.lines().filter(|l| l.contains("panicked at")).map(str::to_owned).collect()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
