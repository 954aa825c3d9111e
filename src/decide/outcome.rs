//! What Salesforce's answer to a written conversation leads to: one decision for each conversation of a call.
//!
//! [`codes`] says what an error code means. Here the rest counts: what became of the other conversations of the call,
//! how often this one was tried, and what was read of it. [`crate::workers`] applies the result and decides nothing.

pub mod codes;
mod fields;
pub mod refusals;
#[cfg(test)]
mod tests;

use codes::{Verdict, classify};

use crate::decide::{PlanContext, invariants};
use crate::http::{Failure, Problem};
use crate::salesforce::RecordId;
use crate::salesforce::field_fix::FieldFix;
use crate::salesforce::graph::{GraphOutcome, NodeError};

/// The Case's reference within its transaction.
pub const CASE: &str = "refCase";

/// Tries of one conversation before it is parked. With the intervals between two tries, some hours.
pub const MAX_ATTEMPTS: u32 = 40;
/// The same for one that exceeds the org's limits for a transaction even when it is sent alone.
pub const MAX_ATTEMPTS_ALONE: u32 = 8;
/// How often Salesforce is asked again at once about one conversation without taking anything of it. More than any
/// refusal needs: a text is shortened 20 times at most.
pub const MAX_AT_ONCE: u32 = 100;

/// The code of a transaction that was not carried out and has no error of its own.
const HALTED: &str = "PROCESSING_HALTED";

/// A conversation that was in a call.
#[derive(Debug, Clone, Default)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts")]
pub struct Written {
    /// How often it was refused before.
    pub attempts: u32,
    /// Comments in its transaction.
    pub comments: usize,
    /// The limit on them that it was planned with.
    pub most_comments: usize,
    /// Its transaction makes the Case.
    pub inserts: bool,
    /// Its transaction writes our key on a Case that a merge led to.
    pub claims: bool,
    /// The ledger names its Case.
    pub has_case: bool,
    /// Its Case was looked for in Salesforce since the last write.
    pub was_read: bool,
    /// Fields that were left out or shortened for this conversation only.
    pub fixes: Vec<FieldFix>,
}

/// What follows for one conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Salesforce has it: the ledger is updated. The Case's id, if the answer has it.
    Record { case: Option<RecordId> },
    /// It is sent again with the next call, as it is.
    SendAgain,
    /// It is sent again later. `attempts` counts this try, and the pause grows with it.
    SendLater { code: String, attempts: u32 },
    /// It is sent again later, with at most this many comments in one transaction.
    FewerComments { code: String, comments: usize },
    /// It is sent again later. Calls have at most this many conversations.
    FewerConversations { code: String, conversations: usize },
    /// It is sent again at once, with these fields left out or shortened: for all conversations (`everywhere`), or for
    /// this one.
    FixFields { everywhere: Vec<FieldFix>, here: Vec<FieldFix> },
    /// Its Case is read before it is written again.
    ReadFirst,
    /// The same. If that read does not find the Case either, it is parked: its key exists where we cannot see it.
    ReadOnceMore,
    /// All writes to Salesforce pause until an admin changes the org. No try is counted.
    PauseAll { code: String, advice: String },
    /// A human decides.
    Park { code: String, why: String },
}

impl Next {
    /// Whether Salesforce is asked again without a pause, and without a count.
    pub fn asks_at_once(&self) -> bool {
        matches!(self, Self::SendAgain | Self::FixFields { .. } | Self::ReadFirst | Self::ReadOnceMore)
    }

    /// A word for the log.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Record { .. } => "record",
            Self::SendAgain => "send again",
            Self::SendLater { .. } => "send later",
            Self::FewerComments { .. } => "fewer comments",
            Self::FewerConversations { .. } => "fewer conversations",
            Self::FixFields { .. } => "fix fields",
            Self::ReadFirst => "read first",
            Self::ReadOnceMore => "read once more",
            Self::PauseAll { .. } => "pause all",
            Self::Park { .. } => "park",
        }
    }
}

/// What follows when a call as a whole failed, and Salesforce says nothing of single conversations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AfterFailedCall {
    /// Salesforce may have done it: its conversations are read before they are written again, and calls are smaller.
    Unknown,
    /// Nothing was done. All conversations are sent again as soon as Salesforce may be called.
    NotDone,
    /// Smaller calls find the conversation that causes it. `remember`: the call was too large, so the bound is kept.
    SmallerCalls { conversations: usize, remember: bool },
    /// The only conversation in the call causes it.
    One(Next),
}

/// Results of the call that a conversation was in.
#[derive(Debug, Clone, Copy)]
struct Call {
    /// Conversations in the call.
    all: usize,
    /// How many of them Salesforce has accepted.
    accepted: usize,
    /// How many of them exceeded a limit of the org.
    too_much: usize,
}

