//! One call of a poll: the next page of each query that is not done, and what its rows change.

use jiff::Timestamp;
use serde_json::Value;

use crate::decide::outbound::EarlierRules;
use crate::http::{Failure, Problem};
use crate::salesforce::RecordId;
use crate::salesforce::client::{Asked, Page};
use crate::salesforce::query::{self, After, Poll};
use crate::time::SalesforceTime;
use crate::workers::inbound::reconcile::unsayable;
use crate::workers::poll::apply_rows::{
    Applying, apply_case_rows, apply_comment_rows, apply_merged_rows, id_of,
};
use crate::workers::poll::columns::{Columns, Part};
use crate::workers::poll::deleted_comments::apply_deleted_comments;
use crate::workers::poll::{Poller, WITHOUT_GONE};
use crate::workers::runtime::budget::Purpose;
use crate::workers::runtime::plan_context::OwnedPlanContext;
use crate::workers::runtime::retry::millis;
use crate::workers::{Fatal, OrgIdentity, Remote, Shared, Stop};

/// Rows whose conversations are loaded and written together, before other tasks have their turn.
const ROWS_AT_ONCE: usize = 50;
/// Audit times and the `Date` header come from different machines, and the header has whole seconds.
const CLOCKS_MS: i64 = 60_000;

// The places of the queries.
const CASES: usize = 0;
const COMMENTS: usize = 1;
/// Cases that were merged away: an answer on the master Case may be meant for their customer.
const MERGED: usize = 2;
/// Comments of parked answers that were deleted.
const DELETED: usize = 3;

/// The order in which the rows of a page are applied. Merges come first: otherwise what is shown on the surviving Case, also
/// a comment that moved there, would count as written for its own customer alone. They are asked for behind the others: of a
/// merge between two queries, the rows of before it are judged with it.
fn place(index: usize) -> usize {
    match index {
        MERGED => 0,
        CASES => 1,
        COMMENTS => 2,
        _ => 3,
    }
}

/// How far a query has come.
pub(super) struct Progress {
    pub after: After,
    pub done: bool,
}

