//! `plan`: what an event would write to Salesforce, and which rules decided that. Sends nothing.
//!
//! It uses the same planner as `run`, and adds the rule for each value.

mod customer;
mod org;
mod reasons;
mod show;

pub use customer::Customer;
pub use org::Org;

use std::path::Path;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::decide::inbound::{CaseWrite, Input, Plan, mapping_of, plan};
use crate::decide::{Intent, Link, Names, Perimeter, PlanContext};
use crate::goodays::event::{self, Event};
use crate::mapping::{CaseMapping, Facts, Mapping, Moment, Rendered};
use crate::messages::Messages;
use crate::operator::Knowledge;
use crate::salesforce::describe::Describe;
use crate::salesforce::query::{self, comment_bytes};

#[derive(Debug, Clone, Default, Serialize)]
pub struct Preview {
    pub event: String,
    pub response_id: String,
    /// Why nothing is written; none if something is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nothing: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub record: Option<Record>,
    /// Whose Case a new one becomes, if `match` asks for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub customer: Option<Customer>,
    /// Values that differ from their rule's result: shortened, left out, failed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_as_said: Vec<Left>,
    /// Fields whose rule gives nothing for this event. They stay unchanged.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub blank: Vec<String>,
}

/// One transaction at Salesforce.
#[derive(Debug, Clone, Serialize)]
pub struct Record {
    pub object: String,
    /// Id of the Case to update; none for a new one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changes: Option<String>,
    pub mapping: String,
    pub fields: Vec<Written>,
    pub comments: Vec<Comment>,
    /// More messages follow in another transaction.
    pub more: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Written {
    pub field: String,
    pub value: Value,
    /// `file:line:column` of the rule, or `key` or `marker` for the fields that the connector itself fills.
    pub from: String,
}

#[derive(Debug, Clone, Serialize)]
pub struct Comment {
    pub object: String,
    /// Length as Salesforce counts it; the maximum is 4,000.
    pub bytes: usize,
    pub fields: Vec<Written>,
}

/// A value that differs from its rule's result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Left {
    pub field: String,
    pub code: String,
    pub why: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
}

/// A field's current value and its new one.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Change {
    pub field: String,
    pub now: Value,
    pub then: Value,
    pub from: String,
}

impl Left {
    /// Whether the problem is the field itself and not its value.
    pub fn is_missing_field(&self) -> bool {
        matches!(self.code.as_str(), "unknown_field" | "NOT_WRITEABLE")
    }
}

/// What an event of an unknown response would write.
pub fn event(
    mapping: &Mapping,
    case: Option<&Describe>,
    comment: Option<&Describe>,
    perimeter: &Perimeter,
    body: &Value,
) -> Preview {
    let (names, messages) = (Names::new(), Messages::default());
    let context = PlanContext {
        mapping,
        case,
        comment,
        perimeter,
        closed: &[],
        fixes: &[],
        names: &names,
        messages: &messages,
    };
    with(&context, &Ledger::default(), body)
}

/// What the event would write now, given all that a running daemon knows.
pub fn knowing(knowledge: &Knowledge, mapping: &Mapping, perimeter: &Perimeter, body: &Value) -> Preview {
    let (names, messages) = (knowledge.names(), Messages::default());
    let context = PlanContext {
        mapping,
        case: knowledge.case.as_ref(),
        comment: knowledge.comment.as_ref(),
        perimeter,
        closed: &knowledge.closed,
        fixes: &knowledge.fixes,
        names: &names,
        messages: &messages,
    };
    let ledger = Ledger {
        link: knowledge.link.as_ref(),
        intents: &knowledge.intents,
        first_start: knowledge.first_start,
    };
    with(&context, &ledger, body)
}

/// The stored state of one conversation; the default is an unknown one.
#[derive(Clone, Copy, Default)]
pub struct Ledger<'a> {
    pub link: Option<&'a Link>,
    pub intents: &'a [Intent],
    pub first_start: Option<crate::time::GoodaysTime>,
}

pub fn with(context: &PlanContext<'_>, ledger: &Ledger<'_>, body: &Value) -> Preview {
    let event = match event::read(body) {
        Ok(event) => event,
        Err(why) => {
            let nothing = Some(format!("this is no event of Goodays: {why}; it would be parked"));
            return Preview { nothing, ..Preview::default() };
        }
    };
    let events = [event];
    let [event] = &events;
    let input = Input {
        response_id: &event.response.id,
        events: &events,
        notes: &[],
        link: ledger.link,
        intents: ledger.intents,
        comments: &[],
        first_start: ledger.first_start,
        goodays_now: None,
    };
    View::new(context, event, ledger.link).preview(&plan(&input, context))
}

