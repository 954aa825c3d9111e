//! From rows that Salesforce shows to intents: what an agent did that Goodays has to hear of.

use serde_json::Value;

use super::inbound::held;
use super::relearn::action_fields;
use super::{Answered, CaseRef, Desk, Intent, IntentState, Link, Meant, Note, Told, Wish, hash64};
use crate::goodays::event::normalised;
use crate::goodays::{ResponseId, Verb};
use crate::mapping::{Act, Wanted};
use crate::salesforce::RecordId;

/// The longest `note` that is kept for a call.
const MAX_NOTE: usize = 4000;

/// What the row of a Case means for one response.
#[derive(Debug, Clone, PartialEq)]
pub struct CaseNews {
    pub link: Link,
    /// A status rule began to hold.
    pub wish: Option<Wish>,
    /// Status intents that are not wanted any more, if they were not sent yet.
    pub take_back: bool,
    /// The rule could not be evaluated: kind and place.
    pub problem: Option<String>,
}

/// The time and identity that rows are compared with.
#[derive(Debug, Clone)]
pub struct Since {
    /// Salesforce's time at our first start (milliseconds): nothing older is ever sent.
    pub first_start_ms: i64,
    /// Our own Salesforce user, and those that were it before.
    pub us: Vec<RecordId>,
    pub now_ms: i64,
}

/// Edges, not levels (design, rule 6): a wish arises when a rule begins to hold.
pub fn case_row(
    row: &Value,
    link: Option<&Link>,
    response: &ResponseId,
    desk: &Desk<'_>,
) -> Option<CaseNews> {
    let id = row.get("Id").and_then(Value::as_str).and_then(RecordId::new)?;
    let number = row.get("CaseNumber").and_then(Value::as_str).map(str::to_owned);
    let known = link.is_some_and(|l| l.case.as_ref().is_some_and(|c| c.id == id));
    let mut after = link.cloned().unwrap_or_else(|| Link::unread(response.clone()));
    after.case = Some(CaseRef { id, number }.or_known(after.case.as_ref()));
    after.row = row.as_object().map(|r| action_fields(r, desk)).unwrap_or_default();
    let (wanted, problem) = match desk.mapping.actions().on_case(row) {
        Ok(wanted) => (wanted, None),
        Err(problem) => (None, Some(problem.to_string())),
    };
    if problem.is_some() {
        return Some(CaseNews { link: after, wish: None, take_back: false, problem });
    }
    let before = after.held;
    after.held = held(desk, row);
    let edge = known && after.held.is_some() && after.held != before;
    let wish = if edge { wanted.map(|w| status_wish(&w, &after)) } else { None };
    let take_back = known && before.is_some() && after.held != before;
    Some(CaseNews { link: after, wish: wish.flatten(), take_back, problem: None })
}

fn status_wish(wanted: &Wanted, link: &Link) -> Option<Wish> {
    let after = link.last_customer.clone();
    match wanted.act {
        Act::Answer => None,
        Act::Spam => Some(Wish::Spam { after }),
        Act::Close => Some(Wish::Close { remark_type: wanted.remark_type.clone(), after }),
        Act::Call => Some(Wish::Call {
            rating: wanted.rating.as_ref().and_then(rating),
            note: wanted.note.as_ref().map(|n| n.chars().take(MAX_NOTE).collect()),
            left_out: left_out(wanted),
            after,
        }),
    }
}

/// What of a call does not travel, for the agent.
fn left_out(wanted: &Wanted) -> String {
    let rated = wanted.rating.as_ref().is_some_and(|r| !r.is_null() && rating(r).is_none());
    let long = wanted.note.as_ref().is_some_and(|n| n.chars().count() > MAX_NOTE);
    let rated = rated.then(|| "The call's rating was left out: Goodays takes 0 to 5.".to_owned());
    let long = long.then(|| format!("The call's note was cut after {MAX_NOTE} characters."));
    rated.into_iter().chain(long).collect::<Vec<_>>().join(" ")
}

/// An integer from 0 to 5 (Goodays reference, 5.3); Salesforce shows numbers with decimals.
fn rating(value: &Value) -> Option<u8> {
    let number = value.as_f64().or_else(|| value.as_str()?.trim().parse().ok())?;
    let whole = number.round();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked")]
    (0.0..=5.0).contains(&whole).then_some(whole as u8)
}

