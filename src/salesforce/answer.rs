//! Interprets the responses of Salesforce (Salesforce reference, 1.6, 2.4 and 5).

use std::fmt;

use reqwest::header::HeaderMap;
use serde_json::Value;
use url::Url;

use super::problem::{problems, status_of};
use crate::http::{Answer, Failure, Problem};

/// One page of a query's result. `Debug` shows no rows.
#[derive(Clone, PartialEq)]
pub struct Page {
    pub rows: Vec<Value>,
    pub done: bool,
}

impl fmt::Debug for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Page").field("rows", &self.rows.len()).field("done", &self.done).finish()
    }
}

/// What a response shows about its session (Salesforce reference, 1.6 and 2.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// Salesforce's API answered: address and session are valid.
    Heard,
    /// Refused before anything was done. A new login may help, because the org may have moved.
    Over,
    /// No response, an HTML page, or JSON that is not the API's: the org may have moved, or a proxy on the way has a
    /// problem.
    Doubtful,
    /// What was asked for is not there. It may be gone, or the org may have moved.
    Silent,
}

/// A response, and its body as JSON if it is JSON. A body is read once: an answer about many Cases is long.
pub(super) struct Said {
    answer: Answer,
    json: Option<Value>,
}

impl Said {
    pub fn of(answer: Answer) -> Self {
        let json = answer.json();
        Self { answer, json }
    }

    fn first_problem(&self) -> Option<Problem> {
        problems(self.json.as_ref()?).into_iter().next()
    }
}

/// What a path asks for. The first kinds exist in each org, so an API that lacks one is not the org's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Resource {
    /// Its answer has a list with this name.
    List(&'static str),
    Limits,
    /// A record, an object, or the next page of a query: each may be gone.
    Other,
}

impl Resource {
    fn of(path: &str) -> Self {
        let below = path.strip_prefix("/services/data/").and_then(|path| path.split_once('/'));
        let resource = below.map_or("", |(_, resource)| resource);
        match resource.split_once('?').map_or(resource, |(name, _)| name) {
            "query" | "queryAll" => Self::List("records"),
            "composite" => Self::List("compositeResponse"),
            "composite/graph" => Self::List("graphs"),
            "limits" => Self::Limits,
            _ => Self::Other,
        }
    }

    fn reads(self, value: &Value) -> bool {
        match self {
            Self::List(name) => value.get(name).is_some_and(Value::is_array),
            Self::Limits => value.is_object(),
            Self::Other => true,
        }
    }
}

/// What the response to a call of this path shows.
pub(super) fn standing(said: &Said, path: &str) -> Standing {
    let resource = Resource::of(path);
    let (answer, problem) = (&said.answer, said.first_problem());
    let code = problem.as_ref().map_or("", |p| p.code.as_str());
    let not_by_login = problem.as_ref().is_some_and(|p| no_login_helps(&p.message));
    match answer.status {
        401 if not_by_login => Standing::Heard,
        401 | 301..=303 | 305..=399 => Standing::Over,
        _ if answer.is_success() && said.json.as_ref().is_some_and(|json| resource.reads(json)) => {
            Standing::Heard
        }
        _ if answer.is_success() && said.json.is_some() => Standing::Doubtful,
        _ if speaks_of_session(code) && !not_by_login => Standing::Over,
        // An empty body with this status shows only that a server is busy.
        420 | 429 | 503 if answer.body.is_empty() => Standing::Heard,
        _ if code.is_empty() => Standing::Doubtful,
        404 | 405 | 410 if resource == Resource::Other => Standing::Silent,
        404 | 405 | 410 => Standing::Doubtful,
        _ => Standing::Heard,
    }
}

/// Refused because of permissions of the user or the app, so no login helps (Salesforce reference, 1.6).
fn no_login_helps(message: &str) -> bool {
    message.contains("not valid for use with the REST API") || message.contains("not attached to Agent")
}

/// The failure if a request is still refused after a new login.
pub(super) fn refused_after_login(said: &Said) -> Failure {
    match said.answer.status {
        300..=399 => redirect(),
        _ => session_refused(),
    }
}

pub(super) fn session_refused() -> Failure {
    let advice = "Salesforce refuses the session that it has just given: check the app's scope (api), API access \
                  and the session policies of the integration user";
    Failure::login("INVALID_SESSION_ID", advice)
}

fn redirect() -> Failure {
    Failure::login(
        "REDIRECT",
        "Salesforce answers with a redirect, which is never followed: check salesforce.login_url (the org's My \
         Domain address) and the proxies on the way",
    )
}

