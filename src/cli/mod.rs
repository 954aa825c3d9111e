//! The commands. Exit codes: 0 ok, 1 findings, 2 usage or configuration, 3 a remote is unreachable, 4 trouble now
//! (`status`), 5 no daemon runs.

mod admin;
mod applied;
mod files;
mod init;
mod logging;
mod mapping_tests;
mod parked;
mod plan;
mod progress;
mod run;
mod set_up;
mod show;
mod simulate;
mod state;
mod support_bundle;
mod timeline;
mod verdict;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};

use crate::app::StartError;
use crate::clock::Clock;
use crate::config::{Config, PACKAGED, Secrets, USUAL, parse_duration};
use crate::demo;
use crate::mapping::Diagnostic;
use crate::out::{self, say, warn_user};
use crate::schemas::SchemaKind;
use crate::state::OpenError;

/// The bridge between Goodays (customer feedback) and Salesforce Service Cloud.
///
/// Feedback becomes a Case with comments; what agents answer, call, close or mark as spam goes back to the
/// customer, once.
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "Examples:
  goodays-salesforce demo                      see it work, both remotes simulated
  goodays-salesforce check --offline           find mistakes in connector.yaml and the mappings
  goodays-salesforce run -c connector.yaml     the daemon
  goodays-salesforce status                    how the running daemon is doing

Exit codes: 0 ok, 1 findings (status: something waits for a human), 2 usage or configuration, 3 a remote is
unreachable, 4 trouble now (status), 5 no daemon runs."
)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Play the documented conversation end to end, both remotes simulated in this process.
    #[command(after_help = "Examples:
  goodays-salesforce demo
  goodays-salesforce demo --spoil reply    break one thing on purpose: the demo notices and fails
  goodays-salesforce demo --keep           leave everything up, to send feedback of one's own")]
    Demo {
        /// Leave everything running afterwards and print the addresses.
        #[arg(long)]
        keep: bool,
        /// Break one thing on purpose.
        #[arg(long)]
        spoil: Option<demo::Spoil>,
    },
    /// Run the daemon.
    #[command(after_help = "Example:
  set -a; . /etc/goodays-salesforce/env; goodays-salesforce run -c /etc/goodays-salesforce/connector.yaml")]
    Run(Configured),
    /// Check configuration and mappings; online also token, permissions and every mapped field.
    #[command(after_help = "Examples:
  goodays-salesforce check --offline         needs no secrets and no network
  goodays-salesforce check --json | jq .     for pipelines")]
    Check {
        #[command(flatten)]
        config: Configured,
        /// Ask nobody: files only.
        #[arg(long)]
        offline: bool,
        #[arg(long)]
        json: bool,
    },
    /// Show what an event would write to Salesforce; sends nothing.
    #[command(after_help = "Examples:
  goodays-salesforce plan event.json       a file
  goodays-salesforce plan samples/         every event of a folder
  goodays-salesforce plan e42              an event that the running daemon holds
  goodays-salesforce plan e42 --as-new         the same, as if nothing of it were in Salesforce yet
  goodays-salesforce plan event.json --diff    beside the Case as it stands
  goodays-salesforce plan e42 --update refund  write a mapping test from it, personal details replaced
  goodays-salesforce plan --case 00001001      what would go to Goodays now, and why")]
    Plan {
        /// A file, a folder, or the id of a stored event.
        #[arg(required_unless_present = "case", conflicts_with = "case")]
        event: Option<String>,
        /// What the running daemon would send to Goodays for the Case of this number or id now, and why.
        #[arg(long, value_name = "NUMBER|ID")]
        case: Option<String>,
        /// As if nothing of it were known and in Salesforce yet.
        #[arg(long, conflicts_with = "case")]
        as_new: bool,
        /// Beside the Case as it stands in Salesforce.
        #[arg(long, conflicts_with = "case")]
        diff: bool,
        /// Write mappings/tests/NAME.yaml, which expects what is written now; personal details are replaced.
        #[arg(long, value_name = "NAME", conflicts_with_all = ["case", "as_new", "diff", "json"])]
        update: Option<String>,
        #[command(flatten)]
        config: Configured,
        #[arg(long)]
        json: bool,
    },
    /// Compare both sides; list and repair what is missing.
    #[command(after_help = "Examples:
  goodays-salesforce sweep                     the last 48 h (sweep.window)
  goodays-salesforce sweep --since 2026-11-20  from then on
  goodays-salesforce sweep --dry-run           list only; 1 if something is missing")]
    Sweep {
        #[command(flatten)]
        config: Configured,
        /// From when on: 2026-11-20T08:00:00Z, 2026-11-20 (in UTC), or 48h; else the window of connector.yaml.
        #[arg(long, value_parser = since)]
        since: Option<String>,
        /// List only.
        #[arg(long)]
        dry_run: bool,
        #[arg(long)]
        json: bool,
    },
    /// Carry out rules of an edited actions.yaml on what stands already.
    #[command(after_help = "Examples:
  goodays-salesforce apply-actions --dry-run   list only; 1 if something would be touched
  goodays-salesforce apply-actions             send it, at most max_actions_per_hour; the rest is held back

