//! Tests of the decisions, by examples and by laws. No I/O: inputs and results are values.

mod commands;
mod edits;
mod inbound;
mod invariants;
mod laws;
mod outbound;
mod reconcile;
mod rows;

use std::fmt::Write as _;
use std::sync::LazyLock;

use serde_json::{Map, Value, json};

use crate::decide::inbound::{CaseWrite, Input, Plan, plan};
use crate::decide::outbound::Proof;
use crate::decide::{
    ActionKind, Audience, Intent, IntentState, Link, Names, Note, Perimeter, PlanContext, Sending,
};
use crate::goodays::event::{Event, Response, read};
use crate::goodays::{MessageId, ResponseId, Verb};
use crate::mapping::{Mapping, Source};
use crate::messages::Messages;
use crate::salesforce::RecordId;
use crate::time::{GoodaysTime, SalesforceTime};

macro_rules! fixture {
    ($name:literal) => {
        serde_json::from_str::<serde_json::Value>(include_str!(concat!(
            "../../../tests/fixtures/goodays/",
            $name,
            ".json"
        )))
        .unwrap()
    };
}
pub(crate) use fixture;

/// The shipped mapping files, with parts of their texts replaced.
fn mapping_with(changes: &[(&str, &str)]) -> Mapping {
    let files = [
        ("mappings/case.yaml", include_str!("../../../mappings/case.yaml")),
        ("mappings/comment.yaml", include_str!("../../../mappings/comment.yaml")),
        ("mappings/actions.yaml", include_str!("../../../mappings/actions.yaml")),
    ];
    let sources = files.map(|(name, text)| {
        let text = changes.iter().fold(text.to_owned(), |text, (old, new)| text.replace(old, new));
        Source { name: name.to_owned(), text }
    });
    Mapping::from_sources(sources.into()).unwrap().0
}

static SHIPPED: LazyLock<Mapping> = LazyLock::new(|| mapping_with(&[]));
static CLOSED: LazyLock<Vec<String>> =
    LazyLock::new(|| ["Closed", "Closed by phone"].map(str::to_owned).into());
static EVERYTHING: Perimeter = Perimeter { delegated_only: false, places: Vec::new() };
static NAMES: LazyLock<Names> = LazyLock::new(Names::new);
static ENGLISH: LazyLock<Messages> = LazyLock::new(Messages::default);

pub(crate) fn plan_context() -> PlanContext<'static> {
    context_of(&SHIPPED)
}

fn context_of(mapping: &Mapping) -> PlanContext<'_> {
    PlanContext {
        mapping,
        case: None,
        comment: None,
        perimeter: &EVERYTHING,
        closed: &CLOSED,
        fixes: &[],
        names: &NAMES,
        messages: &ENGLISH,
    }
}

fn case_id() -> RecordId {
    RecordId::new("500000000000001").unwrap()
}

fn comment_id() -> RecordId {
    RecordId::new("00a000000000001").unwrap()
}

fn id(text: &str) -> MessageId {
    MessageId::new(text)
}

fn response_id() -> ResponseId {
    ResponseId::new("r1").unwrap()
}

/// Minute `n` of the tests' time (milliseconds).
fn minute(n: i64) -> i64 {
    "2026-01-01T10:00:00Z".parse::<jiff::Timestamp>().unwrap().as_millisecond() + n * 60_000
}

fn stamp(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms).unwrap().to_string()
}

/// A message: its id, its author (`c`ustomer, `b`rand or unknown), its minute, its text.
#[derive(Debug, Clone, PartialEq)]
struct Said {
    id: String,
    by: char,
    at: i64,
    words: String,
}

fn said(id: &str, by: char, at: i64, words: &str) -> Said {
    Said { id: id.to_owned(), by, at, words: words.to_owned() }
}

impl Said {
    fn json(&self) -> Value {
        let sender = match self.by {
            'c' => json!({"email": "ann@customer.example", "first_name": "Ann", "last_name": "Lee"}),
            'b' => json!({"email": "bob@brand.example", "first_name": "Bob", "last_name": "Ray"}),
            _ => json!({"email": "who@nowhere.example"}),
        };
        json!({"id": self.id, "type": "Message", "content": self.words, "sender": sender,
               "created_date": stamp(minute(self.at))})
    }
}

/// A response as Goodays shows it after these messages; the brand's first one is the public reply.
fn response(talk: &[Said]) -> Value {
    let reply = talk.iter().find(|s| s.by == 'b').map(|s| {
        let mut reply = s.json();
        reply["type"] = json!("text");
        reply
    });
    let verbs: &[&str] = if reply.is_some() { &["message"] } else { &["reply", "close", "spam", "call"] };
    let actions: Map<String, Value> =
        verbs.iter().map(|v| ((*v).to_owned(), json!(format!("https://x.example/{v}")))).collect();
    json!({
        "id": "r1", "source": "email", "state": if reply.is_some() { "closed" } else { "open" },
        "created_date": stamp(minute(0)), "updated_date": stamp(minute(0)),
        "message": {"id": "v", "type": "Problem", "content": "It is broken.", "created_date": stamp(minute(0))},
        "user": {"email": "ann@customer.example", "first_name": "Ann", "last_name": "Lee"},
        "place": {"id": "p", "partner_id": "17", "name": "Lille"},
        "reply": reply, "actions": actions,
        "attached_messages": talk.iter().rev().map(Said::json).collect::<Vec<_>>(),
    })
}

