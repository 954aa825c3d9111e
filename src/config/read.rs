//! Turns the file's YAML tree into [`Config`].

use std::collections::HashSet;
use std::net::SocketAddr;
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use url::Url;

use crate::document::diagnostic::Diagnostic;
use crate::document::diagnostic::Page;
use crate::document::keys::Keys;
use crate::document::yaml::{self, Kind, MISSING_KEY, Node, WRONG_KIND};
use crate::messages::{Language, Messages};

use super::key::{self, Key};
use super::login;
use super::reader::{BAD_WORD, Reader};
use super::secrets::{self, Slot};
use super::values::{self, BAD_VALUE};
use super::vars::{self, Variables};
use super::{
    Actions, Admin, Approval, Auth, Config, Goodays, Log, LogFormat, Perimeter, Poll, Postgres, Salesforce,
    Secrets, Server, Signature, State, Sweep, Undo, Webhook,
};

pub const NO_FILE: &str = "C000";
const ADMIN_OPEN: &str = "C009";
const UNSIGNED: &str = "C010";
const SAME_DOOR: &str = "C013";
const USELESS_PLACES: &str = "C014";
const HASTY: &str = "C016";
const SWEEP_GAP: &str = "C017";
const WRONG_LOGIN: &str = "C015";
const EXAMPLE_LOGIN: &str = "C018";

/// All error codes of connector.yaml. The tests have a wrong file for each.
pub fn codes() -> &'static [&'static str] {
    &[
        yaml::SYNTAX,
        yaml::DUPLICATE_KEY,
        yaml::UNKNOWN_KEY,
        MISSING_KEY,
        WRONG_KIND,
        NO_FILE,
        vars::UNSET,
        vars::BAD_VARIABLE,
        secrets::EMPTY_SECRET,
        secrets::GIVEN_TWICE,
        secrets::NO_SECRET_FILE,
        BAD_VALUE,
        values::OUT_OF_RANGE,
        values::NOT_HTTPS,
        ADMIN_OPEN,
        UNSIGNED,
        secrets::BAD_SECRET,
        BAD_WORD,
        SAME_DOOR,
        USELESS_PLACES,
        HASTY,
        SWEEP_GAP,
        WRONG_LOGIN,
        EXAMPLE_LOGIN,
        yaml::INVISIBLE,
        yaml::NOT_UTF8,
        yaml::TAG,
    ]
}

pub fn config(
    path: &Path,
    mut page: Page,
    secrets: Secrets,
    lookup: &dyn Fn(&str) -> Option<String>,
) -> Result<Config, Vec<Diagnostic>> {
    let Some(mut root) = yaml::parse(&mut page) else { return Err(page.found) };
    let mut variables = Variables { secrets, lookup, unset: HashSet::new(), varying: HashSet::new() };
    variables.replace(&mut root, &mut page);
    let folder = path.parent().unwrap_or(Path::new(""));
    let (unset, varying) = (variables.unset, variables.varying);
    let mut reader =
        Reader { page, secrets, unset, varying, secret_files: Vec::new(), in_admin: false, folder };
    let config = reader.root(path, &root);
    let mut found = std::mem::take(&mut reader.page.found);
    found.sort_by_key(|one| (one.line, one.column));
    if found.iter().any(Diagnostic::is_error) {
        return Err(found);
    }
    Ok(Config { warnings: found, ..config })
}

