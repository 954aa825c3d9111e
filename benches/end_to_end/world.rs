//! Everything beside the load, each in its own process: simulators, the daemon, peers, servers for comparison.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use goodays_salesforce::demo::stage::MAPPINGS;
use goodays_salesforce::sim::{goodays, salesforce};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::load::{Line, SECRET};

const BIN: &str = env!("CARGO_BIN_EXE_goodays-salesforce");
/// The file with additional configuration for the daemon.
const SECTION: &str = "section.yaml";
const PATIENCE: Duration = Duration::from_secs(60);

/// A folder next to the build: a temporary folder may be in memory, where a sync costs nothing.
pub fn folder() -> anyhow::Result<TempDir> {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).context("no folder for the state")
}

fn free_addr() -> anyhow::Result<SocketAddr> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

/// A process that is killed when its owner is dropped.
pub struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Process {
    fn start(command: &mut Command, log: &Path) -> anyhow::Result<Self> {
        let log = File::create(log)?;
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        Ok(Self(command.spawn().with_context(|| format!("{command:?} does not start"))?))
    }

    fn proc(&self, file: &str) -> String {
        fs::read_to_string(format!("/proc/{}/{file}", self.0.id())).unwrap_or_default()
    }

    /// A number from a file of `name: number` lines.
    fn number(&self, file: &str, name: &str) -> u64 {
        let text = self.proc(file);
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or_default()
    }

    /// The peak memory of the process, in bytes.
    pub fn peak_memory(&self) -> u64 {
        self.number("status", "VmHWM") * 1024
    }

    pub fn bytes_written(&self) -> u64 {
        self.number("io", "write_bytes")
    }

    /// CPU time in milliseconds, summed over all cores.
    pub fn cpu_ms(&self) -> u64 {
        let stat = self.proc("stat");
        // The command's name may contain blanks. The fields follow it.
        let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        let ticks = |n: usize| fields.split_whitespace().nth(n).and_then(|t| t.parse::<u64>().ok());
        (ticks(11).unwrap_or_default() + ticks(12).unwrap_or_default()) * 10
    }
}

/// Both simulators.
pub struct Org {
    _process: Process,
    _dir: TempDir,
    pub addr: SocketAddr,
    goodays: SocketAddr,
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

/// The server that receives the load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Ours,
    Forgets,
    Appends,
    Express { at_once: usize },
    FastApi { at_once: usize },
}

impl Kind {
    pub fn name(self) -> String {
        match self {
            Self::Ours => "goodays-salesforce".to_owned(),
            Self::Forgets => "door without persistence".to_owned(),
            Self::Appends => "door with append + fdatasync".to_owned(),
            Self::Express { at_once } => format!("Express + jsforce, {at_once} in flight"),
            Self::FastApi { at_once } => format!("FastAPI + simple-salesforce, {at_once} in flight"),
        }
    }
}

/// A running server.
pub struct Target {
    pub process: Process,
    pub addr: SocketAddr,
    dir: TempDir,
}

impl Target {
    pub async fn start(kind: Kind, org: &Org, peers: &Path) -> anyhow::Result<Self> {
        Self::start_in(folder()?, kind, org, peers).await
    }

    /// The daemon with an additional section of its configuration.
    pub async fn ours(org: &Org, section: &str) -> anyhow::Result<Self> {
        let dir = folder()?;
        fs::write(dir.path().join(SECTION), section)?;
        Self::start_in(dir, Kind::Ours, org, Path::new("")).await
    }

    /// The same with an existing state.
    pub async fn start_in(dir: TempDir, kind: Kind, org: &Org, peers: &Path) -> anyhow::Result<Self> {
        let addr = free_addr()?;
        let log = dir.path().join("log");
        let mut command = match kind {
            Kind::Ours => {
                write_files(dir.path(), addr, org)?;
                let mut command = Command::new(BIN);
                command.arg("run").arg("-c").arg(dir.path().join("connector.yaml"));
                command
            }
            Kind::Forgets | Kind::Appends => {
                let mut command = Command::new(std::env::current_exe()?);
                command.args(["--door", &addr.to_string()]);
                if kind == Kind::Appends {
                    command.arg("--append").arg(state(dir.path())?.join("log"));
                }
                command
            }
            Kind::Express { at_once } => {
                let mut command = Command::new("node");
                command.arg(peers.join("express/server.js"));
                peer(&mut command, dir.path(), addr, org, at_once)?;
                command
            }
            Kind::FastApi { at_once } => {
                let mut command = Command::new(peers.join(".work/venv/bin/python"));
                command.arg(peers.join("fastapi/server.py"));
                peer(&mut command, dir.path(), addr, org, at_once)?;
                command
            }
        };
        let process = Process::start(&mut command, &log)?;
        let target = Self { process, addr, dir };
        target.is_ready(kind).await.with_context(|| fs::read_to_string(&log).unwrap_or_default())?;
        Ok(target)
    }

