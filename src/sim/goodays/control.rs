//! `/__sim/…`: the people, the faults and the clock over HTTP. Needs no token, and is neither logged nor faulted.
//!
//! | Request | Does |
//! | --- | --- |
//! | `POST /__sim/responses` [`Feedback`] | a customer leaves feedback; 201 `{id}` |
//! | `GET /__sim/responses`, `/__sim/responses/{id}` | full `response` objects, without any switched-on delay |
//! | `POST /__sim/responses/{id}/messages` `{content, attachment?}` | the customer writes privately; 201 `{id}` |
//! | `POST /__sim/responses/{id}/delegate`, `/take_back`, `/hold`, `/remove` | the store hands over, takes back; somebody puts on hold; it is gone |
//! | `POST /__sim/responses/{id}/edit` `{content}` | the customer changes the first verbatim |
//! | `POST /__sim/responses/{id}/colleague/{reply\|message\|call\|close\|spam}` `{…}` | the back office, with the fields of the API's action |
//! | `GET /__sim/received/{id}` | every text that reached the customer |
//! | `GET /__sim/processed/{id}` | every action that was applied |
//! | `GET`, `POST /__sim/events/{id}/{kind}` | a webhook's bytes as of now; sends it past the queue: `{status}` |
//! | `GET`, `POST /__sim/webhook` `{url?, secret?, paused?, drop_next?, duplicate_next?, order?}` | the line; `secret: ""` takes the signature away; `order`: `kept`, `reversed`, `shuffled` |
//! | `GET /__sim/webhook/log` | every attempt to send |
//! | `POST /__sim/webhook/deliver`, `/__sim/webhook/wait` | send all that waits or is held; answer when nothing is under way |
//! | `GET`, `POST /__sim/settings` | [`Switches`]; a POST changes the keys that it names |
//! | `GET`, `POST`, `DELETE /__sim/faults` | scripted [`Fault`]s |
//! | `GET`, `DELETE /__sim/requests` | the log of requests |
//! | `POST /__sim/latency` `{ms}` | for each call |
//! | `GET`, `POST /__sim/clock` `{set_ms \| advance_ms}` | 409 when the clock is the system's |
//! | `GET`, `POST /__sim/users` `{id, email, first_name?, last_name?, read_only?}` | who may answer |
//! | `POST /__sim/reset` | as at the start, with webhook URL and secret kept |
//!
//! 409 `{error}`: it cannot be done. 400: the request cannot be read. 404: there is no such thing.

use std::sync::atomic::Ordering;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::Shared;
use super::api::{Answer, Call};
use super::options::{Feedback, Switches};
use super::rules::Verb;
use super::show::View;
use super::state::{Person, State, User};
use super::webhook::Order;
use crate::clock::Clock;
use crate::sim::wire::Fault;

pub async fn answer(shared: &Shared, call: &Call) -> Answer {
    let path: Vec<&str> = call.path.iter().map(String::as_str).collect();
    let done = match (call.method.as_str(), path.as_slice()) {
        (method, ["responses", rest @ ..]) => responses(shared, method, rest, call),
        (method, ["events", id, kind]) => event(shared, method, id, kind).await,
        (method, ["webhook", rest @ ..]) => webhook(shared, method, rest, call).await,
        (method, [room @ ("faults" | "requests" | "latency")]) => front(shared, method, room, call),
        (method, ["settings"]) => switches(shared, method, call),
        (method, ["clock"]) => clock(shared, method, call),
        (method, ["users"]) => users(shared, method, call),
        ("GET", ["received", id]) => of(shared, id, |response| json!(response.received)),
        ("GET", ["processed", id]) => of(shared, id, |response| json!(response.processed)),
        ("POST", ["reset"]) => {
            shared.reset();
            Ok(Answer::ok(json!({})))
        }
        _ => Err(unknown()),
    };
    done.unwrap_or_else(|answer| answer)
}

type Done = Result<Answer, Answer>;

fn unknown() -> Answer {
    Answer::new(404, json!({"error": "no such thing here"}))
}