impl Reader<'_> {
    fn root(&mut self, path: &Path, root: &Node) -> Config {
        let what = "connector.yaml";
        let mut keys = Keys::of(root, &mut self.page, what);
        let server = self.server(keys.take("server"));
        let admin = self.admin(keys.take("admin"), server.listen);
        let goodays = keys.need(&mut self.page, "goodays", what);
        let goodays = self.goodays(goodays);
        let salesforce = keys.need(&mut self.page, "salesforce", what);
        let salesforce = self.salesforce(salesforce);
        let poll = self.poll(keys.take("poll"));
        let sweep = self.sweep(keys.take("sweep"));
        let settle = self.settle(&mut keys);
        let state = self.state(keys.take("state"));
        let mappings = keys.take("mappings").and_then(|node| self.path(node, "mappings"));
        let log = self.log(keys.take("log"));
        let messages = self.messages(&mut keys);
        let alerts = keys.take(key::ALERTS.name());
        let alerts = self.alerts(alerts);
        self.finish(keys, what);
        Config {
            file: path.to_owned(),
            server,
            admin,
            goodays,
            salesforce,
            poll,
            sweep,
            settle,
            state,
            mappings: mappings.unwrap_or_else(|| self.folder.join(bare(key::MAPPINGS.default))),
            log,
            messages,
            alerts,
            warnings: Vec::new(),
            secret_files: std::mem::take(&mut self.secret_files),
        }
    }

    fn server(&mut self, node: Option<&Node>) -> Server {
        let mut keys = self.section(node, "server");
        let listen = self.listen(&mut keys, &key::SERVER_LISTEN);
        let webhook_path = keys.take("webhook_path").and_then(|node| self.url_path(node));
        let max_body_bytes = self.number(&mut keys, &key::MAX_BODY_BYTES);
        self.finish(keys, "`server`");
        Server {
            listen,
            webhook_path: webhook_path.unwrap_or_else(|| key::WEBHOOK_PATH.default.to_owned()),
            max_body_bytes: usize::try_from(max_body_bytes).expect("u32 fits in usize"),
        }
    }

    /// `webhook`: the address of the other listener.
    fn admin(&mut self, node: Option<&Node>, webhook: SocketAddr) -> Admin {
        let mut keys = self.section(node, "admin");
        let listen = self.listen(&mut keys, &key::ADMIN_LISTEN);
        // Without secrets, as for `check --offline`, a variable may be unset, but the key has to stand there, with
        // something behind it.
        let may_be_unset = self.secrets == Secrets::Optional
            && keys.nearly(&["token", "token_file"])
            && !keys.value("token").is_some_and(|node| self.is_left_empty(node));
        self.in_admin = true;
        let token = self.secret(&mut keys, ("token", "token_file"), Slot::AdminToken);
        self.in_admin = false;
        if token.is_none() && !listen.ip().is_loopback() && !may_be_unset {
            let span = keys.key_span("listen");
            self.page
                .error(ADMIN_OPEN, &span, "the admin door would be open to the network: `token` is needed")
                .help("set `token`, or listen on 127.0.0.1");
        }
        if collide(listen, webhook) {
            let port = listen.port();
            self.page
                .error(
                    SAME_DOOR,
                    &keys.key_span("listen"),
                    format!("`server.listen` and `admin.listen` cannot both have port {port}"),
                )
                .help("take another port for `admin.listen`: the webhook's door is open to the world");
        }
        self.finish(keys, "`admin`");
        Admin { listen, token }
    }

    fn goodays(&mut self, node: Option<&Node>) -> Goodays {
        let mut keys = self.section(node, "goodays");
        let base_url = self.url(&mut keys, &key::BASE_URL);
        let present = node.is_some();
        let token =
            if present { self.secret(&mut keys, ("token", "token_file"), Slot::GoodaysToken) } else { None };
        let webhook = self.webhook(keys.take("webhook"), present.then(|| keys.span.clone()));
        let perimeters = [Perimeter::All, Perimeter::Delegated];
        let perimeter = self.choice(&mut keys, &key::PERIMETER, &perimeters);
        let places_node = keys.take("places");
        let places = places_node.map(|node| self.texts(node, "`places`")).unwrap_or_default();
        if let (Perimeter::All, Some(node), false) = (perimeter, places_node, places.is_empty()) {
            self.page
                .warn(USELESS_PLACES, &node.span, "`places` count with `perimeter: delegated` only: feedback of all places is carried")
                .help("set `perimeter: delegated` to carry only what is delegated to them, or leave `places` empty");
        }
        let actions = self.choice(&mut keys, &key::ACTIONS, &[Actions::Send, Actions::Observe]);
        let max_actions_per_hour = self.number(&mut keys, &key::MAX_ACTIONS_PER_HOUR);
        let default_user =
            keys.take("default_user").and_then(|node| self.optional_text(node, "`default_user`"));
        let undo = self.undo(keys.take("undo"));
        let approval = self.choice(&mut keys, &key::APPROVAL, &[Approval::None, Approval::Public]);
        self.finish(keys, "`goodays`");
        Goodays {
            base_url: base_url.unwrap_or_else(|| default_url(&key::BASE_URL)),
            token: token.unwrap_or_else(secrets::none),
            webhook,
            perimeter,
            places,
            actions,
            max_actions_per_hour,
            default_user,
            undo,
            approval,
        }
    }

    fn undo(&mut self, node: Option<&Node>) -> Undo {
        let mut keys = self.section(node, "undo");
        let reply = self.duration(&mut keys, &key::UNDO_REPLY);
        let message = self.duration(&mut keys, &key::UNDO_MESSAGE);
        self.finish(keys, "`undo`");
        Undo { reply, message }
    }

    /// `around`: position of the `goodays` section, if there is one.
    fn webhook(&mut self, node: Option<&Node>, around: Option<Range<usize>>) -> Webhook {
        let mut keys = self.section(node, "webhook");
        let span = if node.is_some() { Some(keys.span.clone()) } else { around };
        let signature_node = keys.take("signature");
        let signature = self.choice(&mut keys, &key::SIGNATURE, &[Signature::Hmac, Signature::Off]);
        let list = keys.take("secrets");
        let secrets = list.map(|node| self.secret_list(node)).unwrap_or_default();
        if let (Signature::Off, Some(node)) = (signature, signature_node) {
            self.page
                .warn(
                    UNSIGNED,
                    &node.span,
                    "webhooks are not verified: whoever knows the address can make Cases",
                )
                .help("agree on a secret with Goodays and set `signature: hmac-sha256`");
        }
        // A refused item has been reported already.
        let said = list.is_some_and(|list| !matches!(&list.kind, Kind::List(items) if items.is_empty()));
        let lacking = signature == Signature::Hmac && secrets.is_empty() && !said;
        if let (true, Secrets::Required, Some(span)) = (lacking, self.secrets, span) {
            self.page
                .error(MISSING_KEY, &span, "`secrets` is missing: signatures cannot be verified without")
                .help("list the secret agreed with Goodays, or set `signature: off`");
        }
        self.finish(keys, "`webhook`");
        Webhook { signature, secrets }
    }

    fn salesforce(&mut self, node: Option<&Node>) -> Salesforce {
        let mut keys = self.section(node, "salesforce");
        let login = keys.take("login_url");
        if node.is_some() && login.is_none() {
            self.page
                .error(MISSING_KEY, &keys.span, "`login_url` is missing")
                .help("your org's own address: https://NAME.my.salesforce.com");
        }
        let given_url = self.url(&mut keys, &key::LOGIN_URL);
        let login_url = given_url.clone().unwrap_or_else(no_login_url);
        let api_version = keys.take("api_version").and_then(|node| self.api_version(node));
        let auth = keys.take("auth");
        if node.is_some() && auth.is_none() {
            self.page
                .error(MISSING_KEY, &keys.span, "`auth` is missing: how to log in to Salesforce")
                .help("give `auth: { client_id: ..., client_secret: ... }`, see docs/setup.md");
        }
        let auth = self.auth(auth, &login_url);
        // What is no address at all was reported as such.
        if let (Some(node), Some(url)) = (login, &given_url) {
            self.login_host(node, url, matches!(auth, Auth::ClientCredentials { .. }));
        }
        let api_calls_per_day = self.number(&mut keys, &key::API_CALLS_PER_DAY);
        self.finish(keys, "`salesforce`");
        Salesforce {
            login_url,
            api_version: api_version.unwrap_or_else(|| key::API_VERSION.default.to_owned()),
            auth,
            api_calls_per_day,
        }
    }

    fn login_host(&mut self, node: &Node, url: &Url, client_credentials: bool) {
        let host = url.host_str().unwrap_or_default();
        if let Some((message, help)) = login::wrong_host(host, client_credentials) {
            self.page.error(WRONG_LOGIN, &node.span, message).help(help);
        } else if !matches!(url.path(), "" | "/") {
            self.page
                .error(WRONG_LOGIN, &node.span, "`login_url` must be the org's address alone")
                .help("leave out what stands behind the server's name");
        } else if let Some(message) = login::example(host) {
            self.page
                .warn(EXAMPLE_LOGIN, &node.span, message)
                .help("write your org's own address, https://NAME.my.salesforce.com (Setup, My Domain), or set SALESFORCE_LOGIN_URL");
        }
    }

    fn auth(&mut self, node: Option<&Node>, login_url: &Url) -> Auth {
        let present = node.is_some();
        let mut keys = self.section(node, "auth");
        let jwt = self.choice(&mut keys, &key::FLOW, &[false, true]);
        let mut text = |name: &'static str, reader: &mut Self| {
            let found = if present { keys.need(&mut reader.page, name, "`auth`") } else { None };
            found.and_then(|node| reader.login_name(node, name)).unwrap_or_default()
        };
        let client_id = text("client_id", self);
        let auth = if jwt {
            let username = text("username", self);
            let key = self.secret(&mut keys, ("private_key", "private_key_file"), Slot::PrivateKey);
            let audience = self.url(&mut keys, &key::AUDIENCE);
            let audience = audience.map(|url| url.as_str().trim_end_matches('/').to_owned());
            Auth::JwtBearer {
                client_id,
                username,
                private_key: key.unwrap_or_else(secrets::none),
                audience: audience.unwrap_or_else(|| default_audience(login_url)),
            }
        } else {
            let secret = present
                .then(|| self.secret(&mut keys, ("client_secret", "client_secret_file"), Slot::ClientSecret));
            Auth::ClientCredentials {
                client_id,
                client_secret: secret.flatten().unwrap_or_else(secrets::none),
            }
        };
        keys.finish(
            &mut self.page,
            if jwt { "`auth` for `jwt_bearer`" } else { "`auth` for `client_credentials`" },
        );
        auth
    }

    fn poll(&mut self, node: Option<&Node>) -> Poll {
        let mut keys = self.section(node, "poll");
        let interval = self.duration(&mut keys, &key::INTERVAL);
        let quiet = keys.take(key::QUIET.name()).and_then(|node| self.quiet(node, interval));
        let overlap = self.duration(&mut keys, &key::OVERLAP);
        let close_grace = self.duration(&mut keys, &key::CLOSE_GRACE);
        self.finish(keys, "`poll`");
        Poll { interval, quiet: quiet.unwrap_or(interval * 3), overlap, close_grace }
    }

    fn quiet(&mut self, node: &Node, interval: Duration) -> Option<Duration> {
        let node = self.given(Some(node))?;
        let quiet = self.duration_of(node, &key::QUIET)?;
        if quiet < interval {
            self.page
                .error(BAD_VALUE, &node.span, "`quiet` is shorter than `interval`")
                .help("`interval` counts while somebody is active, `quiet` while nobody is");
        }
        Some(quiet)
    }

    fn settle(&mut self, keys: &mut Keys<'_>) -> Duration {
        const SHORTEST: Duration = Duration::from_secs(5);
        let settle = self.duration(keys, &key::SETTLE);
        if settle < SHORTEST {
            self.page
                .warn(
                    HASTY,
                    &keys.key_span("settle"),
                    "`settle` is shorter than Goodays may take to show an answer: it might be sent twice",
                )
                .help("leave it at 10s, or longer");
        }
        settle
    }

    fn sweep(&mut self, node: Option<&Node>) -> Sweep {
        let mut keys = self.section(node, "sweep");
        let every = self.duration(&mut keys, &key::EVERY);
        let window = self.duration(&mut keys, &key::WINDOW);
        if window < every {
            self.page
                .warn(
                    SWEEP_GAP,
                    &keys.key_span("window"),
                    "`window` is shorter than `every`: feedback in between is never looked at",
                )
                .help("make it several times as long: feedback is looked at until it is that old");
        }
        self.finish(keys, "`sweep`");
        Sweep { every: Some(every).filter(|every| !every.is_zero()), window }
    }

    fn state(&mut self, node: Option<&Node>) -> State {
        let mut keys = self.section(node, "state");
        let path = keys.take("path").and_then(|node| self.path(node, "path"));
        let keep_events = self.duration(&mut keys, &key::KEEP_EVENTS);
        let keep_parked = self.duration(&mut keys, &key::KEEP_PARKED);
        let postgres = self.postgres(keys.take("postgres"));
        self.finish(keys, "`state`");
        State {
            path: path.unwrap_or_else(|| self.folder.join(bare(key::STATE_PATH.default))),
            keep_events,
            keep_parked,
            postgres,
        }
    }

    fn postgres(&mut self, node: Option<&Node>) -> Option<Postgres> {
        let node = node.filter(|node| !node.is_null())?;
        let mut keys = self.section(Some(node), "postgres");
        let url = self.secret(&mut keys, ("url", "url_file"), Slot::Postgres);
        let schema = keys.take(key::POSTGRES_SCHEMA.name()).and_then(|node| self.schema_name(node));
        let root_cert =
            keys.take(key::POSTGRES_ROOT_CERT.name()).and_then(|node| self.path(node, "root_cert"));
        let lease = self.duration(&mut keys, &key::POSTGRES_LEASE);
        self.finish(keys, "`postgres`");
        Some(Postgres {
            url: url.unwrap_or_else(secrets::none),
            schema: schema.unwrap_or_else(|| key::POSTGRES_SCHEMA.default.to_owned()),
            root_cert,
            lease,
        })
    }

    /// A name that needs no quotes in SQL.
    fn schema_name(&mut self, node: &Node) -> Option<String> {
        const LONGEST: usize = 63;
        let text = self.needed_text(node, "`schema`")?;
        let plain = text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
        let digit = text.starts_with(|c: char| c.is_ascii_digit());
        if !plain || digit || text.len() > LONGEST || text.starts_with("pg_") {
            self.page
                .error(BAD_VALUE, &node.span, "`schema` must be a plain name")
                .help("small letters, digits and _, at most 63, such as goodays");
        }
        Some(text)
    }

    fn messages(&mut self, keys: &mut Keys<'_>) -> Messages {
        let messages = Messages::new(self.choice(keys, &key::LANGUAGE, &[Language::En, Language::Fr]));
        let zone = keys.take(key::TIME_ZONE.name());
        match zone.and_then(|node| self.time_zone(node)) {
            Some(zone) => messages.in_zone(zone),
            None => messages,
        }
    }

    fn log(&mut self, node: Option<&Node>) -> Log {
        let mut keys = self.section(node, "log");
        let format = self.choice(&mut keys, &key::LOG_FORMAT, &[LogFormat::Text, LogFormat::Json]);
        let level = keys.take("level").and_then(|node| self.level(node));
        self.finish(keys, "`log`");
        Log { format, level: level.unwrap_or_else(|| key::LOG_LEVEL.default.to_owned()) }
    }
}

fn default_url(key: &Key) -> Url {
    Url::parse(key.default).expect("the default is an address")
}

/// Stands in for an address that is missing or wrong, which was reported: the rest of the file is read all the same.
fn no_login_url() -> Url {
    Url::parse("https://login.salesforce.com").expect("a constant address")
}

/// A default path without `./`, so that messages show it short.
fn bare(path: &str) -> &str {
    path.strip_prefix("./").unwrap_or(path)
}

/// Whether both addresses cannot be bound at the same time. Port 0 never collides.
fn collide(one: SocketAddr, other: SocketAddr) -> bool {
    let overlap = one.ip() == other.ip() || one.ip().is_unspecified() || other.ip().is_unspecified();
    one.port() != 0 && one.port() == other.port() && overlap
}

fn default_audience(login_url: &Url) -> String {
    let host = login_url.host_str().unwrap_or_default();
    let sandbox = host.contains(".sandbox.") || host == "test.salesforce.com";
    if sandbox { "https://test.salesforce.com" } else { "https://login.salesforce.com" }.to_owned()
}
