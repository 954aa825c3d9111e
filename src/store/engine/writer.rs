//! Every write to sled goes through here, one after the other and not faster than the disk.
//!
//! sled writes its log on a pool of seven threads that never grows under load. Extending the file waits, with the
//! lock of the space accounting held, for an earlier truncation, which is a job of the same pool; each finished
//! write needs that lock, too. So seven queued writes and one truncation behind them dead-lock the database for
//! good (seen with sled 0.34.7: `SegmentAccountant::bump_tip` against `sa_stabilize`). Two rules keep clear of it:
//! no sled transactions or batches, each of which queues two writes, and a flush before so much was written that
//! it may fill the pool.

use sled::{Db, Tree};

/// Two of sled's 512 KiB buffers. The committer and sled's own flusher add one write each.
const UNFLUSHED: u64 = 1 << 20;
/// What a write costs in the log besides its bytes: every tenth change rewrites a page of sixteen entries.
const OVERHEAD: u64 = 8 << 10;

pub(super) struct Writer {
    db: Db,
    unflushed: u64,
}

impl Writer {
    pub fn new(db: Db) -> Self {
        Self { db, unflushed: 0 }
    }

    pub fn put(&mut self, tree: &Tree, key: &[u8], value: &[u8]) -> sled::Result<()> {
        tree.insert(key, value)?;
        self.account(key.len() + value.len())
    }

    pub fn remove(&mut self, tree: &Tree, key: &[u8]) -> sled::Result<()> {
        tree.remove(key)?;
        self.account(key.len())
    }

    fn account(&mut self, bytes: usize) -> sled::Result<()> {
        self.unflushed += bytes as u64 + OVERHEAD;
        if self.unflushed >= UNFLUSHED {
            self.db.flush()?;
            self.unflushed = 0;
        }
        Ok(())
    }
}
