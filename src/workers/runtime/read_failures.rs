//! Responses that Goodays does not show while it shows others.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Reads without an answer before an action is parked: with the intervals of `REMOTE`, some ten minutes.
const MAX_LOOKS: u32 = 16;

/// Failed reads by intent. Not stored: after a restart they are counted again from zero.
#[derive(Debug, Default)]
pub struct ReadFailures {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// When any response was last shown (milliseconds).
    shown_ms: Option<i64>,
    /// Since when (milliseconds), and how often in a row.
    by_intent: HashMap<u64, (i64, u32)>,
}

impl ReadFailures {
    pub fn shown(&self, intent: u64, now_ms: i64) {
        let mut state = self.lock();
        state.shown_ms = Some(now_ms);
        state.by_intent.remove(&intent);
    }

    /// Counts one more failed read; returns how many there were before.
    pub fn again(&self, intent: u64, now_ms: i64) -> u32 {
        let mut state = self.lock();
        let (_, times) = state.by_intent.entry(intent).or_insert((now_ms, 0));
        *times += 1;
        *times - 1
    }

    /// Whether waiting no longer helps, so that the action is parked: Goodays showed other responses meanwhile.
    pub fn is_hopeless(&self, intent: u64) -> bool {
        let state = self.lock();
        let Some((since_ms, times)) = state.by_intent.get(&intent) else { return false };
        *times >= MAX_LOOKS && state.shown_ms.is_some_and(|shown_ms| shown_ms > *since_ms)
    }

    pub fn forget(&self, intent: u64) {
        self.lock().by_intent.remove(&intent);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_is_waited_out_and_one_response_is_given_to_a_human() {
        let read_failures = ReadFailures::default();
        for n in 0..MAX_LOOKS {
            assert!(!read_failures.is_hopeless(1));
            assert_eq!(read_failures.again(1, 1000 + i64::from(n)), n);
        }
        assert!(!read_failures.is_hopeless(1), "nobody else was shown either");
        read_failures.shown(2, 5000);
        assert!(read_failures.is_hopeless(1));
        assert!(!read_failures.is_hopeless(2));
        read_failures.shown(1, 6000);
        assert!(!read_failures.is_hopeless(1));
    }
}
