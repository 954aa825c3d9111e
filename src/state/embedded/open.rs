//! Opening a folder as a database: lock, layout, creation and repair.
//!
//! ```text
//! <dir>/sled/            the live database; the file `format` in it holds its format version
//! <dir>/sled.lock        locked while a store is open
//! <dir>/sled.new/        being built (creation, compaction, rebuild); worthless until it is renamed
//! <dir>/sled.ready/      complete and on disk: replaces the live one, at once or at the next start
//! <dir>/sled.old/        the replaced one, until the new one was opened once
//! <dir>/sled.damaged-N/  a damaged database, before it was made anew
//! <dir>/sled.rebuild     the reason why the next start has to make the database anew
//! <dir>/sled.journal-N   all writes, see [`journal`](super::journal)
//! <dir>/sled.wiping-N    a journal that replaces another one, see [`retire`](super::retire)
//! ```
//!
//! A folder is replaced only by renames, each followed by a sync of the parent. After a crash, [`settle`] completes or
//! undoes a replacement. Other files in `<dir>` are never touched.

use std::fmt::{self, Display};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::state::embedded::errors::{OpenError, StoreError};
use crate::state::embedded::rebuild::Damage;
use crate::state::embedded::segments::Segments;
use crate::state::embedded::{checkpointer, format4, journal, migrate, patient, rebuild, retire};

pub(super) const FORMAT: u32 = 5;
/// The oldest format that is migrated.
const MIGRATED: u32 = 4;
const VERSION_KEY: &[u8] = b"\0version";
/// sled's page cache: a base and a share of the database's size, so that a page read when an event was received is
/// still cached when its Case is made.
const CACHE_BYTES: u64 = 8 << 20;
const CACHE_SHARE: u64 = 32;
const CACHE_MOST: u64 = 32 << 20;
/// A copy of the format version beside sled's files. Opening sled rewrites some of them, so this is read first. It may
/// be missing.
const FORMAT_FILE: &str = "format";
const SNAPSHOT: &str = "snap.";
const UNFINISHED: &str = ".generating";
pub(super) const JOURNAL: &str = "sled.journal-";
pub(super) const DAMAGED: &str = "sled.damaged-";
pub(super) const WIPING: &str = "sled.wiping-";
/// How long the threads of a database that was just closed may keep its lock.
const LINGER: Duration = Duration::from_secs(10);

/// Paths in the state folder.
pub(super) struct Places {
    pub dir: PathBuf,
    pub live: PathBuf,
    pub new: PathBuf,
    pub ready: PathBuf,
    pub old: PathBuf,
    pub rebuild: PathBuf,
}

impl Places {
    pub fn in_dir(dir: &Path) -> Self {
        let at = |name: &str| dir.join(name);
        Self {
            dir: dir.to_owned(),
            live: at("sled"),
            new: at("sled.new"),
            ready: at("sled.ready"),
            old: at("sled.old"),
            rebuild: at("sled.rebuild"),
        }
    }

    pub fn journal(&self, number: u64) -> PathBuf {
        self.dir.join(format!("{JOURNAL}{number}"))
    }

    pub fn damaged(&self, number: u64) -> PathBuf {
        self.dir.join(format!("{DAMAGED}{number}"))
    }

    pub fn numbered(&self, name: &str) -> io::Result<Vec<u64>> {
        numbered(&self.dir, name)
    }

    pub fn folder_error(&self, reason: &dyn Display) -> OpenError {
        OpenError::Folder { dir: self.dir.clone(), reason: reason.to_string() }
    }

    fn damaged_error(&self, reason: &dyn Display) -> OpenError {
        OpenError::Damaged { dir: self.dir.clone(), reason: reason.to_string() }
    }
}

/// The numbers in `<name><number>`, for all entries of the folder with such a name.
pub(super) fn numbered<N: FromStr>(dir: &Path, name: &str) -> io::Result<Vec<N>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?.file_name();
        let number = entry.to_str().and_then(|entry| entry.strip_prefix(name));
        numbers.extend(number.and_then(|number| number.parse::<N>().ok()));
    }
    Ok(numbers)
}

/// An open database, its trees, and the journals that it points into.
#[derive(Clone)]
pub(super) struct Tables {
    pub db: sled::Db,
    pub state: sled::Tree,
    pub chunks: sled::Tree,
    pub segments: Arc<Segments>,
    pub damage: Arc<Damage>,
}

/// Why sled did not open.
#[derive(Debug)]
pub(super) enum Trouble {
    Locked,
    Damaged(String),
    Io(String),
}

