//! Whether an action may go to Goodays: now, not yet, or never, and why.
//!
//! All callers use this one function: the dispatcher (which action is next), the check just before the PUT (with what
//! Goodays has just listed, on the conversation in the same transaction that stores the attempt), and `plan --case`.

use crate::decide::invariants::{self, breach_of_action};
use crate::decide::outbound::outcome::{Outcome, Proof, Reading, outcome};
use crate::decide::outbound::permitted::{Beside, Permitted, permitted, seen};
use crate::decide::outbound::waiting::{held_ms, needs_approval};
use crate::decide::{ActionKind, Conversation, Intent, IntentState, Sending};
use crate::goodays::Verb;
use crate::goodays::action::Action;
use crate::goodays::event::Response;
use crate::messages::Words;

/// Whether an action may be sent.
#[derive(Debug, Clone, PartialEq)]
pub enum Eligibility {
    /// Nothing on our side is against it: Goodays has to be read.
    Look,
    Send(Action),
    NotYet(Wait),
    Never(Ending),
}

/// Why an action waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// Not before this time (milliseconds): the end of `undo` or `close_grace`, or the next try.
    Until { at_ms: i64 },
    /// Somebody has to approve it.
    Approval,
    /// An earlier answer of the same response goes first.
    EarlierAnswer,
    /// Close, spam and call wait for every answer (design, rule 7): one is not at Goodays yet.
    Answer,
    /// The same, and that answer is parked.
    ParkedAnswer,
    /// Close, spam and call wait until a poll that began after their grace has shown whether an answer was given with them, or
    /// whether they were taken back. It is looked whether one has (milliseconds).
    Poll { look_again_ms: i64 },
    /// Another action of the response is in flight, or its outcome is not known.
    OtherUnderWay,
    /// This action is in flight.
    UnderWay,
    /// Its outcome is not known: a human decides.
    Unclear,
    /// Salesforce was read longer than one poll ago: the action may have been taken back (design, rule 10).
    ReadAgain,
    /// Goodays shows less than we know of the conversation; accepted only after that time (milliseconds).
    StaleView { until_ms: i64 },
    /// The outcome of an earlier attempt is not known yet.
    EarlierAttempt { look_again_ms: i64 },
    /// Goodays refuses everything that is sent; one action is tried again then (milliseconds).
    Refused { until_ms: i64 },
}

/// Why an action is never sent.
#[derive(Debug, Clone, PartialEq)]
pub enum Ending {
    /// An earlier attempt is found to have arrived.
    Arrived(Verb, Option<Proof>),
    /// Goodays has the response as processed. The words say for the agent what could not be sent.
    Settled(Words),
    NotSent {
        code: &'static str,
        why: Words,
    },
    /// An attempt was made, its outcome is not known, and Goodays accepts no other.
    Unclear {
        why: Words,
        attempt: Sending,
    },
    /// `goodays.actions` is `observe`.
    Observed(Verb),
    /// It has already ended.
    Ended,
}

/// What applies to all actions now. Times are our clock's, in milliseconds.
#[derive(Debug, Clone, Copy)]
pub struct Circumstances {
    pub now_ms: i64,
    pub close_grace_ms: i64,
    pub settle_ms: i64,
    /// `poll.interval`, or longer behind a slow store: see [`fresh_ms`].
    pub poll_ms: i64,
    /// When the last completed poll began.
    pub polled_ms: i64,
    pub observe: bool,
    /// `goodays.undo`: how long a public reply and a private message can be taken back.
    pub undo_reply_ms: i64,
    pub undo_message_ms: i64,
    /// `goodays.approval`: whether public replies wait for an approval.
    pub approval: bool,
    /// Since when Goodays cannot be reached; `None` while it can.
    pub goodays_away_ms: Option<i64>,
    /// Goodays refuses everything that is sent, though it shows what it is asked for.
    pub refuses: Option<Refuses>,
    /// See [`Reading::message_ends_turn`].
    pub message_ends_turn: Option<bool>,
}

/// Goodays refuses everything that is sent to it. Our clock's times, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refuses {
    pub since_ms: i64,
    /// When one action is tried.
    pub until_ms: i64,
}

/// What Goodays has just shown, and other facts known with it.
#[derive(Debug, Clone, Copy)]
pub struct Look<'a> {
    pub view: &'a Response,
    /// When the read began, by our clock (milliseconds).
    pub asked_ms: i64,
    pub beside: Beside<'a>,
}

/// The shortest and the longest pause between two looks whether a poll has shown what is waited for (milliseconds).
const LOOKS_MS: (i64, i64) = (100, 10_000);
/// Requests to the store, at most, between a read of Salesforce and the decision on what it showed.
const TRIPS: i64 = 10;
/// However slow the store is: the interval of polls as it is shipped (milliseconds).
const LONGEST_MS: i64 = 10_000;

