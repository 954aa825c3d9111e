//! The real binary, three times.

use std::net::{SocketAddr, TcpListener};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use goodays_salesforce::demo::stage::MAPPINGS;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::database::{Database, url};
use crate::load::Field;
use crate::proxy::{Link, balance, free_port};
use crate::watch;

const BINARY: &str = env!("CARGO_BIN_EXE_goodays-salesforce");
pub const INSTANCES: usize = 3;
pub const LEASE: Duration = Duration::from_secs(2);

struct Instance {
    dir: PathBuf,
    door: SocketAddr,
    links: Vec<Link>,
    _silent: TcpListener,
    child: Option<Child>,
}

/// All instances. An operator asks whichever answers.
pub struct Daemon {
    instances: Vec<Instance>,
    pub database: Database,
    /// Where the logs are kept.
    logs: Option<PathBuf>,
    http: reqwest::Client,
    _dir: tempfile::TempDir,
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
    pub async fn start(field: &Field, database: Database, logs: Option<PathBuf>) -> anyhow::Result<Self> {
        watch::make_roles(&database).await?;
        let dir = tempfile::tempdir()?;
        let mut instances = Vec::new();
        for number in 0..INSTANCES {
            let dir = dir.path().join(number.to_string());
            instances.push(Instance::new(dir, field, number, &database.servers.ports()).await?);
        }
        let doors = instances.iter().map(|one| one.door).collect();
        balance(field.webhook_addr(), doors).await?;
        let http = goodays_salesforce::http::client(Duration::from_secs(5));
        let mut all = Self { instances, database, logs, http, _dir: dir };
        all.revive()?;
        let began = Instant::now();
        while !all.instances.iter().any(|one| one.log().contains("first contact")) {
            ensure!(began.elapsed() < crate::PATIENCE, "no first contact:\n{}", all.logs());
            tokio::time::sleep(Duration::from_millis(50)).await;
            all.revive()?;
        }
        watch::begin(&all.database).await?;
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

    /// Waits until the database is whole, every instance takes webhooks and one of them works.
    pub async fn all_work(&mut self, patience: Duration) -> anyhow::Result<()> {
        self.database.whole().await?;
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
        let rows = self.database.ask("select holder, epoch, released from goodays.lease", &[]).await?;
        let row = rows.first().context("there is no lease")?;
        Ok((row.get(0), row.get(1), row.get(2)))
    }

    /// The place of the instance that works, and its epoch.
    pub async fn leader(&self) -> anyhow::Result<(usize, i64)> {
        let (holder, epoch, released) = self.lease().await?;
        let holder = holder.filter(|_| !released).context("nobody works")?;
        let of_holder = "select admin_addr from goodays.instances where id = $1";
        let rows = self.database.ask(of_holder, &[&holder]).await?;
        let admin: String = rows.first().context("who works is not known yet")?.get(0);
        let is = |one: &Instance| one.child.is_some() && one.admin().is_ok_and(|addr| addr == admin);
        Ok((self.instances.iter().position(is).context("who works is gone")?, epoch))
    }

    /// Waits until another one works, under a newer epoch.
    pub async fn taken_over(&self, epoch: i64, patience: Duration) -> anyhow::Result<()> {
        let began = Instant::now();
        loop {
            // The database may be away meanwhile.
            if self.lease().await.is_ok_and(|(_, now, released)| now > epoch && !released) {
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

    /// Whether the kernel has killed it, which also ends a process that is paused.
    pub fn was_killed(&mut self, place: usize) -> anyhow::Result<bool> {
        let child = self.instances[place].child.as_mut().context("nothing was started")?;
        Ok(child.try_wait()?.is_some_and(|status| status.signal() == Some(Signal::KILL.as_raw())))
    }

    /// Asks it to end, and waits for that.
    pub async fn end(&mut self, place: usize) -> anyhow::Result<()> {
        self.signal(place, Signal::TERM)?;
        let mut child = self.instances[place].child.take().context("nothing to end")?;
        let status = tokio::task::spawn_blocking(move || child.wait()).await??;
        let is_fenced =
            status.signal() == Some(Signal::KILL.as_raw()) && self.instances[place].lost_its_lease();
        ensure!(status.success() || is_fenced, "a clean stop ended with {status}:\n{}", self.logs());
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

    /// Nothing arrives any more on the way between this instance and the database.
    pub fn cut_off(&self, place: usize) {
        self.instances[place].links.iter().for_each(Link::cut);
    }

    /// This instance does not hear what the database answers.
    pub fn hold_answers(&self, place: usize) {
        self.instances[place].links.iter().for_each(Link::hold_answers);
    }

    pub fn mend(&self, place: usize) {
        self.instances[place].links.iter().for_each(Link::mend);
    }

    /// How many actions are stored as being sent, without an end of that.
    pub async fn actions_begun(&self) -> anyhow::Result<usize> {
        const BEGUN: &str = "
            select count(*) from goodays.actions
            where state = 'sending' and record -> 'state' ->> 'ended_ms' is null";
        let rows = self.database.ask(BEGUN, &[]).await?;
        Ok(usize::try_from(rows.first().map_or(0, |row| row.get::<_, i64>(0)))?)
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
            let outbox = &status["outbox"];
            let counts = (serde_json::json!([status["inbox"]["done"], outbox]), field.writes());
            if status["inbox"]["pending"] != 0 || counts != still || !field.is_still() {
                still = counts;
                since = field.polls();
            }
            // What is pending behind something unclear waits for a human; that must not be mistaken for slow work.
            let polls = if outbox["pending"] == 0 { 8 } else { 40 };
            if field.polls() > since + polls {
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
            if let Some(logs) = &self.logs {
                let _ = std::fs::copy(
                    self.instances[place].dir.join("log"),
                    logs.join(format!("instance{place}.log")),
                );
            }
        }
        if let Some(logs) = &self.logs {
            self.database.keep_logs(logs);
        }
    }
}

impl Instance {
    /// The address of its admin door.
    fn admin(&self) -> anyhow::Result<String> {
        Ok(std::fs::read_to_string(self.dir.join("state/admin.addr"))?.trim().to_owned())
    }

    async fn new(dir: PathBuf, field: &Field, place: usize, servers: &[u16]) -> anyhow::Result<Self> {
        std::fs::create_dir_all(dir.join("mappings"))?;
        for (name, text) in MAPPINGS {
            std::fs::write(dir.join("mappings").join(name), text)?;
        }
        let mut links = Vec::new();
        for port in servers {
            links.push(Link::to(*port).await?);
        }
        // The door has the same address after every restart.
        let door = SocketAddr::from(([127, 0, 0, 1], free_port().await?));
        let shared = format!("listen: '{}'", field.webhook_addr());
        let folder = "state: { path: ./state }";
        // The first host of the address takes connections, and says nothing.
        let silent = TcpListener::bind("127.0.0.1:0")?;
        let mut ports = vec![silent.local_addr()?.port()];
        ports.extend(links.iter().map(|link| link.port));
        let url = url(&watch::role(place), &ports);
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
        Ok(Self { dir, door, links, _silent: silent, child: None })
    }

    fn run(&mut self) -> anyhow::Result<()> {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.dir.join("log"))?;
        let mut command = Command::new(BINARY);
        command.arg("run").arg("-c").arg(self.dir.join("connector.yaml")).env("NO_COLOR", "1");
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        self.child = Some(command.spawn().context("the daemon does not start")?);
        Ok(())
    }

    /// Whether it could not renew its lease just before. Then its timer may end it, whatever else it is asked to do.
    fn lost_its_lease(&self) -> bool {
        self.log().lines().rev().take(15).any(|line| line.contains("the lease could not be renewed in time"))
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.dir.join("log")).unwrap_or_default()
    }
}
