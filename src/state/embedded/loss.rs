//! That acknowledged writes are lost, because a journal is damaged or missing: kept until somebody has seen to it.
//!
//! sled notes it before it holds the journals behind the loss. Otherwise a start that is killed, or refused for another
//! reason, would leave a state that looks whole.

use crate::state::embedded::Store;
use crate::state::embedded::errors::StoreError;
use crate::state::embedded::open::{Tables, Trouble};
use crate::state::embedded::value;

/// In sled: the journal that was begun after the last loss was found.
const LOST_KEY: &[u8] = b"\0lost";
/// The same number, in a journal, once it was seen to. A later loss has a greater one.
pub(super) const SEEN_KEY: &[u8] = b"\0lost-seen";

/// `next`: the number of the next journal.
pub(super) fn note(tables: &Tables, next: u64) -> Result<(), Trouble> {
    let entry = value::whole(&next.to_be_bytes()).unwrap_or_default();
    tables.state.insert(LOST_KEY, entry)?;
    Ok(())
}

/// Whether there is a loss that nobody has seen to. sled holds all journals.
pub(super) fn is_open(tables: &Tables) -> Result<bool, Trouble> {
    let lost = tables.own_value(LOST_KEY)?;
    Ok(lost.is_some() && lost != tables.own_value(SEEN_KEY)?)
}

impl Store {
    /// What was lost was seen to: later starts find the state whole.
    pub fn loss_is_seen_to(&self) -> Result<(), StoreError> {
        let lost = self.any(LOST_KEY)?.0;
        // Later starts skip no numbers, so those that were skipped have to be noted.
        self.skip_seqs(self.last_seq() + 1);
        self.exclusive(|recent| {
            recent.write(SEEN_KEY, lost.as_deref());
            Ok(())
        })
    }
}
