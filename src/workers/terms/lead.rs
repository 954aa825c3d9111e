//! A term: the workers run while the lease is renewed.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::sleep;
use tracing::{info, warn};

use crate::workers::terms::{Deadline, Term, Terms, millis, now_ms};
use crate::workers::{Current, Daemon};

/// The pause after a beat that failed.
const AGAIN: Duration = Duration::from_millis(100);

impl Terms {
    /// Works until the term ends. False when a worker failed; then the process must not go on.
    pub(super) async fn lead(&self, current: &Current, term: Term) -> bool {
        let Term { epoch, shared, ended, deadline, beaten_ms } = term;
        current.is(shared.clone());
        let work = self.token.child_token();
        let daemon = Daemon::start(shared, work.clone());
        info!(epoch, "this instance works");
        // Whoever drops it disarms the kernel's timer: only when no worker is left.
        let mut beating = Box::pin(self.beat(current, epoch, deadline, beaten_ms));
        let mut deadline = None;
        tokio::select! {
            () = work.cancelled() => {}
            () = ended.cancelled() => {}
            armed = &mut beating => deadline = Some(armed),
        }
        if !self.stops() {
            warn!(epoch, "the term is over: calls in flight are cut off");
            daemon.abandon().await;
            drop((beating, deadline));
            return !self.failed();
        }
        // Calls in flight may end, so the lease is renewed meanwhile.
        let cut = daemon.cut();
        let mut stopping = Box::pin(daemon.stop());
        let clean = tokio::select! {
            clean = &mut stopping => clean,
            _armed = &mut beating, if deadline.is_none() => {
                cut.cancel();
                stopping.await
            }
        };
        drop((beating, deadline));
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

    /// Renews the lease. Returns when it may be lost; the kernel's timer runs on then.
    async fn beat(&self, current: &Current, epoch: i64, deadline: Deadline, mut beaten_ms: i64) -> Deadline {
        loop {
            sleep(millis(beaten_ms + self.times.beat_ms - now_ms())).await;
            let sent_ms = now_ms();
            let left_ms = beaten_ms + self.times.step_down_ms - sent_ms;
            if left_ms <= 0 {
                warn!(epoch, "the lease could not be renewed in time");
                return deadline;
            }
            match self.lease.beat(epoch, self.limit().min(millis(left_ms))).await {
                Ok(true) => {
                    beaten_ms = sent_ms;
                    if !deadline.moves_to(sent_ms + self.times.end_ms) {
                        warn!(epoch, "the end of the lease could not be moved");
                        return deadline;
                    }
                    self.look_round(current, epoch).await;
                }
                Ok(false) => {
                    warn!(epoch, "another instance has the lease");
                    return deadline;
                }
                Err(error) => {
                    warn!(epoch, %error, "a beat was not answered");
                    self.not_seen(current, &error);
                    sleep(AGAIN).await;
                }
            }
        }
    }
}
