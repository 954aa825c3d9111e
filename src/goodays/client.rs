//! The client of Goodays: its calls, and what is known after each (Goodays reference, 1 and 4).

use std::fmt;

use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::{Method, RequestBuilder};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use url::Url;

use super::action::Action;
use super::answer::{
    bad_token, checked, first_or_self, is_about_login, json_of, list, read_checked, refusal, refused_one,
};
use super::event::Response;
use super::{GATEWAY, ResponseId};
use crate::http::{Answer, Failure, Trail, beginning, exchange};
use crate::time::{GoodaysTime, RemoteClock};

/// Maximum concurrent calls. Goodays does not publish its limits (Goodays reference, 4.3).
const AT_ONCE: usize = 5;

/// Users per page of a list of users.
const PAGE_SIZE: &str = "100";

/// The parameter of a list for the size of its pages.
pub(super) const SIZE: &str = "page_size";

/// Maximum pages of a list of users. One e-mail address has few users, so a longer list is an endless one.
const MAX_PAGES: usize = 20;

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
    pub(super) fn next(&self, page: &Value, path: &[&str]) -> Result<Option<Url>, Failure> {
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

#[cfg(test)]
pub(super) mod tests;
