//! The server that receives the load: the daemon, a simple door, or a peer, in a process of its own.

use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::bail;
use goodays_salesforce::demo::stage::MAPPINGS;
use goodays_salesforce::sim::{goodays, salesforce};
use tempfile::TempDir;

use crate::load::{Line, SECRET};
use crate::org::Org;
use crate::process::{self, BIN, DAEMON, PATIENCE, Process, folder, free_addr, size};

/// The file with additional configuration for the daemon.
const SECTION: &str = "section.yaml";
/// The file with the part of `state` that names a database.
const DATABASE: &str = "database.yaml";

/// The server that receives the load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Ours,
    /// The daemon with its records on PostgreSQL.
    OnPostgres,
    Forgets,
    Appends,
    /// sled alone, flushed for each group.
    Sled,
    Express {
        at_once: usize,
    },
    FastApi {
        at_once: usize,
    },
    N8n {
        at_once: usize,
        respond: Respond,
    },
}

/// When n8n answers a webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Respond {
    Immediately,
    /// When its workflow has ended.
    LastNode,
}

impl Kind {
    pub fn name(self) -> String {
        match self {
            Self::Ours => "goodays-salesforce".to_owned(),
            Self::OnPostgres => "on PostgreSQL with a standby".to_owned(),
            Self::Forgets => "door without persistence".to_owned(),
            Self::Appends => "door with append + fdatasync".to_owned(),
            Self::Sled => "door with sled alone".to_owned(),
            Self::Express { at_once } => format!("Express + jsforce, {at_once} in flight"),
            Self::FastApi { at_once } => format!("FastAPI + simple-salesforce, {at_once} in flight"),
            Self::N8n { at_once, respond: Respond::Immediately } => {
                format!("n8n, answers at once, {at_once} in flight")
            }
            Self::N8n { at_once, respond: Respond::LastNode } => {
                format!("n8n, answers at the end, {at_once} in flight")
            }
        }
    }
}

/// A running server.
pub struct Target {
    pub process: Process,
    pub addr: SocketAddr,
    kind: Kind,
    peers: PathBuf,
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

    /// The daemon with its records in a database: what `state` says of it.
    pub async fn on_postgres(org: &Org, postgres: &str) -> anyhow::Result<Self> {
        let dir = folder()?;
        fs::write(dir.path().join(DATABASE), format!(", {postgres}"))?;
        Self::start_in(dir, Kind::OnPostgres, org, Path::new("")).await
    }

    /// The same with an existing state.
    pub async fn start_in(dir: TempDir, kind: Kind, org: &Org, peers: &Path) -> anyhow::Result<Self> {
        let addr = free_addr()?;
        let process = launch(kind, dir.path(), addr, org, peers)?;
        let target = Self { process, addr, kind, peers: peers.to_owned(), dir };
        target.is_ready().await?;
        Ok(target)
    }

    /// Kills the process with SIGKILL and starts it again in the same folder, at the same address.
    pub async fn kill_and_start(&mut self, org: &Org) -> anyhow::Result<()> {
        self.process.kill();
        self.process = launch(self.kind, self.dir.path(), self.addr, org, &self.peers)?;
        self.is_ready().await
    }

