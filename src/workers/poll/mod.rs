//! The poller reads what agents did: all queries in one call, page by page, and applies the rows.
//!
//! The cursor moves only after a completed pass, to the newest timestamp that was seen. Each pass also reads an
//! overlap before the cursor, for rows that become visible late. Rows that were seen before change nothing.

pub(crate) mod apply_rows;
pub(crate) mod columns;
mod deleted_comments;
pub(crate) mod rules;
mod too_large;

use arc_swap::ArcSwap;
use jiff::Timestamp;
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
use tokio::sync::Notify;
use tracing::{info, warn};

use crate::decide::outbound::EarlierRules;
use crate::decide::pace::{LooksBack, PollPace, poll_back};
use crate::http::{Failure, Problem, Trail};
use crate::mutant;
use crate::salesforce::RecordId;
use crate::salesforce::client::Asked;
use crate::salesforce::query::{self, After, Poll};
use crate::state::StoreError;
use crate::time::SalesforceTime;
use crate::workers::inbound::reconcile::unsayable;
use crate::workers::poll::apply_rows::{
    Applying, apply_case_rows, apply_comment_rows, apply_merged_rows, id_of,
};
use crate::workers::poll::columns::{Columns, PAGE, Part};
use crate::workers::poll::deleted_comments::{DeletedComments, apply_deleted_comments};
use crate::workers::poll::rules::READ_ALL;
use crate::workers::poll::too_large::TooLarge;
use crate::workers::runtime::budget::Purpose;
use crate::workers::runtime::page_size::PageSize;
use crate::workers::runtime::plan_context::OwnedPlanContext;
use crate::workers::runtime::retry::millis;
use crate::workers::{Fatal, OrgIdentity, Shared, Step, Stop, Worker};

/// Rows whose conversations are loaded and written together, before other tasks have their turn.
const ROWS_AT_ONCE: usize = 50;
pub(crate) const CURSOR: &str = "cursor";
/// The cursor before the last completed read of the overlap.
pub(crate) const LOOKED: &str = "cursor at the last look back";
/// When the daily deep read was completed (milliseconds).
pub(crate) const DEEP: &str = "last daily look";
/// How long an action waits, at most, for a pass of its own after the last one (milliseconds).
const LONGEST_GAP_MS: i64 = 5_000;
/// For how many poll intervals the queries for deleted rows are left out after one fails.
const WITHOUT_GONE: i64 = 60;

#[derive(Default)]
pub struct Poller {
    looks: LooksBack,
    next: Next,
    /// The interval between two polls that the budget wants (milliseconds).
    spacing_ms: i64,
    /// Deleted rows are not queried before then (milliseconds): Salesforce refused, or did not answer.
    without_gone_ms: i64,
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

/// When polls were completed, for `status`.
#[derive(Default)]
pub struct PollState {
    pub last_completed_ms: ArcSwap<Option<i64>>,
    /// Salesforce's clock when the last completed pass began.
    pub(crate) seen_until: ArcSwap<Option<SalesforceTime>>,
    /// The newest row time that was read (milliseconds).
    newest_ms: AtomicI64,
    /// When the last completed pass began (milliseconds).
    began_ms: AtomicI64,
    /// An action waits for a pass that begins then or later (milliseconds).
    wanted_ms: AtomicI64,
    /// A query that Salesforce refuses, for people.
    pub trouble: ArcSwap<Option<String>>,
    /// The same for the query that reads actions again before they are sent.
    pub not_shown: ArcSwap<Option<String>>,
    /// How often that was refused in a row.
    pub not_shown_times: AtomicU32,
    /// The newest row time ahead of Salesforce's own clock, as of the last poll. Such rows are read at each poll.
    pub ahead: ArcSwap<Option<SalesforceTime>>,
}

impl PollState {
    /// After a start: what polls had read before.
    pub(crate) fn after(cursor: Option<SalesforceTime>) -> Self {
        let state = Self::default();
        state.read_up_to(cursor);
        state
    }

