//! The filter `date`.

#![expect(clippy::needless_pass_by_value, reason = "the engine hands arguments over by value")]

use jiff::fmt::strtime;
use jiff::{Timestamp, civil, tz::TimeZone};
use minijinja::Error;
use minijinja::value::{Kwargs, Value};

use crate::mapping::language::filters::{BAD_FORMAT, NO_SUCH_ZONE, NO_ZONES, NOT_A_DATE, blank, fail, shown};

/// `2020-02-06T09:20:39.81+01:00` as `2020-02-06 09:20`, by its own offset or in a named time zone.
pub fn date(value: Value, zone: Option<String>, named: Kwargs) -> Result<Value, Error> {
    let format: Option<String> = named.get("format")?;
    let zone = zone.or(named.get("tz")?);
    named.assert_all_used()?;
    if blank(&value) {
        return Ok(Value::UNDEFINED);
    }
    let zone = zone.map(|name| zone_of(&name)).transpose()?;
    let moment = Moment::read(&shown(&value)).ok_or_else(|| fail(NOT_A_DATE))?;
    let format = format.as_deref().unwrap_or(moment.usual_format());
    let written = match moment {
        Moment::Exact(at, offset) => strtime::format(format, &at.to_zoned(zone.unwrap_or(offset))),
        Moment::Local(at) => strtime::format(format, at),
        Moment::Day(day) => strtime::format(format, day),
    };
    written.map(Value::from).map_err(|_| fail(BAD_FORMAT))
}

/// A machine without time zone data, or with a part of it, does not know the best-known zone. In that case the name of
/// another zone is not at fault.
pub fn has_time_zones() -> bool {
    TimeZone::get("Europe/Paris").is_ok()
}

pub fn zone_of(name: &str) -> Result<TimeZone, Error> {
    let reason = || if has_time_zones() { NO_SUCH_ZONE } else { NO_ZONES };
    TimeZone::get(name).map_err(|_| fail(reason()))
}

/// The notations that Goodays and shops use for a date.
enum Moment {
    /// With an offset, which is the second part.
    Exact(Timestamp, TimeZone),
    /// A day and a time without an offset, for example a shop's own: the same in every zone.
    Local(civil::DateTime),
    /// A day alone is the same in every zone, too.
    Day(civil::Date),
}

impl Moment {
    fn read(text: &str) -> Option<Moment> {
        let text = text.trim();
        // `09:20:00 +0200`: a blank separates the offset.
        let joined = text.rsplit_once(' ').filter(|(_, last)| last.starts_with(['+', '-', 'Z', 'z']));
        let joined = joined.map(|(time, offset)| format!("{}{offset}", time.trim_end()));
        let text = joined.as_deref().unwrap_or(text);
        if let Ok(at) = text.parse::<Timestamp>() {
            return Some(Moment::Exact(at, own_offset(text)));
        }
        if !text.contains([':', 'T', 't', ' ']) {
            return text.parse().ok().map(Moment::Day);
        }
        text.parse().ok().map(Moment::Local)
    }

    fn usual_format(&self) -> &'static str {
        match self {
            Moment::Exact(..) | Moment::Local(_) => "%Y-%m-%d %H:%M",
            Moment::Day(_) => "%Y-%m-%d",
        }
    }
}

fn own_offset(text: &str) -> TimeZone {
    let pieces = jiff::fmt::temporal::Pieces::parse(text.trim()).ok();
    let offset = pieces.and_then(|pieces| pieces.to_numeric_offset());
    offset.map_or(TimeZone::UTC, jiff::tz::Offset::to_time_zone)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dated(text: &str) -> Option<String> {
        date(Value::from(text), None, std::iter::empty::<(&str, Value)>().collect())
            .ok()
            .map(|v| v.to_string())
    }

    #[test]
    fn e07_a_time_is_never_dropped() {
        for (text, shown) in [
            ("2026-10-28 09:20:00", "2026-10-28 09:20"),
            ("2026-10-28T09:20", "2026-10-28 09:20"),
            ("2026-10-28 09:20", "2026-10-28 09:20"),
            ("2026-10-28T09:20:00.123456", "2026-10-28 09:20"),
            ("2026-10-28T09:20:00.123456Z", "2026-10-28 09:20"),
            ("2026-10-28T09:20:00+0200", "2026-10-28 09:20"),
            ("2026-10-28 09:20:00 +02:00", "2026-10-28 09:20"),
            ("2026-10-28 09:20:00 Z", "2026-10-28 09:20"),
            ("2026-10-28T09:20+02", "2026-10-28 09:20"),
            (" 2026-10-28 ", "2026-10-28"),
        ] {
            assert_eq!(dated(text).as_deref(), Some(shown), "{text}");
        }
        for text in
            ["2026-10-28 9h20", "28/10/2026 09:20", "09:20", "2026-10-28 soon", "2026-10-28T", "tomorrow"]
        {
            assert_eq!(dated(text), None, "{text}");
        }
    }
}
