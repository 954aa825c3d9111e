//! Runs one test, and compares.

use serde_json::{Map, Value, json};

use super::read::{At, Expected, Gesture, Test};
use super::{Difference, Tested};
use crate::decide::inbound::{Input, plan};
use crate::decide::{Link, Names, Perimeter, PlanContext};
use crate::document::diagnostic::Place;
use crate::goodays::event::{self, Event};
use crate::mapping::{CaseMapping, EvalProblem, Mapping, Wanted};
use crate::messages::Messages;
use crate::preview::{self, Ledger, Preview, Written};
use crate::salesforce::RecordId;

/// The Case that earlier events made.
const CASE: &str = "500000000000001";

pub fn test(test: Test, mapping: &Mapping, perimeter: &Perimeter) -> Tested {
    let mut compare = Compare { mapping, differences: Vec::new() };
    if let Some(event) = &test.event {
        let preview = preview(event, &test.after, mapping, perimeter);
        compare.event(&preview, &test.expect);
    }
    for (index, gesture) in test.actions.iter().enumerate() {
        compare.gesture(index + 1, gesture);
    }
    Tested { file: test.file, about: test.about, differences: compare.differences }
}

/// What the event would write, after those before it were written.
pub fn preview(event: &Value, after: &[Value], mapping: &Mapping, perimeter: &Perimeter) -> Preview {
    let names = Names::new();
    let context = PlanContext {
        mapping,
        case: None,
        comment: None,
        perimeter,
        closed: &[],
        fixes: &[],
        names: &names,
        messages: &Messages::default(),
    };
    let link = after.iter().fold(None, |link, body| carried(link, body, &context));
    preview::with(&context, &Ledger { link: link.as_ref(), ..Ledger::default() }, event)
}

/// The ledger after an event was written.
fn carried(link: Option<Link>, body: &Value, context: &PlanContext<'_>) -> Option<Link> {
    let Ok(event) = event::read(body) else { return link };
    let events: [Event; 1] = [event];
    let response_id = &events[0].response.id;
    let input = Input {
        response_id,
        events: &events,
        notes: &[],
        link: link.as_ref(),
        intents: &[],
        comments: &[],
        first_start: None,
        goodays_now: None,
    };
    let plan = plan(&input, context);
    let Some(write) = plan.write else { return link };
    let mut next = link.unwrap_or_else(|| Link::new(response_id.clone()));
    plan.link_update.apply(&mut next, if write.patch.is_none() { RecordId::new(CASE) } else { None });
    Some(next)
}

struct Compare<'a> {
    mapping: &'a Mapping,
    differences: Vec<Difference>,
}

