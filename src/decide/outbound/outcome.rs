//! The outcome of an attempt (design, rules 2 and 3).
//!
//! A 2xx is a claim, and a lost connection is no refusal: only what Goodays shows afterwards decides. *Arrived* counts
//! at once. *Did not arrive* counts only after a read that began `settle` after the attempt ended, and only while
//! Goodays still accepts the verb. If that does not decide, a human does.

use std::cmp::Reverse;

use crate::decide::outbound::permitted::is_processed;
use crate::decide::outbound::recognise::{Fit, fit, likeness, likeness_to};
use crate::decide::{Intent, Link, Sending};
use crate::goodays::event::{Message, Response, Whose, normalised};
use crate::goodays::{MessageId, Verb};
use crate::messages::Words;
use crate::time::GoodaysTime;

/// The outcome of an attempt, as far as one read shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Goodays has it, with the new message if there is one.
    Arrived(Option<Proof>),
    /// Goodays does not show it and still accepts it: it may be sent again, and may still turn up.
    DidNotArrive,
    /// Goodays shows another public reply in its place.
    Displaced,
    /// It may still be applied or shown: a read that begins then (milliseconds) shows more.
    NotYet { look_again_ms: i64 },
    /// Reading does not decide.
    CannotBeTold(Doubt),
}

/// Why reading Goodays does not decide about an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubt {
    /// A new message of the brand may be this one.
    MayBeOurs,
    /// The verb is not listed any more, and nothing is shown.
    MayBeShownLater,
    /// `message` stays listed whether it arrived or not.
    TakesFurtherMessages,
}

impl Doubt {
    /// For people.
    pub fn words(self) -> Words {
        match self {
            Self::MayBeOurs => Words::new("may-be-ours"),
            Self::MayBeShownLater => Words::new("may-be-shown-later"),
            Self::TakesFurtherMessages => Words::new("takes-further-messages"),
        }
    }
}

/// The message that an attempt created at Goodays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    pub id: MessageId,
    pub at: Option<GoodaysTime>,
    /// It has a text that the agent has changed since: the place of that text in [`Sending::words`].
    pub earlier: Option<usize>,
}

impl Proof {
    pub fn new(intent: &Intent, sending: &Sending, message: &Message) -> Self {
        let like = |words: &str| likeness(words, &message.content);
        let best = sending.words.iter().enumerate().max_by_key(|(_, words)| like(words));
        let earlier =
            best.filter(|(_, words)| intent.kind.words() != Some(words.as_str())).map(|(place, _)| place);
        Self { id: message.id.clone(), at: message.at, earlier }
    }
}

/// One read of Goodays, and what decides with it.
#[derive(Debug, Clone, Copy)]
pub struct Reading<'a> {
    pub view: &'a Response,
    /// When the read began, by our clock (milliseconds): its result is as old as the request.
    pub asked_ms: i64,
    pub settle_ms: i64,
    /// Whether this account stops listing `message` once the brand has answered; `None`: not known yet.
    pub message_ends_turn: Option<bool>,
}

/// The outcome of an attempt of this intent.
pub fn outcome(intent: &Intent, sending: &Sending, link: Option<&Link>, reading: Reading<'_>) -> Outcome {
    if let Some(arrived) = arrived(intent, sending, link, reading.view) {
        return arrived;
    }
    let settled_ms = sending.ended_ms.unwrap_or(sending.since_ms).saturating_add(reading.settle_ms);
    if reading.asked_ms < settled_ms {
        return Outcome::NotYet { look_again_ms: settled_ms };
    }
    if is_displaced(intent, sending, reading.view) {
        return Outcome::Displaced;
    }
    let may_be_ours = !unexplained(intent, sending, link, reading.view).is_empty();
    if may_be_ours || is_taken_for_another(intent, sending, link, reading.view) {
        return Outcome::CannotBeTold(Doubt::MayBeOurs);
    }
    let is_processed_otherwise = sending.verb == Verb::Spam && is_processed(reading.view);
    if sending.is_refused() || is_processed_otherwise && !reading.view.allows(Verb::Spam) {
        return Outcome::DidNotArrive; // spam that arrived would be the response's state
    }
    // Goodays' list of actions is what is left: whether it proves that nothing happened.
    if !reading.view.allows(sending.verb) {
        return Outcome::CannotBeTold(Doubt::MayBeShownLater);
    }
    if sending.verb == Verb::Message && reading.message_ends_turn != Some(true) {
        return Outcome::CannotBeTold(Doubt::TakesFurtherMessages);
    }
    Outcome::DidNotArrive
}

