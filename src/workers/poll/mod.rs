//! The poller reads what agents did: all queries in one call, page by page, and applies the rows.
//!
//! The cursor moves only after a completed pass, to the newest timestamp that was seen. Each pass also reads an
//! overlap before the cursor, for rows that become visible late. Rows that were seen before change nothing.

pub(crate) mod apply_rows;
pub(crate) mod columns;
mod deleted_comments;
mod page;
mod poll_state;
pub(crate) mod rules;
mod too_large;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::Notify;
use tracing::{info, warn};

use crate::decide::pace::{LooksBack, PollPace, poll_back};
use crate::http::{Failure, Problem, Trail};
use crate::mutant;
use crate::salesforce::query::After;
use crate::state::StoreError;
use crate::time::SalesforceTime;
use crate::workers::poll::columns::PAGE;
use crate::workers::poll::deleted_comments::DeletedComments;
use crate::workers::poll::page::Progress;
pub(crate) use crate::workers::poll::page::stamp;
pub use crate::workers::poll::poll_state::PollState;
use crate::workers::poll::rules::READ_ALL;
use crate::workers::poll::too_large::TooLarge;
use crate::workers::runtime::page_size::PageSize;
use crate::workers::runtime::retry::millis;
use crate::workers::{Fatal, Remote, Shared, Step, Stop, Worker};

pub(crate) const CURSOR: &str = "cursor";
/// The cursor before the last completed read of the overlap.
pub(crate) const LOOKED: &str = "cursor at the last look back";
/// When the daily deep read was completed (milliseconds).
pub(crate) const DEEP: &str = "last daily look";
/// How long an action waits, at most, for a pass of its own after the last one (milliseconds).
const LONGEST_GAP_MS: i64 = 5_000;
/// For how many poll intervals, at most, the queries for deleted rows are left out after one fails.
const WITHOUT_GONE: i64 = 60;

#[derive(Default)]
pub struct Poller {
    looks: LooksBack,
    next: Next,
    /// The interval between two polls that the budget wants (milliseconds).
    spacing_ms: i64,
    /// Deleted rows are not queried before then (milliseconds): Salesforce refused, or did not answer.
    without_gone_ms: i64,
    /// How many passes with them got no answer, one after the other.
    gone_unanswered: u32,
    /// The cursor when they were left out for the first time.
    gone_from: Option<SalesforceTime>,
    deleted_comments: DeletedComments,
    /// The newest row of this pass with a time ahead of Salesforce's own clock.
    ahead: Option<SalesforceTime>,
    size: PageSize<PAGE>,
    too_large: TooLarge,
    /// The last row of each page of this pass.
    trail: Trail,
}

/// When the next poll is due (milliseconds).
enum Next {
    At(i64),
    /// After this time, when the last poll began, by the interval of the pace and the budget.
    After(i64),
}

impl Default for Next {
    fn default() -> Self {
        Self::At(0)
    }
}

impl Worker for Poller {
    const NAME: &'static str = "poll";

    fn wake<'s>(&self, shared: &'s Shared) -> &'s Notify {
        &shared.poll
    }

    async fn step(&mut self, shared: &Arc<Shared>) -> Result<Step, Fatal> {
        let now_ms = shared.clock.now_ms();
        if let Some(until_ms) = shared.salesforce_breaker.paused_until(now_ms) {
            return Ok(Step::Idle { until_ms: Some(until_ms) });
        }
        let next_ms = self.next_ms(shared, now_ms);
        if now_ms < next_ms {
            return Ok(Step::Idle { until_ms: Some(next_ms) });
        }
        let passed = match self.pass(shared).await {
            Ok(()) => Ok(()),
            Err(stop) => Err(stop.remote()?),
        };
        let after_ms = shared.clock.now_ms();
        self.next = Next::After(now_ms);
        match passed {
            Ok(()) => {
                shared.poll_state.began_ms.store(now_ms, Ordering::SeqCst);
                shared.poll_state.last_completed_ms.store(Arc::new(Some(after_ms)));
                shared.deliver.notify_one();
            }
            Err(Failure::Budget) => {
                info!("polling waits: the rest of the daily budget is kept for new feedback");
                self.next = Next::At(after_ms + 60_000);
            }
            Err(Failure::Refused { problem, .. }) => refused(shared, &problem),
            Err(failure @ Failure::TooLarge(_)) => {
                shared.call_failed(Remote::Salesforce, &failure, now_ms);
                cannot_be_read(shared);
            }
            // The circuit breaker says how long to wait, and may end the pause early.
            Err(failure) => {
                shared.call_failed(Remote::Salesforce, &failure, now_ms);
            }
        }
        Ok(Step::Idle { until_ms: Some(self.next_ms(shared, after_ms)) })
    }
}

