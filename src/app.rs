//! Starts and stops one daemon: store, mappings, listeners, workers.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::clock::Clock;
use crate::config::{Actions, Config, Perimeter, Signature};
use crate::http::TimeLimits;
use crate::mapping::{Diagnostic, Mapping};
use crate::mutant;
use crate::state::{Fault, OpenError, Settings, Store, StoreError};
use crate::web::{DoorError, Doors, Limits};
use crate::workers::{Daemon, Process, Shared, last_good_mapping, remember_mapping};

/// File in the state folder with the admin listener's address, for the command line.
pub const ADMIN_FILE: &str = "admin.addr";

/// Why a daemon does not start. Each text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    State(#[from] OpenError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Door(#[from] DoorError),
    #[error("the mappings have mistakes, and no earlier good version is kept:\n{}", render(.0))]
    Mapping(Vec<Diagnostic>),
    #[error("{0} cannot be written: {1}; check the rights of the state folder")]
    AdminFile(PathBuf, std::io::Error),
}

fn render(mistakes: &[Diagnostic]) -> String {
    mistakes.iter().map(Diagnostic::render).collect::<Vec<_>>().join("\n")
}

/// Settings without a key in connector.yaml. Only tests change them.
#[derive(Debug, Clone, Default)]
pub struct Knobs {
    pub store: Settings,
    pub doors: Limits,
    pub calls: TimeLimits,
}

/// A running daemon.
pub struct App {
    pub shared: Arc<Shared>,
    pub doors: Doors,
    daemon: Daemon,
    token: CancellationToken,
    admin_file: PathBuf,
}

impl App {
    pub async fn start(config: Config, clock: Clock) -> Result<Self, StartError> {
        Self::start_with(config, clock, Knobs::default()).await
    }

    pub async fn start_with(config: Config, clock: Clock, knobs: Knobs) -> Result<Self, StartError> {
        let store = Store::open(&config.state.path, settings(knobs.store))?;
        let (mapping, refused) = mappings(&config.mappings, &store).await?;
        let process = Arc::new(Process::new(config, mapping, clock, knobs.calls));
        let shared = Arc::new(Shared::begin(process, store).await?);
        shared.check_edits_by(crate::check::newly_lacking);
        if refused.is_some() {
            shared.mapping_trouble.store(Arc::new(refused));
        }
        let token = CancellationToken::new();
        let doors = Doors::open_with(shared.clone(), token.clone(), knobs.doors).await?;
        let admin_file = shared.config.state.path.join(ADMIN_FILE);
        std::fs::write(&admin_file, doors.admin_addr().to_string())
            .map_err(|e| StartError::AdminFile(admin_file.clone(), e))?;
        announce(&shared, &doors);
        let daemon = Daemon::start(shared.clone(), token.clone());
        notify_ready();
        Ok(Self { shared, doors, daemon, token, admin_file })
    }

    /// Resolves when a worker failed and the process must end.
    pub async fn failed(&self) {
        self.token.cancelled().await;
    }

    /// Stops the listeners and the workers. False if something failed.
    pub async fn stop(self) -> bool {
        let _ = std::fs::remove_file(&self.admin_file);
        // At the same time, because both wait for calls in flight.
        let ((), clean) = tokio::join!(self.doors.close(), self.daemon.stop());
        let store = self.shared.store.clone();
        // If the last checkpoint fails on the disk, the exit code must show it.
        let finished = tokio::task::spawn_blocking(move || store.finish()).await;
        clean && matches!(finished, Ok(Ok(())))
    }
}

fn settings(mut store: Settings) -> Settings {
    if mutant::is_on("skip-fdatasync") {
        store.fault = Fault::SkipSync;
    }
    store
}

/// Loads the mapping files. If they have mistakes, logs an error and uses the last good version (design, rule 1).
async fn mappings(dir: &Path, store: &Store) -> Result<(Mapping, Option<String>), StartError> {
    match Mapping::load(dir) {
        Ok((mapping, warnings)) => {
            for warning in &warnings {
                warn!("{}", warning.render());
            }
            remember_mapping(store, &mapping).await?;
            Ok((mapping, None))
        }
        Err(mistakes) => match last_good_mapping(store).await? {
            Some(mapping) => {
                let text = render(&mistakes);
                error!(
                    "the mapping files are refused, the last good version {} is used:\n{text}",
                    mapping.version()
                );
                Ok((mapping, Some(text)))
            }
            None => Err(StartError::Mapping(mistakes)),
        },
    }
}

fn announce(shared: &Shared, doors: &Doors) {
    let config = &shared.config;
    let base = format!("http://{}{}", doors.webhook_addr(), config.server.webhook_path);
    info!(webhook = %base, admin = %doors.admin_addr(), "listening");
    info!(
        goodays = %config.goodays.base_url,
        salesforce = %config.salesforce.login_url,
        mapping = %shared.mapping().version(),
        state = %config.state.path.display(),
        "carrying feedback from Goodays to Salesforce, and agents' actions back"
    );
    if config.goodays.actions == Actions::Observe {
        warn!("goodays.actions is observe: nothing is sent to customers");
    }
    if config.goodays.webhook.signature == Signature::Off {
        warn!("goodays.webhook.signature is off: anyone who knows the address can send events");
    }
    if config.goodays.perimeter == Perimeter::Delegated {
        info!("only feedback that is delegated to customer service is carried");
    }
    for warning in &config.warnings {
        warn!("{}", warning.render());
    }
}

/// Logs only the place of a panic, because its message may contain a customer's text (law 10).
pub fn panics_without_words() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let thread = std::thread::current();
        error!(thread = thread.name().unwrap_or_default(), "panicked at {place}");
    }));
}

/// Notifies systemd (`Type=notify`), if it waits for that.
fn notify_ready() {
    if let Err(error) = sd_notify::notify(&[sd_notify::NotifyState::Ready]) {
        warn!(%error, "the service manager could not be told that this is ready");
    }
}
