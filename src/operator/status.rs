//! The status for humans (`/status`) and for monitoring (`/metrics`).

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::config::Actions;
use crate::operator::findings::{Facts, Finding, findings};
use crate::operator::reasons;
use crate::state::{Counters, Outbox, StoreError};
use crate::workers::{Shared, Standing, Trouble};

/// Rows are counted up to this number.
const COUNTED: usize = 10_000;
/// How long before its end a parked item is announced (milliseconds).
const SOON_MS: i64 = 7 * 86_400_000;
/// Maximum number of refused fields in `/status`; the metrics have all.
const FIELDS: usize = 50;

/// Values that are read for each request.
pub struct Status {
    now_ms: i64,
    started_ms: i64,
    counters: Counters,
    inbox_parked: usize,
    oldest_event_ms: Option<i64>,
    outbox: Outbox,
    unprocessed: usize,
    /// Age in seconds of the oldest unprocessed response, by Goodays' clock; none while that clock is not known.
    oldest_unprocessed: Option<i64>,
    calls: (u64, u64),
}

impl Status {
    pub async fn read(shared: &Shared, started_ms: i64) -> Result<Self, StoreError> {
        let now_ms = shared.clock.now_ms();
        let calls = shared.budget.today(now_ms).await;
        // What another instance did is not counted in this one's memory.
        let common = shared.store.is_common();
        let counters = if common { shared.store.counters().await? } else { shared.counts.now() };
        let figures = shared.store.figures(COUNTED).await?;
        let (unprocessed, oldest) = figures.unprocessed;
        let waits = oldest.zip(shared.goodays.now()).map(|(at, now)| now.millis_since(at).max(0) / 1000);
        Ok(Self {
            now_ms,
            started_ms,
            counters,
            inbox_parked: figures.parked_events,
            oldest_event_ms: figures.oldest_waiting_ms,
            outbox: figures.outbox,
            unprocessed,
            oldest_unprocessed: waits,
            calls,
        })
    }

    /// What is not as it should be. Reads the reasons of what is parked.
    pub async fn findings(&self, shared: &Shared) -> Result<Vec<Finding>, StoreError> {
        let edits = shared.edits.load();
        Ok(findings(&Facts {
            refusing: shared.accepting().err().map(|error| error.to_string()),
            salesforce: shared.salesforce_breaker.trouble(),
            goodays: shared.goodays_breaker.trouble(),
            poll: (**shared.poll_state.trouble.load()).clone(),
            sweep: (**shared.sweep_trouble.load()).clone(),
            users: shared.trouble_with_users(),
            polls_stopped: shared.budget.polls_wait(self.calls.0),
            unclear: self.outbox.unclear,
            parked: self.parked_for_operators(shared).await?,
            mapping_refused: !shared.mapping_trouble.load().is_empty(),
            rule_failure: (**shared.rule_failure.load()).clone(),
            configuration_refused: edits.refused.is_some(),
            secrets: edits.secrets.clone(),
            waits_for_restart: edits.waiting.clone(),
        }))
    }

    /// What is parked, without what agents see on their Cases and settle there.
    async fn parked_for_operators(&self, shared: &Shared) -> Result<usize, StoreError> {
        if self.inbox_parked + self.outbox.parked == 0 {
            return Ok(0);
        }
        let codes = shared.parked_codes(COUNTED).await?;
        Ok(codes.iter().filter(|code| !reasons::is_the_agents(code)).count())
    }