impl Compare<'_> {
    fn event(&mut self, preview: &Preview, expect: &Expected) {
        let record = preview.record.as_ref();
        let case = match record {
            None => "nothing",
            Some(record) if record.changes.is_some() => "changed",
            Some(_) => "new",
        };
        if let Some(wanted) = expect.case.as_ref().filter(|wanted| wanted.value != case) {
            let why = preview.nothing.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
            self.differ("case", &wanted.at, &wanted.value, format!("{case}{why}"), None);
        }
        let chosen = record.map_or("none", |record| file_name(&record.mapping));
        if let Some(wanted) = expect.mapping.as_ref().filter(|wanted| wanted.value != chosen) {
            self.differ("mapping", &wanted.at, &wanted.value, chosen, None);
        }
        let fields = record.map_or(&[][..], |record| &record.fields);
        for (name, wanted) in &expect.fields {
            self.field(name, name, wanted, fields);
        }
        if let Some(wanted) = &expect.comments {
            self.comments(wanted, preview);
        }
    }

    /// Compares one field of a record. `what` is its name for people.
    fn field(&mut self, what: &str, name: &str, wanted: &At<Value>, fields: &[Written]) {
        let written = fields.iter().find(|one| one.field == name);
        let found = written.map_or(&Value::Null, |one| &one.value);
        if same(&wanted.value, found) {
            return;
        }
        let rule = written.map(|one| one.from.clone()).or_else(|| self.rule_of(name));
        self.differ(what, &wanted.at, shown(&wanted.value), shown(found), rule);
    }

    fn comments(&mut self, wanted: &At<Vec<At<Value>>>, preview: &Preview) {
        let body = &self.mapping.comment().body_field;
        let written = preview.record.as_ref().map_or(&[][..], |record| &record.comments);
        if written.len() != wanted.value.len() {
            let (expected, found) = (wanted.value.len().to_string(), written.len().to_string());
            self.differ("number of comments", &wanted.at, expected, found, None);
        }
        for (index, (wanted, comment)) in wanted.value.iter().zip(written).enumerate() {
            let fields = match &wanted.value {
                Value::Object(fields) => fields.clone(),
                text => Map::from_iter([(body.clone(), text.clone())]),
            };
            for (name, value) in fields {
                let what = format!("comment {}, {name}", index + 1);
                self.field(&what, &name, &At { value, at: wanted.at.clone() }, &comment.fields);
            }
        }
    }

    /// Compares the action that a Case or a comment asks for.
    fn gesture(&mut self, number: usize, gesture: &Gesture) {
        let actions = self.mapping.actions();
        let asked = match &gesture.comment {
            Some(comment) => {
                let kind = comment.pointer("/CreatedBy/UserType").and_then(Value::as_str);
                let asked = actions.on_comment(&gesture.case, comment);
                // A mapping test says who wrote only where that matters to it.
                let may = kind.is_none_or(|kind| actions.comments.may_answer(kind));
                asked.map(|wanted| wanted.filter(|_| may))
            }
            // A command counts beside the status; a test names what it asks for.
            None => match actions.on_command(&gesture.case) {
                Ok(None) => actions.on_case(&gesture.case),
                asked => asked,
            },
        };
        let at = &gesture.expect.at;
        let what = format!("action {number}");
        let wanted = match asked {
            Ok(wanted) => wanted,
            Err(EvalProblem { at: rule, reason }) => {
                let found = format!("the rule fails: {reason}");
                return self.differ(&what, at, shown(&gesture.expect.value), found, Some(rule.to_string()));
            }
        };
        let (found, rule) = match &wanted {
            Some(wanted) => (parts(wanted), Some(wanted.at.to_string())),
            None => (json!({ "do": "nothing" }), None),
        };
        let expected = match &gesture.expect.value {
            Value::Object(parts) => parts.clone(),
            word => Map::from_iter([("do".to_owned(), word.clone())]),
        };
        let other_act = expected.get("do").is_some_and(|act| !same(act, &found["do"]));
        let differing = expected.iter().filter(|(name, value)| !same(value, &found[name.as_str()]));
        // The values of another action would only repeat that it is another one.
        for (name, value) in differing.filter(|(name, _)| *name == "do" || !other_act) {
            let what = if name == "do" { what.clone() } else { format!("{what}, {name}") };
            self.differ(&what, at, shown(value), shown(&found[name.as_str()]), rule.clone());
        }
    }

    /// The place of the first rule of a field that the event left without a value.
    fn rule_of(&self, name: &str) -> Option<String> {
        let of_cases = self.mapping.case_mappings().iter().flat_map(CaseMapping::field_rules);
        of_cases.filter(|rules| rules.field == name).find_map(|rules| rules.at()).map(ToString::to_string)
    }

    fn differ(
        &mut self,
        what: &str,
        at: &Place,
        expected: impl Into<String>,
        found: impl Into<String>,
        rule: Option<String>,
    ) {
        let rule_text = rule.as_deref().and_then(|rule| line(self.mapping, rule));
        let (expected, found) = (expected.into(), found.into());
        self.differences.push(Difference {
            what: what.to_owned(),
            at: at.clone(),
            expected,
            found,
            rule,
            rule_text,
        });
    }
}

/// An action with its values, as a test names them.
fn parts(wanted: &Wanted) -> Value {
    json!({
        "do": wanted.act.name(),
        "content": wanted.content,
        "remark_type": wanted.remark_type,
        "note": wanted.note,
        "rating": wanted.rating,
    })
}

/// The line of the mapping file that a rule's place names.
fn line(mapping: &Mapping, place: &str) -> Option<String> {
    let mut parts = place.rsplitn(3, ':');
    let (_, line, file) = (parts.next()?, parts.next()?, parts.next()?);
    let source = mapping.sources().iter().find(|source| source.name == file)?;
    let line = line.parse::<usize>().ok()?.checked_sub(1)?;
    source.text.lines().nth(line).map(|text| text.trim().to_owned())
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Blank and null are one thing, and a number equals the same number in another notation.
fn same(expected: &Value, found: &Value) -> bool {
    match (expected, found) {
        (Value::Number(a), Value::Number(b)) => a.as_f64() == b.as_f64(),
        (a, b) => a == b || (is_blank(a) && is_blank(b)),
    }
}

fn is_blank(value: &Value) -> bool {
    value.is_null() || value.as_str().is_some_and(str::is_empty)
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "(not written)".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
