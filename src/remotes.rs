//! Clients of the remotes, made from the configuration.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use secrecy::ExposeSecret;

use crate::clock::Clock;
use crate::config::{self, Auth, Config};
use crate::goodays;
use crate::http::TimeLimits;
use crate::salesforce::auth::Credentials;
use crate::salesforce::client::Client;
use crate::salesforce::meter::Meter;
use crate::state::postgres::{self, ConnectError};

/// Far more calls than a check makes.
const CALLS: u64 = 200;

/// The login from the configuration.
pub fn credentials(config: &Config) -> Credentials {
    match &config.salesforce.auth {
        Auth::ClientCredentials { client_id, client_secret } => Credentials::ClientCredentials {
            client_id: client_id.clone(),
            client_secret: client_secret.clone(),
        },
        Auth::JwtBearer { client_id, username, private_key, audience } => Credentials::JwtBearer {
            client_id: client_id.clone(),
            username: username.clone(),
            private_key_pem: private_key.clone(),
            audience: audience.clone(),
        },
    }
}

/// A login of our own, for commands that only read. Each call may take as long as `limit`.
pub fn salesforce_reader(config: &Config, limit: Duration) -> Client {
    let limits = TimeLimits { salesforce_write: limit, salesforce_read: limit, login: limit, goodays: limit };
    let meter = Meter::new();
    meter.grant(CALLS);
    Client::new(
        config.salesforce.login_url.clone(),
        config.salesforce.api_version.clone(),
        credentials(config),
        crate::http::client(limit),
        Arc::new(meter),
        Clock::System,
    )
    .with_limits(limits)
}

/// A client of Goodays for commands that only read. `limit` is the timeout of each call.
pub fn goodays_reader(config: &Config, limit: Duration) -> goodays::client::Client {
    let token = config.goodays.token.clone();
    let http = crate::http::client(limit);
    goodays::client::Client::new(config.goodays.base_url.clone(), move || token.clone(), http)
}

/// How to reach the database of several instances.
pub fn database(config: &config::Postgres) -> Result<postgres::Settings, ConnectError> {
    let pem = |file: &PathBuf| {
        std::fs::read(file)
            .map_err(|error| ConnectError::RootCert(format!("{}: {}", file.display(), error.kind())))
    };
    let root_cert = config.root_cert.as_ref().map(pem).transpose()?;
    let (url, schema) = (config.url.expose_secret().to_owned(), config.schema.clone());
    Ok(postgres::Settings { url, schema, root_cert })
}
