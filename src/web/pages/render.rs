//! Templates become pages. Everything that a template shows is escaped; no page has a script or a style in itself.

use std::sync::LazyLock;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use minijinja::value::{Kwargs, Serde};
use minijinja::{Environment, Error, ErrorKind, State, Value, context};
use serde::Serialize;
use tracing::error;

use super::words;
use crate::messages::{Language, Messages, Words};

/// Nothing is loaded from elsewhere, nothing runs that stands in a page, and nobody frames it.
pub const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
     form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

macro_rules! templates {
    ($($name:literal),* $(,)?) => { [$(($name, include_str!(concat!("templates/", $name)))),*] };
}

static TEMPLATES: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(minijinja::UndefinedBehavior::Chainable);
    environment.add_function("t", say);
    environment.add_filter("moment", moment);
    environment.add_filter("span", span);
    environment.add_filter("path", path);
    environment.add_filter("said", said);
    for (name, text) in templates![
        "layout.html",
        "plot.html",
        "login.html",
        "overview.html",
        "search.html",
        "feedback.html",
        "waiting.html",
        "confirm.html",
        "again.html",
        "job.html",
        "mappings.html",
        "touched.html",
        "instances.html",
        "message.html",
    ] {
        environment.add_template(name, text).expect("the tests render each template");
    }
    environment
});

/// What each page needs.
#[derive(Debug, Clone)]
pub struct Look {
    pub language: Language,
    pub zone: TimeZone,
    /// What the forms of the page carry.
    pub form: String,
    /// Whether there may be other instances.
    pub several: bool,
    /// Whether there is a session that can be ended.
    pub can_log_out: bool,
    /// The path of the page, for the switch of languages.
    pub here: String,
}

impl Look {
    /// A sentence of the pages' catalogue.
    pub fn t(&self, name: &str) -> String {
        words::say(self.language, name, [])
    }

    /// Says words of the daemon's catalogue.
    pub fn say(&self, words: &Words) -> String {
        Messages::new(self.language).in_zone(self.zone.clone()).say(words)
    }

    /// A text of the daemon, or of a remote, that came without words of the catalogue.
    pub fn said(&self, text: &str) -> String {
        Messages::new(self.language).say_text(text)
    }

    /// The page `name` with its own values.
    pub fn page(&self, status: StatusCode, name: &str, own: Value) -> Response {
        let all = context! {
            lang => words::code(self.language),
            other => if self.language == Language::En { "fr" } else { "en" },
            zone => self.zone.iana_name().unwrap_or("UTC"),
            form => self.form.as_str(),
            several => self.several,
            can_log_out => self.can_log_out,
            here => self.here.as_str(),
            version => env!("CARGO_PKG_VERSION"),
            page => name.trim_end_matches(".html"),
            ..own
        };
        let rendered = TEMPLATES.get_template(name).and_then(|template| template.render(all));
        match rendered {
            Ok(html) => (status, [(header::CONTENT_TYPE, HTML)], html).into_response(),
            Err(problem) => {
                // Without details, which may quote a value.
                error!(page = name, line = problem.line(), kind = ?problem.kind(), "a page of the console could not be made");
                StatusCode::INTERNAL_SERVER_ERROR.into_response()
            }
        }
    }

    /// A page with one sentence and more about it.
    pub fn message(&self, status: StatusCode, title: String, text: impl Into<String>) -> Response {
        self.page(status, "message.html", context! { title, text => text.into() })
    }
}

/// A record as a template reads it.
pub fn value(record: &impl Serialize) -> Value {
    Value::from(Serde(record))
}

const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");

/// The page's language, as the layout has it.
fn language(state: &State<'_, '_>) -> Language {
    let code = state.lookup("lang").map(|code| code.to_string()).unwrap_or_default();
    words::language(&code).unwrap_or_default()
}

/// In a template: `t` with a name of the catalogue and the arguments of the sentence.
#[expect(clippy::needless_pass_by_value, reason = "minijinja hands over arguments by value")]
fn say(state: &State<'_, '_>, name: &str, given: Kwargs) -> Result<String, Error> {
    let names: Vec<&str> = given.args().collect();
    let mut args = Vec::new();
    for name in names {
        args.push((name, given.get::<Value>(name)?.to_string()));
    }
    Ok(words::say(language(state), name, args))
}

/// A text of the daemon, or of a remote, in the page's language.
fn said(state: &State<'_, '_>, text: &str) -> String {
    Messages::new(language(state)).say_text(text)
}

/// A moment of our clock (milliseconds) or an RFC 3339 text, in the page's zone: `2026-01-31 08:00:00`.
fn moment(state: &State<'_, '_>, value: &Value) -> String {
    let at = match i64::try_from(value.clone()) {
        Ok(ms) => Timestamp::from_millisecond(ms).ok(),
        Err(_) => value.as_str().and_then(|text| text.parse().ok()),
    };
    let Some(at) = at else { return String::new() };
    let zone = state.lookup("zone").map(|zone| zone.to_string()).unwrap_or_default();
    let zone = TimeZone::get(&zone).unwrap_or(TimeZone::UTC);
    let suffix = if zone == TimeZone::UTC { " UTC" } else { "" };
    format!("{}{suffix}", at.to_zoned(zone).strftime("%Y-%m-%d %H:%M:%S"))
}

/// Milliseconds as people say them: `350 ms`, `12 s`, `3 min`, `5 h`, `2 d`.
fn span(state: &State<'_, '_>, value: Value) -> Result<String, Error> {
    let ms = i64::try_from(value).map_err(|_| Error::new(ErrorKind::InvalidOperation, "no number"))?;
    Ok(spoken(ms, language(state)))
}

/// See [`span`].
pub fn spoken(ms: i64, language: Language) -> String {
    let day = if language == Language::Fr { "j" } else { "d" };
    match ms {
        ..1_000 => format!("{ms} ms"),
        1_000..120_000 => format!("{} s", ms / 1_000),
        120_000..7_200_000 => format!("{} min", ms / 60_000),
        7_200_000..172_800_000 => format!("{} h", ms / 3_600_000),
        _ => format!("{} {day}", ms / 86_400_000),
    }
}

/// A text as one part of a path.
fn path(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look() -> Look {
        Look {
            language: Language::En,
            zone: TimeZone::UTC,
            form: String::new(),
            several: false,
            can_log_out: false,
            here: "/console".to_owned(),
        }
    }

    #[test]
    fn spans_are_short() {
        let said = [350, 12_000, 180_000, 7_200_000, 172_800_000].map(|ms| spoken(ms, Language::Fr));
        assert_eq!(said, ["350 ms", "12 s", "3 min", "2 h", "2 j"]);
    }

    #[tokio::test]
    async fn a_hostile_text_stays_text() {
        let hostile = "<script>alert(1)</script>{{ 7 * 7 }}{% if %}\" onload='x'";
        let page = look().message(StatusCode::OK, "x".to_owned(), hostile);
        let body = axum::body::to_bytes(page.into_body(), 1 << 20).await.unwrap();
        let html = String::from_utf8(body.to_vec()).unwrap();
        assert!(!html.contains("<script>alert"), "{html}");
        assert!(html.contains("&lt;script&gt;alert(1)&lt;&#x2f;script&gt;{{ 7 * 7 }}{% if %}"), "{html}");
    }

    #[test]
    fn every_template_is_read() {
        assert!(TEMPLATES.templates().count() >= 10);
    }
}
