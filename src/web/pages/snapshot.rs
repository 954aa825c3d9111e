//! What the pages show of the daemon, read at most every two seconds, however many browsers look.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;
use tokio::sync::Mutex;

use crate::minutes::Minute;
use crate::operator::findings::Finding;
use crate::operator::status::Status;
use crate::state::StoreError;
use crate::workers::{Forecast, Shared};

/// How old a snapshot may be.
pub const FRESH_MS: i64 = 2_000;

/// The daemon at one moment.
pub struct Snapshot {
    /// When it was read (milliseconds, our clock).
    pub now_ms: i64,
    /// What `/status` says.
    pub status: Value,
    pub findings: Vec<Finding>,
    pub forecast: Forecast,
    /// What happened in the last hour, but for the minute that runs.
    pub last_hour: Minute,
    /// Calls to Salesforce by the hour.
    pub hours: BTreeMap<i64, u64>,
}

/// The newest snapshot.
pub struct Snapshots {
    started_ms: i64,
    last: Mutex<Option<Arc<Snapshot>>>,
}

impl Snapshots {
    pub fn new(started_ms: i64) -> Self {
        Self { started_ms, last: Mutex::new(None) }
    }

    /// A snapshot that is not older than [`FRESH_MS`].
    pub async fn get(&self, shared: &Shared) -> Result<Arc<Snapshot>, StoreError> {
        let mut last = self.last.lock().await;
        let now_ms = shared.clock.now_ms();
        if let Some(snapshot) = last.as_ref().filter(|snapshot| now_ms < snapshot.now_ms + FRESH_MS) {
            return Ok(snapshot.clone());
        }
        let status = Status::read(shared, self.started_ms).await?;
        let findings = status.findings(shared).await?;
        let snapshot = Arc::new(Snapshot {
            now_ms,
            status: status.show(shared, &findings),
            findings,
            forecast: shared.budget.forecast(now_ms).await,
            last_hour: shared.minutes.since(now_ms.div_euclid(60_000) - 60),
            hours: shared.budget.hours().await,
        });
        *last = Some(snapshot.clone());
        Ok(snapshot)
    }
}
