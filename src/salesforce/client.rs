//! The client of Salesforce: its calls, and what is known after each (Salesforce reference, 2 to 5).

mod login;

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::{ArcSwap, ArcSwapOption};
use jiff::Timestamp;
use reqwest::{Method, RequestBuilder};
use secrecy::ExposeSecret;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::Mutex;
use url::Url;

use super::RecordId;
pub use super::answer::Page;
use super::answer::{
    Said, Standing, not_a_page, of_the_resource, page, page_at, path_of, read, read_question,
    refused_after_login, speaks_of_session, standing, step,
};
use super::auth::{Credentials, Session};
use super::describe::Describe;
use super::graph::{self, Graph, GraphOutcome};
pub use super::meter::Meter;
use super::query::encoded;
use super::sessions::{Live, Owner, Sessions};
use crate::clock::Clock;
use crate::http::{Answer, Failure, Problem, TimeLimits, Trail, exchange};
use crate::time::{RemoteClock, SalesforceTime};

/// Maximum queries per composite call (Salesforce reference, 4).
const QUERIES_AT_ONCE: usize = 5;

/// Maximum length of a URL with its query (Salesforce reference, 2.4). Headers count towards the limit, so there is
/// room for a token.
const MAX_ADDRESS: usize = 14_000;

/// Maximum consecutive empty pages. A list with more of them would not end.
const MAX_EMPTY_PAGES: u32 = 20;

const CALL_OPTIONS: &str = concat!("client=goodays-salesforce/", env!("CARGO_PKG_VERSION"));

/// A query, and whether its result includes deleted and archived rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    Current(String),
    All(String),
}

impl Asked {
    fn resource(&self) -> &'static str {
        match self {
            Self::Current(_) => "query",
            Self::All(_) => "queryAll",
        }
    }

    pub fn soql(&self) -> &str {
        let (Self::Current(soql) | Self::All(soql)) = self;
        soql
    }
}

/// Result of a login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Led {
    /// The host of all calls.
    pub instance: String,
    pub org: RecordId,
    pub user: RecordId,
}

/// The client. It logs in by itself, and keeps one session.
pub struct Client {
    login_url: Url,
    version: String,
    /// Replaced when a secret is rotated.
    credentials: ArcSwap<Credentials>,
    http: reqwest::Client,
    limits: TimeLimits,
    meter: Arc<Meter>,
    clock: Clock,
    /// Locked during a login, so that there is only one at a time.
    sessions: Mutex<Sessions>,
    /// Result of the last login, whether its session was accepted or not.
    led: ArcSwapOption<Led>,
    server_time: RemoteClock,
}

impl Client {
    pub fn new(
        login_url: Url,
        api_version: String,
        credentials: Credentials,
        http: reqwest::Client,
        meter: Arc<Meter>,
        clock: Clock,
    ) -> Self {
        Self {
            login_url,
            version: api_version,
            credentials: ArcSwap::from_pointee(credentials),
            http,
            limits: TimeLimits::default(),
            meter,
            clock,
            sessions: Mutex::default(),
            led: ArcSwapOption::empty(),
            server_time: RemoteClock::default(),
        }
    }

    /// The same with other timeouts for reads and logins. Writes use the timeout of `http`.
    #[must_use]
    pub fn with_limits(self, limits: TimeLimits) -> Self {
        Self { limits, ..self }
    }

    /// The same for one org and user, if they are known. See [`Client::bind`].
    #[must_use]
    pub fn of(mut self, owner: Option<Owner>) -> Self {
        if let Some(owner) = owner {
            self.sessions.get_mut().bind(owner);
        }
        self
    }

    pub fn meter(&self) -> &Meter {
        &self.meter
    }

    /// The `Date` of Salesforce's latest response.
    pub fn server_time(&self) -> Option<Timestamp> {
        self.server_time.latest()
    }

    /// The current time of Salesforce's clock; none before the first response.
    pub fn now(&self) -> Option<SalesforceTime> {
        self.server_time.now().map(SalesforceTime::from)
    }

    /// Writes transactions: at most 75, with at most 500 nodes in total.
    pub async fn graphs(&self, graphs: &[Graph]) -> Result<Vec<GraphOutcome>, Failure> {
        let (body, assign) = (graph::request(graphs, &self.version), graph::auto_assign(graphs));
        let answer = self.post("composite/graph", &body, assign, None).await.map_err(of_the_resource)?;
        let outcomes = graph::outcomes(graphs, &answer)?;
        if outcomes.iter().any(GraphOutcome::speaks_of_session) {
            self.sessions.lock().await.drop_current();
        }
        Ok(outcomes)
    }

