//! The rules of actions.yaml, now and before its last edits (design, rule 19).
//!
//! An edit acts on what people do after it. What they did before is judged by the rules in force then, by Salesforce's
//! clock. What existed before an edit is never sent because of it.

use std::sync::Arc;

use serde_json::Value;

use crate::decide::outbound::comment_rows::{Author, author_of_kind};
use crate::decide::outbound::rows::{Since, path};
use crate::decide::{Intent, Link, active_status_rule};
use crate::goodays::Verb;
use crate::mapping::{ActionMapping, EvalProblem, Mapping, Wanted};
use crate::time::SalesforceTime;

/// Rules that were in force until a time.
#[derive(Debug, Clone)]
pub struct EarlierRules {
    /// When they were replaced. What was done in that second counts as done before.
    pub until: SalesforceTime,
    /// None: they are not kept any more, or this version cannot read them.
    pub mapping: Option<Arc<Mapping>>,
}

impl EarlierRules {
    pub fn actions(&self) -> Option<&ActionMapping> {
        self.mapping.as_deref().map(Mapping::actions)
    }
}

/// All rules that may apply to rows.
#[derive(Debug, Clone, Copy)]
pub struct Rules<'a> {
    pub now: &'a Mapping,
    /// Oldest first.
    pub earlier: &'a [EarlierRules],
}

impl<'a> Rules<'a> {
    /// Rules that never changed.
    pub fn only(now: &'a Mapping) -> Self {
        Self { now, earlier: &[] }
    }

    /// The rules that were in force when somebody last changed the row.
    pub fn of_row(self, row: &Value) -> &'a Mapping {
        modified(row).map_or(self.now, |at| self.at(at))
    }

    /// The rules for what is new on a Case. Behind our own write it is not seen when somebody else changed the Case: at any
    /// time since the last poll.
    pub fn of_case(self, row: &Value, since: &Since<'_>) -> &'a Mapping {
        let Some(modified) = modified(row) else { return self.now };
        self.at(if since.changed_by_us(row) { modified.min(since.seen_until) } else { modified })
    }

    /// The rules that were in force then. For those that are not known, the ones after them.
    fn at(self, time: SalesforceTime) -> &'a Mapping {
        let mut since = self.earlier.iter().filter(|rules| time <= rules.until);
        since.find_map(|rules| rules.mapping.as_deref()).unwrap_or(self.now)
    }

    /// Whether the rules that were in force then are not known.
    fn are_unknown_at(self, time: SalesforceTime) -> bool {
        self.earlier.iter().find(|rules| time <= rules.until).is_some_and(|rules| rules.mapping.is_none())
    }

    /// The rules that apply to an action: the current ones if an operator asked for it, since the edit was applied to
    /// existing rows. Those of its comment, which only people change. What the Case asked for was asked for once, whoever
    /// changes the Case later.
    pub fn of_action(self, action: Option<&Intent>, row: &Value) -> &'a Mapping {
        match action {
            Some(action) if action.by_operator => self.now,
            Some(action) if action.kind.comment().is_none() => self.at(action.acted),
            _ => self.of_row(row),
        }
    }

    /// The action that a new comment asks for; none if the rules for it are not known.
    pub fn new_comment(self, case: &Value, row: &Value) -> Result<Option<Wanted>, EvalProblem> {
        if modified(row).is_some_and(|modified| self.are_unknown_at(modified)) {
            return Ok(None);
        }
        let rules = self.of_row(row);
        let wanted = rules.actions().on_comment(case, row)?.filter(|_| self.admitted_author(row));
        let Some(edited) = self.earlier.last().map(|rules| rules.until) else { return Ok(wanted) };
        let created = time(row, "CreatedDate");
        if wanted.is_none()
            || !std::ptr::eq(rules, self.now)
            || created.is_none_or(|created| created > edited)
        {
            return Ok(wanted);
        }
        // Created before the edit, changed after it: it counts only if the rule depends on that change, for example
        // its publishing.
        let without = switched_off(row);
        let stood_before = self.now.actions().on_comment(case, &without)?.is_some();
        Ok(wanted.filter(|_| !stood_before))
    }

    /// Whether all rules in force since the comment was written let its author answer. If an edit admits an author,
    /// only later comments count.
    fn admitted_author(self, row: &Value) -> bool {
        let Some(created) = time(row, "CreatedDate") else { return true };
        let user_type = path(row, Some("CreatedBy.UserType"));
        let since = self.earlier.iter().filter(|rules| created <= rules.until);
        since
            .filter_map(EarlierRules::actions)
            .map(|actions| &actions.comments)
            .all(|source| author_of_kind(user_type.as_deref(), source) != Author::MayNot)
    }

    /// Whether the field of commands was not read before: what stands there may have stood before the edit that names it.
    pub fn is_new_command_field(self, link: &Link) -> bool {
        let Some(field) = self.now.actions().command.as_deref() else { return false };
        match link.command.field.as_deref() {
            Some(read) => read != field,
            None => {
                self.rules_of(link).is_some_and(|rules| rules.actions().command.as_deref() != Some(field))
            }
        }
    }

    /// The rules by which the Case was seen last, if those are known and not the current ones.
    fn rules_of(self, link: &Link) -> Option<&'a Mapping> {
        let mut earlier = self.earlier.iter().filter_map(|rules| rules.mapping.as_deref());
        let is_current = link.rules == self.now.rules_version();
        earlier.find(|rules| !is_current && rules.rules_version() == link.rules)
    }

    /// The status rule that was active on the Case when last seen, by the rules that apply now. Fields that were not read
    /// then, or were forgotten since, count as they are now: nothing begins to hold by being read for the first time.
    pub fn rule_active_before(self, rules: &Mapping, link: &Link, row: &Value) -> Option<Verb> {
        if link.rules == rules.rules_version() || link.rules == 0 {
            return link.active_status_rule;
        }
        let seen_by = self.rules_of(link).filter(|_| !link.fields_forgotten);
        let seen_by = seen_by.map(|rules| rules.actions().condition_fields.as_slice());
        let was_read = |name: &String| {
            link.last_seen_fields.contains_key(name) || seen_by.is_some_and(|fields| fields.contains(name))
        };
        let mut before = row.as_object().cloned().unwrap_or_default();
        for name in rules.actions().condition_fields.iter().filter(|name| was_read(name)) {
            before.insert(name.clone(), link.last_seen_fields.get(name).cloned().unwrap_or(Value::Null));
        }
        active_status_rule(rules, &Value::Object(before))
    }
}

/// When somebody last changed it. A mass touch changes only `SystemModstamp` (Salesforce reference, 6.5).
pub fn modified(row: &Value) -> Option<SalesforceTime> {
    time(row, "LastModifiedDate").or_else(|| time(row, "SystemModstamp"))
}

pub(super) fn time(row: &Value, field: &str) -> Option<SalesforceTime> {
    row.get(field).and_then(Value::as_str).and_then(SalesforceTime::parse)
}

/// The row before it was published: each true value is false.
fn switched_off(row: &Value) -> Value {
    let mut before = row.clone();
    for value in before.as_object_mut().into_iter().flat_map(serde_json::Map::values_mut) {
        if *value == Value::Bool(true) {
            *value = Value::Bool(false);
        }
    }
    before
}
