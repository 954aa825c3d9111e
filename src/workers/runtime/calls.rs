//! How calls to the remotes ended: it is counted, begins a pause or ends it.

use tracing::{info, warn};

use crate::http::{Concerns, Failure};
use crate::workers::{CircuitBreaker, Shared};

/// The daemon ends the process if the store is broken; until then the step waits this long (milliseconds).
const OUR_PAUSE_MS: i64 = 1_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Remote {
    Salesforce,
    Goodays,
}

impl Remote {
    /// In logs and metrics.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Salesforce => "salesforce",
            Self::Goodays => "goodays",
        }
    }
}

impl Shared {
    pub(crate) fn breaker(&self, remote: Remote) -> &CircuitBreaker {
        match remote {
            Remote::Salesforce => &self.salesforce_breaker,
            Remote::Goodays => &self.goodays_breaker,
        }
    }

    /// Notes how a call ended; returns until when calls pause (milliseconds).
    pub(crate) fn call_ended<T>(
        &self,
        remote: Remote,
        result: &Result<T, Failure>,
        began_ms: i64,
    ) -> Option<i64> {
        match result {
            Ok(_) => {
                self.call_succeeded(remote, began_ms);
                None
            }
            Err(failure) => self.call_failed(remote, failure, began_ms),
        }
    }

    pub(crate) fn call_succeeded(&self, remote: Remote, began_ms: i64) {
        let now_ms = self.clock.now_ms();
        self.metrics.call(remote.name(), "ok", now_ms - began_ms);
        if self.answers(remote, now_ms) {
            info!(remote = remote.name(), "the remote answers again");
        }
    }

    /// Returns until when calls pause (milliseconds). A refusal of one request is no failure of the remote.
    pub(crate) fn call_failed(&self, remote: Remote, failure: &Failure, began_ms: i64) -> Option<i64> {
        let now_ms = self.clock.now_ms();
        let concerns = failure.concerns();
        if concerns == Concerns::Ourselves {
            warn!(%failure, "this step is done again");
            return Some(now_ms + OUR_PAUSE_MS);
        }
        self.metrics.call(remote.name(), &failure.code(), now_ms - began_ms);
        if concerns == Concerns::ThisRequest {
            self.answers(remote, now_ms);
            return None;
        }
        let until_ms = self.breaker(remote).failed(failure, now_ms);
        let pause_ms = until_ms - now_ms;
        warn!(remote = remote.name(), %failure, pause_ms, "the remote is left alone for a while");
        Some(until_ms)
    }

    /// One worker's success ends the pause of all: those that sleep until its end are woken. Returns whether the last call
    /// had failed.
    fn answers(&self, remote: Remote, now_ms: i64) -> bool {
        let breaker = self.breaker(remote);
        let was_in_trouble = breaker.trouble_with_calls().is_some();
        breaker.succeeded(now_ms);
        if was_in_trouble {
            self.wake_all();
        }
        was_in_trouble
    }

    /// Notes that a remote accepted what was written to it. If writes paused, all that wait for it go on.
    pub(crate) fn writes_accepted(&self, remote: Remote) {
        let breaker = self.breaker(remote);
        if breaker.trouble_with_writes().is_some() {
            info!(remote = remote.name(), "the remote accepts again what is written to it");
            breaker.write_succeeded(self.clock.now_ms());
            self.wake_all();
        }
    }

    /// Notes that a remote refuses all that is written to it: writes pause.
    pub(crate) fn writes_refused(&self, remote: Remote, failure: &Failure) {
        let now_ms = self.clock.now_ms();
        let pause_ms = self.breaker(remote).writes_failed(failure, now_ms) - now_ms;
        warn!(remote = remote.name(), %failure, pause_ms, "nothing is written to the remote for a while");
    }
}
