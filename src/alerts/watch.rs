//! What is told: each finding once when it begins, and once when it is over.

use std::collections::BTreeMap;

use super::memory::Was;
use super::topic;
use crate::config::{Alert, Topic};
use crate::messages::Words;
use crate::operator::findings::{Finding, Level, not_accepting};

/// What one destination was told.
pub struct Watch {
    on: Vec<Topic>,
    after_ms: i64,
    open: BTreeMap<String, Open>,
}

struct Open {
    since_ms: i64,
    words: Words,
    told: bool,
}

/// One thing to tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    pub code: String,
    pub words: Words,
    pub over: bool,
    /// Since when it is so, or was so (milliseconds).
    pub since_ms: i64,
}

impl Watch {
    pub fn new(alert: &Alert) -> Self {
        let after_ms = i64::try_from(alert.after.as_millis()).unwrap_or(i64::MAX);
        Self { on: alert.on.clone(), after_ms, open: BTreeMap::new() }
    }

    /// Begins anew with what was told before, by this process or another one. Webhooks that are not accepted stay as they
    /// are: that is told without the state, and its destination may not have taken it yet.
    pub fn remember(&mut self, was: &BTreeMap<String, Was>) {
        let open = |was: &Was| Open { since_ms: was.since_ms, words: was.words.clone(), told: true };
        self.open.retain(|code, _| code == not_accepting("").code);
        self.open.extend(was.iter().map(|(code, was)| (code.clone(), open(was))));
    }

    /// What has to be told now. Trouble is told when it has lasted; the rest at once. `unsure` has the codes of which
    /// nobody knows yet whether they are over.
    pub fn look(&mut self, findings: &[Finding], unsure: &[&str], now_ms: i64) -> Vec<Told> {
        let findings = self.wanted(findings);
        let mut told = self.over(&findings, unsure);
        told.extend(self.begun(&findings, now_ms));
        told
    }

    /// The same when nothing but these is known, so that nothing is over.
    pub fn look_at_these(&mut self, findings: &[Finding], now_ms: i64) -> Vec<Told> {
        let findings = self.wanted(findings);
        self.begun(&findings, now_ms)
    }

