//! Turns agents' comments into answers: written, published, edited, unpublished, deleted.

use serde_json::Value;

use crate::decide::ledger::joined::CommentOfJoined;
use crate::decide::outbound::rows::{RuleFailure, Seen, Since, path, record};
use crate::decide::outbound::rules::{Rules, time};
use crate::decide::{
    ActionKind, Answered, Audience, CaseRef, Conversation, Feedback, Intent, IntentState, Link, Note,
    answer_identity, hash64,
};
use crate::goodays::event::normalised;
use crate::mapping::{Act, ActionMapping, CommentsSource, Wanted};
use crate::messages::Words;
use crate::salesforce::RecordId;
use crate::time::SalesforceTime;

/// An agent's comment that asks for an answer.
pub(super) struct Shown {
    pub comment: RecordId,
    pub case: RecordId,
    pub wanted: Wanted,
    pub author: Option<String>,
    pub acted: SalesforceTime,
    /// Why it is not known whether the comment answers this response: the code of the reason.
    pub unsure: Option<&'static str>,
    /// Who wrote it cannot be seen.
    pub unseen: bool,
    pub now_ms: i64,
}

/// Whether a user may answer customers (design, rule 24).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Author {
    MayAnswer,
    MayNot,
    /// Salesforce does not show the user or his kind to the connector: a human decides.
    Unseen,
    /// The connector itself changed the Case after whoever asked for the answer: a human decides.
    Covered,
}

/// The reason code of an answer whose author cannot be seen.
pub const AUTHOR_UNSEEN: &str = "author_unseen";
/// The reason code of an answer on a Case with several responses, or written about the time of a merge.
pub(super) const MERGED: &str = "merged";
/// The reason code of an answer that may have been written before somebody put the key on the Case.
const LINKED: &str = "linked";

impl Conversation {
    /// Applies a comment that was written, published, unpublished or edited. `case` is its Case's row; `unsure`:
    /// several responses share the Case, and it is not known which one the comment answers.
    pub fn see_comment(
        &mut self,
        (row, case): (&Value, &Value),
        rules: Rules<'_>,
        since: &Since<'_>,
        unsure: bool,
        next_seq: &mut dyn FnMut() -> u64,
    ) -> Seen {
        let (Some(comment), Some(case_id)) =
            (record(row, "Id"), record(row, &rules.now.actions().comments.parent))
        else {
            return Seen::default();
        };
        let author_is = author(row, rules.now.actions(), since);
        if author_is == Author::MayNot {
            return Seen::default();
        }
        let (of, why) = self.comment_of(row, &case_id);
        if of == CommentOfJoined::Earlier {
            return Seen::default();
        }
        let unsure = unsure.then_some(MERGED).or(why);
        let known = self.link.as_ref().and_then(|l| l.answer(&comment)).cloned();
        let (by, wanted) = match &known {
            Some(known) => {
                let by = rules.of_action(self.intent(known.intent), row);
                (by, by.actions().on_comment(case, row))
            }
            None => (rules.of_row(row), rules.new_comment(case, row)),
        };
        let wanted = match wanted {
            Ok(wanted) => wanted.filter(|w| w.act == Act::Answer),
            Err(problem) => {
                let failure = RuleFailure::of(&problem, by, rules);
                let modified = row.get("LastModifiedDate").cloned().unwrap_or_default();
                self.tell_failure(&failure, "answer", &format!("{} {modified}", comment.as_str()));
                return Seen { problem: Some(failure), ..Seen::default() };
            }
        };
        let Some(wanted) = wanted else {
            return known.map_or_else(Seen::default, |known| self.unpublished(known.intent, since.now_ms));
        };
        let author = path(row, rules.now.actions().comments.author_email.as_deref());
        let acted = time(row, "CreatedDate").unwrap_or(since.now);
        let unseen = author_is == Author::Unseen;
        let shown =
            Shown { comment, case: case_id, wanted, author, acted, unsure, unseen, now_ms: since.now_ms };
        match known {
            Some(known) => self.changed_answer(&known, &shown, next_seq),
            None => self.new_answer(&shown, next_seq),
        }
    }

