//! Comparing both sides: what no webhook ever announced is imported (law 3).
//!
//! Everything that Goodays shows for the window is looked up in the ledger; what is missing or newer goes the
//! way of any event. It obeys perimeter, `when` and the first start (design, rule 14).

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::Notify;
use tracing::{debug, info, warn};

use super::retry::millis;
use super::{Contact, Fatal, Hands, Shared, Step};
use crate::goodays::event::Response;
use crate::http::Failure;
use crate::plan::Link;
use crate::plan::inbound::freshness;
use crate::store::{RKey, Receipt, StoreError};

#[derive(Default)]
pub struct Sweeper {
    next_ms: Option<i64>,
}

/// What a sweep looks at.
#[derive(Debug, Clone, Copy)]
pub struct SweepOptions {
    pub since: Timestamp,
    /// List only.
    pub dry_run: bool,
}

/// What a sweep found.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct SweepReport {
    pub looked_at: usize,
    /// Responses that Salesforce lacks, or lacks messages of.
    pub missing: Vec<String>,
    /// Of those, how many were taken in.
    pub repaired: usize,
    /// Answers that agents gave and that are not at Goodays: parked, unclear or waiting.
    pub unanswered: Vec<String>,
}

impl Hands for Sweeper {
    const NAME: &'static str = "sweep";

    fn wake<'s>(&self, shared: &'s Shared) -> &'s Notify {
        &shared.sweep
    }

    async fn step(&mut self, shared: &Shared) -> Result<Step, Fatal> {
        let Some(every) = shared.config.sweep.every else { return Ok(Step::Idle { until_ms: None }) };
        let now_ms = shared.clock.now_ms();
        let next_ms = *self.next_ms.get_or_insert(now_ms + millis(every));
        if now_ms < next_ms {
            return Ok(Step::Idle { until_ms: Some(next_ms) });
        }
        let since = now_ms - millis(shared.config.sweep.window);
        let since = Timestamp::from_millisecond(since).unwrap_or_default();
        match shared.sweep(SweepOptions { since, dry_run: false }).await? {
            Ok(report) => {
                info!(looked_at = report.looked_at, missing = report.missing.len(), "swept");
                self.next_ms = Some(now_ms + millis(every));
            }
            Err(failure) => {
                warn!(%failure, "the sweep broke off; it is tried again");
                self.next_ms = Some(now_ms + millis(every).min(60_000));
            }
        }
        Ok(Step::Idle { until_ms: self.next_ms })
    }
}

impl Shared {
    pub async fn sweep(&self, options: SweepOptions) -> Result<Result<SweepReport, Failure>, Fatal> {
        let contact = match self.contact().await {
            Ok(contact) => contact,
            Err(failure) => return Ok(Err(failure)),
        };
        let mut report = SweepReport::default();
        let mut next = None;
        loop {
            let began_ms = self.clock.now_ms();
            let result = self.goodays.bulk(options.since, None, next.take()).await;
            self.goodays_said(&result, began_ms);
            let page = match result {
                Ok(page) => page,
                Err(failure) => return Ok(Err(failure)),
            };
            for item in page.items {
                self.sweep_one(&contact, &item, options.dry_run, &mut report)?;
            }
            match page.next {
                Some(url) => next = Some(url),
                None => break,
            }
        }
        self.ask_dashboard().await;
        if report.repaired > 0 {
            self.store.durable().await?;
            self.wake_all();
        }
        report.unanswered = self.unanswered()?;
        Ok(Ok(report))
    }

    /// What Goodays itself counts as waiting, to be compared with our own count.
    async fn ask_dashboard(&self) {
        match self.goodays.dashboard().await {
            Ok(waiting) => {
                let sum = waiting.pending_alert + waiting.pending_reply;
                self.dashboard.store(std::sync::Arc::new(Some(sum)));
            }
            Err(failure) => debug!(%failure, "no dashboard"),
        }
    }

    fn sweep_one(
        &self,
        contact: &Contact,
        item: &Value,
        dry_run: bool,
        report: &mut SweepReport,
    ) -> Result<(), StoreError> {
        let Ok(response) = Response::from_value(item) else { return Ok(()) };
        report.looked_at += 1;
        let rkey = RKey::of(&response.id);
        let link = self.store.link(rkey)?;
        if !lacks(link.as_ref(), &response, contact.first_start_ms) || !self.wants(link.as_ref(), &response) {
            return Ok(());
        }
        if !self.store.waiting(rkey)?.entries.is_empty() {
            return Ok(());
        }
        report.missing.push(response.id.to_string());
        if dry_run {
            return Ok(());
        }
        let now_ms = self.clock.now_ms();
        // The time makes it an event of its own: what an earlier sweep brought may have been skipped.
        let body = json!({ "event_type": "sweep", "swept_ms": now_ms, "response": response.raw }).to_string();
        if let Receipt::Accepted { .. } =
            self.store.receive(body.as_bytes(), "sweep", &Ok(response.id.clone()), now_ms)?
        {
            self.counts.pending.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            report.repaired += 1;
        }
        Ok(())
    }

    fn wants(&self, link: Option<&Link>, response: &Response) -> bool {
        if link.is_some_and(|l| l.case.is_some()) {
            return true;
        }
        let held = self.desk();
        let facts = crate::mapping::Facts::new("response", &response.raw);
        held.desk().perimeter.holds(response) && !matches!(held.mapping.case_mapping(&facts), Ok(None))
    }

    /// Answers that have not reached Goodays, by response id.
    fn unanswered(&self) -> Result<Vec<String>, StoreError> {
        let open = self.store.all_open_intents()?;
        let mut ids: Vec<String> = open.iter().map(|i| i.response_id.to_string()).collect();
        let parked = self.parked(10_000)?;
        ids.extend(parked.into_iter().filter(|p| p.kind == "action").filter_map(|p| p.response_id));
        ids.sort();
        ids.dedup();
        Ok(ids)
    }
}

/// Whether the ledger lacks something of what Goodays shows.
fn lacks(link: Option<&Link>, response: &Response, first_start_ms: i64) -> bool {
    if super::mutant::is_on("skip-sweep") {
        return false;
    }
    match link {
        None => freshness(response).newest >= first_start_ms,
        Some(link) if link.case.is_none() && link.gone.is_empty() => true,
        Some(link) => response.turns.iter().any(|t| !link.knows(&t.id)),
    }
}
