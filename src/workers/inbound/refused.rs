//! Applies what follows from Salesforce's answers to written conversations. [`crate::decide::outcome`] has decided it.

use std::sync::atomic::Ordering;

use tracing::{debug, info, warn};

use crate::decide::inbound::{MAX_COMMENTS, Plan};
use crate::decide::ledger::link_update::KeyUpdate;
use crate::decide::outcome::refusals::Whose;
use crate::decide::outcome::{
    AfterFailedCall, MAX_AT_ONCE, Next, Written, after_call, after_no_progress, after_refused_read,
    may_be_of_everything, refuses_everything,
};
use crate::decide::pace::BatchSize;
use crate::http::Failure;
use crate::salesforce::graph::GraphOutcome;
use crate::state::{EntryState, RKey};
use crate::workers::inbound::{InboundWorker, Job};
use crate::workers::runtime::plan_context::OwnedPlanContext;
use crate::workers::runtime::retry::{RECORD, interval, millis};
use crate::workers::{Fatal, Remote, Shared};

/// Events of one conversation that are read to find those that were parked.
const MAX_EVENTS_READ: usize = 10_000;

impl Job {
    fn attempts(&self) -> u32 {
        let events = self.waiting.entries.iter().map(|e| e.attempts).max().unwrap_or_default();
        events.max(self.waiting.note_attempts())
    }
}

impl InboundWorker {
    /// Applies the results of one call, one for each conversation.
    pub(crate) async fn sort_out(
        &mut self,
        shared: &Shared,
        context: &OwnedPlanContext,
        batch: &[(Job, Plan)],
        outcomes: Vec<GraphOutcome>,
    ) -> Result<(), Fatal> {
        let written = self.written(batch);
        let next = after_call(&written, outcomes, &context.plan_context());
        let mut recorded = Vec::new();
        // What was accepted shows that the others of the call were refused for their own sake.
        let accepts = next.iter().any(|next| matches!(next, Next::Record { .. }));
        for ((job, plan), next) in batch.iter().zip(next) {
            match next {
                Next::Record { case } => {
                    self.state().refusals.accepted(&job.rkey);
                    shared.writes_accepted(Remote::Salesforce);
                    recorded.push(self.recorded_as(job, plan, case));
                }
                next if accepts => self.apply(shared, context, (job, plan), next).await?,
                next => {
                    let next = self.of_everything(shared, job, next).await?;
                    self.apply(shared, context, (job, plan), next).await?;
                }
            }
        }
        self.record(shared, &recorded).await
    }

    /// The same, or a pause of all writes if equal refusals in a row show that Salesforce refuses everything. Then what
    /// was parked for it waits again.
    async fn of_everything(&self, shared: &Shared, job: &Job, next: Next) -> Result<Next, Fatal> {
        let Some(code) = may_be_of_everything(&next) else { return Ok(next) };
        let Whose::Everything { before } = self.state().refusals.refused(&job.rkey, code) else {
            return Ok(next);
        };
        if !before.is_empty() {
            bring_back(shared, &before, code).await?;
        }
        Ok(refuses_everything(code))
    }

    /// What is known of the conversations of a call.
    pub(crate) fn written(&self, batch: &[(Job, Plan)]) -> Vec<Written> {
        let state = self.state();
        let one = |(job, plan): &(Job, Plan)| Written {
            attempts: job.attempts(),
            comments: plan.write.as_ref().map_or(0, |w| w.comments.len()),
            most_comments: state.most_comments(job.rkey).unwrap_or(MAX_COMMENTS),
            inserts: plan.write.as_ref().is_some_and(|w| w.patch.is_none()),
            claims: plan.link_update.key == Some(KeyUpdate::Written),
            has_case: job.link.as_ref().is_some_and(|l| l.case.is_some()),
            was_read: state.comments.contains_key(&job.rkey),
            fixes: state.fixes.get(&job.rkey).cloned().unwrap_or_default(),
        };
        batch.iter().map(one).collect()
    }

