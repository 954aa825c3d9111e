//! Which fields of a Case are written now, and in which form (design, 2.3): the mapping's values, fitted to the field.
//! A value that an agent may have changed is kept.

use serde_json::{Map, Value, json};

use crate::decide::inbound::snapshot::Snapshot;
use crate::decide::inbound::{COMMENT_BYTES, MAX_COMMENTS, Planner};
use crate::decide::{Feedback, Report, hash64};
use crate::mapping::{Facts, Moment, On, Rendered, Told};
use crate::salesforce::describe::{Describe, Fitted, Purpose, fit_for};
use crate::salesforce::field_fix::FieldFix;
use crate::salesforce::query::{clean_text, cut_at_units, units};

/// The minimum size of a part (bytes): its number and some text.
const SHORTEST_PART: usize = 200;

impl Planner<'_> {
    pub(super) fn case_fields(
        &mut self,
        view: &Snapshot<'_>,
        facts: &Facts,
        moment: Moment,
    ) -> Map<String, Value> {
        let mut fields = Map::new();
        let Some(mapping) = self.mapping(facts) else { return fields };
        let sure = self.input.link.is_some();
        let purpose = if moment.create { Purpose::Create } else { Purpose::Update };
        for rendered in mapping.fields(facts, moment) {
            if rendered.field == mapping.key_field || rendered.field == mapping.marker_field {
                continue;
            }
            let wanted = self.wanted(&rendered, view, moment, sure);
            if !wanted {
                continue;
            }
            match self.value(&rendered, self.context.case, purpose) {
                Some((field, value)) => {
                    let (field, value) = self.by_id(&field, value);
                    fields.insert(field, value);
                }
                // What was not written is not what was last written: the value of before must not look new when it comes
                // again, since an agent may have corrected it.
                None if !moment.create => drop(self.plan.link_update.fields.remove(&rendered.field)),
                None if self.is_not_shown(&rendered.field) => self.nothing_was_written(&rendered.field),
                None => {}
            }
        }
        fields.retain(|_, value| !value.is_object() || !value.as_object().is_some_and(Map::is_empty));
        fields
    }

    /// Whether the org's description does not name this field of the Case: it is not there, or hidden from us.
    fn is_not_shown(&self, field: &str) -> bool {
        self.context.case.is_some_and(|case| case.field(field).is_none() && case.relation(field).is_none())
    }

    /// The new Case is without this field, as if Goodays had sent no value: once the org shows the field, the value
    /// is written.
    fn nothing_was_written(&mut self, field: &str) {
        if let Some(hash) = self.plan.link_update.fields.get_mut(field) {
            *hash = hash64("");
        }
    }

    /// Replaces names of record types and owners by ids. A name that the org does not know is left out and reported;
    /// Salesforce's own default applies.
    pub(super) fn by_id(&mut self, field: &str, value: Value) -> (String, Value) {
        if !matches!(field, "RecordType" | "Owner") {
            return (field.to_owned(), value);
        }
        let name =
            value.as_object().and_then(|o| o.values().next()).and_then(Value::as_str).unwrap_or_default();
        if let Some(id) = self.context.names.get(&(field.to_owned(), name.to_owned())) {
            return (format!("{field}Id"), json!(id.as_str()));
        }
        self.report(field, "unknown_name");
        (field.to_owned(), Value::Object(Map::new()))
    }

    /// Whether a field is to be written now; stores the hash of Goodays' value.
    pub(super) fn wanted(
        &mut self,
        rendered: &Rendered,
        view: &Snapshot<'_>,
        moment: Moment,
        sure: bool,
    ) -> bool {
        if rendered.on != On::Always {
            return true;
        }
        if view.stale && !moment.create {
            return false;
        }
        let text = match &rendered.value {
            Ok(Some(value)) => value.to_string(),
            Ok(None) => String::new(),
            Err(_) => return true,
        };
        let hash = hash64(&text);
        let before = self.link().and_then(|l| l.fields.get(&rendered.field)).copied();
        self.plan.link_update.fields.insert(rendered.field.clone(), hash);
        // Not known after loss of state, or newly mapped: an agent may have changed the field.
        moment.create || (sure && before.is_some_and(|b| b != hash))
    }

    /// The field that is written, and the value in its type; `None` when nothing is to be written.
    pub(super) fn value(
        &mut self,
        rendered: &Rendered,
        schema: Option<&Describe>,
        purpose: Purpose,
    ) -> Option<(String, Value)> {
        let value = match &rendered.value {
            Ok(Some(value)) => value.clone(),
            Ok(None) if rendered.clear => Value::Null,
            Ok(None) => return None,
            Err(_) => {
                self.report(&rendered.field, "mapping");
                return None;
            }
        };
        let field = match value {
            Value::Null => emptied(&rendered.field, schema),
            _ => rendered.field.clone(),
        };
        let value = self.fitted(&field, value, schema, purpose)?;
        Some((field, value))
    }

    pub(super) fn fitted(
        &mut self,
        name: &str,
        value: Value,
        schema: Option<&Describe>,
        purpose: Purpose,
    ) -> Option<Value> {
        let value = self.fixed(name, value)?;
        if matches!(name, "RecordType" | "Owner") {
            return Some(value);
        }
        if value.is_object() || name.contains('.') {
            if schema.is_some_and(|s| s.relation(name).is_none()) {
                self.report(name, "unknown_field");
                return None;
            }
            return Some(value);
        }
        let value = match value {
            Value::String(text) => Value::String(self.storable(&text)),
            other => other,
        };
        let Some(schema) = schema else { return Some(value) };
        let Some(field) = schema.field(name) else {
            self.report(name, "unknown_field");
            return None;
        };
        match fit_for(field, &value, purpose) {
            Fitted::Value(value, note) => {
                if let Some(note) = note {
                    self.report(name, note.code);
                }
                Some(value)
            }
            Fitted::Dropped(note) => {
                self.report(name, note.code);
                None
            }
        }
    }

    /// Leaves out or shortens what Salesforce refused before.
    pub(super) fn fixed(&mut self, name: &str, value: Value) -> Option<Value> {
        let mut value = value;
        for fix in self.context.fixes {
            match fix {
                FieldFix::Drop { field, code } if is_named(field, name, &value) => {
                    self.report(name, code);
                    return None;
                }
                FieldFix::Shorten { field, max } if is_named(field, name, &value) => {
                    if let Value::String(text) = &mut value {
                        let keep = max.unwrap_or(units(text) * 9 / 10);
                        text.truncate(cut_at_units(text, keep));
                        self.report(name, "STRING_TOO_LONG");
                    }
                }
                _ => {}
            }
        }
        Some(value)
    }

    /// The longest part of a message (bytes). Which characters Salesforce escapes before it counts is not documented
    /// (Salesforce reference, 6.2): if it refused a part, the parts become shorter, and no text is lost.
    pub(super) fn comment_bytes(&self) -> usize {
        let body = &self.context.mapping.comment().body_field;
        let refused = self.context.fixes.iter().filter_map(|fix| match fix {
            FieldFix::Shorten { field, max } if field.eq_ignore_ascii_case(body) => Some(*max),
            _ => None,
        });
        let limit =
            refused.fold(COMMENT_BYTES, |limit, max| max.map_or(limit * 9 / 10, |max| max.min(limit)));
        limit.max(SHORTEST_PART)
    }

    /// The text without control characters. After Salesforce refused characters of this conversation, also without those
    /// that some orgs cannot store: the words stay.
    pub(super) fn storable(&self, text: &str) -> String {
        let text = clean_text(text);
        if !self.context.fixes.contains(&FieldFix::StripControl) {
            return text;
        }
        let is_rare = |c: char| {
            c > '\u{ffff}'
                || matches!(c, '\u{e000}'..='\u{f8ff}' | '\u{fdd0}'..='\u{fdef}' | '\u{fffe}' | '\u{ffff}')
        };
        text.replace(is_rare, "\u{fffd}")
    }

    /// Comments in one transaction: fewer after the org's limits were exceeded (Salesforce reference, 2.4).
    pub(super) fn most_comments(&self) -> usize {
        let fewer = self.context.fixes.iter().filter_map(|fix| match fix {
            FieldFix::Fewer { comments } => Some(*comments),
            _ => None,
        });
        fewer.fold(MAX_COMMENTS, usize::min)
    }

    pub(super) fn report(&mut self, field: &str, code: &str) {
        let report = Report { field: field.to_owned(), code: code.to_owned() };
        if !self.plan.reports.contains(&report) {
            self.plan.reports.push(report);
        }
    }

    /// A picklist that has the outcome's code gets the code, whose label the org translates; any other field the text.
    fn code_or_text(&self, field: &str, told: Feedback, text: &str) -> Value {
        let code = told.code();
        let values = self.context.case.and_then(|case| case.field(field)).map_or(&[][..], |f| &f.values);
        let has = |value: &str| values.iter().any(|known| known == value);
        // Without a describe, Salesforce's refusal of the text shows that it is a picklist.
        let as_code = FieldFix::AsCode { field: field.to_owned() };
        let is_picklist = has(code) && !has(text) || self.context.fixes.contains(&as_code);
        json!(if is_picklist { code } else { text })
    }

    /// The feedback fields for the agent; the last note wins for each field.
    pub(super) fn note_fields(&mut self, fields: &mut Map<String, Value>) {
        for note in self.input.notes {
            let kept = self.empty_command(note, fields).and(self.reset_approval(note, fields));
            let Some(outcome) = note.told.outcome() else { continue };
            let messages = self.context.messages;
            let (reason, status) =
                (messages.say(&note.reason.clone().and(kept)), messages.say(&note.status(messages)));
            let told = Told { action: &note.action, reason: &reason, code: &note.code, status: &status };
            for rendered in self.context.mapping.actions().feedback(outcome, &told) {
                let value = match &rendered.value {
                    // An empty text clears the field here.
                    Ok(None) => Value::Null,
                    Ok(Some(Value::String(text))) if text.is_empty() => Value::Null,
                    Ok(Some(Value::String(text))) => self.code_or_text(&rendered.field, note.told, text),
                    Ok(Some(value)) => value.clone(),
                    Err(_) => continue,
                };
                if let Some(value) = self.fitted(&rendered.field, value, self.context.case, Purpose::Update) {
                    fields.insert(rendered.field.clone(), value);
                }
            }
        }
    }
}

