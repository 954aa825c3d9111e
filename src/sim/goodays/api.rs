//! The `/v2` API: token, rate limit, routes (reference, 1 and 4.1).

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State as Extract};
use axum::response::Response;
use http::request::Parts;
use serde_json::{Map, Value, json};

use super::people::Actor;
use super::rules::{Refusal, Verb};
use super::show::View;
use super::state::State;
use super::{Shared, control, lists};

/// A parsed request.
pub struct Call {
    pub method: String,
    /// The path below `/v2` or `/__sim`, decoded, without a trailing slash (one is tolerated).
    pub path: Vec<String>,
    pub query: Vec<(String, String)>,
    pub body: Bytes,
    parts: Parts,
}

impl Call {
    fn new(parts: Parts, body: Bytes) -> Self {
        let decoded =
            |part: &str| percent_encoding::percent_decode_str(part).decode_utf8_lossy().into_owned();
        let path = parts.uri.path().split('/').filter(|part| !part.is_empty()).map(decoded).collect();
        let query = url::form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes());
        let query = query.into_owned().collect();
        Self { method: parts.method.to_string(), path, query, body, parts }
    }

    pub fn param(&self, name: &str) -> Option<&str> {
        let found = self.query.iter().rev().find(|(key, value)| key == name && !value.is_empty());
        found.map(|(_, value)| value.as_str())
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.parts.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The address of this page on this host, without query.
    pub fn address(&self) -> String {
        format!("http://{}{}", self.header("host").unwrap_or("localhost"), self.parts.uri.path())
    }
}

/// The answer to a request.
pub struct Answer {
    pub status: u16,
    body: Vec<u8>,
    pub headers: Vec<(&'static str, String)>,
}

impl Answer {
    #[expect(clippy::needless_pass_by_value, reason = "every caller has just made it")]
    pub fn new(status: u16, body: Value) -> Self {
        Self { status, ..Self::raw(body.to_string().into_bytes()) }
    }

    /// An answer of bytes that are JSON already.
    pub fn raw(body: Vec<u8>) -> Self {
        Self { status: 200, body, headers: Vec::new() }
    }

    pub fn ok(body: Value) -> Self {
        Self::new(200, body)
    }

    pub fn not_found() -> Self {
        Self::new(404, json!({"detail": "Not found."}))
    }

