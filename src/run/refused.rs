//! What follows when Salesforce refuses a conversation: again later, a field less, read again, or a human.

use std::sync::atomic::Ordering;

use tracing::{debug, info, warn};

use super::inbound::{CASE, Job, Lane};
use super::retry::{RECORD, interval, millis};
use super::{Fatal, Shared};
use crate::http::Failure;
use crate::plan::inbound::Plan;
use crate::salesforce::errors::{FieldFix, Verdict, classify};
use crate::salesforce::graph::{GraphOutcome, NodeError};
use crate::store::inbox::{drop_note, finish, move_note};
use crate::store::{Entry, EntryState, Tx};

/// Tries of one record before a human is asked: with the intervals of [`RECORD`], some hours.
const MAX_ATTEMPTS: u32 = 40;
/// How often one text is shortened before it is left out.
const MAX_CUTS: usize = 20;

impl Job {
    fn was_put_off(&self) -> bool {
        self.waiting.entries.iter().any(|e| e.attempts > 0)
    }
}

impl Lane {
    pub(super) fn sort_out(
        &mut self,
        shared: &Shared,
        batch: Vec<(Job, Plan)>,
        outcomes: Vec<GraphOutcome>,
    ) -> Result<(), Fatal> {
        let duplicate = |o: &GraphOutcome| matches!(o, GraphOutcome::Failed(errors) if classify(errors) == Verdict::Duplicate);
        // One unknown Case that exists says that our ledger may not know the others either.
        let relearn = outcomes.iter().any(duplicate);
        let taken = outcomes.iter().any(|o| matches!(o, GraphOutcome::Done(_)));
        for ((job, plan), outcome) in batch.into_iter().zip(outcomes) {
            match outcome {
                GraphOutcome::Done(ids) => {
                    let id = ids.into_iter().find(|(reference, _)| reference == CASE).and_then(|(_, id)| id);
                    self.record(shared, &job, &plan, id.as_ref())?;
                }
                GraphOutcome::Halted => {
                    if relearn {
                        self.doubts().unlearned.insert(job.rkey);
                    }
                }
                // What the org took from others it does not refuse as a whole: the trouble is this conversation's,
                // and stays so when it comes alone.
                GraphOutcome::Failed(errors)
                    if asks_for_an_admin(&errors) && (taken || job.was_put_off()) =>
                {
                    self.later(shared, &job, &first_code(&errors))?;
                }
                GraphOutcome::Failed(errors) => self.failed(shared, &job, &errors)?,
            }
        }
        Ok(())
    }

    pub(super) fn failed(&mut self, shared: &Shared, job: &Job, errors: &[NodeError]) -> Result<(), Fatal> {
        let code = first_code(errors);
        let verdict = classify(errors);
        debug!(response = %job.response_id, %code, ?verdict, "Salesforce refused a conversation");
        match verdict {
            Verdict::Retry => self.later(shared, job, &code),
            Verdict::Duplicate => {
                let mut doubts = self.doubts();
                if doubts.comments.contains_key(&job.rkey) {
                    // Just read and not found, and still a duplicate.
                    doubts.nowhere.insert(job.rkey);
                }
                doubts.unlearned.insert(job.rkey);
                Ok(())
            }
            Verdict::Gone => {
                let known = job.link.as_ref().is_some_and(|l| l.case.is_some());
                let read = self.doubts().comments.contains_key(&job.rkey);
                if known && !read {
                    self.doubts().unlearned.insert(job.rkey);
                    Ok(())
                } else {
                    self.later(shared, job, &code)
                }
            }
            Verdict::Fix(fixes) => self.fix(shared, job, fixes, errors),
            Verdict::AdminMustAct { code } => {
                let advice = format!(
                    "Salesforce refuses every write of this kind with {code}: an admin has to look at the org."
                );
                let failure = Failure::Login { code, advice };
                let result: Result<(), Failure> = Err(failure);
                shared.salesforce_said(&result, shared.clock.now_ms());
                Ok(())
            }
            Verdict::Permanent { code } => {
                let why = errors.iter().map(|e| e.problem.message.as_str()).find(|m| !m.is_empty());
                let why = format!("Salesforce refuses it with {code}: {}", why.unwrap_or("no reason given"));
                self.park(shared, job, &code, &why)
            }
        }
    }

    /// Leaves out or shortens what was refused; the next step writes again.
    pub(super) fn fix(
        &mut self,
        shared: &Shared,
        job: &Job,
        fixes: Vec<FieldFix>,
        errors: &[NodeError],
    ) -> Result<(), Fatal> {
        let mapping = shared.mapping();
        let vital = |field: &str| {
            let same = |name: &str| name.eq_ignore_ascii_case(field);
            mapping.case_mappings().iter().any(|m| same(&m.key_field) || same(&m.marker_field))
        };
        let mut anything_new = false;
        for fix in fixes {
            let fix = by_name(shared, fix);
            if let FieldFix::Drop { field, code } = &fix
                && vital(field)
            {
                vital_field(shared, field, code);
                return Ok(());
            }
            let forever = matches!(&fix, FieldFix::Drop { code, .. }
                if matches!(code.as_str(), "INVALID_FIELD" | "INVALID_FIELD_FOR_INSERT_UPDATE"))
                && !is_relation_value(errors);
            anything_new |= if forever {
                shared.fixes.add(mapping.version(), fix)
            } else {
                let mut doubts = self.doubts();
                let own = doubts.fixes.entry(job.rkey).or_default();
                let next = harder(own, fix, |field| on_the_case(shared, field) && !vital(field));
                let new = next.is_some();
                own.extend(next);
                new
            };
        }
        if anything_new {
            return Ok(());
        }
        let code = first_code(errors);
        let field = errors.iter().flat_map(|e| &e.problem.fields).next().cloned().unwrap_or_default();
        self.park(shared, job, &code, &format!("Salesforce refuses it with {code} {field}"))
    }

