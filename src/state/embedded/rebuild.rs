//! Makes sled anew from the journals, when it is damaged.
//!
//! The journals hold all that was acknowledged and is not done, whatever its age ([`retire`](super::retire) sees to
//! that), and all that was written within the time that they are kept. What is lost is the ledger of responses that
//! were quiet for longer: it is read from Salesforce again when their next event or edit comes.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tracing::error;

use crate::state::embedded::errors::StoreError;
use crate::state::embedded::open::{self, FORMAT, Places, Tables, Trouble};
use crate::state::embedded::{Store, checkpointer, journal, value};

/// Asks the next start to make sled anew. `note`: [`Places::rebuild`].
pub(super) fn ask(note: &Path, reason: &str) {
    if let Err(error) = fs::write(note, reason) {
        error!(%error, "that the database is damaged could not be noted");
    }
}

/// The reason that a process left for the next start.
pub(super) fn asked_for(places: &Places) -> Option<String> {
    fs::read_to_string(&places.rebuild).ok().filter(|_| is_possible(places))
}

/// Whether the journals hold all that must not be lost: those of format 4 do not.
pub(super) fn is_possible(places: &Places) -> bool {
    let format = open::noted_format(&places.live);
    let known = format == Some(FORMAT) || (format.is_none() && !places.live.exists());
    known && journal::numbers(places).is_ok_and(|numbers| !numbers.is_empty())
}

/// Sets the damaged database aside and puts an empty one in its place, into which the journals are to be replayed.
pub(super) fn rebuild(places: &Places, reason: &str) -> Result<(), Trouble> {
    let numbers = journal::numbers(places)?;
    let (first, last) = (numbers.first().copied().unwrap_or(1), numbers.last().copied().unwrap_or(0));
    let built = open::build(places, |tables| {
        note_anew(tables, last)?;
        checkpointer::note_applied(tables, first - 1)
    });
    // What cannot be written today is no damage of the state.
    built.map_err(|trouble| Trouble::Io(trouble.to_string()))?;
    let aside = set_aside(places)?;
    error!(
        reason,
        aside = %aside.display(),
        "the database was damaged and is made anew from the journals: nothing that waits is lost; the ledger of older \
         responses is read from Salesforce again when they change"
    );
    open::install(places)?;
    if places.rebuild.exists() {
        fs::remove_file(&places.rebuild)?;
    }
    Ok(())
}

/// The last journal from which this database was made anew.
const ANEW_KEY: &[u8] = b"\0anew";
/// The same number, in a journal, once the indexes are there. A later rebuild has a greater one.
pub(super) const INDEXED_KEY: &[u8] = b"\0indexed";

fn note_anew(tables: &Tables, last: u64) -> Result<(), Trouble> {
    let entry = value::whole(&last.to_be_bytes()).unwrap_or_default();
    tables.state.insert(ANEW_KEY, entry)?;
    Ok(())
}

impl Store {
    /// Whether the database was made anew, and indexes of records may be missing: those of a record that was written
    /// again lie in the journals that it was first written to, and they may be gone.
    pub fn lacks_indexes(&self) -> Result<bool, StoreError> {
        let (anew, indexed) = (self.any(ANEW_KEY)?.0, self.any(INDEXED_KEY)?.0);
        Ok(anew.is_some() && anew != indexed)
    }

    /// All indexes were written.
    pub fn note_indexed(&self) -> Result<(), StoreError> {
        let anew = self.any(ANEW_KEY)?.0;
        self.exclusive(|recent| {
            recent.write(INDEXED_KEY, anew.as_deref());
            Ok(())
        })
    }
}

/// Renames the damaged database. Only the newest damaged one is kept.
fn set_aside(places: &Places) -> io::Result<PathBuf> {
    let earlier = places.numbered(open::DAMAGED)?;
    let aside = places.damaged(earlier.iter().max().unwrap_or(&0) + 1);
    if places.live.exists() {
        fs::rename(&places.live, &aside)?;
        open::sync_dir(&places.dir)?;
        for number in earlier {
            open::remove(&places.damaged(number))?;
        }
    }
    Ok(aside)
}
