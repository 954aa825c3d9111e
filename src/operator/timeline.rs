//! What happened to one feedback, in the order of time: from its records, without a call to anybody.

use std::collections::BTreeSet;

use serde::{Serialize, Serializer};

use crate::decide::{ActionKind, Conversation, Feedback, Intent, IntentState, Link, Moment, ToldAt, What};
use crate::goodays::ResponseId;
use crate::goodays::event::{self, Whose};
use crate::json;
use crate::messages::Words;
use crate::operator::ItemId;
use crate::state::{Entry, EntryState, RKey, StoreError};
use crate::workers::Shared;

/// The most events of a response that are shown.
const EVENTS: usize = 200;

/// One step of a feedback's way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    /// Milliseconds, our clock.
    pub at_ms: i64,
    /// How long it took; 0 if it is a moment, or if that is not known.
    pub took_ms: i64,
    /// What it belongs to: `e12` is an event, `a7` an action; empty for the Case.
    pub of: String,
    /// A stable name.
    pub code: &'static str,
    /// What happened and why, for people.
    #[serde(serialize_with = "in_english")]
    pub words: Words,
    /// The number of the call to Salesforce, as in the log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<u64>,
    /// The mapping version that decided it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mapping: Option<String>,
}

fn in_english<S: Serializer>(words: &Words, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&words.to_string())
}

/// What is known of one feedback.
#[derive(Debug, Clone, Serialize)]
pub struct Timeline {
    pub response_id: String,
    pub case_id: Option<String>,
    pub case_number: Option<String>,
    pub steps: Vec<Step>,
}

impl Step {
    fn new(at_ms: i64, of: &str, code: &'static str, words: Words) -> Self {
        Self { at_ms, took_ms: 0, of: of.to_owned(), code, words, request: None, mapping: None }
    }

    fn lasting(self, took_ms: i64) -> Self {
        Self { took_ms: took_ms.max(0), ..self }
    }
}

/// All steps, the earliest first.
pub fn steps(events: &[Entry], conversation: &Conversation) -> Vec<Step> {
    let mut steps: Vec<Step> = events.iter().flat_map(of_event).collect();
    steps.extend(conversation.intents.iter().flat_map(of_action));
    steps.extend(conversation.link.iter().flat_map(of_case));
    // Stable: steps of one moment stay in the order in which they were made.
    steps.sort_by_key(|step| step.at_ms);
    steps
}

fn of_event(entry: &Entry) -> Vec<Step> {
    let of = ItemId::Event(entry.seq).to_string();
    let received = Words::new("timeline-received").with("event", &entry.event);
    let mut steps = vec![Step::new(entry.received_ms, &of, "received", received)];
    match &entry.state {
        EntryState::Waiting { due_ms } if *due_ms > entry.received_ms => {
            let words = Words::new("timeline-waits").with("attempts", entry.attempts);
            steps.push(Step::new(*due_ms, &of, "waits", words));
        }
        EntryState::Waiting { .. } => {}
        EntryState::Done { at_ms, how, course } => {
            if let Some(course) = course {
                let planned = Step::new(course.planned_ms, &of, "planned", Words::new("timeline-planned"));
                let mapping = Some(course.mapping.clone()).filter(|version| !version.is_empty());
                steps.push(Step { mapping, ..planned });
                steps.extend(course.request.map(|request| {
                    let words = Words::new("timeline-called").with("comments", course.comments);
                    let call = Step::new(request.began_ms, &of, "called", words).lasting(request.took_ms);
                    Step { request: Some(request.number), ..call }
                }));
            }
            steps.push(Step::new(*at_ms, &of, "done", done(how)).lasting(at_ms - entry.received_ms));
        }
        EntryState::Parked { since_ms, code, why } => {
            let words = Words::new("timeline-parked").with("code", code).and(Words::plain(why.as_str()));
            steps.push(Step::new(*since_ms, &of, "parked", words));
        }
        EntryState::Dropped { at_ms } => {
            steps.push(Step::new(*at_ms, &of, "dropped", Words::new("timeline-dropped")));
        }
    }
    steps
}

/// How an event ended.
fn done(how: &str) -> Words {
    match how {
        "created" => Words::new("timeline-created"),
        "updated" => Words::new("timeline-updated"),
        "unchanged" => Words::new("timeline-unchanged"),
        why => Words::new("timeline-skipped").with("why", why),
    }
}

