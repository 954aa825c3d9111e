//! Converts values to what their fields accept (Salesforce reference, 2.4 and 6.1).

use std::fmt;

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use serde_json::{Number, Value};

use super::comment::{clean_text, cut_at_units, units};
use super::describe::Field;

/// Whether the record is created or updated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    Create,
    Update,
}

/// The converted value, or why it is dropped.
#[derive(Debug, Clone, PartialEq)]
pub enum Fitted {
    Value(Value, Option<Note>),
    Dropped(Note),
}

/// What was changed about a value, as a code. Never contains the value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    pub field: String,
    pub code: &'static str,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.code)
    }
}

/// Like [`fit`], and also checks whether the field can be written for this purpose.
pub fn fit_for(field: &Field, value: &Value, purpose: Purpose) -> Fitted {
    let allowed = match purpose {
        Purpose::Create => field.createable,
        Purpose::Update => field.updateable,
    };
    if allowed { fit(field, value) } else { dropped(field, "NOT_WRITEABLE") }
}

/// Converts a value to the field's type, length and picklist. A bad value is dropped, so it never blocks the record.
pub fn fit(field: &Field, value: &Value) -> Fitted {
    if !field.createable && !field.updateable {
        return dropped(field, "NOT_WRITEABLE");
    }
    if value.is_null() {
        return emptied(field);
    }
    // A relation is looked up by its external id, so its value cannot be checked here.
    if value.is_object() && field.kind == "reference" {
        return plain(value.clone());
    }
    let Some(text) = scalar(value) else { return dropped(field, "NOT_A_SCALAR") };
    if text.trim().is_empty() {
        return emptied(field);
    }
    let fitted = match field.kind.as_str() {
        "boolean" => truth(&text).map(Value::Bool).ok_or("NOT_A_BOOLEAN"),
        "double" | "currency" | "percent" => number(&text, field).map(Value::Number),
        "int" | "long" => integer(&text).map(Value::Number).ok_or("NOT_A_NUMBER"),
        "date" => date(&text).map(Value::String).ok_or("NOT_A_DATE"),
        "datetime" => datetime(&text).map(Value::String).ok_or("NOT_A_DATE"),
        "email" if !is_email(text.trim()) => Err("INVALID_EMAIL"),
        "email" => return whole(field, text.trim().to_owned()),
        "picklist" => choice(field, text.trim()).map(Value::String),
        "multipicklist" => return choices(field, &text),
        "reference" | "id" => super::RecordId::new(text.trim())
            .map(|id| Value::String(id.as_str().to_owned()))
            .ok_or("NOT_A_RECORD_ID"),
        "url" | "phone" => return whole(field, clean_text(text.trim())),
        "string" | "combobox" | "encryptedstring" => return shortened(field, &one_line(&text)),
        _ => return shortened(field, &clean_text(&text)),
    };
    fitted.map_or_else(|code| dropped(field, code), plain)
}

fn plain(value: Value) -> Fitted {
    Fitted::Value(value, None)
}

/// A blank value becomes null, if the field allows that.
fn emptied(field: &Field) -> Fitted {
    if field.nillable && field.kind != "boolean" {
        plain(Value::Null)
    } else {
        dropped(field, "NOT_NILLABLE")
    }
}

fn dropped(field: &Field, code: &'static str) -> Fitted {
    Fitted::Dropped(note(field, code))
}

fn note(field: &Field, code: &'static str) -> Note {
    Note { field: field.name.clone(), code }
}

/// A scalar as text.
fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        _ => None,
    }
}

fn one_line(text: &str) -> String {
    clean_text(text).replace(['\n', '\t'], " ")
}

/// Cuts to the field's length in UTF-16 units, and notes it. Keys are never cut, because two could become equal.
fn shortened(field: &Field, text: &str) -> Fitted {
    if field.length == 0 || units(text) <= field.length {
        return plain(Value::String(text.to_owned()));
    }
    if field.external_id || field.unique {
        return dropped(field, "TOO_LONG");
    }
    let cut = text[..cut_at_units(text, field.length)].to_owned();
    Fitted::Value(Value::String(cut), Some(note(field, "SHORTENED")))
}

/// For texts that would be useless if they were cut.
fn whole(field: &Field, text: String) -> Fitted {
    let fits = field.length == 0 || units(&text) <= field.length;
    if fits { plain(Value::String(text)) } else { dropped(field, "TOO_LONG") }
}

/// Whether a check box with this value is ticked.
pub fn is_true(value: &Value) -> bool {
    scalar(value).is_some_and(|text| truth(&text) == Some(true))
}

fn truth(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "1" => Some(true),
        "false" | "0" => Some(false),
        _ => None,
    }
}

