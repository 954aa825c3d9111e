//! Every key of connector.yaml, described once. What is read, the JSON Schema, the table in docs/configuration.md, what diagnostics may
//! quote, and what an edit changes at once all come from here.

use std::ops::RangeInclusive;

use crate::document::diagnostic::one_of;

/// One key.
#[derive(Debug)]
pub struct Key {
    /// Dotted, from the top of the file: `poll.interval`.
    pub path: &'static str,
    pub kind: Kind,
    /// What holds without the key, as it would be written; empty if nothing does.
    pub default: &'static str,
    pub edit: Edit,
    /// For people, in Markdown. Ends without a full stop.
    pub meaning: &'static str,
}

/// What a key's value is.
#[derive(Debug)]
pub enum Kind {
    /// `HOST:PORT` to listen on.
    Listen,
    /// The address of a server.
    Url,
    /// The path part of an address.
    UrlPath,
    /// A file or folder, relative to the folder of connector.yaml.
    Path,
    Text,
    Texts,
    Duration(RangeInclusive<&'static str>),
    Number(RangeInclusive<u32>),
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A text that may stand in a file of its own: under `NAME_file`.
    Secret,
    /// Secrets, each a text or `{ file: path }`.
    Secrets,
    ApiVersion,
    LogLevel,
    /// Destinations of alerts, see [`super::alerts`].
    Alerts,
}

/// When an edit of the key takes effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edit {
    AtOnce,
    AfterRestart,
}
use Edit::{AfterRestart, AtOnce};

/// A section, or the file itself (its path is empty).
#[derive(Debug)]
pub struct Section {
    pub path: &'static str,
    pub meaning: &'static str,
    /// Sections and keys of it that must be there.
    pub needed: &'static [&'static str],
}

pub const SECTIONS: &[Section] = &[
    Section {
        path: "",
        meaning: "Where to listen, whom to talk to, how.",
        needed: &["goodays", "salesforce"],
    },
    Section { path: "server", meaning: "The webhook's door.", needed: &[] },
    Section {
        path: "admin",
        meaning: "The door for health, metrics and what waits for a human.",
        needed: &[],
    },
    Section { path: "goodays", meaning: "The Goodays account.", needed: &[] },
    Section { path: "goodays.webhook", meaning: "How webhooks are verified.", needed: &[] },
    Section {
        path: "goodays.undo",
        meaning: "How long an answer can be taken back before it is sent.",
        needed: &[],
    },
    Section { path: "salesforce", meaning: "The Salesforce org.", needed: &["login_url", "auth"] },
    Section {
        path: "salesforce.auth",
        meaning: "How to log in. `client_credentials` needs a secret; `jwt_bearer` a user name and a private key.",
        needed: &["client_id"],
    },
    Section { path: "poll", meaning: "How changes in Salesforce are looked for.", needed: &[] },
    Section { path: "sweep", meaning: "The regular comparison of both sides.", needed: &[] },
    Section { path: "state", meaning: "What is kept, and where.", needed: &[] },
    Section {
        path: "state.postgres",
        meaning: "A database instead of the folder, for several instances (docs/high-availability.md).",
        needed: &[],
    },
    Section { path: "log", meaning: "The log.", needed: &[] },
];

/// Levels of the log.
pub const LEVELS: [&str; 6] = ["error", "warn", "info", "debug", "trace", "off"];

macro_rules! keys {
    ($($name:ident: $path:literal, $kind:expr, $default:literal, $edit:expr, $meaning:literal;)*) => {
        $(pub static $name: Key =
            Key { path: $path, kind: $kind, default: $default, edit: $edit, meaning: $meaning };)*
        /// All keys, in the order of the shipped file.
        pub static ALL: &[&Key] = &[$(&$name),*];
    };
}

