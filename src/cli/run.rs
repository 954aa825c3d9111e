//! `run`: the daemon, until a signal stops it.

use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{FINDINGS, OK, load, logging};
use crate::app::{App, StartError, panics_without_words};
use crate::clock::Clock;
use crate::config::{Config, Secrets};
use crate::mapping::Diagnostic;
use crate::state::StoreError;
use crate::state::postgres::ConnectError;

/// Between two tries of a start to reach the database.
const DATABASE_PAUSE: Duration = Duration::from_secs(2);

pub async fn run(path: &Path) -> anyhow::Result<u8> {
    let config = load(path, Secrets::Required)?;
    // Before anything that takes long, so that no signal from now on is lost.
    let mut signals = Signals::listen()?;
    let (set_level, _log) = logging::start(&config.log)?;
    panics_without_words();
    crate::descriptors::raise();
    let Some(app) = start(path, config, &mut signals).await? else { return Ok(OK) };
    // It may have been edited while the start waited.
    set_level(&app.shared.config.log.level);
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
async fn start(path: &Path, mut config: Config, signals: &mut Signals) -> anyhow::Result<Option<App>> {
    let mut has_waited = false;
    loop {
        let why = match App::start(config.clone(), Clock::System).await {
            Err(error) if may_pass(&error, has_waited) => error,
            started => return Ok(Some(started?)),
        };
        tracing::warn!(%why, "the database of `state.postgres` is away: the start waits for it");
        tokio::select! {
            () = tokio::time::sleep(DATABASE_PAUSE) => {}
            () = signals.stop() => return Ok(None),
        }
        has_waited = true;
        config = read_anew(path, config);
    }
}

/// Whether only the database is away. It may answer reads, and writes wait for its standby.
///
/// An address that leads nowhere or a password that is refused ends a first start at once: whoever installs sees the
/// mistake. After a wait it is more likely that the password is being replaced, and an end would last until somebody comes.
fn may_pass(error: &StartError, has_waited: bool) -> bool {
    match error {
        StartError::Database(
            ConnectError::Address(_) | ConnectError::RootCert(_) | ConnectError::NotLetIn(_),
        ) => has_waited,
        StartError::Database(error) => error.may_pass(),
        StartError::Store(error) => matches!(error, StoreError::Unavailable(_)),
        _ => false,
    }
}

/// The files as they are now: the database's password may have been replaced. Nothing else reads them before the start.
fn read_anew(path: &Path, before: Config) -> Config {
    Config::load(path, Secrets::Required).unwrap_or_else(|mistakes| {
        let text = mistakes.iter().map(Diagnostic::render).collect::<Vec<_>>().join("\n");
        tracing::warn!("connector.yaml or a secret is refused, what was read before goes on:\n{text}");
        before
    })
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