    /// When the last completed pass began (milliseconds); 0: none since the start.
    pub(crate) fn began_ms(&self) -> i64 {
        self.began_ms.load(Ordering::SeqCst)
    }

    /// Rows up to this time were read.
    fn read_up_to(&self, newest: Option<SalesforceTime>) {
        let newest_ms = newest.map_or(0, SalesforceTime::to_millis);
        self.newest_ms.fetch_max(newest_ms, Ordering::SeqCst);
    }

    /// Until when polls have seen what was done (Salesforce's clock); since a start none is known to have.
    pub(crate) fn seen_until(&self, contact: &OrgIdentity) -> SalesforceTime {
        (**self.seen_until.load()).unwrap_or(contact.first_start)
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
                shared.salesforce_said::<()>(&Err(failure), now_ms);
                cannot_be_read(shared);
            }
            // The circuit breaker says how long to wait, and may end the pause early.
            Err(failure) => {
                shared.salesforce_said::<()>(&Err(failure), now_ms);
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

impl Shared {
    /// An action waits for a poll that begins at `due_ms` or later (milliseconds).
    pub(crate) fn want_poll(&self, due_ms: i64) {
        if self.poll_state.wanted_ms.fetch_max(due_ms, Ordering::SeqCst) < due_ms {
            self.poll.notify_one();
        }
    }

    /// Salesforce's clock now. Something on the network path may remove the `Date` from its answers: then it is this
    /// machine's clock, or the newest row that was read, whichever is later. So what people did before an edit of the
    /// rules never looks as if it was done after.
    pub(crate) fn salesforce_now(&self) -> SalesforceTime {
        let newest_ms = self.poll_state.newest_ms.load(Ordering::SeqCst);
        let without_date = || self.our_time().max(SalesforceTime::from_millis(newest_ms));
        self.salesforce.now().unwrap_or_else(without_date)
    }

    /// This machine's clock, in place of Salesforce's.
    fn our_time(&self) -> SalesforceTime {
        SalesforceTime::from_millis(self.clock.now_ms())
    }
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

/// How far a query has come.
struct Progress {
    after: After,
    done: bool,
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
                    // Queries for deleted rows must not stop the others, so they are left out for a while.
                    if matches!(
                        failure,
                        Failure::Refused { .. }
                            | Failure::NoAnswer(_)
                            | Failure::TooLarge(_)
                            | Failure::Road(_)
                    ) {
                        self.leave_gone_out(shared, now_ms);
                        self.gone_from.get_or_insert(span.cursor);
                    }
                    // An interrupted pass does not count: the next one reads the overlap again.
                    self.looks = LooksBack { overlap_ms: None, ..span.before };
                    return Err(failure.into());
                }
            }
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

    fn leave_gone_out(&mut self, shared: &Shared, now_ms: i64) {
        self.without_gone_ms = now_ms + WITHOUT_GONE * millis(shared.live().poll.interval);
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

    /// One call: the next page of each query that is not done. Cases come before comments, so that a comment is judged
    /// by the current Case.
    async fn page(
        &mut self,
        shared: &Shared,
        (contact, cursor): (&OrgIdentity, SalesforceTime),
        progress: &mut [Progress; 4],
        deleted: Option<&str>,
    ) -> Result<SalesforceTime, Stop> {
        // Earlier comments of our Cases were seen by the passes before, unless they became visible late.
        let seen_until = cursor.plus_millis(-millis(shared.live().poll.overlap));
        let (context, earlier) = shared.rules_in_force().await?;
        let part = Part { rows: self.size.now(), except: self.too_large.rows(), only_ids: false };
        let mut queries = queries(&shared.columns, (&context, &earlier), contact, progress, &part)?;
        let rows = part.rows;
        queries.extend(deleted.filter(|_| !progress[DELETED].done).map(|q| (DELETED, q.to_owned())));
        if rows == 1 {
            // One row of each may be too large together.
            queries.truncate(1);
        }
        self.spacing_ms = shared.allowance(Purpose::Poll).await?;
        let began_ms = shared.clock.now_ms();
        let asked = |(index, soql): &(usize, String)| match *index {
            MERGED | DELETED => Asked::All(soql.clone()),
            _ => Asked::Current(soql.clone()),
        };
        let asked: Vec<Asked> = queries.iter().map(asked).collect();
        let result = shared.salesforce.pages(&asked).await;
        if result.is_ok() {
            shared.salesforce_said(&result, began_ms);
        }
        let mut newest = SalesforceTime::default();
        let horizon = shared.salesforce.now().unwrap_or_else(|| shared.our_time()).plus_millis(CLOCKS_MS);
        let pages = match result {
            Err(Failure::TooLarge(_)) if self.size.shrink() => return Ok(newest),
            Err(failure @ Failure::TooLarge(_)) => {
                let Some((index, _)) = queries.first() else { return Err(failure.into()) };
                let rules = (&context, earlier.as_slice());
                let at = self.pass_over(shared, (contact, rules), (*index, progress), failure).await?;
                return Ok(self.newest_of([at], horizon));
            }
            result => result?,
        };
        // One refused query stops both cursors, so results are checked before any row is applied.
        let mut refused = None;
        for ((index, _), page) in queries.iter().zip(&pages) {
            if let Err(problem) = page {
                match (*index, shared.columns.without(problem)) {
                    (MERGED | DELETED, _) => {
                        progress[*index].done = true;
                        self.leave_gone_out(shared, began_ms);
                    }
                    (_, true) => return Ok(newest),
                    _ => refused = Some(problem.clone()),
                }
            }
        }
        if let Some(problem) = refused {
            return Err(Failure::Refused { status: 400, problem }.into());
        }
        // Actions are sent only when the whole page is in the outbox, so that one write reports on all of them.
        let whole_page = shared.page.write().await;
        let applying = Applying::new(shared, contact, &context, &earlier, began_ms);
        let (mut any_full, mut is_stuck) = (false, false);
        for ((index, _), page) in queries.into_iter().zip(pages) {
            let Ok(page) = page else { continue };
            let last = page.rows.last().and_then(stamp);
            // The query for deleted comments has no limit.
            let full = (index != DELETED && page.rows.len() >= rows) || !page.done;
            any_full |= full;
            self.too_large.were_read(&page.rows);
            let times = page.rows.iter().filter_map(stamp).map(|(at, _)| SalesforceTime::from(at));
            shared.poll_state.read_up_to(times.clone().max());
            newest = newest.max(self.newest_of(times, horizon));
            let mut rows = page.rows.into_iter();
            // Each row is freed once it is applied: a full page takes some megabytes.
            while let Some(first) = rows.next() {
                let some: Vec<Value> =
                    [first].into_iter().chain(rows.by_ref().take(ROWS_AT_ONCE - 1)).collect();
                match index {
                    CASES => apply_case_rows(shared, &applying, &some).await?,
                    COMMENTS => apply_comment_rows(shared, &applying, &some).await?,
                    MERGED => apply_merged_rows(shared, (&context, seen_until), &some).await?,
                    _ => apply_deleted_comments(shared, &some).await?,
                }
                // Not after the last ones: on a small page the dispatcher would meet the lock, and pause, at each poll.
                if rows.len() > 0 {
                    tokio::task::yield_now().await;
                }
            }
            let full = full && index != DELETED;
            match last {
                last if full && !self.moves_on(index, last.as_ref()) => {
                    progress[index].done = true;
                    is_stuck |= index != MERGED;
                }
                Some((at, id)) => {
                    progress[index] = Progress { after: After { at, id: Some(id) }, done: !full };
                }
                None => progress[index].done = true,
            }
        }
        // While a page is not full, a larger one would show the same rows.
        if any_full || rows == 1 {
            self.size.grow();
        }
        drop(whole_page);
        shared.deliver.notify_one();
        if is_stuck {
            return Err(Failure::Road("a poll's pages that repeat the same rows".to_owned()).into());
        }
        Ok(newest)
    }

    /// Whether a page that is not the last one ends behind all pages of this pass: the next one is asked for by its last row,
    /// so it would show the same rows without end.
    fn moves_on(&mut self, index: usize, last: Option<&(Timestamp, RecordId)>) -> bool {
        last.is_some_and(|(at, id)| self.trail.is_new(format!("{index} {at} {id}").as_bytes()))
    }

    /// The newest of these times. Those ahead of Salesforce's own clock are only noted.
    fn newest_of(
        &mut self,
        times: impl IntoIterator<Item = SalesforceTime>,
        horizon: SalesforceTime,
    ) -> SalesforceTime {
        let mut newest = SalesforceTime::default();
        for at in times {
            let place = if at > horizon { self.ahead.get_or_insert(at) } else { &mut newest };
            *place = at.max(*place);
        }
        newest
    }

    /// The next row of this query is too large by itself: the query goes on behind it. Returns when the row was changed.
    async fn pass_over(
        &mut self,
        shared: &Shared,
        (contact, rules): (&OrgIdentity, (&OwnedPlanContext, &[EarlierRules])),
        (index, progress): (usize, &mut [Progress; 4]),
        failure: Failure,
    ) -> Result<SalesforceTime, Stop> {
        if matches!(index, MERGED | DELETED) {
            progress[index].done = true;
            self.leave_gone_out(shared, shared.clock.now_ms());
            return Ok(SalesforceTime::default());
        }
        let part = Part { rows: 1, except: self.too_large.rows(), only_ids: false }.next_id();
        let queries = queries(&shared.columns, rules, contact, progress, &part)?;
        let soql = queries.into_iter().find(|(of, _)| *of == index).map(|(_, soql)| Asked::Current(soql));
        shared.allowance(Purpose::Poll).await?;
        let pages = shared.salesforce.pages(&soql.into_iter().collect::<Vec<_>>()).await?;
        let page = pages.into_iter().next().transpose();
        let page = page.map_err(|problem| Failure::Refused { status: 400, problem })?;
        let row = page.and_then(|page| page.rows.first().and_then(stamp));
        // Something else than rows makes the answer large.
        let (at, id) = row.ok_or(failure)?;
        self.too_large.pass_over(id.clone(), at);
        progress[index].after = After { at, id: Some(id) };
        Ok(at.into())
    }
}

fn queries(
    columns: &Columns,
    (context, earlier): (&OwnedPlanContext, &[EarlierRules]),
    contact: &OrgIdentity,
    progress: &[Progress; 4],
    part: &Part<'_>,
) -> Result<Vec<(usize, String)>, Failure> {
    let Some(case) = context.mapping.case_mappings().first() else { return Ok(Vec::new()) };
    let mut queries = Vec::new();
    let mut add = |index: usize, soql: Option<String>| {
        queries.extend(soql.filter(|_| !progress[index].done).map(|soql| (index, soql)));
    };
    add(CASES, columns.cases(context, earlier, &progress[CASES].after, part)?);
    add(COMMENTS, columns.comments(context, earlier, &contact.us, &progress[COMMENTS].after, part)?);
    let merged = ["MasterRecordId", case.key_field.as_str(), case.marker_field.as_str(), "CaseNumber"];
    let (object, key, limit) = (case.object.as_str(), "MasterRecordId", part.rows);
    let merged = Poll { object, fields: &merged, key, not_by: None, except: &[], limit };
    let merged = query::poll(&merged, &progress[MERGED].after).map_err(|e| unsayable(&e))?;
    add(MERGED, Some(merged));
    Ok(queries)
}

/// Audit times and the `Date` header come from different machines, and the header has whole seconds.
const CLOCKS_MS: i64 = 60_000;

const CASES: usize = 0;
const COMMENTS: usize = 1;
/// Cases that were merged away: an answer on the master Case may be meant for their customer.
const MERGED: usize = 2;
/// Comments of parked answers that were deleted.
const DELETED: usize = 3;

pub(crate) fn stamp(row: &Value) -> Option<(Timestamp, RecordId)> {
    let at = row.get("SystemModstamp").and_then(Value::as_str).and_then(query::parse_moment)?;
    Some((at, id_of(row, "Id")?))
}
