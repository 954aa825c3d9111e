//! A loaded conversation: what is decided on, and what a decision changes (design, rule 22).

use crate::decide::{Conversation, Intent, IntentState};
use crate::state::embedded::Tx;
use crate::state::sent::MetaSwap;
use crate::state::{Entry, EntryState, RKey, Waiting, WaitingNote};

/// A conversation as it stood at one moment. Its changes are written by [`crate::state::Store::commit_many`], and only
/// if nothing of it changed since: neither its link, nor one of its actions, nor one of the events and notes that
/// waited. An event or a note that came in since is no change.
pub struct Loaded {
    pub(super) rkey: RKey,
    /// The link and the actions; a decision changes them here.
    pub now: Conversation,
    /// What waited. A decision changes it by the functions below.
    pub waiting: Waiting,
    pub(super) before: Conversation,
    pub(super) version: Version,
    /// A value by name that changes together with the conversation.
    pub(super) swap: Option<MetaSwap>,
    pub(super) events: Vec<EventChange>,
    pub(super) notes: Vec<NoteChange>,
}

/// The version of a conversation that was loaded, in the store's own form.
pub(super) enum Version {
    /// A guard for each record that was read. Each change of an action changes the link's record, so a new action is
    /// noticed, too.
    Embedded(Tx),
    /// The number of the conversation's last change.
    Postgres(super::postgres::Version),
}

/// A new state for an event that waited.
pub(super) struct EventChange {
    pub entry: Entry,
    pub state: EntryState,
}

/// A note that waited: the time and the attempts with which it waits on, or that it waits no more.
pub(super) struct NoteChange {
    pub seq: u64,
    pub due_ms: i64,
    pub later: Option<(i64, u32)>,
}

impl Loaded {
    /// As it was read, without a change.
    pub(super) fn new(rkey: RKey, now: Conversation, waiting: Waiting, version: Version) -> Self {
        let (before, swap) = (now.clone(), None);
        Self { rkey, now, waiting, before, version, swap, events: Vec::new(), notes: Vec::new() }
    }

    pub fn rkey(&self) -> RKey {
        self.rkey
    }

    /// Ends or parks events: those that still wait as they were read. The others were finished, dropped, revived or
    /// forgotten meanwhile, and the code that did so has written their new state. Returns how many got the new state.
    pub fn end_events(&mut self, read: &[Entry], state: &EntryState) -> usize {
        self.change_events(read, |entry| (entry.attempts, state.clone()))
    }

    /// Makes events wait until `due_ms`, with that number of attempts; those that still wait as they were read.
    pub fn postpone_events(&mut self, read: &[Entry], due_ms: i64, attempts: u32) -> usize {
        self.change_events(read, |_| (attempts, EntryState::Waiting { due_ms }))
    }

    fn change_events(&mut self, read: &[Entry], change: impl Fn(&Entry) -> (u32, EntryState)) -> usize {
        let unchanged = self.waiting.entries.iter().filter(|entry| read.contains(entry));
        let before = self.events.len();
        self.events.extend(unchanged.map(|entry| {
            let (attempts, state) = change(entry);
            EventChange { entry: Entry { attempts, ..entry.clone() }, state }
        }));
        self.events.len() - before
    }

    /// Removes notes that were written or never can be: those that are still due at the same time. Returns how many.
    pub fn end_notes(&mut self, read: &[WaitingNote]) -> usize {
        self.change_notes(read, None)
    }

    /// Makes notes wait until `due_ms`, with that number of attempts; those that are still due at the same time.
    pub fn postpone_notes(&mut self, read: &[WaitingNote], due_ms: i64, attempts: u32) -> usize {
        self.change_notes(read, Some((due_ms, attempts)))
    }

    fn change_notes(&mut self, read: &[WaitingNote], later: Option<(i64, u32)>) -> usize {
        let same = |note: &&WaitingNote| read.iter().any(|r| r.seq == note.seq && r.due_ms == note.due_ms);
        let before = self.notes.len();
        let unchanged = self.waiting.notes.iter().filter(same);
        self.notes.extend(unchanged.map(|note| NoteChange { seq: note.seq, due_ms: note.due_ms, later }));
        self.notes.len() - before
    }

    /// For a mutant: forgets the messages that we sent.
    pub fn forget_sent(&mut self) {
        if let Some(link) = &mut self.now.link {
            link.known.retain(|known| known.origin != crate::decide::MessageOrigin::Sent);
        }
    }
}

/// A conversation that is due.
pub enum Due {
    Known(Box<Loaded>),
    /// No readable record names the response.
    Nameless(Waiting),
}

impl Due {
    pub fn waiting(&self) -> &Waiting {
        match self {
            Self::Known(loaded) => &loaded.waiting,
            Self::Nameless(waiting) => waiting,
        }
    }
}

/// What became of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Commit {
    Applied(Changed),
    /// The conversation changed since it was loaded; nothing of the change was written.
    Outdated,
}

/// What a written change contained.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    pub actions: bool,
    /// Whether there are notes to write on the Case.
    pub notes: bool,
    /// Actions that ended, or now wait for a human.
    pub ended: Vec<Ended>,
}

/// An action that ended, or waits for a human.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// The verb that was sent, otherwise the kind of the action.
    pub action: &'static str,
    pub outcome: &'static str,
    /// Code of the reason, if it was parked.
    pub code: Option<String>,
    /// From when it was seen until the customer had it (milliseconds), if it was delivered.
    pub took_ms: Option<i64>,
}

impl Ended {
    pub(super) fn of(before: &Conversation, intent: &Intent) -> Option<Self> {
        let same = before.intent(intent.seq).is_some_and(|old| old.state.name() == intent.state.name());
        let goes_on = matches!(intent.state, IntentState::Ready { .. } | IntentState::Sending(_));
        if same || goes_on {
            return None;
        }
        let (action, code) = match &intent.state {
            IntentState::Delivered { verb, .. } | IntentState::Observed { verb, .. } => (verb.as_str(), None),
            IntentState::Parked { code, .. } => (intent.kind.name(), Some(code.clone())),
            _ => (intent.kind.name(), None),
        };
        let took_ms = match &intent.state {
            IntentState::Delivered { at_ms, .. } => Some(at_ms - intent.seen_ms),
            _ => None,
        };
        Some(Self { action, outcome: intent.state.name(), code, took_ms })
    }
}
