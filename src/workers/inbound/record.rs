//! Records what was written, on top of the link as it is by then.

use std::sync::atomic::Ordering;

use tracing::{info, warn};

use crate::decide::Link;
use crate::decide::inbound::{Plan, report_list};
use crate::decide::outbound::Proof;
use crate::goodays::event::Response;
use crate::salesforce::RecordId;
use crate::state::inbox::{drop_note, finish};
use crate::state::{EntryState, keys};
use crate::workers::inbound::{InboundWorker, Job};
use crate::workers::{Fatal, Shared};

/// How long (milliseconds) a conversation waits while a message may be ours and the action's outcome is not known.
const WAITS_MS: i64 = 500;

impl InboundWorker {
    pub(crate) fn record(
        &mut self,
        shared: &Shared,
        job: &Job,
        plan: &Plan,
        inserted: Option<&RecordId>,
    ) -> Result<(), Fatal> {
        let now_ms = shared.clock.now_ms();
        let how = match (&plan.skipped, &plan.write) {
            (Some(_), _) => "skipped",
            (None, None) => "unchanged",
            (None, Some(write)) if write.patch.is_none() => "created",
            (None, Some(_)) => "updated",
        };
        // Each worker counts the events that it finished, of either worker's conversations. So each count has one
        // writer.
        let done = &shared.counts.done[usize::from(self.number)];
        let mut finished;
        let settled = loop {
            let mut loaded = shared.store.conversation(job.rkey, &job.response_id)?;
            let keep = plan.skipped.is_none() || loaded.now.link.is_some();
            let mut link = loaded.now.link.take().unwrap_or_else(|| Link::new(job.response_id.clone()));
            plan.link_update.clone().apply(&mut link, inserted.cloned());
            if plan.link_update.emptied_command.is_some() || plan.link_update.reset_approval {
                link.command.emptied_ms = now_ms;
            }
            loaded.now.link = keep.then_some(link);
            for (seq, verb, proof) in &plan.settles {
                // The answer of a command becomes a comment, as the event shows it.
                let of_command = loaded.now.intent(*seq).is_some_and(|intent| intent.command.is_some());
                let view = proof.as_ref().filter(|_| of_command).and_then(|proof| shown_in(job, proof));
                loaded.now.delivered(*seq, *verb, proof.as_ref(), view, now_ms);
            }
            let tx = loaded.with();
            finished = 0;
            if !plan.more && !plan.waits {
                // Entries that an operator dropped or forgot meanwhile are left as they are.
                let unchanged = shared.store.guard_unchanged(tx, &job.waiting.entries)?;
                finished = unchanged.len() as u64;
                for entry in unchanged {
                    let how = plan.skipped.unwrap_or(how).to_owned();
                    finish(tx, entry, job.rkey, EntryState::Done { at_ms: now_ms, how });
                }
                tx.set(
                    keys::meta(&format!("done {}", self.number)),
                    encoded(done.load(Ordering::Relaxed) + finished),
                );
            }
            for (seq, due_ms) in shared.store.guard_notes(tx, job.rkey, &job.waiting.notes)? {
                drop_note(tx, job.rkey, seq, due_ms);
            }
            if let Some(changed) = shared.store.write_change(loaded, now_ms)? {
                break changed;
            }
        };
        done.fetch_add(finished, Ordering::Relaxed);
        shared.counts.pending.fetch_sub(i64::try_from(finished).unwrap_or(i64::MAX), Ordering::Relaxed);
        self.state().forget(job.rkey);
        if plan.waits {
            self.state().postponed.insert(job.rkey, now_ms + WAITS_MS);
        }
        if let Some(ends) = plan.message_ends_turn {
            shared.learn_turns(ends)?;
        }
        shared.changed(job.rkey, &job.response_id, &settled);
        tell(shared, job, plan, how, finished);
        Ok(())
    }
}

/// The newest event with this message.
fn shown_in<'j>(job: &'j Job, proof: &Proof) -> Option<&'j Response> {
    let mut views = job.events.iter().rev().map(|event| &event.response);
    views.find(|view| view.turns.iter().any(|turn| turn.id == proof.id))
}

fn tell(shared: &Shared, job: &Job, plan: &Plan, how: &str, finished: u64) {
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

fn encoded(number: u64) -> Vec<u8> {
    crate::state::encode(&number)
}
