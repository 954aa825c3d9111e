//! The database's side of a copy.

mod read;
mod write;

use std::time::Duration;

pub use read::Reader;

use crate::state::StoreError;
use crate::state::copy::Counts;
use crate::state::mark::{MARK, Mark};
use crate::state::postgres::Postgres;
use crate::state::postgres::rows::{encode, unsigned};

/// Time limit for a statement of a copy.
const LIMIT: Duration = Duration::from_secs(120);
/// An instance that was seen within this time may still write (seconds).
const GONE: f64 = 30.0;

/// Nobody writes any more: no instance can store an event, and none can get the lease. A check that never holds is the
/// weakest change that does this, and it can be taken back.
const FREEZE: &str = "
    alter table lease drop constraint if exists copied; alter table lease add constraint copied check (false) not valid;
    alter table probe drop constraint if exists copied; alter table probe add constraint copied check (false) not valid;
    alter table receipts drop constraint if exists copied;
    alter table receipts add constraint copied check (false) not valid;
    alter table events drop constraint if exists copied; alter table events add constraint copied check (false) not valid;
    alter table notes drop constraint if exists copied; alter table notes add constraint copied check (false) not valid;
    alter table conversations drop constraint if exists copied;
    alter table conversations add constraint copied check (false) not valid;
    alter table actions drop constraint if exists copied;
    alter table actions add constraint copied check (false) not valid;
    alter table attempts drop constraint if exists copied;
    alter table attempts add constraint copied check (false) not valid";

const THAW: &str = "
    alter table lease drop constraint if exists copied; alter table probe drop constraint if exists copied;
    alter table receipts drop constraint if exists copied; alter table events drop constraint if exists copied;
    alter table notes drop constraint if exists copied; alter table conversations drop constraint if exists copied;
    alter table actions drop constraint if exists copied; alter table attempts drop constraint if exists copied";

impl Postgres {
    /// Why no instance may use it.
    pub async fn mark(&self) -> Result<Option<Mark>, StoreError> {
        Ok(self.meta_text(MARK).await?.map(|kept| Mark::read(kept.as_bytes())))
    }

    /// Sets the mark, or takes it away, for good. A state that was left takes no write any more.
    pub async fn set_mark(&self, mark: Option<&Mark>) -> Result<(), StoreError> {
        const SET: &str = "
            insert into meta (name, value) values ($1, $2::text::json)
            on conflict (name) do update set value = excluded.value";
        const GONE: &str = "delete from meta where name = $1";
        const FROZEN: &str = "
            select exists (select from pg_constraint where conname = 'copied'
                           and connamespace = current_schema()::regnamespace)";
        let records = &self.shared.records;
        if let Some(mark) = mark {
            records.rows(SET, &[&MARK, &encode(mark)], LIMIT).await?;
            let is_left = matches!(mark, Mark::Left { .. });
            return if is_left { records.batch(FREEZE, LIMIT).await } else { Ok(()) };
        }
        // Only the tables' owner may change them, and whoever is not could not freeze them either.
        if records.row(FROZEN, &[], LIMIT).await?.get(0) {
            records.batch(THAW, LIMIT).await?;
        }
        records.rows(GONE, &[&MARK], LIMIT).await.map(drop)
    }

    /// An instance that may still write, and before how many seconds it was seen.
    pub async fn running(&self) -> Result<Option<(String, i64)>, StoreError> {
        const SQL: &str = "
            select id, ago::bigint from (select id, extract(epoch from now() - seen)::float8 as ago from instances) i
            where ago < $1 order by ago limit 1";
        let rows = self.shared.records.rows(SQL, &[&GONE], LIMIT).await?;
        Ok(rows.first().map(|row| (row.get(0), row.get(1))))
    }

    /// How many records there are.
    pub async fn counts(&self) -> Result<Counts, StoreError> {
        const SQL: &str = "
            select (select count(*) from events), (select count(*) from events where body is not null),
                   (select count(*) from receipts), (select count(*) from notes),
                   (select count(*) from conversations where link is not null), (select count(*) from customers),
                   (select count(*) from actions), (select count(*) from attempts),
                   (select count(*) from meta where name <> $1 and value is not null)";
        let row = self.shared.records.row(SQL, &[&MARK], LIMIT).await?;
        let count = |column| unsigned(row.get(column));
        Ok(Counts {
            events: count(0),
            bodies: count(1),
            receipts: count(2),
            notes: count(3),
            responses: count(4),
            customers: count(5),
            actions: count(6),
            attempts: count(7),
            values: count(8),
        })
    }

    /// No record has a greater number than this.
    pub async fn greatest_seq(&self) -> Result<u64, StoreError> {
        const SQL: &str = "
            select greatest((select last_value from numbers), (select coalesce(max(seq), 0) from actions),
                            (select coalesce(max(seq), 0) from receipts))";
        Ok(unsigned(self.shared.records.row(SQL, &[], LIMIT).await?.get(0)))
    }
}
