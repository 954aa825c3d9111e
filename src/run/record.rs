//! Noting what was written, on top of what is known by then.

use std::sync::atomic::Ordering;

use tracing::{info, warn};

use super::inbound::{Job, Lane};
use super::{Fatal, Shared};
use crate::plan::inbound::{Plan, report_list};
use crate::plan::{IntentState, Link, Note, Sending, Told};
use crate::salesforce::RecordId;
use crate::store::inbox::{drop_note, finish, put_note};
use crate::store::ledger::put_link;
use crate::store::outbox::put_intent;
use crate::store::{EntryState, RKey, Store, StoreError, Tx, keys};

impl Lane {
    /// Notes what is done, on top of the link as it stands now.
    pub(super) fn record(
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
        // Each lane counts what it has finished, whichever lane it is of: no other one writes that count.
        let done = &shared.counts.done[usize::from(self.number)];
        let finished = if plan.more { 0 } else { job.waiting.entries.len() as u64 };
        let mut arrived;
        loop {
            let mut tx = Tx::default();
            let before = shared.store.guard_link(&mut tx, job.rkey)?;
            let keep = plan.skipped.is_none() || before.is_some();
            let mut link = before.clone().unwrap_or_else(|| Link::new(job.response_id.clone()));
            plan.gain.clone().apply(&mut link, inserted.cloned());
            arrived = 0;
            for (seq, message) in &plan.settles {
                arrived += u64::from(settle(&shared.store, &mut tx, job.rkey, *seq, message, now_ms)?);
            }
            if arrived > 0 {
                let total = shared.counts.delivered.load(Ordering::Relaxed) + arrived;
                tx.set(keys::meta("delivered"), encoded(total));
            }
            if keep && before.as_ref() != Some(&link) {
                put_link(&mut tx, job.rkey, before.as_ref(), &link);
            }
            if !plan.more {
                for entry in &job.waiting.entries {
                    let how = plan.skipped.unwrap_or(how).to_owned();
                    finish(&mut tx, entry.clone(), job.rkey, EntryState::Done { at_ms: now_ms, how });
                }
                tx.set(
                    keys::meta(&format!("done {}", self.number)),
                    encoded(done.load(Ordering::Relaxed) + finished),
                );
            }
            for (seq, due_ms, _) in &job.waiting.notes {
                drop_note(&mut tx, job.rkey, *seq, *due_ms);
            }
            if shared.store.try_transact(&tx)? {
                break;
            }
        }
        done.fetch_add(finished, Ordering::Relaxed);
        shared.counts.delivered.fetch_add(arrived, Ordering::Relaxed);
        shared.counts.pending.fetch_sub(i64::try_from(finished).unwrap_or(i64::MAX), Ordering::Relaxed);
        self.doubts().forget(job.rkey);
        tell(shared, job, plan, how, finished);
        Ok(())
    }
}

fn tell(shared: &Shared, job: &Job, plan: &Plan, how: &str, finished: u64) {
    for _ in 0..finished {
        shared.metrics.event(how);
    }
    for report in &plan.reports {
        shared.metrics.field(&report.field, &report.code);
    }
    let comments = plan.write.as_ref().map_or(0, |w| w.comments.len());
    let mapping = plan.gain.mapping.as_deref().unwrap_or_default();
    let reports = report_list(&plan.reports);
    if reports.is_empty() {
        info!(response = %job.response_id, how, events = finished, comments, mapping,
                  reason = plan.skipped.unwrap_or_default(), "event applied");
    } else {
        warn!(response = %job.response_id, how, events = finished, comments, mapping, fields = %reports,
                  "event applied; some fields were dropped or shortened");
    }
    if !plan.settles.is_empty() {
        shared.deliver.notify_one();
    }
}

/// An intent that this view proves delivered; false when it was settled already.
fn settle(
    store: &Store,
    tx: &mut Tx,
    rkey: RKey,
    seq: u64,
    message: &crate::goodays::MessageId,
    now_ms: i64,
) -> Result<bool, StoreError> {
    let Some(mut intent) = store.guard_intent(tx, seq)? else { return Ok(false) };
    let (IntentState::Sending(Sending { verb, .. })
    | IntentState::Unclear { sending: Sending { verb, .. }, .. }) = intent.state
    else {
        return Ok(false);
    };
    intent.state = IntentState::Delivered { at_ms: now_ms, verb, message: Some(message.clone()) };
    put_intent(tx, rkey, &intent);
    let note = Note { told: Told::Sent, action: verb.to_string(), reason: String::new(), view: None };
    put_note(tx, rkey, store.next_seq(), now_ms, &note);
    Ok(true)
}

fn encoded(number: u64) -> Vec<u8> {
    crate::store::encode(&number)
}
