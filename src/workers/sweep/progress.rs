//! How far a sweep is.
//!
//! Goodays' list names no total, and no page says in which order it comes (Goodays reference, 4.2). But the list is asked
//! for from a date on. As long as the dates in it only fall, or only rise, the last one tells which part of the period
//! has been read.

use std::sync::Mutex;

use jiff::Timestamp;

use crate::sync::lock;

/// What others see of a sweep that runs.
#[derive(Debug, Default)]
pub struct SweepProgress(Mutex<HowFar>);

/// How far a sweep is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HowFar {
    /// Responses that were compared.
    pub looked_at: usize,
    /// None while the order of the list is not known, and if it has none.
    pub place: Option<Place>,
}

/// Where in its period a sweep is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The date of the feedback that was read last.
    pub date: Timestamp,
    /// The part of the period that has been read.
    pub percent: u8,
}

impl SweepProgress {
    pub fn how_far(&self) -> HowFar {
        *lock(&self.0)
    }

    pub(super) fn is(&self, how_far: HowFar) {
        *lock(&self.0) = how_far;
    }
}

/// The dates of a list as they came.
#[derive(Debug, Default)]
pub(super) struct Dates {
    last: Option<Timestamp>,
    rise: bool,
    fall: bool,
}

impl Dates {
    pub(super) fn read(&mut self, date: Timestamp) {
        if let Some(last) = self.last {
            self.rise |= date > last;
            self.fall |= date < last;
        }
        self.last = Some(date);
    }

    /// The place in the period; none before two dates differ, and none if they came in no order.
    pub(super) fn place(&self, (from, until): (Timestamp, Timestamp)) -> Option<Place> {
        let date = self.last.filter(|_| self.rise != self.fall)?;
        let (begins, ends) = if self.rise { (from, until) } else { (until, from) };
        let way = |to: Timestamp| to.as_millisecond().abs_diff(begins.as_millisecond());
        let whole = way(ends);
        let walked = way(date.clamp(from.min(until), until));
        let percent = (walked * 100).checked_div(whole)?;
        Some(Place { date, percent: u8::try_from(percent).unwrap_or(100) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn place(dates: &[i64]) -> Option<(i64, u8)> {
        let mut read = Dates::default();
        for date in dates {
            read.read(at(*date));
        }
        read.place((at(1000), at(2000))).map(|place| (place.date.as_second(), place.percent))
    }

    #[test]
    fn dates_in_an_order_tell_the_part_that_was_read() {
        assert_eq!(place(&[1990, 1600, 1600]), Some((1600, 40)));
        assert_eq!(place(&[1010, 1400]), Some((1400, 40)));
        assert_eq!(place(&[1500, 900]), Some((900, 100)), "outside of the period");
        assert_eq!(place(&[2500, 2400]), Some((2400, 0)), "newer than the sweep");
    }

    #[test]
    fn without_an_order_no_part_is_told() {
        for dates in [&[][..], &[1500], &[1500, 1500], &[1500, 1400, 1450]] {
            assert_eq!(place(dates), None, "{dates:?}");
        }
    }
}