/// An event and the results of its rules.
struct View<'a> {
    context: &'a PlanContext<'a>,
    event: &'a Event,
    facts: Facts,
    case: Option<&'a CaseMapping>,
}

impl<'a> View<'a> {
    fn new(context: &'a PlanContext<'a>, event: &'a Event, link: Option<&Link>) -> Self {
        let facts = Facts::new(&event.name, &event.response.raw);
        let case = mapping_of(context.mapping, &facts, link);
        Self { context, event, facts, case }
    }

    fn preview(&self, plan: &Plan) -> Preview {
        let create = plan.write.as_ref().is_none_or(|write| write.patch.is_none());
        // The plan does not say whether the customer wrote last, so the rules are evaluated for both cases.
        let rendered: Vec<Rendered> =
            [false, true].into_iter().flat_map(|message| self.rendered(Moment { create, message })).collect();
        let mut not_as_said = self.left(plan, &rendered);
        not_as_said.extend(self.no_choice());
        Preview {
            event: self.event.name.clone(),
            response_id: self.event.response.id.to_string(),
            nothing: reasons::nothing(plan),
            record: plan.write.as_ref().map(|write| self.record(write, plan.more, &rendered)),
            customer: plan.customer.as_ref().map(|wanted| Customer::of(wanted, self.case)),
            not_as_said,
            blank: if plan.write.is_some() { blank(&rendered) } else { Vec::new() },
        }
    }

    fn rendered(&self, moment: Moment) -> Vec<Rendered> {
        self.case.map(|case| case.fields(&self.facts, moment)).unwrap_or_default()
    }

    fn record(&self, write: &CaseWrite, more: bool, rendered: &[Rendered]) -> Record {
        let fields = write.fields.iter().map(|(field, value)| Written {
            field: field.clone(),
            value: value.clone(),
            from: self.source(field, value, rendered),
        });
        let mut written: Vec<Written> = fields.collect();
        written.extend(self.by_name(rendered));
        Record {
            object: write.object.clone(),
            changes: write.patch.as_ref().map(ToString::to_string),
            mapping: self.case.map(|case| case.file.clone()).unwrap_or_default(),
            fields: written,
            comments: write.comments.iter().map(|fields| self.comment(write, fields)).collect(),
            more,
        }
    }

    /// Record types and owners given by name, because only the org knows their ids.
    fn by_name(&self, rendered: &[Rendered]) -> Vec<Written> {
        let mut found: Vec<Written> = Vec::new();
        for one in rendered.iter().filter(|one| self.is_by_name(&one.field)) {
            let Ok(Some(Value::Object(by))) = &one.value else { continue };
            let named = by.iter().map(|(by, name)| Written {
                field: format!("{}.{by}", one.field),
                value: name.clone(),
                from: one.at.to_string(),
            });
            found.extend(named);
        }
        found.dedup();
        found
    }

    fn is_by_name(&self, field: &str) -> bool {
        self.context.case.is_none() && matches!(field, "RecordType" | "Owner")
    }

    fn source(&self, field: &str, value: &Value, rendered: &[Rendered]) -> String {
        let any = self.context.mapping.case_mappings().first();
        let own = |name: fn(&CaseMapping) -> &String| any.is_some_and(|case| name(case) == field);
        if own(|case| &case.key_field) {
            return "key".to_owned();
        }
        if own(|case| &case.marker_field) {
            return "marker".to_owned();
        }
        // Record types and owners are written as ids: the rule names `Owner`, the field is `OwnerId`.
        let by_id = |one: &Rendered| field.strip_suffix("Id").is_some_and(|relation| relation == one.field);
        let of = || rendered.iter().filter(|one| one.field == field || by_id(one));
        let same = of().find(|one| one.value.as_ref().is_ok_and(|given| given.as_ref() == Some(value)));
        same.or_else(|| of().next_back()).map(|one| one.at.to_string()).unwrap_or_default()
    }

    fn comment(&self, write: &CaseWrite, fields: &Map<String, Value>) -> Comment {
        let body = &self.context.mapping.comment().body_field;
        let rules = self.comment_rules();
        let from = |field: &str| rules.iter().find(|one| one.field == field).map(|one| one.at.to_string());
        let written = fields.iter().map(|(field, value)| Written {
            field: field.clone(),
            value: value.clone(),
            from: from(field).unwrap_or_default(),
        });
        let mut written: Vec<Written> = written.collect();
        written.sort_by_key(|one| one.field != *body);
        let bytes = fields.get(body).and_then(Value::as_str).map_or(0, comment_bytes);
        Comment { object: write.comment_object.clone(), bytes, fields: written }
    }

