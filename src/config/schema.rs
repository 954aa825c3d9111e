//! The JSON Schema of connector.yaml, for editors. Any value may come from a variable, so a text with `${` is valid
//! everywhere. A section in which everything is commented out is null, and that is allowed.

use serde_json::{Map, Value as Json, json};

use super::alerts::{DESTINATIONS, TOPICS};
use super::key::{self, Key, Kind, SECTIONS, Section};

/// The schema of connector.yaml.
pub fn schema() -> Json {
    let file = &SECTIONS[0];
    let mut schema = json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "goodays-salesforce: connector.yaml",
    });
    if let (Some(schema), Json::Object(section)) = (schema.as_object_mut(), of_section(file)) {
        schema.extend(section);
    }
    schema["type"] = json!("object");
    schema
}

fn of_section(section: &Section) -> Json {
    let inner = |path: &str| path.rsplit_once('.').map_or("", |(parent, _)| parent) == section.path;
    let mut properties = Map::new();
    for key in key::ALL.iter().filter(|key| key.path.starts_with(section.path)) {
        if key.section() == section.path {
            properties.extend(of_key(key));
        } else if let Some(part) = SECTIONS.iter().find(|part| {
            !part.path.is_empty() && inner(part.path) && key.path.starts_with(&format!("{}.", part.path))
        }) {
            let name = part.path.rsplit('.').next().unwrap_or_default();
            if !properties.contains_key(name) {
                properties.insert(name.to_owned(), of_section(part));
            }
        }
    }
    // A needed section must hold something; any other may be empty, with all its keys commented out.
    let is_needed = SECTIONS.iter().any(|outer| {
        let name = section.path.rsplit('.').next().unwrap_or_default();
        outer.needed.contains(&name) && outer.path == parent(section.path)
    });
    let kind = if is_needed { json!("object") } else { json!(["object", "null"]) };
    let mut schema = json!({
        "type": kind,
        "description": section.meaning,
        "additionalProperties": false,
        "properties": properties,
    });
    if !section.needed.is_empty() {
        schema["required"] = json!(section.needed);
    }
    schema
}

fn parent(path: &str) -> &str {
    path.rsplit_once('.').map_or("", |(parent, _)| parent)
}

/// The key, and for a secret the key of its file.
fn of_key(key: &Key) -> Vec<(String, Json)> {
    let mut value = of_kind(&key.kind);
    let meaning = format!("{}.", sentence(key.meaning));
    value["description"] = json!(meaning);
    if !key.default.is_empty() {
        value["default"] = json!(key.default);
    }
    let mut found = vec![(key.name().to_owned(), value)];
    if matches!(key.kind, Kind::Secret) {
        let file = json!({ "type": "string", "description": format!("The file of `{}`.", key.name()) });
        found.push((format!("{}_file", key.name()), file));
    }
    found
}

fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn of_kind(kind: &Kind) -> Json {
    let variable = json!({ "type": "string", "pattern": "\\$\\{" });
    let nothing = json!({ "type": "null" });
    match kind {
        Kind::Duration(_) => json!({ "anyOf": [
            { "enum": [0] },
            { "type": "string", "pattern": "^(0|([0-9]+(ms|s|m|h|d))+)$" },
            variable,
            nothing,
        ] }),
        Kind::Number(range) => json!({ "anyOf": [
            { "type": "integer", "minimum": range.start(), "maximum": range.end() },
            variable,
            nothing,
        ] }),
        Kind::Choice(words) => json!({ "anyOf": [{ "enum": words }, variable, nothing] }),
        Kind::ApiVersion => {
            json!({ "type": ["string", "number", "null"], "pattern": "^[0-9]+\\.0$|\\$\\{" })
        }
        Kind::Texts => json!({ "type": ["array", "null"], "items": { "type": "string" } }),
        Kind::Secrets => json!({ "type": ["array", "null"], "items": { "anyOf": [
            { "type": "string" },
            {
                "type": "object",
                "additionalProperties": false,
                "required": ["file"],
                "properties": { "file": { "type": "string" } },
            },
        ] } }),
        Kind::Alerts => of_alerts(),
        Kind::Listen
        | Kind::Url
        | Kind::UrlPath
        | Kind::Path
        | Kind::Text
        | Kind::Secret
        | Kind::LogLevel => json!({ "type": ["string", "null"] }),
    }
}

fn of_alerts() -> Json {
    let words =
        |words: Vec<&str>| json!({ "anyOf": [{ "enum": words }, { "type": "string", "pattern": "\\$\\{" }] });
    let text = json!({ "type": ["string", "null"] });
    json!({ "type": ["array", "null"], "items": {
        "type": "object",
        "additionalProperties": false,
        "required": ["to"],
        "properties": {
            "to": words(DESTINATIONS.map(|(word, _)| word).to_vec()),
            "url": text,
            "url_file": text,
            "on": { "type": ["array", "null"], "items": words(TOPICS.map(|(word, _)| word).to_vec()) },
            "after": of_kind(&Kind::Duration("0"..="1d")),
            "link": text,
        },
    } })
}