/// What follows for each conversation of a call, in the order of `written`. `outcomes` has the same order.
pub fn after_call(written: &[Written], outcomes: Vec<GraphOutcome>, context: &PlanContext<'_>) -> Vec<Next> {
    let outcomes: Vec<GraphOutcome> = outcomes.into_iter().map(|o| fields::named(o, context)).collect();
    let verdicts: Vec<Option<Verdict>> = outcomes.iter().map(verdict).collect();
    let count = |is: &dyn Fn(&Verdict) -> bool| verdicts.iter().flatten().filter(|v| is(v)).count();
    // A duplicate shows that the ledger misses a Case. It may miss the Cases of the others, too.
    let misses_a_case = count(&|v| *v == Verdict::Duplicate) > 0;
    let is_halted_by_another = verdicts.iter().any(Option::is_some);
    let call = Call {
        all: written.len(),
        accepted: outcomes.iter().filter(|o| matches!(o, GraphOutcome::Done(_))).count(),
        too_much: count(&|v| matches!(v, Verdict::TooMuch { .. })),
    };
    let next = |(one, outcome): (&Written, GraphOutcome)| match outcome {
        GraphOutcome::Done(ids) => {
            let case = ids.into_iter().find(|(reference, _)| reference == CASE).and_then(|(_, id)| id);
            Next::Record { case }
        }
        GraphOutcome::Halted if misses_a_case => Next::ReadFirst,
        GraphOutcome::Halted if is_halted_by_another => Next::SendAgain,
        // Nothing in the call says why: the same call again would end in the same way.
        GraphOutcome::Halted => later(one, HALTED.to_owned()),
        GraphOutcome::Failed(errors) => refused(one, &errors, call, context),
    };
    written.iter().zip(outcomes).map(next).collect()
}

/// What follows when the whole call failed. `sent`: the names of all fields in it.
pub fn after_failed_call(
    written: &[Written],
    sent: Vec<String>,
    failure: &Failure,
    context: &PlanContext<'_>,
) -> AfterFailedCall {
    let Failure::Refused { status, problem } = failure else {
        let is_unknown = failure.may_have_been_done();
        return if is_unknown { AfterFailedCall::Unknown } else { AfterFailedCall::NotDone };
    };
    let problem = Problem { code: failure.code(), ..problem.clone() };
    let error =
        NodeError { reference: CASE.to_owned(), object: None, record: None, sent, status: *status, problem };
    if let [one] = written {
        let call = Call { all: 1, accepted: 0, too_much: 1 };
        return AfterFailedCall::One(refused(one, &[error], call, context));
    }
    let remember = matches!(classify(&[error]), Verdict::TooMuch { .. });
    AfterFailedCall::SmallerCalls { conversations: (written.len() / 2).max(1), remember }
}

/// The code of a refusal that may concern every conversation: a right that was lost, a rule or a trigger of the org. Equal
/// ones in a row show it ([`refusals`]).
pub fn may_be_of_everything(next: &Next) -> Option<&str> {
    match next {
        Next::Park { code, .. } if code != invariants::CODE && code != DUPLICATE_ELSEWHERE => Some(code),
        Next::SendLater { code, .. } if codes::is_an_admins(code) => Some(code),
        _ => None,
    }
}

/// What follows when Salesforce refuses everything with this code.
pub fn refuses_everything(code: &str) -> Next {
    let advice = format!(
        "Salesforce shows what it is asked for and refuses every write ({code}): an admin has to look at the rights of \
         the integration user, and at rules and triggers on the Case. Nothing more is parked for it; one feedback is \
         tried now and then, and all go on by themselves as soon as one is accepted."
    );
    Next::PauseAll { code: code.to_owned(), advice }
}

/// The code of [`duplicate_elsewhere`].
const DUPLICATE_ELSEWHERE: &str = "duplicate_elsewhere";

/// What follows when a duplicate is refused and a read with the key finds no Case ([`Next::ReadOnceMore`]).
pub fn duplicate_elsewhere() -> Next {
    let why = "Salesforce says that the key exists already, but no Case with it can be seen: give the connector's user \
               access to all Cases (View All), or look for a Case that it cannot see.";
    Next::Park { code: DUPLICATE_ELSEWHERE.to_owned(), why: why.to_owned() }
}

/// What follows when Salesforce refuses to show the Case of a conversation that has to be read before it is written.
/// `attempts`: how often it was refused before.
pub fn after_refused_read(attempts: u32, code: &str) -> Next {
    let why = format!("Salesforce kept refusing to show what it has of this feedback: {code}.");
    counted(attempts, code.to_owned(), why)
}

