//! Finds the field that a refusal names: by API name, or by label at a known position of the message (Salesforce
//! reference, 2.4). Pure functions.

use serde_json::{Map, Value};

use super::describe::Describe;
use super::graph::NodeError;
use super::problem::is_a_name;
use crate::http::Problem;

/// Adds the fields that Salesforce names only by label: the message begins or ends with the label of a sent field, or
/// contains a label of several words.
#[must_use]
pub fn with_labels(error: &NodeError, describe: &Describe) -> NodeError {
    let mut error = error.clone();
    let message = error.problem.message.as_str();
    let wrapped = error.problem.code.starts_with("CANNOT_") || is_of_a_rule(&error.problem.code, message);
    if !error.problem.fields.is_empty() || wrapped || !is_described(&error, describe) {
        return error;
    }
    let is_at = |label: &str| {
        message.split_once(':').is_some_and(|(first, _)| first.trim() == label)
            || message.rsplit_once(':').is_some_and(|(_, last)| last.trim() == label)
            || (label.contains(' ') && message.contains(label))
    };
    let field = |sent: &String| describe.field(sent).or_else(|| describe.relation(sent));
    let named = error.sent.iter().filter_map(field).filter(|f| !f.label.is_empty() && is_at(&f.label));
    let named: Vec<String> = named.map(|f| f.name.clone()).collect();
    error.problem.fields = named;
    error
}

fn is_described(error: &NodeError, describe: &Describe) -> bool {
    error.object.as_deref().is_none_or(|object| object.eq_ignore_ascii_case(&describe.object))
}

/// Whether it is from a validation rule, a trigger's `addError` or a required field, also inside a trigger's error.
pub fn is_of_a_rule(code: &str, message: &str) -> bool {
    const RULES: [&str; 2] = ["FIELD_CUSTOM_VALIDATION_EXCEPTION", "REQUIRED_FIELD_MISSING"];
    RULES.iter().any(|rule| code == *rule || message.contains(rule))
}

/// The API names of sent fields that are words of the message. A plain word like `Status` can be in any sentence, so
/// those do not count. Otherwise the label at the start (`Owner ID: …`) or the end (`…list of valid states.: Mailing
/// State`), if it matches the name of a sent field.
pub fn sent_fields(error: &NodeError) -> Vec<String> {
    let message = error.problem.message.as_str();
    let words: Vec<&str> = message.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
    let named = error.sent.iter().filter(|field| is_no_plain_word(field) && words.contains(&field.as_str()));
    let named: Vec<String> = named.cloned().collect();
    if !named.is_empty() {
        return named;
    }
    let label = |text: &str| Some(text.trim().to_owned()).filter(|l| is_a_name(l));
    let first = message.split_once(':').and_then(|(first, _)| label(first));
    let last = message.rsplit_once(':').and_then(|(_, last)| label(last));
    let id = id_label(message).filter(|id| error.sent.contains(id));
    id.or_else(|| [first, last].into_iter().flatten().find(|l| error.sent.iter().any(|s| is_label_of(l, s))))
        .into_iter()
        .collect()
}

fn is_no_plain_word(name: &str) -> bool {
    name.contains('_') || name.chars().skip(1).any(char::is_uppercase)
}

/// Whether the label matches the name: labels of standard fields are their names as words.
fn is_label_of(label: &str, field: &str) -> bool {
    let plain = |t: &str| t.replace([' ', '_'], "").to_ascii_lowercase();
    let bare = field.trim_end_matches("__c");
    plain(label) == plain(bare)
}

/// An unknown column and a relation without a match have the same code (Salesforce reference, 2.2).
pub fn no_such_field(error: &NodeError) -> Vec<String> {
    let message = &error.problem.message;
    let one = if message.starts_with("Foreign key external ID") {
        // The value comes before it and may contain anything, so the last match counts.
        message.rsplit_once("for field ").and_then(|(_, rest)| rest.split_once(" in entity")).map(|(f, _)| f)
    } else {
        between(message, "No such column '", "'")
    };
    one.map_or_else(|| named_fields(error), |field| vec![field.to_owned()])
}

pub fn named_fields(error: &NodeError) -> Vec<String> {
    error.problem.fields.clone()
}

/// `Subject: data value too large: …`: the text before the first colon is a name or a label.
pub fn or_label(fields: Vec<String>, message: &str) -> Vec<String> {
    if !fields.is_empty() {
        return fields;
    }
    let label = message.split_once(':').map(|(label, _)| label.trim());
    label.filter(|l| is_a_name(l)).map(str::to_owned).into_iter().collect()
}

/// `Record Type ID: this ID value isn't valid for the user: …` is `RecordTypeId`.
pub fn id_label(message: &str) -> Option<String> {
    let label = message.split_once(" ID:").map(|(label, _)| label)?;
    let plain = label.chars().all(|c| c.is_ascii_alphanumeric() || c == ' ') && label.len() <= 40;
    plain.then(|| format!("{}Id", label.replace(' ', "")))
}

/// The sent fields whose value the message quotes. Salesforce names no field when it cannot read a value: "Cannot deserialize
/// instance of datetime from VALUE_STRING value 2046-04-05 17:00 or request may be missing a required field at [line:1, ...]".
pub(super) fn fields_of_value(problem: &Problem, sent: &Map<String, Value>) -> Vec<String> {
    let message = problem.message.as_str();
    let Some((_, rest)) = message.split_once(" value ").filter(|_| problem.code == "JSON_PARSER_ERROR")
    else {
        return Vec::new();
    };
    let end = [" or request may be", " at [line"].iter().filter_map(|after| rest.find(after)).min();
    let Some(quoted) = end.map(|end| rest[..end].trim()) else { return Vec::new() };
    let is_quoted = |value: &Value| match value {
        Value::String(text) => text.split_whitespace().eq(quoted.split_whitespace()),
        Value::Number(number) => number.to_string().as_str() == quoted,
        Value::Bool(value) => quoted == if *value { "true" } else { "false" },
        _ => false,
    };
    sent.iter().filter(|(_, value)| is_quoted(value)).map(|(name, _)| name.clone()).collect()
}

pub fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(before)?;
    rest.split_once(after).map(|(inner, _)| inner)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_value_that_salesforce_cannot_read_names_its_field() {
        let sent = json!({"Due__c": "2046-04-05 17:00:00", "Subject": "2046", "N__c": 7, "B__c": true});
        let of = |code: &str, message: &str| {
            fields_of_value(&Problem::new(code, message), sent.as_object().unwrap())
        };
        let parser = |value: &str| {
            let message = format!(
                "Cannot deserialize instance of datetime from VALUE_STRING value {value} or request may be missing a \
                 required field at [line:1, column:123]"
            );
            of("JSON_PARSER_ERROR", &message)
        };
        assert_eq!(parser("2046-04-05 17:00:00"), ["Due__c"]);
        assert_eq!((parser("7"), parser("true")), (vec!["N__c".to_owned()], vec!["B__c".to_owned()]));
        assert_eq!(parser("elsewhere"), Vec::<String>::new());
        assert_eq!(of("JSON_PARSER_ERROR", "unexpected"), Vec::<String>::new());
        assert_eq!(of("REQUIRED_FIELD_MISSING", "the value 7 at [line"), Vec::<String>::new());
    }
}
