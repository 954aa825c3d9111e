//! Reads an action older than one poll again from Salesforce before it is sent: it may have been unpublished, deleted,
//! edited or taken back (design, rule 10).

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde_json::Value;
use tracing::{info, warn};

use crate::decide::Intent;
use crate::decide::outbound::{EarlierRules, Rules};
use crate::goodays::ResponseId;
use crate::http::Failure;
use crate::mapping::ActionMapping;
use crate::salesforce::{RecordId, query};
use crate::workers::delivery::deliver::Delivery;
use crate::workers::poll::apply_rows::id_of;
use crate::workers::poll::columns::SURVIVOR;
use crate::workers::runtime::budget::Purpose;
use crate::workers::runtime::plan_context::OwnedPlanContext;
use crate::workers::runtime::retry::{RECORD, interval, millis};
use crate::workers::{Fatal, Remote, Shared, Stop};

impl Delivery {
    /// Reads old intents again from Salesforce. Intents that are still valid get a new read time and may be sent. If
    /// Salesforce cannot be read, they are postponed.
    pub(crate) async fn read_again(&self, shared: &Shared, old: Vec<Intent>) -> Result<(), Fatal> {
        let began_ms = shared.clock.now_ms();
        match shared.again(&old).await {
            Ok(again) => {
                shared.poll_state.not_shown_times.store(0, Ordering::Relaxed);
                shared.poll_state.not_shown.store(Arc::new(None));
                confirm(shared, &old, &again).await?;
            }
            Err(Stop::Fatal(fatal)) => return Err(fatal),
            Err(Stop::Remote(failure)) => {
                let until_ms = shared.call_failed(Remote::Salesforce, &failure, began_ms);
                let until_ms = until_ms.unwrap_or_else(|| not_shown(shared, &failure, old.len()));
                for intent in &old {
                    self.postpone(intent.seq, until_ms);
                }
            }
        }
        Ok(())
    }
}

/// Salesforce refuses the query: that is told, and the next one comes later each time. Returns when (milliseconds).
fn not_shown(shared: &Shared, failure: &Failure, actions: usize) -> i64 {
    let state = &shared.poll_state;
    let times = state.not_shown_times.fetch_add(1, Ordering::Relaxed);
    let pause_ms = millis(interval(RECORD, times, None));
    let code = failure.code();
    warn!(code, actions, pause_ms, "Salesforce refuses to show actions before they are sent: they wait");
    let told = format!(
        "Salesforce refuses to show answers before they are sent, with {code}: they wait; run `check`"
    );
    let told = Arc::new(Some(told));
    state.not_shown.store(told.clone());
    state.trouble.store(told);
    shared.clock.now_ms() + pause_ms
}

/// Current rows of Salesforce, and the rules that they were read for.
struct Again {
    context: OwnedPlanContext,
    earlier: Arc<Vec<EarlierRules>>,
    rows: Vec<Value>,
}

impl Again {
    /// The row with this id. For a Case that was merged into another one, the row of that one.
    fn row(&self, id: &RecordId) -> Option<&Value> {
        let with = |id: &RecordId| self.rows.iter().find(|row| id_of(row, "Id").as_ref() == Some(id));
        let mut row = with(id)?;
        for _ in 0..self.rows.len() {
            match id_of(row, SURVIVOR).and_then(|survivor| with(&survivor)) {
                Some(survivor) => row = survivor,
                None => break,
            }
        }
        Some(row)
    }
}

/// Applies the current rows to old intents: still valid, changed, or taken back.
async fn confirm(shared: &Shared, old: &[Intent], again: &Again) -> Result<(), Fatal> {
    let rules = Rules { now: &again.context.mapping, earlier: &again.earlier };
    let row_of = |intent: &Intent| again.row(intent.kind.comment().unwrap_or(&intent.case_id));
    let now_ms = shared.clock.now_ms();
    let ids: Vec<ResponseId> = old.iter().map(|intent| intent.response_id.clone()).collect();
    let goes = shared
        .change_many(&ids, |place, loaded| {
            let intent = &old[place];
            loaded.now.see_again(intent.seq, row_of(intent), rules, now_ms)
        })
        .await?;
    for (intent, goes) in old.iter().zip(goes) {
        match goes {
            Ok(true) => {}
            Ok(false) => {
                info!(response = %intent.response_id, action = intent.kind.name(), "taken back before it was sent");
            }
            Err(problem) => warn!(response = %intent.response_id, %problem, "a rule cannot be evaluated"),
        }
    }
    Ok(())
}

