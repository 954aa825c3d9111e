//! Reads the error bodies of Salesforce (Salesforce reference, 2.4).

use serde_json::Value;

use crate::http::Problem;

/// Reads Salesforce's error list: `[{"message", "errorCode", "fields"?}]`; collections have `statusCode`.
pub fn problems(body: &Value) -> Vec<Problem> {
    let one = std::slice::from_ref(body);
    let list = body.as_array().map_or(one, Vec::as_slice);
    let problem = |p: &Value| {
        let code = p["errorCode"].as_str().or(p["statusCode"].as_str()).unwrap_or_default();
        let message = p["message"].as_str().unwrap_or_default();
        let fields = p["fields"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let mut fields: Vec<String> = fields.filter(|f| is_a_name(f)).map(str::to_owned).collect();
        if fields.is_empty() && code == "INVALID_FIELD" {
            fields.extend(missing_column(message));
        }
        Problem::with_ends(code, message, fields)
    };
    list.iter().map(problem).collect()
}

/// The column or relationship that a query's refusal names, read from the whole message: the query stands before it, and
/// a shortened message has neither. The words around the quotes are translated; "Didn't" is none of them.
fn missing_column(message: &str) -> Option<String> {
    let (_, said) = message.rsplit_once("ERROR at Row").unwrap_or(("", message));
    if said.trim_start().starts_with("Foreign key") {
        return None;
    }
    let is_column = |text: &&str| {
        text.starts_with(|c: char| c.is_ascii_alphabetic())
            && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    said.split(['\'', '"', '\u{2018}', '\u{2019}', '\u{ab}', '\u{bb}'])
        .skip(1)
        .map(str::trim)
        .find(is_column)
        .map(str::to_owned)
}

/// Whether the text looks like a field's API name or label. Only such texts are logged.
pub(super) fn is_a_name(text: &str) -> bool {
    let plain = |c: char| c.is_alphanumeric() || " _.-/()&'".contains(c);
    !text.trim().is_empty() && text.len() <= 120 && text.chars().all(plain)
}

/// The status of a node, or of a step; 0 if it has none.
pub(super) fn status_of(part: &Value) -> u16 {
    part["httpStatusCode"].as_u64().and_then(|s| u16::try_from(s).ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The query stands before the sentence, so that neither end of the message names the column.
    #[test]
    fn a_column_is_read_from_the_whole_message_of_any_language() {
        let query = format!(
            "\nSELECT {} FROM Case WHERE Id IN ('5000')\n ^\nERROR at Row:1:Column:8\n",
            "A, ".repeat(200)
        );
        let advice =
            ". If you are attempting to use a custom field, be sure to append the '__c' after the name."
                .repeat(3);
        for (said, expected) in [
            ("No such column 'Foo__c' on entity 'Case'", "Foo__c"),
            ("Didn't understand relationship 'CreatedBy' in field path", "CreatedBy"),
            ("Aucune colonne \u{ab} Foo__c \u{bb} dans l'entité \u{ab} Case \u{bb}", "Foo__c"),
        ] {
            let message = format!("{query}{said}{advice}");
            let found = problems(&json!([{ "errorCode": "INVALID_FIELD", "message": message }])).remove(0);
            assert_eq!(found.fields, [expected]);
            assert!(!found.message.contains("Foo__c"));
        }
        let foreign = "Foreign key external ID: 'x' not found for field Store__c in entity Store__c";
        let found = problems(&json!([{ "errorCode": "INVALID_FIELD", "message": foreign }])).remove(0);
        assert_eq!(found.fields, Vec::<String>::new());
    }
    #[test]
    fn c13_codes_and_names_of_fields_are_words() {
        let forged = json!([{"errorCode": "A\nERROR forged", "message": "m\u{1b}[2J",
            "fields": ["Subject", "x\ny", "", "F".repeat(200_000)]}]);
        let problem = &problems(&forged)[0];
        assert_eq!((problem.code.as_str(), problem.message.as_str()), ("UNREADABLE_CODE", "m [2J"));
        assert_eq!(problem.fields, ["Subject"]);
    }
}
