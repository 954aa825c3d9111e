//! Why an action of an agent waits, as the Case shows it: so that nobody answers twice meanwhile, and everybody sees
//! until when it can be taken back.

use serde::{Deserialize, Serialize};

use crate::decide::outbound::eligibility::{Circumstances, Eligibility, Wait, eligibility, poll_due_ms};
use crate::decide::{ActionKind, Audience, Conversation, Feedback, Intent, IntentState, Note};
use crate::messages::Words;

/// How long a poll may be due before the agent reads of it (milliseconds): a budget that runs short spaces polls by a minute.
const UNREAD_MS: i64 = 120_000;

/// Why an action waits. Times are our clock's, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "for", rename_all = "lowercase")]
pub enum Waiting {
    /// It can be taken back until then.
    Undo { until_ms: i64 },
    /// Somebody has to approve it (`goodays.approval`).
    Approval,
    /// Goodays cannot be reached, since then.
    Outage { since_ms: i64 },
    /// Goodays refuses everything that is sent, since then.
    Refused { since_ms: i64 },
    /// No poll has shown since then what agents do: close, spam and call go after an answer given with them.
    Unread { since_ms: i64 },
    /// Goodays cannot be asked for the agent's user.
    User,
    /// Another action of the same Case is unclear, or an answer is parked that close, spam and call go after (design,
    /// rule 7).
    Answer,
}

impl Waiting {
    fn code(self) -> &'static str {
        match self {
            Self::Undo { .. } => "undo",
            Self::Approval => "approval",
            Self::Outage { .. } => "outage",
            Self::Refused { .. } => "refused",
            Self::Unread { .. } => "unread",
            Self::User => "user",
            Self::Answer => "behind_answer",
        }
    }

    fn words(self, conversation: &Conversation, intent: &Intent) -> Words {
        match (self, is_public(intent)) {
            (Self::Undo { until_ms }, true) => Words::new("undo-public").at("time", until_ms),
            (Self::Undo { until_ms }, false) => Words::new("undo-private").at("time", until_ms),
            (Self::Approval, _) => Words::new("needs-approval"),
            (Self::Outage { since_ms }, _) => Words::new("outage").at("time", since_ms),
            (Self::Refused { since_ms }, _) => Words::new("goodays-refuses").at("time", since_ms),
            (Self::Unread { since_ms }, _) => Words::new("not-polled").at("time", since_ms),
            (Self::User, _) => Words::new("user-not-asked"),
            (Self::Answer, _) => {
                let stuck = stuck(conversation, intent);
                let behind = if stuck.is_some_and(|(is_answer, _)| !is_answer) {
                    Words::new("behind-action")
                } else {
                    Words::new("behind-answer")
                };
                behind.and(stuck.map(|(_, why)| why.clone()).unwrap_or_default())
            }
        }
    }
}

/// The action that a human has to decide about before this one goes: whether it is an answer, and why it was not sent or
/// is unclear. An answer first.
fn stuck<'a>(conversation: &'a Conversation, intent: &Intent) -> Option<(bool, &'a Words)> {
    let others = || conversation.intents.iter().filter(|other| other.seq != intent.seq);
    let reason = |other: &'a Intent| match &other.state {
        IntentState::Unclear { why, .. } => Some((other.kind.is_answer(), why)),
        IntentState::Parked { why, .. } if other.kind.is_answer() && !intent.kind.is_answer() => {
            Some((true, why))
        }
        _ => None,
    };
    let all = || others().filter_map(reason);
    all().find(|(is_answer, _)| *is_answer).or_else(|| all().next())
}

fn is_public(intent: &Intent) -> bool {
    matches!(intent.kind, ActionKind::Answer { audience: Audience::Public, .. })
}

/// How long (milliseconds) after it was seen an action can be taken back, or waits for an answer given with it.
pub fn held_ms(kind: &ActionKind, now: &Circumstances) -> i64 {
    match kind {
        ActionKind::Answer { audience: Audience::Public, .. } => now.undo_reply_ms,
        ActionKind::Answer { audience: Audience::Private, .. } => now.undo_message_ms,
        _ => now.close_grace_ms,
    }
}

/// Whether a public answer still needs the approval of its current text.
pub fn needs_approval(intent: &Intent, now: &Circumstances) -> bool {
    now.approval && is_public(intent) && intent.approved_text != Some(text_of(intent))
}

/// Hash of an answer's current text.
pub(super) fn text_of(intent: &Intent) -> u64 {
    match &intent.kind {
        ActionKind::Answer { content, .. } => crate::decide::outbound::commands::answer_hash(content),
        _ => 0,
    }
}

impl Conversation {
    /// Since when a poll is wanted, so that an action may go (milliseconds).
    pub fn wants_poll(&self, now: &Circumstances) -> Option<i64> {
        let waits = |intent: &&Intent| {
            let due = poll_due_ms(intent, now).is_some();
            due && matches!(eligibility(self, intent.seq, None, now), Eligibility::NotYet(Wait::Poll { .. }))
        };
        self.intents.iter().filter(waits).filter_map(|intent| poll_due_ms(intent, now)).max()
    }

