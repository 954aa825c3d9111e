//! The records on PostgreSQL: for several instances that share one state.
//!
//! Each function is one statement, or two, and each statement is a transaction by itself: what it read and what it wrote
//! stand at one moment. Three things hold in all of them.
//!
//! - **Durable.** A statement that wrote is answered after the synchronous standby has it. An answer that does not come,
//!   or comes with a doubt, is an error; the caller does not know then whether it was done.
//! - **Guarded.** `conversations.version` is raised by each change of a conversation, and a change names the version that
//!   it was decided on. An event that came in is no change.
//! - **Fenced.** A handle of a term names its epoch in the statement itself. Once another instance works, the statement
//!   changes nothing, and the error is `TermOver`.

mod address;
mod commit;
mod connection;
mod copy;
mod encoded;
mod errors;
mod forget;
mod inbox;
pub mod inspect;
pub mod lease;
mod ledger;
mod load;
mod migrate;
mod numbers;
mod outbox;
mod parked;
mod prune;
mod receive;
mod repair;
mod rows;
mod tls;

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arc_swap::ArcSwap;
use thiserror::Error;
use tokio_postgres::Row;
use tokio_util::sync::CancellationToken;

use crate::mutant;
use crate::state::StoreError;
use crate::state::mark::Mark;
use crate::state::postgres::errors::Failure;
use crate::state::postgres::migrate::Unusable;
use crate::sync::lock;
use connection::{Connection, Params, Reach, Target, Use};
pub(in crate::state) use copy::Reader as CopyReader;
pub use load::Version;
use numbers::Numbers;
use receive::Receivers;

/// Time limit for a statement of a worker or an operator.
const WORK: Duration = Duration::from_secs(10);

/// Begins a statement that writes: `may` has a row if the term with the epoch in `$1` goes on, or none is given. The
/// lease's row stays locked against a takeover until the statement is durable.
macro_rules! fenced {
    ($($body:expr),+) => {
        concat!(
            "with held as materialized (select 1 from lease where epoch = $1 for key share), ",
            "may as materialized (select 1 where $1::bigint is null or exists (select from held)), ",
            $($body),+
        )
    };
}
use fenced;

/// How to reach the database.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `postgres://USER:PASSWORD@HOST:PORT,HOST:PORT/DATABASE`
    pub url: String,
    /// Where the tables are: one for each connector.
    pub schema: String,
    /// Certificates in PEM that the server's is signed by; none: what this machine trusts.
    pub root_cert: Option<Vec<u8>>,
}

/// Why the database cannot be used. Nothing here quotes the address, which holds a password.
#[derive(Debug, Error)]
pub enum ConnectError {
    #[error("the address of the database cannot be used: {0}")]
    Address(String),
    #[error("the schema's name {0:?} cannot be used: small letters, digits and _ only, at most 63")]
    Schema(String),
    #[error("the root certificate cannot be used: {0}")]
    RootCert(String),
    #[error("the database cannot be used: {0}")]
    Database(StoreError),
    #[error("the database does not let us in: {0}")]
    NotLetIn(String),
    /// A newer program removed what this one needs.
    #[error("its schema has version {found}, this program knows {known}")]
    Newer { found: i32, known: i32 },
    #[error(
        "the database's encoding is {0}, which lacks letters that people write: make one with `create database ... \
         encoding 'UTF8' template template0`"
    )]
    Encoding(String),
    #[error("the state in the schema {schema} is not to be used: {mark}")]
    Marked { schema: String, mark: Mark },
}

impl ConnectError {
    /// The database is away, and may come back by itself.
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Database(StoreError::Unavailable(_)))
    }
}

/// The store of one instance. Clones share it; dropping the last one closes the connections.
#[derive(Clone)]
pub struct Postgres {
    shared: Arc<Shared>,
    /// The term that writes belong to; none: a door's or an operator's.
    epoch: Option<i64>,
    /// Cancelled before a function of a term's handle fails for the term's end or an unknown outcome.
    ended: Option<CancellationToken>,
}

struct Shared {
    target: Arc<Target>,
    records: Arc<Connection>,
    receivers: Receivers,
    numbers: Numbers,
    damaged: Mutex<HashSet<(&'static str, u64)>>,
}

impl Postgres {
    /// Connects, and brings the schema to the version of this program.
    pub async fn connect(settings: &Settings) -> Result<Self, ConnectError> {
        let store = Self::connect_marked(settings).await?;
        match store.mark().await.map_err(ConnectError::Database)? {
            Some(mark) => Err(ConnectError::Marked { schema: settings.schema.clone(), mark }),
            None => Ok(store),
        }
    }

    /// The same of a state that is being copied, or copied to.
    pub async fn connect_marked(settings: &Settings) -> Result<Self, ConnectError> {
        let target = Arc::new(target(settings)?);
        let records = Arc::new(Connection::new(Arc::clone(&target), Use::Records));
        records.open().await.map_err(|failure| match failure {
            Failure::NotLetIn(reason) => ConnectError::NotLetIn(reason),
            other => ConnectError::Database(other.into()),
        })?;
        let encoding = encoding(&records).await.map_err(ConnectError::Database)?;
        if !holds_every_letter(&encoding) {
            return Err(ConnectError::Encoding(encoding));
        }
        migrate::migrate(&records, &target.schema).await.map_err(|unusable| match unusable {
            Unusable::Failed(error) => ConnectError::Database(error),
            Unusable::Newer { found } => ConnectError::Newer { found, known: migrate::known() },
        })?;
        let block =
            records.row("select nextval('blocks')", &[], WORK).await.map_err(ConnectError::Database)?;
        let numbers = Numbers::of_block(rows::unsigned(block.get(0)));
        let receivers = Receivers::start(&target);
        let shared = Shared { target, records, receivers, numbers, damaged: Mutex::default() };
        Ok(Self { shared: Arc::new(shared), epoch: None, ended: None })
    }

