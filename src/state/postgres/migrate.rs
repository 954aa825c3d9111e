//! Brings the schema to the version that this program knows.
//!
//! A migration only adds, so that the version before it goes on working while instances are replaced one by one. What is
//! not used any more is removed by a later migration that says from which one on a program can live without it (`needs`).

use std::time::Duration;

use crate::state::StoreError;
use crate::state::postgres::connection::Connection;

/// A migration, numbered from 1 by its place.
struct Migration {
    sql: &'static str,
    /// The oldest schema that a program may know and still work with this one.
    needs: i32,
}

const MIGRATIONS: &[Migration] = &[Migration { sql: include_str!("migrations/0001_records.sql"), needs: 1 }];

/// Time limit for all of them together.
const LIMIT: Duration = Duration::from_secs(120);

/// What stands in the database.
struct Found {
    has_schema: bool,
    has_table: bool,
    /// The last migration that was carried out.
    number: i32,
    needs: i32,
}

/// Why the schema cannot be used.
#[derive(Debug)]
pub(super) enum Unusable {
    /// A newer program removed what this one needs.
    Newer {
        found: i32,
    },
    Failed(StoreError),
}

impl From<StoreError> for Unusable {
    fn from(error: StoreError) -> Self {
        Self::Failed(error)
    }
}

/// The schema version that this program brings.
pub(super) fn known() -> i32 {
    i32::try_from(MIGRATIONS.len()).unwrap_or(i32::MAX)
}

/// Carries out what is missing. Several processes may do so at once: one of them does it.
pub(super) async fn migrate(connection: &Connection, schema: &str) -> Result<(), Unusable> {
    loop {
        let found = find(connection, schema).await?;
        if found.needs > known() {
            return Err(Unusable::Newer { found: found.number });
        }
        let Some(next) = usize::try_from(found.number).ok().and_then(|done| MIGRATIONS.get(done)) else {
            return Ok(());
        };
        let number = found.number + 1;
        let done = connection.batch(&script(&found, schema, number, next), LIMIT).await;
        // Whoever came second fails, and finds it done.
        if let Err(error) = done
            && find(connection, schema).await?.number < number
        {
            return Err(error.into());
        }
    }
}

/// The schema's version, 0 if there is none; and the version that a program must know.
pub(super) async fn version(connection: &Connection, schema: &str) -> Result<(i32, i32), StoreError> {
    find(connection, schema).await.map(|found| (found.number, found.needs))
}

async fn find(connection: &Connection, schema: &str) -> Result<Found, StoreError> {
    const THERE: &str = "select to_regnamespace(quote_ident($1)) is not null, to_regclass(quote_ident($1) || '.migrations') is not null";
    const DONE: &str = "select coalesce(max(number), 0), coalesce(max(needs), 0) from migrations";
    let there = connection.row(THERE, &[&schema], LIMIT).await?;
    let (has_schema, has_table): (bool, bool) = (there.get(0), there.get(1));
    if !has_table {
        return Ok(Found { has_schema, has_table, number: 0, needs: 0 });
    }
    let done = connection.row(DONE, &[], LIMIT).await?;
    Ok(Found { has_schema, has_table, number: done.get(0), needs: done.get(1) })
}

/// Statements that are sent together are one transaction.
fn script(found: &Found, schema: &str, number: i32, migration: &Migration) -> String {
    let make_schema = if found.has_schema { String::new() } else { format!("create schema \"{schema}\";") };
    let make_table = if found.has_table {
        ""
    } else {
        "create table migrations (number integer primary key, needs integer not null, at timestamptz not null default now());"
    };
    format!(
        "select pg_advisory_xact_lock(hashtext('goodays-salesforce'), hashtext('{schema}'));
         {make_schema} {make_table} insert into migrations (number, needs) values ({number}, {}); {}",
        migration.needs, migration.sql
    )
}
