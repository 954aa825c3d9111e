//! The client of Goodays: its calls, and what is known after each (Goodays reference, 1 and 4).

use std::fmt;

use jiff::{Timestamp, ToSpan};
use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::{Method, RequestBuilder};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use url::Url;

use super::action::Action;
use super::cut_page;
use super::event::Response;
use super::problem::problem;
use super::{GATEWAY, ResponseId};
use crate::http::{Answer, Failure, Problem, Trail, beginning, exchange};
use crate::time::{GoodaysTime, RemoteClock};

/// Maximum concurrent calls. Goodays does not publish its limits (Goodays reference, 4.3).
const AT_ONCE: usize = 5;

/// Items per page of the bulk list, at most. Each item contains its whole conversation.
pub const BULK_PAGE: usize = 100;

/// Users per page of a list of users.
const PAGE_SIZE: &str = "100";

/// The parameter of a list for the size of its pages.
const SIZE: &str = "page_size";

/// Maximum pages of a list of users. One e-mail address has few users, so a longer list is an endless one.
const MAX_PAGES: usize = 20;

/// The path of the bulk list.
const BULK: [&str; 2] = ["responses", "bulk"];

/// The client. It sends the token only to the configured host.
pub struct Client {
    base: Url,
    token: Box<dyn Fn() -> SecretString + Send + Sync>,
    http: reqwest::Client,
    slots: tokio::sync::Semaphore,
    clock: RemoteClock,
}

/// A user of Goodays. `Debug` does not show the e-mail address.
#[derive(Clone, PartialEq, Eq)]
pub struct User {
    pub id: String,
    pub email: String,
    pub read_only: bool,
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User")
            .field("id", &self.id)
            .field("read_only", &self.read_only)
            .finish_non_exhaustive()
    }
}

/// Numbers of responses that wait for the brand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Waiting {
    pub pending_alert: u64,
    pub pending_reply: u64,
}

/// One page of the bulk list. `Debug` shows no items.
#[derive(Clone, PartialEq)]
pub struct Page {
    pub items: Vec<Value>,
    pub next: Option<Url>,
}

/// What stands behind an item that is too large to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SkippedItem {
    /// Its id, if it is among the first bytes.
    pub id: Option<String>,
    pub next: Option<Url>,
}

/// Which page of the bulk list: by creation date, or the one that the page before named.
#[derive(Debug, Clone)]
pub struct BulkQuery {
    pub since: Timestamp,
    pub until: Option<Timestamp>,
    pub page: Option<Url>,
    /// Items per page.
    pub size: usize,
}

impl fmt::Debug for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Page").field("items", &self.items.len()).field("next", &self.next.is_some()).finish()
    }
}

impl Client {
    /// `token` is called for each request, so the token can be replaced while we run.
    pub fn new(
        base_url: Url,
        token: impl Fn() -> SecretString + Send + Sync + 'static,
        http: reqwest::Client,
    ) -> Self {
        let slots = tokio::sync::Semaphore::new(AT_ONCE);
        Self { base: base_url, token: Box::new(token), http, slots, clock: RemoteClock::default() }
    }

    /// The current time of Goodays' clock, computed from its latest response; none before the first response.
    pub fn now(&self) -> Option<GoodaysTime> {
        self.clock.now().map(GoodaysTime::from)
    }

    /// Whether Goodays answers about other responses. If not, a refusal may come from a proxy and not from Goodays.
    pub async fn is_well(&self) -> Result<(), Failure> {
        self.some_listed("1").await.map(drop)
    }

    /// Whether Goodays shows any response but this one. If it shows none of those that there are (`others`), or refuses one
    /// that it lists, a refusal of this one says nothing about it. A list of nothing else leaves that open.
    pub async fn shows_others(&self, refused: &ResponseId, others: bool) -> Result<(), Failure> {
        let Some(listed) = self.some_listed("2").await? else { return Ok(()) };
        if listed.is_empty() && others {
            return Err(Failure::Road("no response is shown any more".to_owned()));
        }
        let others = listed.iter().filter_map(|item| ResponseId::new(item.get("id")?.as_str()?).ok());
        let Some(other) = others.into_iter().find(|other| other != refused) else { return Ok(()) };
        match self.get(self.url(&["responses", other.as_str()])?).await {
            Err(Failure::Refused { status, .. }) => {
                Err(Failure::Road(format!("status {status} for a response that is listed")))
            }
            Err(Failure::TooLarge(_)) => Ok(()),
            other => other.map(drop),
        }
    }

