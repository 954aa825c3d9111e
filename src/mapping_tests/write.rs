//! Writes a test from an event, with personal details replaced.

use serde::Serialize;
use serde_json::{Map, Value};

use super::{personal, run};
use crate::decide::Perimeter;
use crate::mapping::Mapping;
use crate::preview::Preview;

/// The first line of a written file: only such a file is written anew.
pub const GENERATED: &str = "# Written by `goodays-salesforce plan --update`";

#[derive(Serialize)]
struct Written<'a> {
    about: String,
    event: &'a Value,
    expect: Expected,
}

#[derive(Serialize)]
struct Expected {
    case: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    mapping: Option<String>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    fields: Map<String, Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    comments: Vec<Map<String, Value>>,
}

/// The text of a test that expects what the mapping makes of the event now.
pub fn written(event: &Value, mapping: &Mapping, perimeter: &Perimeter) -> Result<String, String> {
    let event = personal::without(event);
    let preview = run::preview(&event, &[], mapping, perimeter);
    let name = event["event_type"].as_str().unwrap_or("event");
    let about = format!("What a `{name}` event becomes. Say here what this test is for.");
    let test = Written { about, event: &event, expect: expected(&preview) };
    let body =
        serde_saphyr::to_string(&test).map_err(|error| format!("the test cannot be written: {error}"))?;
    Ok(format!(
        "{GENERATED}, which replaced names, addresses, ids and every text of the\n\
         # conversation. Look it over before you keep it: texts of the survey and of the shop stand as they were.\n\
         {body}"
    ))
}

fn expected(preview: &Preview) -> Expected {
    let Some(record) = &preview.record else {
        return Expected { case: "nothing", mapping: None, fields: Map::new(), comments: Vec::new() };
    };
    let fields = record.fields.iter().filter(|one| !matches!(&*one.from, "key" | "marker"));
    let comments = record.comments.iter().map(|comment| {
        comment.fields.iter().map(|one| (one.field.clone(), one.value.clone())).collect::<Map<_, _>>()
    });
    Expected {
        case: "new",
        mapping: record.mapping.rsplit('/').next().map(str::to_owned),
        fields: fields.map(|one| (one.field.clone(), one.value.clone())).collect(),
        comments: comments.collect(),
    }
}
