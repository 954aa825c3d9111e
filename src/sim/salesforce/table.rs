//! The records of one object, found by id and by indexed fields, and shown as of a moment.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::schema::{Field, Object};

/// A record's values by canonical field name. A missing value is null.
pub type Fields = Map<String, Value>;

#[derive(Clone, Debug)]
pub struct Row {
    /// The state after the last statement, visible or not.
    pub now: Fields,
    /// `Some` until the last change is committed.
    pub pending: Option<Pending>,
}

#[derive(Clone, Debug)]
pub struct Pending {
    pub visible_at: i64,
    /// The start of the transaction, for `latestDateCovered`.
    pub since: i64,
    /// The state that others see until then. `None`: no record.
    pub before: Option<Fields>,
}

impl Row {
    /// The record in the state that others see at `at`.
    pub fn visible(&self, at: i64) -> Option<&Fields> {
        match &self.pending {
            Some(pending) if pending.visible_at > at => pending.before.as_ref(),
            _ => Some(&self.now),
        }
    }
}

/// Keys stay in an index when a value changes, so that old versions are found too. Readers check the rows they find.
#[derive(Clone, Debug, Default)]
pub struct Table {
    rows: Vec<Row>,
    ids: HashMap<String, usize>,
    indexes: HashMap<String, HashMap<String, Vec<usize>>>,
}

/// The key of a value in an index.
pub fn key(field: &Field, value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    let exact = field.case_sensitive || !field.refers_to.is_empty();
    Some(if exact { text } else { text.to_lowercase() })
}

impl Table {
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    pub fn row(&self, index: usize) -> &Row {
        &self.rows[index]
    }

    pub fn position(&self, id: &str) -> Option<usize> {
        self.ids.get(id).copied()
    }

    pub fn by_id(&self, id: &str) -> Option<&Row> {
        self.position(id).map(|index| &self.rows[index])
    }

    /// Rows that have, or had, this value in an indexed field.
    pub fn having(&self, field: &Field, value: &Value) -> &[usize] {
        let found = key(field, value).and_then(|key| self.indexes.get(&field.name)?.get(&key));
        found.map_or(&[], Vec::as_slice)
    }

    pub fn push(&mut self, object: &Object, id: &str, row: Row) -> usize {
        let index = self.rows.len();
        self.ids.insert(id.to_owned(), index);
        self.rows.push(row);
        self.note(object, index);
        index
    }

    pub fn replace(&mut self, object: &Object, index: usize, row: Row) -> Row {
        let before = std::mem::replace(&mut self.rows[index], row);
        self.note(object, index);
        before
    }

    /// Removes the newest row.
    pub fn pop(&mut self, object: &Object) {
        let Some(row) = self.rows.pop() else { return };
        let index = self.rows.len();
        if let Some(id) = row.now.get("Id").and_then(Value::as_str) {
            self.ids.remove(id);
        }
        for field in object.indexed() {
            let Some(key) = row.now.get(&field.name).and_then(|value| key(field, value)) else { continue };
            if let Some(found) = self.indexes.get_mut(&field.name).and_then(|keys| keys.get_mut(&key)) {
                found.retain(|other| *other != index);
            }
        }
    }

    /// Adds the row's present values to the indexes.
    fn note(&mut self, object: &Object, index: usize) {
        for field in object.indexed() {
            let Some(key) = self.rows[index].now.get(&field.name).and_then(|value| key(field, value)) else {
                continue;
            };
            let found = self.indexes.entry(field.name.clone()).or_default().entry(key).or_default();
            if !found.contains(&index) {
                found.push(index);
            }
        }
    }
}
