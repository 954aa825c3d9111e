//! The interface to Salesforce: reads and writes Cases and their comments.
//!
//! It depends on nothing of Goodays and the store, and reads no clock.

use std::fmt;

use serde::{Deserialize, Serialize};

pub mod answer;
pub mod auth;
pub mod client;
pub mod comment;
pub mod customers;
pub mod describe;
pub mod field_fix;
pub mod fit;
pub mod graph;
pub mod meter;
pub mod named;
mod problem;
pub mod query;
pub mod sessions;

/// A record id in its 18-character form (Salesforce reference, 2).
///
/// The first 15 characters identify the record and are case-sensitive. The last three are a checksum of their case, so
/// ids of 15 characters are completed.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct RecordId(String);

impl RecordId {
    /// Accepts 15 or 18 ASCII letters and digits; none for anything else.
    pub fn new(id: &str) -> Option<Self> {
        let plain = id.bytes().all(|b| b.is_ascii_alphanumeric());
        match id.len() {
            15 if plain => Some(Self(format!("{id}{}", suffix(id)))),
            18 if plain => Some(Self(format!("{}{}", &id[..15], suffix(&id[..15])))),
            _ => None,
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The three check characters: one per five characters, with one bit per upper-case letter.
fn suffix(id15: &str) -> String {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ012345";
    let chunk = |c: &[u8]| {
        let bits =
            c.iter().enumerate().fold(0, |acc, (i, b)| acc | (usize::from(b.is_ascii_uppercase()) << i));
        char::from(ALPHABET[bits])
    };
    id15.as_bytes().chunks(5).map(chunk).collect()
}

impl fmt::Display for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for RecordId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::new(&text).ok_or_else(|| serde::de::Error::custom("not a Salesforce record id"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_ids_get_their_suffix() {
        let id = RecordId::new("0018M000003uKqq").expect("an id");
        assert_eq!(id.as_str().len(), 18);
        assert_eq!(RecordId::new("00190000001pPvH").expect("an id").as_str(), "00190000001pPvHAAU");
        assert_eq!(RecordId::new("00190000001pPvHAAU"), RecordId::new("00190000001pPvH"));
        assert_eq!(RecordId::new("500'--"), None);
    }
}
