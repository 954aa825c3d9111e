//! New facts of a write that is done. They are applied to the link as it is then, so that inbound and delivery never
//! overwrite each other's facts.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::decide::ledger::joined::KeyOfSurvivor;
use crate::decide::{CaseRef, Freshness, Known, Link, RepliedBy};
use crate::goodays::{MessageId, Verb};
use crate::salesforce::RecordId;
use crate::time::GoodaysTime;

#[derive(Debug, Clone, Default, PartialEq)]
pub struct LinkUpdate {
    pub known: Vec<Known>,
    pub fields: BTreeMap<String, u64>,
    pub fresh: Option<Freshness>,
    pub last_seen_fields: Map<String, Value>,
    /// The active status rule after our own write: it fires nothing (design, rule 6).
    pub active_status_rule: Option<Option<Verb>>,
    /// The rules by which it was determined.
    pub rules: u64,
    /// Since when the customer waits, by this view.
    pub waiting: Option<Option<GoodaysTime>>,
    pub last_customer: Option<MessageId>,
    pub replied: Option<RepliedBy>,
    pub source: Option<String>,
    pub customer: Option<u64>,
    /// Sent texts whose message id this view shows.
    pub identified: Vec<u64>,
    pub marked: Option<u32>,
    pub mapping: Option<String>,
    /// The name of the Case mapping that took this view.
    pub case_file: Option<String>,
    /// This write takes the approval off the Case.
    pub reset_approval: bool,
    /// The number of the command that this write empties.
    pub emptied_command: Option<u64>,
    /// The Case's marker and comments were compared with the whole conversation.
    pub read: bool,
    /// Of a message or an answer only the first parts are written: the rest follows when the Case's comments were read.
    pub begun: bool,
    /// What became of our key on a Case that a merge led to.
    pub key: Option<KeyUpdate>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyUpdate {
    Written,
    Refused { code: String },
}

impl LinkUpdate {
    /// Makes what our insert wrote the baseline for changes: an agent may have changed the Case before we knew that it
    /// exists (design, rule 6).
    pub fn rebase(&self, link: &mut Link) {
        link.linked = None;
        if let Some(active_status_rule) = self.active_status_rule {
            (link.active_status_rule, link.rules) = (active_status_rule, self.rules);
            link.last_seen_fields.clone_from(&self.last_seen_fields);
            (link.fields_forgotten, link.status_unread) = (false, false);
        }
    }

    /// Applies the update; `inserted` is the new Case of the write.
    pub fn apply(self, link: &mut Link, inserted: Option<RecordId>) {
        if let Some(id) = inserted {
            if link.case.as_ref().is_none_or(|known| known.id != id) {
                link.linked = None;
            }
            // A poll may have seen the Case before its insert was answered.
            link.case = Some(CaseRef { id, number: None }.or_known(link.case.as_ref()));
            link.last_seen_fields.clear();
            (link.fields_forgotten, link.status_unread) = (false, false);
        }
        for known in self.known {
            link.learn(known.id, known.at, known.origin);
        }
        link.fields.extend(self.fields);
        link.last_seen_fields.extend(self.last_seen_fields);
        for text in self.identified {
            // One for each: the same text may have been sent twice.
            if let Some(at) = link.unidentified.iter().position(|t| *t == text) {
                link.unidentified.swap_remove(at);
            }
        }
        if let Some(fresh) = self.fresh {
            link.fresh = link.fresh.max(fresh);
        }
        if let Some(active_status_rule) = self.active_status_rule {
            (link.active_status_rule, link.rules) = (active_status_rule, self.rules);
        }
        if let Some(waiting) = self.waiting {
            link.waiting_since = waiting;
        }
        if let Some(replied) = self.replied {
            link.replied.get_or_insert(replied);
        }
        link.approved &= !self.reset_approval;
        // An agent may have given another command meanwhile.
        if self.emptied_command.is_some_and(|number| number == link.command.count) {
            link.command.value = None;
        }
        link.last_customer = self.last_customer.or(link.last_customer.take());
        link.source = self.source.or(link.source.take());
        link.customer = self.customer.or(link.customer);
        link.unread = self.begun || (link.unread && !self.read);
        if let (Some(joined), Some(key)) = (&mut link.joined, &self.key) {
            joined.key = match key {
                KeyUpdate::Written => KeyOfSurvivor::Ours,
                KeyUpdate::Refused { .. } => KeyOfSurvivor::NotOurs,
            };
        }
        link.marked = self.marked.unwrap_or(link.marked);
        if let Some(mapping) = self.mapping {
            link.mapping = mapping;
        }
        link.case_file = self.case_file.or(link.case_file.take());
    }
}
