//! What may be sent to Goodays now, and whether what was sent has arrived.
//!
//! The customer receives each answer exactly once (law 5): nothing is sent that Goodays does not list at that
//! moment, and nothing is sent again before Goodays was read back.

use super::inbound::proves;
use super::{How, Intent, IntentState, Link, Meant, RepliedBy, Sending, Wish};
use crate::goodays::action::{Action, is_outside_source, takes_remark_type};
use crate::goodays::event::{Response, Whose, normalised};
use crate::goodays::{MessageId, Verb};

/// What to do with an intent, now that Goodays was read.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    Send(Action),
    /// Goodays has it already. What could not travel is named for the agent, else the text is empty.
    Settled(String),
    /// Not sent, and never by itself later.
    NotSent {
        code: &'static str,
        why: String,
    },
}

/// Decides by what Goodays lists for this response at this moment (design, rules 8 and 9).
///
/// `newer_case` names a newer Case of the same customer: a new participation ends the older private exchange.
pub fn decide(
    intent: &Intent,
    view: &Response,
    link: Option<&Link>,
    user: Option<String>,
    newer_case: Option<&str>,
) -> Decision {
    let lists = |verb: Verb| view.actions.contains(verb.as_str());
    let outside = is_outside_source(view.source.as_deref());
    match &intent.wish {
        Wish::Answer { content, remark_type, meant, .. } => {
            if content.trim().is_empty() {
                return not_sent("empty", "The comment is empty.");
            }
            let content = plain_text(content);
            let somebody_else =
                view.reply.is_some() && !reply_is_ours(view, link) && !is_in_exchange(intent, view, link);
            match (lists(Verb::Reply), lists(Verb::Message), meant) {
                // Whatever is listed: it would be a second answer to something that was answered.
                (_, _, Meant::Public) if somebody_else => answered_by_other(),
                (true, _, Meant::Public) => {
                    let remark_type = outside.then(|| remark(remark_type.as_deref()));
                    Decision::Send(Action::Reply { content, user, remark_type })
                }
                (_, true, _) => {
                    let takes = takes_remark_type(Verb::Message, view.source.as_deref());
                    let remark_type = takes.then(|| remark(remark_type.as_deref()));
                    Decision::Send(Action::Message { content, user, remark_type })
                }
                (true, false, Meant::Private) => not_sent(
                    "would_be_public",
                    "The text was meant as a private message, but Goodays takes only the public reply.",
                ),
                (false, false, _) => no_answer_now(view, newer_case),
            }
        }
        Wish::Call { rating, note, left_out, .. } => {
            let send = Action::Call { user, rating: *rating, note: note.clone() };
            let lost = note.is_some() || rating.is_some() || !left_out.is_empty();
            status(view, Verb::Call, send, lost)
        }
        Wish::Close { remark_type, .. } => {
            let remark_type = outside.then(|| remark(remark_type.as_deref()));
            status(view, Verb::Close, Action::Close { user, remark_type }, false)
        }
        Wish::Spam { .. } => status(view, Verb::Spam, Action::Spam { user }, false),
    }
}

/// Whether a view is older than what we know: what it lists is not what Goodays lists now. Believed for as long as
/// `settle` after the agent acted, then the view counts as it is.
pub fn outdated(intent: &Intent, view: &Response, link: Option<&Link>, settle_ms: i64, now_ms: i64) -> bool {
    let Some(last) = link.and_then(|l| l.last_customer.as_ref()) else { return false };
    now_ms < intent.seen_ms + settle_ms && !view.turns.iter().any(|t| t.id == *last)
}

fn not_sent(code: &'static str, why: &str) -> Decision {
    Decision::NotSent { code, why: why.to_owned() }
}

fn answered_by_other() -> Decision {
    not_sent(
        "answered_by_other",
        "Somebody else answered in Goodays first; this text was written as the public reply.",
    )
}

fn no_answer_now(view: &Response, newer_case: Option<&str>) -> Decision {
    if let Some(case) = newer_case {
        let why = format!("The customer left newer feedback: please answer on Case {case}.");
        return Decision::NotSent { code: "newer_feedback", why };
    }
    if view.state.as_deref() == Some("spam") {
        return not_sent("spam", "The feedback stands as spam in Goodays: it takes no answer.");
    }
    if processed(view) {
        return not_sent("wait_for_customer", "Goodays takes the next one after the customer writes.");
    }
    not_sent("not_allowed", "Goodays lists no answer for this feedback at the moment.")
}

fn status(view: &Response, verb: Verb, action: Action, carries: bool) -> Decision {
    if view.actions.contains(verb.as_str()) {
        return Decision::Send(action);
    }
    if processed(view) {
        let lost = "The call's note and rating did not travel: please enter them in Goodays.";
        return Decision::Settled(if carries { lost.to_owned() } else { String::new() });
    }
    Decision::NotSent {
        code: "not_allowed",
        why: format!("Goodays does not list \"{verb}\" for this feedback at the moment."),
    }
}

/// Somebody processed the response: it is closed or spam, or has its reply.
fn processed(view: &Response) -> bool {
    matches!(view.state.as_deref(), Some("closed" | "spam"))
        || view.reply.is_some()
        || view.actions.contains("message")
}