keys! {
    SERVER_LISTEN: "server.listen", Kind::Listen, "0.0.0.0:8080", AfterRestart,
        "where webhooks come in; port 0 picks one, and the log line says which";
    WEBHOOK_PATH: "server.webhook_path", Kind::UrlPath, "/webhooks/goodays", AfterRestart,
        "the path of the webhook's address";
    MAX_BODY_BYTES: "server.max_body_bytes", Kind::Number(1024..=33_554_432), "8388608", AfterRestart,
        "the largest webhook; every event carries its whole conversation";
    ADMIN_LISTEN: "admin.listen", Kind::Listen, "127.0.0.1:9464", AfterRestart,
        "health, metrics, what waits for a human; never on the webhook's door";
    ADMIN_TOKEN: "admin.token", Kind::Secret, "", AfterRestart,
        "required as soon as `admin.listen` is not loopback";
    BASE_URL: "goodays.base_url", Kind::Url, "https://api.goodays.co/v2", AfterRestart, "the API";
    GOODAYS_TOKEN: "goodays.token", Kind::Secret, "", AfterRestart, "the API token";
    SIGNATURE: "goodays.webhook.signature", Kind::Choice(&["hmac-sha256", "off"]), "hmac-sha256", AfterRestart,
        "whether webhooks are verified; `check` and the log warn about `off`";
    WEBHOOK_SECRETS: "goodays.webhook.secrets", Kind::Secrets, "", AfterRestart,
        "several while one is being replaced by another";
    PERIMETER: "goodays.perimeter", Kind::Choice(&["all", "delegated"]), "all", AfterRestart,
        "`delegated`: only what is delegated to customer service";
    PLACES: "goodays.places", Kind::Texts, "", AfterRestart,
        "partner ids of places that belong to customer service itself, with `delegated`";
    ACTIONS: "goodays.actions", Kind::Choice(&["send", "observe"]), "send", AtOnce,
        "`observe`: show what would go to customers, send nothing";
    MAX_ACTIONS_PER_HOUR: "goodays.max_actions_per_hour", Kind::Number(1..=100_000), "500", AtOnce,
        "above it sending stops and asks";
    DEFAULT_USER: "goodays.default_user", Kind::Text, "", AfterRestart,
        "Goodays user id for agents that have none";
    UNDO_REPLY: "goodays.undo.reply", Kind::Duration("0"..="1h"), "0", AtOnce,
        "how long a public reply can be taken back before it is sent";
    UNDO_MESSAGE: "goodays.undo.message", Kind::Duration("0"..="1h"), "0", AtOnce,
        "how long a private message can be taken back before it is sent";
    APPROVAL: "goodays.approval", Kind::Choice(&["none", "public"]), "none", AtOnce,
        "`public`: a public reply waits until it is approved on the Case";
    LOGIN_URL: "salesforce.login_url", Kind::Url, "", AfterRestart,
        "the org's own address: `https://NAME.my.salesforce.com`";
    API_VERSION: "salesforce.api_version", Kind::ApiVersion, "66.0", AfterRestart,
        "quoted, with `.0`, without `v`";
    FLOW: "salesforce.auth.flow", Kind::Choice(&["client_credentials", "jwt_bearer"]), "client_credentials", AfterRestart,
        "how to log in";
    CLIENT_ID: "salesforce.auth.client_id", Kind::Text, "", AfterRestart, "the app's consumer key";
    CLIENT_SECRET: "salesforce.auth.client_secret", Kind::Secret, "", AfterRestart,
        "the app's consumer secret, with `client_credentials`";
    USERNAME: "salesforce.auth.username", Kind::Text, "", AfterRestart,
        "whom to log in as, with `jwt_bearer`";
    PRIVATE_KEY: "salesforce.auth.private_key", Kind::Secret, "", AfterRestart,
        "PEM; its certificate is in Salesforce; with `jwt_bearer`";
    AUDIENCE: "salesforce.auth.audience", Kind::Url, "", AfterRestart,
        "whom a login of `jwt_bearer` is meant for; found by itself";
    API_CALLS_PER_DAY: "salesforce.api_calls_per_day", Kind::Number(1..=10_000_000), "20000", AfterRestart,
        "our own budget, over any 24 hours";
    INTERVAL: "poll.interval", Kind::Duration("10ms"..="1h"), "10s", AtOnce,
        "between two polls while somebody is active";
    QUIET: "poll.quiet", Kind::Duration("10ms"..="1h"), "", AtOnce,
        "the longest time between two polls while nobody is active; three times `poll.interval` without it";
    OVERLAP: "poll.overlap", Kind::Duration("0"..="24h"), "10m", AtOnce,
        "how far back a poll reads after a start, and once a minute";
    CLOSE_GRACE: "poll.close_grace", Kind::Duration("0"..="1h"), "15s", AtOnce,
        "how long close, spam and call wait for an answer that is given at the same time";
    EVERY: "sweep.every", Kind::Duration("0"..="30d"), "1h", AfterRestart,
        "how often both sides are compared; 0 turns it off";
    WINDOW: "sweep.window", Kind::Duration("1s"..="90d"), "48h", AfterRestart, "how far back";
    SETTLE: "settle", Kind::Duration("0"..="10m"), "10s", AfterRestart,
        "how long after an attempt a read of its unknown outcome may decide that it did not arrive";
    STATE_PATH: "state.path", Kind::Path, "./state", AfterRestart, "the folder of the database";
    KEEP_EVENTS: "state.keep_events", Kind::Duration("1s"..="365d"), "7d", AfterRestart,
        "how long full payloads are kept; then ids and hashes only";
    KEEP_PARKED: "state.keep_parked", Kind::Duration("1s"..="3650d"), "90d", AfterRestart,
        "how long what is parked or unclear waits for a human; then it is dropped, `status` says so before";
    POSTGRES_URL: "state.postgres.url", Kind::Secret, "", AfterRestart,
        "`postgres://USER:PASSWORD@HOST:PORT/DATABASE`; several hosts with commas between them. TLS is used unless the host is this machine";
    POSTGRES_SCHEMA: "state.postgres.schema", Kind::Text, "goodays", AfterRestart,
        "the schema of the tables: one for each connector";
    POSTGRES_ROOT_CERT: "state.postgres.root_cert", Kind::Path, "", AfterRestart,
        "certificates in PEM that the server's must be signed by; without it those that this machine trusts";
    POSTGRES_LEASE: "state.postgres.lease", Kind::Duration("2s"..="60s"), "5s", AfterRestart,
        "how long the working instance may be silent before another one takes over";
    MAPPINGS: "mappings", Kind::Path, "./mappings", AfterRestart,
        "the folder with `case.yaml`, `comment.yaml`, `actions.yaml`";
    LANGUAGE: "language", Kind::Choice(&["en", "fr"]), "en", AfterRestart,
        "the language of what agents read on the Case";
    TIME_ZONE: "time_zone", Kind::Text, "", AfterRestart,
        "the zone of the times that agents read, such as `Europe/Paris`; UTC without it";
    ALERTS: "alerts", Kind::Alerts, "", AfterRestart,
        "where to tell what is not as it should be: [the console](console.md#alerts)";
    LOG_FORMAT: "log.format", Kind::Choice(&["text", "json"]), "text", AfterRestart, "one line for each entry";
    LOG_LEVEL: "log.level", Kind::LogLevel, "info", AtOnce,
        "error, warn, info, debug or trace; or directives such as `info,hyper=warn`";
}

