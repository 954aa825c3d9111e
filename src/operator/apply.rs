//! Applies the rules of an edited actions.yaml to existing rows, when an operator asks for it (design, rule 19). What
//! is touched is decided in [`crate::decide::outbound::edits`].
//!
//! All comments are read before the first Case: an answer is in the outbox before a close that waits for it.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tracing::{info, warn};

use crate::decide::CaseRef;
use crate::decide::outbound::edits;
use crate::goodays::ResponseId;
use crate::http::Failure;
use crate::salesforce::RecordId;
use crate::salesforce::client::{Asked, Page};
use crate::salesforce::query::After;
use crate::time::SalesforceTime;
use crate::workers::poll::apply_rows::{
    Addressed, Applying, id_of, responses_of_cases, responses_of_comments,
};
use crate::workers::poll::columns::{Columns, PAGE, Part};
use crate::workers::poll::stamp;
use crate::workers::runtime::budget::Purpose;
use crate::workers::runtime::page_size::PageSize;
use crate::workers::{Fatal, OrgIdentity, Remote, Shared, Stop};

/// Pages of one call; the caller continues at `next`.
const PAGES_AT_ONCE: usize = 5;
/// Rows whose conversations are loaded and written together; other tasks have their turn after them.
const ROWS_AT_ONCE: usize = 50;
/// How many actions are listed; the rest is only counted.
const LISTED: usize = 1000;

/// What an operator asks for.
#[derive(Debug, Clone, Default)]
pub struct ApplyOptions {
    /// List only.
    pub dry_run: bool,
    /// Where the previous call ended.
    pub after: Option<Place>,
}

/// How far the rows were read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    of: Kind,
    /// By Salesforce's clock, in milliseconds.
    at_ms: SalesforceTime,
    id: Option<RecordId>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Comments,
    Cases,
}

/// What one call found. In a dry run, a row that changes while it is read may be counted twice.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Applied {
    /// When actions.yaml was last edited, by Salesforce's clock; `None`: not since rules are stored.
    pub edited_at: Option<String>,
    /// The current files are refused: the rules in force are the previous ones.
    pub files_refused: bool,
    pub looked_at: usize,
    /// The first thousand.
    pub touched: Vec<Touched>,
    pub cases: usize,
    /// Cases that are not closed.
    pub open_cases: usize,
    pub comments: usize,
    /// Comments that are published.
    pub published_comments: usize,
    /// How many actions were added to the outbox.
    pub begun: usize,
    /// Rows on which a rule cannot be evaluated, or that are too large to read.
    pub unreadable: usize,
    /// Where to continue; `None`: all was read.
    pub next: Option<Place>,
}

/// One action that a current rule asks for and that was never begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Touched {
    pub response_id: ResponseId,
    pub case_id: RecordId,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub case_number: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment_id: Option<RecordId>,
    pub action: &'static str,
}

/// What one call has learned about reading rows.
#[derive(Default)]
struct Reader {
    columns: Columns,
    size: PageSize<PAGE>,
}

/// What is behind a place.
enum Existing {
    Rows(Page),
    /// A column is not shown: the same place is read without it.
    OtherColumns,
    Nothing,
}

/// A row and a response that it concerns.
struct Concerned<'r> {
    row: &'r Value,
    response: ResponseId,
    /// For comments only: whether it is only a guess.
    unsure: Option<bool>,
}

impl Place {
    /// A row that was last changed before the first start was also created before it, so reading begins there.
    fn first(of: Kind, first_start: SalesforceTime) -> Self {
        Self { of, at_ms: first_start, id: None }
    }
}