    /// Applies what follows when a whole call was refused, or not sent.
    pub(crate) async fn apply_failed_call(
        &mut self,
        shared: &Shared,
        context: &OwnedPlanContext,
        batch: &[(Job, Plan)],
        failure: &Failure,
        next: AfterFailedCall,
    ) -> Result<(), Fatal> {
        match next {
            AfterFailedCall::Unknown | AfterFailedCall::NotDone => {}
            AfterFailedCall::SmallerCalls { conversations, remember } => {
                warn!(code = %failure.code(), conversations = batch.len(), "Salesforce refused a whole call");
                self.size = BatchSize(conversations);
                if remember {
                    self.state().fewer_graphs(conversations, shared.clock.now_ms());
                }
            }
            AfterFailedCall::One(next) => {
                warn!(code = %failure.code(), conversations = 1, "Salesforce refused a whole call");
                for (job, plan) in batch {
                    let next = self.of_everything(shared, job, next.clone()).await?;
                    self.apply(shared, context, (job, plan), next).await?;
                }
            }
        }
        Ok(())
    }

    /// After Salesforce refused to show the Cases of those that have to be read first: these wait. Returns the others,
    /// which are written.
    pub(crate) async fn not_shown(
        &mut self,
        shared: &Shared,
        jobs: Vec<Job>,
        failure: &Failure,
    ) -> Result<Vec<Job>, Fatal> {
        shared.call_failed(Remote::Salesforce, failure, shared.clock.now_ms());
        let (unread, others): (Vec<Job>, Vec<Job>) = {
            let state = self.state();
            jobs.into_iter().partition(|job| state.needs_refresh.contains(&job.rkey))
        };
        let code = failure.code();
        warn!(
            code,
            conversations = unread.len(),
            "Salesforce refuses to show what it has of some: they wait"
        );
        let context = shared.plan_context();
        for job in unread {
            let next = after_refused_read(job.attempts(), &code);
            self.apply(shared, &context, (&job, &Plan::default()), next).await?;
        }
        Ok(others)
    }

    /// The same, unless Salesforce was asked at once too often since it last took something of this conversation.
    fn bounded(&self, job: &Job, next: Next) -> Next {
        if !next.asks_at_once() {
            return next;
        }
        let mut state = self.state();
        let times = state.at_once.entry(job.rkey).or_default();
        *times += 1;
        if *times <= MAX_AT_ONCE { next } else { after_no_progress(job.attempts()) }
    }

    /// Applies what follows for one conversation.
    pub(crate) async fn apply(
        &mut self,
        shared: &Shared,
        context: &OwnedPlanContext,
        (job, plan): (&Job, &Plan),
        next: Next,
    ) -> Result<(), Fatal> {
        let now_ms = shared.clock.now_ms();
        let next = self.bounded(job, next);
        if !matches!(next, Next::Record { .. }) {
            debug!(response = %job.response_id, next = next.name(), "Salesforce did not take a conversation");
        }
        match next {
            Next::Record { case } => {
                let recorded = self.recorded_as(job, plan, case);
                self.record(shared, &[recorded]).await?;
            }
            Next::SendAgain => {}
            Next::SendLater { code, attempts } => {
                info!(response = %job.response_id, code, attempts, "Salesforce is asked again later");
                self.put_off(shared, job, attempts).await?;
            }
            Next::FewerComments { code, comments } => {
                info!(response = %job.response_id, code, comments, "more than the org's limits allow: fewer comments at once");
                self.state().fewer_comments(job.rkey, comments, now_ms);
                self.put_off(shared, job, job.attempts()).await?;
            }
            Next::FewerConversations { code, conversations } => {
                info!(code, conversations, "more than the org's limits allow: fewer conversations at once");
                self.state().fewer_graphs(conversations, now_ms);
                self.put_off(shared, job, job.attempts()).await?;
            }
            Next::FixFields { everywhere, here } => {
                for fix in everywhere {
                    if shared.fixes.add(context.mapping.version(), fix.clone()) {
                        warn!(
                            ?fix,
                            "Salesforce takes a field in no Case as it was sent: from now on it is written so"
                        );
                    }
                }
                self.state().fixes.entry(job.rkey).or_default().extend(here);
            }
            Next::ReadFirst => {
                self.state().needs_refresh.insert(job.rkey);
            }
            Next::ReadOnceMore => {
                let mut state = self.state();
                state.nowhere.insert(job.rkey);
                state.needs_refresh.insert(job.rkey);
            }
            Next::PauseAll { code, advice } => {
                let failure = Failure::Login { code, advice };
                shared.writes_refused(Remote::Salesforce, &failure);
                // Others come first: this one may be refused for its own sake.
                self.put_off(shared, job, job.attempts()).await?;
            }
            Next::Park { code, why } => self.park(shared, job, &code, &why).await?,
        }
        Ok(())
    }

