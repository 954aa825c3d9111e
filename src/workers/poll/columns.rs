//! Which columns of Cases and comments are selected: all that the rules of actions.yaml read, now or before an edit.
//!
//! What people did before an edit is judged by the earlier rules, so their fields are read as long as those are kept.

use std::collections::BTreeSet;
use std::sync::Mutex;

use jiff::Timestamp;
use tracing::warn;

use crate::decide::outbound::EarlierRules;
use crate::http::{Failure, Problem};
use crate::mapping::ActionMapping;
use crate::salesforce::RecordId;
use crate::salesforce::query::{self, After, Poll};
use crate::sync::lock;
use crate::workers::inbound::reconcile::unsayable;
use crate::workers::runtime::plan_context::OwnedPlanContext;

/// Rows per page, at most.
pub(crate) const PAGE: usize = 2000;
/// The Case into which a Case was merged.
pub(crate) const SURVIVOR: &str = "MasterRecordId";

/// How much a page shows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Part<'a> {
    pub rows: usize,
    /// Rows that are too large to read.
    pub except: &'a [(RecordId, Timestamp)],
    /// Only which rows there are, and since when.
    pub only_ids: bool,
}

impl Part<'_> {
    /// The next row alone, without what makes it large.
    pub(crate) fn next_id(self) -> Self {
        Self { rows: 1, only_ids: true, ..self }
    }
}

/// The columns of all readers of agents' work. They learn which of them the org does not show.
#[derive(Default)]
pub struct Columns {
    /// Names of fields and relationships, in lower case.
    missing: Mutex<BTreeSet<String>>,
}

impl Columns {
    /// The query for one page of the Cases with our key; `None` without a Case mapping.
    pub(crate) fn cases(
        &self,
        context: &OwnedPlanContext,
        earlier: &[EarlierRules],
        after: &After,
        part: &Part<'_>,
    ) -> Result<Option<String>, Failure> {
        let Some(case) = context.mapping.case_mappings().first() else { return Ok(None) };
        let mut fields = self.of_case(context, earlier, ActionMapping::case_paths);
        let ours = [
            "CaseNumber",
            "CreatedById",
            "CreatedDate",
            "LastModifiedById",
            "LastModifiedDate",
            &case.key_field,
        ];
        fields.extend(ours.map(str::to_owned));
        fields.extend(self.survivor(context).map(str::to_owned));
        let (key, object) = (case.key_field.as_str(), case.object.as_str());
        let fields = if part.only_ids { Vec::new() } else { refs(&fields) };
        let poll = Poll { object, fields: &fields, key, not_by: None, except: part.except, limit: part.rows };
        query::poll(&poll, after).map(Some).map_err(|e| unsayable(&e))
    }

    /// The query for one page of comments on such Cases that are not by this user; `None` without a Case mapping.
    pub(crate) fn comments(
        &self,
        context: &OwnedPlanContext,
        earlier: &[EarlierRules],
        us: &RecordId,
        after: &After,
        part: &Part<'_>,
    ) -> Result<Option<String>, Failure> {
        let Some(case) = context.mapping.case_mappings().first() else { return Ok(None) };
        let source = &context.mapping.actions().comments;
        let parent = source.parent_relation();
        let key = format!("{parent}.{}", case.key_field);
        let mut fields = self.of_comment(context, earlier);
        fields.push(key.clone());
        fields.extend(
            ["CreatedById", "CreatedBy.UserType", "CreatedDate", "LastModifiedDate"].map(str::to_owned),
        );
        fields.retain(|path| self.shows(path));
        let object = source.object.as_str();
        let fields = if part.only_ids { Vec::new() } else { refs(&fields) };
        let (key, not_by) = (key.as_str(), Some(us));
        let poll = Poll { object, fields: &fields, key, not_by, except: part.except, limit: part.rows };
        query::poll(&poll, after).map(Some).map_err(|e| unsayable(&e))
    }

    /// The column that names the Case into which one was merged. Not in an org that hides it: a refusal would stop the poll.
    pub(crate) fn survivor(&self, context: &OwnedPlanContext) -> Option<&'static str> {
        let described = context.plan_context().case.is_some_and(|d| d.field(SURVIVOR).is_some());
        (described && self.shows(SURVIVOR)).then_some(SURVIVOR)
    }

    /// Paths of comments, and of their Cases through the parent field.
    pub(crate) fn of_comment(&self, context: &OwnedPlanContext, earlier: &[EarlierRules]) -> Vec<String> {
        let source = &context.mapping.actions().comments;
        let parent = source.parent_relation();
        // Rules about another object's comments do not apply to these.
        let same = |actions: &&ActionMapping| actions.comments.object == source.object;
        let own = rules(context, earlier).filter(same).flat_map(ActionMapping::comment_paths);
        let of_case = self.of_case(context, earlier, ActionMapping::comment_case_paths);
        let of_parent = of_case.iter().map(|path| format!("{parent}.{path}"));
        let own = own.filter(|path| self.shows(path));
        own.chain([source.parent.clone(), source.body.clone()]).chain(of_parent).collect()
    }

    /// Paths of the Case, without those that the org is known to lack.
    pub(crate) fn of_case(
        &self,
        context: &OwnedPlanContext,
        earlier: &[EarlierRules],
        paths: impl Fn(&ActionMapping) -> Vec<String>,
    ) -> Vec<String> {
        let described = context.plan_context().case;
        let known = |path: &String| {
            let plain = !path.contains('.') && described.is_some_and(|d| d.field(path).is_none());
            !plain && self.shows(path)
        };
        rules(context, earlier).flat_map(paths).filter(known).collect()
    }

    /// Leaves a missing column out from now on; true when it was not known to be missing.
    pub(crate) fn without(&self, problem: &Problem) -> bool {
        let Some(column) = problem.fields.first().filter(|_| problem.code == "INVALID_FIELD") else {
            return false;
        };
        let new = lock(&self.missing).insert(column.to_ascii_lowercase());
        if new {
            warn!(
                column,
                "the org does not show this field to the connector's user; rules on it do not hold"
            );
        }
        new
    }

    /// The org was described again, or an admin says that it changed: missing columns may be shown now.
    pub(crate) fn forget(&self) {
        lock(&self.missing).clear();
    }

    /// Whether no part of the path is known to be missing: a refusal names the field of a related record
    /// (`CreatedBy.Email`) without its path.
    pub(crate) fn shows(&self, path: &str) -> bool {
        let missing = lock(&self.missing);
        missing.is_empty() || !path.split('.').any(|part| missing.contains(&part.to_ascii_lowercase()))
    }
}

/// The current rules, then the earlier ones.
fn rules<'a>(
    context: &'a OwnedPlanContext,
    earlier: &'a [EarlierRules],
) -> impl Iterator<Item = &'a ActionMapping> {
    [context.mapping.actions()].into_iter().chain(earlier.iter().filter_map(EarlierRules::actions))
}

fn refs(names: &[String]) -> Vec<&str> {
    names.iter().map(String::as_str).collect()
}
