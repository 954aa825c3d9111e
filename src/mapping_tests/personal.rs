//! Replaces personal details of an event, so that it can be kept as a test.
//!
//! Kept is what a list names: words of Goodays, of the survey and of the shop, dates, numbers. Every other text is
//! replaced, so a key that nobody thought of is replaced, too. Equal texts get equal replacements: who wrote a message
//! can still be told.

use std::collections::HashMap;

use serde_json::{Map, Value};

const FIRST_NAMES: [&str; 6] = ["Alex", "Robin", "Camille", "Sam", "Charlie", "Dominique"];
const LAST_NAMES: [&str; 6] = ["Example", "Sample", "Specimen", "Instance", "Model", "Pattern"];

/// Objects that describe the brand, not a person.
const BRANDS_OWN: [&str; 4] = ["survey", "question", "place", "delegated_to"];
/// Objects that describe a person.
const PERSONS: [&str; 3] = ["user", "sender", "context"];
/// Texts that are words of Goodays' API.
const WORDS: [&str; 4] = ["event_type", "type", "source", "state"];
/// Question types whose answers are chosen, not written.
const CHOSEN: [&str; 7] = ["stars", "yesno", "choices", "nps", "emoji", "multiple_answers", "csat"];

/// The event with personal details replaced.
pub fn without(event: &Value) -> Value {
    Replacer::default().value(event, "", false)
}

#[derive(Default)]
struct Replacer {
    /// Replacements by their kind and the lower-case original.
    known: HashMap<(&'static str, String), String>,
    counts: HashMap<&'static str, usize>,
}

impl Replacer {
    /// `key`: the key of the value. `person`: it is part of a person's description.
    fn value(&mut self, value: &Value, key: &str, person: bool) -> Value {
        match value {
            Value::Object(entries) if key == "actions" => Self::actions(entries),
            Value::Object(entries) => self.object(entries, key, person),
            Value::Array(items) => items.iter().map(|item| self.value(item, key, person)).collect(),
            Value::String(text) => Value::String(self.text(text, key, person)),
            Value::Number(_) if person => Value::String(self.replacement("text", &value.to_string())),
            other => other.clone(),
        }
    }

    fn object(&mut self, entries: &Map<String, Value>, key: &str, person: bool) -> Value {
        if BRANDS_OWN.contains(&key) {
            return Value::Object(entries.clone());
        }
        let person = person || PERSONS.contains(&key);
        let question =
            entries.get("question").and_then(|question| question.get("type")).and_then(Value::as_str);
        let chosen = question.is_some_and(|kind| CHOSEN.contains(&kind));
        let entries = entries.iter().map(|(name, value)| {
            let kept = name == "value" && chosen;
            let value = if kept { value.clone() } else { self.value(value, name, person) };
            (name.clone(), value)
        });
        Value::Object(entries.collect())
    }

    /// What Goodays allows now: the verbs are kept, their addresses hold the response's id.
    fn actions(entries: &Map<String, Value>) -> Value {
        let address = |verb: &String| format!("https://api.goodays.example/v2/responses/example/{verb}");
        Value::Object(entries.keys().map(|verb| (verb.clone(), Value::String(address(verb)))).collect())
    }

    fn text(&mut self, text: &str, key: &str, person: bool) -> String {
        if text.trim().is_empty() || (!person && (WORDS.contains(&key) || is_date(key, text))) {
            return text.to_owned();
        }
        let kind = match key {
            "first_name" => "first",
            "last_name" => "last",
            "id" | "thread" => "id",
            "phone" => "phone",
            "attachment" => "attachment",
            "content" => "content",
            "email" => "mail",
            _ if text.contains('@') => "mail",
            _ if person && is_date("_date", text) => return "2020-01-28".to_owned(),
            _ => "text",
        };
        self.replacement(kind, text)
    }

    fn replacement(&mut self, kind: &'static str, text: &str) -> String {
        if let Some(known) = self.known.get(&(kind, text.to_lowercase())) {
            return known.clone();
        }
        let count = self.counts.entry(kind).or_default();
        let (index, number) = (*count, *count + 1);
        *count = number;
        let made = match kind {
            "first" => FIRST_NAMES[index % FIRST_NAMES.len()].to_owned(),
            "last" => LAST_NAMES[index % LAST_NAMES.len()].to_owned(),
            "mail" => format!("person{number}@example.com"),
            "phone" => format!("+33 1 99 00 00 {number:02}"),
            "id" => format!("ExampleId{number}"),
            "attachment" => format!("https://files.example/attachment{number}.jpg"),
            "content" => format!("Text {number} of the conversation."),
            _ => format!("text {number}"),
        };
        self.known.insert((kind, text.to_lowercase()), made.clone());
        made
    }
}

/// Whether a value under this key is a date, with or without a time.
fn is_date(key: &str, text: &str) -> bool {
    let day = text.get(..10).unwrap_or_default();
    key.ends_with("_date") && day.parse::<jiff::civil::Date>().is_ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_text_that_no_list_names_is_replaced() {
        let event = json!({
            "event_type": "message",
            "response": {
                "id": "PLANTED1", "created_date": "2020-02-05T10:20:39+01:00", "source": "email",
                "answers": [
                    { "id": "a", "value": "Yes", "question": { "type": "yesno", "title": "Again?" } },
                    { "id": "b", "value": "PLANTED words", "question": { "type": "text" } },
                ],
                "message": {
                    "id": "m1", "type": "Problem", "content": "PLANTED\nwords",
                    "sender": { "email": "planted@shop.example", "first_name": "PLANTED" },
                },
                "user": { "email": "Planted@shop.example", "first_name": "Planted" },
                "context": { "phone": "0611223344", "birth_date": "1970-05-23", "extra": { "card": 611_223_344 } },
                "place": { "name": "Lyon", "partner_id": "1234" },
                "actions": { "reply": "https://api.goodays.co/v2/responses/PLANTED1/reply" },
                "something_new": ["PLANTED"],
            },
        });
        let kept = without(&event);
        let text = kept.to_string();
        for gone in ["planted", "11223344", "1970"] {
            assert!(!text.to_lowercase().contains(gone), "{gone} is in {text}");
        }
        for stays in ["Yes", "Again?", "Problem", "Lyon", "1234", "2020-02-05T10:20:39+01:00", "\"reply\""] {
            assert!(text.contains(stays), "{stays} is missing in {text}");
        }
        let response = &kept["response"];
        assert_eq!(
            response["message"]["sender"]["email"], response["user"]["email"],
            "equal texts stay equal"
        );
        assert_eq!(response["user"]["first_name"], "Alex");
    }
}
