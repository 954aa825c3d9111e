//! What follows when Salesforce refuses a conversation: a retry, a field less, a read, or parking.

use std::sync::atomic::Ordering;

use tracing::{debug, info, warn};

use crate::decide::inbound::Plan;
use crate::decide::outcome::codes::{Verdict, classify};
use crate::decide::pace::BatchSize;
use crate::http::{Failure, Problem};
use crate::salesforce::field_fix::FieldFix;
use crate::salesforce::graph::{GraphOutcome, NodeError};
use crate::state::inbox::{drop_note, finish, move_note};
use crate::state::{Entry, EntryState, Tx};
use crate::workers::inbound::fixes::{another_unique_field, labelled};
use crate::workers::inbound::{CASE, InboundWorker, Job};
use crate::workers::runtime::retry::{RECORD, interval, millis};
use crate::workers::{Fatal, Shared};

/// Tries of one record before it is parked: with the intervals of [`RECORD`], some hours.
const MAX_ATTEMPTS: u32 = 40;
/// The same for a record that exceeds the org's limits for a transaction even when it is sent alone.
const MAX_ALONE: u32 = 8;

impl Job {
    fn attempts(&self) -> u32 {
        let events = self.waiting.entries.iter().map(|e| e.attempts).max().unwrap_or_default();
        events.max(self.waiting.note_attempts)
    }
}

/// Results of the call that a refused conversation was in.
#[derive(Clone, Copy)]
struct Beside {
    /// Conversations in the call.
    all: usize,
    taken: usize,
    too_much: usize,
}

impl InboundWorker {
    pub(crate) fn sort_out(
        &mut self,
        shared: &Shared,
        batch: Vec<(Job, Plan)>,
        outcomes: Vec<GraphOutcome>,
    ) -> Result<(), Fatal> {
        let outcomes: Vec<GraphOutcome> = outcomes.into_iter().map(|o| labelled(shared, o)).collect();
        let verdicts: Vec<Option<Verdict>> = outcomes.iter().map(verdict).collect();
        let count = |is: &dyn Fn(&Verdict) -> bool| verdicts.iter().flatten().filter(|v| is(v)).count();
        // A duplicate shows that the ledger misses a Case. It may miss the Cases of the others, too.
        let relearn = count(&|v| *v == Verdict::Duplicate) > 0;
        let beside = Beside {
            all: batch.len(),
            taken: outcomes.iter().filter(|o| matches!(o, GraphOutcome::Done(_))).count(),
            too_much: count(&|v| matches!(v, Verdict::TooMuch { .. })),
        };
        for ((job, plan), outcome) in batch.into_iter().zip(outcomes) {
            match outcome {
                GraphOutcome::Done(ids) => {
                    let id = ids.into_iter().find(|(reference, _)| reference == CASE).and_then(|(_, id)| id);
                    self.record(shared, &job, &plan, id.as_ref())?;
                }
                GraphOutcome::Halted => {
                    if relearn {
                        self.state().needs_refresh.insert(job.rkey);
                    }
                }
                GraphOutcome::Failed(errors) => self.failed(shared, &job, &plan, &errors, beside)?,
            }
        }
        Ok(())
    }

    /// Smaller calls find the conversation that causes the refusal. Sent alone, it is handled like any refused one.
    pub(crate) fn refused_whole(
        &mut self,
        shared: &Shared,
        batch: Vec<(Job, Plan)>,
        status: u16,
        problem: &Problem,
    ) -> Result<(), Fatal> {
        let (all, error) = (batch.len(), of_the_call(&batch, status, problem));
        warn!(status, code = %error.problem.code, conversations = all, "Salesforce refused a whole call");
        if all > 1 {
            self.size = BatchSize((all / 2).max(1));
            if matches!(classify(std::slice::from_ref(&error)), Verdict::TooMuch { .. }) {
                self.state().fewer_graphs(all / 2, shared.clock.now_ms());
            }
            return Ok(());
        }
        for (job, plan) in batch {
            let beside = Beside { all: 1, taken: 0, too_much: 1 };
            self.failed(shared, &job, &plan, std::slice::from_ref(&error), beside)?;
        }
        Ok(())
    }

