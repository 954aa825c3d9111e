//! How an action begins and ends, and what an operator's decision changes in a conversation.
//!
//! Pure: a worker loads a conversation, applies one of these, and writes it if nothing in it changed meanwhile.
//! Untyped times are our clock's, in milliseconds.

use crate::decide::inbound::waiting_since;
use crate::decide::ledger::course::What;
use crate::decide::ledger::intent::Refusal;
use crate::decide::ledger::link::CallSent;
use crate::decide::ledger::note::DROPPED;
use crate::decide::outbound::eligibility::{Circumstances, Eligibility, Ending, Look, eligibility};
use crate::decide::outbound::outcome::Proof;
use crate::decide::outbound::permitted::{newest_of, remark_left_out, seen};
use crate::decide::{
    ActionKind, AnswerSent, CommandDone, Conversation, Feedback, Intent, IntentState, MessageOrigin, Note,
    RepliedBy, Sending, hash64,
};
use crate::goodays::Verb;
use crate::goodays::action::Action;
use crate::goodays::event::Response;
use crate::messages::Words;
use crate::time::GoodaysTime;

/// What is stored of an attempt beside the action itself.
#[derive(Debug, Clone, Copy, Default)]
pub struct Attempt {
    /// The term of the worker that makes it.
    pub epoch: i64,
    /// Goodays' clock at the read before it.
    pub looked: Option<GoodaysTime>,
    /// Whether it is made as the Goodays user with the agent's own address.
    pub as_author: bool,
}

impl Conversation {
    /// Decides just before the PUT, on the current conversation, and stores the attempt if the action may be sent.
    pub fn begin(&mut self, seq: u64, look: Look<'_>, attempt: Attempt, now: &Circumstances) -> Eligibility {
        let decided = eligibility(self, seq, Some(look), now);
        match &decided {
            Eligibility::Send(action) => {
                if let Some(intent) = self.intent_mut(seq) {
                    intent.note(What::Looked, look.asked_ms, now.now_ms - look.asked_ms);
                }
                self.note_attempt(seq, action, look.view, attempt, now.now_ms);
            }
            Eligibility::Never(ending) => self.end(seq, ending.clone(), look.view, now.now_ms),
            Eligibility::Look | Eligibility::NotYet(_) => {}
        }
        decided
    }

    fn note_attempt(&mut self, seq: u64, action: &Action, view: &Response, attempt: Attempt, now_ms: i64) {
        let Some(intent) = self.intent_mut(seq) else { return };
        // Keeps what was seen before the first attempt: that one is still recognised if it is shown late.
        let before = intent.unconfirmed.take();
        let refusal = before.as_ref().is_some_and(Sending::is_refused).then_some(Refusal::Earlier);
        let again = before.is_some() && refusal.is_none();
        let seen = before.as_ref().map_or_else(|| seen(view), |first| first.seen.clone());
        let looked = before.as_ref().and_then(|first| first.looked).or(attempt.looked);
        let newest = before.as_ref().map_or_else(|| newest_of(view), |first| first.newest);
        let state_before =
            before.as_ref().map_or_else(|| view.state.clone(), |first| first.state_before.clone());
        let mut words = before.as_ref().map(|first| first.words.clone()).unwrap_or_default();
        if !words.is_empty() && !words.iter().any(|one| intent.kind.words() == Some(one)) {
            words.extend(intent.kind.words().map(str::to_owned));
        }
        let sent_again = before.is_some_and(|first| first.sent_again);
        intent.attempts += 1;
        let as_author = attempt.as_author && action.user().is_some();
        let new = Sending::new(action.verb(), now_ms, seen);
        let sending = Sending {
            epoch: attempt.epoch,
            looked,
            newest,
            state_before,
            again,
            refusal,
            as_author,
            words,
            sent_again,
            ..new
        };
        intent.state = IntentState::Sending(sending);
    }

    /// Ends an action that is never sent.
    fn end(&mut self, seq: u64, ending: Ending, view: &Response, now_ms: i64) {
        match ending {
            Ending::Arrived(verb, proof) => self.delivered(seq, verb, proof.as_ref(), Some(view), now_ms),
            Ending::Settled(lost) => self.settled(seq, lost, view, now_ms),
            Ending::NotSent { code, why } => self.park(seq, code, why, Some(view), now_ms),
            Ending::Unclear { why, attempt } => self.unclear(seq, attempt, why, now_ms),
            Ending::Observed(verb) => self.observed(seq, verb, view, now_ms),
            Ending::Ended => {}
        }
    }

