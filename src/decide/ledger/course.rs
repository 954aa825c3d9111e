//! When what happened to an event or an action: for the timeline of a feedback. Nothing is decided by it.
//!
//! It is written together with the records that it belongs to, never alone. Times are our clock's, in milliseconds.

use serde::{Deserialize, Serialize};

/// How an event went to Salesforce.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Course {
    /// When the plan was made.
    #[serde(rename = "p")]
    pub planned_ms: i64,
    /// The call that wrote it; `None`: there was nothing to write.
    #[serde(rename = "r", default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Request>,
    /// How many comments the call wrote for this conversation.
    #[serde(rename = "c", default, skip_serializing_if = "is_zero")]
    pub comments: u32,
    /// The mapping version that planned it.
    #[serde(rename = "m", default, skip_serializing_if = "String::is_empty")]
    pub mapping: String,
}

/// One call to Salesforce that writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Its number, as in the log.
    #[serde(rename = "n")]
    pub number: u64,
    #[serde(rename = "b")]
    pub began_ms: i64,
    #[serde(rename = "t")]
    pub took_ms: i64,
}

impl Request {
    /// A call of a lane that begins now. A lane has one call at a time, so no two have the same number.
    pub fn new(lane: u8, began_ms: i64) -> Self {
        let number = began_ms.unsigned_abs() * 2 + u64::from(lane);
        Self { number, began_ms, took_ms: 0 }
    }
}

/// One step of an action at Goodays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    #[serde(rename = "w")]
    pub what: What,
    /// When it began.
    #[serde(rename = "a")]
    pub at_ms: i64,
    #[serde(rename = "t", default, skip_serializing_if = "is_nothing")]
    pub took_ms: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum What {
    /// Goodays was read before the PUT.
    #[serde(rename = "l")]
    Looked,
    /// The PUT, with an answer or without.
    #[serde(rename = "s")]
    Sent,
    /// Goodays did nothing of the PUT.
    #[serde(rename = "n")]
    NotDone,
    /// Read back: it is there.
    #[serde(rename = "f")]
    Found,
    /// Read back: it is not there.
    #[serde(rename = "x")]
    NotFound,
    /// Read back: it cannot be told.
    #[serde(rename = "u")]
    CannotBeTold,
    /// Tried again by an operator.
    #[serde(rename = "r")]
    Retried,
}

/// The most moments of an action that are kept: the first ones and the last ones.
const MOMENTS: usize = 16;
const FIRST: usize = 4;

/// Adds a moment. Beyond `MOMENTS` the oldest goes, but for the first few.
pub fn note(moments: &mut Vec<Moment>, what: What, at_ms: i64, took_ms: i64) {
    moments.push(Moment { what, at_ms, took_ms: took_ms.max(0) });
    if moments.len() > MOMENTS {
        moments.remove(FIRST);
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants a reference")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants a reference")]
fn is_nothing(number: &i64) -> bool {
    *number == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_and_the_last_moments_are_kept() {
        let mut moments = Vec::new();
        for at_ms in 0..40 {
            note(&mut moments, What::Looked, at_ms, 0);
        }
        let kept: Vec<i64> = moments.iter().map(|moment| moment.at_ms).collect();
        assert_eq!((kept.len(), &kept[..4], kept[4], kept[15]), (16, &[0, 1, 2, 3][..], 28, 39));
    }

    /// What the timeline costs on the disk.
    #[test]
    fn an_event_has_about_a_hundred_bytes_more_and_a_moment_about_forty() {
        let request = Request { took_ms: 123, ..Request::new(1, 1_796_000_000_000) };
        let course = Course {
            planned_ms: 1_796_000_000_000,
            request: Some(request),
            comments: 1,
            mapping: "9cb9d8ddf75b".to_owned(),
        };
        let bytes = |text: serde_json::Result<String>| text.unwrap().len();
        assert!(bytes(serde_json::to_string(&course)) < 110);
        let moment = Moment { what: What::Looked, at_ms: 1_796_000_000_000, took_ms: 123 };
        assert!(bytes(serde_json::to_string(&moment)) < 40);
    }

    #[test]
    fn two_lanes_never_share_a_number() {
        assert_ne!(Request::new(0, 1000).number, Request::new(1, 1000).number);
        assert_ne!(Request::new(1, 1000).number, Request::new(0, 1001).number);
    }
}