fn read<T: DeserializeOwned>(call: &Call) -> Result<T, Answer> {
    let body: &[u8] = if call.body.is_empty() { b"{}" } else { &call.body };
    serde_json::from_slice(body).map_err(|error| Answer::new(400, json!({"error": error.to_string()})))
}

/// The answer to a verb: an empty object, or the id of what it made.
fn done(outcome: Result<Option<String>, String>) -> Done {
    match outcome {
        Ok(Some(id)) => Ok(Answer::new(201, json!({"id": id}))),
        Ok(None) => Ok(Answer::ok(json!({}))),
        Err(why) => Err(Answer::new(409, json!({"error": why}))),
    }
}

fn of(shared: &Shared, id: &str, look: impl Fn(&super::state::Response) -> Value) -> Done {
    shared.state().response(id).map(|response| Answer::ok(look(response))).ok_or_else(unknown)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    content: String,
    attachment: Option<String>,
}

fn responses(shared: &Shared, method: &str, path: &[&str], call: &Call) -> Done {
    if let [id, ..] = path
        && shared.state().response(id).is_none()
    {
        return Err(unknown());
    }
    match (method, path) {
        ("GET", []) => {
            let state = shared.state();
            let all: Vec<Value> =
                state.responses.iter().map(|response| state.show(response, View::Now)).collect();
            Ok(Answer::ok(json!(all)))
        }
        ("POST", []) => {
            let feedback: Feedback = read(call)?;
            done(Ok(Some(shared.with(|state| state.leaves(feedback)))))
        }
        ("GET", [id]) => {
            let state = shared.state();
            let shown = state.response(id).map(|response| state.show(response, View::Now));
            shown.map(Answer::ok).ok_or_else(unknown)
        }
        ("POST", [id, "messages"]) => {
            let Written { content, attachment } = read(call)?;
            done(shared.with(|state| state.writes(id, &content, attachment)).map(Some))
        }
        ("POST", [id, "edit"]) => {
            let Written { content, .. } = read(call)?;
            done(shared.with(|state| state.edits(id, &content)).map(|()| None))
        }
        ("POST", [id, verb]) => store(shared, id, verb),
        ("POST", [id, "colleague", verb]) => {
            let verb = Verb::parse(verb).ok_or_else(unknown)?;
            let fields: Value = read(call)?;
            done(shared.with(|state| state.colleague(id, verb, &fields)))
        }
        _ => Err(unknown()),
    }
}

fn store(shared: &Shared, id: &str, verb: &str) -> Done {
    let act: fn(&mut State, &str) -> Result<(), String> = match verb {
        "delegate" => State::delegates,
        "take_back" => State::takes_back,
        "hold" => State::holds,
        "remove" => State::removes,
        _ => return Err(unknown()),
    };
    done(shared.with(|state| act(state, id)).map(|()| None))
}

