//! Answers as JSON.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

/// A JSON body under a status.
pub fn json(status: StatusCode, body: Value) -> Response {
    (status, Json(body)).into_response()
}

/// A refusal in our own words.
pub fn error(status: StatusCode, words: &str) -> Response {
    json(status, json!({ "error": words }))
}

/// Where nothing is.
pub async fn not_found() -> Response {
    error(StatusCode::NOT_FOUND, "nothing is here")
}

/// The method is not for this path; axum adds `Allow`.
pub async fn wrong_method() -> Response {
    error(StatusCode::METHOD_NOT_ALLOWED, "this path does not take this method")
}