    /// The rules of a comment, evaluated for the last message. Another message may match other rules.
    fn comment_rules(&self) -> Vec<Rendered> {
        let message = self.event.response.turns.last().map_or(&Value::Null, |turn| &turn.raw);
        self.context.mapping.comment().fields(&self.facts, message)
    }

    fn left(&self, plan: &Plan, rendered: &[Rendered]) -> Vec<Left> {
        let comment = self.comment_rules();
        let reports = plan.reports.iter().filter(|report| !self.is_by_name(&report.field));
        let left = reports.map(|report| {
            let rule = rendered.iter().chain(&comment).find(|one| one.field == report.field);
            let failed = rule.and_then(|one| one.value.as_ref().err()).map(|problem| problem.reason);
            Left {
                field: report.field.clone(),
                code: report.code.clone(),
                why: self.why(&report.field, &report.code, failed),
                at: rule.map(|one| one.at.to_string()),
            }
        });
        left.collect()
    }

    /// Reports a file's `when` that fails. The event is not lost: this file maps it if no other takes it.
    fn no_choice(&self) -> Option<Left> {
        let problem = self.context.mapping.case_mapping(&self.facts).problem?;
        let why = format!("it fails: {}; this mapping is used only if no other `when` holds", problem.reason);
        let (field, code) = ("when".to_owned(), "mapping".to_owned());
        Some(Left { field, code, why, at: Some(problem.at.to_string()) })
    }

    fn why(&self, field: &str, code: &str, failed: Option<&'static str>) -> String {
        let of =
            |describe: Option<&Describe>| describe.and_then(|one| one.field(field)).map(|one| one.length);
        let length = of(self.context.case).or_else(|| of(self.context.comment)).unwrap_or_default();
        reasons::left(code, length, failed)
    }
}

fn blank(rendered: &[Rendered]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for one in rendered.iter().filter(|one| one.value == Ok(None) && !one.clear) {
        let filled = rendered.iter().any(|other| other.field == one.field && other.value != Ok(None));
        if !filled && !names.contains(&one.field) {
            names.push(one.field.clone());
        }
    }
    names
}

impl Preview {
    pub fn not_as_said(&self) -> &[Left] {
        &self.not_as_said
    }

    /// As text for humans.
    pub fn render(&self) -> String {
        show::preview(self)
    }

    /// What would change on the current Case. `row` is the record as returned by Salesforce.
    pub fn diff(&self, row: &Value) -> Vec<Change> {
        let fields = self.record.iter().flat_map(|record| &record.fields);
        let changes = fields.filter_map(|written| {
            let now = query::value(row, &written.field);
            let change = Change {
                field: written.field.clone(),
                now: now.clone(),
                then: written.value.clone(),
                from: written.from.clone(),
            };
            (!same(now, &written.value)).then_some(change)
        });
        changes.collect()
    }

    /// The changes as text for humans.
    pub fn render_diff(&self, row: &Value) -> String {
        show::changes(&self.diff(row))
    }
}

/// Compares as Salesforce stores values: blank equals null, and texts are trimmed.
fn same(now: &Value, then: &Value) -> bool {
    let text = |value: &Value| match value {
        Value::Null => String::new(),
        Value::String(text) => text.trim().replace("\r\n", "\n"),
        other => other.to_string(),
    };
    match (now.as_f64(), then.as_f64()) {
        (Some(now), Some(then)) => (now - then).abs() < f64::EPSILON,
        _ => text(now) == text(then),
    }
}

/// Reads a file, or all `*.json` files of a folder, sorted by name. A file that is not JSON has the reason instead.
pub fn bodies(path: &Path) -> std::io::Result<Vec<(String, Result<Value, String>)>> {
    let mut files = Vec::new();
    if path.is_dir() {
        for entry in std::fs::read_dir(path)? {
            files.push(entry?.path());
        }
        files.retain(|file| file.extension().is_some_and(|ending| ending == "json"));
        files.sort();
    } else {
        files.push(path.to_owned());
    }
    let read = |file: std::path::PathBuf| {
        let text = std::fs::read(&file)?;
        let body = crate::json::read(&text).map_err(|error| {
            format!("not JSON: {} at line {}, column {}", kind(&error), error.line(), error.column())
        });
        Ok((file.display().to_string(), body))
    };
    files.into_iter().map(read).collect()
}

fn kind(error: &serde_json::Error) -> &'static str {
    if error.is_eof() { "it ends too early" } else { "it cannot be read" }
}
