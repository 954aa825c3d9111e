//! The daemon's answers as text.

use std::fmt::Write as _;

use serde_json::Value;

use super::verdict;

/// The most entries in the text. The JSON output has the rest.
const NAMED: usize = 20;

/// `parked`: the parked actions, if there are any.
pub fn status(status: &Value, parked: &[Value]) -> String {
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
    if let Some(host) = status["salesforce"]["login_leads_to"]["host"].as_str() {
        let org = status["salesforce"]["login_leads_to"]["org"].as_str().unwrap_or("-");
        let _ = writeln!(text, "Salesforce    {host}, org {org}");
    }
    figures(&mut text, &status["figures"]);
    edits(&mut text, status);
    troubles(&mut text, status);
    findings(&mut text, &status["findings"]);
    fields(&mut text, &status["fields_refused"]);
    let operators = verdict::for_an_operator(status, parked);
    let agents = n("/inbox/parked") + n("/outbox/parked") + n("/outbox/unclear") - operators;
    if agents > 0 {
        let _ = writeln!(text, "parked        {agents} that their agents see on the Case and settle there");
    }
    if operators > 0 {
        text += "Something waits for a human: goodays-salesforce parked\n";
    }
    if let Some(until) = status.pointer("/state/parked_until").and_then(Value::as_str) {
        let _ = writeln!(
            text,
            "dropped soon  what nobody decided on for long, from {until} on (state.keep_parked)"
        );
    }
    text
}

/// How long the way takes, and what Goodays measures.
fn figures(text: &mut String, figures: &Value) {
    for (what, key) in [("to the Case", "feedback_to_case"), ("to Goodays", "agent_to_goodays")] {
        let n = |name: &str| figures[key][name].as_f64();
        if let (Some(median), Some(p90)) = (n("median_seconds"), n("p90_seconds")) {
            let of = figures[key]["of"].as_u64().unwrap_or_default();
            let _ = writeln!(
                text,
                "{what:<13} half of the last {of} within {}, nine tenths within {}",
                span(median),
                span(p90)
            );
        }
    }
    let shown = figures["goodays"].as_object().into_iter().flatten();
    let known: Vec<String> = shown
        .filter_map(|(name, figure)| Some(format!("{} {}", name.replace('_', " "), figure.as_f64()?)))
        .collect();
    if !known.is_empty() {
        let _ = writeln!(text, "Goodays says  {}", known.join(", "));
    }
}

/// Seconds as a person says them.
fn span(seconds: f64) -> String {
    match seconds {
        s if s < 100.0 => format!("{s:.1} s"),
        s if s < 6000.0 => format!("{:.0} min", s / 60.0),
        s => format!("{:.1} h", s / 3600.0),
    }
}

/// Edits that are refused or wait for a restart, and whether the daemon only observes.
fn edits(text: &mut String, status: &Value) {
    if let Some(trouble) = status["mapping"]["trouble"].as_str() {
        let _ =
            writeln!(text, "              the edited files are refused, this version goes on:\n{trouble}");
    }
    let configuration = &status["configuration"];
    if let Some(refused) = configuration["refused"].as_str() {
        let _ = writeln!(
            text,
            "configuration the edited connector.yaml is refused, what was read before goes on:\n{refused}"
        );
    }
    if let Some(problem) = configuration["secrets"].as_str() {
        let _ = writeln!(
            text,
            "secrets       a file cannot be used, what was read before goes on, and a restart would fail:\n{problem}"
        );
    }
    let waiting = words(&configuration["waits_for_restart"]);
    if !waiting.is_empty() {
        let _ = writeln!(text, "configuration edited, in force after a restart: {}", waiting.join(", "));
    }
    if status["actions"] == "observe" {
        *text += "actions       observe: nothing is sent to customers\n";
    }
}

/// What does not work now: since when, what to do, and the time of the next try.
fn troubles(text: &mut String, status: &Value) {
    if let Some(refusing) = status["refusing"].as_str() {
        let _ = writeln!(text, "webhooks      are not accepted: {refusing}");
    }
    for side in ["salesforce", "goodays"] {
        let trouble = &status[side]["trouble"];
        let t = |key: &str| trouble[key].as_str().unwrap_or("-");
        if trouble.is_object() {
            let _ = writeln!(
                text,
                "{side:<13} in trouble: {}\n              code {}, since {}, tried again at {}",
                t("advice"),
                t("code"),
                t("since"),
                t("retry_at")
            );
        }
    }
    if status["poll"]["stopped_by_budget"] == true {
        *text += "poll          stopped: nine tenths of salesforce.api_calls_per_day are used. Agents' actions wait, new \
                 feedback goes on; polls go on as calls of the last 24 hours expire\n";
    }
    if let Some(trouble) = status["poll"]["trouble"].as_str() {
        let _ = writeln!(text, "poll          {trouble}");
    }
    if let Some(time) = status["poll"]["rows_ahead_of_clock"].as_str() {
        let _ = writeln!(
            text,
            "poll          a row of Salesforce has a time ahead of Salesforce's own clock ({time}); it is read at each poll"
        );
    }
}