    /// Whether an unknown comment on this Case is for this response, after a merge or somebody's link led to a Case that
    /// was not ours. With the reason code if that cannot be told.
    pub(super) fn comment_of(&self, row: &Value, case: &RecordId) -> (CommentOfJoined, Option<&'static str>) {
        let known = |link: &&Link| record(row, "Id").is_some_and(|comment| link.answer(&comment).is_some());
        let Some(link) = self.link.as_ref().filter(|link| !known(link)) else {
            return (CommentOfJoined::Ours, None);
        };
        let (created, modified) = (time(row, "CreatedDate"), time(row, "LastModifiedDate"));
        let joined = link.joined.map(|joined| (joined.comment(created, modified), MERGED));
        let linked = link.linked.as_ref().map(|linked| (linked.comment(created, modified), LINKED));
        // The key has moved to a Case whose row was not seen yet.
        let elsewhere = link.case.as_ref().is_some_and(|known| known.id != *case);
        let elsewhere = elsewhere.then_some((CommentOfJoined::Unsure, LINKED));
        let all = || [joined, linked, elsewhere].into_iter().flatten();
        let is = |which: CommentOfJoined| all().find(|(of, _)| *of == which);
        match (is(CommentOfJoined::Earlier), is(CommentOfJoined::Unsure)) {
            (Some(_), _) => (CommentOfJoined::Earlier, None),
            (None, Some((_, why))) => (CommentOfJoined::Unsure, Some(why)),
            (None, None) => (CommentOfJoined::Ours, None),
        }
    }

    pub(super) fn new_answer(&mut self, shown: &Shown, next_seq: &mut dyn FnMut() -> u64) -> Seen {
        let response_id = self.response_id.clone();
        let link = self.link.get_or_insert_with(|| Link::unread(response_id));
        if link.case.is_none() {
            // What stands on the Case when it is read is no wish of now.
            (link.status_unread, link.command.unread) = (true, true);
        }
        let case = link.case.get_or_insert(CaseRef { id: shown.case.clone(), number: None }).id.clone();
        let wish = answer_kind(&shown.wanted, link, Some(shown.comment.clone()));
        let fired = self.fire(case, wish, shown.author.clone(), shown.acted, shown.now_ms, next_seq);
        let seq = self.by_identity(&answer_identity(&shown.comment)).map(|intent| intent.seq);
        if let (Some(_), Some(seq), Some(link)) = (fired, seq, &mut self.link) {
            let (comment, text) = (shown.comment.clone(), text_hash(&shown.wanted));
            link.answers.retain(|a| a.comment != comment);
            link.answers.push(Answered { comment, intent: seq, text, told: false, told_of: None });
            if shown.unseen {
                self.park(seq, AUTHOR_UNSEEN, Words::new("author-unseen"), None, shown.now_ms);
            } else if let Some(why) = shown.unsure {
                let words = if why == LINKED { Words::new("linked") } else { Words::new("merged") };
                self.park(seq, why, words, None, shown.now_ms);
            }
        }
        Seen { fired, ..Seen::default() }
    }

    /// Applies a comment that has, or had, an action.
    fn changed_answer(&mut self, known: &Answered, shown: &Shown, next_seq: &mut dyn FnMut() -> u64) -> Seen {
        let intent = self.intent(known.intent);
        let state = intent.map(|intent| intent.state.clone());
        if matches!(state, Some(IntentState::Cancelled { .. })) {
            return self.new_answer(shown, next_seq);
        }
        if intent.is_some_and(Intent::is_unsent) {
            self.follow_comment(known, &shown.wanted, shown.now_ms);
        } else if self.is_new_edit(known, text_hash(&shown.wanted)) {
            let words = edited(state.as_ref());
            self.tell(Note::new(Feedback::Failed, "answer", "edited_after_sending", words));
        }
        Seen::default()
    }

    /// Notes the current text of a comment that was sent. Whether the agent has to be told that it is not the one that was.
    fn is_new_edit(&mut self, known: &Answered, text: u64) -> bool {
        let told_of = (text != known.text).then_some(text);
        if let Some(link) = &mut self.link {
            let same = link.answers.iter_mut().filter(|answered| answered.comment == known.comment);
            same.for_each(|answered| (answered.told, answered.told_of) = (false, told_of));
        }
        // An earlier version told of an edit, and did not keep of which.
        told_of.is_some() && told_of != known.told_of && !known.told
    }

    /// What the note about a sent answer says besides, if its comment reads otherwise by then.
    pub(super) fn edited_meanwhile(&self, kind: &ActionKind) -> Words {
        let answered = kind.comment().and_then(|comment| self.link.as_ref()?.answer(comment));
        let is_edited = answered.is_some_and(|answered| answered.told || answered.told_of.is_some());
        if is_edited { Words::new("comment-edited-after-sending") } else { Words::default() }
    }

