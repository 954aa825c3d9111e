//! The JSON Schemas accept the same files as the parser.

use goodays_salesforce::mapping::Mapping;
use goodays_salesforce::schemas::{SchemaKind, schema};
use serde_json::Value;

use super::with;

/// The part of a validator that our schemas need. Patterns: only those that can be checked without a regex engine.
fn valid(schema: &Value, root: &Value, value: &Value) -> bool {
    if let Some(name) = schema["$ref"].as_str() {
        let target = root.pointer(name.trim_start_matches('#')).expect("a definition");
        return valid(target, root, value);
    }
    let any =
        |key: &str| schema[key].as_array().map(|all| all.iter().filter(|s| valid(s, root, value)).count());
    let fits = |kind: &str| match kind {
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "number" => value.is_number(),
        "integer" => value.is_u64() || value.is_i64(),
        "null" => value.is_null(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("type {other}"),
    };
    let kinds: Vec<&str> = match &schema["type"] {
        Value::Null => vec![],
        Value::String(kind) => vec![kind],
        kinds => kinds.as_array().into_iter().flatten().filter_map(Value::as_str).collect(),
    };
    (kinds.is_empty() || kinds.iter().any(|kind| fits(kind)))
        && schema["allOf"].as_array().is_none_or(|all| all.iter().all(|s| valid(s, root, value)))
        && any("anyOf").is_none_or(|count| count > 0)
        && any("oneOf").is_none_or(|count| count == 1)
        && schema["enum"].as_array().is_none_or(|all| all.contains(value))
        && schema.get("const").is_none_or(|wanted| wanted == value)
        && schema["pattern"].as_str().is_none_or(|pattern| matches(pattern, value))
        && properties(schema, root, value)
        && value.as_array().is_none_or(|items| items.iter().all(|item| valid(&schema["items"], root, item)))
}

fn matches(pattern: &str, value: &Value) -> bool {
    let Some(text) = value.as_str() else { return true };
    match pattern {
        r"\$\{" => text.contains("${"),
        pattern if pattern.contains("create|never") => {
            matches!(text, "create" | "never") || text.starts_with("01Q")
        }
        pattern if pattern.contains("[A-Za-z0-9_]") => !text.contains([' ', '-']),
        _ => true,
    }
}

fn properties(schema: &Value, root: &Value, value: &Value) -> bool {
    let Some(object) = value.as_object() else { return true };
    let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let known = |name: &str| schema["properties"].get(name);
    required.into_iter().all(|name| object.contains_key(name))
        && object.iter().all(|(name, value)| match (known(name), &schema["additionalProperties"]) {
            (Some(property), _) => valid(property, root, value),
            (None, Value::Bool(allowed)) => *allowed,
            (None, Value::Null) => true,
            (None, others) => valid(others, root, value),
        })
}

fn says(kind: SchemaKind, text: &str) -> bool {
    let schema = schema(kind);
    let value: Value = serde_saphyr::from_str(text).expect("YAML");
    valid(&schema, &schema, &value)
}

#[test]
fn the_shipped_files_are_valid() {
    let read = |name: &str| {
        std::fs::read_to_string(format!("{}/{name}", env!("CARGO_MANIFEST_DIR"))).expect("a shipped file")
    };
    assert!(says(SchemaKind::Connector, &read("connector.yaml")));
    assert!(says(SchemaKind::Case, &read("mappings/case.yaml")));
    assert!(says(SchemaKind::Comment, &read("mappings/comment.yaml")));
    assert!(says(SchemaKind::Actions, &read("mappings/actions.yaml")));
}

#[test]
fn schemas_and_parser_agree() {
    let head = "key: { field: K__c }\nmarker: M__c\nfields:\n  ";
    let case = |rest: &str| (SchemaKind::Case, "case.yaml", format!("{head}{rest}\n"));
    let comment = |text: &str| (SchemaKind::Comment, "comment.yaml", text.to_owned());
    let actions = |text: &str| (SchemaKind::Actions, "actions.yaml", text.to_owned());
    let files = [
        case("Subject: { value: a }"),
        case("Subject: [{ value: a, on: create }, { value: b, when: true }]"),
        case("Subject: { value: 5, clear: true }"),
        case("Subject: { from: response.id, map: { a: 1, \"0..5\": true }, default: x }"),
        case("Subject: { value: a, template: b }"),
        case("Subject: { on: create }"),
        case("Subject: { valeu: a }"),
        case("Subject: Goodays"),
        case("Subject: { value: null }"),
        case("Subject: { value: a, on: null }"),
        case("Subject: { value: a, clear: null }"),
        case("Subject: { value: a, when: null }"),
        case("Subject: { value: a, on: created }"),
        case("Subject: { value: [a] }"),
        case("Subject: { value: a, clear: maybe }"),
        (SchemaKind::Case, "case.yaml", "marker: M__c\nfields: {}\n".to_owned()),
        (
            SchemaKind::Case,
            "case.yaml",
            "key: { field: K__c, from: response.thread }\nmarker: M__c\nfields: {}".to_owned(),
        ),
        (
            SchemaKind::Case,
            "case.yaml",
            "key: { field: K__c }\nmarker: M__c\nassignment: always\nfields: {}".to_owned(),
        ),
        (
            SchemaKind::Case,
            "case.yaml",
            "key: { field: K__c }\nmarker: M__c\nobject: My Case\nfields: {}".to_owned(),
        ),
        comment("import: [brand]\nfields: { CommentBody: { from: message.content } }"),
        comment("import: [shop]\nfields: { CommentBody: { from: message.content } }"),
        comment("fields: { CommentBody: { from: message.content, on: create } }"),
        actions("actions: []"),
        actions(
            "actions: [{ do: close, on: case, when: case.IsClosed }]\nfeedback: { observed: { A__c: x } }",
        ),
        actions("actions: [{ do: shut, on: case, when: case.IsClosed }]"),
        actions("actions: [{ do: close, when: case.IsClosed }]"),
        actions("actions: []\nfeedback: { sended: { A__c: x } }"),
        actions("actions: []\ncase: { fields: [A B] }"),
    ];
    for (kind, name, text) in files {
        let parsed = Mapping::from_sources(with(name, &text)).is_ok();
        assert_eq!(says(kind, &text), parsed, "the parser says {parsed} of {kind:?}:\n{text}");
    }
}

#[test]
fn the_connector_schema_knows_wrong_files() {
    let least = "goodays: {}\nsalesforce: { login_url: x, auth: { client_id: a } }\n";
    assert!(says(SchemaKind::Connector, least));
    for wrong in
        ["servr: {}", "poll: { intervall: 1s }", "log: { format: xml }", "server: { max_body_bytes: many }"]
    {
        assert!(!says(SchemaKind::Connector, &format!("{least}{wrong}\n")), "{wrong}");
    }
}

/// Editors read them from there; `goodays-salesforce schema KIND > mappings/schemas/KIND.json` writes them.
#[test]
fn the_shipped_schemas_are_current() {
    let kinds = [
        ("connector", SchemaKind::Connector),
        ("case", SchemaKind::Case),
        ("comment", SchemaKind::Comment),
        ("actions", SchemaKind::Actions),
    ];
    for (name, kind) in kinds {
        let path = format!("{}/mappings/schemas/{name}.json", env!("CARGO_MANIFEST_DIR"));
        let current = schema(kind);
        if std::env::var_os("WRITE_SCHEMAS").is_some() {
            std::fs::write(&path, format!("{current:#}\n")).unwrap();
        }
        let shipped: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        assert_eq!(shipped, current, "{path} is old: run this test with WRITE_SCHEMAS=1");
    }
}

/// The table of keys in docs/configuration.md comes from the same description as the schema.
#[test]
fn the_configuration_page_has_every_key_of_the_connector_file() {
    let path = format!("{}/docs/configuration.md", env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once("<!-- keys -->\n").unwrap();
    let (shipped, after) = rest.split_once("<!-- end of keys -->").unwrap();
    let current = goodays_salesforce::config::table();
    if std::env::var_os("WRITE_SCHEMAS").is_some() {
        let text = format!("{before}<!-- keys -->\n{current}<!-- end of keys -->{after}");
        return std::fs::write(&path, text).unwrap();
    }
    assert_eq!(shipped, current, "{path} is old: run this test with WRITE_SCHEMAS=1");
}

/// The shipped file shows every key, in use or commented out.
#[test]
fn the_shipped_file_shows_every_key() {
    let file = include_str!("../../../connector.yaml");
    for line in goodays_salesforce::config::table().lines().skip(2) {
        let path = line.split('`').nth(1).unwrap();
        let name = path.rsplit('.').next().unwrap();
        let shown = ["", "_file"].iter().any(|end| file.contains(&format!("{name}{end}:")));
        assert!(shown, "connector.yaml does not show {path}");
    }
}
