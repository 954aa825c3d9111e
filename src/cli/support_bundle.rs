//! `support-bundle`: what a bug report needs, as one archive.
//!
//! It holds no secret and nothing that a customer wrote: of parked items only codes, of the configuration only what
//! cannot be a secret. Secrets that are set, and e-mail addresses, are removed from every text once more.

use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde_json::{Value, json};

use super::OK;
use super::admin::Admin;
use crate::check;
use crate::clock::Clock;
use crate::config::{Config, Secrets, hidden};
use crate::mapping::is_mapping_file;
use crate::out::{say, warn_user};

/// How much of the log is kept, from its end.
const LOG_LINES: usize = 2000;
/// Shorter texts are no secrets: removing them would spoil the rest.
const SHORTEST_SECRET: usize = 6;
/// What of a parked item is told. Its reason may name a field's value; its code never does.
const PARKED_KEYS: [&str; 6] = ["id", "kind", "action", "reason_code", "since", "attempts"];

pub async fn write(path: &Path, to: Option<PathBuf>, log: Option<&Path>) -> anyhow::Result<u8> {
    let now =
        jiff::Timestamp::from_millisecond(Clock::System.now_ms()).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    let name = now.strftime("support-bundle-%Y%m%dT%H%M%SZ").to_string();
    let config = Config::load(path, Secrets::Optional).ok();
    let mut bundle = Bundle { folder: name.clone(), at: now, secrets: Vec::new(), files: Vec::new() };
    if let Some(config) = &config {
        bundle.secrets.extend(config.secrets().into_iter().map(str::to_owned));
    }
    bundle.add("versions.txt", versions());
    if let Ok(text) = std::fs::read_to_string(path) {
        bundle.add("connector.yaml", hidden(&text));
    }
    let report = serde_json::to_string_pretty(&check::offline(path))?;
    bundle.add("check.json", report);
    if let Some(config) = &config {
        mappings(&config.mappings, &mut bundle);
        bundle.add("state.txt", state(&config.state.path));
    }
    daemon(path, &mut bundle).await;
    match last_lines(log)? {
        Some(text) => bundle.add("log.txt", text),
        None => warn_user!("note: no log was found; give it with --log FILE, or --log - for standard input"),
    }
    let to = to.unwrap_or_else(|| PathBuf::from(format!("{name}.tar.gz")));
    bundle.write(&to).with_context(|| format!("{} cannot be written", to.display()))?;
    say!("{}", to.display());
    for (name, text) in &bundle.files {
        say!("  {name}, {} bytes", text.len());
    }
    say!("Look into it before you send it: tar -xzOf {} | less", to.display());
    Ok(OK)
}

struct Bundle {
    /// The folder in the archive.
    folder: String,
    at: jiff::Timestamp,
    secrets: Vec<String>,
    files: Vec<(String, String)>,
}

impl Bundle {
    fn add(&mut self, name: &str, text: String) {
        let mut text = text;
        for secret in self.secrets.iter().filter(|secret| secret.len() >= SHORTEST_SECRET) {
            text = text.replace(secret, "(secret)");
        }
        self.files.push((name.to_owned(), without_addresses(&text)));
    }

    /// Writes the archive, which only this user can read.
    fn write(&self, to: &Path) -> std::io::Result<()> {
        let file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(to)?;
        let gz = flate2::write::GzEncoder::new(file, flate2::Compression::default());
        let mut archive = tar::Builder::new(gz);
        for (name, text) in &self.files {
            let mut header = tar::Header::new_gnu();
            header.set_size(text.len() as u64);
            header.set_mode(0o600);
            header.set_mtime(u64::try_from(self.at.as_second()).unwrap_or_default());
            archive.append_data(&mut header, format!("{}/{name}", self.folder), text.as_bytes())?;
        }
        archive.into_inner()?.finish()?.flush()
    }
}

fn versions() -> String {
    let file = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let line = |text: String, start: &str| {
        text.lines().find_map(|line| line.strip_prefix(start)).unwrap_or("-").trim().to_owned()
    };
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    format!(
        "goodays-salesforce {}\nsystem {}\nkernel {}\narchitecture {}\ncores {cores}\nmemory {}\n",
        env!("CARGO_PKG_VERSION"),
        line(file("/etc/os-release"), "PRETTY_NAME="),
        file("/proc/sys/kernel/osrelease").trim(),
        std::env::consts::ARCH,
        line(file("/proc/meminfo"), "MemTotal:"),
    )
}

