//! Checks a parsed query against the schema: resolves names, types values, refuses unknown names as Salesforce does.

use std::collections::BTreeSet;

use super::lexer::{Unit, plain, units};
use super::parser::{Comparison, Condition, Item, Operand, Order, Path, Query};
use super::{eval, malformed};
use crate::sim::salesforce::ids;
use crate::sim::salesforce::org::{Org, moment};
use crate::sim::salesforce::problem::Problem;
use crate::sim::salesforce::schema::{Field, Kind, Object};

/// A field of the record, or of a parent that is reached over the reference fields in `steps`.
#[derive(Clone, Debug)]
pub struct Access {
    pub steps: Vec<String>,
    pub field: String,
    pub kind: Kind,
    /// Texts are compared without regard to case, unless the field is case-sensitive.
    pub exact: bool,
}

#[derive(Clone, Debug)]
pub enum Test {
    All(Vec<Test>),
    Any(Vec<Test>),
    Not(Box<Test>),
    Compare(Access, Comparison, Literal),
    Like(Access, Vec<Unit>),
    In { access: Access, negated: bool, set: BTreeSet<Literal> },
}

/// A value for a comparison with a field, in the same form as the field's values.
#[derive(Clone, Debug, PartialEq, PartialOrd)]
pub enum Literal {
    Null,
    Bool(bool),
    Number(f64),
    /// Texts, ids, and moments. The order of moments is that of their bytes.
    Text(String),
}

impl Eq for Literal {}

#[expect(clippy::derive_ord_xor_partial_ord, reason = "numbers are finite: parsed from digits")]
impl Ord for Literal {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.partial_cmp(other).unwrap_or(std::cmp::Ordering::Equal)
    }
}

/// The parts of a record that are shown, in the order of the select list.
#[derive(Clone, Debug)]
pub enum Output {
    Field(String),
    Parent { reference: String, relationship: String, outputs: Vec<Output> },
    Children { relationship: String, field: String, plan: Plan },
}

#[derive(Clone, Debug)]
pub struct Plan {
    pub object: String,
    pub outputs: Vec<Output>,
    pub count: bool,
    pub test: Option<Test>,
    pub order: Vec<(Access, Order)>,
    pub limit: Option<usize>,
    pub offset: usize,
}

/// Resolves names for one query text.
pub struct Planner<'a> {
    pub org: &'a Org,
    pub text: &'a str,
    /// Whether field rights apply.
    pub api: bool,
}

const MOST_OFFSET: usize = 2000;

