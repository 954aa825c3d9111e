//! An action for Goodays: the outbox's record and its states.

use serde::{Deserialize, Serialize};

use crate::decide::ledger::command::command_identity;
use crate::decide::ledger::course::{Moment, What, note};
use crate::decide::outbound::waiting::Waiting;
use crate::goodays::{MessageId, ResponseId, Verb};
use crate::messages::Words;
use crate::salesforce::RecordId;
use crate::time::{GoodaysTime, SalesforceTime};

/// One thing that an agent did and that has to be sent to Goodays, once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts")]
pub struct Intent {
    pub seq: u64,
    pub response_id: ResponseId,
    pub case_id: RecordId,
    #[serde(rename = "wish")]
    pub kind: ActionKind,
    /// The agent's e-mail, if Salesforce returned it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// When the agent acted; orders the answers.
    #[serde(rename = "acted_ms")]
    pub acted: SalesforceTime,
    /// When we saw it (milliseconds): `close_grace` counts from here.
    pub seen_ms: i64,
    /// When Salesforce was last read for it (milliseconds): an intent older than one poll is read again.
    pub read_ms: i64,
    pub state: IntentState,
    #[serde(default)]
    pub attempts: u32,
    /// An attempt that two read backs did not find, or that a human retries: it may still turn up, so it is checked
    /// before anything is sent again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unconfirmed: Option<Sending>,
    /// An operator lets it exceed `max_actions_per_hour`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub approved: bool,
    /// An operator asked to apply an edit of actions.yaml to existing rows (design, rule 19).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub by_operator: bool,
    /// Why it waits, as the agent was told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told_waiting: Option<Waiting>,
    /// Hash of the answer's text that was approved (`goodays.approval`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved_text: Option<u64>,
    /// The number of the command on the Case that asked for it; `None`: a comment or a status did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<u64>,
    /// The command on the Case was emptied by ourselves, and that does not take it back: it waits again after it was parked,
    /// or the outcome of the same command for another response of the Case was told.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub outlives_command: bool,
    /// Goodays refused it without a remark type, where none is sent otherwise.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub needs_remark_type: bool,
    /// When what was done with it, for the timeline.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub moments: Vec<Moment>,
}

/// The kind of action, with its content.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "lowercase")]
pub enum ActionKind {
    /// Sent as reply while Goodays lists it, as message afterwards.
    Answer {
        /// The agent's comment; `None`: the text of a command on the Case.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        comment: Option<RecordId>,
        content: String,
        remark_type: Option<String>,
        /// Whether the text was meant as public or private when it was written.
        #[serde(rename = "meant")]
        audience: Audience,
    },
    Call {
        rating: Option<u8>,
        note: Option<String>,
        /// What Goodays does not accept of rating and note, for the agent; empty: all of it is sent.
        #[serde(default, skip_serializing_if = "Words::is_empty")]
        left_out: Words,
        /// The customer's last message when the agent acted: part of the intent's identity.
        after: Option<MessageId>,
    },
    Close {
        remark_type: Option<String>,
        after: Option<MessageId>,
    },
    Spam {
        after: Option<MessageId>,
    },
}

/// Public or private (Goodays reference, 3.4): a text for one is never sent as the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Audience {
    Public,
    Private,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "lowercase")]
pub enum IntentState {
    /// To be sent, not before that time (milliseconds).
    Ready {
        not_before_ms: i64,
    },
    /// In flight; on disk before the first byte is sent.
    Sending(Sending),
    /// Sent, and it is not known whether it arrived.
    Unclear {
        since_ms: i64,
        why: Words,
        sending: Sending,
    },
    /// Not sent; a human decides.
    Parked {
        since_ms: i64,
        code: String,
        why: Words,
    },
    Delivered {
        at_ms: i64,
        verb: Verb,
        message: Option<MessageId>,
    },
    /// Nothing to send: Goodays had it already, or an operator dropped or forgot it.
    Settled {
        at_ms: i64,
        why: String,
    },
    /// Unpublished, deleted or taken back before it was sent.
    Cancelled {
        at_ms: i64,
        why: String,
    },
    /// Not sent, since `actions` is `observe`.
    Observed {
        at_ms: i64,
        verb: Verb,
    },
}

