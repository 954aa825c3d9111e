//! Three PostgreSQL servers that Patroni keeps, and their etcd, each a process of its own on this machine.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::proxy::{Link, free_port};

const NODES: usize = 3;
/// How long the cluster may take to be whole.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long the primary keeps its right without a sign of life. Patroni's default is 30.
pub const TTL: Duration = Duration::from_secs(10);

pub struct Patroni {
    dir: PathBuf,
    bin: PathBuf,
    etcd: Child,
    etcd_port: u16,
    nodes: Vec<Node>,
    http: reqwest::Client,
}

struct Node {
    dir: PathBuf,
    port: u16,
    api: u16,
    /// The road on which the others reach it, to replicate from it.
    road: Link,
    patroni: Option<Child>,
}

/// Where Patroni, etcd and PostgreSQL are; none if one is missing.
pub fn programs() -> Option<PathBuf> {
    let paths = std::env::var_os("PATH")?;
    let found = |name: &str| std::env::split_paths(&paths).any(|dir| dir.join(name).is_file());
    let mut versions: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
        .collect();
    versions.sort();
    versions.pop().filter(|_| found("patroni") && found("etcd"))
}

/// The servers refuse to run as root.
fn as_owner(program: &Path) -> Command {
    if !rustix::process::getuid().is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(program).env("HOME", "/tmp");
    command
}

fn spawn(mut command: Command, log: &Path) -> anyhow::Result<Child> {
    let log = fs::OpenOptions::new().create(true).append(true).open(log)?;
    let spawned = command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn();
    spawned.with_context(|| format!("{} does not start", command.get_program().display()))
}

fn signal(pid: i32, signal: Signal) {
    if let Some(pid) = Pid::from_raw(pid) {
        // It may be gone already.
        let _ = kill_process(pid, signal);
    }
}

impl Patroni {
    /// `dir` must be readable by the owner of the servers.
    pub async fn start(dir: &Path, bin: PathBuf) -> anyhow::Result<Self> {
        let owned = dir.join("cluster");
        fs::create_dir(&owned)?;
        fs::set_permissions(&owned, fs::Permissions::from_mode(0o777))?;
        let (etcd, etcd_port) = start_etcd(&owned).await?;
        let http = goodays_salesforce::http::client(Duration::from_secs(2));
        let mut all = Self { dir: owned, bin, etcd, etcd_port, nodes: Vec::new(), http };
        for place in 0..NODES {
            let node = all.new_node(place).await?;
            all.nodes.push(node);
            all.start_node(place)?;
            // The first one makes the database, the others copy it.
            if place == 0 {
                all.until("the first server works", |members| primary(members).is_some()).await?;
            }
        }
        all.whole().await?;
        Ok(all)
    }

    async fn new_node(&self, place: usize) -> anyhow::Result<Node> {
        let dir = self.dir.join(format!("n{place}"));
        let (port, api) = (free_port().await?, free_port().await?);
        Ok(Node { dir, port, api, road: Link::to(port).await?, patroni: None })
    }

    fn start_node(&mut self, place: usize) -> anyhow::Result<()> {
        let file = self.dir.join(format!("n{place}.yaml"));
        fs::write(&file, self.configuration(place))?;
        let mut command = as_owner(Path::new("patroni"));
        command.arg(&file);
        let log = self.dir.join(format!("n{place}.log"));
        self.nodes[place].patroni = Some(spawn(command, &log)?);
        Ok(())
    }

    fn configuration(&self, place: usize) -> String {
        let Node { dir, port, api, road, .. } = &self.nodes[place];
        let (etcd, ttl) = (self.etcd_port, TTL.as_secs());
        format!(
            "scope: goodays\nname: n{place}\n\
             restapi: {{ listen: '127.0.0.1:{api}', connect_address: '127.0.0.1:{api}' }}\n\
             etcd3: {{ host: '127.0.0.1:{etcd}' }}\n\
             bootstrap:\n  dcs:\n    ttl: {ttl}\n    loop_wait: 1\n    retry_timeout: 4\n    \
             maximum_lag_on_failover: 67108864\n    synchronous_mode: true\n    synchronous_mode_strict: true\n    \
             postgresql:\n      use_pg_rewind: true\n      parameters: {{ max_connections: 100, shared_buffers: 64MB, fsync: off }}\n  \
             initdb: [encoding: UTF8, {{ locale: C.UTF-8 }}]\n\
             postgresql:\n  listen: '127.0.0.1:{port}'\n  connect_address: '127.0.0.1:{}'\n  \
             data_dir: {}\n  bin_dir: {}\n  pgpass: {}\n  \
             authentication: {{ superuser: {{ username: goodays }}, replication: {{ username: goodays }} }}\n  \
             parameters: {{ unix_socket_directories: {} }}\n  \
             pg_hba: ['host all all 127.0.0.1/32 trust', 'local all all trust', 'host replication all 127.0.0.1/32 trust']\n",
            road.port,
            dir.display(),
            self.bin.display(),
            self.dir.join(format!("n{place}.pgpass")).display(),
            self.dir.display(),
        )
    }

    pub fn ports(&self) -> Vec<u16> {
        self.nodes.iter().map(|node| node.port).collect()
    }

