//! Describes of objects: the properties of their fields (Salesforce reference, 2.4 and 6.1).

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use super::fit::{Fitted, Note, Purpose, fit, fit_for};

/// The fields of one object.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Describe {
    pub object: String,
    /// Keys are field names in lower case.
    pub fields: HashMap<String, Field>,
}

/// One field. A property that Salesforce omits gets its harmless value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "they are Salesforce's own flags")]
pub struct Field {
    pub name: String,
    pub label: String,
    /// Salesforce's `type`: string, textarea, email, picklist, boolean, double, date, reference and so on.
    pub kind: String,
    /// In UTF-16 units; 0 without a limit.
    pub length: usize,
    pub createable: bool,
    pub updateable: bool,
    pub nillable: bool,
    pub unique: bool,
    pub external_id: bool,
    pub case_sensitive: bool,
    pub restricted: bool,
    pub defaulted_on_create: bool,
    /// Active picklist values.
    pub values: Vec<String>,
    pub precision: u64,
    pub digits: u64,
    pub scale: u64,
    /// For references: the name for a lookup by external id.
    pub relationship_name: Option<String>,
    pub reference_to: Vec<String>,
}

impl Describe {
    /// Reads the response of `/sobjects/{object}/describe`. Each object has a field `Id` that nobody can hide: an answer
    /// without it describes nothing, and fields that it does not name would be left out of all that is written.
    pub fn from_value(value: &Value) -> Option<Self> {
        let object = value.get("name")?.as_str()?.to_owned();
        let fields = value.get("fields")?.as_array()?.iter().filter_map(Field::from_value);
        let described = Self { object, fields: fields.map(|f| (f.name.to_lowercase(), f)).collect() };
        described.fields.contains_key("id").then_some(described)
    }

    /// Finds a field by name, ignoring case.
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.get(&name.to_lowercase())
    }

    /// Finds a field by name, or by label, because some of Salesforce's errors give the label.
    pub fn field_or_label(&self, name: &str) -> Option<&Field> {
        self.field(name).or_else(|| self.fields.values().find(|f| f.label == name))
    }

    /// The reference field of a relationship, for example of `Store__r`.
    pub fn relation(&self, name: &str) -> Option<&Field> {
        let is = |f: &&Field| f.relationship_name.as_deref().is_some_and(|r| r.eq_ignore_ascii_case(name));
        self.fields.values().find(is)
    }
}

impl Field {
    pub(super) fn from_value(value: &Value) -> Option<Self> {
        let text = |key: &str| value.get(key).and_then(Value::as_str);
        let is = |key: &str, otherwise: bool| value.get(key).and_then(Value::as_bool).unwrap_or(otherwise);
        let number = |key: &str| value.get(key).and_then(Value::as_u64).unwrap_or(0);
        let list = |key: &str| value.get(key).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let active = list("picklistValues").iter().filter(|v| v["active"].as_bool().unwrap_or(true));
        Some(Self {
            name: text("name")?.to_owned(),
            label: text("label").unwrap_or_default().to_owned(),
            kind: text("type").unwrap_or("string").to_owned(),
            length: usize::try_from(number("length")).unwrap_or(0),
            createable: is("createable", true),
            updateable: is("updateable", true),
            nillable: is("nillable", true),
            unique: is("unique", false),
            external_id: is("externalId", false),
            case_sensitive: is("caseSensitive", false),
            restricted: is("restrictedPicklist", false),
            defaulted_on_create: is("defaultedOnCreate", false),
            values: active.filter_map(|v| v["value"].as_str()).map(str::to_owned).collect(),
            precision: number("precision"),
            digits: number("digits"),
            scale: number("scale"),
            relationship_name: text("relationshipName").map(str::to_owned),
            reference_to: list("referenceTo").iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        })
    }

    /// Whether a new record must have a value for it.
    pub fn is_required(&self) -> bool {
        self.createable && !self.nillable && !self.defaulted_on_create
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_are_found_by_any_spelling() {
        let describe = Describe::from_value(&json!({"name": "Case", "fields": [
            {"name": "Origin", "label": "Case Origin", "type": "picklist"},
            {"name": "Store__c", "type": "reference", "relationshipName": "Store__r", "referenceTo": ["Store__c"]},
            {"label": "no name"},
            {"name": "Id"},
        ]}))
        .unwrap();
        assert_eq!(describe.fields.len(), 3);
        assert!(describe.field("ORIGIN").is_some());
        assert!(describe.field_or_label("Case Origin").is_some());
        assert_eq!(describe.relation("store__r").unwrap().name, "Store__c");
        assert_eq!(Describe::from_value(&json!([])), None);
    }

    #[test]
    fn a_description_without_the_field_that_each_object_has_is_none() {
        for fields in
            [json!([]), json!([{"label": "Case ID"}]), json!([{"name": "Subject"}]), json!({"Id": {}})]
        {
            let value = json!({"name": "Case", "fields": fields});
            assert_eq!(Describe::from_value(&value), None, "{value}");
        }
        assert!(Describe::from_value(&json!({"name": "Case", "fields": [{"name": "ID"}]})).is_some());
    }
}