fn reply_is_ours(view: &Response, link: Option<&Link>) -> bool {
    let (Some(reply), Some(link)) = (&view.reply, link) else { return false };
    let sent = link.known.iter().any(|k| k.id == reply.id && k.how == How::Sent);
    let text = super::hash64(&normalised(&reply.content));
    sent || link.unidentified.contains(&text) || link.replied == Some(RepliedBy::Us)
}

/// After loss of our state nobody knows who replied; a text that was written after the customer's private message
/// is no public reply.
fn is_in_exchange(intent: &Intent, view: &Response, link: Option<&Link>) -> bool {
    // Salesforce's stamps have whole seconds.
    let before = |at: jiff::Timestamp| at.as_millisecond() < intent.acted_ms + 1000;
    let last = view.turns.last().filter(|t| t.whose == Whose::Customer);
    link.is_some_and(|l| l.unread) && last.and_then(|t| t.at).is_some_and(before)
}

/// One of the page's values; `Message` where the agent cannot, or did not, choose.
fn remark(chosen: Option<&str>) -> String {
    const ALLOWED: [&str; 5] = ["Praise", "Question", "Idea", "Problem", "Message"];
    let chosen = chosen.map(str::trim).unwrap_or_default();
    let found = ALLOWED.iter().find(|a| a.eq_ignore_ascii_case(chosen));
    found.copied().unwrap_or("Message").to_owned()
}

/// Plain text goes to customers: line ends as they are usual, nothing around it.
fn plain_text(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n").trim().to_owned()
}

/// All message ids that a view shows: noted with `Sending`.
pub fn seen(view: &Response) -> Vec<MessageId> {
    let mut ids: Vec<MessageId> =
        view.turns.iter().chain(&view.first).chain(&view.reply).map(|m| m.id.clone()).collect();
    ids.sort();
    ids.dedup();
    ids
}

/// Whether an attempt arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Arrival {
    /// Done, with the new message's id where there is one.
    Arrived(Option<MessageId>),
    /// Nothing of it is to be seen in this view.
    NotSeen,
}

/// Looks for an attempt's traces in a view (design, rules 2 and 3).
pub fn arrival(intent: &Intent, sending: &Sending, view: &Response) -> Arrival {
    let found = match sending.verb {
        Verb::Reply | Verb::Message => return sent_text(intent, sending, view),
        Verb::Call => view.reply.as_ref().is_some_and(|r| r.is_call() && !sending.seen.contains(&r.id)),
        Verb::Close => view.state.as_deref() == Some("closed"),
        Verb::Spam => view.state.as_deref() == Some("spam"),
    };
    if found { Arrival::Arrived(None) } else { Arrival::NotSeen }
}

fn sent_text(intent: &Intent, sending: &Sending, view: &Response) -> Arrival {
    let mut asked = intent.clone();
    asked.state = IntentState::Sending(sending.clone());
    let mut shown = view.turns.iter().chain(&view.reply);
    match shown.find(|m| m.whose != Whose::Customer && proves(&asked, m)) {
        Some(message) => Arrival::Arrived(Some(message.id.clone())),
        None => Arrival::NotSeen,
    }
}

/// What follows from a read-back after an attempt without an answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Settlement {
    Arrived(Option<MessageId>),
    /// Not seen, but it may still be applied: look again then (milliseconds).
    LookAgain {
        at_ms: i64,
    },
    /// Two looks agree that nothing arrived: it may be tried again.
    NotDone,
}

/// *Applied* is believed at once, *not applied* only `settle` after the attempt ended (design, rule 2).
pub fn settlement(
    intent: &Intent,
    sending: &Sending,
    view: &Response,
    settle_ms: i64,
    now_ms: i64,
) -> Settlement {
    match arrival(intent, sending, view) {
        Arrival::Arrived(id) => Settlement::Arrived(id),
        Arrival::NotSeen => {
            let ended = sending.ended_ms.unwrap_or(sending.since_ms);
            if now_ms < ended + settle_ms {
                Settlement::LookAgain { at_ms: ended + settle_ms }
            } else {
                Settlement::NotDone
            }
        }
    }
}

/// Whether an intent may go now, among the others of its response (design, rules 7 and 9).
pub fn turn(intent: &Intent, others: &[Intent], parked_answers: bool, grace_ms: i64, now_ms: i64) -> Turn {
    let IntentState::Ready { not_before_ms } = intent.state else { return Turn::Blocked };
    let before = |o: &&Intent| {
        o.seq != intent.seq
            && o.wish.is_answer()
            && (!intent.wish.is_answer() || (o.acted_ms, answer_id(o)) < (intent.acted_ms, answer_id(intent)))
    };
    let busy = |o: &&Intent| {
        o.seq != intent.seq && matches!(o.state, IntentState::Sending(_) | IntentState::Unclear { .. })
    };
    if others.iter().any(|o| before(&o)) || others.iter().any(|o| busy(&o)) {
        return Turn::Blocked;
    }
    if !intent.wish.is_answer() && parked_answers {
        return Turn::Blocked;
    }
    let grace = if intent.wish.is_answer() { 0 } else { grace_ms };
    let at_ms = not_before_ms.max(intent.seen_ms + grace);
    if at_ms <= now_ms { Turn::Go } else { Turn::Wait { at_ms } }
}

fn answer_id(intent: &Intent) -> &str {
    match &intent.wish {
        Wish::Answer { comment, .. } => comment.as_str(),
        _ => "",
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    Go,
    Wait {
        at_ms: i64,
    },
    /// Another one of the same response comes first.
    Blocked,
}
