//! Runs a planned query over the records that are visible now.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::lexer::Unit;
use super::parser::Comparison;
use super::plan::{Access, Literal, Output, Plan, Test};
use crate::sim::salesforce::org::Org;
use crate::sim::salesforce::schema::{Kind, Object};
use crate::sim::salesforce::table::{Fields, Table};

/// Which records are shown, and in which form.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    pub version: &'a str,
    /// Deleted records too.
    pub all: bool,
}

/// All records of the query, rendered. A count query has none.
pub fn run(org: &Org, plan: &Plan, view: View<'_>) -> (usize, Vec<Value>) {
    let rows = rows(org, plan, view.all, None);
    if plan.count {
        return (rows.len(), Vec::new());
    }
    let records: Vec<Value> =
        rows.iter().map(|row| render(org, &plan.object, row, &plan.outputs, view)).collect();
    (records.len(), records)
}

/// The values of an inner query's single field.
pub fn first_column(org: &Org, plan: &Plan) -> BTreeSet<Literal> {
    let Some(Output::Field(name)) = plan.outputs.first() else { return BTreeSet::new() };
    let rows = rows(org, plan, false, None);
    rows.iter()
        .map(|row| held(row.get(name), Kind::Id, true))
        .filter(|value| *value != Literal::Null)
        .collect()
}

fn rows<'a>(org: &'a Org, plan: &Plan, all: bool, child_of: Option<(&str, &str)>) -> Vec<&'a Fields> {
    let Some((object, table)) = org.schema.object(&plan.object).and_then(|o| Some((o, org.table(o)?))) else {
        return Vec::new();
    };
    let now = org.now_ms();
    let candidates = match child_of {
        Some((field, id)) => pointing(object, table, field, id),
        None => plan.test.as_ref().and_then(|test| candidates(org, object, table, test)),
    };
    let fits = |row: &&Fields| {
        (all || row.get("IsDeleted") != Some(&Value::Bool(true)))
            && child_of.is_none_or(|(field, id)| row.get(field).and_then(Value::as_str) == Some(id))
            && plan.test.as_ref().is_none_or(|test| holds(org, row, test))
    };
    let mut found: Vec<&Fields> = match candidates {
        Some(some) => {
            some.into_iter().filter_map(|index| table.row(index).visible(now)).filter(fits).collect()
        }
        None => table.rows().iter().filter_map(|row| row.visible(now)).filter(fits).collect(),
    };
    if plan.order.is_empty() && org.settings.reverse_unordered {
        found.reverse();
    }
    sort(org, plan, &mut found);
    let most = plan.limit.unwrap_or(found.len());
    found.into_iter().skip(plan.offset).take(most).collect()
}

fn sort(org: &Org, plan: &Plan, rows: &mut [&Fields]) {
    if plan.order.is_empty() {
        return;
    }
    // Computes the keys once per row, not once per comparison.
    let mut keyed: Vec<(Vec<Literal>, &Fields)> = rows
        .iter()
        .map(|row| (plan.order.iter().map(|(access, _)| value(org, row, access)).collect(), *row))
        .collect();
    keyed.sort_by(|(left, _), (right, _)| {
        let pairs = plan.order.iter().zip(left.iter().zip(right));
        pairs.fold(Ordering::Equal, |so_far, ((_, order), (left, right))| {
            so_far.then_with(|| {
                let nulls_last = order.nulls_last.unwrap_or(order.descending);
                match (left == &Literal::Null, right == &Literal::Null) {
                    (true, true) => Ordering::Equal,
                    (true, false) => {
                        if nulls_last {
                            Ordering::Greater
                        } else {
                            Ordering::Less
                        }
                    }
                    (false, true) => {
                        if nulls_last {
                            Ordering::Less
                        } else {
                            Ordering::Greater
                        }
                    }
                    (false, false) if order.descending => right.cmp(left),
                    (false, false) => left.cmp(right),
                }
            })
        })
    });
    for (slot, (_, row)) in rows.iter_mut().zip(keyed) {
        *slot = row;
    }
}