async fn event(shared: &Shared, method: &str, id: &str, kind: &str) -> Done {
    match method {
        "GET" => {
            let body = shared.state().event(id, kind).ok_or_else(unknown)?;
            let signature = shared.state().line.sign(&body);
            let mut answer = Answer::raw(body);
            answer.headers.extend(signature.map(|signature| ("X-HMAC-SHA256", signature)));
            Ok(answer)
        }
        "POST" => match shared.send_event(id, kind).await {
            Ok(status) => Ok(Answer::ok(json!({"status": status}))),
            Err(why) => Err(Answer::new(409, json!({"error": why}))),
        },
        _ => Err(unknown()),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LineChange {
    url: Option<String>,
    secret: Option<String>,
    paused: Option<bool>,
    drop_next: Option<u32>,
    duplicate_next: Option<u32>,
    order: Option<Order>,
}

async fn webhook(shared: &Shared, method: &str, path: &[&str], call: &Call) -> Done {
    match (method, path) {
        ("GET", []) => Ok(Answer::ok(line(&shared.state()))),
        ("POST", []) => {
            let change: LineChange = read(call)?;
            Ok(Answer::ok(shared.with(|state| change_line(state, change))))
        }
        ("GET", ["log"]) => Ok(Answer::ok(json!(shared.state().line.log))),
        ("POST", ["deliver"]) => {
            shared.send_waiting(true).await;
            Ok(Answer::ok(json!({})))
        }
        ("POST", ["wait"]) => {
            shared.webhooks_sent().await;
            Ok(Answer::ok(json!({})))
        }
        _ => Err(unknown()),
    }
}

fn change_line(state: &mut State, change: LineChange) -> Value {
    let held = &mut state.line;
    if let Some(url) = change.url {
        held.url = Some(url).filter(|url| !url.is_empty());
    }
    if let Some(secret) = change.secret {
        held.secret = Some(secret).filter(|secret| !secret.is_empty());
    }
    held.paused = change.paused.unwrap_or(held.paused);
    held.drop_next = change.drop_next.unwrap_or(held.drop_next);
    held.duplicate_next = change.duplicate_next.unwrap_or(held.duplicate_next);
    held.order = change.order.unwrap_or(held.order);
    line(state)
}

fn line(state: &State) -> Value {
    let line = &state.line;
    json!({
        "url": line.url,
        "signed": line.secret.is_some(),
        "paused": line.paused,
        "drop_next": line.drop_next,
        "duplicate_next": line.duplicate_next,
        "order": line.order,
        "waiting": line.waiting(),
    })
}

fn front(shared: &Shared, method: &str, room: &str, call: &Call) -> Done {
    #[derive(Deserialize)]
    struct Latency {
        ms: u64,
    }
    let wire = &shared.wire;
    match (method, room) {
        ("GET", "faults") => return Ok(Answer::ok(json!(wire.faults()))),
        ("GET", "requests") => return Ok(Answer::ok(json!(wire.requests()))),
        ("POST", "faults") => {
            let fault: Fault = read(call)?;
            wire.fault(fault);
        }
        ("DELETE", "faults") => wire.clear_faults(),
        ("DELETE", "requests") => wire.clear_requests(),
        ("POST", "latency") => wire.set_latency(read::<Latency>(call)?.ms),
        _ => return Err(unknown()),
    }
    Ok(Answer::ok(json!({})))
}

fn switches(shared: &Shared, method: &str, call: &Call) -> Done {
    if method == "POST" {
        let mut all = json!(shared.state().switches);
        let named: serde_json::Map<String, Value> = read(call)?;
        named.into_iter().for_each(|(key, value)| all[key] = value);
        let all: Switches = serde_json::from_value(all)
            .map_err(|error| Answer::new(400, json!({"error": error.to_string()})))?;
        shared.with(|state| state.switches = all);
    }
    Ok(Answer::ok(json!(shared.state().switches)))
}

fn clock(shared: &Shared, method: &str, call: &Call) -> Done {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Move {
        set_ms: Option<i64>,
        advance_ms: Option<i64>,
    }
    let clock = shared.state().clock.clone();
    if method == "POST" {
        let Clock::Manual(millis) = &clock else {
            return Err(Answer::new(409, json!({"error": "the clock is the system's"})));
        };
        let moved: Move = read(call)?;
        if let Some(set) = moved.set_ms {
            millis.store(set, Ordering::SeqCst);
        }
        millis.fetch_add(moved.advance_ms.unwrap_or(0), Ordering::SeqCst);
    }
    Ok(Answer::ok(json!({"now_ms": clock.now_ms(), "manual": matches!(clock, Clock::Manual(_))})))
}

fn users(shared: &Shared, method: &str, call: &Call) -> Done {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct New {
        id: String,
        email: String,
        #[serde(default)]
        first_name: String,
        #[serde(default)]
        last_name: String,
        #[serde(default)]
        read_only: bool,
    }
    if method == "POST" {
        let New { id, email, first_name, last_name, read_only } = read(call)?;
        let person = Person { email, first_name, last_name };
        shared.with(|state| state.add_user(User { id, person, phone: String::new(), read_only }));
    }
    let state = shared.state();
    Ok(Answer::ok(json!(state.users.iter().map(super::show::user).collect::<Vec<_>>())))
}
