//! Records on their way from one store to the other, in no store's own form.

use crate::decide::{DAMAGED, Intent, IntentState, Link, Note};
use crate::state::{Entry, EntryState, RKey};

/// Some records of any kinds.
#[derive(Debug, Default)]
pub struct Batch {
    pub events: Vec<EventCopy>,
    /// Responses of events that name none: their records are damaged.
    pub owners: Vec<(u64, RKey)>,
    pub receipts: Vec<ReceiptCopy>,
    pub notes: Vec<NoteCopy>,
    pub links: Vec<(RKey, Link)>,
    pub customers: Vec<(u64, RKey)>,
    pub actions: Vec<ActionCopy>,
    /// Which action has an identity now.
    pub identities: Vec<([u8; 16], u64)>,
    pub attempts: Vec<(u8, Vec<RKey>)>,
    /// Names and JSON.
    pub values: Vec<(String, String)>,
}

#[derive(Debug)]
pub struct EventCopy {
    pub entry: Entry,
    pub rkey: Option<RKey>,
    pub body: Option<Vec<u8>>,
}

/// That a body was received: kept after its event.
#[derive(Debug)]
pub struct ReceiptCopy {
    /// The response, or the body's own hash.
    pub owner: [u8; 16],
    pub hash: [u8; 16],
    pub seq: u64,
}

#[derive(Debug)]
pub struct NoteCopy {
    pub seq: u64,
    pub rkey: RKey,
    pub due_ms: i64,
    pub attempts: u32,
    pub note: Note,
}

#[derive(Debug)]
pub enum ActionCopy {
    Whole(Box<Intent>),
    /// It may have been sent, so it stays, and nothing begins it again. `text` is JSON.
    Damaged {
        seq: u64,
        for_human: bool,
        text: String,
    },
}

impl ActionCopy {
    pub fn whole(&self) -> Option<&Intent> {
        match self {
            Self::Whole(intent) => Some(intent),
            Self::Damaged { .. } => None,
        }
    }
}

impl Batch {
    /// The greatest epoch of an attempt: no term of the target may look like the one that made it.
    pub fn epoch(&self) -> i64 {
        let attempts = |intent: &Intent| {
            let of_state = match &intent.state {
                IntentState::Sending(sending) | IntentState::Unclear { sending, .. } => sending.epoch,
                _ => 0,
            };
            of_state.max(intent.unconfirmed.as_ref().map_or(0, |attempt| attempt.epoch))
        };
        self.actions.iter().filter_map(ActionCopy::whole).map(attempts).max().unwrap_or_default()
    }

    pub fn counts(&self) -> Counts {
        let number = |length: usize| length as u64;
        Counts {
            events: number(self.events.len()),
            bodies: number(self.events.iter().filter(|event| event.body.is_some()).count()),
            receipts: number(self.receipts.len()),
            notes: number(self.notes.len()),
            responses: number(self.links.len()),
            customers: number(self.customers.len()),
            actions: number(self.actions.len()),
            attempts: number(self.attempts.len()),
            values: number(self.values.len()),
        }
    }
}

/// What stands for an event whose record cannot be read.
pub(in crate::state) fn damaged_event(seq: u64, now_ms: i64) -> Entry {
    let why = "What is kept of this event is damaged; its bytes may be readable: try it again, or drop it.";
    let state = EntryState::Parked { since_ms: now_ms, code: DAMAGED.to_owned(), why: why.to_owned() };
    let event = "unknown".to_owned();
    Entry { seq, response_id: None, event, received_ms: now_ms, state, attempts: 0 }
}

/// How many records of each kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    pub events: u64,
    pub bodies: u64,
    pub receipts: u64,
    pub notes: u64,
    pub responses: u64,
    pub customers: u64,
    pub actions: u64,
    pub attempts: u64,
    pub values: u64,
}

impl Counts {
    /// With names for people.
    pub fn named(&self) -> [(&'static str, u64); 9] {
        [
            ("events", self.events),
            ("bodies of events", self.bodies),
            ("hashes of bodies", self.receipts),
            ("waiting notes", self.notes),
            ("responses", self.responses),
            ("hashes of addresses", self.customers),
            ("actions", self.actions),
            ("calls in flight", self.attempts),
            ("cursors and other values", self.values),
        ]
    }

    pub fn total(&self) -> u64 {
        self.named().iter().map(|(_, count)| count).sum()
    }

    pub(in crate::state) fn add(&mut self, other: Self) {
        self.events += other.events;
        self.bodies += other.bodies;
        self.receipts += other.receipts;
        self.notes += other.notes;
        self.responses += other.responses;
        self.customers += other.customers;
        self.actions += other.actions;
        self.attempts += other.attempts;
        self.values += other.values;
    }
}

/// Records that could not be read, by kind. All but actions and events are left out of the copy.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Unreadable {
    /// Parked in the copy, with their bodies if those can be read.
    pub events: u64,
    pub notes: u64,
    pub responses: u64,
    /// Damaged in the copy, too.
    pub actions: u64,
    pub values: u64,
}

impl Unreadable {
    /// With names for people.
    pub fn named(&self) -> [(&'static str, u64); 5] {
        [
            ("events (parked in the copy)", self.events),
            ("notes (left out)", self.notes),
            ("responses (left out; they are learned again)", self.responses),
            ("actions (damaged in the copy, too)", self.actions),
            ("values (left out)", self.values),
        ]
    }
}
