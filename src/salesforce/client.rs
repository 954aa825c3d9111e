//! Calls to Salesforce, and what is known after each (Salesforce reference, 2 to 5).

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use jiff::Timestamp;
use reqwest::{Method, RequestBuilder};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use tokio::sync::Mutex;
use url::Url;

pub use super::answer::Page;
use super::answer::{is_ended, not_a_page, page, page_at, path_of, read, session_refused, step};
use super::auth::{Credentials, Session, login};
use super::describe::Describe;
use super::graph::{self, Graph, GraphOutcome};
pub use super::meter::Meter;
use super::query::encoded;
use crate::clock::Clock;
use crate::http::{Answer, Failure, Problem, TimeLimits, exchange};
use crate::time::{RemoteClock, SalesforceTime};

/// The most queries of one composite call (Salesforce reference, 4).
const QUERIES_AT_ONCE: usize = 5;

/// The longest address, with its query (Salesforce reference, 2.4); headers count too, so with room for a
/// token.
const MAX_ADDRESS: usize = 14_000;

const CALL_OPTIONS: &str = concat!("client=goodays-salesforce/", env!("CARGO_PKG_VERSION"));

/// A query, and whether deleted and archived rows belong into its answer.
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

/// The door to Salesforce.
pub struct Client {
    login_url: Url,
    version: String,
    /// Replaced when a secret was rotated.
    credentials: ArcSwap<Credentials>,
    http: reqwest::Client,
    limits: TimeLimits,
    meter: Arc<Meter>,
    clock: Clock,
    /// Held while logging in, so that only one does.
    session: Mutex<Option<Session>>,
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
            session: Mutex::new(None),
            server_time: RemoteClock::default(),
        }
    }

    /// The same with other limits for reads and logins; writes have the HTTP client's own.
    #[must_use]
    pub fn with_limits(self, limits: TimeLimits) -> Self {
        Self { limits, ..self }
    }

    pub fn meter(&self) -> &Meter {
        &self.meter
    }

    /// The session, made if there is none.
    pub async fn session(&self) -> Result<Session, Failure> {
        let mut session = self.session.lock().await;
        if let Some(session) = &*session {
            return Ok(session.clone());
        }
        let made = self.login().await?;
        Ok(session.insert(made).clone())
    }

    /// Replaces a session that has ended, unless another call did so already. A login that gives the same
    /// token again would make a loop (Salesforce reference, 1.6).
    async fn renewed(&self, ended: &Session) -> Result<Session, Failure> {
        let same = |s: &Session| s.access_token.expose_secret() == ended.access_token.expose_secret();
        let mut session = self.session.lock().await;
        if let Some(current) = session.as_ref().filter(|s| !same(s)) {
            return Ok(current.clone());
        }
        *session = None;
        let made = self.login().await?;
        if same(&made) {
            return Err(session_refused());
        }
        Ok(session.insert(made).clone())
    }

    async fn login(&self) -> Result<Session, Failure> {
        let credentials = self.credentials.load_full();
        login(&self.http, self.limits.login, &self.login_url, &credentials, self.clock.now()).await
    }

    /// The next login is with these; the session that runs goes on.
    pub fn set_credentials(&self, credentials: Credentials) {
        self.credentials.store(Arc::new(credentials));
    }

    /// Salesforce's clock at its last answer.
    pub fn server_time(&self) -> Option<Timestamp> {
        self.server_time.latest()
    }

    /// What Salesforce's clock shows now; none before its first answer.
    pub fn now(&self) -> Option<SalesforceTime> {
        self.server_time.now().map(SalesforceTime::from)
    }

    /// Writes transactions, at most 75 with 500 nodes together; `assign` is `TRUE`, `FALSE`, or an assignment
    /// rule's id, and holds for new Cases.
    pub async fn graphs(&self, graphs: &[Graph], assign: &str) -> Result<Vec<GraphOutcome>, Failure> {
        let body = graph::request(graphs, &self.version, assign);
        // Each node says for itself; a call that only makes Cases says so as a whole, too.
        let patches = graphs.iter().flat_map(|g| &g.nodes).any(|n| n.method == graph::Method::Patch);
        let answer =
            self.post("composite/graph", &body, if patches { "FALSE" } else { assign }, None).await?;
        graph::outcomes(graphs, &answer)
    }

    /// The first page of each query, all in one call (five queries to a call).
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

    /// All rows of a query, deleted and archived ones too.
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

    /// The org's limits, as Salesforce names them: `DailyApiRequests`, `DataStorageMB` and so on.
    pub async fn limits(&self) -> Result<Value, Failure> {
        self.get(&self.path("limits")).await
    }

    /// Runs queries as steps of one call; a long query has to go this way, addresses are short.
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
        let answer = self.post("composite", &body, "FALSE", Some(self.limits.salesforce_read)).await?;
        let parts = answer["compositeResponse"].as_array().map_or(&[][..], Vec::as_slice);
        let part = |i: usize| parts.iter().find(|p| p["referenceId"] == json!(format!("q{i}")));
        let read = (0..asked.len()).map(|i| step(part(i)?));
        read.collect::<Option<_>>().ok_or_else(|| Failure::no_answer("an answer without all of its steps"))
    }

    async fn rows(&self, asked: Asked) -> Result<Vec<Value>, Failure> {
        let first = self.path(&format!("{}?q={}", asked.resource(), encoded(asked.soql())));
        let (page, mut next) = if first.len() > MAX_ADDRESS {
            let step = self.composite_queries(&[asked]).await?.pop();
            let (page, next) = step.ok_or_else(|| Failure::no_answer("no step"))?;
            (page.map_err(|problem| Failure::Refused { status: 400, problem })?, next)
        } else {
            page(&self.get(&first).await?).ok_or_else(not_a_page)?
        };
        let Page { mut rows, mut done } = page;
        while !done {
            // The path only: the token goes to the checked instance (design, rule 16).
            let path = next.as_deref().and_then(path_of).ok_or_else(not_a_page)?;
            let (more, after) = page_at(&self.get(&path).await?)?;
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

    /// Everything that is posted says whether assignment rules run, and passes duplicate rules that only warn
    /// (Salesforce reference, 3).
    async fn post(
        &self,
        resource: &str,
        body: &Value,
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

    /// One call, and once more with a new session if the old one has ended: nothing was done in that case.
    async fn call(
        &self,
        method: Method,
        path: &str,
        prepare: impl Fn(RequestBuilder) -> RequestBuilder,
    ) -> Result<Value, Failure> {
        let session = self.session().await?;
        let answer = self.once(&session, method.clone(), path, &prepare).await?;
        if !is_ended(&answer) {
            return read(&answer);
        }
        let session = self.renewed(&session).await?;
        let answer = self.once(&session, method, path, &prepare).await?;
        if is_ended(&answer) { Err(session_refused()) } else { read(&answer) }
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
            self.server_time.told(time);
        }
        Ok(answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::script::{self, Script, serve};

    fn granted(token: &str) -> String {
        let id = "https://login.salesforce.com/id/00Dx0000000BV7zEAG/005x00000012Q9PAAU";
        let token = json!({"access_token": token, "token_type": "Bearer", "instance_url": "URL", "id": id});
        script::json(200, &token.to_string())
    }

    fn ended() -> String {
        script::json(401, r#"[{"message":"Session expired or invalid","errorCode":"INVALID_SESSION_ID"}]"#)
    }

    fn client(script: &Script) -> Client {
        let credentials = Credentials::ClientCredentials { client_id: "k".into(), client_secret: "s".into() };
        let meter = Arc::new(Meter::new());
        meter.grant(10);
        let http = crate::http::client(std::time::Duration::from_secs(5));
        Client::new(script.url.clone(), "66.0".into(), credentials, http, meter, Clock::System)
    }

    #[tokio::test]
    async fn an_ended_session_is_renewed_once() {
        let headers = "sforce-limit-info: api-usage=7/100\r\ndate: Tue, 07 Jul 2026 00:37:00 GMT\r\n";
        let script =
            serve(vec![granted("one"), ended(), granted("two"), script::with(200, headers, "{}")]).await;
        let client = client(&script);
        client.limits().await.unwrap();
        assert_eq!((client.meter().used(), client.meter().org_usage()), (2, Some((7, 100))));
        assert_eq!(client.server_time().unwrap().to_string(), "2026-07-07T00:37:00Z");
        let asked = script.asked();
        assert!(
            asked[1].contains("uthorization: Bearer one") || asked[1].contains("uthorization: bearer one")
        );
        for part in ["earer two", "sforce-call-options: client=goodays-salesforce/", "accept-encoding: gzip"]
        {
            assert!(asked[3].contains(part), "{}", asked[3]);
        }
    }

    #[tokio::test]
    async fn a_login_that_does_not_help_is_no_loop() {
        let same = serve(vec![granted("one"), ended(), granted("one")]).await;
        assert!(matches!(client(&same).limits().await, Err(Failure::Login { .. })));
        let again = serve(vec![granted("one"), ended(), granted("two"), ended()]).await;
        assert!(matches!(client(&again).limits().await, Err(Failure::Login { .. })));
    }

    #[tokio::test]
    async fn calls_at_once_share_one_login_and_calls_not_sent_cost_nothing() {
        let script = serve(vec![granted("one"), script::json(200, "{}"), script::json(200, "{}")]).await;
        let client = client(&script);
        let (one, two) = tokio::join!(client.limits(), client.limits());
        assert!(one.is_ok() && two.is_ok());
        assert!(matches!(client.limits().await, Err(Failure::NotSent(_))));
        assert_eq!((client.meter().used(), client.meter().left()), (2, 8));
        client.meter().set_left(0);
        assert_eq!(client.limits().await, Err(Failure::Budget));
    }

    #[tokio::test]
    async fn queries_are_read_to_their_end() {
        let script = serve(vec![
            granted("one"),
            script::json(
                200,
                r#"{"records":[{"Id":"1"}],"done":false,"nextRecordsUrl":"https://evil.example/services/data/v66.0/query/x"}"#,
            ),
            script::json(200, r#"{"records":[{"Id":"2"}],"done":true}"#),
            script::json(200, r#"{"records":[],"done":false}"#),
        ])
        .await;
        let client = client(&script);
        assert_eq!(client.query_all("SELECT Id FROM Case").await.unwrap().len(), 2);
        let asked = script.asked();
        assert!(asked[1].starts_with("GET /services/data/v66.0/queryAll?q=SELECT%20Id%20FROM%20Case "));
        assert!(asked[2].starts_with("GET /services/data/v66.0/query/x "));
        assert!(matches!(client.query("SELECT Id FROM Case").await, Err(Failure::NoAnswer(_))));
    }

    #[tokio::test]
    async fn one_call_reads_several_queries_and_a_failed_one_spoils_no_other() {
        let answer = json!({"compositeResponse": [
            {"referenceId": "q1", "httpStatusCode": 400, "body": [{"errorCode": "INVALID_FIELD", "message": "m"}]},
            {"referenceId": "q0", "httpStatusCode": 200, "body": {"records": [{"Id": "1"}], "done": false}},
        ]});
        let script = serve(vec![granted("one"), script::json(200, &answer.to_string())]).await;
        let client = client(&script);
        let pages = client
            .pages(&[Asked::Current("SELECT Id FROM Case".into()), Asked::All("SELECT X FROM Case".into())])
            .await
            .unwrap();
        assert_eq!(pages[0], Ok(Page { rows: vec![json!({"Id": "1"})], done: false }));
        assert_eq!(pages[1].as_ref().unwrap_err().code, "INVALID_FIELD");
        let asked = script.asked().remove(1);
        assert!(asked.starts_with("POST /services/data/v66.0/composite HTTP/1.1"), "{asked}");
        assert!(asked.contains("sforce-auto-assign: FALSE") && asked.contains("allowSave=true"), "{asked}");
    }

    #[tokio::test]
    async fn a_query_too_long_for_an_address_is_posted() {
        let answer = json!({"compositeResponse": [
            {"referenceId": "q0", "httpStatusCode": 200, "body": {"records": [], "done": true}},
        ]});
        let script = serve(vec![granted("one"), script::json(200, &answer.to_string())]).await;
        let client = client(&script);
        assert_eq!(client.query(&"x".repeat(15_000)).await, Ok(Vec::new()));
        assert!(script.asked()[1].starts_with("POST"));
        assert!(matches!(client.query(&"x".repeat(17_000)).await, Err(Failure::Refused { status: 414, .. })));
    }
}