/// Positions that an index gives for the test. There may be too many, but never too few.
fn candidates(org: &Org, object: &Object, table: &Table, test: &Test) -> Option<Vec<usize>> {
    match test {
        Test::All(parts) => parts.iter().find_map(|part| candidates(org, object, table, part)),
        Test::Compare(access, Comparison::Equal, literal) => {
            lookup(org, object, table, access, std::iter::once(literal))
        }
        Test::In { access, negated: false, set } => lookup(org, object, table, access, set.iter()),
        _ => None,
    }
}

fn lookup<'l>(
    org: &Org,
    object: &Object,
    table: &Table,
    access: &Access,
    wanted: impl Iterator<Item = &'l Literal>,
) -> Option<Vec<usize>> {
    // Indexes do not contain null.
    let texts: Option<Vec<Value>> = wanted
        .map(|literal| match literal {
            Literal::Text(text) => Some(json!(text)),
            _ => None,
        })
        .collect();
    let texts = texts?.into_iter();
    let mut found: Vec<usize> = match access.steps.as_slice() {
        [] if access.field == "Id" => texts.filter_map(|text| table.position(text.as_str()?)).collect(),
        [] => {
            let field = object.indexed().find(|field| field.name == access.field)?;
            texts.flat_map(|text| table.having(field, &text).to_vec()).collect()
        }
        // A comment, found by its Case's external id.
        [step] if step == "ParentId" => {
            let parents = org.schema.object("Case")?;
            let (field, parent_table) =
                (parents.indexed().find(|f| f.name == access.field)?, org.table(parents)?);
            let own = object.field("ParentId")?;
            let ids = texts.flat_map(|text| parent_table.having(field, &text).to_vec());
            let ids = ids.filter_map(|index| parent_table.row(index).now.get("Id").cloned());
            ids.flat_map(|id| table.having(own, &id).to_vec()).collect()
        }
        _ => return None,
    };
    found.sort_unstable();
    found.dedup();
    Some(found)
}

fn pointing(object: &Object, table: &Table, field: &str, id: &str) -> Option<Vec<usize>> {
    let field = object.indexed().find(|known| known.name == field)?;
    Some(table.having(field, &json!(id)).to_vec())
}

pub fn holds(org: &Org, row: &Fields, test: &Test) -> bool {
    match test {
        Test::All(parts) => parts.iter().all(|part| holds(org, row, part)),
        Test::Any(parts) => parts.iter().any(|part| holds(org, row, part)),
        Test::Not(part) => !holds(org, row, part),
        Test::Compare(access, comparison, literal) => compare(&value(org, row, access), *comparison, literal),
        Test::Like(access, pattern) => match value(org, row, access) {
            Literal::Text(held) => like(&held.to_lowercase().chars().collect::<Vec<_>>(), pattern),
            _ => false,
        },
        Test::In { access, negated, set } => set.contains(&value(org, row, access)) != *negated,
    }
}

/// Null equals only null, and has no order.
fn compare(held: &Literal, comparison: Comparison, wanted: &Literal) -> bool {
    match comparison {
        Comparison::Equal => held == wanted,
        Comparison::NotEqual => held != wanted,
        _ if *held == Literal::Null || *wanted == Literal::Null => false,
        Comparison::Less => held < wanted,
        Comparison::Greater => held > wanted,
        Comparison::LessOrEqual => held <= wanted,
        Comparison::GreaterOrEqual => held >= wanted,
    }
}

