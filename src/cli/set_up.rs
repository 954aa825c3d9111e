//! Commands around the daemon: mapping tests, and what a package installs.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{CommandFactory, Subcommand};
use clap_complete::Shell;

use super::{Cli, Configured, FINDINGS, OK, UNREACHABLE, init, load, mapping_tests, state, support_bundle};
use crate::alerts;
use crate::clock::Clock;
use crate::config::{DESTINATIONS, Secrets};
use crate::out::{self, say, warn_user};

const PROGRAM: &str = env!("CARGO_PKG_NAME");

#[derive(Debug, Subcommand)]
pub enum SetUp {
    /// Write connector.yaml, mappings and secrets for one's own accounts, and try each login.
    #[command(after_help = "Examples:
  goodays-salesforce init                           asks for what it needs
  goodays-salesforce init /etc/goodays-salesforce   with an installed package, as root
  goodays-salesforce init --no-input --salesforce-url https://NAME.my.salesforce.com --client-id ID \\
    --client-secret-file FILE --goodays-token-file FILE

It ends with what `check` finds, and with the next command.")]
    Init(Box<init::Flags>),
    /// Run the mapping tests, mappings/tests/*.yaml.
    #[command(after_help = "Example:
  goodays-salesforce test     1 if one fails; a difference is shown with the line of its rule

A test is written by hand, or by `plan EVENT --update NAME`. `check` runs them, too, and warns.")]
    Test {
        #[command(flatten)]
        config: Configured,
        #[arg(long)]
        json: bool,
    },
    /// Move the state between the state folder and a database; no daemon may run.
    State {
        #[command(subcommand)]
        what: state::State,
    },
    /// Send a test message to each destination of `alerts` in connector.yaml.
    #[command(after_help = "Example:
  goodays-salesforce alerts test     3 if a destination does not take it")]
    Alerts {
        /// What to do.
        what: Alerts,
        #[command(flatten)]
        config: Configured,
    },
    /// Print the completions of a shell.
    #[command(after_help = "Example:
  goodays-salesforce completions bash > /etc/bash_completion.d/goodays-salesforce

The packages install those of bash, zsh and fish.")]
    Completions { shell: Shell },
    /// Print the manual page, or write a page for each command.
    #[command(after_help = "Examples:
  goodays-salesforce man | man -l -
  goodays-salesforce man /usr/local/share/man/man1   a page for each command")]
    Man {
        /// The folder for the pages; it is made if it is not there.
        dir: Option<PathBuf>,
    },
    /// Collect what a bug report needs, without secrets and without what customers wrote.
    #[command(after_help = "Examples:
  goodays-salesforce support-bundle
  docker logs goodays 2>&1 | goodays-salesforce support-bundle --log -

It holds versions, the configuration with its secrets masked, the mapping files, check --offline, and of a running
daemon status, metrics and the reason codes of what is parked. The log's last lines come from the journal, or from
--log. Look into it before you send it: tar -xzf FILE.")]
    SupportBundle {
        /// The file to write; support-bundle-TIME.tar.gz if it is not given.
        file: Option<PathBuf>,
        /// The daemon's log; `-` reads it from standard input.
        #[arg(long, value_name = "FILE")]
        log: Option<PathBuf>,
        #[command(flatten)]
        config: Configured,
    },
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub enum Alerts {
    /// Send one message to each.
    Test,
}

impl SetUp {
    pub async fn run(self) -> anyhow::Result<u8> {
        match self {
            Self::Init(flags) => init::init(*flags).await,
            Self::Test { config, json } => mapping_tests::test(&config.config, json),
            Self::State { what } => what.run().await,
            Self::Alerts { what: Alerts::Test, config } => test_alerts(&config.config).await,
            Self::Completions { shell } => {
                let mut text = Vec::new();
                clap_complete::generate(shell, &mut Cli::command(), PROGRAM, &mut text);
                out::print(&String::from_utf8_lossy(&text));
                Ok(OK)
            }
            Self::SupportBundle { file, log, config } => {
                support_bundle::write(&config.config, file, log.as_deref()).await
            }
            Self::Man { dir: Some(dir) } => pages(&dir),
            Self::Man { dir: None } => {
                let mut text = Vec::new();
                clap_mangen::Man::new(Cli::command()).render(&mut text).context("the page cannot be made")?;
                out::print(&String::from_utf8_lossy(&text));
                Ok(OK)
            }
        }
    }
}

async fn test_alerts(path: &Path) -> anyhow::Result<u8> {
    let config = load(path, Secrets::Required)?;
    if config.alerts.is_empty() {
        say!("connector.yaml has no `alerts`.");
        return Ok(FINDINGS);
    }
    let mut code = OK;
    for (place, (to, result)) in alerts::test(&config, Clock::System.now_ms()).await.into_iter().enumerate() {
        let name = DESTINATIONS.iter().find(|(_, known)| *known == to).map_or("", |(name, _)| name);
        match result {
            Ok(()) => say!("alert {} ({name}): sent", place + 1),
            Err(why) => {
                warn_user!("alert {} ({name}): {why}", place + 1);
                code = UNREACHABLE;
            }
        }
    }
    Ok(code)
}

fn pages(dir: &Path) -> anyhow::Result<u8> {
    let failed = || format!("{}: the manual pages cannot be written", dir.display());
    std::fs::create_dir_all(dir).with_context(failed)?;
    clap_mangen::generate_to(Cli::command(), dir).with_context(failed)?;
    Ok(OK)
}
