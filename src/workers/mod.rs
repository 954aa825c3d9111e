//! Workers: each reads, lets `decide` decide, acts, and records.
//!
//! A worker runs one `step()` after another. A step does one piece of work, or says until when there is none. Workers
//! end between steps; delivery ends when its calls in flight have ended. After a kill, the disk says what was
//! unfinished (`Sending`, attempts).

pub(crate) mod delivery;
pub(crate) mod housekeeping;
pub(crate) mod inbound;
pub(crate) mod poll;
pub(crate) mod runtime;
mod stale_state;
pub(crate) mod sweep;

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{error, info};

use delivery::{dispatcher, facts, users};
pub use housekeeping::reload::{Edits, last_good_mapping, remember_mapping};
use inbound::in_progress;
use poll::rules;
pub use runtime::budget::{Allowance, Forecast};
pub use runtime::circuit_breaker::{CircuitBreaker, Trouble};
pub use runtime::org_identity::{OrgIdentities, OrgIdentity, Schema};
pub use runtime::plan_context::perimeter;
use runtime::worker::{Worker, run_worker};
use runtime::{activity, budget, org_identity, plan_context};
pub use sweep::{SweepOptions, SweepReport};

use crate::clock::Clock;
use crate::config::{Config, Live};
use crate::decide::outbound::EarlierRules;
use crate::http::{Concerns, Failure, TimeLimits};
use crate::mapping::Mapping;
use crate::metrics::Metrics;
use crate::minutes::Minutes;
use crate::remotes::credentials;
use crate::salesforce::describe::Describe;
use crate::state::{Counters, LANES, Store, StoreError};
use crate::{goodays, salesforce};

/// What the workers and the web servers share.
pub struct Shared {
    pub config: Config,
    pub clock: Clock,
    pub store: Store,
    pub metrics: Metrics,
    pub salesforce: salesforce::client::Client,
    pub goodays: goodays::client::Client,
    pub salesforce_breaker: CircuitBreaker,
    pub goodays_breaker: CircuitBreaker,
    pub budget: budget::Budget,
    pub(crate) in_progress: in_progress::InProgress,
    pub contacts: OrgIdentities,
    pub secrets: housekeeping::Secrets,
    pub counts: Counts,
    /// What happened in each minute of the last day.
    pub minutes: Minutes,
    pub poll_state: poll::PollState,
    pub(crate) activity: activity::Activity,
    pub(crate) mapping: ArcSwap<Mapping>,
    /// What an edit of connector.yaml changes at once.
    pub(crate) live: ArcSwap<Live>,
    /// How connector.yaml on disk differs from the running configuration, for `status`.
    pub edits: ArcSwap<housekeeping::reload::Edits>,
    /// Changes the log's level, where the log is our own.
    pub(crate) log_level: OnceLock<LogLevel>,
    /// Checks an edited mapping against the org, where somebody gave such a check.
    pub(crate) edit_check: OnceLock<EditCheck>,
    /// One reload at a time: a signal, the admin server and the file watch can each start one.
    pub(crate) reloading: tokio::sync::Mutex<()>,
    /// Since when the mapping version is in force (milliseconds).
    pub mapping_since_ms: AtomicI64,
    /// The last refused mapping edit, for `status`.
    pub mapping_trouble: ArcSwap<Option<String>>,
    /// Returns that Goodays counts as waiting, as of the last sweep.
    pub dashboard: ArcSwap<Option<u64>>,
    /// When the first parked item is dropped if nobody decides (milliseconds), as of the last pruning.
    pub parked_ends_ms: ArcSwap<Option<i64>>,
    pub(crate) fixes: plan_context::Fixes,
    pub(crate) users: users::Directory,
    /// Whether this account of Goodays stops listing `message` once the brand has answered; none: not known yet.
    pub(crate) message_ends_turn: ArcSwap<Option<bool>>,
    /// The token whose account was compared with the state's.
    pub(crate) goodays_account: tokio::sync::Mutex<Option<Arc<secrecy::SecretString>>>,
    pub(crate) lanes: [Notify; LANES as usize],
    pub(crate) deliver: Notify,
    pub(crate) poll: Notify,
    pub(crate) sweep: Notify,
    pub(crate) upkeep: Notify,
    /// True while actions are in flight: their notes are written in one call, if they do not take long.
    pub(crate) delivering: AtomicBool,
    /// Locked while a page of the poll is applied: nothing is sent on half of it.
    pub(crate) page: tokio::sync::RwLock<()>,
    /// Conversations whose actions the dispatcher has to check.
    pub(crate) changes: dispatcher::Changes,
    /// The rules of actions.yaml before its last edits.
    pub(crate) earlier_rules: ArcSwap<Vec<EarlierRules>>,
    pub(crate) rules_edited: rules::Edited,
    pub(crate) next_call_ms: AtomicI64,
    /// Set by a worker that cannot continue.
    pub(crate) failed: AtomicBool,
    pub(crate) watcher: OnceLock<Watcher>,
}

