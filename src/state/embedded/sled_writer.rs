//! All writes to sled, one after the other and not faster than the disk.
//!
//! sled writes its log on a pool of seven threads that never grows under load. Extending the file holds the lock of the
//! space accounting while it waits for an earlier truncation, which is a job of the same pool. Each finished write
//! needs that lock, too. So seven queued writes and one truncation behind them deadlock the database for good (seen
//! with sled 0.34.7: `SegmentAccountant::bump_tip` against `sa_stabilize`). Two rules avoid it: no sled transactions or
//! batches, because each queues two writes, and a flush before the unflushed bytes may fill the pool. No other code
//! flushes: the journal provides durability.
//!
//! The size of the live entries is counted here and stored in sled, so that a start need not read everything.

use sled::{Db, IVec, Tree};

/// Two of sled's 512 KiB buffers.
const UNFLUSHED: usize = 1 << 20;
/// Rough disk cost of an entry besides its bytes.
const ENTRY: usize = 128;
const LIVE_KEY: &[u8] = b"\0live";

/// A write costs its bytes in the log and some overhead. At every tenth change of a page sled also rewrites the page:
/// up to sixteen entries of about this size.
fn cost(bytes: usize) -> usize {
    4 * bytes + 1024
}

pub(super) struct Writer {
    db: Db,
    unflushed: usize,
    /// Size of all entries in bytes, roughly.
    live: i64,
    /// How many writes succeed before the injected crash.
    #[cfg(test)]
    pub left: Option<usize>,
}

impl Writer {
    /// `live`: the stored size, see [`live`].
    pub fn new(db: Db, live: i64) -> Self {
        Self {
            db,
            unflushed: 0,
            live,
            #[cfg(test)]
            left: None,
        }
    }

    /// Returns the previous value.
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

    /// Stores the live size. After a crash the stored size may be an earlier one, off by at most the writes since then:
    /// replaying a write does not change the size.
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

/// What an entry adds to the live size.
pub(super) fn size(key: &[u8], value: &[u8]) -> i64 {
    i64::try_from(key.len() + value.len() + ENTRY).unwrap_or(i64::MAX)
}

/// Size of all entries in bytes, roughly, as stored by [`Writer::note_live`].
pub(super) fn live(state: &Tree) -> sled::Result<i64> {
    let noted = state.get(LIVE_KEY)?;
    Ok(noted.and_then(|noted| noted.as_ref().try_into().ok()).map_or(0, i64::from_be_bytes))
}
