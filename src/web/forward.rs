//! Requests that only the working instance can answer, handed on to its admin door.
//!
//! The request names the instance that it is meant for. Whoever gets it answers it itself or refuses it, and never hands
//! it on, so nothing goes round in circles, and an address that leads to somebody else is found out.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header, request};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use secrecy::ExposeSecret;
use tracing::info;

use super::LONGEST_REQUEST;
use super::admin::AdminContext;
use super::answer;
use super::console::unread;

/// The instance that a request is meant for; in an answer, the one that gave it.
const INSTANCE: HeaderName = HeaderName::from_static("x-goodays-instance");

/// As long as the command line waits for most requests.
const LIMIT: Duration = Duration::from_secs(120);

/// What an instance does that does not work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Needs {
    /// It asks a remote, so the working instance does it.
    Leader,
    /// The working instance does it; if that is out of reach, this one does what needs no remote.
    LeaderIfThere,
}

fn needs(method: &Method, path: &str) -> Option<Needs> {
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    match (method, parts.as_slice()) {
        (&Method::POST, ["sweep" | "apply-actions"]) | (&Method::GET, ["cases", _]) => Some(Needs::Leader),
        // The number of a Case that the ledger does not have is asked of Salesforce. What the org's fields take, and how far
        // a sweep is, only the working instance knows.
        (&Method::POST, ["parked", "retry"] | ["parked", _, "retry"])
        | (&Method::GET, ["timeline" | "responses", _] | ["sweep"]) => Some(Needs::LeaderIfThere),
        _ => None,
    }
}

/// Runs before the routes, for those who were let in.
pub(super) async fn forward(
    State(context): State<Arc<AdminContext>>,
    request: Request,
    next: Next,
) -> Response {
    let Some(needs) = needs(request.method(), request.uri().path()) else { return next.run(request).await };
    let shared = context.shared();
    let standing = shared.standing.load_full();
    let me = standing.as_ref().as_ref().map(|standing| standing.me.clone()).unwrap_or_default();
    if let Some(meant) = request.headers().get(INSTANCE) {
        let is_me = meant.as_bytes() == me.as_bytes();
        let mut response = if is_me { next.run(request).await } else { misdirected(&me) };
        response.headers_mut().extend(HeaderValue::from_str(&me).ok().map(|me| (INSTANCE, me)));
        return response;
    }
    let leader = standing
        .as_ref()
        .as_ref()
        .filter(|_| !shared.works)
        .and_then(|standing| Some((standing.leader.clone()?, standing.leaders_door()?.to_owned())));
    let Some((leader, door)) = leader else { return next.run(request).await };
    let (head, body) = request.into_parts();
    let bytes = match context.reader.read(&head.headers, body).await {
        Ok(taken) => taken.bytes,
        Err(why) => return unread(why),
    };
    match hand_on(&context, &head, bytes.clone(), &leader, &door).await {
        Ok(response) => response,
        Err(_) if needs == Needs::LeaderIfThere => {
            next.run(Request::from_parts(head, Body::from(bytes))).await
        }
        Err(why) => {
            let words = format!(
                "the instance {leader} works, and its admin door at {door} cannot be asked from here: {why}. Ask it there, \
                 or make its admin.listen an address that the other instances reach"
            );
            answer::error(StatusCode::SERVICE_UNAVAILABLE, &words)
        }
    }
}

fn misdirected(me: &str) -> Response {
    answer::error(StatusCode::MISDIRECTED_REQUEST, &format!("this is the instance {me}"))
}

/// How long the leader may take: as long as the command line waits.
fn limit(head: &request::Parts) -> Duration {
    if is_sweep(head) && head.method == Method::POST { LONGEST_REQUEST } else { LIMIT }
}

fn is_sweep(head: &request::Parts) -> bool {
    head.uri.path() == "/sweep"
}

/// The leader's answer; or why there is none.
async fn hand_on(
    context: &AdminContext,
    head: &request::Parts,
    body: Vec<u8>,
    leader: &str,
    door: &str,
) -> Result<Response, String> {
    let url = format!("http://{door}{}", head.uri);
    let mut asked = crate::http::direct_client(limit(head))
        .request(head.method.clone(), url)
        .header(INSTANCE, leader)
        .header(header::CONTENT_TYPE, "application/json")
        .body(body);
    if let Some(token) = context.current.process().secrets.admin.load_full().as_ref() {
        asked = asked.bearer_auth(token.expose_secret());
    }
    let answered = asked.send().await.map_err(|error| error.without_url().to_string())?;
    let (status, by) = (answered.status(), answered.headers().get(INSTANCE).cloned());
    if status == StatusCode::UNAUTHORIZED {
        return Err("it has another admin token".to_owned());
    }
    if by.as_ref().map(HeaderValue::as_bytes) != Some(leader.as_bytes()) {
        return Err("something else answers there".to_owned());
    }
    let bytes = answered.bytes().await.map_err(|error| error.without_url().to_string())?;
    // The command line asks again and again how far a sweep is.
    if !is_sweep(head) || head.method == Method::POST {
        info!(
            leader,
            path = head.uri.path(),
            status = status.as_u16(),
            "handed on to the instance that works"
        );
    }
    Ok((status, [(header::CONTENT_TYPE, "application/json")], bytes).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_asks_a_remote_is_for_the_leader() {
        let of = |method: &Method, path| needs(method, path);
        assert_eq!(of(&Method::POST, "/sweep"), Some(Needs::Leader));
        assert_eq!(of(&Method::GET, "/cases/00001001"), Some(Needs::Leader));
        assert_eq!(of(&Method::POST, "/apply-actions"), Some(Needs::Leader));
        assert_eq!(of(&Method::POST, "/parked/a7/retry"), Some(Needs::LeaderIfThere));
        assert_eq!(of(&Method::POST, "/parked/retry"), Some(Needs::LeaderIfThere));
        assert_eq!(of(&Method::GET, "/timeline/00001001"), Some(Needs::LeaderIfThere));
        assert_eq!(of(&Method::GET, "/responses/r1"), Some(Needs::LeaderIfThere));
        assert_eq!(of(&Method::GET, "/sweep"), Some(Needs::LeaderIfThere));
        for (method, path) in
            [(Method::GET, "/status"), (Method::POST, "/parked/a7/drop"), (Method::GET, "/")]
        {
            assert_eq!(of(&method, path), None, "{path}");
        }
    }
}
