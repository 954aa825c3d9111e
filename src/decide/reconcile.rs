//! What Salesforce's rows say about a response whose Case we do not know, or whose link may be wrong (design, 4 and
//! rules 5 and 11).

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::decide::ledger::joined::KeyOfSurvivor;
use crate::decide::ledger::marker::read_marker;
use crate::decide::{CaseRef, Link, MessageOrigin, PlanContext, active_status_rule};
use crate::goodays::{MessageId, ResponseId};
use crate::salesforce::RecordId;

/// What Salesforce has for one response.
#[derive(Debug, Clone, PartialEq)]
pub enum Found {
    /// No row has the key.
    Absent,
    Live(Row),
    /// Only deleted rows have the key.
    Deleted(Row),
    /// Merged into another Case, which has to be read. Most orgs delete the merged one, some keep it.
    Merged(RecordId),
}

/// A Case as read.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    pub case: CaseRef,
    pub marked: Vec<MessageId>,
    pub fields: Map<String, Value>,
}

/// Finds the Case of a response among `queryAll` rows. Keys are compared exactly: SOQL ignores case on ordinary text
/// fields (Goodays reference, 5.2).
pub fn find(rows: &[Value], response: &ResponseId, key_field: &str, marker_field: &str) -> Found {
    let ours = |row: &&Value| row.get(key_field).and_then(Value::as_str) == Some(response.as_str());
    let deleted = |row: &&Value| row.get("IsDeleted") == Some(&Value::Bool(true));
    let survivor = |row: &Value| row.get("MasterRecordId").and_then(Value::as_str).and_then(RecordId::new);
    let live = rows.iter().filter(ours).find(|row| !deleted(row) && survivor(row).is_none());
    if let Some(row) = live.and_then(|row| read_row(row, marker_field)) {
        return Found::Live(row);
    }
    let kept = rows.iter().filter(ours).find(|row| !deleted(row) && survivor(row).is_some());
    let Some(gone) = kept.or_else(|| rows.iter().filter(ours).rfind(deleted)) else { return Found::Absent };
    match survivor(gone) {
        Some(master) => Found::Merged(master),
        None => read_row(gone, marker_field).map_or(Found::Absent, Found::Deleted),
    }
}

/// Reads a row of a Case with any key.
pub fn read_row(row: &Value, marker_field: &str) -> Option<Row> {
    let id = row.get("Id").and_then(Value::as_str).and_then(RecordId::new)?;
    let number = row.get("CaseNumber").and_then(Value::as_str).map(str::to_owned);
    let marked = row.get(marker_field).and_then(Value::as_str).map(read_marker).unwrap_or_default();
    let fields = row.as_object().cloned().unwrap_or_default();
    Some(Row { case: CaseRef { id, number }, marked, fields })
}

/// Updates the link from a row. If the link had no Case or another one, the row's state is the baseline.
pub fn adopt(link: Option<Link>, response: &ResponseId, row: &Row, context: &PlanContext<'_>) -> Link {
    let had_case = link.as_ref().is_some_and(|l| l.case.is_some() && !l.status_unread);
    let mut link = link.unwrap_or_else(|| Link::unread(response.clone()));
    for id in &row.marked {
        link.learn(id.clone(), None, MessageOrigin::Imported);
    }
    // An id that the marker has twice must not hide a missing one.
    let marked: BTreeSet<&MessageId> = row.marked.iter().collect();
    link.marked = u32::try_from(marked.len()).unwrap_or(u32::MAX);
    let same = link.case.as_ref().is_some_and(|c| c.id == row.case.id);
    link.case = Some(row.case.clone().or_known(link.case.as_ref()));
    if !same {
        link.joined = None;
    }
    if !had_case || !same {
        link.last_seen_fields = action_fields(&row.fields, context);
        (link.fields_forgotten, link.status_unread) = (false, false);
        (link.command.value, link.command.unread) = (None, true);
        link.active_status_rule = active_status_rule(context.mapping, &Value::Object(row.fields.clone()));
        link.rules = context.mapping.rules_version();
    }
    link
}

/// The same for the surviving Case of a merge: whether it has a key.
pub fn adopt_survivor(
    link: Option<Link>,
    response: &ResponseId,
    row: &Row,
    key_field: &str,
    context: &PlanContext<'_>,
) -> Link {
    let mut link = adopt(link, response, row, context);
    let has_key = row.fields.get(key_field).and_then(Value::as_str).is_some_and(|key| !key.is_empty());
    if let Some(joined) = link.joined.as_mut().filter(|joined| joined.key == KeyOfSurvivor::Unread) {
        joined.key = if has_key { KeyOfSurvivor::NotOurs } else { KeyOfSurvivor::Missing };
    }
    link
}

/// The Case is deleted: the link has no Case, and its messages stay known.
pub fn bury(link: Option<Link>, response: &ResponseId, row: &Row) -> Link {
    let mut link = link.unwrap_or_else(|| Link::new(response.clone()));
    let case = &row.case;
    for id in &row.marked {
        link.learn(id.clone(), None, MessageOrigin::Imported);
    }
    (link.unread, link.joined, link.linked) = (false, None, None);
    let known = link.case.take();
    if !link.gone.iter().any(|g| g.id == case.id) {
        link.gone.push(case.clone().or_known(known.as_ref()));
    }
    link.active_status_rule = None;
    link.last_seen_fields.clear();
    link.marked = 0;
    link
}

/// The fields that conditions of status rules read; notes and other texts are not stored.
pub fn action_fields(row: &Map<String, Value>, context: &PlanContext<'_>) -> Map<String, Value> {
    let names = context.mapping.actions().condition_fields.iter();
    names.filter_map(|name| row.get(name).map(|v| (name.clone(), v.clone()))).collect()
}
