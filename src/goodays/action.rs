//! The five actions and their bodies, with exactly the documented keys (Goodays reference, 1.1 and 5.3).

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Verb;

/// One action on one response. Its `Display` and `Debug` show no text of customers or agents.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "lowercase")]
pub enum Action {
    /// A public answer.
    Reply { content: String, user: Option<String>, remark_type: Option<String> },
    /// A private message. Goodays accepts it only after an answer.
    Message { content: String, user: Option<String>, remark_type: Option<String> },
    /// The customer was called. This closes the thread; the note is private, the rating is 0 to 5.
    Call { user: Option<String>, rating: Option<u8>, note: Option<String> },
    /// Closed without an answer.
    Close { user: Option<String>, remark_type: Option<String> },
    /// Goodays asks for a remark type only now and then (Goodays reference, 5.3).
    Spam { user: Option<String>, remark_type: Option<String> },
}

impl Action {
    pub fn verb(&self) -> Verb {
        match self {
            Self::Reply { .. } => Verb::Reply,
            Self::Message { .. } => Verb::Message,
            Self::Call { .. } => Verb::Call,
            Self::Close { .. } => Verb::Close,
            Self::Spam { .. } => Verb::Spam,
        }
    }

    pub fn path_segment(&self) -> &'static str {
        self.verb().as_str()
    }

    /// The text that the customer reads.
    pub fn content(&self) -> Option<&str> {
        match self {
            Self::Reply { content, .. } | Self::Message { content, .. } => Some(content),
            _ => None,
        }
    }

    /// The agent's Goodays user id.
    pub fn user(&self) -> Option<&str> {
        match self {
            Self::Reply { user, .. }
            | Self::Message { user, .. }
            | Self::Call { user, .. }
            | Self::Close { user, .. }
            | Self::Spam { user, .. } => user.as_deref(),
        }
    }

    pub fn remark_type(&self) -> Option<&str> {
        match self {
            Self::Reply { remark_type, .. }
            | Self::Message { remark_type, .. }
            | Self::Close { remark_type, .. }
            | Self::Spam { remark_type, .. } => remark_type.as_deref(),
            Self::Call { .. } => None,
        }
    }

    /// A JSON object with the documented keys. Absent values are left out, never null. A call's keys are `rating` and
    /// `note`.
    pub fn body(&self) -> Value {
        let mut body = Map::new();
        let mut put = |key: &str, value: Option<Value>| {
            if let Some(value) = value {
                body.insert(key.to_owned(), value);
            }
        };
        put("content", self.content().map(Value::from));
        put("user", self.user().map(Value::from));
        if let Self::Call { rating, note, .. } = self {
            put("rating", rating.map(Value::from));
            put("note", note.as_deref().map(Value::from));
        }
        put("remark_type", self.remark_type().map(Value::from));
        Value::Object(body)
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.path_segment())
    }
}

impl fmt::Debug for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let characters = self.content().map(|c| c.chars().count());
        f.debug_struct(self.path_segment())
            .field("user", &self.user())
            .field("remark_type", &self.remark_type())
            .field("characters", &characters)
            .finish_non_exhaustive()
    }
}

/// The remark type if the agent cannot choose one (Goodays reference, 3.7).
pub const DEFAULT_REMARK_TYPE: &str = "Message";

/// Goodays' own channels. All other sources, also unknown ones, are outside sources (Goodays reference, 2.2 and 5.3).
const OWN_SOURCES: [&str; 16] = [
    "email",
    "sms_trans",
    "sms_conv",
    "sms_text",
    "plv",
    "receipt",
    "critizr",
    "sdk",
    "widget",
    "terminal",
    "outbound_call",
    "wifi",
    "sms",
    "api",
    "merci",
    "goodays",
];

/// Whether the feedback comes from an outside source, for example Google. Reply and close then require a remark type.
pub fn is_outside_source(source: Option<&str>) -> bool {
    let own = |s: &str| OWN_SOURCES.iter().any(|o| o.eq_ignore_ascii_case(s.trim()));
    !source.is_some_and(own)
}

/// Whether an action with this verb and source has a remark type (Goodays reference, 5.3).
pub fn takes_remark_type(verb: Verb, source: Option<&str>) -> bool {
    match verb {
        Verb::Reply | Verb::Close => is_outside_source(source),
        Verb::Message => source.is_some_and(|s| s.trim().to_ascii_lowercase().starts_with("google")),
        Verb::Call | Verb::Spam => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_the_pages_own() {
        macro_rules! fixture {
            ($name:literal) => {
                serde_json::from_str::<Value>(include_str!(concat!("../../tests/fixtures/goodays/", $name)))
                    .unwrap()
            };
        }
        let text = |v: &Value, key: &str| v[key].as_str().unwrap().to_owned();
        let user = || Some("1a2b3c4".to_owned());
        let reply = fixture!("action_reply.json");
        let message = fixture!("action_message.json");
        let call = fixture!("action_call.json");
        let (answer, private) = (text(&reply, "content"), text(&message, "content"));
        let table = [
            (
                Action::Reply {
                    content: answer.clone(),
                    user: user(),
                    remark_type: Some("Problem".to_owned()),
                },
                reply,
            ),
            (
                Action::Reply { content: answer, user: user(), remark_type: None },
                fixture!("action_reply_no_remark_type.json"),
            ),
            (Action::Message { content: private.clone(), user: user(), remark_type: None }, message),
            (
                Action::Message { content: private, user: user(), remark_type: Some("Message".to_owned()) },
                fixture!("action_message_google.json"),
            ),
            (Action::Call { user: user(), rating: Some(5), note: Some(text(&call, "note")) }, call),
            (
                Action::Close { user: user(), remark_type: Some("Problem".to_owned()) },
                fixture!("action_close.json"),
            ),
            (Action::Spam { user: user(), remark_type: None }, fixture!("action_spam.json")),
            (Action::Spam { user: None, remark_type: None }, serde_json::json!({})),
            (Action::Call { user: None, rating: None, note: None }, serde_json::json!({})),
        ];
        for (action, body) in table {
            assert_eq!(action.body(), body, "{action}");
            let kept: Action = serde_json::from_value(serde_json::to_value(&action).unwrap()).unwrap();
            assert_eq!(kept, action);
        }
    }

    #[test]
    fn printing_shows_no_words() {
        let action =
            Action::Reply { content: "secret".into(), user: Some("u".to_owned()), remark_type: None };
        assert_eq!(action.to_string(), "reply");
        assert!(!format!("{action:?}").contains("secret"));
        let call = Action::Call { user: None, rating: Some(1), note: Some("secret".to_owned()) };
        assert!(!format!("{call:?}").contains("secret"));
    }

    #[test]
    fn sources_outside_of_goodays() {
        let table = [
            (None, true),
            (Some("undefined"), true),
            (Some("email"), false),
            (Some("Critizr"), false),
            (Some("google"), true),
            (Some("facebook_reviews"), true),
            (Some("something_new"), true),
        ];
        for (source, outside) in table {
            assert_eq!(is_outside_source(source), outside, "{source:?}");
            assert_eq!(takes_remark_type(Verb::Reply, source), outside);
            assert!(!takes_remark_type(Verb::Spam, source));
        }
        assert!(takes_remark_type(Verb::Message, Some("google_messaging")));
        assert!(!takes_remark_type(Verb::Message, Some("facebook")));
    }
}
