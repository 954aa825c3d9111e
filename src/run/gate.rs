//! Whether a remote may be called now: a pause on one side never stops the other.

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;

use super::retry::{DAILY, LOGIN, REMOTE, interval, millis};
use crate::http::Failure;

/// One remote's gate, shared by all who call it.
#[derive(Debug)]
pub struct Gate {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    failures: u32,
    until_ms: i64,
    last_ok_ms: Option<i64>,
    trouble: Option<Trouble>,
}

/// Why a remote is not called, for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Trouble {
    pub code: String,
    /// What it means and what to do; never a customer's text.
    pub advice: String,
    pub since_ms: i64,
    pub retry_at_ms: i64,
}

impl Default for Gate {
    fn default() -> Self {
        Self::new()
    }
}

impl Gate {
    pub fn new() -> Self {
        Self { state: Mutex::new(State::default()) }
    }

    /// Closed until then (milliseconds); none when open.
    pub fn closed_until(&self, now_ms: i64) -> Option<i64> {
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

    /// Notes a failure of the remote as a whole; returns until when it is left alone.
    pub fn failed(&self, failure: &Failure, now_ms: i64) -> i64 {
        let (policy, asked) = match failure {
            Failure::Login { .. } => (LOGIN, None),
            Failure::Busy { daily_limit: true, retry_after, .. } => (DAILY, *retry_after),
            Failure::Busy { retry_after, .. } => (REMOTE, *retry_after),
            Failure::Budget => (DAILY, None),
            Failure::NotSent(_) | Failure::NoAnswer(_) | Failure::Road(_) | Failure::Refused { .. } => {
                (REMOTE, None)
            }
        };
        let mut state = self.lock();
        let until_ms = now_ms + millis(interval(policy, state.failures, asked));
        state.failures += 1;
        state.until_ms = state.until_ms.max(until_ms);
        let since_ms = state.trouble.as_ref().map_or(now_ms, |t| t.since_ms);
        let retry_at_ms = state.until_ms;
        state.trouble = Some(Trouble { code: code(failure), advice: advice(failure), since_ms, retry_at_ms });
        retry_at_ms
    }

    /// Tries again at once: somebody changed the configuration.
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

/// A word for metrics and pipelines.
pub fn code(failure: &Failure) -> String {
    match failure {
        Failure::NotSent(_) => "not_sent".to_owned(),
        Failure::Busy { daily_limit: true, .. } => "daily_limit".to_owned(),
        Failure::Busy { .. } => "busy".to_owned(),
        Failure::Refused { status, problem } if problem.code.is_empty() => format!("status_{status}"),
        Failure::Refused { problem, .. } => problem.code.clone(),
        Failure::Login { code, .. } => code.clone(),
        Failure::NoAnswer(_) => "no_answer".to_owned(),
        Failure::Road(_) => "road".to_owned(),
        Failure::Budget => "budget".to_owned(),
    }
}

/// What a person can do about it.
fn advice(failure: &Failure) -> String {
    match failure {
        Failure::Login { advice, .. } => advice.clone(),
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
        Failure::Road(_) => {
            "What answers is not the remote itself: look at proxies, firewalls and gateways in between, and \
                             at the address. It goes on by itself."
                .to_owned()
        }
        Failure::NoAnswer(_) => "It does not answer as it should; nothing is lost meanwhile.".to_owned(),
        Failure::Refused { status, .. } => format!("It refuses with status {status}."),
    }
}
