//! The messages of a conversation: without duplicates, in order, with their authors (Goodays reference, 2.2 and 5.2).

use std::collections::HashMap;
use std::fmt;

use jiff::Timestamp;
use jiff::civil::DateTime;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use unicode_normalization::UnicodeNormalization;

use super::MessageId;
use crate::time::GoodaysTime;

/// Who wrote a message. No field of the payload says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    Customer,
    Brand,
    Unknown,
}

/// One message. `Debug` shows no texts and no names.
#[derive(Clone, PartialEq)]
pub struct Message {
    pub id: MessageId,
    pub at: Option<GoodaysTime>,
    pub kind: Option<String>,
    pub content: String,
    pub attachment: Option<String>,
    pub sender_email: Option<String>,
    pub whose: Whose,
    pub raw: Value,
}

/// The event's own `message`, next to `response`: the new message of a `message` event.
pub(super) struct News {
    pub(super) from_customer: bool,
    pub(super) message: Message,
}

/// Merges the exchange from all places where messages are listed: each message once, in the order in which they were
/// written.
pub(super) fn turns(
    attached: &[Value],
    news: Option<News>,
    first: Option<&Message>,
    reply: Option<&Message>,
    people: &People,
) -> Vec<Message> {
    let answer = reply.filter(|r| !r.is_call());
    let new_from_customer = news.as_ref().filter(|n| n.from_customer).map(|n| n.message.id.clone());
    // `attached_messages` is newest first. Reversed, messages of the same time keep their order.
    let all = answer
        .cloned()
        .into_iter()
        .chain(attached.iter().rev().filter_map(Message::from_value))
        .chain(news.map(|n| n.message));
    let mut turns: Vec<Message> = Vec::new();
    let mut places: HashMap<MessageId, usize> = HashMap::new();
    for message in all {
        let verbatim = first.is_some_and(|f| f.id == message.id);
        let note = reply.is_some_and(|r| r.is_call() && r.id == message.id);
        if verbatim || note {
            continue;
        }
        if let Some(&seen) = places.get(&message.id) {
            turns[seen].complete(message);
        } else {
            places.insert(message.id.clone(), turns.len());
            turns.push(message);
        }
    }
    for turn in &mut turns {
        turn.whose = if reply.is_some_and(|r| r.id == turn.id) {
            Whose::Brand
        } else if new_from_customer.as_ref() == Some(&turn.id) {
            Whose::Customer
        } else {
            people.whose(turn, reply)
        };
    }
    in_order(turns)
}

/// Sorts by time. A message without a time stays behind its predecessor.
fn in_order(turns: Vec<Message>) -> Vec<Message> {
    let mut last = None;
    let mut timed: Vec<(Option<GoodaysTime>, Message)> = turns
        .into_iter()
        .map(|turn| {
            last = turn.at.or(last);
            (last, turn)
        })
        .collect();
    timed.sort_by_key(|(at, _)| *at);
    timed.into_iter().map(|(_, turn)| turn).collect()
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Message");
        shown
            .field("id", &self.id)
            .field("at", &self.at)
            .field("kind", &self.kind)
            .field("whose", &self.whose);
        shown.finish_non_exhaustive()
    }
}

impl Message {
    /// None if the message is empty. A message without an id gets one made from its time and text.
    pub(super) fn from_value(value: &Value) -> Option<Self> {
        let mut object = match value {
            Value::Object(object) => object.clone(),
            Value::String(words) => Map::from_iter([("content".to_owned(), json!(words))]),
            Value::Array(list) if list.len() == 1 => return Self::from_value(&list[0]),
            _ => return None,
        };
        let content = match object.get("content") {
            Some(Value::String(words)) => words.clone(),
            other => other.and_then(|other| flat(other, &["text", "content"])).unwrap_or_default(),
        };
        let attachment = object.get("attachment").and_then(|other| flat(other, &["url", "href", "file"]));
        // Mappings read these two as texts.
        for (name, flat) in [("content", Some(&content)), ("attachment", attachment.as_ref())] {
            if let (Some(value @ (Value::Object(_) | Value::Array(_))), flat) = (object.get_mut(name), flat) {
                *value = json!(flat);
            }
        }
        let created = text(object.get("created_date"));
        let id = text(object.get("id"));
        if id.is_none() && content.trim().is_empty() && attachment.is_none() {
            return None;
        }
        let id = id.unwrap_or_else(|| made_id(created.as_deref(), &content));
        Some(Self {
            id: MessageId::new(id),
            at: created.as_deref().and_then(time),
            kind: text(object.get("type")),
            content,
            attachment,
            sender_email: text(object.get("sender").and_then(|s| s.get("email"))),
            whose: Whose::Unknown,
            raw: Value::Object(object),
        })
    }

    /// Goodays records a phone call as a reply. Its text is a private note.
    pub fn is_call(&self) -> bool {
        self.kind.as_deref().is_some_and(|k| k.eq_ignore_ascii_case("call"))
    }

