//! Logs: a line per thing that happened, as text or JSON, on standard error.

use std::io::{IsTerminal, stderr};

use anyhow::Context;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;

use crate::config::{Log, LogFormat};
use crate::log_writer::{LogWriter, Pending};

/// Starts logging as configured; what it gives waits, when it is dropped, until the last lines are written. What
/// libraries have to say stays at warnings unless asked for: some of them log addresses.
pub fn start(log: &Log) -> anyhow::Result<Pending> {
    let directives = if log.level.contains(['=', ',']) {
        log.level.clone()
    } else {
        format!("warn,goodays_salesforce={}", log.level)
    };
    let filter = EnvFilter::try_new(&directives).with_context(|| format!("log.level: {directives:?}"))?;
    let (writer, pending) = LogWriter::start(stderr()).context("the log's thread does not start")?;
    let lines = fmt().with_env_filter(filter).with_writer(writer).with_target(false);
    match log.format {
        LogFormat::Text => lines.with_ansi(IsTerminal::is_terminal(&stderr())).init(),
        LogFormat::Json => lines.json().flatten_event(true).init(),
    }
    Ok(pending)
}
