//! Copies the database into a fresh one, because sled itself hardly frees disk space.
//!
//! It runs only at start, and correctness never depends on it: any failure leaves the live database unchanged.

use crate::state::embedded::Settings;
use crate::state::embedded::errors::OpenError;
use crate::state::embedded::open::{self, Places, Tables, Trouble};
use crate::state::embedded::sled_writer::{self, Writer};
use crate::state::embedded::space;

/// Copied when at least two thirds of the files' bytes are dead.
const DEAD: u64 = 3;

/// Returns the tables to use: those of the copy if it was worth it, otherwise the same.
pub(super) fn compact(places: &Places, tables: Tables, settings: &Settings) -> Result<Tables, OpenError> {
    let disk = open::size(&places.live).map_err(|error| places.folder_error(&error))?;
    if !settings.compact || disk <= settings.compact_above {
        return Ok(tables);
    }
    let live = sled_writer::live(&tables.state).map_err(|error| Trouble::of(error).into_error(places))?;
    let live = u64::try_from(live).unwrap_or(0);
    if live > disk / DEAD || !has_room(places, live, settings) {
        return Ok(tables);
    }
    if let Err(trouble) = copy(&tables, places) {
        let error = trouble.into_error(places);
        tracing::warn!(%error, "the state was not compacted");
        let _ = open::remove(&places.new);
        return Ok(tables);
    }
    let tables = install(places, tables)?;
    let now = open::size(&places.live).unwrap_or(0);
    tracing::info!(before = disk, after = now, "the state was compacted");
    Ok(tables)
}

/// Copies the database whatever its size, and uses the copy.
pub(super) fn replace(places: &Places, tables: Tables) -> Result<Tables, OpenError> {
    copy(&tables, places).map_err(|trouble| trouble.into_error(places))?;
    install(places, tables)
}

fn install(places: &Places, tables: Tables) -> Result<Tables, OpenError> {
    drop(tables);
    open::install(places)?;
    open::open_replaced(places)
}

fn has_room(places: &Places, live: u64, settings: &Settings) -> bool {
    let room = space::free_bytes(&places.dir).is_ok_and(|free| free > live * 2 + settings.free_space_floor);
    if !room {
        tracing::warn!("the state was not compacted: too little free space for a copy");
    }
    room
}

fn copy(tables: &Tables, places: &Places) -> Result<(), Trouble> {
    open::remove(&places.new)?;
    open::make_dir(&places.new)?;
    let fresh = Tables::open(places, &places.new)?;
    let mut writer = Writer::new(fresh.db.clone(), 0);
    // The journals are empty: they were replayed when the database was opened.
    let trees = [(&tables.state, &fresh.state), (&tables.chunks, &fresh.chunks)];
    for (from, to) in trees {
        for entry in from {
            let (key, value) = entry.map_err(Trouble::of)?;
            writer.put(to, &key, &value).map_err(Trouble::of)?;
        }
    }
    for (from, to) in trees {
        same(from, to)?;
    }
    // Counted again, because crashes may have made the old count inexact.
    writer.note_live(&fresh.state).map_err(Trouble::of)?;
    drop(writer);
    fresh.finish(&places.new)
}

/// The copy replaces everything, so it is compared entry by entry.
fn same(one: &sled::Tree, two: &sled::Tree) -> Result<(), Trouble> {
    let mut other = two.iter();
    for entry in one {
        let entry = entry.map_err(Trouble::of)?;
        let copied = other.next().transpose().map_err(Trouble::of)?;
        if copied.as_ref() != Some(&entry) {
            return Err(Trouble::Damaged("the copy differs".into()));
        }
    }
    if other.next().is_some() {
        return Err(Trouble::Damaged("the copy holds more".into()));
    }
    Ok(())
}