    /// An unsent answer gets the comment's current text and remark type.
    pub(super) fn follow_comment(&mut self, known: &Answered, wanted: &Wanted, now_ms: i64) {
        let Some(intent) = self.intent_mut(known.intent) else { return };
        let mut kind = intent.kind.clone();
        let ActionKind::Answer { content, remark_type, .. } = &mut kind else { return };
        (*content, *remark_type) = (wanted.content.clone().unwrap_or_default(), wanted.remark_type.clone());
        if kind == intent.kind {
            return;
        }
        intent.change(kind);
        // The agent is still writing: the time to take it back begins again.
        (intent.read_ms, intent.seen_ms, intent.told_waiting) = (now_ms, now_ms, None);
        if let Some(link) = &mut self.link {
            let hash = text_hash(wanted);
            link.answers.iter_mut().filter(|a| a.comment == known.comment).for_each(|a| a.text = hash);
        }
    }

    /// The comment was unpublished: an unsent answer is cancelled, and so is one that was only observed. Published again, it
    /// is an answer again.
    fn unpublished(&mut self, seq: u64, now_ms: i64) -> Seen {
        let was_observed = |intent: &Intent| matches!(intent.state, IntentState::Observed { .. });
        let taken_back = self.intent(seq).is_some_and(|intent| intent.is_unsent() || was_observed(intent));
        if taken_back {
            self.take_back(seq, "unpublished before it was sent", now_ms);
        }
        self.forget_told(taken_back);
        Seen { taken_back: usize::from(taken_back), ..Seen::default() }
    }

    /// The comment of a parked answer was deleted: that takes it back, as unpublishing does. True when it was.
    pub fn see_deleted(&mut self, comment: &RecordId, now_ms: i64) -> bool {
        let identity = answer_identity(comment);
        let found = self.intents.iter().find(|i| i.identity() == identity && i.state.is_parked());
        let found = found.map(|intent| intent.seq);
        let taken_back = found.is_some();
        if let Some(seq) = found {
            self.take_back(seq, "deleted before it was sent", now_ms);
        }
        self.forget_told(taken_back);
        taken_back
    }

    /// The Case's note about an answer that was taken back does not count any more.
    fn forget_told(&mut self, taken_back: bool) {
        if let Some(link) = self.link.as_mut().filter(|_| taken_back) {
            link.answer_told = false;
        }
    }
}

/// Who wrote the comment. A comment of ours, or one older than our first start, may not be sent (design, rule 6).
pub(super) fn author(row: &Value, actions: &ActionMapping, since: &Since<'_>) -> Author {
    let ours = record(row, "CreatedById").is_some_and(|by| since.us.contains(&by));
    let is_new = time(row, "CreatedDate").is_some_and(|created| created >= since.first_start);
    if ours || !is_new {
        return Author::MayNot;
    }
    author_of_kind(path(row, Some("CreatedBy.UserType")).as_deref(), &actions.comments)
}

/// `None`: the row does not say, because the user or the field is hidden from the connector.
pub(super) fn author_of_kind(user_type: Option<&str>, source: &CommentsSource) -> Author {
    match user_type {
        None => Author::Unseen,
        Some(kind) if source.may_answer(kind) => Author::MayAnswer,
        Some(_) => Author::MayNot,
    }
}

pub(super) fn answer_kind(wanted: &Wanted, link: &Link, comment: Option<RecordId>) -> ActionKind {
    ActionKind::Answer {
        comment,
        content: wanted.content.clone().unwrap_or_default(),
        remark_type: wanted.remark_type.clone(),
        audience: if link.replied.is_some() { Audience::Private } else { Audience::Public },
    }
}

fn text_hash(wanted: &Wanted) -> u64 {
    hash64(&normalised(wanted.content.as_deref().unwrap_or_default()))
}

fn edited(state: Option<&IntentState>) -> Words {
    match state {
        None | Some(IntentState::Delivered { .. } | IntentState::Sending(_)) => {
            Words::new("comment-edited-after-sending")
        }
        // Unclear or dropped: it is not known what the customer has.
        Some(_) => Words::new("comment-edited"),
    }
}

/// The response that a comment on a merged Case answers: the only one that waits for us (design, rule 11).
pub fn addressee(links: &[Link]) -> Option<&Link> {
    match links {
        [only] => Some(only),
        many => {
            let mut waiting = many.iter().filter(|l| l.waiting_since.is_some());
            waiting.next().filter(|_| waiting.next().is_none())
        }
    }
}
