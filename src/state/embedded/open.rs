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

use crate::state::embedded::errors::{OpenError, StoreError, is_damage};
use crate::state::embedded::segments::Segments;
use crate::state::embedded::{format4, patient};

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
}

/// Why sled did not open.
#[derive(Debug)]
pub(super) enum Trouble {
    Locked,
    /// It has this format, which this version does not know.
    Format(u32),
    Damaged(String),
    Io(String),
}

impl Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Locked => f.write_str("somebody else holds its lock"),
            Self::Format(found) => write!(f, "it has the format {found}"),
            Self::Damaged(reason) | Self::Io(reason) => f.write_str(reason),
        }
    }
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::Io(error.to_string())
    }
}

impl From<sled::Error> for Trouble {
    fn from(error: sled::Error) -> Self {
        let text = error.to_string();
        match error {
            sled::Error::Io(_) if text.contains("could not acquire lock") => Self::Locked,
            error if is_damage(&error) => Self::Damaged(text),
            _ => Self::Io(text),
        }
    }
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Rebuild(reason) => Self::Damaged(reason),
            other => Self::Io(other.to_string()),
        }
    }
}

impl Trouble {
    pub fn into_error(self, places: &Places) -> OpenError {
        let (dir, known) = (places.dir.clone(), FORMAT);
        match self {
            Self::Locked => OpenError::Locked { dir },
            Self::Format(found) if found > FORMAT => OpenError::Newer { dir, found, known },
            Self::Format(found) => OpenError::Older { dir, found, known },
            Self::Damaged(reason) => OpenError::Damaged { dir, reason },
            Self::Io(reason) => OpenError::Folder { dir, reason },
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
        let db = config.open()?;
        let state = db.open_tree("state")?;
        let chunks = db.open_tree("chunks")?;
        Ok(Self { db, state, chunks, segments: Arc::new(Segments::in_dir(&places.dir)) })
    }

    /// The format version that the database was written with.
    pub fn format(&self) -> Result<Option<u32>, Trouble> {
        let bytes = self.state.get(VERSION_KEY)?;
        Ok(bytes.and_then(|bytes| Some(u32::from_be_bytes(bytes.as_ref().try_into().ok()?))))
    }

    pub fn set_format(&self, format: u32) -> Result<(), Trouble> {
        self.state.insert(VERSION_KEY, &format.to_be_bytes())?;
        Ok(())
    }

    /// Flushes, closes and syncs. The folder may be renamed afterwards.
    pub fn finish(self, path: &Path) -> Result<(), Trouble> {
        self.db.flush()?;
        drop(self);
        note_format(path, FORMAT)?;
        Ok(sync_all(path)?)
    }
}

/// Syncs the database that was just opened, whichever process wrote its files, and removes the replaced one. `format`:
/// what the database says of itself.
pub(super) fn kept(places: &Places, format: u32) -> io::Result<()> {
    // A database of an older format keeps its note until it is migrated, whatever it says of itself meanwhile.
    if noted_format(&places.live).is_none() {
        let migrates = format4::has_files(&places.dir)?;
        note_format(&places.live, if migrates { MIGRATED } else { format })?;
    }
    sync_all(&places.live)?;
    sync_dir(&places.dir)?;
    remove(&places.old)
}

/// Makes the replaced database the live one again, because the new one does not open.
pub(super) fn put_back(places: &Places, reason: &str) -> io::Result<()> {
    tracing::warn!(%reason, "the compacted state does not open: going on with the one before");
    fs::rename(&places.live, &places.new)?;
    sync_dir(&places.dir)?;
    fs::rename(&places.old, &places.live)?;
    sync_dir(&places.dir)?;
    remove(&places.new)
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

/// Makes the folder and locks it. Before anything else: two processes that start together must not both complete a
/// replacement.
pub(super) fn lock(places: &Places) -> Result<Lock, Trouble> {
    make_dirs(&places.dir)?;
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    let file = options.open(places.dir.join("sled.lock"))?;
    match file.try_lock() {
        Ok(()) => Ok(Lock(file)),
        Err(TryLockError::WouldBlock) => Err(Trouble::Locked),
        Err(TryLockError::Error(error)) => Err(error.into()),
    }
}

pub(super) fn check_format(found: u32) -> Result<(), Trouble> {
    if (MIGRATED..=FORMAT).contains(&found) { Ok(()) } else { Err(Trouble::Format(found)) }
}

/// Builds it under another name, so that a crash never leaves an incomplete database under the live name.
pub(super) fn create(places: &Places) -> Result<(), Trouble> {
    build(places, |_| Ok(()))?;
    Ok(install(places)?)
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
pub(super) fn install(places: &Places) -> io::Result<()> {
    fs::rename(&places.new, &places.ready)?;
    sync_dir(&places.dir)?;
    settle(places)
}

/// Completes or undoes a replacement that a crash interrupted.
pub(super) fn settle(places: &Places) -> io::Result<()> {
    remove(&places.new)?;
    if places.ready.exists() {
        if places.live.exists() {
            remove(&places.old)?;
            fs::rename(&places.live, &places.old)?;
            sync_dir(&places.dir)?;
        }
        fs::rename(&places.ready, &places.live)?;
        sync_dir(&places.dir)?;
    }
    // If there is a live database, the old one is removed after the live one was opened.
    if !places.live.exists() && places.old.exists() {
        fs::rename(&places.old, &places.live)?;
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
