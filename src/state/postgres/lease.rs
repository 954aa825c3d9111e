//! The lease: one row that says which instance works, and the instances that there are. Only statements; when to take,
//! to beat and to give up is decided in `decide::lease`.

use std::sync::Arc;
use std::time::Duration;

use tokio_postgres::Row;

use crate::state::postgres::Postgres;
use crate::state::postgres::connection::{Connection, Use};
use crate::state::{Store, StoreError};

/// The row as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseRow {
    /// Raised by each takeover.
    pub epoch: i64,
    /// Raised by each beat of the instance that works.
    pub beat: i64,
    /// The instance that took it last.
    pub holder: Option<String>,
    /// Given back: it can be taken at once.
    pub released: bool,
    /// For how long that instance has had it, by the database's clock (milliseconds).
    pub held_ms: i64,
}

/// One instance, as it describes itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    pub id: String,
    pub version: String,
    /// The version of its mappings.
    pub mapping: String,
    /// When it started (milliseconds, its clock).
    pub started_ms: i64,
    /// Where other instances reach its admin door.
    pub admin_addr: String,
}

/// An instance that was seen lately.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceRow {
    pub instance: Instance,
    /// How long ago it was last seen, by the database's clock (milliseconds).
    pub seen_ms: i64,
}

/// A connection for the lease alone, so that no other statement holds up a beat.
pub struct Lease {
    connection: Connection,
}

impl Lease {
    /// None for a store of one process.
    pub fn of(store: &Store) -> Option<Self> {
        match store {
            Store::Embedded(_) => None,
            Store::Postgres(postgres) => Some(Self::new(postgres)),
        }
    }

    pub fn new(store: &Postgres) -> Self {
        Self { connection: Connection::new(Arc::clone(&store.shared.target), Use::Records) }
    }

    pub async fn read(&self, limit: Duration) -> Result<LeaseRow, StoreError> {
        const SQL: &str = "
            select epoch, beat, holder, released, (extract(epoch from now() - since) * 1000)::bigint from lease";
        self.connection.row(SQL, &[], limit).await.map(|row| lease_row(&row))
    }

    /// Takes the lease, if it still is as it was seen: the new epoch. Waits for statements of the epoch before.
    pub async fn take(&self, seen: &LeaseRow, me: &str, limit: Duration) -> Result<Option<i64>, StoreError> {
        const SQL: &str = "
            update lease set epoch = epoch + 1, beat = 0, holder = $3, released = false, since = now()
            where epoch = $1 and beat = $2 returning epoch";
        let rows = self.connection.rows(SQL, &[&seen.epoch, &seen.beat, &me], limit).await?;
        Ok(rows.first().map(|row| row.get(0)))
    }

    /// False: the lease is another's.
    pub async fn beat(&self, epoch: i64, limit: Duration) -> Result<bool, StoreError> {
        const SQL: &str = "update lease set beat = beat + 1 where epoch = $1 and not released returning beat";
        Ok(!self.connection.rows(SQL, &[&epoch], limit).await?.is_empty())
    }

    /// Gives the lease back, so that another instance need not wait. A statement of this term after that changes
    /// nothing, since the epoch moves on.
    pub async fn release(&self, epoch: i64, limit: Duration) -> Result<bool, StoreError> {
        const SQL: &str = "
            update lease set epoch = epoch + 1, beat = 0, released = true, since = now()
            where epoch = $1 returning epoch";
        Ok(!self.connection.rows(SQL, &[&epoch], limit).await?.is_empty())
    }

    /// Says that this instance is there. A door that listens on all addresses is reached at the one that the database sees
    /// this instance at.
    pub async fn register(&self, me: &Instance, limit: Duration) -> Result<(), StoreError> {
        const SQL: &str = "
            with gone as (delete from instances where seen < now() - interval '1 day' and id <> $1),
            seen_at as (
                select case when family(inet_client_addr()) = 6 then '[' || host(inet_client_addr()) || ']'
                            else coalesce(host(inet_client_addr()), '127.0.0.1') end as host)
            insert into instances (id, version, mapping, started_ms, admin_addr)
            select $1, $2, $3, $4, case when $5::text ~ '^(0[.]0[.]0[.]0|[[]::[]]):[0-9]+$'
                                        then host || substring($5::text from ':[0-9]+$') else $5::text end
            from seen_at
            on conflict (id) do update set version = excluded.version, mapping = excluded.mapping,
                started_ms = excluded.started_ms, admin_addr = excluded.admin_addr, seen = now()";
        let Instance { id, version, mapping, started_ms, admin_addr } = me;
        self.connection.rows(SQL, &[id, version, mapping, started_ms, admin_addr], limit).await.map(drop)
    }

    /// Says that this instance is gone.
    pub async fn unregister(&self, id: &str, limit: Duration) -> Result<(), StoreError> {
        self.connection.rows("delete from instances where id = $1", &[&id], limit).await.map(drop)
    }

    /// The instances, by id.
    pub async fn instances(&self, limit: Duration) -> Result<Vec<InstanceRow>, StoreError> {
        const SQL: &str = "
            select id, version, mapping, started_ms, admin_addr, (extract(epoch from now() - seen) * 1000)::bigint
            from instances order by id";
        let rows = self.connection.rows(SQL, &[], limit).await?;
        Ok(rows.iter().map(instance_row).collect())
    }

    /// How long the last request took.
    pub fn last_trip(&self) -> Duration {
        self.connection.last_trip()
    }
}

fn lease_row(row: &Row) -> LeaseRow {
    LeaseRow {
        epoch: row.get(0),
        beat: row.get(1),
        holder: row.get(2),
        released: row.get(3),
        held_ms: row.get(4),
    }
}

fn instance_row(row: &Row) -> InstanceRow {
    let instance = Instance {
        id: row.get(0),
        version: row.get(1),
        mapping: row.get(2),
        started_ms: row.get(3),
        admin_addr: row.get(4),
    };
    InstanceRow { instance, seen_ms: row.get(5) }
}
