//! Fields that the connector itself reads and writes: each has its own. A marker in the key's field would destroy the
//! key, and with it the way from a response to its Case.

use crate::document::diagnostic::{Page, Place};
use crate::mapping::files::actions::ActionMapping;
use crate::mapping::files::case::CaseMapping;

pub const SHARED_FIELD: &str = "M053";

/// A field, what it is for, and where that is written.
struct Use<'a> {
    what: &'static str,
    field: &'a str,
    at: &'a Place,
}

pub fn check(cases: &[CaseMapping], actions: Option<&ActionMapping>, pages: &mut [Page]) {
    for case in cases {
        let [key, marker] = of_case(case);
        report_shared(&marker, &[key], pages);
    }
    let (Some(case), Some(actions)) = (cases.first(), actions) else { return };
    let mut taken = Vec::from(of_case(case));
    for told in of_feedback(actions) {
        report_shared(&told, &taken, pages);
    }
    // `feedback` that writes an agents' field has a code of its own.
    for own in of_agents(actions) {
        report_shared(&own, &taken, pages);
        taken.push(own);
    }
}

fn of_case(case: &CaseMapping) -> [Use<'_>; 2] {
    [
        Use { what: "key", field: &case.key_field, at: &case.at },
        Use { what: "marker", field: &case.marker_field, at: &case.marker_at },
    ]
}

fn of_agents(actions: &ActionMapping) -> impl Iterator<Item = Use<'_>> {
    let named = [
        ("command", &actions.command, &actions.command_at),
        ("approved", &actions.approved, &actions.approved_at),
    ];
    named
        .into_iter()
        .filter_map(|(what, field, at)| Some(Use { what, field: field.as_deref()?, at: at.as_ref()? }))
}

/// Each field once: most outcomes write the same.
fn of_feedback(actions: &ActionMapping) -> Vec<Use<'_>> {
    let mut found: Vec<Use<'_>> = Vec::new();
    for told in actions.feedback.iter().flat_map(|(_, fields)| fields) {
        if found.iter().all(|one| !one.field.eq_ignore_ascii_case(&told.field)) {
            found.push(Use { what: "feedback", field: &told.field, at: &told.template.at });
        }
    }
    found
}

fn report_shared(one: &Use<'_>, taken: &[Use<'_>], pages: &mut [Page]) {
    let Some(other) = taken.iter().find(|other| other.field.eq_ignore_ascii_case(one.field)) else { return };
    let message = format!(
        "`{}` is the field of `{}` already, so `{}` would destroy it",
        one.field, other.what, one.what
    );
    if let Some(page) = pages.iter_mut().find(|page| page.file == one.at.file) {
        page.error_at(SHARED_FIELD, one.at, message).help(format!("give `{}` a field of its own", one.what));
    }
}