/// The findings that have no lines of their own. Each finding decides the exit code, so none may be left out.
fn findings(text: &mut String, findings: &Value) {
    const SHOWN: [&str; 11] = [
        "not_accepting",
        "salesforce",
        "goodays",
        "poll",
        "budget",
        "unclear",
        "parked",
        "mapping",
        "configuration",
        "secrets",
        "restart",
    ];
    for one in findings.as_array().into_iter().flatten() {
        let t = |key: &str| one[key].as_str().unwrap_or("-");
        if !SHOWN.contains(&t("code")) {
            let _ = writeln!(text, "{:<13} {}", t("code"), t("words"));
        }
    }
}

/// Fields that were left out of Cases and comments since the daemon's start.
fn fields(text: &mut String, fields: &Value) {
    let fields = fields.as_array().map(Vec::as_slice).unwrap_or_default();
    for one in fields.iter().take(NAMED) {
        let t = |key: &str| one[key].as_str().unwrap_or("-");
        let count = one["count"].as_u64().unwrap_or_default();
        let _ = writeln!(
            text,
            "fields        {} left out or shortened {count}x since the start ({})",
            t("field"),
            t("code")
        );
    }
    if fields.len() > NAMED {
        let _ = writeln!(text, "              and {} more fields (--json)", fields.len() - NAMED);
    }
}

fn words(list: &Value) -> Vec<&str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

/// The result of `retry --all`.
pub fn tally(counts: &Value) -> String {
    const WORDS: [(&str, &str); 6] = [
        ("retrying", "tried again"),
        ("delivered", "had arrived after all"),
        ("confirm", "unclear and left: look at each in Goodays, then `retry ID`"),
        ("refused", "no longer waiting"),
        ("damaged", "damaged and left: look at each in Goodays, then `drop ID`"),
        ("not_now", "left: Goodays could not be read back"),
    ];
    let lines = WORDS.iter().filter_map(|(key, words)| {
        let count = counts[*key].as_u64().filter(|count| *count > 0)?;
        Some(format!("{count} {words}\n"))
    });
    let lines: String = lines.collect();
    if lines.is_empty() { "Nothing waits for a human with this reason.\n".to_owned() } else { lines }
}

/// The result of `drop --all`.
pub fn dropped(counts: &Value) -> String {
    const WORDS: [(&str, &str); 3] = [
        ("dropped", "dropped"),
        ("unclear", "unclear and left: look at each in Goodays, then `drop ID`"),
        ("refused", "no longer waiting"),
    ];
    let lines = WORDS.iter().filter_map(|(key, words)| {
        let count = counts[*key].as_u64().filter(|count| *count > 0)?;
        Some(format!("{count} {words}\n"))
    });
    let lines: String = lines.collect();
    if lines.is_empty() { "Nothing waits for a human with this reason.\n".to_owned() } else { lines }
}

/// How far a sweep is; none if none runs.
pub fn sweeping(body: &Value) -> Option<String> {
    let compared = format!("{} responses compared", body["looked_at"].as_u64()?);
    let date = body["come_to"].as_str().and_then(|at| at.get(..10));
    let place = date.zip(body["percent_of_period"].as_u64());
    Some(place.map_or(compared.clone(), |(date, percent)| {
        format!("{compared}, the list has come to {date}: {percent} % of the period")
    }))
}

/// What a sweep found, and what it repaired.
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
        let _ = writeln!(
            text,
            "unreadable    {} that Goodays shows without a usable id, or too large to read",
            n("unreadable")
        );
    }
    if n("lists_without_end") > 0 {
        text += "Goodays' list led back to a page read before: what stands behind it was not compared. Ask Goodays.\n";
    }
    if n("unanswered_count") > 0 {
        text += "What agents did there is not at Goodays yet. What waits for a human: goodays-salesforce parked\n";
    }
    text
}

/// Response ids, one per line.
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

