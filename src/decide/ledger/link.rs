//! What we store about a response and its Case: the ledger's record.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::decide::ledger::command::CommandSeen;
use crate::decide::ledger::joined::{Joined, KeyOfSurvivor};
use crate::decide::ledger::linked::Linked;
use crate::decide::ledger::note::{Feedback, Note};
use crate::goodays::{MessageId, ResponseId, Verb};
use crate::salesforce::RecordId;
use crate::time::GoodaysTime;

/// One response, its Case, and all facts that prevent doing things twice.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts")]
pub struct Link {
    pub response_id: ResponseId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub case: Option<CaseRef>,
    /// The Case existed before us, and its comments were not yet compared with the whole conversation: nothing is
    /// imported before they are read.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unread: bool,
    /// A comment was read before its Case: the status rule that held then is not known.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub status_unread: bool,
    /// Cases of this response that were deleted in Salesforce, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gone: Vec<CaseRef>,
    /// Messages that need no import any more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub known: Vec<Known>,
    /// How many message ids the Case's marker had when we last wrote or read it.
    #[serde(default)]
    pub marked: u32,
    /// Hashes of the values from Goodays that were last written, by field.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fields: BTreeMap<String, u64>,
    #[serde(default)]
    pub fresh: Freshness,
    /// The Case's action fields as last seen or written.
    #[serde(rename = "row", default, skip_serializing_if = "Map::is_empty")]
    pub last_seen_fields: Map<String, Value>,
    /// Fields as last seen were forgotten (law 10): one that is missing there is not known, and counts as it is now.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub fields_forgotten: bool,
    /// The active status rule of the Case; an action begins only when it changes (design, rule 6).
    #[serde(rename = "held", default, skip_serializing_if = "Option::is_none")]
    pub active_status_rule: Option<Verb>,
    /// Agents' comments that have, or had, an intent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub answers: Vec<Answered>,
    /// Who gave the public reply, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replied: Option<RepliedBy>,
    /// Since when the customer waits for us; `None`: nothing to process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting_since: Option<GoodaysTime>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_customer: Option<MessageId>,
    /// Increases with each change of an action: a decision based on an older version is made again.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub version: u64,
    /// The rules (a hash of actions.yaml) by which the active status rule was determined.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub rules: u64,
    /// The merge that led to this Case, if one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub joined: Option<Joined>,
    /// Somebody else put the key on this Case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub linked: Option<Linked>,
    /// The Case has feedback on an agent's answer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub answer_told: bool,
    /// The last note about an agent's answer, without what is told beside it: told again when nothing came of what the
    /// Case said over it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer_note: Option<Box<Note>>,
    /// The Case's approval is set, as last seen or written.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub approved: bool,
    /// The command on the Case, and what became of it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub command: CommandSeen,
    /// Which failures of rules the Case was told of, as hashes; at most `RULE_FAILURES`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rule_failures: Vec<u64>,
    /// The last call that was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<CallSent>,
    /// The last close that was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub close: Option<CallSent>,
    /// Hashes of sent texts whose message id was not read back yet: only in states of earlier versions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unidentified: Vec<u64>,
    /// The Goodays source (`email`, `google`, …), for `remark_type`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The customer's e-mail as a hash: finds the customer's other responses without storing the address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer: Option<u64>,
    /// The mapping version that made the last write.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub mapping: String,
    /// The Case mapping (`case-web.yaml`) that last took the response: it stays the Case's own when none takes it any
    /// more. `None`: not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub case_file: Option<String>,
    /// When the last results were written on the Case, for the timeline; at most `TOLD`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub told: Vec<ToldAt>,
}

/// A result that was written on the Case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToldAt {
    /// Milliseconds, our clock.
    #[serde(rename = "a")]
    pub at_ms: i64,
    #[serde(rename = "f")]
    pub told: Feedback,
    /// The verb, or the kind of action.
    #[serde(rename = "w")]
    pub action: String,
    /// The call that wrote it.
    #[serde(rename = "n", default, skip_serializing_if = "Option::is_none")]
    pub request: Option<u64>,
}

/// How many results a link keeps.
const TOLD: usize = 6;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaseRef {
    pub id: RecordId,
    /// Read by the next poll; an insert does not return it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<String>,
}

impl CaseRef {
    /// Keeps the known number of the same Case: not every answer of Salesforce has it.
    #[must_use]
    pub fn or_known(self, known: Option<&Self>) -> Self {
        let known = known.filter(|known| known.id == self.id).and_then(|known| known.number.clone());
        Self { number: self.number.or(known), ..self }
    }
}

/// A message that Salesforce has, or never needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    pub id: MessageId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<GoodaysTime>,
    #[serde(rename = "how")]
    pub origin: MessageOrigin,
}