An edit of actions.yaml acts on what people do after it. What stood before and was never acted on is listed here.")]
    ApplyActions {
        #[command(flatten)]
        config: Configured,
        /// List only; nothing is sent.
        #[arg(long)]
        dry_run: bool,
        #[arg(long)]
        json: bool,
    },
    /// How the running daemon is doing.
    #[command(
        after_help = "Exit codes, for a watchdog: 0 all is well, 1 something waits for a human, 4 something does not work now
(webhooks are not accepted, a remote is away, agents' actions are not read), 5 no daemon runs."
    )]
    Status {
        #[command(flatten)]
        config: Configured,
        #[arg(long)]
        json: bool,
    },
    /// What waits for a human, by reason, the newest first.
    Parked {
        #[command(flatten)]
        config: Configured,
        /// Every single one.
        #[arg(long)]
        all: bool,
        #[arg(long)]
        json: bool,
    },
    /// Try something parked again, with the mapping as it is now.
    #[command(after_help = "Examples:
  goodays-salesforce retry e12                       one event
  goodays-salesforce retry a7 --send-again           an unclear action that reading back does not show
  goodays-salesforce retry --all --reason FIELD_CUSTOM_VALIDATION_EXCEPTION")]
    Retry {
        /// An id from `parked`.
        #[arg(required_unless_present = "all", conflicts_with = "all")]
        id: Option<String>,
        #[arg(long)]
        all: bool,
        /// With --all: only those with this reason code.
        #[arg(long, requires = "all")]
        reason: Option<String>,
        /// Send an unclear action again although it may have arrived.
        #[arg(long, conflicts_with = "all")]
        send_again: bool,
        #[command(flatten)]
        config: Configured,
    },
    /// Give something parked up.
    #[command(after_help = "Examples:
  goodays-salesforce drop a7                                    one action
  goodays-salesforce drop --all --reason max_actions_per_hour   all with one reason; what is unclear stays")]
    Drop {
        /// An id from `parked`.
        #[arg(required_unless_present = "all", conflicts_with = "all")]
        id: Option<String>,
        /// All with one reason.
        #[arg(long, requires = "reason")]
        all: bool,
        /// With --all: the reason code.
        #[arg(long, requires = "all")]
        reason: Option<String>,
        #[command(flatten)]
        config: Configured,
    },
    /// What happened to one feedback, in the order of time.
    #[command(after_help = "Examples:
  goodays-salesforce timeline 26BpnGYga3   a response
  goodays-salesforce timeline 00001001     the number of its Case, or its id
  goodays-salesforce timeline a7           an id from `parked`

