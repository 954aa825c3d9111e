//! The real binary as a child, and disks that are small or read-only.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use goodays_salesforce::demo::stage::{Stage, until};
use rustix::process::{Pid, Signal, kill_process};

use crate::arena::PATIENCE;

const BINARY: &str = env!("CARGO_BIN_EXE_goodays-salesforce");

/// `run` on a stage's configuration.
pub struct Child {
    child: std::process::Child,
    log: PathBuf,
}

impl Child {
    /// `how`: shell commands before the daemon's command, at least `exec`.
    pub fn start(stage: &Stage, how: &str) -> Self {
        let log = stage.dir.path().join("child.log");
        let file = File::create(&log).unwrap();
        let child = Command::new("sh")
            .args(["-c", &format!("{how} \"$0\" run -c \"$1\""), BINARY])
            .arg(stage.config_file())
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .stdout(file.try_clone().unwrap())
            .stderr(file)
            .spawn()
            .unwrap();
        Self { child, log }
    }

    /// The webhook address (with path) and the admin address, once it listens.
    pub async fn doors(&mut self) -> (String, String) {
        let word = |line: &str, name: &str| {
            let found = line.split_whitespace().find_map(|w| w.strip_prefix(name).map(str::to_owned));
            found.unwrap_or_default()
        };
        let found = until(PATIENCE, || {
            let log = self.log();
            let line = log.lines().find(|line| line.contains(" listening "))?;
            Some((word(line, "webhook="), word(line, "admin=")))
        });
        let Some(doors) = found.await else { panic!("it does not listen: {}", self.log()) };
        doors
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// The exit code, if it has ended.
    pub fn ended(&mut self) -> Option<i32> {
        self.child.try_wait().unwrap().map(|status| status.code().unwrap_or(-1))
    }

    /// Waits until it ends by itself. Returns the exit code.
    pub async fn code(&mut self) -> i32 {
        let code = until(PATIENCE, || self.ended()).await;
        code.unwrap_or_else(|| panic!("it does not end: {}", self.log()))
    }

    /// Stops it as a service manager would.
    pub fn terminate(&self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
    }

    pub async fn stop(&mut self) {
        self.terminate();
        assert_eq!(self.code().await, 0, "{}", self.log());
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A file system in memory over a folder. Only processes in its namespace see it. It ends when dropped.
pub struct SmallDisk(std::process::Child);

impl SmallDisk {
    /// `None` where a user may not mount, as in some containers.
    pub fn over(dir: &Path, options: &str) -> Option<Self> {
        let script = "mount -t tmpfs -o \"$0\" none \"$1\" && echo mounted && exec cat";
        let mut holder = Command::new("unshare")
            .args(["--user", "--map-root-user", "--mount", "sh", "-c", script, options])
            .arg(dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .ok()?;
        let mut line = String::new();
        BufReader::new(holder.stdout.take()?).read_line(&mut line).ok()?;
        let disk = Self(holder);
        (line == "mounted\n").then_some(disk)
    }

    /// The shell command that runs another one there.
    pub fn enter(&self) -> String {
        format!("exec nsenter --target {} --user --preserve-credentials --mount", self.0.id())
    }

    /// The path of a file inside, as seen from outside.
    pub fn inside(&self, path: &Path) -> PathBuf {
        let place = Path::new("/proc").join(self.0.id().to_string()).join("root");
        place.join(path.strip_prefix("/").unwrap())
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
