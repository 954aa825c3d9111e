//! Commands around the daemon: what a package installs.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{CommandFactory, Subcommand};
use clap_complete::Shell;

use super::{Cli, OK};
use crate::out;

const PROGRAM: &str = env!("CARGO_PKG_NAME");

#[derive(Debug, Subcommand)]
pub enum SetUp {
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
}

impl SetUp {
    pub async fn run(self) -> anyhow::Result<u8> {
        match self {
            Self::Completions { shell } => {
                let mut text = Vec::new();
                clap_complete::generate(shell, &mut Cli::command(), PROGRAM, &mut text);
                out::print(&String::from_utf8_lossy(&text));
                Ok(OK)
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

fn pages(dir: &Path) -> anyhow::Result<u8> {
    let failed = || format!("{}: the manual pages cannot be written", dir.display());
    std::fs::create_dir_all(dir).with_context(failed)?;
    clap_mangen::generate_to(Cli::command(), dir).with_context(failed)?;
    Ok(OK)
}