fn refused(shared: &Shared, problem: &Problem) {
    warn!(code = %problem.code, "Salesforce refuses the poll's query; agents' actions are not seen");
    let told = format!("Salesforce refuses the poll's query with {}; run `check`", problem.code);
    shared.poll_state.trouble.store(Arc::new(Some(told)));
}

/// Not even which row comes next can be read.
fn cannot_be_read(shared: &Shared) {
    warn!("the answer to the poll's smallest query is too large; agents' actions are not seen");
    let told = "The answer to the smallest query of a poll is too large to read: check what answers in Salesforce's \
                place";
    shared.poll_state.trouble.store(Arc::new(Some(told.to_owned())));
}

/// What a pass reads, and what was stored before it.
struct Span {
    from: SalesforceTime,
    back_ms: i64,
    cursor: SalesforceTime,
    looked: Option<SalesforceTime>,
    before: LooksBack,
    /// All Cases are read, from the first one on.
    all: bool,
}

impl Poller {
    /// When the next poll is due (milliseconds).
    fn next_ms(&self, shared: &Shared, now_ms: i64) -> i64 {
        let polled_ms = match self.next {
            Next::At(at_ms) => return at_ms,
            Next::After(polled_ms) => polled_ms,
        };
        let poll = &shared.live().poll;
        let pace = PollPace { active_ms: millis(poll.interval), quiet_ms: millis(poll.quiet) };
        let regular_ms = polled_ms + shared.activity.interval_ms(pace, now_ms).max(self.spacing_ms);
        let wanted_ms = shared.poll_state.wanted_ms.load(Ordering::SeqCst);
        if wanted_ms <= polled_ms {
            return regular_ms;
        }
        // One pass for all that wait by then, and no closer to the last one than the budget wants.
        let gap_ms = (pace.active_ms / 2).min(LONGEST_GAP_MS).max(self.spacing_ms);
        regular_ms.min(wanted_ms.max(polled_ms + gap_ms))
    }

    async fn pass(&mut self, shared: &Shared) -> Result<(), Stop> {
        let contact = shared.contact().await?;
        shared.refresh_schema().await?;
        let deleted = self.deleted_comments.query(&shared.store, &shared.plan_context()).await?;
        let now_ms = shared.clock.now_ms();
        let salesforce_now = shared.salesforce_now();
        let rules = shared.rules_in_force().await?.0.mapping.rules_version();
        let span = self.span(shared, contact.first_start, salesforce_now, now_ms).await?;
        let mut progress = self.beginnings(&span, now_ms, deleted.is_some());
        let mut newest = span.cursor;
        (self.ahead, self.trail) = (None, Trail::default());
        while progress.iter().any(|p| !p.done) {
            match self.page(shared, (&contact, span.cursor), &mut progress, deleted.as_deref()).await {
                Ok(seen) => newest = newest.max(seen),
                Err(stop) => {
                    let failure = stop.remote()?;
                    self.after_failed_pass(shared, &failure, span.cursor, now_ms);
                    // An interrupted pass does not count: the next one reads the overlap again.
                    self.looks = LooksBack { overlap_ms: None, ..span.before };
                    return Err(failure.into());
                }
            }
        }
        if now_ms >= self.without_gone_ms {
            self.gone_unanswered = 0;
        }
        let gone_from = self.gone_from.or(Some(span.cursor));
        self.gone_from = gone_from.filter(|_| now_ms < self.without_gone_ms);
        self.note_time_ahead(shared);
        // Never past Salesforce's own clock: rows written before that time would not be read any more.
        let now = shared.salesforce_now();
        // An edit during the pass may need another read of all Cases.
        if span.all && shared.mapping().rules_version() == rules {
            shared.store.set_meta(READ_ALL, &false).await?;
        }
        self.completed(shared, &span, newest.min(now), now_ms).await?;
        shared.poll_state.seen_until.store(Arc::new(Some(salesforce_now)));
        let not_shown = shared.poll_state.not_shown.load_full();
        let trouble = if not_shown.is_some() { not_shown } else { Arc::new(self.too_large.told()) };
        shared.poll_state.trouble.store(trouble);
        Ok(())
    }