/// What proves that an attempt arrived; used for an event's view as well as for a read. A gateway may repeat a call that it
/// got no answer to, and then only the repetition is refused: what was refused is proved by our own words alone, and close
/// and spam have none.
pub fn arrived(intent: &Intent, sending: &Sending, link: Option<&Link>, view: &Response) -> Option<Outcome> {
    let state = |name: &str| (view.state.as_deref() == Some(name)).then_some(Outcome::Arrived(None));
    match sending.verb {
        Verb::Reply | Verb::Message => {
            let mut all = candidates(sending, link, view);
            // The same text before altered ones, older before newer.
            all.sort_by_key(|m| (Reverse(likeness_to(intent, sending, m)), m.at));
            let ours = all.into_iter().find(|m| fit(intent, sending, m) == Fit::Ours);
            ours.map(|m| Outcome::Arrived(Some(Proof::new(intent, sending, m))))
        }
        Verb::Call => {
            let call = view.reply.as_ref().filter(|r| r.is_call() && !sending.seen.contains(&r.id))?;
            (!sending.is_refused() || is_its_note(intent, sending, call)).then_some(Outcome::Arrived(None))
        }
        Verb::Close | Verb::Spam if sending.is_refused() => None,
        // A customer who writes again finds it closed, and then only the list of actions shows that it was processed.
        Verb::Close => {
            let was_closed = sending.state_before.as_deref() == Some("closed");
            state("closed").filter(|_| !was_closed || !view.allows(Verb::Close))
        }
        Verb::Spam => state("spam"),
    }
}

fn is_its_note(intent: &Intent, sending: &Sending, call: &Message) -> bool {
    intent.words_of(sending).any(|note| normalised(note) == normalised(&call.content))
}

/// Messages that are newer than the attempt, and of which the ledger does not say where they come from.
fn candidates<'a>(sending: &Sending, link: Option<&Link>, view: &'a Response) -> Vec<&'a Message> {
    let accounted = |m: &&Message| sending.seen.contains(&m.id) || link.is_some_and(|l| l.has_origin(&m.id));
    let mut found: Vec<&Message> = view.turns.iter().filter(|m| !accounted(m)).collect();
    let reply = view.reply.as_ref().filter(|r| !r.is_call() && !accounted(r));
    found.extend(reply.filter(|r| !view.turns.iter().any(|t| t.id == r.id)));
    found
}

/// New messages that may be ours or a colleague's.
pub fn unexplained<'a>(
    intent: &Intent,
    sending: &Sending,
    link: Option<&Link>,
    view: &'a Response,
) -> Vec<&'a Message> {
    let mut found = candidates(sending, link, view);
    found.retain(|m| fit(intent, sending, m) == Fit::Doubtful);
    found
}

/// Whether a new message that is as good as ours counts as another action's: which of the two it is cannot be told, so
/// this one must not be sent again.
fn is_taken_for_another(intent: &Intent, sending: &Sending, link: Option<&Link>, view: &Response) -> bool {
    let Some(link) = link else { return false };
    let all = view.turns.iter().chain(&view.reply);
    let new = all.filter(|m| !sending.seen.contains(&m.id) && link.sent(&m.id));
    !sending.is_refused() && new.into_iter().any(|m| fit(intent, sending, m) == Fit::Ours)
}

/// There is one public reply, and it is not ours: ours was not accepted.
fn is_displaced(intent: &Intent, sending: &Sending, view: &Response) -> bool {
    let new = view.reply.as_ref().filter(|reply| !reply.is_call() && !sending.seen.contains(&reply.id));
    sending.verb == Verb::Reply && new.is_some_and(|reply| fit(intent, sending, reply) == Fit::Stranger)
}

/// Whether the account stops listing `message` once the brand has written; `None` if the view does not show it. `ours`: a
/// message of ours, and the verb that created it, if that is known. That `message` is gone after a public reply says
/// nothing of private messages. That it is listed is enough, whoever of the brand wrote last.
pub fn message_ends_turn(view: &Response, ours: Option<(&MessageId, Option<Verb>)>) -> Option<bool> {
    let last = view.turns.last()?;
    let ours = ours.filter(|(id, _)| **id == last.id);
    if view.allows(Verb::Message) {
        return (ours.is_some() || last.whose == Whose::Brand).then_some(false);
    }
    (ours?.1 == Some(Verb::Message)).then_some(true)
}
