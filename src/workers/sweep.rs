//! The sweep compares both sides: what no webhook announced is imported (law 3).
//!
//! Each response that Goodays shows for the window is looked up in the ledger. What is missing or newer is queued as
//! an event. It follows perimeter, `when` and the first start (design, rule 14).
//!
//! Goodays lists by the date of the feedback, and no page says that a private message changes any date (Goodays
//! reference, 5.3). So each scheduled sweep also reads a piece of the weeks before its window, the newest first: a
//! message that was lost on older feedback is found when its piece is read.

mod progress;
mod schedule;

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use tracing::warn;
use url::Url;

use crate::decide::Link;
use crate::decide::inbound::freshness;
use crate::goodays::ResponseId;
use crate::goodays::bulk::{BULK_PAGE, BulkQuery, Page};
use crate::goodays::event::{self, Message, Response, Whose};
use crate::http::{Failure, Trail};
use crate::json;
use crate::state::{EntryState, RKey, Receipt, StoreError};
use crate::time::{CARRIED_MS, GoodaysTime, credible, salesforce_to_goodays};
use crate::workers::runtime::page_size::PageSize;
use crate::workers::{Fatal, Remote, Shared, Stop};
use progress::Dates;
pub use progress::{HowFar, SweepProgress};
pub use schedule::Sweeper;
use schedule::{OLDER, Reached};

/// The name of the events that a sweep queues.
pub(crate) const SWEEP: &str = "sweep";
/// Empty pages in a row after which a list counts as endless.
const MAX_EMPTY_PAGES: u32 = 20;
/// Stored events of one response that are looked at.
const ENTRIES: usize = 400;
/// How many responses are listed; the rest is only counted.
const LISTED: usize = 1000;
/// How many waiting actions are counted at most.
const COUNTED: usize = 10_000;

/// What a sweep reads.
#[derive(Debug, Clone, Copy)]
pub struct SweepOptions {
    pub since: Timestamp,
    /// A human chose `since`. After a loss of state it may then be before the first start: what was written between
    /// the loss and that start is nowhere else.
    pub named: bool,
    /// List only.
    pub dry_run: bool,
}

/// What a sweep found; lists have the first thousand.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct SweepReport {
    pub looked_at: usize,
    /// Shown by Goodays without a readable id, or too large to read.
    pub unreadable: usize,
    /// Responses that Salesforce lacks, or whose messages it lacks.
    pub missing: Vec<String>,
    pub missing_count: usize,
    /// How many of those were queued as events.
    pub repaired: usize,
    /// Lists of Goodays that led back to a page read before: later pages were not compared.
    pub lists_without_end: usize,
    /// Responses with an answer of an agent that is not at Goodays: parked, unclear or waiting.
    pub unanswered: Vec<String>,
    pub unanswered_count: usize,
}

impl SweepReport {
    fn lists(&mut self, response: &Response) {
        self.missing_count += 1;
        if self.missing.len() < LISTED {
            self.missing.push(response.id.to_string());
        }
    }
}

/// A sweep in progress, page by page.
struct Sweep {
    /// From and until, by the date of the feedback; the last one is being read.
    spans: Vec<(Timestamp, Option<Timestamp>)>,
    next: Option<Url>,
    size: PageSize<BULK_PAGE>,
    /// Pages of the current span that were read.
    trail: Trail,
    empty_pages: u32,
    /// How far it is.
    reached: Reached,
    /// Dates of the feedback of the current span.
    dates: Dates,
    named: bool,
    dry_run: bool,
    report: SweepReport,
}

impl Sweep {
    fn new(spans: Vec<(Timestamp, Option<Timestamp>)>, dry_run: bool) -> Self {
        Self {
            spans,
            next: None,
            size: PageSize::default(),
            trail: Trail::default(),
            empty_pages: 0,
            reached: Reached::default(),
            dates: Dates::default(),
            named: false,
            dry_run,
            report: SweepReport::default(),
        }
    }

