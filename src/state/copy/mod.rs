//! Copies a whole state from one kind of store into the other, while no daemon uses either.
//!
//! ```text
//! mark    the source: left; the target: unfinished. From here on no daemon starts on either
//! copy    page by page, each record once
//! check   counts of both sides, and a random sample through the interface that the daemon uses
//! end     the target's mark goes
//! ```
//!
//! A copy that was killed is begun again: what it left in the target goes first. One that failed gives the source free.

mod batch;
mod sample;

use std::path::PathBuf;

use thiserror::Error;

pub(in crate::state) use batch::{ActionCopy, Batch, EventCopy, NoteCopy, ReceiptCopy, damaged_event};
pub use batch::{Counts, Unreadable};

use crate::state::mark::Mark;
use crate::state::postgres::{self, ConnectError, Postgres};
use crate::state::records::Records;
use crate::state::records::copy::Reader as RecordsReader;
use crate::state::{OpenError, Settings, Store, StoreError};
use sample::Sample;

/// Where a state is.
#[derive(Clone)]
pub enum Place {
    /// A state folder.
    Local(PathBuf),
    /// A schema of a database.
    Postgres(postgres::Settings),
}

/// What a copy did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Copied {
    pub counts: Counts,
    pub unreadable: Unreadable,
    /// Records that were compared one by one.
    pub compared: usize,
}

/// How far a copy is, in records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Total(u64),
    More(u64),
}

/// Why a state was not copied, or not given free. Each text says what to do.
#[derive(Debug, Error)]
pub enum CopyError {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error("the database of `state.postgres` cannot be used: {0}")]
    Connect(#[from] ConnectError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("there is nothing to copy in {0}")]
    Nothing(String),
    #[error(
        "the instance {id} used {place} {ago} seconds ago: stop all instances, and wait half a minute after the last one"
    )]
    Running { id: String, place: String, ago: i64 },
    #[error("{place} is not empty, and nothing is written over it: {remedy}")]
    NotEmpty { place: String, remedy: String },
    #[error("{place} is not to be used: {mark}")]
    Marked { place: String, mark: Mark },
    #[error(
        "{0} has lost writes that it had acknowledged: start the daemon on it once, so that it puts aside what may have been \
         sent, stop it, and copy then"
    )]
    Incomplete(String),
    #[error(
        "the copy is not what it should be ({0}), so it is not used, and the state that was copied is as it was"
    )]
    Differs(String),
    #[error("{0} was not left for a copy: there is nothing to reopen")]
    NotLeft(String),
    #[error(
        "{other} is a state that can be used, and answers that went out from there are not known in {place}. If it never was \
         used, remove it first or say --force"
    )]
    InUse { place: String, other: String },
}

impl Place {
    /// For people.
    pub fn name(&self) -> String {
        match self {
            Self::Local(dir) => format!("the state folder {}", dir.display()),
            Self::Postgres(settings) => format!("the schema {} of the database", settings.schema),
        }
    }

    /// Whatever its mark says.
    async fn open(&self) -> Result<Store, CopyError> {
        Ok(match self {
            Self::Local(dir) => Store::Embedded(Records::open_marked(dir, Settings::default())?),
            Self::Postgres(settings) => Store::Postgres(Postgres::connect_marked(settings).await?),
        })
    }

    fn remedy(&self) -> String {
        match self {
            Self::Local(dir) => format!("move {} away, or name another folder (state.path)", dir.display()),
            Self::Postgres(settings) => format!(
                "name another schema (state.postgres.schema), or, if nothing in it is needed, `drop schema {} cascade`",
                settings.schema
            ),
        }
    }
}

/// Copies all that `from` has into `to`, which is empty or has what a killed copy left. `told` hears how far it is.
pub async fn copy(
    from: &Place,
    to: &Place,
    now_ms: i64,
    told: &mut (dyn FnMut(Step) + Send),
) -> Result<Copied, CopyError> {
    let source = open_source(from).await?;
    let target = open_target(to).await?;
    let left = Mark::Left { since_ms: now_ms, to: to.name() };
    // The daemon does so at its start, too.
    source.set_actions_aside().await?;
    // The mark is set in two steps, so it may stand although this fails.
    let done = match source.set_mark(Some(&left)).await {
        Ok(()) => fill(&source, &target, now_ms, told).await,
        Err(error) => Err(error.into()),
    };
    if done.is_err() {
        // If this fails, too, the mark says what to do.
        let _ = source.set_mark(None).await;
    }
    let copied = done?;
    source.finish()?;
    target.finish()?;
    Ok(copied)
}

