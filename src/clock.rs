//! The only place that asks for the time.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::Timestamp;

/// Wall-clock time, real or moved by hand.
#[derive(Debug, Clone)]
pub enum Clock {
    System,
    /// Milliseconds since the epoch.
    Manual(Arc<AtomicI64>),
}

impl Clock {
    pub fn now(&self) -> Timestamp {
        match self {
            #[expect(clippy::disallowed_methods, reason = "the one place")]
            Self::System => Timestamp::now(),
            Self::Manual(millis) => Timestamp::from_millisecond(millis.load(Ordering::SeqCst))
                .expect("a moved clock stays within the calendar"),
        }
    }

    /// Milliseconds since the epoch.
    pub fn now_ms(&self) -> i64 {
        self.now().as_millisecond()
    }
}
