//! Starts and stops one daemon: store, mappings, listeners, workers.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::alerts;
use crate::clock::Clock;
use crate::config::{Actions, Config, Perimeter};
use crate::http::{self, TimeLimits};
use crate::mapping::{Diagnostic, Mapping};
use crate::mutant;
use crate::remotes;
use crate::state::postgres::{ConnectError, lease::Lease};
use crate::state::{Fault, OpenError, Settings, Store, StoreError};
use crate::web::{DoorError, Doors, Limits};
use crate::workers::{
    Current, Daemon, Files, Process, Shared, Term, Terms, last_good_mapping, remember_mapping, supervised,
};

/// File in the state folder with the admin listener's address, for the command line.
pub const ADMIN_FILE: &str = "admin.addr";
/// The lease's length where the configuration has none.
const LEASE: Duration = Duration::from_secs(5);

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
    #[error("the database of `state.postgres` cannot be used: {0}")]
    Database(#[from] ConnectError),
    #[error("{0} cannot be written: {1}; check the rights of the state folder")]
    AdminFile(PathBuf, std::io::Error),
}

/// The state folder of an instance with a database: its own address stands there, and nothing that matters.
fn make_folder(dir: &Path) -> Result<(), OpenError> {
    use std::os::unix::fs::DirBuilderExt;
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir);
    made.map_err(|error| OpenError::Folder { dir: dir.to_owned(), reason: error.to_string() })
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
    /// As of the start. If there are several instances, [`Self::current`] is the one of now.
    pub shared: Arc<Shared>,
    pub current: Current,
    pub doors: Doors,
    work: Work,
    token: CancellationToken,
    admin_file: PathBuf,
}

/// Who works.
enum Work {
    /// This process, as long as it lives.
    Alone(Daemon),
    /// This process or another one, in turn.
    InTurn(JoinHandle<bool>),
}

impl App {
    pub async fn start(config: Config, clock: Clock) -> Result<Self, StartError> {
        Self::start_with(config, clock, Knobs::default()).await
    }

    pub async fn start_with(config: Config, clock: Clock, knobs: Knobs) -> Result<Self, StartError> {
        // Before they are read: what is saved meanwhile is an edit.
        let files = Files::of(&config);
        let store = match &config.state.postgres {
            Some(postgres) => {
                make_folder(&config.state.path)?;
                Store::connect(&remotes::database(postgres)?).await?
            }
            None => Store::open(&config.state.path, settings(knobs.store))?,
        };
        let (mapping, refused) = mappings(&config.mappings, &store).await?;
        let process = Arc::new(Process::new(config, mapping, clock, knobs.calls));
        process.check_edits_by(crate::check::newly_lacking);
        process.mapping_trouble.store(Arc::new(refused));
        process.files.store(Arc::new(files));
        let token = CancellationToken::new();
        let begun = Box::pin(Begun::of(process, store.clone(), &token)).await?;
        let current = Current::new(store, begun.shared.clone());
        let doors = Doors::open_with(current.clone(), token.clone(), knobs.doors).await?;
        let shared = begun.shared.clone();
        let admin_file = shared.config.state.path.join(ADMIN_FILE);
        std::fs::write(&admin_file, doors.admin_addr().to_string())
            .map_err(|e| StartError::AdminFile(admin_file.clone(), e))?;
        announce(&shared, &doors);
        let work = begun.work(current.clone(), doors.admin_addr().to_string(), token.clone());
        alerts::start(&current, token.clone());
        notify_ready();
        Ok(Self { shared, current, doors, work, token, admin_file })
    }

    /// Resolves when a worker failed and the process must end.
    pub async fn failed(&self) {
        self.token.cancelled().await;
    }

    /// Stops the listeners and the workers. False if something failed.
    pub async fn stop(self) -> bool {
        let _ = std::fs::remove_file(&self.admin_file);
        // At the same time, because both wait for calls in flight.
        self.token.cancel();
        let ((), clean) = tokio::join!(self.doors.close(), self.work.stop());
        let store = self.shared.store.clone();
        // If the last checkpoint fails on the disk, the exit code must show it.
        let finished = tokio::task::spawn_blocking(move || store.finish()).await;
        clean && matches!(finished, Ok(Ok(())))
    }
}

/// What a daemon begins with, before its doors are open.
struct Begun {
    shared: Arc<Shared>,
    /// None: this is the only instance.
    terms: Option<(Terms, Option<Term>)>,
}

impl Begun {
    async fn of(process: Arc<Process>, store: Store, token: &CancellationToken) -> Result<Self, StartError> {
        let Some(lease) = Lease::of(&store) else {
            return Ok(Self { shared: Arc::new(Shared::begin(process, store).await?), terms: None });
        };
        let length = process.config.state.postgres.as_ref().map_or(LEASE, |postgres| postgres.lease);
        let terms = Terms::new(process, store, lease, length, token.clone());
        let first = terms.first().await?;
        let shared = match &first {
            Some(term) => term.shared.clone(),
            None => Arc::new(terms.without_work().await?),
        };
        Ok(Self { shared, terms: Some((terms, first)) })
    }

    fn work(self, current: Current, admin: String, token: CancellationToken) -> Work {
        match self.terms {
            Some((terms, first)) => {
                let process = current.process().clone();
                let turns = terms.run(current, first, admin);
                Work::InTurn(tokio::spawn(supervised("terms", process, token, turns)))
            }
            None => Work::Alone(Daemon::start(self.shared, token)),
        }
    }
}

impl Work {
    /// False if something failed.
    async fn stop(self) -> bool {
        match self {
            Self::Alone(daemon) => daemon.stop().await,
            Self::InTurn(terms) => terms.await.unwrap_or(false),
        }
    }
}

fn settings(mut store: Settings) -> Settings {
    if mutant::is_on("skip-fdatasync") {
        store.fault = Fault::SkipSync;
    }
    store
}

/// Loads the mapping files. If they have mistakes, logs an error and uses the last good version (design, rule 1).
async fn mappings(dir: &Path, store: &Store) -> Result<(Mapping, Vec<Diagnostic>), StartError> {
    match Mapping::load(dir) {
        Ok((mapping, warnings)) => {
            for warning in &warnings {
                warn!("{}", warning.render());
            }
            remember_mapping(store, &mapping).await?;
            Ok((mapping, Vec::new()))
        }
        Err(mistakes) => match last_good_mapping(store).await? {
            Some(mapping) => {
                let text = render(&mistakes);
                error!(
                    "the mapping files are refused, the last good version {} is used:\n{text}",
                    mapping.version()
                );
                Ok((mapping, mistakes))
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
    if config.goodays.perimeter == Perimeter::Delegated {
        info!("only feedback that is delegated to customer service is carried");
    }
    for name in http::unusable_proxies() {
        warn!("{name} in the environment is no address of a proxy: calls do not use it");
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