    fn failed(
        &mut self,
        shared: &Shared,
        job: &Job,
        plan: &Plan,
        errors: &[NodeError],
        beside: Beside,
    ) -> Result<(), Fatal> {
        let code = first_code(errors);
        let verdict = classify(errors);
        debug!(response = %job.response_id, %code, ?verdict, "Salesforce refused a conversation");
        match verdict {
            Verdict::Retry => self.later(shared, job, &code),
            Verdict::TooMuch { code } => self.less(shared, job, plan, &code, beside),
            Verdict::Duplicate => {
                if let Some(field) = another_unique_field(shared, errors) {
                    return self.fix(shared, job, vec![FieldFix::Drop { field, code }], errors);
                }
                self.exists_already(job);
                Ok(())
            }
            Verdict::Gone => {
                let known = job.link.as_ref().is_some_and(|l| l.case.is_some());
                let read = self.state().comments.contains_key(&job.rkey);
                if known && !read {
                    self.state().needs_refresh.insert(job.rkey);
                    Ok(())
                } else {
                    self.later(shared, job, &code)
                }
            }
            Verdict::Fix(fixes) => self.fix(shared, job, fixes, errors),
            // If the org accepted others of this call, the problem is this conversation's, also when it is retried
            // alone. An access error of a conversation that was sent alone says nothing about others.
            Verdict::AdminMustAct { code } => {
                let of_the_record = code.starts_with("INSUFFICIENT_ACCESS") && beside.all == 1;
                if beside.taken > 0 || job.attempts() > 0 || of_the_record {
                    return self.later(shared, job, &code);
                }
                refuses_all(shared, code);
                Ok(())
            }
            Verdict::Permanent { code } => {
                let why = errors.iter().map(|e| e.problem.message.as_str()).find(|m| !m.is_empty());
                let why = format!("Salesforce refuses it with {code}: {}", why.unwrap_or("no reason given"));
                self.park(shared, job, &code, &why)
            }
        }
    }

    fn exists_already(&self, job: &Job) {
        let mut state = self.state();
        if state.comments.contains_key(&job.rkey) {
            // It was just read and not found, and still is a duplicate.
            state.nowhere.insert(job.rkey);
        }
        state.needs_refresh.insert(job.rkey);
    }

    /// The org's limits for one transaction were exceeded. If one conversation causes it, it sends fewer comments;
    /// otherwise calls have fewer conversations. Only one that fails alone and cannot be divided counts its tries.
    fn less(
        &mut self,
        shared: &Shared,
        job: &Job,
        plan: &Plan,
        code: &str,
        beside: Beside,
    ) -> Result<(), Fatal> {
        let now_ms = shared.clock.now_ms();
        let comments = plan.write.as_ref().map_or(0, |w| w.comments.len());
        let creates = plan.write.as_ref().is_some_and(|w| w.patch.is_none());
        let divisible = comments > 1 || (comments == 1 && creates);
        let culprit = beside.all == 1 || (beside.too_much == 1 && beside.taken > 0);
        if culprit && divisible {
            info!(response = %job.response_id, code, comments, "more than the org's limits allow: fewer comments at once");
            self.state().fewer_comments(job.rkey, comments / 2, now_ms);
            return self.put_off(shared, job, job.attempts());
        }
        if beside.all > 1 {
            info!(
                code,
                conversations = beside.all,
                "more than the org's limits allow: fewer conversations at once"
            );
            self.state().fewer_graphs(beside.all / 2, now_ms);
            return self.put_off(shared, job, job.attempts());
        }
        if job.attempts() < MAX_ALONE {
            return self.later(shared, job, code);
        }
        let why = format!("Salesforce refuses it with {code}, even alone: it meets the org's own limits.");
        self.park(shared, job, code, &why)
    }

    /// Retries later, or parks after [`MAX_ATTEMPTS`].
    pub(crate) fn later(&mut self, shared: &Shared, job: &Job, code: &str) -> Result<(), Fatal> {
        let attempts = job.attempts() + 1;
        if attempts > MAX_ATTEMPTS {
            return self.park(shared, job, code, &format!("Salesforce kept refusing it with {code}."));
        }
        info!(response = %job.response_id, code, attempts, "Salesforce is asked again later");
        self.put_off(shared, job, attempts)
    }

