//! The one HTTP client, and what is known when a call did not work.

use std::error::Error as _;
use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};

use crate::aside;

/// Bytes of an answer, unpacked. No answer of either remote is near this; a longer one is not read to its end.
const MAX_ANSWER: usize = 16 << 20;

/// The most that is kept of a remote's own words.
const MAX_MESSAGE: usize = 300;

/// The remote's own words about a refusal, for people and for classification. Debugging shows no words.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Problem {
    /// Salesforce `errorCode`, or whatever code Goodays' body holds; empty if none.
    pub code: String,
    /// The remote's message, shortened. May echo customers' words: never logged.
    pub message: String,
    /// The fields that the remote names.
    pub fields: Vec<String>,
}

impl Problem {
    /// A problem without fields, its message shortened.
    pub fn new(code: impl Into<String>, message: &str) -> Self {
        Self { code: code.into(), message: shortened(message), fields: Vec::new() }
    }
}

impl fmt::Debug for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Problem")
            .field("code", &self.code)
            .field("fields", &self.fields)
            .finish_non_exhaustive()
    }
}

/// What a client *knows* after a call that did not succeed; never what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Nothing left this machine: could not connect.
    #[error("not sent: {0}")]
    NotSent(String),
    /// The remote asks to come later (429; for Salesforce 503 and request limits): nothing was done.
    #[error("busy: {reason}")]
    Busy { reason: String, retry_after: Option<Duration>, daily_limit: bool },
    /// The remote refused this request (4xx).
    #[error("refused with status {status} {}", problem.code)]
    Refused { status: u16, problem: Problem },
    /// The remote, or our login to it, refuses everything until somebody changes the configuration.
    #[error("{advice}")]
    Login { code: String, advice: String },
    /// Sent, but no usable answer: it may have been done or not.
    #[error("no answer: {0}")]
    NoAnswer(String),
    /// Our own daily budget of Salesforce calls is used up; nothing was sent.
    #[error("the budget of Salesforce calls is used up")]
    Budget,
}

impl Failure {
    pub fn no_answer(why: impl Into<String>) -> Self {
        Self::NoAnswer(why.into())
    }

    pub fn login(code: impl Into<String>, advice: impl Into<String>) -> Self {
        Self::Login { code: code.into(), advice: advice.into() }
    }
}

/// How long calls may take. What had no answer by then may have been done or not (design, rule 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeLimits {
    pub salesforce_write: Duration,
    pub salesforce_read: Duration,
    pub login: Duration,
    pub goodays: Duration,
}

impl Default for TimeLimits {
    fn default() -> Self {
        Self {
            salesforce_write: Duration::from_secs(120),
            salesforce_read: Duration::from_secs(60),
            login: Duration::from_secs(30),
            goodays: Duration::from_secs(30),
        }
    }
}

/// Makes the client: no redirects (a token goes to the configured host and nowhere else), limits on time.
pub fn client(timeout: Duration) -> reqwest::Client {
    #[expect(clippy::disallowed_methods, reason = "the one place")]
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(Duration::from_secs(10))
        .timeout(timeout)
        // Shorter than the remotes keep them: a call on a dead connection would be one without answer.
        .pool_idle_timeout(Duration::from_secs(30))
        .user_agent(concat!("goodays-salesforce/", env!("CARGO_PKG_VERSION")))
        .build()
        .expect("a client without files or proxies builds")
}

/// A whole answer, whatever its status.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The body as JSON, halves of characters replaced; none if it is something else, or was cut.
    pub fn json(&self) -> Option<serde_json::Value> {
        aside::if_large(self.body.len(), || crate::json::read(&self.body).ok())
    }

    /// The remote's own clock.
    pub fn date(&self) -> Option<Timestamp> {
        http_date(self.headers.get(DATE)?.to_str().ok()?)
    }

    /// `Retry-After` in seconds, or as a date that is counted from the answer's own `Date`.
    pub fn retry_after(&self) -> Option<Duration> {
        let text = self.headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
        if let Ok(seconds) = text.parse::<u64>() {
            return Some(Duration::from_secs(seconds));
        }
        let span = http_date(text)?.duration_since(self.date()?);
        Some(Duration::try_from(span).unwrap_or(Duration::ZERO))
    }
}

/// Sends a request and reads the answer to its end.
pub async fn exchange(request: reqwest::RequestBuilder) -> Result<Answer, Failure> {
    let mut response = request.send().await.map_err(sending)?;
    let status = response.status().as_u16();
    let headers = response.headers().clone();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|e| Failure::NoAnswer(described(e)))? {
        if body.len() + chunk.len() > MAX_ANSWER {
            return Err(Failure::no_answer("an answer too long to read"));
        }
        body.extend_from_slice(&chunk);
        // What was packed comes without a wait, piece after piece.
        tokio::task::coop::consume_budget().await;
    }
    // Whoever reads it: a login is read by a library that has no measure of its own.
    if aside::if_large(body.len(), || crate::json::values(&body)) > crate::json::MAX_VALUES {
        return Err(Failure::no_answer("an answer with too many values to read"));
    }
    Ok(Answer { status, headers, body })
}

