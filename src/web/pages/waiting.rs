//! What waits for a human, by reason, and what he decides.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use minijinja::context;
use serde::Serialize;
use tracing::info;

use super::forms::Form;
use super::jobs::What;
use super::render::{Look, value};
use super::{Asked, Console, Shown, broken, to};
use crate::goodays::ResponseId;
use crate::operator::bulk::Unclear;
use crate::operator::{IfUnclear, ItemId, NoItem, Outcome, ParkedItem, reasons};
use crate::state::StoreError;
use crate::web::console::SHOWN;
use crate::workers::Fatal;

const HERE: &str = "/console/waiting";
/// The most items of one reason that the page lists. Its buttons for the whole reason act on all.
const LISTED: usize = 200;
/// More items than this are worked on behind a page that shows the progress.
const AT_ONCE: usize = 20;

/// All items of one reason.
#[derive(Serialize)]
struct Group {
    code: String,
    count: usize,
    /// The words of the newest one.
    why: String,
    advice: String,
    /// The agent settles it on his Case.
    is_the_agents: bool,
    unclear: bool,
    newest: String,
    oldest: String,
    items: Vec<ParkedItem>,
}

pub async fn page(State(console): State<Arc<Console>>, asked: Asked) -> Shown {
    let look = &asked.look;
    let items = parked(&console).await.map_err(|error| broken(look, &error))?;
    let groups = groups(look, items);
    let own = context! { title => look.t("nav-waiting"), groups => value(&groups) };
    Ok(look.page(StatusCode::OK, "waiting.html", own))
}

async fn parked(console: &Console) -> Result<Vec<ParkedItem>, StoreError> {
    console.shared().parked(SHOWN).await
}

/// The reason with the newest item first. What the agents settle comes last.
fn groups(look: &Look, mut items: Vec<ParkedItem>) -> Vec<Group> {
    items.sort_by(|a, b| b.since.cmp(&a.since));
    let mut groups: Vec<Group> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    for item in items {
        let place = *places.entry(item.reason_code.clone()).or_insert(groups.len());
        if place == groups.len() {
            groups.push(Group {
                code: item.reason_code.clone(),
                count: 0,
                why: look.say(&item.words),
                advice: look.say(&reasons::advice(&item.reason_code)),
                is_the_agents: reasons::is_the_agents(&item.reason_code),
                unclear: item.state == "unclear",
                newest: item.since.clone(),
                oldest: String::new(),
                items: Vec::new(),
            });
        }
        let group = &mut groups[place];
        group.count += 1;
        group.oldest.clone_from(&item.since);
        if group.items.len() < LISTED {
            group.items.push(item);
        }
    }
    groups.sort_by_key(|group| group.is_the_agents);
    groups
}

/// What the form asks for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wish {
    Retry,
    Drop,
}

/// Tries again or gives up: one item, the ticked ones, or all of a reason. Giving up asks first.
pub async fn act(State(console): State<Arc<Console>>, asked: Asked, request: Request) -> Shown {
    let form = console.form(&asked, request).await?;
    let look = &asked.look;
    let (wish, which) = match form.one("do").split_once('-') {
        Some(("retry", which)) => (Wish::Retry, which),
        Some(("drop", which)) => (Wish::Drop, which),
        _ => return Ok(to(HERE)),
    };
    let items = chosen(&console, &form, which).await.map_err(|error| broken(look, &error))?;
    if items.is_empty() {
        return Err(look.message(StatusCode::CONFLICT, look.t("waiting-none-chosen"), ""));
    }
    if let ([one], Wish::Retry) = (&items[..], wish)
        && one.state == "unclear"
    {
        return Ok(to(&format!("{HERE}/{}/send-again", one.id)));
    }
    if wish == Wish::Drop && form.one("sure") != "yes" {
        let own = context! { title => look.t("drop-title"), items => value(&items), which, reason => form.one("reason") };
        return Ok(look.page(StatusCode::OK, "confirm.html", own));
    }
    let unclear = if matches!(which, "all" | "chosen") { Unclear::LeaveAlone } else { Unclear::Drop };
    Ok(begin(&console, wish, unclear, items).await)
}

