//! Explains why something is not written.

use crate::decide::inbound::Plan;

/// Why a value is not written as its rule gave it. `failed`: why the rule itself failed.
pub fn left(code: &str, length: usize, failed: Option<&'static str>) -> String {
    match code {
        "mapping" => format!("left out, its rule fails: {}", failed.unwrap_or("no reason is known")),
        "unknown_field" => "left out: Salesforce shows no such field".to_owned(),
        "NOT_WRITEABLE" => "left out: the integration user can't write it".to_owned(),
        "SHORTENED" => format!("shortened to the field's {length} characters"),
        "TOO_LONG" => format!("left out: longer than {length} characters, and worth nothing when cut"),
        "unknown_name" => "left out: the org has none of this name".to_owned(),
        "UNKNOWN_PICKLIST_VALUE" => "left out: the restricted picklist does not know the value".to_owned(),
        "INVALID_EMAIL" => "left out: no e-mail address that Salesforce takes".to_owned(),
        "NOT_A_BOOLEAN" => "left out: neither true nor false".to_owned(),
        "NOT_A_NUMBER" => "left out: no number".to_owned(),
        "OUT_OF_RANGE" => "left out: more digits than the field has".to_owned(),
        "NOT_A_DATE" => "left out: no date".to_owned(),
        "NOT_A_RECORD_ID" => "left out: no record id".to_owned(),
        "NOT_NILLABLE" => "left as it is: the field can't be emptied".to_owned(),
        "AMBIGUOUS_CUSTOMER" => "left empty: several records have the same external id or e-mail".to_owned(),
        "CUSTOMER_NOT_TOLD" => "left empty: Salesforce did not say whose Case it is".to_owned(),
        other => format!("changed or left out: Salesforce refused it before ({other})"),
    }
}

/// Why nothing is written at all. `None`: something is written.
pub fn nothing(plan: &Plan) -> Option<String> {
    match (plan.skipped, &plan.write) {
        (Some("no mapping wants it"), _) => {
            Some("no mapping wants it: no `when` of case*.yaml holds".to_owned())
        }
        (Some("outside the perimeter"), _) => Some(
            "it is outside the perimeter: neither delegated nor of a place in `goodays.places`".to_owned(),
        ),
        (Some(why), _) => Some(why.to_owned()),
        (None, None) => Some("Salesforce holds all of it already".to_owned()),
        (None, Some(_)) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messages::{Language, Messages};

    #[test]
    fn the_console_says_each_in_french() {
        let codes = [
            "mapping",
            "unknown_field",
            "NOT_WRITEABLE",
            "SHORTENED",
            "TOO_LONG",
            "unknown_name",
            "UNKNOWN_PICKLIST_VALUE",
            "INVALID_EMAIL",
            "NOT_A_BOOLEAN",
            "NOT_A_NUMBER",
            "OUT_OF_RANGE",
            "NOT_A_DATE",
            "NOT_A_RECORD_ID",
            "NOT_NILLABLE",
            "AMBIGUOUS_CUSTOMER",
            "CUSTOMER_NOT_TOLD",
            "INVALID_FIELD",
        ];
        let french = Messages::new(Language::Fr);
        let mut said: Vec<String> = codes.iter().map(|code| left(code, 80, None)).collect();
        for skipped in
            [None, Some("no mapping wants it"), Some("outside the perimeter"), Some("no Case to tell it on")]
        {
            said.extend(nothing(&Plan { skipped, ..Plan::default() }));
        }
        assert_eq!(said.len(), codes.len() + 4);
        for text in said {
            let shown = french.say_text(&text);
            assert!(!shown.starts_with('«'), "it is quoted as if somebody else had said it: {shown}");
        }
    }
}
