//! What the workers of one term share.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use arc_swap::ArcSwap;
use tokio::sync::Notify;

use crate::clock::Clock;
use crate::config::Config;
use crate::decide::outbound::EarlierRules;
use crate::http::{Failure, TimeLimits};
use crate::mapping::Mapping;
use crate::minutes::Minutes;
use crate::remotes::credentials;
use crate::state::{Counters, LANES, Store, StoreError};
use crate::workers::delivery::{dispatcher, facts, users};
use crate::workers::inbound::in_progress;
use crate::workers::runtime::budget::Purpose;
use crate::workers::runtime::{activity, budget, org_identity, plan_context};
use crate::workers::{
    Allowance, CircuitBreaker, OrgIdentities, Process, Standing, figures, housekeeping, poll, stale_state,
};
use crate::{goodays, salesforce};

/// What the workers of one term share, and the web servers with them: the store, and what is known in memory. It ends with
/// the term. An instance that does not work has one of its own, which no worker uses.
pub struct Shared {
    pub(crate) process: Arc<Process>,
    /// The process's clock, not earlier than what the store knows.
    pub clock: Clock,
    pub store: Store,
    /// Whether the workers of this instance run. Otherwise another instance asks the remotes.
    pub works: bool,
    /// When that began, by the clock (milliseconds).
    pub began_ms: i64,
    pub salesforce: salesforce::client::Client,
    pub goodays: goodays::client::Client,
    pub salesforce_breaker: CircuitBreaker,
    pub goodays_breaker: CircuitBreaker,
    pub budget: budget::Budget,
    pub(crate) in_progress: in_progress::InProgress,
    pub contacts: OrgIdentities,
    pub counts: Counts,
    /// What happened in each minute of the last day.
    pub minutes: Minutes,
    /// Since when the mapping version is in force (milliseconds).
    pub mapping_since_ms: AtomicI64,
    pub poll_state: poll::PollState,
    pub columns: poll::columns::Columns,
    pub(crate) activity: activity::Activity,
    pub figures: figures::Figures,
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
    pub(crate) rules_edited: poll::rules::Edited,
    pub(crate) next_call_ms: AtomicI64,
}

/// Counters that are updated, so that nothing has to be scanned.
#[derive(Debug, Default)]
pub struct Counts {
    pub pending: AtomicI64,
    pub done: [AtomicU64; LANES as usize],
    pub delivered: AtomicU64,
}

impl Deref for Shared {
    type Target = Process;

    fn deref(&self) -> &Process {
        &self.process
    }
}

impl Shared {
    pub async fn open(
        config: Config,
        mapping: Mapping,
        store: Store,
        clock: Clock,
    ) -> Result<Self, StoreError> {
        let process = Process::new(config, mapping, clock, TimeLimits::default());
        Self::begin(Arc::new(process), store).await
    }

    /// What is known at the beginning of a term: what the store says.
    pub async fn begin(process: Arc<Process>, store: Store) -> Result<Self, StoreError> {
        Self::read(process, store, true).await
    }

    /// For the doors of an instance that does not work.
    pub async fn waiting(process: Arc<Process>, store: Store) -> Result<Self, StoreError> {
        Self::read(process, store, false).await
    }