/// What the row of a comment means.
#[derive(Debug, Clone, PartialEq)]
pub enum CommentNews {
    Ignore,
    /// To be answered; the wish is new, or was cancelled before.
    Answer(Wish),
    /// Unpublished before it was sent.
    TakeBack(u64),
    /// The text changed before it was sent.
    Retext(u64, String),
    /// The text changed after it was sent: the agent is told once.
    Edited(Note),
    /// The rule could not be evaluated: kind and place.
    Problem(String),
}

/// A row of a comment against what we know; `intent` is the one that the comment had before.
pub fn comment_row(
    row: &Value,
    case: &Value,
    link: Option<&Link>,
    intent: Option<&Intent>,
    desk: &Desk<'_>,
    since: &Since,
) -> CommentNews {
    let Some(comment) = row.get("Id").and_then(Value::as_str).and_then(RecordId::new) else {
        return CommentNews::Ignore;
    };
    let by = row.get("CreatedById").and_then(Value::as_str).and_then(RecordId::new);
    let created = row.get("CreatedDate").and_then(Value::as_str).and_then(millis);
    if by.is_some_and(|by| since.us.contains(&by)) || created.is_none_or(|c| c < since.first_start_ms) {
        return CommentNews::Ignore;
    }
    let wanted = match desk.mapping.actions().on_comment(case, row) {
        Ok(wanted) => wanted.filter(|w| w.act == Act::Answer),
        Err(problem) => return CommentNews::Problem(problem.to_string()),
    };
    let before = link.and_then(|l| l.answer(&comment));
    match (wanted, before, intent) {
        (None, _, Some(intent)) if is_unsent(intent) => CommentNews::TakeBack(intent.seq),
        (None, _, _) => CommentNews::Ignore,
        (Some(wanted), Some(before), intent) => changed(&wanted, before, intent, link, comment),
        (Some(wanted), None, _) => CommentNews::Answer(answer(&wanted, link, comment)),
    }
}

/// Waiting to be sent, or for a human: the customer has nothing of it.
fn is_unsent(intent: &Intent) -> bool {
    matches!(intent.state, IntentState::Ready { .. } | IntentState::Parked { .. })
}

fn answer(wanted: &Wanted, link: Option<&Link>, comment: RecordId) -> Wish {
    let replied = link.is_some_and(|l| l.replied.is_some());
    Wish::Answer {
        comment,
        content: wanted.content.clone().unwrap_or_default(),
        remark_type: wanted.remark_type.clone(),
        meant: if replied { Meant::Private } else { Meant::Public },
    }
}

fn changed(
    wanted: &Wanted,
    before: &Answered,
    intent: Option<&Intent>,
    link: Option<&Link>,
    comment: RecordId,
) -> CommentNews {
    let text = wanted.content.clone().unwrap_or_default();
    let same = hash64(&normalised(&text)) == before.text;
    match intent.map(|i| &i.state) {
        Some(IntentState::Cancelled { .. }) => CommentNews::Answer(answer(wanted, link, comment)),
        Some(_) if !same && intent.is_some_and(is_unsent) => CommentNews::Retext(before.intent, text),
        _ if same || before.told => CommentNews::Ignore,
        state => CommentNews::Edited(Note {
            told: Told::Failed,
            action: "answer".to_owned(),
            reason: edited(state).to_owned(),
            view: None,
        }),
    }
}

fn edited(state: Option<&IntentState>) -> &'static str {
    match state {
        None | Some(IntentState::Delivered { .. } | IntentState::Sending(_)) => {
            "The comment was edited after it was taken over; the customer has the first text. Write a new \
             comment to say more."
        }
        // Unclear or dropped: nobody can say here what the customer has.
        Some(_) => {
            "The comment was edited after it was taken over; the edit is not sent. Write a new comment to say \
             more."
        }
    }
}

/// The response that a comment on a merged Case answers: the one that waits for us (design, rule 11).
pub fn addressee(links: &[Link]) -> Option<&Link> {
    match links {
        [only] => Some(only),
        many => {
            let mut waiting = many.iter().filter(|l| l.waiting_since.is_some());
            waiting.next().filter(|_| waiting.next().is_none())
        }
    }
}

/// Salesforce's date and time as milliseconds.
pub fn millis(text: &str) -> Option<i64> {
    text.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_millisecond)
}

/// The verb that a status intent stands for.
pub fn verb(wish: &Wish) -> Option<Verb> {
    match wish {
        Wish::Answer { .. } => None,
        Wish::Call { .. } => Some(Verb::Call),
        Wish::Close { .. } => Some(Verb::Close),
        Wish::Spam { .. } => Some(Verb::Spam),
    }
}