impl Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Locked => f.write_str("somebody else holds its lock"),
            Self::Damaged(reason) | Self::Io(reason) => f.write_str(reason),
        }
    }
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::Io(error.to_string())
    }
}

/// What cannot be read now may be read later: that is no damage, so the database is not made anew.
impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Damaged(reason) => Self::Damaged(reason),
            other => Self::Io(other.to_string()),
        }
    }
}

impl Trouble {
    pub fn of(error: sled::Error) -> Self {
        let text = error.to_string();
        match error {
            sled::Error::Io(_) if text.contains("could not acquire lock") => Self::Locked,
            sled::Error::Io(io)
                if !matches!(io.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData) =>
            {
                Self::Io(text)
            }
            _ => Self::Damaged(text),
        }
    }

    pub fn into_error(self, places: &Places) -> OpenError {
        match self {
            Self::Locked => OpenError::Locked { dir: places.dir.clone() },
            Self::Damaged(reason) => places.damaged_error(&reason),
            Self::Io(reason) => places.folder_error(&reason),
        }
    }
}

impl Tables {
    pub fn open(places: &Places, path: &Path) -> Result<Self, Trouble> {
        let started = Instant::now();
        loop {
            // sled panics on damage that it does not expect.
            match catch_unwind(AssertUnwindSafe(|| Self::attempt(places, path))) {
                // We hold `sled.lock`, so sled's lock belongs to a database that this process has just closed.
                Ok(Err(Trouble::Locked)) if started.elapsed() < LINGER => {
                    std::thread::sleep(Duration::from_millis(5));
                }
                Ok(result) => return result,
                Err(_) => return Err(Trouble::Damaged("the database panicked while it was opened".into())),
            }
        }
    }

    fn attempt(places: &Places, path: &Path) -> Result<Self, Trouble> {
        remove_unfinished(path)?;
        // Unflushed writes are in the journal, so sled needs no periodic flush.
        let cache = (CACHE_BYTES + size(path).unwrap_or(0) / CACHE_SHARE).min(CACHE_MOST);
        let config = sled::Config::new().path(path).cache_capacity(cache).flush_every_ms(None);
        let db = config.open().map_err(Trouble::of)?;
        let state = db.open_tree("state").map_err(Trouble::of)?;
        let chunks = db.open_tree("chunks").map_err(Trouble::of)?;
        let (segments, damage) = (Arc::new(Segments::in_dir(&places.dir)), Arc::new(Damage::of(places)));
        Ok(Self { db, state, chunks, segments, damage })
    }

    /// The format version that the database was written with.
    pub fn format(&self) -> Result<Option<u32>, Trouble> {
        let bytes = self.state.get(VERSION_KEY).map_err(Trouble::of)?;
        Ok(bytes.and_then(|bytes| Some(u32::from_be_bytes(bytes.as_ref().try_into().ok()?))))
    }

    pub fn set_format(&self, format: u32) -> Result<(), Trouble> {
        self.state.insert(VERSION_KEY, &format.to_be_bytes()).map_err(Trouble::of)?;
        Ok(())
    }

    /// Flushes, closes and syncs. The folder may be renamed afterwards.
    pub fn finish(self, path: &Path) -> Result<(), Trouble> {
        self.db.flush().map_err(Trouble::of)?;
        drop(self);
        note_format(path, FORMAT)?;
        sync_all(path).map_err(|error| Trouble::Io(error.to_string()))
    }
}

/// Locks the folder and opens the live database. Creates it, or makes it anew, if necessary.
pub(super) fn open(places: &Places) -> Result<(Lock, Tables), OpenError> {
    let folder = |error: io::Error| places.folder_error(&error);
    make_dirs(&places.dir).map_err(folder)?;
    let lock = lock(places)?;
    settle(places)?;
    retire::remove_leftovers(places).and_then(|()| migrate::remove_leftovers(places)).map_err(folder)?;
    let tables = open_live(places)?;
    let format = check_format(places, &tables)?;
    kept(places, format).map_err(folder)?;
    Ok((lock, tables))
}