/// What follows for a conversation that was sent [`MAX_AT_ONCE`] times without a pause, and not taken: the same answers
/// come again and again. `attempts`: how often it was refused before.
pub fn after_no_progress(attempts: u32) -> Next {
    let why = "Salesforce kept refusing it, and nothing that its answers ask for helped.";
    counted(attempts, "no_progress".to_owned(), why.to_owned())
}

/// What follows when a plan breaks an invariant.
pub fn after_breach(breach: &'static str) -> Next {
    Next::Park { code: invariants::CODE.to_owned(), why: invariants::words(breach) }
}

fn verdict(outcome: &GraphOutcome) -> Option<Verdict> {
    match outcome {
        GraphOutcome::Failed(errors) => Some(classify(errors)),
        GraphOutcome::Done(_) | GraphOutcome::Halted => None,
    }
}

/// What follows for a conversation that Salesforce refused.
fn refused(one: &Written, errors: &[NodeError], call: Call, context: &PlanContext<'_>) -> Next {
    let code = first_code(errors);
    if let Some(key) = fields::refused_key(one, errors, context) {
        return Next::FixFields { everywhere: Vec::new(), here: vec![FieldFix::Drop { field: key, code }] };
    }
    match classify(errors) {
        Verdict::TooMuch { code } => less(one, code, call),
        Verdict::Duplicate => match fields::another_unique_field(errors, context) {
            Some(field) => fields::fix(one, vec![FieldFix::Drop { field, code }], errors, context),
            // It was just read and not found, and still is a duplicate.
            None if one.was_read && one.inserts => Next::ReadOnceMore,
            // It was just read and found: a unique field of the org is in the way, or a trigger.
            None if one.was_read => later(one, code),
            None => Next::ReadFirst,
        },
        Verdict::Gone if one.has_case && !one.was_read => Next::ReadFirst,
        Verdict::Retry | Verdict::Gone => later(one, code),
        Verdict::Fix(fixes) => fields::fix(one, fixes, errors, context),
        Verdict::AdminMustAct { code } => admin_must_act(one, code, call),
        Verdict::Permanent { code } => {
            // Salesforce could not read some value, and said not of which field.
            let less = (code == "JSON_PARSER_ERROR").then(|| fields::without_optional(one, errors, context));
            if let Some(next) = less.flatten() {
                return next;
            }
            // Of several errors the words of the one that decided.
            let decided = errors.iter().filter(|error| error.problem.code == code);
            let mut messages = decided.chain(errors).map(|error| error.problem.message.as_str());
            let why = messages.find(|message| !message.is_empty());
            let why = format!("Salesforce refuses it with {code}: {}", why.unwrap_or("no reason given"));
            Next::Park { code, why }
        }
    }
}

/// Pauses everything, or this conversation only. If the org accepted others of this call, the problem is this
/// conversation's, also when it is retried alone. An access error of a conversation that was sent alone says nothing
/// about others.
fn admin_must_act(one: &Written, code: String, call: Call) -> Next {
    let of_the_record = code.starts_with("INSUFFICIENT_ACCESS") && call.all == 1;
    if call.accepted > 0 || one.attempts > 0 || of_the_record {
        return later(one, code);
    }
    let advice =
        format!("Salesforce refuses every write of this kind with {code}: an admin has to look at the org.");
    Next::PauseAll { code, advice }
}

/// The org's limits for one transaction were exceeded. If one conversation causes it, it sends fewer comments;
/// otherwise calls have fewer conversations. Only one that fails alone and cannot be divided counts its tries.
fn less(one: &Written, code: String, call: Call) -> Next {
    let fewer = one.comments / 2;
    // Only a new Case can be written without a comment. A limit that was tried already changes nothing.
    let divisible = fewer < one.most_comments && (fewer > 0 || (one.comments > 0 && one.inserts));
    let is_the_cause = call.all == 1 || (call.too_much == 1 && call.accepted > 0);
    if is_the_cause && divisible {
        return Next::FewerComments { code, comments: fewer };
    }
    if call.all > 1 {
        return Next::FewerConversations { code, conversations: call.all / 2 };
    }
    if one.attempts < MAX_ATTEMPTS_ALONE {
        return later(one, code);
    }
    let why = format!("Salesforce refuses it with {code}, even alone: it meets the org's own limits.");
    Next::Park { code, why }
}

fn later(one: &Written, code: String) -> Next {
    let why = format!("Salesforce kept refusing it with {code}.");
    counted(one.attempts, code, why)
}

/// A try that counts. The last one parks.
fn counted(attempts: u32, code: String, why: String) -> Next {
    if attempts >= MAX_ATTEMPTS {
        return Next::Park { code, why };
    }
    Next::SendLater { code, attempts: attempts + 1 }
}

fn first_code(errors: &[NodeError]) -> String {
    errors.first().map(|e| e.problem.code.clone()).unwrap_or_default()
}