    fn note_time_ahead(&self, shared: &Shared) {
        let before = **shared.poll_state.ahead.load();
        if let Some(time) = self.ahead.filter(|_| self.ahead != before) {
            warn!(%time, "Salesforce shows a row with a time ahead of its own clock; it is read again at each poll");
        }
        shared.poll_state.ahead.store(Arc::new(self.ahead));
    }

    /// Where each query begins. The queries for deleted rows begin where they were left out, if they were.
    fn beginnings(&self, span: &Span, now_ms: i64, deleted: bool) -> [Progress; 4] {
        let start = |from: SalesforceTime, done| {
            let at = from.max(SalesforceTime::default()).timestamp();
            Progress { after: After { at, id: None }, done }
        };
        let without_gone = now_ms < self.without_gone_ms;
        let from = span.from;
        let gone_from = self.gone_from.map_or(from, |at| from.min(at.plus_millis(-span.back_ms)));
        let cases_from = if span.all { SalesforceTime::default() } else { from };
        [
            start(cases_from, false),
            start(from, false),
            start(gone_from, without_gone),
            start(from, without_gone || !deleted),
        ]
    }

    /// Queries for deleted rows must not stop the others, so they are left out for a while. After a line that was cut once
    /// only for one poll: until they are asked again, nobody knows of a merge.
    fn after_failed_pass(&mut self, shared: &Shared, failure: &Failure, cursor: SalesforceTime, now_ms: i64) {
        let intervals = match failure {
            Failure::Refused { .. } | Failure::TooLarge(_) => WITHOUT_GONE,
            Failure::NoAnswer(_) | Failure::Road(_) => {
                self.gone_unanswered += u32::from(now_ms >= self.without_gone_ms);
                4_i64.saturating_pow(self.gone_unanswered.saturating_sub(1)).min(WITHOUT_GONE)
            }
            _ => return,
        };
        self.leave_gone_out(shared, intervals, now_ms);
        self.gone_from.get_or_insert(cursor);
    }

    fn leave_gone_out(&mut self, shared: &Shared, intervals: i64, now_ms: i64) {
        self.without_gone_ms = now_ms + intervals * millis(shared.live().poll.interval);
    }

    /// From where this pass reads. A row may have become visible at any time since the last read of the overlap, so
    /// the overlap counts from there, however far the cursor has moved and however long we were down.
    async fn span(
        &mut self,
        shared: &Shared,
        first_start: SalesforceTime,
        salesforce_now: SalesforceTime,
        now_ms: i64,
    ) -> Result<Span, StoreError> {
        // A state of an earlier version may contain a cursor taken from a row ahead of the clock.
        let cursor: SalesforceTime =
            shared.store.meta(CURSOR).await?.unwrap_or(first_start).min(salesforce_now);
        let looked: Option<SalesforceTime> = shared.store.meta(LOOKED).await?;
        if self.looks.deep_ms.is_none() {
            self.looks.deep_ms = shared.store.meta(DEEP).await?.map(|at_ms: i64| at_ms.min(now_ms));
        }
        let before = self.looks;
        let since_ms = cursor.millis_since(looked.unwrap_or(cursor)).max(0);
        let back_ms = millis(shared.live().poll.overlap) + since_ms;
        let from_back_ms = poll_back(back_ms, &mut self.looks, now_ms);
        let from_back_ms = if mutant::is_on("skip-overlap") { 0 } else { from_back_ms };
        let all = shared.store.meta(READ_ALL).await?.unwrap_or(false);
        Ok(Span { from: cursor.plus_millis(-from_back_ms), back_ms, cursor, looked, before, all })
    }

    /// Stores how far a completed pass has come, and whether it read the overlap or the daily span.
    async fn completed(
        &self,
        shared: &Shared,
        span: &Span,
        newest: SalesforceTime,
        now_ms: i64,
    ) -> Result<(), StoreError> {
        if self.looks.deep_ms != span.before.deep_ms {
            shared.store.set_meta(DEEP, &now_ms).await?;
        }
        if self.looks.overlap_ms == Some(now_ms) && span.looked != Some(span.cursor) {
            shared.store.set_meta(LOOKED, &span.cursor).await?;
        }
        if newest != span.cursor {
            shared.somebody_is_active();
            shared.store.set_meta(CURSOR, &newest).await?;
        }
        Ok(())
    }
}