    async fn is_ready(&self) -> anyhow::Result<()> {
        let began = Instant::now();
        while !self.answers_ready().await {
            if began.elapsed() > self.patience() {
                bail!("{} does not become ready: {}", self.kind.name(), self.log());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    /// n8n makes its database at its first start.
    fn patience(&self) -> Duration {
        if matches!(self.kind, Kind::N8n { .. }) { 5 * PATIENCE } else { PATIENCE }
    }

    async fn answers_ready(&self) -> bool {
        match self.kind {
            Kind::Ours | Kind::OnPostgres => self.daemon_is_ready().await,
            // It listens before it knows its workflows.
            Kind::N8n { .. } => self.log().contains("Editor is now accessible"),
            _ => Line::open(self.addr).await.is_ok(),
        }
    }

    /// The admin address is written once both listeners are open.
    async fn daemon_is_ready(&self) -> bool {
        let Ok(admin) = self.admin() else { return false };
        let ask = format!("GET /health/ready HTTP/1.1\r\nHost: {admin}\r\n\r\n");
        match Line::open(admin).await {
            Ok(mut line) => line.ask(ask.as_bytes()).await.is_ok(),
            Err(_) => false,
        }
    }

    /// Where the daemon's admin door is.
    pub fn admin(&self) -> anyhow::Result<SocketAddr> {
        Ok(fs::read_to_string(self.dir.path().join("state/admin.addr"))?.parse()?)
    }

    fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
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

fn launch(kind: Kind, dir: &Path, addr: SocketAddr, org: &Org, peers: &Path) -> anyhow::Result<Process> {
    let mut command = match kind {
        Kind::Ours | Kind::OnPostgres => {
            write_files(dir, addr, org)?;
            // One that was killed has left its own.
            let _ = fs::remove_file(dir.join("state/admin.addr"));
            let daemon = DAEMON.get().map_or(Path::new(BIN), |other| other);
            let mut command = Command::new(daemon);
            command.arg("run").arg("-c").arg(dir.join("connector.yaml"));
            command
        }
        Kind::Forgets | Kind::Appends | Kind::Sled => {
            let mut command = Command::new(std::env::current_exe()?);
            command.args(["--door", &addr.to_string()]);
            match kind {
                Kind::Appends => command.arg("--append").arg(state(dir)?.join("log")),
                Kind::Sled => command.arg("--sled").arg(state(dir)?.join("sled")),
                _ => &mut command,
            };
            command
        }
        Kind::Express { at_once } => {
            let mut command = Command::new("node");
            command.arg(peers.join("express/server.js"));
            peer(command, dir, addr, org, at_once)?
        }
        Kind::FastApi { at_once } => {
            let mut command = Command::new(peers.join(".work/venv/bin/python"));
            command.arg(peers.join("fastapi/server.py"));
            peer(command, dir, addr, org, at_once)?
        }
        Kind::N8n { at_once, respond } => {
            let mut command = Command::new(peers.join("n8n/start"));
            command.env("RESPOND", if respond == Respond::LastNode { "lastNode" } else { "onReceived" });
            peer(command, dir, addr, org, at_once)?
        }
    };
    Process::start(&mut command, &dir.join("log"))
}

fn state(dir: &Path) -> anyhow::Result<PathBuf> {
    let state = dir.join("state");
    fs::create_dir_all(&state)?;
    Ok(state)
}

fn peer(
    mut command: Command,
    dir: &Path,
    addr: SocketAddr,
    org: &Org,
    at_once: usize,
) -> anyhow::Result<Command> {
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
    Ok(command)
}

/// The shipped files, except for addresses, secrets, and a budget that a bench does not use up.
fn write_files(dir: &Path, addr: SocketAddr, org: &Org) -> anyhow::Result<()> {
    fs::create_dir_all(dir.join("mappings"))?;
    for (name, text) in MAPPINGS {
        let file = dir.join("mappings").join(name);
        match process::MAPPINGS.get() {
            Some(other) => drop(fs::copy(other.join(name), file)?),
            None => fs::write(file, text)?,
        }
    }
    let options = salesforce::Options::default();
    let mut text = String::new();
    writeln!(text, "server: {{ listen: '{addr}' }}")?;
    writeln!(text, "admin: {{ listen: '127.0.0.1:0' }}")?;
    let database = fs::read_to_string(dir.join(DATABASE)).unwrap_or_default();
    writeln!(text, "state: {{ path: ./state{database} }}\nmappings: ./mappings")?;
    writeln!(text, "goodays:\n  base_url: http://{}/v2", org.goodays)?;
    writeln!(text, "  token: {}\n  webhook: {{ secrets: [{SECRET}] }}", goodays::Options::default().token)?;
    writeln!(text, "salesforce:\n  login_url: http://{}\n  api_calls_per_day: 10000000", org.addr)?;
    let (id, secret) = (options.client_id, options.client_secret);
    writeln!(text, "  auth: {{ flow: client_credentials, client_id: {id}, client_secret: {secret} }}")?;
    text += &fs::read_to_string(dir.join(SECTION)).unwrap_or_default();
    fs::write(dir.join("connector.yaml"), text)?;
    Ok(())
}
