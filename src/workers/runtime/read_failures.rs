//! Counts reads of responses that Goodays does not show while it shows others.

use std::collections::HashMap;
use std::sync::Mutex;

use crate::decide::outbound::attempt::FailedReads;
use crate::sync::lock;

/// Failed reads by intent. Not stored: after a restart they are counted again from zero.
#[derive(Debug, Default)]
pub struct ReadFailures {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// When any response was last shown (milliseconds).
    shown_ms: Option<i64>,
    by_intent: HashMap<u64, InARow>,
}

#[derive(Debug)]
struct InARow {
    since_ms: i64,
    times: u32,
    /// The last ones that were refused for this response alone.
    refused: u32,
}

impl ReadFailures {
    pub fn shown(&self, intent: u64, now_ms: i64) {
        let mut state = lock(&self.state);
        state.shown_ms = Some(now_ms);
        state.by_intent.remove(&intent);
    }

    /// Counts one more failed read; returns how many there were before. `is_refused`: for this response alone.
    pub fn again(&self, intent: u64, now_ms: i64, is_refused: bool) -> u32 {
        let mut state = lock(&self.state);
        let first = InARow { since_ms: now_ms, times: 0, refused: 0 };
        let row = state.by_intent.entry(intent).or_insert(first);
        row.times += 1;
        row.refused = if is_refused { row.refused + 1 } else { 0 };
        row.times - 1
    }

    /// The failed reads in a row for this intent.
    pub fn of(&self, intent: u64) -> FailedReads {
        let state = lock(&self.state);
        let Some(row) = state.by_intent.get(&intent) else { return FailedReads::default() };
        let others_are_shown = state.shown_ms.is_some_and(|shown_ms| shown_ms > row.since_ms);
        FailedReads { times: row.times, refused: row.refused, others_are_shown }
    }

    pub fn forget(&self, intent: u64) {
        lock(&self.state).by_intent.remove(&intent);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_in_a_row_are_counted_until_the_response_is_shown() {
        let read_failures = ReadFailures::default();
        for n in 0..3 {
            assert_eq!(read_failures.again(1, 1000 + i64::from(n), n > 0), n);
        }
        assert_eq!(read_failures.of(1), FailedReads { times: 3, refused: 2, others_are_shown: false });
        read_failures.shown(2, 5000);
        assert_eq!(read_failures.of(1), FailedReads { times: 3, refused: 2, others_are_shown: true });
        assert_eq!(read_failures.again(1, 5500, false), 3);
        assert_eq!(read_failures.of(1).refused, 0, "it was refused for everything");
        assert_eq!(read_failures.of(2), FailedReads::default());
        read_failures.shown(1, 6000);
        assert_eq!(read_failures.of(1), FailedReads::default());
    }
}