    /// An action was parked for a refusal that turned out to concern everything: it waits again, as if it had been put
    /// off. True if it was still parked for that.
    pub fn waits_again(&mut self, seq: u64, parked_for: &str, now_ms: i64) -> bool {
        let Some(intent) = self.intent_mut(seq) else { return false };
        if !matches!(&intent.state, IntentState::Parked { code, .. } if code == parked_for) {
            return false;
        }
        intent.state = IntentState::Ready { not_before_ms: now_ms };
        intent.outlives_command = intent.command.is_some();
        // Older than any poll, so that it is read again from Salesforce first.
        intent.read_ms = 0;
        true
    }

    /// Goodays has it: stores this in the outbox, in the ledger, and as a note for the Case.
    pub fn delivered(
        &mut self,
        seq: u64,
        verb: Verb,
        proof: Option<&Proof>,
        view: Option<&Response>,
        now_ms: i64,
    ) {
        let has_earlier_text = self.take_earlier_text(seq, proof);
        let Some(intent) = self.intent(seq) else { return };
        let reason = match &intent.kind {
            // A command's note compares the texts itself.
            _ if has_earlier_text && intent.command.is_none() => Words::new("comment-edited-after-sending"),
            ActionKind::Call { left_out, .. } => left_out.clone(),
            kind => remark_left_out(kind, verb, view),
        };
        let reason = reason.and(self.edited_meanwhile(&intent.kind));
        let sent = content(&intent.kind).map(|content| CallSent { content, told: false });
        let (call, close) = if verb == Verb::Close { (None, sent) } else { (sent, None) };
        let message = proof.map(|proof| proof.id.clone());
        self.conclude(
            seq,
            IntentState::Delivered { at_ms: now_ms, verb, message },
            Note::new(Feedback::Sent, verb.as_str(), "", reason).with_view(view),
        );
        let Some(link) = &mut self.link else { return };
        if let Some(proof) = proof {
            link.learn(proof.id.clone(), proof.at, MessageOrigin::Sent);
        }
        if verb == Verb::Reply {
            link.replied.get_or_insert(RepliedBy::Us);
        }
        (link.call, link.close) = (call.or(link.call), close.or(link.close));
        if let Some(view) = view {
            link.waiting_since = waiting_since(view);
        }
    }

    /// The customer has a text that the agent has changed since: that one is the action's again. True if it is so.
    fn take_earlier_text(&mut self, seq: u64, proof: Option<&Proof>) -> bool {
        let Some(intent) = self.intent_mut(seq) else { return false };
        let place = proof.and_then(|proof| proof.earlier);
        let Some(earlier) = place.and_then(|place| intent.attempt()?.words.get(place).cloned()) else {
            return false;
        };
        if let ActionKind::Answer { content, .. } = &mut intent.kind {
            *content = earlier;
        }
        if let Some(link) = &mut self.link {
            // Told with the outcome.
            link.answers.iter_mut().filter(|a| a.intent == seq).for_each(|a| a.told = true);
        }
        true
    }

    /// Not sent; a human decides.
    pub fn park(&mut self, seq: u64, code: &str, why: Words, view: Option<&Response>, now_ms: i64) {
        let Some(intent) = self.intent(seq) else { return };
        let note = Note::new(Feedback::Failed, intent.kind.name(), code, why.clone()).with_view(view);
        self.conclude(seq, IntentState::Parked { since_ms: now_ms, code: code.to_owned(), why }, note);
    }

    /// It cannot be sent. If an earlier attempt has no known outcome, it is unclear and not parked.
    pub fn give_up(&mut self, seq: u64, code: &str, why: Words, now_ms: i64) {
        match self.intent(seq).and_then(|intent| intent.unconfirmed.clone()) {
            Some(attempt) => self.unclear(seq, attempt, why, now_ms),
            None => self.park(seq, code, why, None, now_ms),
        }
    }

