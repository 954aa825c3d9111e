//! Interprets the responses of Goodays (Goodays reference, 4).

use serde_json::Value;

use super::GATEWAY;
use super::problem::problem;
use crate::http::{Answer, Failure, Problem};

pub(super) fn json_of(answer: &Answer) -> Result<Value, Failure> {
    answer.json().ok_or_else(|| {
        if is_whole(&answer.body) {
            Failure::TooLarge("an answer with a value that cannot be read".to_owned())
        } else {
            Failure::no_answer("an answer that is not JSON, or was cut")
        }
    })
}

/// Whether the body begins and ends as an object or a list: one value in it may be nested too deep, or be a number that
/// no machine holds, and a question for less may be read.
fn is_whole(body: &[u8]) -> bool {
    let body = body.trim_ascii();
    body.starts_with(b"{") && body.ends_with(b"}") || body.starts_with(b"[") && body.ends_with(b"]")
}

/// Why one response is not shown: 403 also means that it is not accessible, and 404 that it is gone, and both may have the
/// gateway's shape, `{"message": ...}` (Goodays reference, 4.1). That the gateway knows no route is no word about it.
pub(super) fn refused_one(answer: &Answer) -> Option<Problem> {
    let body = answer.json().filter(|_| matches!(answer.status, 403 | 404))?;
    let message = body.get("message").and_then(Value::as_str)?;
    let is_of_route = message.to_ascii_lowercase().contains("no route");
    (!is_of_route && !is_its_own(answer)).then(|| Problem::new(GATEWAY, message))
}

/// Interprets the status (Goodays reference, 4.1).
pub(super) fn checked(answer: &Answer) -> Result<(), Failure> {
    match answer.status {
        200..300 => Ok(()),
        429 => Err(Failure::Busy {
            reason: "Goodays limits the rate of calls".into(),
            retry_after: answer.retry_after(),
            daily_limit: false,
        }),
        401 => Err(bad_token(answer.status)),
        403 if is_about_login(&problem(&answer.body).message) => Err(bad_token(answer.status)),
        408 | 500.. => Err(Failure::no_answer(format!("status {}", answer.status))),
        _ => Err(refusal(answer)),
    }
}

/// The same of a read, which changes nothing: a server that is away and names a time to come back asks for a pause.
pub(super) fn read_checked(answer: &Answer) -> Result<(), Failure> {
    match answer.retry_after().filter(|_| answer.status == 503) {
        Some(after) => Err(Failure::Busy {
            reason: "Goodays is away for a while (status 503)".into(),
            retry_after: Some(after),
            daily_limit: false,
        }),
        None => checked(answer),
    }
}

/// A refusal that is not about the token: Goodays' own, or one of something on the way.
pub(super) fn refusal(answer: &Answer) -> Failure {
    let status = answer.status;
    if is_its_own(answer) {
        Failure::Refused { status, problem: problem(&answer.body) }
    } else {
        Failure::Road(format!("status {status}, and not Goodays' own words"))
    }
}

/// Whether a refusal comes from the API itself. Kong, proxies and firewalls in front of it answer with a page, a
/// redirect, or only `{"message": ...}`, for example "no Route matched" (Goodays reference, 4.1).
fn is_its_own(answer: &Answer) -> bool {
    let body = match answer.json() {
        Some(Value::Object(body)) => body,
        Some(Value::Array(list)) => return !list.is_empty(),
        _ => return false,
    };
    let gateways = body.len() <= 2
        && body.contains_key("message")
        && body.keys().all(|k| k == "message" || k == "request_id");
    let route = matches!(answer.status, 403..=405) && gateways;
    !(300..400).contains(&answer.status) && !body.is_empty() && !route
}

pub(super) fn bad_token(status: u16) -> Failure {
    Failure::login(
        status.to_string(),
        format!("Goodays does not accept the token (status {status}): check goodays.token with Goodays"),
    )
}

/// Status 403 has two meanings: a bad token, or a response that this account may not access.
pub(super) fn is_about_login(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    ["credential", "api key", "token"].iter().any(|word| message.contains(word))
}

/// The items of a list. Lists may be paged or bare; a single object may be in a list (Goodays reference, 4.2).
fn items(value: &Value) -> &[Value] {
    value.get("results").unwrap_or(value).as_array().map_or(&[], Vec::as_slice)
}

/// The same of what has to be a list: a body without one is no word of Goodays about what is listed.
pub(super) fn list(value: &Value) -> Result<&[Value], Failure> {
    let listed = value.get("results").unwrap_or(value).as_array();
    listed.map(Vec::as_slice).ok_or_else(|| Failure::Road("an answer that is no list".to_owned()))
}

/// The object itself, or the one of a list.
pub(super) fn first_or_self(value: &Value) -> &Value {
    items(value).first().unwrap_or(value)
}
