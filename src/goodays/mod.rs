//! What Goodays says and accepts: signed events in, five actions out.
//!
//! Knows nothing of Salesforce, of the store, or of the time.

use std::fmt;

use serde::{Deserialize, Serialize};

pub mod action;
pub mod client;
pub mod event;
pub mod glance;
pub mod message;
mod problem;
pub mod signature;

/// The longest response id that is taken: the length of the Case's key field.
pub const MAX_RESPONSE_ID: usize = 64;

/// A Goodays response id: opaque, case-sensitive text of 1 to 64 characters (Goodays reference, 2.2).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ResponseId(String);

impl ResponseId {
    /// Checks the length; every other character is Goodays' business.
    pub fn new(id: impl Into<String>) -> Result<Self, BadResponseId> {
        let id = id.into();
        match id.chars().count() {
            0 => Err(BadResponseId::Empty),
            n if n > MAX_RESPONSE_ID => Err(BadResponseId::TooLong(n)),
            _ if id.chars().any(char::is_control) => Err(BadResponseId::Control),
            _ if id == "." || id == ".." => Err(BadResponseId::Dots),
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

/// Why a text is no response id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadResponseId {
    #[error("response.id is empty")]
    Empty,
    #[error("response.id has {0} characters, the Case's key field holds {MAX_RESPONSE_ID}")]
    TooLong(usize),
    #[error("response.id holds a control character")]
    Control,
    #[error("response.id is a path segment of dots")]
    Dots,
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

/// What can be done with a response (Goodays reference, 3).
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

    /// The name in `response.actions` and the last segment of the path.
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
