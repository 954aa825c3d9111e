//! Up to 200 records in one call, each with its own result, and trees (reference, sections 4.4 and 4.5).

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::ids;
use super::org::Org;
use super::problem::Problem;
use super::rest::{Call, Reply, method_not_allowed};
use super::schema::{Field, Object};
use super::sobjects::{atomically, record};
use super::write::Upserted;

const MOST: usize = 200;
const MOST_READ: usize = 2000;
/// The most chunks, which are runs of records of one type.
const MOST_CHUNKS: usize = 10;

type Saved = Result<(String, Option<bool>), Vec<Problem>>;

pub fn answer(org: &mut Org, call: &Call, rest: &[&str]) -> Reply {
    let result = match (call.method.as_str(), rest) {
        ("POST", []) => records(call).map(|records| each(org, call, &records, create_one)),
        ("PATCH", []) => records(call).map(|records| each(org, call, &records, update_one)),
        ("DELETE", []) => Ok(delete(org, call)),
        ("POST" | "GET", [object]) => retrieve(org, call, object),
        ("PATCH", [object, field]) => upsert(org, call, object, field),
        (method, _) => return method_not_allowed(method),
    };
    result.unwrap_or_else(Reply::from)
}

fn too_many(most: usize) -> Problem {
    Problem::new(
        400,
        "EXCEEDED_ID_LIMIT",
        format!("record limit reached. cannot submit more than {most} records in this call"),
    )
}

fn records(call: &Call) -> Result<Vec<Map<String, Value>>, Problem> {
    let list = call.body["records"].as_array();
    let list = list.ok_or_else(|| Problem::new(400, "JSON_PARSER_ERROR", "records is required"))?;
    if list.len() > MOST {
        return Err(too_many(MOST));
    }
    let mut kinds: Vec<&Value> = list.iter().map(|record| &record["attributes"]["type"]).collect();
    kinds.dedup();
    if kinds.len() > MOST_CHUNKS {
        let message = format!(
            "Cannot have more than {MOST_CHUNKS} chunks in a single operation. Please rearrange the data to reduce chunking."
        );
        return Err(Problem::new(400, "LIMIT_EXCEEDED", message));
    }
    let records: Option<Vec<_>> = list.iter().map(|record| record.as_object().cloned()).collect();
    records.ok_or_else(|| Problem::new(400, "JSON_PARSER_ERROR", "each record must be an object"))
}

fn all_or_none(call: &Call) -> bool {
    call.body["allOrNone"] == json!(true) || call.flag("allOrNone")
}

fn each<T>(org: &mut Org, call: &Call, items: &[T], save: impl Fn(&mut Org, &Call, &T) -> Saved) -> Reply {
    let mark = org.begin();
    let mut results: Vec<Saved> = Vec::new();
    for item in items {
        results.push(atomically(org, |org| save(org, call, item)));
    }
    if all_or_none(call) && results.iter().any(Result::is_err) {
        org.roll_back(mark);
        let message = "Record rolled back because not all records were valid and the request was using AllOrNone header";
        let victim = Problem::save("ALL_OR_NONE_OPERATION_ROLLED_BACK", message, &[]);
        for result in results.iter_mut().filter(|result| result.is_ok()) {
            *result = Err(vec![victim.clone()]);
        }
    }
    Reply::new(200, results.iter().map(shown).collect())
}

fn shown(result: &Saved) -> Value {
    match result {
        Ok((id, created)) => {
            let mut saved = json!({"id": id, "success": true, "errors": []});
            if let Some(created) = created {
                saved["created"] = json!(created);
            }
            saved
        }
        Err(problems) => {
            let errors: Value = problems.iter().map(Problem::in_collection).collect();
            json!({"success": false, "errors": errors})
        }
    }
}

