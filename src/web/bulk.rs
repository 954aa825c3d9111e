//! An operator's requests for many items: all that are parked for one reason, or all that an edited rule matches.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use tracing::info;

use super::admin::AdminContext;
use super::answer;
use super::console::{Answer, SHOWN, through};
use crate::operator::{ApplyOptions, Place, RetryOutcome};
use crate::workers::{Fatal, Shared};

/// State of an action that may or may not have reached the customer.
const UNCLEAR: &str = "unclear";

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Which {
    /// Reason code; required for a drop.
    reason: Option<String>,
}

pub async fn retry_all(State(context): State<Arc<AdminContext>>, request: Request) -> Answer {
    let which: Which = context.wish(request).await?;
    let shared = context.shared();
    let tally = through(async move { Ok(retry_each(&shared, which.reason.as_deref()).await?) }).await?;
    Ok(answer::json(StatusCode::OK, tally))
}

/// Leaves unclear actions alone: each needs its own confirmation.
async fn retry_each(shared: &Shared, reason: Option<&str>) -> Result<Value, Fatal> {
    let (mut retrying, mut delivered, mut confirm, mut refused, mut not_now) = (0, 0, 0, 0, 0);
    for item in shared.parked(SHOWN).await? {
        if reason.is_some_and(|reason| reason != item.reason_code) {
            continue;
        }
        if item.state == UNCLEAR {
            confirm += 1;
            continue;
        }
        match shared.retry(&item.id, false).await? {
            RetryOutcome::Again => retrying += 1,
            RetryOutcome::Arrived => delivered += 1,
            RetryOutcome::Confirm => confirm += 1,
            RetryOutcome::Unknown | RetryOutcome::WrongState(_) => refused += 1,
            RetryOutcome::NotNow(_) => not_now += 1,
        }
    }
    shared.store.durable().await?;
    info!(retrying, delivered, confirm, refused, not_now, "all retried by hand");
    Ok(json!({
        "retrying": retrying,
        "delivered": delivered,
        "confirm": confirm,
        "refused": refused,
        "not_now": not_now,
    }))
}

pub async fn drop_all(State(context): State<Arc<AdminContext>>, request: Request) -> Answer {
    let which: Which = context.wish(request).await?;
    let Some(reason) = which.reason.filter(|reason| !reason.is_empty()) else {
        let words = "`reason` is needed: a reason code of /parked";
        return Err(answer::error(StatusCode::BAD_REQUEST, words));
    };
    let shared = context.shared();
    let tally = through(async move { Ok(drop_each(&shared, &reason).await?) }).await?;
    Ok(answer::json(StatusCode::OK, tally))
}

/// Leaves unclear actions alone: they may have reached a customer, so a human has to check each.
async fn drop_each(shared: &Shared, reason: &str) -> Result<Value, Fatal> {
    let (mut dropped, mut unclear, mut refused) = (0, 0, 0);
    for item in shared.parked(SHOWN).await?.iter().filter(|item| item.reason_code == reason) {
        if item.state == UNCLEAR {
            unclear += 1;
            continue;
        }
        match shared.drop_parked(&item.id).await? {
            RetryOutcome::Again => dropped += 1,
            _ => refused += 1,
        }
    }
    shared.store.durable().await?;
    info!(dropped, unclear, refused, reason, "all of one reason dropped by hand");
    Ok(json!({ "dropped": dropped, "unclear": unclear, "refused": refused }))
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
    let shared = context.shared();
    let applied = through(async move { shared.apply_actions(ApplyOptions { dry_run, after }).await }).await?;
    Ok(answer::json(StatusCode::OK, json!(applied)))
}
