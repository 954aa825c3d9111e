//! Access to the admin listener: requests from web pages are refused, and so are those without the token.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};

use super::answer;
use crate::workers::Process;

pub struct Guard {
    bound: SocketAddr,
    process: Arc<Process>,
}

impl Guard {
    pub fn new(bound: SocketAddr, process: Arc<Process>) -> Self {
        Self { bound, process }
    }

    fn refusal(&self, request: &Request) -> Option<Response> {
        let headers = request.headers();
        if comes_from_a_page(headers) || !self.knows_names(request) {
            return Some(answer::error(StatusCode::FORBIDDEN, "not from there"));
        }
        let open = request.uri().path().starts_with("/health/");
        if open || self.lets_in(headers) {
            return None;
        }
        let mut refusal = answer::error(StatusCode::UNAUTHORIZED, "the admin token is missing or wrong");
        refusal.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        Some(refusal)
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

    fn lets_in(&self, headers: &HeaderMap) -> bool {
        // Read for each request, because the token can be rotated while we run.
        let token = self.process.secrets.admin.load();
        let Some(token) = token.as_ref() else { return self.bound.ip().is_loopback() };
        let given = headers.get(header::AUTHORIZATION).map(HeaderValue::as_bytes).and_then(bearer);
        given.is_some_and(|given| same(given, token.expose_secret().as_bytes()))
    }
}

/// Runs before every route.
pub async fn check(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    let mut response = match guard.refusal(&request) {
        Some(refusal) => refusal,
        None => next.run(request).await,
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

fn comes_from_a_page(headers: &HeaderMap) -> bool {
    let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
    headers.contains_key(header::ORIGIN) || site.is_some_and(|site| site != b"none" && site != b"same-origin")
}

fn bearer(header: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = header.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())
}

/// Compares all bytes of both hashes, so that the time reveals neither the length nor the first difference.
fn same(a: &[u8], b: &[u8]) -> bool {
    let (a, b) = (Sha256::digest(a), Sha256::digest(b));
    a.iter().zip(b.iter()).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
}
