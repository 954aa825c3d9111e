//! What the agent is to be told on the Case.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One result, waiting to be written on the Case together with whatever else goes there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Note {
    pub told: Feedback,
    /// The verb, or the wish when no verb was found.
    pub action: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// The response as read back afterwards: the Case's fields follow it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub view: Option<Value>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Feedback {
    Sent,
    Settled,
    Unclear,
    Failed,
    Observed,
    /// No word about it: only the Case's fields follow what was read back.
    Nothing,
}

impl Note {
    /// It says what became of an agent's words.
    pub fn is_about_answer(&self) -> bool {
        matches!(self.action.as_str(), "answer" | "reply" | "message")
    }
}
