//! Whether a remote may be called now. A pause of one remote never stops calls to the other.

use std::sync::Mutex;

use serde::Serialize;

use crate::http::Failure;
use crate::sync::lock;
use crate::workers::runtime::retry::{DAILY, LOGIN, REMOTE, interval, millis};

/// One remote's circuit breaker, shared by all its callers. A remote may refuse all that is written to it and still show
/// what it is asked for: then writes pause, and reads go on.
#[derive(Debug, Default)]
pub struct CircuitBreaker {
    calls: Mutex<State>,
    writes: Mutex<State>,
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

impl CircuitBreaker {
    pub fn new() -> Self {
        Self::default()
    }

    /// Until when calls pause (milliseconds); `None` when calls are allowed.
    pub fn paused_until(&self, now_ms: i64) -> Option<i64> {
        lock(&self.calls).paused_until(now_ms)
    }

    /// The same for writes, while reads are allowed.
    pub fn writes_paused_until(&self, now_ms: i64) -> Option<i64> {
        lock(&self.writes).paused_until(now_ms)
    }

    pub fn succeeded(&self, now_ms: i64) {
        lock(&self.calls).succeeded(now_ms);
    }

    /// Notes that the remote accepted a write.
    pub fn write_succeeded(&self, now_ms: i64) {
        lock(&self.writes).succeeded(now_ms);
    }

    /// Notes a failure of the remote as a whole; returns until when calls pause (milliseconds).
    pub fn failed(&self, failure: &Failure, now_ms: i64) -> i64 {
        lock(&self.calls).failed(failure, now_ms)
    }

    /// Notes that the remote refuses all writes; returns until when they pause (milliseconds).
    pub fn writes_failed(&self, failure: &Failure, now_ms: i64) -> i64 {
        lock(&self.writes).failed(failure, now_ms)
    }

    /// Allows calls at once, after a change of the configuration.
    pub fn reopen(&self) {
        lock(&self.calls).until_ms = 0;
        lock(&self.writes).until_ms = 0;
    }

    /// Why calls pause, otherwise why writes do.
    pub fn trouble(&self) -> Option<Trouble> {
        self.trouble_with_calls().or_else(|| self.trouble_with_writes())
    }

    pub fn trouble_with_calls(&self) -> Option<Trouble> {
        lock(&self.calls).trouble.clone()
    }

    pub fn trouble_with_writes(&self) -> Option<Trouble> {
        lock(&self.writes).trouble.clone()
    }

    /// Whether the last call worked, and no writes are refused.
    pub fn is_well(&self) -> bool {
        self.trouble().is_none() && lock(&self.calls).last_ok_ms.is_some()
    }
}

impl State {
    fn paused_until(&self, now_ms: i64) -> Option<i64> {
        (self.until_ms > now_ms).then_some(self.until_ms)
    }

    fn succeeded(&mut self, now_ms: i64) {
        self.failures = 0;
        self.until_ms = 0;
        self.last_ok_ms = Some(now_ms);
        self.trouble = None;
    }

    fn failed(&mut self, failure: &Failure, now_ms: i64) -> i64 {
        let (policy, asked) = match failure {
            Failure::Login { .. } | Failure::WrongSession { .. } | Failure::Configuration { .. } => {
                (LOGIN, None)
            }
            Failure::Busy { daily_limit: true, retry_after, .. } => (DAILY, *retry_after),
            Failure::Busy { retry_after, .. } => (REMOTE, *retry_after),
            Failure::Budget => (DAILY, None),
            _ => (REMOTE, None),
        };
        // Calls that were in flight together fail together: they count as one failure, and the first gives the reason.
        let together = self.until_ms > now_ms;
        let failures = self.failures - u32::from(together && self.failures > 0);
        let until_ms = now_ms + millis(interval(policy, failures, asked));
        if together && (until_ms <= self.until_ms || matches!(failure, Failure::SessionOver(_))) {
            return self.until_ms;
        }
        self.failures = failures + 1;
        self.until_ms = self.until_ms.max(until_ms);
        let since_ms = self.trouble.as_ref().map_or(now_ms, |t| t.since_ms);
        let retry_at_ms = self.until_ms;
        let code = failure.code();
        self.trouble = Some(Trouble { code, advice: advice(failure), since_ms, retry_at_ms });
        retry_at_ms
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
        Failure::NoAnswer(_) | Failure::TooLarge(_) => {
            "It does not answer as it should; nothing is lost meanwhile.".to_owned()
        }
        Failure::Road(_) => {
            "Something on the way answers in its place, or its address has moved: check proxies, \
                             firewalls and the address; nothing is lost meanwhile."
                .to_owned()
        }
        Failure::SessionOver(_) => "The session ended; the next call logs in again.".to_owned(),
        Failure::Store(_) => "Our own store does not work.".to_owned(),
        Failure::Elsewhere(there) => there.clone(),
        Failure::Refused { status, .. } => format!("It refuses with status {status}."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c01_a_read_that_works_says_nothing_of_writes() {
        let breaker = CircuitBreaker::new();
        let refused = Failure::login("status_403", "the role");
        let first_ms = breaker.writes_failed(&refused, 0);
        breaker.succeeded(1);
        assert_eq!((breaker.paused_until(1), breaker.writes_paused_until(1)), (None, Some(first_ms)));
        assert_eq!(breaker.trouble().unwrap().code, "status_403");
        assert!(!breaker.is_well());
        let second_ms = breaker.writes_failed(&refused, 60_000) - 60_000;
        assert!(second_ms > first_ms, "the pause grows: {first_ms}, then {second_ms}");
        breaker.write_succeeded(90_000);
        assert!(breaker.is_well());
    }

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
