//! When the lease of the working instance may be taken, and when the one that has it stops.
//!
//! An instance that works says so with a beat. One that waits takes over only after it saw no beat for the lease's length
//! on its own clock, so clocks that differ do no harm. One that cannot beat stops its work before that, in order; if it
//! is stopped itself, the kernel ends it before that.

/// Shares of the lease's length, in tenths.
const BEAT: i64 = 2;
const STEP_DOWN: i64 = 6;
const END: i64 = 9;

/// The times of a lease, in milliseconds. All but the first count from the moment at which the last beat that arrived was
/// sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeaseTimes {
    pub length_ms: i64,
    /// When the next beat is sent.
    pub beat_ms: i64,
    /// When the work stops in order.
    pub step_down_ms: i64,
    /// When the kernel ends the process.
    pub end_ms: i64,
}

impl LeaseTimes {
    pub fn of(length_ms: i64) -> Self {
        let tenths = |count: i64| length_ms * count / 10;
        Self { length_ms, beat_ms: tenths(BEAT), step_down_ms: tenths(STEP_DOWN), end_ms: tenths(END) }
    }
}

/// The lease as it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Beat {
    pub epoch: i64,
    pub beat: i64,
    /// Nobody has it: it was given back, or was never taken.
    pub free: bool,
}

/// What an instance that waits has seen.
#[derive(Debug, Clone, Copy, Default)]
pub struct Watch {
    /// The last beat, and when its answer had come (milliseconds).
    seen: Option<(Beat, i64)>,
}

impl Watch {
    /// Whether the lease may be taken. The beat was read between these two moments (milliseconds).
    pub fn may_take(&mut self, beat: Beat, asked_ms: i64, answered_ms: i64, times: LeaseTimes) -> bool {
        match self.seen {
            _ if beat.free => true,
            Some((seen, since_ms)) if seen == beat => asked_ms - since_ms >= times.length_ms,
            _ => {
                self.seen = Some((beat, answered_ms));
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn beat(beat: i64) -> Beat {
        Beat { epoch: 1, beat, free: false }
    }

    #[test]
    fn a_lease_is_taken_after_its_length_without_a_beat_and_not_before() {
        let times = LeaseTimes::of(5000);
        let mut watch = Watch::default();
        assert!(!watch.may_take(beat(1), 0, 100, times), "seen for the first time");
        assert!(!watch.may_take(beat(1), 5099, 5100, times));
        assert!(!watch.may_take(beat(2), 5200, 5300, times), "it beat");
        assert!(!watch.may_take(beat(2), 10_299, 10_400, times));
        assert!(watch.may_take(beat(2), 10_300, 10_400, times));
        // Another one was faster.
        let other = Beat { epoch: 2, beat: 2, free: false };
        assert!(!watch.may_take(other, 10_500, 10_600, times));
    }

    #[test]
    fn what_was_given_back_is_taken_at_once() {
        let free = Beat { epoch: 3, beat: 0, free: true };
        assert!(Watch::default().may_take(free, 0, 1, LeaseTimes::of(5000)));
    }

    #[test]
    fn whoever_cannot_beat_stops_before_the_kernel_ends_it_and_that_is_before_another_takes_over() {
        for length_ms in [2000, 5000, 60_000] {
            let LeaseTimes { beat_ms, step_down_ms, end_ms, .. } = LeaseTimes::of(length_ms);
            assert!(2 * beat_ms < step_down_ms && step_down_ms < end_ms && end_ms < length_ms);
        }
    }
}
