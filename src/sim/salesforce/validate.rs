//! Checks a record's body field by field, and refuses as Salesforce does (reference, sections 2.2 and 2.4).

use serde_json::{Map, Value, json};

use super::ids;
use super::org::{Actor, Org, moment, stamp};
use super::problem::Problem;
use super::schema::{Field, Kind, Object};
use super::settings::names;
use super::table::Fields;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    Create,
    Update,
}

impl Org {
    /// Whether the actor sees the field: without field-level security, it does not exist.
    pub fn sees(&self, actor_is_api: bool, object: &Object, field: &Field) -> bool {
        !(actor_is_api && names(&self.settings.hidden_fields, &object.name, &field.name))
    }

    /// The body's values by canonical name, each in its field's type, or all mistakes in them.
    pub fn check(
        &self,
        actor: &Actor,
        object: &Object,
        op: Op,
        body: &Map<String, Value>,
    ) -> Result<Fields, Vec<Problem>> {
        let mut values = Fields::new();
        let mut problems = Vec::new();
        for (name, value) in body {
            if name == "attributes" {
                continue;
            }
            if let Some(field) = object.relation(name).filter(|_| value.is_object()) {
                let id = self.related(field, value).map_err(|problem| vec![problem])?;
                values.insert(field.name.clone(), json!(id));
                continue;
            }
            let field = self.writable(actor, object, op, name).map_err(|problem| vec![problem])?;
            match self.typed(object, field, value) {
                Ok(value) => {
                    values.insert(field.name.clone(), value);
                }
                Err(problem) => problems.push(problem),
            }
        }
        problems.extend(self.missing(object, op, &values));
        if problems.is_empty() { Ok(values) } else { Err(problems) }
    }