    /// Sent, and it is not known whether it arrived.
    pub fn unclear(&mut self, seq: u64, sending: Sending, why: Words, now_ms: i64) {
        let Some(intent) = self.intent(seq) else { return };
        let note = Note::new(Feedback::Unclear, intent.kind.name(), "unclear", why.clone());
        self.conclude(seq, IntentState::Unclear { since_ms: now_ms, why, sending }, note);
    }

    pub(super) fn settled(&mut self, seq: u64, lost: Words, view: &Response, now_ms: i64) {
        let Some(intent) = self.intent(seq) else { return };
        let note = Note::new(Feedback::Settled, intent.kind.name(), "", lost).with_view(Some(view));
        let why = "Goodays has this feedback as processed already.".to_owned();
        self.conclude(seq, IntentState::Settled { at_ms: now_ms, why }, note);
        if let Some(link) = &mut self.link {
            link.waiting_since = waiting_since(view);
        }
    }

    fn observed(&mut self, seq: u64, verb: Verb, view: &Response, now_ms: i64) {
        let Some(intent) = self.intent(seq) else { return };
        let why = Words::new("observe-only");
        let note = Note::new(Feedback::Observed, intent.kind.name(), "", why).with_view(Some(view));
        self.conclude(seq, IntentState::Observed { at_ms: now_ms, verb }, note);
    }

    /// Ends an open or parked action, and adds the note for the Case.
    fn conclude(&mut self, seq: u64, state: IntentState, mut note: Note) {
        let Some(intent) = self.intent_mut(seq) else { return };
        if !intent.state.is_open() && !intent.state.is_parked() {
            return;
        }
        note.command =
            intent.command.map(|number| CommandDone { number, answer: answer_sent(intent, &state) });
        note.resets_approval = intent.approved_text.take().is_some();
        intent.told_waiting = None;
        intent.state = state;
        let also = self.still_waits(seq);
        self.tell_beside(note, also);
    }

    /// An operator gives a parked or unclear action up, or nobody decided in time: nothing more is sent for it, and the Case
    /// says so. Settled, not cancelled: reading the comment again must not bring it back.
    pub fn drop_action(&mut self, seq: u64, why: &str, now_ms: i64) {
        let Some(intent) = self.intent_mut(seq) else { return };
        if let IntentState::Unclear { sending, .. } = &intent.state {
            intent.unconfirmed = Some(sending.clone());
        }
        intent.told_waiting = None;
        intent.state = IntentState::Settled { at_ms: now_ms, why: why.to_owned() };
        let mut note = Note::new(Feedback::Settled, intent.kind.name(), DROPPED, Words::default());
        note.resets_approval = intent.approved_text.take().is_some();
        let also = self.still_waits(seq);
        self.tell_beside(note, also);
    }

    /// An operator's retry. An attempt with unknown outcome is read back first.
    pub fn try_again(&mut self, seq: u64, now_ms: i64) {
        let Some(intent) = self.intent_mut(seq) else { return };
        if let IntentState::Unclear { sending, .. } = &intent.state {
            intent.unconfirmed = Some(Sending { refusal: None, sent_again: true, ..sending.clone() });
        }
        intent.note(What::Retried, now_ms, 0);
        intent.state = IntentState::Ready { not_before_ms: now_ms };
        intent.attempts = 0;
        intent.approved = true;
        // Older than any poll, so that it is read again from Salesforce first.
        intent.read_ms = 0;
    }
}

/// The answer of a command that reached the customer.
fn answer_sent(intent: &Intent, state: &IntentState) -> Option<AnswerSent> {
    match (&intent.kind, state) {
        (ActionKind::Answer { content, .. }, IntentState::Delivered { message: Some(id), .. }) => {
            Some(AnswerSent { text: content.clone(), id: id.clone() })
        }
        _ => None,
    }
}

/// A hash of what a call or close carries, to notice a later change.
pub fn content(wish: &ActionKind) -> Option<u64> {
    let carried = match wish {
        ActionKind::Call { rating, note, .. } => {
            format!("{rating:?} {}", note.as_deref().unwrap_or_default())
        }
        ActionKind::Close { remark_type, .. } => remark_type.clone().unwrap_or_default(),
        ActionKind::Answer { .. } | ActionKind::Spam { .. } => return None,
    };
    Some(hash64(&carried))
}
