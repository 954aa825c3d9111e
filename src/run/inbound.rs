//! A lane: conversations that wait for Salesforce, many in one call.
//!
//! Whatever came in while a call was in flight is the next batch. Before a call leaves, the disk says which
//! responses it is about: a process that is killed meanwhile reads them back before it writes them again.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde_json::Value;
use tokio::sync::Notify;
use tracing::{debug, warn};

use super::desk::Held;
use super::retry::millis;
use super::{Fatal, Hands, Shared, Step, gate, mutant};
use crate::goodays::ResponseId;
use crate::goodays::event::{self, Event};
use crate::http::Failure;
use crate::json;
use crate::mapping::Assignment;
use crate::plan::inbound::{CaseWrite, Facing, Plan, plan};
use crate::plan::pace::{BatchSize, MAX_NODES};
use crate::plan::{Freshness, Gain, Intent, Link, Note};
use crate::salesforce::errors::FieldFix;
use crate::salesforce::graph::{Graph, GraphOutcome, Node};
use crate::store::{Item, RKey, Store, StoreError, Waiting};

/// How long what agents are told waits for other actions that are under way, so that one call tells of all.
const TOLD_TOGETHER_MS: i64 = 5_000;
/// The Case's name within its transaction.
pub(super) const CASE: &str = "refCase";

pub struct Lane {
    pub(super) number: u8,
    pub(super) size: BatchSize,
    /// Written without an answer, and when that attempt ended: to be read back before another write.
    pub(super) suspects: HashMap<RKey, i64>,
    /// To be read from Salesforce before they are written.
    pub(super) unlearned: HashSet<RKey>,
    /// Read, and what the Case's comments said.
    pub(super) comments: HashMap<RKey, Vec<String>>,
    /// Not before then (milliseconds).
    pub(super) held: HashMap<RKey, i64>,
    /// Refusals of one conversation's values.
    pub(super) fixes: HashMap<RKey, Vec<FieldFix>>,
    /// Turned away as duplicates and then found nowhere.
    pub(super) nowhere: HashSet<RKey>,
    started: bool,
    /// When this step began (milliseconds).
    stepped_ms: i64,
    first_start_ms: i64,
}

/// A conversation, loaded.
pub(super) struct Job {
    pub rkey: RKey,
    pub response_id: ResponseId,
    pub waiting: Waiting,
    events: Vec<Event>,
    notes: Vec<Note>,
    pub intents: Vec<Intent>,
    pub link: Option<Link>,
}

impl Job {
    /// The ledger holds nothing that inbound wrote or learned: at most a Case that the poll came across.
    pub(super) fn is_unwritten(&self) -> bool {
        self.link.as_ref().is_none_or(|l| {
            l.known.is_empty() && l.fields.is_empty() && l.gone.is_empty() && l.fresh == Freshness::default()
        })
    }
}

impl Hands for Lane {
    const NAME: &'static str = "inbound";

    fn wake<'s>(&self, shared: &'s Shared) -> &'s Notify {
        &shared.lanes[usize::from(self.number)]
    }

    async fn step(&mut self, shared: &Arc<Shared>) -> Result<Step, Fatal> {
        let now_ms = shared.clock.now_ms();
        if let Some(until_ms) = shared.salesforce_gate.closed_until(now_ms) {
            return Ok(Step::Idle { until_ms: Some(until_ms) });
        }
        self.stepped_ms = now_ms;
        self.remember_attempt(shared, now_ms)?;
        let mut jobs = self.collect(shared, now_ms)?;
        if jobs.is_empty() {
            return self.idle(shared, now_ms);
        }
        let next_call_ms = shared.next_call_ms.load(Ordering::Relaxed);
        if next_call_ms > now_ms {
            return Ok(Step::Idle { until_ms: Some(next_call_ms) });
        }
        let contact = match shared.contact().await {
            Ok(contact) => contact,
            Err(failure) => return Ok(pause(shared, &failure)),
        };
        self.doubt(&jobs, &contact);
        if jobs.iter().any(|j| self.unlearned.contains(&j.rkey))
            && let Err(failure) = self.learn(shared, &mut jobs).await?
        {
            return Ok(pause(shared, &failure));
        }
        self.write(shared, jobs).await
    }
}

