//! One connection to the primary: opened when it is needed, closed when anything about it is doubtful.
//!
//! Each statement is a transaction by itself. A statement is never cancelled: a commit that waits for the standby is
//! visible after a cancel, and reported as done with only a warning.
//!
//! A statement that fails closes the connection that it was sent on, and no other: opening may take longer than a statement
//! may, and then the next one uses what was opened meanwhile.
//!
//! Everything that waits for the server runs in a task of its own. Answers come in the order of the statements, and the
//! connection stops while somebody does not take his: whoever waits for a later one might be the one who has to take it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use arc_swap::ArcSwap;
use futures_util::future::select_ok;
use futures_util::{FutureExt, StreamExt, TryStreamExt, stream};
use tokio::task::AbortHandle;
use tokio::time::timeout;
use tokio_postgres::config::SslMode;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;
use tokio_postgres::{AsyncMessage, Client, Config, NoTls, Row, Socket, Statement};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::mutant;
use crate::state::StoreError;
use crate::state::postgres::encoded::Encoded;
use crate::state::postgres::errors::Failure;
use crate::sync::lock;

/// Time limit for connecting to any of the hosts and setting the session up.
const OPEN: Duration = Duration::from_secs(5);
/// How often a statement is sent that waited for another one and the other one for it.
const TRIES: usize = 5;

/// What connections of a store are opened to.
pub(super) struct Target {
    /// May be replaced: a connection that is open stays, and the next one is opened by the new one.
    pub reach: ArcSwap<Reach>,
    pub schema: String,
}

/// How to reach the database.
pub(super) struct Reach {
    /// What the rest was made of.
    pub url: String,
    pub root_cert: Option<Vec<u8>>,
    /// One for each host.
    pub hosts: Vec<Config>,
    pub tls: MakeRustlsConnect,
}

/// What a connection is for. Each has its own way of planning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// Inserts of many events at once.
    Receive,
    /// Everything else: lookups by index. Joins by hash or merge are off, because a plan that was made while the tables
    /// were small is kept.
    Records,
}

pub(super) struct Connection {
    target: Arc<Target>,
    usage: Use,
    live: Slot,
    trips: AtomicU64,
    /// How long the last statement took, in microseconds.
    last_micros: AtomicU64,
}

type Slot = Arc<tokio::sync::Mutex<Option<Arc<Live>>>>;
/// The connection that a statement was sent on; none while it is being opened.
type Used = OnceLock<Arc<Live>>;

/// An open connection.
struct Live {
    client: Client,
    statements: Mutex<HashMap<&'static str, Statement>>,
    /// A commit was reported as done although the standby may not have it.
    doubtful: Arc<AtomicBool>,
    task: AbortHandle,
    /// A statement on it was lost.
    is_lost: AtomicBool,
}

