//! Feedback for agents on the Case.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One result, waiting to be written to the Case together with other fields.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Note {
    pub told: Feedback,
    /// The verb, or the kind of action when there is no verb.
    pub action: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// The response as read back afterwards: the Case's fields are updated from it.
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
    /// No text: only the Case's fields are updated from the read back.
    Nothing,
}

impl Note {
    /// Whether it reports on an agent's answer.
    pub fn is_about_answer(&self) -> bool {
        matches!(self.action.as_str(), "answer" | "reply" | "message")
    }
}