    /// Postpones events and notes, and stores how often they were tried. The interval grows with the tries.
    async fn put_off(&mut self, shared: &Shared, job: &Job, attempts: u32) -> Result<(), Fatal> {
        let interval = interval(RECORD, attempts.saturating_sub(1), None);
        let due_ms = shared.clock.now_ms() + millis(interval);
        shared
            .change(&job.response_id, |loaded| {
                loaded.postpone_events(&job.waiting.entries, due_ms, attempts);
                loaded.postpone_notes(&job.waiting.notes, due_ms, attempts);
            })
            .await?;
        self.state().postponed.insert(job.rkey, due_ms);
        Ok(())
    }

    /// Parks the events with a reason for a human. If the conversation has no events, its notes are dropped.
    async fn park(&mut self, shared: &Shared, job: &Job, code: &str, why: &str) -> Result<(), Fatal> {
        let now_ms = shared.clock.now_ms();
        let state = EntryState::Parked { since_ms: now_ms, code: code.to_owned(), why: why.to_owned() };
        let only_notes = job.waiting.entries.is_empty();
        // It could not be read: a retry, also by a later process, has to read it first.
        let unread = self.state().needs_refresh.contains(&job.rkey);
        let (parked, given_up) = shared
            .change(&job.response_id, |loaded| {
                if let Some(link) = loaded.now.link.as_mut() {
                    link.unread |= unread;
                }
                let parked = loaded.end_events(&job.waiting.entries, &state);
                let given_up = if only_notes { loaded.end_notes(&job.waiting.notes) } else { 0 };
                (parked, given_up)
            })
            .await?;
        (0..given_up).for_each(|_| shared.metrics.event("note_given_up"));
        (0..parked).for_each(|_| shared.metrics.event("parked"));
        shared.counts.pending.fetch_sub(i64::try_from(parked).unwrap_or_default(), Ordering::Relaxed);
        warn!(response = %job.response_id, code, events = job.waiting.entries.len(),
              notes = job.waiting.notes.len(), "parked: Salesforce does not take it");
        let is_of_everything = {
            let mut state = self.state();
            state.fixes.remove(&job.rkey);
            state.at_once.remove(&job.rkey);
            if !unread {
                state.unconfirmed.remove(&job.rkey);
            }
            state.refusals.concerns_everything(&job.rkey, code)
        };
        // The other lane may have learnt it meanwhile, when nothing was parked yet.
        if is_of_everything {
            bring_back(shared, &[job.rkey], code).await?;
        }
        Ok(())
    }
}

