//! The log-in with the admin token, and the choice of a language.

use std::sync::Arc;

use axum::extract::{Query, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use minijinja::context;
use secrecy::ExposeSecret;
use serde::Deserialize;
use tracing::{info, warn};

use super::session::{Session, no_session, set_cookie};
use super::{Asked, Console, LANGUAGE, PAGES, Shown, to, words};
use crate::web::guard::same;

#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Wanted {
    /// The page that was asked for.
    to: String,
}

pub async fn page(asked: Asked, Query(wanted): Query<Wanted>) -> Response {
    asked.look.page(
        StatusCode::OK,
        "login.html",
        context! { title => asked.look.t("log-in"), to => own(&wanted.to) },
    )
}

pub async fn log_in(State(console): State<Arc<Console>>, asked: Asked, request: Request) -> Shown {
    let form = console.any_form(&asked, request).await?;
    let now_ms = console.shared().clock.now_ms();
    let refused = |status, why: String| {
        asked.look.page(
            status,
            "login.html",
            context! { title => asked.look.t("log-in"), to => own(form.one("to")), why },
        )
    };
    if !console.sessions.may_try(now_ms) {
        let mut answer = refused(StatusCode::TOO_MANY_REQUESTS, asked.look.t("login-too-often"));
        answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("60"));
        return Err(answer);
    }
    let token = console.token();
    let good = (*token)
        .as_ref()
        .is_some_and(|token| same(form.one("token").trim().as_bytes(), token.expose_secret().as_bytes()));
    if !good {
        console.sessions.failed(now_ms);
        warn!("a log-in to the console failed");
        return Err(refused(StatusCode::UNAUTHORIZED, asked.look.t("login-wrong")));
    }
    let session = Session::begin(now_ms).map_err(|_| StatusCode::SERVICE_UNAVAILABLE.into_response())?;
    info!("somebody logged in to the console");
    let mut answer = to(own(form.one("to")));
    let cookie = console.sessions.cookie(&session, (*token).as_ref(), asked.visit.secure);
    answer.headers_mut().append(header::SET_COOKIE, cookie);
    Ok(answer)
}

pub async fn log_out(State(console): State<Arc<Console>>, asked: Asked, request: Request) -> Shown {
    console.form(&asked, request).await?;
    let mut answer = to(PAGES.login);
    answer.headers_mut().append(header::SET_COOKIE, no_session(asked.visit.secure));
    Ok(answer)
}

/// Remembers the language in a cookie of its own.
pub async fn language(State(console): State<Arc<Console>>, asked: Asked, request: Request) -> Shown {
    let form = console.form(&asked, request).await?;
    let language = words::language(form.one("language")).unwrap_or(asked.look.language);
    let mut answer = to(own(form.one("to")));
    let value = format!("{LANGUAGE}={}; Max-Age=31536000", words::code(language));
    answer.headers_mut().append(header::SET_COOKIE, set_cookie(&value, asked.visit.secure));
    Ok(answer)
}

/// The path if it is one of ours: nobody is led to another site.
fn own(path: &str) -> &str {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/-_.~%".contains(c);
    let ours = path.starts_with("/console") && path.chars().all(plain) && !path.contains("//");
    if ours && !PAGES.is_open(path) { path } else { PAGES.root }
}

#[cfg(test)]
mod tests {
    use super::own;

    #[test]
    fn a_log_in_leads_to_our_own_pages_only() {
        assert_eq!(own("/console/feedback/26BpnGYga3"), "/console/feedback/26BpnGYga3");
        for other in ["", "//x.example", "https://x.example", "/console/login", "/console//x", "/status"] {
            assert_eq!(own(other), "/console", "{other}");
        }
    }
}