fn open_live(places: &Places) -> Result<Tables, OpenError> {
    if !places.live.exists() {
        if rebuild::is_possible(places) {
            return rebuild::rebuild(places, "the folder of the database is missing");
        }
        create(places)?;
    }
    check_known_format(places, noted_format(&places.live))?;
    if let Some(reason) = rebuild::asked_for(places) {
        return rebuild::rebuild(places, &reason);
    }
    let tables = match Tables::open(places, &places.live) {
        Ok(tables) => tables,
        Err(Trouble::Damaged(reason)) if places.old.exists() => return put_back(places, &reason),
        Err(Trouble::Damaged(reason)) if rebuild::is_possible(places) => {
            return rebuild::rebuild(places, &reason);
        }
        Err(other) => return Err(other.into_error(places)),
    };
    match damage(places, &tables).map_err(|trouble| trouble.into_error(places))? {
        Some(reason) if rebuild::is_possible(places) => {
            drop(tables);
            rebuild::rebuild(places, reason)
        }
        _ => Ok(tables),
    }
}

/// Why a database that opens is not to be used.
fn damage(places: &Places, tables: &Tables) -> Result<Option<&'static str>, Trouble> {
    if tables.format()?.is_none() {
        return Ok(Some("it has lost its content"));
    }
    let applied = checkpointer::applied(tables)?;
    let first = journal::numbers(places)?.first().copied();
    Ok(first.filter(|first| applied + 1 < *first).map(|_| "it is older than the oldest journal"))
}

/// Syncs the database that was just opened, whichever process wrote its files, and removes the replaced one. `format`:
/// what the database says of itself.
fn kept(places: &Places, format: u32) -> io::Result<()> {
    // A database of an older format keeps its note until it is migrated, whatever it says of itself meanwhile.
    if noted_format(&places.live).is_none() {
        let migrates = format4::has_files(&places.dir)?;
        note_format(&places.live, if migrates { MIGRATED } else { format })?;
    }
    sync_all(&places.live)?;
    sync_dir(&places.dir)?;
    remove(&places.old)
}

/// After a replacement: opens the new database, or the replaced one if that fails. Neither was written to meanwhile.
pub(super) fn open_replaced(places: &Places) -> Result<Tables, OpenError> {
    let tables = match Tables::open(places, &places.live) {
        Ok(tables) => tables,
        Err(Trouble::Damaged(reason)) if places.old.exists() => put_back(places, &reason)?,
        Err(other) => return Err(other.into_error(places)),
    };
    kept(places, FORMAT).map_err(|error| places.folder_error(&error))?;
    Ok(tables)
}

/// Makes the replaced database the live one again, because the new one does not open.
fn put_back(places: &Places, reason: &str) -> Result<Tables, OpenError> {
    tracing::warn!(%reason, "the compacted state does not open: going on with the one before");
    let renames = || {
        fs::rename(&places.live, &places.new)?;
        sync_dir(&places.dir)?;
        fs::rename(&places.old, &places.live)?;
        sync_dir(&places.dir)?;
        remove(&places.new)
    };
    renames().map_err(|error| places.folder_error(&error))?;
    match Tables::open(places, &places.live) {
        Err(Trouble::Damaged(reason)) if rebuild::is_possible(places) => rebuild::rebuild(places, &reason),
        opened => opened.map_err(|trouble| trouble.into_error(places)),
    }
}

/// Creates the folder and syncs the parents of all new folders. If there is no state yet, its existing parent is synced
/// too, if we may read it: an earlier start may have crashed before its sync.
fn make_dirs(dir: &Path) -> io::Result<()> {
    let missing: Vec<&Path> = dir.ancestors().take_while(|path| !path.exists()).collect();
    fs::create_dir_all(dir)?;
    for made in missing.iter().filter_map(|made| made.parent()) {
        sync_dir(or_here(made))?;
    }
    if missing.is_empty() && !dir.join("sled").exists() {
        let _ = dir.parent().map(|parent| sync_dir(or_here(parent)));
    }
    Ok(())
}

/// The parent of a one-part relative path is the empty path.
fn or_here(path: &Path) -> &Path {
    if path.as_os_str().is_empty() { Path::new(".") } else { path }
}

/// sled renames a snapshot when it is complete. It takes an incomplete one for a damaged one, so those are removed.
fn remove_unfinished(path: &Path) -> io::Result<()> {
    let files = match fs::read_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        files => files?,
    };
    for entry in files {
        let entry = entry?;
        let name = entry.file_name();
        if name.to_str().is_some_and(|name| name.starts_with(SNAPSHOT) && name.ends_with(UNFINISHED)) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// None if the file is missing or unreadable; then the database's own version is used. The number stands there twice, so
/// that a damaged one is not believed; format 4 wrote it once.
pub(super) fn noted_format(path: &Path) -> Option<u32> {
    let noted = fs::read_to_string(path.join(FORMAT_FILE)).ok()?;
    match noted.split_whitespace().collect::<Vec<_>>().as_slice() {
        [one, two] if one == two => one.parse().ok(),
        [one] => one.parse().ok().filter(|format| *format <= MIGRATED),
        _ => None,
    }
}

fn note_format(path: &Path, format: u32) -> io::Result<()> {
    fs::write(path.join(FORMAT_FILE), format!("{format} {format}"))
}

/// Locks the folder until it is dropped.
pub(super) struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing the file is not enough: a child process that another thread is just starting shares the handle
        // until its exec.
        let _ = self.0.unlock();
    }
}