fn view(talk: &[Said]) -> Response {
    Response::from_value(&response(talk)).unwrap()
}

/// The event that Goodays sends after the last of these messages.
fn event(talk: &[Said]) -> Event {
    let name = match talk.last() {
        None => "response",
        Some(last) if last.by == 'c' => "message",
        Some(_) => "reply",
    };
    let message = talk.last().map(Said::json);
    read(&json!({"event_type": name, "response": response(talk), "message": message})).unwrap()
}

/// The input of a plan; the rest is empty.
#[derive(Clone, Copy, Default)]
struct Seen<'a> {
    events: &'a [Event],
    notes: &'a [Note],
    link: Option<&'a Link>,
    intents: &'a [Intent],
    comments: &'a [String],
    /// Goodays' clock.
    now: Option<GoodaysTime>,
}

impl Seen<'_> {
    fn plan(self) -> Plan {
        self.plan_with(&plan_context())
    }

    fn plan_with(self, context: &PlanContext<'_>) -> Plan {
        let Self { events, notes, link, intents, comments, now } = self;
        let response_id = events.first().map_or_else(response_id, |e| e.response.id.clone());
        let input = Input {
            response_id: &response_id,
            events,
            notes,
            link,
            intents,
            comments,
            first_start: Some(GoodaysTime::default()),
            goodays_now: now,
        };
        plan(&input, context)
    }
}

/// The ledger after a plan was written.
fn learned(plan: &Plan, link: Option<&Link>) -> Link {
    let mut link = link.cloned().unwrap_or_else(|| Link::new(response_id()));
    let inserted = plan.write.as_ref().is_some_and(|w| w.patch.is_none()).then(case_id);
    plan.link_update.clone().apply(&mut link, inserted);
    link
}

/// The ledger after one event with all these messages.
fn linked(talk: &[Said]) -> Link {
    let plan = Seen { events: &[event(talk)], ..Seen::default() }.plan();
    learned(&plan, None)
}

/// The actions that a plan proves done by their messages.
fn settled(plan: &Plan) -> Vec<(u64, MessageId)> {
    let proved = |(seq, _, proof): &(u64, Verb, Option<Proof>)| Some((*seq, proof.as_ref()?.id.clone()));
    plan.settles.iter().filter_map(proved).collect()
}

/// A plan as text.
fn shown(plan: &Plan) -> String {
    let mut out = String::new();
    if let Some(why) = plan.skipped {
        let _ = writeln!(out, "skipped: {why}");
    }
    match &plan.write {
        None => out.push_str("no write\n"),
        Some(write) => show_write(&mut out, write),
    }
    for (seq, verb, message) in &plan.settles {
        let message = message.as_ref().map_or("its state", |proof| proof.id.as_str());
        let _ = writeln!(out, "settles {seq} ({verb}) with {message}");
    }
    for report in &plan.reports {
        let _ = writeln!(out, "report {}: {}", report.field, report.code);
    }
    if plan.more {
        out.push_str("more\n");
    }
    out.trim_end().to_owned()
}

fn show_write(out: &mut String, write: &CaseWrite) {
    let _ = match &write.patch {
        None => writeln!(out, "insert {} (assignment {:?})", write.object, write.assignment),
        Some(id) => writeln!(out, "patch {} {id}", write.object),
    };
    for (field, value) in &write.fields {
        let _ = writeln!(out, "  {field} = {}", short(value));
    }
    for comment in &write.comments {
        let fields: Vec<String> = comment.iter().map(|(f, v)| format!("{f} = {}", short(v))).collect();
        let _ =
            writeln!(out, "  + {} by {}: {}", write.comment_object, write.parent_field, fields.join(", "));
    }
}

fn short(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= 90 { text } else { text.chars().take(80).collect::<String>() + "…\"" }
}

fn answer(content: &str, audience: Audience) -> ActionKind {
    ActionKind::answer(comment_id(), content, audience)
}

fn intent(seq: u64, wish: ActionKind, state: IntentState) -> Intent {
    Intent { state, ..Intent::new(seq, response_id(), case_id(), wish, 0) }
}

fn ready() -> IntentState {
    IntentState::Ready { not_before_ms: 0 }
}

fn on_its_way(verb: Verb, seen: &[&str]) -> Sending {
    Sending::new(verb, 0, seen.iter().map(|s| id(s)).collect())
}
