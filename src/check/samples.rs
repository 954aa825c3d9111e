//! Tries the mapping on the account's own samples.

use serde_json::Value;

use super::codes::{NOTHING_CARRIED, SAMPLE_SUFFERS, UNREADABLE_SAMPLE};
use super::render::counted;
use super::report::{Area, Report};
use crate::decide::{Perimeter, PlanContext};
use crate::goodays::event;
use crate::preview::{self, Ledger, Preview};

/// `samples`: `(name, body)` of each. The check uses the org's fields and the perimeter.
pub fn check(context: &PlanContext<'_>, samples: &[(String, Value)], report: &mut Report) {
    let (readable, strange): (Vec<_>, Vec<_>) =
        samples.iter().partition(|(_, body)| event::read(body).is_ok());
    for (name, body) in strange {
        let why = event::read(body).err().map(|why| why.to_string()).unwrap_or_default();
        report
            .warn(
                Area::Goodays,
                UNREADABLE_SAMPLE,
                format!("Goodays' own sample `{name}` is no event that can be read: {why}"),
            )
            .help("such events would be parked: ask Goodays' staff what they send");
    }
    if readable.is_empty() {
        return;
    }
    values(context, &readable, report);
    carried(context, &readable, report);
}

/// Reports values that do not arrive as the rules say, with no perimeter applied.
fn values(context: &PlanContext<'_>, samples: &[&(String, Value)], report: &mut Report) {
    let everything = PlanContext { perimeter: &Perimeter::default(), ..*context };
    let mut shown: Vec<String> = Vec::new();
    for (name, body) in samples {
        for one in preview::with(&everything, &Ledger::default(), body).not_as_said() {
            let line = format!("{}: {}", one.field, one.why);
            if one.is_missing_field() || shown.contains(&line) || is_reported(report, &one.field) {
                continue; // said already, at its place
            }
            let found = report.warn(
                Area::Salesforce,
                SAMPLE_SUFFERS,
                format!("on Goodays' own sample `{name}`, {line}"),
            );
            found.help("see `goodays-salesforce samples` and `plan`, and mend the rule or the field");
            found.at.clone_from(&one.at);
            shown.push(line);
        }
    }
    if shown.is_empty() {
        let all = counted(samples.len(), "sample");
        report.ok(Area::Salesforce, format!("the mappings hold on {all} of Goodays"));
    }
}

fn is_reported(report: &Report, field: &str) -> bool {
    let is = |subject: &str| subject.split('.').any(|part| part == field);
    report.findings.iter().any(|one| one.subject.as_deref().is_some_and(is))
}

/// Reports which samples become Cases: perimeter and `when` decide.
fn carried(context: &PlanContext<'_>, samples: &[&(String, Value)], report: &mut Report) {
    let previews: Vec<(&str, Preview)> = samples
        .iter()
        .map(|(name, body)| (name.as_str(), preview::with(context, &Ledger::default(), body)))
        .collect();
    let cases: Vec<&str> =
        previews.iter().filter(|(_, one)| one.nothing.is_none()).map(|(name, _)| *name).collect();
    let mut left: Vec<(String, Vec<&str>)> = Vec::new();
    for (name, one) in &previews {
        let Some(why) = &one.nothing else { continue };
        match left.iter_mut().find(|(known, _)| known == why) {
            Some((_, names)) => names.push(name),
            None => left.push((why.clone(), vec![name])),
        }
    }
    let left: Vec<String> =
        left.iter().map(|(why, names)| format!("{} left alone: {why}", names.join(", "))).collect();
    let all = samples.len();
    if cases.is_empty() {
        report
            .warn(Area::Mapping, NOTHING_CARRIED, format!("none of Goodays' samples becomes a Case; {}", left.join("; ")))
            .help("is that meant? See `when` in case.yaml, and `goodays.perimeter` and `goodays.places` in connector.yaml");
    } else {
        let mut said = vec![format!(
            "{} of {all} samples of Goodays would become Cases: {}",
            cases.len(),
            cases.join(", ")
        )];
        said.extend(left);
        report.ok(Area::Mapping, said.join("; "));
    }
}