/// No recursion and no exponential time: on a mismatch, the last `%` takes one more character.
fn like(text: &[char], pattern: &[Unit]) -> bool {
    let (mut at, mut unit, mut retry) = (0, 0, None);
    while at < text.len() {
        match pattern.get(unit) {
            Some(Unit::AnyMany) => {
                unit += 1;
                retry = Some((at, unit));
                continue;
            }
            Some(Unit::Char(wanted)) if !wanted.to_lowercase().eq(text[at].to_lowercase()) => {}
            Some(_) => {
                (at, unit) = (at + 1, unit + 1);
                continue;
            }
            None => {}
        }
        let Some((from, after)) = retry else { return false };
        retry = Some((from + 1, after));
        (at, unit) = (from + 1, after);
    }
    pattern[unit..].iter().all(|unit| *unit == Unit::AnyMany)
}

fn value(org: &Org, row: &Fields, access: &Access) -> Literal {
    let mut row = row;
    for step in &access.steps {
        let parent = row.get(step).and_then(Value::as_str).and_then(|id| org.visible(id));
        match parent {
            Some((_, parent)) => row = parent,
            None => return Literal::Null,
        }
    }
    held(row.get(&access.field), access.kind, access.exact)
}

fn held(value: Option<&Value>, kind: Kind, exact: bool) -> Literal {
    match value {
        Some(Value::Bool(flag)) => Literal::Bool(*flag),
        Some(Value::Number(number)) => number.as_f64().map_or(Literal::Null, Literal::Number),
        Some(Value::String(text)) if exact => Literal::Text(text.clone()),
        // Stamps consist of letters and digits in fixed places.
        Some(Value::String(text)) if matches!(kind, Kind::DateTime | Kind::Date) => {
            Literal::Text(text.clone())
        }
        Some(Value::String(text)) => Literal::Text(text.to_lowercase()),
        _ if kind == Kind::Boolean => Literal::Bool(false),
        _ => Literal::Null,
    }
}

fn render(org: &Org, object: &str, row: &Fields, outputs: &[Output], view: View<'_>) -> Value {
    let id = row.get("Id").and_then(Value::as_str).unwrap_or_default();
    let mut record = serde_json::Map::new();
    record.insert("attributes".into(), attributes(object, id, view.version));
    for output in outputs {
        let (name, value) = match output {
            Output::Field(name) => (name, row.get(name).cloned().unwrap_or_default()),
            Output::Parent { reference, relationship, outputs } => {
                let parent = row.get(reference).and_then(Value::as_str).and_then(|id| org.visible(id));
                let shown = parent.map(|(object, row)| render(org, &object.name, row, outputs, view));
                (relationship, shown.unwrap_or_default())
            }
            Output::Children { relationship, field, plan } => {
                let found = rows(org, plan, view.all, Some((field, id)));
                let records: Vec<Value> =
                    found.iter().map(|row| render(org, &plan.object, row, &plan.outputs, view)).collect();
                let page = json!({"totalSize": records.len(), "done": true, "records": records});
                (relationship, if found.is_empty() { Value::Null } else { page })
            }
        };
        record.insert(name.clone(), value);
    }
    Value::Object(record)
}

pub fn attributes(object: &str, id: &str, version: &str) -> Value {
    json!({"type": object, "url": format!("/services/data/{version}/sobjects/{object}/{id}")})
}

#[cfg(test)]
mod tests {
    use super::super::lexer::units;
    use super::*;

    #[test]
    fn patterns_match_the_whole_text_and_end() {
        let matches = |text: &str, pattern: &str| {
            like(&text.chars().collect::<Vec<_>>(), &units(pattern, true).unwrap())
        };
        for (text, pattern, wanted) in [
            ("", "", true),
            ("", "%", true),
            ("abc", "a%", true),
            ("abc", "%b%", true),
            ("abc", "%c", true),
            ("abc", "_b_", true),
            ("abc", "__", false),
            ("abcabc", "%abc", true),
            ("aab", "%ab", true),
            ("a%b", r"a\%b", true),
            ("axb", r"a\%b", false),
        ] {
            assert_eq!(matches(text, pattern), wanted, "{text} {pattern}");
        }
        assert!(!matches(&"a".repeat(4000), &format!("{}b", "%a".repeat(100))));
    }
}
