//! Webhooks, many in one statement: two tasks take what waits, each over its own connection.
//!
//! While a statement waits for the standby, what arrives becomes the next one.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;
use tokio::time::timeout;

use crate::goodays::ResponseId;
use crate::mutant;
use crate::state::RKey;
use crate::state::StoreError;
use crate::state::postgres::connection::{Connection, Target, Use};
use crate::state::postgres::errors::unavailable;
use crate::state::postgres::rows::{lane, text, unsigned};
use crate::state::postgres::{fenced, rows::EventColumns};
use crate::sync::lock;

/// Connections that store webhooks.
const COMMITTERS: usize = 2;
/// Webhooks that wait for a statement.
const QUEUE: usize = 1024;
/// Webhooks in one statement.
const AT_ONCE: usize = 256;
/// A statement takes no more webhooks once it has so many bytes.
const BYTES: usize = 4 << 20;
/// Time limit for storing a small webhook: longer, and the door answers that it was not stored.
const STORE: Duration = Duration::from_secs(2);
/// A large one may take longer: so many bytes a second.
const PACE: u64 = 4 << 20;
/// Without any webhook for this time, a write shows whether one could be stored.
const IDLE: Duration = Duration::from_millis(700);
/// Time limit for that write.
const PROBE: Duration = Duration::from_millis(1200);

/// An event as it came in.
pub(super) struct Incoming {
    /// The response, or the body's own hash if it names none.
    pub owner: [u8; 16],
    /// Of the body.
    pub hash: [u8; 16],
    pub response_id: Option<ResponseId>,
    pub event: String,
    pub received_ms: i64,
    pub columns: EventColumns,
    pub body: Vec<u8>,
}

/// What became of it.
#[derive(Debug, Clone)]
pub(super) struct Taken {
    pub seq: u64,
    /// False: its body was received before.
    pub fresh: bool,
    /// The event of that body, if it is parked or dropped.
    pub record: Option<String>,
}

/// Time limit for storing so many bytes.
pub(super) fn limit(bytes: usize) -> Duration {
    STORE + Duration::from_secs(bytes as u64 / PACE)
}

struct Asked {
    incoming: Incoming,
    answer: oneshot::Sender<Result<Taken, StoreError>>,
}

/// The tasks and their queue.
pub(super) struct Receivers {
    queue: mpsc::Sender<Asked>,
    health: Arc<Health>,
    tasks: Vec<AbortHandle>,
}

impl Drop for Receivers {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

/// Whether webhooks can be stored.
#[derive(Default)]
struct Health {
    /// Why the last write failed.
    bad: Mutex<Option<String>>,
    /// When the last one succeeded.
    good: Mutex<Option<Instant>>,
    commits: AtomicU64,
}

impl Health {
    fn note<T>(&self, written: &Result<T, StoreError>) {
        let reason = written.as_ref().err().map(ToString::to_string);
        if reason.is_none() {
            *lock(&self.good) = Some(Instant::now());
        }
        let mut bad = lock(&self.bad);
        match (&reason, bad.is_some()) {
            (Some(reason), false) => tracing::error!(reason, "the database takes no webhooks"),
            (None, true) => tracing::info!("the database takes webhooks again"),
            _ => {}
        }
        *bad = reason;
    }

    fn is_known_good(&self) -> bool {
        let good = lock(&self.good);
        good.is_some_and(|at| at.elapsed() < IDLE)
    }
}

impl Receivers {
    pub(super) fn start(target: &Arc<Target>) -> Self {
        let (queue, waiting) = mpsc::channel(QUEUE);
        let (waiting, health) = (Arc::new(tokio::sync::Mutex::new(waiting)), Arc::new(Health::default()));
        let tasks = (0..COMMITTERS).map(|_| {
            let connection = Connection::new(Arc::clone(target), Use::Receive);
            tokio::spawn(keep_receiving(connection, Arc::clone(&waiting), Arc::clone(&health))).abort_handle()
        });
        let tasks = tasks.collect();
        Self { queue, health, tasks }
    }

    pub(super) fn accepting(&self) -> Result<(), StoreError> {
        let bad = lock(&self.health.bad).clone();
        bad.map_or(Ok(()), |reason| Err(unavailable(reason)))
    }

    pub(super) async fn room(&self) -> Result<(), StoreError> {
        self.accepting()?;
        match timeout(STORE, self.queue.reserve()).await {
            Ok(Ok(_)) => Ok(()),
            _ => Err(unavailable("too many webhooks wait")),
        }
    }

    pub(super) fn commits(&self) -> u64 {
        self.health.commits.load(Ordering::Relaxed)
    }

