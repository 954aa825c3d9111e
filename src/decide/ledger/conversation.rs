//! One conversation: the unit that is decided on and written, under one version (design, rule 22).

use crate::decide::{DAMAGED, Feedback, Intent, IntentState, Link, Note};
use crate::goodays::ResponseId;
use crate::messages::Words;

/// What is known of one response and of the agents' actions for it. The store loads it as a whole, and writes a change
/// as a whole if nothing in it changed meanwhile.
#[derive(Debug, Clone, PartialEq)]
pub struct Conversation {
    pub response_id: ResponseId,
    pub link: Option<Link>,
    /// Actions that are open or parked, those of agents' comments, and those that the Case's state could ask for
    /// again; in the order of their numbers.
    pub intents: Vec<Intent>,
    /// Identities of actions with a damaged record: they may have been sent, so they do not begin again.
    pub unreadable: Vec<String>,
    /// Notes for agents that this change adds.
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

    /// The action of this identity, in any state.
    pub fn by_identity(&self, identity: &str) -> Option<&Intent> {
        self.intents.iter().find(|intent| intent.identity() == identity)
    }

    /// Adds an action, or replaces the one with its number.
    pub fn put(&mut self, intent: Intent) {
        self.intents.retain(|other| other.seq != intent.seq);
        self.intents.push(intent);
        self.intents.sort_by_key(|intent| intent.seq);
    }

    /// The disk lost writes that had been acknowledged: an action that looks unsent may have been sent, so it is parked, and
    /// its Case says so. All other states lead to a look at Goodays, or are final. True if it was parked.
    pub fn after_loss(&mut self, seq: u64, now_ms: i64) -> bool {
        let is_ready = |intent: &Intent| matches!(intent.state, IntentState::Ready { .. });
        let parks = self.intent(seq).is_some_and(is_ready);
        if parks {
            self.park(seq, DAMAGED, Words::new("state-damaged"), None, now_ms);
        }
        parks
    }

    /// Adds a note for the Case.
    pub fn tell(&mut self, note: Note) {
        self.tell_beside(note, Words::default());
    }

    /// The same, with words about another action. A note that nothing had to be sent does not replace the note about an
    /// answer. If what it ends was told over that note, the answer's is told again.
    pub fn tell_beside(&mut self, mut note: Note, also: Words) {
        if let Some(link) = &mut self.link {
            let stays = link.answer_told && note.told == Feedback::Settled && also.is_empty();
            match &link.answer_note {
                _ if !note.says_nothing_new() => {}
                _ if stays => note.told = Feedback::Nothing,
                Some(answer) => note = note.instead(answer),
                None => {}
            }
            let is_about_answer = note.is_about_answer();
            if is_about_answer && note.told != Feedback::Waiting {
                link.answer_note = Some(Box::new(note.in_short()));
            }
            if is_about_answer || note.told == Feedback::Waiting {
                link.answer_told = is_about_answer && also.is_empty();
            }
        }
        note.reason = note.reason.and(also);
        self.notes.push(note);
    }
}