fn type_of(record: &Map<String, Value>) -> Result<String, Vec<Problem>> {
    let named =
        record.get("attributes").and_then(|attributes| attributes.get("type")).and_then(Value::as_str);
    named
        .map(str::to_owned)
        .ok_or_else(|| vec![Problem::save("INVALID_TYPE", "Each record needs attributes.type", &[])])
}

fn create_one(org: &mut Org, call: &Call, record: &Map<String, Value>) -> Saved {
    let object = type_of(record)?;
    org.insert(&call.actor, &object, record).map(|id| (id, None))
}

fn update_one(org: &mut Org, call: &Call, record: &Map<String, Value>) -> Saved {
    let mut fields = record.clone();
    let key = fields.keys().find(|name| name.eq_ignore_ascii_case("Id")).cloned();
    let given = key.and_then(|key| fields.shift_remove(&key));
    let id = known_id(org, given.as_ref().and_then(Value::as_str).unwrap_or_default())?;
    org.update(&call.actor, &id, &fields).map(|()| (id, None))
}

fn known_id(org: &Org, text: &str) -> Result<String, Vec<Problem>> {
    let id = ids::normal(text).filter(|id| org.schema.by_prefix(id).is_some());
    id.ok_or_else(|| vec![Problem::save("MALFORMED_ID", format!("bad id {text}"), &["Id"])])
}

fn delete(org: &mut Org, call: &Call) -> Reply {
    let named: Vec<String> = call.argument("ids").unwrap_or_default().split(',').map(str::to_owned).collect();
    if named.len() > MOST {
        return too_many(MOST).into();
    }
    each(org, call, &named, |org, call, text| {
        let id = known_id(org, text.trim())?;
        org.delete(&call.actor, &id).map(|()| (id, None))
    })
}

fn retrieve(org: &Org, call: &Call, object: &str) -> Result<Reply, Problem> {
    let kind = org.schema.object(object).ok_or_else(Problem::not_found)?;
    let list = |name: &str| -> Vec<String> {
        let from_body = call.body[name].as_array();
        let from_body =
            from_body.map(|all| all.iter().filter_map(|v| v.as_str().map(str::to_owned)).collect());
        let from_query = || call.argument(name).map(|all| all.split(',').map(str::to_owned).collect());
        from_body.or_else(from_query).unwrap_or_default()
    };
    let (wanted, names) = (list("ids"), list("fields"));
    if wanted.len() > MOST_READ {
        return Err(too_many(MOST_READ));
    }
    let fields = names.iter().map(|name| {
        kind.field(name).filter(|field| org.sees(true, kind, field)).ok_or_else(|| {
            let message = format!("No such column '{name}' on sobject of type {}", kind.name);
            Problem::new(400, "INVALID_FIELD", message)
        })
    });
    let fields: Vec<&Field> = fields.collect::<Result<_, _>>()?;
    let one = |text: &String| {
        let found = ids::normal(text).and_then(|id| org.visible(&id));
        let found = found.filter(|(_, row)| row.get("IsDeleted") != Some(&json!(true)));
        found.map_or(Value::Null, |(kind, row)| record(kind, row, &fields, &call.version))
    };
    Ok(Reply::new(200, wanted.iter().map(one).collect()))
}

fn upsert(org: &mut Org, call: &Call, object: &str, field: &str) -> Result<Reply, Problem> {
    let kind = org.schema.object(object).cloned().ok_or_else(Problem::not_found)?;
    let external =
        kind.field(field).filter(|field| field.external_id && org.sees(true, &kind, field)).cloned();
    let external = external.ok_or_else(|| {
        let message = format!("Provided external ID field does not exist or is not accessible: {field}");
        Problem::new(404, "NOT_FOUND", message)
    })?;
    let records = records(call)?;
    let twice = repeated(&records, &external);
    Ok(each(org, call, &records, |org, call, record| upsert_one(org, call, &kind, &external, &twice, record)))
}