impl Known {
    /// Read from the Case's marker, which has ids only.
    fn is_from_marker(&self) -> bool {
        self.origin == MessageOrigin::Imported && self.at.is_none()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum MessageOrigin {
    /// It is a comment of the Case.
    #[serde(rename = "i")]
    Imported,
    /// We sent it: an agent's comment.
    #[serde(rename = "s")]
    Sent,
    /// The mapping does not import its kind.
    #[serde(rename = "x")]
    Skipped,
}

/// An agent's comment and its action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answered {
    pub comment: RecordId,
    /// The outbox entry.
    pub intent: u64,
    /// Hash of the normalised text that the intent had.
    pub text: u64,
    /// The agent has feedback that a later edit is not sent: only in states of earlier versions.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub told: bool,
    /// Hash of the later text that the agent was told is not sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told_of: Option<u64>,
}

/// The content of a sent call or close.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallSent {
    /// Hash of note and rating, or of the type.
    pub content: u64,
    /// The agent has feedback that a later change is not sent.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub told: bool,
}

fn is_default(command: &CommandSeen) -> bool {
    *command == CommandSeen::default()
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum RepliedBy {
    #[serde(rename = "us")]
    Us,
    #[serde(rename = "other")]
    Other,
}

/// How new a view of a conversation is. `updated_date` alone is unreliable (Goodays reference, 5.3), so the
/// newest message counts first, then their number, then that date.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct Freshness {
    pub newest: GoodaysTime,
    pub turns: u32,
    pub updated: GoodaysTime,
}

impl Link {
    pub fn new(response_id: ResponseId) -> Self {
        Self {
            response_id,
            case: None,
            unread: false,
            status_unread: false,
            gone: Vec::new(),
            known: Vec::new(),
            marked: 0,
            fields: BTreeMap::new(),
            fresh: Freshness::default(),
            last_seen_fields: Map::new(),
            fields_forgotten: false,
            active_status_rule: None,
            answers: Vec::new(),
            replied: None,
            waiting_since: None,
            last_customer: None,
            version: 0,
            rules: 0,
            joined: None,
            linked: None,
            answer_told: false,
            answer_note: None,
            approved: false,
            command: CommandSeen::default(),
            rule_failures: Vec::new(),
            call: None,
            close: None,
            unidentified: Vec::new(),
            source: None,
            customer: None,
            mapping: String::new(),
            case_file: None,
            told: Vec::new(),
        }
    }

    /// A link for a Case that we did not create.
    pub fn unread(response_id: ResponseId) -> Self {
        Self { unread: true, ..Self::new(response_id) }
    }

    /// Removes what tells something about the customer (law 10). Ids stay, so that nothing is imported or sent again.
    pub fn forget_values(&mut self) {
        self.last_seen_fields.clear();
        self.fields_forgotten = true;
        self.fields.clear();
        (self.waiting_since, self.customer) = (None, None);
    }

    /// Whether a merge led to a Case of which it is not known whether it has a key.
    pub fn joins_unread(&self) -> bool {
        self.joined.is_some_and(|joined| joined.key == KeyOfSurvivor::Unread)
    }

    pub fn knows(&self, id: &MessageId) -> bool {
        self.known.iter().any(|k| k.id == *id)
    }

    /// Whether it is known where this message comes from. Of an id that was only read from the Case's marker it is not: a
    /// call of ours without an answer may have written it there, and the action that sent the message is still open.
    pub fn has_origin(&self, id: &MessageId) -> bool {
        self.known.iter().any(|k| k.id == *id && !k.is_from_marker())
    }

    /// Notes a result that was written on the Case.
    pub fn told(&mut self, told: ToldAt) {
        self.told.push(told);
        if self.told.len() > TOLD {
            self.told.remove(0);
        }
    }

    /// Stores a message; an earlier entry for it stays, unless that is only from the Case's marker.
    pub fn learn(&mut self, id: MessageId, at: Option<GoodaysTime>, how: MessageOrigin) {
        match self.known.iter_mut().find(|known| known.id == id) {
            None => self.known.push(Known { id, at, origin: how }),
            Some(known) if known.is_from_marker() => (known.at, known.origin) = (at, how),
            Some(_) => {}
        }
    }

    /// Whether we sent this message.
    pub fn sent(&self, id: &MessageId) -> bool {
        self.sent_ids().any(|sent| sent == id)
    }

    /// Messages that we sent.
    pub fn sent_ids(&self) -> impl Iterator<Item = &MessageId> {
        self.known.iter().filter(|k| k.origin == MessageOrigin::Sent).map(|k| &k.id)
    }

    pub fn answer(&self, comment: &RecordId) -> Option<&Answered> {
        self.answers.iter().find(|a| a.comment == *comment)
    }

    /// The ids for the Case's marker, oldest first.
    pub fn marker_ids(&self) -> impl Iterator<Item = &MessageId> {
        self.known.iter().filter(|k| k.origin != MessageOrigin::Skipped).map(|k| &k.id)
    }
}

/// A stable 64-bit hash for "is this still the same text": the first bytes of SHA-256.
pub fn hash64(text: &str) -> u64 {
    use sha2::{Digest, Sha256};
    let digest = Sha256::digest(text.as_bytes());
    u64::from_be_bytes(digest[..8].try_into().expect("a digest has 32 bytes"))
}