/// Stored before a PUT: enough to decide later whether it arrived.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sending {
    pub verb: Verb,
    pub since_ms: i64,
    /// The term in which it is attempted; 0 if an earlier version began it. A worker of another term did not make it.
    #[serde(default)]
    pub epoch: i64,
    /// When the attempt ended without proof (milliseconds); `None` while it runs, or when the process was killed.
    #[serde(default)]
    pub ended_ms: Option<i64>,
    /// Ids of all messages that Goodays showed just before.
    pub seen: Vec<MessageId>,
    /// Goodays' clock at that read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub looked: Option<GoodaysTime>,
    /// The latest date of what Goodays showed just before: by the clock that dates messages, which is not that of
    /// [`Self::looked`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newest: Option<GoodaysTime>,
    /// The response's state that Goodays showed just before: what was so before proves nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state_before: Option<String>,
    /// Another attempt came before, and its outcome is not known.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub again: bool,
    /// A refusal. Most likely nothing was done; a gateway that repeats calls may have handed on what the repetition met.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<Refusal>,
    /// Sent as the Goodays user with the agent's own address.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub as_author: bool,
    /// The texts of this attempt and of those before it, once the agent changed the text after one of them; empty: all
    /// had the text that the action has.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub words: Vec<String>,
    /// An operator saw that its outcome is not known, and asked to send it again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub sent_again: bool,
}

impl Sending {
    /// Whether it was refused; then only our own words prove that it arrived.
    pub fn is_refused(&self) -> bool {
        self.refusal == Some(Refusal::This)
    }

    /// An attempt that begins at `since_ms` (milliseconds), with the messages seen before it.
    pub fn new(verb: Verb, since_ms: i64, seen: Vec<MessageId>) -> Self {
        Self {
            verb,
            since_ms,
            epoch: 0,
            ended_ms: None,
            seen,
            looked: None,
            newest: None,
            state_before: None,
            again: false,
            refusal: None,
            as_author: false,
            words: Vec::new(),
            sent_again: false,
        }
    }
}

/// Which attempt of an action was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Refusal {
    /// This one.
    This,
    /// One before it; what becomes of this one is not known yet.
    Earlier,
}

/// The code of an action of which the disk lost something.
pub const DAMAGED: &str = "damaged";

impl IntentState {
    /// Whether the delivery worker still has to handle it.
    pub fn is_open(&self) -> bool {
        matches!(self, Self::Ready { .. } | Self::Sending(_) | Self::Unclear { .. })
    }

    pub fn is_parked(&self) -> bool {
        matches!(self, Self::Parked { .. })
    }

    /// Whether the disk lost what may have said that it was sent. There is no attempt that Goodays could be compared with,
    /// so it is never sent again.
    pub fn is_damaged(&self) -> bool {
        matches!(self, Self::Parked { code, .. } if code == DAMAGED)
    }

    /// The name in `status`, metrics and the log.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Ready { .. } => "pending",
            Self::Sending(_) => "sending",
            Self::Unclear { .. } => "unclear",
            Self::Parked { .. } => "parked",
            Self::Delivered { .. } => "delivered",
            Self::Settled { .. } => "settled",
            Self::Cancelled { .. } => "cancelled",
            Self::Observed { .. } => "observed",
        }
    }
}

impl ActionKind {
    /// The answer in a comment.
    pub fn answer(comment: RecordId, content: &str, audience: Audience) -> Self {
        Self::Answer { comment: Some(comment), content: content.to_owned(), remark_type: None, audience }
    }

    /// The name for people and for the identity.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Answer { .. } => "answer",
            Self::Call { .. } => "call",
            Self::Close { .. } => "close",
            Self::Spam { .. } => "spam",
        }
    }

    /// The same with the audience of `written`: who a text was meant for stands since it was first seen.
    #[must_use]
    pub fn with_audience_of(mut self, written: &Self) -> Self {
        if let (Self::Answer { audience, .. }, Self::Answer { audience: first, .. }) = (&mut self, written) {
            *audience = *first;
        }
        self
    }

    /// The text that it carries: an answer's, or the note of a call.
    pub fn words(&self) -> Option<&str> {
        match self {
            Self::Answer { content, .. } => Some(content),
            Self::Call { note, .. } => note.as_deref(),
            Self::Close { .. } | Self::Spam { .. } => None,
        }
    }

    pub fn is_answer(&self) -> bool {
        matches!(self, Self::Answer { .. })
    }

    /// The customer's last message when the Case asked for it.
    pub fn after(&self) -> Option<&MessageId> {
        match self {
            Self::Answer { .. } => None,
            Self::Call { after, .. } | Self::Close { after, .. } | Self::Spam { after } => after.as_ref(),
        }
    }

    /// The comment of an answer.
    pub fn comment(&self) -> Option<&RecordId> {
        match self {
            Self::Answer { comment, .. } => comment.as_ref(),
            Self::Call { .. } | Self::Close { .. } | Self::Spam { .. } => None,
        }
    }

    /// The same action has the same identity when it is seen again: a comment, or a Case, verb and the customer's last
    /// message (design, rule 6). An action that a command asked for is known by the command's number instead.
    pub fn identity(&self, case: &RecordId) -> String {
        match self {
            Self::Answer { comment, .. } => comment.as_ref().map_or_else(String::new, answer_identity),
            Self::Call { after, .. } | Self::Close { after, .. } | Self::Spam { after } => {
                format!("{} {case} {}", self.name(), after.as_ref().map_or("", MessageId::as_str))
            }
        }
    }
}