    /// Postpones events and notes, and stores how often they were tried. The interval grows with the tries.
    fn put_off(&mut self, shared: &Shared, job: &Job, attempts: u32) -> Result<(), Fatal> {
        let interval = interval(RECORD, attempts.saturating_sub(1), None);
        let due_ms = shared.clock.now_ms() + millis(interval);
        loop {
            let mut tx = Tx::default();
            for entry in shared.store.guard_unchanged(&mut tx, &job.waiting.entries)? {
                let entry = Entry { attempts, ..entry };
                finish(&mut tx, entry, job.rkey, EntryState::Waiting { due_ms });
            }
            for (seq, from_ms) in shared.store.guard_notes(&mut tx, job.rkey, &job.waiting.notes)? {
                move_note(&mut tx, job.rkey, seq, Some(from_ms), due_ms, attempts);
            }
            if shared.store.try_transact(&tx)? {
                break;
            }
        }
        self.state().postponed.insert(job.rkey, due_ms);
        Ok(())
    }

    /// Parks the events with a reason for a human. If the conversation has no events, its notes are dropped.
    pub(crate) fn park(&mut self, shared: &Shared, job: &Job, code: &str, why: &str) -> Result<(), Fatal> {
        let now_ms = shared.clock.now_ms();
        let mut parked;
        loop {
            let mut tx = Tx::default();
            parked = 0;
            for entry in shared.store.guard_unchanged(&mut tx, &job.waiting.entries)? {
                let state =
                    EntryState::Parked { since_ms: now_ms, code: code.to_owned(), why: why.to_owned() };
                finish(&mut tx, entry, job.rkey, state);
                parked += 1;
            }
            let mut given_up = 0;
            if job.waiting.entries.is_empty() {
                for (seq, due_ms) in shared.store.guard_notes(&mut tx, job.rkey, &job.waiting.notes)? {
                    drop_note(&mut tx, job.rkey, seq, due_ms);
                    given_up += 1;
                }
            }
            if shared.store.try_transact(&tx)? {
                (0..given_up).for_each(|_| shared.metrics.event("note_given_up"));
                break;
            }
        }
        (0..parked).for_each(|_| shared.metrics.event("parked"));
        shared.counts.pending.fetch_sub(parked, Ordering::Relaxed);
        warn!(response = %job.response_id, code, events = job.waiting.entries.len(),
              notes = job.waiting.notes.len(), "parked: Salesforce does not take it");
        let mut state = self.state();
        state.fixes.remove(&job.rkey);
        state.unconfirmed.remove(&job.rkey);
        Ok(())
    }
}

pub(crate) fn first_code(errors: &[NodeError]) -> String {
    errors.first().map(|e| e.problem.code.clone()).unwrap_or_default()
}

/// The refusal of a whole call, in the form of an error of one record.
fn of_the_call(batch: &[(Job, Plan)], status: u16, problem: &Problem) -> NodeError {
    let writes = batch.iter().filter_map(|(_, plan)| plan.write.as_ref());
    let sent = writes.flat_map(|write| write.fields.keys().cloned()).collect();
    let mut problem = problem.clone();
    if problem.code.is_empty() {
        problem.code = format!("status_{status}");
    }
    NodeError { reference: CASE.to_owned(), object: None, record: None, sent, status, problem }
}

fn verdict(outcome: &GraphOutcome) -> Option<Verdict> {
    match outcome {
        GraphOutcome::Failed(errors) => Some(classify(errors)),
        GraphOutcome::Done(_) | GraphOutcome::Halted => None,
    }
}

