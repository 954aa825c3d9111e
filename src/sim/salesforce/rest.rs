//! The REST API: paths, sessions, call counting, and routing of requests to resources.
//!
//! Doubled and trailing slashes are accepted, as in Salesforce (reference, sections 9.2 and 9.4).

use std::collections::BTreeMap;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use serde_json::{Value, json};

use super::org::{Actor, Org, Session};
use super::problem::{Problem, rest_body};
use super::soql::eval::View;
use super::{Sim, collections, composite, control, describe, oauth, sobjects, soql};

/// One request to a resource, from the network or from a composite.
#[derive(Clone, Debug)]
pub struct Call {
    pub method: String,
    /// As in the path, for example `v66.0`.
    pub version: String,
    /// The path after the version, percent-decoded.
    pub path: Vec<String>,
    pub query: Vec<(String, String)>,
    pub actor: Actor,
    /// `Sforce-Query-Options: batchSize`.
    pub batch_size: usize,
    /// `If-Modified-Since`, as a moment.
    pub modified_since: Option<i64>,
    /// `If-Unmodified-Since`.
    pub unmodified_since: Option<i64>,
    pub body: Value,
}

impl Call {
    pub fn argument(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub fn flag(&self, name: &str) -> bool {
        self.argument(name).is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    /// `66` of `v66.0`.
    pub fn number(&self) -> u32 {
        version_number(&self.version).unwrap_or_default()
    }

    pub fn view(&self, all: bool) -> View<'_> {
        View { version: &self.version, all }
    }

    /// Applies a header that changes a save or a query.
    pub fn heed(&mut self, name: &str, value: &str) {
        let value = value.trim();
        match name.to_ascii_lowercase().as_str() {
            "sforce-auto-assign" => self.actor.assign = !value.eq_ignore_ascii_case("false"),
            "sforce-duplicate-rule-header" => {
                let packed = value.to_ascii_lowercase().replace(' ', "");
                self.actor.allow_duplicates = packed.contains("allowsave=true");
            }
            "sforce-query-options" => {
                let size = value.split_once('=').and_then(|(_, size)| size.trim().parse::<usize>().ok());
                self.batch_size = size.unwrap_or(2000).clamp(200, 2000);
            }
            "if-modified-since" => self.modified_since = http_date(value),
            "if-unmodified-since" => self.unmodified_since = http_date(value),
            _ => {}
        }
    }
}

fn http_date(text: &str) -> Option<i64> {
    jiff::fmt::rfc2822::parse(text).ok().map(|moment| moment.timestamp().as_millisecond())
}

#[derive(Clone, Debug, Default)]
pub struct Reply {
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    /// Null: no body.
    pub body: Value,
}

impl Reply {
    pub fn new(status: u16, body: Value) -> Self {
        Self { status, body, headers: BTreeMap::new() }
    }

    pub fn empty(status: u16) -> Self {
        Self::new(status, Value::Null)
    }