    /// Fills missing values from another copy of the same message.
    fn complete(&mut self, other: Self) {
        if self.content.trim().is_empty() {
            self.content = other.content;
        }
        self.at = self.at.or(other.at);
        self.attachment = self.attachment.take().or(other.attachment);
        self.sender_email = self.sender_email.take().or(other.sender_email);
        // The copy in `reply` has the type text; in the exchange the type is Message, as for the others.
        if other.kind.is_some() {
            self.kind = other.kind;
        }
    }
}

fn made_id(created: Option<&str>, content: &str) -> String {
    let hash =
        Sha256::new().chain_update(created.unwrap_or_default()).chain_update([0]).chain_update(content);
    format!("h:{}", &hex::encode(hash.finalize())[..32])
}

/// Addresses and names of the customer, used to recognise the customer's messages.
pub(super) struct People {
    pub(super) emails: Vec<String>,
    names: Vec<String>,
}

impl People {
    pub(super) fn of(response: &Map<String, Value>) -> Self {
        let (mut emails, mut names) = (Vec::new(), Vec::new());
        for person in ["user", "context"].iter().filter_map(|key| response.get(*key)) {
            if let Some(email) = text(person.get("email")).map(|e| e.to_lowercase())
                && !emails.contains(&email)
            {
                emails.push(email);
            }
            names.extend(name(person));
        }
        Self { emails, names }
    }

    /// Decides by e-mail address. Decides by name if the addresses are absent, masked, or shared with the person who
    /// replied.
    fn whose(&self, message: &Message, reply: Option<&Message>) -> Whose {
        let sender = message.sender_email.as_deref().map(str::to_lowercase).filter(|e| is_address(e));
        let replier = reply.and_then(|r| r.sender_email.as_deref()).map(str::to_lowercase);
        let shared = replier.as_ref().is_some_and(|r| self.emails.contains(r));
        match sender {
            Some(sender) if !shared && self.emails.contains(&sender) => Whose::Customer,
            Some(sender) if !shared && replier.as_ref() == Some(&sender) => Whose::Brand,
            Some(sender) if !self.emails.contains(&sender) => Whose::Unknown,
            _ => self.by_name(message, reply),
        }
    }

    fn by_name(&self, message: &Message, reply: Option<&Message>) -> Whose {
        let sender = |m: &Message| m.raw.get("sender").and_then(name);
        let Some(name) = sender(message) else { return Whose::Unknown };
        let brand = reply.and_then(sender).is_some_and(|r| r == name);
        match (self.names.contains(&name), brand) {
            (true, false) => Whose::Customer,
            (false, true) => Whose::Brand,
            _ => Whose::Unknown,
        }
    }
}

/// First and last name, normalised for comparison.
fn name(person: &Value) -> Option<String> {
    let part = |key: &str| text(person.get(key)).unwrap_or_default();
    let name = normalised(&format!("{} {}", part("first_name"), part("last_name"))).to_lowercase();
    Some(name).filter(|n| !n.is_empty())
}

/// False for masked addresses (`[email protected]`), which prove nothing.
fn is_address(text: &str) -> bool {
    !text.contains(char::is_whitespace)
        && text.split_once('@').is_some_and(|(user, host)| !user.is_empty() && !host.is_empty())
}

/// A scalar as trimmed text; none if it is blank or not a scalar.
pub(super) fn text(value: Option<&Value>) -> Option<String> {
    let text = match value? {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        Value::Bool(truth) => truth.to_string(),
        _ => return None,
    };
    Some(text).filter(|t| !t.is_empty())
}

/// The text of a value that should be one: of a list all of its parts, of an object the part with one of these names. What has
/// none of them is shown as it is, so that nothing is lost.
fn flat(value: &Value, names: &[&str]) -> Option<String> {
    match value {
        Value::Array(parts) => {
            let parts: Vec<String> = parts.iter().filter_map(|part| flat(part, names)).collect();
            Some(parts.join(" ")).filter(|all| !all.is_empty())
        }
        Value::Object(parts) if !parts.is_empty() => {
            names.iter().find_map(|name| text(parts.get(*name))).or_else(|| Some(value.to_string()))
        }
        other => text(Some(other)),
    }
}

/// The messages of a list, which may also be paged, or one alone (Goodays reference, 4.2).
pub(super) fn listed(value: Option<&Value>) -> &[Value] {
    match value.map(|value| value.get("results").unwrap_or(value)) {
        Some(Value::Array(list)) => list,
        Some(one @ (Value::Object(_) | Value::String(_))) => std::slice::from_ref(one),
        _ => &[],
    }
}

/// Parses ISO 8601 with any number of decimals. Without an offset it is UTC (Goodays reference, 4.4).
pub(super) fn time(text: &str) -> Option<GoodaysTime> {
    let without_offset = || text.parse::<DateTime>().ok()?.to_zoned(jiff::tz::TimeZone::UTC).ok();
    let time: Option<Timestamp> = text.parse().ok().or_else(|| without_offset().map(|z| z.timestamp()));
    time.map(GoodaysTime::from)
}

