//! What a single damaged record costs: itself. It is named in the log, once, and those who can go on without it do.

use crate::decide::Intent;
use crate::state::keys;
use crate::state::{Store, StoreError, Tx};

/// Actions that are looked at together.
const SLICE: usize = 500;

impl Store {
    /// What was read, without a record that is damaged. `kind` and `key` name it in the log.
    pub fn or_damaged<T>(
        &self,
        kind: &'static str,
        key: &[u8],
        read: Result<Option<T>, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        match read {
            Err(StoreError::Damaged(reason)) => {
                if self.note_damaged(key) {
                    let key = hex::encode(key);
                    tracing::error!(kind, key, reason, "a stored record is damaged: going on without it");
                }
                Ok(None)
            }
            read => read,
        }
    }

    /// Whether an action's record is there and cannot be read.
    pub fn is_damaged_action(&self, seq: u64) -> Result<bool, StoreError> {
        match self.read::<Intent>(&keys::intent(seq)) {
            Err(StoreError::Damaged(_)) => Ok(true),
            read => read.map(|_| false),
        }
    }

    /// Open actions of which the record is damaged wait for a human. They are never sent: nobody can tell whether they
    /// were. Gives how many are new.
    pub fn set_actions_aside(&self) -> Result<u64, StoreError> {
        let (mut from, to) = keys::room(b'Y');
        let mut aside = 0;
        loop {
            let found = self.keys(&from, &to, SLICE)?;
            for key in &found {
                let Some(seq) = keys::tail_seq(key) else { continue };
                if self.is_damaged_action(seq)? {
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
