//! Logs: one line per event, as text or JSON, on standard error.

use std::io::{IsTerminal, stderr};

use anyhow::Context;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;

use crate::config::{Log, LogFormat};
use crate::log_writer::{LogWriter, Pending};
use crate::workers::LogLevel;

/// Starts logging as configured. Returns a function that changes the level later, and a guard that waits, when it is
/// dropped, until the last lines are written.
pub fn start(log: &Log) -> anyhow::Result<(LogLevel, Pending)> {
    let filter = filter(&log.level)?;
    let (writer, pending) = LogWriter::start(stderr()).context("the log's thread does not start")?;
    let lines = fmt().with_env_filter(filter).with_writer(writer).with_target(false);
    let set_level: LogLevel = match log.format {
        LogFormat::Text => {
            let lines = lines.with_ansi(IsTerminal::is_terminal(&stderr())).with_filter_reloading();
            let handle = lines.reload_handle();
            lines.init();
            Box::new(move |level| set(level, |filter| handle.reload(filter)))
        }
        LogFormat::Json => {
            let lines = lines.json().flatten_event(true).with_filter_reloading();
            let handle = lines.reload_handle();
            lines.init();
            Box::new(move |level| set(level, |filter| handle.reload(filter)))
        }
    };
    Ok((set_level, pending))
}

/// A level, or directives. Libraries log only warnings unless directives ask for more: some of them log addresses.
fn filter(level: &str) -> anyhow::Result<EnvFilter> {
    let directives = if level.contains(['=', ',']) {
        level.to_owned()
    } else {
        format!("warn,goodays_salesforce={level}")
    };
    EnvFilter::try_new(&directives).with_context(|| format!("log.level: {directives:?}"))
}

fn set<E: std::fmt::Display>(level: &str, reload: impl FnOnce(EnvFilter) -> Result<(), E>) {
    let done = filter(level).and_then(|filter| reload(filter).map_err(|error| anyhow::anyhow!("{error}")));
    if let Err(error) = done {
        tracing::warn!(%error, "the log keeps its level");
    }
}
