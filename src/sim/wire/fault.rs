//! Scripted faults, and the requests that they match.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// One scripted fault. Faults match in order of creation. `times` counts down, and at 0 the fault is removed.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// `None`: any method.
    #[serde(default)]
    pub method: Option<String>,
    /// A part of path and query, as sent or percent-decoded.
    #[serde(default)]
    pub path_contains: String,
    #[serde(default)]
    pub body_contains: Option<String>,
    /// The name and port that the client used, as in its `Host` header. A server may have several names, and one of
    /// them may be that of a host that has moved.
    #[serde(default)]
    pub host: Option<String>,
    /// How many matches pass before the fault acts.
    #[serde(default)]
    pub skip: u32,
    /// `None`: until cleared.
    #[serde(default = "once")]
    pub times: Option<u32>,
    pub act: Act,
}

#[expect(clippy::unnecessary_wraps, reason = "the default of an optional field")]
fn once() -> Option<u32> {
    Some(1)
}

impl Fault {
    /// One fault, once, for every request whose path or query contains `path_contains`.
    pub fn once(path_contains: &str, act: Act) -> Self {
        let path_contains = path_contains.to_owned();
        Self { method: None, path_contains, body_contains: None, host: None, skip: 0, times: Some(1), act }
    }

    fn matches(&self, seen: &Seen) -> bool {
        self.method.as_ref().is_none_or(|method| method.eq_ignore_ascii_case(&seen.method))
            && seen.target_contains(&self.path_contains)
            && self.body_contains.as_ref().is_none_or(|part| seen.body.contains(part.as_str()))
            && self.host.as_ref().is_none_or(|host| seen.headers.get("host") == Some(host))
    }
}

/// What happens instead of, or around, an ordinary answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum Act {
    /// Nothing is done, and this is the answer.
    Answer {
        status: u16,
        #[serde(default)]
        body: String,
        /// JSON if absent.
        #[serde(default)]
        content_type: Option<String>,
        #[serde(default)]
        headers: BTreeMap<String, String>,
    },
    /// The request is done, but something between client and server answers instead.
    AnswerAfter {
        status: u16,
        #[serde(default)]
        body: String,
        /// JSON if absent.
        #[serde(default)]
        content_type: Option<String>,
    },
    /// Nothing is done, and the connection is cut.
    ResetBefore,
    /// The request is done, then the connection is cut without an answer.
    ResetAfter,
    /// Nothing is done. After this time without an answer, the connection is cut.
    HangBefore { ms: u64 },
    /// The request is done. After this time without an answer, the connection is cut.
    HangAfter { ms: u64 },
    /// The request is done, and the answer is late.
    Slow { ms: u64 },
    /// The connection is cut at once, but the request is applied later.
    CommitLater { ms: u64 },
    /// The request is done. The connection is cut after half of the answer's bytes.
    Truncate,
    /// The request is done. Half of the answer's bytes follow, then nothing for this time, then the cut.
    Stall { ms: u64 },
}

/// A request as it arrived. Header names are in lower case. A gzipped body is shown unpacked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    pub method: String,
    pub path: String,
    pub query: String,
    pub headers: BTreeMap<String, String>,
    pub body: String,
    /// 0 before the answer, and when the connection was cut.
    pub status: u16,
    pub at_ms: i64,
}

impl Seen {
    fn target_contains(&self, part: &str) -> bool {
        let target = format!("{}?{}", self.path, self.query);
        let decoded = percent_encoding::percent_decode_str(&target).decode_utf8_lossy();
        target.contains(part) || decoded.contains(part)
    }
}

/// The first fault that matches and has no match left to skip.
pub(super) fn take(faults: &mut Vec<Fault>, seen: &Seen) -> Option<Act> {
    let mut hit = None;
    for (index, fault) in faults.iter_mut().enumerate() {
        if !fault.matches(seen) {
            continue;
        }
        if fault.skip > 0 {
            fault.skip -= 1;
            continue;
        }
        hit = Some(index);
        break;
    }
    let index = hit?;
    let act = faults[index].act.clone();
    let left = faults[index].times.map(|times| times.saturating_sub(1));
    faults[index].times = left;
    if left == Some(0) {
        faults.remove(index);
    }
    Some(act)
}