    /// Stores an event durably. After an error it may be stored nevertheless, or later.
    pub(super) async fn take(&self, incoming: Incoming) -> Result<Taken, StoreError> {
        self.accepting()?;
        let (answer, taken) = oneshot::channel();
        let limit = limit(incoming.body.len());
        let through = async {
            let sent = self.queue.send(Asked { incoming, answer }).await;
            sent.map_err(|_| unavailable("it is being closed"))?;
            taken.await.map_err(|_| unavailable("it is being closed"))?
        };
        timeout(limit, through).await.unwrap_or_else(|_| Err(unavailable("no answer in time")))
    }
}

type Waiting = Arc<tokio::sync::Mutex<mpsc::Receiver<Asked>>>;

/// Goes on after a panic: it concerns the webhooks of one statement, whose callers are told that they were not stored.
async fn keep_receiving(connection: Connection, waiting: Waiting, health: Arc<Health>) {
    while AssertUnwindSafe(receive(&connection, &waiting, &health)).catch_unwind().await.is_err() {
        health.note::<()>(&Err(unavailable("storing webhooks broke off")));
    }
}

/// Stores what waits until the store is closed.
async fn receive(connection: &Connection, waiting: &Waiting, health: &Health) {
    loop {
        let mut batch = Vec::new();
        // Not inside of the match: there the queue would stay locked until the statement has its answer.
        let gathered = gather(&mut *waiting.lock().await, &mut batch).await;
        match gathered {
            Gathered::Closed => return,
            Gathered::Nothing => {}
            Gathered::Some => {
                let written = store_all(connection, batch).await;
                health.commits.fetch_add(1, Ordering::Relaxed);
                if !matches!(written, Err(StoreError::Unreadable(_))) {
                    health.note(&written);
                    continue;
                }
            }
        }
        // After a refusal, too: it may be of this event, or of all.
        if !health.is_known_good() {
            health.note(&probe(connection).await);
        }
    }
}

enum Gathered {
    Some,
    Nothing,
    Closed,
}

async fn gather(waiting: &mut mpsc::Receiver<Asked>, batch: &mut Vec<Asked>) -> Gathered {
    match timeout(IDLE, waiting.recv()).await {
        Ok(Some(first)) => batch.push(first),
        Ok(None) => return Gathered::Closed,
        Err(_) => return Gathered::Nothing,
    }
    let mut bytes = batch[0].incoming.body.len();
    while batch.len() < AT_ONCE && bytes < BYTES {
        let Ok(next) = waiting.try_recv() else { break };
        bytes += next.incoming.body.len();
        batch.push(next);
    }
    Gathered::Some
}

async fn probe(connection: &Connection) -> Result<(), StoreError> {
    const WRITE: &str = "update probe set writes = writes + 1 returning writes";
    connection.row(WRITE, &[], PROBE).await.map(drop)
}

/// Stores a batch, and answers each. Equal bodies in it are stored once.
async fn store_all(connection: &Connection, batch: Vec<Asked>) -> Result<(), StoreError> {
    let mut first: HashMap<([u8; 16], [u8; 16]), usize> = HashMap::new();
    let (mut events, mut answers, mut repeats) = (Vec::new(), Vec::new(), Vec::new());
    for Asked { incoming, answer } in batch {
        let place = *first.entry((incoming.owner, incoming.hash)).or_insert(events.len());
        if place == events.len() {
            events.push(incoming);
            answers.push(answer);
        } else {
            repeats.push((place, answer));
        }
    }
    let stored = store_each(connection, &events).await;
    for (place, answer) in repeats {
        let repeated = stored[place].as_ref().map(|taken| Taken { fresh: false, ..taken.clone() });
        let _ = answer.send(repeated.map_err(Clone::clone));
    }
    // The database works if it has taken any of them: what it refuses is refused for its own sake.
    let works = stored.iter().find(|one| one.is_ok()).or(stored.first());
    let works = works.map_or(Ok(()), |one| one.as_ref().map(drop).map_err(Clone::clone));
    answers.into_iter().zip(stored).for_each(|(answer, stored)| drop(answer.send(stored)));
    works
}

/// Stores events in one statement; if the database refuses that, each in one of its own, so that one event does not refuse
/// the others.
async fn store_each(connection: &Connection, events: &[Incoming]) -> Vec<Result<Taken, StoreError>> {
    let bytes = events.iter().map(|one| one.body.len()).sum();
    match store(connection, None, events, limit(bytes)).await {
        Ok(taken) => taken.into_iter().map(Ok).collect(),
        Err(StoreError::Unreadable(_)) if events.len() > 1 => {
            let mut stored = Vec::with_capacity(events.len());
            for event in events.chunks(1) {
                let one = store(connection, None, event, limit(event[0].body.len())).await;
                stored.push(one.map(|mut taken| taken.remove(0)));
            }
            stored
        }
        Err(error) => events.iter().map(|_| Err(error.clone())).collect(),
    }
}

/// A repeat writes, too: a plain read would see a row that the standby does not have yet, without waiting for it.
const STORE_SQL: &str = fenced!(
    "input as materialized (
        select *, nextval('numbers') as candidate
        from unnest($2::bytea[], $3::bytea[], $4::bytea[], $5::smallint[], $6::text[], $7::text[], $8::bigint[],
                    $9::text[], $10::bigint[], $11::text[], $12::text[], $13::bytea[]) with ordinality
            as i(owner, hash, rkey, lane, response_id, event, received_ms, state, due_ms, code, record, body, place)
        where exists (select from may)),
     taken as (
        insert into receipts as r (owner, hash, seq)
        select owner, hash, candidate from input order by owner, hash
        on conflict (owner, hash) do update set repeats = r.repeats + 1
        returning owner, hash, seq),
     added as (
        insert into events (seq, rkey, lane, response_id, event, received_ms, state, due_ms, code, record, body)
        select i.candidate, i.rkey, i.lane, i.response_id, i.event, i.received_ms, i.state, i.due_ms, i.code,
               i.record::json, i.body
        from input i join taken t on t.owner = i.owner and t.hash = i.hash and t.seq = i.candidate)
     select i.place, t.seq, t.seq = i.candidate, e.record
     from input i join taken t on t.owner = i.owner and t.hash = i.hash
     left join lateral (
        select o.record::text from events o
        where o.seq = t.seq and t.seq <> i.candidate and o.state in ('parked', 'dropped') limit 1) e on true"
);