    fn wanted<'f>(&self, findings: &'f [Finding]) -> Vec<&'f Finding> {
        let wanted = |finding: &&Finding| topic(finding).is_some_and(|topic| self.on.contains(&topic));
        findings.iter().filter(wanted).collect()
    }

    /// Notes what is, and tells what has lasted.
    fn begun(&mut self, findings: &[&Finding], now_ms: i64) -> Vec<Told> {
        let mut told = Vec::new();
        for finding in findings {
            let open = self.open.entry(finding.code.to_owned()).or_insert_with(|| Open {
                since_ms: finding.since_ms.unwrap_or(now_ms),
                words: Words::default(),
                told: false,
            });
            open.words = finding.words.clone();
            let waits_ms = if finding.level == Level::Trouble { self.after_ms } else { 0 };
            if !open.told && now_ms >= open.since_ms + waits_ms {
                open.told = true;
                let (words, since_ms) = (open.words.clone(), open.since_ms);
                told.push(Told { code: finding.code.to_owned(), words, over: false, since_ms });
            }
        }
        told
    }

    /// Forgets what is over, and tells it if its beginning was told.
    fn over(&mut self, findings: &[&Finding], unsure: &[&str]) -> Vec<Told> {
        let goes_on = |code: &str| unsure.contains(&code) || findings.iter().any(|one| one.code == code);
        let ended: Vec<String> = self.open.keys().filter(|code| !goes_on(code)).cloned().collect();
        ended.iter().filter_map(|code| self.ended(code)).collect()
    }

    /// Forgets this, which is over; it has to be told if its beginning was.
    pub fn ended(&mut self, code: &str) -> Option<Told> {
        let (code, open) = self.open.remove_entry(code)?;
        open.told.then_some(Told { code, words: open.words, over: true, since_ms: open.since_ms })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use secrecy::SecretString;

    use super::*;
    use crate::config::Destination;

    fn watch(on: &[Topic]) -> Watch {
        Watch::new(&Alert {
            to: Destination::Slack,
            url: SecretString::from("https://x.example"),
            on: on.to_vec(),
            after: Duration::from_secs(300),
            link: None,
        })
    }

    fn finding(code: &'static str, level: Level, since_ms: Option<i64>) -> Finding {
        Finding { code, level, words: Words::plain(code), since_ms, retry_ms: None }
    }

    fn codes(told: &[Told]) -> Vec<(&str, bool)> {
        told.iter().map(|one| (one.code.as_str(), one.over)).collect()
    }

    #[test]
    fn trouble_is_told_once_when_it_has_lasted_and_when_it_is_over() {
        let mut watch = watch(&[Topic::Trouble]);
        let away = [finding("goodays", Level::Trouble, Some(0))];
        assert_eq!(watch.look(&away, &[], 299_999), []);
        assert_eq!(codes(&watch.look(&away, &[], 300_000)), [("goodays", false)]);
        assert_eq!(watch.look(&away, &[], 900_000), []);
        let over = watch.look(&[], &[], 900_001);
        assert_eq!((codes(&over), over[0].since_ms), (vec![("goodays", true)], 0));
        assert_eq!(watch.look(&[], &[], 900_002), []);
        // Again: it is told again.
        let again = [finding("goodays", Level::Trouble, Some(1_000_000))];
        assert_eq!(codes(&watch.look(&again, &[], 1_300_000)), [("goodays", false)]);
    }

    #[test]
    fn nothing_is_over_while_only_one_thing_is_known() {
        let mut watch = watch(&[Topic::Trouble, Topic::Parked]);
        let parked = finding("parked", Level::Waits, None);
        assert_eq!(codes(&watch.look(std::slice::from_ref(&parked), &[], 0)), [("parked", false)]);
        let away = [finding("not_accepting", Level::Trouble, None)];
        assert_eq!(watch.look_at_these(&away, 1_000), []);
        assert_eq!(codes(&watch.look_at_these(&away, 301_000)), [("not_accepting", false)]);
        assert_eq!(codes(&watch.look(&[parked], &[], 302_000)), [("not_accepting", true)]);
    }

    #[test]
    fn trouble_that_ends_soon_is_never_told() {
        let mut watch = watch(&[Topic::Trouble]);
        watch.look(&[finding("salesforce", Level::Trouble, Some(0))], &[], 1_000);
        assert_eq!(watch.look(&[], &[], 400_000), []);
    }

    #[test]
    fn what_waits_is_told_at_once_and_only_to_who_asked() {
        let found = [finding("unclear", Level::Waits, None), finding("parked", Level::Waits, None)];
        assert_eq!(codes(&watch(&[Topic::Unclear]).look(&found, &[], 0)), [("unclear", false)]);
        assert_eq!(watch(&[Topic::Budget]).look(&found, &[], 0), []);
        assert_eq!(watch(&[Topic::Parked]).look(&[finding("restart", Level::Waits, None)], &[], 0), []);
    }

    #[test]
    fn what_was_told_before_a_restart_is_told_once() {
        let was =
            BTreeMap::from([("goodays".to_owned(), Was { since_ms: 7, words: Words::plain("goodays") })]);
        let begun = || {
            let mut watch = watch(&[Topic::Trouble]);
            watch.remember(&was);
            watch
        };
        let away = [finding("goodays", Level::Trouble, Some(1_000))];
        assert_eq!(begun().look(&away, &[], 900_000), []);
        // Nobody has called Goodays since the start: it may still be away.
        let mut watch = begun();
        assert_eq!(watch.look(&[], &["goodays"], 1_000), []);
        assert_eq!(watch.look(&away, &[], 900_000), []);
        let over = watch.look(&[], &[], 900_001);
        assert_eq!((codes(&over), over[0].since_ms), (vec![("goodays", true)], 7));
    }
}
