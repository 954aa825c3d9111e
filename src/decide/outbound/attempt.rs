//! What an answer of Goodays leads to, as far as the answer itself decides. What Goodays shows afterwards decides the
//! rest: [`crate::decide::outbound::outcome()`].

use crate::decide::outbound::Outcome;
use crate::decide::outcome::refusals::same_words;
use crate::goodays::ResponseId;
use crate::http::Failure;
use crate::messages::Words;

/// How long reading back may fail before the outcome is unclear (milliseconds).
const UNCLEAR_AFTER_MS: i64 = 600_000;
/// How many PUTs of one action something on the network path may refuse while Goodays itself works.
const MAX_BLOCKED: u32 = 4;
/// Reads without an answer before an action is parked: with the pauses between them, some ten minutes.
const MAX_READS: u32 = 16;

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
    /// Goodays refused it. That may be only because it is done already, so the response is read. `like`: refusals with
    /// the same words are equal; `None`: it names what is wrong with this one.
    Refused { code: String, why: Words, like: Option<String> },
}

pub fn after_put(id: &ResponseId, result: &Result<(), Failure>) -> AfterPut {
    match result {
        Ok(()) => AfterPut::ReadBack,
        Err(failure @ Failure::Refused { status, problem }) => {
            let why = Words::new("refused").with("status", status).with("message", &problem.message);
            let like = problem.fields.is_empty().then(|| same_words(&problem.message, id.as_str()));
            AfterPut::Refused { code: failure.code(), why, like }
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
    /// Whether Goodays has shown any other response since the first of them.
    pub others_are_shown: bool,
}

impl FailedReads {
    /// Whether waiting no longer helps.
    pub fn is_hopeless(self) -> bool {
        self.times >= MAX_READS && self.others_are_shown
    }
}

/// Why an action is parked whose response could not be read before it is sent; `None`: it is read again later.
pub fn unread_before_put(failure: &Failure, reads: FailedReads) -> Option<Park> {
    match failure {
        Failure::Refused { .. } => Some(Park { code: failure.code(), why: Words::new("left-perimeter") }),
        _ if failure.may_have_been_done() && reads.is_hopeless() => {
            Some(Park { code: "no_answer".to_owned(), why: Words::new("no-answer-here") })
        }
        _ => None,
    }
}

/// Why an attempt is unclear that could not be read back; `None`: it is read back again later. `age_ms`: time since the
/// attempt began.
pub fn unread_after_put(failure: &Failure, age_ms: i64) -> Option<Words> {
    match failure {
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
