//! The interface to Goodays: receives signed events, sends five kinds of actions.
//!
//! It depends on nothing of Salesforce and the store, and reads no clock.

use std::fmt;

use serde::{Deserialize, Serialize};

pub mod action;
mod answer;
pub mod bulk;
pub mod client;
mod cut_page;
pub mod event;
pub mod message;
pub mod peek;
mod problem;
pub mod relationship;
pub mod signature;

/// Maximum length of a response id, in UTF-16 units: the length of the Case's key field.
pub const MAX_RESPONSE_ID: usize = 64;

/// The code of a refusal of one response in the shape of the gateway before the API (Goodays reference, 4.1).
pub const GATEWAY: &str = "gateway";

/// A Goodays response id: opaque, case-sensitive text of 1 to 64 UTF-16 units (Goodays reference, 2.2).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ResponseId(String);

impl ResponseId {
    /// Accepts only ids that can be used unchanged in an API path and in the Case's key. A changed id would be that of
    /// another response or another Case.
    pub fn new(id: impl Into<String>) -> Result<Self, BadResponseId> {
        let id = id.into();
        // Salesforce counts the key's length in UTF-16 units.
        match id.encode_utf16().count() {
            0 => Err(BadResponseId::Empty),
            n if n > MAX_RESPONSE_ID => Err(BadResponseId::TooLong(n)),
            _ if id.chars().any(char::is_control) => Err(BadResponseId::Control),
            _ if id.trim() != id => Err(BadResponseId::Blank),
            _ if id == "." || id == ".." => Err(BadResponseId::Dots),
            _ if id.contains('/') => Err(BadResponseId::Slash),
            _ if id.eq_ignore_ascii_case("bulk") => Err(BadResponseId::Reserved),
            // Salesforce reads `@{..}` as a reference; U+FFFD replaces an unknown character, so two ids could become
            // equal.
            _ if id.contains("@{") => Err(BadResponseId::Reference),
            _ if id.contains(char::REPLACEMENT_CHARACTER) => Err(BadResponseId::Unreadable),
            _ => Ok(Self(id)),
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ResponseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ResponseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a text is not a response id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadResponseId {
    #[error("response.id is empty")]
    Empty,
    #[error("response.id has {0} characters, the Case's key field holds {MAX_RESPONSE_ID}")]
    TooLong(usize),
    #[error("response.id holds a control character")]
    Control,
    #[error("response.id begins or ends with a blank, which the Case's key field does not keep")]
    Blank,
    #[error("response.id is a path segment of dots")]
    Dots,
    #[error("response.id holds a slash: it cannot stand in the path of a Goodays call")]
    Slash,
    #[error("response.id is a path of the Goodays API itself")]
    Reserved,
    #[error(
        "response.id holds `@{{`, which Salesforce reads as a reference: its Case would have another key"
    )]
    Reference,
    #[error("response.id holds a character that cannot be read")]
    Unreadable,
}

/// A Goodays message id: opaque, case-sensitive.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MessageId(String);

impl MessageId {
    pub fn new(id: impl Into<String>) -> Self {
        Self(id.into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The actions on a response (Goodays reference, 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verb {
    Reply,
    Message,
    Call,
    Close,
    Spam,
}

impl Verb {
    pub const ALL: [Self; 5] = [Self::Reply, Self::Message, Self::Call, Self::Close, Self::Spam];

    /// The name in `response.actions`, and the last segment of the action's path.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reply => "reply",
            Self::Message => "message",
            Self::Call => "call",
            Self::Close => "close",
            Self::Spam => "spam",
        }
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c12_ids_that_cannot_stand_in_a_path_or_a_key_are_refused() {
        let refused = [
            ("", BadResponseId::Empty),
            (".", BadResponseId::Dots),
            ("..", BadResponseId::Dots),
            ("bulk", BadResponseId::Reserved),
            ("Bulk", BadResponseId::Reserved),
            ("a/b", BadResponseId::Slash),
            ("../users", BadResponseId::Slash),
            ("x@{refCase.id}", BadResponseId::Reference),
            ("@{", BadResponseId::Reference),
            ("a\nb", BadResponseId::Control),
            ("a\u{1b}b", BadResponseId::Control),
            ("a ", BadResponseId::Blank),
            ("a\u{fffd}", BadResponseId::Unreadable),
        ];
        for (id, why) in refused {
            assert_eq!(ResponseId::new(id), Err(why), "{id:?}");
        }
        assert_eq!(ResponseId::new("😊".repeat(33)), Err(BadResponseId::TooLong(66)));
        for id in ["26BpnGYga3", "bulky", "a.b", "...", "a\\b", "a?b#c%2e", "@ {", "😊", &"x".repeat(64)] {
            assert!(ResponseId::new(id).is_ok(), "{id:?}");
        }
    }
}