    fn into_response(self) -> Response {
        let mut response = Response::builder().status(self.status).header("Content-Type", "application/json");
        for (name, value) in self.headers {
            response = response.header(name, value);
        }
        response.body(Body::from(self.body)).expect("statuses and headers of our own are valid")
    }
}

/// The largest body that is read (64 MiB): far more than any test sends.
const MAX_BODY_BYTES: usize = 64 << 20;

pub async fn serve(Extract(shared): Extract<Arc<Shared>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    // The server has read the whole body already, so this cannot fail.
    let body = axum::body::to_bytes(body, MAX_BODY_BYTES).await.unwrap_or_default();
    let mut call = Call::new(parts, body);
    let root = if call.path.is_empty() { String::new() } else { call.path.remove(0) };
    let mut answer = match root.as_str() {
        "__sim" => control::answer(&shared, &call).await,
        "v2" => shared.with(|state| gate(state, &call).unwrap_or_else(|| route(state, &call))),
        _ => Answer::new(404, json!({"message": "no Route matched with those values"})),
    };
    let now = {
        let state = shared.state();
        state.clock.now() + jiff::SignedDuration::from_millis(state.switches.date_ahead_ms)
    };
    answer.headers.push(("Date", now.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()));
    answer.into_response()
}

/// What the gateway refuses, with its own messages.
fn gate(state: &mut State, call: &Call) -> Option<Answer> {
    let refuse = |status, message| Some(Answer::new(status, json!({"message": message})));
    match call.header("authorization") {
        None | Some("") => return refuse(401, "No API key found in request"),
        Some(token) if token != state.token => return refuse(403, "Invalid authentication credentials"),
        Some(_) => {}
    }
    let wait_ms = over_rate(state)?;
    let mut answer = refuse(429, "API rate limit exceeded")?;
    if state.switches.rate.is_some_and(|rate| rate.retry_after) {
        answer.headers.push(("Retry-After", (wait_ms / 1000 + 1).to_string()));
    }
    Some(answer)
}

/// The time until the next window in milliseconds, if this call exceeds the rate.
fn over_rate(state: &mut State) -> Option<i64> {
    let rate = state.switches.rate?;
    let now = state.clock.now_ms();
    if now.saturating_sub(state.window.0) >= rate.per_ms {
        state.window = (now, 0);
    }
    state.window.1 = state.window.1.saturating_add(1);
    (state.window.1 > rate.calls).then(|| state.window.0 + rate.per_ms - now)
}

fn route(state: &mut State, call: &Call) -> Answer {
    let path: Vec<&str> = call.path.iter().map(String::as_str).collect();
    if let ["responses", id, ..] = path[..]
        && state.response(id).is_some_and(|response| response.taken_back)
        && let Some(refusal) = out_of_reach(state.switches.taken_back_status)
    {
        return refusal;
    }
    if let ["responses", id, verb] = path[..]
        && let Some(verb) = Verb::parse(verb)
    {
        return if call.method == "PUT" { act(state, id, verb, call) } else { wrong_method(call, "PUT") };
    }
    match read(state, &path, call) {
        Some(_) if call.method != "GET" => wrong_method(call, "GET"),
        Some(answer) => answer,
        None => Answer::not_found(),
    }
}

fn out_of_reach(status: u16) -> Option<Answer> {
    let forbidden = "You do not have permission to perform this action.";
    match status {
        200 => None,
        404 => Some(Answer::not_found()),
        status => Some(Answer::new(status, json!({"detail": forbidden}))),
    }
}

fn wrong_method(call: &Call, allow: &str) -> Answer {
    let mut answer = Answer::new(405, json!({"detail": format!("Method \"{}\" not allowed.", call.method)}));
    answer.headers.push(("Allow", allow.to_owned()));
    answer
}

fn act(state: &mut State, id: &str, verb: Verb, call: &Call) -> Answer {
    let body = match fields(call) {
        Ok(body) => body,
        Err(answer) => return answer,
    };
    match state.act(id, verb, &body, Actor::Api) {
        Ok((order, _)) => {
            let echo = verb.fields().iter().map(|name| ((*name).to_owned(), order.field(name)));
            Answer::ok(Value::Object(echo.collect()))
        }
        Err(Refusal::UnknownResponse) => Answer::not_found(),
        Err(refusal) => Answer::new(state.switches.refusal_status, refusal.body()),
    }
}

fn fields(call: &Call) -> Result<Map<String, Value>, Answer> {
    if call.body.is_empty() {
        return Ok(Map::new());
    }
    let kind = call.header("content-type").unwrap_or_default();
    if !kind.to_ascii_lowercase().starts_with("application/json") {
        let detail = format!("Unsupported media type \"{kind}\" in request.");
        return Err(Answer::new(415, json!({"detail": detail})));
    }
    match serde_json::from_slice(&call.body) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(_) => {
            let text = "Invalid data. Expected a dictionary.";
            Err(Answer::new(400, json!({"non_field_errors": [text]})))
        }
        Err(error) => Err(Answer::new(400, json!({"detail": format!("JSON parse error - {error}")}))),
    }
}

/// All read-only requests. `None`: there is no such route or object.
fn read(state: &State, path: &[&str], call: &Call) -> Option<Answer> {
    match path {
        ["responses"] => Some(lists::responses(state, call, None, false)),
        ["responses", "bulk"] => Some(lists::responses(state, call, None, true)),
        ["responses", id] => state.response(id).map(|found| Answer::ok(state.show(found, View::Api))),
        [kind @ ("places" | "surveys"), id, "responses"] => {
            Some(lists::responses(state, call, Some((kind, id)), false))
        }
        [kind @ ("places" | "surveys"), id, "responses", "bulk"] => {
            Some(lists::responses(state, call, Some((kind, id)), true))
        }
        ["places"] => Some(lists::places(state, call)),
        ["places", id] => lists::place(state, id),
        ["surveys"] => Some(lists::surveys(call)),
        ["surveys", id] => lists::survey(id),
        ["users"] => Some(lists::users(state, call)),
        ["users", id] => lists::user(state, id),
        ["users", id, "places"] => lists::places_of(state, call, id),
        _ => account(state, path, call),
    }
}

fn account(state: &State, path: &[&str], call: &Call) -> Option<Answer> {
    match path {
        ["session"] => Some(Answer::ok(json!({"username": "brand-api", "token": state.token}))),
        ["dashboard"] => Some(Answer::ok(lists::dashboard(state, call))),
        ["stats", "relationship"] => Some(Answer::ok(lists::relationship(state))),
        ["configuration"] => Some(Answer::ok(lists::configuration())),
        ["events"] => Some(lists::events(state, call)),
        ["events", id, sample] => lists::sample(state, id, sample.strip_prefix("sample_")?),
        _ => None,
    }
}
