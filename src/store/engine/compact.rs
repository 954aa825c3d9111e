//! sled hardly gives space back; a copy into a fresh database does.
//!
//! Done at start only, and never needed for correctness: whatever goes wrong leaves the live database as it was.

use super::errors::OpenError;
use super::open::{self, Places, Tables, Trouble};
use super::writer::Writer;
use super::{Fault, Settings};

/// What sled needs on disk for an entry besides its bytes, roughly.
const ENTRY: u64 = 128;
/// Copied when at least two thirds of the disk is dead.
const DEAD: u64 = 3;

/// The tables to go on with: a copy if that was worth it, else the same.
pub(super) fn compact(places: &Places, tables: Tables, settings: &Settings) -> Result<Tables, OpenError> {
    let disk = open::size(&places.live).map_err(|error| places.folder_error(&error))?;
    if !settings.compact || disk <= settings.compact_above {
        return Ok(tables);
    }
    match live_below(&tables, disk / DEAD) {
        Ok(Some(live)) if has_room(places, live, settings) => {}
        Ok(_) => return Ok(tables),
        Err(trouble) => return Err(trouble.into_error(places)),
    }
    settings.fault.stop_at(1)?;
    if let Err(trouble) = copy(&tables, places) {
        let error = trouble.into_error(places);
        tracing::warn!(%error, "the state was not compacted");
        let _ = open::remove(&places.new);
        return Ok(tables);
    }
    drop(tables);
    open::install(places, settings.fault)?;
    let tables = Tables::open(&places.live).map_err(|trouble| trouble.into_error(places))?;
    let now = open::size(&places.live).unwrap_or(0);
    tracing::info!(before = disk, after = now, "the state was compacted");
    Ok(tables)
}

/// The estimated size of what lives, or `None` as soon as it is over the limit: a mostly living database is read
/// only in part, a mostly dead one is small to read.
fn live_below(tables: &Tables, limit: u64) -> Result<Option<u64>, Trouble> {
    let mut bytes = 0;
    for tree in [&tables.state, &tables.chunks] {
        for entry in tree {
            let (key, value) = entry.map_err(Trouble::of)?;
            bytes += (key.len() + value.len()) as u64 + ENTRY;
            if bytes > limit {
                return Ok(None);
            }
        }
    }
    Ok(Some(bytes))
}

fn has_room(places: &Places, live: u64, settings: &Settings) -> bool {
    let room = super::free_bytes(&places.dir).is_ok_and(|free| free > live * 2 + settings.free_space_floor);
    if !room {
        tracing::warn!("the state was not compacted: too little free space for a copy");
    }
    room
}

fn copy(tables: &Tables, places: &Places) -> Result<(), Trouble> {
    open::make_dir(&places.new).map_err(|error| Trouble::Io(error.to_string()))?;
    let fresh = Tables::open(&places.new)?;
    let mut writer = Writer::new(fresh.db.clone());
    // The journal is empty: what it held was carried out when the database was opened.
    for (from, to) in [(&tables.state, &fresh.state), (&tables.chunks, &fresh.chunks)] {
        for entry in from {
            let (key, value) = entry.map_err(Trouble::of)?;
            writer.put(to, &key, &value).map_err(Trouble::of)?;
        }
    }
    for (from, to) in [(&tables.state, &fresh.state), (&tables.chunks, &fresh.chunks)] {
        same(from, to)?;
    }
    drop(writer);
    fresh.finish(&places.new)
}

/// The copy will be all there is: it is compared entry by entry.
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

impl Fault {
    pub(super) fn stop_at(self, step: u8) -> Result<(), OpenError> {
        if self == Self::CompactionStops(step) { Err(OpenError::Stopped(step)) } else { Ok(()) }
    }
}
