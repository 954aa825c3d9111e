//! Record types and owners that a mapping names: does each exist?

use super::codes::UNKNOWN_RECORD;
use super::fields::Look;
use super::objects::Listed;
use super::report::Report;
use super::values::{produced, some};
use crate::document::diagnostic::nearest;
use crate::mapping::{FieldRules, Severity};

pub fn check(look: &Look<'_>, rule: &FieldRules, listed: &Listed, report: &mut Report) {
    let (full, what) = (rule.full_name(), listed.lookup.what);
    let Some(names) = &listed.names else {
        let location = look.rule_location(rule);
        let message = format!("`{full}` finds nothing: the integration user may not list what it names");
        let help = "give the user's permission set the right to read them, or map the field by its id";
        look.report(Severity::Error, UNKNOWN_RECORD, location.as_ref(), message, help, report).about(full);
        return;
    };
    // The result of an expression is known only at run time. `plan` and the log report it then.
    for name in produced(rule).into_iter().filter_map(serde_json::Value::as_str) {
        if names.iter().any(|known| known == name) {
            continue;
        }
        let location = look.files.value_of(look.file, &full, name);
        let message = format!("the org has no {what} called `{name}`; the Case would be made without it");
        let help = match nearest(name, names.iter().map(String::as_str)) {
            Some(near) => format!("did you mean `{near}`?"),
            None if names.is_empty() => "there is none at all: make one, or remove the rule".to_owned(),
            None => format!("the org has {}", some(names)),
        };
        look.report(Severity::Error, UNKNOWN_RECORD, location.as_ref(), message, &help, report)
            .about(full.as_str());
    }
}
