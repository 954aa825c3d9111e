//! A preview as text.

use std::fmt::Write as _;

use serde_json::Value;

use super::{Change, Comment, Customer, Preview, Record, Written};
use crate::decide::inbound::COMMENT_BYTES;

pub fn preview(preview: &Preview) -> String {
    let mut out = String::new();
    if !preview.response_id.is_empty() {
        let _ = writeln!(out, "event `{}` of response {}", preview.event, preview.response_id);
    }
    if let Some(why) = &preview.nothing {
        let _ = writeln!(out, "writes nothing, because {why}");
    }
    if let Some(record) = &preview.record {
        written(&mut out, record);
    }
    if let Some(words) = preview.customer.as_ref().and_then(Customer::words) {
        let _ = writeln!(out, "\n{words}");
    }
    if !preview.blank.is_empty() {
        let _ = writeln!(out, "\nblank in this event, so not written: {}", preview.blank.join(", "));
    }
    if !preview.not_as_said.is_empty() {
        out.push_str("\nnot as the rules say:\n");
        for left in &preview.not_as_said {
            let at = left.at.as_deref().map(|at| format!(" ({})", line_of(at))).unwrap_or_default();
            let _ = writeln!(out, "  {}: {}{at}", left.field, left.why);
        }
    }
    out
}

fn written(out: &mut String, record: &Record) {
    let by = if record.mapping.is_empty() { "no mapping takes it any more" } else { &record.mapping };
    let _ = match &record.changes {
        None => writeln!(out, "makes a {} ({by})", record.object),
        Some(id) => writeln!(out, "changes the {} {id} ({by})", record.object),
    };
    table(out, &record.fields);
    let total = record.comments.len();
    for (index, comment) in record.comments.iter().enumerate() {
        one(out, comment, index + 1, total);
    }
    if record.more {
        out.push_str("\nfurther messages follow in a further transaction\n");
    }
}

fn one(out: &mut String, comment: &Comment, number: usize, total: usize) {
    let (object, bytes) = (&comment.object, comment.bytes);
    let _ = writeln!(out, "\n{object} {number} of {total}, {bytes} of {COMMENT_BYTES} bytes");
    table(out, &comment.fields);
}

/// Name, place of the rule, value. Further lines of a value follow below the first.
fn table(out: &mut String, fields: &[Written]) {
    let wide = |of: fn(&Written) -> usize| fields.iter().map(of).max().unwrap_or(0);
    let (name, from) =
        (wide(|one| one.field.chars().count()), wide(|one| line_of(&one.from).chars().count()));
    for one in fields {
        let shown = shown(&one.value);
        let mut lines = shown.lines();
        let first = lines.next().unwrap_or_default();
        let line = format!("  {:name$}  {:from$}  {first}", one.field, line_of(&one.from));
        let _ = writeln!(out, "{}", line.trim_end());
        for line in lines {
            let line = format!("{:indent$}{line}", "", indent = name + from + 6);
            let _ = writeln!(out, "{}", line.trim_end());
        }
    }
}

pub fn changes(changes: &[Change]) -> String {
    if changes.is_empty() {
        return "the Case holds these values already\n".to_owned();
    }
    let mut out = String::new();
    for change in changes {
        let _ = writeln!(out, "{}  ({})", change.field, line_of(&change.from));
        for (sign, value) in [('-', &change.now), ('+', &change.then)] {
            for line in shown(value).lines() {
                let _ = writeln!(out, "  {sign} {line}");
            }
        }
    }
    out
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "(empty)".to_owned(),
        Value::String(text) if text.is_empty() => "(empty)".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// `file:line`, taken from `file:line:column`.
fn line_of(at: &str) -> &str {
    let is_column = |(_, column): &(&str, &str)| column.chars().all(|c| c.is_ascii_digit());
    at.rsplit_once(':').filter(is_column).map_or(at, |(line, _)| line)
}
