//! Reads Cases back before they are written: after a write without an answer or a duplicate key, when a Case is gone,
//! or when the ledger cannot know (design, 4).

use std::collections::HashMap;

use serde_json::Value;
use tracing::{debug, info};

use crate::decide::ledger::linked::Met;
use crate::decide::reconcile::{Found, Row, adopt, adopt_survivor, bury, find, read_row};
use crate::decide::{Link, LinkUpdate, PlanContext};
use crate::goodays::ResponseId;
use crate::http::Failure;
use crate::salesforce::RecordId;
use crate::salesforce::query;
use crate::workers::inbound::{InboundWorker, Job};
use crate::workers::runtime::budget::Purpose;
use crate::workers::{Remote, Shared, Stop};

impl InboundWorker {
    /// Reads the Cases and comments of the jobs that need it, and updates the ledger.
    pub(crate) async fn reconcile(&mut self, shared: &Shared, jobs: &mut [Job]) -> Result<(), Stop> {
        let context = shared.plan_context();
        let asked: Vec<usize> = {
            let state = self.state();
            (0..jobs.len()).filter(|i| state.needs_refresh.contains(&jobs[*i].rkey)).collect()
        };
        if asked.is_empty() {
            return Ok(());
        }
        let read = loop {
            match read(shared, &context.plan_context(), asked.iter().map(|i| &jobs[*i])).await {
                // Ends: each time another column is left out.
                Err(failure) if failure.problem().is_some_and(|p| shared.columns.without(p)) => {}
                read => break read?,
            }
        };
        // The Case may be made by an attempt of ours that got no answer.
        let baseline = |job: &Job| {
            let ours = self.state().unconfirmed.contains_key(&job.rkey) && job.is_unwritten();
            if ours { self.baseline(&context, job) } else { None }
        };
        let contact = shared.contact().await?;
        let (us, now) = (contact.all_of_us(), shared.salesforce_now());
        let seen_until = shared.poll_state.seen_until(&contact);
        let baselines: Vec<Option<LinkUpdate>> = asked.iter().map(|i| baseline(&jobs[*i])).collect();
        let ids: Vec<ResponseId> = asked.iter().map(|i| jobs[*i].response_id.clone()).collect();
        let links = shared
            .change_many(&ids, |place, loaded| {
                let mut before = loaded.now.link.take();
                if let Found::Live(row) = read.of(&ids[place]).0 {
                    let link = before.get_or_insert_with(|| Link::unread(ids[place].clone()));
                    link.note_linked(&row.case.id, Met { row: &row.fields, us: &us, seen_until, now });
                }
                loaded.now.link =
                    read.apply(before, &ids[place], &context.plan_context(), baselines[place].as_ref());
                loaded.now.link.clone()
            })
            .await?;
        for (index, link) in asked.into_iter().zip(links) {
            jobs[index].link = link;
            self.applied(&jobs[index], &read);
        }
        Ok(())
    }

    fn applied(&self, job: &Job, read: &Read) {
        let (found, comments) = read.of(&job.response_id);
        info!(response = %job.response_id, found = found.name(), "read back from Salesforce");
        let mut state = self.state();
        if matches!(found, Found::Live(_) | Found::Merged(_)) {
            state.nowhere.remove(&job.rkey);
        }
        state.comments.insert(job.rkey, comments.to_vec());
        state.needs_refresh.remove(&job.rkey);
    }
}

/// Corrects a link whose Case does not exist, or not any more.
fn forget_case(mut link: Link) -> Link {
    link.case = None;
    link.unread = false;
    link.active_status_rule = None;
    link
}

impl Found {
    fn name(&self) -> &'static str {
        match self {
            Self::Absent => "no Case",
            Self::Live(_) => "its Case",
            Self::Deleted(_) => "a deleted Case",
            Self::Merged(_) => "a merged Case",
        }
    }
}

/// What was read from Salesforce.
#[derive(Default)]
struct Read {
    key_field: String,
    found: HashMap<String, Found>,
    masters: HashMap<RecordId, Row>,
    /// Texts of the comments by Case, oldest first.
    comments: HashMap<RecordId, Vec<String>>,
}

impl Read {
    /// What was found of a response, and the texts of its Case's comments.
    fn of(&self, id: &ResponseId) -> (&Found, &[String]) {
        let found = self.found.get(id.as_str()).unwrap_or(&Found::Absent);
        let case = match found {
            Found::Live(row) => Some(row),
            Found::Merged(master) => self.masters.get(master),
            Found::Absent | Found::Deleted(_) => None,
        };
        let comments = case.and_then(|row| self.comments.get(&row.case.id));
        (found, comments.map(Vec::as_slice).unwrap_or_default())
    }

    /// The link as it is by what was found.
    fn apply(
        &self,
        before: Option<Link>,
        id: &ResponseId,
        context: &PlanContext<'_>,
        baseline: Option<&LinkUpdate>,
    ) -> Option<Link> {
        match self.of(id).0 {
            Found::Absent => before.map(forget_case),
            Found::Live(row) => {
                let mut link = adopt(before, id, row, context);
                if let Some(written) = baseline {
                    written.rebase(&mut link);
                }
                Some(link)
            }
            Found::Deleted(row) => Some(bury(before, id, row)),
            Found::Merged(master) => match self.masters.get(master) {
                Some(row) => Some(adopt_survivor(before, id, row, &self.key_field, context)),
                None => before.map(forget_case),
            },
        }
    }
}

