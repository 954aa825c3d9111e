//! Copies the database into a fresh one, because sled itself hardly frees disk space.
//!
//! It runs only at start, and correctness never depends on it: any failure leaves the live database unchanged.

use crate::state::embedded::Settings;
use crate::state::embedded::open::{self, Places, Tables, Trouble};
use crate::state::embedded::sled_writer::{self, Writer};
use crate::state::embedded::space;

/// Copied when at least two thirds of the files' bytes are dead.
const DEAD: u64 = 3;

/// Copies the database to `sled.new` if that is worth it. False if it was not copied.
pub(super) fn compact(places: &Places, tables: &Tables, settings: &Settings) -> Result<bool, Trouble> {
    let disk = open::size(&places.live)?;
    let live = u64::try_from(sled_writer::live(&tables.state)?).unwrap_or(0);
    if disk <= settings.compact_above || live > disk / DEAD || !has_room(places, live, settings) {
        return Ok(false);
    }
    if let Err(error) = copy(tables, places) {
        tracing::warn!(%error, "the state was not compacted");
        let _ = open::remove(&places.new);
        return Ok(false);
    }
    let after = open::size(&places.new).unwrap_or(0);
    tracing::info!(before = disk, after, "the state was compacted");
    Ok(true)
}

fn has_room(places: &Places, live: u64, settings: &Settings) -> bool {
    let room = space::free_bytes(&places.dir).is_ok_and(|free| free > live * 2 + settings.free_space_floor);
    if !room {
        tracing::warn!("the state was not compacted: too little free space for a copy");
    }
    room
}

/// Copies the database to `sled.new`, whatever its size.
pub(super) fn copy(tables: &Tables, places: &Places) -> Result<(), Trouble> {
    open::remove(&places.new)?;
    open::make_dir(&places.new)?;
    let fresh = Tables::open(places, &places.new)?;
    let mut writer = Writer::new(fresh.db.clone(), 0);
    // The journals are empty: they were replayed when the database was opened.
    let trees = [(&tables.state, &fresh.state), (&tables.chunks, &fresh.chunks)];
    for (from, to) in trees {
        for entry in from {
            let (key, value) = entry?;
            writer.put(to, &key, &value)?;
        }
    }
    for (from, to) in trees {
        same(from, to)?;
    }
    // Counted again, because crashes may have made the old count inexact.
    writer.note_live(&fresh.state)?;
    drop(writer);
    fresh.finish(&places.new)
}

/// The copy replaces everything, so it is compared entry by entry.
fn same(one: &sled::Tree, two: &sled::Tree) -> Result<(), Trouble> {
    let mut other = two.iter();
    for entry in one {
        let entry = entry?;
        let copied = other.next().transpose()?;
        if copied.as_ref() != Some(&entry) {
            return Err(Trouble::Damaged("the copy differs".into()));
        }
    }
    if other.next().is_some() {
        return Err(Trouble::Damaged("the copy holds more".into()));
    }
    Ok(())
}