    async fn is_ready(&self, kind: Kind) -> anyhow::Result<()> {
        listens(self.addr).await?;
        if kind != Kind::Ours {
            return Ok(());
        }
        let began = Instant::now();
        while !self.answers_ready().await {
            if began.elapsed() > PATIENCE {
                bail!("the daemon does not become ready");
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    /// The admin address is written once both listeners are open.
    async fn answers_ready(&self) -> bool {
        let file = fs::read_to_string(self.dir.path().join("state/admin.addr"));
        let Some(admin) = file.ok().and_then(|addr| addr.parse().ok()) else { return false };
        let ask = format!("GET /health/ready HTTP/1.1\r\nHost: {admin}\r\n\r\n");
        match Line::open(admin).await {
            Ok(mut line) => line.ask(ask.as_bytes()).await.is_ok(),
            Err(_) => false,
        }
    }

    /// The size of the state on disk, in bytes.
    pub fn disk(&self) -> u64 {
        size(&self.dir.path().join("state"))
    }

    /// Stops the process and returns its folder.
    pub fn stop(self) -> TempDir {
        self.dir
    }
}

fn state(dir: &Path) -> anyhow::Result<PathBuf> {
    let state = dir.join("state");
    fs::create_dir_all(&state)?;
    Ok(state)
}

fn peer(
    command: &mut Command,
    dir: &Path,
    addr: SocketAddr,
    org: &Org,
    at_once: usize,
) -> anyhow::Result<()> {
    let options = salesforce::Options::default();
    command
        .env("PORT", addr.port().to_string())
        .env("SALESFORCE_URL", format!("http://{}", org.addr))
        .env("SALESFORCE_CLIENT_ID", options.client_id)
        .env("SALESFORCE_CLIENT_SECRET", options.client_secret)
        .env("WEBHOOK_SECRET", SECRET)
        .env("AT_ONCE", at_once.to_string())
        .env("STATE", state(dir)?)
        .env("NODE_ENV", "production");
    Ok(())
}

/// The shipped files, except for addresses, secrets, and a budget that a bench does not use up.
fn write_files(dir: &Path, addr: SocketAddr, org: &Org) -> anyhow::Result<()> {
    fs::create_dir_all(dir.join("mappings"))?;
    for (name, text) in MAPPINGS {
        fs::write(dir.join("mappings").join(name), text)?;
    }
    let options = salesforce::Options::default();
    let mut text = String::new();
    writeln!(text, "server: {{ listen: '{addr}' }}")?;
    writeln!(text, "admin: {{ listen: '127.0.0.1:0' }}")?;
    writeln!(text, "state: {{ path: ./state }}\nmappings: ./mappings")?;
    writeln!(text, "goodays:\n  base_url: http://{}/v2", org.goodays)?;
    writeln!(text, "  token: {}\n  webhook: {{ secrets: [{SECRET}] }}", goodays::Options::default().token)?;
    writeln!(text, "salesforce:\n  login_url: http://{}\n  api_calls_per_day: 10000000", org.addr)?;
    let (id, secret) = (options.client_id, options.client_secret);
    writeln!(text, "  auth: {{ flow: client_credentials, client_id: {id}, client_secret: {secret} }}")?;
    text += &fs::read_to_string(dir.join(SECTION)).unwrap_or_default();
    fs::write(dir.join("connector.yaml"), text)?;
    Ok(())
}

async fn listens(addr: SocketAddr) -> anyhow::Result<Line> {
    let began = Instant::now();
    loop {
        match Line::open(addr).await {
            Ok(line) => return Ok(line),
            Err(error) if began.elapsed() > PATIENCE => return Err(error),
            Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    }
}

fn size(path: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(path) else { return 0 };
    let of = |entry: fs::DirEntry| match entry.metadata() {
        Ok(data) if data.is_dir() => size(&entry.path()),
        Ok(data) => data.len(),
        Err(_) => 0,
    };
    entries.flatten().map(of).sum()
}