/// Interprets a response. A body that is not JSON came from a proxy and not from Salesforce (reference, 2.4).
pub(super) fn read(said: Said) -> Result<Value, Failure> {
    let problem = said.first_problem();
    let Said { answer, json } = said;
    let answer = &answer;
    if answer.is_success() {
        return match json {
            Some(value) => Ok(value),
            None if is_page(answer) => Err(Failure::Road(format!("a page with status {}", answer.status))),
            None => Err(Failure::no_answer("an answer that is not JSON, or was cut")),
        };
    }
    let code = problem.as_ref().map_or("", |p| p.code.as_str());
    let says = |piece: &str| problem.as_ref().is_some_and(|p| p.message.contains(piece));
    match (answer.status, code) {
        (_, "REQUEST_LIMIT_EXCEEDED") => Err(busy(answer, code, says("TotalRequests"))),
        // Refused before anything was done. Any other 503 may come from a proxy that lost Salesforce's response.
        (403 | 503, "TOO_MANY_APEX_REQUESTS") | (_, "API_CURRENTLY_DISABLED") | (420 | 429, _) => {
            Err(busy(answer, code, false))
        }
        (401, _) | (403, "API_DISABLED_FOR_ORG" | "FUNCTIONALITY_NOT_ENABLED") => {
            let advice = "Salesforce does not let the integration user use the REST API: check the app's scope (api), \
                          API access, and IP restrictions";
            let code = if code.is_empty() { "UNAUTHORIZED" } else { code };
            Err(Failure::login(code, format!("{advice} ({code})")))
        }
        // Nothing was done, and it stays so until a human changes the configuration.
        (300..=399, _) => Err(redirect()),
        (status @ (413 | 414 | 431), _) => {
            Err(Failure::Refused { status, problem: problem.unwrap_or_default() })
        }
        (status, "") => Err(Failure::Road(format!("status {status} that is not Salesforce's"))),
        (408 | 500.., _) => Err(Failure::no_answer(format!("status {} {code}", answer.status))),
        (status, _) => Err(Failure::Refused { status, problem: problem.unwrap_or_default() }),
    }
}

/// The same of a question, which changes nothing: a 503 that names a time to come back asks for a pause. After a write it
/// may hide that the write was done.
pub(super) fn read_question(said: Said) -> Result<Value, Failure> {
    let retry_after = said.answer.retry_after().filter(|_| said.answer.status == 503);
    match read(said) {
        Err(Failure::NoAnswer(reason) | Failure::Road(reason)) if retry_after.is_some() => {
            Err(Failure::Busy { reason, retry_after, daily_limit: false })
        }
        result => result,
    }
}

/// Turns a refusal of the address or the API version, and not of one request's content, into one that pauses all calls.
pub(super) fn of_the_resource(failure: Failure) -> Failure {
    match failure {
        Failure::Refused { status: status @ (403 | 404 | 405 | 410 | 415), problem } => {
            let code = problem.code;
            let advice = format!(
                "Salesforce refuses every write (status {status} {code}): check salesforce.api_version, and what the \
                 integration user may do"
            );
            Failure::Login { code, advice }
        }
        other => other,
    }
}

/// Whether the body is some page, and not JSON that was cut.
fn is_page(answer: &Answer) -> bool {
    answer.body.iter().find(|byte| !byte.is_ascii_whitespace()).is_none_or(|byte| !b"{[".contains(byte))
}

fn busy(answer: &Answer, code: &str, daily_limit: bool) -> Failure {
    let reason = if code.is_empty() { format!("status {}", answer.status) } else { code.to_owned() };
    Failure::Busy { reason, retry_after: answer.retry_after(), daily_limit }
}

/// One step of a composite response: a page and the address of the next one, or the refusal of this query. What a whole
/// answer would say of everything fails the call.
pub(super) fn step(part: &mut Value) -> Result<(Result<Page, Problem>, Option<String>), Failure> {
    let status = status_of(part);
    let mut body = part["body"].take();
    if status == 200 {
        let (page, next) = page_at(&mut body)?;
        return Ok((Ok(page), next));
    }
    let problem = problems(&body).into_iter().next().unwrap_or_default();
    if speaks_of_session(&problem.code) {
        return Ok((Err(problem), None));
    }
    let answer = Answer { status, headers: HeaderMap::new(), body: Vec::new() };
    match read(Said { answer, json: Some(body) }) {
        Err(Failure::Refused { problem, .. }) if !problem.code.is_empty() => Ok((Err(problem), None)),
        Err(Failure::Refused { .. }) | Ok(_) => Err(not_a_page()),
        Err(failure) => Err(failure),
    }
}

/// The rows are taken out of the value.
pub(super) fn page(value: &mut Value) -> Option<(Page, Option<String>)> {
    let rows = std::mem::take(value.get_mut("records")?.as_array_mut()?);
    let next = value["nextRecordsUrl"].as_str().map(str::to_owned);
    Some((Page { rows, done: value["done"].as_bool()? }, next))
}

