//! An operator's requests to the admin listener: show what is parked, retry, drop, reload, sweep.
//!
//! Work continues if the caller disconnects.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tracing::info;

use super::admin::AdminContext;
use super::answer;
use super::body::Unread;
use crate::config::parse_duration;
use crate::goodays::ResponseId;
use crate::operator::{IfUnclear, ItemId, NoItem, Outcome};
use crate::state::StoreError;
use crate::sync::lock;
use crate::workers::{Fatal, Shared, Stop, SweepOptions, SweepProgress};

/// Maximum number of items that are shown or retried in one call.
pub(super) const SHOWN: usize = 10_000;

const HOW_CASES_ARE_NAMED: &str = "give the number as the Case shows it, zeros included, or the Case's id of 15 or 18 \
     characters, which stands in the address of its page";

/// A response, or a refusal.
pub(super) type Answer = Result<Response, Response>;

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Again {
    /// The action was unclear, Goodays does not show it, and the operator wants it sent again.
    send_again: bool,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sweep {
    since: Option<String>,
    dry_run: bool,
}

pub async fn parked(State(context): State<Arc<AdminContext>>) -> Answer {
    let items = context.shared().parked(SHOWN).await.map_err(broken)?;
    Ok(answer::json(StatusCode::OK, json!(items)))
}

pub async fn retry(
    State(context): State<Arc<AdminContext>>,
    Path(id): Path<String>,
    request: Request,
) -> Answer {
    let wish: Again = context.wish(request).await?;
    let id: ItemId = id.parse().map_err(|NoItem| nothing_has_this_id())?;
    let if_unclear = if wish.send_again { IfUnclear::SendAgain } else { IfUnclear::Confirm };
    let shared = context.shared();
    let outcome = through(async move {
        let outcome = shared.retry(id, if_unclear).await?;
        shared.store.durable().await?;
        info!(%id, outcome = word(&outcome), "retried by hand");
        Ok(outcome)
    });
    Ok(retry_answer(outcome.await?, "retrying"))
}

pub async fn give_up(State(context): State<Arc<AdminContext>>, Path(id): Path<String>) -> Answer {
    let id: ItemId = id.parse().map_err(|NoItem| nothing_has_this_id())?;
    let shared = context.shared();
    let outcome = through(async move {
        let outcome = shared.drop_parked(id).await?;
        shared.store.durable().await?;
        info!(%id, outcome = word(&outcome), "dropped by hand");
        Ok(outcome)
    });
    Ok(retry_answer(outcome.await?, "dropped"))
}

fn nothing_has_this_id() -> Response {
    answer::error(StatusCode::NOT_FOUND, "nothing has this id")
}

/// A stored event's body as JSON, with all tokens removed.
pub async fn event(State(context): State<Arc<AdminContext>>, Path(id): Path<String>) -> Answer {
    let missing = || answer::error(StatusCode::NOT_FOUND, "no such event is kept");
    let seq = id.strip_prefix('e').unwrap_or(&id).parse().map_err(|_| missing())?;
    let bytes = context.shared().store.body(seq).await.map_err(broken)?.ok_or_else(missing)?;
    let mut payload = crate::json::read(&bytes).map_err(|_| {
        answer::error(
            StatusCode::UNPROCESSABLE_ENTITY,
            "the event is kept, but cannot be shown: it cannot be read",
        )
    })?;
    without_tokens(&mut payload);
    Ok(answer::json(StatusCode::OK, payload))
}

/// What would be sent to Goodays for a Case now, and why. The Case is given by id or number.
pub async fn case(State(context): State<Arc<AdminContext>>, Path(name): Path<String>) -> Answer {
    let missing = |what| answer::error(StatusCode::NOT_FOUND, what);
    context.works()?;
    let id = match context.shared().case_named(&name).await {
        Ok(Some(id)) => id,
        Ok(None) => {
            let words =
                format!("neither the ledger nor Salesforce has a Case of this number: {HOW_CASES_ARE_NAMED}");
            return Err(missing(&words));
        }
        Err(Stop::Fatal(Fatal::Store(error))) => return Err(broken(error)),
        Err(Stop::Remote(why)) => {
            let words = format!(
                "the ledger has no Case of this number, and Salesforce cannot be asked now ({why}): \
                 {HOW_CASES_ARE_NAMED}"
            );
            return Err(answer::error(StatusCode::SERVICE_UNAVAILABLE, &words));
        }
    };
    let explained = context.shared().explain(&id).await.map_err(broken)?;
    if explained.is_empty() {
        return Err(missing("no feedback is known to stand in this Case"));
    }
    Ok(answer::json(StatusCode::OK, json!(explained)))
}

/// The inputs that decide what an event of this response would write: the org's fields and the ledger.
pub async fn response(State(context): State<Arc<AdminContext>>, Path(id): Path<String>) -> Answer {
    let id = ResponseId::new(id).map_err(|why| answer::error(StatusCode::BAD_REQUEST, &why.to_string()))?;
    let knowledge = context.shared().knowledge(&id).await.map_err(broken)?;
    Ok(answer::json(StatusCode::OK, json!(knowledge)))
}

/// What happened to one feedback. It is named by its response, its Case (number or id), or one of its events or actions.
pub async fn timeline(State(context): State<Arc<AdminContext>>, Path(name): Path<String>) -> Answer {
    let shared = context.shared();
    let found = match shared.find_feedback(&name).await {
        Ok(found) => found,
        Err(Stop::Fatal(Fatal::Store(error))) => return Err(broken(error)),
        Err(why @ Stop::Remote(_)) => {
            return Err(answer::error(StatusCode::SERVICE_UNAVAILABLE, &why.to_string()));
        }
    };
    if found.len() > 1 {
        let ids: Vec<&str> = found.iter().map(|one| one.response_id.as_str()).collect();
        let words = format!("several feedbacks have this name: {}", ids.join(", "));
        return Err(answer::error(StatusCode::CONFLICT, &words));
    }
    let response = found.first().and_then(|one| ResponseId::new(one.response_id.as_str()).ok());
    let timeline = match response {
        Some(response) => shared.timeline(&response).await.map_err(broken)?,
        None => None,
    };
    let missing = || answer::error(StatusCode::NOT_FOUND, "nothing is known by this name");
    Ok(answer::json(StatusCode::OK, json!(timeline.ok_or_else(missing)?)))
}

fn without_tokens(value: &mut Value) {
    match value {
        Value::Object(object) => {
            object.shift_remove("token");
            object.values_mut().for_each(without_tokens);
        }
        Value::Array(items) => items.iter_mut().for_each(without_tokens),
        _ => {}
    }
}

/// Reads the mapping files, connector.yaml and the secret files again.
pub async fn reload(State(context): State<Arc<AdminContext>>) -> Answer {
    let shared = context.shared();
    let read = tokio::spawn(async move { shared.reload().await });
    match read.await.map_err(|_| failed())? {
        Ok(version) => {
            let waiting = context.shared().edits.load().waiting.clone();
            Ok(answer::json(StatusCode::OK, json!({ "mapping": version, "waits_for_restart": waiting })))
        }
        Err(errors) => Err(answer::json(StatusCode::UNPROCESSABLE_ENTITY, json!({ "errors": errors }))),
    }
}

pub async fn sweep(State(context): State<Arc<AdminContext>>, request: Request) -> Answer {
    let wish: Sweep = context.wish(request).await?;
    context.works()?;
    let shared = context.shared();
    let since = since(&shared, wish.since.as_deref()).ok_or_else(|| {
        answer::error(
            StatusCode::BAD_REQUEST,
            "`since` is a time such as 2026-01-31T08:00:00Z, or a span such as 48h",
        )
    })?;
    let options = SweepOptions { since, named: wish.since.is_some(), dry_run: wish.dry_run };
    let progress = Arc::new(SweepProgress::default());
    *lock(&context.sweeping) = Arc::downgrade(&progress);
    let report = through(async move { shared.sweep_telling(options, &progress).await }).await?;
    Ok(answer::json(StatusCode::OK, json!(report)))
}

/// How far the sweep is that was begun last; none if it has ended.
pub async fn sweeping(State(context): State<Arc<AdminContext>>) -> Response {
    let running = lock(&context.sweeping).upgrade();
    let how_far = running.map(|progress| progress.how_far());
    let place = how_far.and_then(|how_far| how_far.place);
    let said = json!({
        "running": how_far.is_some(),
        "looked_at": how_far.map(|how_far| how_far.looked_at),
        "come_to": place.map(|place| place.date.to_string()),
        "percent_of_period": place.map(|place| place.percent),
    });
    answer::json(StatusCode::OK, said)
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Forget {
    response: Option<String>,
    email: Option<String>,
}

pub async fn forget(State(context): State<Arc<AdminContext>>, request: Request) -> Answer {
    let wish: Forget = context.wish(request).await?;
    let shared = context.shared();
    let whom = match (wish.response, wish.email) {
        (Some(id), None) => ResponseId::new(id)
            .map(Whom::Response)
            .map_err(|why| answer::error(StatusCode::BAD_REQUEST, &why.to_string()))?,
        (None, Some(email)) if !email.trim().is_empty() => Whom::Email(email),
        _ => return Err(answer::error(StatusCode::BAD_REQUEST, "either `response` or `email`")),
    };
    let forgotten = through(async move {
        Ok(match whom {
            Whom::Response(id) => shared.forget_response(&id).await?,
            Whom::Email(email) => shared.forget_email(&email).await?,
        })
    })
    .await?;
    info!(responses = forgotten.responses, "forgot a person");
    Ok(answer::json(StatusCode::OK, json!(forgotten)))
}

enum Whom {
    Response(ResponseId),
    Email(String),
}

/// A time, or a span before now; without a text the configured window.
fn since(shared: &Shared, text: Option<&str>) -> Option<Timestamp> {
    let before = |span: Duration| shared.goodays_now().checked_sub(span).ok();
    match text {
        None => before(shared.config.sweep.window),
        Some(text) => text.parse().ok().or_else(|| parse_duration(text).and_then(before)),
    }
}

impl AdminContext {
    /// Refuses what needs a remote if another instance works, and says which one to ask.
    #[expect(clippy::result_large_err, reason = "a refusal is the answer")]
    pub(super) fn works(&self) -> Result<(), Response> {
        match self.shared().works_elsewhere() {
            Some(there) => Err(answer::error(StatusCode::CONFLICT, &there)),
            None => Ok(()),
        }
    }

    /// The request's options; the defaults for an empty body.
    pub(super) async fn wish<T: DeserializeOwned + Default>(&self, request: Request) -> Result<T, Response> {
        let (head, body) = request.into_parts();
        let taken = self.reader.read(&head.headers, body).await.map_err(unread)?;
        if taken.bytes.trim_ascii().is_empty() {
            return Ok(T::default());
        }
        let misread = |_| answer::error(StatusCode::BAD_REQUEST, "the body is not what this path takes");
        serde_json::from_slice(&taken.bytes).map_err(misread)
    }
}

/// Completes the work even if the caller disconnects.
pub(super) async fn through<T: Send + 'static>(
    work: impl Future<Output = Result<T, Stop>> + Send + 'static,
) -> Result<T, Response> {
    match tokio::spawn(work).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(why)) => Err(answer::error(StatusCode::SERVICE_UNAVAILABLE, &why.to_string())),
        Err(_) => Err(failed()),
    }
}