/// The identity of the answer in a comment.
pub fn answer_identity(comment: &RecordId) -> String {
    format!("answer {comment}")
}

impl Intent {
    /// A new action that may be sent at once. `now_ms`: when it is seen, and read from Salesforce.
    pub fn new(seq: u64, response_id: ResponseId, case_id: RecordId, kind: ActionKind, now_ms: i64) -> Self {
        Self {
            seq,
            response_id,
            case_id,
            kind,
            author: None,
            acted: SalesforceTime::default(),
            seen_ms: now_ms,
            read_ms: now_ms,
            state: IntentState::Ready { not_before_ms: now_ms },
            attempts: 0,
            unconfirmed: None,
            approved: false,
            by_operator: false,
            told_waiting: None,
            approved_text: None,
            command: None,
            outlives_command: false,
            needs_remark_type: false,
            moments: Vec::new(),
        }
    }

    /// See [`ActionKind::identity`].
    pub fn identity(&self) -> String {
        if let Some(number) = self.command {
            return command_identity(&self.response_id, number);
        }
        self.kind.identity(&self.case_id)
    }

    /// Whether the Case's status asked for it.
    pub fn is_of_status(&self) -> bool {
        !self.kind.is_answer() && self.command.is_none()
    }

    /// Waiting to be sent, or parked: as far as is known, the customer has nothing of it.
    pub fn is_unsent(&self) -> bool {
        matches!(self.state, IntentState::Ready { .. } | IntentState::Parked { .. })
    }

    /// The texts that an attempt of it was made with.
    pub fn words_of<'a>(&'a self, sending: &'a Sending) -> impl Iterator<Item = &'a str> {
        let current = self.kind.words().filter(|_| sending.words.is_empty());
        current.into_iter().chain(sending.words.iter().map(String::as_str))
    }

    /// The agent changed it. An attempt with unknown outcome keeps the text that it was made with: the customer may have
    /// that one.
    pub fn change(&mut self, kind: ActionKind) {
        if let Some(attempt) = &mut self.unconfirmed
            && attempt.words.is_empty()
            && self.kind.words() != kind.words()
        {
            attempt.words.extend(self.kind.words().map(str::to_owned));
        }
        self.kind = kind;
    }

    /// Notes what was done with it, for the timeline.
    pub fn note(&mut self, what: What, at_ms: i64, took_ms: i64) {
        note(&mut self.moments, what, at_ms, took_ms);
    }

    /// The attempt whose outcome is not known.
    pub fn attempt(&self) -> Option<&Sending> {
        match &self.state {
            IntentState::Sending(sending) | IntentState::Unclear { sending, .. } => Some(sending),
            IntentState::Ready { .. } | IntentState::Parked { .. } => self.unconfirmed.as_ref(),
            _ => None,
        }
    }

    /// [`Self::attempt`], also of an action that was dropped or taken back while its outcome was not known: Goodays may
    /// still show it, and then it is no colleague's.
    pub fn possible_attempt(&self) -> Option<&Sending> {
        match &self.state {
            // Without its words, which are forgotten in time, anything might be it.
            IntentState::Settled { .. } | IntentState::Cancelled { .. } => {
                self.unconfirmed.as_ref().filter(|_| self.has_words())
            }
            _ => self.attempt(),
        }
    }

    fn has_words(&self) -> bool {
        matches!(&self.kind, ActionKind::Answer { content, .. } if !content.trim().is_empty())
    }

    /// Parked or unclear: a human decides.
    pub fn waits_for_a_human(&self) -> bool {
        matches!(self.state, IntentState::Parked { .. } | IntentState::Unclear { .. })
    }

    /// Removes the agent's text and address once they are not needed any more; true when there were some.
    pub fn forget_texts(&mut self) -> bool {
        let author = self.author.take().is_some();
        let text = match &mut self.kind {
            ActionKind::Answer { content, .. } => !std::mem::take(content).is_empty(),
            ActionKind::Call { note, .. } => note.take().is_some(),
            ActionKind::Close { .. } | ActionKind::Spam { .. } => false,
        };
        let attempt = match &mut self.state {
            IntentState::Sending(sending) | IntentState::Unclear { sending, .. } => Some(sending),
            _ => None,
        };
        let attempts = attempt.into_iter().chain(&mut self.unconfirmed);
        let earlier =
            attempts.map(|one| std::mem::take(&mut one.words)).filter(|words| !words.is_empty()).count();
        author || text || earlier > 0
    }
}