    /// The same store for the worker of a term: its writes change nothing once another term has begun.
    #[must_use]
    pub fn for_term(&self, epoch: i64, ended: CancellationToken) -> Self {
        Self { shared: Arc::clone(&self.shared), epoch: Some(epoch), ended: Some(ended) }
    }

    /// From here on connections are opened by these settings, but for the schema. False if nothing is new.
    pub fn reach_by(&self, settings: &Settings) -> Result<bool, ConnectError> {
        let before = self.shared.target.reach.load();
        if before.url == settings.url && before.root_cert == settings.root_cert {
            return Ok(false);
        }
        self.shared.target.reach.store(Arc::new(reach(settings)?));
        Ok(true)
    }

    pub fn has_term(&self) -> bool {
        self.epoch.is_some()
    }

    /// The epoch of the term that this handle is of; 0 for no term.
    pub fn epoch(&self) -> i64 {
        self.epoch.unwrap_or_default()
    }

    /// A number for a new action, greater than all that this process gave before.
    pub fn next_seq(&self) -> u64 {
        self.shared.numbers.next()
    }

    /// The last number given to an event or a note.
    pub async fn last_seq(&self) -> Result<u64, StoreError> {
        Ok(rows::unsigned(self.read_row("select last_value from numbers", &[]).await?.get(0)))
    }

    /// Fails if a webhook cannot be stored now: the last write failed, and none succeeded since. It is tried about once
    /// a second.
    pub fn accepting(&self) -> Result<(), StoreError> {
        self.shared.receivers.accepting()
    }

    /// Resolves when there is room for a webhook; fails at once if none can be stored.
    pub async fn room(&self) -> Result<(), StoreError> {
        self.shared.receivers.room().await
    }

    /// How many records could not be read since the start.
    pub fn damaged(&self) -> usize {
        lock(&self.shared.damaged).len()
    }

    /// How many commits stored webhooks.
    pub fn commits(&self) -> u64 {
        self.shared.receivers.commits()
    }

    /// How many requests the workers' connection has sent.
    pub fn trips(&self) -> u64 {
        self.shared.records.trips()
    }

    /// How long the last request on the workers' connection took.
    pub fn last_trip(&self) -> Duration {
        self.shared.records.last_trip()
    }

    async fn read(&self, sql: &'static str, params: Params<'_>) -> Result<Vec<Row>, StoreError> {
        self.noted(self.shared.records.rows(sql, params, WORK).await)
    }

    async fn read_row(&self, sql: &'static str, params: Params<'_>) -> Result<Row, StoreError> {
        self.noted(self.shared.records.row(sql, params, WORK).await)
    }

    /// A statement that begins with [`fenced`] and whose first column is whether the term goes on. `params` are those
    /// from `$2` on.
    async fn write(&self, sql: &'static str, params: Params<'_>) -> Result<Row, StoreError> {
        self.write_within(sql, params, WORK).await
    }

    async fn write_within(
        &self,
        sql: &'static str,
        params: Params<'_>,
        limit: Duration,
    ) -> Result<Row, StoreError> {
        let epoch = self.epoch.filter(|_| !mutant::is_on("skip-epoch"));
        let mut all: Vec<&(dyn tokio_postgres::types::ToSql + Sync)> = vec![&epoch];
        all.extend_from_slice(params);
        let row = self.noted(self.shared.records.row(sql, &all, limit).await)?;
        if row.get(0) { Ok(row) } else { self.noted(Err(StoreError::TermOver)) }
    }

    /// What is not known to be done, or was not done because another instance works, ends the term, also where the error
    /// itself is not looked at.
    fn noted<T>(&self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        if let (Err(StoreError::Unavailable(_) | StoreError::TermOver), Some(ended)) = (&result, &self.ended)
        {
            ended.cancel();
        }
        result
    }

    /// Turns a record that cannot be read into none. `kind` and `seq` name it in the log, once.
    fn or_damaged<T>(
        &self,
        kind: &'static str,
        seq: u64,
        read: Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        match read {
            Err(StoreError::Damaged(reason)) => {
                let mut damaged = lock(&self.shared.damaged);
                if damaged.insert((kind, seq)) {
                    tracing::error!(kind, seq, reason, "a stored record is damaged: going on without it");
                }
                Ok(None)
            }
            read => read.map(Some),
        }
    }
}

async fn encoding(connection: &Connection) -> Result<String, StoreError> {
    const SQL: &str = "select current_setting('server_encoding')";
    Ok(connection.row(SQL, &[], WORK).await?.get(0))
}

/// SQL_ASCII keeps every byte as it is. Any other encoding refuses a statement for one letter that it lacks.
fn holds_every_letter(encoding: &str) -> bool {
    ["UTF8", "SQL_ASCII"].contains(&encoding)
}

fn target(settings: &Settings) -> Result<Target, ConnectError> {
    let reach = ArcSwap::from_pointee(reach(settings)?);
    if !address::is_schema(&settings.schema) {
        return Err(ConnectError::Schema(settings.schema.clone()));
    }
    Ok(Target { reach, schema: settings.schema.clone() })
}

fn reach(settings: &Settings) -> Result<Reach, ConnectError> {
    let config = address::read(&settings.url).map_err(ConnectError::Address)?;
    let tls = tls::connector(settings.root_cert.as_deref()).map_err(ConnectError::RootCert)?;
    let (url, root_cert) = (settings.url.clone(), settings.root_cert.clone());
    Ok(Reach { url, root_cert, hosts: address::each_host(&config), tls })
}

#[cfg(test)]
mod tests;