    async fn read(process: Arc<Process>, store: Store, works: bool) -> Result<Self, StoreError> {
        let (config, limits) = (&process.config, process.limits);
        let clock = match store.meta(housekeeping::OUR_TIME).await? {
            Some(then_ms) => process.clock.clone().not_before(then_ms),
            None => process.clock.clone(),
        };
        let budget = budget::Budget::open(store.clone(), config.salesforce.api_calls_per_day.into()).await?;
        let in_progress = in_progress::InProgress::open(&store, &config.state.path).await?;
        // The secrets in their files may have changed since the process began.
        let fresh = config.reload_secrets();
        let credentials = credentials(fresh.as_ref().unwrap_or(config));
        let salesforce = salesforce::client::Client::new(
            config.salesforce.login_url.clone(),
            config.salesforce.api_version.clone(),
            credentials,
            crate::http::client(limits.salesforce_write),
            budget.meter.clone(),
            clock.clone(),
        )
        .with_limits(limits)
        .of(org_identity::owner(&store).await?);
        let token = process.secrets.goodays_token.clone();
        let goodays = goodays::client::Client::new(
            config.goodays.base_url.clone(),
            move || (**token.load()).clone(),
            crate::http::client(limits.goodays),
        );
        if store.is_incomplete() {
            stale_state::after_loss(&store, clock.now_ms()).await?;
        }
        let counts = Counts::of(store.counters().await?);
        let minutes = housekeeping::minutes::read(&store, clock.now_ms()).await?;
        let version = process.mapping().version().to_owned();
        let since_ms = housekeeping::in_force::since(&store, &version, clock.now_ms()).await?;
        let poll_state = poll::PollState::after(store.meta(poll::CURSOR).await?);
        let message_ends_turn = facts::message_ends_turn_of(&store).await?;
        Ok(Self {
            salesforce,
            goodays,
            salesforce_breaker: CircuitBreaker::new(),
            goodays_breaker: CircuitBreaker::new(),
            budget,
            in_progress,
            contacts: OrgIdentities::default(),
            counts,
            minutes,
            mapping_since_ms: AtomicI64::new(since_ms),
            poll_state,
            columns: poll::columns::Columns::default(),
            activity: activity::Activity::default(),
            figures: figures::Figures::default(),
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
            rules_edited: poll::rules::Edited::default(),
            next_call_ms: AtomicI64::new(0),
            began_ms: clock.now_ms(),
            clock,
            store,
            works,
            process,
        })
    }

    /// Fails if a webhook cannot be stored now, as far as is known without trying. Where there are several instances, each
    /// asks the database all the time, so that its door is known to be closed before a webhook comes.
    pub fn accepting(&self) -> Result<(), StoreError> {
        self.store.accepting()?;
        match self.standing.load().as_ref().and_then(|standing| standing.trouble.clone()) {
            Some(trouble) => Err(StoreError::Unavailable(trouble)),
            None => Ok(()),
        }
    }

    /// For an operator, if this instance asks no remote: which one does.
    pub fn works_elsewhere(&self) -> Option<String> {
        let standing = self.standing.load();
        let nobody = || Standing::default().ask_there();
        (!self.works).then(|| standing.as_ref().map_or_else(nobody, |standing| standing.ask_there()))
    }

    /// Whether this instance may ask a remote. Only the one that works does: calls are counted in its books, and it alone
    /// knows what is under way.
    pub(crate) fn may_ask(&self) -> Result<(), Failure> {
        self.works_elsewhere().map_or(Ok(()), |there| Err(Failure::Elsewhere(there)))
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
    pub(crate) async fn allowance(&self, purpose: Purpose) -> Result<i64, Failure> {
        self.may_ask()?;
        let now_ms = self.clock.now_ms();
        match self.budget.ask(now_ms, purpose).await.map_err(|e| org_identity::disk(&e))? {
            Allowance::Go { spacing_ms } => {
                if purpose == Purpose::Feedback {
                    self.next_call_ms.store(now_ms + spacing_ms, Ordering::Relaxed);
                }
                Ok(spacing_ms)
            }
            Allowance::Exhausted { .. } => Err(Failure::Budget),
        }
    }

    /// Whether both remotes answered when last asked.
    pub fn is_ready(&self) -> bool {
        // An instance that does not work is ready while another one does.
        if let Some(standing) = self.standing.load().as_ref().filter(|_| !self.works) {
            return self.accepting().is_ok() && standing.leader.is_some();
        }
        self.salesforce_breaker.is_well() && self.goodays_breaker.trouble().is_none()
    }
}

impl Counts {
    pub fn now(&self) -> Counters {
        let done = self.done.each_ref().map(|lane| lane.load(Ordering::Relaxed));
        let pending = u64::try_from(self.pending.load(Ordering::Relaxed)).unwrap_or_default();
        Counters { pending, done, delivered: self.delivered.load(Ordering::Relaxed) }
    }

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
