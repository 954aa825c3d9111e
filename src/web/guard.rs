//! Access to the admin listener.
//!
//! Scripts ask with the token. They send no `Origin`, and a request that has one comes from a web page and is refused.
//!
//! The console's pages ([`PAGES`]) are for browsers. With a token a browser shows the cookie of a log-in. What a page
//! of another site sends is kept out three times: its `Origin` is not our own address, the cookie is not sent from
//! there (`SameSite=Strict`), and a form carries a number that only our own pages know. A page whose name leads to
//! this machine (DNS rebinding) has its own name as `Host`: on a loopback address only names of this machine are answered,
//! and on another one, which needs a token, it has no cookie.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use super::answer;
use super::pages::{PAGES, POLICY, Session, Sessions};
use crate::workers::Process;

pub struct Guard {
    bound: SocketAddr,
    process: Arc<Process>,
    sessions: Arc<Sessions>,
}

/// Who asks for a page.
#[derive(Debug, Clone)]
pub struct Visit {
    pub session: Session,
    /// The browser reached us over TLS.
    pub secure: bool,
}

impl Guard {
    pub fn new(bound: SocketAddr, process: Arc<Process>, sessions: Arc<Sessions>) -> Self {
        Self { bound, process, sessions }
    }

    async fn answer(&self, request: Request, next: Next) -> Response {
        let of_page = is_page(request.uri().path());
        let from_here =
            if of_page { is_from_own_page(&request) } else { !comes_from_a_page(request.headers()) };
        if !from_here || !self.knows_names(&request) {
            return answer::error(StatusCode::FORBIDDEN, "not from there");
        }
        if of_page {
            return self.page(request, next).await;
        }
        let open = request.uri().path().starts_with("/health/");
        if open || self.lets_in(request.headers()) {
            return next.run(request).await;
        }
        let mut refusal = answer::error(StatusCode::UNAUTHORIZED, "the admin token is missing or wrong");
        refusal.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        refusal
    }

    /// A page: with the session of its cookie, or after the log-in. Without a token a session begins by itself.
    async fn page(&self, mut request: Request, next: Next) -> Response {
        let token = self.token();
        let now_ms = self.process.clock.now_ms();
        let secure = is_secure(request.headers());
        let known = self.sessions.of(request.headers(), (*token).as_ref(), now_ms);
        let is_open = PAGES.is_open(request.uri().path());
        let begins = known.is_none() && token.is_none() && self.bound.ip().is_loopback();
        let session = match known {
            Some(session) => session,
            None if begins || is_open => match Session::begin(now_ms) {
                Ok(session) => session,
                Err(_) => return StatusCode::SERVICE_UNAVAILABLE.into_response(),
            },
            None => return to_login(&request),
        };
        let cookie = begins.then(|| self.sessions.cookie(&session, None, secure));
        request.extensions_mut().insert(Visit { session, secure });
        let mut response = next.run(request).await;
        if let Some(cookie) = cookie {
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
        headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
        // Not `no-referrer`: browsers then send a form of our own page with the origin `null`.
        headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
        response
    }

    /// On loopback the host name is checked against DNS rebinding: a web page whose own name resolves to this machine.
    /// Any other address requires the token, and its callers use names that we do not know.
    fn knows_names(&self, request: &Request) -> bool {
        if !self.bound.ip().is_loopback() {
            return true;
        }
        let hosts = request.headers().get_all(header::HOST);
        hosts
            .iter()
            .all(|host| host.to_str().ok().and_then(|h| h.parse().ok()).is_some_and(|h| self.is_ours(&h)))
            && request.uri().authority().is_none_or(|authority| self.is_ours(authority))
    }

    fn is_ours(&self, authority: &Authority) -> bool {
        let host = authority.host().trim_matches(['[', ']']);
        host.eq_ignore_ascii_case("localhost")
            || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback() || ip == self.bound.ip())
    }

    /// Read for each request, because the token can be rotated while we run.
    fn token(&self) -> Arc<Option<SecretString>> {
        self.process.secrets.admin.load_full()
    }

    fn lets_in(&self, headers: &HeaderMap) -> bool {
        let token = self.token();
        let Some(token) = token.as_ref() else { return self.bound.ip().is_loopback() };
        let given = headers.get(header::AUTHORIZATION).map(HeaderValue::as_bytes).and_then(bearer);
        given.is_some_and(|given| same(given, token.expose_secret().as_bytes()))
    }
}

/// Runs before every route.
pub async fn check(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    let mut response = guard.answer(request, next).await;
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

fn is_page(path: &str) -> bool {
    path.strip_prefix(PAGES.root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn comes_from_a_page(headers: &HeaderMap) -> bool {
    let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
    headers.contains_key(header::ORIGIN) || site.is_some_and(|site| site != b"none" && site != b"same-origin")
}

/// A form comes from our own page only. A link may stand elsewhere, for example in an alert: opening it changes nothing,
/// and no other page can read it.
fn is_from_own_page(request: &Request) -> bool {
    let headers = request.headers();
    let text = |name: &str| headers.get(name).map(HeaderValue::as_bytes);
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    let origin_is_ours = match headers.get(header::ORIGIN) {
        Some(origin) => host_of(origin).is_some_and(|host| Some(host.as_bytes()) == text("host")),
        None => reads,
    };
    let is_opened =
        reads && text("sec-fetch-mode") == Some(b"navigate") && text("sec-fetch-dest") == Some(b"document");
    let site_is_ours = text("sec-fetch-site").is_none_or(|site| site == b"none" || site == b"same-origin");
    origin_is_ours && (site_is_ours || is_opened)
}

/// `HOST:PORT` of `https://HOST:PORT`.
fn host_of(origin: &HeaderValue) -> Option<&str> {
    let origin = origin.to_str().ok()?;
    origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"))
}

/// Whether the browser speaks TLS to whatever stands before us.
fn is_secure(headers: &HeaderMap) -> bool {
    let https = |name: &str, begins: &[u8]| {
        headers.get(name).is_some_and(|value| value.as_bytes().starts_with(begins))
    };
    https("origin", b"https://") || https("x-forwarded-proto", b"https")
}

fn to_login(request: &Request) -> Response {
    let reads = *request.method() == Method::GET;
    let wanted = if reads { request.uri().path() } else { PAGES.root };
    let wanted = percent_encoding::utf8_percent_encode(wanted, percent_encoding::NON_ALPHANUMERIC);
    let to = format!("{}?to={wanted}", PAGES.login);
    (StatusCode::SEE_OTHER, [(header::LOCATION, to)]).into_response()
}

fn bearer(header: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = header.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())
}

/// Compares all bytes of both hashes, so that the time reveals neither the length nor the first difference.
pub fn same(a: &[u8], b: &[u8]) -> bool {
    let (a, b) = (Sha256::digest(a), Sha256::digest(b));
    a.iter().zip(b.iter()).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
}
