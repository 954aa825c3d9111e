//! `connector.yaml`: parsed with source positions, validated as a whole, and turned into types that are valid.

mod alerts;
mod hidden;
mod key;
mod live;
mod login;
mod private_key;
mod read;
mod reader;
mod schema;
mod secrets;
mod stand_ins;
mod values;
mod vars;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use url::Url;

use crate::document::diagnostic::Diagnostic;
use crate::document::diagnostic::Page;
use crate::document::encoding;
use crate::document::yaml::NOT_UTF8;
use crate::messages::Messages;

pub use alerts::{Alert, DESTINATIONS, Destination, Topic};
pub use hidden::hidden;
pub use key::table;
pub use live::{Live, waiting};
pub use read::codes;
pub use schema::schema;
pub use values::parse_duration;

/// The file that commands look for without `-c`, in the folder where they run.
pub const USUAL: &str = "connector.yaml";
/// Where the packages install it: commands take it if the folder has none.
pub const PACKAGED: &str = "/etc/goodays-salesforce/connector.yaml";

const NOT_FOUND: &str = "name the file with -c, or start where connector.yaml stands; it is not at \
     /etc/goodays-salesforce/connector.yaml, either";
const NOT_NAMED: &str = "name the file with -c, or start where connector.yaml stands";
const UNREADABLE: &str = "mind who may read it, or name another file with -c";

/// Whether variables and secrets must be set. `check --offline`, `plan` of a file and `schema` work without them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Secrets {
    Required,
    Optional,
}

#[derive(Debug, Clone)]
pub struct Config {
    pub file: PathBuf,
    pub server: Server,
    pub admin: Admin,
    pub goodays: Goodays,
    pub salesforce: Salesforce,
    pub poll: Poll,
    pub sweep: Sweep,
    /// How long after an attempt with unknown outcome a read must start to decide it.
    pub settle: Duration,
    pub state: State,
    pub mappings: PathBuf,
    pub log: Log,
    /// The language of agents and admins (`language`), and the zone of the times that they read (`time_zone`).
    pub messages: Messages,
    /// Where to tell what is not as it should be.
    pub alerts: Vec<Alert>,
    pub warnings: Vec<Diagnostic>,
    secret_files: Vec<secrets::SecretFile>,
}

#[derive(Debug, Clone)]
pub struct Server {
    pub listen: SocketAddr,
    pub webhook_path: String,
    pub max_body_bytes: usize,
}

#[derive(Debug, Clone)]
pub struct Admin {
    pub listen: SocketAddr,
    pub token: Option<SecretString>,
}

#[derive(Debug, Clone)]
pub struct Goodays {
    pub base_url: Url,
    pub token: SecretString,
    pub webhook: Webhook,
    pub perimeter: Perimeter,
    /// Partner ids that belong to customer service itself; used if the perimeter is `delegated`.
    pub places: Vec<String>,
    pub actions: Actions,
    pub max_actions_per_hour: u32,
    pub default_user: Option<String>,
    pub undo: Undo,
    pub approval: Approval,
}

/// How long an answer can be taken back before it is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Undo {
    /// A public reply.
    pub reply: Duration,
    /// A private message.
    pub message: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Approval {
    None,
    /// A public reply waits until it is approved on the Case.
    Public,
}

