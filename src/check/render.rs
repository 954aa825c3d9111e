//! A report as text: findings by area, then what to do, then what no check can see.

use std::fmt::Write as _;

use super::report::{Area, Finding, Report, Severity};

impl Report {
    /// For people: findings by area, then what to do.
    pub fn render(&self) -> String {
        let mut out = String::new();
        for area in [Area::Configuration, Area::Mapping, Area::Goodays, Area::Salesforce, Area::Database] {
            let mut all: Vec<&Finding> = self.findings.iter().filter(|one| one.area == area).collect();
            all.sort_by_key(|one| one.severity);
            if all.is_empty() {
                continue;
            }
            let _ = writeln!(out, "{}\n", area.title());
            for one in all {
                out.push_str(&indented(&render(one)));
            }
            out.push('\n');
        }
        for line in self.summary() {
            let _ = writeln!(out, "{line}");
        }
        out
    }

    /// The result and what to do, in lines.
    pub fn summary(&self) -> Vec<String> {
        let (errors, warnings) = (self.count(Severity::Error), self.count(Severity::Warning));
        let mut lines = vec![format!("{}, {}.", counted(errors, "error"), counted(warnings, "warning"))];
        lines.push(self.verdict(errors).to_owned());
        let steps = self.steps();
        if !steps.is_empty() {
            lines.push("What to do:".to_owned());
            lines.extend(
                steps.into_iter().enumerate().map(|(index, step)| format!("  {}. {step}", index + 1)),
            );
        }
        if self.asked && !self.unreachable {
            lines.push("What check cannot see, so look yourself:".to_owned());
            lines.extend(UNSEEN.iter().map(|line| format!("  - {line}")));
        }
        lines
    }

    fn verdict(&self, errors: usize) -> &'static str {
        match (self.unloaded, self.unreachable, errors, self.asked) {
            (true, ..) => {
                "The files cannot be used as they are; a running daemon keeps its last good mappings."
            }
            (_, true, ..) => {
                "A remote was out of reach, so much was not looked at: mend that and check again."
            }
            (_, _, 0, false) => "The files are fine; without --offline both remotes are looked at too.",
            (_, _, 0, true) if self.count(Severity::Warning) == 0 => "Ready to run.",
            (_, _, 0, true) => "Ready to run, once you have looked at the warnings.",
            _ => "Not ready: with these errors feedback waits, or fields are left out.",
        }
    }

    /// Remedies, those for errors first. Findings with the same remedy are named together.
    fn steps(&self) -> Vec<String> {
        let mut steps: Vec<(Severity, &str, Vec<&str>)> = Vec::new();
        for one in self.findings.iter().filter(|one| one.severity != Severity::Ok) {
            let Some(help) = one.help.as_deref() else { continue };
            let about = one.subject.as_deref().or(one.at.as_deref());
            match steps.iter_mut().find(|(_, other, _)| *other == help) {
                Some((severity, _, subjects)) => {
                    *severity = (*severity).min(one.severity);
                    subjects.extend(about.filter(|about| !subjects.contains(about)));
                }
                None => steps.push((one.severity, help, about.into_iter().collect())),
            }
        }
        steps.sort_by_key(|(severity, ..)| *severity);
        let line = |(_, help, subjects): (Severity, &str, Vec<&str>)| match subjects.as_slice() {
            [] => help.to_owned(),
            all => format!("{}: {help}", all.join(", ")),
        };
        steps.into_iter().map(line).collect()
    }
}

/// What none of our calls can prove (Salesforce reference, 8; issue 6).
const UNSEEN: &[&str] = &[
    "Salesforce: whether the integration user sees all Cases. Without \"View All\" on Case, polls silently miss agents' work.",
    "Salesforce: auto-response rules, workflow mails and case-comment notifications. Any of them may write to a customer whom Goodays writes to already.",
    "Salesforce: validation rules, flows, triggers and duplicate rules. What they refuse shows at the first Case.",
    "Salesforce: whether agents may edit the fields that actions.yaml reads, and have them on their page.",
    "Salesforce: whether a record type that the mappings name is assigned to the integration user. If not, Salesforce takes its default.",
    "Both: values that expressions give. `plan` shows them for an event; the log names what was left out.",
    "Goodays: whether agents have a Goodays user with their Salesforce address, and whether `goodays.places` are right.",
    "Goodays: whether the webhook leads here with our secret. Goodays' staff set it; the first event proves it.",
];

fn render(finding: &Finding) -> String {
    if finding.severity == Severity::Ok {
        return format!("ok: {}\n", finding.message);
    }
    if let Some(shown) = &finding.shown {
        return format!("{}\n\n", shown.render());
    }
    let level = if finding.severity == Severity::Error { "error" } else { "warning" };
    let mut text = format!("{level}[{}]: {}\n", finding.code, finding.message);
    if let Some(help) = &finding.help {
        let _ = writeln!(text, "  = help: {help}");
    }
    text.push('\n');
    text
}

fn indented(text: &str) -> String {
    text.split_inclusive('\n')
        .map(|line| if line.trim().is_empty() { "\n".to_owned() } else { format!("  {line}") })
        .collect()
}

pub fn counted(count: usize, what: &str) -> String {
    match count {
        0 => format!("no {what}s"),
        1 => format!("1 {what}"),
        many => format!("{many} {what}s"),
    }
}