async fn read<'j>(
    shared: &Shared,
    context: &PlanContext<'_>,
    jobs: impl Iterator<Item = &'j Job>,
) -> Result<Read, Failure> {
    let jobs: Vec<&Job> = jobs.collect();
    let Some(case) = context.mapping.case_mappings().first() else {
        return Ok(Read::default());
    };
    let (key, marker) = (case.key_field.as_str(), case.marker_field.as_str());
    let mut extra = visible(context, context.mapping.actions().case_fields.iter().map(String::as_str));
    extra.extend(["CreatedById", "LastModifiedDate"]);
    extra.retain(|field| shared.columns.shows(field));
    let keys: Vec<&str> = jobs.iter().map(|j| j.response_id.as_str()).collect();
    let queries =
        query::cases_by_keys(&case.object, key, marker, &extra, &keys).map_err(|e| unsayable(&e))?;
    let rows = all(shared, &queries).await?;
    let mut found: HashMap<String, Found> = HashMap::new();
    let mut masters = Vec::new();
    for job in &jobs {
        let what = find(&rows, &job.response_id, key, marker);
        if let Found::Merged(master) = &what {
            masters.push(master.clone());
        }
        found.insert(job.response_id.as_str().to_owned(), what);
    }
    let masters = read_masters(shared, &case.object, key, marker, &extra, masters).await?;
    let cases: Vec<RecordId> = found
        .values()
        .filter_map(|f| if let Found::Live(row) = f { Some(row.case.id.clone()) } else { None })
        .chain(masters.keys().cloned())
        .collect();
    let comments = read_comments(shared, context, &cases).await?;
    debug!(asked = jobs.len(), cases = cases.len(), "learned from Salesforce");
    Ok(Read { key_field: key.to_owned(), found, masters, comments })
}

/// Master Cases of merges. A master that was merged itself is followed, up to five times.
async fn read_masters(
    shared: &Shared,
    object: &str,
    key: &str,
    marker: &str,
    extra: &[&str],
    mut wanted: Vec<RecordId>,
) -> Result<HashMap<RecordId, Row>, Failure> {
    let mut masters: HashMap<RecordId, Row> = HashMap::new();
    let mut aliases: Vec<(RecordId, RecordId)> = Vec::new();
    for _ in 0..5 {
        if wanted.is_empty() {
            break;
        }
        let fields: Vec<&str> =
            [key, marker, "CaseNumber", "IsDeleted", "MasterRecordId", "Status", "IsClosed"]
                .into_iter()
                .chain(extra.iter().copied())
                .collect();
        let queries = query::by_ids(object, &fields, &wanted).map_err(|e| unsayable(&e))?;
        wanted.clear();
        for row in all(shared, &queries).await? {
            let id = row.get("Id").and_then(Value::as_str).and_then(RecordId::new);
            let next = row.get("MasterRecordId").and_then(Value::as_str).and_then(RecordId::new);
            match (id, next) {
                (Some(id), Some(next)) => {
                    aliases.push((id, next.clone()));
                    wanted.push(next);
                }
                (Some(id), None) if row.get("IsDeleted") != Some(&Value::Bool(true)) => {
                    masters.extend(read_row(&row, marker).map(|r| (id, r)));
                }
                _ => {}
            }
        }
    }
    for (id, next) in aliases.into_iter().rev() {
        if let Some(row) = masters.get(&next).cloned() {
            masters.insert(id, row);
        }
    }
    Ok(masters)
}

async fn read_comments(
    shared: &Shared,
    context: &PlanContext<'_>,
    cases: &[RecordId],
) -> Result<HashMap<RecordId, Vec<String>>, Failure> {
    let comment = context.mapping.comment();
    let fields = [comment.body_field.as_str()];
    let queries = query::comments_of(&comment.object, &comment.parent_field, &fields, cases)
        .map_err(|e| unsayable(&e))?;
    let mut comments: HashMap<RecordId, Vec<String>> = HashMap::new();
    for row in all(shared, &queries).await? {
        let parent = row.get(&comment.parent_field).and_then(Value::as_str).and_then(RecordId::new);
        let body = row.get(&comment.body_field).and_then(Value::as_str);
        if let (Some(parent), Some(body)) = (parent, body) {
            comments.entry(parent).or_default().push(body.to_owned());
        }
    }
    Ok(comments)
}

/// The fields that the org has; all of `names` when the org's describe is not known.
pub(crate) fn visible<'n>(context: &PlanContext<'_>, names: impl Iterator<Item = &'n str>) -> Vec<&'n str> {
    names.filter(|n| context.case.is_none_or(|d| n.contains('.') || d.field(n).is_some())).collect()
}

async fn all(shared: &Shared, queries: &[String]) -> Result<Vec<Value>, Failure> {
    let mut rows = Vec::new();
    for soql in queries {
        shared.allowance(Purpose::Feedback).await?;
        let began_ms = shared.clock.now_ms();
        let result = shared.salesforce.query_all(soql).await;
        if result.is_ok() {
            shared.call_succeeded(Remote::Salesforce, began_ms);
        }
        rows.extend(result?);
    }
    Ok(rows)
}

/// The mapping has a name that is no valid field name: `check` reports it, and nothing is sent.
pub(crate) fn unsayable(error: &query::BadName) -> Failure {
    Failure::Configuration { code: "bad_name".to_owned(), advice: format!("{error}: correct the mapping") }
}