/// Stores events with different bodies in one statement: what became of each, in their order.
pub(super) async fn store(
    connection: &Connection,
    epoch: Option<i64>,
    events: &[Incoming],
    limit: Duration,
) -> Result<Vec<Taken>, StoreError> {
    if let Some(taken) = mutant_known(connection, events, limit).await? {
        return Ok(taken);
    }
    let rkeys: Vec<Option<RKey>> = events.iter().map(|one| one.response_id.as_ref().map(RKey::of)).collect();
    let owners: Vec<&[u8]> = events.iter().map(|one| one.owner.as_slice()).collect();
    let hashes: Vec<&[u8]> = events.iter().map(|one| one.hash.as_slice()).collect();
    let keys: Vec<Option<&[u8]>> =
        rkeys.iter().map(|rkey| rkey.as_ref().map(|rkey| rkey.0.as_slice())).collect();
    let lanes: Vec<Option<i16>> = rkeys.iter().map(|rkey| rkey.map(lane)).collect();
    let ids: Vec<Option<String>> =
        events.iter().map(|one| one.response_id.as_ref().map(|id| text(id.as_str()))).collect();
    let names: Vec<String> = events.iter().map(|one| text(&one.event)).collect();
    let received: Vec<i64> = events.iter().map(|one| one.received_ms).collect();
    let states: Vec<&str> = events.iter().map(|one| one.columns.state).collect();
    let due: Vec<Option<i64>> = events.iter().map(|one| one.columns.due_ms).collect();
    let codes: Vec<Option<&str>> = events.iter().map(|one| one.columns.code.as_deref()).collect();
    let records: Vec<&str> = events.iter().map(|one| one.columns.record.as_str()).collect();
    let bodies: Vec<&[u8]> = events.iter().map(|one| one.body.as_slice()).collect();
    let rows = connection
        .rows(
            STORE_SQL,
            &[
                &epoch, &owners, &hashes, &keys, &lanes, &ids, &names, &received, &states, &due, &codes,
                &records, &bodies,
            ],
            limit,
        )
        .await?;
    let mut taken: Vec<(i64, Taken)> = rows
        .iter()
        .map(|row| (row.get(0), Taken { seq: unsigned(row.get(1)), fresh: row.get(2), record: row.get(3) }))
        .collect();
    if taken.len() < events.len() {
        return Err(StoreError::TermOver);
    }
    taken.sort_by_key(|(place, _)| *place);
    Ok(taken.into_iter().map(|(_, taken)| taken).collect())
}

/// For the mutant that answers repeats by a plain read: what became of these events, if all were received before.
async fn mutant_known(
    connection: &Connection,
    events: &[Incoming],
    limit: Duration,
) -> Result<Option<Vec<Taken>>, StoreError> {
    const SQL: &str = "select seq from receipts where owner = $1 and hash = $2";
    let mut taken = Vec::new();
    for event in events.iter().filter(|_| mutant::is_on("read-only-duplicate")) {
        let (owner, hash) = (event.owner.as_slice(), event.hash.as_slice());
        let rows = connection.rows(SQL, &[&owner, &hash], limit).await?;
        let known =
            |row: &tokio_postgres::Row| Taken { seq: unsigned(row.get(0)), fresh: false, record: None };
        taken.extend(rows.first().map(known));
    }
    Ok(Some(taken).filter(|taken| taken.len() == events.len()))
}