    /// The first items of the bulk list; none if they are too large to read, and then they are shown.
    async fn some_listed(&self, size: &str) -> Result<Option<Vec<Value>>, Failure> {
        let mut url = self.url(&BULK)?;
        url.query_pairs_mut().append_pair(SIZE, size);
        match self.get(url).await {
            // Goodays refuses every request, so the refusal says nothing about one response.
            Err(Failure::Refused { status, .. }) => {
                Err(Failure::Road(format!("status {status} for every response")))
            }
            // What is listed cannot be read, and Goodays answers.
            Err(Failure::TooLarge(_)) => Ok(None),
            other => Ok(Some(list(&other?)?.to_vec())),
        }
    }

    /// Reads the current response. A refusal with words of the API or of the gateway in front of it is one of this response,
    /// until [`Self::is_well`] says otherwise.
    pub async fn response(&self, id: &ResponseId) -> Result<Response, Failure> {
        let answer = self.send(self.http.get(self.url(&["responses", id.as_str()])?)).await?;
        if let Some(problem) = refused_one(&answer) {
            return Err(Failure::Refused { status: answer.status, problem });
        }
        read_checked(&answer)?;
        let value = json_of(&answer)?;
        let response =
            Response::from_value(&value).map_err(|e| Failure::no_answer(format!("unreadable: {e}")))?;
        if response.id == *id {
            Ok(response)
        } else {
            Err(Failure::no_answer("another response than the one asked for"))
        }
    }

    /// Sends an action. A 2xx status is only a claim that it was done, whatever the body is: the body contains nothing
    /// new (Goodays reference, 5.3). The caller reads the response back.
    pub async fn act(&self, id: &ResponseId, action: &Action) -> Result<(), Failure> {
        let url = self.url(&["responses", id.as_str(), action.path_segment()])?;
        let answer = self.send(self.http.request(Method::PUT, url).json(&action.body())).await?;
        match checked(&answer) {
            Err(Failure::Login { .. }) if answer.status == 403 => Err(self.whose_403(id, &answer).await),
            known => known,
        }
    }

    /// What a 403 with words about a token means. A firewall may use them of a text that it does not like; a token that
    /// is bad is refused for a read, too.
    async fn whose_403(&self, id: &ResponseId, answer: &Answer) -> Failure {
        match self.response(id).await {
            Err(Failure::Login { .. }) => bad_token(answer.status),
            Err(Failure::Refused { problem, .. })
                if problem.code == GATEWAY && is_about_login(&problem.message) =>
            {
                bad_token(answer.status)
            }
            Ok(_) | Err(Failure::Refused { .. }) => refusal(answer),
            Err(failure) => Failure::no_answer(format!("status {}, and then {failure}", answer.status)),
        }
    }

    /// The users with exactly this e-mail address, ignoring case.
    pub async fn users_by_email(&self, email: &str) -> Result<Vec<User>, Failure> {
        let mut url = self.url(&["users"])?;
        url.query_pairs_mut().append_pair("email", email).append_pair(SIZE, PAGE_SIZE);
        let mut found = Vec::new();
        let (mut page, mut trail) = (Some(url), Trail::default());
        for _ in 0..MAX_PAGES {
            let Some(url) = page else { return Ok(found) };
            if !trail.is_new(url.as_str().as_bytes()) {
                break;
            }
            let value = self.get(url).await?;
            found.extend(list(&value)?.iter().filter_map(user).filter(|u| is_same(&u.email, email)));
            page = self.next(&value, &["users"])?;
        }
        Err(Failure::no_answer("a list of users without end"))
    }

