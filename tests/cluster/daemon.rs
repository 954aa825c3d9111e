//! The real binary, three times, and their database.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use goodays_salesforce::demo::stage::MAPPINGS;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::load::Field;
use crate::proxy::{Link, balance};

const BINARY: &str = env!("CARGO_BIN_EXE_goodays-salesforce");
pub const INSTANCES: usize = 3;
pub const LEASE: Duration = Duration::from_secs(2);

/// A PostgreSQL with a synchronous standby, as `tests/postgres` starts it.
pub struct Database {
    dir: tempfile::TempDir,
    port: u16,
}

impl Database {
    /// None where there is no PostgreSQL.
    pub fn start() -> anyhow::Result<Option<Self>> {
        let dir = tempfile::Builder::new().prefix("goodays-cluster").tempdir_in("/tmp")?;
        std::fs::set_permissions(dir.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
        let started = script("start", Some("--standby"), dir.path())?;
        if started.status.code() == Some(3) {
            return Ok(None);
        }
        ensure!(started.status.success(), "{}", String::from_utf8_lossy(&started.stderr));
        let port = std::fs::read_to_string(dir.path().join("primary.port"))?.trim().parse()?;
        Ok(Some(Self { dir, port }))
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let _ = script("stop", None, self.dir.path());
    }
}

fn script(what: &str, option: Option<&str>, dir: &Path) -> anyhow::Result<std::process::Output> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/postgres");
    Ok(Command::new(script).arg(what).args(option).arg(dir).stdin(Stdio::null()).output()?)
}

struct Instance {
    dir: PathBuf,
    door: SocketAddr,
    link: Link,
    child: Option<Child>,
}

/// All instances. An operator asks whichever answers.
pub struct Daemon {
    instances: Vec<Instance>,
    client: tokio_postgres::Client,
    http: reqwest::Client,
    _dir: tempfile::TempDir,
    _database: Database,
}

