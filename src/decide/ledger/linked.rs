//! What a link keeps of a Case that got its key without us.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::decide::Link;
use crate::decide::ledger::joined::CommentOfJoined;
use crate::salesforce::RecordId;
use crate::time::SalesforceTime;

/// Somebody else put the response's key on a Case, which may be about another matter until then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Linked {
    pub case: RecordId,
    /// The Case did not have the key yet when polls had seen all until then.
    pub from: SalesforceTime,
    /// When the Case was last changed, as it was first seen with the key.
    pub at: SalesforceTime,
}

impl Linked {
    /// What a comment without an action is for, by when it was written and when it was changed last. What was written
    /// before the Case had the key is part of what stood there at first sight (design, rule 6).
    pub fn comment(
        &self,
        created: Option<SalesforceTime>,
        modified: Option<SalesforceTime>,
    ) -> CommentOfJoined {
        match created {
            Some(created) if created < self.at && modified.unwrap_or(created).max(created) < self.from => {
                CommentOfJoined::Earlier
            }
            Some(created) if created < self.at => CommentOfJoined::Unsure,
            _ => CommentOfJoined::Ours,
        }
    }
}

/// A Case's row in which the response's key was met, and what it is compared with.
#[derive(Debug, Clone, Copy)]
pub struct Met<'a> {
    pub row: &'a Map<String, Value>,
    /// Our current and former Salesforce users.
    pub us: &'a [RecordId],
    /// Until when polls have seen everything.
    pub seen_until: SalesforceTime,
    /// Salesforce's clock now.
    pub now: SalesforceTime,
}

impl Link {
    /// The key was met on this Case. Notes it if that was not the response's Case until now; on a Case that we made for
    /// the response, nothing was said before.
    pub fn note_linked(&mut self, case: &RecordId, met: Met<'_>) {
        let before = self.case.as_ref().map(|known| &known.id);
        let text = |field: &str| met.row.get(field).and_then(Value::as_str);
        let is_ours = text("CreatedById").and_then(RecordId::new).is_some_and(|by| met.us.contains(&by));
        let is_known = self.linked.as_ref().is_some_and(|linked| linked.case == *case);
        if before == Some(case) || is_known || (is_ours && before.is_none()) {
            return;
        }
        let changed = text("LastModifiedDate").or_else(|| text("SystemModstamp"));
        let at = changed.and_then(SalesforceTime::parse).unwrap_or(met.now);
        self.linked = Some(Linked { case: case.clone(), from: met.seen_until.min(at), at });
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::decide::CaseRef;
    use crate::goodays::ResponseId;

    fn second(n: i64) -> SalesforceTime {
        SalesforceTime::from_millis(1_796_000_000_000 + n * 1000)
    }

    fn id(text: &str) -> RecordId {
        RecordId::new(text).unwrap()
    }

    #[test]
    fn what_was_written_before_the_key_is_earlier_and_what_cannot_be_told_is_unsure() {
        let linked = Linked { case: id("500000000000001"), from: second(10), at: second(20) };
        let is = |created, modified| linked.comment(Some(second(created)), Some(second(modified)));
        assert_eq!(is(1, 1), CommentOfJoined::Earlier);
        assert_eq!(is(1, 12), CommentOfJoined::Unsure, "published when the key may have been there");
        assert_eq!(is(1, 30), CommentOfJoined::Unsure, "published afterwards");
        assert_eq!(is(12, 12), CommentOfJoined::Unsure);
        assert_eq!(is(20, 20), CommentOfJoined::Ours);
        assert_eq!(is(21, 30), CommentOfJoined::Ours);
    }

    #[test]
    fn a_case_that_we_made_for_the_response_has_no_earlier_comments() {
        let (ours, theirs) = (id("500000000000001"), id("500000000000002"));
        let (us, agent) = (id("005000000000001"), id("005000000000002"));
        let linked = |case: &RecordId, before: Option<&RecordId>, by: &RecordId| {
            let row = json!({"CreatedById": by.as_str(), "LastModifiedDate": "2026-11-30T10:00:00.000+0000"});
            let us = std::slice::from_ref(&us);
            let met = Met { row: row.as_object().unwrap(), us, seen_until: second(0), now: second(90) };
            let mut link = Link::new(ResponseId::new("r1").unwrap());
            link.case = before.map(|id| CaseRef { id: id.clone(), number: None });
            link.note_linked(case, met);
            link.linked.is_some()
        };
        assert!(!linked(&ours, None, &us), "an insert of ours that is not answered yet");
        assert!(!linked(&ours, Some(&ours), &agent));
        assert!(linked(&theirs, None, &agent));
        assert!(linked(&theirs, Some(&ours), &agent));
        assert!(linked(&theirs, Some(&ours), &us), "made for another response");
    }
}
