//! Reads from a body only what the webhook listener needs.
//!
//! The whole body is parsed by the same rules as a full tree, so any body that cannot be read later is refused at once;
//! but only the needed values are kept. The maximum size of an event is decided here, too.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use crate::json;

/// Maximum number of values (lists and objects included) of an event. Real events have some hundreds.
pub const MAX_VALUES: usize = 100_000;
/// Maximum number of messages of an event.
pub const MAX_MESSAGES: u64 = 2_000;

/// Reads `event_type`, `response.id` and the number of attached messages. All else is left out. A value is `null` if it
/// is not the expected object or scalar.
///
/// It fails exactly if parsing the whole body fails. Lone surrogates are replaced, as in [`json::read`].
pub fn outline(body: &str) -> serde_json::Result<Value> {
    let body = body.strip_prefix('\u{feff}').unwrap_or(body);
    let read = |body: &str| serde_json::from_str::<Outline>(body).map(|outline| outline.0);
    read(body).or_else(|error| match json::mended(body.as_bytes()).map(String::from_utf8) {
        Some(Ok(mended)) => read(&mended),
        _ => Err(error),
    })
}

/// Why a readable event is parked instead of processed, as text for humans.
pub fn excess(body: &str, outlined: &Value) -> Option<String> {
    let messages = outlined.get("response").and_then(|r| r.get(MESSAGES)).and_then(Value::as_u64);
    if messages.is_some_and(|count| count > MAX_MESSAGES) {
        return Some(format!("the event holds more than {MAX_MESSAGES} messages"));
    }
    let many = body.len() > MAX_VALUES && json::values(body.as_bytes()) > MAX_VALUES;
    many.then(|| format!("the event holds more than {MAX_VALUES} values"))
}

/// The body's keys that are kept.
const BODY: &[&str] = &["event_type", "response"];
/// The response's keys that are kept.
const RESPONSE: &[&str] = &["id", MESSAGES];
/// Only the number of its items is kept.
const MESSAGES: &str = "attached_messages";

struct Outline(Value);

impl<'de> Deserialize<'de> for Outline {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Parts(BODY)).map(Self)
    }
}

/// The kept keys of `response`.
struct ResponseId(Value);

impl<'de> Deserialize<'de> for ResponseId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Parts(RESPONSE)).map(Self)
    }
}

/// Skips a value, but checks it like a full parse. `IgnoredAny` would accept numbers out of range, lone surrogates and
/// any depth.
struct Skipped;

impl<'de> Deserialize<'de> for Skipped {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Parts(&[])).map(|_| Self)
    }
}

/// A text, number or boolean. A list or an object becomes `null`.
struct Plain(Value);

impl<'de> Deserialize<'de> for Plain {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PlainVisitor).map(Self)
    }
}

struct PlainVisitor;

impl<'de> Visitor<'de> for PlainVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Value, A::Error> {
        Parts(&[]).visit_seq(seq)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Value, A::Error> {
        Parts(&[]).visit_map(map).map(|_| Value::Null)
    }
}

/// The number of items of a list; 0 for anything else.
struct Items(u64);

impl<'de> Deserialize<'de> for Items {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Counter).map(Self)
    }
}

struct Counter;

