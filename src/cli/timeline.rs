//! `timeline`: what happened to one feedback, as the daemon's records tell it.

use std::fmt::Write as _;
use std::path::Path;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::admin::{Admin, said};
use super::{FINDINGS, OK, UNREACHABLE};
use crate::out::{self, say, warn_user};

pub async fn timeline(path: &Path, id: &str, json: bool) -> anyhow::Result<u8> {
    let admin = Admin::find(path)?;
    let named = utf8_percent_encode(id, NON_ALPHANUMERIC);
    let (status, body) = admin.ask(reqwest::Method::GET, &format!("/timeline/{named}"), None).await?;
    if status != 200 {
        warn_user!("{id}: {}", said(&body));
        return Ok(if status == 503 { UNREACHABLE } else { FINDINGS });
    }
    if !body["steps"].is_array() {
        warn_user!("{id}: what answers at the daemon's admin address shows no timeline");
        return Ok(UNREACHABLE);
    }
    if json {
        say!("{body:#}");
    } else {
        out::print(&show(&body));
    }
    Ok(OK)
}

/// One line for each step: time, what it belongs to, what happened, how long it took.
fn show(timeline: &Value) -> String {
    let word = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let case = timeline["case_number"].as_str().or(timeline["case_id"].as_str()).unwrap_or("none yet");
    let mut text = format!("response {}, Case {case}\n", word(&timeline["response_id"]));
    for step in timeline["steps"].as_array().into_iter().flatten() {
        let at = step["at_ms"].as_i64().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
        let at = at.map(|at| at.strftime("%Y-%m-%d %H:%M:%S%.3fZ").to_string()).unwrap_or_default();
        let mut more = Vec::new();
        more.extend(step["took_ms"].as_i64().filter(|ms| *ms > 0).map(|ms| format!("{ms} ms")));
        more.extend(step["request"].as_u64().map(|number| format!("request {number}")));
        more.extend(step["mapping"].as_str().map(|version| format!("mapping {version}")));
        let more = if more.is_empty() { String::new() } else { format!(" ({})", more.join(", ")) };
        let _ = writeln!(
            text,
            "{at}  {:<6} {}{more}",
            step["of"].as_str().unwrap_or_default(),
            word(&step["words"])
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    #[test]
    fn a_step_is_a_line() {
        let timeline = json!({
            "response_id": "r1", "case_id": "500", "case_number": null,
            "steps": [
                { "at_ms": 0, "took_ms": 0, "of": "e1", "code": "received", "words": "It came in." },
                { "at_ms": 1500, "took_ms": 20, "of": "", "code": "called", "words": "Called.", "request": 7, "mapping": "abc" },
            ],
        });
        insta::assert_snapshot!(super::show(&timeline), @r"
        response r1, Case 500
        1970-01-01 00:00:00.000Z  e1     It came in.
        1970-01-01 00:00:01.500Z         Called. (20 ms, request 7, mapping abc)
        ");
    }
}
