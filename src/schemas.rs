//! JSON Schemas of all files, for editors.

use serde_json::Value as Json;

use crate::{config, mapping};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SchemaKind {
    Connector,
    Case,
    Comment,
    Actions,
}

/// The schema of one kind of file.
pub fn schema(kind: SchemaKind) -> Json {
    match kind {
        SchemaKind::Connector => config::schema(),
        SchemaKind::Case => mapping::case_schema(),
        SchemaKind::Comment => mapping::comment_schema(),
        SchemaKind::Actions => mapping::actions_schema(),
    }
}
