//! Turns rows of Salesforce into actions: what an agent did that Goodays has to get. Comments:
//! [`crate::decide::outbound::comment_rows`].

use serde_json::{Map, Value};

use crate::decide::ledger::linked::Met;
use crate::decide::outbound::changes::content;
use crate::decide::outbound::rules::{Rules, modified};
use crate::decide::reconcile::action_fields;
use crate::decide::{
    ActionKind, CaseRef, Conversation, Feedback, Intent, IntentState, Link, Note, PlanContext,
    active_status_rule, hash64,
};
use crate::mapping::{Act, EvalProblem, Mapping, Wanted};
use crate::messages::Words;
use crate::salesforce::RecordId;
use crate::time::SalesforceTime;

/// Failures of rules that a conversation remembers to have told.
const RULE_FAILURES: usize = 32;
/// The longest `note` of a call (characters).
const MAX_NOTE: usize = 4000;

/// What rows are compared with.
pub struct Since<'a> {
    /// Our first start: nothing older is ever sent.
    pub first_start: SalesforceTime,
    /// Until when earlier polls have seen everything (Salesforce's clock).
    pub seen_until: SalesforceTime,
    /// Our current and former Salesforce users.
    pub us: &'a [RecordId],
    /// Our clock (milliseconds).
    pub now_ms: i64,
    /// Salesforce's clock now, for rows without a time.
    pub now: SalesforceTime,
    /// When the rows were asked for, by our clock (milliseconds).
    pub asked_ms: i64,
    pub merged: MergedCase,
}

impl<'a> Since<'a> {
    fn met(&self, row: &'a Map<String, Value>) -> Met<'a> {
        Met { row, us: self.us, seen_until: self.seen_until, now: self.now }
    }

    /// Whether the connector was the last to change a Case: who did what else is new there cannot be seen.
    pub(super) fn changed_by_us(&self, row: &Value) -> bool {
        record(row, "LastModifiedById").is_some_and(|by| self.us.contains(&by))
    }
}

/// Which response of a Case an answer from the Case is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MergedCase {
    /// This one.
    #[default]
    AnswersThis,
    /// Another response of the merged Case waits for it.
    AnswersAnother,
    /// It cannot be told (design, rule 11).
    Unsure,
}

/// The effect of a row, for the log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// The action that was added to the outbox.
    pub fired: Option<&'static str>,
    /// How many actions were taken back before they were sent.
    pub taken_back: usize,
    /// A rule could not be evaluated.
    pub problem: Option<RuleFailure>,
}

/// A rule that could not be evaluated on a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleFailure {
    /// Its place and the kind of failure.
    pub rule: String,
    /// It is one of the rules in force, not of those before the last edit.
    pub is_in_force: bool,
}

impl RuleFailure {
    pub(super) fn of(problem: &EvalProblem, by: &Mapping, rules: Rules<'_>) -> Self {
        Self { rule: problem.to_string(), is_in_force: by.rules_version() == rules.now.rules_version() }
    }
}

impl Conversation {
    /// Applies a changed Case. An action begins only when a rule becomes active (design, rule 6).
    pub fn see_case(
        &mut self,
        row: &Value,
        (rules, context): (Rules<'_>, &PlanContext<'_>),
        since: &Since<'_>,
        next_seq: &mut dyn FnMut() -> u64,
    ) -> Seen {
        let (Some(id), Some(fields)) = (record(row, "Id"), row.as_object()) else { return Seen::default() };
        let number = row.get("CaseNumber").and_then(Value::as_str).map(str::to_owned);
        let by = rules.of_case(row, since);
        let known = self.link.as_ref().is_some_and(|l| l.case.as_ref().is_some_and(|c| c.id == id));
        let wanted = match by.actions().on_case(row) {
            Ok(wanted) => wanted,
            Err(problem) => {
                let failure = RuleFailure::of(&problem, by, rules);
                if let Some(link) = &mut self.link {
                    link.note_linked(&id, since.met(fields));
                }
                return self.see_without_status(row, (rules, context), since, known, failure, next_seq);
            }
        };
        let response_id = self.response_id.clone();
        let link = self.link.get_or_insert_with(|| Link::unread(response_id));
        link.note_linked(&id, since.met(fields));
        let known = known && !std::mem::take(&mut link.status_unread);
        let before = if known { rules.rule_active_before(by, link, row) } else { link.active_status_rule };
        let is_new_command = rules.is_new_command_field(link);
        link.case = Some(CaseRef { id: id.clone(), number }.or_known(link.case.as_ref()));
        link.last_seen_fields = action_fields(fields, context);
        link.active_status_rule = active_status_rule(by, row);
        link.rules = by.rules_version();
        let (now_holds, after) = (link.active_status_rule, link.last_customer.clone());
        let mut seen = self.see_command(row, rules, since, known && !is_new_command, next_seq);
        self.see_approval(row, rules, since, known);
        if known && before.is_some() && now_holds != before {
            seen.taken_back += self.take_status_back(since.now_ms);
        }
        let Some(wish) = wanted.and_then(|wanted| status_wish(&wanted, after)) else { return seen };
        if known && now_holds.is_some() && now_holds != before {
            let author = author_of_case(row, by, since);
            let acted = modified(row).unwrap_or(since.now);
            seen.fired = self.fire(id, wish, author, acted, since.now_ms, next_seq).or(seen.fired);
        } else {
            self.follow_case(&wish, since.now_ms);
        }
        seen
    }