fn pause(shared: &Shared, failure: &Failure) -> Step {
    let result: Result<(), Failure> = Err(failure.clone());
    let until_ms = shared.salesforce_said(&result, shared.clock.now_ms());
    Step::Idle { until_ms }
}

impl Lane {
    pub fn new(number: u8) -> Self {
        Self {
            number,
            size: BatchSize::default(),
            suspects: HashMap::new(),
            unlearned: HashSet::new(),
            comments: HashMap::new(),
            held: HashMap::new(),
            fixes: HashMap::new(),
            nowhere: HashSet::new(),
            started: false,
            stepped_ms: 0,
            first_start_ms: 0,
        }
    }

    /// After a start: what was in flight when the process ended may or may not stand in Salesforce.
    fn remember_attempt(&mut self, shared: &Shared, now_ms: i64) -> Result<(), StoreError> {
        if !self.started {
            for rkey in shared.store.attempt(self.number)? {
                let waiting = shared.store.waiting(rkey)?;
                if waiting.entries.is_empty() && waiting.notes.is_empty() {
                    continue;
                }
                self.suspects.insert(rkey, now_ms);
                self.unlearned.insert(rkey);
            }
            self.started = true;
        }
        Ok(())
    }

    fn idle(&self, shared: &Shared, now_ms: i64) -> Result<Step, Fatal> {
        let due = shared.store.next_due(self.number)?;
        // What is due and not taken is held, or waits for the actions that are under way.
        let due = due.map(|d| if d <= now_ms { now_ms + 50 } else { d });
        let held = self.held.values().min().copied();
        Ok(Step::Idle { until_ms: if due.is_some_and(|d| d > now_ms + 50) { due } else { held.or(due) } })
    }

    /// The next conversations that are due, whole.
    fn collect(&mut self, shared: &Shared, now_ms: i64) -> Result<Vec<Job>, StoreError> {
        self.held.retain(|_, until| *until > now_ms);
        let mut limit = 512;
        loop {
            let items = shared.store.due(self.number, now_ms, limit)?;
            let more = items.len() == limit;
            let delivering = shared.delivering.load(Ordering::SeqCst);
            let waits = |i: &&Item| !i.event && !self.held.contains_key(&i.rkey);
            let oldest_ms = items.iter().filter(waits).map(|i| i.due_ms).min();
            let together = delivering && oldest_ms.is_none_or(|at_ms| now_ms < at_ms + TOLD_TOGETHER_MS);
            let with_events: HashSet<RKey> = items.iter().filter(|i| i.event).map(|i| i.rkey).collect();
            let mut order: Vec<RKey> = Vec::new();
            for item in &items {
                let ripe = item.event || !together || with_events.contains(&item.rkey);
                if ripe && !self.held.contains_key(&item.rkey) && !order.contains(&item.rkey) {
                    order.push(item.rkey);
                }
                if order.len() >= self.size.0 {
                    break;
                }
            }
            if !order.is_empty() || !more {
                return order.into_iter().filter_map(|r| load(&shared.store, r).transpose()).collect();
            }
            limit *= 4;
        }
    }

    /// What only the poll has seen is read first, and with an empty ledger before an org that has our Cases, what
    /// is older than our start.
    fn doubt(&mut self, jobs: &[Job], contact: &super::Contact) {
        const CLOCKS_MS: i64 = 24 * 3_600_000;
        self.first_start_ms = contact.first_start_ms;
        let doubtful = |j: &&Job| {
            let unread = j.link.as_ref().filter(|l| l.unread);
            let marks = |l: &Link| l.marker_ids().count() > l.marked as usize;
            !self.comments.contains_key(&j.rkey) && unread.is_some_and(|l| !j.events.is_empty() || marks(l))
        };
        let doubtful: Vec<RKey> = jobs.iter().filter(doubtful).map(|j| j.rkey).collect();
        self.unlearned.extend(doubtful);
        if !contact.inherited {
            return;
        }
        for job in jobs.iter().filter(|j| j.link.is_none()) {
            let created = job.events.iter().filter_map(|e| e.response.created).min();
            let old = created.is_none_or(|c| c.as_millisecond() < contact.first_start_ms + CLOCKS_MS);
            if old && !self.comments.contains_key(&job.rkey) {
                self.unlearned.insert(job.rkey);
            }
        }
    }

