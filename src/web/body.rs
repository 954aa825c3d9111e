//! Reads request bodies with limits on length, time and total memory.
//!
//! Large bodies have a memory budget of their own, so they never use up that of ordinary ones. If a budget is used up,
//! the connection with the largest unverified body is closed.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, HttpBody as _};
use axum::http::{HeaderMap, header};
use http_body_util::BodyExt as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Limits;
use super::seats::Seat;
use crate::aside::LARGE;

/// The buffer starts at the declared length, but not above this many bytes.
const ROOM: u64 = 64 << 10;

/// How long to wait for memory that other requests may free.
const PATIENCE: Duration = Duration::from_secs(1);

/// Why a body was not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unread {
    TooLong,
    TooSlow,
    /// The sender closed the connection.
    Cut,
    /// Other bodies use the whole memory budget.
    Busy,
}

/// Reads the bodies of one listener.
#[derive(Debug, Clone)]
pub struct Reader {
    longest: usize,
    time: Duration,
    linger: Duration,
    small: Arc<Semaphore>,
    large: Arc<Semaphore>,
}

/// A body, byte for byte as received.
pub struct Taken {
    pub bytes: Vec<u8>,
    /// Its share of the memory budget.
    memory: Option<OwnedSemaphorePermit>,
}

impl Reader {
    pub fn new(longest: usize, limits: &Limits) -> Self {
        let memory = |bytes: usize| Arc::new(Semaphore::new(bytes.min(Semaphore::MAX_PERMITS)));
        Self {
            longest,
            time: limits.body_time,
            linger: limits.linger,
            small: memory(limits.bodies.max(longest.min(LARGE))),
            large: memory(limits.large_bodies.max(longest)),
        }
    }

    /// Reads a whole body from an authenticated caller.
    pub async fn read(&self, headers: &HeaderMap, body: Body) -> Result<Taken, Unread> {
        self.read_from(headers, body, None).await
    }

    /// Reads a whole body from any caller. `seat` is closed if others need its memory; others may be closed for this
    /// one.
    pub async fn read_from(
        &self,
        headers: &HeaderMap,
        mut body: Body,
        seat: Option<&Seat>,
    ) -> Result<Taken, Unread> {
        let taking = self.take(&mut body, seat);
        let read = tokio::time::timeout(self.time, taking).await.unwrap_or(Err(Unread::TooSlow));
        if matches!(read, Err(Unread::TooLong)) {
            self.pass_over(headers, body).await;
        }
        if let (Err(_), Some(seat)) = (&read, seat) {
            seat.holds(0);
        }
        read
    }

    /// Reads and discards a refused body for a while: a sender that is still sending would not see the response if the
    /// connection were closed.
    pub async fn pass_over(&self, headers: &HeaderMap, mut body: Body) {
        // Clients that send `Expect: 100-continue` have sent no body yet.
        if !headers.contains_key(header::EXPECT) {
            let _ = tokio::time::timeout(self.linger, self.drain(&mut body)).await;
        }
    }

    async fn take(&self, body: &mut Body, seat: Option<&Seat>) -> Result<Taken, Unread> {
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
            taken.reserve(self, chunk.len(), seat).await?;
            taken.bytes.extend_from_slice(&chunk);
            if let Some(seat) = seat {
                seat.holds(taken.bytes.len());
            }
        }
        Ok(taken)
    }

    /// Reserves memory. If there is none, another connection has to free some within [`PATIENCE`], or this fails.
    async fn acquire(
        &self,
        large: bool,
        bytes: usize,
        seat: Option<&Seat>,
    ) -> Result<OwnedSemaphorePermit, Unread> {
        let memory = if large { &self.large } else { &self.small };
        let count = u32::try_from(bytes).map_err(|_| Unread::TooLong)?;
        if let Ok(permit) = memory.clone().try_acquire_many_owned(count) {
            return Ok(permit);
        }
        if let Some(seat) = seat {
            seat.make_room(large);
        }
        let waiting = tokio::time::timeout(PATIENCE, memory.clone().acquire_many_owned(count));
        waiting.await.ok().and_then(Result::ok).ok_or(Unread::Busy)
    }

    /// Discards at most four times the allowed length.
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
    /// Reserves memory for more bytes. A body that has become large moves to the other budget.
    async fn reserve(&mut self, reader: &Reader, more: usize, seat: Option<&Seat>) -> Result<(), Unread> {
        let before = self.bytes.len();
        let large = before + more > LARGE;
        let turns_large = large && before <= LARGE;
        let bytes = if turns_large { before + more } else { more };
        if turns_large {
            self.memory = None;
        }
        let permit = reader.acquire(large, bytes, seat).await?;
        match &mut self.memory {
            Some(held) => held.merge(permit),
            none => *none = Some(permit),
        }
        Ok(())
    }
}
