//! An operator's requests for many items: all that are parked for one reason, or all that an edited rule matches.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::json;

use super::admin::AdminContext;
use super::answer;
use super::console::{Answer, SHOWN, through};
use crate::operator::bulk::Unclear;
use crate::operator::{ApplyOptions, ParkedItem, Place};

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Which {
    /// Reason code; required for a drop.
    reason: Option<String>,
    /// Only these of them: a caller asks for a few at a time and shows its progress.
    ids: Option<HashSet<String>>,
}

impl Which {
    fn means(&self, item: &ParkedItem) -> bool {
        self.reason.as_ref().is_none_or(|reason| *reason == item.reason_code)
            && self.ids.as_ref().is_none_or(|ids| ids.contains(&item.id.to_string()))
    }
}

pub async fn retry_all(State(context): State<Arc<AdminContext>>, request: Request) -> Answer {
    let which: Which = context.wish(request).await?;
    let shared = context.shared();
    let tally = through(async move {
        let mut items = shared.parked(SHOWN).await?;
        items.retain(|item| which.means(item));
        Ok(shared.retry_each(&items, &AtomicUsize::new(0)).await?)
    });
    Ok(answer::json(StatusCode::OK, json!(tally.await?)))
}

pub async fn drop_all(State(context): State<Arc<AdminContext>>, request: Request) -> Answer {
    let which: Which = context.wish(request).await?;
    if which.reason.as_deref().is_none_or(str::is_empty) {
        let words = "`reason` is needed: a reason code of /parked";
        return Err(answer::error(StatusCode::BAD_REQUEST, words));
    }
    let shared = context.shared();
    let tally = through(async move {
        let mut items = shared.parked(SHOWN).await?;
        items.retain(|item| which.means(item));
        Ok(shared.drop_each(&items, Unclear::LeaveAlone, &AtomicUsize::new(0)).await?)
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
    context.works()?;
    let shared = context.shared();
    let applied = through(async move { shared.apply_actions(ApplyOptions { dry_run, after }).await }).await?;
    Ok(answer::json(StatusCode::OK, json!(applied)))
}