    pub fn ok(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

impl From<Problem> for Reply {
    fn from(problem: Problem) -> Self {
        Self::new(problem.status, rest_body(&[problem]))
    }
}

impl From<Vec<Problem>> for Reply {
    fn from(problems: Vec<Problem>) -> Self {
        Self::new(problems.first().map_or(500, |first| first.status), rest_body(&problems))
    }
}

const LONGEST_URI: usize = 16_384;
pub const OLDEST_VERSION: u32 = 31;
pub const NEWEST_VERSION: u32 = 67;

pub async fn handle(
    State(sim): State<Sim>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let path = segments(uri.path());
    let whole: Vec<&str> = path.iter().map(String::as_str).collect();
    if whole.first() == Some(&"__sim") {
        return to_response(&control::answer(&sim, &method, &whole[1..], &body), false);
    }
    if uri.path().len() + uri.query().map_or(0, |query| query.len() + 1) > LONGEST_URI {
        return to_response(&Problem::new(414, "URI_TOO_LONG", "The URI is too long").into(), false);
    }
    let pretty = headers.contains_key("x-prettyprint");
    let query = uri.query().unwrap_or_default();
    let query: Vec<(String, String)> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let reply = match whole.as_slice() {
        ["services", "oauth2", what] => oauth::answer(&sim, what, &method, &headers, &query, &body),
        ["services", "data"] => versions(&method),
        ["services", "data", version, rest @ ..] => {
            let call = Call {
                method: method.to_string(),
                version: (*version).to_owned(),
                path: rest.iter().map(ToString::to_string).collect(),
                query,
                actor: Actor::api(""),
                batch_size: 2000,
                modified_since: None,
                unmodified_since: None,
                body: Value::Null,
            };
            resource(&sim, call, &headers, &body)
        }
        _ => Problem::not_found().into(),
    };
    let mut response = to_response(&reply, pretty);
    // The org's time, not this machine's, because clients may measure by it.
    let date = if sim.settings().no_date { "-".to_owned() } else { stamp_http(sim.now_ms()) };
    if let Ok(date) = HeaderValue::from_str(&date) {
        response.headers_mut().insert(http::header::DATE, date);
    }
    response
}

fn stamp_http(ms: i64) -> String {
    let moment = jiff::Timestamp::from_millisecond(ms).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    moment.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// Decoded parts of a path, without the empty ones between doubled slashes.
pub fn segments(path: &str) -> Vec<String> {
    let parts = path.split('/').filter(|part| !part.is_empty());
    parts.map(|part| percent_encoding::percent_decode_str(part).decode_utf8_lossy().into_owned()).collect()
}

fn versions(method: &Method) -> Reply {
    if method != Method::GET {
        return method_not_allowed(method.as_str());
    }
    // Three releases a year. v31 was Summer '14.
    let one = |number: u32| {
        let season = ["Summer", "Winter", "Spring"]
            [usize::try_from((number - OLDEST_VERSION) % 3).unwrap_or_default()];
        let year = 14 + (number - OLDEST_VERSION).div_ceil(3);
        json!({"label": format!("{season} '{year}"), "url": format!("/services/data/v{number}.0"),
            "version": format!("{number}.0")})
    };
    Reply::new(200, (OLDEST_VERSION..=NEWEST_VERSION).map(one).collect())
}

pub fn method_not_allowed(method: &str) -> Reply {
    let message = format!("HTTP Method '{method}' not allowed. Allowed are HEAD,GET,POST,PATCH,DELETE");
    Problem::new(405, "METHOD_NOT_ALLOWED", message).into()
}

fn version_number(version: &str) -> Option<u32> {
    version.strip_prefix('v')?.strip_suffix(".0")?.parse().ok()
}

/// Checks session and limits, counts the call, and adds the headers of every answer.
fn resource(sim: &Sim, mut call: Call, headers: &HeaderMap, body: &Bytes) -> Reply {
    let mut org = sim.org();
    let reply = match admitted(&mut org, &call, headers) {
        Ok(user) => {
            org.calls += 1;
            org.used_today += 1;
            call.actor = Actor { delay_ms: org.settings.api_commit_delay_ms, ..Actor::api(&user) };
            for (name, value) in headers {
                call.heed(name.as_str(), &String::from_utf8_lossy(value.as_bytes()));
            }
            match json_body(&call.method, body) {
                Ok(body) => {
                    call.body = body;
                    let reply = execute(&mut org, &call);
                    org.commit();
                    reply
                }
                Err(problem) => problem.into(),
            }
        }
        Err(problem) => problem.into(),
    };
    let mut reply = reply;
    if reply.status < 400 || org.settings.limit_info_on_errors {
        let usage = format!("api-usage={}/{}", org.used_today, org.settings.daily_limit);
        reply.headers.insert("Sforce-Limit-Info".into(), usage);
    }
    reply
}

fn json_body(method: &str, body: &Bytes) -> Result<Value, Problem> {
    if body.is_empty() || matches!(method, "GET" | "HEAD" | "DELETE") {
        return Ok(Value::Null);
    }
    serde_json::from_slice(body).map_err(|error| {
        let message = format!("Unexpected character at [line:{}, column:{}]", error.line(), error.column());
        Problem::new(400, "JSON_PARSER_ERROR", message)
    })
}

/// The session's user, if the call is admitted.
fn admitted(org: &mut Org, call: &Call, headers: &HeaderMap) -> Result<String, Problem> {
    let number = version_number(&call.version).ok_or_else(Problem::not_found)?;
    if number < OLDEST_VERSION {
        let message = "The version of the API has been retired";
        return Err(Problem::new(410, "UNSUPPORTED_API_VERSION", message));
    }
    if number > NEWEST_VERSION {
        return Err(Problem::not_found());
    }
    let user = session(org, headers)?;
    let now = org.now_ms();
    if now - org.day_began_ms >= 24 * 3600 * 1000 {
        (org.day_began_ms, org.used_today) = (now, 0);
    }
    if org.used_today >= org.settings.daily_limit {
        return Err(Problem::new(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded."));
    }
    Ok(user)
}

/// Sessions slide: each call extends them.
pub fn session(org: &mut Org, headers: &HeaderMap) -> Result<String, Problem> {
    let expired = || Problem::new(401, "INVALID_SESSION_ID", "Session expired or invalid");
    let Some(header) = headers.get(http::header::AUTHORIZATION) else { return Err(expired()) };
    let header = header.to_str().unwrap_or_default();
    let Some((scheme, token)) = header.split_once(' ') else {
        return Err(Problem::new(401, "INVALID_AUTH_HEADER", "INVALID_AUTH_HEADER"));
    };
    if !scheme.eq_ignore_ascii_case("bearer") && !scheme.eq_ignore_ascii_case("oauth") {
        return Err(Problem::new(401, "INVALID_HEADER_TYPE", "INVALID_HEADER_TYPE"));
    }
    let (now, ttl, most) = (org.now_ms(), org.settings.session_ttl_ms, org.settings.session_calls);
    let Some(session) = org.sessions.get_mut(token.trim()) else { return Err(expired()) };
    let over = (ttl > 0 && now - session.used_ms >= ttl) || (most > 0 && session.calls >= most);
    if over {
        org.sessions.remove(token.trim());
        return Err(expired());
    }
    let Session { user, used_ms, calls } = session;
    (*used_ms, *calls) = (now, *calls + 1);
    Ok(user.clone())
}

/// A call to a resource below `/services/data/vNN.0`.
pub fn execute(org: &mut Org, call: &Call) -> Reply {
    let path: Vec<&str> = call.path.iter().map(String::as_str).collect();
    match path.as_slice() {
        [] => resources(&call.version),
        ["limits"] => limits(org),
        ["query", rest @ ..] => query(org, call, rest, false),
        ["queryAll", rest @ ..] => query(org, call, rest, true),
        ["sobjects"] => describe::global(org, call),
        ["sobjects", object, rest @ ..] => sobjects::answer(org, call, object, rest),
        ["composite", "sobjects", rest @ ..] => collections::answer(org, call, rest),
        ["composite", "tree", object] => collections::tree(org, call, object),
        ["composite", "batch"] => composite::batch(org, call),
        ["composite", "graph"] => composite::graphs(org, call),
        ["composite"] => composite::composite(org, call),
        _ => Problem::not_found().into(),
    }
}

fn resources(version: &str) -> Reply {
    let names = ["sobjects", "query", "queryAll", "limits", "composite"];
    let map: serde_json::Map<String, Value> = names
        .iter()
        .map(|name| ((*name).to_owned(), json!(format!("/services/data/{version}/{name}"))))
        .collect();
    Reply::new(200, Value::Object(map))
}

fn limits(org: &Org) -> Reply {
    let (max, used) = (org.settings.daily_limit, org.used_today);
    let pair = |max: u64, remaining: u64| json!({"Max": max, "Remaining": remaining});
    let body = json!({
        "DailyApiRequests": pair(max, max.saturating_sub(used)),
        "DailyAsyncApexExecutions": pair(250_000, 250_000),
        "DailyBulkApiBatches": pair(15_000, 15_000),
        "DataStorageMB": pair(1024, 1000),
        "FileStorageMB": pair(1024, 1024),
        "SingleEmail": pair(5000, 5000),
    });
    Reply::new(200, body)
}

fn query(org: &mut Org, call: &Call, rest: &[&str], all: bool) -> Reply {
    if call.method != "GET" {
        return method_not_allowed(&call.method);
    }
    let size = if org.settings.page_size > 0 { org.settings.page_size } else { call.batch_size };
    if let [locator] = rest {
        return next_page(org, call, locator, size).unwrap_or_else(Reply::from);
    }
    let Some(text) = call.argument("q").filter(|_| rest.is_empty()) else {
        return Problem::new(400, "MALFORMED_QUERY", "A query string has to be specified").into();
    };
    let found = match soql::query(org, text, call.view(all)) {
        Ok(found) => found,
        Err(problem) => return problem.into(),
    };
    if call.flag("columns") {
        let prefix = org.schema.object(&found.object).map_or("", |object| object.prefix.as_str());
        return Reply::new(
            200,
            json!({"columnMetadata": [], "entityName": found.object, "groupBy": false,
            "idSelected": true, "keyPrefix": prefix}),
        );
    }
    let mut records = found.records;
    for record in &mut records {
        page_children(org, call, record, size);
    }
    Reply::new(200, page(org, call, found.total, 0, records, size))
}

/// One page of an answer. The remaining records are kept under a locator. `start` records came before.
fn page(
    org: &mut Org,
    call: &Call,
    total: usize,
    start: usize,
    mut records: Vec<Value>,
    size: usize,
) -> Value {
    if records.len() <= size {
        return json!({"totalSize": total, "done": true, "records": records});
    }
    let rest = records.split_off(size);
    let next = start + size;
    let locator = format!("{}-{next}", org.next_id("query").replacen("000Sm0", "01gSm0", 1));
    let cursor =
        super::org::Cursor { records: rest, user: call.actor.user.clone(), made_ms: org.now_ms(), total };
    let (now, ttl) = (cursor.made_ms, org.settings.locator_ttl_ms);
    org.cursors.retain(|_, old| now - old.made_ms < ttl);
    org.cursors.insert(locator.clone(), cursor);
    // The address is the same for queryAll.
    let url = format!("/services/data/{}/query/{locator}", call.version);
    json!({"totalSize": total, "done": false, "nextRecordsUrl": url, "records": records})
}

fn next_page(org: &mut Org, call: &Call, locator: &str, size: usize) -> Result<Reply, Problem> {
    let invalid = || Problem::new(400, "INVALID_QUERY_LOCATOR", "invalid query locator");
    let (now, ttl) = (org.now_ms(), org.settings.locator_ttl_ms);
    let cursor = org
        .cursors
        .get(locator)
        .filter(|cursor| cursor.user == call.actor.user && now - cursor.made_ms < ttl);
    let cursor = cursor.cloned().ok_or_else(invalid)?;
    let start = locator.rsplit('-').next().and_then(|start| start.parse().ok()).ok_or_else(invalid)?;
    Ok(Reply::new(200, page(org, call, cursor.total, start, cursor.records, size)))
}

/// A long list of children has its own pages.
fn page_children(org: &mut Org, call: &Call, record: &mut Value, size: usize) {
    let Some(record) = record.as_object_mut() else { return };
    for value in record.values_mut() {
        let long = value.get("records").and_then(Value::as_array).is_some_and(|records| records.len() > size);
        if long && let Some(records) = value["records"].as_array_mut().map(std::mem::take) {
            *value = page(org, call, records.len(), 0, records, size);
        }
    }
}

fn to_response(reply: &Reply, pretty: bool) -> Response {
    let bytes = match &reply.body {
        Value::Null => Vec::new(),
        body if pretty => serde_json::to_vec_pretty(body).unwrap_or_default(),
        body => serde_json::to_vec(body).unwrap_or_default(),
    };
    let mut response = Response::new(Body::from(bytes));
    *response.status_mut() = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    if !reply.body.is_null() {
        let json = HeaderValue::from_static("application/json;charset=UTF-8");
        headers.insert(http::header::CONTENT_TYPE, json);
    }
    for (name, value) in &reply.headers {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(value)) {
            headers.insert(name, value);
        }
    }
    response
}