/// Called after each step of a worker, with its name and whether it steps again at once. The worker stops there when
/// this returns false.
type Watcher = Box<dyn Fn(&'static str, bool) -> bool + Send + Sync>;

/// Sets the level of the log, written as `log.level`.
pub type LogLevel = Box<dyn Fn(&str) + Send + Sync>;

/// What an edited mapping names and the org lacks, in words with places: of the edited mapping, the one in force, and
/// the org's objects.
pub type EditCheck = fn(&Mapping, &Mapping, &[Describe]) -> Vec<String>;

/// Counters that are updated, so that nothing has to be scanned.
#[derive(Debug, Default)]
pub struct Counts {
    pub pending: AtomicI64,
    pub done: [AtomicU64; LANES as usize],
    pub delivered: AtomicU64,
}

/// The result of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Did,
    /// Nothing to do before then (milliseconds), unless the worker is woken.
    Idle {
        until_ms: Option<i64>,
    },
}

/// Why a worker cannot continue: only the store stops the process.
#[derive(Debug, thiserror::Error)]
pub enum Fatal {
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a piece of work ended early.
#[derive(Debug, thiserror::Error)]
pub enum Stop {
    /// A remote failed; it is called again later.
    #[error(transparent)]
    Remote(Failure),
    #[error(transparent)]
    Fatal(Fatal),
}

impl Stop {
    /// The remote's failure, or the error that ends the process.
    pub(crate) fn remote(self) -> Result<Failure, Fatal> {
        match self {
            Self::Remote(failure) => Ok(failure),
            Self::Fatal(fatal) => Err(fatal),
        }
    }
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Remote(failure)
    }
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Fatal(error.into())
    }
}

impl From<Fatal> for Stop {
    fn from(fatal: Fatal) -> Self {
        Self::Fatal(fatal)
    }
}

impl Shared {
    pub async fn open(
        config: Config,
        mapping: Mapping,
        store: Store,
        clock: Clock,
    ) -> Result<Self, StoreError> {
        Self::open_with(config, mapping, store, clock, TimeLimits::default()).await
    }

    /// [`Self::open`] with other time limits on calls.
    pub async fn open_with(
        config: Config,
        mapping: Mapping,
        store: Store,
        clock: Clock,
        limits: TimeLimits,
    ) -> Result<Self, StoreError> {
        let clock = match store.meta(housekeeping::OUR_TIME).await? {
            Some(then_ms) => clock.not_before(then_ms),
            None => clock,
        };
        let budget = budget::Budget::open(store.clone(), config.salesforce.api_calls_per_day.into()).await?;
        let in_progress = in_progress::InProgress::open(&store, &config.state.path).await?;
        let secrets = housekeeping::Secrets::new(&config);
        let salesforce = salesforce::client::Client::new(
            config.salesforce.login_url.clone(),
            config.salesforce.api_version.clone(),
            credentials(&config),
            crate::http::client(limits.salesforce_write),
            budget.meter.clone(),
            clock.clone(),
        )
        .with_limits(limits)
        .of(org_identity::owner(&store).await?);
        let token = secrets.goodays_token.clone();
        let goodays = goodays::client::Client::new(
            config.goodays.base_url.clone(),
            move || (**token.load()).clone(),
            crate::http::client(limits.goodays),
        );
        if store.is_incomplete() {
            stale_state::after_loss(&store, clock.now_ms()).await?;
        }
        let counts = Counts::of(store.counters().await?);
        let message_ends_turn = store.meta(facts::MESSAGE_ENDS_TURN).await?;
        let minutes = housekeeping::minutes::read(&store, clock.now_ms()).await?;
        let since_ms = housekeeping::in_force::since(&store, mapping.version(), clock.now_ms()).await?;
        Ok(Self {
            metrics: Metrics::new(mapping.version()),
            salesforce,
            goodays,
            salesforce_breaker: CircuitBreaker::new(),
            goodays_breaker: CircuitBreaker::new(),
            budget,
            in_progress,
            contacts: OrgIdentities::default(),
            secrets,
            counts,
            minutes,
            poll_state: poll::PollState::default(),
            activity: activity::Activity::default(),
            mapping: ArcSwap::from_pointee(mapping),
            live: ArcSwap::from_pointee(Live::of(&config)),
            edits: ArcSwap::default(),
            log_level: OnceLock::new(),
            edit_check: OnceLock::new(),
            reloading: tokio::sync::Mutex::new(()),
            mapping_since_ms: AtomicI64::new(since_ms),
            mapping_trouble: ArcSwap::from_pointee(None),
            dashboard: ArcSwap::from_pointee(None),
            parked_ends_ms: ArcSwap::from_pointee(None),
            fixes: plan_context::Fixes::default(),
            users: users::Directory::default(),
            message_ends_turn: ArcSwap::from_pointee(message_ends_turn),
            goodays_account: tokio::sync::Mutex::new(None),
            lanes: [Notify::new(), Notify::new()],
            deliver: Notify::new(),
            poll: Notify::new(),
            sweep: Notify::new(),
            upkeep: Notify::new(),
            delivering: AtomicBool::new(false),
            page: tokio::sync::RwLock::new(()),
            changes: dispatcher::Changes::default(),
            earlier_rules: ArcSwap::default(),
            rules_edited: rules::Edited::default(),
            next_call_ms: AtomicI64::new(0),
            failed: AtomicBool::new(false),
            watcher: OnceLock::new(),
            config,
            clock,
            store,
        })
    }