/// Pauses all writes until an admin changes the org.
fn refuses_all(shared: &Shared, code: String) {
    let advice =
        format!("Salesforce refuses every write of this kind with {code}: an admin has to look at the org.");
    let result: Result<(), Failure> = Err(Failure::Login { code, advice });
    shared.salesforce_said(&result, shared.clock.now_ms());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::{Feedback, Note};
    use crate::goodays::ResponseId;
    use crate::state::RKey;
    use crate::state::inbox::put_note;
    use crate::workers::inbound::worker_state::SharedWorkerState;
    use crate::workers::runtime::worker::tests::shared;

    /// A conversation in which an event waits, or one in which a note waits.
    fn waits(shared: &Shared, id: &str, event: bool) -> Job {
        let response_id = ResponseId::new(id).unwrap();
        let rkey = RKey::of(&response_id);
        if event {
            shared.store.receive(id.as_bytes(), "response", &Ok(response_id.clone()), 0).unwrap();
        } else {
            let note =
                Note { told: Feedback::Sent, action: "reply".into(), reason: String::new(), view: None };
            let mut tx = Tx::default();
            put_note(&mut tx, rkey, shared.store.next_seq(), 0, &note);
            shared.store.try_transact(&tx).unwrap();
        }
        again(shared, response_id)
    }

    fn again(shared: &Shared, response_id: ResponseId) -> Job {
        let rkey = RKey::of(&response_id);
        let waiting = shared.store.waiting(rkey).unwrap();
        let (events, notes, intents) = (Vec::new(), Vec::new(), Vec::new());
        Job { rkey, response_id, waiting, events, notes, intents, link: None, size: 0 }
    }

    fn refused(code: &str, message: &str) -> GraphOutcome {
        GraphOutcome::Failed(vec![NodeError {
            reference: CASE.to_owned(),
            object: Some("Case".to_owned()),
            record: None,
            sent: Vec::new(),
            status: 400,
            problem: Problem::new(code, message),
        }])
    }

    fn limits() -> GraphOutcome {
        refused(
            "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY",
            "T: System.LimitException: Apex CPU time limit exceeded",
        )
    }

    #[tokio::test]
    async fn c03_only_one_that_fails_alone_counts_its_tries_and_is_parked_in_the_end() {
        let dir = tempfile::tempdir().unwrap();
        let (shared, mut lane) = (shared(dir.path()), InboundWorker::new(0, SharedWorkerState::default()));
        let both = [waits(&shared, "a", true), waits(&shared, "b", true)];
        let batch = both.into_iter().map(|job| (job, Plan::default())).collect();
        lane.sort_out(&shared, batch, vec![limits(), limits()]).unwrap();
        assert_eq!(lane.state().most_graphs(shared.clock.now_ms()), Some(1));
        let id = || ResponseId::new("a").unwrap();
        assert_eq!(again(&shared, id()).attempts(), 0, "together they say nothing of one");
        for attempts in 1..=MAX_ALONE {
            lane.sort_out(&shared, vec![(again(&shared, id()), Plan::default())], vec![limits()]).unwrap();
            assert_eq!(again(&shared, id()).attempts(), attempts);
        }
        lane.sort_out(&shared, vec![(again(&shared, id()), Plan::default())], vec![limits()]).unwrap();
        let parked = shared.parked(10).unwrap();
        let found: Vec<_> = parked.iter().map(|item| item.reason_code.as_str()).collect();
        assert_eq!(found, ["CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY"]);
    }

    #[tokio::test]
    async fn c06_a_note_counts_its_tries_and_is_given_up_in_the_end() {
        for code in ["ENTITY_IS_LOCKED", "INSUFFICIENT_ACCESS_OR_READONLY"] {
            let dir = tempfile::tempdir().unwrap();
            let (shared, mut lane) =
                (shared(dir.path()), InboundWorker::new(0, SharedWorkerState::default()));
            let mut due_ms = 0;
            let mut job = waits(&shared, "a", false);
            for attempts in 1..=MAX_ATTEMPTS {
                let id = job.response_id.clone();
                lane.sort_out(&shared, vec![(job, Plan::default())], vec![refused(code, "locked")]).unwrap();
                job = again(&shared, id);
                assert_eq!(job.attempts(), attempts, "{code}");
                let next_ms = job.waiting.notes[0].1 - shared.clock.now_ms();
                assert!(attempts < 6 || next_ms >= 10_000, "{code}: {next_ms} after {attempts}");
                due_ms = due_ms.max(next_ms);
                assert_eq!(shared.salesforce_breaker.trouble(), None, "{code}");
            }
            assert!(due_ms > 600_000, "{code}: {due_ms}");
            let id = job.response_id.clone();
            lane.sort_out(&shared, vec![(job, Plan::default())], vec![refused(code, "locked")]).unwrap();
            assert_eq!(again(&shared, id).waiting.notes.len(), 0, "{code}");
        }
    }

    #[tokio::test]
    async fn c06_what_the_whole_org_refuses_pauses_once_and_not_for_one_record() {
        let dir = tempfile::tempdir().unwrap();
        let (shared, mut lane) = (shared(dir.path()), InboundWorker::new(0, SharedWorkerState::default()));
        let full = || refused("STORAGE_LIMIT_EXCEEDED", "full");
        let job = waits(&shared, "a", true);
        lane.sort_out(&shared, vec![(job, Plan::default())], vec![full()]).unwrap();
        assert_eq!(shared.salesforce_breaker.trouble().unwrap().code, "STORAGE_LIMIT_EXCEEDED");
        assert_eq!(
            again(&shared, ResponseId::new("a").unwrap()).attempts(),
            0,
            "the org's matter counts no tries"
        );
    }
}
