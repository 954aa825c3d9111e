//! What Goodays says: the token, users, custom parameters, samples. Reads only.

use serde_json::Value;

use super::codes::{NO_PARAMETER, NO_SAMPLES, NO_USER, USER_READS_ONLY};
use super::places::Atlas;
use super::report::{Area, Report};
use crate::config::Config;
use crate::goodays::client::{Client, User};
use crate::mapping::Mapping;
use crate::mapping::diagnostic::suggest;
use crate::samples;

/// An address that nobody has: only whether the endpoint answers counts.
const NOBODY: &str = "check@goodays-salesforce.invalid";

/// Gives the account's own samples, for trying the mapping on.
pub async fn check(config: &Config, mapping: &Mapping, report: &mut Report) -> Vec<(String, Value)> {
    let client = samples::client(config);
    match client.session().await {
        Ok(Some(account)) => {
            report.ok(Area::Goodays, format!("the token is accepted, for the account {account}"));
        }
        Ok(None) => report.ok(Area::Goodays, "the token is accepted"),
        Err(failure) => {
            report.failure(Area::Goodays, "GET /session", &failure);
            return Vec::new();
        }
    }
    users(&client, config, report).await;
    parameters(&client, mapping, report).await;
    events(&client, report).await
}

async fn users(client: &Client, config: &Config, report: &mut Report) {
    match client.users_by_email(NOBODY).await {
        Ok(_) => report.ok(Area::Goodays, "users can be looked up by their e-mail address"),
        Err(failure) => report.failure(Area::Goodays, "GET /users", &failure),
    }
    let Some(id) = &config.goodays.default_user else { return };
    match client.user(id).await {
        Ok(user) => default_user(id, user.as_ref(), report),
        Err(failure) => report.failure(Area::Goodays, "GET /users/{id}", &failure),
    }
}

fn default_user(id: &str, user: Option<&User>, report: &mut Report) {
    match user {
        None => {
            report
                .error(
                    Area::Goodays,
                    NO_USER,
                    format!("Goodays has no user {id}, which `default_user` names"),
                )
                .help("`goodays.default_user` is a Goodays user's id, not an e-mail address");
        }
        Some(user) if user.read_only => {
            report
                .error(Area::Goodays, USER_READS_ONLY, format!("`default_user` {id} may only read"))
                .help("name a Goodays user who may answer, or have this one's rights changed in Goodays");
        }
        Some(_) => report.ok(Area::Goodays, format!("`default_user` {id} may answer")),
    }
}

/// The keys of `context.extra` differ per customer; Goodays lists them.
async fn parameters(client: &Client, mapping: &Mapping, report: &mut Report) {
    let known = match client.custom_parameters().await {
        Ok(known) => known,
        Err(failure) => return report.failure(Area::Goodays, "GET /configuration", &failure),
    };
    let atlas = Atlas::new(mapping);
    let used = atlas.names_behind("response.context.extra");
    let names: Vec<&str> = known.iter().map(String::as_str).collect();
    let mut good = true;
    for (name, spot) in used.iter().filter(|(name, _)| !known.contains(name)) {
        good = false;
        let message = format!("Goodays lists no custom parameter `{name}`");
        let help = if known.is_empty() {
            "the account has none; have it declared in Goodays, or remove the rule".to_owned()
        } else {
            suggest(name, &names)
        };
        report.diagnostic(Area::Goodays, atlas.warning(NO_PARAMETER, spot, message).with_help(help));
    }
    if good {
        let all = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        report.ok(Area::Goodays, format!("custom parameters of the account: {all}"));
    }
}

async fn events(client: &Client, report: &mut Report) -> Vec<(String, Value)> {
    match samples::read(client).await {
        Ok(found) if found.is_empty() => {
            report
                .warn(Area::Goodays, NO_SAMPLES, "Goodays gives no sample of its events")
                .help("ask Goodays' staff whether the webhook is set up for this account");
            Vec::new()
        }
        Ok(found) => {
            let names: Vec<&str> = found.iter().map(|sample| sample.name.as_str()).collect();
            report.ok(Area::Goodays, format!("samples of the account's events: {}", names.join(", ")));
            found.into_iter().map(|sample| (sample.name, sample.body)).collect()
        }
        Err(failure) => {
            report.failure(Area::Goodays, "GET /events", &failure);
            Vec::new()
        }
    }
}
