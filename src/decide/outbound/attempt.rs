//! An attempt of an action: what each answer of Goodays leads to, and what it changes in the conversation.
//!
//! What Goodays shows after the PUT decides about it: [`mod@crate::decide::outbound::outcome`]. Pure, as the rest of this
//! room; untyped times are our clock's, in milliseconds.

use crate::decide::ledger::course::What;
use crate::decide::ledger::intent::Refusal;
use crate::decide::outbound::outcome::{Doubt, Outcome, Reading, arrived, outcome, unexplained};
use crate::decide::outbound::permitted::{Beside, Permitted, permitted};
use crate::decide::outcome::refusals::same_words;
use crate::decide::{Conversation, IntentState, Sending};
use crate::goodays::action::Action;
use crate::goodays::event::Response;
use crate::goodays::{GATEWAY, ResponseId, Verb};
use crate::http::Failure;
use crate::messages::Words;

/// How long reading back may fail before the outcome is unclear (milliseconds).
const UNCLEAR_AFTER_MS: i64 = 600_000;
/// How many PUTs of one action something on the network path may refuse while Goodays itself works.
const MAX_BLOCKED: u32 = 4;
/// Attempts that two read backs showed as not arrived.
const MAX_ATTEMPTS: u32 = 20;
/// Refused attempts of an answer after which Goodays' own words are shown, and not what its list of actions says.
const MAX_OVERTAKEN: u32 = 3;
/// Reads without an answer before an action is parked: with the pauses between them, some ten minutes.
const MAX_READS: u32 = 16;

/// Failed look-ups of a user in a row that nobody is told of: most are over before anybody reads of them.
const LOOK_UPS_UNTOLD: u32 = 2;
/// Reads in a row that are refused for one response before that is taken for its own: Goodays, or a gateway in front of it,
/// may answer so for a moment, or on one of its nodes.
const REFUSED_READS: u32 = 4;

/// What follows after the PUT of an action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AfterPut {
    /// A 2xx answer is a claim: Goodays is read back at once.
    ReadBack,
    /// It may have arrived: it is read back later. `blocked`: not Goodays answered, but something on the way there.
    ReadBackLater { blocked: bool },
    /// Nothing left this machine. It is sent again after a pause.
    SendLater,
    /// Too many calls, or a refused token: all others would be refused as well. It is sent again after a pause, if it
    /// did not arrive all the same.
    PutOff,
    /// Goodays refused it. That may be only because it is done already, so the response is read.
    Refused(Refused),
}

/// A refusal of an action in the API's own words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    pub code: String,
    pub why: Words,
    /// Refusals with the same words are equal; `None`: it names what is wrong with this one.
    pub like: Option<String>,
    /// What can be put right without a human.
    pub mend: Option<Mend>,
}

/// What may be wrong with an action beside what the agent did: it is sent once more in another form.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mend {
    /// It needs a remark type, and had none.
    pub remark_type: bool,
    /// Goodays does not take this user.
    pub user: Option<String>,
}

impl Mend {
    /// `None` if the refusal names anything else.
    fn of(action: &Action, fields: &[String]) -> Option<Self> {
        let mut mend = Self::default();
        for field in fields {
            match field.as_str() {
                "remark_type" if action.remark_type().is_none() && action.verb() != Verb::Call => {
                    mend.remark_type = true;
                }
                "user" => mend.user = Some(action.user()?.to_owned()),
                _ => return None,
            }
        }
        Some(mend).filter(|mend| *mend != Self::default())
    }
}

