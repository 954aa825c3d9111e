//! A process of its own, and what the kernel says of it.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use anyhow::Context;
use tempfile::TempDir;

use crate::load::Line;

pub const BIN: &str = env!("CARGO_BIN_EXE_goodays-salesforce");
/// The daemon to measure, if it is another build than this one.
pub static DAEMON: OnceLock<PathBuf> = OnceLock::new();
/// Its mappings, if they are not the shipped ones.
pub static MAPPINGS: OnceLock<PathBuf> = OnceLock::new();
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A folder next to the build: a temporary folder may be in memory, where a sync costs nothing.
pub fn folder() -> anyhow::Result<TempDir> {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).context("no folder for the state")
}

pub fn free_addr() -> anyhow::Result<SocketAddr> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

/// A process that is killed when its owner is dropped.
pub struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Process {
    /// Kills it with SIGKILL, as a power cut of this process alone.
    pub fn kill(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }

    pub fn start(command: &mut Command, log: &Path) -> anyhow::Result<Self> {
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

    /// The peak memory of the process, in megabytes.
    pub fn peak_mb(&self) -> f64 {
        self.megabytes("VmHWM")
    }

    /// The memory of the process now, in megabytes.
    pub fn memory_mb(&self) -> f64 {
        self.megabytes("VmRSS")
    }

    #[expect(clippy::cast_precision_loss, reason = "megabytes of a bench")]
    fn megabytes(&self, name: &str) -> f64 {
        (self.number("status", name) * 1024) as f64 / 1e6
    }

    /// From now on the peak is that of what follows.
    pub fn forget_peak(&self) -> anyhow::Result<()> {
        Ok(fs::write(format!("/proc/{}/clear_refs", self.0.id()), "5")?)
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

pub async fn listens(addr: SocketAddr) -> anyhow::Result<Line> {
    let began = Instant::now();
    loop {
        match Line::open(addr).await {
            Ok(line) => return Ok(line),
            Err(error) if began.elapsed() > PATIENCE => return Err(error),
            Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    }
}

pub fn size(path: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(path) else { return 0 };
    let of = |entry: fs::DirEntry| match entry.metadata() {
        Ok(data) if data.is_dir() => size(&entry.path()),
        Ok(data) => data.len(),
        Err(_) => 0,
    };
    entries.flatten().map(of).sum()
}