impl Planner<'_> {
    pub fn plan(&self, query: &Query) -> Result<Plan, Problem> {
        let object = self.object(&query.from)?;
        if query.offset > MOST_OFFSET {
            let message = format!("Maximum SOQL offset allowed is {MOST_OFFSET}");
            return Err(Problem::new(400, "NUMBER_OUTSIDE_VALID_RANGE", message));
        }
        self.plan_of(query, object)
    }

    fn plan_of(&self, query: &Query, object: &Object) -> Result<Plan, Problem> {
        let mut outputs = Vec::new();
        for item in &query.select {
            self.output(object, query, item, &mut outputs)?;
        }
        let count = query.select.iter().any(|item| matches!(item, Item::Count));
        if count && query.select.len() > 1 {
            return Err(malformed("unexpected token: ','"));
        }
        let test = query.condition.as_ref().map(|condition| self.test(object, condition)).transpose()?;
        let mut order = Vec::new();
        for entry in &query.order {
            let access = self.access(object, &entry.path)?;
            self.filterable(object, &entry.path, "sorted")?;
            order.push((access, entry.clone()));
        }
        Ok(Plan {
            object: object.name.clone(),
            outputs,
            count,
            test,
            order,
            limit: query.limit,
            offset: query.offset,
        })
    }

    fn object(&self, name: &str) -> Result<&Object, Problem> {
        let hidden = |object: &&Object| {
            self.api
                && self.org.settings.hidden_objects.iter().any(|name| name.eq_ignore_ascii_case(&object.name))
        };
        self.org.schema.object(name).filter(|object| !hidden(object)).ok_or_else(|| {
            let at = self.text.find(name).unwrap_or_default();
            let tail = "If you are attempting to use a custom object, be sure to append the '__c' after the entity name. Please reference your WSDL or the describe call for the appropriate names.";
            let message = format!("{}sObject type '{name}' is not supported. {tail}", self.pointer(at));
            Problem::new(400, "INVALID_TYPE", message)
        })
    }

    fn output(
        &self,
        object: &Object,
        query: &Query,
        item: &Item,
        outputs: &mut Vec<Output>,
    ) -> Result<(), Problem> {
        match item {
            Item::Count => {}
            Item::Field(path) => {
                let names = self.resolved(object, path)?;
                add(outputs, &names.steps, names.field);
            }
            Item::Fields(which) => {
                if which != "STANDARD" && query.limit.is_none_or(|limit| limit > 200) {
                    let message = "The SOQL FIELDS function must have a LIMIT of at most 200";
                    return Err(malformed(message));
                }
                let wanted = |field: &&Field| match which.as_str() {
                    "STANDARD" => !field.custom(),
                    "CUSTOM" => field.custom(),
                    _ => true,
                };
                for field in object.fields.iter().filter(wanted).filter(|field| self.readable(object, field))
                {
                    outputs.push(Output::Field(field.name.clone()));
                }
            }
            Item::Children(query) => {
                let child = object.children.iter().find(|c| c.relationship.eq_ignore_ascii_case(&query.from));
                let Some(child) = child else {
                    let message = format!(
                        "Didn't understand relationship '{}' in FROM part of query call. If you are attempting to use a custom relationship, be sure to append the '__r' after the custom relationship name. Please reference your WSDL or the describe call for the appropriate names.",
                        query.from
                    );
                    return Err(Problem::new(400, "INVALID_TYPE", message));
                };
                let plan = self.plan_of(query, self.object(&child.object)?)?;
                let (relationship, field) = (child.relationship.clone(), child.field.clone());
                outputs.push(Output::Children { relationship, field, plan });
            }
        }
        Ok(())
    }

    fn readable(&self, object: &Object, field: &Field) -> bool {
        !field.write_only && self.org.sees(self.api, object, field)
    }

    fn field<'o>(&self, object: &'o Object, name: &str, at: usize) -> Result<&'o Field, Problem> {
        let field = object.field(name).filter(|field| self.readable(object, field));
        field.ok_or_else(|| self.no_such_column(object, name, at))
    }

    fn no_such_column(&self, object: &Object, name: &str, at: usize) -> Problem {
        let message = format!(
            "{}No such column '{name}' on entity '{}'. If you are attempting to use a custom field, be sure to append the '__c' after the custom field name. Please reference your WSDL or the describe call for the appropriate names.",
            self.pointer(at),
            object.name
        );
        Problem::new(400, "INVALID_FIELD", message)
    }

    /// The query with a mark under the place. Error messages begin with it.
    fn pointer(&self, at: usize) -> String {
        let line: String = self.text.chars().map(|c| if c.is_whitespace() { ' ' } else { c }).collect();
        let column = self.text.get(..at).map_or(0, |head| head.chars().count());
        let mark = " ".repeat(column);
        format!("\n{line}\n{mark}^\nERROR at Row:1:Column:{}\n", column + 1)
    }

    /// Follows the references of a path. `Case.Status` on Case itself is allowed.
    fn resolved(&self, object: &Object, path: &Path) -> Result<Resolved<'_>, Problem> {
        let mut here = self.object(&object.name)?;
        let mut parts = path.parts.as_slice();
        if let [first, rest @ ..] = parts
            && !rest.is_empty()
            && first.eq_ignore_ascii_case(&here.name)
        {
            parts = rest;
        }
        let Some((last, relations)) = parts.split_last() else {
            return Err(malformed("unexpected token: '.'"));
        };
        if relations.len() > 5 {
            let message = "SOQL statements cannot query more than 5 levels of parents";
            return Err(malformed(message));
        }
        let mut steps = Vec::new();
        for (depth, name) in relations.iter().enumerate() {
            let relation = here.relation(name).filter(|field| self.readable(here, field));
            let Some(relation) = relation else {
                let message = format!(
                    "{}Didn't understand relationship '{name}' in field path. If you are attempting to use a custom relationship, be sure to append the '__r' after the custom relationship name. Please reference your WSDL or the describe call for the appropriate names.",
                    self.pointer(path.at)
                );
                return Err(Problem::new(400, "INVALID_FIELD", message));
            };
            steps.push((relation.name.clone(), relation.relationship.clone()));
            let next = relations.get(depth + 1).unwrap_or(last);
            here = self.parent(relation, next).ok_or_else(|| self.no_such_column(here, next, path.at))?;
        }
        let field = self.field(here, last, path.at)?;
        Ok(Resolved { steps, field, object: here })
    }

    /// Of several possible parents (an owner may be a user or a queue), the one that has the field.
    fn parent(&self, relation: &Field, next: &str) -> Option<&Object> {
        let targets = || relation.refers_to.iter().filter_map(|name| self.org.schema.object(name));
        let has = |object: &&Object| object.field(next).is_some() || object.relation(next).is_some();
        targets().find(has).or_else(|| targets().next())
    }

    fn access(&self, object: &Object, path: &Path) -> Result<Access, Problem> {
        let found = self.resolved(object, path)?;
        let steps = found.steps.iter().map(|(field, _)| field.clone()).collect();
        let exact = found.field.case_sensitive || matches!(found.field.kind, Kind::Id | Kind::Reference);
        Ok(Access { steps, field: found.field.name.clone(), kind: found.field.kind, exact })
    }

    fn filterable(&self, object: &Object, path: &Path, what: &str) -> Result<(), Problem> {
        let found = self.resolved(object, path)?;
        let long_order = what == "sorted" && found.field.kind == Kind::LongText;
        if found.field.filterable && !long_order {
            return Ok(());
        }
        let message = format!("field '{}' can not be {what} in a query call", found.field.name);
        Err(Problem::new(400, "INVALID_FIELD", message))
    }

    pub fn test(&self, object: &Object, condition: &Condition) -> Result<Test, Problem> {
        let all = |parts: &[Condition]| {
            parts.iter().map(|part| self.test(object, part)).collect::<Result<Vec<_>, _>>()
        };
        Ok(match condition {
            Condition::And(parts) => Test::All(all(parts)?),
            Condition::Or(parts) => Test::Any(all(parts)?),
            Condition::Not(part) => Test::Not(Box::new(self.test(object, part)?)),
            Condition::Compare(path, comparison, operand) => {
                let access = self.filter(object, path)?;
                let literal = self.literal(&access, operand)?;
                Test::Compare(access, *comparison, literal)
            }
            Condition::Like(path, raw) => {
                let access = self.filter(object, path)?;
                if matches!(
                    access.kind,
                    Kind::Boolean | Kind::Number | Kind::DateTime | Kind::Date | Kind::Id | Kind::Reference
                ) {
                    let message = format!(
                        "{}invalid operator on {} field",
                        self.pointer(path.at),
                        kind_name(access.kind)
                    );
                    return Err(Problem::new(400, "INVALID_QUERY_FILTER_OPERATOR", message));
                }
                Test::Like(access, units(raw, true)?)
            }
            Condition::In { path, negated, list } => {
                let access = self.filter(object, path)?;
                let set =
                    list.iter().map(|operand| self.literal(&access, operand)).collect::<Result<_, _>>()?;
                Test::In { access, negated: *negated, set }
            }
            Condition::InQuery { path, negated, query } => {
                let access = self.filter(object, path)?;
                let plan = self.plan(query)?;
                let set = eval::first_column(self.org, &plan);
                Test::In { access, negated: *negated, set }
            }
        })
    }

    fn filter(&self, object: &Object, path: &Path) -> Result<Access, Problem> {
        self.filterable(object, path, "filtered")?;
        self.access(object, path)
    }

    fn literal(&self, access: &Access, operand: &Operand) -> Result<Literal, Problem> {
        match (access.kind, operand) {
            (_, Operand::Null) => Ok(Literal::Null),
            (Kind::Boolean, Operand::Bool(flag)) => Ok(Literal::Bool(*flag)),
            (Kind::Number, Operand::Literal(text)) => text
                .parse()
                .map(Literal::Number)
                .map_err(|_| malformed(format!("unexpected token: '{text}'"))),
            (Kind::DateTime, Operand::Literal(text)) => {
                let ms = moment(text).ok_or_else(|| {
                    malformed(format!("line 1:0 no viable alternative at character '{text}'"))
                })?;
                Ok(Literal::Text(precise(ms)))
            }
            (Kind::DateTime, Operand::Day(name, days)) => Ok(Literal::Text(precise(self.day(name, *days)))),
            (Kind::Date, Operand::Literal(text)) => Ok(Literal::Text(text.clone())),
            (Kind::Id | Kind::Reference, Operand::Text(raw)) => {
                let text = plain(raw)?;
                ids::normal(&text).map(Literal::Text).ok_or_else(|| {
                    Problem::new(400, "INVALID_QUERY_FILTER_OPERATOR", format!("invalid ID field: {text}"))
                })
            }
            (kind, Operand::Text(raw)) if is_text(kind) => {
                let text = plain(raw)?;
                if text.chars().count() > 4000 {
                    return Err(malformed("String literal is too long (maximum 4000 characters)"));
                }
                Ok(Literal::Text(if access.exact { text } else { text.to_lowercase() }))
            }
            (kind, _) => Err(wrong_type(&access.field, kind)),
        }
    }

    /// The beginning of a named day, in UTC.
    fn day(&self, name: &str, days: Option<i64>) -> i64 {
        const DAY: i64 = 24 * 3600 * 1000;
        let today = self.org.now_ms().div_euclid(DAY) * DAY;
        match name {
            "YESTERDAY" => today - DAY,
            "TOMORROW" => today + DAY,
            "LAST_N_DAYS" => today.saturating_sub(days.unwrap_or_default().saturating_mul(DAY)),
            _ => today,
        }
    }
}