    /// `/status`: the numbers, and the findings in English.
    pub fn show(&self, shared: &Shared, findings: &[Finding]) -> Value {
        let actions = match shared.live().actions {
            Actions::Send => "send",
            Actions::Observe => "observe",
        };
        let completed = **shared.poll_state.last_completed_ms.load();
        let org = shared.budget.meter.org_usage();
        let led = shared.salesforce_led();
        let edits = shared.edits.load();
        let refusing = shared.accepting().err().map(|error| error.to_string());
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "uptime_seconds": seconds(self.started_ms, self.now_ms),
            "actions": actions,
            "accepting": refusing.is_none(),
            "refusing": refusing,
            "ready": shared.is_ready(),
            "findings": findings.iter().map(Finding::json).collect::<Value>(),
            "inbox": {
                "pending": self.counters.pending,
                "parked": self.inbox_parked,
                "done": self.counters.done.iter().sum::<u64>(),
                "oldest_seconds": self.oldest_event_ms.map(|at| seconds(at, self.now_ms)),
            },
            "outbox": {
                "pending": self.outbox.pending,
                "unclear": self.outbox.unclear,
                "parked": self.outbox.parked,
                "delivered": self.counters.delivered,
            },
            "poll": {
                "last_completed": completed.and_then(rfc3339),
                "lag_seconds": poll_lag(shared, self.now_ms),
                "trouble": &**shared.poll_state.trouble.load(),
                "rows_ahead_of_clock": shared.poll_state.ahead.load().map(|at| at.to_string()),
                "stopped_by_budget": shared.budget.polls_wait(self.calls.0),
            },
            "salesforce": {
                "api_calls_today": self.calls.0,
                "api_calls_allowed": self.calls.1,
                "org_calls_today": org.map(|(used, _)| used),
                "org_calls_allowed": org.map(|(_, allowed)| allowed),
                "login_leads_to": led.map(|led| json!({ "host": led.instance, "org": led.org, "user": led.user })),
                "trouble": shared.salesforce_breaker.trouble().map(|t| trouble(&t)),
            },
            "goodays": { "trouble": shared.goodays_breaker.trouble().map(|t| trouble(&t)) },
            "unprocessed": {
                "count": self.unprocessed,
                "goodays_dashboard": **shared.figures.dashboard.load(),
                "oldest_seconds": self.oldest_unprocessed,
            },
            "figures": shared.figures.show(),
            "mapping": {
                "version": shared.mapping().version(),
                "trouble": shared.mapping_refusal(),
            },
            "configuration": {
                "refused": edits.refused,
                "secrets": edits.secrets,
                "waits_for_restart": edits.waiting,
            },
            "fields_refused": shared.metrics.dropped().into_iter().take(FIELDS).map(|(field, code, count)| {
                json!({ "field": field, "code": code, "count": count })
            }).collect::<Value>(),
            "instances": shared.standing.load().as_deref().map(Standing::show),
            "state": { "disk_bytes": shared.store.disk_bytes(), "parked_until": self.parked_until(shared) },
        })
    }

    /// When the first parked item is dropped, from a week before.
    fn parked_until(&self, shared: &Shared) -> Option<String> {
        let ends_ms = shared.parked_ends_ms.load().filter(|ends_ms| *ends_ms - self.now_ms <= SOON_MS)?;
        rfc3339(ends_ms)
    }

    /// Sets the gauges that tell what is stored.
    pub fn gauge(&self, shared: &Shared) {
        let m = &shared.metrics;
        m.inbox_pending.set(self.counters.pending.cast_signed());
        m.inbox_parked.set(whole(self.inbox_parked));
        m.oldest_event.set(self.oldest_event_ms.map_or(0, |at| seconds(at, self.now_ms)));
        m.outbox_pending.set(whole(self.outbox.pending));
        m.outbox_unclear.set(whole(self.outbox.unclear));
        m.outbox_parked.set(whole(self.outbox.parked));
        m.unprocessed.set(whole(self.unprocessed));
        if let Some(count) = **shared.figures.dashboard.load() {
            m.unprocessed_dashboard.set(i64::try_from(count).unwrap_or(i64::MAX));
        }
        m.unprocessed_oldest.set(self.oldest_unprocessed.unwrap_or_default());
        m.calls.set(self.calls.0.cast_signed());
        m.calls_allowed.set(self.calls.1.cast_signed());
        if let Some(bytes) = shared.store.disk_bytes() {
            #[expect(clippy::cast_precision_loss, reason = "bytes on a disk")]
            m.used_disk.set(bytes as f64);
        }
    }
}

