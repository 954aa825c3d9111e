//! The only HTTP client, and what is known after a failed call.

use std::collections::HashSet;
use std::error::Error as _;
use std::sync::LazyLock;
use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};
use sha2::{Digest, Sha256};

mod beginning;
mod failure;

pub use beginning::beginning;
pub use failure::{Concerns, Failure, Problem, code_word};

use crate::aside;

/// Maximum bytes of a response, decompressed. No response of a remote is near this; a longer one is not read.
const MAX_ANSWER: usize = 16 << 20;

/// Maximum characters kept of a remote's message.
const MAX_MESSAGE: usize = 300;

/// Timeouts of calls. A call that timed out may or may not have been executed (design, rule 2).
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

/// Makes the client. It follows no redirects, so a token is sent only to the configured host. It has timeouts, and uses
/// the environment's proxies, except for this machine itself.
pub fn client(timeout: Duration) -> reqwest::Client {
    let variable = |name: &str| std::env::var(name).ok();
    built(proxies(&variable).into_iter().fold(trusting(timeout), reqwest::ClientBuilder::proxy))
}

/// The same without proxies and without certificates: for calls to the daemon's own admin listener.
pub fn direct_client(timeout: Duration) -> reqwest::Client {
    built(builder(timeout).tls_certs_only([]))
}

/// Whether this machine has CA certificates, read once. Without any, the HTTP library refuses to make a client at all.
/// We make one that trusts nobody: the webhook door opens, `http://` works, and each `https://` call fails with
/// [`NO_ROOTS`] in its reason.
static HAS_ROOTS: LazyLock<bool> = LazyLock::new(|| builder(Duration::from_secs(1)).build().is_ok());

/// What to do about it.
const NO_ROOTS: &str = "this machine has no CA certificates: install the package ca-certificates, or name a file of them \
                        in SSL_CERT_FILE, and start again";

fn trusting(timeout: Duration) -> reqwest::ClientBuilder {
    let builder = builder(timeout);
    if *HAS_ROOTS { builder } else { builder.tls_certs_only([]) }
}

/// How long the kernel tries to deliver bytes that are not acknowledged: shorter than `settle` as it is shipped.
const UNSENT: Duration = Duration::from_secs(8);

fn builder(timeout: Duration) -> reqwest::ClientBuilder {
    #[expect(clippy::disallowed_methods, reason = "the one place")]
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(Duration::from_secs(10))
        .timeout(timeout)
        // What the kernel still holds of a request goes out no later than this, also after the process was killed: whoever
        // reads back after `settle` sees it, or it never arrives.
        .tcp_user_timeout(UNSENT)
        // Shorter than the remotes' keep-alive: a call on a connection they have closed gets no response.
        .pool_idle_timeout(Duration::from_secs(30))
        .user_agent(concat!("goodays-salesforce/", env!("CARGO_PKG_VERSION")))
        // The environment's proxies are added explicitly.
        .no_proxy()
}

fn built(builder: reqwest::ClientBuilder) -> reqwest::Client {
    builder.build().expect("a client builds: its settings are constants, and its certificates were tried")
}

/// Never sent through a proxy, whatever the environment says: a proxy would read traffic meant for this machine.
const LOOPBACK: &str = "localhost,127.0.0.0/8,::1";

/// The proxies of the environment, in the order in which they are tried.
fn proxies(variable: &dyn Fn(&str) -> Option<String>) -> Vec<reqwest::Proxy> {
    let no_proxy = first(variable, ["no_proxy", "NO_PROXY"]);
    let direct = no_proxy.map_or(LOOPBACK.to_owned(), |(_, more)| format!("{more},{LOOPBACK}"));
    let usable = named_proxies(variable).into_iter().filter_map(|(_, proxy)| proxy.ok());
    usable.map(|proxy| proxy.no_proxy(reqwest::NoProxy::from_string(&direct))).collect()
}

/// Variables of the environment that should name a proxy and do not: calls go around what was meant. Their values may
/// hold a password, so only the names are told.
pub fn unusable_proxies() -> Vec<&'static str> {
    unusable(&|name| std::env::var(name).ok())
}

fn unusable(variable: &dyn Fn(&str) -> Option<String>) -> Vec<&'static str> {
    let broken = named_proxies(variable).into_iter().filter(|(_, proxy)| proxy.is_err());
    broken.map(|(name, _)| name).collect()
}