/// How old a read of Salesforce may be (milliseconds): one poll. Behind a slow store it may take longer until what was read
/// can be decided on; then it would be read again for ever.
pub fn fresh_ms(poll_ms: i64, round_trip_ms: i64) -> i64 {
    poll_ms.max(round_trip_ms.saturating_mul(TRIPS).min(LONGEST_MS))
}

/// Whether the intent `seq` may be sent. Without a look the best answer is [`Eligibility::Look`].
pub fn eligibility(
    conversation: &Conversation,
    seq: u64,
    look: Option<Look<'_>>,
    now: &Circumstances,
) -> Eligibility {
    let Some(intent) = conversation.intent(seq) else { return Eligibility::Never(Ending::Ended) };
    let not_before_ms = match &intent.state {
        IntentState::Ready { not_before_ms } => *not_before_ms,
        IntentState::Sending(_) => return Eligibility::NotYet(Wait::UnderWay),
        IntentState::Unclear { .. } => return Eligibility::NotYet(Wait::Unclear),
        _ => return Eligibility::Never(Ending::Ended),
    };
    // The mutant decides when the read begins, and not again before the PUT.
    let is_behind = look.is_none() || !crate::mutant::is_on("decide-once");
    if let Some(wait) = behind(conversation, intent).filter(|_| is_behind) {
        return Eligibility::NotYet(wait);
    }
    if needs_approval(intent, now) {
        return Eligibility::NotYet(Wait::Approval);
    }
    let at_ms = not_before_ms.max(intent.seen_ms.saturating_add(held_ms(&intent.kind, now)));
    if at_ms > now.now_ms {
        return Eligibility::NotYet(Wait::Until { at_ms });
    }
    if let Some(due_ms) = poll_due_ms(intent, now) {
        let pause_ms = ((now.now_ms - due_ms) / 4).clamp(LOOKS_MS.0, LOOKS_MS.1);
        return Eligibility::NotYet(Wait::Poll { look_again_ms: now.now_ms.saturating_add(pause_ms) });
    }
    if let Some(refuses) = now.refuses.filter(|refuses| refuses.until_ms > now.now_ms) {
        return Eligibility::NotYet(Wait::Refused { until_ms: refuses.until_ms });
    }
    // As of the read, if there was one: a slow read makes nothing older.
    let asked_ms = look.map_or(now.now_ms, |look| look.asked_ms);
    if asked_ms - intent.read_ms > now.poll_ms {
        return Eligibility::NotYet(Wait::ReadAgain);
    }
    match look {
        None => Eligibility::Look,
        Some(look) => by_look(conversation, intent, look, now),
    }
}

/// Since when a poll has to show what was done together with a close, spam or call; `None`: one has (design, rule 7).
pub(super) fn poll_due_ms(intent: &Intent, now: &Circumstances) -> Option<i64> {
    let due_ms = intent.seen_ms.saturating_add(held_ms(&intent.kind, now));
    (!intent.kind.is_answer() && due_ms <= now.now_ms && now.polled_ms < due_ms).then_some(due_ms)
}

/// Whether other actions of the response come first (design, rules 7 and 9).
fn behind(conversation: &Conversation, intent: &Intent) -> Option<Wait> {
    let others = || conversation.intents.iter().filter(|other| other.seq != intent.seq);
    let under_way =
        |other: &Intent| matches!(other.state, IntentState::Sending(_) | IntentState::Unclear { .. });
    if intent.kind.is_answer() {
        let earlier =
            |other: &Intent| other.state.is_open() && other.kind.is_answer() && place(other) < place(intent);
        if others().any(earlier) {
            return Some(Wait::EarlierAnswer);
        }
    } else {
        let answers = || others().filter(|other| other.kind.is_answer());
        if answers().any(|other| other.state.is_open()) {
            return Some(Wait::Answer);
        }
        if answers().any(|other| other.state.is_parked()) {
            return Some(Wait::ParkedAnswer);
        }
    }
    others().any(under_way).then_some(Wait::OtherUnderWay)
}

/// Answers are ordered by creation time; within one second by comment id.
fn place(intent: &Intent) -> (crate::time::SalesforceTime, &str) {
    let comment = intent.kind.comment().map_or("", |comment| comment.as_str());
    (intent.acted, comment)
}