The console shows the same, and finds a feedback also by the customer's address.")]
    Timeline {
        /// A response, a Case (number or id), an event or an action.
        id: String,
        #[command(flatten)]
        config: Configured,
        #[arg(long)]
        json: bool,
    },
    /// Remove what we hold of a person.
    #[command(after_help = "Examples:
  goodays-salesforce forget --response 26BpnGYga3
  goodays-salesforce forget --email person@example.com   as a customer and as an agent")]
    Forget {
        #[command(flatten)]
        whom: Whom,
        #[command(flatten)]
        config: Configured,
        #[arg(long)]
        json: bool,
    },
    /// Fetch the customer's own samples from Goodays' events endpoint.
    Samples {
        dir: PathBuf,
        #[command(flatten)]
        config: Configured,
    },
    /// Run the two simulators, for one's own experiments.
    #[command(after_help = "Example:
  goodays-salesforce sim --salesforce 127.0.0.1:8089 --goodays 127.0.0.1:8088")]
    Sim {
        #[arg(long, default_value = "127.0.0.1:0")]
        salesforce: SocketAddr,
        #[arg(long, default_value = "127.0.0.1:0")]
        goodays: SocketAddr,
        /// Salesforce also takes JWTs that this public key (PEM) verifies.
        #[arg(long, value_name = "FILE")]
        jwt_public_key: Option<PathBuf>,
    },
    /// Print the JSON Schema of a file, for editors.
    Schema { kind: Kind },
    #[command(flatten)]
    SetUp(Box<set_up::SetUp>),
}

/// Who is forgotten: one of both.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Whom {
    /// Of one response.
    #[arg(long, value_name = "ID")]
    response: Option<String>,
    /// Of everything under an address.
    #[arg(long, value_name = "ADDR")]
    email: Option<String>,
}

/// Where the configuration stands.
#[derive(Debug, clap::Args)]
struct Configured {
    /// The configuration file; else connector.yaml in this folder, else /etc/goodays-salesforce/connector.yaml.
    #[arg(short, long, default_value_os_t = usual_config(Path::new(PACKAGED)), hide_default_value = true)]
    config: PathBuf,
}

/// The file of this folder. If there is none, the one that the packages install.
fn usual_config(packaged: &Path) -> PathBuf {
    let here = Path::new(USUAL);
    if !here.exists() && packaged.exists() { packaged.to_owned() } else { here.to_owned() }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Kind {
    Connector,
    Case,
    Comment,
    Actions,
}

const OK: u8 = 0;
const FINDINGS: u8 = 1;
/// The daemon ended by a failure, and is to be started again.
const FAILED: u8 = 1;
const CONFIGURATION: u8 = 2;
const UNREACHABLE: u8 = 3;
const TROUBLE: u8 = 4;
const DOWN: u8 = 5;

impl Cli {
    pub fn run(self) -> ExitCode {
        let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => {
                warn_user!("error: the runtime does not start: {error}");
                return ExitCode::from(FINDINGS);
            }
        };
        match runtime.block_on(self.command.run()) {
            Ok(_) if out::is_unread() => ExitCode::from(OK),
            Ok(code) => ExitCode::from(code),
            Err(error) => {
                warn_user!("error: {error:#}");
                ExitCode::from(code_of(&error))
            }
        }
    }
}

fn code_of(error: &anyhow::Error) -> u8 {
    match error.downcast_ref() {
        _ if error.is::<admin::NoDaemon>() => DOWN,
        _ if error.is::<admin::StillAtIt>() => UNREACHABLE,
        Some(StartError::State(OpenError::Folder { dir, .. })) if dir.is_file() => CONFIGURATION,
        // A later start may find what this one did not: room, a disk that is written to again, sled made anew.
        Some(
            StartError::State(OpenError::Folder { .. }) | StartError::Store(_) | StartError::AdminFile(..),
        ) => FAILED,
        _ => CONFIGURATION,
    }
}