pub(super) fn page_at(value: &mut Value) -> Result<(Page, Option<String>), Failure> {
    page(value).ok_or_else(not_a_page)
}

pub(super) fn not_a_page() -> Failure {
    Failure::no_answer("a query's answer that cannot be read")
}

/// The path of `nextRecordsUrl`. Its host is ignored.
pub(super) fn path_of(next: &str) -> Option<String> {
    let base = Url::parse("https://any.invalid").ok()?;
    let path = base.join(next).ok()?.path().to_owned();
    path.starts_with("/services/data/").then_some(path)
}

/// Whether the code concerns the session, and not the data that was sent (Salesforce reference, 1.6).
pub fn speaks_of_session(code: &str) -> bool {
    ["SESSION", "AUTH_HEADER", "HEADER_TYPE", "OAUTH"].iter().any(|piece| code.contains(piece))
}

/// Whether the code only says that another record of the transaction failed.
pub fn is_halted(code: &str) -> bool {
    matches!(code, "PROCESSING_HALTED" | "ALL_OR_NONE_OPERATION_ROLLED_BACK" | "BATCH_PROCESSING_HALTED")
}

#[cfg(test)]
mod tests {
    use reqwest::header::{HeaderValue, RETRY_AFTER};
    use serde_json::json;

    use super::*;

    const RECORD: &str = "/services/data/v66.0/sobjects/Case/500000000000001";

    fn answer(status: u16, body: &str) -> Answer {
        Answer { status, headers: reqwest::header::HeaderMap::new(), body: body.as_bytes().to_vec() }
    }

    #[test]
    fn statuses_then_codes() {
        let error = |code: &str, message: &str| json!([{"errorCode": code, "message": message}]).to_string();
        let daily = error("REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.");
        let short =
            error("REQUEST_LIMIT_EXCEEDED", "ConcurrentRequests (Concurrent API Requests) Limit exceeded.");
        let table = [
            (200, "{\"a\":", "no answer"),
            (400, &error("MALFORMED_QUERY", "x"), "refused"),
            (403, &error("INSUFFICIENT_ACCESS", "x"), "refused"),
            (403, &daily, "daily"),
            (403, &short, "busy"),
            (403, &error("API_DISABLED_FOR_ORG", "x"), "login"),
            (401, &error("INVALID_AUTH_HEADER", "x"), "login"),
            (420, "<html>", "busy"),
            (503, "<html>", "road"),
            (503, &error("SERVER_UNAVAILABLE", "x"), "no answer"),
            (503, &error("TOO_MANY_APEX_REQUESTS", "x"), "busy"),
            (502, "<html>", "road"),
            (500, &error("UNKNOWN_EXCEPTION", "x"), "no answer"),
            (400, "<html>", "road"),
            (404, "<html>", "road"),
            (403, "", "road"),
            (400, "{\"ok\":true}", "road"),
            (200, "<html>", "road"),
            (400, &error("A\nforged", "x"), "refused"),
            (414, "<html>", "refused"),
            (302, "", "login"),
        ];
        for (status, body, expected) in table {
            let kind = match read(Said::of(answer(status, body))).unwrap_err() {
                Failure::NotSent(_) => "not sent",
                Failure::Busy { daily_limit: true, .. } => "daily",
                Failure::Busy { .. } => "busy",
                Failure::Refused { .. } => "refused",
                Failure::Login { .. } => "login",
                Failure::NoAnswer(_) => "no answer",
                Failure::Road(_) => "road",
                other => panic!("{other:?}"),
            };
            assert_eq!(kind, expected, "{status} {body}");
        }
    }