    /// What Patroni says of all members; none while no node answers.
    async fn members(&self) -> Vec<Value> {
        for node in self.nodes.iter().filter(|node| node.patroni.is_some()) {
            let asked = self.http.get(format!("http://127.0.0.1:{}/cluster", node.api)).send().await;
            let Ok(answer) = asked else { continue };
            let cluster: Value = answer.json().await.unwrap_or_default();
            if let Some(members) = cluster["members"].as_array() {
                return members.clone();
            }
        }
        Vec::new()
    }

    async fn until(&self, what: &str, holds: impl Fn(&[Value]) -> bool) -> anyhow::Result<()> {
        let began = Instant::now();
        loop {
            let members = self.members().await;
            if holds(&members) {
                return Ok(());
            }
            ensure!(began.elapsed() < PATIENCE, "not in time: {what}: {members:?}\n{}", self.logs());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Waits until the primary has its synchronous standby and another one.
    pub async fn whole(&self) -> anyhow::Result<()> {
        self.until("three servers", |members| {
            let lags = |member: &Value| member["lag"].as_u64() != Some(0);
            let follow = members.iter().filter(|member| member["role"] != "leader" && !lags(member)).count();
            primary(members).is_some() && synchronous(members).is_some() && follow == NODES - 1
        })
        .await
    }

    pub async fn primary(&self) -> anyhow::Result<usize> {
        primary(&self.members().await).context("there is no primary")
    }

    pub async fn synchronous(&self) -> anyhow::Result<usize> {
        synchronous(&self.members().await).context("there is no synchronous standby")
    }

    fn postmaster(&self, place: usize) -> anyhow::Result<i32> {
        let text = fs::read_to_string(self.nodes[place].dir.join("postmaster.pid"))?;
        Ok(text.lines().next().unwrap_or_default().parse()?)
    }

    /// Only the server's first process; the others notice, and Patroni starts it again or hands over.
    pub fn kill_postmaster(&self, place: usize) -> anyhow::Result<()> {
        signal(self.postmaster(place)?, Signal::KILL);
        Ok(())
    }

    /// Everything of a node at once, as when its power fails.
    pub fn kill_node(&mut self, place: usize) -> anyhow::Result<()> {
        let postmaster = self.postmaster(place);
        if let Some(mut patroni) = self.nodes[place].patroni.take() {
            patroni.kill()?;
            patroni.wait()?;
        }
        if let Ok(postmaster) = postmaster {
            // Stopped, it makes no more processes.
            signal(postmaster, Signal::STOP);
            let children = fs::read_to_string(format!("/proc/{postmaster}/task/{postmaster}/children"));
            let children = children.unwrap_or_default();
            children
                .split_whitespace()
                .filter_map(|pid| pid.parse().ok())
                .for_each(|pid| signal(pid, Signal::KILL));
            signal(postmaster, Signal::KILL);
        }
        Ok(())
    }

    /// Starts the nodes that were killed.
    pub fn revive(&mut self) -> anyhow::Result<()> {
        for place in 0..self.nodes.len() {
            if self.nodes[place].patroni.is_none() {
                self.start_node(place)?;
            }
        }
        Ok(())
    }

    /// The standbys receive nothing from this node any more, and it does not notice.
    pub fn cut_replication(&self, place: usize) {
        self.nodes[place].road.cut();
    }

    /// What was sent meanwhile never arrives.
    pub fn mend_replication(&self, place: usize) {
        self.nodes[place].road.mend_and_lose();
    }

    pub fn keep_logs(&self, logs: &Path) {
        for place in 0..self.nodes.len() {
            let name = format!("n{place}.log");
            let _ = fs::copy(self.dir.join(&name), logs.join(name));
        }
    }

    fn logs(&self) -> String {
        let tail = |place| {
            let log = fs::read_to_string(self.dir.join(format!("n{place}.log"))).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            lines[lines.len().saturating_sub(8)..].join("\n")
        };
        (0..self.nodes.len()).map(tail).collect::<Vec<_>>().join("\n--\n")
    }
}

impl Drop for Patroni {
    fn drop(&mut self) {
        for place in 0..self.nodes.len() {
            let _ = self.kill_node(place);
        }
        let _ = self.etcd.kill();
        let _ = self.etcd.wait();
    }
}

fn place_of(member: &Value) -> Option<usize> {
    member["name"].as_str()?.strip_prefix('n')?.parse().ok()
}

fn primary(members: &[Value]) -> Option<usize> {
    let leads = |member: &&Value| member["role"] == "leader" && member["state"] == "running";
    members.iter().find(leads).and_then(place_of)
}

fn synchronous(members: &[Value]) -> Option<usize> {
    members.iter().find(|member| member["role"] == "sync_standby").and_then(place_of)
}

async fn start_etcd(dir: &Path) -> anyhow::Result<(Child, u16)> {
    let (port, peers) = (free_port().await?, free_port().await?);
    let (here, beside) = (format!("http://127.0.0.1:{port}"), format!("http://127.0.0.1:{peers}"));
    let mut command = as_owner(Path::new("etcd"));
    command.arg("--data-dir").arg(dir.join("etcd"));
    command.args(["--listen-client-urls", &here, "--advertise-client-urls", &here]);
    command.args(["--listen-peer-urls", &beside, "--initial-advertise-peer-urls", &beside]);
    command.args(["--initial-cluster", &format!("default={beside}")]);
    let etcd = spawn(command, &dir.join("etcd.log"))?;
    let began = Instant::now();
    while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err() {
        ensure!(began.elapsed() < PATIENCE, "etcd does not answer");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok((etcd, port))
}
