//! The console: pages for people, on the admin door. Rendered here, usable without a script, in English and French.
//!
//! | Page | File |
//! | --- | --- |
//! | is it flowing? | [`overview`], with numbers that stay current: [`live`] |
//! | what happened to this feedback? | [`feedback`] |
//! | what waits for a human? | [`waiting`]; work on many at once: [`jobs`] |
//! | is anything missing? | [`sweep`] |
//! | what does the mapping do? | [`mappings`] |
//! | who works, of several instances? | [`instances`] |
//! | who are you? | [`login`], [`session`] |
//!
//! What customers wrote is shown only after a click, and each such click is in the log.

mod assets;
mod feedback;
mod forms;
mod instances;
mod jobs;
mod live;
mod login;
mod mappings;
mod overview;
mod plot;
mod render;
mod session;
mod snapshot;
mod sweep;
mod waiting;
mod words;

use std::sync::Arc;

use axum::extract::{FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use axum::{Extension, Router};
use secrecy::SecretString;
use tokio_util::sync::CancellationToken;

use super::Limits;
use super::body::Reader;
use super::guard::Visit;
use crate::workers::{Current, Shared};
use render::Look;
pub use render::POLICY;
pub use session::{Session, Sessions};

/// The longest form in bytes: a pasted event with its whole conversation.
const LONGEST: usize = 1 << 20;
/// The cookie of the chosen language.
const LANGUAGE: &str = "goodays_console_language";

/// Where the pages are.
pub struct Paths {
    pub root: &'static str,
    pub login: &'static str,
    assets: &'static str,
}

pub const PAGES: Paths = Paths { root: "/console", login: "/console/login", assets: "/console/assets/" };

impl Paths {
    /// Whether the path needs no session.
    pub fn is_open(&self, path: &str) -> bool {
        path == self.login || path.starts_with(self.assets)
    }
}

/// What the pages share.
pub struct Console {
    current: Current,
    reader: Reader,
    sessions: Arc<Sessions>,
    snapshots: snapshot::Snapshots,
    jobs: jobs::Jobs,
    streams: live::Streams,
}

/// The routes. Streams to browsers end when `closing` is cancelled.
pub fn router(
    current: &Current,
    sessions: Arc<Sessions>,
    limits: &Limits,
    closing: CancellationToken,
) -> Router {
    let console = Arc::new(Console {
        current: current.clone(),
        reader: Reader::new(LONGEST, limits),
        sessions,
        snapshots: snapshot::Snapshots::new(current.process().clock.now_ms()),
        jobs: jobs::Jobs::default(),
        streams: live::Streams::new(closing),
    });
    Router::new()
        .route("/console", get(overview::page))
        .route("/console/", get(async || to(PAGES.root)))
        .route("/console/live", get(live::stream))
        .route("/console/login", get(login::page).post(login::log_in))
        .route("/console/logout", get(async || to(PAGES.root)).post(login::log_out))
        .route("/console/language", get(async || to(PAGES.root)).post(login::language))
        .route("/console/assets/{name}", get(assets::asset))
        .route("/console/feedback", get(feedback::search).post(feedback::found))
        .route("/console/feedback/{id}", get(feedback::page))
        .route("/console/feedback/{id}/words", get(feedback::without_words).post(feedback::words))
        .route("/console/waiting", get(waiting::page).post(waiting::act))
        .route("/console/waiting/{id}/send-again", get(waiting::ask).post(waiting::send_again))
        .route("/console/jobs/{id}", get(jobs::page))
        .route("/console/jobs/{id}/live", get(jobs::live))
        .route("/console/sweep", get(async || to(PAGES.root)).post(sweep::begin))
        .route("/console/mappings", get(mappings::page).post(mappings::try_event))
        .route("/console/mappings/touched", get(async || to("/console/mappings")).post(mappings::touched))
        .route("/console/instances", get(instances::page))
        .route("/console/{*elsewhere}", any(async || StatusCode::NOT_FOUND))
        .layer(middleware::from_fn_with_state(console.clone(), in_words))
        .with_state(console)
}

/// What the router refuses by itself (no such page, an address that cannot be read) becomes a page in the reader's
/// language. But for a method that an existing page does not take: no browser sends it.
async fn in_words(asked: Asked, request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    let html = |kind: &HeaderValue| kind.as_bytes().starts_with(b"text/html");
    let is_page = response.headers().get(header::CONTENT_TYPE).is_some_and(html);
    if response.status().is_client_error() && !is_page {
        return asked.look.message(response.status(), asked.look.t("message-no-page"), "");
    }
    response
}

impl Console {
    /// The state of now.
    fn shared(&self) -> Arc<Shared> {
        self.current.shared()
    }

    fn token(&self) -> Arc<Option<SecretString>> {
        self.shared().secrets.admin.load_full()
    }

    fn look(&self, parts: &Parts, visit: &Visit) -> Look {
        let messages = &self.shared().config.messages;
        let chosen = session::cookie(&parts.headers, LANGUAGE).and_then(words::language);
        let token = self.token();
        Look {
            language: chosen.unwrap_or_else(|| messages.language()),
            zone: messages.zone().clone(),
            form: self.sessions.form(&visit.session, (*token).as_ref()),
            several: self.shared().config.state.postgres.is_some(),
            can_log_out: token.is_some() && !PAGES.is_open(parts.uri.path()),
            here: parts.uri.path().to_owned(),
        }
    }
}

/// A request for a page: who asks, and how it looks for him.
pub struct Asked {
    visit: Visit,
    look: Look,
}

impl FromRequestParts<Arc<Console>> for Asked {
    type Rejection = StatusCode;

    async fn from_request_parts(parts: &mut Parts, console: &Arc<Console>) -> Result<Self, StatusCode> {
        let visit = Extension::<Visit>::from_request_parts(parts, console).await;
        let Extension(visit) = visit.map_err(|_| StatusCode::FORBIDDEN)?;
        let look = console.look(parts, &visit);
        Ok(Self { visit, look })
    }
}

/// Leads to another page, so that reloading it sends no form again.
fn to(path: &str) -> Response {
    (StatusCode::SEE_OTHER, [(header::LOCATION, path)]).into_response()
}

/// A page, or a page that says why not.
type Shown = Result<Response, Response>;

/// The store cannot be read: the page says so.
fn broken(look: &Look, error: &impl ToString) -> Response {
    look.message(StatusCode::SERVICE_UNAVAILABLE, look.t("message-broken"), look.said(&error.to_string()))
}