struct Resolved<'a> {
    /// The reference field and the relationship name of each step.
    steps: Vec<(String, String)>,
    field: &'a Field,
    #[expect(dead_code, reason = "said for completeness")]
    object: &'a Object,
}

fn add(outputs: &mut Vec<Output>, steps: &[(String, String)], field: &Field) {
    let Some(((reference, relationship), rest)) = steps.split_first() else {
        outputs.push(Output::Field(field.name.clone()));
        return;
    };
    let known = outputs.iter_mut().find_map(|output| match output {
        Output::Parent { reference: other, outputs, .. } if other == reference => Some(outputs),
        _ => None,
    });
    if let Some(known) = known {
        return add(known, rest, field);
    }
    let mut inner = Vec::new();
    add(&mut inner, rest, field);
    let (reference, relationship) = (reference.clone(), relationship.clone());
    outputs.push(Output::Parent { reference, relationship, outputs: inner });
}

fn is_text(kind: Kind) -> bool {
    matches!(kind, Kind::Text | Kind::LongText | Kind::Email | Kind::Phone | Kind::Url | Kind::Picklist)
}

fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Boolean => "boolean",
        Kind::Number => "double",
        Kind::DateTime => "dateTime",
        Kind::Date => "date",
        Kind::Id | Kind::Reference => "id",
        _ => "string",
    }
}

fn wrong_type(field: &str, kind: Kind) -> Problem {
    let quotes = if is_text(kind) || matches!(kind, Kind::Id | Kind::Reference) {
        "should be enclosed in quotes"
    } else {
        "should not be enclosed in quotes"
    };
    let message = format!(
        "value of filter criterion for field '{field}' must be of type {} and {quotes}",
        kind_name(kind)
    );
    Problem::new(400, "INVALID_FIELD", message)
}

/// A moment in the form of stamps, but with milliseconds. It sorts among them.
fn precise(ms: i64) -> String {
    let whole = crate::sim::salesforce::org::stamp(ms);
    let seconds = whole.split('.').next().unwrap_or_default();
    format!("{seconds}.{:03}+0000", ms.rem_euclid(1000))
}
