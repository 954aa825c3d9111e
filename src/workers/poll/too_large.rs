//! Rows that are too large to read: a poll names them and passes them over, so that it goes on behind them.

use jiff::Timestamp;
use serde_json::Value;
use tracing::warn;

use crate::salesforce::RecordId;
use crate::workers::poll::apply_rows::id_of;

/// How many are kept. A query has to fit into an address; one that is left out is met and passed over again.
const KEPT: usize = 10;

/// Rows that were passed over, the oldest first. Not stored: after a restart they are tried again.
#[derive(Debug, Default)]
pub(crate) struct TooLarge(Vec<(RecordId, Timestamp)>);

impl TooLarge {
    /// Not asked for until they change.
    pub(crate) fn rows(&self) -> &[(RecordId, Timestamp)] {
        &self.0
    }

    pub(crate) fn pass_over(&mut self, id: RecordId, at: Timestamp) {
        warn!(record = %id, "this record is too large to read: what agents do on it is not seen");
        self.0.retain(|(one, _)| *one != id);
        if self.0.len() == KEPT {
            self.0.remove(0);
        }
        self.0.push((id, at));
    }

    /// These rows were read: whoever is among them has become smaller.
    pub(crate) fn were_read(&mut self, rows: &[Value]) {
        if !self.0.is_empty() {
            let read: Vec<RecordId> = rows.iter().filter_map(|row| id_of(row, "Id")).collect();
            self.0.retain(|(id, _)| !read.contains(id));
        }
    }

    /// For people.
    pub(crate) fn told(&self) -> Option<String> {
        let names: Vec<&str> = self.0.iter().map(|(id, _)| id.as_str()).collect();
        let names = names.join(", ");
        let told = format!(
            "Salesforce holds records that are too large to read, and what agents do on them is not seen: {names}; \
             shorten their texts"
        );
        (!self.0.is_empty()).then_some(told)
    }
}
