//! What is not as it should be: one function decides, and `status`, the console and the alerts show it.

use serde::Serialize;
use serde_json::{Value, json};

use crate::messages::Words;
use crate::workers::Trouble;

/// How much a finding matters. The order is that of urgency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Something waits for an operator, or an edit is not in force. Exit code 1 of `status`.
    Waits,
    /// Something does not work now. Exit code 4 of `status`.
    Trouble,
}

/// One thing that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Stable, for scripts and for `on` of an alert.
    pub code: &'static str,
    pub level: Level,
    /// What it is and what to do.
    pub words: Words,
    /// Since when (milliseconds, our clock); none if that is not known.
    pub since_ms: Option<i64>,
    /// When it is tried again (milliseconds, our clock).
    pub retry_ms: Option<i64>,
}

/// What the decision looks at.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// Why webhooks are not accepted.
    pub refusing: Option<String>,
    pub salesforce: Option<Trouble>,
    pub goodays: Option<Trouble>,
    /// Why Salesforce refuses the poll's query.
    pub poll: Option<String>,
    /// Why the sweep does not get through.
    pub sweep: Option<String>,
    /// What is wrong with the Goodays users that actions are sent as.
    pub users: Option<String>,
    /// Nine tenths of the budget are used.
    pub polls_stopped: bool,
    /// Actions whose outcome is not known.
    pub unclear: usize,
    /// What is parked and waits for an operator: without what agents settle on their Cases.
    pub parked: usize,
    pub mapping_refused: bool,
    /// A rule of actions.yaml that could not be evaluated since it is in force.
    pub rule_failure: Option<String>,
    pub configuration_refused: bool,
    /// Why a secret's file cannot be used any more.
    pub secrets: Option<String>,
    /// Edited keys that need a restart.
    pub waits_for_restart: Vec<&'static str>,
}

/// The findings, the most urgent first.
pub fn findings(facts: &Facts) -> Vec<Finding> {
    let found = troubles(facts).into_iter().chain(waits(facts));
    found.collect()
}

/// No webhook can be stored.
pub fn not_accepting(why: &str) -> Finding {
    Finding::new("not_accepting", Level::Trouble, Words::new("finding-not-accepting").with("why", why))
}

fn troubles(facts: &Facts) -> Vec<Finding> {
    let mut found = Vec::new();
    if let Some(why) = &facts.refusing {
        found.push(not_accepting(why));
    }
    if let Some(trouble) = &facts.salesforce {
        found.push(away("salesforce", Words::new("finding-salesforce"), trouble));
    }
    if let Some(trouble) = &facts.goodays {
        found.push(away("goodays", Words::new("finding-goodays"), trouble));
    }
    if let Some(why) = &facts.poll {
        found.push(Finding::new("poll", Level::Trouble, Words::new("finding-poll").with("why", why)));
    }
    if let Some(why) = &facts.sweep {
        found.push(Finding::new("sweep", Level::Trouble, Words::new("finding-sweep").with("why", why)));
    }
    if let Some(why) = &facts.users {
        found.push(Finding::new("users", Level::Trouble, Words::new("finding-users").with("why", why)));
    }
    if facts.polls_stopped {
        found.push(Finding::new("budget", Level::Trouble, Words::new("finding-budget")));
    }
    found
}

fn waits(facts: &Facts) -> Vec<Finding> {
    let mut found = Vec::new();
    if facts.unclear > 0 {
        let words = Words::new("finding-unclear").with("count", facts.unclear);
        found.push(Finding::new("unclear", Level::Waits, words));
    }
    if facts.parked > 0 {
        let words = Words::new("finding-parked").with("count", facts.parked);
        found.push(Finding::new("parked", Level::Waits, words));
    }
    if facts.mapping_refused {
        found.push(Finding::new("mapping", Level::Waits, Words::new("finding-mapping")));
    }
    if let Some(rule) = &facts.rule_failure {
        let words = Words::new("finding-rule").with("rule", rule);
        found.push(Finding::new("rule", Level::Waits, words));
    }
    if facts.configuration_refused {
        found.push(Finding::new("configuration", Level::Waits, Words::new("finding-configuration")));
    }
    if facts.secrets.is_some() {
        found.push(Finding::new("secrets", Level::Waits, Words::new("finding-secrets")));
    }
    if !facts.waits_for_restart.is_empty() {
        let words = Words::new("finding-restart").with("keys", facts.waits_for_restart.join(", "));
        found.push(Finding::new("restart", Level::Waits, words));
    }
    found
}

fn away(code: &'static str, words: Words, trouble: &Trouble) -> Finding {
    let words = words.with("advice", &trouble.advice);
    Finding {
        since_ms: Some(trouble.since_ms),
        retry_ms: Some(trouble.retry_at_ms),
        ..Finding::new(code, Level::Trouble, words)
    }
}

impl Finding {
    fn new(code: &'static str, level: Level, words: Words) -> Self {
        Self { code, level, words, since_ms: None, retry_ms: None }
    }

    /// `{"code", "level", "words"}`, with the words in English.
    pub fn json(&self) -> Value {
        json!({ "code": self.code, "level": self.level, "words": self.words.to_string() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(facts: &Facts) -> Vec<(&'static str, Level)> {
        findings(facts).iter().map(|one| (one.code, one.level)).collect()
    }

    #[test]
    fn f03_trouble_now_is_told_from_what_waits_for_a_human() {
        assert_eq!(codes(&Facts::default()), []);
        let away = Trouble {
            code: "not_sent".to_owned(),
            advice: "Check the network.".to_owned(),
            since_ms: 1,
            retry_at_ms: 2,
        };
        let all = Facts {
            refusing: Some("the disk is full".to_owned()),
            salesforce: Some(away.clone()),
            goodays: Some(away),
            poll: Some("refused".to_owned()),
            sweep: Some("refused".to_owned()),
            users: Some("refused".to_owned()),
            polls_stopped: true,
            unclear: 1,
            parked: 2,
            mapping_refused: true,
            rule_failure: Some("actions.yaml:12: it is no condition".to_owned()),
            configuration_refused: true,
            secrets: Some("the secret is empty".to_owned()),
            waits_for_restart: vec!["state.path"],
        };
        let trouble = ["not_accepting", "salesforce", "goodays", "poll", "sweep", "users", "budget"];
        let waits = ["unclear", "parked", "mapping", "rule", "configuration", "secrets", "restart"];
        let expected: Vec<_> = trouble
            .map(|code| (code, Level::Trouble))
            .into_iter()
            .chain(waits.map(|code| (code, Level::Waits)))
            .collect();
        assert_eq!(codes(&all), expected);
        let goodays = &findings(&all)[2];
        assert_eq!((goodays.since_ms, goodays.retry_ms), (Some(1), Some(2)));
        assert!(goodays.words.to_string().contains("Check the network."), "{}", goodays.words);
    }
}
