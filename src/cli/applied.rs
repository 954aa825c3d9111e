//! The result of `apply-actions`, summed over all answers of the daemon, as text.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

/// The most entries that are kept from all answers. The rest is only counted.
const LISTED: usize = 1000;
/// The most entries in the text. The JSON output has the rest.
const NAMED: usize = 20;

/// The daemon's answers, added up.
#[derive(Default)]
pub struct Applied {
    counts: Map<String, Value>,
    touched: Vec<Value>,
    edited_at: Value,
    files_refused: bool,
}

impl Applied {
    /// Adds an answer. Returns where the next request continues, or null.
    pub fn with(&mut self, answer: Value) -> Value {
        let Value::Object(answer) = answer else { return Value::Null };
        let mut next = Value::Null;
        for (key, value) in answer {
            match (key.as_str(), value) {
                ("next", value) => next = value,
                ("edited_at", value) => self.edited_at = value,
                ("files_refused", value) => self.files_refused = value == true,
                ("touched", Value::Array(some)) => {
                    let room = LISTED.saturating_sub(self.touched.len());
                    self.touched.extend(some.into_iter().take(room));
                }
                (_, value) => {
                    let sum = self.n(&key) + value.as_u64().unwrap_or_default();
                    self.counts.insert(key, sum.into());
                }
            }
        }
        next
    }

    pub fn n(&self, key: &str) -> u64 {
        self.counts.get(key).and_then(Value::as_u64).unwrap_or_default()
    }

    pub fn touches(&self) -> u64 {
        self.n("cases") + self.n("comments")
    }

    pub fn json(&self) -> Value {
        let mut all = Value::Object(self.counts.clone());
        all["edited_at"] = self.edited_at.clone();
        all["files_refused"] = json!(self.files_refused);
        all["touched"] = json!(self.touched);
        all
    }

    pub fn render(&self, dry_run: bool) -> String {
        let mut text = String::new();
        if self.files_refused {
            text += "The mapping files as they stand are refused, so an older version is in force: goodays-salesforce status\n";
        }
        let Some(edited_at) = self.edited_at.as_str() else {
            return text
                + "actions.yaml was not edited since the daemon keeps its rules: there is nothing to apply.\n";
        };
        let _ = writeln!(text, "edited        {edited_at}, by Salesforce's clock");
        let _ = writeln!(text, "looked at     {} Cases and comments", self.n("looked_at"));
        let _ = writeln!(text, "Cases         {}, {} of them open", self.n("cases"), self.n("open_cases"));
        let _ = writeln!(
            text,
            "comments      {}, {} of them published",
            self.n("comments"),
            self.n("published_comments")
        );
        for one in self.touched.iter().take(NAMED) {
            let _ = writeln!(text, "              {}", line(one));
        }
        let more = self.touches().saturating_sub(self.touched.len().min(NAMED) as u64);
        if more > 0 {
            let _ = writeln!(text, "              and {more} more (--json)");
        }
        if self.n("unreadable") > 0 {
            let _ =
                writeln!(text, "unreadable    {} on which a rule cannot be evaluated", self.n("unreadable"));
        }
        text + &self.end(dry_run)
    }

    fn end(&self, dry_run: bool) -> String {
        match (self.touches(), dry_run) {
            (0, _) => "Nothing that stood before the edit is touched by it.\n".to_owned(),
            (_, true) => {
                "Nothing was sent. Without --dry-run it goes to Goodays, as far as Goodays lists it.\n"
                    .to_owned()
            }
            (_, false) => format!(
                "{} actions are on their way. Above max_actions_per_hour they are held back: goodays-salesforce parked\n",
                self.n("begun")
            ),
        }
    }
}

/// `close  Case 00001001, response 26BpnGYga3`.
fn line(one: &Value) -> String {
    let text = |key: &str| one[key].as_str();
    let case = text("case_number").or_else(|| text("case_id")).unwrap_or("-");
    let comment = text("comment_id").map(|id| format!(", comment {id}")).unwrap_or_default();
    let (action, response) = (text("action").unwrap_or("-"), text("response_id").unwrap_or("-"));
    format!("{action:<7}Case {case}{comment}, response {response}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(cases: u64, next: &Value) -> Value {
        let one = json!({ "response_id": "r1", "case_id": "500000000000001", "action": "close" });
        let touched = vec![one; usize::try_from(cases).unwrap()];
        json!({ "edited_at": "2026-01-31T08:00:00Z", "files_refused": false, "looked_at": cases + 1, "touched": touched,
                "cases": cases, "open_cases": 1, "comments": 0, "begun": 0, "unreadable": 0, "next": next })
    }

    #[test]
    fn answers_are_added_up_and_lists_are_cut() {
        let mut all = Applied::default();
        let next = json!({ "of": "cases", "at_ms": 1, "id": null });
        assert_eq!(all.with(answer(600, &next)), next);
        assert_eq!(all.with(answer(600, &Value::Null)), Value::Null);
        assert_eq!((all.touches(), all.n("looked_at"), all.n("open_cases")), (1200, 1202, 2));
        assert_eq!(all.json()["touched"].as_array().unwrap().len(), LISTED);
        let text = all.render(true);
        assert!(text.contains("and 1180 more (--json)"), "{text}");
        assert!(text.contains("close  Case 500000000000001, response r1"), "{text}");
    }
}