    async fn write(&mut self, shared: &Shared, jobs: Vec<Job>) -> Result<Step, Fatal> {
        let held = shared.desk();
        let mut batch: Vec<(Job, Plan)> = Vec::new();
        let mut nodes = 0;
        for job in jobs {
            if self.held.contains_key(&job.rkey) {
                continue;
            }
            let Some(plan) = self.plan(shared, &held, &job)? else { continue };
            let size = plan.write.as_ref().map_or(0, |w| 1 + w.comments.len());
            if size == 0 {
                self.record(shared, &job, &plan, None)?;
                continue;
            }
            if self.must_settle(shared, &job) {
                continue;
            }
            if nodes + size > MAX_NODES && !batch.is_empty() {
                break;
            }
            nodes += size;
            batch.push((job, plan));
        }
        if batch.is_empty() { Ok(Step::Did) } else { self.send(shared, &held, batch).await }
    }

    /// Plans one conversation; none when it was parked instead.
    fn plan(&mut self, shared: &Shared, held: &Held, job: &Job) -> Result<Option<Plan>, Fatal> {
        if self.nowhere.remove(&job.rkey) {
            let why = "Salesforce says that the key exists already, but no Case with it can be seen: \
                       give the connector's user access to all Cases (View All), or look for a Case that \
                       it cannot see.";
            self.park(shared, job, "duplicate_elsewhere", why)?;
            return Ok(None);
        }
        let mut fixes = held.fixes().to_vec();
        fixes.extend(self.fixes.get(&job.rkey).into_iter().flatten().cloned());
        let facing = Facing {
            response_id: &job.response_id,
            events: &job.events,
            notes: &job.notes,
            link: job.link.as_ref(),
            intents: &job.intents,
            comments: self.comments.get(&job.rkey).map_or(&[], Vec::as_slice),
            first_start_ms: self.first_start_ms,
        };
        Ok(Some(plan(&facing, &held.with(&fixes))))
    }

    /// What an insert of ours put on the Case, as far as status rules go.
    pub(super) fn baseline(&self, held: &Held, job: &Job) -> Option<Gain> {
        let facing = Facing {
            response_id: &job.response_id,
            events: &job.events,
            notes: &job.notes,
            link: None,
            intents: &job.intents,
            comments: &[],
            first_start_ms: self.first_start_ms,
        };
        let plan = plan(&facing, &held.desk());
        plan.write.is_some().then_some(plan.gain)
    }

    /// A suspect that was not found applied is held until a second look, `settle` after the attempt ended.
    fn must_settle(&mut self, shared: &Shared, job: &Job) -> bool {
        let Some(ended_ms) = self.suspects.get(&job.rkey).copied() else { return false };
        let until_ms = ended_ms + millis(shared.config.settle);
        // What was read is as old as the question; a step asks before it writes.
        let asked_ms = if mutant::is_on("young-look") { shared.clock.now_ms() } else { self.stepped_ms };
        if asked_ms >= until_ms {
            self.suspects.remove(&job.rkey);
            return false;
        }
        self.held.insert(job.rkey, until_ms);
        self.unlearned.insert(job.rkey);
        self.comments.remove(&job.rkey);
        true
    }

    /// What may stand in Salesforce without our knowing: what is about to be written, and what is in doubt still.
    fn note_attempt(&self, shared: &Shared, rkeys: &[RKey]) -> Result<(), StoreError> {
        if mutant::is_on("skip-attempt") {
            return Ok(());
        }
        let doubted = self.suspects.keys().filter(|r| !rkeys.contains(r));
        let all: Vec<RKey> = rkeys.iter().chain(doubted).copied().collect();
        shared.store.set_attempt(self.number, &all)
    }

