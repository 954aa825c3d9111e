//! Every write to sled goes through here, one after the other and not faster than the disk.
//!
//! sled writes its log on a pool of seven threads that never grows under load. Extending the file waits, with the
//! lock of the space accounting held, for an earlier truncation, which is a job of the same pool; each finished
//! write needs that lock, too. So seven queued writes and one truncation behind them dead-lock the database for
//! good (seen with sled 0.34.7: `SegmentAccountant::bump_tip` against `sa_stabilize`). Two rules keep clear of it:
//! no sled transactions or batches, each of which queues two writes, and a flush before so much was written that
//! it may fill the pool. Nobody else flushes: durability is the journal's.
//!
//! What lives is counted here, too, and noted in sled: to count it at a start, all of it would have to be read.

use sled::{Db, IVec, Tree};

/// Two of sled's 512 KiB buffers.
const UNFLUSHED: usize = 1 << 20;
/// What sled needs on disk for an entry besides its bytes, roughly.
const ENTRY: usize = 128;
const LIVE_KEY: &[u8] = b"\0live";

/// A write costs its bytes in the log, some more around them, and at every tenth change of a page, all of its up to
/// sixteen entries, which are like this one.
fn cost(bytes: usize) -> usize {
    4 * bytes + 1024
}

pub(super) struct Writer {
    db: Db,
    unflushed: usize,
    /// Bytes of all entries, roughly.
    live: i64,
    /// Writes until the crash that a test asks for.
    #[cfg(test)]
    pub left: Option<usize>,
}

impl Writer {
    /// `live`: what was there before, see [`Writer::note_live`].
    pub fn new(db: Db, live: i64) -> Self {
        Self {
            db,
            unflushed: 0,
            live,
            #[cfg(test)]
            left: None,
        }
    }

    /// Gives what was there before.
    pub fn put(&mut self, tree: &Tree, key: &[u8], value: &[u8]) -> sled::Result<Option<IVec>> {
        self.account(key.len() + value.len())?;
        let before = tree.insert(key, value)?;
        self.live += size(key, value) - before.as_deref().map_or(0, |before| size(key, before));
        Ok(before)
    }

    pub fn remove(&mut self, tree: &Tree, key: &[u8]) -> sled::Result<Option<IVec>> {
        self.account(key.len())?;
        let before = tree.remove(key)?;
        self.live -= before.as_deref().map_or(0, |before| size(key, before));
        Ok(before)
    }

    /// Writes down how much lives. A crash before sled has it on disk leaves the count of a moment before, off by at
    /// most what was written since: what is written again counts nothing.
    pub fn note_live(&mut self, state: &Tree) -> sled::Result<()> {
        let live = self.live.max(0).to_be_bytes();
        self.put(state, LIVE_KEY, &live).map(drop)
    }

    fn account(&mut self, bytes: usize) -> sled::Result<()> {
        #[cfg(test)]
        {
            if let Some(left) = &mut self.left {
                *left = left.checked_sub(1).ok_or(sled::Error::Unsupported("a crash".into()))?;
            }
        }
        self.unflushed += cost(bytes);
        if self.unflushed >= UNFLUSHED {
            self.db.flush()?;
            self.unflushed = 0;
        }
        Ok(())
    }
}

/// What an entry counts.
pub(super) fn size(key: &[u8], value: &[u8]) -> i64 {
    i64::try_from(key.len() + value.len() + ENTRY).unwrap_or(i64::MAX)
}

/// Bytes of all entries, roughly, as [`Writer::note_live`] left them.
pub(super) fn live(state: &Tree) -> sled::Result<i64> {
    let noted = state.get(LIVE_KEY)?;
    Ok(noted.and_then(|noted| noted.as_ref().try_into().ok()).map_or(0, i64::from_be_bytes))
}
