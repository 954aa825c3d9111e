//! Why a call failed. It is chosen where the answer is read, and nowhere else.

use std::fmt;
use std::time::Duration;

use super::{ends_kept, shortened};

/// The longest word that counts as a code.
const MAX_CODE: usize = 64;

/// A remote's message about a refusal, for people and for classification. `Debug` output has no texts.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Problem {
    /// Salesforce `errorCode`, or whatever code Goodays' body holds: one short word; empty if none.
    pub code: String,
    /// The remote's message, shortened, on one line. May echo customers' words: never logged.
    pub message: String,
    /// The fields that the remote names.
    pub fields: Vec<String>,
}

impl Problem {
    /// A problem without fields, its message shortened.
    pub fn new(code: impl Into<String>, message: &str) -> Self {
        Self { code: code.into(), message: shortened(message), fields: Vec::new() }
    }

    /// The same of a remote that echoes values in the middle of its messages: both ends are kept.
    pub fn with_ends(code: &str, message: &str, fields: Vec<String>) -> Self {
        Self { code: code_word(code), message: ends_kept(message), fields }
    }
}

impl fmt::Debug for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Problem")
            .field("code", &self.code)
            .field("fields", &self.fields)
            .finish_non_exhaustive()
    }
}

/// A code that may be logged and shown: letters, digits, `_`, `-` and `.`, at most 64. Anything else becomes
/// `UNREADABLE_CODE`. An empty code stays empty.
pub fn code_word(code: &str) -> String {
    let code = code.trim();
    let plain = code.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b));
    if plain && code.len() <= MAX_CODE { code.to_owned() } else { "UNREADABLE_CODE".to_owned() }
}

/// What a client *knows* after a call that did not succeed; never what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Nothing left this machine: could not connect.
    #[error("not sent: {0}")]
    NotSent(String),
    /// The remote asks to come later (429; for Salesforce 503 and request limits): nothing was done.
    #[error("busy: {reason}")]
    Busy { reason: String, retry_after: Option<Duration>, daily_limit: bool },
    /// The remote refused this request (4xx), in its API's own form.
    #[error("refused with status {status} {}", problem.code)]
    Refused { status: u16, problem: Problem },
    /// The remote, or our login to it, refuses everything until somebody changes the configuration.
    #[error("{advice}")]
    Login { code: String, advice: String },
    /// Sent, but no usable answer: it may have been done or not.
    #[error("no answer: {0}")]
    NoAnswer(String),
    /// It was answered with success, and the answer is too large to read, or one value in it cannot be read: a question
    /// for less may be read. What was sent
    /// was probably done.
    #[error("{0}")]
    TooLarge(String),
    /// An answer that is not the API's own: a proxy's, a firewall's, a page of a host that has moved. What was sent
    /// may have been done or not.
    #[error("the way there is disturbed: {0}")]
    Road(String),
    /// The session ended and nothing was done; the next call logs in first.
    #[error("the session is over: {0}")]
    SessionOver(String),
    /// The login leads to another org or account than this state belongs to; nothing was sent on that session.
    #[error("{advice}")]
    WrongSession { code: String, advice: String },
    /// Our own store failed before anything was sent.
    #[error("our own store: {0}")]
    Store(String),
    /// Our own configuration asks for something that cannot be sent.
    #[error("{advice}")]
    Configuration { code: String, advice: String },
    /// Our own daily budget of Salesforce calls is used up; nothing was sent.
    #[error("the budget of Salesforce calls is used up")]
    Budget,
    /// Another instance works: this one asks no remote. Says which one to ask.
    #[error("{0}")]
    Elsewhere(String),
}

/// Which calls a failure concerns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Concerns {
    /// The next call would fail as well: all calls to that remote pause.
    Everything,
    /// This request only.
    ThisRequest,
    /// It says nothing about the remote.
    Ourselves,
}

impl Failure {
    pub fn no_answer(why: impl Into<String>) -> Self {
        Self::NoAnswer(why.into())
    }

    pub fn login(code: impl Into<String>, advice: impl Into<String>) -> Self {
        Self::Login { code: code.into(), advice: advice.into() }
    }

    /// What the remote said about a request that it refused.
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Refused { problem, .. } => Some(problem),
            _ => None,
        }
    }

    /// Whether all calls pause, or only this request failed.
    pub fn concerns(&self) -> Concerns {
        match self {
            Self::Refused { .. } | Self::TooLarge(_) => Concerns::ThisRequest,
            Self::Store(_) | Self::Elsewhere(_) => Concerns::Ourselves,
            _ => Concerns::Everything,
        }
    }

    /// The remote may have done what was sent: it is read back before it is sent again.
    pub fn may_have_been_done(&self) -> bool {
        matches!(self, Self::NoAnswer(_) | Self::TooLarge(_) | Self::Road(_))
    }

    /// The same of a call whose answer is never large: what answers is not what was asked.
    #[must_use]
    pub fn never_large(self) -> Self {
        match self {
            Self::TooLarge(why) => Self::NoAnswer(why),
            other => other,
        }
    }

    /// A word for metrics and pipelines.
    pub fn code(&self) -> String {
        match self {
            Self::NotSent(_) => "not_sent".to_owned(),
            Self::Busy { daily_limit: true, .. } => "daily_limit".to_owned(),
            Self::Busy { .. } => "busy".to_owned(),
            Self::Refused { status, problem } if problem.code.is_empty() => format!("status_{status}"),
            Self::Refused { problem, .. } => problem.code.clone(),
            Self::Login { code, .. } | Self::WrongSession { code, .. } | Self::Configuration { code, .. } => {
                code.clone()
            }
            Self::NoAnswer(_) => "no_answer".to_owned(),
            Self::TooLarge(_) => "answer_too_large".to_owned(),
            Self::Road(_) => "road".to_owned(),
            Self::SessionOver(_) => "session_over".to_owned(),
            Self::Store(_) => "store".to_owned(),
            Self::Budget => "budget".to_owned(),
            Self::Elsewhere(_) => "elsewhere".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c13_a_code_is_one_short_word() {
        let long = "A".repeat(200_000);
        let table = [
            ("STRING_TOO_LONG", "STRING_TOO_LONG"),
            (" sf:x ", "UNREADABLE_CODE"),
            ("A\nERROR forged", "UNREADABLE_CODE"),
            ("A\u{1b}[2J", "UNREADABLE_CODE"),
            ("É", "UNREADABLE_CODE"),
            (long.as_str(), "UNREADABLE_CODE"),
            ("", ""),
        ];
        for (code, shown) in table {
            assert_eq!(code_word(code), shown);
        }
    }

    #[test]
    fn a_store_that_fails_says_nothing_of_a_remote() {
        assert_eq!(Failure::Store("x".into()).concerns(), Concerns::Ourselves);
        assert_eq!(Failure::Elsewhere("x".into()).concerns(), Concerns::Ourselves);
        assert_eq!(Failure::TooLarge("x".into()).concerns(), Concerns::ThisRequest);
        assert_eq!(Failure::TooLarge("x".into()).never_large(), Failure::NoAnswer("x".into()));
        assert_eq!(Failure::Road("x".into()).concerns(), Concerns::Everything);
        assert!(Failure::Road("x".into()).may_have_been_done());
        assert!(!Failure::SessionOver("x".into()).may_have_been_done());
    }
}
