//! The database of several instances. Nothing is written.

use std::time::Duration;

use super::codes::{
    DATABASE_AWAY, DATABASE_UNUSABLE, FAR_AWAY, NO_RIGHTS, NO_STANDBY, NOT_DURABLE, OLD_SERVER, OPEN_ROAD,
    OTHER_ENCODING, OTHER_SCHEMA, STANDBY_UNSEEN,
};
use super::report::{Area, Report};
use crate::config::Config;
use crate::decide::lease::LeaseTimes;
use crate::remotes;
use crate::state::postgres::ConnectError;
use crate::state::postgres::inspect::{Found, Standbys, inspect};

/// The first version with all that is used.
const OLDEST: i32 = 140_000;
/// A round trip that is longer than this slows everything down.
const FAR: Duration = Duration::from_millis(20);
/// Between two beats, an instance that works asks so many times: it beats, reads the lease, says that it is there, and
/// reads the other instances.
const ASKED: u32 = 4;

pub async fn check(config: &Config, report: &mut Report) {
    let Some(postgres) = &config.state.postgres else { return };
    let found = match remotes::database(postgres) {
        Ok(settings) => inspect(&settings).await,
        Err(error) => Err(error),
    };
    match found {
        Ok(found) => {
            tell(&found, report);
            distance(found.round_trip, postgres.lease, report);
        }
        Err(ConnectError::Database(error)) => {
            report.unreachable = true;
            report
                .error(Area::Database, DATABASE_AWAY, format!("the database cannot be asked: {error}"))
                .help("check `state.postgres`, the role's password and rights, and what stands in between");
        }
        Err(error) => {
            report
                .error(Area::Database, DATABASE_UNUSABLE, error.to_string())
                .help("correct `state.postgres`");
        }
    }
}

fn tell(found: &Found, report: &mut Report) {
    server(found, report);
    durability(found, report);
    tables(found, report);
    if found.is_open_road {
        report
            .warn(Area::Database, OPEN_ROAD, "the road to the database is not encrypted")
            .help("leave `sslmode=disable` out of the address");
    }
}

fn distance(round_trip: Duration, lease: Duration, report: &mut Report) {
    const NEARER: &str = "run the instances near the database: everything waits for some round trips";
    let millis = round_trip.as_secs_f64() * 1000.0;
    let times = LeaseTimes::of(i64::try_from(lease.as_millis()).unwrap_or(i64::MAX));
    let longest = Duration::from_millis(u64::try_from(times.beat_ms).unwrap_or_default()) / ASKED;
    if round_trip > longest {
        let message = format!(
            "a round trip takes {millis:.0} ms; a lease of {} s is renewed safely up to {} ms",
            lease.as_secs(),
            longest.as_millis()
        );
        report
            .warn(Area::Database, FAR_AWAY, message)
            .help("run the instances near the database, or make `state.postgres.lease` longer");
    } else if round_trip > FAR {
        report.warn(Area::Database, FAR_AWAY, format!("a round trip takes {millis:.0} ms")).help(NEARER);
    } else {
        report.ok(Area::Database, format!("a round trip takes {millis:.1} ms"));
    }
}

fn server(found: &Found, report: &mut Report) {
    let version = format!("PostgreSQL {}", found.version);
    if found.version_number < OLDEST {
        report.error(Area::Database, OLD_SERVER, version).help("it needs PostgreSQL 14 or newer");
    } else {
        report.ok(Area::Database, version);
    }
    if !found.holds_every_letter {
        let message = format!("the database's encoding is {}", found.encoding);
        report
            .error(Area::Database, OTHER_ENCODING, message)
            .help("make a database with `create database ... encoding 'UTF8' template template0`");
    }
}

