//! The acts of a story, and their text form.

use std::fmt;

use proptest::prelude::*;
use proptest::sample::select;

/// The number of conversations. The last one begins when an act first names it.
pub const TALKS: usize = 3;

#[derive(Clone)]
pub enum Act {
    Customer(usize),
    Agent(usize, Agent),
    Colleague(usize, Colleague),
    Store(usize, Store),
    Line(Line),
    Fault(Where, How),
    Late(Late),
    Mapping,
    /// Salesforce ends all sessions.
    Expiry,
    Daemon(Daemon),
    /// Waits until this many more calls were made.
    Moment(u64),
    Rest,
}

#[derive(Clone, Copy, Debug)]
pub enum Agent {
    Answers,
    Drafts,
    /// Publishes the last draft or withdrawn comment.
    Publishes,
    /// Withdraws the last comment.
    TakesBack,
    Closes,
    Calls,
    MarksSpam,
    Reopens,
    Corrects,
    /// Other users cannot write to the Case for a moment.
    Locks,
}

#[derive(Clone, Copy, Debug)]
pub enum Colleague {
    Replies,
    Writes,
    Closes,
    Calls,
    MarksSpam,
}

#[derive(Clone, Copy, Debug)]
pub enum Store {
    Delegates,
    TakesBack,
}

#[derive(Clone, Copy, Debug)]
pub enum Line {
    Loses,
    Doubles,
    Holds,
    Releases,
    ReleasesReversed,
    RepeatsTheFirst,
}

#[derive(Clone, Copy, Debug)]
pub enum Where {
    Write,
    Poll,
    Look,
    Act,
}

#[derive(Clone, Copy, Debug)]
pub enum How {
    CutBefore,
    CutAfter,
    DoneLater,
    HalfAnswered,
    Slow,
    Unavailable,
    TooMany,
}

#[derive(Clone, Copy, Debug)]
pub enum Late {
    /// Goodays shows sent messages only after a delay.
    Goodays,
    /// Agents' rows become visible only after a delay.
    Salesforce,
    Nobody,
}

#[derive(Clone, Copy, Debug)]
pub enum Daemon {
    Restarts,
    Dies,
    /// It is stopped and started without its state.
    LosesItsState,
    Sweeps,
}

#[derive(Clone)]
pub struct Story(pub Vec<Act>);

impl fmt::Debug for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Once upon a time two customers left feedback, and customer 1 got an answer. Then:")?;
        self.0.iter().enumerate().try_for_each(|(n, act)| writeln!(f, "{:>3}. {act:?}", n + 1))?;
        write!(f, "In the end all faults were mended, Goodays was swept, and everything came to rest. But:")
    }
}

impl fmt::Debug for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let spoken = |what: &dyn fmt::Debug| {
            let text = format!("{what:?}");
            text.chars().fold(String::new(), |mut out, c| {
                if c.is_uppercase() && !out.is_empty() {
                    out.push(' ');
                }
                out.extend(c.to_lowercase());
                out
            })
        };
        match self {
            Self::Customer(talk) => write!(f, "customer {talk} writes"),
            Self::Agent(talk, what) => write!(f, "the agent of customer {talk} {}", spoken(what)),
            Self::Colleague(talk, what) => write!(f, "a colleague of customer {talk} {}", spoken(what)),
            Self::Store(talk, what) => write!(f, "the store of customer {talk} {}", spoken(what)),
            Self::Line(what) => write!(f, "the webhooks' line: {}", spoken(what)),
            Self::Fault(call, how) => write!(f, "the next {} will be {}", spoken(call), spoken(how)),
            Self::Late(who) => write!(f, "late to show things from now on: {}", spoken(who)),
            Self::Mapping => write!(f, "the mapping is edited"),
            Self::Expiry => write!(f, "all sessions expire"),
            Self::Daemon(what) => write!(f, "the daemon {}", spoken(what)),
            Self::Moment(calls) => write!(f, "{calls} calls later"),
            Self::Rest => write!(f, "all comes to rest"),
        }
    }
}

fn act() -> impl Strategy<Value = Act> {
    let talk = || 0..TALKS;
    let agent = prop_oneof![
        6 => Just(Agent::Answers),
        2 => Just(Agent::Drafts),
        2 => Just(Agent::Publishes),
        1 => Just(Agent::TakesBack),
        6 => select(vec![
            Agent::Closes,
            Agent::Calls,
            Agent::MarksSpam,
            Agent::Reopens,
            Agent::Corrects,
            Agent::Locks,
        ]),
    ];
    let colleague = select(vec![
        Colleague::Replies,
        Colleague::Replies,
        Colleague::Writes,
        Colleague::Closes,
        Colleague::Calls,
        Colleague::MarksSpam,
    ]);
    let line = select(vec![
        Line::Loses,
        Line::Doubles,
        Line::Holds,
        Line::Releases,
        Line::ReleasesReversed,
        Line::RepeatsTheFirst,
    ]);
    let call = select(vec![Where::Write, Where::Write, Where::Poll, Where::Look, Where::Act]);
    let how = select(vec![
        How::CutBefore,
        How::CutAfter,
        How::DoneLater,
        How::HalfAnswered,
        How::Slow,
        How::Unavailable,
        How::TooMany,
    ]);
    let store = select(vec![Store::Delegates, Store::TakesBack]);
    let late = select(vec![Late::Goodays, Late::Salesforce, Late::Nobody]);
    let daemon =
        select(vec![Daemon::Restarts, Daemon::Dies, Daemon::Dies, Daemon::LosesItsState, Daemon::Sweeps]);
    prop_oneof![
        5 => talk().prop_map(Act::Customer),
        8 => (talk(), agent).prop_map(|(talk, what)| Act::Agent(talk, what)),
        2 => (talk(), colleague).prop_map(|(talk, what)| Act::Colleague(talk, what)),
        1 => (talk(), store).prop_map(|(talk, what)| Act::Store(talk, what)),
        3 => line.prop_map(Act::Line),
        5 => (call, how).prop_map(|(call, how)| Act::Fault(call, how)),
        1 => late.prop_map(Act::Late),
        1 => Just(Act::Mapping),
        1 => Just(Act::Expiry),
        3 => daemon.prop_map(Act::Daemon),
        4 => (1..12u64).prop_map(Act::Moment),
        4 => Just(Act::Rest),
    ]
}

pub fn story() -> impl Strategy<Value = Story> {
    prop::collection::vec(act(), 4..24).prop_map(Story)
}
