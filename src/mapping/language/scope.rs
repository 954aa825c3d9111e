//! The names that expressions can read.

use std::collections::BTreeMap;
use std::fmt;

use minijinja::value::Value;
use serde_json::Value as Json;

/// The names in case and comment mappings: `event`, `response`, and through it `answer(...)`.
#[derive(Clone)]
pub struct Facts {
    pub(in crate::mapping) scope: Value,
    event: Value,
    response: Value,
}

/// Shows no contents, as they are customers' texts.
impl fmt::Debug for Facts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Facts").finish_non_exhaustive()
    }
}

impl Facts {
    pub fn new(event: &str, response: &Json) -> Facts {
        let (event, response) = (Value::from(event), to_value(response));
        let scope = scope([("event", event.clone()), ("response", response.clone())]);
        Facts { scope, event, response }
    }

    /// The same with a `message` in scope.
    pub(in crate::mapping) fn with_message(&self, message: &Json) -> Value {
        scope([
            ("event", self.event.clone()),
            ("response", self.response.clone()),
            ("message", to_value(message)),
        ])
    }
}

pub fn scope<const N: usize>(names: [(&'static str, Value); N]) -> Value {
    Value::from_object(BTreeMap::from(names))
}

/// Null becomes undefined: null and absent must behave the same, also inside of `~` and filters. A text of blanks
/// becomes an empty one, which counts as false in `or`.
pub fn to_value(json: &Json) -> Value {
    match json {
        Json::Null => Value::UNDEFINED,
        Json::Bool(value) => Value::from(*value),
        Json::Number(value) => number(value),
        Json::String(value) if value.trim().is_empty() => Value::from(""),
        Json::String(value) => Value::from(value.as_str()),
        Json::Array(items) => Value::from(items.iter().map(to_value).collect::<Vec<_>>()),
        Json::Object(entries) => {
            let entries = entries.iter().map(|(name, value)| (name.clone(), to_value(value)));
            Value::from_object(entries.collect::<BTreeMap<String, Value>>())
        }
    }
}

pub fn number(value: &serde_json::Number) -> Value {
    if let Some(whole) = value.as_i64() {
        Value::from(whole)
    } else if let Some(whole) = value.as_u64() {
        Value::from(whole)
    } else {
        Value::from(value.as_f64().unwrap_or_default())
    }
}