/// Only a connection that was never made, or a request that could not be built, is known not to be sent.
fn sending(error: reqwest::Error) -> Failure {
    if error.is_connect() || error.is_builder() {
        Failure::NotSent(described(error))
    } else {
        Failure::NoAnswer(described(error))
    }
}

/// The error and its causes, without the URL, which may hold an address or a query.
fn described(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}

/// The beginning of a text, cut between characters.
pub fn shortened(text: &str) -> String {
    match text.char_indices().nth(MAX_MESSAGE) {
        Some((cut, _)) => format!("{}…", &text[..cut]),
        None => text.to_owned(),
    }
}

fn http_date(text: &str) -> Option<Timestamp> {
    const PARSER: jiff::fmt::rfc2822::DateTimeParser =
        jiff::fmt::rfc2822::DateTimeParser::new().relaxed_weekday(true);
    PARSER.parse_timestamp(text).ok()
}

/// A server that answers with given bytes, one answer to a connection, and keeps what it was asked.
#[cfg(test)]
pub(crate) mod script {
    use std::sync::{Arc, Mutex};

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    pub struct Script {
        pub url: url::Url,
        asked: Arc<Mutex<Vec<String>>>,
    }

    impl Script {
        /// Whole requests, with their heads in lower case.
        pub fn asked(&self) -> Vec<String> {
            self.asked.lock().unwrap().clone()
        }
    }

    /// A whole answer.
    pub fn json(status: u16, body: &str) -> String {
        with(status, "", body)
    }

    /// A whole answer with more headers, each with its line end.
    pub fn with(status: u16, headers: &str, body: &str) -> String {
        format!(
            "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: LENGTH\r\n\
             connection: close\r\n{headers}\r\n{body}"
        )
    }

    /// Answers in turn; `URL` in an answer is the server's own address. Afterwards nothing listens.
    pub async fn serve(answers: Vec<String>) -> Script {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = url::Url::parse(&format!("http://{}/", listener.local_addr().unwrap())).unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (kept, own) = (asked.clone(), url.as_str().trim_end_matches('/').to_owned());
        tokio::spawn(async move {
            for answer in answers {
                let (mut stream, _) = listener.accept().await.unwrap();
                let request = request(&mut stream).await;
                kept.lock().unwrap().push(request);
                let answer = answer.replace("URL", &own);
                let length = answer.split_once("\r\n\r\n").map_or(0, |(_, body)| body.len());
                let answer = answer.replace("LENGTH", &length.to_string());
                let _ = stream.write_all(answer.as_bytes()).await;
                let _ = stream.shutdown().await;
            }
        });
        Script { url, asked }
    }

    async fn request(stream: &mut TcpStream) -> String {
        let mut bytes = Vec::new();
        loop {
            let mut some = [0; 4096];
            let read = stream.read(&mut some).await.unwrap();
            bytes.extend_from_slice(&some[..read]);
            let text = String::from_utf8_lossy(&bytes).into_owned();
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let head = head.to_lowercase();
                let length = head.split("content-length: ").nth(1).and_then(|l| l.lines().next());
                if body.len() >= length.map_or(0, |l| l.parse().unwrap()) {
                    return text;
                }
            }
            if read == 0 {
                return text;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Headers<'a> = &'a [(&'static str, &'a str)];

    fn answer(headers: Headers<'_>) -> Answer {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().unwrap());
        }
        Answer { status: 429, headers: map, body: Vec::new() }
    }

    #[test]
    fn retry_after_comes_as_seconds_or_as_a_date() {
        let date = ("date", "Sun, 06 Nov 1994 08:49:37 GMT");
        let table: [(Headers<'_>, Option<u64>); 6] = [
            (&[("retry-after", "12")], Some(12)),
            (&[("retry-after", "Sun, 06 Nov 1994 08:50:37 GMT"), date], Some(60)),
            (&[("retry-after", "Sun, 06 Nov 1994 08:40:37 GMT"), date], Some(0)),
            (&[("retry-after", "Sun, 06 Nov 1994 08:50:37 GMT")], None),
            (&[("retry-after", "soon"), date], None),
            (&[], None),
        ];
        for (headers, seconds) in table {
            assert_eq!(answer(headers).retry_after(), seconds.map(Duration::from_secs), "{headers:?}");
        }
    }

    #[test]
    fn words_are_shortened_between_characters() {
        assert_eq!(shortened("short"), "short");
        assert_eq!(shortened(&"é".repeat(400)).chars().count(), MAX_MESSAGE + 1);
    }

    #[tokio::test]
    async fn a_refused_connection_is_known_not_to_be_sent_and_names_no_url() {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let request =
            client(Duration::from_secs(1)).get(format!("http://127.0.0.1:{port}/?email=a@b.example"));
        let failure = exchange(request).await.unwrap_err();
        assert!(matches!(failure, Failure::NotSent(_)), "{failure}");
        assert!(!failure.to_string().contains("a@b.example"), "{failure}");
    }
}
