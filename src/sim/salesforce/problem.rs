//! Errors of Salesforce, in both of their shapes (reference, sections 2.4 and 4.4).

use serde_json::{Value, json};

/// One error. REST shows `errorCode`, collections and trees show `statusCode`.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    pub status: u16,
    pub code: String,
    pub message: String,
    /// `None`, not empty, for errors that do not come from saving a record.
    pub fields: Option<Vec<String>>,
    /// An additional member of the error, for `DUPLICATES_DETECTED`.
    pub extra: Option<Box<(String, Value)>>,
}

impl Problem {
    pub fn new(status: u16, code: &str, message: impl Into<String>) -> Self {
        Self { status, code: code.into(), message: message.into(), fields: None, extra: None }
    }

    /// An error from saving a record.
    pub fn save(code: &str, message: impl Into<String>, fields: &[&str]) -> Self {
        let fields = Some(fields.iter().map(ToString::to_string).collect());
        Self { fields, ..Self::new(400, code, message) }
    }

    pub fn with_status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    pub fn not_found() -> Self {
        Self::new(404, "NOT_FOUND", "The requested resource does not exist")
    }

    pub fn rest(&self) -> Value {
        let mut error = json!({"message": self.message, "errorCode": self.code});
        if let Some(fields) = &self.fields {
            error["fields"] = json!(fields);
        }
        if let Some((name, value)) = self.extra.as_deref() {
            error[name] = value.clone();
        }
        error
    }

    pub fn in_collection(&self) -> Value {
        let fields = self.fields.clone().unwrap_or_default();
        json!({"statusCode": self.code, "message": self.message, "fields": fields})
    }
}

/// An error body. It is always an array.
pub fn rest_body(problems: &[Problem]) -> Value {
    problems.iter().map(Problem::rest).collect()
}
