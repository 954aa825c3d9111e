//! Which columns of Cases and comments are selected: all that the rules of actions.yaml read, now or before an edit.
//!
//! What people did before an edit is judged by the earlier rules, so their fields are read as long as those are kept.

use std::collections::BTreeSet;

use tracing::warn;

use crate::decide::outbound::EarlierRules;
use crate::http::{Failure, Problem};
use crate::mapping::ActionMapping;
use crate::salesforce::RecordId;
use crate::salesforce::query::{self, After, Poll};
use crate::workers::inbound::reconcile::unsayable;
use crate::workers::runtime::plan_context::OwnedPlanContext;

/// Rows per page.
pub(crate) const PAGE: usize = 2000;

/// The columns of one reader. It learns which of them the org does not show.
#[derive(Default)]
pub(crate) struct Columns {
    /// In lower case.
    missing: BTreeSet<String>,
}

impl Columns {
    /// The query for one page of the Cases with our key; `None` without a Case mapping.
    pub(crate) fn cases(
        &self,
        context: &OwnedPlanContext,
        earlier: &[EarlierRules],
        after: &After,
    ) -> Result<Option<String>, Failure> {
        let Some(case) = context.mapping.case_mappings().first() else { return Ok(None) };
        let mut fields = self.of_case(context, earlier, ActionMapping::case_paths);
        let ours = ["CaseNumber", "CreatedDate", "LastModifiedById", "LastModifiedDate", &case.key_field];
        fields.extend(ours.map(str::to_owned));
        let (key, object) = (case.key_field.as_str(), case.object.as_str());
        let poll = Poll { object, fields: &refs(&fields), key, not_by: None, limit: PAGE };
        query::poll(&poll, after).map(Some).map_err(|e| unsayable(&e))
    }

    /// The query for one page of comments on such Cases that are not by this user; `None` without a Case mapping.
    pub(crate) fn comments(
        &self,
        context: &OwnedPlanContext,
        earlier: &[EarlierRules],
        us: &RecordId,
        after: &After,
    ) -> Result<Option<String>, Failure> {
        let Some(case) = context.mapping.case_mappings().first() else { return Ok(None) };
        let source = &context.mapping.actions().comments;
        let parent = source.parent.trim_end_matches("Id");
        let key = format!("{parent}.{}", case.key_field);
        let mut fields = self.of_comment(context, earlier);
        fields.push(key.clone());
        fields.extend(
            ["CreatedById", "CreatedBy.UserType", "CreatedDate", "LastModifiedDate"].map(str::to_owned),
        );
        fields.retain(|path| !self.missing.contains(&path.to_ascii_lowercase()));
        let object = source.object.as_str();
        let poll = Poll { object, fields: &refs(&fields), key: &key, not_by: Some(us), limit: PAGE };
        query::poll(&poll, after).map(Some).map_err(|e| unsayable(&e))
    }

    /// Paths of comments, and of their Cases through the parent field.
    pub(crate) fn of_comment(&self, context: &OwnedPlanContext, earlier: &[EarlierRules]) -> Vec<String> {
        let source = &context.mapping.actions().comments;
        let parent = source.parent.trim_end_matches("Id");
        // Rules about another object's comments do not apply to these.
        let same = |actions: &&ActionMapping| actions.comments.object == source.object;
        let own = rules(context, earlier).filter(same).flat_map(ActionMapping::comment_paths);
        let of_case = self.of_case(context, earlier, ActionMapping::comment_case_paths);
        let of_parent = of_case.iter().map(|path| format!("{parent}.{path}"));
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
            !plain && !self.missing.contains(&path.to_ascii_lowercase())
        };
        rules(context, earlier).flat_map(paths).filter(known).collect()
    }

    /// Leaves a missing column out from now on; true when it was not known to be missing.
    pub(crate) fn without(&mut self, problem: &Problem) -> bool {
        if problem.code != "INVALID_FIELD" {
            return false;
        }
        let after = |words: &str| problem.message.split(words).nth(1).map(str::to_owned);
        let Some(rest) = after("No such column '").or_else(|| after("relationship '")) else { return false };
        let Some(column) = rest.split('\'').next().filter(|c| !c.is_empty()) else { return false };
        warn!(column, "the org does not show this field to the connector's user; rules on it do not hold");
        let column = column.to_ascii_lowercase();
        // The message is the same for a field of the Case and for that of a comment's Case.
        self.missing.insert(format!("parent.{column}"));
        self.missing.insert(column)
    }
}

/// The current rules, then the earlier ones.
fn rules<'a>(
    context: &'a OwnedPlanContext,
    earlier: &'a [EarlierRules],
) -> impl Iterator<Item = &'a ActionMapping> {
    [context.mapping.actions()].into_iter().chain(earlier.iter().map(|rules| rules.mapping.actions()))
}

fn refs(names: &[String]) -> Vec<&str> {
    names.iter().map(String::as_str).collect()
}