    #[test]
    fn a_server_that_is_away_until_a_time_is_asked_then() {
        let away = |status: u16, body: &str| {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static("120"))]);
            Said::of(Answer { status, headers, body: body.as_bytes().to_vec() })
        };
        let busy = error_list("SERVER_UNAVAILABLE");
        for body in ["<html>", "", busy.as_str()] {
            let failure = read_question(away(503, body)).unwrap_err();
            let expected = Some(std::time::Duration::from_secs(120));
            assert!(
                matches!(failure, Failure::Busy { retry_after, daily_limit: false, .. } if retry_after == expected)
            );
            let failure = read(away(503, body)).unwrap_err();
            assert!(failure.may_have_been_done(), "a write is read back: {failure}");
        }
        assert!(matches!(read_question(away(502, "<html>")), Err(Failure::Road(_))));
        assert!(matches!(read_question(Said::of(answer(503, "<html>"))), Err(Failure::Road(_))));
    }

    fn error_list(code: &str) -> String {
        json!([{"errorCode": code, "message": "x"}]).to_string()
    }

    #[test]
    fn a_step_is_read_as_a_whole_answer_is() {
        let of = |status: Value, body: Value| step(&mut json!({"httpStatusCode": status, "body": body}));
        let error = |code: &str, message: &str| json!([{"errorCode": code, "message": message}]);
        let page = || json!({"done": true, "records": [1]});
        assert!(matches!(of(json!(200), page()), Ok((Ok(_), None))));
        for (status, body) in [
            (json!(400), error("MALFORMED_QUERY", "x")),
            (json!(403), error("INSUFFICIENT_ACCESS", "x")),
            (json!(401), error("INVALID_SESSION_ID", "x")),
        ] {
            assert!(matches!(of(status, body.clone()), Ok((Err(_), None))), "{body}");
        }
        let daily = of(json!(403), error("REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded."));
        assert!(matches!(daily, Err(Failure::Busy { daily_limit: true, .. })));
        assert!(matches!(of(json!(502), json!("<html>")), Err(Failure::Road(_))));
        for (status, body) in [
            (json!(503), error("SERVER_UNAVAILABLE", "x")),
            (json!(500), error("UNKNOWN_EXCEPTION", "x")),
            (json!(200), json!("<html>")),
            (json!(414), json!("<html>")),
            (json!(201), page()),
        ] {
            assert!(matches!(of(status, body.clone()), Err(Failure::NoAnswer(_))), "{body}");
        }
        for status in [json!("200"), Value::Null] {
            assert!(of(status, page()).is_err());
        }
    }

    #[test]
    fn c04_c05_what_speaks_against_session_or_address_earns_a_login() {
        let said = |code: &str, m: &str| json!([{"errorCode": code, "message": m}]).to_string();
        let table = [
            (401, said("INVALID_SESSION_ID", "Session expired or invalid"), Standing::Over),
            (401, said("INVALID_AUTH_HEADER", "INVALID_HEADER_TYPE"), Standing::Over),
            (401, said("INVALID_HEADER_TYPE", "x"), Standing::Over),
            (401, "<html>".to_owned(), Standing::Over),
            (401, "[]".to_owned(), Standing::Over),
            (403, said("INVALID_SESSION_ID", "x"), Standing::Over),
            (
                401,
                said("INVALID_SESSION_ID", "This session is not valid for use with the REST API"),
                Standing::Heard,
            ),
            (302, String::new(), Standing::Over),
            (307, "<html>".to_owned(), Standing::Over),
            (404, "<html>".to_owned(), Standing::Doubtful),
            (404, said("NOT_FOUND", "x"), Standing::Silent),
            (420, "<html>".to_owned(), Standing::Doubtful),
            (420, String::new(), Standing::Heard),
            (502, "<html>".to_owned(), Standing::Doubtful),
            (503, said("SERVER_UNAVAILABLE", "x"), Standing::Heard),
            (200, "<html>".to_owned(), Standing::Doubtful),
            (200, "{}".to_owned(), Standing::Heard),
            (400, said("MALFORMED_QUERY", "x"), Standing::Heard),
        ];
        for (status, body, expected) in table {
            assert_eq!(standing(&Said::of(answer(status, &body)), RECORD), expected, "{status} {body}");
        }
    }

    #[test]
    fn c04_a_resource_of_each_org_that_is_missing_is_doubtful() {
        let missing = json!([{"errorCode": "NOT_FOUND", "message": "x"}]).to_string();
        let other = r#"{"status":"ok"}"#;
        let of = |resource: &str, status: u16, body: &str| {
            standing(&Said::of(answer(status, body)), &format!("/services/data/v66.0/{resource}"))
        };
        for resource in ["query?q=SELECT", "queryAll?q=SELECT", "composite", "composite/graph"] {
            for status in [404, 405, 410] {
                assert_eq!(of(resource, status, &missing), Standing::Doubtful, "{status} {resource}");
            }
            assert_eq!(of(resource, 200, other), Standing::Doubtful, "{resource}");
        }
        assert_eq!(of("limits", 404, &missing), Standing::Doubtful);
        for resource in ["query/01g-500", "sobjects/Case/describe", "sobjects/Case/500"] {
            assert_eq!(of(resource, 404, &missing), Standing::Silent, "{resource}");
        }
        assert_eq!(of("query?q=SELECT", 200, r#"{"done":true,"records":[]}"#), Standing::Heard);
        assert_eq!(of("composite", 200, r#"{"compositeResponse":[]}"#), Standing::Heard);
        assert_eq!(of("composite/graph", 200, r#"{"graphs":[]}"#), Standing::Heard);
    }

    #[test]
    fn the_next_page_counts_by_its_path() {
        let path = "/services/data/v66.0/query/01g-500";
        assert_eq!(path_of(path).as_deref(), Some(path));
        assert_eq!(path_of(&format!("https://evil.example{path}?x=1")).as_deref(), Some(path));
        assert_eq!(path_of("//evil.example/"), None);
    }
}