    /// The user with this id; none if Goodays does not know it.
    pub async fn user(&self, id: &str) -> Result<Option<User>, Failure> {
        match self.get(self.url(&["users", id])?).await {
            Ok(value) if list(&value).is_ok_and(<[Value]>::is_empty) => Ok(None),
            Ok(value) => {
                let one = user(first_or_self(&value));
                one.map(Some).ok_or_else(|| Failure::Road("a user without an id".to_owned()))
            }
            Err(Failure::Refused { status: 404, .. }) => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// The keys of `context.extra` that this account has declared. They differ per customer.
    pub async fn custom_parameters(&self) -> Result<Vec<String>, Failure> {
        let value = self.get(self.url(&["configuration"])?).await?;
        let object = first_or_self(&value);
        let listed = object["custom_parameters"].as_array().map_or(&[][..], Vec::as_slice);
        Ok(listed.iter().filter_map(|one| one["key"].as_str().or(one.as_str()).map(str::to_owned)).collect())
    }

    /// The account's name, as a cheap check of the token. The rest of the body, which contains the token, is dropped.
    pub async fn session(&self) -> Result<Option<String>, Failure> {
        let value = self.get(self.url(&["session"])?).await?;
        let object = first_or_self(&value);
        Ok(object.get("username").and_then(Value::as_str).map(str::to_owned))
    }

    pub async fn dashboard(&self) -> Result<Waiting, Failure> {
        let value = self.get(self.url(&["dashboard"])?).await?;
        let object = first_or_self(&value);
        let count = |key: &str| {
            let value = object.get(key)?;
            value.as_u64().or_else(|| value.as_str()?.trim().parse().ok())
        };
        let read = (count("pending_alert"), count("pending_reply"));
        if let (Some(pending_alert), Some(pending_reply)) = read {
            Ok(Waiting { pending_alert, pending_reply })
        } else {
            Err(Failure::no_answer("a dashboard without its counts"))
        }
    }

    /// A page of responses by creation date.
    pub async fn bulk(&self, query: &BulkQuery) -> Result<Page, Failure> {
        let url = self.bulk_url(query)?;
        let value = self.get(url).await?;
        Ok(Page { items: list(&value)?.to_vec(), next: self.next(&value, &BULK)? })
    }

    /// The page behind this one, whose only item is too large to read: its beginning names the next page. Fails if it does
    /// not.
    pub async fn behind(&self, query: &BulkQuery) -> Result<SkippedItem, Failure> {
        let cut = cut_page::read(&self.beginning(self.bulk_url(query)?).await?);
        let next = cut.next.ok_or_else(|| {
            Failure::TooLarge("a response too large to read, and no word of the page behind it".to_owned())
        })?;
        let next = self.next(&serde_json::json!({ "next": next }), &BULK)?;
        Ok(SkippedItem { id: cut.id, next })
    }

    /// Query times are UTC without a zone (Goodays reference, 4.4).
    fn bulk_url(&self, query: &BulkQuery) -> Result<Url, Failure> {
        let mut url = self.url(&BULK)?;
        if let Some(page) = &query.page {
            url.set_query(page.query().map(|cursor| sized(cursor, query.size)).as_deref());
            return Ok(url);
        }
        let mut pairs = url.query_pairs_mut();
        pairs.append_pair("start_date", &query_time(query.since));
        pairs.append_pair(SIZE, &query.size.to_string());
        if let Some(until) = query.until {
            // Query times have whole seconds, and it is unknown if the bound is inclusive: one second more
            // (reference, 6).
            pairs.append_pair("end_date", &query_time(until + 1.second()));
        }
        drop(pairs);
        Ok(url)
    }

    /// The configured events.
    pub async fn events(&self) -> Result<Vec<Value>, Failure> {
        let value = self.get(self.url(&["events"])?).await?;
        Ok(if value.get("id").is_some() { vec![value] } else { list(&value)?.to_vec() })
    }

    /// A sample webhook body for the account's configuration. `kind` is response, message, delegated or reply.
    pub async fn sample(&self, event: &str, kind: &str) -> Result<Value, Failure> {
        self.get(self.url(&["events", event, &format!("sample_{kind}")])?).await
    }

    /// Adds path segments to the configured URL, each percent-encoded.
    pub(super) fn url(&self, path: &[&str]) -> Result<Url, Failure> {
        let mut url = self.base.clone();
        url.set_query(None);
        url.set_fragment(None);
        url.path_segments_mut()
            .map_err(|()| Failure::login("BASE_URL", "goodays.base_url is no http address"))?
            .pop_if_empty()
            .extend(path);
        Ok(url)
    }

    /// The next page's query on our own URL: hosts and paths in response bodies are not the public ones (5.3), and the token
    /// goes nowhere else.
    fn next(&self, page: &Value, path: &[&str]) -> Result<Option<Url>, Failure> {
        let no_address = || Failure::no_answer("a next page that is no address");
        let next = match page.get("next") {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::String(next)) if next.is_empty() => return Ok(None),
            Some(Value::String(next)) => self.base.join(next).map_err(|_| no_address())?,
            Some(_) => return Err(no_address()),
        };
        let mut url = self.url(path)?;
        url.set_query(next.query());
        Ok(Some(url))
    }

    pub(super) async fn get(&self, url: Url) -> Result<Value, Failure> {
        let answer = self.send(self.http.get(url)).await?;
        read_checked(&answer)?;
        json_of(&answer)
    }

    /// The first bytes of a response that may be too large to read.
    pub(super) async fn beginning(&self, url: Url) -> Result<Vec<u8>, Failure> {
        let request = self.with_token(self.http.get(url))?;
        let _slot = self.slots.acquire().await.expect("never closed");
        beginning(request).await
    }

    /// The token has no `Bearer` prefix (Goodays reference, 1).
    fn with_token(&self, request: RequestBuilder) -> Result<RequestBuilder, Failure> {
        let mut token = HeaderValue::from_str((self.token)().expose_secret()).map_err(|_| {
            Failure::login("TOKEN", "goodays.token holds a character that no header can carry")
        })?;
        token.set_sensitive(true);
        Ok(request.header(AUTHORIZATION, token))
    }

    async fn send(&self, request: RequestBuilder) -> Result<Answer, Failure> {
        let request = self.with_token(request)?;
        let _slot = self.slots.acquire().await.expect("never closed");
        let answer = exchange(request).await?;
        if let Some(date) = answer.date() {
            self.clock.set(date);
        }
        Ok(answer)
    }
}

fn json_of(answer: &Answer) -> Result<Value, Failure> {
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
fn refused_one(answer: &Answer) -> Option<Problem> {
    let body = answer.json().filter(|_| matches!(answer.status, 403 | 404))?;
    let message = body.get("message").and_then(Value::as_str)?;
    let is_of_route = message.to_ascii_lowercase().contains("no route");
    (!is_of_route && !is_its_own(answer)).then(|| Problem::new(GATEWAY, message))
}

/// Interprets the status (Goodays reference, 4.1).
fn checked(answer: &Answer) -> Result<(), Failure> {
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
fn read_checked(answer: &Answer) -> Result<(), Failure> {
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
fn refusal(answer: &Answer) -> Failure {
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

fn bad_token(status: u16) -> Failure {
    Failure::login(
        status.to_string(),
        format!("Goodays does not accept the token (status {status}): check goodays.token with Goodays"),
    )
}

/// Status 403 has two meanings: a bad token, or a response that this account may not access.
fn is_about_login(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    ["credential", "api key", "token"].iter().any(|word| message.contains(word))
}

/// The items of a list. Lists may be paged or bare; a single object may be in a list (Goodays reference, 4.2).
fn items(value: &Value) -> &[Value] {
    value.get("results").unwrap_or(value).as_array().map_or(&[], Vec::as_slice)
}

/// The same of what has to be a list: a body without one is no word of Goodays about what is listed.
fn list(value: &Value) -> Result<&[Value], Failure> {
    let listed = value.get("results").unwrap_or(value).as_array();
    listed.map(Vec::as_slice).ok_or_else(|| Failure::Road("an answer that is no list".to_owned()))
}

/// The object itself, or the one of a list.
pub(super) fn first_or_self(value: &Value) -> &Value {
    items(value).first().unwrap_or(value)
}

fn user(value: &Value) -> Option<User> {
    let id = match value.get("id")? {
        Value::String(id) if !id.is_empty() => id.clone(),
        Value::Number(id) => id.to_string(),
        _ => return None,
    };
    let email = value.get("email").and_then(Value::as_str).unwrap_or_default().trim().to_owned();
    let read_only = value.get("read_only").is_some_and(|r| r.as_bool().unwrap_or(r.as_str() == Some("true")));
    Some(User { id, email, read_only })
}

fn is_same(one: &str, other: &str) -> bool {
    one.to_lowercase() == other.trim().to_lowercase()
}

/// The query of a next page with pages of this size. Its cursor is a place between items and fits any size. A query that
/// names no size stays as it is while pages have their full size.
fn sized(query: &str, size: usize) -> String {
    let parameter = format!("{SIZE}=");
    let (mut pieces, mut named) = (Vec::new(), false);
    for piece in query.split('&') {
        let is_size = piece.starts_with(&parameter);
        named |= is_size;
        pieces.push(if is_size { format!("{parameter}{size}") } else { piece.to_owned() });
    }
    if !named && size < BULK_PAGE {
        pieces.push(format!("{parameter}{size}"));
    }
    pieces.join("&")
}

fn query_time(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S").to_string()
}

#[cfg(test)]
mod tests;