fn durability(found: &Found, report: &mut Report) {
    let commit = &found.synchronous_commit;
    if matches!(commit.as_str(), "off" | "local") {
        report
            .error(Area::Database, NOT_DURABLE, format!("`synchronous_commit` is `{commit}`"))
            .help("set it to `on`: a commit has to wait for the standby");
    }
    match found.standbys {
        Standbys::Seen { synchronous, .. } if synchronous > 0 => {
            report.ok(
                Area::Database,
                format!("{synchronous} synchronous standby, `synchronous_commit` is `{commit}`"),
            );
        }
        Standbys::Seen { all, .. } => {
            let message = format!("no standby is synchronous (connected: {all})");
            report.warn(Area::Database, NO_STANDBY, message).help(
                "set `synchronous_standby_names`: what was acknowledged must outlive the primary's disk",
            );
        }
        Standbys::Hidden => {
            let names = &found.synchronous_standby_names;
            let message =
                format!("the role may not see the standbys; `synchronous_standby_names` is `{names}`");
            report.warn(Area::Database, STANDBY_UNSEEN, message).help("grant pg_monitor to the role");
        }
    }
}

fn tables(found: &Found, report: &mut Report) {
    let (schema, known) = (found.schema_version, found.known_version);
    if found.needs_version > known {
        report
            .error(
                Area::Database,
                OTHER_SCHEMA,
                format!("the tables have version {schema}, this program knows {known}"),
            )
            .help("install the version that changed them");
    } else if schema < known && !found.may_create {
        let message = format!("the tables have version {schema}, and the role may not bring them to {known}");
        report
            .error(Area::Database, NO_RIGHTS, message)
            .help("grant create on the database, or on the schema, to the role");
    } else {
        let what = if schema == 0 {
            "there are no tables yet; `run` makes them".to_owned()
        } else {
            format!("the tables have version {schema}")
        };
        report.ok(Area::Database, what);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A database with nothing to say of it.
    fn good() -> Found {
        Found {
            version: "15.18".to_owned(),
            version_number: 150_018,
            synchronous_commit: "on".to_owned(),
            synchronous_standby_names: "standby".to_owned(),
            standbys: Standbys::Seen { all: 2, synchronous: 1 },
            may_create: false,
            schema_version: 1,
            needs_version: 1,
            known_version: 1,
            round_trip: Duration::from_millis(1),
            is_open_road: false,
            encoding: "UTF8".to_owned(),
            holds_every_letter: true,
        }
    }

    fn codes(found: &Found) -> Vec<&'static str> {
        let mut report = Report::default();
        tell(found, &mut report);
        distance(found.round_trip, Duration::from_secs(5), &mut report);
        report.findings.iter().map(|one| one.code).filter(|code| *code != "ok").collect()
    }

    #[test]
    fn each_weakness_has_its_code() {
        let none = Standbys::Seen { all: 1, synchronous: 0 };
        let cases: [(Found, &[&str]); 10] = [
            (good(), &[]),
            (Found { synchronous_commit: "local".to_owned(), ..good() }, &["D003"]),
            (Found { standbys: none, ..good() }, &["D004"]),
            (Found { standbys: Standbys::Hidden, ..good() }, &["D005"]),
            (Found { schema_version: 0, needs_version: 0, ..good() }, &["D006"]),
            (Found { schema_version: 3, needs_version: 2, ..good() }, &["D007"]),
            (Found { version_number: 130_000, ..good() }, &["D008"]),
            (Found { is_open_road: true, ..good() }, &["D009"]),
            (Found { round_trip: Duration::from_millis(30), ..good() }, &["D010"]),
            (Found { encoding: "LATIN1".to_owned(), holds_every_letter: false, ..good() }, &["D011"]),
        ];
        for (found, expected) in cases {
            assert_eq!(codes(&found), expected, "{found:?}");
        }
        let old = Found { schema_version: 0, needs_version: 0, may_create: true, ..good() };
        let mut report = Report::default();
        distance(Duration::from_millis(120), Duration::from_secs(2), &mut report);
        distance(Duration::from_millis(120), Duration::from_secs(5), &mut report);
        let said: Vec<&str> = report.findings.iter().map(|one| one.message.as_str()).collect();
        let near = "a round trip takes 120 ms";
        assert_eq!(said, [&format!("{near}; a lease of 2 s is renewed safely up to 100 ms"), near]);
        assert!(codes(&old).is_empty() && codes(&Found { schema_version: 3, ..good() }).is_empty());
    }
}