    /// The same again, later.
    pub(super) fn later(&mut self, shared: &Shared, job: &Job, code: &str) -> Result<(), Fatal> {
        let now_ms = shared.clock.now_ms();
        let attempts = job.waiting.entries.iter().map(|e| e.attempts).max().unwrap_or_default() + 1;
        if attempts > MAX_ATTEMPTS {
            return self.park(shared, job, code, &format!("Salesforce kept refusing it with {code}."));
        }
        let due_ms = now_ms + millis(interval(RECORD, attempts - 1, None));
        loop {
            let mut tx = Tx::default();
            for entry in shared.store.guard_unchanged(&mut tx, &job.waiting.entries)? {
                let entry = Entry { attempts, ..entry };
                finish(&mut tx, entry, job.rkey, EntryState::Waiting { due_ms });
            }
            for (seq, from_ms) in shared.store.guard_notes(&mut tx, job.rkey, &job.waiting.notes)? {
                move_note(&mut tx, job.rkey, seq, Some(from_ms), due_ms);
            }
            if shared.store.try_transact(&tx)? {
                break;
            }
        }
        self.doubts().held.insert(job.rkey, due_ms);
        info!(response = %job.response_id, code, attempts, "Salesforce is asked again later");
        Ok(())
    }

    /// Ends the waiting of a conversation with a reason that a human looks at; notes are given up.
    pub(super) fn park(&mut self, shared: &Shared, job: &Job, code: &str, why: &str) -> Result<(), Fatal> {
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
            if job.waiting.entries.is_empty() {
                for (seq, due_ms) in shared.store.guard_notes(&mut tx, job.rkey, &job.waiting.notes)? {
                    drop_note(&mut tx, job.rkey, seq, due_ms);
                }
            }
            if shared.store.try_transact(&tx)? {
                break;
            }
        }
        (0..parked).for_each(|_| shared.metrics.event("parked"));
        shared.counts.pending.fetch_sub(parked, Ordering::Relaxed);
        warn!(response = %job.response_id, code, events = job.waiting.entries.len(),
              notes = job.waiting.notes.len(), "parked: Salesforce does not take it");
        let mut doubts = self.doubts();
        doubts.fixes.remove(&job.rkey);
        doubts.suspects.remove(&job.rkey);
        Ok(())
    }
}

/// Without key or marker nothing is safe: nothing is written until they are there.
fn vital_field(shared: &Shared, field: &str, code: &str) {
    let advice = format!(
        "The Case field {field} cannot be written ({code}): deploy the fields and the permission set \
             in salesforce/, and assign the set to the connector's user."
    );
    let result: Result<(), Failure> = Err(Failure::Login { code: "key_field".to_owned(), advice });
    shared.salesforce_said(&result, shared.clock.now_ms());
}

fn first_code(errors: &[NodeError]) -> String {
    errors.first().map(|e| e.problem.code.clone()).unwrap_or_default()
}

fn asks_for_an_admin(errors: &[NodeError]) -> bool {
    matches!(classify(errors), Verdict::AdminMustAct { .. })
}

/// What is left to try where the same was tried before. A limit may count in other units than it is stated in (bytes,
/// for instance), so a text becomes shorter still; one that is refused at any length goes, where it may.
fn harder(tried: &[FieldFix], fix: FieldFix, may_go: impl Fn(&str) -> bool) -> Option<FieldFix> {
    if !tried.contains(&fix) {
        return Some(fix);
    }
    let FieldFix::Shorten { field, .. } = fix else { return None };
    let cuts: Vec<Option<usize>> = tried
        .iter()
        .filter_map(|f| match f {
            FieldFix::Shorten { field: cut, max } if *cut == field => Some(*max),
            _ => None,
        })
        .collect();
    let max = cuts.iter().flatten().min().map(|shortest| shortest / 2);
    if cuts.len() < MAX_CUTS && max != Some(0) {
        return Some(FieldFix::Shorten { field, max });
    }
    let may_go = may_go(&field);
    let gone = FieldFix::Drop { field, code: "STRING_TOO_LONG".to_owned() };
    (may_go && !tried.contains(&gone)).then_some(gone)
}

/// A comment without its text would be a message lost; a Case without one of its texts is still the Case.
fn on_the_case(shared: &Shared, field: &str) -> bool {
    let schema = shared.contacts.schema.load();
    schema.case.as_ref().is_some_and(|d| d.field_or_label(field).is_some())
}

/// Salesforce often names a field by its label.
fn by_name(shared: &Shared, fix: FieldFix) -> FieldFix {
    let schema = shared.contacts.schema.load();
    let name = |field: String| {
        let either = [&schema.case, &schema.comment];
        let known = either.into_iter().flatten().find_map(|d| d.field_or_label(&field));
        known.map_or(field, |f| f.name.clone())
    };
    match fix {
        FieldFix::Drop { field, code } => FieldFix::Drop { field: name(field), code },
        FieldFix::Shorten { field, max } => FieldFix::Shorten { field: name(field), max },
        FieldFix::StripControl => FieldFix::StripControl,
    }
}

/// A relation whose target does not exist is a matter of this value, not of the field.
fn is_relation_value(errors: &[NodeError]) -> bool {
    errors.iter().any(|e| e.problem.message.contains("oreign key external"))
}