    /// A status rule cannot be evaluated: none begins or ends to hold. Commands and approvals are rules of their own. The
    /// Case says it once for the values that it has.
    fn see_without_status(
        &mut self,
        row: &Value,
        (rules, context): (Rules<'_>, &PlanContext<'_>),
        since: &Since<'_>,
        known: bool,
        failure: RuleFailure,
        next_seq: &mut dyn FnMut() -> u64,
    ) -> Seen {
        let mut seen = Seen::default();
        if known {
            let is_new_command = self.link.as_ref().is_some_and(|link| rules.is_new_command_field(link));
            seen = self.see_command(row, rules, since, !is_new_command, next_seq);
            self.see_approval(row, rules, since, known);
        }
        // What we write ourselves is no reason to tell it again.
        if known && !since.changed_by_us(row) {
            let values = row.as_object().map(|row| action_fields(row, context)).unwrap_or_default();
            self.tell_failure(&failure, "status", &Value::Object(values).to_string());
        }
        Seen { problem: Some(failure), ..seen }
    }

    /// Tells that a rule cannot be evaluated, once for what it was evaluated on.
    pub(super) fn tell_failure(&mut self, failure: &RuleFailure, action: &str, on: &str) {
        if let Some(note) = self.failure_note(failure, action, on) {
            self.tell(note);
        }
    }

    /// The note about it; `None` if it was told before.
    pub(super) fn failure_note(&mut self, failure: &RuleFailure, action: &str, on: &str) -> Option<Note> {
        let link = self.link.as_mut()?;
        let told = hash64(&format!("{} {action} {on}", failure.rule));
        if link.rule_failures.contains(&told) {
            return None;
        }
        if link.rule_failures.len() >= RULE_FAILURES {
            link.rule_failures.remove(0);
        }
        link.rule_failures.push(told);
        let words = Words::new("rule-fails").with("rule", &failure.rule);
        Some(Note::new(Feedback::Failed, action, "rule_fails", words))
    }

    /// Cancels status actions whose rule is not active any more.
    fn take_status_back(&mut self, now_ms: i64) -> usize {
        let waiting =
            |intent: &&Intent| intent.is_of_status() && matches!(intent.state, IntentState::Ready { .. });
        let all: Vec<u64> = self.intents.iter().filter(waiting).map(|intent| intent.seq).collect();
        for seq in &all {
            self.take_back(*seq, "taken back by the agent", now_ms);
        }
        all.len()
    }

