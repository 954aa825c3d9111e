//! Logs: a line per thing that happened, as text or JSON, on standard error.

use anyhow::Context;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;

use crate::config::{Log, LogFormat};

/// Starts logging as configured. What libraries have to say stays at warnings unless asked for: some of them
/// log addresses.
pub fn start(log: &Log) -> anyhow::Result<()> {
    let directives = if log.level.contains(['=', ',']) {
        log.level.clone()
    } else {
        format!("warn,goodays_salesforce={}", log.level)
    };
    let filter = EnvFilter::try_new(&directives).with_context(|| format!("log.level: {directives:?}"))?;
    let lines = fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    match log.format {
        LogFormat::Text => lines.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).init(),
        LogFormat::Json => lines.json().flatten_event(true).init(),
    }
    Ok(())
}
