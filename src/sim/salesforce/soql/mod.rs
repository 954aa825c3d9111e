//! A subset of SOQL with a real parser (reference, section 5).

pub mod eval;
mod lexer;
mod parser;
mod plan;

use serde_json::Value;

use super::org::Org;
use super::problem::Problem;
use super::table::Fields;
use eval::View;
use plan::Planner;

const LONGEST: usize = 100_000;

pub struct Found {
    pub object: String,
    pub total: usize,
    pub records: Vec<Value>,
}

/// Runs a query text as the integration user.
pub fn query(org: &Org, text: &str, view: View<'_>) -> Result<Found, Problem> {
    if text.chars().count() > LONGEST {
        return Err(malformed("SOQL statement is too long"));
    }
    let parsed = parser::parse(text)?;
    let plan = Planner { org, text, api: true }.plan(&parsed)?;
    let (total, records) = eval::run(org, &plan, view);
    Ok(Found { object: plan.object, total, records })
}

/// Whether a condition (as after WHERE) is true for a record, saved or not. An invalid condition is never true.
pub fn holds(org: &Org, object: &str, condition: &str, record: &Fields) -> bool {
    let Some(object) = org.schema.object(object) else { return false };
    let planner = Planner { org, text: condition, api: false };
    let test = parser::parse_condition(condition).and_then(|parsed| planner.test(object, &parsed));
    test.is_ok_and(|test| eval::holds(org, record, &test))
}

fn malformed(message: impl Into<String>) -> Problem {
    Problem::new(400, "MALFORMED_QUERY", message)
}
