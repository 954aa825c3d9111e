//! Which existing rows the last edits of actions.yaml would touch; they are applied only when an operator asks for it
//! (design, rule 19).
//!
//! A row is touched when it is older than an edit, a current rule asks for an action that the rules before that edit
//! did not ask for, and no action of that identity was ever begun.

use serde_json::Value;

use crate::decide::ledger::joined::CommentOfJoined;
use crate::decide::outbound::comment_rows::{Author, MERGED, Shown, author};
use crate::decide::outbound::rows::{Seen, Since, author_of_case, path, record, status_wish};
use crate::decide::outbound::rules::{Rules, modified, time};
use crate::decide::{ActionKind, Conversation, active_status_rule, answer_identity};
use crate::mapping::{Act, ActionMapping, EvalProblem, Wanted};

impl Conversation {
    /// The action that the current rules ask of a Case older than their edit, if it was never begun.
    pub fn touched_case(
        &self,
        row: &Value,
        rules: Rules<'_>,
        since: &Since<'_>,
    ) -> Result<Option<ActionKind>, EvalProblem> {
        let Some(link) = &self.link else { return Ok(None) };
        let created = time(row, "CreatedDate").filter(|created| *created >= since.first_start);
        let case = record(row, "Id").filter(|id| link.case.as_ref().is_some_and(|case| case.id == *id));
        let (Some(created), Some(case)) = (created, case) else { return Ok(None) };
        let wanted = rules.now.actions().on_case(row)?;
        let Some(wish) = wanted.and_then(|wanted| status_wish(&wanted, link.last_customer.clone())) else {
            return Ok(None);
        };
        let mut before = rules.earlier.iter().filter(|before| created <= before.until);
        let is_new = before.any(|before| {
            before.mapping.as_deref().and_then(|before| active_status_rule(before, row)) != wish.verb()
        });
        let identity = wish.identity(&case);
        Ok(Some(wish).filter(|_| is_new && !self.is_begun(&identity) && !self.has_open_status()))
    }

    /// The same for a comment; `case` is its Case's row.
    pub fn touched_comment(
        &self,
        (row, case): (&Value, &Value),
        rules: Rules<'_>,
        since: &Since<'_>,
    ) -> Result<Option<Wanted>, EvalProblem> {
        let comment = record(row, "Id").filter(|_| self.link.is_some());
        let (Some(comment), Some(created)) = (comment, time(row, "CreatedDate")) else { return Ok(None) };
        let of = record(row, &rules.now.actions().comments.parent);
        let is_earlier = |of| self.comment_of(row, &of).0 == CommentOfJoined::Earlier;
        if of.is_some_and(is_earlier) || author(row, rules.now.actions(), since) == Author::MayNot {
            return Ok(None);
        }
        let answers = |wanted: &Wanted| wanted.act == Act::Answer;
        let Some(wanted) = rules.now.actions().on_comment(case, row)?.filter(answers) else {
            return Ok(None);
        };
        let asked_before = |actions: &ActionMapping| {
            let wanted = actions.on_comment(case, row).ok().flatten();
            author(row, actions, since) != Author::MayNot && wanted.as_ref().is_some_and(answers)
        };
        let mut before = rules.earlier.iter().filter(|before| created <= before.until);
        let is_new = before.any(|before| !before.actions().is_some_and(asked_before));
        let known = self.link.as_ref().is_some_and(|link| link.answer(&comment).is_some());
        Ok(Some(wanted).filter(|_| is_new && !known && !self.is_begun(&answer_identity(&comment))))
    }

    /// Adds the touched action to the outbox, for an operator. Returns its name.
    pub fn apply_to_case(
        &mut self,
        row: &Value,
        rules: Rules<'_>,
        since: &Since<'_>,
        next_seq: &mut dyn FnMut() -> u64,
    ) -> Result<Option<&'static str>, EvalProblem> {
        let Some(wish) = self.touched_case(row, rules, since)? else { return Ok(None) };
        let Some(case) = record(row, "Id") else { return Ok(None) };
        let identity = wish.identity(&case);
        let author = author_of_case(row, rules.now, since);
        let acted = modified(row).unwrap_or(since.now);
        let fired = self.fire(case, wish, author, acted, since.now_ms, next_seq);
        self.asked_for(&identity);
        Ok(fired)
    }

    /// The same for a comment; `unsure` as for [`Conversation::see_comment`].
    pub fn apply_to_comment(
        &mut self,
        (row, case): (&Value, &Value),
        rules: Rules<'_>,
        since: &Since<'_>,
        unsure: bool,
        next_seq: &mut dyn FnMut() -> u64,
    ) -> Result<Option<&'static str>, EvalProblem> {
        let Some(wanted) = self.touched_comment((row, case), rules, since)? else { return Ok(None) };
        let source = &rules.now.actions().comments;
        let (Some(comment), Some(of)) = (record(row, "Id"), record(row, &source.parent)) else {
            return Ok(None);
        };
        let identity = answer_identity(&comment);
        let unseen = author(row, rules.now.actions(), since) == Author::Unseen;
        let author = path(row, source.author_email.as_deref());
        let acted = time(row, "CreatedDate").unwrap_or(since.now);
        let unsure = unsure.then_some(MERGED).or(self.comment_of(row, &of).1);
        let shown = Shown { comment, case: of, wanted, author, acted, unsure, unseen, now_ms: since.now_ms };
        let Seen { fired, .. } = self.new_answer(&shown, next_seq);
        self.asked_for(&identity);
        Ok(fired)
    }

    /// The action is then judged by the rules that the operator saw, not by those of the row's own time.
    fn asked_for(&mut self, identity: &str) {
        let found = self.intents.iter_mut().filter(|intent| intent.identity() == identity);
        found.for_each(|intent| intent.by_operator = true);
    }

    /// Whether an action of this identity exists, in any state.
    fn is_begun(&self, identity: &str) -> bool {
        self.by_identity(identity).is_some() || self.unreadable.iter().any(|one| one == identity)
    }

    /// Whether another status action is open: the new one would contradict it.
    fn has_open_status(&self) -> bool {
        self.intents.iter().any(|intent| !intent.kind.is_answer() && intent.state.is_open())
    }
}

/// Whether the row's Case is open; a Case without this field counts as open.
pub fn is_open(row: &Value) -> bool {
    row.get("IsClosed") != Some(&Value::Bool(true))
}