    /// Whether [`Conversation::tell_waiting`] has something to say.
    pub fn has_waiting_to_tell(&self, now: &Circumstances) -> bool {
        self.intents.iter().any(|intent| news(self, intent, now).is_some())
    }

    /// Tells the agent why his actions wait, once for each reason.
    pub fn tell_waiting(&mut self, now: &Circumstances) {
        let news = |intent: &Intent| {
            let waiting = news(self, intent, now)?;
            Some((intent.seq, waiting, waiting.words(self, intent)))
        };
        let all: Vec<(u64, Waiting, Words)> = self.intents.iter().filter_map(news).collect();
        for (seq, waiting, words) in all {
            let Some(intent) = self.intent_mut(seq) else { continue };
            intent.told_waiting = Some(waiting);
            let mut note = Note::new(Feedback::Waiting, intent.kind.name(), waiting.code(), words);
            // An approval of an earlier text must not count for this one.
            note.resets_approval = waiting == Waiting::Approval;
            self.tell(note);
        }
    }

    /// Tells once that Goodays cannot be asked for the agent's user.
    pub fn tell_user_not_asked(&mut self, seq: u64) {
        let Some(intent) = self.intent_mut(seq) else { return };
        let is_told = intent.told_waiting == Some(Waiting::User);
        if is_told || !matches!(intent.state, IntentState::Ready { .. }) {
            return;
        }
        intent.told_waiting = Some(Waiting::User);
        let action = intent.kind.name();
        self.tell(Note::new(Feedback::Waiting, action, Waiting::User.code(), Words::new("user-not-asked")));
    }

    /// Words about another action of which the Case says that it waits: the note about the action `seq` would cover that.
    pub(super) fn still_waits(&self, seq: u64) -> Words {
        let waits = |other: &&Intent| {
            let stuck = || stuck(self, other).is_some();
            let is_ready = matches!(other.state, IntentState::Ready { .. });
            other.seq != seq
                && is_ready
                && other.told_waiting.is_some_and(|it| it != Waiting::Answer || stuck())
        };
        let Some((other, waiting)) =
            self.intents.iter().find(waits).and_then(|other| Some((other, other.told_waiting?)))
        else {
            return Words::default();
        };
        let also = match other.kind {
            ActionKind::Answer { .. } => Words::new("answer-still-waits"),
            ActionKind::Call { .. } => Words::new("call-still-waits"),
            ActionKind::Close { .. } => Words::new("close-still-waits"),
            ActionKind::Spam { .. } => Words::new("spam-still-waits"),
        };
        also.and(waiting.words(self, other))
    }

    /// Cancels an action that was not sent. If the Case says that it waits, the Case says now that it was taken back.
    pub(super) fn take_back(&mut self, seq: u64, why: &str, now_ms: i64) {
        let Some(intent) = self.intent_mut(seq) else { return };
        let told = intent.told_waiting.take().is_some();
        let resets_approval = intent.approved_text.take().is_some();
        let action = intent.kind.name();
        let is_answer = intent.kind.is_answer();
        intent.state = IntentState::Cancelled { at_ms: now_ms, why: why.to_owned() };
        if let Some(link) = self.link.as_mut().filter(|_| is_answer) {
            link.answer_note = None;
        }
        if told {
            let mut note = Note::new(Feedback::TakenBack, action, "taken_back", Words::default());
            note.resets_approval = resets_approval;
            self.tell(note);
        }
    }
}

/// The reason that the agent was not told yet.
fn news(conversation: &Conversation, intent: &Intent, now: &Circumstances) -> Option<Waiting> {
    let waiting = waiting(conversation, intent, now)?;
    (intent.told_waiting != Some(waiting)).then_some(waiting)
}

fn waiting(conversation: &Conversation, intent: &Intent, now: &Circumstances) -> Option<Waiting> {
    if !matches!(intent.state, IntentState::Ready { .. }) {
        return None;
    }
    // A short trouble is over before anybody reads of it.
    let lasts = |since_ms: &i64| now.now_ms - since_ms >= now.settle_ms;
    if let Some(since_ms) = now.goodays_away_ms.filter(lasts) {
        return Some(Waiting::Outage { since_ms });
    }
    if let Some(since_ms) = now.refuses.map(|refuses| refuses.since_ms).filter(lasts) {
        return Some(Waiting::Refused { since_ms });
    }
    if needs_approval(intent, now) {
        return Some(Waiting::Approval);
    }
    if stuck(conversation, intent).is_some() {
        return Some(Waiting::Answer);
    }
    if let Some(since_ms) = poll_due_ms(intent, now).filter(|since_ms| now.now_ms - since_ms >= UNREAD_MS) {
        return Some(Waiting::Unread { since_ms });
    }
    let until_ms = intent.seen_ms.saturating_add(held_ms(&intent.kind, now));
    (intent.kind.is_answer() && until_ms > now.now_ms).then_some(Waiting::Undo { until_ms })
}
