//! One conversation, as it is decided on and written: together, under one version (design, rule 22).

use crate::decide::{Feedback, Intent, Link, Note};
use crate::goodays::ResponseId;

/// What is known of one response and of what agents want for it. The store loads it as one, and writes its change as
/// one if nothing of it changed in between.
#[derive(Debug, Clone, PartialEq)]
pub struct Conversation {
    pub response_id: ResponseId,
    pub link: Option<Link>,
    /// Actions that are open or parked, those of agents' comments, and those that the Case's state could ask for again;
    /// by their numbers.
    pub intents: Vec<Intent>,
    /// Identities of actions whose record cannot be read: they may have been sent, so they are not begun anew.
    pub unreadable: Vec<String>,
    /// What agents are to be told by the change at hand.
    pub notes: Vec<Note>,
}

impl Conversation {
    pub fn new(response_id: ResponseId) -> Self {
        Self { response_id, link: None, intents: Vec::new(), unreadable: Vec::new(), notes: Vec::new() }
    }

    pub fn intent(&self, seq: u64) -> Option<&Intent> {
        self.intents.iter().find(|intent| intent.seq == seq)
    }

    pub fn intent_mut(&mut self, seq: u64) -> Option<&mut Intent> {
        self.intents.iter_mut().find(|intent| intent.seq == seq)
    }

    /// The action of this identity, whatever became of it.
    pub fn by_identity(&self, identity: &str) -> Option<&Intent> {
        self.intents.iter().find(|intent| intent.identity() == identity)
    }

    /// Adds an action, or puts it in the place of the one with its number.
    pub fn put(&mut self, intent: Intent) {
        self.intents.retain(|other| other.seq != intent.seq);
        self.intents.push(intent);
        self.intents.sort_by_key(|intent| intent.seq);
    }

    /// The agent reads it on the Case. That nothing had to be sent is no news over what became of his words.
    pub fn tell(&mut self, mut note: Note) {
        let told = self.link.as_ref().is_some_and(|link| link.answer_told);
        if note.told == Feedback::Settled && note.reason.is_empty() && told {
            note.told = Feedback::Nothing;
        }
        if note.is_about_answer()
            && let Some(link) = &mut self.link
        {
            link.answer_told = true;
        }
        self.notes.push(note);
    }
}