    fn writable<'a>(
        &self,
        actor: &Actor,
        object: &'a Object,
        op: Op,
        name: &str,
    ) -> Result<&'a Field, Problem> {
        if name.eq_ignore_ascii_case("Id") {
            let message = "The Id field should not be specified in the sobject data.";
            return Err(Problem::new(400, "INVALID_FIELD", message));
        }
        let field = object.field(name).filter(|field| self.sees(actor.api, object, field));
        let Some(field) = field else {
            let message = format!("No such column '{name}' on sobject of type {}", object.name);
            return Err(Problem::new(400, "INVALID_FIELD", message));
        };
        let allowed = match op {
            Op::Create => field.create,
            Op::Update => field.update,
        };
        let read_only = actor.api && names(&self.settings.read_only_fields, &object.name, &field.name);
        if allowed && !read_only {
            return Ok(field);
        }
        let message = format!(
            "Unable to create/update fields: {}. Please check the security settings of this field and verify that it is read/write for your profile or permission set.",
            field.name
        );
        Err(Problem::save("INVALID_FIELD_FOR_INSERT_UPDATE", message, &[&field.name]))
    }

    /// The id of the record that a relation names by external id.
    fn related(&self, field: &Field, value: &Value) -> Result<String, Problem> {
        let value = value.as_object().cloned().unwrap_or_default();
        let named = value.get("attributes").and_then(|a| a.get("type")).and_then(Value::as_str);
        let target = named.or(field.refers_to.first().map(String::as_str)).unwrap_or_default();
        let Some(target) = self.schema.object(target) else {
            return Err(Problem::save("INVALID_TYPE", format!("Invalid sobject type: {target}"), &[]));
        };
        let by_key = field.name != "ParentId" || self.settings.parent_by_external_id;
        let key = value.iter().find(|(name, _)| *name != "attributes").filter(|_| by_key);
        let key = key.and_then(|(name, value)| Some((target.field(name)?, value)));
        let Some((external, wanted)) = key.filter(|(external, _)| external.external_id) else {
            let message = format!("{} is not an External ID of {}", field.relationship, target.name);
            return Err(Problem::save("INVALID_FIELD", message, &[]));
        };
        let shown = wanted.as_str().map_or_else(|| wanted.to_string(), str::to_owned);
        let found = self.holders(target, external, wanted);
        match found.as_slice() {
            [id] => Ok(id.clone()),
            [] => {
                let message = format!(
                    "Foreign key external ID: {} not found for field {} in entity {}",
                    shown.to_lowercase(),
                    external.name,
                    target.name
                );
                Err(Problem::save("INVALID_FIELD", message, &[]))
            }
            _ => {
                let message = format!("More than one record found for external ID field: {found:?}");
                Err(Problem::save("DUPLICATE_EXTERNAL_ID", message, &[]))
            }
        }
    }

    /// Ids of the visible, undeleted records that hold a value in an indexed field.
    pub fn holders(&self, object: &Object, field: &Field, value: &Value) -> Vec<String> {
        let Some(table) = self.table(object) else { return Vec::new() };
        let now = self.now_ms();
        let wanted = super::table::key(field, value);
        let rows = table.having(field, value).iter().filter_map(|index| table.row(*index).visible(now));
        rows.filter(|row| row.get("IsDeleted") != Some(&json!(true)))
            .filter(|row| row.get(&field.name).and_then(|value| super::table::key(field, value)) == wanted)
            .filter_map(|row| row.get("Id")?.as_str().map(str::to_owned))
            .collect()
    }

    fn missing(&self, object: &Object, op: Op, values: &Fields) -> Option<Problem> {
        let absent = |field: &&Field| match values.get(&field.name) {
            None => op == Op::Create && field.default.is_null(),
            Some(value) => value.is_null(),
        };
        let needed = |field: &&Field| {
            field.required || names(&self.settings.required_fields, &object.name, &field.name)
        };
        let missing: Vec<&str> =
            object.fields.iter().filter(needed).filter(absent).map(|field| field.name.as_str()).collect();
        let message = format!("Required fields are missing: [{}]", missing.join(", "));
        (!missing.is_empty()).then(|| Problem::save("REQUIRED_FIELD_MISSING", message, &missing))
    }

    fn typed(&self, object: &Object, field: &Field, value: &Value) -> Result<Value, Problem> {
        if value.is_null() || value.as_str().is_some_and(|text| text.trim().is_empty()) {
            let off = field.kind == Kind::Boolean;
            return Ok(if off { json!(false) } else { Value::Null });
        }
        match field.kind {
            Kind::Boolean => boolean(value).ok_or_else(|| unreadable("boolean", value)),
            Kind::Number => number(field, value),
            Kind::DateTime => date_time(value),
            Kind::Reference | Kind::Id => self.reference(field, value),
            Kind::Date => {
                let date = value.as_str().and_then(|text| text.parse::<jiff::civil::Date>().ok());
                date.map(|date| json!(date.to_string())).ok_or_else(|| unreadable("date", value))
            }
            _ => self.text(object, field, value),
        }
    }

    fn text(&self, object: &Object, field: &Field, value: &Value) -> Result<Value, Problem> {
        let Some(text) = value.as_str() else { return Err(unreadable("string", value)) };
        let text = if self.settings.trim_texts { text.trim() } else { text };
        if text.chars().any(|c| c.is_control() && !matches!(c, '\t' | '\n' | '\r')) {
            let message = format!("{}: text contains characters outside of the supported set", field.label);
            return Err(Problem::save("TEXT_DATA_OUTSIDE_SUPPORTED_CHARSET", message, &[&field.name]));
        }
        if self.measured(field, text) > field.length {
            let message =
                format!("{}: data value too large: {text} (max length={})", field.label, field.length);
            return Err(Problem::save("STRING_TOO_LONG", message, &[&field.name]));
        }
        if field.kind == Kind::Email && !looks_like_email(text) {
            let message = format!("{}: invalid email address: {text}", field.label);
            return Err(Problem::save("INVALID_EMAIL_ADDRESS", message, &[&field.name]));
        }
        let restricted =
            field.restricted || names(&self.settings.restricted_picklists, &object.name, &field.name);
        if field.kind == Kind::Picklist && restricted && !field.values.iter().any(|known| known == text) {
            let message = format!("{}: bad value for restricted picklist field: {text}", field.label);
            return Err(Problem::save("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", message, &[&field.name]));
        }
        if field.kind == Kind::LongText && self.settings.crlf_texts {
            return Ok(json!(text.replace("\r\n", "\n").replace('\n', "\r\n")));
        }
        Ok(json!(text))
    }

    /// A text's length as the field counts it: a CommentBody in bytes, escaped (reference, section 6.2).
    fn measured(&self, field: &Field, text: &str) -> usize {
        if field.name == "CommentBody" {
            return text.chars().map(|c| self.weight(c)).sum();
        }
        if self.settings.utf16_lengths { text.encode_utf16().count() } else { text.chars().count() }
    }

    fn weight(&self, c: char) -> usize {
        match c {
            '\n' => self.settings.newline_weight,
            '&' | '\'' if self.settings.escape_weights => 5,
            '<' | '>' if self.settings.escape_weights => 4,
            '"' if self.settings.escape_weights => 6,
            _ => c.len_utf8(),
        }
    }

    fn reference(&self, field: &Field, value: &Value) -> Result<Value, Problem> {
        let text = value.as_str().unwrap_or_default();
        let id = ids::normal(text);
        let fits = |id: &String| {
            field
                .refers_to
                .iter()
                .filter_map(|name| self.schema.object(name))
                .any(|o| id.starts_with(&o.prefix))
        };
        let Some(id) = id.filter(fits) else {
            let message = format!("{}: id value of incorrect type: {text}", field.label);
            return Err(Problem::save("MALFORMED_ID", message, &[&field.name]));
        };
        let Some(target) = self.latest(&id) else {
            let known_kind = field.name == "RecordTypeId";
            let message = if known_kind {
                format!("{}: this ID value isn't valid for the user: {text}", field.label)
            } else {
                "invalid cross reference id".to_owned()
            };
            let fields: &[&str] = if known_kind { &[&field.name] } else { &[] };
            return Err(Problem::save("INVALID_CROSS_REFERENCE_KEY", message, fields));
        };
        if target.get("IsDeleted") == Some(&json!(true)) {
            return Err(Problem::save("ENTITY_IS_DELETED", "entity is deleted", &[]));
        }
        if target.get("IsActive") == Some(&json!(false)) {
            let message = "operation performed with inactive user";
            return Err(Problem::save("INACTIVE_OWNER_OR_USER", message, &[&field.name]));
        }
        Ok(json!(id))
    }
}

