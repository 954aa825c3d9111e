//! Is anything missing? Compares both sides, as the command `sweep`; its page shows how far it is.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use serde_json::json;
use tracing::info;

use super::jobs::What;
use super::{Asked, Console, Shown, to};
use crate::workers::{Stop, SweepOptions, SweepProgress};

/// Begins with the configured window (`sweep.window`).
pub async fn begin(State(console): State<Arc<Console>>, asked: Asked, request: Request) -> Shown {
    console.form(&asked, request).await?;
    let look = &asked.look;
    let shared = console.shared();
    if let Some(there) = shared.works_elsewhere() {
        return Err(look.message(StatusCode::CONFLICT, look.t("sweep-not-here"), look.said(&there)));
    }
    let Ok(since) = shared.goodays_now().checked_sub(shared.config.sweep.window) else {
        return Ok(to("/console"));
    };
    info!(page = "overview", "a sweep was begun from the console");
    let progress = Arc::new(SweepProgress::default());
    let id = console.jobs.begin(What::Sweep(progress.clone()), async move {
        let options = SweepOptions { since, named: false, dry_run: false };
        let report = shared.sweep_telling(options, &progress).await?;
        Ok::<_, Stop>(json!({
            "looked_at": report.looked_at,
            "missing": report.missing_count,
            "repaired": report.repaired,
            "unanswered": report.unanswered_count,
            "unreadable": report.unreadable,
            "without_end": report.lists_without_end,
        }))
    });
    Ok(to(&format!("/console/jobs/{id}")))
}
