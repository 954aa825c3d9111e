//! Fields and texts that only agents write. If the connector wrote the command, it would press its own button; if an
//! answer were read from what it wrote, customers would get their own words back (design, law 6).

use crate::document::diagnostic::{Page, Place, Severity};
use crate::mapping::files::actions::{Act, ActionMapping, ActionRule};
use crate::mapping::files::case::CaseMapping;

pub const AGENTS_FIELD: &str = "M044";
pub const NO_AGENTS_WORDS: &str = "M045";

pub fn check(cases: &[CaseMapping], actions: &ActionMapping, pages: &mut [Page]) {
    let mut report = |severity, code, at: &Place, message: String, help: &str| {
        if let Some(page) = pages.iter_mut().find(|page| page.file == at.file) {
            let found = page.finding(severity, code, at, message).with_help(help);
            page.found.push(found);
        }
    };
    for (field, at) in written(cases, actions) {
        if let Some(what) = agents_own(actions, field) {
            let message = format!("`{field}` is {what}, which agents alone set: here the connector would");
            report(Severity::Error, AGENTS_FIELD, at, message, "take another field");
        }
    }
    for rule in actions.rules.iter().filter(|rule| rule.act == Act::Answer) {
        let Some(what) = no_agents_words(rule, cases, actions) else { continue };
        // A text for the agent to start from may stand in a field of the Case; a comment has the agent's own text.
        let severity = if rule.on_comment { Severity::Error } else { Severity::Warning };
        let help = if rule.on_comment {
            "for a comment: `content: comment.CommentBody`"
        } else {
            "take a field that agents write, if this one is not a draft for them"
        };
        report(severity, NO_AGENTS_WORDS, &rule.at, what, help);
    }
}

/// What the connector writes on the Case by these files, with the place of each.
fn written<'a>(
    cases: &'a [CaseMapping],
    actions: &'a ActionMapping,
) -> impl Iterator<Item = (&'a str, &'a Place)> {
    let mapped = cases.iter().flat_map(CaseMapping::field_rules);
    let mapped = mapped.filter_map(|field| Some((field.field.as_str(), field.at()?)));
    let told = actions.feedback.iter().flat_map(|(_, fields)| fields);
    // An empty text empties the field, and asks for nothing.
    let told = told.filter(|told| !told.template.is_blank());
    mapped.chain(told.map(|told| (told.field.as_str(), &told.template.at)))
}

fn agents_own(actions: &ActionMapping, field: &str) -> Option<&'static str> {
    let is = |own: &Option<String>| own.as_deref().is_some_and(|own| own.eq_ignore_ascii_case(field));
    if is(&actions.command) {
        return Some("the command");
    }
    is(&actions.approved).then_some("the approval")
}

/// Why the answer's text holds no word of an agent. `None`: it may hold some.
fn no_agents_words(rule: &ActionRule, cases: &[CaseMapping], actions: &ActionMapping) -> Option<String> {
    let content = rule.content.as_ref()?;
    if content.reads("comment") {
        return None;
    }
    // A button may well send a fixed text.
    if rule.on_comment && !content.reads("case") {
        return Some("`content` reads nothing: every customer would get the same text".to_owned());
    }
    let fields = content.paths("case");
    let ours = |field: &String| written(cases, actions).any(|(ours, _)| ours.eq_ignore_ascii_case(field));
    let first = fields.first().filter(|_| fields.iter().all(ours))?;
    Some(format!("`content` is `{first}`, which the connector fills: it is no agent's answer"))
}
