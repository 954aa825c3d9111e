//! Single records: create, read, update, delete, upsert, describe, changed and deleted ids (reference, 2 and 7.3).

use serde_json::{Map, Value, json};

use super::ids;
use super::org::{Org, moment, stamp};
use super::problem::Problem;
use super::rest::{Call, Reply, method_not_allowed};
use super::schema::{Field, Kind, Object};
use super::soql::eval::attributes;
use super::table::Fields;
use super::write::Upserted;
use super::{describe, problem};

pub fn answer(org: &mut Org, call: &Call, object: &str, rest: &[&str]) -> Reply {
    let hidden = org.settings.hidden_objects.iter().any(|name| name.eq_ignore_ascii_case(object));
    let Some(kind) = org.schema.object(object).filter(|_| !hidden).cloned() else {
        return Problem::not_found().into();
    };
    match rest {
        [] if call.method == "POST" => create(org, call, &kind),
        [] if call.method == "GET" => Reply::new(
            200,
            json!({"objectDescribe": describe::summary(&kind, &call.version),
            "recentItems": []}),
        ),
        ["describe"] if call.method == "GET" => Reply::new(200, describe::object(org, &kind, &call.version)),
        ["updated"] if call.method == "GET" => replicated(org, call, &kind, false),
        ["deleted"] if call.method == "GET" => replicated(org, call, &kind, true),
        [id] => one(org, call, &kind, id),
        // An empty value is not an upsert. A value may contain slashes that were encoded.
        [field, value] => by_key(org, call, &kind, field, value),
        _ => method_not_allowed(&call.method),
    }
}

pub fn body(call: &Call) -> Result<&Map<String, Value>, Problem> {
    call.body.as_object().ok_or_else(|| {
        let message = "The HTTP entity body is required, but this request has no entity body.";
        Problem::new(400, "JSON_PARSER_ERROR", message)
    })
}

fn location(call: &Call, kind: &Object, id: &str) -> String {
    format!("/services/data/{}/sobjects/{}/{id}", call.version, kind.name)
}

fn created(call: &Call, kind: &Object, id: &str, upsert: bool) -> Reply {
    let mut body = json!({"id": id, "success": true, "errors": []});
    if upsert && call.number() >= 46 {
        body["created"] = json!(true);
    }
    let mut reply = Reply::new(201, body);
    reply.headers.insert("Location".into(), location(call, kind, id));
    reply
}

/// Runs a save. If it fails, its changes are undone.
pub fn atomically<T>(
    org: &mut Org,
    save: impl FnOnce(&mut Org) -> Result<T, Vec<Problem>>,
) -> Result<T, Vec<Problem>> {
    let mark = org.begin();
    let result = save(org);
    if result.is_err() {
        org.roll_back(mark);
    }
    result
}

fn create(org: &mut Org, call: &Call, kind: &Object) -> Reply {
    let body = match body(call) {
        Ok(body) => body,
        Err(problem) => return problem.into(),
    };
    match atomically(org, |org| org.insert(&call.actor, &kind.name, body)) {
        Ok(id) => created(call, kind, &id, false),
        Err(problems) => problems.into(),
    }
}

fn one(org: &mut Org, call: &Call, kind: &Object, text: &str) -> Reply {
    if call.method == "PUT" || call.method == "POST" {
        return method_not_allowed(&call.method);
    }
    let id = match record_id(kind, text) {
        Ok(id) => id,
        Err(problem) => return problem.into(),
    };
    if let Some(reply) = condition_failed(org, call, &id) {
        return reply;
    }
    match call.method.as_str() {
        "GET" | "HEAD" => read(org, call, kind, &id),
        "PATCH" => update(org, call, &id),
        "DELETE" => match atomically(org, |org| org.delete(&call.actor, &id)) {
            Ok(()) => Reply::empty(204),
            Err(problems) => problems.into(),
        },
        other => method_not_allowed(other),
    }
}

/// A short id is read as the name of an external-id field (reference, section 2.3).
fn record_id(kind: &Object, text: &str) -> Result<String, Problem> {
    let id = ids::normal(text).ok_or_else(|| {
        let message = format!("Provided external ID field does not exist or is not accessible: {text}");
        Problem::new(404, "NOT_FOUND", message)
    })?;
    if id.starts_with(&kind.prefix) {
        return Ok(id);
    }
    let message = format!("{} ID: id value of incorrect type: {text}", kind.label);
    Err(Problem::save("MALFORMED_ID", message, &["Id"]))
}

/// `If-Modified-Since` answers 304, `If-Unmodified-Since` 412 (reference, section 3).
fn condition_failed(org: &Org, call: &Call, id: &str) -> Option<Reply> {
    let (_, row) = org.visible(id)?;
    let changed = row.get("LastModifiedDate").and_then(Value::as_str).and_then(moment)?;
    if call.method == "GET" && call.modified_since.is_some_and(|since| changed <= since) {
        return Some(Reply::empty(304));
    }
    let failed = call.unmodified_since.is_some_and(|since| changed > since);
    failed.then(|| Problem::new(412, "PRECONDITION_FAILED", "The record was modified").into())
}

fn update(org: &mut Org, call: &Call, id: &str) -> Reply {
    let body = match body(call) {
        Ok(body) => body,
        Err(problem) => return problem.into(),
    };
    match atomically(org, |org| org.update(&call.actor, id, body)) {
        Ok(()) => Reply::empty(204),
        Err(problems) => problems.into(),
    }
}

