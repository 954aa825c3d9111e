//! Tries the logins with what is known so far.

use std::path::Path;
use std::time::Duration;

use secrecy::ExposeSecret;

use super::{Answers, Login, files};
use crate::config::{Config, Secrets};
use crate::http::Failure;
use crate::mapping::Diagnostic;
use crate::out::say;
use crate::remotes::{goodays_reader, salesforce_reader};

/// The time limit of one call.
const TIME_LIMIT: Duration = Duration::from_secs(15);

/// Whether Salesforce lets us in. The result is told.
pub async fn salesforce(answers: &Answers) -> bool {
    let Some(config) = config(answers) else { return false };
    let client = salesforce_reader(&config, TIME_LIMIT);
    match client.session().await {
        Ok(_) => {
            let org = client.leads_to().map(|led| format!(", org {}", led.org)).unwrap_or_default();
            say!("Salesforce lets us in{org}.");
            true
        }
        Err(failure) => refused("Salesforce", &failure),
    }
}

/// Whether Goodays takes the token. The result is told.
pub async fn goodays(answers: &Answers) -> bool {
    let Some(config) = config(answers) else { return false };
    match goodays_reader(&config, TIME_LIMIT).session().await {
        Ok(account) => {
            let account = account.map(|name| format!(", account {name}")).unwrap_or_default();
            say!("Goodays takes the token{account}.");
            true
        }
        Err(failure) => refused("Goodays", &failure),
    }
}

fn refused(who: &str, failure: &Failure) -> bool {
    say!("{who} does not let us in: {failure}");
    false
}

/// The configuration as far as it is known, with the secrets in place of their files. Mistakes are told.
fn config(answers: &Answers) -> Option<Config> {
    let text = files::connector_yaml(answers, None);
    let variable = |name: &str| {
        let secret = match (name, &answers.login) {
            ("client_secret", Login::Secret(secret)) | ("private_key", Login::Jwt { key: secret, .. }) => {
                secret
            }
            ("goodays_token", _) => &answers.goodays_token,
            ("webhook_secret", _) => &answers.webhook_secret,
            _ => return None,
        };
        // Not asked yet: a stand-in, which is not sent.
        let text = secret.expose_secret();
        Some(if text.is_empty() { "unknown" } else { text }.to_owned())
    };
    match Config::parse(Path::new("connector.yaml"), &text, Secrets::Required, &variable) {
        Ok(config) => Some(config),
        Err(mistakes) => {
            say!("{}", mistakes.iter().map(Diagnostic::render).collect::<Vec<_>>().join("\n"));
            None
        }
    }
}
