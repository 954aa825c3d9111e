//! What Goodays is known to send: the names that expressions may use, and samples to try them on.

use std::sync::LazyLock;

use minijinja::value::Value;
use serde_json::json;

use crate::mapping::language::scope::{Facts, scope};

/// What a name refers to.
#[derive(Debug, Clone, Copy)]
pub enum Shape {
    /// A text, a number, true or false.
    Leaf,
    /// Differs per customer, or is defined by Salesforce.
    Any,
    List(&'static Shape),
    Object(&'static [(&'static str, Shape)]),
}

impl Shape {
    /// The names of an object's parts.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        let entries = match self {
            Shape::Object(entries) => entries,
            _ => &[],
        };
        entries.iter().map(|(name, _)| *name)
    }
}

use Shape::{Any, Leaf, List, Object};

const SENDER: Shape = Object(&[("email", Leaf), ("first_name", Leaf), ("last_name", Leaf)]);

pub const MESSAGE: Shape = Object(&[
    ("id", Leaf),
    ("created_date", Leaf),
    ("type", Leaf),
    ("content", Leaf),
    ("attachment", Leaf),
    ("sender", SENDER),
]);

const PLACE: Shape =
    Object(&[("id", Leaf), ("partner_id", Leaf), ("name", Leaf), ("enabled", Leaf), ("detail_url", Leaf)]);

const QUESTION: Shape = Object(&[("id", Leaf), ("title", Leaf), ("type", Leaf), ("enabled", Leaf)]);

const OPT_IN: Shape = Object(&[("newsletter", Leaf), ("email", Leaf), ("sms", Leaf)]);

/// `token` is left out on purpose: with it, anybody may be able to open the conversation.
pub const RESPONSE: Shape = Object(&[
    ("id", Leaf),
    ("created_date", Leaf),
    ("updated_date", Leaf),
    ("source", Leaf),
    (
        "survey",
        Object(&[("id", Leaf), ("slug", Leaf), ("label", Leaf), ("enabled", Leaf), ("detail_url", Leaf)]),
    ),
    ("answers", List(&Object(&[("id", Leaf), ("value", Any), ("question", QUESTION)]))),
    ("message", MESSAGE),
    ("reply", MESSAGE),
    ("user", Object(&[("email", Leaf), ("first_name", Leaf), ("last_name", Leaf), ("opt_in", OPT_IN)])),
    (
        "context",
        Object(&[
            ("email", Leaf),
            ("first_name", Leaf),
            ("last_name", Leaf),
            ("phone", Leaf),
            ("crm_id", Leaf),
            ("cz_tag", Leaf),
            ("extra", Any),
        ]),
    ),
    ("place", PLACE),
    ("delegated_to", PLACE),
    ("attached_messages", List(&MESSAGE)),
    ("state", Leaf),
    ("thread", Leaf),
    (
        "actions",
        Object(&[("reply", Leaf), ("spam", Leaf), ("close", Leaf), ("call", Leaf), ("message", Leaf)]),
    ),
    ("alert_triggered", Leaf),
]);

/// Whether the path below a root is one value, for example `place.name` below `response`.
pub fn is_leaf(root: &str, path: &str) -> bool {
    let mut shape = match root {
        "event" => Leaf,
        "response" => RESPONSE,
        "message" => MESSAGE,
        _ => return false,
    };
    for name in path.split('.').filter(|name| !name.is_empty()) {
        let Object(entries) = shape else { return false };
        let Some((_, found)) = entries.iter().find(|(entry, _)| *entry == name) else { return false };
        shape = *found;
    }
    matches!(shape, Leaf)
}

/// Question types that Goodays documents.
pub const QUESTION_TYPES: &[&str] =
    &["none", "stars", "yesno", "choices", "nps", "emoji", "text", "multiple_answers", "csat"];

/// What a sample to try expressions on stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filled {
    /// What an ordinary survey brings.
    Everyday,
    /// Everything that may be absent has a value, and the alert was raised.
    Wholly,
    /// A public review with only a rating: every optional value is absent.
    Barely,
}

/// A sample to try expressions on.
pub struct Sample {
    pub filled: Filled,
    pub facts: Facts,
    pub message: serde_json::Value,
}

impl Sample {
    pub fn case_scope(&self) -> Value {
        self.facts.scope.clone()
    }

    pub fn comment_scope(&self) -> Value {
        self.facts.with_message(&self.message)
    }
}

pub fn samples() -> &'static [Sample] {
    static SAMPLES: LazyLock<Vec<Sample>> = LazyLock::new(|| vec![everyday(), whole(), sparse()]);
    &SAMPLES
}