    /// Moves on to the next page. True when the list leads back, by its address or by its content: a circle would be
    /// read forever.
    fn leads_back(&mut self, page: &Page) -> bool {
        self.empty_pages = if page.items.is_empty() { self.empty_pages + 1 } else { 0 };
        let items = || serde_json::to_vec(&page.items).unwrap_or_default();
        let held_before = !page.items.is_empty() && !self.trail.is_new(&items());
        let next_before = page.next.as_ref().is_some_and(|next| !self.trail.is_new(next.as_str().as_bytes()));
        self.next.clone_from(&page.next);
        self.next.is_some() && (held_before || next_before || self.empty_pages > MAX_EMPTY_PAGES)
    }

    fn looked_at(&mut self, responses: usize) {
        self.report.looked_at += responses;
        self.reached.responses += responses;
    }

    /// Ends the current span.
    fn span_ends(&mut self) {
        self.spans.pop();
        self.start_over();
        self.reached.spans += 1;
    }

    /// Restarts at the first page of a span.
    fn start_over(&mut self) {
        (self.next, self.trail, self.empty_pages) = (None, Trail::default(), 0);
        self.reached.responses = 0;
        self.dates = Dates::default();
    }
}

impl Shared {
    /// Sweeps at once everything that Goodays shows since `options.since`.
    pub async fn sweep(&self, options: SweepOptions) -> Result<SweepReport, Stop> {
        self.sweep_telling(options, &SweepProgress::default()).await
    }

    /// The same; `progress` tells others how far it is.
    pub async fn sweep_telling(
        &self,
        options: SweepOptions,
        progress: &SweepProgress,
    ) -> Result<SweepReport, Stop> {
        let period = (options.since, self.goodays_now());
        let spans = vec![(options.since, None)];
        let mut sweep = Sweep { named: options.named, ..Sweep::new(spans, options.dry_run) };
        let mut goes_on = true;
        while goes_on {
            goes_on = self.sweep_page(&mut sweep).await?;
            // The dates of a list that has ended are forgotten.
            let place = if goes_on { sweep.dates.place(period) } else { None };
            progress.is(HowFar { looked_at: sweep.report.looked_at, place });
        }
        Ok(self.swept(sweep).await?)
    }

    /// Goodays' clock, since the list is queried by its times; our own clock before the first answer, and while Goodays'
    /// cannot be right.
    pub fn goodays_now(&self) -> Timestamp {
        let told = self.goodays.now();
        let credible = credible(told, self.salesforce.now(), self.clock.now_ms());
        if let Some(date) = told.filter(|_| credible.is_none()) {
            warn!(%date, "Goodays' Date header is far ahead of all other clocks; lists are asked for by our own clock");
        }
        credible.map_or_else(|| self.clock.now(), GoodaysTime::timestamp)
    }

    /// Reads one page; false after the last one. A failed page can be read again.
    async fn sweep_page(&self, sweep: &mut Sweep) -> Result<bool, Stop> {
        let contact = self.contact_or_pause().await?;
        let Some(&(since, until)) = sweep.spans.last() else { return Ok(false) };
        let began_ms = self.clock.now_ms();
        // Another account's feedback must not become Cases.
        if let Err(stop) = self.right_account().await {
            let failure = stop.remote()?;
            self.call_failed(Remote::Goodays, &failure, began_ms);
            return Err(failure.into());
        }
        let query = BulkQuery { since, until, page: sweep.next.clone(), size: sweep.size.now() };
        let result = self.goodays.bulk(&query).await;
        self.call_ended(Remote::Goodays, &result, began_ms);
        let page = match result {
            Ok(page) => {
                sweep.size.grow();
                page
            }
            Err(Failure::TooLarge(_)) if sweep.size.shrink() => return Ok(true),
            Err(Failure::TooLarge(_)) => self.pass_over(&query, sweep).await?,
            Err(failure) => {
                // A cursor may expire (Goodays reference, 4.2): restart at the first page.
                if matches!(failure, Failure::Refused { .. }) {
                    sweep.start_over();
                }
                return Err(failure.into());
            }
        };
        let beyond_the_start = sweep.named && contact.inherited;
        // Something on the way may take `Date` out of answers; then our own clock stands for the remote's.
        let ours = self.clock.now();
        let salesforce_now = self.salesforce.now().unwrap_or_else(|| ours.into());
        let goodays_now = self.goodays_now().into();
        let start = salesforce_to_goodays(contact.first_start, salesforce_now, goodays_now);
        let oldest = if beyond_the_start { since.into() } else { start.plus_millis(-CARRIED_MS) };
        self.compare(oldest, &page.items, sweep).await?;
        if sweep.leads_back(&page) {
            warn!(
                "Goodays' list of responses leads back to a page read before: what stands behind it is not compared"
            );
            sweep.report.lists_without_end += 1;
            sweep.next = None;
        }
        if sweep.next.is_none() {
            sweep.span_ends();
            // Only the older piece of a scheduled sweep has an end.
            if until.is_some() {
                self.store.set_meta(OLDER, &since.as_millisecond()).await?;
            }
        }
        Ok(!sweep.spans.is_empty())
    }

