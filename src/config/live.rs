//! Compares an edited connector.yaml with the running one: which keys differ, and which take effect at once.

use std::path::Path;

use secrecy::{ExposeSecret, SecretString};

use super::alerts;
use super::secrets::Slot;
use super::{Actions, Approval, Auth, Config, Poll, Undo};

/// The settings that an edit changes while the daemon runs. All others are read only at start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Live {
    pub actions: Actions,
    pub max_actions_per_hour: u32,
    pub undo: Undo,
    pub approval: Approval,
    pub poll: Poll,
    /// `log.level`
    pub level: String,
}

impl Live {
    pub fn of(config: &Config) -> Self {
        Self {
            actions: config.goodays.actions,
            max_actions_per_hour: config.goodays.max_actions_per_hour,
            undo: config.goodays.undo,
            approval: config.goodays.approval,
            poll: config.poll.clone(),
            level: config.log.level.clone(),
        }
    }

    pub fn changed(&self, other: &Self) -> Vec<&'static str> {
        let (a, b) = (&self.poll, &other.poll);
        let keys = [
            ("goodays.actions", self.actions == other.actions),
            ("goodays.max_actions_per_hour", self.max_actions_per_hour == other.max_actions_per_hour),
            ("goodays.undo", self.undo == other.undo),
            ("goodays.approval", self.approval == other.approval),
            ("poll.interval", a.interval == b.interval),
            ("poll.quiet", a.quiet == b.quiet),
            ("poll.overlap", a.overlap == b.overlap),
            ("poll.close_grace", a.close_grace == b.close_grace),
            ("log.level", self.level == other.level),
        ];
        keys.into_iter().filter(|(_, same)| !same).map(|(key, _)| key).collect()
    }
}

type Same = fn(&Config, &Config) -> bool;

/// The keys that are read only at start. Secret files are not part of this: they are read again by themselves.
const AT_START: &[(&str, Same)] = &[
    ("server.listen", |a, b| a.server.listen == b.server.listen),
    ("server.webhook_path", |a, b| a.server.webhook_path == b.server.webhook_path),
    ("server.max_body_bytes", |a, b| a.server.max_body_bytes == b.server.max_body_bytes),
    ("admin.listen", |a, b| a.admin.listen == b.admin.listen),
    ("admin.token", |a, b| same_secret((a, b), Slot::AdminToken, |c| c.admin.token.as_ref())),
    ("goodays.base_url", |a, b| a.goodays.base_url == b.goodays.base_url),
    ("goodays.token", |a, b| same_secret((a, b), Slot::GoodaysToken, |c| Some(&c.goodays.token))),
    ("goodays.webhook.signature", |a, b| a.goodays.webhook.signature == b.goodays.webhook.signature),
    ("goodays.webhook.secrets", same_webhook_secrets),
    ("goodays.perimeter", |a, b| a.goodays.perimeter == b.goodays.perimeter),
    ("goodays.places", |a, b| a.goodays.places == b.goodays.places),
    ("goodays.default_user", |a, b| a.goodays.default_user == b.goodays.default_user),
    ("salesforce.login_url", |a, b| a.salesforce.login_url == b.salesforce.login_url),
    ("salesforce.api_version", |a, b| a.salesforce.api_version == b.salesforce.api_version),
    ("salesforce.auth", same_login),
    ("salesforce.api_calls_per_day", |a, b| a.salesforce.api_calls_per_day == b.salesforce.api_calls_per_day),
    ("sweep.every", |a, b| a.sweep.every == b.sweep.every),
    ("sweep.window", |a, b| a.sweep.window == b.sweep.window),
    ("settle", |a, b| a.settle == b.settle),
    ("state.path", |a, b| a.state.path == b.state.path),
    ("state.keep_events", |a, b| a.state.keep_events == b.state.keep_events),
    ("state.keep_parked", |a, b| a.state.keep_parked == b.state.keep_parked),
    ("state.postgres", same_postgres),
    ("mappings", |a, b| a.mappings == b.mappings),
    ("log.format", |a, b| a.log.format == b.log.format),
    ("language", |a, b| a.messages.language() == b.messages.language()),
    ("alerts", |a, b| alerts::same(&a.alerts, &b.alerts)),
    ("time_zone", |a, b| a.messages.zone() == b.messages.zone()),
];

/// The edited keys that need a restart.
pub fn waiting(running: &Config, edited: &Config) -> Vec<&'static str> {
    AT_START.iter().filter(|(_, same)| !same(running, edited)).map(|(key, _)| *key).collect()
}

/// Compares a secret in a file by the file's path, because its content is read again anyway.
fn same_secret(
    (a, b): (&Config, &Config),
    slot: Slot,
    value: impl Fn(&Config) -> Option<&SecretString>,
) -> bool {
    match (file_of(a, slot), file_of(b, slot)) {
        (Some(a), Some(b)) => a == b,
        (None, None) => {
            value(a).map(ExposeSecret::expose_secret) == value(b).map(ExposeSecret::expose_secret)
        }
        _ => false,
    }
}

fn file_of(config: &Config, slot: Slot) -> Option<&Path> {
    config.secret_files.iter().find(|file| file.slot == slot).map(|file| file.path.as_path())
}

