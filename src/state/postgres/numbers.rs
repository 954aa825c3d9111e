//! Numbers of new actions: odd ones from a block that this process reserved. Events and notes get even ones from the
//! database's sequence when they are written, so that their order is that of their arrival over all instances.

use std::sync::atomic::{AtomicU64, Ordering};

/// Numbers in a block: more than a process ever takes.
const BLOCK: u64 = 1 << 32;

/// What is left of a block.
pub(super) struct Numbers {
    next: AtomicU64,
}

impl Numbers {
    pub(super) fn of_block(block: u64) -> Self {
        Self { next: AtomicU64::new(block.saturating_mul(BLOCK)) }
    }

    pub(super) fn next(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed) * 2 + 1
    }
}
