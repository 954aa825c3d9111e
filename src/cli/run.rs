//! `run`: the daemon, until a signal stops it.

use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{FINDINGS, OK, load, logging};
use crate::app::{App, StartError, panics_without_words};
use crate::clock::Clock;
use crate::config::{Config, Secrets};
use crate::state::StoreError;

/// Between two tries of a start to reach the database.
const DATABASE_PAUSE: Duration = Duration::from_secs(2);

pub async fn run(path: &Path) -> anyhow::Result<u8> {
    let config = load(path, Secrets::Required)?;
    // Before anything that takes long, so that no signal from now on is lost.
    let mut signals = Signals::listen()?;
    let (set_level, _log) = logging::start(&config.log)?;
    panics_without_words();
    crate::descriptors::raise();
    let Some(app) = start(&config, &mut signals).await? else { return Ok(OK) };
    app.shared.log_level_by(set_level);
    let failed = tokio::select! {
        () = app.failed() => true,
        () = signals.reload_until_stopped(&app) => {
            tracing::info!("stopping");
            false
        }
    };
    let clean = app.stop().await;
    tracing::info!(clean, "stopped");
    Ok(if clean && !failed { OK } else { FINDINGS })
}

/// A database that is away may come back, so a start waits for it, as a running instance does. None: a signal said to stop.
async fn start(config: &Config, signals: &mut Signals) -> anyhow::Result<Option<App>> {
    loop {
        let why = match App::start(config.clone(), Clock::System).await {
            Err(error) if may_pass(&error) => error,
            started => return Ok(Some(started?)),
        };
        tracing::warn!(%why, "the database of `state.postgres` is away: the start waits for it");
        tokio::select! {
            () = tokio::time::sleep(DATABASE_PAUSE) => {}
            () = signals.stop() => return Ok(None),
        }
    }
}

/// Whether only the database is away. It may answer reads, and writes wait for its standby.
fn may_pass(error: &StartError) -> bool {
    match error {
        StartError::Database(error) => error.may_pass(),
        StartError::Store(error) => matches!(error, StoreError::Unavailable(_)),
        _ => false,
    }
}

/// One receiver of each signal for the whole run. A signal that arrives while another one is handled waits here.
pub(super) struct Signals {
    hangup: Signal,
    interrupt: Signal,
    terminate: Signal,
    /// The system's limit of a file's size (`ulimit -f`, `LimitFSIZE=`) is met. It would end the process without a word;
    /// while the signal is received, the write fails as on a full disk.
    _file_too_large: Signal,
}

impl Signals {
    pub(super) fn listen() -> anyhow::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup()).context("SIGHUP cannot be awaited")?,
            interrupt: signal(SignalKind::interrupt()).context("SIGINT cannot be awaited")?,
            terminate: signal(SignalKind::terminate()).context("SIGTERM cannot be awaited")?,
            _file_too_large: signal(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw()))
                .context("SIGXFSZ cannot be awaited")?,
        })
    }

    /// SIGHUP reads mappings, connector.yaml and secrets anew, as `POST /reload` does. A stop still works meanwhile.
    async fn reload_until_stopped(&mut self, app: &App) {
        while self.next_is_hangup().await {
            let shared = app.current.shared();
            // The log and `status` report refusals.
            tokio::spawn(async move { shared.reload().await });
        }
    }

    pub(super) async fn stop(&mut self) {
        while self.next_is_hangup().await {}
    }

    /// Waits for the next signal. A stop takes precedence over a reload that arrived at the same time.
    pub(super) async fn next_is_hangup(&mut self) -> bool {
        tokio::select! {
            biased;
            _ = self.terminate.recv() => false,
            _ = self.interrupt.recv() => false,
            _ = self.hangup.recv() => true,
        }
    }
}
