//! Tables.

use std::fmt::Write as _;

use serde::Serialize;

use crate::load::Acknowledged;
use crate::process::Process;
use crate::trust::TrustRow;

/// One measured run. Values that do not apply are `None`.
#[derive(Debug, Default, Clone, Serialize)]
pub struct Row {
    pub what: String,
    pub who: String,
    /// Of each Salesforce call, in milliseconds.
    pub latency_ms: u64,
    pub events: usize,
    pub calls_per_event: Option<f64>,
    /// From the first request, or from the end of the outage, until the last Case exists.
    pub events_per_s: Option<f64>,
    pub accepted_per_s: Option<f64>,
    pub ack_p50_ms: Option<f64>,
    pub ack_p99_ms: Option<f64>,
    pub ack_p999_ms: Option<f64>,
    /// From the first byte of the webhook until the Case exists.
    pub case_p50_ms: Option<f64>,
    pub case_p99_ms: Option<f64>,
    /// From when an agent's comment is visible until the customer has received it.
    pub back_p50_ms: Option<f64>,
    pub back_worst_ms: Option<f64>,
    pub start_ms: Option<f64>,
    pub cpu_ms_per_event: Option<f64>,
    pub peak_mb: Option<f64>,
    /// At the end of the run.
    pub memory_mb: Option<f64>,
    pub disk_bytes_per_event: Option<f64>,
    pub written_bytes_per_event: Option<f64>,
}

impl Row {
    pub fn acknowledged(&mut self, ack: &Acknowledged) {
        self.accepted_per_s = Some(ack.per_second());
        self.ack_p50_ms = Some(ack.quantile(0.5));
        self.ack_p99_ms = Some(ack.quantile(0.99));
        self.ack_p999_ms = Some(ack.quantile(0.999));
    }

    #[expect(clippy::cast_precision_loss, reason = "bytes and milliseconds of a bench")]
    pub fn process(&mut self, process: &Process, disk: u64) {
        let events = self.events as f64;
        self.cpu_ms_per_event = Some(process.cpu_ms() as f64 / events);
        self.peak_mb = Some(process.peak_mb());
        self.written_bytes_per_event = Some(process.bytes_written() as f64 / events);
        self.disk_bytes_per_event = Some(disk as f64 / events);
    }

    fn cells(&self) -> Vec<String> {
        let number = |value: Option<f64>| value.map_or_else(String::new, short);
        vec![
            self.what.clone(),
            self.who.clone(),
            self.latency_ms.to_string(),
            self.events.to_string(),
            self.calls_per_event.map_or_else(String::new, |c| format!("{c:.4}")),
            number(self.events_per_s),
            number(self.accepted_per_s),
            number(self.ack_p50_ms),
            number(self.ack_p99_ms),
            number(self.ack_p999_ms),
            number(self.case_p50_ms),
            number(self.back_p50_ms),
            number(self.back_worst_ms),
            number(self.start_ms),
            number(self.cpu_ms_per_event),
            number(self.peak_mb),
            number(self.memory_mb),
            number(self.disk_bytes_per_event),
            number(self.written_bytes_per_event),
        ]
    }
}

fn short(value: f64) -> String {
    if value >= 100.0 { format!("{value:.0}") } else { format!("{value:.2}") }
}

const HEADS: [&str; 19] = [
    "run",
    "who",
    "SF ms",
    "events",
    "calls/event",
    "events/s",
    "acks/s",
    "ack p50 ms",
    "p99",
    "p99.9",
    "Case p50 ms",
    "back p50 ms",
    "back worst ms",
    "start ms",
    "CPU ms/event",
    "peak MB",
    "MB at end",
    "disk B/event",
    "written B/event",
];

/// All runs as a table in Markdown.
pub fn table(rows: &[Row]) -> String {
    markdown(&HEADS, rows.iter().map(Row::cells))
}

const TRUST_HEADS: [&str; 9] =
    ["trouble", "who", "SF ms", "sent", "refused", "acknowledged", "lost", "doubled", "calls/event"];

/// What was lost and doubled, as a table in Markdown.
pub fn trust_table(rows: &[TrustRow]) -> String {
    let cells = |row: &TrustRow| {
        let numbers = [row.sent, row.refused, row.acknowledged, row.lost, row.doubled];
        let mut cells = vec![row.trouble.to_owned(), row.who.clone(), row.latency_ms.to_string()];
        cells.extend(numbers.map(|number| number.to_string()));
        cells.push(format!("{:.4}", row.calls_per_event));
        cells
    };
    markdown(&TRUST_HEADS, rows.iter().map(cells))
}

/// The first two columns are texts, the others numbers. A column without values is left out.
fn markdown(heads: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut lines: Vec<Vec<String>> = vec![heads.iter().map(|head| (*head).to_owned()).collect()];
    lines.extend(rows);
    let used: Vec<usize> =
        (0..heads.len()).filter(|c| lines[1..].iter().any(|l| !l[*c].is_empty())).collect();
    let width = |c: usize| lines.iter().map(|l| l[c].chars().count()).max().unwrap_or_default();
    let mut text = String::new();
    for (index, line) in lines.iter().enumerate() {
        for &c in &used {
            let cell = &line[c];
            let _ = if c < 2 {
                write!(text, "| {cell:<0$} ", width(c))
            } else {
                write!(text, "| {cell:>0$} ", width(c))
            };
        }
        text += "|\n";
        if index == 0 {
            for &c in &used {
                let dashes = "-".repeat(width(c) + if c < 2 { 2 } else { 1 });
                let _ = write!(text, "|{dashes}{}", if c < 2 { "" } else { ":" });
            }
            text += "|\n";
        }
    }
    text
}
