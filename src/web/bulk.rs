//! An operator's requests for many items: all that are parked for one reason, or all that an edited rule matches.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::json;

use super::admin::AdminContext;
use super::answer;
use super::console::{Answer, SHOWN, through};
use crate::operator::{ApplyOptions, Place};

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Which {
    /// Reason code; required for a drop.
    reason: Option<String>,
}

pub async fn retry_all(State(context): State<Arc<AdminContext>>, request: Request) -> Answer {
    let which: Which = context.wish(request).await?;
    let shared = context.shared.clone();
    let tally = through(async move {
        let mut items = shared.parked(SHOWN)?;
        items.retain(|item| which.reason.as_ref().is_none_or(|reason| *reason == item.reason_code));
        Ok(shared.retry_each(&items, &AtomicUsize::new(0)).await?)
    });
    Ok(answer::json(StatusCode::OK, json!(tally.await?)))
}

pub async fn drop_all(State(context): State<Arc<AdminContext>>, request: Request) -> Answer {
    let which: Which = context.wish(request).await?;
    let Some(reason) = which.reason.filter(|reason| !reason.is_empty()) else {
        let words = "`reason` is needed: a reason code of /parked";
        return Err(answer::error(StatusCode::BAD_REQUEST, words));
    };
    let shared = context.shared.clone();
    let tally = through(async move {
        let mut items = shared.parked(SHOWN)?;
        items.retain(|item| item.reason_code == reason);
        Ok(shared.drop_each(&items, &AtomicUsize::new(0)).await?)
    });
    Ok(answer::json(StatusCode::OK, json!(tally.await?)))
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Apply {
    dry_run: bool,
    /// The `next` of the previous response.
    after: Option<Place>,
}

/// Applies the rules to a few pages only, so that no call takes long. The response's `next` is where the next call
/// continues.
pub async fn apply_actions(State(context): State<Arc<AdminContext>>, request: Request) -> Answer {
    let Apply { dry_run, after } = context.wish(request).await?;
    let shared = context.shared.clone();
    let applied = through(async move { shared.apply_actions(ApplyOptions { dry_run, after }).await }).await?;
    Ok(answer::json(StatusCode::OK, json!(applied)))
}
