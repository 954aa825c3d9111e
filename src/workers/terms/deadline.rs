//! The kernel's timer that ends this process at the end of its lease.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::{SigEvent, SigevNotify, Signal};
use nix::sys::time::TimeSpec;
use nix::sys::timer::{Expiration, Timer, TimerSetTimeFlags};
use nix::time::ClockId;

use crate::mutant;
use crate::state::StoreError;
use crate::workers::terms::now_ms;

/// Times that wait for the thread. Each replaces the one before, and a beat sends one.
const WAITING: usize = 4;

/// Ends the process with SIGKILL when its time has come, even if the process is stopped. Dropping it disarms it.
///
/// Its clock goes on while the machine sleeps: a process that wakes up after that does not execute another instruction.
/// The timer cannot be moved between threads, so it has one of its own.
pub(super) struct Deadline {
    times: Option<SyncSender<i64>>,
    thread: Option<JoinHandle<()>>,
}

impl Deadline {
    /// At this steady time (milliseconds).
    pub(super) fn at(at_ms: i64) -> Result<Self, StoreError> {
        let (times, waiting) = sync_channel(WAITING);
        let (set, armed) = sync_channel(1);
        let run = move || {
            let armed = armed_timer(at_ms);
            let answered = set.send(armed.as_ref().map(drop).map_err(|error| *error));
            if let (Ok(()), Ok(timer)) = (answered, armed) {
                keep(timer, &waiting);
            }
        };
        let thread = Builder::new().name("lease".to_owned()).spawn(run);
        let thread = thread.map_err(|error| unavailable(&error))?;
        let deadline = Self { times: Some(times), thread: Some(thread) };
        match armed.recv() {
            Ok(Ok(())) => Ok(deadline),
            Ok(Err(error)) => Err(unavailable(&error)),
            Err(error) => Err(unavailable(&error)),
        }
    }

    /// Another time. False if it could not be set; then the one before holds.
    pub(super) fn moves_to(&self, at_ms: i64) -> bool {
        self.times.as_ref().is_some_and(|times| times.try_send(at_ms).is_ok())
    }
}

impl Drop for Deadline {
    fn drop(&mut self) {
        // After a panic nobody knows what still runs of the term, so the timer stays.
        if std::thread::panicking() {
            std::mem::forget(self.times.take());
            return;
        }
        self.times = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Sets each time that comes, until none can come any more. Then the timer goes with this thread's end.
fn keep(mut timer: Timer, moves: &Receiver<i64>) {
    while let Ok(at_ms) = moves.recv() {
        if let Err(error) = set(&mut timer, at_ms) {
            tracing::error!(%error, "the timer for the end of the lease could not be set anew");
        }
    }
}

fn armed_timer(at_ms: i64) -> Result<Timer, Errno> {
    let kill = SigEvent::new(SigevNotify::SigevSignal { signal: Signal::SIGKILL, si_value: 0 });
    let mut timer = Timer::new(ClockId::CLOCK_BOOTTIME, kill)?;
    set(&mut timer, at_ms)?;
    Ok(timer)
}

fn set(timer: &mut Timer, at_ms: i64) -> Result<(), Errno> {
    if mutant::is_on("skip-timer") {
        return Ok(());
    }
    // A time of 0 would disarm it.
    let left = u64::try_from(at_ms - now_ms()).unwrap_or_default().max(1);
    let expiration = Expiration::OneShot(TimeSpec::from_duration(Duration::from_millis(left)));
    timer.set(expiration, TimerSetTimeFlags::empty())
}

fn unavailable(error: &dyn std::error::Error) -> StoreError {
    StoreError::Unavailable(format!("the kernel gives no timer for the end of the lease ({error})"))
}