    /// A response that is too large by itself is named, and the list goes on behind it.
    async fn pass_over(&self, query: &BulkQuery, sweep: &mut Sweep) -> Result<Page, Failure> {
        let skipped = self.goodays.behind(query).await?;
        let response = skipped.id.as_deref().map_or("its id is not among its first bytes", shown);
        warn!(response, "Goodays shows a response that is too large to read; it is not compared");
        sweep.looked_at(1);
        sweep.report.unreadable += 1;
        // The page is not empty: it only looks so.
        sweep.empty_pages = 0;
        Ok(Page { items: Vec::new(), next: skipped.next })
    }

    /// Finishes a sweep after all pages.
    async fn swept(&self, sweep: Sweep) -> Result<SweepReport, Fatal> {
        let mut report = sweep.report;
        self.read_dashboard().await;
        if report.unreadable > 0 {
            warn!(responses = report.unreadable, "Goodays shows responses that cannot be read");
        }
        if report.repaired > 0 {
            self.store.durable().await?;
            self.wake_all();
        }
        let unanswered = self.unanswered().await?;
        report.unanswered_count = unanswered.len();
        report.unanswered = unanswered.into_iter().take(LISTED).collect();
        Ok(report)
    }

    /// Compares the responses of a page with the ledger.
    async fn compare(
        &self,
        oldest: GoodaysTime,
        items: &[Value],
        sweep: &mut Sweep,
    ) -> Result<(), StoreError> {
        sweep.looked_at(items.len());
        let shown: Vec<Response> = items.iter().filter_map(|item| Response::from_value(item).ok()).collect();
        sweep.report.unreadable += items.len() - shown.len();
        shown.iter().filter_map(|one| one.created).for_each(|date| sweep.dates.read(date.timestamp()));
        let ids: Vec<ResponseId> = shown.iter().map(|response| response.id.clone()).collect();
        // A list may show a response twice.
        let mut queued = BTreeSet::new();
        for (response, known) in shown.iter().zip(self.store.load_many(&ids).await?) {
            let link = known.now.link.as_ref();
            let waits = !known.waiting.entries.is_empty();
            let missing = lacks(link, response, oldest) && self.wants(link, response);
            if missing && !waits && queued.insert(&response.id) {
                match self.left_to_humans(response).await? {
                    Some(EntryState::Dropped { .. }) => {}
                    Some(_) => sweep.report.lists(response),
                    None => self.repair(response, sweep.dry_run, &mut sweep.report).await?,
                }
            }
        }
        Ok(())
    }

    /// The state of an event that was parked or dropped with all that Goodays shows now: a human decides, or has decided.
    async fn left_to_humans(&self, response: &Response) -> Result<Option<EntryState>, StoreError> {
        let entries = self.store.entries_of(RKey::of(&response.id), ENTRIES).await?;
        for entry in entries.into_iter().rev() {
            if !matches!(entry.state, EntryState::Parked { .. } | EntryState::Dropped { .. }) {
                continue;
            }
            let body = self.store.body(entry.seq).await?.and_then(|bytes| json::read(&bytes).ok());
            let event = body.and_then(|body| event::read(&body).ok());
            if event.is_some_and(|event| freshness(&event.response) >= freshness(response)) {
                return Ok(Some(entry.state));
            }
        }
        Ok(None)
    }

