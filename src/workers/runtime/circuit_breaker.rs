//! Whether a remote may be called now. A pause of one remote never stops calls to the other.

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;

use crate::http::Failure;
use crate::workers::runtime::retry::{DAILY, LOGIN, REMOTE, interval, millis};

/// One remote's circuit breaker, shared by all its callers.
#[derive(Debug)]
pub struct CircuitBreaker {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    failures: u32,
    until_ms: i64,
    last_ok_ms: Option<i64>,
    trouble: Option<Trouble>,
}

/// Why calls to a remote pause, for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Trouble {
    pub code: String,
    /// What it means and what to do; never a customer's text.
    pub advice: String,
    pub since_ms: i64,
    pub retry_at_ms: i64,
}

impl Default for CircuitBreaker {
    fn default() -> Self {
        Self::new()
    }
}

impl CircuitBreaker {
    pub fn new() -> Self {
        Self { state: Mutex::new(State::default()) }
    }

    /// Until when calls pause (milliseconds); `None` when calls are allowed.
    pub fn paused_until(&self, now_ms: i64) -> Option<i64> {
        let state = self.lock();
        (state.until_ms > now_ms).then_some(state.until_ms)
    }

    pub fn succeeded(&self, now_ms: i64) {
        let mut state = self.lock();
        state.failures = 0;
        state.until_ms = 0;
        state.last_ok_ms = Some(now_ms);
        state.trouble = None;
    }

    /// Notes a failure of the remote as a whole; returns until when calls pause (milliseconds).
    pub fn failed(&self, failure: &Failure, now_ms: i64) -> i64 {
        let (policy, asked) = match failure {
            Failure::Login { .. } | Failure::WrongSession { .. } | Failure::Configuration { .. } => {
                (LOGIN, None)
            }
            Failure::Busy { daily_limit: true, retry_after, .. } => (DAILY, *retry_after),
            Failure::Busy { retry_after, .. } => (REMOTE, *retry_after),
            Failure::Budget => (DAILY, None),
            _ => (REMOTE, None),
        };
        let mut state = self.lock();
        // Calls that were in flight together fail together: they count as one failure, and the first gives the reason.
        let together = state.until_ms > now_ms;
        let failures = state.failures - u32::from(together && state.failures > 0);
        let until_ms = now_ms + millis(interval(policy, failures, asked));
        if together && (until_ms <= state.until_ms || matches!(failure, Failure::SessionOver(_))) {
            return state.until_ms;
        }
        state.failures = failures + 1;
        state.until_ms = state.until_ms.max(until_ms);
        let since_ms = state.trouble.as_ref().map_or(now_ms, |t| t.since_ms);
        let retry_at_ms = state.until_ms;
        let code = failure.code();
        state.trouble = Some(Trouble { code, advice: advice(failure), since_ms, retry_at_ms });
        retry_at_ms
    }

    /// Allows calls at once, after a change of the configuration.
    pub fn reopen(&self) {
        self.lock().until_ms = 0;
    }

    pub fn trouble(&self) -> Option<Trouble> {
        self.lock().trouble.clone()
    }

    /// Whether the last call worked.
    pub fn is_well(&self) -> bool {
        let state = self.lock();
        state.trouble.is_none() && state.last_ok_ms.is_some()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a person can do about it.
fn advice(failure: &Failure) -> String {
    match failure {
        Failure::Login { advice, .. }
        | Failure::WrongSession { advice, .. }
        | Failure::Configuration { advice, .. } => advice.clone(),
        Failure::Busy { daily_limit: true, .. } => {
            "The org's daily API limit is used up; it is tried again now and then. \
             See Setup, System Overview, API usage."
                .to_owned()
        }
        Failure::Budget => "This connector's own budget (salesforce.api_calls_per_day) is used up; \
                            it goes on as soon as calls of the last 24 hours expire."
            .to_owned(),
        Failure::Busy { .. } => "It asks to come later.".to_owned(),
        Failure::NotSent(_) => "It cannot be reached: check the address and the network.".to_owned(),
        Failure::NoAnswer(_) => "It does not answer as it should; nothing is lost meanwhile.".to_owned(),
        Failure::Road(_) => {
            "Something on the way answers in its place, or its address has moved: check proxies, \
                             firewalls and the address; nothing is lost meanwhile."
                .to_owned()
        }
        Failure::SessionOver(_) => "The session ended; the next call logs in again.".to_owned(),
        Failure::Store(_) => "Our own store does not work.".to_owned(),
        Failure::Refused { status, .. } => format!("It refuses with status {status}."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_that_fail_together_are_one_failure() {
        let breaker = CircuitBreaker::new();
        let refused = Failure::login("other_org", "the wrong one");
        let first_ms = breaker.failed(&refused, 0);
        for _ in 0..20 {
            assert!(breaker.failed(&refused, 1) <= millis(LOGIN.first.mul_f64(1.31)) + 1);
        }
        breaker.failed(&Failure::SessionOver("x".into()), 2);
        assert_eq!(breaker.trouble().unwrap().code, "other_org");
        let second_ms = breaker.failed(&refused, 60_000) - 60_000;
        assert!(second_ms > first_ms && second_ms <= millis(LOGIN.first.mul_f64(2.62)), "{second_ms}");
        let busy = Failure::Busy { reason: String::new(), retry_after: None, daily_limit: true };
        assert!(breaker.failed(&busy, 60_001) > 60_001 + 80_000, "a longer pause counts");
        assert_eq!(breaker.trouble().unwrap().code, "daily_limit");
    }
}
