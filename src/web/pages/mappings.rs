//! What does the mapping do? The files in force, the last refused edit, and an event to try.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use minijinja::{Value, context};
use serde::Serialize;
use tracing::info;

use super::render::{Look, value};
use super::{Asked, Console, Shown, broken, words};
use crate::aside::aside;
use crate::goodays::ResponseId;
use crate::goodays::event;
use crate::json;
use crate::mapping::Diagnostic;
use crate::messages::Language;
use crate::operator::ItemId;
use crate::operator::{ApplyOptions, Knowledge};
use crate::preview::{self, Preview};
use crate::state::StoreError;
use crate::workers::perimeter;

/// Events of the documentation.
const SAMPLES: [(&str, &str); 3] = [
    ("response", include_str!("../../../tests/fixtures/goodays/response.json")),
    ("message", include_str!("../../../tests/fixtures/goodays/message_first.json")),
    ("delegated", include_str!("../../../tests/fixtures/goodays/delegated.json")),
];

pub async fn page(State(console): State<Arc<Console>>, asked: Asked) -> Shown {
    Ok(show(&console, &asked.look, StatusCode::OK, Value::UNDEFINED))
}

fn show(console: &Console, look: &Look, status: StatusCode, tried: Value) -> axum::response::Response {
    let mapping = console.shared().mapping();
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    let files = mapping.sources().iter();
    let files: Vec<Value> =
        files.map(|source| context! { name => source.name.clone(), lines => lines(&source.text) }).collect();
    let own = context! {
        title => look.t("nav-mappings"),
        in_force => mapping.version(),
        since_ms => console.shared().mapping_since_ms.load(Ordering::Relaxed),
        files,
        refused => console.shared().mapping_refusal(),
        mistakes => value(&mistakes(look, &console.shared().mapping_trouble.load())),
        samples => SAMPLES.map(|(name, _)| name).to_vec(),
        tried,
    };
    look.page(status, "mappings.html", own)
}

/// A mistake of a refused edit in the page's language, with its exact wording.
#[derive(Serialize)]
struct Mistake {
    code: &'static str,
    is_error: bool,
    /// What it means, and what to do; empty for a code that the catalogue lacks.
    means: String,
    remedy: String,
    excerpt: String,
    exact: String,
}

/// The mistakes for a page that is not in English: diagnostics are, and an English page shows them as they are.
fn mistakes(look: &Look, found: &[Diagnostic]) -> Vec<Mistake> {
    if look.language == Language::En {
        return Vec::new();
    }
    let told = found.iter().map(|one| {
        let [means, remedy] = words::mistake(one.code).unwrap_or_default();
        let (excerpt, exact) = (one.excerpt(), one.render());
        Mistake { code: one.code, is_error: one.is_error(), means, remedy, excerpt, exact }
    });
    told.collect()
}

/// How often the rows of Salesforce are asked for; each time reads some pages.
const ASKED: usize = 20;
/// The most Cases that are named.
const NAMED: usize = 20;

/// Shows what the rules of actions.yaml would do on what stands already, as `apply-actions --dry-run`. Nothing is sent.
pub async fn touched(State(console): State<Arc<Console>>, asked: Asked, request: Request) -> Shown {
    console.form(&asked, request).await?;
    let look = &asked.look;
    let (mut cases, mut comments, mut looked_at, mut named) = (0, 0, 0, Vec::new());
    let mut after = None;
    for _ in 0..ASKED {
        let options = ApplyOptions { dry_run: true, after };
        let applied = console.shared().apply_actions(options).await.map_err(|why| {
            look.message(
                StatusCode::SERVICE_UNAVAILABLE,
                look.t("touched-not-now"),
                look.said(&why.to_string()),
            )
        })?;
        cases += applied.cases;
        comments += applied.comments;
        looked_at += applied.looked_at;
        let left = NAMED.saturating_sub(named.len());
        named.extend(applied.touched.into_iter().take(left));
        after = applied.next;
        if after.is_none() {
            break;
        }
    }
    let own = context! {
        title => look.t("touched-title"),
        cases,
        comments,
        looked_at,
        touched => value(&named),
        more => after.is_some(),
    };
    Ok(look.page(StatusCode::OK, "touched.html", own))
}

/// Shows what an event would write: a sample, a stored one (`e42`), or a pasted one. Nothing is sent.
pub async fn try_event(State(console): State<Arc<Console>>, asked: Asked, request: Request) -> Shown {
    let form = console.form(&asked, request).await?;
    let look = &asked.look;
    let (stored, sample, pasted) = (form.one("stored").trim(), form.one("sample"), form.one("pasted"));
    let body = match () {
        () if !pasted.trim().is_empty() => Some(pasted.as_bytes().to_vec()),
        () if !stored.is_empty() => {
            stored_event(&console, stored).await.map_err(|error| broken(look, &error))?
        }
        () => SAMPLES.iter().find(|(name, _)| *name == sample).map(|(_, text)| text.as_bytes().to_vec()),
    };
    let Some(body) = body else {
        return Ok(show(
            &console,
            look,
            StatusCode::NOT_FOUND,
            context! { problem => look.t("try-unknown") },
        ));
    };
    let Ok(body) = json::read(&body) else {
        return Ok(show(
            &console,
            look,
            StatusCode::UNPROCESSABLE_ENTITY,
            context! { problem => look.t("try-no-json") },
        ));
    };
    let as_new = form.one("as_new") == "yes";
    let preview = preview_of(&console, &body, as_new).await.map_err(|error| broken(look, &error))?;
    let tried = context! { preview => value(&preview), stored, sample, as_new };
    Ok(show(&console, look, StatusCode::OK, tried))
}

/// The body of a stored event. That it is shown is logged.
async fn stored_event(console: &Console, id: &str) -> Result<Option<Vec<u8>>, StoreError> {
    let Ok(seq) = id.strip_prefix('e').unwrap_or(id).parse() else { return Ok(None) };
    let body = console.shared().store.body(seq).await?;
    if body.is_some() {
        info!(page = "mappings", event = %ItemId::Event(seq), "what people wrote was shown in the console");
    }
    Ok(body)
}

async fn preview_of(
    console: &Console,
    body: &serde_json::Value,
    as_new: bool,
) -> Result<Preview, StoreError> {
    let shared = console.shared();
    let id: Option<ResponseId> = event::read(body).ok().map(|event| event.response.id);
    let mut knowledge = match id {
        Some(id) => shared.knowledge(&id).await?,
        None => Knowledge::default(),
    };
    if as_new {
        (knowledge.link, knowledge.intents) = (None, Vec::new());
    }
    let mapping = shared.mapping();
    Ok(aside(|| preview::knowing(&knowledge, &mapping, &perimeter(&shared.config), body)))
}