fn by_look(conversation: &Conversation, intent: &Intent, look: Look<'_>, now: &Circumstances) -> Eligibility {
    let link = conversation.link.as_ref();
    let stale_until_ms = intent.seen_ms.saturating_add(now.settle_ms);
    if now.now_ms < stale_until_ms && lacks_what_is_known(conversation, look.view) {
        return Eligibility::NotYet(Wait::StaleView { until_ms: stale_until_ms });
    }
    // An attempt with unknown outcome comes first: the verb may be missing because of it (design, rule 8).
    let mut unconfirmed = intent.unconfirmed.as_ref();
    if let Some(attempt) = unconfirmed {
        let reading = Reading {
            view: look.view,
            asked_ms: look.asked_ms,
            settle_ms: now.settle_ms,
            message_ends_turn: now.message_ends_turn,
        };
        match outcome(intent, attempt, link, reading) {
            Outcome::Arrived(proof) => return Eligibility::Never(Ending::Arrived(attempt.verb, proof)),
            Outcome::NotYet { look_again_ms } => {
                return Eligibility::NotYet(Wait::EarlierAttempt { look_again_ms });
            }
            // An operator saw that it is unclear, and asked to send it again. Of what was parked he saw no doubt.
            Outcome::CannotBeTold(_) if attempt.sent_again => {}
            Outcome::CannotBeTold(why) => return unclear(attempt, why.words()),
            Outcome::DidNotArrive if attempt.is_refused() => unconfirmed = None,
            Outcome::DidNotArrive => {}
            Outcome::Displaced => unconfirmed = None,
        }
    }
    let beside = Beside { link, ..look.beside };
    match (permitted(intent, look.view, beside), unconfirmed) {
        (Permitted::Send(action), _) if now.observe => Eligibility::Never(Ending::Observed(action.verb())),
        (Permitted::Send(action), _) => match breach_of_action(&action, intent, look.view) {
            None => Eligibility::Send(action),
            Some(why) => Eligibility::Never(Ending::NotSent { code: invariants::CODE, why }),
        },
        (Permitted::NotSent { why, .. }, Some(attempt)) => unclear(attempt, why),
        (Permitted::NotSent { code, why }, None) => Eligibility::Never(Ending::NotSent { code, why }),
        (Permitted::Settled(lost), _) => Eligibility::Never(Ending::Settled(lost)),
    }
}

fn unclear(attempt: &Sending, why: Words) -> Eligibility {
    let why = Words::new("sent-before").and(why);
    Eligibility::Never(Ending::Unclear { why, attempt: attempt.clone() })
}

/// Whether a view is older than what we know: it does not list what Goodays lists now.
fn lacks_what_is_known(conversation: &Conversation, view: &Response) -> bool {
    let Some(link) = &conversation.link else { return false };
    let shown = seen(view);
    let lacks = |id: &crate::goodays::MessageId| shown.binary_search(id).is_err();
    link.last_customer.as_ref().is_some_and(lacks) || link.sent_ids().any(lacks)
}

impl ActionKind {
    /// The verb for Goodays; `None` for an answer, whose verb depends on a read of Goodays.
    pub fn verb(&self) -> Option<Verb> {
        match self {
            Self::Answer { .. } => None,
            Self::Call { .. } => Some(Verb::Call),
            Self::Close { .. } => Some(Verb::Close),
            Self::Spam { .. } => Some(Verb::Spam),
        }
    }
}

impl Wait {
    /// When to ask again (milliseconds); `None`: when the conversation changes.
    pub fn until_ms(self) -> Option<i64> {
        match self {
            Self::Until { at_ms } => Some(at_ms),
            Self::EarlierAttempt { look_again_ms } | Self::Poll { look_again_ms } => Some(look_again_ms),
            Self::StaleView { until_ms } | Self::Refused { until_ms } => Some(until_ms),
            _ => None,
        }
    }

    /// For people.
    pub fn words(self) -> &'static str {
        match self {
            Self::Until { .. } => "it waits for its time: undo, close_grace, or the next try",
            Self::Approval => "it waits until somebody approves it on the Case",
            Self::EarlierAnswer => "an answer that was given earlier goes first",
            Self::Answer => "an answer of the same Case goes first",
            Self::Poll { .. } => {
                "agents' work is read from Salesforce first: an answer may have been given with it"
            }
            Self::ParkedAnswer => "an answer of the same Case waits for a human: see `parked`",
            Self::OtherUnderWay => "another action of the same response is on its way, or unclear",
            Self::UnderWay => "it is on its way",
            Self::Unclear => "unclear: it may have arrived; see `parked`",
            Self::ReadAgain => "Salesforce is read again first: it may have been taken back",
            Self::StaleView { .. } => {
                "Goodays shows less than is known of the conversation: it is read again"
            }
            Self::EarlierAttempt { .. } => "it was sent, and whether it arrived is being found out",
            Self::Refused { .. } => {
                "Goodays refuses everything that is sent: one action is tried now and then"
            }
        }
    }
}
