//! The inbound worker writes waiting conversations to Salesforce, many in one call.
//!
//! What came in during a call is the next batch. A call that has room also takes notes of the other worker's
//! conversations. Before a call is sent, the disk says which responses it is about: after a kill they are read back
//! before they are written again.

mod common_case;
mod customers;
pub(crate) mod damaged;
pub(crate) mod in_progress;
mod load;
pub(crate) mod reconcile;
mod record;
mod refused;
mod take;
pub(crate) mod worker_state;

use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard};

use serde_json::Value;
use tokio::sync::Notify;
use tracing::debug;

use crate::aside;
use crate::decide::inbound::{CaseWrite, Input, Plan, plan};
use crate::decide::invariants::breach_of_write;
use crate::decide::outcome::{
    AfterFailedCall, CASE, Next, after_breach, after_failed_call, duplicate_elsewhere,
};
use crate::decide::pace::{BatchSize, MAX_NODES};
use crate::decide::{Freshness, Intent, Link, LinkUpdate, Note, Request};
use crate::goodays::ResponseId;
use crate::goodays::event::Event;
use crate::http::{Concerns, Failure};
use crate::mapping::Assignment;
use crate::mutant;
use crate::salesforce::field_fix::FieldFix;
use crate::salesforce::graph::{Graph, GraphOutcome, Node};
use crate::state::{LANES, RKey, Waiting};
use crate::time::{CARRIED_MS, GoodaysTime};
use crate::workers::inbound::common_case::keep_commands_of_others;
use crate::workers::inbound::in_progress::Through;
use crate::workers::inbound::load::load;
use crate::workers::inbound::worker_state::{SharedWorkerState, WorkerState};
use crate::workers::runtime::budget::Purpose;
use crate::workers::runtime::plan_context::OwnedPlanContext;
use crate::workers::runtime::retry::millis;
use crate::workers::sweep::SWEEP;
use crate::workers::{Fatal, Remote, Shared, Step, Stop, Worker};

/// How often the queue of a store is looked at that other instances write to (milliseconds).
const LOOK_AGAIN_MS: i64 = 200;
/// How long a worker pauses after a refused call that is about no conversation (milliseconds).
const AFTER_REFUSAL_MS: i64 = 10_000;

pub struct InboundWorker {
    pub(crate) number: u8,
    pub(crate) size: BatchSize,
    worker_state: SharedWorkerState,
    /// When this step began (milliseconds).
    stepped_ms: i64,
    first_start: Option<GoodaysTime>,
    /// Goodays' clock at the beginning of this step.
    goodays_now: Option<GoodaysTime>,
    /// The call of this step, once it has ended.
    request: Option<Request>,
    /// When the newest webhook came in that was noted as activity (milliseconds).
    received_ms: i64,
}

/// A loaded conversation.
pub(crate) struct Job {
    pub rkey: RKey,
    pub response_id: ResponseId,
    pub waiting: Waiting,
    pub events: Vec<Event>,
    pub notes: Vec<Note>,
    pub intents: Vec<Intent>,
    pub link: Option<Link>,
    /// Bytes of its events, as received.
    pub size: usize,
}

/// What a step's conversations lead to.
#[derive(Default)]
struct Planned {
    /// To write to Salesforce in one call.
    batch: Vec<(Job, Plan)>,
    unchanged: Vec<(Job, Plan)>,
    /// Not written, and what follows.
    refused: Vec<(Job, Plan, Next)>,
}

impl Job {
    /// The ledger has nothing that the inbound direction wrote or read: at most a Case that a poll found.
    pub(crate) fn is_unwritten(&self) -> bool {
        self.link.as_ref().is_none_or(|l| {
            l.known.is_empty() && l.fields.is_empty() && l.gone.is_empty() && l.fresh == Freshness::default()
        })
    }

    /// An answer that was given as a command becomes a comment.
    fn has_answers(&self) -> bool {
        self.notes.iter().any(|note| note.command.as_ref().is_some_and(|done| done.answer.is_some()))
    }
}

impl Worker for InboundWorker {
    const NAME: &'static str = "inbound";

    fn wake<'s>(&self, shared: &'s Shared) -> &'s Notify {
        &shared.lanes[usize::from(self.number)]
    }

    async fn step(&mut self, shared: &Arc<Shared>) -> Result<Step, Fatal> {
        let now_ms = shared.clock.now_ms();
        let breaker = &shared.salesforce_breaker;
        let paused = breaker.paused_until(now_ms).max(breaker.writes_paused_until(now_ms));
        if let Some(until_ms) = paused {
            return Ok(Step::Idle { until_ms: Some(until_ms) });
        }
        self.stepped_ms = now_ms;
        self.worker_state.remember(&shared.store, now_ms).await?;
        let taken = self.take_due(shared, now_ms).await?;
        if taken.is_empty() {
            return self.idle(shared, now_ms).await;
        }
        let step = self.process(shared, &taken, now_ms).await?;
        self.state().give_back(&taken);
        // Only after work was done: otherwise two workers that may not call would wake each other without end.
        if step == Step::Did {
            let lent = |lane: &u8| *lane != self.number && taken.iter().any(|r| r.lane() == *lane);
            (0..LANES).filter(lent).for_each(|lane| shared.wake_lane(lane));
        }
        Ok(step)
    }
}

