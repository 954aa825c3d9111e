//! `init`: writes connector.yaml, the mappings and the secrets for one's own accounts, and tries each login as it goes.
//!
//! Each answer comes from a flag, from a variable or a file (secrets, which no command line should show), or else from
//! the person at the terminal.

mod ask;
mod files;
mod login;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use secrecy::SecretString;

use crate::check;
use crate::out::{self, say};
use ask::Ask;
use files::Folder;

#[derive(Debug, clap::Args)]
pub struct Flags {
    /// The folder for connector.yaml, mappings/ and secrets/.
    #[arg(default_value = ".")]
    dir: PathBuf,
    /// The org's own address, such as `https://NAME.my.salesforce.com`.
    #[arg(long, value_name = "URL")]
    salesforce_url: Option<String>,
    /// The consumer key of the External Client App.
    #[arg(long, value_name = "ID")]
    client_id: Option<String>,
    /// A file with the app's consumer secret; without it, SALESFORCE_CLIENT_SECRET.
    #[arg(long, value_name = "FILE")]
    client_secret_file: Option<PathBuf>,
    /// Log in with a JWT as this user, and not with a client secret.
    #[arg(long, value_name = "USERNAME", requires = "jwt_key_file", conflicts_with = "client_secret_file")]
    jwt_username: Option<String>,
    /// The RSA key that signs the JWT, in PEM.
    #[arg(long, value_name = "FILE", requires = "jwt_username")]
    jwt_key_file: Option<PathBuf>,
    /// Goodays' API.
    #[arg(long, value_name = "URL", default_value = "https://api.goodays.co/v2")]
    goodays_url: String,
    /// A file with Goodays' API token; without it, GOODAYS_TOKEN.
    #[arg(long, value_name = "FILE")]
    goodays_token_file: Option<PathBuf>,
    /// A file with the webhook's secret; without it, GOODAYS_WEBHOOK_SECRET, or else a new one is made.
    #[arg(long, value_name = "FILE")]
    webhook_secret_file: Option<PathBuf>,
    /// The webhook's door.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// The admin door; keep it on loopback.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9464")]
    admin_listen: SocketAddr,
    /// The state's folder; `./state`, or that of the installed package.
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Send agents' actions to customers from the start; without it they are only shown on the Case.
    #[arg(long)]
    send: bool,
    /// Ask nothing: what is missing is an error.
    #[arg(long)]
    no_input: bool,
}

/// All that the files need.
struct Answers {
    salesforce_url: String,
    client_id: String,
    login: Login,
    goodays_url: String,
    goodays_token: SecretString,
    webhook_secret: SecretString,
    listen: SocketAddr,
    admin_listen: SocketAddr,
    state: Option<PathBuf>,
    send: bool,
}

/// How we log in at Salesforce.
enum Login {
    Secret(SecretString),
    Jwt { username: String, key: SecretString },
}

pub async fn init(mut flags: Flags) -> anyhow::Result<u8> {
    let folder = Folder::open(&flags.dir)?;
    let ask = Ask::new(!flags.no_input);
    let answers = answers(&mut flags, &ask).await?;
    let config = folder.write(&answers)?;
    say!("\nWritten: {}, and beside it mappings/ and secrets/.\n", config.display());
    let report = check::run(&config, false).await;
    out::print(&report.render());
    let code = report.exit_code();
    next(&config, code, answers.send);
    Ok(code)
}

