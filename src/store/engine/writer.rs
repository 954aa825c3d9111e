//! Every write to sled goes through here, one after the other and not faster than the disk.
//!
//! sled writes its log on a pool of seven threads that never grows under load. Extending the file waits, with the
//! lock of the space accounting held, for an earlier truncation, which is a job of the same pool; each finished
//! write needs that lock, too. So seven queued writes and one truncation behind them dead-lock the database for
//! good (seen with sled 0.34.7: `SegmentAccountant::bump_tip` against `sa_stabilize`). Two rules keep clear of it:
//! no sled transactions or batches, each of which queues two writes, and a flush before so much was written that
//! it may fill the pool. Nobody else flushes: durability is the journal's.

use sled::{Db, IVec, Tree};

/// Two of sled's 512 KiB buffers.
const UNFLUSHED: usize = 1 << 20;
/// A write costs its bytes in the log, some more around them, and at every tenth change of a page, all of its up to
/// sixteen entries, which are like this one.
fn cost(bytes: usize) -> usize {
    4 * bytes + 1024
}

pub(super) struct Writer {
    db: Db,
    unflushed: usize,
    /// Writes until the crash that a test asks for.
    #[cfg(test)]
    pub left: usize,
}

impl Writer {
    pub fn new(db: Db) -> Self {
        Self {
            db,
            unflushed: 0,
            #[cfg(test)]
            left: usize::MAX,
        }
    }

    /// Gives what was there before.
    pub fn put(&mut self, tree: &Tree, key: &[u8], value: &[u8]) -> sled::Result<Option<IVec>> {
        self.account(key.len() + value.len())?;
        tree.insert(key, value)
    }

    pub fn remove(&mut self, tree: &Tree, key: &[u8]) -> sled::Result<Option<IVec>> {
        self.account(key.len())?;
        tree.remove(key)
    }

    fn account(&mut self, bytes: usize) -> sled::Result<()> {
        #[cfg(test)]
        {
            self.left = self.left.checked_sub(1).ok_or(sled::Error::Unsupported("a crash".into()))?;
        }
        self.unflushed += cost(bytes);
        if self.unflushed >= UNFLUSHED {
            self.db.flush()?;
            self.unflushed = 0;
        }
        Ok(())
    }
}
