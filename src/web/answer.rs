//! JSON responses.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

pub fn json(status: StatusCode, body: Value) -> Response {
    (status, Json(body)).into_response()
}

/// A refusal: `{"error": ...}`.
pub fn error(status: StatusCode, words: &str) -> Response {
    json(status, json!({ "error": words }))
}

/// For unknown paths.
pub async fn not_found() -> Response {
    error(StatusCode::NOT_FOUND, "nothing is here")
}

/// For a wrong method; axum adds the `Allow` header.
pub async fn wrong_method() -> Response {
    error(StatusCode::METHOD_NOT_ALLOWED, "this path does not take this method")
}