/// The mapping files. Their tests stay out: they are made of events.
fn mappings(folder: &Path, bundle: &mut Bundle) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok) {
        let name = entry.file_name().to_string_lossy().into_owned();
        if let (true, Ok(text)) = (is_mapping_file(&name), std::fs::read_to_string(entry.path())) {
            bundle.add(&format!("mappings/{name}"), text);
        }
    }
}

/// Names and sizes of the state's files, and the free space beside them. Never their contents.
fn state(folder: &Path) -> String {
    let mut lines = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok) {
        let size = entry.metadata().map_or(0, |about| about.len());
        lines.push(format!("{size:>12} {}", entry.file_name().to_string_lossy()));
    }
    lines.sort_by(|a, b| a[12..].cmp(&b[12..]));
    if let Ok(disk) = rustix::fs::statvfs(folder) {
        lines.push(format!("{:>12} free on this disk", disk.f_bavail.saturating_mul(disk.f_frsize)));
    }
    lines.join("\n") + "\n"
}

/// What a running daemon tells. Without one, a file says why there is nothing.
async fn daemon(path: &Path, bundle: &mut Bundle) {
    let told = async {
        let admin = Admin::find(path)?;
        let status = admin.get("/status").await?;
        bundle.add("status.json", format!("{status:#}\n"));
        bundle.add("metrics.txt", admin.text("/metrics").await?);
        let parked: Vec<Value> = admin.parked().await?.iter().map(codes).collect();
        bundle.add("parked.json", format!("{:#}\n", Value::Array(parked)));
        anyhow::Ok(())
    };
    if let Err(error) = told.await {
        bundle.add("daemon.txt", format!("{error:#}\n"));
    }
}

fn codes(item: &Value) -> Value {
    let kept = PARKED_KEYS.iter().filter_map(|key| Some(((*key).to_owned(), item.get(key)?.clone())));
    json!(kept.collect::<serde_json::Map<_, _>>())
}

/// The log's last lines: of the file, of standard input, or of the journal. `None`: there is no log.
fn last_lines(log: Option<&Path>) -> anyhow::Result<Option<String>> {
    let mut bytes = Vec::new();
    match log {
        Some(path) if path == Path::new("-") => {
            std::io::stdin().read_to_end(&mut bytes).context("standard input cannot be read")?;
        }
        Some(path) => {
            bytes = std::fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
        }
        None => {
            let lines = LOG_LINES.to_string();
            let unit = concat!(env!("CARGO_PKG_NAME"), ".service");
            let args = ["--unit", unit, "--no-pager", "--quiet", "--lines", &lines];
            let journal = std::process::Command::new("journalctl").args(args).output();
            let Ok(output) = journal else { return Ok(None) };
            bytes = output.stdout;
        }
    }
    let text = String::from_utf8_lossy(&bytes);
    let all: Vec<&str> = text.lines().collect();
    let last = &all[all.len().saturating_sub(LOG_LINES)..];
    Ok((!last.is_empty()).then(|| last.join("\n") + "\n"))
}

/// The text with `(address)` in place of e-mail addresses.
fn without_addresses(text: &str) -> String {
    let inner = |c: char| c.is_alphanumeric() || "._%+-".contains(c);
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('@') {
        let (before, after) = (&rest[..at], &rest[at + 1..]);
        let start = before
            .rfind(|c| !inner(c))
            .map_or(0, |i| i + before[i..].chars().next().map_or(1, char::len_utf8));
        let end = after.find(|c| !inner(c)).unwrap_or(after.len());
        if start < at && after[..end].contains('.') {
            out.push_str(&before[..start]);
            out.push_str("(address)");
            rest = &after[end..];
        } else {
            out.push_str(&rest[..=at]);
            rest = after;
        }
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_removed_and_the_rest_stays() {
        let cases = [
            ("to zoé@shop.example, and", "to (address), and"),
            ("a@b.c@d.e", "(address)@d.e"),
            ("\"first.last+x@shop-1.example\"", "\"(address)\""),
            ("sender@ @host {{ x }} a@b", "sender@ @host {{ x }} a@b"),
            ("from: CreatedBy.Email", "from: CreatedBy.Email"),
        ];
        for (text, shown) in cases {
            assert_eq!(without_addresses(text), shown, "{text}");
        }
    }
}
