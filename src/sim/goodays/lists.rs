//! Pages, filters and the small read-only answers (reference, 1.1, 4.2 and 4.4).

use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::api::{Answer, Call};
use super::options::{Feedback, Options};
use super::people::Actor;
use super::rules::{Verb, is_outside};
use super::show::{self, View};
use super::state::{Phase, Response, State};
use crate::clock::Clock;

const DEFAULT_PAGE: usize = 20;
const LARGEST_PAGE: usize = 1000;
/// The one configured event.
const EVENT_ID: &str = "ev3NtWbHk1";

/// The sort key of a row. Rows are in ascending order of it.
type Rank = (i64, i64);

/// `/responses`, or the responses of one place or survey, as full or light objects.
pub fn responses(state: &State, call: &Call, within: Option<(&str, &str)>, full: bool) -> Answer {
    let bounds = match (date_param(call, "start_date"), date_param(call, "end_date")) {
        (Ok(start), Ok(end)) => (start, end),
        (Err(refusal), _) | (_, Err(refusal)) => return refusal,
    };
    let by_update = |name: Option<&str>| name.is_some_and(|name| name.contains("updated"));
    let sort = call.param("sort");
    let mut rows: Vec<(Rank, &Response)> = state
        .responses
        .iter()
        .zip(0_i64..)
        .filter(|(response, _)| !response.taken_back || state.switches.taken_back_status == 200)
        .filter(|(response, _)| within.is_none_or(|within| is_within(response, within)))
        .filter(|(response, _)| {
            let date = if by_update(call.param("date_field")) { response.updated } else { response.created };
            let before_end = |end| date < end || (state.switches.end_inclusive && date == end);
            bounds.0.is_none_or(|start| date >= start) && bounds.1.is_none_or(before_end)
        })
        .filter(|(response, _)| passes(response, call))
        .map(|(response, index)| (rank(response, index, sort, by_update(sort)), response))
        .collect();
    rows.sort_by_key(|(rank, _)| *rank);
    page(call, &rows, |response| if full { state.show(response, View::Api) } else { state.light(response) })
}

/// Newest first unless `sort` says otherwise.
fn rank(response: &Response, index: i64, sort: Option<&str>, by_update: bool) -> Rank {
    let date = if by_update { response.updated } else { response.created };
    match sort {
        Some(sort) if !sort.starts_with('-') => (date, index),
        _ => (-date, -index),
    }
}

fn is_within(response: &Response, (kind, id): (&str, &str)) -> bool {
    match kind {
        "places" => response.place.id == id,
        _ => id == "12AB34" && !is_outside(&response.source),
    }
}

fn passes(response: &Response, call: &Call) -> bool {
    let customer = &response.customer;
    let same =
        |name: &str, value: &str| call.param(name).is_none_or(|asked| asked.eq_ignore_ascii_case(value));
    let place = call
        .param("place")
        .is_none_or(|asked| response.place.partner_id == asked || response.place.id == asked);
    let survey = call
        .param("survey")
        .is_none_or(|asked| !is_outside(&response.source) && (asked == "12AB34" || asked == "survey1"));
    place
        && survey
        && same("email", &customer.email)
        && same("first_name", &customer.first_name)
        && same("last_name", &customer.last_name)
        && same("phone", response.phone.as_deref().unwrap_or_default())
        && same("crm_id", &response.crm_id)
        && same("source", &response.source)
        && flag(call, "has_answers", !response.answers.is_empty())
        && flag(call, "has_message", response.message.is_some())
        && flag(call, "has_reply", response.reply.is_some())
}

fn flag(call: &Call, name: &str, value: bool) -> bool {
    call.param(name).is_none_or(|asked| matches!(asked, "true" | "True" | "1") == value)
}

/// ISO 8601 in UTC. Dates have no zone (reference, 4.4), so a zone is refused.
fn date_param(call: &Call, name: &str) -> Result<Option<i64>, Answer> {
    let Some(text) = call.param(name) else { return Ok(None) };
    let time = text.split_once('T').map_or("", |(_, time)| time);
    let civil = text.parse::<jiff::civil::DateTime>();
    match civil.and_then(|civil| civil.to_zoned(jiff::tz::TimeZone::UTC)) {
        Ok(at) if !time.contains(['+', '-', 'Z', 'z', '[']) => Ok(Some(at.timestamp().as_microsecond())),
        _ => Err(Answer::new(400, json!({name: ["Enter a valid date/time."]}))),
    }
}

