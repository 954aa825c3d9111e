//! What happened to this feedback? The search, and the timeline of one.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use minijinja::{Value, context};
use serde::Serialize;
use tracing::info;

use super::render::{Look, value};
use super::{Asked, Console, Shown, broken, to};
use crate::goodays::ResponseId;
use crate::operator::timeline::{Step, Timeline};
use crate::state::StoreError;
use crate::workers::{Fatal, Stop};

pub async fn search(asked: Asked) -> Response {
    let look = &asked.look;
    look.page(StatusCode::OK, "search.html", context! { title => look.t("nav-feedback") })
}

/// The search is a form that is posted, so that no address gets into a history or a proxy's log.
pub async fn found(State(console): State<Arc<Console>>, asked: Asked, request: Request) -> Shown {
    let form = console.form(&asked, request).await?;
    let look = &asked.look;
    let text = form.one("q").trim();
    let (found, trouble) = match console.shared().find_feedback(text).await {
        Ok(found) => (found, None),
        Err(Stop::Remote(failure)) => (Vec::new(), Some(look.said(&failure.to_string()))),
        Err(Stop::Fatal(Fatal::Store(error))) => return Err(broken(look, &error)),
    };
    if let [one] = &found[..] {
        return Ok(to(&address(&one.response_id)));
    }
    let own = context! { title => look.t("nav-feedback"), searched => true, found => value(&found), trouble };
    Ok(look.page(StatusCode::OK, "search.html", own))
}

fn address(response: &str) -> String {
    let id = percent_encoding::utf8_percent_encode(response, percent_encoding::NON_ALPHANUMERIC);
    format!("/console/feedback/{id}")
}

pub async fn page(State(console): State<Arc<Console>>, asked: Asked, Path(id): Path<String>) -> Shown {
    Ok(show(&console, &asked.look, &id, Value::UNDEFINED).await)
}

/// The address of the words is of a form: opened by itself it leads to the page.
pub async fn without_words(Path(id): Path<String>) -> Response {
    to(&address(&id))
}

/// The same with what people wrote. The click is logged, without saying by whom: the console knows no names.
pub async fn words(
    State(console): State<Arc<Console>>,
    asked: Asked,
    Path(id): Path<String>,
    request: Request,
) -> Shown {
    console.form(&asked, request).await?;
    let look = &asked.look;
    let Ok(response) = ResponseId::new(id.as_str()) else { return Err(unknown(look)) };
    let said = console.shared().texts_of(&response).await.map_err(|error| broken(look, &error))?;
    info!(page = "feedback", response = %response, "what people wrote was shown in the console");
    Ok(show(&console, look, &id, value(&said)).await)
}

fn unknown(look: &Look) -> Response {
    look.message(StatusCode::NOT_FOUND, look.t("feedback-unknown"), "")
}

async fn show(console: &Console, look: &Look, id: &str, said: Value) -> Response {
    let known = match ResponseId::new(id) {
        Ok(response) => known(console, &response).await,
        Err(_) => Ok(None),
    };
    let (timeline, parked) = match known {
        Ok(Some(known)) => known,
        Ok(None) => return unknown(look),
        Err(error) => return broken(look, &error),
    };
    let steps: Vec<ShownStep> =
        timeline.steps.iter().map(|step| ShownStep { words: look.say(&step.words), step }).collect();
    let own = context! {
        title => id,
        id,
        case_id => timeline.case_id,
        case_number => timeline.case_number,
        steps => value(&steps),
        parked,
        said,
    };
    look.page(StatusCode::OK, "feedback.html", own)
}

/// The timeline, and the numbers of what waits for a human.
async fn known(
    console: &Console,
    response: &ResponseId,
) -> Result<Option<(Timeline, Vec<String>)>, StoreError> {
    let Some(timeline) = console.shared().timeline(response).await? else { return Ok(None) };
    let waits = |step: &&Step| matches!(step.code, "parked" | "unclear");
    let parked = timeline.steps.iter().filter(waits).map(|step| step.of.clone()).collect();
    Ok(Some((timeline, parked)))
}

/// A step in the page's language.
#[derive(Serialize)]
struct ShownStep<'s> {
    words: String,
    step: &'s Step,
}
