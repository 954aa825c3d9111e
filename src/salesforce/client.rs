//! The client of Salesforce: its calls, and what is known after each (Salesforce reference, 2 to 5).

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::{ArcSwap, ArcSwapOption};
use jiff::Timestamp;
use reqwest::{Method, RequestBuilder};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use tokio::sync::Mutex;
use url::Url;

use super::RecordId;
pub use super::answer::Page;
use super::answer::{
    Standing, not_a_page, of_the_resource, page, page_at, path_of, read, refused_after_login,
    speaks_of_session, standing, step,
};
use super::auth::{Credentials, Session, login};
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

    /// The session; logs in if there is none. Its user may differ from the owner's, see [`Client::bind`].
    pub async fn session(&self) -> Result<Session, Failure> {
        let mut sessions = self.sessions.lock().await;
        self.ensure(&mut sessions).await.map(|live| live.session)
    }

    /// Accepts only sessions of this owner. A session of another one is refused before anything is sent on it. Without
    /// a call of this, the first login sets the owner.
    pub async fn bind(&self, owner: Owner) {
        self.sessions.lock().await.bind(owner);
    }

    /// Accepts any org at the next login. Call it only if nothing of the current org was stored.
    pub async fn release(&self) {
        self.sessions.lock().await.release();
    }

    /// Result of the last login; none before the first.
    pub fn leads_to(&self) -> Option<Led> {
        self.led.load().as_deref().cloned()
    }

    async fn ensure(&self, sessions: &mut Sessions) -> Result<Live, Failure> {
        match sessions.current() {
            Some(live) => Ok(live.clone()),
            None => self.renew(sessions).await,
        }
    }

    async fn renew(&self, sessions: &mut Sessions) -> Result<Live, Failure> {
        let made = self.login().await?;
        let instance = made.instance_url.host_str().unwrap_or_default().to_owned();
        let led = Led { instance, org: made.org_id.clone(), user: made.user_id.clone() };
        self.led.store(Some(Arc::new(led)));
        sessions.take_in(made, Instant::now()).cloned()
    }

    /// A session of the owner.
    async fn usable(&self) -> Result<Live, Failure> {
        let mut sessions = self.sessions.lock().await;
        let live = self.ensure(&mut sessions).await?;
        sessions.usable(&live)
    }

    /// Replaces an ended session, unless another call has done so already. None if the login returns the same session
    /// again, which would cause a loop (Salesforce reference, 1.6).
    async fn renewed(&self, ended: &Live) -> Result<Option<Live>, Failure> {
        let mut sessions = self.sessions.lock().await;
        match sessions.current() {
            Some(current) if !current.is(&ended.session) => {
                let current = current.clone();
                return sessions.usable(&current).map(Some);
            }
            Some(_) => sessions.drop_current(),
            // Another call has just tried to log in, and failed.
            None => return Err(Failure::SessionOver("it ended, and the login failed".to_owned())),
        }
        let live = self.renew(&mut sessions).await?;
        if live.is(&ended.session) {
            sessions.drop_current();
            return Ok(None);
        }
        sessions.usable(&live).map(Some)
    }

    async fn login(&self) -> Result<Session, Failure> {
        let credentials = self.credentials.load_full();
        login(&self.http, self.limits.login, &self.login_url, &credentials, self.clock.now()).await
    }

    /// The next login uses these. The current session stays.
    pub fn set_credentials(&self, credentials: Credentials) {
        self.credentials.store(Arc::new(credentials));
    }

    /// The `Date` of Salesforce's latest response.
    pub fn server_time(&self) -> Option<Timestamp> {
        self.server_time.latest()
    }

    /// The current time of Salesforce's clock; none before the first response.
    pub fn now(&self) -> Option<SalesforceTime> {
        self.server_time.now().map(SalesforceTime::from)
    }

    /// Writes transactions: at most 75, with at most 500 nodes in total. `assign` is `TRUE`, `FALSE` or the id of an
    /// assignment rule, and applies to new Cases.
    pub async fn graphs(&self, graphs: &[Graph], assign: &str) -> Result<Vec<GraphOutcome>, Failure> {
        let body = graph::request(graphs, &self.version, assign);
        // Each Case node has its own header. If all nodes are inserts, the call's header has the same value.
        let patches = graphs.iter().flat_map(|g| &g.nodes).any(|n| n.method == graph::Method::Patch);
        let assign = if patches { "FALSE" } else { assign };
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
        let answer = self.post("composite", &body, "FALSE", Some(self.limits.salesforce_read)).await?;
        let parts = answer["compositeResponse"].as_array().map_or(&[][..], Vec::as_slice);
        let part = |i: usize| parts.iter().find(|p| p["referenceId"] == json!(format!("q{i}")));
        let read = (0..asked.len()).map(|i| step(part(i)?));
        let read = read.collect::<Option<Vec<_>>>();
        let read = read.ok_or_else(|| Failure::no_answer("an answer without all of its steps"))?;
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
            let (page, next) = step.ok_or_else(|| Failure::no_answer("no step"))?;
            (page.map_err(|problem| Failure::Refused { status: 400, problem })?, next)
        } else {
            page(&self.get(&first).await?).ok_or_else(not_a_page)?
        };
        let Page { mut rows, mut done } = page;
        let (mut trail, mut empty) = (Trail::default(), 0);
        while !done {
            // Only the path is used: the token must go only to the verified instance (design, rule 16).
            let path = next.as_deref().and_then(path_of).ok_or_else(not_a_page)?;
            if !trail.is_new(path.as_bytes()) || empty > MAX_EMPTY_PAGES {
                return Err(Failure::Road("a query's pages that lead back to one read before".to_owned()));
            }
            let (more, after) = page_at(&self.get(&path).await?)?;
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

    /// Makes one call. If the session has ended, nothing was done, so it is repeated once with a new session.
    async fn call(
        &self,
        method: Method,
        path: &str,
        prepare: impl Fn(RequestBuilder) -> RequestBuilder,
    ) -> Result<Value, Failure> {
        let live = self.usable().await?;
        let (answer, first) = self.asked(&live, method.clone(), path, &prepare).await?;
        if first != Standing::Over {
            return read(&answer);
        }
        let Some(live) = self.renewed(&live).await? else { return Err(refused_after_login(&answer)) };
        let (answer, second) = self.asked(&live, method, path, &prepare).await?;
        if second == Standing::Over { Err(refused_after_login(&answer)) } else { read(&answer) }
    }

    /// One request, and what its response shows about the session.
    async fn asked(
        &self,
        live: &Live,
        method: Method,
        path: &str,
        prepare: &impl Fn(RequestBuilder) -> RequestBuilder,
    ) -> Result<(Answer, Standing), Failure> {
        let result = self.once(&live.session, method, path, prepare).await;
        let standing = match &result {
            Ok(answer) => standing(answer),
            Err(Failure::NotSent(_) | Failure::NoAnswer(_)) => Standing::Doubtful,
            Err(_) => Standing::Heard,
        };
        match standing {
            Standing::Heard if result.is_ok() => live.heard(),
            Standing::Doubtful => self.sessions.lock().await.drop_if_old(live, Instant::now()),
            Standing::Heard | Standing::Over => {}
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
mod tests {
    use super::*;
    use crate::http::script::{self, Script, serve};

    fn granted(token: &str) -> String {
        granted_to(token, "00Dx0000000BV7zEAG", "005x00000012Q9PAAU")
    }

    fn granted_to(token: &str, org: &str, user: &str) -> String {
        let id = format!("https://login.salesforce.com/id/{org}/{user}");
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
    async fn a11_nothing_is_sent_on_a_session_of_another_org_or_user() {
        let org = granted_to("evil", "00Dx0000000BV8zEAG", "005x00000012Q9PAAU");
        let script = serve(vec![granted("one"), ended(), org, granted("two"), script::json(200, "{}")]).await;
        let client = client(&script);
        assert!(matches!(client.limits().await, Err(Failure::WrongSession { .. })));
        assert_eq!(client.leads_to().unwrap().org.as_str(), "00Dx0000000BV8zEAG");
        client.limits().await.unwrap();
        assert!(script.asked().iter().all(|asked| !asked.contains("earer evil")));

        let user = || granted_to("new", "00Dx0000000BV7zEAG", "005x00000012Q9QAAU");
        let script = serve(vec![granted("one"), ended(), user(), script::json(200, "{}")]).await;
        let client = self::client(&script);
        assert!(matches!(client.limits().await, Err(Failure::SessionOver(_))));
        assert!(matches!(client.limits().await, Err(Failure::SessionOver(_))));
        assert_eq!(script.asked().len(), 3);
        let session = client.session().await.unwrap();
        client.bind(Owner { org: session.org_id, user: session.user_id }).await;
        client.limits().await.unwrap();
    }

    #[tokio::test]
    async fn c04_a_redirect_is_followed_by_a_login_and_by_nothing_else() {
        let moved = || script::with(302, "location: https://evil.example/\r\n", "");
        let script = serve(vec![granted("one"), moved(), granted("two"), script::json(200, "{}")]).await;
        client(&script).limits().await.unwrap();
        let script = serve(vec![granted("one"), moved(), granted("two"), moved()]).await;
        let refused = client(&script).limits().await;
        assert!(matches!(&refused, Err(Failure::Login { code, .. }) if code == "REDIRECT"), "{refused:?}");
    }

    #[tokio::test]
    async fn c11_pages_that_lead_back_end_the_walk() {
        let page = |next: &str| {
            let next = format!("/services/data/v66.0/query/{next}");
            script::json(
                200,
                &json!({"records": [{"Id": "1"}], "done": false, "nextRecordsUrl": next}).to_string(),
            )
        };
        let script = serve(vec![granted("one"), page("a"), page("b"), page("a")]).await;
        assert!(matches!(client(&script).query("SELECT Id FROM Case").await, Err(Failure::Road(_))));
        assert_eq!(script.asked().len(), 4);
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
