//! Detects losses and duplicates, by comparing the final state of both remotes.

use std::collections::{BTreeMap, BTreeSet};

use goodays_salesforce::sim::goodays::Goodays;
use goodays_salesforce::sim::salesforce::Salesforce;
use serde_json::{Value, json};

pub struct Judge<'a> {
    pub goodays: &'a Goodays,
    pub salesforce: &'a Salesforce,
    /// The message ids in acknowledged events, by response. `None`: all messages count.
    pub told: Option<&'a BTreeMap<String, BTreeSet<String>>>,
}

impl Judge<'_> {
    /// Every breach as one line. `excused`: how many items of a response wait for a human with a reason.
    pub fn breaches(&self, excused: &dyn Fn(&str) -> usize) -> Vec<String> {
        let mut found = Vec::new();
        let mut cases: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        for case in self.salesforce.records("Case") {
            cases.entry(text(&case, "Goodays_Response_Id__c")).or_default().push(case);
        }
        let mut comments: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        for comment in self.salesforce.records("CaseComment") {
            if comment["IsDeleted"] == json!(false) {
                comments.entry(text(&comment, "ParentId")).or_default().push(comment);
            }
        }
        for id in self.goodays.response_ids() {
            let own = cases.remove(&id).unwrap_or_default();
            let live: Vec<&Value> = own.iter().filter(|c| c["IsDeleted"] == json!(false)).collect();
            match live.as_slice() {
                [case] => {
                    let shown = comments.remove(&text(case, "Id")).unwrap_or_default();
                    found.extend(self.conversation(&id, &shown, excused(&id)));
                }
                [] if self.told.is_some_and(|told| !told.contains_key(&id)) => {}
                many => found.push(format!("{id}: {} Cases", many.len())),
            }
        }
        found
    }

    fn conversation(&self, id: &str, comments: &[Value], excused: usize) -> Vec<String> {
        let mut found = self.answers(id, comments, excused);
        let bodies: Vec<String> = comments.iter().map(|c| text(c, "CommentBody")).collect();
        let response = self.goodays.response(id).unwrap_or_default();
        let newest_first = response["attached_messages"].as_array().cloned().unwrap_or_default();
        // Agents may answer at any time. Imported messages must be in the order in which they were written.
        let mut last = 0;
        for message in newest_first.iter().rev() {
            let content = text(message, "content");
            // An imported message begins with its sender's name.
            let carried = |at: usize| bodies[at] != content;
            let at: Vec<usize> = (0..bodies.len()).filter(|n| bodies[*n].contains(&content)).collect();
            match at.as_slice() {
                [at] if carried(*at) && *at < last => {
                    found.push(format!("{id}: {content:?} is not in order"));
                }
                [at] if carried(*at) => last = *at,
                [_] => {}
                [] if !self.must_know(id, &text(message, "id")) => {}
                other => found.push(format!("{id}: {content:?} is {} comments", other.len())),
            }
        }
        found
    }

    /// Each published comment of an agent reached the customer once, or a human is told why not.
    fn answers(&self, id: &str, comments: &[Value], excused: usize) -> Vec<String> {
        let mut found = Vec::new();
        let received: Vec<String> =
            self.goodays.received_by_customer(id).iter().map(|r| text(r, "content")).collect();
        let mut missing = Vec::new();
        for comment in comments.iter().filter(|c| c["IsPublished"] == json!(true)) {
            let answer = text(comment, "CommentBody");
            match received.iter().filter(|r| **r == answer).count() {
                1 => {}
                0 => missing.push(answer),
                n => found.push(format!("{id}: the customer received {answer:?} {n} times")),
            }
        }
        if missing.len() > excused {
            found.push(format!("{id}: {missing:?} reached nobody, and {excused} of them have a reason"));
        }
        found
    }

    fn must_know(&self, id: &str, message: &str) -> bool {
        self.told.is_none_or(|told| told.get(id).is_some_and(|ids| ids.contains(message)))
    }
}

fn text(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap_or_default().to_owned()
}
