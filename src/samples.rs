//! `samples`: downloads the account's own sample events from Goodays, for trying out mappings.
//!
//! The format of the list of events is not documented (Goodays reference, 1.1): ids may be missing, and samples may be
//! addresses in a list or in an object. Entries that cannot be read are ignored.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;
use url::Url;

use crate::config::Config;
use crate::goodays::client::Client;
use crate::http::Failure;
use crate::remotes::goodays_reader;

/// Timeout of one call.
const TIME_LIMIT: Duration = Duration::from_secs(30);
const KINDS: [&str; 4] = ["response", "message", "delegated", "reply"];

/// One event's body, without tokens.
#[derive(Clone, PartialEq)]
pub struct Sample {
    /// `response`, or `1a2b3c-response` if several events are configured.
    pub name: String,
    pub body: Value,
}

/// The files that `fetch` wrote, or did not write.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Fetched {
    pub written: Vec<PathBuf>,
    /// Existed already with the same content.
    pub unchanged: Vec<PathBuf>,
    /// Existed already with different content, and was not replaced.
    pub kept: Vec<PathBuf>,
}

#[derive(Debug, thiserror::Error)]
pub enum SamplesError {
    #[error("Goodays gives no samples: {0}")]
    Goodays(#[from] Failure),
    #[error("{}: {error}", path.display())]
    File { path: PathBuf, error: std::io::Error },
}

/// Writes the account's samples to a folder. Existing files are never replaced.
pub async fn fetch(config: &Config, dir: &Path) -> Result<Fetched, SamplesError> {
    let samples = read(&goodays_reader(config, TIME_LIMIT)).await?;
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |error| SamplesError::File { path, error }
    };
    std::fs::create_dir_all(dir).map_err(failed(dir))?;
    let mut fetched = Fetched::default();
    for sample in samples {
        let path = dir.join(format!("{}.json", sample.name));
        let text = format!("{:#}\n", sample.body);
        match std::fs::read_to_string(&path) {
            Ok(there) if there == text => fetched.unchanged.push(path),
            Ok(_) => fetched.kept.push(path),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                write_new(&path, &text).map_err(failed(&path))?;
                fetched.written.push(path);
            }
            Err(error) => return Err(failed(&path)(error)),
        }
    }
    Ok(fetched)
}

fn write_new(path: &Path, text: &str) -> std::io::Result<()> {
    use std::io::Write as _;
    std::fs::File::create_new(path)?.write_all(text.as_bytes())
}

impl Fetched {
    /// As text for humans.
    pub fn render(&self) -> String {
        let mut lines = Vec::new();
        for (paths, what) in [
            (&self.written, "written"),
            (&self.unchanged, "there already, the same"),
            (&self.kept, "there already with another content, left alone; move it away to get the new one"),
        ] {
            lines.extend(paths.iter().map(|path| format!("{}: {what}\n", path.display())));
        }
        if lines.is_empty() {
            return "Goodays gives no sample of its events for this account.\n".to_owned();
        }
        lines.concat()
    }
}

/// The samples of all configured events. Kinds that Goodays refuses are left out.
pub async fn read(client: &Client) -> Result<Vec<Sample>, Failure> {
    let wanted = wanted(&client.events().await?);
    let several = wanted.iter().map(|(id, _)| id).collect::<BTreeSet<_>>().len() > 1;
    let mut samples = Vec::new();
    for (id, kind) in wanted {
        let body = match client.sample(&id, &kind).await {
            Ok(body) => body,
            Err(Failure::Refused { .. } | Failure::Road(_)) => continue,
            Err(failure) => return Err(failure),
        };
        let name = if several { format!("{}-{kind}", plain(&id)) } else { plain(&kind) };
        samples.push(Sample { name, body: without_tokens(body) });
    }
    Ok(samples)
}

/// The samples to request: `(event id, kind)`, each once.
fn wanted(events: &[Value]) -> Vec<(String, String)> {
    let mut wanted: Vec<(String, String)> = Vec::new();
    for event in events {
        let mut addresses = Vec::new();
        texts(event, &mut addresses);
        let mut named: Vec<(String, String)> =
            addresses.iter().filter_map(|text| from_address(text)).collect();
        if named.is_empty() {
            let id = event_id(event);
            named = id.into_iter().flat_map(|id| KINDS.map(|kind| (id.clone(), kind.to_owned()))).collect();
        }
        for one in named {
            if !wanted.contains(&one) {
                wanted.push(one);
            }
        }
    }
    wanted
}

fn event_id(event: &Value) -> Option<String> {
    match event.get("id")? {
        Value::String(id) if !id.trim().is_empty() => Some(id.trim().to_owned()),
        Value::Number(id) => Some(id.to_string()),
        _ => None,
    }
}

fn texts(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) => found.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| texts(item, found)),
        Value::Object(entries) => entries.values().for_each(|value| texts(value, found)),
        _ => {}
    }
}

/// Id and kind from `.../events/{id}/sample_{kind}`. The host is ignored: calls go only to the configured address.
fn from_address(text: &str) -> Option<(String, String)> {
    let base = Url::parse("http://unused.invalid").ok()?;
    let url = base.join(text).ok()?;
    let parts: Vec<&str> = url.path_segments()?.filter(|part| !part.is_empty()).collect();
    let [.., events, id, sample] = parts.as_slice() else { return None };
    let kind = sample.strip_prefix("sample_").filter(|kind| !kind.is_empty())?;
    let decoded = |part: &str| percent_encoding::percent_decode_str(part).decode_utf8_lossy().into_owned();
    (*events == "events").then(|| (decoded(id), decoded(kind)))
}

/// Makes a remote's text safe for a file name.
fn plain(word: &str) -> String {
    word.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' }).take(60).collect()
}

/// Removes `token`: it may give its holder access to a conversation.
fn without_tokens(value: Value) -> Value {
    match value {
        Value::Object(entries) => {
            let kept = entries.into_iter().filter(|(key, _)| key != "token");
            Value::Object(kept.map(|(key, value)| (key, without_tokens(value))).collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(without_tokens).collect()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn asked(events: &Value) -> Vec<String> {
        let found = wanted(events.as_array().unwrap());
        found.into_iter().map(|(id, kind)| format!("{id}/{kind}")).collect()
    }

    #[test]
    fn samples_are_found_in_every_likely_shape() {
        let list =
            json!([{"samples": ["https://x/v2/events/a1/sample_response", "/v2/events/a1/sample_message/"]}]);
        assert_eq!(asked(&list), ["a1/response", "a1/message"]);
        let object =
            json!([{"id": 7, "samples": {"sample_reply": "https://x/v2/events/7/sample_reply?x=1"}}]);
        assert_eq!(asked(&object), ["7/reply"]);
        let text = json!([{"samples": "https://x/v2/events/a%20b/sample_response"}]);
        assert_eq!(asked(&text), ["a b/response"]);
        let bare = json!([{"id": "e", "samples": null}, {"samples": "https://x/v2/places/1"}]);
        assert_eq!(asked(&bare), ["e/response", "e/message", "e/delegated", "e/reply"]);
    }

    #[test]
    fn tokens_are_taken_out_everywhere() {
        let body = json!({"response": {"id": "r", "token": "t", "list": [{"token": "t", "x": 1}]}});
        assert_eq!(without_tokens(body), json!({"response": {"id": "r", "list": [{"x": 1}]}}));
        assert_eq!(plain("../../etc"), "______etc");
    }
}