impl Shared {
    /// Reads a few pages of existing rows, and lists what the last edits of the rules touch. Unless it is a dry run,
    /// these actions are added to the outbox.
    pub async fn apply_actions(&self, options: ApplyOptions) -> Result<Applied, Stop> {
        let contact = self.contact_or_pause().await?;
        self.refresh_schema().await?;
        let mut applied =
            Applied { files_refused: !self.mapping_trouble.load().is_empty(), ..Applied::default() };
        let mut reader = Reader::default();
        let mut place = options.after.unwrap_or_else(|| Place::first(Kind::Comments, contact.first_start));
        for _ in 0..PAGES_AT_ONCE {
            let (context, earlier) = self.rules_in_force().await?;
            let Some(edited) = earlier.last() else { return Ok(applied) };
            applied.edited_at = Some(edited.until.to_string());
            let asked_ms = self.clock.now_ms();
            let applying = Applying::new(self, &contact, &context, &earlier, asked_ms);
            let next =
                self.apply_page(&applying, (&contact, options.dry_run), &mut reader, &place, &mut applied);
            let Some(next) = next.await? else {
                self.applied(&applied, options.dry_run).await?;
                return Ok(applied);
            };
            place = next;
        }
        applied.next = Some(place);
        self.applied(&applied, options.dry_run).await?;
        Ok(applied)
    }

    async fn applied(&self, applied: &Applied, dry_run: bool) -> Result<(), Stop> {
        let Applied { cases, comments, begun, .. } = applied;
        if !dry_run && *begun > 0 {
            self.store.durable().await?;
            info!(cases, comments, actions = begun, "rules were carried out on what stood, by hand");
        }
        Ok(())
    }

    /// Handles one page; returns where the next one begins, if there is one.
    async fn apply_page(
        &self,
        applying: &Applying<'_>,
        (contact, dry_run): (&OrgIdentity, bool),
        reader: &mut Reader,
        place: &Place,
        applied: &mut Applied,
    ) -> Result<Option<Place>, Stop> {
        let (page, part) = loop {
            let part = Part { rows: reader.size.now(), except: &[], only_ids: false };
            match self.existing(applying, contact, reader, place, &part).await {
                Err(Stop::Remote(Failure::TooLarge(_))) if reader.size.shrink() => {}
                Err(Stop::Remote(Failure::TooLarge(_))) => {
                    let part = part.next_id();
                    break (self.existing(applying, contact, reader, place, &part).await?, part);
                }
                page => break (page?, part),
            }
        };
        let page = match page {
            Existing::Rows(page) => page,
            Existing::OtherColumns => return Ok(Some(place.clone())),
            Existing::Nothing => return Ok(None),
        };
        if part.only_ids {
            let Some((at, id)) = page.rows.first().and_then(stamp) else { return Ok(None) };
            warn!(record = %id, "this record is too large to read: no rule is carried out on it");
            applied.unreadable += 1;
            return Ok(Some(Place { of: place.of, at_ms: at.into(), id: Some(id) }));
        }
        reader.size.grow();
        for rows in page.rows.chunks(ROWS_AT_ONCE) {
            let concerned = self.concerned(applying, place.of, rows).await?;
            self.apply_rows(applying, &concerned, dry_run, applied).await?;
            applied.looked_at += rows.len();
            tokio::task::yield_now().await;
        }
        let full = page.rows.len() >= part.rows || !page.done;
        let last = page.rows.last().and_then(stamp).filter(|_| full);
        Ok(match (last, place.of) {
            (Some((at, id)), of) => Some(Place { of, at_ms: at.into(), id: Some(id) }),
            (None, Kind::Comments) => Some(Place::first(Kind::Cases, contact.first_start)),
            (None, Kind::Cases) => None,
        })
    }

    /// The rows behind this place.
    async fn existing(
        &self,
        applying: &Applying<'_>,
        contact: &OrgIdentity,
        reader: &Reader,
        place: &Place,
        part: &Part<'_>,
    ) -> Result<Existing, Stop> {
        let (context, earlier, columns) = (applying.context, applying.earlier, &reader.columns);
        let after = After { at: place.at_ms.timestamp(), id: place.id.clone() };
        let soql = match place.of {
            Kind::Comments => columns.comments(context, earlier, &contact.us, &after, part)?,
            Kind::Cases => columns.cases(context, earlier, &after, part)?,
        };
        let Some(soql) = soql else { return Ok(Existing::Nothing) };
        self.allowance(Purpose::Poll).await?;
        let began_ms = self.clock.now_ms();
        let result = self.salesforce.pages(&[Asked::Current(soql)]).await;
        self.call_ended(Remote::Salesforce, &result, began_ms);
        match result?.pop() {
            Some(Ok(page)) => Ok(Existing::Rows(page)),
            Some(Err(problem)) if columns.without(&problem) => Ok(Existing::OtherColumns),
            Some(Err(problem)) => Err(Failure::Refused { status: 400, problem }.into()),
            None => Ok(Existing::Nothing),
        }
    }