pub fn after_put(id: &ResponseId, action: &Action, result: &Result<(), Failure>) -> AfterPut {
    match result {
        Ok(()) => AfterPut::ReadBack,
        Err(failure @ Failure::Refused { status, problem }) => {
            let why = Words::new("refused").with("status", status).with("message", &problem.message);
            // A refusal of the user says nothing of what the agent wrote.
            let is_of_user = !problem.fields.is_empty() && problem.fields.iter().all(|field| field == "user");
            let like = match &problem.fields[..] {
                [] => Some(same_words(&problem.message, id.as_str())),
                _ => is_of_user.then(|| "user".to_owned()),
            };
            let mend = Mend::of(action, &problem.fields);
            AfterPut::Refused(Refused { code: failure.code(), why, like, mend })
        }
        Err(failure) if failure.may_have_been_done() => {
            AfterPut::ReadBackLater { blocked: matches!(failure, Failure::Road(_)) }
        }
        Err(Failure::Busy { .. } | Failure::Login { .. }) => AfterPut::PutOff,
        Err(_) => AfterPut::SendLater,
    }
}

/// Goodays refuses all that is sent to it with this code, and shows what it is asked for.
pub fn refuses_everything(code: &str) -> Failure {
    let advice = format!(
        "Goodays shows what it is asked for and refuses every action ({code}): check with Goodays whether the token's \
         account may still answer, and proxies on the way. Nothing more is parked for it; one action is tried now and \
         then, and all go out by themselves as soon as one is accepted."
    );
    Failure::login(code, advice)
}

/// A reason why an action is parked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Park {
    pub code: String,
    pub why: Words,
}

/// Failed reads of one response in a row.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FailedReads {
    pub times: u32,
    /// The last ones of them that were refused for this response alone.
    pub refused: u32,
    /// Whether Goodays has shown any other response since the first of them.
    pub others_are_shown: bool,
}

impl FailedReads {
    /// Whether waiting no longer helps.
    pub fn is_hopeless(self) -> bool {
        self.times >= MAX_READS && self.others_are_shown
    }
}

/// Whether a read was refused for this response alone.
pub fn is_of_one(failure: &Failure) -> bool {
    matches!(failure, Failure::Refused { .. })
}

/// Why an action is parked whose response could not be read before it is sent; `None`: it is read again later.
pub fn unread_before_put(failure: &Failure, reads: FailedReads) -> Option<Park> {
    match failure {
        Failure::Refused { .. } if reads.refused < REFUSED_READS => None,
        Failure::Refused { status, problem } => {
            let is_gateway = problem.code == GATEWAY;
            let code = if is_gateway { format!("status_{status}") } else { failure.code() };
            Some(Park { code, why: Words::new("left-perimeter") })
        }
        // Goodays shows it, so it is of no use to wait until it shows another one.
        Failure::TooLarge(_) if reads.times >= MAX_READS => {
            Some(Park { code: "no_answer".to_owned(), why: Words::new("answer-too-large") })
        }
        _ if failure.may_have_been_done() && reads.is_hopeless() => {
            Some(Park { code: "no_answer".to_owned(), why: Words::new("no-answer-here") })
        }
        _ => None,
    }
}

/// Whether the Case tells that the agent's user could not be looked up, after so many failures before. An outage is told
/// for itself; what refuses one address on the way is not.
pub fn is_told_of_look_up(failure: &Failure, before: u32) -> bool {
    before >= LOOK_UPS_UNTOLD && matches!(failure, Failure::Road(_))
}

/// Why an attempt is unclear that could not be read back; `None`: it is read back again later. `age_ms`: time since the
/// attempt began.
pub fn unread_after_put(failure: &Failure, age_ms: i64, reads: FailedReads) -> Option<Words> {
    match failure {
        Failure::Refused { .. } if reads.refused < REFUSED_READS => None,
        Failure::Refused { .. } => Some(Words::new("not-shown-any-more")),
        _ if age_ms > UNCLEAR_AFTER_MS => Some(Words::new("not-read-back")),
        _ => None,
    }
}

/// Why an action is parked that did not arrive, after so many of its PUTs were refused on the way.
pub fn blocked_on_the_way(found: Option<&Outcome>, blocked: u32) -> Option<Park> {
    let is_blocked = found == Some(&Outcome::DidNotArrive) && blocked >= MAX_BLOCKED;
    is_blocked.then(|| Park { code: "blocked_on_the_way".to_owned(), why: Words::new("blocked") })
}

