//! Feedback for agents on the Case.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::decide::ledger::command::CommandDone;
use crate::goodays::event::Response;
use crate::mapping::Outcome;
use crate::messages::{Messages, Words};

/// One result, waiting to be written to the Case together with other fields.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Note {
    pub told: Feedback,
    /// The verb, or the kind of action when there is no verb.
    pub action: String,
    #[serde(default, skip_serializing_if = "Words::is_empty")]
    pub reason: Words,
    /// The code of the reason, as in `parked`; empty if there is none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub code: String,
    /// The command that it reports on: the Case's command field is emptied with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<CommandDone>,
    /// The approval on the Case is taken off, so that it does not count for the next answer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub resets_approval: bool,
    /// The response as read back afterwards: the Case's fields are updated from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub view: Option<Value>,
}

/// The code of a note about an action that nobody wants to be sent any more.
pub const DROPPED: &str = "dropped";

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Feedback {
    Sent,
    Settled,
    Unclear,
    Failed,
    Observed,
    /// Not sent yet; the reason says why.
    Waiting,
    /// The agent took it back before it was sent.
    TakenBack,
    /// No text: only the Case's fields are updated from the read back.
    Nothing,
}

impl Feedback {
    /// The values that the picklist needs; an org may have further ones.
    pub const CODES: [&'static str; 6] =
        ["waiting", "sent", "nothing_to_send", "unclear", "not_sent", "observed"];

    /// The section of `feedback` in actions.yaml; `None` when the agent is told nothing.
    pub fn outcome(self) -> Option<Outcome> {
        match self {
            Self::Sent => Some(Outcome::Sent),
            Self::Settled => Some(Outcome::Settled),
            Self::Unclear => Some(Outcome::Unclear),
            Self::Failed => Some(Outcome::Failed),
            Self::Observed => Some(Outcome::Observed),
            Self::Waiting => Some(Outcome::Waiting),
            Self::TakenBack => Some(Outcome::TakenBack),
            Self::Nothing => None,
        }
    }

    /// The value of the picklist `Goodays_Sync_Status__c`; stable, and the same in every language.
    pub fn code(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Waiting => "waiting",
            Self::Settled | Self::TakenBack => "nothing_to_send",
            Self::Unclear => "unclear",
            Self::Failed => "not_sent",
            Self::Observed => "observed",
            Self::Nothing => "",
        }
    }
}

impl Note {
    pub fn new(told: Feedback, action: &str, code: &str, reason: Words) -> Self {
        Self {
            told,
            action: action.to_owned(),
            reason,
            code: code.to_owned(),
            command: None,
            resets_approval: false,
            view: None,
        }
    }

    /// With the response as read back.
    #[must_use]
    pub fn with_view(self, view: Option<&Response>) -> Self {
        Self { view: view.map(|view| view.raw.clone()), ..self }
    }

    /// The outcome as a short sentence.
    pub fn status(&self, messages: &Messages) -> Words {
        let about = |status: Words| status.with("action", messages.say(&action(&self.action)));
        match self.told {
            Feedback::Sent => about(Words::new("status-sent")),
            Feedback::Settled if self.code == DROPPED => about(Words::new("status-dropped")),
            Feedback::Settled => Words::new("status-settled"),
            Feedback::Unclear => Words::new("status-unclear"),
            Feedback::Failed => Words::new("status-failed"),
            Feedback::Observed => about(Words::new("status-observed")),
            Feedback::Waiting => about(Words::new("status-waiting")),
            Feedback::TakenBack => Words::new("status-taken-back"),
            Feedback::Nothing => Words::default(),
        }
    }

    /// Whether it only says that nothing had to be sent, or that something other than an answer was taken back.
    pub fn says_nothing_new(&self) -> bool {
        match self.told {
            Feedback::Settled => self.code != DROPPED && self.reason.is_empty(),
            Feedback::TakenBack => !self.is_about_answer(),
            _ => false,
        }
    }

    /// What `answer` says, with what this one does beside.
    #[must_use]
    pub fn instead(self, answer: &Self) -> Self {
        let Self { told, action, code, reason, .. } = answer.clone();
        Self { told, action, reason, code, ..self }
    }

    /// Only what it says, without words of people: a link is kept for longer than those.
    #[must_use]
    pub fn in_short(&self) -> Self {
        Self::new(self.told, &self.action, &self.code, self.reason.without_quotes())
    }

    /// Whether it reports on an agent's answer.
    pub fn is_about_answer(&self) -> bool {
        matches!(self.action.as_str(), "answer" | "reply" | "message")
    }
}

/// The name of a verb, or of a kind of action.
fn action(name: &str) -> Words {
    match name {
        "reply" => Words::new("action-reply"),
        "message" => Words::new("action-message"),
        "call" => Words::new("action-call"),
        "close" => Words::new("action-close"),
        "spam" => Words::new("action-spam"),
        _ => Words::new("action-answer"),
    }
}