/// `{next, previous, results}`. A cursor is a position between rows, so new rows do not shift pages.
fn page<T>(call: &Call, rows: &[(Rank, T)], show: impl Fn(&T) -> Value) -> Answer {
    let size = call.param("page_size").and_then(|size| size.parse().ok()).filter(|size| *size > 0);
    let size = size.unwrap_or(DEFAULT_PAGE).min(LARGEST_PAGE);
    let (start, end) = match call.param("cursor").map(read_cursor) {
        None => (0, size.min(rows.len())),
        Some(None) => return Answer::new(404, json!({"detail": "Invalid cursor"})),
        Some(Some((false, after))) => {
            let start = rows.partition_point(|(rank, _)| *rank <= after);
            (start, (start + size).min(rows.len()))
        }
        Some(Some((true, before))) => {
            let end = rows.partition_point(|(rank, _)| *rank < before);
            (end.saturating_sub(size), end)
        }
    };
    let shown = &rows[start..end];
    let next = shown.last().filter(|_| end < rows.len()).map(|(rank, _)| page_url(call, false, *rank));
    let previous = shown.first().filter(|_| start > 0).map(|(rank, _)| page_url(call, true, *rank));
    let results: Vec<Value> = shown.iter().map(|(_, row)| show(row)).collect();
    Answer::ok(json!({"next": next, "previous": previous, "results": results}))
}

fn page_url(call: &Call, reverse: bool, (major, minor): Rank) -> String {
    let cursor = format!("{}p={major}_{minor}", if reverse { "r=1&" } else { "" });
    let query = call.query.iter().filter(|(key, _)| key != "cursor");
    let query = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("cursor", &STANDARD.encode(cursor))
        .extend_pairs(query)
        .finish();
    format!("{}?{query}", call.address())
}

fn read_cursor(cursor: &str) -> Option<(bool, Rank)> {
    let text = String::from_utf8(STANDARD.decode(cursor).ok()?).ok()?;
    let (reverse, text) = text.strip_prefix("r=1&").map_or((false, text.as_str()), |rest| (true, rest));
    let (major, minor) = text.strip_prefix("p=")?.split_once('_')?;
    Some((reverse, (major.parse().ok()?, minor.parse().ok()?)))
}

fn in_order<T>(items: impl Iterator<Item = T>) -> Vec<(Rank, T)> {
    items.zip(0_i64..).map(|(item, index)| ((index, 0), item)).collect()
}

pub fn places(state: &State, call: &Call) -> Answer {
    let asked = call.param("partner_id");
    let found = state.places.iter().filter(|place| asked.is_none_or(|asked| place.partner_id == asked));
    page(call, &in_order(found), |place| show::place(place))
}

pub fn place(state: &State, id: &str) -> Option<Answer> {
    let found = state.places.iter().find(|place| place.id == id)?;
    Some(Answer::ok(show::place_detail(found)))
}

pub fn surveys(call: &Call) -> Answer {
    let wanted = call.param("slug").is_none_or(|slug| slug == "survey1");
    page(call, &in_order(wanted.then(|| show::survey(false)).into_iter()), Value::clone)
}

pub fn survey(id: &str) -> Option<Answer> {
    (id == "12AB34").then(|| Answer::ok(show::survey(true)))
}

pub fn users(state: &State, call: &Call) -> Answer {
    let part = state.switches.user_email_contains;
    let email = call.param("email").map(str::to_lowercase);
    let same =
        |name: &str, value: &str| call.param(name).is_none_or(|asked| asked.eq_ignore_ascii_case(value));
    let found = state.users.iter().filter(|user| {
        let address = user.person.email.to_lowercase();
        email.as_ref().is_none_or(|email| address == *email || (part && address.contains(email)))
            && same("first_name", &user.person.first_name)
            && same("last_name", &user.person.last_name)
            && same("phone", &user.phone)
    });
    page(call, &in_order(found), |user| show::user(user))
}