/// Why an action is parked that would exceed the limit of actions in one hour.
pub fn held_back(limit: u32) -> (&'static str, Words) {
    ("max_actions_per_hour", Words::new("hourly-limit").with("limit", limit))
}

impl Conversation {
    /// Nothing of the attempt left this machine: the action waits for another one.
    pub fn was_not_done(&mut self, seq: u64, now_ms: i64) {
        if let Some(intent) = self.intent_mut(seq)
            && let IntentState::Sending(sending) = &intent.state
        {
            // What is not known of the attempts before it stays.
            intent.unconfirmed = match (sending.again, sending.refusal) {
                (true, _) => Some(sending.clone()),
                (false, Some(_)) => Some(refused_attempt(sending, now_ms)),
                (false, None) => None,
            };
            intent.note(What::NotDone, now_ms, 0);
            intent.state = IntentState::Ready { not_before_ms: now_ms };
        }
    }

    /// The attempt was refused, and so would be any other now. It is made again, but not before a read that began
    /// `settle` after its end has not shown it: what was refused may have been the repetition of a call that arrived.
    pub fn put_off(&mut self, seq: u64, ended_ms: i64, settle_ms: i64) {
        if let Some(intent) = self.intent_mut(seq)
            && let IntentState::Sending(sending) = &intent.state
        {
            intent.unconfirmed = Some(refused_attempt(sending, ended_ms));
            intent.note(What::NotDone, ended_ms, 0);
            intent.state = IntentState::Ready { not_before_ms: ended_ms.saturating_add(settle_ms) };
        }
    }

    /// The same, and the next attempt is made in another form.
    pub fn put_off_and_mend(&mut self, seq: u64, mend: &Mend, ended_ms: i64, settle_ms: i64) {
        self.put_off(seq, ended_ms, settle_ms);
        if let Some(intent) = self.intent_mut(seq) {
            intent.needs_remark_type |= mend.remark_type;
        }
    }

    /// The attempt has ended without proof: a 2xx answer, which is a claim, or no answer.
    pub fn attempt_ended(&mut self, seq: u64, ended_ms: i64) {
        let Some(intent) = self.intent_mut(seq) else { return };
        if let IntentState::Sending(sending) = &mut intent.state
            && sending.ended_ms.is_none()
        {
            sending.ended_ms = Some(ended_ms);
            // The next one is another question.
            sending.sent_again = false;
            let since_ms = sending.since_ms;
            intent.note(What::Sent, since_ms, ended_ms - since_ms);
        }
    }

    /// The attempt was found in this state by the worker of a term that began at `began_ms`. If another term made it, it
    /// ended before that: an end that is noted may be by the clock of another machine, so it counts for nothing. From here
    /// on it is this term's.
    pub fn found_under_way(&mut self, seq: u64, epoch: i64, began_ms: i64, now_ms: i64) {
        let Some(IntentState::Sending(sending)) = self.intent(seq).map(|intent| &intent.state) else {
            return;
        };
        if sending.epoch == epoch {
            self.attempt_ended(seq, now_ms);
            return;
        }
        self.attempt_ended(seq, began_ms);
        if let Some(intent) = self.intent_mut(seq)
            && let IntentState::Sending(sending) = &mut intent.state
        {
            sending.epoch = epoch;
            sending.ended_ms = Some(began_ms);
        }
    }

    /// Goodays refused the attempt for its own sake. An earlier attempt with unknown outcome may be the reason.
    pub fn refused(&mut self, seq: u64, code: &str, why: Words, view: &Response, now_ms: i64) {
        let Some(intent) = self.intent_mut(seq) else { return };
        let IntentState::Sending(sending) = intent.state.clone() else { return };
        if sending.again {
            self.unclear(seq, sending, Words::new("sent-before").and(why), now_ms);
        } else {
            intent.unconfirmed = Some(refused_attempt(&sending, now_ms));
            self.park(seq, code, why, Some(view), now_ms);
        }
    }

