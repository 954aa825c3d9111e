//! Received events, and what waits for a response.

use serde::{Deserialize, Serialize};

use crate::decide::{Course, Note};
use crate::goodays::ResponseId;
use crate::state::RKey;

/// A stored event without its body.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    pub seq: u64,
    /// None if the body could not be read.
    pub response_id: Option<ResponseId>,
    /// `event_type` as Goodays sent it, or `sweep`.
    pub event: String,
    pub received_ms: i64,
    pub state: EntryState,
    #[serde(default)]
    pub attempts: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "lowercase")]
pub enum EntryState {
    Waiting {
        due_ms: i64,
    },
    Done {
        at_ms: i64,
        how: String,
        /// For the timeline; `None` in states of earlier versions.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        course: Option<Course>,
    },
    Parked {
        since_ms: i64,
        code: String,
        why: String,
    },
    Dropped {
        at_ms: i64,
    },
}

/// The result of receiving an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Receipt {
    Accepted { seq: u64, rkey: RKey },
    Duplicate { seq: u64 },
    Parked { seq: u64, why: String },
}

/// All events and notes that wait for one response.
#[derive(Debug, Clone, PartialEq)]
pub struct Waiting {
    pub rkey: RKey,
    pub entries: Vec<Entry>,
    pub notes: Vec<WaitingNote>,
    /// Events and notes with a damaged or missing record.
    pub lost: Vec<u64>,
}

/// A note that waits to be written on the Case.
#[derive(Debug, Clone, PartialEq)]
pub struct WaitingNote {
    pub seq: u64,
    pub due_ms: i64,
    pub attempts: u32,
    pub note: Note,
}

impl Waiting {
    pub(super) fn new(rkey: RKey) -> Self {
        Self { rkey, entries: Vec::new(), notes: Vec::new(), lost: Vec::new() }
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.notes.is_empty()
    }

    /// The largest number of attempts of any of the notes.
    pub fn note_attempts(&self) -> u32 {
        self.notes.iter().map(|note| note.attempts).max().unwrap_or_default()
    }
}

/// One entry of a lane's queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Item {
    pub rkey: RKey,
    pub due_ms: i64,
    pub seq: u64,
    /// True for an event, false for a note.
    pub event: bool,
}

/// Maximum of events and notes of one response that are processed together.
pub const AT_ONCE: usize = 400;

/// Of how many waiting events of each lane, those that are due first, the oldest is told. In a backlog, what arrived first
/// is due first; and webhooks wait while the embedded store reads rows.
pub const LOOKED_AT: usize = 256;
