//! What people were told and is not over yet, in the state: a restart, or another instance that takes over, does not
//! tell it again, and tells when it is over.

use std::collections::BTreeMap;

use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::watch::Told;
use crate::config::Alert;
use crate::messages::Words;
use crate::state::{Store, StoreError};

/// Its name in the state.
const NAME: &str = "alerts told";
/// The most that is remembered of one destination; there are about a dozen findings.
const MOST: usize = 64;

/// Something that was told, as it was then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Was {
    pub since_ms: i64,
    pub words: Words,
}

/// By destination, and by the code of the finding.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Memory(BTreeMap<String, BTreeMap<String, Was>>);

/// The destination's name in the record: its address is a secret.
pub fn name(alert: &Alert) -> String {
    hex::encode(&Sha256::digest(alert.url.expose_secret())[..16])
}

impl Memory {
    /// What the state has of these destinations; what was told to others is left out.
    pub async fn read(store: &Store, names: &[String]) -> Result<Self, StoreError> {
        let mut all: Self = store.meta(NAME).await?.unwrap_or_default();
        all.0.retain(|name, _| names.contains(name));
        Ok(all)
    }

    pub async fn write(&self, store: &Store) -> Result<(), StoreError> {
        store.set_meta(NAME, self).await
    }

    pub fn of(&self, name: &str) -> BTreeMap<String, Was> {
        self.0.get(name).cloned().unwrap_or_default()
    }

    /// The destination has taken this message.
    pub fn note(&mut self, name: &str, told: &Told) {
        let known = self.0.entry(name.to_owned()).or_default();
        if told.over {
            known.remove(&told.code);
        } else if known.len() < MOST {
            known.insert(told.code.clone(), Was { since_ms: told.since_ms, words: told.words.clone() });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(code: &str, over: bool) -> Told {
        Told { code: code.to_owned(), words: Words::plain(code), over, since_ms: 1 }
    }

    #[test]
    fn what_is_over_is_forgotten_and_there_is_no_more_than_has_room() {
        let mut memory = Memory::default();
        memory.note("a", &told("parked", false));
        memory.note("b", &told("goodays", false));
        memory.note("b", &told("goodays", true));
        assert_eq!(memory.of("a").keys().collect::<Vec<_>>(), ["parked"]);
        assert_eq!(memory.of("b"), BTreeMap::new());
        for n in 0..2 * MOST {
            memory.note("a", &told(&format!("code {n}"), false));
        }
        assert_eq!(memory.of("a").len(), MOST);
    }
}