/// Taken before anything else: two processes that start together must not both complete a replacement.
fn lock(places: &Places) -> Result<Lock, OpenError> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    let file = options.open(places.dir.join("sled.lock")).map_err(|error| places.folder_error(&error))?;
    match file.try_lock() {
        Ok(()) => Ok(Lock(file)),
        Err(TryLockError::WouldBlock) => Err(OpenError::Locked { dir: places.dir.clone() }),
        Err(TryLockError::Error(error)) => Err(places.folder_error(&error)),
    }
}

fn check_format(places: &Places, tables: &Tables) -> Result<u32, OpenError> {
    let found = tables.format().map_err(|trouble| trouble.into_error(places))?;
    // A database gets its version before its live name, so one without a version has lost its content.
    let found = found.ok_or_else(|| places.damaged_error(&"it holds no format version"))?;
    check_known_format(places, Some(found))?;
    Ok(found)
}

fn check_known_format(places: &Places, found: Option<u32>) -> Result<(), OpenError> {
    let dir = places.dir.clone();
    match found {
        Some(found) if found > FORMAT => Err(OpenError::Newer { dir, found, known: FORMAT }),
        Some(found) if found < MIGRATED => Err(OpenError::Older { dir, found, known: FORMAT }),
        _ => Ok(()),
    }
}

/// Builds it under another name, so that a crash never leaves an incomplete database under the live name.
fn create(places: &Places) -> Result<(), OpenError> {
    build(places, |_| Ok(())).map_err(|trouble| trouble.into_error(places))?;
    install(places)
}

/// Makes an empty database in `sled.new`, with what `fill` writes into it.
pub(super) fn build(places: &Places, fill: impl Fn(&Tables) -> Result<(), Trouble>) -> Result<(), Trouble> {
    remove(&places.new)?;
    make_dir(&places.new)?;
    let tables = Tables::open(places, &places.new)?;
    tables.set_format(FORMAT)?;
    fill(&tables)?;
    tables.finish(&places.new)
}

/// Renames a finished `sled.new` to the live name.
pub(super) fn install(places: &Places) -> Result<(), OpenError> {
    let folder = |error: io::Error| places.folder_error(&error);
    fs::rename(&places.new, &places.ready).map_err(folder)?;
    sync_dir(&places.dir).map_err(folder)?;
    settle(places)
}

/// Completes or undoes a replacement that a crash interrupted.
fn settle(places: &Places) -> Result<(), OpenError> {
    let folder = |error: io::Error| places.folder_error(&error);
    remove(&places.new).map_err(folder)?;
    if places.ready.exists() {
        if places.live.exists() {
            remove(&places.old).map_err(folder)?;
            fs::rename(&places.live, &places.old).map_err(folder)?;
            sync_dir(&places.dir).map_err(folder)?;
        }
        fs::rename(&places.ready, &places.live).map_err(folder)?;
        sync_dir(&places.dir).map_err(folder)?;
    }
    // If there is a live database, the old one is removed after the live one was opened.
    if !places.live.exists() && places.old.exists() {
        fs::rename(&places.old, &places.live).map_err(folder)?;
    }
    Ok(())
}

/// Readable for its owner only: it holds customers' texts.
pub(super) fn make_dir(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().mode(0o700).create(path)
}

/// Syncs all files and folders below, and the folder itself.
fn sync_all(path: &Path) -> io::Result<()> {
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_all(&entry.path())?;
        } else {
            File::open(entry.path())?.sync_all()?;
        }
    }
    sync_dir(path)
}

pub(super) fn sync_dir(path: &Path) -> io::Result<()> {
    patient::open(|| File::open(path))?.sync_all()
}

pub(super) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Size of all files below, in bytes.
pub(super) fn size(path: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        // sled may have removed the file meanwhile.
        let Ok(data) = entry.metadata() else { continue };
        bytes += if data.is_dir() { size(&entry.path())? } else { data.len() };
    }
    Ok(bytes)
}