async fn open_source(from: &Place) -> Result<Store, CopyError> {
    // Opening would make it.
    if matches!(from, Place::Local(dir) if !dir.exists()) {
        return Err(CopyError::Nothing(from.name()));
    }
    let source = from.open().await?;
    refuse_running(&source, from).await?;
    if let Some(mark @ Mark::Unfinished { .. }) = source.mark().await? {
        return Err(CopyError::Marked { place: from.name(), mark });
    }
    if source.is_incomplete() {
        return Err(CopyError::Incomplete(from.name()));
    }
    if source.counts().await?.total() == 0 {
        return Err(CopyError::Nothing(from.name()));
    }
    Ok(source)
}

/// Opens it, and marks it as unfinished.
async fn open_target(to: &Place) -> Result<Store, CopyError> {
    let target = to.open().await?;
    refuse_running(&target, to).await?;
    match target.mark().await? {
        Some(Mark::Unfinished { .. }) => target.clear().await?,
        _ if target.counts().await?.total() > 0 => {
            return Err(CopyError::NotEmpty { place: to.name(), remedy: to.remedy() });
        }
        Some(mark) => return Err(CopyError::Marked { place: to.name(), mark }),
        None => {}
    }
    Ok(target)
}

async fn refuse_running(store: &Store, place: &Place) -> Result<(), CopyError> {
    match store.running().await? {
        Some((id, ago)) => Err(CopyError::Running { id, place: place.name(), ago }),
        None => Ok(()),
    }
}

async fn fill(
    source: &Store,
    target: &Store,
    now_ms: i64,
    told: &mut (dyn FnMut(Step) + Send),
) -> Result<Copied, CopyError> {
    target.set_mark(Some(&Mark::Unfinished { since_ms: now_ms })).await?;
    let counts = source.counts().await?;
    told(Step::Total(counts.total()));
    let (mut reader, mut sample) = (Reader::new(source, now_ms), Sample::default());
    let (mut copied, mut epoch) = (Counts::default(), 0);
    while let Some(batch) = reader.next().await? {
        target.put(&batch).await?;
        sample.add(&batch);
        copied.add(batch.counts());
        epoch = epoch.max(batch.epoch());
        told(Step::More(batch.counts().total()));
    }
    target.end_of_copy(source.greatest_seq().await?, epoch).await?;
    let unreadable = reader.unreadable();
    check_counts(counts, copied, target.counts().await?, unreadable)?;
    let compared = sample.compare(source, target).await?;
    target.set_mark(None).await?;
    Ok(Copied { counts: copied, unreadable, compared })
}

/// What was found, what was read and what stands in the target now.
fn check_counts(
    found: Counts,
    read: Counts,
    written: Counts,
    unreadable: Unreadable,
) -> Result<(), CopyError> {
    let expected = Counts {
        // Bodies and notes without a record that names them are of no use.
        bodies: read.bodies,
        notes: read.notes,
        responses: found.responses - unreadable.responses,
        values: found.values - unreadable.values,
        ..found
    };
    for ((name, expected), ((_, read), (_, written))) in
        expected.named().into_iter().zip(read.named().into_iter().zip(written.named()))
    {
        if read != expected || written != expected {
            return Err(CopyError::Differs(format!(
                "{name}: {expected} there, {read} read, {written} written"
            )));
        }
    }
    Ok(())
}

/// Gives a state free that was left for a copy that is not used. Refused if `other` can be used, or nobody knows that,
/// unless it is forced.
pub async fn reopen(place: &Place, other: &Place, force: bool) -> Result<(), CopyError> {
    let store = place.open().await?;
    match store.mark().await? {
        Some(Mark::Left { .. }) => {}
        Some(mark) => return Err(CopyError::Marked { place: place.name(), mark }),
        None => return Err(CopyError::NotLeft(place.name())),
    }
    if !force && is_usable(other).await? {
        return Err(CopyError::InUse { place: place.name(), other: other.name() });
    }
    store.set_mark(None).await?;
    Ok(store.finish()?)
}

async fn is_usable(place: &Place) -> Result<bool, CopyError> {
    if matches!(place, Place::Local(dir) if !dir.exists()) {
        return Ok(false);
    }
    let store = place.open().await?;
    Ok(store.mark().await?.is_none() && store.counts().await?.total() > 0)
}

/// A walk over the records of either store.
enum Reader<'a> {
    Embedded(RecordsReader<'a>),
    Postgres(postgres::CopyReader<'a>),
}

impl<'a> Reader<'a> {
    fn new(store: &'a Store, now_ms: i64) -> Self {
        match store {
            Store::Embedded(records) => Self::Embedded(RecordsReader::new(records, now_ms)),
            Store::Postgres(records) => Self::Postgres(postgres::CopyReader::new(records, now_ms)),
        }
    }

    async fn next(&mut self) -> Result<Option<Batch>, StoreError> {
        match self {
            Self::Embedded(reader) => reader.next(),
            Self::Postgres(reader) => reader.next().await,
        }
    }

    fn unreadable(&self) -> Unreadable {
        match self {
            Self::Embedded(reader) => reader.unreadable,
            Self::Postgres(reader) => reader.unreadable,
        }
    }
}