fn same_postgres(a: &Config, b: &Config) -> bool {
    let rest = |config: &Config| {
        config.state.postgres.clone().map(|postgres| (postgres.schema, postgres.root_cert, postgres.lease))
    };
    let url = |c: &Config| c.state.postgres.as_ref().map(|postgres| postgres.url.expose_secret().to_owned());
    let same_url = match (file_of(a, Slot::Postgres), file_of(b, Slot::Postgres)) {
        (Some(a), Some(b)) => a == b,
        (None, None) => url(a) == url(b),
        _ => false,
    };
    rest(a) == rest(b) && same_url
}

fn same_webhook_secrets(a: &Config, b: &Config) -> bool {
    let (count, other) = (a.goodays.webhook.secrets.len(), b.goodays.webhook.secrets.len());
    count == other
        && (0..count)
            .all(|index| same_secret((a, b), Slot::Webhook(index), |c| c.goodays.webhook.secrets.get(index)))
}

fn same_login(a: &Config, b: &Config) -> bool {
    match (&a.salesforce.auth, &b.salesforce.auth) {
        (Auth::ClientCredentials { client_id, .. }, Auth::ClientCredentials { client_id: other, .. }) => {
            client_id == other && same_secret((a, b), Slot::ClientSecret, |c| Some(secret_of_login(c)))
        }
        (
            Auth::JwtBearer { client_id, username, audience, .. },
            Auth::JwtBearer { client_id: other, username: other_name, audience: other_audience, .. },
        ) => {
            (client_id, username, audience) == (other, other_name, other_audience)
                && same_secret((a, b), Slot::PrivateKey, |c| Some(secret_of_login(c)))
        }
        _ => false,
    }
}

fn secret_of_login(config: &Config) -> &SecretString {
    match &config.salesforce.auth {
        Auth::ClientCredentials { client_secret, .. } => client_secret,
        Auth::JwtBearer { private_key, .. } => private_key,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secrets;
    use crate::config::key::{self, Edit};

    const FILE: &str = "
server: { listen: '127.0.0.1:8080' }
goodays: { base_url: 'https://api.goodays.co/v2', token: one, webhook: { secrets: [first] } }
salesforce:
  login_url: https://shop.my.salesforce.com
  auth: { client_id: id, client_secret: secret }
poll: { interval: 10s, quiet: 30s }
";

    fn config(text: &str) -> Config {
        Config::parse(Path::new("connector.yaml"), text, Secrets::Required, &|_| None).unwrap()
    }

    /// The keys in effect at once and the waiting keys, for one edit of [`FILE`].
    fn edited(old: &str, new: &str) -> (Vec<&'static str>, Vec<&'static str>) {
        assert!(FILE.contains(old), "{old}");
        let (before, after) = (config(FILE), config(&FILE.replace(old, new)));
        (Live::of(&before).changed(&Live::of(&after)), waiting(&before, &after))
    }

    #[test]
    fn e05_what_takes_effect_at_once_and_what_waits_is_told_apart() {
        for (old, new, live, waits) in [
            ("10s", "5s", vec!["poll.interval"], vec![]),
            ("token: one", "token: one, actions: observe", vec!["goodays.actions"], vec![]),
            ("token: one", "token: two", vec![], vec!["goodays.token"]),
            ("[first]", "[first, second]", vec![], vec!["goodays.webhook.secrets"]),
            ("client_secret: secret", "client_secret: other", vec![], vec!["salesforce.auth"]),
            ("8080", "8081", vec![], vec!["server.listen"]),
            ("poll:", "settle: 10s\nlog: { level: debug }\npoll:", vec!["log.level"], vec![]),
            ("poll:", "state: { keep_events: 8d }\npoll:", vec![], vec!["state.keep_events"]),
            (
                "poll:",
                "state: { postgres: { url: 'postgres://a/b' } }\npoll:",
                vec![],
                vec!["state.postgres"],
            ),
        ] {
            assert_eq!(edited(old, new), (live, waits), "{new}");
        }
    }

    /// A new key must be compared here, and the comparison must agree with the table on when an edit takes effect.
    #[test]
    fn e05_every_key_is_compared_where_its_edits_take_effect() {
        let other = config("
goodays: { base_url: 'https://other', token: two, webhook: { secrets: [a, b] }, actions: observe, max_actions_per_hour: 1, undo: { reply: 1s }, approval: public }
salesforce: { login_url: 'https://b.my.salesforce.com', auth: { client_id: i, client_secret: t } }
poll: { interval: 1s, quiet: 2s, overlap: 1m, close_grace: 1s }
log: { level: warn }
");
        let live = Live::of(&config(FILE)).changed(&Live::of(&other));
        let at_start: Vec<&str> = AT_START.iter().map(|(key, _)| *key).collect();
        for key in key::ALL {
            let listed = match key.edit {
                Edit::AtOnce => &live,
                Edit::AfterRestart => &at_start,
            };
            let found = listed.iter().any(|name| key.path == *name || key.section() == *name);
            assert!(found, "{} is not in the list for {:?}", key.path, key.edit);
        }
    }
}