/// Sets the gauges that need no store: they tell what is so also while the store is away.
pub fn gauge_process(shared: &Shared) {
    let (m, now_ms) = (&shared.metrics, shared.clock.now_ms());
    m.poll_lag.set(poll_lag(shared, now_ms));
    m.poll_last.set(shared.poll_state.last_completed_ms.load().map_or(0, |at| at / 1000));
    // An instance that does not work calls nobody.
    let waits = !shared.works;
    m.salesforce_up.set((waits || shared.salesforce_breaker.is_well()).into());
    // Goodays may not have been called yet, so no failure counts as up.
    m.goodays_up.set((waits || shared.goodays_breaker.trouble().is_none()).into());
    m.mapping_files_refused.set((!shared.mapping_trouble.load().is_empty()).into());
    let edits = shared.edits.load();
    m.configuration_refused.set((edits.refused.is_some() || edits.secrets.is_some()).into());
    m.configuration_waits.set(whole(edits.waiting.len()));
    m.observing.set((shared.live().actions == Actions::Observe).into());
    // Whoever has lost the database has stopped working.
    let standing = shared.standing.load_full();
    let leads = standing.as_ref().is_none_or(|standing| standing.leader.is_some());
    m.leader.set((shared.works && leads).into());
    if let Some(standing) = standing {
        m.epoch.set(standing.epoch.unwrap_or_default());
        m.store_round_trip.set(standing.round_trip);
    }
}

/// Seconds since the last completed poll, or since this instance began to work if there was none.
fn poll_lag(shared: &Shared, now_ms: i64) -> i64 {
    if !shared.works {
        return 0;
    }
    seconds(shared.poll_state.last_completed_ms.load().unwrap_or(shared.began_ms), now_ms)
}

/// A remote's failure, with times in RFC 3339.
pub fn trouble(trouble: &Trouble) -> Value {
    json!({
        "code": trouble.code,
        "advice": trouble.advice,
        "since": rfc3339(trouble.since_ms),
        "retry_at": rfc3339(trouble.retry_at_ms),
    })
}

fn seconds(from_ms: i64, to_ms: i64) -> i64 {
    (to_ms - from_ms).max(0) / 1000
}

fn rfc3339(ms: i64) -> Option<String> {
    Timestamp::from_millisecond(ms).ok().map(|at| at.to_string())
}

fn whole(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::workers::Standing;

    /// One that works has not logged in to Salesforce before its first call: that counts as down.
    #[tokio::test]
    async fn f01_an_instance_that_waits_raises_no_alarm() {
        let dir = tempfile::tempdir().unwrap();
        let works = crate::workers::runtime::worker::tests::shared(dir.path()).await;
        let mut works = Arc::into_inner(works).unwrap();
        let waits = Shared::waiting(works.process.clone(), works.store.clone()).await.unwrap();
        works.began_ms -= 3_600_000;
        let mut seen = Vec::new();
        for shared in [works, waits] {
            gauge_process(&shared);
            let m = &shared.metrics;
            seen.push([m.leader.get(), m.salesforce_up.get(), m.goodays_up.get(), m.poll_lag.get().min(1)]);
        }
        assert_eq!(seen, [[1, 0, 1, 1], [0, 1, 1, 0]]);
    }

    /// It waited for an hour, and has not polled yet.
    #[tokio::test]
    async fn the_poll_lag_of_a_new_leader_begins_with_its_work() {
        let dir = tempfile::tempdir().unwrap();
        let works = crate::workers::runtime::worker::tests::shared(dir.path()).await;
        let an_hour_ago_ms = works.clock.now_ms() - 3_600_000;
        gauge_process(&works);
        let status = Status::read(&works, an_hour_ago_ms).await.unwrap().show(&works, &[]);
        let lag_seconds = status["poll"]["lag_seconds"].as_i64().unwrap();
        assert!(lag_seconds < 3600 && works.metrics.poll_lag.get() < 3600, "{lag_seconds}");
    }

    #[tokio::test]
    async fn who_has_lost_the_database_does_not_lead() {
        let dir = tempfile::tempdir().unwrap();
        let shared = crate::workers::runtime::worker::tests::shared(dir.path()).await;
        for (leader, leads) in [(Some("me".to_owned()), 1), (None, 0)] {
            shared.standing.store(Some(Arc::new(Standing { leader, ..Standing::default() })));
            gauge_process(&shared);
            assert_eq!(shared.metrics.leader.get(), leads);
        }
    }
}