fn retry_answer(outcome: Outcome, done: &str) -> Response {
    match outcome {
        Outcome::Done => answer::json(StatusCode::OK, json!({ "status": done })),
        Outcome::Arrived => answer::json(StatusCode::OK, json!({ "status": "delivered" })),
        Outcome::Confirm => answer::json(
            StatusCode::CONFLICT,
            json!({
                "status": "confirm",
                "error": "Goodays does not show it. It may still be on its way; if you are sure that it is not, \
                          say `send_again` (`retry ID --send-again`)",
            }),
        ),
        Outcome::Unknown => nothing_has_this_id(),
        Outcome::WrongState(state) => {
            answer::error(StatusCode::CONFLICT, &format!("it does not wait for anybody: {state}"))
        }
        Outcome::Damaged => answer::error(
            StatusCode::CONFLICT,
            "it is damaged: nobody can tell whether it was sent. Look in Goodays, then drop it (`drop ID`)",
        ),
        Outcome::NotNow(why) => answer::error(
            StatusCode::SERVICE_UNAVAILABLE,
            &format!("Goodays could not be read back, so nothing was done: {why}"),
        ),
    }
}

fn word(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Done => "done",
        Outcome::Arrived => "arrived",
        Outcome::Confirm => "confirm",
        Outcome::Unknown => "unknown",
        Outcome::WrongState(_) => "wrong state",
        Outcome::Damaged => "damaged",
        Outcome::NotNow(_) => "not now",
    }
}

pub(super) fn unread(why: Unread) -> Response {
    let (status, words) = match why {
        Unread::TooLong => (StatusCode::PAYLOAD_TOO_LARGE, "the body is too long"),
        Unread::TooSlow => (StatusCode::REQUEST_TIMEOUT, "the body came too slowly"),
        Unread::Cut => (StatusCode::BAD_REQUEST, "the body was cut off"),
        Unread::Busy => (StatusCode::SERVICE_UNAVAILABLE, "too many at once"),
    };
    answer::error(status, words)
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn broken(error: StoreError) -> Response {
    answer::error(StatusCode::SERVICE_UNAVAILABLE, &error.to_string())
}

fn failed() -> Response {
    answer::error(StatusCode::INTERNAL_SERVER_ERROR, "it broke off; the log says why")
}