fn read(org: &Org, call: &Call, kind: &Object, id: &str) -> Reply {
    let Some((_, row)) = org.visible(id) else { return Problem::not_found().into() };
    if row.get("IsDeleted") == Some(&json!(true)) {
        return match org.settings.deleted_get_code.as_str() {
            "ENTITY_IS_DELETED" => {
                problem::Problem::save("ENTITY_IS_DELETED", "entity is deleted", &[]).with_status(404).into()
            }
            _ => Problem::not_found().into(),
        };
    }
    match shown(org, call, kind, row) {
        Ok(record) => Reply::new(200, record),
        Err(problem) => problem.into(),
    }
}

fn shown(org: &Org, call: &Call, kind: &Object, row: &Fields) -> Result<Value, Problem> {
    let readable = |field: &&Field| !field.write_only && org.sees(true, kind, field);
    let fields: Vec<&Field> = match call.argument("fields") {
        None => kind.fields.iter().filter(readable).collect(),
        Some(names) => names
            .split(',')
            .map(|name| {
                kind.field(name.trim()).filter(readable).ok_or_else(|| {
                    let message = format!("No such column '{name}' on sobject of type {}", kind.name);
                    Problem::new(400, "INVALID_FIELD", message)
                })
            })
            .collect::<Result<_, _>>()?,
    };
    Ok(record(kind, row, &fields, &call.version))
}

pub fn record(kind: &Object, row: &Fields, fields: &[&Field], version: &str) -> Value {
    let id = row.get("Id").and_then(Value::as_str).unwrap_or_default();
    let mut record = Map::new();
    record.insert("attributes".into(), attributes(&kind.name, id, version));
    for field in fields {
        let empty = if field.kind == Kind::Boolean { json!(false) } else { Value::Null };
        record.insert(field.name.clone(), row.get(&field.name).cloned().unwrap_or(empty));
    }
    Value::Object(record)
}

/// `/sobjects/Case/Key__c/value`.
fn by_key(org: &mut Org, call: &Call, kind: &Object, name: &str, value: &str) -> Reply {
    let field = kind.field(name).filter(|field| field.external_id && org.sees(true, kind, field));
    let Some(field) = field else {
        let message = format!("Provided external ID field does not exist or is not accessible: {name}");
        return Problem::new(404, "NOT_FOUND", message).into();
    };
    let value = json!(value);
    match call.method.as_str() {
        "GET" | "HEAD" | "DELETE" => match org.holders(kind, field, &value).as_slice() {
            [] => Problem::not_found().into(),
            [id] if call.method == "DELETE" => match atomically(org, |org| org.delete(&call.actor, id)) {
                Ok(()) => Reply::empty(204),
                Err(problems) => problems.into(),
            },
            [id] => read(org, call, kind, id),
            several => choices(call, kind, several),
        },
        "PATCH" => upsert(org, call, kind, field, &value),
        other => method_not_allowed(other),
    }
}

fn choices(call: &Call, kind: &Object, several: &[String]) -> Reply {
    Reply::new(300, several.iter().map(|id| location(call, kind, id)).collect())
}

fn upsert(org: &mut Org, call: &Call, kind: &Object, field: &Field, value: &Value) -> Reply {
    let body = match body(call) {
        Ok(body) => body,
        Err(problem) => return problem.into(),
    };
    if body.keys().any(|name| name.eq_ignore_ascii_case(&field.name)) {
        let message = format!("The {} field should not be specified in the sobject data.", field.name);
        return Problem::new(400, "INVALID_FIELD", message).into();
    }
    let update_only = call.flag("updateOnly");
    let saved = atomically(org, |org| org.upsert(&call.actor, &kind.name, field, value, body, update_only));
    match saved {
        Ok(Upserted::Created(id)) => created(call, kind, &id, true),
        Ok(Upserted::Updated(_)) if call.number() < 46 => Reply::empty(204),
        Ok(Upserted::Updated(id)) => {
            Reply::new(200, json!({"id": id, "success": true, "errors": [], "created": false}))
        }
        Ok(Upserted::Several(ids)) => choices(call, kind, &ids),
        Err(problems) => problems.into(),
    }
}

/// `updated` and `deleted`: whole minutes, and never after the start of the oldest open transaction.
fn replicated(org: &Org, call: &Call, kind: &Object, deleted: bool) -> Reply {
    const MINUTE: i64 = 60_000;
    const DAY: i64 = 24 * 60 * MINUTE;
    let bound = |name: &str| call.argument(name).and_then(moment);
    let (Some(start), Some(end)) = (bound("start"), bound("end")) else {
        return Problem::new(400, "INVALID_REPLICATION_DATE", "start and end are required dates").into();
    };
    let now = org.now_ms();
    if end - start < MINUTE || now - start > 30 * DAY {
        let message = "startDate before org replication enabled date, or less than one minute before endDate";
        return Problem::new(400, "INVALID_REPLICATION_DATE", message).into();
    }
    let covered = org.oldest_open_ms().map_or(end.min(now), |open| open.min(end).min(now));
    let (from, to) = (stamp(start), stamp(end));
    let rows =
        org.table(kind).map_or(&[][..], |table| table.rows()).iter().filter_map(|row| row.visible(now));
    let text =
        |row: &Fields, name: &str| row.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let changed = rows.filter(|row| {
        let at = text(row, "SystemModstamp");
        (row.get("IsDeleted") == Some(&json!(true))) == deleted && at >= from && at < to
    });
    let covered = stamp(covered);
    if deleted {
        let records: Value = changed
            .map(|row| json!({"id": text(row, "Id"), "deletedDate": text(row, "SystemModstamp")}))
            .collect();
        let earliest = stamp(now - 15 * DAY);
        return Reply::new(
            200,
            json!({"deletedRecords": records, "earliestDateAvailable": earliest, "latestDateCovered": covered}),
        );
    }
    let ids: Value = changed.map(|row| json!(text(row, "Id"))).collect();
    Reply::new(200, json!({"ids": ids, "latestDateCovered": covered}))
}