impl Key {
    /// The last part of the path: the name in its section.
    pub fn name(&self) -> &'static str {
        self.path.rsplit('.').next().unwrap_or(self.path)
    }

    /// The path of its section; empty for the file itself.
    pub fn section(&self) -> &'static str {
        self.path.rsplit_once('.').map_or("", |(section, _)| section)
    }

    /// The name as diagnostics show it.
    pub fn shown(&self) -> String {
        format!("`{}`", self.name())
    }

    /// Whether values of this kind are numbers, times, addresses to listen on, or words from short lists: they cannot be
    /// secrets, and diagnostics may quote them.
    pub fn is_no_secret(&self) -> bool {
        matches!(
            self.kind,
            Kind::Listen | Kind::Number(_) | Kind::Duration(_) | Kind::Choice(_) | Kind::ApiVersion
        )
    }
}

/// Where a key or section of this name belongs, as help for one that stands in another place.
pub fn home(name: &str) -> Option<String> {
    let secret = name.strip_suffix("_file").unwrap_or(name);
    let fits = |key: &&&Key| key.name() == name || (key.name() == secret && matches!(key.kind, Kind::Secret));
    let of_keys = ALL.iter().filter(fits).map(|key| key.section());
    let of_sections = SECTIONS.iter().filter_map(|one| one.path.rsplit_once('.'));
    let of_sections = of_sections.filter(|(_, own)| *own == name).map(|(section, _)| section);
    let homes: Vec<&str> = of_keys.chain(of_sections).filter(|section| !section.is_empty()).collect();
    (!homes.is_empty()).then(|| format!("it belongs under {}", one_of(&homes)))
}

/// The keys as a Markdown table, for docs/configuration.md.
pub fn table() -> String {
    let mut lines = vec!["| Key | Default | Meaning |".to_owned(), "| --- | --- | --- |".to_owned()];
    for key in ALL {
        let default = if key.default.is_empty() { "-".to_owned() } else { format!("`{}`", key.default) };
        let at_once = if key.edit == AtOnce { " (an edit takes effect at once)" } else { "" };
        lines.push(format!("| `{}` | {default} | {}{at_once} |", key.path, key.meaning));
    }
    lines.join("\n") + "\n"
}