    /// The first page of each query, with up to five queries per call.
    pub async fn pages(&self, asked: &[Asked]) -> Result<Vec<Result<Page, Problem>>, Failure> {
        let mut pages = Vec::with_capacity(asked.len());
        for some in asked.chunks(QUERIES_AT_ONCE) {
            pages.extend(self.composite_queries(some).await?.into_iter().map(|(page, _)| page));
        }
        Ok(pages)
    }

    /// All rows of a query.
    pub async fn query(&self, soql: &str) -> Result<Vec<Value>, Failure> {
        self.rows(Asked::Current(soql.to_owned())).await
    }

    /// All rows of a query, including deleted and archived ones.
    pub async fn query_all(&self, soql: &str) -> Result<Vec<Value>, Failure> {
        self.rows(Asked::All(soql.to_owned())).await
    }

    pub async fn describe(&self, object: &str) -> Result<Describe, Failure> {
        let object = super::query::field(object).map_err(|bad| Failure::Refused {
            status: 404,
            problem: Problem::new("NOT_FOUND", &bad.to_string()),
        })?;
        let value = self.get(&self.path(&format!("sobjects/{object}/describe"))).await?;
        Describe::from_value(&value).ok_or_else(|| Failure::no_answer("a describe without fields"))
    }

    /// The org's limits with Salesforce's names: `DailyApiRequests`, `DataStorageMB` and so on.
    pub async fn limits(&self) -> Result<Value, Failure> {
        self.get(&self.path("limits")).await
    }

    /// Runs queries as steps of one composite call. Long queries need this, because a URL's length is limited.
    async fn composite_queries(
        &self,
        asked: &[Asked],
    ) -> Result<Vec<(Result<Page, Problem>, Option<String>)>, Failure> {
        let steps = asked.iter().enumerate().map(|(i, asked)| {
            let url = self.path(&format!("{}?q={}", asked.resource(), encoded(asked.soql())));
            json!({ "method": "GET", "url": url, "referenceId": format!("q{i}") })
        });
        let steps: Vec<Value> = steps.collect();
        let too_long = |step: &Value| step["url"].as_str().is_some_and(|u| u.len() > 16_384);
        if steps.iter().any(too_long) {
            let problem = Problem::new("URI_TOO_LONG", "a query is too long for one address");
            return Err(Failure::Refused { status: 414, problem });
        }
        let body = json!({ "allOrNone": false, "compositeRequest": steps });
        let mut answer = self.post("composite", &body, "FALSE", Some(self.limits.salesforce_read)).await?;
        let parts = answer.get_mut("compositeResponse").and_then(Value::as_array_mut);
        let parts = parts.map_or(&mut [][..], Vec::as_mut_slice);
        let read = (0..asked.len()).map(|i| {
            let name = format!("q{i}");
            let part = parts.iter_mut().find(|p| p["referenceId"] == name.as_str());
            step(part.ok_or_else(|| Failure::no_answer("an answer without all of its steps"))?)
        });
        let read = read.collect::<Result<Vec<_>, _>>()?;
        if read.iter().any(|(page, _)| page.as_ref().is_err_and(|p| speaks_of_session(&p.code))) {
            self.sessions.lock().await.drop_current();
            return Err(Failure::SessionOver("it ended within a call".to_owned()));
        }
        Ok(read)
    }

    async fn rows(&self, asked: Asked) -> Result<Vec<Value>, Failure> {
        let first = self.path(&format!("{}?q={}", asked.resource(), encoded(asked.soql())));
        let (page, mut next) = if first.len() > MAX_ADDRESS {
            let step = self.composite_queries(&[asked]).await?.pop();
            let (page, next) = step.ok_or_else(|| Failure::no_answer("an answer without a step"))?;
            (page.map_err(|problem| Failure::Refused { status: 400, problem })?, next)
        } else {
            page(&mut self.get(&first).await?).ok_or_else(not_a_page)?
        };
        let Page { mut rows, mut done } = page;
        let (mut trail, mut empty) = (Trail::default(), 0);
        while !done {
            // Only the path is used: the token must go only to the verified instance (design, rule 16).
            let path = next.as_deref().and_then(path_of).ok_or_else(not_a_page)?;
            if !trail.is_new(path.as_bytes()) || empty > MAX_EMPTY_PAGES {
                return Err(Failure::Road("a query's pages that lead back to one read before".to_owned()));
            }
            let (more, after) = page_at(&mut self.get(&path).await?)?;
            // A new address for the same rows leads nowhere, either.
            if !more.rows.is_empty() && !trail.is_new(&serde_json::to_vec(&more.rows).unwrap_or_default()) {
                return Err(Failure::Road("a query's pages that repeat the same rows".to_owned()));
            }
            empty = if more.rows.is_empty() { empty + 1 } else { 0 };
            rows.extend(more.rows);
            (done, next) = (more.done, after);
        }
        Ok(rows)
    }

