//! Records what was written, on top of the link as it is by then.

use std::sync::atomic::Ordering;

use tracing::{info, warn};

use crate::decide::inbound::{Plan, report_list};
use crate::decide::ledger::link_update::KeyUpdate;
use crate::decide::outbound::Proof;
use crate::decide::{Course, Feedback, Link, Note, Request, ToldAt};
use crate::goodays::ResponseId;
use crate::goodays::event::Response;
use crate::messages::Words;
use crate::salesforce::RecordId;
use crate::state::{EntryState, Loaded};
use crate::workers::inbound::{InboundWorker, Job};
use crate::workers::sweep::SWEEP;
use crate::workers::{Fatal, Shared};

/// How long (milliseconds) a conversation waits while a message may be ours and the action's outcome is not known.
const WAITS_MS: i64 = 500;

/// A conversation whose plan was carried out: written to Salesforce, or nothing was to write.
pub(crate) struct Recorded<'b> {
    pub job: &'b Job,
    pub plan: &'b Plan,
    /// The id of a Case that was created.
    pub inserted: Option<RecordId>,
    /// When it was planned (milliseconds).
    pub planned_ms: i64,
    /// The call that wrote it; `None`: there was nothing to write.
    pub request: Option<Request>,
}

impl Recorded<'_> {
    fn how(&self) -> &'static str {
        match (&self.plan.skipped, &self.plan.write) {
            (Some(_), _) => "skipped",
            (None, None) => "unchanged",
            (None, Some(write)) if write.patch.is_none() => "created",
            (None, Some(_)) => "updated",
        }
    }

    /// What the ledger learns. Returns how many events end. Events and notes that an operator dropped or forgot
    /// meanwhile are left as they are.
    fn apply(&self, loaded: &mut Loaded, now_ms: i64) -> usize {
        let Self { job, plan, inserted, request, .. } = self;
        let keep = plan.skipped.is_none() || loaded.now.link.is_some();
        let mut link = loaded.now.link.take().unwrap_or_else(|| Link::new(job.response_id.clone()));
        plan.link_update.clone().apply(&mut link, inserted.clone());
        if plan.link_update.emptied_command.is_some() || plan.link_update.reset_approval {
            link.command.emptied_ms = now_ms;
        }
        for waiting in job.waiting.notes.iter().filter(|_| !plan.notes_stay) {
            let (told, action) = (waiting.note.told, waiting.note.action.clone());
            link.told(ToldAt { at_ms: now_ms, told, action, request: request.map(|request| request.number) });
        }
        loaded.now.link = keep.then_some(link);
        let told_why = if let Some(KeyUpdate::Refused { code }) = &plan.link_update.key {
            let words = Words::new("survivor-without-key").with("code", code);
            Some(Note::new(Feedback::Failed, "answer", "survivor_without_key", words))
        } else {
            None
        };
        for (seq, verb, proof) in &plan.settles {
            // The answer of a command becomes a comment, as the event shows it.
            let of_command = loaded.now.intent(*seq).is_some_and(|intent| intent.command.is_some());
            let view = proof.as_ref().filter(|_| of_command).and_then(|proof| shown_in(job, proof));
            loaded.now.delivered(*seq, *verb, proof.as_ref(), view, now_ms);
        }
        if !plan.notes_stay {
            loaded.end_notes(&job.waiting.notes);
        }
        loaded.now.notes.extend(told_why);
        if plan.more || plan.waits {
            return 0;
        }
        let how = plan.skipped.unwrap_or(self.how()).to_owned();
        let course = Some(self.course());
        loaded.end_events(&job.waiting.entries, &EntryState::Done { at_ms: now_ms, how, course })
    }

    fn course(&self) -> Course {
        let Self { plan, planned_ms, request, .. } = self;
        let comments = plan.write.as_ref().map_or(0, |write| write.comments.len());
        Course {
            planned_ms: *planned_ms,
            request: *request,
            comments: u32::try_from(comments).unwrap_or(u32::MAX),
            mapping: plan.link_update.mapping.clone().unwrap_or_default(),
        }
    }
}

impl InboundWorker {
    /// A conversation that this step's call wrote, or for which there was nothing to write.
    pub(crate) fn recorded_as<'b>(
        &self,
        job: &'b Job,
        plan: &'b Plan,
        inserted: Option<RecordId>,
    ) -> Recorded<'b> {
        Recorded { job, plan, inserted, planned_ms: self.stepped_ms, request: self.request }
    }

    /// Records a whole batch: one load, one commit.
    pub(crate) async fn record(&mut self, shared: &Shared, written: &[Recorded<'_>]) -> Result<(), Fatal> {
        let now_ms = shared.clock.now_ms();
        let ids: Vec<ResponseId> = written.iter().map(|one| one.job.response_id.clone()).collect();
        let finished = shared.change_many(&ids, |place, loaded| written[place].apply(loaded, now_ms)).await?;
        for (one, finished) in written.iter().zip(finished) {
            self.recorded(shared, one, finished, now_ms).await?;
        }
        Ok(())
    }

    async fn recorded(
        &mut self,
        shared: &Shared,
        one: &Recorded<'_>,
        finished: usize,
        now_ms: i64,
    ) -> Result<(), Fatal> {
        let Recorded { job, plan, .. } = one;
        shared.counts.done[usize::from(self.number)].fetch_add(finished as u64, Ordering::Relaxed);
        shared.counts.pending.fetch_sub(i64::try_from(finished).unwrap_or(i64::MAX), Ordering::Relaxed);
        for entry in job.waiting.entries.iter().take(finished) {
            shared.metrics.tally.carried_in(now_ms - entry.received_ms);
        }
        self.state().forget(job.rkey);
        if plan.waits {
            self.state().postponed.insert(job.rkey, now_ms + WAITS_MS);
        }
        if let Some(ends) = plan.message_ends_turn {
            shared.learn(ends).await?;
        }
        if finished > 0 && plan.write.is_some() {
            let webhooks = job.waiting.entries.iter().filter(|entry| entry.event != SWEEP);
            webhooks.for_each(|entry| shared.reached_case(now_ms - entry.received_ms));
        }
        tell(shared, job, plan, one.how(), finished);
        Ok(())
    }
}

/// The newest event with this message.
fn shown_in<'j>(job: &'j Job, proof: &Proof) -> Option<&'j Response> {
    let mut views = job.events.iter().rev().map(|event| &event.response);
    views.find(|view| view.turns.iter().any(|turn| turn.id == proof.id))
}

fn tell(shared: &Shared, job: &Job, plan: &Plan, how: &str, finished: usize) {
    for _ in 0..finished {
        shared.metrics.event(how);
    }
    for report in &plan.reports {
        shared.metrics.field(&report.field, &report.code);
    }
    let comments = plan.write.as_ref().map_or(0, |w| w.comments.len());
    let mapping = plan.link_update.mapping.as_deref().unwrap_or_default();
    let reports = report_list(&plan.reports);
    if reports.is_empty() {
        info!(response = %job.response_id, how, events = finished, comments, mapping,
                  reason = plan.skipped.unwrap_or_default(), "event applied");
    } else {
        warn!(response = %job.response_id, how, events = finished, comments, mapping, fields = %reports,
                  "event applied; some fields were dropped or shortened");
    }
}