impl Shared {
    async fn again(&self, intents: &[Intent]) -> Result<Again, Stop> {
        self.contact().await?;
        let (context, earlier) = self.rules_in_force().await?;
        loop {
            match self.salesforce_rows(&context, &earlier, intents).await {
                // Ends: each time another column is left out.
                Err(Failure::Refused { problem, .. }) if self.columns.without(&problem) => {}
                // The org may have removed a field that only earlier rules read.
                Err(Failure::Refused { problem, .. })
                    if problem.code == "INVALID_FIELD" && !earlier.is_empty() =>
                {
                    let rows = self.salesforce_rows(&context, &[], intents).await?;
                    return Ok(Again { context, earlier, rows });
                }
                rows => return Ok(Again { context, earlier, rows: rows? }),
            }
        }
    }

    /// The rows of these intents, in as few queries as possible.
    async fn salesforce_rows(
        &self,
        context: &OwnedPlanContext,
        earlier: &[EarlierRules],
        intents: &[Intent],
    ) -> Result<Vec<Value>, Failure> {
        let actions = context.mapping.actions();
        let Some(case) = context.mapping.case_mappings().first() else { return Ok(Vec::new()) };
        let (mut comments, mut cases): (Vec<RecordId>, Vec<RecordId>) = (Vec::new(), Vec::new());
        for intent in intents {
            match intent.kind.comment() {
                Some(comment) => comments.push(comment.clone()),
                None => cases.push(intent.case_id.clone()),
            }
        }
        let columns = &self.columns;
        let mut of_case = columns.of_case(context, earlier, ActionMapping::case_paths);
        let mut of_comment = columns.of_comment(context, earlier);
        for fields in [&mut of_case, &mut of_comment] {
            fields.extend(["LastModifiedDate", "SystemModstamp", "IsDeleted"].map(str::to_owned));
        }
        of_case.extend(columns.survivor(context).map(str::to_owned));
        let mut rows = self.rows_in_parts(&actions.comments.object, &of_comment, comments).await?;
        while !cases.is_empty() {
            let found = self.rows_in_parts(&case.object, &of_case, cases).await?;
            let survivors = found.iter().filter_map(|row| id_of(row, SURVIVOR));
            let survivors: BTreeSet<RecordId> = survivors.collect();
            rows.extend(found);
            let is_new = |id: &RecordId| rows.iter().all(|row| id_of(row, "Id").as_ref() != Some(id));
            cases = survivors.into_iter().filter(is_new).collect();
        }
        Ok(rows)
    }

    /// The rows with these ids, in smaller parts if an answer is too large.
    async fn rows_in_parts(
        &self,
        object: &str,
        fields: &[String],
        ids: Vec<RecordId>,
    ) -> Result<Vec<Value>, Failure> {
        let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
        let (mut rows, mut parts) = (Vec::new(), vec![ids]);
        while let Some(mut ids) = parts.pop() {
            match self.rows_by_ids(object, &fields, &ids).await {
                Err(Failure::TooLarge(_)) if ids.len() > 1 => {
                    let half = ids.split_off(ids.len() / 2);
                    parts.extend([half, ids]);
                }
                found => rows.extend(found?),
            }
        }
        Ok(rows)
    }

    async fn rows_by_ids(
        &self,
        object: &str,
        fields: &[&str],
        ids: &[RecordId],
    ) -> Result<Vec<Value>, Failure> {
        let queries = query::by_ids(object, fields, ids)
            .map_err(|e| crate::workers::inbound::reconcile::unsayable(&e))?;
        let mut rows = Vec::new();
        for soql in queries {
            self.allowance(Purpose::Feedback).await?;
            rows.extend(self.salesforce.query_all(&soql).await?);
        }
        Ok(rows)
    }
}
