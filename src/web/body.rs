//! Reading a body: not too long, not too slowly, and not too many at once.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, HttpBody as _};
use axum::http::{HeaderMap, header};
use http_body_util::BodyExt as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Limits;

/// A body of unknown length gets this much room to begin with.
const ROOM: u64 = 64 << 10;

/// Why there is no body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unread {
    TooLong,
    TooSlow,
    /// The sender went away.
    Cut,
    /// Others fill the memory that bodies may have.
    Busy,
}

/// How bodies are read at one door.
#[derive(Debug, Clone)]
pub struct Reader {
    longest: usize,
    time: Duration,
    linger: Duration,
    memory: Arc<Semaphore>,
}

/// The exact bytes of a body.
pub struct Taken {
    pub bytes: Vec<u8>,
    /// The memory that they take of what all have.
    memory: Option<OwnedSemaphorePermit>,
}

impl Reader {
    pub fn new(longest: usize, limits: &Limits) -> Self {
        let memory = limits.bodies.max(longest).min(Semaphore::MAX_PERMITS);
        Self {
            longest,
            time: limits.body_time,
            linger: limits.linger,
            memory: Arc::new(Semaphore::new(memory)),
        }
    }

    /// Reads a body to its end.
    pub async fn read(&self, headers: &HeaderMap, mut body: Body) -> Result<Taken, Unread> {
        let read =
            tokio::time::timeout(self.time, self.take(&mut body)).await.unwrap_or(Err(Unread::TooSlow));
        // Who expects a word before sending has sent nothing.
        if matches!(read, Err(Unread::TooLong)) && !headers.contains_key(header::EXPECT) {
            let _ = tokio::time::timeout(self.linger, self.drain(&mut body)).await;
        }
        read
    }

    async fn take(&self, body: &mut Body) -> Result<Taken, Unread> {
        let declared = body.size_hint().lower();
        if declared > self.longest as u64 {
            return Err(Unread::TooLong);
        }
        let room = usize::try_from(declared.min(ROOM)).unwrap_or_default();
        let mut taken = Taken { bytes: Vec::with_capacity(room), memory: None };
        while let Some(frame) = body.frame().await {
            let Ok(chunk) = frame.map_err(|_| Unread::Cut)?.into_data() else { continue };
            if taken.bytes.len() + chunk.len() > self.longest {
                return Err(Unread::TooLong);
            }
            taken.reserve(&self.memory, chunk.len())?;
            taken.bytes.extend_from_slice(&chunk);
        }
        Ok(taken)
    }

    /// Reads on without keeping anything, up to a few bodies' length.
    async fn drain(&self, body: &mut Body) {
        let mut left = self.longest.saturating_mul(4);
        while let Some(Ok(frame)) = body.frame().await {
            let length = frame.data_ref().map_or(0, hyper::body::Bytes::len);
            match left.checked_sub(length) {
                Some(less) => left = less,
                None => return,
            }
        }
    }
}

impl Taken {
    fn reserve(&mut self, memory: &Arc<Semaphore>, bytes: usize) -> Result<(), Unread> {
        let count = u32::try_from(bytes).map_err(|_| Unread::TooLong)?;
        let more = memory.clone().try_acquire_many_owned(count).map_err(|_| Unread::Busy)?;
        match &mut self.memory {
            Some(held) => held.merge(more),
            none => *none = Some(more),
        }
        Ok(())
    }
}
