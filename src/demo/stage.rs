//! Both simulators and the daemon on free loopback ports, with their state in a temporary folder.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context;
use tokio::net::TcpListener;
use tokio::runtime::Handle;

use crate::app::{App, Knobs};
use crate::clock::Clock;
use crate::config::{Config, Secrets};
use crate::sim::goodays::{Goodays, Options as GoodaysOptions};
use crate::sim::salesforce::{Options as SalesforceOptions, Salesforce};

/// The shipped mappings, so that the demo needs no files.
pub const MAPPINGS: [(&str, &str); 3] = [
    ("case.yaml", include_str!("../../mappings/case.yaml")),
    ("comment.yaml", include_str!("../../mappings/comment.yaml")),
    ("actions.yaml", include_str!("../../mappings/actions.yaml")),
];

pub const SECRET: &str = "demo-secret";

/// Settings of the daemon that differ from the shipped ones.
#[derive(Debug, Clone)]
pub struct Tuning {
    pub poll_ms: u64,
    pub close_grace_ms: u64,
    pub settle_ms: u64,
    /// Further keys of `connector.yaml`'s `admin` section, in braces' notation.
    pub admin: String,
    /// Further keys of its `state` section, the same way.
    pub state: String,
    /// Further lines of `connector.yaml`'s `goodays` section.
    pub goodays: String,
    /// Further lines of its `salesforce` section.
    pub salesforce: String,
    /// Further sections.
    pub sections: String,
    /// Settings that no configuration has.
    pub knobs: Knobs,
    /// Goodays' clock, which dates everything that the simulator shows.
    pub goodays_clock: Clock,
}

impl Default for Tuning {
    fn default() -> Self {
        Self {
            poll_ms: 150,
            close_grace_ms: 400,
            settle_ms: 1000,
            admin: String::new(),
            state: String::new(),
            goodays: String::new(),
            salesforce: String::new(),
            sections: String::new(),
            knobs: Knobs::default(),
            goodays_clock: Clock::System,
        }
    }
}

pub struct Stage {
    pub salesforce: Salesforce,
    pub goodays: Goodays,
    pub app: Option<App>,
    pub tuning: Tuning,
    pub dir: tempfile::TempDir,
    /// Where the daemon runs; none: where it is started.
    pub runtime: Option<Handle>,
}

impl Stage {
    pub async fn start(tuning: Tuning) -> anyhow::Result<Self> {
        let mut stage = Self::set(tuning).await?;
        stage.start_daemon().await?;
        Ok(stage)
    }

    /// Starts both simulators and writes the files. No daemon runs yet.
    pub async fn set(tuning: Tuning) -> anyhow::Result<Self> {
        let salesforce = Salesforce::start(free_port().await?, SalesforceOptions::default()).await;
        let options = GoodaysOptions { clock: tuning.goodays_clock.clone(), ..GoodaysOptions::default() };
        let goodays = Goodays::start(free_port().await?, options).await;
        let dir = tempfile::tempdir().context("no temporary folder")?;
        let stage = Self { salesforce, goodays, app: None, tuning, dir, runtime: None };
        std::fs::create_dir(stage.dir.path().join("mappings"))?;
        for (name, text) in MAPPINGS {
            std::fs::write(stage.dir.path().join("mappings").join(name), text)?;
        }
        Ok(stage)
    }

    /// Starts the daemon on the existing state, and points the webhook at it.
    pub async fn start_daemon(&mut self) -> anyhow::Result<()> {
        let start = App::start_with(self.config()?, Clock::System, self.tuning.knobs.clone());
        let app = match &self.runtime {
            Some(runtime) => runtime.spawn(start).await.context("the daemon panicked")??,
            None => start.await?,
        };
        let url = format!("http://{}/webhooks/goodays", app.doors.webhook_addr());
        self.goodays.set_webhook(&url, Some(SECRET.to_owned()));
        self.app = Some(app);
        Ok(())
    }

    pub async fn stop_daemon(&mut self) -> bool {
        match self.app.take() {
            Some(app) => app.stop().await,
            None => true,
        }
    }

    pub fn app(&self) -> &App {
        self.app.as_ref().expect("the daemon runs")
    }

    pub fn webhook_addr(&self) -> SocketAddr {
        self.app().doors.webhook_addr()
    }

    pub fn config_file(&self) -> std::path::PathBuf {
        self.dir.path().join("connector.yaml")
    }

    /// Writes `connector.yaml`, and reads it.
    pub fn config(&self) -> anyhow::Result<Config> {
        let file = self.config_file();
        std::fs::write(&file, self.yaml())?;
        load(&file)
    }

    fn yaml(&self) -> String {
        let Tuning { poll_ms, close_grace_ms, settle_ms, admin, state, .. } = &self.tuning;
        let more = |keys: &String| if keys.is_empty() { String::new() } else { format!(", {keys}") };
        let (admin, state) = (more(admin), more(state));
        let mut text = format!(
            "server: {{ listen: '127.0.0.1:0' }}\n\
             admin: {{ listen: '127.0.0.1:0'{admin} }}\n\
             poll: {{ interval: {poll_ms}ms, overlap: 10m, close_grace: {close_grace_ms}ms }}\n\
             settle: {settle_ms}ms\n\
             state: {{ path: ./state{state} }}\n\
             mappings: ./mappings\n"
        );
        let _ = write!(
            text,
            "goodays:\n  base_url: {}\n  token: {}\n  webhook: {{ secrets: [{SECRET}] }}\n{}",
            self.goodays.url(),
            GoodaysOptions::default().token,
            indented(&self.tuning.goodays)
        );
        let options = SalesforceOptions::default();
        let _ = write!(
            text,
            "salesforce:\n  login_url: {}\n  auth: {{ flow: client_credentials, client_id: {}, client_secret: {} }}\n{}",
            self.salesforce.url(),
            options.client_id,
            options.client_secret,
            indented(&self.tuning.salesforce)
        );
        if !self.tuning.sections.contains("sweep:") {
            text += "sweep: { every: 0 }\n";
        }
        text + &self.tuning.sections
    }
}

fn indented(lines: &str) -> String {
    lines.lines().fold(String::new(), |text, line| text + "  " + line + "\n")
}

pub fn load(file: &Path) -> anyhow::Result<Config> {
    Config::load(file, Secrets::Required).map_err(|mistakes| {
        anyhow::anyhow!(mistakes.iter().map(crate::mapping::Diagnostic::render).collect::<String>())
    })
}

async fn free_port() -> anyhow::Result<TcpListener> {
    TcpListener::bind("127.0.0.1:0").await.context("no free port on loopback")
}

/// Waits until `holds` returns something. `None` after the deadline.
pub async fn until<T>(deadline: Duration, mut holds: impl FnMut() -> Option<T>) -> Option<T> {
    let began = Instant::now();
    loop {
        if let Some(found) = holds() {
            return Some(found);
        }
        if began.elapsed() > deadline {
            return None;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
