//! Checks a mapping that is saved while the daemon runs against the org as known then.

use super::codes::{
    BAD_KEY, BAD_MARKER, NO_FIELD, NO_OBJECT, NO_RELATION, NOT_READABLE, READ_ONLY, SPELLED_OTHERWISE,
    WRONG_KIND,
};
use super::objects::{Objects, case_object};
use super::places::MappingFiles;
use super::report::{Area, Finding, Report, Severity};
use super::{actions, fields};
use crate::mapping::{Diagnostic, Mapping};
use crate::salesforce::describe::Describe;

/// The codes that refuse an edit: things that do not exist, that we may not use, or that can never work. Findings about single values never
/// refuse one.
pub const REFUSED_WHEN_SAVED: [&str; 9] = [
    NO_OBJECT,
    NO_FIELD,
    READ_ONLY,
    NO_RELATION,
    NOT_READABLE,
    SPELLED_OTHERWISE,
    BAD_KEY,
    BAD_MARKER,
    WRONG_KIND,
];

/// What `edited` names and the org lacks. What `in_force` names already is left out: the
/// edit is not to blame for it.
pub fn newly_lacking(edited: &Mapping, in_force: &Mapping, org: &[Describe]) -> Vec<Diagnostic> {
    let known = lacking(in_force, org);
    let is_new =
        |one: &&Finding| !known.iter().any(|old| (old.code, &old.message) == (one.code, &one.message));
    lacking(edited, org).iter().filter(is_new).map(diagnostic).collect()
}

fn lacking(mapping: &Mapping, org: &[Describe]) -> Vec<Finding> {
    let (mut objects, mut report) = (Objects::default(), Report::default());
    for describe in org {
        objects.insert(&describe.object, Some(describe.clone()));
    }
    for object in [case_object(mapping), &mapping.comment().object] {
        if objects.get(object).is_none() {
            let message = format!("the integration user can't see the object {object}");
            report.error(Area::Salesforce, NO_OBJECT, message);
        }
    }
    let files = MappingFiles::new(mapping);
    fields::check(mapping, &files, &objects, &mut report);
    actions::check(mapping, &files, &objects, None, &mut report);
    report.findings.retain(|one| one.severity == Severity::Error && REFUSED_WHEN_SAVED.contains(&one.code));
    report.findings
}

fn diagnostic(one: &Finding) -> Diagnostic {
    match &one.shown {
        Some(diagnostic) => diagnostic.clone().with_help(one.help.clone().unwrap_or_default()),
        None => Diagnostic::without_place(one.code, one.message.as_str()),
    }
}
