//! Keeps the minutes of the last day over restarts: one small record for each hour, written now and then. Of several
//! instances the one that works keeps them; what comes in at the doors of the others it adds to its own.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tracing::debug;

use crate::minutes::{Hour, Minute, Minutes};
use crate::state::{Store, StoreError};
use crate::workers::runtime::retry::millis;
use crate::workers::{Fatal, Shared, Step, Worker};

const MINUTE_MS: i64 = 60_000;
const HOUR: i64 = 60;
/// Hours that are stored. A record is used again for the hour a day and an hour later.
const HOURS: i64 = 25;
/// How often the running hour is written.
const EVERY: i64 = 10;

/// Accepted webhooks by the hour.
const RECEIVED: &str = "received by hour";
/// Webhooks that were accepted by instances that wait, until the one that works has added them to its minutes.
const ELSEWHERE: &str = "received elsewhere";
/// How often an instance that waits looks whether a minute has passed.
const LOOK: Duration = Duration::from_secs(1);

/// Tells the one that works what came in at the door of an instance that waits: once a minute, if there was anything.
#[derive(Default)]
pub struct DoorCount {
    told_ms: i64,
}

impl Worker for DoorCount {
    const NAME: &'static str = "door count";

    fn wake<'s>(&self, shared: &'s Shared) -> &'s Notify {
        &shared.upkeep
    }

    async fn step(&mut self, shared: &Arc<Shared>) -> Result<Step, Fatal> {
        let now_ms = shared.clock.now_ms();
        if now_ms >= self.told_ms + MINUTE_MS {
            self.told_ms = now_ms;
            let received = shared.metrics.tally.take_received();
            // Not counted again after an error: it may have been added.
            if received > 0
                && let Err(error) = shared.store.add_to_number(ELSEWHERE, received).await
            {
                debug!(%error, received, "the webhooks of this minute are not counted");
            }
        }
        Ok(Step::Idle { until_ms: Some(now_ms + millis(LOOK)) })
    }
}

/// What is not written yet.
#[derive(Default)]
pub(super) struct Keeping {
    /// The hours with new rows.
    changed: Vec<i64>,
    written: i64,
}

impl Keeping {
    /// The counts of the last minute become a row. About every ten minutes, the rows are written.
    pub(super) async fn turn(&mut self, shared: &Shared, now_ms: i64) -> Result<(), StoreError> {
        let minute = now_ms.div_euclid(MINUTE_MS);
        let hour = minute.div_euclid(HOUR);
        let elsewhere = Minute::of_received(shared.store.take_number(ELSEWHERE).await?);
        let row = shared.metrics.tally.take().and(elsewhere);
        if shared.minutes.add(minute, row) && !self.changed.contains(&hour) {
            self.changed.push(hour);
        }
        if minute >= self.written + EVERY {
            for hour in self.changed.drain(..) {
                save(shared, hour).await?;
            }
            self.written = minute;
        }
        Ok(())
    }
}

fn name(hour: i64) -> String {
    format!("minutes {}", hour.rem_euclid(HOURS))
}

async fn save(shared: &Shared, hour: i64) -> Result<(), StoreError> {
    shared.store.set_meta(&name(hour), &shared.minutes.hour(hour)).await?;
    shared.store.set_meta(RECEIVED, &shared.minutes.received_by_hour()).await
}

/// Writes what was not written yet, before the process ends.
pub(crate) async fn save_last(shared: &Shared) -> Result<(), StoreError> {
    let minute = shared.clock.now_ms().div_euclid(MINUTE_MS);
    shared.minutes.add(minute, shared.metrics.tally.take());
    let hour = minute.div_euclid(HOUR);
    for hour in [hour - 1, hour] {
        if !shared.minutes.hour(hour).is_empty() {
            save(shared, hour).await?;
        }
    }
    Ok(())
}

/// The stored minutes of the last day.
pub(crate) async fn read(store: &Store, now_ms: i64) -> Result<Minutes, StoreError> {
    let names: Vec<String> = (0..HOURS).map(name).collect();
    let hours: Vec<Hour> = store.metas(&names).await?.into_iter().flatten().collect();
    let received = store.meta(RECEIVED).await?.unwrap_or_default();
    Ok(Minutes::of(hours, received, now_ms.div_euclid(MINUTE_MS)))
}
