//! Reads the error bodies of Goodays (Goodays reference, 4.1).

use serde_json::Value;

use crate::http::{Problem, code_word};
use crate::json;

/// Reads an error body. Its shape is not documented, so all likely ones are tried (Goodays reference, 4.1).
pub fn problem(body: &[u8]) -> Problem {
    let raw = String::from_utf8_lossy(body);
    let Ok(value) = json::read(raw.as_bytes()) else { return Problem::new("", raw.trim()) };
    let object = match value.get("error") {
        Some(inner) if inner.is_object() => inner,
        _ => &value,
    };
    let word = |key: &str| match object.get(key)? {
        Value::String(text) if !text.trim().is_empty() => Some(text.trim().to_owned()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    // The code is logged, so anything but one short word is replaced.
    let code = word("code").map(|code| code_word(&code)).unwrap_or_default();
    let said = word("message").or_else(|| word("detail")).or_else(|| word("error_description"));
    let said = said.or_else(|| word("error")).unwrap_or_else(|| by_field(object));
    let said = if said.is_empty() && code.is_empty() { raw.trim().to_owned() } else { said };
    Problem { fields: fields(object), ..Problem::new(code, &said) }
}

/// The text of `{"content": ["This field is required."]}`, field by field.
fn by_field(object: &Value) -> String {
    let words = |list: &Vec<Value>| list.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" ");
    let lists = object.as_object().into_iter().flatten();
    let lists = lists.filter_map(|(field, list)| Some(format!("{field}: {}", words(list.as_array()?))));
    lists.collect::<Vec<_>>().join("; ")
}

fn fields(object: &Value) -> Vec<String> {
    let lists = object.as_object().into_iter().flatten();
    let lists = lists.filter(|(field, list)| list.is_array() && *field != "non_field_errors");
    lists.map(|(field, _)| field.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problems_of_every_shape() {
        let table = [
            (r#"{"message":"m","code":"c"}"#, "c", "m"),
            (r#"{"detail":"d"}"#, "", "d"),
            (r#"{"error":{"code":7,"message":"m"}}"#, "7", "m"),
            (r#"{"error":"e"}"#, "", "e"),
            (
                r#"{"content":["Required.","Short."],"non_field_errors":["n"]}"#,
                "",
                "content: Required. Short.; non_field_errors: n",
            ),
            ("<html>", "", "<html>"),
            ("[1]", "", "[1]"),
            ("", "", ""),
        ];
        for (body, code, message) in table {
            let read = problem(body.as_bytes());
            assert_eq!((read.code.as_str(), read.message.as_str()), (code, message), "{body}");
        }
        assert_eq!(problem(br#"{"content":["x"],"non_field_errors":["n"]}"#).fields, ["content"]);
    }
}