    /// The rows, each with a response that it concerns.
    async fn concerned<'r>(
        &self,
        applying: &Applying<'_>,
        kind: Kind,
        rows: &'r [Value],
    ) -> Result<Vec<Concerned<'r>>, Fatal> {
        Ok(match kind {
            Kind::Comments => {
                let found = responses_of_comments(self, applying, rows).await?;
                let of = |(row, one): (&'r Value, Option<Addressed>)| {
                    one.map(|one| Concerned { row, response: one.response, unsure: Some(one.unsure) })
                };
                rows.iter().zip(found).filter_map(of).collect()
            }
            Kind::Cases => {
                let found = responses_of_cases(self, applying, rows).await?;
                let of = |(row, responses): (&'r Value, Vec<ResponseId>)| {
                    responses.into_iter().map(move |response| Concerned { row, response, unsure: None })
                };
                rows.iter().zip(found).flat_map(of).collect()
            }
        })
    }

    /// Applies rows: one load and one commit for all of their conversations.
    async fn apply_rows(
        &self,
        applying: &Applying<'_>,
        concerned: &[Concerned<'_>],
        dry_run: bool,
        applied: &mut Applied,
    ) -> Result<(), Fatal> {
        let ids: Vec<ResponseId> = concerned.iter().map(|one| one.response.clone()).collect();
        let found = self
            .change_many(&ids, |place, loaded| {
                let Concerned { row, unsure, .. } = concerned[place];
                let (since, next_seq) = (applying.since(self.clock.now_ms()), &mut || self.store.next_seq());
                let (now, rules) = (&mut loaded.now, applying.rules());
                let case_row = applying.parent_of(row);
                let found = match (unsure, dry_run) {
                    (None, true) => {
                        now.touched_case(row, rules, &since).map(|wish| wish.map(|wish| wish.name()))
                    }
                    (None, false) => now.apply_to_case(row, rules, &since, next_seq),
                    (Some(_), true) => now
                        .touched_comment((row, &case_row), rules, &since)
                        .map(|wanted| wanted.map(|wanted| wanted.act.name())),
                    (Some(unsure), false) => {
                        now.apply_to_comment((row, &case_row), rules, &since, unsure, next_seq)
                    }
                };
                found.map(|action| {
                    action.map(|action| (action, now.link.as_ref().and_then(|l| l.case.clone())))
                })
            })
            .await?;
        for (of, found) in concerned.iter().zip(found) {
            match found {
                Ok(Some((action, Some(case)))) => {
                    applied.begun += usize::from(!dry_run);
                    applied.add(of.touched(action, case), of.row);
                }
                Ok(_) => {}
                Err(problem) => {
                    applied.unreadable += 1;
                    warn!(response = %of.response, %problem, "a rule cannot be evaluated on what stands");
                }
            }
        }
        Ok(())
    }
}

impl Concerned<'_> {
    fn touched(&self, action: &'static str, case: CaseRef) -> Touched {
        Touched {
            response_id: self.response.clone(),
            case_id: case.id,
            case_number: case.number,
            comment_id: self.unsure.and_then(|_| id_of(self.row, "Id")),
            action,
        }
    }
}

impl Applied {
    fn add(&mut self, one: Touched, row: &Value) {
        if one.comment_id.is_some() {
            self.comments += 1;
            self.published_comments += usize::from(row.get("IsPublished") == Some(&Value::Bool(true)));
        } else {
            self.cases += 1;
            self.open_cases += usize::from(edits::is_open(row));
        }
        if self.touched.len() < LISTED {
            self.touched.push(one);
        }
    }
}
