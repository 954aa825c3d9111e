//! The database as it is when the store opens: it holds all journals, in the current format.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::state::embedded::errors::OpenError;
use crate::state::embedded::open::{self, Places, Tables};
use crate::state::embedded::value::{self, Stored};
use crate::state::embedded::{SEQ_KEY, Settings, checkpointer, compact, migrate, rebuild};

/// A database that holds all journals.
pub(super) struct Prepared {
    pub tables: Tables,
    pub replayed: checkpointer::Replayed,
    /// The last reserved sequence number.
    pub reserved: u64,
}

/// Carries out the journals; if the database is damaged, it is made anew from them first.
pub(super) fn prepare(places: &Places, tables: Tables, settings: &Settings) -> Result<Prepared, OpenError> {
    match carry_out(places, tables, settings) {
        Err(OpenError::Damaged { reason, .. }) if rebuild::is_possible(places) => {
            let tables = rebuild::rebuild(places, &reason)?;
            carry_out(places, tables, settings)
        }
        prepared => prepared,
    }
}

/// Replays journals, migrates an older format, and compacts.
fn carry_out(places: &Places, tables: Tables, settings: &Settings) -> Result<Prepared, OpenError> {
    let prepared = || {
        let trouble = |trouble: open::Trouble| trouble.into_error(places);
        let mut replayed = checkpointer::replay(&tables, places).map_err(trouble)?;
        let tables = match migrate::migrate(places, &tables, replayed.next).map_err(trouble)? {
            Some(next) => {
                replayed.next = next;
                migrate::finish(places, tables)?
            }
            None => compact::compact(places, tables, settings)?,
        };
        let reserved = read_seq(&tables).map_err(|error| trouble(open::Trouble::of(error)))?;
        Ok(Prepared { tables, replayed, reserved })
    };
    // sled also panics on damage that it finds only while writing.
    catch_unwind(AssertUnwindSafe(prepared)).unwrap_or_else(|_| {
        let reason = "the database panicked while its journals were carried out";
        Err(open::Trouble::Damaged(reason.into()).into_error(places))
    })
}

fn read_seq(tables: &Tables) -> sled::Result<u64> {
    let entry = tables.state.get(SEQ_KEY)?;
    let Some(Stored::Inline(bytes)) = entry.as_deref().and_then(value::parse) else { return Ok(0) };
    Ok(bytes.as_ref().try_into().map_or(0, u64::from_be_bytes))
}