/// A number within the field's digits before the decimal point. Salesforce rounds the decimals.
fn number(text: &str, field: &Field) -> Result<Number, &'static str> {
    let text = text.trim();
    if let Some(whole) = integer(text)
        && field.precision == 0
    {
        return Ok(whole);
    }
    let value: f64 = text.parse().map_err(|_| "NOT_A_NUMBER")?;
    let before = field.precision.saturating_sub(field.scale);
    if field.precision > 0 && value.abs() >= 10f64.powi(i32::try_from(before).unwrap_or(i32::MAX)) {
        return Err("OUT_OF_RANGE");
    }
    integer(text).or_else(|| Number::from_f64(value)).ok_or("NOT_A_NUMBER")
}

fn integer(text: &str) -> Option<Number> {
    text.trim().parse::<i64>().ok().map(Number::from)
}

/// ISO date; of a date and time, the day as written. A time in `Z`, which the library takes for no civil time, is
/// written in UTC.
fn date(text: &str) -> Option<String> {
    let text = text.trim();
    let of_moment = || text.parse::<DateTime>().ok().map(DateTime::date);
    let in_utc = || text.parse::<Timestamp>().ok().map(|at| at.to_zoned(TimeZone::UTC).date());
    text.parse::<Date>().ok().or_else(of_moment).or_else(in_utc).map(|date| date.to_string())
}

/// ISO date and time, converted to UTC. Without an offset it is UTC; without a time it is midnight.
fn datetime(text: &str) -> Option<String> {
    let text = text.trim();
    let local = || text.parse::<DateTime>().ok();
    let day = || text.parse::<Date>().ok().map(|d| d.at(0, 0, 0, 0));
    let civil = || local().or_else(day)?.to_zoned(TimeZone::UTC).ok().map(|z| z.timestamp());
    let time = text.parse::<Timestamp>().ok().or_else(civil)?;
    Some(time.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string())
}

/// A little stricter than Salesforce, so that Salesforce does not refuse an accepted address.
pub(crate) fn is_email(text: &str) -> bool {
    let Some((user, host)) = text.rsplit_once('@') else { return false };
    let user_ok = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(c);
    let label_ok = |l: &str| {
        !l.is_empty()
            && !l.starts_with('-')
            && !l.ends_with('-')
            && l.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
    };
    (1..=64).contains(&user.len())
        && user.chars().all(user_ok)
        && !user.starts_with('.')
        && !user.ends_with('.')
        && !user.contains("..")
        && host.contains('.')
        && host.split('.').all(label_ok)
}

/// Unrestricted picklists accept any value. A known value gets the picklist's spelling.
fn choice(field: &Field, text: &str) -> Result<String, &'static str> {
    match field.values.iter().find(|v| v.eq_ignore_ascii_case(text)) {
        Some(value) => Ok(value.clone()),
        None if field.restricted => Err("UNKNOWN_PICKLIST_VALUE"),
        None if field.length > 0 && units(text) > field.length => Err("TOO_LONG"),
        None => Ok(text.to_owned()),
    }
}