/// The field that is emptied for this one: a look-up by another object's external id (`Store__r`) is emptied by the field
/// that refers (`Store__c`). The record type and the owner of a Case are never empty.
fn emptied(field: &str, schema: Option<&Describe>) -> String {
    let refers = schema.and_then(|schema| schema.relation(field)).map(|refers| refers.name.clone());
    refers.filter(|_| !matches!(field, "RecordType" | "Owner")).unwrap_or_else(|| field.to_owned())
}

/// Whether the name in Salesforce's error is this field. For a relation it is the field that refers (`Store__c` for
/// `Store__r`, `OwnerId` for `Owner`), or the other object's field if no record has the value.
fn is_named(named: &str, field: &str, value: &Value) -> bool {
    let is = |name: &str| name.eq_ignore_ascii_case(named);
    let field = field.to_ascii_lowercase();
    let refers = match field.strip_suffix("__r") {
        Some(name) => Some(format!("{name}__c")),
        None => value.is_object().then(|| format!("{field}id")),
    };
    is(&field)
        || refers.is_some_and(|name| is(&name))
        || value.as_object().is_some_and(|within| within.keys().any(|name| is(name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_field_is_that_of_exactly_this_name() {
        let (text, store) = (json!("x"), json!({ "Partner_Id__c": "17" }));
        for (named, field, value, expected) in [
            ("Type", "Type", &text, true),
            ("TYPE", "type", &text, true),
            ("Type", "Type__c", &text, false),
            ("Type__c", "Type", &text, false),
            ("Type__c", "Type__c", &text, true),
            ("ContactId", "Contact", &text, false),
            ("ContactId", "ContactId", &text, true),
            ("Contact__c", "ContactId", &text, false),
            ("Store__c", "Store__r", &store, true),
            ("store__c", "Store__R", &store, true),
            ("Store__c", "Store__r", &Value::Null, true),
            ("Store__r", "Store__r", &store, true),
            ("Partner_Id__c", "Store__r", &store, true),
            ("Store", "Store__r", &store, false),
            ("OwnerId", "Owner", &json!({ "Name": "Service" }), true),
            ("Owner__c", "Owner", &json!({ "Name": "Service" }), false),
        ] {
            assert_eq!(is_named(named, field, value), expected, "{named} of {field}");
        }
    }
}
