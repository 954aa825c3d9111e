//! What waits for a human, as text: by reason, the newest first.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::fmt::Write as _;

use serde_json::Value;

use crate::operator::reasons;

/// The most ids that a group names.
const NAMED: usize = 5;
const NOTHING: &str = "Nothing waits for a human.\n";

fn word<'v>(item: &'v Value, key: &str) -> &'v str {
    item[key].as_str().unwrap_or("-")
}

fn newest_first(items: &[Value]) -> Vec<&Value> {
    let mut sorted: Vec<&Value> = items.iter().collect();
    sorted.sort_by_key(|item| Reverse(word(item, "since")));
    sorted
}

/// Groups items by reason. The group with the newest item comes first.
fn groups(items: &[Value]) -> Vec<(&str, Vec<&Value>)> {
    let mut groups: Vec<(&str, Vec<&Value>)> = Vec::new();
    let mut places: HashMap<&str, usize> = HashMap::new();
    for item in newest_first(items) {
        let code = word(item, "reason_code");
        let place = *places.entry(code).or_insert(groups.len());
        if place == groups.len() {
            groups.push((code, Vec::new()));
        }
        groups[place].1.push(item);
    }
    groups
}

/// For each reason: how many, since when, why, what to do, and some ids.
pub fn grouped(items: &[Value]) -> String {
    if items.is_empty() {
        return NOTHING.to_owned();
    }
    let mut text = String::new();
    for (code, items) in groups(items) {
        let newest = items[0];
        let oldest = items[items.len() - 1];
        let since = match items.len() {
            1 => format!("since {}", word(newest, "since")),
            _ => format!("from {} to {}", word(oldest, "since"), word(newest, "since")),
        };
        let named: Vec<String> = items.iter().take(NAMED).map(|item| named(item)).collect();
        let more = items.len().saturating_sub(NAMED);
        let more = if more == 0 { String::new() } else { format!(", and {more} more (--all)") };
        let _ = write!(
            text,
            "{code}: {}, {since}\n  why    {}\n  do     {}\n  these  {}{more}\n",
            counted(&items),
            word(newest, "reason"),
            reasons::advice(code),
            named.join(", "),
        );
    }
    text += "Again: goodays-salesforce retry ID.  Give up: drop ID.  Both: --all --reason CODE.\n";
    text
}

/// `3 answers, 1 close`, in order of appearance.
fn counted(items: &[&Value]) -> String {
    let mut counts: Vec<(&str, usize)> = Vec::new();
    for item in items {
        let what = item["action"].as_str().unwrap_or("event");
        match counts.iter_mut().find(|(known, _)| *known == what) {
            Some((_, count)) => *count += 1,
            None => counts.push((what, 1)),
        }
    }
    let lines =
        counts.iter().map(|(what, count)| format!("{count} {what}{}", if *count == 1 { "" } else { "s" }));
    lines.collect::<Vec<_>>().join(", ")
}

fn named(item: &Value) -> String {
    let id = word(item, "id");
    match item["case_number"].as_str().or(item["case_id"].as_str()) {
        Some(case) => format!("{id} (Case {case})"),
        None => format!("{id} (response {})", word(item, "response_id")),
    }
}

/// Every item, the newest first.
pub fn each(items: &[Value]) -> String {
    if items.is_empty() {
        return NOTHING.to_owned();
    }
    let mut text = String::new();
    for item in newest_first(items) {
        let _ = write!(
            text,
            "{:<8} {:<8} {:<8} case {:<10} response {:<12} since {}\n         {}: {}\n",
            word(item, "id"),
            word(item, "state"),
            item["action"].as_str().unwrap_or("event"),
            item["case_number"].as_str().or(item["case_id"].as_str()).unwrap_or("-"),
            word(item, "response_id"),
            word(item, "since"),
            word(item, "reason_code"),
            word(item, "reason"),
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn item(id: usize, code: &str, action: Option<&str>) -> Value {
        json!({
            "id": format!("a{id}"), "state": "parked", "action": action, "case_number": format!("{:08}", 1000 + id),
            "case_id": null, "response_id": format!("r{id}"), "since": format!("2026-01-01T00:{id:02}:00Z"),
            "reason_code": code, "reason": format!("the words of {id}"),
        })
    }

    #[test]
    fn f04_fifty_of_one_reason_are_one_group_with_the_newest_first() {
        let mut items: Vec<Value> = (0..50).map(|id| item(id, "wait_for_customer", Some("answer"))).collect();
        items.push(item(7, "REQUIRED_FIELD_MISSING", None));
        let text = grouped(&items);
        insta::assert_snapshot!(text, @r"
        wait_for_customer: 50 answers, from 2026-01-01T00:00:00Z to 2026-01-01T00:49:00Z
          why    the words of 49
          do     nothing; when the customer has written, the agent writes anew, or `retry ID`
          these  a49 (Case 00001049), a48 (Case 00001048), a47 (Case 00001047), a46 (Case 00001046), a45 (Case 00001045), and 45 more (--all)
        REQUIRED_FIELD_MISSING: 1 event, since 2026-01-01T00:07:00Z
          why    the words of 7
          do     fill the field in the mapping; then `retry`
          these  a7 (Case 00001007)
        Again: goodays-salesforce retry ID.  Give up: drop ID.  Both: --all --reason CODE.
        ");
        assert_eq!(each(&items).lines().count(), 102);
        assert!(each(&items).starts_with("a49 "));
        assert_eq!(grouped(&[]), NOTHING);
    }
}
