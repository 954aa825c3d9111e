//! Records as rows: each whole as JSON, beside the columns that are searched.

use serde::{Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};

use crate::decide::{Intent, IntentState, Link};
use crate::state::{Entry, EntryState, RKey, StoreError};

/// A number as the database holds it.
pub(super) fn signed(number: u64) -> i64 {
    number.cast_signed()
}

pub(super) fn unsigned(number: i64) -> u64 {
    number.cast_unsigned()
}

/// A count or a limit for a statement.
pub(super) fn limit(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn count(row: &tokio_postgres::Row, column: usize) -> usize {
    usize::try_from(row.get::<_, i64>(column)).unwrap_or(0)
}

pub(super) fn encode<T: Serialize>(record: &T) -> String {
    serde_json::to_string(record).expect("a record has text keys only")
}

pub(super) fn decode<T: DeserializeOwned>(json: &str) -> Result<T, StoreError> {
    // The words of the error may quote the record.
    serde_json::from_str(json)
        .map_err(|error| StoreError::Damaged(format!("it cannot be read: {:?}", error.classify())))
}

/// An event. A new one is written before its number is known, so the number is that of the row.
pub(super) fn entry(seq: u64, json: &str) -> Result<Entry, StoreError> {
    decode::<Entry>(json).map(|entry| Entry { seq, ..entry })
}

/// A text for a column: the database takes every character but this one.
pub(super) fn text(words: &str) -> String {
    words.replace('\0', "\u{fffd}")
}

pub(super) fn rkey(bytes: &[u8]) -> Option<RKey> {
    RKey::read(bytes)
}

pub(super) fn lane(rkey: RKey) -> i16 {
    i16::from(rkey.lane())
}

/// 16 bytes of the SHA-256.
pub(super) fn hash(bytes: &[u8]) -> [u8; 16] {
    Sha256::digest(bytes)[..16].try_into().expect("a digest has 32 bytes")
}

/// The columns of an event that follow from its state.
pub(super) struct EventColumns {
    pub state: &'static str,
    pub due_ms: Option<i64>,
    pub code: Option<String>,
    pub record: String,
}

impl EventColumns {
    pub(super) fn of(entry: &Entry) -> Self {
        let (state, due_ms, code) = match &entry.state {
            EntryState::Waiting { due_ms } => ("waiting", Some(*due_ms), None),
            EntryState::Done { .. } => ("done", None, None),
            EntryState::Parked { code, .. } => ("parked", None, Some(text(code))),
            EntryState::Dropped { .. } => ("dropped", None, None),
        };
        Self { state, due_ms, code, record: encode(entry) }
    }
}

/// The columns of an action.
pub(super) struct ActionColumns {
    pub seq: i64,
    pub case_id: String,
    pub kind: &'static str,
    pub state: &'static str,
    pub is_open: bool,
    pub for_human: bool,
    pub seen_ms: i64,
    pub identity: Vec<u8>,
    pub record: String,
}

impl ActionColumns {
    pub(super) fn of(intent: &Intent) -> Self {
        Self {
            seq: signed(intent.seq),
            case_id: intent.case_id.as_str().to_owned(),
            kind: intent.kind.name(),
            state: intent.state.name(),
            is_open: intent.state.is_open(),
            for_human: intent.state.is_parked() || matches!(intent.state, IntentState::Unclear { .. }),
            seen_ms: intent.seen_ms,
            identity: hash(intent.identity().as_bytes()).to_vec(),
            record: encode(intent),
        }
    }
}

/// The columns of a link.
pub(super) struct LinkColumns {
    pub case_id: Option<String>,
    pub case_number: Option<String>,
    pub waiting_ms: Option<i64>,
    pub customer: Option<i64>,
    /// Numbers of the actions that the link names, as the database writes a list.
    pub asked: String,
    /// Identities of the actions that the Case's state could request now, the same way.
    pub wishes: String,
    pub link: String,
}

impl LinkColumns {
    pub(super) fn of(link: &Link) -> Self {
        let asked = link.answers.iter().map(|answered| answered.intent).chain(link.command.intents());
        let asked: Vec<String> = asked.map(|seq| signed(seq).to_string()).collect();
        let wishes = super::load::identities(link).into_iter();
        let wishes: Vec<String> =
            wishes.map(|wish| format!("\"\\\\x{}\"", hex::encode(hash(wish.as_bytes())))).collect();
        Self {
            case_id: link.case.as_ref().map(|case| first15(case.id.as_str()).to_owned()),
            case_number: link.case.as_ref().and_then(|case| case.number.as_deref().map(text)),
            waiting_ms: link.waiting_since.map(|since| since.to_millis().max(0)),
            customer: link.customer.map(signed),
            asked: format!("{{{}}}", asked.join(",")),
            wishes: format!("{{{}}}", wishes.join(",")),
            link: encode(link),
        }
    }
}

/// The part of an id that is unique (Salesforce reference, 2).
pub(super) fn first15(id: &str) -> &str {
    id.get(..15).unwrap_or(id)
}