    async fn send(&mut self, shared: &Shared, held: &Held, batch: Vec<(Job, Plan)>) -> Result<Step, Fatal> {
        if let Err(failure) = shared.allowance(false).await {
            return Ok(pause(shared, &failure));
        }
        let rkeys: Vec<RKey> = batch.iter().map(|(job, _)| job.rkey).collect();
        self.note_attempt(shared, &rkeys)?;
        shared.store.durable().await?;
        let graphs: Vec<Graph> = batch.iter().enumerate().map(|(i, (_, plan))| graph(i, plan)).collect();
        let assign = assign(held);
        let began_ms = shared.clock.now_ms();
        let result = shared.salesforce.graphs(&graphs, &assign).await;
        let ended_ms = shared.clock.now_ms();
        let until_ms = shared.salesforce_said(&result, began_ms);
        match result {
            Ok(outcomes) => {
                self.size = self.size.after(ended_ms - began_ms);
                let written = outcomes.iter().filter(|o| matches!(o, GraphOutcome::Done(_))).count();
                debug!(lane = self.number, conversations = batch.len(), written, "wrote to Salesforce");
                self.sort_out(shared, batch, outcomes)?;
                self.note_attempt(shared, &[])?;
                Ok(Step::Did)
            }
            Err(Failure::NoAnswer(_)) => {
                let rkeys = if mutant::is_on("skip-doubt") { Vec::new() } else { rkeys };
                for rkey in rkeys {
                    self.suspects.insert(rkey, ended_ms);
                    self.unlearned.insert(rkey);
                    self.comments.remove(&rkey);
                }
                self.size = self.size.halved();
                Ok(Step::Idle { until_ms })
            }
            Err(Failure::Refused { status, problem }) => {
                self.note_attempt(shared, &[])?;
                self.refused_whole(shared, batch, status, &problem)
            }
            Err(_) => {
                self.note_attempt(shared, &[])?;
                Ok(Step::Idle { until_ms })
            }
        }
    }

    /// A call that was refused as a whole: smaller ones find the culprit, a single one is parked.
    fn refused_whole(
        &mut self,
        shared: &Shared,
        batch: Vec<(Job, Plan)>,
        status: u16,
        problem: &crate::http::Problem,
    ) -> Result<Step, Fatal> {
        let single = batch.len() == 1;
        warn!(status, code = %problem.code, conversations = batch.len(), "Salesforce refused a whole call");
        if !single {
            self.size = BatchSize((batch.len() / 2).max(1));
            return Ok(Step::Did);
        }
        for (job, _) in batch {
            let why = format!("Salesforce refused the call with status {status}: {}", problem.message);
            self.park(
                shared,
                &job,
                &gate::code(&Failure::Refused { status, problem: problem.clone() }),
                &why,
            )?;
        }
        Ok(Step::Did)
    }
}

/// Everything that waits for one response, read in this order: events, intents, link. An event that holds our
/// own answer came after the answer was noted as `Sending`, so it can't be mistaken for a colleague's.
fn load(store: &Store, rkey: RKey) -> Result<Option<Job>, StoreError> {
    let waiting = store.waiting(rkey)?;
    let mut events = Vec::new();
    for entry in &waiting.entries {
        let body = store.payload(entry.seq)?.unwrap_or_default();
        let read = json::read(&body).ok().and_then(|b| event::read_owned(b).ok());
        events.extend(read);
    }
    let intents = store.open_intents(rkey)?;
    let link = store.link(rkey)?;
    let id = waiting.entries.iter().find_map(|e| e.response_id.clone());
    let Some(response_id) = id.or_else(|| link.as_ref().map(|l| l.response_id.clone())) else {
        return Ok(None);
    };
    let notes = waiting.notes.iter().map(|(_, _, n)| n.clone()).collect();
    Ok(Some(Job { rkey, response_id, waiting, events, notes, intents, link }))
}

/// One conversation's transaction.
fn graph(index: usize, plan: &Plan) -> Graph {
    let write: &CaseWrite = plan.write.as_ref().expect("only plans that write are sent");
    let mut fields = write.fields.clone();
    if mutant::is_on("drop-marker") {
        fields.retain(|name, _| !name.ends_with("Message_Ids__c"));
    }
    let mut nodes = vec![match &write.patch {
        None => Node::insert(CASE, &write.object, fields),
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

/// Assignment rules run for inserts only, as the mapping says.
fn assign(held: &Held) -> String {
    match held.mapping.case_mappings().first().map(|m| &m.assignment) {
        Some(Assignment::Create) => "TRUE".to_owned(),
        Some(Assignment::Rule(id)) => id.clone(),
        Some(Assignment::Never) | None => "FALSE".to_owned(),
    }
}
