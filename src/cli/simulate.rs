//! `sim`: runs both simulators, for experiments.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Context;
use tokio::net::TcpListener;

use super::OK;
use super::run::Signals;
use crate::out::say;
use crate::sim;

/// The options of the simulators.
pub struct Simulated {
    pub salesforce: SocketAddr,
    pub goodays: SocketAddr,
    /// The public key that verifies JWTs.
    pub jwt_public_key: Option<PathBuf>,
}

pub async fn simulate(wanted: Simulated) -> anyhow::Result<u8> {
    let mut signals = Signals::listen()?;
    let bind = async |addr: SocketAddr| {
        TcpListener::bind(addr)
            .await
            .with_context(|| format!("cannot listen on {addr}: choose another address"))
    };
    let key = wanted.jwt_public_key.as_deref().map(public_key).transpose()?;
    let options = sim::salesforce::Options { jwt_public_key: key, ..sim::salesforce::Options::default() };
    let (id, secret, user) =
        (options.client_id.clone(), options.client_secret.clone(), options.username.clone());
    let with_jwt = options.jwt_public_key.is_some();
    let org = sim::salesforce::Salesforce::start(bind(wanted.salesforce).await?, options).await;
    let options = sim::goodays::Options::default();
    let token = options.token.clone();
    let shop = sim::goodays::Goodays::start(bind(wanted.goodays).await?, options).await;
    say!("salesforce  {}  client_id {id}  client_secret {secret}", org.url());
    if with_jwt {
        say!("            or flow jwt_bearer, client_id {id}, username {user}");
    }
    say!("goodays     {}  token {token}", shop.url());
    say!("Control both under /__sim/ (docs/simulators.md). Ctrl-C ends.");
    signals.next_is_hangup().await;
    Ok(OK)
}

/// A public key in PEM, as `openssl x509 -pubkey` prints it.
fn public_key(file: &Path) -> anyhow::Result<String> {
    let text = std::fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?;
    anyhow::ensure!(
        text.contains("BEGIN PUBLIC KEY"),
        "{} holds no public key: make one with `openssl x509 -pubkey -noout -in CERTIFICATE`",
        file.display()
    );
    Ok(text)
}
