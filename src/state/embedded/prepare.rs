//! Opening a state folder: attempts, until the database holds all journals, in the current format.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::state::embedded::checkpointer::{self, Replayed};
use crate::state::embedded::errors::OpenError;
use crate::state::embedded::open::{self, Lock, Places, Tables, Trouble};
use crate::state::embedded::value::{self, Stored};
use crate::state::embedded::{SEQ_KEY, Settings, compact, journal, migrate, rebuild, retire};

/// A database that holds all journals.
pub(super) struct Prepared {
    pub tables: Tables,
    pub replayed: Replayed,
    /// The last reserved sequence number.
    pub reserved: u64,
}

/// Opens the database. Creates it, makes it anew, migrates or compacts it if necessary.
pub(super) fn prepare(places: &Places, settings: &Settings) -> Result<(Lock, Prepared), OpenError> {
    let prepared = || {
        let lock = open::lock(places)?;
        open::settle(places)?;
        retire::remove_leftovers(places)?;
        Ok((lock, attempts(places, settings)?))
    };
    prepared().map_err(|trouble: Trouble| trouble.into_error(places))
}

/// A damaged database gives way to the one that it replaced, if there is one, and is made anew otherwise: each once.
fn attempts(places: &Places, settings: &Settings) -> Result<Prepared, Trouble> {
    let (mut put_back, mut made_anew, mut compacts, mut incomplete) = (false, false, settings.compact, false);
    loop {
        // sled panics on damage that it does not expect.
        let result = catch_unwind(AssertUnwindSafe(|| attempt(places, settings, compacts)));
        let reason = match result {
            Ok(Ok((prepared, false))) => {
                let incomplete = incomplete || prepared.replayed.incomplete;
                return Ok(Prepared { replayed: Replayed { incomplete, ..prepared.replayed }, ..prepared });
            }
            Ok(Ok((prepared, true))) => {
                incomplete |= prepared.replayed.incomplete;
                compacts = false;
                drop(prepared);
                open::install(places)?;
                continue;
            }
            Ok(Err(Trouble::Damaged(reason))) => reason,
            Ok(Err(other)) => return Err(other),
            Err(_) => "the database panicked while it was opened and its journals were carried out".into(),
        };
        if places.old.exists() && !put_back {
            open::put_back(places, &reason)?;
            (put_back, compacts) = (true, false);
        } else if rebuild::is_possible(places) && !made_anew {
            rebuild::rebuild(places, &reason)?;
            made_anew = true;
        } else {
            return Err(Trouble::Damaged(reason));
        }
    }
}

/// Opens the database, replays journals, migrates an older format, and compacts. Also says whether a copy is ready that
/// replaces the database.
fn attempt(places: &Places, settings: &Settings, compacts: bool) -> Result<(Prepared, bool), Trouble> {
    if !places.live.exists() {
        if rebuild::is_possible(places) {
            return Err(Trouble::Damaged("the folder of the database is missing".into()));
        }
        open::create(places)?;
    }
    // Opening sled rewrites some of its files, so its note is checked before.
    open::noted_format(&places.live).map_or(Ok(()), open::check_format)?;
    if let Some(reason) = rebuild::asked_for(places) {
        return Err(Trouble::Damaged(reason));
    }
    let tables = Tables::open(places, &places.live)?;
    // A database gets its version before its live name.
    let format = tables.format()?.ok_or_else(|| Trouble::Damaged("it has lost its content".into()))?;
    open::check_format(format)?;
    let (first, applied) = (journal::numbers(places)?.first().copied(), checkpointer::applied(&tables)?);
    if first.is_some_and(|first| applied + 1 < first) && rebuild::is_possible(places) {
        return Err(Trouble::Damaged("it is older than the oldest journal".into()));
    }
    open::kept(places, format)?;
    migrate::remove_leftovers(places)?;
    let replayed = checkpointer::replay(&tables, places)?;
    let copied = migrate::migrate(places, &tables, replayed.next)?
        || compacts && compact::compact(places, &tables, settings)?;
    let reserved = read_seq(&tables)?;
    Ok((Prepared { tables, replayed, reserved }, copied))
}

fn read_seq(tables: &Tables) -> sled::Result<u64> {
    let entry = tables.state.get(SEQ_KEY)?;
    let Some(Stored::Inline(bytes)) = entry.as_deref().and_then(value::parse) else { return Ok(0) };
    Ok(bytes.as_ref().try_into().map_or(0, u64::from_be_bytes))
}