/// Events of these conversations that were parked with this code wait again.
async fn bring_back(shared: &Shared, rkeys: &[RKey], code: &str) -> Result<(), Fatal> {
    for rkey in rkeys {
        for entry in shared.store.entries_of(*rkey, MAX_EVENTS_READ).await? {
            let is_of_it = matches!(&entry.state, EntryState::Parked { code: of, .. } if of == code);
            let Some(response) = entry.response_id.clone().filter(|_| is_of_it) else { continue };
            if shared.store.retry_event(&entry, &response, shared.clock.now_ms()).await? {
                shared.counts.pending.fetch_add(1, Ordering::Relaxed);
                shared.wake_lane(rkey.lane());
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::outcome::{CASE, MAX_ATTEMPTS, MAX_ATTEMPTS_ALONE};
    use crate::decide::{Feedback, Note};
    use crate::goodays::ResponseId;
    use crate::http::Problem;
    use crate::messages::Words;
    use crate::salesforce::graph::NodeError;
    use crate::state::RKey;
    use crate::workers::inbound::worker_state::SharedWorkerState;
    use crate::workers::runtime::worker::tests::shared;

    /// A conversation in which an event waits, or one in which a note waits.
    async fn waits(shared: &Shared, id: &str, event: bool) -> Job {
        let response_id = ResponseId::new(id).unwrap();
        if event {
            shared.store.accept(id.as_bytes(), "response", &Ok(response_id.clone()), 0).await.unwrap();
        } else {
            let note = Note::new(Feedback::Sent, "reply", "", Words::default());
            let told = |loaded: &mut crate::state::Loaded| loaded.now.notes.push(note.clone());
            shared.store.change(&response_id, 0, told).await.unwrap();
        }
        again(shared, response_id).await
    }

    async fn again(shared: &Shared, response_id: ResponseId) -> Job {
        let rkey = RKey::of(&response_id);
        let waiting = shared.store.waiting(rkey).await.unwrap();
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
        let (shared, mut worker) =
            (shared(dir.path()).await, InboundWorker::new(0, SharedWorkerState::default()));
        let both = [waits(&shared, "a", true).await, waits(&shared, "b", true).await];
        let batch: Vec<_> = both.into_iter().map(|job| (job, Plan::default())).collect();
        worker.sort_out(&shared, &shared.plan_context(), &batch, vec![limits(), limits()]).await.unwrap();
        assert_eq!(worker.state().most_graphs(shared.clock.now_ms()), Some(1));
        let id = || ResponseId::new("a").unwrap();
        assert_eq!(again(&shared, id()).await.attempts(), 0, "together they say nothing of one");
        for attempts in 1..=MAX_ATTEMPTS_ALONE {
            worker
                .sort_out(
                    &shared,
                    &shared.plan_context(),
                    &[(again(&shared, id()).await, Plan::default())],
                    vec![limits()],
                )
                .await
                .unwrap();
            assert_eq!(again(&shared, id()).await.attempts(), attempts);
        }
        worker
            .sort_out(
                &shared,
                &shared.plan_context(),
                &[(again(&shared, id()).await, Plan::default())],
                vec![limits()],
            )
            .await
            .unwrap();
        let parked = shared.parked(10).await.unwrap();
        let found: Vec<_> = parked.iter().map(|item| item.reason_code.as_str()).collect();
        assert_eq!(found, ["CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY"]);
    }

    /// One lane parks what it was refused first, after the other lane has met the refusal that shows that it was of
    /// everything. Three are refused, and all three wait.
    #[tokio::test]
    async fn c01_what_is_parked_after_everything_was_found_refused_waits_again() {
        let dir = tempfile::tempdir().unwrap();
        let state = SharedWorkerState::default();
        let (shared, mut lanes) =
            (shared(dir.path()).await, [0, 1].map(|number| InboundWorker::new(number, state.clone())));
        let refusal = || Next::Park { code: "NO_RIGHT".to_owned(), why: "You may not.".to_owned() };
        let context = shared.plan_context();
        let slow = waits(&shared, "a", true).await;
        let of_slow = lanes[0].of_everything(&shared, &slow, refusal()).await.unwrap();
        assert_eq!(of_slow, refusal(), "as far as is known, it is its own");
        for id in ["b", "c"] {
            let job = waits(&shared, id, true).await;
            let next = lanes[1].of_everything(&shared, &job, refusal()).await.unwrap();
            lanes[1].apply(&shared, &context, (&job, &Plan::default()), next).await.unwrap();
        }
        lanes[0].apply(&shared, &context, (&slow, &Plan::default()), of_slow).await.unwrap();
        assert_eq!(shared.parked(10).await.unwrap(), []);
        for id in ["a", "b", "c"] {
            let waits = again(&shared, ResponseId::new(id).unwrap()).await;
            assert_eq!(waits.waiting.entries.len(), 1, "{id}");
        }
    }

    /// A server that halts a transaction each time because of another one of the call.
    #[tokio::test]
    async fn what_is_sent_again_at_once_without_end_waits_and_is_parked() {
        let dir = tempfile::tempdir().unwrap();
        let (shared, mut worker) =
            (shared(dir.path()).await, InboundWorker::new(0, SharedWorkerState::default()));
        let job = waits(&shared, "a", true).await;
        let (id, plan, context) = (job.response_id.clone(), Plan::default(), shared.plan_context());
        for _ in 0..MAX_AT_ONCE {
            worker.apply(&shared, &context, (&job, &plan), Next::SendAgain).await.unwrap();
        }
        assert_eq!(again(&shared, id.clone()).await.attempts(), 0);
        for attempts in 1..=MAX_ATTEMPTS {
            let job = again(&shared, id.clone()).await;
            worker.apply(&shared, &context, (&job, &plan), Next::ReadFirst).await.unwrap();
            assert_eq!(again(&shared, id.clone()).await.attempts(), attempts);
        }
        let job = again(&shared, id).await;
        worker.apply(&shared, &context, (&job, &plan), Next::SendAgain).await.unwrap();
        assert_eq!(shared.parked(10).await.unwrap()[0].reason_code, "no_progress");
    }

    #[tokio::test]
    async fn c06_a_note_counts_its_tries_and_is_given_up_in_the_end() {
        for code in ["ENTITY_IS_LOCKED", "INSUFFICIENT_ACCESS_OR_READONLY"] {
            let dir = tempfile::tempdir().unwrap();
            let (shared, mut worker) =
                (shared(dir.path()).await, InboundWorker::new(0, SharedWorkerState::default()));
            let mut due_ms = 0;
            let mut job = waits(&shared, "a", false).await;
            for attempts in 1..=MAX_ATTEMPTS {
                let id = job.response_id.clone();
                worker
                    .sort_out(
                        &shared,
                        &shared.plan_context(),
                        &[(job, Plan::default())],
                        vec![refused(code, "locked")],
                    )
                    .await
                    .unwrap();
                job = again(&shared, id).await;
                assert_eq!(job.attempts(), attempts, "{code}");
                let next_ms = job.waiting.notes[0].due_ms - shared.clock.now_ms();
                assert!(attempts < 6 || next_ms >= 10_000, "{code}: {next_ms} after {attempts}");
                due_ms = due_ms.max(next_ms);
                assert_eq!(shared.salesforce_breaker.trouble(), None, "{code}");
            }
            assert!(due_ms > 600_000, "{code}: {due_ms}");
            let id = job.response_id.clone();
            worker
                .sort_out(
                    &shared,
                    &shared.plan_context(),
                    &[(job, Plan::default())],
                    vec![refused(code, "locked")],
                )
                .await
                .unwrap();
            assert_eq!(again(&shared, id).await.waiting.notes.len(), 0, "{code}");
        }
    }

    #[tokio::test]
    async fn c06_what_the_whole_org_refuses_pauses_once_and_not_for_one_record() {
        let dir = tempfile::tempdir().unwrap();
        let (shared, mut worker) =
            (shared(dir.path()).await, InboundWorker::new(0, SharedWorkerState::default()));
        let full = || refused("STORAGE_LIMIT_EXCEEDED", "full");
        let job = waits(&shared, "a", true).await;
        worker
            .sort_out(&shared, &shared.plan_context(), &[(job, Plan::default())], vec![full()])
            .await
            .unwrap();
        assert_eq!(shared.salesforce_breaker.trouble().unwrap().code, "STORAGE_LIMIT_EXCEEDED");
        assert_eq!(
            again(&shared, ResponseId::new("a").unwrap()).await.attempts(),
            0,
            "the org's matter counts no tries"
        );
    }
}
