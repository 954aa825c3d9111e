//! Questions at the terminal.

use std::io::{BufRead, IsTerminal, stdin};

use anyhow::{Context, bail};
use secrecy::SecretString;

use crate::out;

pub struct Ask {
    /// Somebody is there to answer.
    somebody: bool,
}

impl Ask {
    pub fn new(wanted: bool) -> Self {
        Self { somebody: wanted && stdin().is_terminal() }
    }

    /// A line. `instead`: the flag that gives it, too.
    pub fn text(&self, question: &str, instead: &str) -> anyhow::Result<String> {
        self.possible(instead)?;
        loop {
            let answer = line(question)?;
            if !answer.is_empty() {
                return Ok(answer);
            }
        }
    }

    /// A line that the terminal does not show.
    pub fn hidden(&self, question: &str, instead: &str) -> anyhow::Result<SecretString> {
        self.possible(instead)?;
        loop {
            let answer = rpassword::prompt_password(format!("{question} (not shown): "));
            let answer = answer.context("the terminal cannot be read")?;
            if !answer.trim().is_empty() {
                return Ok(answer.trim().into());
            }
        }
    }

    /// Whether to ask again for what led nowhere. Without anybody, the check at the end tells it once more.
    pub fn again(&self) -> anyhow::Result<bool> {
        if !self.somebody {
            return Ok(false);
        }
        let answer = line("Enter it again? (yes, or no to go on)")?.to_lowercase();
        Ok(!answer.starts_with('n'))
    }

    fn possible(&self, instead: &str) -> anyhow::Result<()> {
        if !self.somebody {
            bail!(
                "{instead} is missing, and nobody can be asked: there is no terminal, or --no-input was given"
            );
        }
        Ok(())
    }
}

fn line(question: &str) -> anyhow::Result<String> {
    out::print(&format!("{question}: "));
    let mut answer = String::new();
    if stdin().lock().read_line(&mut answer).context("the terminal cannot be read")? == 0 {
        bail!("the terminal was closed before all was answered; nothing was written");
    }
    Ok(answer.trim().to_owned())
}
