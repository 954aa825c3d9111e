//! A term: the workers run while the lease is renewed.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::sleep;
use tracing::{info, warn};

use crate::workers::terms::{Held, Term, Terms, millis, now_ms};
use crate::workers::{Current, Daemon};

/// The pause after a beat that failed.
const AGAIN: Duration = Duration::from_millis(100);

impl Terms {
    /// Works until the term ends. False when a worker failed; then the process must not go on.
    pub(super) async fn lead(&self, current: &Current, term: Term) -> bool {
        // The kernel's timer is disarmed only when no worker is left.
        let Term { epoch, shared, ended, mut held } = term;
        current.is(shared.clone());
        let work = self.token.child_token();
        let daemon = Daemon::start(shared, work.clone());
        info!(epoch, "this instance works");
        let mut beating = Box::pin(self.beat(Some(current), &mut held));
        let mut beats = true;
        tokio::select! {
            () = work.cancelled() => {}
            () = ended.cancelled() => {}
            () = &mut beating => beats = false,
        }
        if !self.stops() {
            warn!(epoch, "the term is over: calls in flight are cut off");
            daemon.abandon().await;
            return !self.failed();
        }
        // Calls in flight may end, so the lease is renewed meanwhile.
        let cut = daemon.cut();
        let mut stopping = Box::pin(daemon.stop());
        let clean = tokio::select! {
            clean = &mut stopping => clean,
            () = &mut beating, if beats => {
                cut.cancel();
                stopping.await
            }
        };
        drop(beating);
        drop(held);
        if let Err(error) = self.lease.release(epoch, self.limit()).await {
            warn!(%error, "the lease could not be given back: the others wait for its end");
        }
        if self.failed() {
            self.token.cancel();
        }
        clean
    }

    fn failed(&self) -> bool {
        self.process.failed.load(Ordering::SeqCst)
    }

    /// Whether the process ends, and not only the term.
    fn stops(&self) -> bool {
        self.token.is_cancelled() || self.failed()
    }

    /// Renews the lease. Returns when it may be lost; the kernel's timer runs on then. `current` is told what is seen of
    /// the other instances; none: the term is only beginning.
    pub(super) async fn beat(&self, current: Option<&Current>, held: &mut Held) {
        let epoch = held.epoch;
        loop {
            sleep(millis(held.beaten_ms + self.times.beat_ms - now_ms())).await;
            let sent_ms = now_ms();
            let left_ms = held.beaten_ms + self.times.step_down_ms - sent_ms;
            if left_ms <= 0 {
                return warn!(epoch, "the lease could not be renewed in time");
            }
            match self.lease.beat(epoch, self.limit().min(millis(left_ms))).await {
                Ok(true) => {
                    held.beaten_ms = sent_ms;
                    if !held.deadline.moves_to(sent_ms + self.times.end_ms) {
                        return warn!(epoch, "the end of the lease could not be moved");
                    }
                    if let Some(current) = current {
                        self.look_round(current, epoch).await;
                    }
                }
                Ok(false) => return warn!(epoch, "another instance has the lease"),
                Err(error) => {
                    warn!(epoch, %error, "a beat was not answered");
                    if let Some(current) = current {
                        self.not_seen(current, &error);
                    }
                    sleep(AGAIN).await;
                }
            }
        }
    }
}
