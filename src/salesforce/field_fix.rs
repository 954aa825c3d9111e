//! Changes that make a refused record acceptable.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::comment::{clean_text, cut_at_units, units};

/// One change that may make a refused record acceptable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum FieldFix {
    /// `field` is an API name, a label if Salesforce gave only that, or the external id field of a relation.
    Drop {
        field: String,
        code: String,
    },
    Shorten {
        field: String,
        max: Option<usize>,
    },
    /// A restricted picklist that tells an action's outcome gets the outcome's code instead of a text.
    AsCode {
        field: String,
    },
    /// Removes control characters from all texts, and replaces what is not in the basic multilingual plane.
    StripControl,
    /// Writes at most this many comments in one transaction, and the rest in the next ones.
    Fewer {
        comments: usize,
    },
}

impl FieldFix {
    /// Applies the fix to the fields of a record. False if it changes nothing.
    pub(super) fn apply_to(&self, fields: &mut Map<String, Value>) -> bool {
        match self {
            Self::Drop { field, .. } => drop_field(fields, field),
            Self::Shorten { field, max } => {
                let key = fields.keys().find(|k| is_named(k, field)).cloned();
                let Some(Value::String(text)) = key.and_then(|k| fields.get_mut(&k)) else {
                    return false;
                };
                shorten(text, *max)
            }
            // The planner applies these.
            Self::Fewer { .. } | Self::AsCode { .. } => false,
            Self::StripControl => {
                let mut changed = false;
                for value in fields.values_mut() {
                    if let Value::String(text) = value {
                        let clean = clean_text(text);
                        changed |= clean != *text;
                        *text = clean;
                    }
                }
                changed
            }
        }
    }
}

/// Drops the field, or the relation that is looked up by it (`Store__r: {Partner_Id__c: …}`).
fn drop_field(fields: &mut Map<String, Value>, field: &str) -> bool {
    let before = fields.len();
    fields.retain(|key, value| {
        let inside = |o: &Map<String, Value>| o.keys().any(|k| is_named(k, field));
        !is_named(key, field) && !value.as_object().is_some_and(inside)
    });
    fields.len() < before
}

/// Compares with a name, or with a label that differs from the name only in spaces (`Comment Body`).
fn is_named(key: &str, field: &str) -> bool {
    key.eq_ignore_ascii_case(field) || key.eq_ignore_ascii_case(&field.replace(' ', ""))
}

/// Cuts to the stated length. If the text is not longer than that, Salesforce counts differently: cuts off a tenth.
fn shorten(text: &mut String, max: Option<usize>) -> bool {
    let length = units(text);
    let target = max.filter(|max| *max < length).unwrap_or(length * 9 / 10);
    if target >= length {
        return false;
    }
    text.truncate(cut_at_units(text, target));
    true
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fixes_change_the_node_or_say_that_nothing_changed() {
        let all =
            json!({"Subject": "äöü", "Store__r": {"Partner_Id__c": "1"}, "OwnerId": "x", "T": "a\u{1}b"});
        let mut fields = all.as_object().unwrap().clone();
        let fix = |field: &str| FieldFix::Drop { field: field.into(), code: String::new() };
        let short = |max| FieldFix::Shorten { field: "subject".into(), max };
        let table = [
            (fix("Partner_Id__c"), true),
            (fix("Partner_Id__c"), false),
            (fix("ownerid"), true),
            (fix("ContactId"), false),
            (FieldFix::StripControl, true),
            (FieldFix::StripControl, false),
            (short(Some(2)), true),
            (short(Some(2)), true),
        ];
        for (fix, changed) in table {
            assert_eq!(fix.apply_to(&mut fields), changed, "{fix:?}");
        }
        assert_eq!(Value::Object(fields), json!({"Subject": "ä", "T": "ab"}));
    }
}
