//! What Goodays says: the token, users, custom parameters, samples. Reads only.

use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderValue};
use secrecy::ExposeSecret;
use serde_json::Value;

use super::codes::{NO_PARAMETER, NO_SAMPLES, NO_USER, USER_READS_ONLY};
use super::places::Atlas;
use super::report::{Area, Report};
use crate::config::Config;
use crate::goodays::client::Client;
use crate::http::{Failure, Problem, exchange};
use crate::mapping::Mapping;
use crate::mapping::diagnostic::suggest;
use crate::samples;

pub const TIME_LIMIT: Duration = Duration::from_secs(30);

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
    parameters(config, mapping, report).await;
    events(&client, report).await
}

async fn users(client: &Client, config: &Config, report: &mut Report) {
    match client.users_by_email(NOBODY).await {
        Ok(_) => report.ok(Area::Goodays, "users can be looked up by their e-mail address"),
        Err(failure) => report.failure(Area::Goodays, "GET /users", &failure),
    }
    let Some(id) = &config.goodays.default_user else { return };
    match get(config, &["users", id]).await {
        Ok(user) => default_user(id, &user, report),
        Err(Failure::Refused { status: 404, .. }) => no_user(id, report),
        Err(failure) => report.failure(Area::Goodays, "GET /users/{id}", &failure),
    }
}

fn default_user(id: &str, user: &Value, report: &mut Report) {
    let user = user.as_array().and_then(|list| list.first()).unwrap_or(user);
    let read_only = &user["read_only"];
    if user.get("id").is_none() {
        no_user(id, report);
    } else if read_only.as_bool().unwrap_or(read_only.as_str() == Some("true")) {
        report
            .error(Area::Goodays, USER_READS_ONLY, format!("`default_user` {id} may only read"))
            .help("name a Goodays user who may answer, or have this one's rights changed in Goodays");
    } else {
        report.ok(Area::Goodays, format!("`default_user` {id} may answer"));
    }
}

fn no_user(id: &str, report: &mut Report) {
    report
        .error(Area::Goodays, NO_USER, format!("Goodays has no user {id}, which `default_user` names"))
        .help("`goodays.default_user` is a Goodays user's id, not an e-mail address");
}

/// The keys of `context.extra` differ per customer; Goodays lists them.
async fn parameters(config: &Config, mapping: &Mapping, report: &mut Report) {
    let configuration = match get(config, &["configuration"]).await {
        Ok(configuration) => configuration,
        Err(failure) => return report.failure(Area::Goodays, "GET /configuration", &failure),
    };
    let known = keys(&configuration);
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

fn keys(configuration: &Value) -> Vec<String> {
    let configuration = configuration.as_array().and_then(|list| list.first()).unwrap_or(configuration);
    let listed = configuration["custom_parameters"].as_array().map_or(&[][..], Vec::as_slice);
    listed.iter().filter_map(|one| one["key"].as_str().or(one.as_str()).map(str::to_owned)).collect()
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

/// What the client has no need for while running. The token stands alone and goes to the configured host.
async fn get(config: &Config, path: &[&str]) -> Result<Value, Failure> {
    let mut url = config.goodays.base_url.clone();
    url.path_segments_mut()
        .map_err(|()| Failure::login("BASE_URL", "goodays.base_url is no http address"))?
        .pop_if_empty()
        .extend(path);
    let mut token = HeaderValue::from_str(config.goodays.token.expose_secret())
        .map_err(|_| Failure::login("TOKEN", "goodays.token holds a character that no header can carry"))?;
    token.set_sensitive(true);
    let answer = exchange(crate::http::client(TIME_LIMIT).get(url).header(AUTHORIZATION, token)).await?;
    match answer.status {
        200..300 => answer.json().ok_or_else(|| Failure::no_answer("an answer that is not JSON, or was cut")),
        408 | 429 | 500.. => Err(Failure::no_answer(format!("status {}", answer.status))),
        status => Err(Failure::Refused { status, problem: Problem::default() }),
    }
}