impl Command {
    async fn run(self) -> anyhow::Result<u8> {
        match self {
            Self::Demo { keep, spoil } => demo::run(keep, spoil).await,
            Self::Run(at) => Box::pin(run::run(&at.config)).await,
            Self::Check { config, offline, json } => files::check(&config.config, offline, json).await,
            Self::Plan { case: Some(case), config, json, .. } => {
                admin::case(&config.config, &case, json).await
            }
            Self::Plan { event, update: Some(name), config, .. } => {
                mapping_tests::update(&event.unwrap_or_default(), &config.config, &name).await
            }
            Self::Plan { event, as_new, diff, config, json, .. } => {
                let how = plan::How { as_new, diff, json };
                plan::plan(&event.unwrap_or_default(), &config.config, how).await
            }
            Self::Sweep { config, since, dry_run, json } => {
                admin::sweep(&config.config, since.as_deref(), dry_run, json).await
            }
            Self::ApplyActions { config, dry_run, json } => {
                admin::apply_actions(&config.config, dry_run, json).await
            }
            Self::Status { config, json } => admin::status(&config.config, json).await,
            Self::Parked { config, all, json } => admin::parked(&config.config, all, json).await,
            Self::Retry { id: Some(id), send_again, config, .. } => {
                admin::retry(&config.config, &id, send_again).await
            }
            Self::Retry { reason, config, .. } => admin::retry_all(&config.config, reason.as_deref()).await,
            Self::Drop { id: Some(id), config, .. } => admin::drop(&config.config, &id).await,
            Self::Drop { reason, config, .. } => {
                admin::drop_all(&config.config, &reason.unwrap_or_default()).await
            }
            Self::Timeline { id, config, json } => timeline::timeline(&config.config, &id, json).await,
            Self::Forget { whom: Whom { response, email }, config, json } => {
                admin::forget(&config.config, response.as_deref(), email.as_deref(), json).await
            }
            Self::Samples { dir, config } => files::samples(&config.config, &dir).await,
            Self::Sim { salesforce, goodays, jwt_public_key } => {
                simulate::simulate(simulate::Simulated { salesforce, goodays, jwt_public_key }).await
            }
            Self::Schema { kind } => {
                say!("{:#}", crate::schemas::schema(kind.into()));
                Ok(OK)
            }
            Self::SetUp(command) => command.run().await,
        }
    }
}

impl From<Kind> for SchemaKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Connector => Self::Connector,
            Kind::Case => Self::Case,
            Kind::Comment => Self::Comment,
            Kind::Actions => Self::Actions,
        }
    }
}

/// The daemon's notation: a moment, or a span before now. A day means its beginning in UTC.
fn since(text: &str) -> Result<String, &'static str> {
    let is_day = text.len() == "2026-11-20".len();
    let written = match text.parse::<jiff::civil::Date>() {
        Ok(day) if is_day => format!("{day}T00:00:00Z"),
        _ => text.to_owned(),
    };
    match written.parse::<jiff::Timestamp>() {
        Ok(moment) if moment > Clock::System.now() => {
            Err("that is in the future, so nothing would be looked at")
        }
        Ok(_) => Ok(written),
        Err(_) if parse_duration(text).is_some() => Ok(written),
        Err(_) => Err("write 2026-11-20T08:00:00Z, 2026-11-20, or a span such as 48h"),
    }
}

/// Loads the configuration, or reports all mistakes in it.
fn load(path: &Path, secrets: Secrets) -> anyhow::Result<Config> {
    Config::load(path, secrets).map_err(|mistakes| all(&mistakes, "configuration"))
}

fn all(mistakes: &[Diagnostic], place: &str) -> anyhow::Error {
    let text = mistakes.iter().map(Diagnostic::render).collect::<Vec<_>>().join("\n");
    let title = if mistakes.len() == 1 { "a mistake" } else { "mistakes" };
    anyhow::anyhow!("{title} in the {place}\n{text}")
}
