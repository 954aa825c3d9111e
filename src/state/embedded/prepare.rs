//! Opening a state folder: attempts, until the database holds all journals, in the current format.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::state::embedded::checkpointer;
use crate::state::embedded::errors::OpenError;
use crate::state::embedded::open::{self, Lock, Places, Tables, Trouble};
use crate::state::embedded::{SEQ_KEY, Settings, compact, journal, loss, migrate, rebuild, retire};

/// Numbers that are skipped after a loss: which ones were given is not known then. More than were ever given between two
/// notes of it, and few enough that they never end.
const SKIPPED: u64 = 1 << 32;

/// A database that holds all journals.
pub(super) struct Prepared {
    pub tables: Tables,
    /// The number of the next journal.
    pub next: u64,
    /// The last reserved sequence number.
    pub reserved: u64,
    /// Whether acknowledged writes are lost, and nobody has seen to that.
    pub incomplete: bool,
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
    let (mut put_back, mut made_anew, mut compacts) = (false, false, settings.compact);
    loop {
        // sled panics on damage that it does not expect.
        let result = catch_unwind(AssertUnwindSafe(|| attempt(places, settings, compacts)));
        let reason = match result {
            Ok(Ok((prepared, false))) => return Ok(prepared),
            Ok(Ok((prepared, true))) => {
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
    let next = checkpointer::replay(&tables, places)?;
    let copied =
        migrate::migrate(places, &tables, next)? || compacts && compact::compact(places, &tables, settings)?;
    let incomplete = loss::is_open(&tables)?;
    let reserved = read_seq(&tables)? + if incomplete { SKIPPED } else { 0 };
    Ok((Prepared { tables, next, reserved, incomplete }, copied))
}

fn read_seq(tables: &Tables) -> Result<u64, Trouble> {
    let Some(bytes) = tables.own_value(SEQ_KEY)? else { return Ok(0) };
    let number = bytes.try_into().map_err(|_| Trouble::Damaged("the last number is damaged".into()))?;
    Ok(u64::from_be_bytes(number))
}
