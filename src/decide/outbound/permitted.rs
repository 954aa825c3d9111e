//! What Goodays' list of actions allows of an agent's action now (design, rules 8 and 9).

use crate::decide::{ActionKind, Audience, Intent, Link, RepliedBy};
use crate::goodays::action::{Action, is_outside_source, takes_remark_type};
use crate::goodays::event::{Response, Whose, normalised};
use crate::goodays::{MessageId, Verb};
use crate::mapping::strip_html;
use crate::messages::Words;
use crate::time::GoodaysTime;

/// What may be done about an action, after a read of Goodays.
#[derive(Debug, Clone, PartialEq)]
pub enum Permitted {
    Send(Action),
    /// Goodays has it as processed already. The words say for the agent what could not be sent.
    Settled(Words),
    /// Not sent, and not retried automatically.
    NotSent {
        code: &'static str,
        why: Words,
    },
}

/// What is known apart from the response itself.
#[derive(Debug, Clone, Copy, Default)]
pub struct Beside<'a> {
    pub link: Option<&'a Link>,
    /// The agent's user in Goodays.
    pub user: Option<&'a str>,
    /// A newer Case of the same customer: a new participation ends the older private exchange (design, rule 12).
    pub newer_case: Option<&'a str>,
    /// When the agent acted, converted to Goodays' clock; `None` while either clock is not known.
    pub acted: Option<GoodaysTime>,
}

/// Decides by what Goodays lists for this response now.
pub fn permitted(intent: &Intent, view: &Response, beside: Beside<'_>) -> Permitted {
    let user = beside.user.map(str::to_owned);
    match &intent.kind {
        ActionKind::Answer { content, remark_type, audience, .. } => {
            let remark = Remark { chosen: remark_type.as_deref(), asked_for: intent.needs_remark_type };
            answer(content, remark, *audience, view, beside)
        }
        ActionKind::Call { rating, note, left_out, .. } => {
            let send = Action::Call { user, rating: *rating, note: note.clone() };
            let carries = note.is_some() || rating.is_some() || !left_out.is_empty();
            let lost = carries.then(|| Words::new("call-not-carried"));
            status(view, Verb::Call, send, lost.unwrap_or_default())
        }
        ActionKind::Close { remark_type, .. } => {
            let required = intent.needs_remark_type || is_outside_source(view.source.as_deref());
            let remark_type = remark(remark_type.as_deref(), required);
            status(view, Verb::Close, Action::Close { user, remark_type }, Words::default())
        }
        ActionKind::Spam { .. } => {
            let remark_type = remark(None, intent.needs_remark_type);
            let is_spam = view.state.as_deref() == Some("spam");
            let lost = (!is_spam).then(|| Words::new("not-reported-as-spam"));
            status(view, Verb::Spam, Action::Spam { user, remark_type }, lost.unwrap_or_default())
        }
    }
}

/// The remark type of an answer.
#[derive(Clone, Copy)]
struct Remark<'a> {
    chosen: Option<&'a str>,
    /// Goodays refused the answer without one.
    asked_for: bool,
}

fn answer(
    content: &str,
    Remark { chosen, asked_for }: Remark<'_>,
    audience: Audience,
    view: &Response,
    beside: Beside<'_>,
) -> Permitted {
    if shows_nothing(content) {
        return not_sent("empty", Words::new("answer-empty"));
    }
    let (content, user) = (plain_text(content), beside.user.map(str::to_owned));
    match (view.allows(Verb::Reply), view.allows(Verb::Message), audience) {
        // Whatever is listed: it would be a second answer to feedback that is answered.
        (_, _, Audience::Public) if is_answered_by_other(view, beside) => {
            not_sent("answered_by_other", Words::new("answered-by-other"))
        }
        (true, _, Audience::Public) => {
            let remark_type = remark(chosen, asked_for || is_outside_source(view.source.as_deref()));
            Permitted::Send(Action::Reply { content, user, remark_type })
        }
        (_, true, _) => {
            let takes = asked_for || takes_remark_type(Verb::Message, view.source.as_deref());
            let remark_type = if takes { remark(chosen, true) } else { None };
            Permitted::Send(Action::Message { content, user, remark_type })
        }
        (true, false, Audience::Private) => not_sent("would_be_public", Words::new("would-be-public")),
        (false, false, _) => no_answer_now(view, beside.newer_case),
    }
}

fn not_sent(code: &'static str, why: Words) -> Permitted {
    Permitted::NotSent { code, why }
}

fn no_answer_now(view: &Response, newer_case: Option<&str>) -> Permitted {
    if let Some(case) = newer_case {
        return not_sent("newer_feedback", Words::new("newer-feedback").with("case", case));
    }
    if view.state.as_deref() == Some("spam") {
        return not_sent("spam", Words::new("is-spam"));
    }
    if let Some(why) = unusable(view, &[Verb::Reply, Verb::Message]) {
        return not_sent("not_allowed", why);
    }
    match (&view.reply, is_processed(view)) {
        // It may be closed by mistake; Goodays cannot open it again (Goodays reference, 6).
        (None, true) => {
            not_sent("closed_in_goodays", Words::new("closed-in-goodays").and(still_listed(view)))
        }
        (Some(_), true) => not_sent("wait_for_customer", Words::new("wait-for-customer")),
        (_, false) => not_sent("not_allowed", Words::new("no-answer-listed").and(still_listed(view))),
    }
}