    fn path(&self, resource: &str) -> String {
        format!("/services/data/v{}/{resource}", self.version)
    }

    async fn get(&self, path: &str) -> Result<Value, Failure> {
        self.call(Method::GET, path, |request| request.timeout(self.limits.salesforce_read)).await
    }

    /// Every POST sets whether assignment rules run, and passes duplicate rules that only warn (Salesforce reference,
    /// 3).
    async fn post(
        &self,
        resource: &str,
        body: &impl Serialize,
        assign: &str,
        limit: Option<Duration>,
    ) -> Result<Value, Failure> {
        let prepare = |request: RequestBuilder| {
            let request = match limit {
                Some(limit) => request.timeout(limit),
                None => request,
            };
            request.header("Sforce-Auto-Assign", assign).header(
                "Sforce-Duplicate-Rule-Header",
                "allowSave=true; includeRecordDetails=false; runAsCurrentUser=true",
            )
        };
        self.call(Method::POST, &self.path(resource), |request| prepare(request).json(body)).await
    }

    /// Makes one call. If the session has ended, nothing was done, so it is repeated once with a new session.
    async fn call(
        &self,
        method: Method,
        path: &str,
        prepare: impl Fn(RequestBuilder) -> RequestBuilder,
    ) -> Result<Value, Failure> {
        // Of our POSTs, only this one asks.
        let is_question = method == Method::GET || path.ends_with("/composite");
        let read = if is_question { read_question } else { read };
        let live = self.usable().await?;
        let (answer, first) = self.asked(&live, method.clone(), path, &prepare).await?;
        if first != Standing::Over {
            return read(answer);
        }
        let Some(live) = self.renewed(&live).await? else { return Err(refused_after_login(&answer)) };
        let (answer, second) = self.asked(&live, method, path, &prepare).await?;
        if second == Standing::Over { Err(refused_after_login(&answer)) } else { read(answer) }
    }

    /// One request, and what its response shows about the session.
    async fn asked(
        &self,
        live: &Live,
        method: Method,
        path: &str,
        prepare: &impl Fn(RequestBuilder) -> RequestBuilder,
    ) -> Result<(Said, Standing), Failure> {
        let result = self.once(&live.session, method, path, prepare).await.map(Said::of);
        let standing = match &result {
            Ok(answer) => standing(answer, path),
            Err(Failure::NotSent(_) | Failure::NoAnswer(_)) => Standing::Doubtful,
            Err(_) => Standing::Heard,
        };
        match standing {
            Standing::Heard if result.is_ok() => live.heard(),
            Standing::Doubtful => self.sessions.lock().await.drop_if_old(live, Instant::now()),
            Standing::Heard | Standing::Silent | Standing::Over => {}
        }
        result.map(|answer| (answer, standing))
    }

    async fn once(
        &self,
        session: &Session,
        method: Method,
        path: &str,
        prepare: &impl Fn(RequestBuilder) -> RequestBuilder,
    ) -> Result<Answer, Failure> {
        let url = session.instance_url.join(path).map_err(|_| not_a_page())?;
        if url.origin() != session.instance_url.origin() {
            return Err(not_a_page());
        }
        self.meter.take()?;
        let request = self
            .http
            .request(method, url)
            .bearer_auth(session.access_token.expose_secret())
            .header("Sforce-Call-Options", CALL_OPTIONS);
        let answer = exchange(prepare(request)).await.inspect_err(|failure| {
            if matches!(failure, Failure::NotSent(_)) {
                self.meter.give_back();
            }
        })?;
        if let Some(info) = answer.headers.get("sforce-limit-info").and_then(|v| v.to_str().ok()) {
            self.meter.note(info);
        }
        if let Some(time) = answer.date() {
            self.server_time.set(time);
        }
        Ok(answer)
    }
}

#[cfg(test)]
mod tests;