/// What was removed about a person.
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
pub fn explained(responses: &[Value]) -> String {
    let word = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let mut text = String::new();
    for response in responses {
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

    use super::*;

    #[test]
    fn a_sweep_says_where_it_is_if_that_is_known() {
        let counted = json!({ "running": true, "looked_at": 7, "come_to": null, "percent_of_period": null });
        assert_eq!(sweeping(&counted).as_deref(), Some("7 responses compared"));
        let placed = json!({ "looked_at": 7, "come_to": "2026-03-14T08:00:00Z", "percent_of_period": 40 });
        let line = "7 responses compared, the list has come to 2026-03-14: 40 % of the period";
        assert_eq!(sweeping(&placed).as_deref(), Some(line));
        assert_eq!(sweeping(&json!({ "running": false, "looked_at": null })), None);
    }

    #[test]
    fn f03_status_names_all_that_is_not_as_it_should_be() {
        let fields = json!([
            { "field": "Store__c", "code": "FIELD_LACKING", "count": 30 },
            { "field": "Subject", "code": "STRING_TOO_LONG", "count": 1 },
        ]);
        let trouble =
            json!({ "code": "not_sent", "advice": "Check the network.", "since": "S", "retry_at": "R" });
        let status = json!({
            "actions": "observe",
            "refusing": "10 MB are free",
            "findings": [
                { "code": "goodays", "level": "trouble", "words": "Goodays is away." },
                { "code": "sweep", "level": "trouble", "words": "The sweep does not get through: 403." },
                { "code": "rule", "level": "waits", "words": "A rule of actions.yaml cannot be evaluated." },
                { "code": "of_a_later_version", "level": "waits", "words": "Something new." },
            ],
            "inbox": { "pending": 1, "parked": 0, "done": 2 },
            "outbox": { "pending": 3, "unclear": 1, "parked": 0, "delivered": 4 },
            "poll": { "last_completed": "T", "trouble": "Salesforce refuses the poll's query", "stopped_by_budget": true },
            "salesforce": { "api_calls_today": 18000, "api_calls_allowed": 20000, "trouble": null },
            "goodays": { "trouble": trouble },
            "unprocessed": { "count": 5 },
            "mapping": { "version": "abc", "trouble": null },
            "configuration": { "refused": "error[Y003]: nonsense", "secrets": "error[C003]: nothing", "waits_for_restart": ["settle", "state.path"] },
            "fields_refused": fields,
        });
        let text = super::status(&status, &[]);
        insta::assert_snapshot!(text.split_once("abc\n").unwrap().1, @r"
        configuration the edited connector.yaml is refused, what was read before goes on:
        error[Y003]: nonsense
        secrets       a file cannot be used, what was read before goes on, and a restart would fail:
        error[C003]: nothing
        configuration edited, in force after a restart: settle, state.path
        actions       observe: nothing is sent to customers
        webhooks      are not accepted: 10 MB are free
        goodays       in trouble: Check the network.
                      code not_sent, since S, tried again at R
        poll          stopped: nine tenths of salesforce.api_calls_per_day are used. Agents' actions wait, new feedback goes on; polls go on as calls of the last 24 hours expire
        poll          Salesforce refuses the poll's query
        sweep         The sweep does not get through: 403.
        rule          A rule of actions.yaml cannot be evaluated.
        of_a_later_version Something new.
        fields        Store__c left out or shortened 30x since the start (FIELD_LACKING)
        fields        Subject left out or shortened 1x since the start (STRING_TOO_LONG)
        Something waits for a human: goodays-salesforce parked
        ");
    }

    #[test]
    fn figures_are_shown_when_they_are_known() {
        let mut text = String::new();
        figures(&mut text, &Value::Null);
        let nothing = json!({ "feedback_to_case": null, "agent_to_goodays": null, "goodays": null });
        figures(&mut text, &nothing);
        assert_eq!(text, "");
        let known = json!({
            "feedback_to_case": { "of": 812, "median_seconds": 0.31, "p90_seconds": 640.0 },
            "agent_to_goodays": { "of": 90, "median_seconds": 12.0, "p90_seconds": 9000.0 },
            "goodays": { "reply_rate": 93.5, "reply_time": 7200.0, "reply_quality": null },
        });
        figures(&mut text, &known);
        insta::assert_snapshot!(text, @"
        to the Case   half of the last 812 within 0.3 s, nine tenths within 11 min
        to Goodays    half of the last 90 within 12.0 s, nine tenths within 2.5 h
        Goodays says  reply rate 93.5, reply time 7200
        ");
    }

    #[test]
    fn f03_a_long_list_of_fields_is_cut() {
        let one = |n| json!({ "field": format!("F{n}"), "code": "C", "count": 1 });
        let mut text = String::new();
        fields(&mut text, &(0..25).map(one).collect());
        assert_eq!(text.lines().count(), NAMED + 1);
        assert!(text.ends_with("and 5 more fields (--json)\n"), "{text}");
    }

    #[test]
    fn e06_a_response_that_lists_nothing_says_so() {
        let of = |actions: serde_json::Value| {
            explained(&[
                json!({ "response_id": "r", "goodays": { "Ok": { "state": "closed", "actions": actions } } }),
            ])
        };
        assert!(
            of(json!([])).starts_with("response r: closed in Goodays, which lists no action\n"),
            "{}",
            of(json!([]))
        );
        assert!(of(json!(["reply", "close"])).contains("which lists: reply, close\n"));
    }
}
