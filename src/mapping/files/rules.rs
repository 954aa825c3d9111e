//! A field's rules: where its value comes from, when a rule applies, and how the value is converted.

use minijinja::value::Value;
use serde_json::Value as Json;

use crate::document::diagnostic::Place;
use crate::mapping::files::map_table::MapTable;
use crate::mapping::language::conditions::Condition;
use crate::mapping::language::expr::{EvalProblem, Expr, Template};

/// When a rule writes its field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum On {
    /// When the Case is made, and later when Goodays' own value changed.
    Always,
    /// Only in the transaction that makes the Case.
    Create,
    /// Only in the transaction that imports a customer's message, if that message is the newest.
    Message,
}

/// What happens to the Case in this transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// The Case is created.
    pub create: bool,
    /// A customer's message is imported, and it is now the newest of its conversation.
    pub message: bool,
}

impl On {
    fn fits(self, moment: Moment) -> bool {
        match self {
            On::Always => true,
            On::Create => moment.create,
            On::Message => moment.message,
        }
    }
}

/// A field with its value, or with the reason why it has none.
#[derive(Debug, Clone, PartialEq)]
pub struct Rendered {
    /// `Subject`, or `Store__r` with an object as value for a relation by external id.
    pub field: String,
    /// `None`: absent or blank.
    pub value: Result<Option<Json>, EvalProblem>,
    pub on: On,
    /// A blank value empties the field.
    pub clear: bool,
    pub at: Place,
}

/// All rules of one field, in their order.
#[derive(Debug)]
pub struct FieldRules {
    pub field: String,
    /// The name of the external id: `Partner_Id__c` in `Store__r.Partner_Id__c`.
    pub by: Option<String>,
    pub rules: Vec<Rule>,
}

#[derive(Debug)]
pub struct Rule {
    pub(in crate::mapping) source: Source,
    pub(in crate::mapping) when: Option<Expr>,
    pub(in crate::mapping) map: Option<MapTable>,
    pub(in crate::mapping) default: Option<Json>,
    pub(in crate::mapping) on: On,
    pub(in crate::mapping) clear: bool,
    /// When it holds, as far as that can be compared. `None`: it could not be read.
    pub(in crate::mapping) condition: Option<Condition>,
    pub(in crate::mapping) at: Place,
}

#[derive(Debug)]
pub(in crate::mapping) enum Source {
    Expr(Expr),
    Template(Template),
    Fixed(Option<Json>),
}

impl FieldRules {
    /// The first rule that holds, with its value.
    pub fn render(&self, scope: &Value, moment: Moment) -> Option<Rendered> {
        let (rule, holds) = self.rules.iter().filter(|rule| rule.on.fits(moment)).find_map(|rule| {
            let holds = rule.when.as_ref().map_or(Ok(true), |when| when.holds(scope));
            (holds != Ok(false)).then_some((rule, holds))
        })?;
        let value = holds.and_then(|_| rule.value(scope)).map(|value| self.nested(value));
        Some(Rendered {
            field: self.field.clone(),
            value,
            on: rule.on,
            clear: rule.clear,
            at: rule.at.clone(),
        })
    }

    /// The name as written, `Store__r.Partner_Id__c`.
    pub fn full_name(&self) -> String {
        self.by.as_ref().map_or_else(|| self.field.clone(), |by| format!("{}.{by}", self.field))
    }

    /// Every fixed value that the rules can produce. A picklist must have all of them.
    pub fn fixed_values(&self) -> Vec<&Json> {
        self.rules.iter().flat_map(Rule::fixed_values).collect()
    }

    /// The place of the first rule.
    pub fn at(&self) -> Option<&Place> {
        self.rules.first().map(|rule| &rule.at)
    }

    /// The paths below `root` (for example `response`) that the rules read.
    pub fn paths(&self, root: &str) -> Vec<String> {
        self.rules.iter().flat_map(|rule| rule.paths(root)).collect()
    }

    fn nested(&self, value: Option<Json>) -> Option<Json> {
        match (&self.by, value) {
            (Some(by), Some(value)) => Some(serde_json::json!({ by.clone(): value })),
            (_, value) => value,
        }
    }
}

impl Rule {
    fn value(&self, scope: &Value) -> Result<Option<Json>, EvalProblem> {
        let value = match &self.source {
            Source::Expr(expr) => expr.json(scope)?,
            Source::Template(template) => template.render(scope)?.map(Json::String),
            Source::Fixed(value) => value.clone(),
        };
        let given = match (&self.map, value) {
            // What stands in `map` decides, also `null`; `default` is for what does not stand there.
            (Some(map), Some(key)) => map.get(&key).cloned(),
            (_, value) => value.map(Some),
        };
        Ok(given.unwrap_or_else(|| self.default.clone()))
    }

    fn paths(&self, root: &str) -> Vec<String> {
        let mut found = match &self.source {
            Source::Expr(expr) => expr.paths(root),
            Source::Template(template) => template.paths(root),
            Source::Fixed(_) => Vec::new(),
        };
        found.extend(self.when.iter().flat_map(|when| when.paths(root)));
        found
    }

    fn fixed_values(&self) -> Vec<&Json> {
        let own = match &self.source {
            Source::Fixed(value) => value.as_ref(),
            _ => None,
        };
        let mapped = self.map.iter().flat_map(MapTable::values);
        own.into_iter().chain(mapped).chain(self.default.as_ref()).collect()
    }
}