    /// The rule stays active, but the agent may have changed the fields of the action. A waiting action gets the new
    /// values; for a sent one the agent gets a note.
    fn follow_case(&mut self, wish: &ActionKind, now_ms: i64) {
        let same = |intent: &Intent| intent.kind.name() == wish.name() && intent.is_of_status();
        let waiting = self
            .intents
            .iter_mut()
            .filter(|intent| same(intent))
            .find(|intent| matches!(intent.state, IntentState::Ready { .. }) && intent.kind != *wish);
        if let Some(intent) = waiting {
            if intent.kind.identity(&intent.case_id) == wish.identity(&intent.case_id) {
                // The agent is still writing: `close_grace` starts again.
                intent.change(wish.clone());
                intent.seen_ms = now_ms;
            }
            return;
        }
        // It may still carry them, and what was sent before it does not count any more.
        if self.intents.iter().any(|intent| same(intent) && intent.state.is_open()) {
            return;
        }
        let Some(link) = &mut self.link else { return };
        let (sent, code, words) = match wish {
            ActionKind::Close { .. } => (&mut link.close, "close_changed", Words::new("close-changed")),
            _ => (&mut link.call, "call_changed", Words::new("call-changed")),
        };
        let (Some(content), Some(sent)) = (content(wish), sent) else { return };
        let blank = matches!(
            wish,
            ActionKind::Call { rating: None, note: None, .. } | ActionKind::Close { remark_type: None, .. }
        );
        if sent.content != content && !sent.told && !blank {
            sent.told = true;
            self.tell(Note::new(Feedback::Sent, wish.name(), code, words));
        }
    }

    /// Adds an action to the outbox, once per identity; a cancelled, parked or observed action may be added again.
    /// Returns its name.
    pub(super) fn fire(
        &mut self,
        case: RecordId,
        wish: ActionKind,
        author: Option<String>,
        acted: SalesforceTime,
        now_ms: i64,
        next_seq: &mut dyn FnMut() -> u64,
    ) -> Option<&'static str> {
        let identity = wish.identity(&case);
        if self.unreadable.contains(&identity) {
            return None;
        }
        let seq = match self.by_identity(&identity) {
            None => next_seq(),
            Some(old) if may_fire_again(&old.state) => old.seq,
            Some(_) => return None,
        };
        // An earlier attempt with unknown outcome is kept.
        let unconfirmed = self.intent(seq).and_then(|old| old.unconfirmed.clone());
        let name = wish.name();
        let new = Intent::new(seq, self.response_id.clone(), case, wish, now_ms);
        self.put(Intent { author, acted, unconfirmed, ..new });
        Some(name)
    }

    /// Applies the current row to an action older than one poll: true if it may still be sent (design, rule 10). `row`
    /// is the comment's or the Case's, or that of the Case into which it was merged; `None` when Salesforce returns none.
    pub fn see_again(
        &mut self,
        seq: u64,
        row: Option<&Value>,
        rules: Rules<'_>,
        now_ms: i64,
    ) -> Result<bool, String> {
        let Some(intent) = self.intent(seq).filter(|i| matches!(i.state, IntentState::Ready { .. })) else {
            return Ok(false);
        };
        let alive = row.filter(|r| r.get("IsDeleted") != Some(&Value::Bool(true)));
        let (stays, problem) = match alive {
            None => (Stays::No, None),
            // The command's field is gone with its Case, which was merged into this one: it was given for this response.
            Some(row)
                if intent.command.is_some() && record(row, "Id").is_some_and(|id| id != intent.case_id) =>
            {
                (Stays::Yes, None)
            }
            Some(row) if intent.command.is_some() => match self.command_stays(seq, row, rules, now_ms) {
                Ok(true) => (Stays::Yes, None),
                Ok(false) => (Stays::No, None),
                Err(problem) => (Stays::Yes, Some(problem)),
            },
            Some(row) => still_wanted(intent, row, rules),
        };
        match stays {
            Stays::No => {
                let Some(action) = self.intent(seq).map(|intent| intent.kind.name()) else {
                    return Ok(false);
                };
                self.take_back(seq, "unpublished, deleted or taken back before it was sent", now_ms);
                if row.is_none() {
                    // A deleted row is returned as deleted; a missing row may only be hidden from us.
                    self.tell(Note::new(Feedback::Failed, action, "gone", Words::new("gone")));
                }
            }
            Stays::Yes => self.read_now(seq, now_ms),
            Stays::As(wanted) => {
                let known = self.intent(seq).and_then(|intent| intent.kind.comment().cloned());
                let known = known.and_then(|c| self.link.as_ref()?.answer(&c).cloned());
                match known {
                    Some(known) => self.follow_comment(&known, &wanted, now_ms),
                    None => self.follow_status(seq, &wanted, now_ms),
                }
                self.read_now(seq, now_ms);
            }
        }
        problem.map_or(Ok(self.intent(seq).is_some_and(|i| i.state.is_open())), Err)
    }

    /// The action of a status gets the current values of its Case. It may have been parked meanwhile.
    fn follow_status(&mut self, seq: u64, wanted: &Wanted, now_ms: i64) {
        let Some(intent) = self.intent_mut(seq) else { return };
        let Some(wish) = status_wish(wanted, intent.kind.after().cloned()) else { return };
        if intent.kind != wish && intent.kind.name() == wish.name() {
            intent.change(wish);
            // The agent is still writing: `close_grace` starts again.
            intent.seen_ms = now_ms;
        }
    }

    fn read_now(&mut self, seq: u64, now_ms: i64) {
        if let Some(intent) = self.intent_mut(seq) {
            intent.read_ms = now_ms;
        }
    }
}