    /// Whether what Goodays shows after a refusal decides more than the refusal does: the attempt may have arrived all
    /// the same, or the response may have changed since it was read before the PUT.
    pub fn shown_after_refusal(&mut self, seq: u64, view: &Response, now_ms: i64) -> bool {
        let Some(intent) = self.intent(seq) else { return true };
        let IntentState::Sending(sending) = intent.state.clone() else { return true };
        let sending = Sending { refusal: Some(Refusal::This), ..sending };
        if let Some(Outcome::Arrived(proof)) = arrived(intent, &sending, self.link.as_ref(), view) {
            self.delivered(seq, sending.verb, proof.as_ref(), Some(view), now_ms);
            return true;
        }
        if !unexplained(intent, &sending, self.link.as_ref(), view).is_empty() {
            self.unclear(seq, sending, Doubt::MayBeOurs.words(), now_ms);
            return true;
        }
        if intent.kind.is_answer() {
            // Somebody was faster. The next read names the reason; a remote that takes it back and forth is left alone.
            let is_overtaken = !view.allows(sending.verb) && intent.attempts <= MAX_OVERTAKEN;
            if is_overtaken {
                self.put_off(seq, now_ms, 0);
            }
            return is_overtaken;
        }
        let Permitted::Settled(lost) = permitted(intent, view, Beside::default()) else { return false };
        self.settled(seq, lost, view, now_ms);
        true
    }

    /// After a read back: the action is done, sent again, read back again, or waits for a human.
    pub fn read_back(&mut self, seq: u64, reading: Reading<'_>, now_ms: i64) -> Option<Outcome> {
        let intent = self.intent(seq)?.clone();
        let attempt = intent.attempt()?.clone();
        let found = outcome(&intent, &attempt, self.link.as_ref(), reading);
        let what = match (&found, &intent.state) {
            (Outcome::Arrived(_), _) => Some(What::Found),
            (_, IntentState::Unclear { .. }) | (Outcome::NotYet { .. }, _) => None,
            (Outcome::CannotBeTold(_), _) => Some(What::CannotBeTold),
            (Outcome::Displaced | Outcome::DidNotArrive, _) => Some(What::NotFound),
        };
        // Only with a change that is written anyway.
        if let Some(what) = what {
            self.intent_mut(seq)?.note(what, reading.asked_ms, now_ms - reading.asked_ms);
        }
        match (&found, &intent.state) {
            (Outcome::Arrived(proof), _) => {
                self.delivered(seq, attempt.verb, proof.as_ref(), Some(reading.view), now_ms);
            }
            (_, IntentState::Unclear { .. }) | (Outcome::NotYet { .. }, _) => {}
            (Outcome::Displaced, _) => {
                let intent = self.intent_mut(seq)?;
                intent.unconfirmed = None;
                intent.state = IntentState::Ready { not_before_ms: now_ms };
            }
            (Outcome::CannotBeTold(why), _) => self.unclear(seq, attempt, why.words(), now_ms),
            (Outcome::DidNotArrive, _) if intent.attempts >= MAX_ATTEMPTS => {
                self.intent_mut(seq)?.unconfirmed = Some(attempt);
                self.park(seq, "no_answer", Words::new("does-not-arrive"), Some(reading.view), now_ms);
            }
            (Outcome::DidNotArrive, _) => {
                let intent = self.intent_mut(seq)?;
                intent.unconfirmed = Some(attempt);
                intent.state = IntentState::Ready { not_before_ms: now_ms };
            }
        }
        Some(found)
    }
}

/// The attempt, and those before it, as far as a refusal leaves it open whether one arrived.
pub(super) fn refused_attempt(sending: &Sending, ended_ms: i64) -> Sending {
    let ended_ms = sending.ended_ms.or(Some(ended_ms));
    let refusal = (!sending.again).then_some(Refusal::This);
    Sending { ended_ms, refusal, sent_again: false, ..sending.clone() }
}