impl Drop for Live {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub(super) type Params<'a> = &'a [&'a (dyn ToSql + Sync)];

impl Connection {
    pub(super) fn new(target: Arc<Target>, usage: Use) -> Self {
        let (live, trips) = (Slot::default(), AtomicU64::new(0));
        Self { target, usage, live, trips, last_micros: AtomicU64::new(0) }
    }

    /// The rows of one statement. A deadlock is tried again; anything else is the caller's.
    pub(super) async fn rows(
        &self,
        sql: &'static str,
        params: Params<'_>,
        limit: Duration,
    ) -> Result<Vec<Row>, StoreError> {
        for _ in 1..TRIES {
            match self.once(sql, params, limit).await {
                Err(Failure::Again) => {}
                other => return Ok(other?),
            }
        }
        Ok(self.once(sql, params, limit).await?)
    }

    /// The one row of a statement that always gives one.
    pub(super) async fn row(
        &self,
        sql: &'static str,
        params: Params<'_>,
        limit: Duration,
    ) -> Result<Row, StoreError> {
        let found = self.rows(sql, params, limit).await?.pop();
        found.ok_or_else(|| StoreError::Unreadable("a statement gave no row".to_owned()))
    }

    /// Statements without parameters, in one trip.
    pub(super) async fn batch(&self, sql: &str, limit: Duration) -> Result<(), StoreError> {
        let used = Used::default();
        let run = async {
            let live = self.live_for(&used).await?;
            self.trips.fetch_add(1, Ordering::Relaxed);
            let done = live.client.batch_execute(sql).await.map_err(|error| Failure::of(&error));
            Self::checked(&live, done)
        };
        let done = timeout(limit, run).await.unwrap_or_else(|_| Err(Failure::no_answer(limit)));
        Ok(Self::close_if_lost(done, &used)?)
    }

    async fn once(
        &self,
        sql: &'static str,
        params: Params<'_>,
        limit: Duration,
    ) -> Result<Vec<Row>, Failure> {
        let started = std::time::Instant::now();
        let used = Used::default();
        let done = timeout(limit, self.ask(sql, params, &used)).await;
        let done = done.unwrap_or_else(|_| Err(Failure::no_answer(limit)));
        self.last_micros
            .store(u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
        Self::close_if_lost(done, &used)
    }

    async fn ask(&self, sql: &'static str, params: Params<'_>, used: &Used) -> Result<Vec<Row>, Failure> {
        let live = self.live_for(used).await?;
        let statement = live.prepared(sql).await?;
        let params = Encoded::all(params, statement.params())?;
        self.trips.fetch_add(1, Ordering::Relaxed);
        own_task(async move {
            let rows = live.client.query_raw(&statement, params).await;
            let rows = match rows {
                Ok(rows) => rows.try_collect().await,
                Err(error) => Err(error),
            };
            Self::checked(&live, rows.map_err(|error| Failure::of(&error)))
        })
        .await
    }

    fn checked<T>(live: &Live, done: Result<T, Failure>) -> Result<T, Failure> {
        if live.doubtful.load(Ordering::SeqCst) {
            return Err(Failure::Lost("the wait for the standby was cancelled".to_owned()));
        }
        done
    }

    /// Closes the connection of a statement that is lost, without a word to the server: others under way on it fail. Waits for
    /// nothing: the next connection may be being opened.
    fn close_if_lost<T>(done: Result<T, Failure>, used: &Used) -> Result<T, Failure> {
        if let (Err(Failure::Lost(_) | Failure::NotLetIn(_)), Some(live)) = (&done, used.get()) {
            live.is_lost.store(true, Ordering::SeqCst);
            live.task.abort();
        }
        done
    }

    /// Opens the connection, if it is not open.
    pub(super) async fn open(&self) -> Result<(), Failure> {
        self.live().await.map(drop)
    }

    /// How many requests were sent, each of which waited for its answer.
    pub(super) fn trips(&self) -> u64 {
        self.trips.load(Ordering::Relaxed)
    }

    pub(super) fn last_trip(&self) -> Duration {
        Duration::from_micros(self.last_micros.load(Ordering::Relaxed))
    }

    async fn live_for(&self, used: &Used) -> Result<Arc<Live>, Failure> {
        let live = self.live().await?;
        Ok(Arc::clone(used.get_or_init(|| live)))
    }

    async fn live(&self) -> Result<Arc<Live>, Failure> {
        let (slot, target, usage) = (Arc::clone(&self.live), Arc::clone(&self.target), self.usage);
        let waits = Arc::new(());
        let caller = Arc::downgrade(&waits);
        own_task(async move {
            let mut live = slot.lock().await;
            if let Some(open) = live.as_ref().filter(|open| open.is_usable()) {
                return Ok(Arc::clone(open));
            }
            // Whoever has given up meanwhile opens nothing: the next one would wait for that, too.
            if caller.strong_count() == 0 {
                return Err(Failure::no_answer(OPEN));
            }
            let opened = timeout(OPEN, Live::open(&target, usage)).await;
            let opened = Arc::new(opened.unwrap_or_else(|_| Err(Failure::no_answer(OPEN)))?);
            Ok(Arc::clone(live.insert(opened)))
        })
        .await
    }
}

/// Goes on while the caller does something else, and after he has gone.
async fn own_task<T: Send + 'static>(
    work: impl Future<Output = Result<T, Failure>> + Send + 'static,
) -> Result<T, Failure> {
    tokio::spawn(work).await.unwrap_or_else(|error| Err(Failure::Lost(error.to_string())))
}

impl Live {
    /// Opens a connection to the host that lets us write first.
    async fn open(target: &Target, usage: Use) -> Result<Self, Failure> {
        let reach = target.reach.load_full();
        let open = |host| Self::open_to(host, &reach.tls, &target.schema, usage).boxed();
        let all = reach.hosts.iter().map(open);
        select_ok(all).await.map(|(live, _)| live)
    }

    async fn open_to(
        host: &Config,
        tls: &MakeRustlsConnect,
        schema: &str,
        usage: Use,
    ) -> Result<Self, Failure> {
        let lost = |error: tokio_postgres::Error| match Failure::of(&error) {
            Failure::Refused(reason) => Failure::Lost(reason),
            other => other,
        };
        let doubtful = Arc::new(AtomicBool::new(false));
        let (client, task) = if host.get_ssl_mode() == SslMode::Disable {
            let (client, connection) = host.connect(NoTls).await.map_err(lost)?;
            (client, tokio::spawn(carry(connection, Arc::clone(&doubtful))))
        } else {
            let (client, connection) = host.connect(tls.clone()).await.map_err(lost)?;
            (client, tokio::spawn(carry(connection, Arc::clone(&doubtful))))
        };
        let (statements, task, is_lost) = (Mutex::default(), task.abort_handle(), AtomicBool::new(false));
        let live = Self { client, statements, doubtful, task, is_lost };
        live.client.batch_execute(&session(schema, usage)).await.map_err(lost)?;
        match live.client.batch_execute(LOOK_FOR_US).await {
            // A server on another kind of system than Linux cannot.
            Err(error) if error.as_db_error().is_none() => Err(lost(error)),
            _ => Ok(live),
        }
    }

    fn is_usable(&self) -> bool {
        !self.is_lost.load(Ordering::SeqCst) && !self.client.is_closed()
    }

    async fn prepared(self: &Arc<Self>, sql: &'static str) -> Result<Statement, Failure> {
        let known = lock(&self.statements).get(sql).cloned();
        if let Some(known) = known {
            return Ok(known);
        }
        let live = Arc::clone(self);
        own_task(async move {
            let statement = live.client.prepare(sql).await.map_err(|error| Failure::of(&error))?;
            lock(&live.statements).insert(sql, statement.clone());
            Ok(statement)
        })
        .await
    }
}

/// The server looks whether we are still there, so that statements that we gave up do not fill it while they wait for a
/// lock.
const LOOK_FOR_US: &str = "set client_connection_check_interval = '2s'";

/// Settings of a session. The database's own may be weaker, and its notices must be seen.
fn session(schema: &str, usage: Use) -> String {
    let joins = match usage {
        Use::Receive => "",
        Use::Records => "set enable_hashjoin = off; set enable_mergejoin = off;",
    };
    let durable = if mutant::is_on("async-commit") { "off" } else { "on" };
    format!(
        "set search_path to \"{schema}\"; set synchronous_commit = {durable}; set client_min_messages = warning;
         set application_name = 'goodays-salesforce'; set default_transaction_isolation = 'read committed';
         set statement_timeout = 0; set jit = off; set enable_seqscan = off; {joins}"
    )
}

/// The server's function that waits for the standby. A wait that is cancelled there is a warning without a code of its own,
/// and its words are in the server's language.
const STANDBY_WAIT: &str = "SyncRepWaitForLSN";

/// Carries bytes until the connection ends. A notice comes before the answer of its statement, so the mark is set before
/// anybody takes that answer for a success.
async fn carry<S>(mut connection: tokio_postgres::Connection<Socket, S>, doubtful: Arc<AtomicBool>)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    let mut messages = stream::poll_fn(move |cx| connection.poll_message(cx));
    while let Some(Ok(message)) = messages.next().await {
        if let AsyncMessage::Notice(notice) = message {
            let cancelled = [SqlState::QUERY_CANCELED, SqlState::ADMIN_SHUTDOWN].contains(notice.code());
            if cancelled || notice.routine() == Some(STANDBY_WAIT) {
                doubtful.store(true, Ordering::SeqCst);
            }
            tracing::warn!(code = notice.code().code(), "the database says: {}", notice.message());
        }
    }
}