fn of_action(intent: &Intent) -> Vec<Step> {
    let of = ItemId::Action(intent.seq).to_string();
    let seen = Words::new("timeline-seen").with("action", intent.kind.name()).with("acted", intent.acted);
    let mut steps = vec![Step::new(intent.seen_ms, &of, "seen", seen)];
    steps.extend(intent.moments.iter().map(|moment| of_moment(moment, &of)));
    let state = |at_ms: i64, code, words| Step::new(at_ms, &of, code, words);
    steps.extend(match &intent.state {
        IntentState::Ready { not_before_ms } => {
            // The last change of an action that waits is when it may go at the earliest.
            (*not_before_ms > intent.seen_ms)
                .then(|| state(*not_before_ms, "ready", Words::new("timeline-ready")))
        }
        IntentState::Sending(sending) => {
            // Once the attempt has ended, it is among the moments.
            let runs = sending.ended_ms.is_none();
            runs.then(|| state(sending.since_ms, "sending", Words::new("timeline-sending")))
        }
        IntentState::Unclear { since_ms, why, .. } => {
            Some(state(*since_ms, "unclear", Words::new("timeline-unclear").and(why.clone())))
        }
        IntentState::Parked { since_ms, code, why } => {
            let words = Words::new("timeline-parked").with("code", code).and(why.clone());
            Some(state(*since_ms, "parked", words))
        }
        IntentState::Delivered { at_ms, verb, .. } => {
            let words = Words::new("timeline-delivered").with("verb", verb.as_str());
            Some(state(*at_ms, "delivered", words).lasting(at_ms - intent.seen_ms))
        }
        IntentState::Settled { at_ms, why } => {
            Some(state(*at_ms, "settled", Words::new("timeline-settled").with("why", why)))
        }
        IntentState::Cancelled { at_ms, why } => {
            Some(state(*at_ms, "cancelled", Words::new("timeline-cancelled").with("why", why)))
        }
        IntentState::Observed { at_ms, verb } => {
            Some(state(*at_ms, "observed", Words::new("timeline-observed").with("verb", verb.as_str())))
        }
    });
    steps
}

fn of_moment(moment: &Moment, of: &str) -> Step {
    let (code, words) = match moment.what {
        What::Looked => ("looked", Words::new("timeline-looked")),
        What::Sent => ("sent", Words::new("timeline-sent")),
        What::NotDone => ("not_done", Words::new("timeline-not-done")),
        What::Found => ("found", Words::new("timeline-found")),
        What::NotFound => ("not_found", Words::new("timeline-not-found")),
        What::CannotBeTold => ("cannot_be_told", Words::new("timeline-cannot-be-told")),
        What::Retried => ("retried", Words::new("timeline-retried")),
    };
    Step::new(moment.at_ms, of, code, words).lasting(moment.took_ms)
}

fn of_case(link: &Link) -> Vec<Step> {
    link.told.iter().filter(|told| told.told != Feedback::Nothing).map(told).collect()
}

fn told(told: &ToldAt) -> Step {
    let words = Words::new("timeline-told").with("code", told.told.code()).with("action", &told.action);
    Step { request: told.request, ..Step::new(told.at_ms, "", "told", words) }
}

impl Shared {
    /// The timeline of a response; none if nothing is known of it.
    pub async fn timeline(&self, response: &ResponseId) -> Result<Option<Timeline>, StoreError> {
        let events = self.store.entries_of(RKey::of(response), EVENTS).await?;
        let conversation = self.with_ended(self.store.load(response).await?.now).await?;
        if events.is_empty() && conversation.link.is_none() && conversation.intents.is_empty() {
            return Ok(None);
        }
        let case = conversation.link.as_ref().and_then(|link| link.case.as_ref());
        Ok(Some(Timeline {
            response_id: response.to_string(),
            case_id: case.map(|case| case.id.to_string()),
            case_number: case.and_then(|case| case.number.clone()),
            steps: steps(&events, &conversation),
        }))
    }

    /// The texts of a feedback: of the customer and the brand as Goodays sent them last, and of agents' actions. They
    /// are shown only after a click that is logged.
    pub async fn texts_of(&self, response: &ResponseId) -> Result<Vec<Said>, StoreError> {
        let mut said = Vec::new();
        let events = self.store.entries_of(RKey::of(response), EVENTS).await?;
        if let Some(newest) = events.last()
            && let Some(bytes) = self.store.body(newest.seq).await?
        {
            said.extend(said_in(&bytes));
        }
        for intent in self.with_ended(self.store.load(response).await?.now).await?.intents {
            if let ActionKind::Answer { content, .. } = &intent.kind
                && !content.is_empty()
            {
                said.push(Said { by: ItemId::Action(intent.seq).to_string(), text: content.clone() });
            }
        }
        Ok(said)
    }
}

/// One text of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Said {
    /// `customer`, `brand`, `unknown`, or the number of the action.
    pub by: String,
    pub text: String,
}

fn whose(whose: Whose) -> &'static str {
    match whose {
        Whose::Customer => "customer",
        Whose::Brand => "brand",
        Whose::Unknown => "unknown",
    }
}

/// The newest conversation of an event's body.
fn said_in(body: &[u8]) -> Vec<Said> {
    let event = json::read(body).ok().and_then(|body| event::read_owned(body).ok());
    let Some(event) = event else { return Vec::new() };
    let turns = event.response.first.iter().chain(&event.response.reply).chain(&event.response.turns);
    let mut seen = BTreeSet::new();
    let said = turns
        .filter(|turn| seen.insert(turn.id.clone()))
        .map(|turn| Said { by: whose(turn.whose).to_owned(), text: turn.content.clone() });
    said.filter(|one| !one.text.is_empty()).collect()
}