/// External ids that occur in more than one record of the call.
fn repeated(records: &[Map<String, Value>], field: &Field) -> HashMap<String, usize> {
    let mut counts = HashMap::new();
    for key in records.iter().filter_map(|record| super::table::key(field, value_of(record, field)?)) {
        *counts.entry(key).or_default() += 1;
    }
    counts.retain(|_, count| *count > 1);
    counts
}

fn value_of<'a>(record: &'a Map<String, Value>, field: &Field) -> Option<&'a Value> {
    record.iter().find(|(name, _)| name.eq_ignore_ascii_case(&field.name)).map(|(_, value)| value)
}

fn upsert_one(
    org: &mut Org,
    call: &Call,
    kind: &Object,
    field: &Field,
    twice: &HashMap<String, usize>,
    record: &Map<String, Value>,
) -> Saved {
    let Some(value) = value_of(record, field).cloned().filter(|value| !value.is_null()) else {
        let message = format!("{} not specified", field.name);
        return Err(vec![Problem::save("MISSING_ARGUMENT", message, &[])]);
    };
    if super::table::key(field, &value).is_some_and(|key| twice.contains_key(&key)) {
        return Err(vec![several_matches(field)]);
    }
    let mut fields = record.clone();
    fields.retain(|name, _| !name.eq_ignore_ascii_case(&field.name));
    match org.upsert(&call.actor, &kind.name, field, &value, &fields, false)? {
        Upserted::Created(id) => Ok((id, Some(true))),
        Upserted::Updated(id) => Ok((id, Some(false))),
        Upserted::Several(_) => Err(vec![several_matches(field)]),
    }
}

fn several_matches(field: &Field) -> Problem {
    let message = "A user-specified external ID matches more than one record during an upsert.";
    Problem::save("DUPLICATE_EXTERNAL_ID", message, &[&field.name])
}

/// Parents with their children, in one transaction.
pub fn tree(org: &mut Org, call: &Call, object: &str) -> Reply {
    if call.method != "POST" {
        return method_not_allowed(&call.method);
    }
    let Some(records) = call.body["records"].as_array() else {
        return Problem::new(400, "JSON_PARSER_ERROR", "records is required").into();
    };
    let mark = org.begin();
    let mut made = Vec::new();
    let mut failed = Vec::new();
    for record in records {
        plant(org, call, object, record, None, &mut made, &mut failed);
    }
    if made.len() + failed.len() > MOST {
        failed.push(json!({"referenceId": "", "errors": [too_many(MOST).in_collection()]}));
    }
    if failed.is_empty() {
        return Reply::new(201, json!({"hasErrors": false, "results": made}));
    }
    org.roll_back(mark);
    Reply::new(400, json!({"hasErrors": true, "results": failed}))
}

fn plant(
    org: &mut Org,
    call: &Call,
    object: &str,
    record: &Value,
    parent: Option<(&str, &str)>,
    made: &mut Vec<Value>,
    failed: &mut Vec<Value>,
) {
    let reference = record["attributes"]["referenceId"].clone();
    let mut fields = record.as_object().cloned().unwrap_or_default();
    let children = org.schema.object(object).map(|kind| kind.children.clone()).unwrap_or_default();
    let mut below = Vec::new();
    for child in &children {
        if let Some(nested) = fields.shift_remove(&child.relationship) {
            below.push((child.clone(), nested));
        }
    }
    if let Some((field, id)) = parent {
        fields.insert(field.to_owned(), json!(id));
    }
    match atomically(org, |org| org.insert(&call.actor, object, &fields)) {
        Err(problems) => {
            let errors: Value = problems.iter().map(Problem::in_collection).collect();
            failed.push(json!({"referenceId": reference, "errors": errors}));
        }
        Ok(id) => {
            made.push(json!({"referenceId": reference, "id": id}));
            for (child, nested) in below {
                for record in nested["records"].as_array().into_iter().flatten() {
                    plant(org, call, &child.object, record, Some((&child.field, &id)), made, failed);
                }
            }
        }
    }
}