/// The first of the variables that is set, and its value, unless that is empty.
fn first(
    variable: &dyn Fn(&str) -> Option<String>,
    names: [&'static str; 2],
) -> Option<(&'static str, String)> {
    names.into_iter().find_map(|name| Some((name, variable(name)?))).filter(|(_, value)| !value.is_empty())
}

/// Each variable that names a proxy, and what can be made of it.
fn named_proxies(
    variable: &dyn Fn(&str) -> Option<String>,
) -> Vec<(&'static str, reqwest::Result<reqwest::Proxy>)> {
    type Make = fn(&str) -> reqwest::Result<reqwest::Proxy>;
    let known: [([&'static str; 2], Make); 3] = [
        (["https_proxy", "HTTPS_PROXY"], |at| reqwest::Proxy::https(at)),
        (["http_proxy", "HTTP_PROXY"], |at| reqwest::Proxy::http(at)),
        (["all_proxy", "ALL_PROXY"], |at| reqwest::Proxy::all(at)),
    ];
    let found = known.into_iter().filter_map(|(names, make)| Some((first(variable, names)?, make)));
    found.map(|((name, value), make)| (name, make(&value))).collect()
}

/// A complete response with any status.
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

    /// The body as JSON, with lone surrogates replaced; none if it is not JSON or is incomplete.
    pub fn json(&self) -> Option<serde_json::Value> {
        aside::if_large(self.body.len(), || crate::json::read(&self.body).ok())
    }

    /// The `Date` header: the remote's own clock.
    pub fn date(&self) -> Option<Timestamp> {
        http_date(self.headers.get(DATE)?.to_str().ok()?)
    }

    /// `Retry-After`, in seconds or as a date; a date counts from the response's own `Date`.
    pub fn retry_after(&self) -> Option<Duration> {
        let text = self.headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
        if let Ok(seconds) = text.parse::<u64>() {
            return Some(Duration::from_secs(seconds));
        }
        let span = http_date(text)?.duration_since(self.date()?);
        Some(Duration::try_from(span).unwrap_or(Duration::ZERO))
    }
}

/// Sends a request and reads the complete response.
pub async fn exchange(request: reqwest::RequestBuilder) -> Result<Answer, Failure> {
    let mut response = request.send().await.map_err(sending)?;
    let status = response.status().as_u16();
    let headers = response.headers().clone();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|e| Failure::NoAnswer(described(e)))? {
        if body.len() + chunk.len() > MAX_ANSWER {
            return Err(too_large(status, "an answer too long to read"));
        }
        body.extend_from_slice(&chunk);
        // Decompressed chunks never wait for the network, so other tasks get a turn here.
        tokio::task::coop::consume_budget().await;
    }
    // Checked here for all readers: logins are parsed by a library without such a limit.
    if aside::if_large(body.len(), || crate::json::values(&body)) > crate::json::MAX_VALUES {
        return Err(too_large(status, "an answer with too many values to read"));
    }
    Ok(Answer { status, headers, body })
}

/// A refusal or a page in front of the remote is never this large, so there it says nothing about what was asked.
fn too_large(status: u16, why: &str) -> Failure {
    let failure = Failure::TooLarge(why.to_owned());
    if (200..300).contains(&status) { failure } else { failure.never_large() }
}

/// A request is certainly not sent only if no connection was made, or if it could not be built.
fn sending(error: reqwest::Error) -> Failure {
    if error.is_connect() || error.is_builder() {
        Failure::NotSent(described(error))
    } else {
        Failure::NoAnswer(described(error))
    }
}

/// The error and its causes. Without the URL, which may contain an e-mail address or a query.
fn described(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    with_advice(text, *HAS_ROOTS)
}

fn with_advice(reason: String, has_roots: bool) -> String {
    if has_roots || !reason.contains("certificate") { reason } else { format!("{reason}; {NO_ROOTS}") }
}

/// The first 300 characters of a remote's text, on one line.
pub fn shortened(text: &str) -> String {
    match text.char_indices().nth(MAX_MESSAGE) {
        Some((cut, _)) => one_line(&text[..cut]) + "…",
        None => one_line(text),
    }
}

/// Start and end of a remote's text, on one line. In its error messages a refused value is in the middle, and the
/// known parts are at the ends.
pub fn ends_kept(text: &str) -> String {
    const END: usize = MAX_MESSAGE / 2;
    let cut = |nth: usize| text.char_indices().nth(nth).map(|(at, _)| at);
    let (Some(head), Some((tail, _))) = (cut(END), text.char_indices().rev().nth(END - 1)) else {
        return one_line(text);
    };
    if tail <= head {
        return one_line(text);
    }
    one_line(&text[..head]) + "…" + &one_line(&text[tail..])
}

/// Control characters could forge a log line or control a terminal.
fn one_line(text: &str) -> String {
    text.replace(char::is_control, " ")
}

/// The pages that were read in one walk. A remote that links back to one of them would cause an endless loop.
#[derive(Debug, Default)]
pub struct Trail {
    seen: HashSet<[u8; 32]>,
}

impl Trail {
    /// True if these bytes (an address, or a page's content) are new in this walk.
    pub fn is_new(&mut self, bytes: &[u8]) -> bool {
        self.seen.insert(Sha256::digest(bytes).into())
    }
}

fn http_date(text: &str) -> Option<Timestamp> {
    const PARSER: jiff::fmt::rfc2822::DateTimeParser =
        jiff::fmt::rfc2822::DateTimeParser::new().relaxed_weekday(true);
    PARSER.parse_timestamp(text).ok()
}

/// A test server with scripted responses, one per connection. It records the requests.
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
        /// Complete requests, as received.
        pub fn asked(&self) -> Vec<String> {
            self.asked.lock().unwrap().clone()
        }
    }

    pub fn json(status: u16, body: &str) -> String {
        with(status, "", body)
    }

    /// A complete response with more headers, each with its line end.
    pub fn with(status: u16, headers: &str, body: &str) -> String {
        format!(
            "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: LENGTH\r\n\
             connection: close\r\n{headers}\r\n{body}"
        )
    }

    /// Serves these responses in order. `URL` in a response becomes the server's own address. Then it stops listening.
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

    /// The client for an environment with this proxy.
    fn behind(proxy: &str) -> reqwest::Client {
        let variable = |name: &str| name.eq_ignore_ascii_case("http_proxy").then(|| proxy.to_owned());
        let found = proxies(&variable);
        assert_eq!(found.len(), 1);
        built(found.into_iter().fold(trusting(Duration::from_secs(5)), reqwest::ClientBuilder::proxy))
    }

    #[tokio::test]
    async fn d06_a_proxy_sees_remotes_and_never_this_machine() {
        let proxy = script::serve(vec![script::json(200, "\"from the proxy\"")]).await;
        let here = script::serve(vec![script::json(200, "\"from here\"")]).await;
        let client = behind(proxy.url.as_str());
        let direct = exchange(client.get(here.url.clone())).await.unwrap();
        assert_eq!(direct.json(), Some("from here".into()));
        let named = format!("http://localhost:{}/", here.url.port().unwrap());
        assert!(exchange(client.get(named)).await.is_err(), "nothing listens any more, and no proxy answers");
        assert!(proxy.asked().is_empty());
        let far = exchange(client.get("http://goodays.example/v2")).await.unwrap();
        assert_eq!(far.json(), Some("from the proxy".into()));
        assert_eq!(proxy.asked().len(), 1);
    }

    #[test]
    fn d06_an_environment_without_proxies_or_with_broken_ones_has_none() {
        assert!(proxies(&|_| None).is_empty());
        assert!(proxies(&|_| Some(String::new())).is_empty());
        assert!(unusable(&|_| Some(String::new())).is_empty());
        let broken = |_: &str| Some("http://user:geheim@[".to_owned());
        assert!(proxies(&broken).is_empty());
        assert_eq!(unusable(&broken), ["https_proxy", "http_proxy", "all_proxy"]);
        let one = |name: &str| (name == "HTTPS_PROXY").then(|| "http://[".to_owned());
        assert_eq!(unusable(&one), ["HTTPS_PROXY"]);
    }

    #[test]
    fn a_machine_without_certificates_is_named_where_one_is_refused() {
        let refused = "error sending request: invalid peer certificate: UnknownIssuer".to_owned();
        assert_eq!(with_advice(refused.clone(), true), refused);
        assert!(with_advice(refused, false).contains("install the package ca-certificates"));
        assert_eq!(with_advice("tcp connect error".into(), false), "tcp connect error");
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
    fn both_ends_of_a_long_message_are_kept_on_one_line() {
        let message = format!("Subject:\ntoo large: {} (max length=255)", "x".repeat(5000));
        let kept = ends_kept(&message);
        assert!(kept.starts_with("Subject: too") && kept.ends_with("(max length=255)"), "{kept}");
        assert_eq!(kept.chars().count(), MAX_MESSAGE + 1);
        assert_eq!(ends_kept("a\u{1b}[2Jb"), "a [2Jb");
        assert_eq!(ends_kept(&"é".repeat(MAX_MESSAGE)), "é".repeat(MAX_MESSAGE));
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