impl<'de> Visitor<'de> for Counter {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<u64, E> {
        Ok(0)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<u64, E> {
        Ok(0)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<u64, E> {
        Ok(0)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<u64, E> {
        Ok(0)
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<u64, E> {
        Ok(0)
    }

    fn visit_unit<E: Error>(self) -> Result<u64, E> {
        Ok(0)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<u64, A::Error> {
        let mut count = 0;
        while seq.next_element::<Skipped>()?.is_some() {
            count += 1;
        }
        Ok(count)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<u64, A::Error> {
        Parts(&[]).visit_map(map).map(|_| 0)
    }
}

/// Reads the given keys of an object; `null` for anything else.
struct Parts(&'static [&'static str]);

impl<'de> Visitor<'de> for Parts {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        while seq.next_element::<Skipped>()?.is_some() {}
        Ok(Value::Null)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut kept = serde_json::Map::new();
        while let Some(Name(name)) = map.next_key_seed(Names(self.0))? {
            // The last duplicate of a key counts, as in a full parse.
            match name {
                None => {
                    map.next_value::<Skipped>()?;
                }
                Some("response") => drop(kept.insert("response".into(), map.next_value::<ResponseId>()?.0)),
                Some(MESSAGES) => drop(kept.insert(MESSAGES.into(), map.next_value::<Items>()?.0.into())),
                Some(name) => drop(kept.insert(name.into(), map.next_value::<Plain>()?.0)),
            }
        }
        Ok(Value::Object(kept))
    }
}

/// A key to keep, or none for other keys.
struct Name(Option<&'static str>);

/// The keys to look for.
struct Names(&'static [&'static str]);

impl<'de> serde::de::DeserializeSeed<'de> for Names {
    type Value = Name;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Name, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Names {
    type Value = Name;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Name, E> {
        Ok(Name(self.0.iter().find(|kept| **kept == name).copied()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::goodays::event::peek_response_id;

    const EVENTS: [&str; 3] = [
        include_str!("../../tests/fixtures/goodays/message_second_customer_turn.json"),
        include_str!("../../tests/fixtures/goodays/response.json"),
        include_str!("../../tests/fixtures/goodays/delegated_malformed_urls.json"),
    ];

    /// Event name and response id are the same after a full parse and after a outline.
    fn same(body: &str) {
        let (tree, outlined) = (json::read(body.as_bytes()), outline(body));
        let told = |read: serde_json::Result<Value>| {
            read.map_err(|error| error.to_string()).map(|value| {
                let event = value.get("event_type").and_then(Value::as_str).map(str::to_owned);
                (event, peek_response_id(&value).map_err(|why| why.to_string()))
            })
        };
        assert_eq!(told(outlined), told(tree), "{body}");
    }

    #[test]
    fn odd_bodies_are_read_and_refused_as_a_tree_is() {
        let deep = |depth: usize| format!(r#"{{"x":{}1{}}}"#, "[".repeat(depth), "]".repeat(depth));
        let bodies = [
            r#"{"response":{"id":"a"},"response":{"id":"b"}}"#,
            r#"{"response":{"id":"a"},"response":null}"#,
            r#"{"response":{"id":"a","id":7}}"#,
            r#"{"response":{"id":1e3}}"#,
            r#"{"response":{"id":[1,{"id":2}]},"event_type":["message"]}"#,
            r#"{"x":1e999,"response":{"id":"a"}}"#,
            r#"{"x":"\ud83d","response":{"id":"a"}}"#,
            r#"{"\ud83d":1,"response":{"id":"a"}}"#,
            r#"{"res\u0070onse":{"i\u0064":"a"},"event_type":"\ud83d\ude00"}"#,
            r#"{"response":{"id":"a"}} x"#,
            r#"{"response":{"id":"a"}"#,
            r#"{"response":{"id":"a"},}"#,
            r#"{"response":{"id":"a"},"x":01}"#,
            r#"{"response":{"id":"a"},"x":-}"#,
            "{\"response\":{\"id\":\"a\"},\"x\":\"\n\"}",
            "\u{feff}{}",
            r#"[{"response":{"id":"a"}}]"#,
            r#""text""#,
            "12345678901234567890123",
            "",
        ];
        bodies.into_iter().chain(EVENTS).for_each(same);
        [125, 126, 127, 128, 200].into_iter().map(deep).for_each(|body| same(&body));
    }

    #[test]
    fn c10_what_is_too_much_is_counted_and_nothing_of_it_is_kept() {
        let messages = |count: usize| {
            let all = vec![r#"{"id":1}"#; count].join(",");
            format!(r#"{{"response":{{"id":"r","attached_messages":[{all}]}}}}"#)
        };
        let odd = |name: &str| {
            let lists = "[0],".repeat(200_000);
            format!(r#"{{"event_type":"x","response":{{"id":"r"}},"{name}":[{lists}0]}}"#)
        };
        let told = |body: &str| excess(body, &outline(body).unwrap());
        assert_eq!(told(&messages(2_000)), None);
        assert_eq!(told(&messages(2_001)).unwrap(), "the event holds more than 2000 messages");
        assert_eq!(told(&messages(250_000)).unwrap(), "the event holds more than 2000 messages");
        for name in ["x", "event_type", "id"] {
            let body = odd(name);
            let outlined = outline(&body).unwrap();
            assert!(outlined.to_string().len() < 100, "{outlined}");
            assert_eq!(told(&body).unwrap(), "the event holds more than 100000 values");
        }
        let text = format!(r#"{{"response":{{"id":"r","x":"{}"}}}}"#, ",".repeat(1 << 20));
        assert_eq!(told(&text), None, "a long text is one value");
    }

    proptest! {
        #[test]
        fn an_outline_tells_what_a_tree_tells(
            which in 0..3usize,
            edits in prop::collection::vec((any::<prop::sample::Index>(), 0..12usize), 0..4)
        ) {
            const PIECES: [&str; 12] =
                ["\"", "{", "}", "[", "]", ",", ":", "null", "1e400", "\\ud800", "\"id\":", "\"response\":"];
            let mut body: Vec<char> = EVENTS[which].chars().collect();
            for (place, piece) in edits {
                let at = place.index(body.len());
                body.splice(at..=at, PIECES[piece].chars());
            }
            same(&body.into_iter().collect::<String>());
        }
    }
}
