//! The marker: one text with the ids of the messages that are comments of the Case or were sent from it.

use std::collections::BTreeSet;

use crate::decide::inbound::Planner;
use crate::decide::{Link, MessageOrigin};
use crate::goodays::MessageId;
use crate::mapping::CaseMapping;

/// Length of the marker (characters) when the org's describe does not give it.
const MARKER_CHARS: usize = 32_000;

impl Planner<'_> {
    pub(in crate::decide) fn all_marks(&self) -> Vec<MessageId> {
        let mut seen = BTreeSet::new();
        let old = self.link().into_iter().flat_map(Link::marker_ids);
        let new =
            self.plan.link_update.known.iter().filter(|k| k.origin != MessageOrigin::Skipped).map(|k| &k.id);
        old.chain(new).filter(|id| seen.insert((*id).clone())).cloned().collect()
    }

    /// Whether the Case's marker lacks known ids.
    pub(in crate::decide) fn marks_missing(&self) -> bool {
        let held = self.link().map_or(0, |l| l.marked) as usize;
        self.all_marks().len() > held
    }

    /// The marker's text: ids separated by spaces; the newest ones when the field is too short for all.
    pub(in crate::decide) fn marker(&mut self, mapping: &CaseMapping) -> String {
        let marks = self.all_marks();
        self.plan.link_update.marked = Some(u32::try_from(marks.len()).unwrap_or(u32::MAX));
        let length = self.context.case.and_then(|d| d.field(&mapping.marker_field)).map(|f| f.length);
        write_marker(&marks, length.filter(|l| *l > 0).unwrap_or(MARKER_CHARS))
    }
}

/// Ids as one text; characters that could split or hide an id are percent-encoded.
pub fn write_marker(ids: &[MessageId], max_chars: usize) -> String {
    let mut kept: Vec<String> = Vec::new();
    let mut length = 0;
    for id in ids.iter().rev() {
        let id = percent_encoding::utf8_percent_encode(id.as_str(), MARKER).to_string();
        if length + id.len() + 1 > max_chars {
            break;
        }
        length += id.len() + 1;
        kept.push(id);
    }
    kept.reverse();
    kept.join(" ")
}

/// Reads a marker, also with separators of an older version or of a person.
pub fn read_marker(text: &str) -> Vec<MessageId> {
    let ids = text.split(|c: char| c.is_whitespace() || c == ',' || c == ';').filter(|id| !id.is_empty());
    ids.map(|id| MessageId::new(percent_encoding::percent_decode_str(id).decode_utf8_lossy().into_owned()))
        .collect()
}

const MARKER: &percent_encoding::AsciiSet =
    &percent_encoding::NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b':');
