//! Damaged records: each is logged once, and callers that can continue without it do so.

use crate::decide::Intent;
use crate::state::StoreError;
use crate::state::embedded::Tx;
use crate::state::records::Records;
use crate::state::records::keys;

/// How many actions are read together.
const SLICE: usize = 500;

impl Records {
    /// Turns a damaged record into none. `kind` and `key` name it in the log.
    pub(super) fn or_damaged<T>(
        &self,
        kind: &'static str,
        key: &[u8],
        read: Result<Option<T>, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        match read {
            Err(StoreError::Damaged(reason)) => {
                if self.engine.note_damaged(key) {
                    let key = hex::encode(key);
                    tracing::error!(kind, key, reason, "a stored record is damaged: going on without it");
                }
                Ok(None)
            }
            read => read,
        }
    }

    pub fn is_damaged_intent(&self, seq: u64) -> Result<bool, StoreError> {
        match self.read::<Intent>(&keys::intent(seq)) {
            Err(StoreError::Damaged(_)) => Ok(true),
            read => read.map(|_| false),
        }
    }

    /// Parks open actions with a damaged record. They are never sent, because it is unknown whether they were sent
    /// before. Returns how many were parked now.
    pub fn set_actions_aside(&self) -> Result<u64, StoreError> {
        let (mut from, to) = keys::room(b'Y');
        let mut aside = 0;
        loop {
            let found = self.engine.keys(&from, &to, SLICE)?;
            for key in &found {
                let Some(seq) = keys::tail_seq(key) else { continue };
                if self.is_damaged_intent(seq)? {
                    let mut tx = Tx::default();
                    tx.remove(key.clone()).set(keys::parked(b'a', seq), Vec::new());
                    aside += u64::from(self.try_transact(&tx)?);
                }
            }
            match found.last() {
                Some(last) if found.len() == SLICE => from = [last.as_slice(), &[0]].concat(),
                _ => return Ok(aside),
            }
        }
    }
}