/// What the agent can still do, named as the shipped actions name it.
fn still_listed(view: &Response) -> Words {
    let listed: Vec<&str> =
        Verb::ALL.iter().filter(|verb| view.allows(**verb)).map(|verb| verb.as_str()).collect();
    if listed.is_empty() {
        return Words::default();
    }
    Words::new("still-takes").with("verbs", listed.join(", "))
}

/// A listed verb whose value is no address counts as not listed; the reason names it.
fn unusable(view: &Response, verbs: &[Verb]) -> Option<Words> {
    let named = verbs.iter().find(|verb| view.odd_actions.contains(verb.as_str()))?;
    Some(Words::new("no-address").with("verb", named))
}

/// `lost`: what does not reach Goodays if it has the response as processed already (Goodays reference, 3.2).
fn status(view: &Response, verb: Verb, action: Action, lost: Words) -> Permitted {
    if view.allows(verb) {
        return Permitted::Send(action);
    }
    if is_processed(view) {
        return Permitted::Settled(lost);
    }
    let why = unusable(view, &[verb]).unwrap_or_else(|| Words::new("not-listed").with("verb", verb));
    not_sent("not_allowed", why)
}

/// Whether the response is processed: it is closed or spam, or has its reply.
pub fn is_processed(view: &Response) -> bool {
    matches!(view.state.as_deref(), Some("closed" | "spam"))
        || view.reply.is_some()
        || view.allows(Verb::Message)
}

fn is_answered_by_other(view: &Response, beside: Beside<'_>) -> bool {
    view.reply.is_some() && !reply_is_ours(view, beside.link) && !is_in_exchange(view, beside)
}

fn reply_is_ours(view: &Response, link: Option<&Link>) -> bool {
    let (Some(reply), Some(link)) = (&view.reply, link) else { return false };
    let text = crate::decide::hash64(&normalised(&reply.content));
    link.sent(&reply.id) || link.unidentified.contains(&text) || link.replied == Some(RepliedBy::Us)
}

/// After loss of our state it is not known who replied. A text written after the customer's private message is no
/// public reply.
fn is_in_exchange(view: &Response, beside: Beside<'_>) -> bool {
    // A converted time is as exact as two `Date` headers, and Salesforce's own whole second.
    const EXACT_MS: i64 = 3_000;
    let last = view.turns.last().filter(|t| t.whose == Whose::Customer);
    let (Some(wrote), Some(acted)) = (last.and_then(|t| t.at), beside.acted) else { return false };
    beside.link.is_some_and(|l| l.unread) && acted.millis_since(wrote) > -EXACT_MS
}

/// The agent's choice, if it is one of the page's values. `Message` if Goodays requires a value and the agent's tool
/// has no choice (Goodays reference, 3.7). `NoType` is never sent.
fn remark(chosen: Option<&str>, required: bool) -> Option<String> {
    let found = known_remark(chosen.unwrap_or_default());
    found.or(required.then_some("Message")).map(str::to_owned)
}

const REMARKS: [&str; 5] = ["Praise", "Question", "Idea", "Problem", "Message"];

fn known_remark(chosen: &str) -> Option<&'static str> {
    REMARKS.into_iter().find(|known| known.eq_ignore_ascii_case(chosen.trim()))
}

/// Tells that the type which the agent chose did not travel with this action. A private message takes none from most
/// sources, and `NoType` is no choice.
pub(super) fn remark_left_out(kind: &ActionKind, verb: Verb, view: Option<&Response>) -> Words {
    let (ActionKind::Answer { remark_type, .. } | ActionKind::Close { remark_type, .. }) = kind else {
        return Words::default();
    };
    let chosen = remark_type.as_deref().map(str::trim).unwrap_or_default();
    let no_choice = chosen.is_empty() || chosen.eq_ignore_ascii_case("NoType");
    let source = view.and_then(|view| view.source.as_deref());
    let takes = verb != Verb::Message || takes_remark_type(verb, source);
    if no_choice || !takes || known_remark(chosen).is_some() {
        return Words::default();
    }
    let shown: String = chosen.chars().take(MAX_SHOWN_REMARK).collect();
    Words::new("remark-left-out").with("chosen", shown).with("known", REMARKS.join(", "))
}

/// How much of an unknown type the Case repeats (characters).
const MAX_SHOWN_REMARK: usize = 80;

/// Whether the customer would see nothing: no letter is left without markup and characters that show nothing. Editors
/// leave such characters and empty tags in an emptied field.
fn shows_nothing(text: &str) -> bool {
    strip_html(text).chars().all(is_blank)
}

/// White space, control characters, Unicode's Default_Ignorable_Code_Point, and letters that are drawn as a blank.
fn is_blank(c: char) -> bool {
    const HANGUL_FILLERS: [char; 4] = ['\u{115f}', '\u{1160}', '\u{3164}', '\u{ffa0}'];
    const BRAILLE_BLANK: char = '\u{2800}';
    let ignorable = matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}');
    c.is_whitespace() || c.is_control() || ignorable || c == BRAILLE_BLANK || HANGUL_FILLERS.contains(&c)
}

/// Plain text for customers: `\n` as line end, no surrounding blanks.
fn plain_text(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n").trim().to_owned()
}

/// All message ids that a view shows; stored with `Sending`.
pub fn seen(view: &Response) -> Vec<MessageId> {
    let mut ids: Vec<MessageId> =
        view.turns.iter().chain(&view.first).chain(&view.reply).map(|m| m.id.clone()).collect();
    ids.sort();
    ids.dedup();
    ids
}

/// The latest date of a message that a view shows.
pub fn newest_of(view: &Response) -> Option<GoodaysTime> {
    view.turns.iter().chain(&view.first).chain(&view.reply).filter_map(|message| message.at).max()
}