/// Normalises a text for comparison: decodes entities, NFC, white space to single spaces, trimmed (design, rule 3).
/// Zero-width spaces and control characters are removed, because the connector's Salesforce side adds or removes them.
pub fn normalised(text: &str) -> String {
    let decoded = htmlize::unescape(text);
    let ignored = |c: char| c == '\u{200b}' || (c.is_control() && !c.is_whitespace());
    let composed: String = decoded.chars().filter(|c| !ignored(*c)).nfc().collect();
    composed.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::super::event::{Response, read};
    use super::*;

    #[test]
    fn speakers_by_address_then_by_name_else_unknown() {
        let base = |sender: Value, replier: Value| {
            json!({
                "id": "r",
                "user": {"email": "Ann@shop.example", "first_name": "Ann", "last_name": "Lee"},
                "reply": {"id": "a", "type": "text", "content": "x", "sender": replier},
                "attached_messages": [{"id": "m", "content": "y", "sender": sender}],
            })
        };
        let bob = json!({"email": "bob@brand.example", "first_name": "Bob", "last_name": "Ray"});
        let masked = json!({"email": "ann@shop.example", "first_name": "Bob", "last_name": "Ray"});
        let table = [
            (json!({"email": "ANN@shop.example"}), &bob, Whose::Customer),
            (json!({"email": "bob@brand.example"}), &bob, Whose::Brand),
            (
                json!({"email": "eve@brand.example", "first_name": "Ann", "last_name": "Lee"}),
                &bob,
                Whose::Unknown,
            ),
            (json!({"first_name": "ANN", "last_name": " lee"}), &bob, Whose::Customer),
            (
                json!({"email": "ann@shop.example", "first_name": "Bob", "last_name": "RAY"}),
                &masked,
                Whose::Brand,
            ),
            (
                json!({"email": "ann@shop.example", "first_name": "Ann", "last_name": "Lee"}),
                &masked,
                Whose::Customer,
            ),
            (json!({"email": "ann@shop.example"}), &masked, Whose::Unknown),
            (json!(null), &bob, Whose::Unknown),
            (json!("?"), &bob, Whose::Unknown),
        ];
        for (sender, replier, expected) in table {
            let response = Response::from_value(&base(sender.clone(), replier.clone())).unwrap();
            assert_eq!(
                response.turns.iter().find(|t| t.id.as_str() == "m").unwrap().whose,
                expected,
                "{sender}"
            );
        }
        let eve = json!({"email": "Eve@brand.example"});
        let mut response = Response::from_value(&base(eve, bob)).unwrap();
        response.claim_for_brand(|email| email.eq_ignore_ascii_case("eve@brand.example"));
        assert!(response.turns.iter().all(|t| t.whose == Whose::Brand));
    }

    #[test]
    fn a_calls_note_is_no_turn() {
        let response = Response::from_value(&json!({
            "id": "r",
            "reply": {"id": "c", "type": "call", "content": "private"},
            "attached_messages": [{"id": "c", "type": "Message", "content": "private"}],
        }))
        .unwrap();
        assert_eq!(response.turns, []);
        assert!(response.reply.unwrap().is_call());
    }

    #[test]
    fn messages_without_id_or_time_keep_their_place_and_a_stable_id() {
        let value = json!({
            "event_type": "message",
            "message": {"created_date": "2020-02-05T10:00:00Z", "content": "three"},
            "response": {"id": 12, "attached_messages": [
                {"created_date": "2020-02-05T10:00:00Z", "content": "three"},
                {"id": 7, "content": "two"},
                {"id": "x", "created_date": "2020-02-05T09:00:00Z", "content": "one"},
                {}, null, 5,
            ]},
        });
        let event = read(&value).unwrap();
        assert_eq!(event.response.id.as_str(), "12");
        let contents: Vec<_> = event.response.turns.iter().map(|t| t.content.as_str()).collect();
        assert_eq!(contents, ["one", "two", "three"]);
        assert!(event.response.turns[2].id.as_str().starts_with("h:"));
        assert_eq!(event.response.turns[1].id.as_str(), "7");
    }

    #[test]
    fn the_first_verbatim_is_no_turn() {
        let response = Response::from_value(&json!({
            "id": "r",
            "message": {"id": "v", "content": "words"},
            "attached_messages": [{"id": "v", "content": "words"}, {"id": "m", "content": "more"}],
        }))
        .unwrap();
        assert_eq!(response.turns.len(), 1);
    }

    #[test]
    fn texts_are_compared_without_their_looks() {
        let table = [
            ("a\r\n b\t c ", "a b c"),
            ("Tom &amp; Jerry&nbsp;&#39;s &lt;3", "Tom & Jerry 's <3"),
            ("cafe\u{301}", "café"),
            ("@\u{200b}{x}\u{7}", "@{x}"),
            ("", ""),
        ];
        for (text, expected) in table {
            assert_eq!(normalised(text), expected);
        }
    }
}
