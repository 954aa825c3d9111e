//! What `check` says of the database. Nothing is written.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::state::StoreError;
use crate::state::postgres::connection::{Connection, Use};
use crate::state::postgres::{
    ConnectError, Settings, address, encoding, holds_every_letter, migrate, target,
};

const LIMIT: Duration = Duration::from_secs(10);

/// The database as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// For people: `15.18`.
    pub version: String,
    /// For comparison: 150018.
    pub version_number: i32,
    /// `synchronous_commit` as the server gives it to a new session.
    pub synchronous_commit: String,
    pub synchronous_standby_names: String,
    pub standbys: Standbys,
    /// Whether the role may make what is missing.
    pub may_create: bool,
    /// 0: there are no tables yet.
    pub schema_version: i32,
    /// The oldest version that a program must know to work with them.
    pub needs_version: i32,
    pub known_version: i32,
    pub round_trip: Duration,
    /// The road to another machine is not encrypted.
    pub is_open_road: bool,
    /// `UTF8`
    pub encoding: String,
    /// Whether the encoding has every letter that people write.
    pub holds_every_letter: bool,
}

/// The standbys that the server shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standbys {
    /// How many are connected, and how many of them are synchronous.
    Seen { all: i64, synchronous: i64 },
    /// The role may not see their state: it needs `pg_monitor`.
    Hidden,
}

/// Asks the database.
pub async fn inspect(settings: &Settings) -> Result<Found, ConnectError> {
    let target = Arc::new(target(settings)?);
    let is_open_road = target.reach.load().hosts.iter().any(address::is_open_road);
    let connection = Connection::new(Arc::clone(&target), Use::Records);
    ask(&connection, &target.schema, is_open_road).await.map_err(ConnectError::Database)
}

async fn ask(connection: &Connection, schema: &str, is_open_road: bool) -> Result<Found, StoreError> {
    // What the session would have without this program's own setting.
    const SERVER: &str = "
        select current_setting('server_version'), current_setting('server_version_num')::int,
            (select reset_val from pg_settings where name = 'synchronous_commit'),
            current_setting('synchronous_standby_names'),
            case when to_regnamespace(quote_ident($1)) is null then has_database_privilege(current_database(), 'create')
                 else has_schema_privilege($1, 'create') end";
    let server = connection.row(SERVER, &[&schema], LIMIT).await?;
    // The first one prepares the statement.
    connection.row("select 1", &[], LIMIT).await?;
    let started = Instant::now();
    connection.row("select 1", &[], LIMIT).await?;
    let round_trip = started.elapsed();
    let encoding = encoding(connection).await?;
    let (schema_version, needs_version) = migrate::version(connection, schema).await?;
    Ok(Found {
        version: server.get(0),
        version_number: server.get(1),
        synchronous_commit: server.get(2),
        synchronous_standby_names: server.get(3),
        may_create: server.get(4),
        standbys: standbys(connection).await?,
        schema_version,
        needs_version,
        known_version: migrate::known(),
        round_trip,
        is_open_road,
        holds_every_letter: holds_every_letter(&encoding),
        encoding,
    })
}

async fn standbys(connection: &Connection) -> Result<Standbys, StoreError> {
    // A role without `pg_monitor` sees the rows without their contents.
    const SQL: &str = "
        select count(*), count(*) filter (where sync_state in ('sync', 'quorum')), count(state)
        from pg_stat_replication";
    let row = connection.row(SQL, &[], LIMIT).await?;
    let (all, synchronous, shown): (i64, i64, i64) = (row.get(0), row.get(1), row.get(2));
    Ok(if all > shown { Standbys::Hidden } else { Standbys::Seen { all, synchronous } })
}
