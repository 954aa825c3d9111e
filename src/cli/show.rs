//! What the daemon answers, as people read it.

use std::fmt::Write as _;

use serde_json::Value;

/// Of a longer list the machine form has the rest.
const NAMED: usize = 20;

pub fn status(status: &Value) -> String {
    let n = |path: &str| status.pointer(path).and_then(Value::as_u64).unwrap_or_default();
    let mut text = format!(
        "feedback in   {} waiting, {} parked, {} done\n\
         actions out   {} waiting, {} unclear, {} parked, {} delivered\n\
         last poll     {}\n\
         API calls     {} of {} in 24 h\n\
         unprocessed   {}\n\
         mapping       version {}\n",
        n("/inbox/pending"),
        n("/inbox/parked"),
        n("/inbox/done"),
        n("/outbox/pending"),
        n("/outbox/unclear"),
        n("/outbox/parked"),
        n("/outbox/delivered"),
        status["poll"]["last_completed"].as_str().unwrap_or("none yet"),
        n("/salesforce/api_calls_today"),
        n("/salesforce/api_calls_allowed"),
        n("/unprocessed/count"),
        status["mapping"]["version"].as_str().unwrap_or("-"),
    );
    for side in ["salesforce", "goodays"] {
        if let Some(advice) = status[side]["trouble"]["advice"].as_str() {
            let _ = writeln!(text, "{side:<13} in trouble: {advice}");
        }
    }
    if let Some(trouble) = status["poll"]["trouble"].as_str() {
        let _ = writeln!(text, "poll          {trouble}");
    }
    if let Some(trouble) = status["mapping"]["trouble"].as_str() {
        let _ =
            writeln!(text, "              the edited files are refused, this version goes on:\n{trouble}");
    }
    if n("/inbox/parked") + n("/outbox/parked") + n("/outbox/unclear") > 0 {
        text += "Something waits for a human: goodays-salesforce parked\n";
    }
    text
}

pub fn parked(items: &Value) -> String {
    let items = items.as_array().map(Vec::as_slice).unwrap_or_default();
    if items.is_empty() {
        return "Nothing waits for a human.\n".to_owned();
    }
    let mut text = String::new();
    for item in items {
        let t = |key: &str| item[key].as_str().unwrap_or("-").to_owned();
        let _ = write!(
            text,
            "{:<8} {:<8} {:<8} case {:<10} response {:<12} since {}\n         {}: {}\n",
            t("id"),
            t("state"),
            item["action"].as_str().unwrap_or("event"),
            item["case_number"].as_str().or(item["case_id"].as_str()).unwrap_or("-"),
            t("response_id"),
            t("since"),
            t("reason_code"),
            t("reason"),
        );
    }
    text += "Again: goodays-salesforce retry ID (or --all).  Give up: goodays-salesforce drop ID.\n";
    text
}

/// What became of all that was retried.
pub fn tally(counts: &Value) -> String {
    const WORDS: [(&str, &str); 5] = [
        ("retrying", "tried again"),
        ("delivered", "had arrived after all"),
        ("confirm", "unclear: see each, then `retry ID --send-again`"),
        ("refused", "no longer waiting"),
        ("not_now", "left: Goodays could not be read back"),
    ];
    let told = WORDS.iter().filter_map(|(key, words)| {
        let count = counts[*key].as_u64().filter(|count| *count > 0)?;
        Some(format!("{count} {words}\n"))
    });
    let told: String = told.collect();
    if told.is_empty() { "Nothing waits for a human with this reason.\n".to_owned() } else { told }
}

/// What a sweep found, and what it did about it.
pub fn swept(report: &Value, dry_run: bool) -> String {
    let n = |key: &str| report[key].as_u64().unwrap_or_default();
    let done = match (n("missing_count"), dry_run) {
        (0, _) => String::new(),
        (_, true) => "; nothing was taken in: without --dry-run it is".to_owned(),
        (_, false) => format!("; {} taken in now", n("repaired")),
    };
    let mut text = format!("in Goodays    {} looked at\n", n("looked_at"));
    let _ = writeln!(text, "missing       {} in Salesforce{done}", n("missing_count"));
    name(&mut text, &report["missing"], n("missing_count"));
    let _ = writeln!(text, "unanswered    {}", n("unanswered_count"));
    name(&mut text, &report["unanswered"], n("unanswered_count"));
    if n("unreadable") > 0 {
        let _ = writeln!(text, "unreadable    {} that Goodays shows without a usable id", n("unreadable"));
    }
    if n("unanswered_count") > 0 {
        text += "What agents did there is not at Goodays yet. What waits for a human: goodays-salesforce parked\n";
    }
    text
}

/// Response ids, one a line.
fn name(text: &mut String, ids: &Value, count: u64) {
    let ids = ids.as_array().map(Vec::as_slice).unwrap_or_default();
    for id in ids.iter().take(NAMED).filter_map(Value::as_str) {
        let _ = writeln!(text, "              {id}");
    }
    let more = count.saturating_sub(ids.len().min(NAMED) as u64);
    if more > 0 {
        let _ = writeln!(text, "              and {more} more (--json)");
    }
}

/// What was removed of a person.
pub fn forgotten(counts: &Value) -> String {
    let n = |key: &str| counts[key].as_u64().unwrap_or_default();
    if ["responses", "events", "actions", "in_flight"].iter().all(|key| n(key) == 0) {
        return "Nothing is held of this person.\n".to_owned();
    }
    let mut text = format!(
        "forgotten     responses {}, events {}, actions {}\n",
        n("responses"),
        n("events"),
        n("actions")
    );
    if n("in_flight") > 0 {
        let _ = writeln!(
            text,
            "in flight     {}: on their way to Goodays at this moment; ask again in a minute",
            n("in_flight")
        );
    }
    text += "The Case is Salesforce's, the feedback Goodays': delete them there.\n";
    text
}

/// What would go to Goodays for a Case.
pub fn explained(responses: &Value) -> String {
    let word = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let mut text = String::new();
    for response in responses.as_array().into_iter().flatten() {
        let listed = &response["goodays"]["Ok"];
        let shown = if let Some(actions) = listed["actions"].as_array() {
            let actions: Vec<String> = actions.iter().map(word).collect();
            let listing = if actions.is_empty() {
                " no action".to_owned()
            } else {
                format!(": {}", actions.join(", "))
            };
            format!("{} in Goodays, which lists{listing}", word(&listed["state"]))
        } else {
            word(&response["goodays"]["Err"])
        };
        let _ = write!(
            text,
            "response {}: {shown}\n  last written with mapping version {}\n  status rule that holds: {}\n",
            word(&response["response_id"]),
            word(&response["mapping"]),
            word(&response["rule"]),
        );
        for action in response["actions"].as_array().into_iter().flatten() {
            let [id, name, state, now] = ["id", "action", "state", "now"].map(|key| word(&action[key]));
            let _ = writeln!(text, "  {id} {name} ({state}): {now}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::explained;

    #[test]
    fn e06_a_response_that_lists_nothing_says_so() {
        let of = |actions: serde_json::Value| {
            explained(
                &json!([{ "response_id": "r", "goodays": { "Ok": { "state": "closed", "actions": actions } } }]),
            )
        };
        assert!(
            of(json!([])).starts_with("response r: closed in Goodays, which lists no action\n"),
            "{}",
            of(json!([]))
        );
        assert!(of(json!(["reply", "close"])).contains("which lists: reply, close\n"));
    }
}