enum Stays {
    Yes,
    /// With the current values of the row.
    As(Box<Wanted>),
    No,
}

/// A rule that cannot be evaluated now cancels nothing.
fn still_wanted(intent: &Intent, row: &Value, rules: Rules<'_>) -> (Stays, Option<String>) {
    let by = rules.of_action(Some(intent), row);
    let actions = by.actions();
    if intent.kind.is_answer() {
        let case = row.get(actions.comments.parent_relation()).cloned().unwrap_or(Value::Null);
        return match actions.on_comment(&case, row) {
            Ok(wanted) => {
                let wanted = wanted.filter(|w| w.act == Act::Answer);
                (wanted.map_or(Stays::No, |w| Stays::As(Box::new(w))), None)
            }
            Err(problem) => (Stays::Yes, Some(problem.to_string())),
        };
    }
    match actions.on_case(row) {
        Ok(Some(wanted)) if active_status_rule(by, row) == intent.kind.verb() => {
            (Stays::As(Box::new(wanted)), None)
        }
        Ok(_) => (Stays::No, None),
        Err(problem) => (Stays::Yes, Some(problem.to_string())),
    }
}

fn may_fire_again(state: &IntentState) -> bool {
    state.is_parked() || matches!(state, IntentState::Cancelled { .. } | IntentState::Observed { .. })
}

pub(super) fn status_wish(wanted: &Wanted, after: Option<crate::goodays::MessageId>) -> Option<ActionKind> {
    match wanted.act {
        Act::Answer => None,
        Act::Spam => Some(ActionKind::Spam { after }),
        Act::Close => Some(ActionKind::Close { remark_type: wanted.remark_type.clone(), after }),
        Act::Call => Some(ActionKind::Call {
            rating: wanted.rating.as_ref().and_then(rating),
            note: wanted.note.as_ref().map(|n| n.chars().take(MAX_NOTE).collect()),
            left_out: left_out(wanted),
            after,
        }),
    }
}

/// What is not sent of a call, for the agent.
fn left_out(wanted: &Wanted) -> Words {
    let rated = wanted.rating.as_ref().is_some_and(|r| !r.is_null() && rating(r).is_none());
    let long = wanted.note.as_ref().is_some_and(|n| n.chars().count() > MAX_NOTE);
    let rated = rated.then(|| Words::new("rating-left-out"));
    let long = long.then(|| Words::new("note-cut").with("max", MAX_NOTE));
    rated.unwrap_or_default().and(long.unwrap_or_default())
}

/// An integer from 0 to 5 (Goodays reference, 5.3); Salesforce returns numbers with decimals.
fn rating(value: &Value) -> Option<u8> {
    let number = value.as_f64().or_else(|| value.as_str()?.trim().parse().ok())?;
    let whole = number.round();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked")]
    (0.0..=5.0).contains(&whole).then_some(whole as u8)
}

pub(super) fn record(row: &Value, field: &str) -> Option<RecordId> {
    row.get(field).and_then(Value::as_str).and_then(RecordId::new)
}

/// The e-mail of who changed the Case. Behind our own write he cannot be seen, and what he did is not credited to us.
pub(super) fn author_of_case(row: &Value, by: &Mapping, since: &Since<'_>) -> Option<String> {
    path(row, by.actions().case_author.as_deref()).filter(|_| !since.changed_by_us(row))
}

/// The value at a path like `CreatedBy.Email`.
pub(super) fn path(row: &Value, path: Option<&str>) -> Option<String> {
    let found = path?.split('.').try_fold(row, |at, name| at.get(name))?;
    found.as_str().map(str::trim).filter(|t| !t.is_empty()).map(str::to_owned)
}
