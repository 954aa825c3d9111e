//! Ids and dates in the form of Goodays.

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// A seeded source of ids (`SplitMix64`): the same seed gives the same ids.
#[derive(Debug, Clone)]
pub struct Ids(u64);

impl Ids {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end.max(1)).unwrap_or(u64::MAX);
        usize::try_from(self.next() % end).unwrap_or(0)
    }

    /// 10 or 11 letters and digits, case-sensitive (`vdOpL1NJ74l`).
    pub fn id(&mut self) -> String {
        const LETTERS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
        let length = 10 + self.below(2);
        (0..length).map(|_| char::from(LETTERS[self.below(LETTERS.len())])).collect()
    }

    /// 32 hex digits.
    pub fn token(&mut self) -> String {
        format!("{:016x}{:016x}", self.next(), self.next())
    }
}

/// Microseconds since the epoch in the form of the samples: six decimals and the offset of Paris.
pub fn date(micros: i64) -> String {
    // A POSIX rule, because a machine without a time zone database must give the same result.
    let paris = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap_or(TimeZone::UTC);
    let at = Timestamp::from_microsecond(micros).unwrap_or(Timestamp::UNIX_EPOCH);
    at.to_zoned(paris).strftime("%Y-%m-%dT%H:%M:%S.%6f%:z").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_have_the_offset_of_paris_in_winter_and_summer() {
        assert_eq!(date(1_580_894_439_810_686), "2020-02-05T10:20:39.810686+01:00");
        assert_eq!(date(1_593_936_000_000_000), "2020-07-05T10:00:00.000000+02:00");
    }

    #[test]
    fn ids_are_seeded_and_ten_or_eleven_long() {
        let ids: Vec<String> = (0..50)
            .map({
                let mut ids = Ids::new(7);
                move |_| ids.id()
            })
            .collect();
        assert!(ids.iter().all(|id| (10..=11).contains(&id.len())));
        assert_eq!(Ids::new(7).id(), ids[0]);
    }
}