/// The items that a form means, as they wait now. `which`: `all` of a reason, the `chosen` ones, or the id of one.
async fn chosen(console: &Console, form: &Form, which: &str) -> Result<Vec<ParkedItem>, StoreError> {
    let mut items = parked(console).await?;
    let reason = form.one("reason");
    let ticked: std::collections::HashSet<&str> = form.all("id").collect();
    items.retain(|item| match which {
        "all" => item.reason_code == reason,
        "chosen" => ticked.contains(item.id.to_string().as_str()),
        id => item.id.to_string() == id,
    });
    Ok(items)
}

/// Starts the work. A few items are done at once; for many, a page shows the progress.
async fn begin(console: &Arc<Console>, wish: Wish, unclear: Unclear, items: Vec<ParkedItem>) -> Response {
    let few = items.len() <= AT_ONCE;
    let shared = console.shared();
    let done = Arc::new(AtomicUsize::new(0));
    let id = console.jobs.begin(What::Parked { done: done.clone(), total: items.len() }, async move {
        Ok::<_, Fatal>(match wish {
            Wish::Retry => serde_json::json!(shared.retry_each(&items, &done).await?),
            Wish::Drop => serde_json::json!(shared.drop_each(&items, unclear, &done).await?),
        })
    });
    if few {
        console.jobs.ended(id).await;
    }
    to(&format!("/console/jobs/{id}"))
}

/// Before something unclear is sent again: what Goodays has now. It asks for a word.
pub async fn ask(State(console): State<Arc<Console>>, asked: Asked, Path(id): Path<String>) -> Shown {
    look_first(&console, &asked.look, &id, false).await
}

async fn look_first(console: &Console, look: &Look, id: &str, wrong_word: bool) -> Shown {
    let items = parked(console).await.map_err(|error| broken(look, &error))?;
    let item = items.into_iter().find(|item| item.id.to_string() == id && item.state == "unclear");
    let Some(item) = item else {
        return Err(look.message(StatusCode::NOT_FOUND, look.t("waiting-gone"), ""));
    };
    let response = item.response_id.as_deref().and_then(|id| ResponseId::new(id).ok());
    let explained = match response {
        Some(response) => {
            console.shared().explain_response(&response).await.map_err(|error| broken(look, &error))?
        }
        None => None,
    };
    let goodays = explained.as_ref().map(|explained| match &explained.goodays {
        Ok(listed) => context! { state => listed.state.clone(), actions => listed.actions.clone() },
        Err(why) => context! { trouble => look.said(why) },
    });
    let own = context! {
        title => look.t("again-title"),
        why => look.say(&item.words),
        word => look.t("again-word"),
        item => value(&item),
        goodays,
        wrong_word,
    };
    Ok(look.page(StatusCode::OK, "again.html", own))
}

fn broken_off(look: &Look) -> Response {
    look.message(StatusCode::INTERNAL_SERVER_ERROR, look.t("message-broken"), look.t("job-broken"))
}

pub async fn send_again(
    State(console): State<Arc<Console>>,
    asked: Asked,
    Path(id): Path<String>,
    request: Request,
) -> Shown {
    let form = console.form(&asked, request).await?;
    let look = &asked.look;
    if form.one("word").trim() != look.t("again-word") {
        return look_first(&console, look, &id, true).await;
    }
    let gone = || look.message(StatusCode::CONFLICT, look.t("waiting-gone"), "");
    let item: ItemId = id.parse().map_err(|NoItem| gone())?;
    let (shared, shown) = (console.shared(), look.clone());
    // It is carried out even if the browser goes away.
    let work = tokio::spawn(async move {
        let outcome = shared.retry(item, IfUnclear::SendAgain).await?;
        shared.store.durable().await?;
        if outcome == Outcome::Done {
            info!(id = %item, page = "waiting", "an unclear action was sent again from the console");
        }
        Ok::<_, Fatal>(outcome)
    });
    let outcome = match work.await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(error)) => return Err(broken(look, &error)),
        Err(_) => return Err(broken_off(look)),
    };
    Ok(match outcome {
        Outcome::Done => shown.message(StatusCode::OK, look.t("again-done"), ""),
        Outcome::Arrived => shown.message(StatusCode::OK, look.t("again-arrived"), ""),
        Outcome::NotNow(why) => {
            shown.message(StatusCode::SERVICE_UNAVAILABLE, look.t("again-not-now"), look.said(&why))
        }
        Outcome::Confirm | Outcome::Unknown | Outcome::Damaged | Outcome::WrongState(_) => gone(),
    })
}