    /// The settings of connector.yaml that an edit changes while running, as they are now.
    pub fn live(&self) -> Arc<Live> {
        self.live.load_full()
    }

    /// Sets how edited mappings are checked against the org. The first one stays.
    pub fn check_edits_by(&self, check: EditCheck) {
        let _ = self.edit_check.set(check);
    }

    /// Sets how the log's level is changed. The first one stays.
    pub fn log_level_by(&self, set: LogLevel) {
        let _ = self.log_level.set(set);
    }

    pub fn mapping(&self) -> Arc<Mapping> {
        self.mapping.load_full()
    }

    pub fn set_mapping(&self, mapping: Mapping) {
        if mapping.rules_version() != self.mapping().rules_version() {
            self.rules_edited.at(self.clock.now_ms());
        }
        self.mapping.store(Arc::new(mapping));
    }

    /// Sets a watcher before any worker starts: tests stop a daemon at an exact place. The first one stays.
    pub fn watch_steps(&self, watcher: impl Fn(&'static str, bool) -> bool + Send + Sync + 'static) {
        let _ = self.watcher.set(Box::new(watcher));
    }

    fn goes_on(&self, name: &'static str, did: bool) -> bool {
        self.watcher.get().is_none_or(|watcher| watcher(name, did))
    }

    /// Something came in for this inbound worker.
    pub fn wake_lane(&self, lane: u8) {
        self.lanes[usize::from(lane)].notify_one();
    }

    pub fn wake_all(&self) {
        self.lanes.iter().for_each(Notify::notify_one);
        self.deliver.notify_one();
        self.poll.notify_one();
    }

    /// Asks the budget before a call to Salesforce, and gives the distance to the next call (milliseconds). Inbound
    /// workers share one distance; polls keep their own, so that feedback never waits for them.
    pub(crate) async fn allowance(&self, poll: bool) -> Result<i64, Failure> {
        let now_ms = self.clock.now_ms();
        match self.budget.ask(now_ms, poll).await.map_err(|e| org_identity::disk(&e))? {
            Allowance::Go { spacing_ms } => {
                if !poll {
                    self.next_call_ms.store(now_ms + spacing_ms, Ordering::Relaxed);
                }
                Ok(spacing_ms)
            }
            Allowance::Exhausted { .. } => Err(Failure::Budget),
        }
    }

    /// Notes how a call to Salesforce went; returns until when calls pause (milliseconds).
    pub(crate) fn salesforce_said<T>(&self, result: &Result<T, Failure>, began_ms: i64) -> Option<i64> {
        self.said("salesforce", &self.salesforce_breaker, result, began_ms)
    }

    /// Notes how a call to Goodays went; returns until when calls pause (milliseconds).
    pub(crate) fn goodays_said<T>(&self, result: &Result<T, Failure>, began_ms: i64) -> Option<i64> {
        self.said("goodays", &self.goodays_breaker, result, began_ms)
    }

    /// One worker's success ends the pause of all: those that sleep until its end are woken.
    fn said<T>(
        &self,
        remote: &'static str,
        breaker: &CircuitBreaker,
        result: &Result<T, Failure>,
        began_ms: i64,
    ) -> Option<i64> {
        let was_in_trouble = breaker.trouble().is_some();
        let until_ms = said(remote, breaker, &self.metrics, result, began_ms, self.clock.now_ms());
        if was_in_trouble && until_ms.is_none() {
            self.wake_all();
        }
        until_ms
    }

    /// Whether both remotes answered when last asked.
    pub fn is_ready(&self) -> bool {
        self.salesforce_breaker.is_well() && self.goodays_breaker.trouble().is_none()
    }
}

/// The daemon ends the process if the store is broken; until then the step waits this long (milliseconds).
const OUR_PAUSE_MS: i64 = 1_000;

/// Until when calls to the remote pause, if they do. A refusal of one request is no failure of the remote.
fn said<T>(
    remote: &'static str,
    breaker: &CircuitBreaker,
    metrics: &Metrics,
    result: &Result<T, Failure>,
    began_ms: i64,
    now_ms: i64,
) -> Option<i64> {
    match result {
        Ok(_) => {
            metrics.call(remote, "ok", now_ms - began_ms);
            if breaker.trouble().is_some() {
                info!(remote, "the remote answers again");
            }
            breaker.succeeded(now_ms);
            None
        }
        Err(failure) if failure.concerns() == Concerns::Ourselves => {
            tracing::warn!(%failure, "this step is done again");
            Some(now_ms + OUR_PAUSE_MS)
        }
        Err(failure) if failure.concerns() == Concerns::ThisRequest => {
            metrics.call(remote, &failure.code(), now_ms - began_ms);
            breaker.succeeded(now_ms);
            None
        }
        Err(failure) => {
            metrics.call(remote, &failure.code(), now_ms - began_ms);
            let until_ms = breaker.failed(failure, now_ms);
            tracing::warn!(remote, %failure, pause_ms = until_ms - now_ms, "the remote is left alone for a while");
            Some(until_ms)
        }
    }
}

impl Counts {
    fn of(counters: Counters) -> Self {
        let counts = Self::default();
        counts.pending.store(i64::try_from(counters.pending).unwrap_or(i64::MAX), Ordering::Relaxed);
        for (count, done) in counts.done.iter().zip(counters.done) {
            count.store(done, Ordering::Relaxed);
        }
        counts.delivered.store(counters.delivered, Ordering::Relaxed);
        counts
    }
}

/// The running workers.
pub struct Daemon {
    pub shared: Arc<Shared>,
    token: CancellationToken,
    /// Cancels calls in flight when a stop no longer waits for them.
    cut: CancellationToken,
    tracker: TaskTracker,
}

/// How long a stop waits for calls in flight (design, rule 17); afterwards the disk says `Sending`.
const STOP: Duration = Duration::from_secs(8);

impl Daemon {
    /// Starts the workers. A worker that ends by itself cancels the token: the process must not continue without it.
    pub fn start(shared: Arc<Shared>, token: CancellationToken) -> Self {
        let (cut, tracker) = (CancellationToken::new(), TaskTracker::new());
        let daemon = Self { shared, token, cut, tracker };
        let worker_state = inbound::worker_state::SharedWorkerState::default();
        for lane in 0..LANES {
            daemon.spawn(inbound::InboundWorker::new(lane, worker_state.clone()));
        }
        daemon.spawn(poll::Poller::default());
        daemon.spawn(dispatcher::Dispatcher::new(daemon.shared.clock.now_ms()));
        daemon.spawn(sweep::Sweeper::default());
        daemon.spawn(housekeeping::Keeper::default());
        let watch = daemon.shared.clone();
        let stop = daemon.token.clone();
        daemon.tracker.spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                error = watch.store.broken() => {
                    error!(%error, "the store is broken: nothing more can be acknowledged");
                    watch.failed.store(true, Ordering::SeqCst);
                    stop.cancel();
                }
            }
        });
        daemon.tracker.close();
        daemon
    }

    fn spawn<H: Worker + 'static>(&self, hands: H) {
        let driving = run_worker(hands, self.shared.clone(), self.token.clone());
        self.tracker.spawn(self.cut.clone().run_until_cancelled_owned(driving));
    }

    /// Stops between steps, and waits a while for calls in flight. False when a worker or the store failed.
    pub async fn stop(self) -> bool {
        self.token.cancel();
        if tokio::time::timeout(STOP, self.tracker.wait()).await.is_err() {
            info!("calls were still in flight; the disk says so");
            self.cut.cancel();
            self.tracker.wait().await;
        }
        // Only for the plots: a failure shows in the next line.
        let _ = housekeeping::minutes::save_last(&self.shared).await;
        let closed = self.shared.budget.close(self.shared.clock.now_ms()).await;
        let durable = self.shared.store.durable().await;
        closed.is_ok() && durable.is_ok() && !self.shared.failed.load(Ordering::SeqCst)
    }
}
