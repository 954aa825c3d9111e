//! Whether webhooks stay away in hours that usually have some.

use std::collections::BTreeMap;

const HOUR_MS: i64 = 3_600_000;
const DAY: i64 = 24;
const DAYS: i64 = 7;
/// Days that must be known before anything is called usual.
const KNOWN: usize = 3;
/// Webhooks of an hour that make it a busy one.
const BUSY: u64 = 3;

/// Whether the hour that has just ended, and the one that runs, have no webhook, while the same hours of the days before
/// usually have some. `received` has the accepted webhooks by the hour (hours since the epoch).
pub fn is_silent(received: &BTreeMap<i64, u64>, now_ms: i64) -> bool {
    let hour = now_ms.div_euclid(HOUR_MS);
    let of = |hour: i64| received.get(&hour).copied().unwrap_or_default();
    if of(hour) + of(hour - 1) > 0 {
        return false;
    }
    let known: Vec<i64> = (1..=DAYS).filter(|day| is_known(received, hour - day * DAY)).collect();
    let busy = |day: &&i64| of(hour - 1 - **day * DAY) >= BUSY;
    let usual = known.iter().filter(busy).count();
    // Two of three days, and the same day of the week before, if it is known: a shop may be closed on Sundays.
    let week_ago = !known.contains(&DAYS) || busy(&&DAYS);
    known.len() >= KNOWN && usual * 3 >= known.len() * 2 && week_ago
}

/// Whether this daemon received anything in the day that ended then.
fn is_known(received: &BTreeMap<i64, u64>, hour: i64) -> bool {
    received.range(hour - DAY..hour).any(|(_, count)| *count > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1000 * DAY + 15;

    /// Ten webhooks in each hour from 8 to 20, for so many days before today.
    fn weeks(days: i64) -> BTreeMap<i64, u64> {
        let hours = (1..=days).flat_map(|day| (8..20).map(move |hour| (1000 - day) * DAY + hour));
        hours.map(|hour| (hour, 10)).collect()
    }

    #[test]
    fn nothing_in_a_usual_hour_is_silence() {
        assert!(is_silent(&weeks(7), NOW * HOUR_MS));
        assert!(is_silent(&weeks(3), NOW * HOUR_MS));
        assert!(!is_silent(&weeks(2), NOW * HOUR_MS), "not enough is known");
        assert!(!is_silent(&BTreeMap::new(), NOW * HOUR_MS));
        // At night nobody writes.
        assert!(!is_silent(&weeks(7), (1000 * DAY + 3) * HOUR_MS));
    }

    #[test]
    fn one_webhook_ends_it() {
        for hour in [NOW, NOW - 1] {
            let mut received = weeks(7);
            received.insert(hour, 1);
            assert!(!is_silent(&received, NOW * HOUR_MS));
        }
    }

    #[test]
    fn a_day_that_is_quiet_each_week_is_no_silence() {
        let mut received = weeks(7);
        // The same day of the week before had one early webhook, and then nothing.
        received.retain(|hour, _| *hour / DAY != 993);
        received.insert(993 * DAY + 8, 1);
        assert!(!is_silent(&received, NOW * HOUR_MS));
    }
}