    /// Queues a response that Salesforce lacks, or whose messages it lacks, as an event.
    async fn repair(
        &self,
        response: &Response,
        dry_run: bool,
        report: &mut SweepReport,
    ) -> Result<(), StoreError> {
        report.lists(response);
        if dry_run {
            return Ok(());
        }
        let now_ms = self.clock.now_ms();
        // The time makes it a new event: the event of an earlier sweep may have been skipped.
        let body = serde_json::json!({ "event_type": SWEEP, "swept_ms": now_ms, "response": response.raw })
            .to_string();
        if let Receipt::Accepted { .. } =
            self.store.accept(body.as_bytes(), SWEEP, &Ok(response.id.clone()), now_ms).await?
        {
            self.counts.pending.fetch_add(1, Ordering::Relaxed);
            report.repaired += 1;
        }
        Ok(())
    }

    fn wants(&self, link: Option<&Link>, response: &Response) -> bool {
        if link.is_some_and(|l| l.case.is_some()) {
            return true;
        }
        let context = self.plan_context();
        let facts = crate::mapping::Facts::new("response", &response.raw);
        context.plan_context().perimeter.holds(response)
            && context.mapping.case_mapping(&facts).mapping.is_some()
    }

    /// Responses with answers that have not reached Goodays.
    async fn unanswered(&self) -> Result<BTreeSet<String>, StoreError> {
        let open = self.store.some_open_intents(COUNTED).await?;
        let parked = self.store.parked_intents(0, COUNTED).await?;
        Ok(open.into_iter().chain(parked).map(|i| i.response_id.to_string()).collect())
    }
}

/// Whether it is the same in a second.
fn is_refused(failure: &Failure) -> bool {
    matches!(failure, Failure::Refused { .. } | Failure::TooLarge(_))
}

/// An id that may stand in a log line.
fn shown(id: &str) -> &str {
    if ResponseId::new(id).is_ok() { id } else { "its id cannot be read" }
}

/// Whether the ledger lacks something that Goodays shows.
fn lacks(link: Option<&Link>, response: &Response, oldest: GoodaysTime) -> bool {
    if crate::mutant::is_on("skip-sweep") {
        return false;
    }
    match link {
        None => freshness(response).newest >= oldest,
        Some(link) if link.case.is_none() && link.gone.is_empty() => true,
        // Of a deleted Case only what the customer writes counts: nothing else makes a new one.
        Some(link) => {
            let counts = |t: &&Message| link.case.is_some() || t.whose != Whose::Brand;
            response.turns.iter().filter(counts).any(|t| !link.knows(&t.id))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn page(items: &[u32], next: Option<&str>) -> Page {
        let next =
            next.map(|n| format!("https://goodays.example/responses/bulk?cursor={n}").parse().unwrap());
        Page { items: items.iter().map(|n| json!({ "id": n })).collect(), next }
    }

    fn sweep() -> Sweep {
        Sweep::new(vec![(Timestamp::UNIX_EPOCH, None)], true)
    }

    #[test]
    fn c11_a_page_seen_before_ends_the_walk() {
        let table: [(&str, &[Page], &[bool]); 5] = [
            (
                "two cursors that alternate",
                &[page(&[1], Some("a")), page(&[2], Some("b")), page(&[3], Some("a"))],
                &[false, false, true],
            ),
            ("its own cursor", &[page(&[1], Some("a")), page(&[2], Some("a"))], &[false, true]),
            ("new cursors, the same page", &[page(&[1], Some("a")), page(&[1], Some("b"))], &[false, true]),
            ("an end is an end", &[page(&[1], Some("a")), page(&[1], None)], &[false, false]),
            ("empty pages may stand between", &[page(&[], Some("a")), page(&[], Some("b"))], &[false, false]),
        ];
        for (what, pages, expected) in table {
            let mut sweep = sweep();
            let led: Vec<bool> = pages.iter().map(|page| sweep.leads_back(page)).collect();
            assert_eq!(led, expected, "{what}");
        }
        let mut sweep = sweep();
        let led = (0..100).position(|n| sweep.leads_back(&page(&[], Some(&n.to_string()))));
        assert_eq!(led, Some(20));
    }
}