pub fn feedback_sample() -> Value {
    let named = [
        ("action", "answer"),
        ("reason", "Goodays did not answer"),
        ("code", "no_answer"),
        ("status", "Not sent"),
    ];
    scope(named.map(|(name, text)| (name, Value::from(text))))
}

fn everyday() -> Sample {
    let message = json!({"id": "mxo1B0eGdj", "created_date": "2020-02-05T10:20:39.810686+01:00", "type": "Problem",
        "content": "The seller was in a hurry.", "attachment": null,
        "sender": {"email": "chester@example.com", "first_name": "Chester", "last_name": "COPPERPOT"}});
    let response = json!({"id": "vdOpL1NJ74l", "created_date": "2020-02-05T10:20:39.810686+01:00",
        "updated_date": "2020-02-05T10:21:15.952136+01:00", "source": "email",
        "survey": {"id": "12AB34", "slug": "survey1", "label": "survey 1", "enabled": true, "detail_url": "https://x"},
        "answers": [{"id": "12AB35", "value": 5, "question":
            {"id": "12AB34", "title": "**Would you recommend** /PLACE/?", "type": "nps", "enabled": true}}],
        "message": message.clone(), "reply": null,
        "user": {"email": "chester@example.com", "first_name": "Chester", "last_name": "COPPERPOT",
            "opt_in": {"newsletter": false, "email": false, "sms": false}},
        "context": {"email": "chester@example.com", "extra": {"transaction_date": "2020-01-28"}, "cz_tag": "survey1",
            "crm_id": "", "last_name": "COPPERPOT", "first_name": "Chester"},
        "place": {"id": "12AB34", "partner_id": "1234", "name": "place name", "enabled": true, "detail_url": "https://x"},
        "delegated_to": null, "attached_messages": [message.clone()], "state": "open", "thread": "z4RjEyMP4r",
        "actions": {"reply": "https://x/reply", "spam": "https://x/spam", "close": "https://x/close", "call": "https://x/call"},
        "alert_triggered": false});
    Sample { filled: Filled::Everyday, facts: Facts::new("response", &response), message }
}

fn whole() -> Sample {
    let sender = json!({"email": "chester@example.com", "first_name": "Chester", "last_name": "COPPERPOT"});
    let message = json!({"id": "mxo1B0eGdj", "created_date": "2020-02-05T10:20:39.810686+01:00", "type": "Problem",
        "content": "The seller was in a hurry.", "attachment": "https://x/photo.jpg", "sender": sender});
    let place = json!({"id": "12AB34", "partner_id": "1234", "name": "place name", "enabled": true, "detail_url": "https://x"});
    let answer = |kind: &str, value: u8| json!({"id": kind, "value": value, "question": {"id": kind, "title": "How was it?", "type": kind, "enabled": true}});
    let response = json!({"id": "vdOpL1NJ74l", "created_date": "2020-02-05T10:20:39.810686+01:00",
        "updated_date": "2020-02-05T10:21:15.952136+01:00", "source": "email",
        "survey": {"id": "12AB34", "slug": "survey1", "label": "survey 1", "enabled": true, "detail_url": "https://x"},
        "answers": [answer("nps", 5), answer("stars", 4), answer("csat", 4)],
        "message": message.clone(), "reply": message.clone(),
        "user": {"email": "chester@example.com", "first_name": "Chester", "last_name": "COPPERPOT",
            "opt_in": {"newsletter": true, "email": true, "sms": true}},
        "context": {"email": "chester@example.com", "extra": {"transaction_date": "2020-01-28"}, "cz_tag": "survey1",
            "crm_id": "1234", "phone": "0123456789", "last_name": "COPPERPOT", "first_name": "Chester"},
        "place": place.clone(), "delegated_to": place, "attached_messages": [message.clone(), message.clone()],
        "state": "open", "thread": "z4RjEyMP4r",
        "actions": {"reply": "https://x/reply", "spam": "https://x/spam", "close": "https://x/close",
            "call": "https://x/call", "message": "https://x/message"},
        "alert_triggered": true});
    Sample { filled: Filled::Wholly, facts: Facts::new("response", &response), message }
}

fn sparse() -> Sample {
    let message = json!({"id": "m1", "created_date": "2020-02-05T10:20:39Z", "type": "Message", "content": "Hello",
        "attachment": null, "sender": null});
    let response = json!({"id": "vdOpL1NJ74l", "created_date": "2020-02-05T10:20:39+01:00", "source": "google",
        "survey": null, "answers": [], "message": null, "reply": null, "user": null, "context": null,
        "place": {"id": "12AB34", "partner_id": "1234", "name": "place name"}, "delegated_to": null,
        "attached_messages": [], "state": "open", "actions": {}, "alert_triggered": false});
    Sample { filled: Filled::Barely, facts: Facts::new("response", &response), message }
}