/// Salesforce first, then Goodays. Each login is tried before the next question; a flag that led nowhere is asked again.
async fn answers(flags: &mut Flags, ask: &Ask) -> anyhow::Result<Answers> {
    let mut answers = Answers {
        salesforce_url: String::new(),
        client_id: String::new(),
        login: Login::Secret(SecretString::default()),
        goodays_url: flags.goodays_url.clone(),
        goodays_token: SecretString::default(),
        webhook_secret: webhook_secret(flags.webhook_secret_file.as_deref())?,
        listen: flags.listen,
        admin_listen: flags.admin_listen,
        state: flags.state.clone(),
        send: flags.send,
    };
    let mut variable = Some("SALESFORCE_CLIENT_SECRET");
    loop {
        salesforce(flags, ask, variable.take(), &mut answers)?;
        if login::salesforce(&answers).await || !ask.again()? {
            break;
        }
    }
    let mut variable = Some("GOODAYS_TOKEN");
    loop {
        let file = flags.goodays_token_file.take();
        answers.goodays_token = secret(
            ask,
            "Goodays' API token",
            file,
            variable.take(),
            "--goodays-token-file or GOODAYS_TOKEN",
        )?;
        if login::goodays(&answers).await || !ask.again()? {
            break;
        }
    }
    Ok(answers)
}

fn salesforce(
    flags: &mut Flags,
    ask: &Ask,
    variable: Option<&str>,
    answers: &mut Answers,
) -> anyhow::Result<()> {
    let url = match flags.salesforce_url.take() {
        Some(url) => url,
        None => ask
            .text("Salesforce, the org's own address (https://NAME.my.salesforce.com)", "--salesforce-url")?,
    };
    answers.salesforce_url = if url.contains("://") { url } else { format!("https://{url}") };
    answers.client_id = match flags.client_id.take() {
        Some(id) => id,
        None => ask.text("Consumer key of the External Client App", "--client-id")?,
    };
    answers.login = if let (Some(username), Some(file)) = (flags.jwt_username.clone(), &flags.jwt_key_file) {
        Login::Jwt { username, key: read(file)? }
    } else {
        let file = flags.client_secret_file.take();
        let wanted = "--client-secret-file or SALESFORCE_CLIENT_SECRET";
        Login::Secret(secret(ask, "Consumer secret of the app", file, variable, wanted)?)
    };
    Ok(())
}

/// A secret from its file, its variable, or the terminal, which does not show it.
fn secret(
    ask: &Ask,
    what: &str,
    file: Option<PathBuf>,
    variable: Option<&str>,
    instead: &str,
) -> anyhow::Result<SecretString> {
    if let Some(file) = file {
        return read(&file);
    }
    match variable.and_then(|name| std::env::var(name).ok()).filter(|value| !value.trim().is_empty()) {
        Some(value) => Ok(value.trim().into()),
        None => ask.hidden(what, instead),
    }
}

/// The secret that Goodays signs with: as agreed, or a new one of 256 bits.
fn webhook_secret(file: Option<&Path>) -> anyhow::Result<SecretString> {
    if let Some(file) = file {
        return read(file);
    }
    if let Ok(given) = std::env::var("GOODAYS_WEBHOOK_SECRET")
        && !given.trim().is_empty()
    {
        return Ok(given.trim().into());
    }
    let mut random = [0_u8; 32];
    std::fs::File::open("/dev/urandom")
        .and_then(|mut source| std::io::Read::read_exact(&mut source, &mut random))
        .context("/dev/urandom gives no secret for the webhook: give one with --webhook-secret-file")?;
    Ok(hex::encode(random).into())
}

fn read(file: &Path) -> anyhow::Result<SecretString> {
    let text = std::fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?;
    if text.trim().is_empty() {
        bail!("{} is empty", file.display());
    }
    Ok(text.trim().into())
}

/// What to do now.
fn next(config: &Path, code: u8, send: bool) {
    let shown = config.display();
    let folder = config.parent().unwrap_or(Path::new("."));
    say!(
        "\nGive Goodays' staff your address, https://YOUR.HOST/webhooks/goodays, and the secret in {}.",
        folder.join("secrets/webhook_secret").display()
    );
    if !send {
        say!("Nothing is sent to customers yet (goodays.actions: observe): Cases show what would be.");
    }
    match code {
        0 => say!("Next:  goodays-salesforce run -c {shown}"),
        _ => say!("Next:  mend what is said above, then  goodays-salesforce check -c {shown}"),
    }
}