fn unreadable(kind: &str, value: &Value) -> Problem {
    let (token, shown) = match value {
        Value::String(text) => ("VALUE_STRING", text.clone()),
        Value::Number(number) if number.is_f64() => ("VALUE_NUMBER_FLOAT", number.to_string()),
        Value::Number(number) => ("VALUE_NUMBER_INT", number.to_string()),
        Value::Bool(true) => ("VALUE_TRUE", "true".to_owned()),
        Value::Bool(false) => ("VALUE_FALSE", "false".to_owned()),
        Value::Array(_) => ("START_ARRAY", "[".to_owned()),
        _ => ("START_OBJECT", "{".to_owned()),
    };
    let message = format!(
        "Cannot deserialize instance of {kind} from {token} value {shown} or request may be missing a required field at [line:1, column:2]"
    );
    Problem::new(400, "JSON_PARSER_ERROR", message)
}

fn boolean(value: &Value) -> Option<Value> {
    match value {
        Value::Bool(_) => Some(value.clone()),
        Value::String(text) => text.to_lowercase().parse::<bool>().ok().map(Value::from),
        _ => None,
    }
}

fn number(field: &Field, value: &Value) -> Result<Value, Problem> {
    let read = value.as_f64().or_else(|| value.as_str()?.parse().ok());
    let Some(number) = read.filter(|number| number.is_finite()) else {
        return Err(unreadable("double", value));
    };
    let unit = 10_f64.powi(i32::try_from(field.scale).unwrap_or_default());
    let rounded = (number * unit).round() / unit;
    let whole_digits = field.length.saturating_sub(field.scale);
    if rounded.abs() >= 10_f64.powi(i32::try_from(whole_digits).unwrap_or_default()) {
        let message = format!("{}: value outside of valid range on numeric field: {value}", field.label);
        return Err(Problem::save("NUMBER_OUTSIDE_VALID_RANGE", message, &[&field.name]));
    }
    Ok(json!(rounded))
}

fn date_time(value: &Value) -> Result<Value, Problem> {
    let read = value.as_str().and_then(moment);
    read.map(|ms| json!(stamp(ms))).ok_or_else(|| unreadable("datetime", value))
}

fn looks_like_email(text: &str) -> bool {
    let Some((name, host)) = text.rsplit_once('@') else { return false };
    let plain = |part: &str| {
        !part.is_empty() && part.chars().all(|c| c.is_ascii_graphic() && !"<>()[],;:\\\"@".contains(c))
    };
    let labels: Vec<&str> = host.split('.').collect();
    plain(name)
        && !name.starts_with('.')
        && !name.ends_with('.')
        && labels.len() > 1
        && labels
            .iter()
            .all(|label| plain(label) && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'))
}
