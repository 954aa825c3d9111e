//! Checks against Goodays: the token, users, custom parameters, samples. Only reads.

use std::time::Duration;

use serde_json::Value;

use super::codes::{NO_PARAMETER, NO_SAMPLES, NO_USER, USER_READS_ONLY};
use super::places::MappingFiles;
use super::report::{Area, Done, Report, after};
use crate::config::Config;
use crate::document::diagnostic::suggest;
use crate::goodays::client::{Client, User};
use crate::http::Failure;
use crate::mapping::{Mapping, Severity};
use crate::samples;

/// An address that nobody has: it only tests whether the endpoint answers.
const NOBODY: &str = "check@goodays-salesforce.invalid";

/// The requests, in this order.
const STEPS: [&str; 5] = [SESSION, USERS, DEFAULT_USER, CONFIGURATION, EVENTS];
const SESSION: &str = "GET /session";
const USERS: &str = "GET /users";
const DEFAULT_USER: &str = "GET /users/{id}";
const CONFIGURATION: &str = "GET /configuration";
const EVENTS: &str = "GET /events";

/// Returns the account's own samples, to try the mapping on. Each call may take as long as `limit`. After a call
/// without an answer no other is made.
pub async fn check(
    config: &Config,
    mapping: &Mapping,
    limit: Duration,
    report: &mut Report,
) -> Vec<(String, Value)> {
    let client = crate::remotes::goodays_reader(config, limit);
    match all(&client, config, mapping, report).await {
        Ok(samples) => samples,
        Err((what, failure)) => {
            let mut left = after(&STEPS, what);
            left.retain(|step| *step != DEFAULT_USER || config.goodays.default_user.is_some());
            report.failure(Area::Goodays, what, &failure, &left);
            Vec::new()
        }
    }
}

async fn all(
    client: &Client,
    config: &Config,
    mapping: &Mapping,
    report: &mut Report,
) -> Done<Vec<(String, Value)>> {
    match client.session().await.map_err(|failure| (SESSION, failure))? {
        Some(account) => {
            report.ok(Area::Goodays, format!("the token is accepted, for the account {account}"));
        }
        None => report.ok(Area::Goodays, "the token is accepted"),
    }
    users(client, config, report).await?;
    parameters(client, mapping, report).await?;
    events(client, report).await
}

/// A refusal is reported, and the next request follows. Without any answer no request follows.
fn reported<T>(what: &'static str, result: Result<T, Failure>, report: &mut Report) -> Done<Option<T>> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(failure @ (Failure::Refused { .. } | Failure::Login { .. })) => {
            report.failure(Area::Goodays, what, &failure, &[]);
            Ok(None)
        }
        Err(failure) => Err((what, failure)),
    }
}

async fn users(client: &Client, config: &Config, report: &mut Report) -> Done {
    if reported(USERS, client.users_by_email(NOBODY).await, report)?.is_some() {
        report.ok(Area::Goodays, "users can be looked up by their e-mail address");
    }
    let Some(id) = &config.goodays.default_user else { return Ok(()) };
    if let Some(user) = reported(DEFAULT_USER, client.user(id).await, report)? {
        default_user(id, user.as_ref(), report);
    }
    Ok(())
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

/// Checks the keys of `context.extra`. They differ per customer, and Goodays lists them.
async fn parameters(client: &Client, mapping: &Mapping, report: &mut Report) -> Done {
    let Some(known) = reported(CONFIGURATION, client.custom_parameters().await, report)? else {
        return Ok(());
    };
    let files = MappingFiles::new(mapping);
    let used = files.names_behind("response.context.extra");
    let names: Vec<&str> = known.iter().map(String::as_str).collect();
    let mut good = true;
    for (name, location) in used.iter().filter(|(name, _)| !known.contains(name)) {
        good = false;
        let message = format!("Goodays lists no custom parameter `{name}`");
        let help = if known.is_empty() {
            "the account has none; have it declared in Goodays, or remove the rule".to_owned()
        } else {
            suggest(name, &names)
        };
        report.diagnostic(
            Area::Goodays,
            files.diagnostic(Severity::Warning, NO_PARAMETER, location, message).with_help(help),
        );
    }
    if good {
        let all = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        report.ok(Area::Goodays, format!("custom parameters of the account: {all}"));
    }
    Ok(())
}

async fn events(client: &Client, report: &mut Report) -> Done<Vec<(String, Value)>> {
    let Some(found) = reported(EVENTS, samples::read(client).await, report)? else { return Ok(Vec::new()) };
    if found.is_empty() {
        report
            .warn(Area::Goodays, NO_SAMPLES, "Goodays gives no sample of its events")
            .help("ask Goodays' staff whether the webhook is set up for this account");
    } else {
        let names: Vec<&str> = found.iter().map(|sample| sample.name.as_str()).collect();
        report.ok(Area::Goodays, format!("samples of the account's events: {}", names.join(", ")));
    }
    Ok(found.into_iter().map(|sample| (sample.name, sample.body)).collect())
}