/// Waits for a condition. False after the deadline.
pub async fn until(deadline: Duration, holds: impl Fn() -> bool) -> bool {
    let began = Instant::now();
    while !holds() {
        if began.elapsed() > deadline {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    true
}

impl Daemon {
    pub async fn start(field: &Field, database: Database) -> anyhow::Result<Self> {
        let url = format!("host=127.0.0.1 port={} user=goodays dbname=postgres", database.port);
        let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await?;
        tokio::spawn(connection);
        let dir = tempfile::tempdir()?;
        let mut instances = Vec::new();
        for number in 0..INSTANCES {
            let dir = dir.path().join(number.to_string());
            instances.push(Instance::new(dir, field, database.port).await?);
        }
        let doors = instances.iter().map(|one| one.door).collect();
        balance(field.webhook_addr(), doors).await?;
        let http = goodays_salesforce::http::client(Duration::from_secs(5));
        let mut all = Self { instances, client, http, _dir: dir, _database: database };
        all.revive()?;
        let began = Instant::now();
        while !all.instances.iter().any(|one| one.log().contains("first contact")) {
            ensure!(began.elapsed() < crate::PATIENCE, "no first contact:\n{}", all.logs());
            tokio::time::sleep(Duration::from_millis(50)).await;
            all.revive()?;
        }
        Ok(all)
    }

    /// Starts what has ended, as a service manager does.
    fn revive(&mut self) -> anyhow::Result<()> {
        for instance in &mut self.instances {
            let ended = instance.child.as_mut().is_none_or(|child| !matches!(child.try_wait(), Ok(None)));
            if ended {
                instance.run()?;
            }
        }
        Ok(())
    }

    /// Waits until every instance takes webhooks and one of them works.
    pub async fn all_work(&mut self, patience: Duration) -> anyhow::Result<()> {
        let began = Instant::now();
        loop {
            self.revive()?;
            let mut accepting = 0;
            for instance in &self.instances {
                accepting += usize::from(self.get(instance, "health/accepting").await.is_ok());
            }
            if accepting == INSTANCES && self.leader().await.is_ok() {
                return Ok(());
            }
            ensure!(began.elapsed() < patience, "{accepting} instances take webhooks:\n{}", self.logs());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn lease(&self) -> anyhow::Result<(Option<String>, i64, bool)> {
        let row = self.client.query_one("select holder, epoch, released from goodays.lease", &[]).await?;
        Ok((row.get(0), row.get(1), row.get(2)))
    }

    /// The place of the instance that works, and its epoch.
    pub async fn leader(&self) -> anyhow::Result<(usize, i64)> {
        let (holder, epoch, released) = self.lease().await?;
        let holder = holder.filter(|_| !released).context("nobody works")?;
        let of_holder = "select admin_addr from goodays.instances where id = $1";
        let row =
            self.client.query_opt(of_holder, &[&holder]).await?.context("who works is not known yet")?;
        let admin: String = row.get(0);
        let is = |one: &Instance| one.child.is_some() && one.admin().is_ok_and(|addr| addr == admin);
        Ok((self.instances.iter().position(is).context("who works is gone")?, epoch))
    }

    /// Waits until another one works, under a newer epoch.
    pub async fn taken_over(&self, epoch: i64, patience: Duration) -> anyhow::Result<()> {
        let began = Instant::now();
        loop {
            let (_, now, released) = self.lease().await?;
            if now > epoch && !released {
                return Ok(());
            }
            ensure!(began.elapsed() < patience, "nobody took over:\n{}", self.logs());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    pub fn kill(&mut self, place: usize) -> anyhow::Result<()> {
        let mut child = self.instances[place].child.take().context("nothing to kill")?;
        child.kill()?;
        child.wait()?;
        Ok(())
    }

    fn signal(&self, place: usize, signal: Signal) -> anyhow::Result<()> {
        let child = self.instances[place].child.as_ref().context("nothing to signal")?;
        let pid = Pid::from_raw(i32::try_from(child.id())?).context("a process has a number")?;
        Ok(kill_process(pid, signal)?)
    }

    pub fn pause(&self, place: usize) -> anyhow::Result<()> {
        self.signal(place, Signal::STOP)
    }

    /// Lets it go on, if it was paused and its kernel's timer has not ended it.
    pub fn wake(&self, place: usize) -> anyhow::Result<()> {
        if self.instances[place].child.is_some() { self.signal(place, Signal::CONT) } else { Ok(()) }
    }

    /// Asks it to end, and waits for that.
    pub async fn end(&mut self, place: usize) -> anyhow::Result<()> {
        self.signal(place, Signal::TERM)?;
        let mut child = self.instances[place].child.take().context("nothing to end")?;
        let status = tokio::task::spawn_blocking(move || child.wait()).await??;
        ensure!(status.success(), "a clean stop ended with {status}:\n{}", self.logs());
        Ok(())
    }

    /// Replaces one after the other.
    pub async fn roll(&mut self, patience: Duration) -> anyhow::Result<()> {
        for place in 0..INSTANCES {
            self.end(place).await?;
            self.all_work(patience).await?;
        }
        Ok(())
    }

    pub fn link(&self, place: usize) -> &Link {
        &self.instances[place].link
    }

    async fn get(&self, instance: &Instance, what: &str) -> anyhow::Result<String> {
        let answer = self.http.get(format!("http://{}/{what}", instance.admin()?)).send().await?;
        Ok(answer.error_for_status()?.text().await?)
    }

    async fn admin(&self, what: &str) -> anyhow::Result<Value> {
        let place = self.leader().await?.0;
        Ok(serde_json::from_str(&self.get(&self.instances[place], what).await?)?)
    }

    /// Waits until nothing is pending and many polls change nothing. Returns a message if `patience` ends first.
    pub async fn rest(&mut self, field: &Field, patience: Duration) -> anyhow::Result<Vec<String>> {
        let began = Instant::now();
        let mut still = (Value::Null, 0);
        let mut since = field.polls();
        while began.elapsed() < patience {
            tokio::time::sleep(Duration::from_millis(50)).await;
            self.revive()?;
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

    /// The items that wait for a human.
    pub async fn parked(&self) -> anyhow::Result<Vec<Value>> {
        Ok(self.admin("parked").await?.as_array().cloned().unwrap_or_default())
    }

    /// The number of open actions. When nothing else is in progress, they wait for a human.
    pub async fn waiting_actions(&self) -> anyhow::Result<usize> {
        let pending = self.admin("status").await?["outbox"]["pending"].as_u64();
        Ok(usize::try_from(pending.context("status names no pending actions")?)?)
    }

    pub fn panics(&self) -> Vec<String> {
        let logs = self.instances.iter().map(Instance::log);
        logs.flat_map(|log| {
            log.lines().filter(|line| line.contains("panicked at")).map(str::to_owned).collect::<Vec<_>>()
        })
        .collect()
    }

    fn logs(&self) -> String {
        let tail = |one: &Instance| {
            let log = one.log();
            let lines: Vec<&str> = log.lines().collect();
            lines[lines.len().saturating_sub(15)..].join("\n")
        };
        self.instances.iter().map(tail).collect::<Vec<_>>().join("\n--\n")
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        for place in 0..INSTANCES {
            let _ = self.kill(place);
        }
    }
}

impl Instance {
    /// The address of its admin door.
    fn admin(&self) -> anyhow::Result<String> {
        Ok(std::fs::read_to_string(self.dir.join("state/admin.addr"))?.trim().to_owned())
    }

    async fn new(dir: PathBuf, field: &Field, database: u16) -> anyhow::Result<Self> {
        std::fs::create_dir_all(dir.join("mappings"))?;
        for (name, text) in MAPPINGS {
            std::fs::write(dir.join("mappings").join(name), text)?;
        }
        let link = Link::to(database).await?;
        // The door has the same address after every restart.
        let door = tokio::net::TcpListener::bind("127.0.0.1:0").await?.local_addr()?;
        let shared = format!("listen: '{}'", field.webhook_addr());
        let folder = "state: { path: ./state }";
        let url = format!("postgres://goodays@127.0.0.1:{}/postgres", link.port);
        let common =
            format!("state: {{ path: ./state, postgres: {{ url: '{url}', lease: {}s }} }}", LEASE.as_secs());
        let configuration = field.configuration();
        if !configuration.contains(&shared) || !configuration.contains(folder) {
            bail!("the configuration of the crash run has changed:\n{configuration}");
        }
        let configuration = configuration
            .replace(&shared, &format!("listen: '{door}'"))
            .replace(folder, &common)
            // An action that was read longer ago than one poll is read again: a poll must be longer than some commits.
            .replace("interval: 100ms", "interval: 1s");
        std::fs::write(dir.join("connector.yaml"), configuration)?;
        Ok(Self { dir, door, link, child: None })
    }

    fn run(&mut self) -> anyhow::Result<()> {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.dir.join("log"))?;
        let mut command = Command::new(BINARY);
        command.arg("run").arg("-c").arg(self.dir.join("connector.yaml")).env("NO_COLOR", "1");
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        self.child = Some(command.spawn().context("the daemon does not start")?);
        Ok(())
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.dir.join("log")).unwrap_or_default()
    }
}
