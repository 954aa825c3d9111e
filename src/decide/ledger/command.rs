//! What is known of the command field of a Case: what an agent asked for with a button, and what became of it.

use serde::{Deserialize, Serialize};

use crate::goodays::{MessageId, ResponseId};

/// The command of a Case as last seen or written.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandSeen {
    /// The value of the command field; `None`: it is empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// The field that it was read from; `None`: none was read yet, or an earlier version did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// How many commands the Case has had: each is an action of its own.
    #[serde(default)]
    pub count: u64,
    /// The outbox entry of the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intent: Option<u64>,
    /// The outbox entries of commands before it that may wait for a human.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier: Vec<u64>,
    /// Hash of the answer's text as last seen.
    #[serde(default)]
    pub text: u64,
    /// The Case was read anew: whether its command was carried out is not known.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unread: bool,
    /// When we last recorded that we emptied the field (milliseconds, our clock). A row that was asked for before may
    /// still show the old command.
    #[serde(default)]
    pub emptied_ms: i64,
}

impl CommandSeen {
    /// Whether this command still stands on the Case, as far as we know: its outcome empties the field.
    pub fn stands(&self, number: u64) -> bool {
        self.count == number && self.value.is_some()
    }

    /// The outbox entries of all commands that the conversation is loaded with.
    pub fn intents(&self) -> impl Iterator<Item = u64> + use<'_> {
        self.earlier.iter().copied().chain(self.intent)
    }
}

/// The command that a note reports on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandDone {
    /// [`CommandSeen::count`] when it began.
    pub number: u64,
    /// The answer that reached the customer: it becomes a comment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<AnswerSent>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnswerSent {
    pub text: String,
    /// The message's id at Goodays.
    pub id: MessageId,
}

/// The identity of a command's action.
pub fn command_identity(response: &ResponseId, number: u64) -> String {
    format!("command {response} {number}")
}