impl Poller {
    /// Asks and applies, in the order of [`place`]. Cases come before comments, so that a comment is judged by the current Case. Returns the newest
    /// time of a row.
    pub(super) async fn page(
        &mut self,
        shared: &Shared,
        (contact, cursor): (&OrgIdentity, SalesforceTime),
        progress: &mut [Progress; 4],
        deleted: Option<&str>,
    ) -> Result<SalesforceTime, Stop> {
        let (context, earlier) = shared.rules_in_force().await?;
        let part = Part { rows: self.size.now(), except: self.too_large.rows(), only_ids: false };
        let mut queries = queries(&shared.columns, (&context, &earlier), contact, progress, &part)?;
        let rows = part.rows;
        queries.extend(deleted.filter(|_| !progress[DELETED].done).map(|q| (DELETED, q.to_owned())));
        if rows == 1 {
            // One row of each may be too large together.
            queries.sort_by_key(|(index, _)| place(*index));
            queries.truncate(1);
        }
        self.spacing_ms = shared.allowance(Purpose::Poll).await?;
        let began_ms = shared.clock.now_ms();
        let asked: Vec<Asked> = queries.iter().map(asked).collect();
        let result = shared.salesforce.pages(&asked).await;
        if result.is_ok() {
            shared.call_succeeded(Remote::Salesforce, began_ms);
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
        let read = queries.iter().map(|(index, _)| *index).zip(pages);
        let Some(mut read) = self.without_refused(shared, read, progress, began_ms)? else {
            return Ok(newest);
        };
        read.sort_by_key(|(index, _)| place(*index));
        // Actions are sent only when the whole page is in the outbox, so that one write reports on all of them.
        let whole_page = shared.page.write().await;
        let applying = Applying::new(shared, contact, &context, &earlier, began_ms);
        // Earlier comments of our Cases were seen by the passes before, unless they became visible late.
        let seen_until = cursor.plus_millis(-millis(shared.live().poll.overlap));
        let (mut any_full, mut is_stuck) = (false, false);
        for (index, page) in read {
            let last = page.rows.last().and_then(stamp);
            // The query for deleted comments has no limit.
            let full = (index != DELETED && page.rows.len() >= rows) || !page.done;
            any_full |= full;
            newest = newest.max(self.were_read(shared, &page.rows, horizon));
            apply(shared, (&applying, seen_until), index, page.rows).await?;
            let full = full && index != DELETED;
            is_stuck |= !self.goes_on(index, &mut progress[index], last, full);
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

    /// The pages of the queries that were not refused. One refused query stops both cursors, so this comes before any row is
    /// applied. None: the same is asked again without the field that was refused.
    fn without_refused(
        &mut self,
        shared: &Shared,
        read: impl Iterator<Item = (usize, Result<Page, Problem>)>,
        progress: &mut [Progress; 4],
        now_ms: i64,
    ) -> Result<Option<Vec<(usize, Page)>>, Failure> {
        let (mut pages, mut refused) = (Vec::new(), None);
        for (index, page) in read {
            match page {
                Ok(page) => pages.push((index, page)),
                Err(problem) => match (index, shared.columns.without(&problem)) {
                    (MERGED | DELETED, _) => {
                        progress[index].done = true;
                        self.leave_gone_out(shared, WITHOUT_GONE, now_ms);
                    }
                    (_, true) => return Ok(None),
                    _ => refused = Some(problem),
                },
            }
        }
        match refused {
            Some(problem) => Err(Failure::Refused { status: 400, problem }),
            None => Ok(Some(pages)),
        }
    }

    /// Notes that these rows were read. Returns the newest of their times.
    fn were_read(&mut self, shared: &Shared, rows: &[Value], horizon: SalesforceTime) -> SalesforceTime {
        self.too_large.were_read(rows);
        let times = rows.iter().filter_map(stamp).map(|(at, _)| SalesforceTime::from(at));
        shared.poll_state.read_up_to(times.clone().max());
        self.newest_of(times, horizon)
    }

    /// Where a query goes on after a page that ends with the row `last`. False: a page that is not the last one ends where an
    /// earlier one did.
    fn goes_on(
        &mut self,
        index: usize,
        progress: &mut Progress,
        last: Option<(Timestamp, RecordId)>,
        full: bool,
    ) -> bool {
        if full && !self.moves_on(index, last.as_ref()) {
            progress.done = true;
            return index == MERGED;
        }
        match last {
            Some((at, id)) => *progress = Progress { after: After { at, id: Some(id) }, done: !full },
            None => progress.done = true,
        }
        true
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
            self.leave_gone_out(shared, WITHOUT_GONE, shared.clock.now_ms());
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

/// Applies the rows of one query. Each row is freed once it is applied: a full page takes some megabytes.
async fn apply(
    shared: &Shared,
    (applying, seen_until): (&Applying<'_>, SalesforceTime),
    index: usize,
    rows: Vec<Value>,
) -> Result<(), Fatal> {
    let mut rows = rows.into_iter();
    while let Some(first) = rows.next() {
        let some: Vec<Value> = [first].into_iter().chain(rows.by_ref().take(ROWS_AT_ONCE - 1)).collect();
        match index {
            CASES => apply_case_rows(shared, applying, &some).await?,
            COMMENTS => apply_comment_rows(shared, applying, &some).await?,
            MERGED => apply_merged_rows(shared, (applying.context, seen_until), &some).await?,
            _ => apply_deleted_comments(shared, &some).await?,
        }
        // Not after the last ones: on a small page the dispatcher would meet the lock, and pause, at each poll.
        if rows.len() > 0 {
            tokio::task::yield_now().await;
        }
    }
    Ok(())
}

fn asked((index, soql): &(usize, String)) -> Asked {
    match *index {
        MERGED | DELETED => Asked::All(soql.clone()),
        _ => Asked::Current(soql.clone()),
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

/// When a row was changed, and which it is.
pub(crate) fn stamp(row: &Value) -> Option<(Timestamp, RecordId)> {
    let at = row.get("SystemModstamp").and_then(Value::as_str).and_then(query::parse_moment)?;
    Some((at, id_of(row, "Id")?))
}