/// Values separated by semicolons. Unknown ones are left out.
fn choices(field: &Field, text: &str) -> Fitted {
    let all: Vec<_> =
        text.split(';').map(str::trim).filter(|t| !t.is_empty()).map(|t| choice(field, t)).collect();
    let good: Vec<String> = all.iter().flatten().cloned().collect();
    if good.is_empty() && !all.is_empty() {
        return dropped(field, "UNKNOWN_PICKLIST_VALUE");
    }
    let missing = (good.len() < all.len()).then(|| note(field, "UNKNOWN_PICKLIST_VALUE"));
    Fitted::Value(Value::String(good.join(";")), missing)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn field(kind: &str, more: &Value) -> Field {
        let mut value = json!({"name": "F__c", "label": "The F", "type": kind});
        for (key, v) in more.as_object().unwrap() {
            value[key] = v.clone();
        }
        Field::from_value(&value).unwrap()
    }

    #[test]
    fn values_take_the_type_of_the_field() {
        let restricted = json!({"restrictedPicklist": true, "picklistValues": [
            {"value": "High", "active": true}, {"value": "Old", "active": false}]});
        let none = json!({});
        let table = [
            ("string", &none, json!("007"), Ok(json!("007"))),
            ("string", &none, json!(5), Ok(json!("5"))),
            ("string", &none, json!(true), Ok(json!("true"))),
            ("string", &none, json!("a\nb"), Ok(json!("a b"))),
            ("string", &none, json!([1]), Err("NOT_A_SCALAR")),
            ("textarea", &none, json!("a\r\nb\0"), Ok(json!("a\nb"))),
            ("boolean", &none, json!("True"), Ok(json!(true))),
            ("boolean", &none, json!("yes"), Err("NOT_A_BOOLEAN")),
            ("boolean", &none, Value::Null, Err("NOT_NILLABLE")),
            ("string", &json!({"nillable": false}), json!(" "), Err("NOT_NILLABLE")),
            ("date", &none, json!(""), Ok(Value::Null)),
            ("double", &none, json!("7"), Ok(json!(7))),
            ("double", &none, json!("7.5"), Ok(json!(7.5))),
            ("double", &none, json!("banana"), Err("NOT_A_NUMBER")),
            ("double", &none, json!("NaN"), Err("NOT_A_NUMBER")),
            ("double", &json!({"precision": 3, "scale": 1}), json!(100), Err("OUT_OF_RANGE")),
            ("double", &json!({"precision": 3, "scale": 1}), json!(99.9), Ok(json!(99.9))),
            ("int", &none, json!("7.5"), Err("NOT_A_NUMBER")),
            ("date", &none, json!("2020-02-05T23:20:39.8+01:00"), Ok(json!("2020-02-05"))),
            ("date", &none, json!("2020-01-28T00:00:00.000Z"), Ok(json!("2020-01-28"))),
            ("date", &none, json!("2020-01-28T23:30:00z"), Ok(json!("2020-01-28"))),
            ("date", &none, json!("2020-01-28 23:30:00-0500"), Ok(json!("2020-01-28"))),
            ("date", &none, json!("2020-01-28T24:30:00Z"), Err("NOT_A_DATE")),
            ("date", &none, json!("2020-02-05"), Ok(json!("2020-02-05"))),
            ("date", &none, json!("soon"), Err("NOT_A_DATE")),
            (
                "datetime",
                &none,
                json!("2020-02-05T10:20:39.810686+01:00"),
                Ok(json!("2020-02-05T09:20:39.810Z")),
            ),
            ("datetime", &none, json!("2020-02-05"), Ok(json!("2020-02-05T00:00:00.000Z"))),
            ("email", &none, json!(" a@b.example "), Ok(json!("a@b.example"))),
            ("email", &none, json!("[email\u{a0}protected]"), Err("INVALID_EMAIL")),
            ("email", &none, json!("a@b"), Err("INVALID_EMAIL")),
            ("email", &json!({"length": 5}), json!("a@b.example"), Err("TOO_LONG")),
            ("picklist", &restricted, json!("high"), Ok(json!("High"))),
            ("picklist", &restricted, json!("Old"), Err("UNKNOWN_PICKLIST_VALUE")),
            ("picklist", &none, json!("Anything"), Ok(json!("Anything"))),
            ("reference", &none, json!("500000000000001"), Ok(json!("500000000000001AAA"))),
            ("reference", &none, json!("x"), Err("NOT_A_RECORD_ID")),
            ("reference", &none, json!({"K__c": "1"}), Ok(json!({"K__c": "1"}))),
            ("string", &json!({"createable": false, "updateable": false}), json!("x"), Err("NOT_WRITEABLE")),
            ("string", &json!({"length": 2, "externalId": true}), json!("abc"), Err("TOO_LONG")),
            ("string", &none, Value::Null, Ok(Value::Null)),
        ];
        for (kind, more, value, expected) in table {
            let fitted = fit(&field(kind, more), &value);
            let expected = match expected {
                Ok(value) => Fitted::Value(value, None),
                Err(code) => Fitted::Dropped(Note { field: "F__c".into(), code }),
            };
            assert_eq!(fitted, expected, "{kind} {value}");
        }
    }

    #[test]
    fn long_texts_are_cut_between_characters_and_noted() {
        let short = field("string", &json!({"length": 3}));
        let Fitted::Value(value, Some(note)) = fit(&short, &json!("ä😊öü")) else { panic!() };
        assert_eq!((value, note.to_string()), (json!("ä😊"), "F__c: SHORTENED".to_owned()));
        assert!(matches!(fit(&field("url", &json!({"length": 3})), &json!("😊😊")), Fitted::Dropped(_)));
        assert!(matches!(fit(&field("picklist", &json!({"length": 3})), &json!("😊😊")), Fitted::Dropped(_)));
    }

    #[test]
    fn several_choices_keep_the_known_ones() {
        let many =
            field("multipicklist", &json!({"restrictedPicklist": true, "picklistValues": [{"value": "A"}]}));
        let Fitted::Value(value, Some(_)) = fit(&many, &json!("a; B")) else { panic!() };
        assert_eq!(value, json!("A"));
        assert!(matches!(fit(&many, &json!("B")), Fitted::Dropped(_)));
    }

    #[test]
    fn creating_and_updating_differ() {
        let create_only = field("string", &json!({"updateable": false}));
        assert!(matches!(fit_for(&create_only, &json!("x"), Purpose::Create), Fitted::Value(..)));
        assert!(matches!(fit_for(&create_only, &json!("x"), Purpose::Update), Fitted::Dropped(_)));
    }
}