/// A failure always ends the pause by itself: nothing else may come that wakes the worker.
fn pause(shared: &Shared, failure: &Failure) -> Step {
    let now_ms = shared.clock.now_ms();
    let until_ms = shared.call_failed(Remote::Salesforce, failure, now_ms);
    Step::Idle { until_ms: until_ms.or(Some(now_ms + AFTER_REFUSAL_MS)) }
}

impl InboundWorker {
    pub fn new(number: u8, worker_state: SharedWorkerState) -> Self {
        Self {
            number,
            size: BatchSize::default(),
            worker_state,
            stepped_ms: 0,
            first_start: None,
            goodays_now: None,
            request: None,
            received_ms: 0,
        }
    }

    /// Another instance may have taken a webhook, and woken no poller here.
    fn note_activity(&mut self, shared: &Shared, jobs: &[Job]) {
        let entries = jobs.iter().flat_map(|job| &job.waiting.entries).filter(|one| one.event != SWEEP);
        let newest_ms = entries.map(|one| one.received_ms).max().unwrap_or_default();
        if shared.store.is_common() && newest_ms > self.received_ms {
            self.received_ms = newest_ms;
            shared.somebody_is_active();
        }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, WorkerState> {
        self.worker_state.lock()
    }

    /// Writes the taken conversations to Salesforce.
    async fn process(&mut self, shared: &Shared, taken: &[RKey], now_ms: i64) -> Result<Step, Fatal> {
        let next_call_ms = shared.next_call_ms.load(Ordering::Relaxed);
        if next_call_ms > now_ms {
            return Ok(Step::Idle { until_ms: Some(next_call_ms) });
        }
        let mut jobs = load(shared, taken).await?;
        if jobs.is_empty() {
            return self.idle(shared, now_ms).await;
        }
        self.note_activity(shared, &jobs);
        let contact = match shared.contact().await {
            Ok(contact) => contact,
            Err(failure) => return Ok(pause(shared, &failure)),
        };
        self.first_start = shared.on_goodays_clock(contact.first_start);
        self.goodays_now = shared.goodays.now();
        self.mark_for_refresh(&jobs, &contact);
        match self.reconcile(shared, &mut jobs).await {
            Ok(()) => {}
            Err(Stop::Remote(failure)) if failure.concerns() == Concerns::ThisRequest => {
                jobs = self.not_shown(shared, jobs, &failure).await?;
            }
            Err(Stop::Remote(failure)) => return Ok(pause(shared, &failure)),
            Err(Stop::Fatal(fatal)) => return Err(fatal),
        }
        keep_commands_of_others(shared, &jobs).await?;
        self.write(shared, jobs).await
    }

    async fn idle(&self, shared: &Shared, now_ms: i64) -> Result<Step, Fatal> {
        if shared.store.is_common() {
            // Another instance stores events, and wakes nobody here.
            return Ok(Step::Idle { until_ms: Some(now_ms + LOOK_AGAIN_MS) });
        }
        let due = shared.store.next_due(self.number).await?;
        // What is due and not taken is postponed, taken by the other worker, or waits for actions in flight.
        let due = due.map(|d| if d <= now_ms { now_ms + 50 } else { d });
        let state = self.state();
        let held = state.postponed.iter().filter(|(r, _)| r.lane() == self.number).map(|(_, at)| *at).min();
        Ok(Step::Idle { until_ms: if due.is_some_and(|d| d > now_ms + 50) { due } else { held.or(due) } })
    }

    /// Marks for a read what only the poll has seen. If the org had our Cases when the ledger was empty, it also marks
    /// responses that are older than our first start.
    fn mark_for_refresh(&mut self, jobs: &[Job], contact: &crate::workers::OrgIdentity) {
        let mut state = self.state();
        let is_unread = |j: &&Job| {
            if j.link.as_ref().is_some_and(Link::joins_unread) {
                return true;
            }
            let unread = j.link.as_ref().filter(|l| l.unread);
            let marks = |l: &Link| l.marker_ids().count() > l.marked as usize;
            let writes = |l: &Link| !j.events.is_empty() || j.has_answers() || marks(l);
            !state.comments.contains_key(&j.rkey) && unread.is_some_and(writes)
        };
        let unread: Vec<RKey> = jobs.iter().filter(is_unread).map(|j| j.rkey).collect();
        state.needs_refresh.extend(unread);
        if !contact.inherited {
            return;
        }
        for job in jobs.iter().filter(|j| j.link.is_none()) {
            let created = job.events.iter().filter_map(|e| e.response.created).min();
            // An unknown age counts as old: a read first costs one call.
            let old = created
                .zip(self.first_start)
                .is_none_or(|(created, start)| created < start.plus_millis(CARRIED_MS));
            if old && !state.comments.contains_key(&job.rkey) {
                state.needs_refresh.insert(job.rkey);
            }
        }
    }

    async fn write(&mut self, shared: &Shared, mut jobs: Vec<Job>) -> Result<Step, Fatal> {
        let context = shared.plan_context();
        jobs.retain(|job| !self.state().postponed.contains_key(&job.rkey));
        let seqs = jobs.iter().flat_map(|job| job.waiting.entries.iter().map(|e| (e.seq, job.size)));
        let noted: Vec<u64> =
            seqs.filter(|(seq, size)| shared.in_progress.notes(*seq, *size)).map(|(s, _)| s).collect();
        let plan_all = || self.plan_all(shared, &context, jobs);
        let planned = shared.in_progress.note(&noted, Through::Planning, plan_all).await;
        let Planned { mut batch, unchanged, refused } = planned;
        for (job, plan, next) in refused {
            self.apply(shared, &context, (&job, &plan), next).await?;
        }
        self.request = None;
        let unchanged: Vec<_> =
            unchanged.iter().map(|(job, plan)| self.recorded_as(job, plan, None)).collect();
        self.record(shared, &unchanged).await?;
        if batch.is_empty() {
            return Ok(Step::Did);
        }
        match self.look_up_customers(shared, &mut batch).await {
            Ok(()) => self.send(shared, &context, batch).await,
            Err(failure) => Ok(pause(shared, &failure)),
        }
    }

    /// Plans as many conversations as one call may write, and those that need no write.
    fn plan_all(&mut self, shared: &Shared, context: &OwnedPlanContext, jobs: Vec<Job>) -> Planned {
        let settle_ms = millis(shared.config.settle);
        let mut planned = Planned { batch: Vec::with_capacity(jobs.len()), ..Planned::default() };
        let mut nodes = 0;
        for job in jobs {
            let plan = match aside::if_large(job.size, || self.plan(context, &job)) {
                Ok(plan) => plan,
                Err(next) => {
                    planned.refused.push((job, Plan::default(), next));
                    continue;
                }
            };
            let size = plan.write.as_ref().map_or(0, |w| 1 + w.comments.len());
            if size == 0 {
                planned.unchanged.push((job, plan));
                continue;
            }
            // What was read is as old as its query; a step queries before it writes.
            let asked_ms = if mutant::is_on("young-look") { shared.clock.now_ms() } else { self.stepped_ms };
            if self.state().must_settle(job.rkey, settle_ms, asked_ms) {
                continue;
            }
            if nodes + size > MAX_NODES && !planned.batch.is_empty() {
                break;
            }
            if let Some(next) = invariant(&job, &plan, context) {
                planned.refused.push((job, plan, next));
                continue;
            }
            nodes += size;
            planned.batch.push((job, plan));
        }
        planned
    }

    /// Plans one conversation, or says what follows instead.
    fn plan(&mut self, context: &OwnedPlanContext, job: &Job) -> Result<Plan, Next> {
        if self.state().nowhere.remove(&job.rkey) {
            return Err(duplicate_elsewhere());
        }
        let mut fixes = context.fixes().to_vec();
        let comments = {
            let state = self.state();
            fixes.extend(state.fixes.get(&job.rkey).into_iter().flatten().cloned());
            fixes.extend(state.most_comments(job.rkey).map(|comments| FieldFix::Fewer { comments }));
            state.comments.get(&job.rkey).cloned().unwrap_or_default()
        };
        let input = Input {
            response_id: &job.response_id,
            events: &job.events,
            notes: &job.notes,
            link: job.link.as_ref(),
            intents: &job.intents,
            comments: &comments,
            first_start: self.first_start,
            goodays_now: self.goodays_now,
        };
        Ok(plan(&input, &context.with(&fixes)))
    }

    /// The link update of an insert of ours: the baseline for status rules.
    pub(crate) fn baseline(&self, context: &OwnedPlanContext, job: &Job) -> Option<LinkUpdate> {
        let input = Input {
            response_id: &job.response_id,
            events: &job.events,
            notes: &job.notes,
            link: None,
            intents: &job.intents,
            comments: &[],
            first_start: self.first_start,
            goodays_now: self.goodays_now,
        };
        let plan = plan(&input, &context.plan_context());
        plan.write.is_some().then_some(plan.link_update)
    }

    async fn send(
        &mut self,
        shared: &Shared,
        context: &OwnedPlanContext,
        batch: Vec<(Job, Plan)>,
    ) -> Result<Step, Fatal> {
        if let Err(failure) = shared.allowance(Purpose::Feedback).await {
            return Ok(pause(shared, &failure));
        }
        let rkeys: Vec<RKey> = batch.iter().map(|(job, _)| job.rkey).collect();
        self.worker_state.leaving(&shared.store, &rkeys).await?;
        shared.store.durable().await?;
        let graphs: Vec<Graph> = batch.iter().enumerate().map(|(i, (_, plan))| graph(i, plan)).collect();
        let began_ms = shared.clock.now_ms();
        let request = Request::new(self.number, began_ms);
        let result = shared.salesforce.graphs(&graphs).await;
        let ended_ms = shared.clock.now_ms();
        self.request = Some(Request { took_ms: ended_ms - began_ms, ..request });
        let until_ms = shared.call_ended(Remote::Salesforce, &result, began_ms);
        match result {
            Ok(outcomes) => {
                self.size = self.size.after(ended_ms - began_ms);
                let written = outcomes.iter().filter(|o| matches!(o, GraphOutcome::Done(_))).count();
                debug!(
                    lane = self.number,
                    request = request.number,
                    conversations = batch.len(),
                    written,
                    "wrote to Salesforce"
                );
                self.sort_out(shared, context, &batch, outcomes).await?;
                self.worker_state.answered(&shared.store, &rkeys).await?;
                Ok(Step::Did)
            }
            Err(failure) => {
                let (written, sent) = (self.written(&batch), field_names(&batch));
                let next = after_failed_call(&written, sent, &failure, &context.plan_context());
                if next == AfterFailedCall::Unknown {
                    self.unanswered(&rkeys, ended_ms);
                    // An answer that is too large pauses nothing, and nothing else may come that wakes the worker.
                    return Ok(Step::Idle { until_ms: until_ms.or(Some(ended_ms + AFTER_REFUSAL_MS)) });
                }
                self.worker_state.answered(&shared.store, &rkeys).await?;
                let step = if next == AfterFailedCall::NotDone { Step::Idle { until_ms } } else { Step::Did };
                self.apply_failed_call(shared, context, &batch, &failure, next).await?;
                Ok(step)
            }
        }
    }

    /// After a call without an answer: its conversations are read before they are written again.
    fn unanswered(&mut self, rkeys: &[RKey], ended_ms: i64) {
        let mut state = self.state();
        state.unanswered(rkeys, ended_ms);
        if let [alone] = rkeys[..] {
            state.unanswered_alone(alone, ended_ms);
        }
        drop(state);
        self.size = self.size.halved();
    }
}

/// What follows if the plan breaks an invariant.
fn invariant(job: &Job, plan: &Plan, context: &OwnedPlanContext) -> Option<Next> {
    let write = plan.write.as_ref()?;
    breach_of_write(write, &job.response_id, job.link.as_ref(), &context.mapping).map(after_breach)
}

/// The names of all fields that a call writes.
fn field_names(batch: &[(Job, Plan)]) -> Vec<String> {
    let writes = batch.iter().filter_map(|(_, plan)| plan.write.as_ref());
    writes.flat_map(|write| write.fields.keys().cloned()).collect()
}

/// One conversation's transaction.
fn graph(index: usize, plan: &Plan) -> Graph {
    let write: &CaseWrite = plan.write.as_ref().expect("only plans that write are sent");
    let mut fields = write.fields.clone();
    if mutant::is_on("drop-marker") {
        fields.retain(|name, _| !name.ends_with("Message_Ids__c"));
    }
    let mut nodes = vec![match &write.patch {
        None => Node::insert(CASE, &write.object, fields).assigned(assigned(&write.assignment)),
        Some(id) => Node::update(CASE, &write.object, id.clone(), fields),
    }];
    for (n, comment) in write.comments.iter().enumerate() {
        let mut fields = comment.clone();
        let parent = match &write.patch {
            None => Node::reference_to(CASE),
            Some(id) => Value::String(id.as_str().to_owned()),
        };
        fields.insert(write.parent_field.clone(), parent);
        nodes.push(Node::insert(format!("refComment{n}"), &write.comment_object, fields));
    }
    Graph { id: format!("g{index}"), nodes }
}

/// How the mapping wants a new Case to be assigned.
fn assigned(assignment: &Assignment) -> &str {
    match assignment {
        Assignment::Create => "TRUE",
        Assignment::Rule(id) => id,
        Assignment::Never => "FALSE",
    }
}