pub fn user(state: &State, id: &str) -> Option<Answer> {
    state.user(id).map(|user| Answer::ok(show::user(user)))
}

pub fn places_of(state: &State, call: &Call, id: &str) -> Option<Answer> {
    state.user(id).map(|_| page(call, &in_order(state.places.iter()), |place| show::place(place)))
}

/// The responses that wait, with an alert and without. Their sum is all that wait (reference, 1.1).
pub fn dashboard(state: &State, call: &Call) -> Value {
    let place = call.param("place");
    let waiting = state.responses.iter().filter(|response| response.waits());
    let waiting = waiting.filter(|response| place.is_none_or(|code| response.place.partner_id == code));
    let (alerts, others): (Vec<_>, Vec<_>) = waiting.partition(|response| response.alert);
    json!({"pending_alert": alerts.len(), "pending_reply": others.len()})
}

/// One row without aggregation, in the shape of the reference (1.2). What its figures mean is not documented: here the
/// rate is a percentage of all that is not spam, and the time the mean from feedback to reply in seconds.
pub fn relationship(state: &State) -> Value {
    let counted = state.responses.iter().filter(|response| response.phase != Phase::Spam).count();
    let replies = state.responses.iter().filter_map(|response| Some((response, response.reply.as_ref()?)));
    let times: Vec<i64> =
        replies.map(|(response, reply)| (reply.created - response.created) / 1_000_000).collect();
    let rate = (!times.is_empty()).then(|| times.len() * 100 / counted.max(1));
    let time =
        (!times.is_empty()).then(|| times.iter().sum::<i64>() / i64::try_from(times.len()).unwrap_or(1));
    json!([{"data": [{"key": "", "description": "", "reply_rate": rate, "reply_time": time, "reply_quality": null,
        "customer_service_rating": null}]}])
}

/// The keys that occur in `context.extra`.
pub fn configuration() -> Value {
    let parameter =
        |key: &str, label: &str| json!({"key": key, "label": label, "required": false, "use_in_stats": true});
    json!({"custom_parameters": [
        parameter("transaction_date", "Transaction date"),
        parameter("transaction_time", "Transaction time"),
        parameter("title", "Title"),
    ]})
}

const SAMPLES: [&str; 4] = ["response", "message", "delegated", "reply"];

pub fn events(state: &State, call: &Call) -> Answer {
    let here = call.address();
    let here = here.trim_end_matches('/');
    let samples: Map<String, Value> = SAMPLES
        .iter()
        .map(|kind| (format!("sample_{kind}"), json!(format!("{here}/{EVENT_ID}/sample_{kind}"))))
        .collect();
    // No `id`: the reference's schema has none, so clients find the samples by their addresses.
    let event = json!({"samples": samples});
    if state.switches.events_as_page {
        return page(call, &in_order(std::iter::once(event)), Value::clone);
    }
    Answer::ok(json!([event]))
}

/// A webhook's body with this account's configuration, taken from a separate sample conversation.
pub fn sample(state: &State, id: &str, kind: &str) -> Option<Answer> {
    if id != EVENT_ID || !SAMPLES.contains(&kind) {
        return None;
    }
    let clock = Clock::Manual(Arc::new(AtomicI64::new(1_580_894_439_810)));
    let switches = state.switches.clone();
    let mut play = State::new(&Options { clock, switches, seed: 2020, ..Options::default() });
    let response = play.leaves(Feedback::default());
    match kind {
        "delegated" => play.delegates(&response).ok()?,
        "message" | "reply" => {
            let answer = json!({"content": "Dear Customer, thank you for your feedback.", "user": "1a2b3c4"});
            play.act(&response, Verb::Reply, answer.as_object()?, Actor::Colleague).ok()?;
        }
        _ => {}
    }
    if kind == "message" {
        play.writes(&response, "Thank you for your response.", None).ok()?;
    }
    let body = play.event(&response, kind)?;
    serde_json::from_slice(&body).ok().map(Answer::ok)
}