#[derive(Debug, Clone)]
pub struct Webhook {
    pub signature: Signature,
    /// Several are valid while one is being replaced.
    pub secrets: Vec<SecretString>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signature {
    Hmac,
    Off,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Perimeter {
    All,
    Delegated,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Actions {
    Send,
    /// Show what would be sent to customers, but send nothing.
    Observe,
}

#[derive(Debug, Clone)]
pub struct Salesforce {
    pub login_url: Url,
    /// For example `66.0`.
    pub api_version: String,
    pub auth: Auth,
    /// Maximum number of this connector's calls in any 24 hours.
    pub api_calls_per_day: u32,
}

#[derive(Debug, Clone)]
pub enum Auth {
    ClientCredentials { client_id: String, client_secret: SecretString },
    JwtBearer { client_id: String, username: String, private_key: SecretString, audience: String },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Poll {
    /// Between two polls while agents or customers are active.
    pub interval: Duration,
    /// Maximum between two polls while nobody is active; never less than `interval`.
    pub quiet: Duration,
    pub overlap: Duration,
    /// How long close, spam and call wait for an answer that an agent gives at the same time.
    pub close_grace: Duration,
}

#[derive(Debug, Clone)]
pub struct Sweep {
    /// `None`: never.
    pub every: Option<Duration>,
    pub window: Duration,
}

#[derive(Debug, Clone)]
pub struct State {
    pub path: PathBuf,
    pub keep_events: Duration,
    /// How long parked and unclear items wait for a human.
    pub keep_parked: Duration,
    /// `None`: everything is in the folder.
    pub postgres: Option<Postgres>,
}

/// The database of several instances.
#[derive(Debug, Clone)]
pub struct Postgres {
    pub url: SecretString,
    pub schema: String,
    /// A file in PEM.
    pub root_cert: Option<PathBuf>,
    /// How long the working instance may be silent before another one takes over.
    pub lease: Duration,
}

#[derive(Debug, Clone)]
pub struct Log {
    pub format: LogFormat,
    /// A level, or directives like `info,hyper=warn`.
    pub level: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    Text,
    Json,
}

impl Config {
    /// Reads the file. Variables come from the environment. The errors are all mistakes of the file.
    pub fn load(path: &Path, secrets: Secrets) -> Result<Config, Vec<Diagnostic>> {
        Config::load_with(path, secrets, &|name| std::env::var(name).ok())
    }

    /// The same with variables from `variable`.
    pub fn load_with(
        path: &Path,
        secrets: Secrets,
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Config, Vec<Diagnostic>> {
        let shown = path.display().to_string();
        let bytes = std::fs::read(path).map_err(|error| {
            let found =
                Diagnostic::of_file(read::NO_FILE, shown.as_str(), format!("cannot be read: {error}"));
            let missing = error.kind() == std::io::ErrorKind::NotFound;
            let usual = path == Path::new(USUAL) && !Path::new(PACKAGED).exists();
            vec![found.with_help(match (missing, usual) {
                (true, true) => NOT_FOUND,
                (true, false) => NOT_NAMED,
                (false, _) => UNREADABLE,
            })]
        })?;
        let text = encoding::text(bytes).map_err(|other| {
            let mut page = Page::new(shown.as_str(), &other.shown).showing(&hidden::hidden(&other.shown));
            page.error(NOT_UTF8, &(other.at..other.at + 1), other.message()).help(encoding::HELP);
            page.found
        })?;
        Config::parse(path, &text, secrets, variable)
    }

    /// The same from a text. Relative paths are relative to the folder of `path`.
    pub fn parse(
        path: &Path,
        text: &str,
        secrets: Secrets,
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Config, Vec<Diagnostic>> {
        let page = Page::new(path.display().to_string(), text).showing(&hidden::hidden(text));
        read::config(path, page, secrets, variable)
    }

    /// All secrets that are set, so that they can be searched for. A key of several lines gives one for each.
    pub fn secrets(&self) -> Vec<&str> {
        let goodays = [&self.goodays.token].into_iter().chain(&self.goodays.webhook.secrets);
        let salesforce = match &self.salesforce.auth {
            Auth::ClientCredentials { client_secret, .. } => client_secret,
            Auth::JwtBearer { private_key, .. } => private_key,
        };
        let alerts = self.alerts.iter().map(|alert| &alert.url);
        let database = self.state.postgres.as_ref().map(|postgres| &postgres.url);
        let all = goodays.chain(&self.admin.token).chain([salesforce]).chain(alerts).chain(database);
        all.flat_map(|secret| secret.expose_secret().lines()).filter(|line| !line.is_empty()).collect()
    }

    /// Reads the secret files again, and keeps the rest of the configuration.
    pub fn reload_secrets(&self) -> Result<Config, Vec<Diagnostic>> {
        secrets::reload(self)
    }
}
