//! The comments for new messages.

use serde_json::{Map, Value};

use super::{Planner, Turn};
use crate::decide::MessageOrigin;
use crate::decide::inbound::snapshot::with_times;
use crate::goodays::event::{EventKind, Message, Whose, normalised};
use crate::mapping::{Facts, Rendered};
use crate::messages::Words;
use crate::salesforce::describe::Purpose;
use crate::salesforce::query::split_comment;
use crate::time::GoodaysTime;

/// A date counts as ahead of Goodays' clock from here on (milliseconds). That clock is known to a second or two only.
const AHEAD_MS: i64 = 60_000;

impl<'a> Planner<'a> {
    /// Comments for the new messages, and the messages that they contain.
    pub(super) fn comments(&mut self, facts: &Facts) -> (Vec<Map<String, Value>>, Vec<Turn<'a>>) {
        let mut comments = self.successor_comment();
        let mut taken = Vec::new();
        // A new Case may have none; an existing one gets one message at least.
        let most = self.most_comments();
        let may_be_none = most == 0 && self.case().is_none();
        for turn in std::mem::take(&mut self.fresh_turns) {
            if !self.imports(&turn) {
                self.learn(&turn, MessageOrigin::Skipped);
                continue;
            }
            let parts = self.parts_left(facts, &turn);
            if comments.len() + parts.len() > most.max(usize::from(!may_be_none)) {
                self.plan.more = true;
                // Only a message that is too long for any transaction is divided.
                if comments.is_empty() && !may_be_none {
                    self.plan.link_update.begun = true;
                    comments.extend(parts.into_iter().take(most.max(1)));
                }
                break;
            }
            let how = if parts.is_empty() { MessageOrigin::Skipped } else { MessageOrigin::Imported };
            comments.extend(parts);
            self.learn(&turn, how);
            taken.push(turn);
        }
        (comments, taken)
    }

    /// The comments of a message, without the first parts that stand on the Case already: a message that is too long for
    /// one transaction is written in several, and the Case's comments are read between them.
    pub(super) fn parts_left(&mut self, facts: &Facts, turn: &Message) -> Vec<Map<String, Value>> {
        let body = self.context.mapping.comment().body_field.as_str();
        let mut parts = self.comment_records(facts, turn);
        if parts.len() < 2 {
            return parts;
        }
        let place = |part: &Map<String, Value>, unclaimed: &[String]| {
            let text = normalised(part.get(body).and_then(Value::as_str)?);
            unclaimed.iter().position(|comment| *comment == text)
        };
        let mut stand = 0;
        while let Some(at) = parts.get(stand).and_then(|part| place(part, &self.unclaimed)) {
            self.unclaimed.remove(at);
            stand += 1;
        }
        parts.split_off(stand)
    }

    pub(super) fn imports(&self, turn: &Message) -> bool {
        let comment = self.context.mapping.comment();
        match turn.whose {
            Whose::Customer => comment.import_customer,
            Whose::Brand => comment.import_brand,
            // It must not be lost, even if its author is unknown.
            Whose::Unknown => comment.import_customer || comment.import_brand,
        }
    }

    /// The comment of a new Case that names the deleted one before it.
    pub(super) fn successor_comment(&self) -> Vec<Map<String, Value>> {
        let Some(old) = self.link().filter(|l| l.case.is_none()).and_then(|l| l.gone.last()) else {
            return Vec::new();
        };
        let name = old.number.as_deref().unwrap_or(old.id.as_str());
        let comment = self.context.mapping.comment();
        let text = self.context.messages.say(&Words::new("continues-case").with("case", name));
        let mut record = Map::new();
        record.insert(comment.body_field.clone(), Value::String(text));
        vec![record]
    }

    pub(super) fn texts(&self, turn: &Message, rendered: &[Rendered]) -> Vec<String> {
        let comment = self.context.mapping.comment();
        let body = rendered.iter().find(|r| r.field == comment.body_field);
        let text = match body.map(|r| &r.value) {
            Some(Ok(Some(value))) => scalar_text(value),
            Some(Ok(None)) | None => String::new(),
            // The template failed: the message's own text is written instead of nothing.
            Some(Err(_)) => turn.content.clone(),
        };
        split_comment(&self.storable(&text), self.comment_bytes())
    }

    pub(super) fn comment_records(&mut self, facts: &Facts, turn: &Message) -> Vec<Map<String, Value>> {
        let comment = self.context.mapping.comment();
        let rendered = comment.fields(facts, &turn.raw);
        let parts = self.texts(turn, &rendered);
        let mut record = Map::new();
        for field in rendered.into_iter().filter(|r| r.field != comment.body_field) {
            record.extend(self.value(&field, self.context.comment, Purpose::Create));
        }
        parts
            .into_iter()
            .filter(|part| !part.trim().is_empty())
            .map(|part| {
                let mut record = record.clone();
                record.insert(comment.body_field.clone(), Value::String(part));
                record
            })
            .collect()
    }

    /// Whether the newest message of the conversation is a customer's and is imported now. The fourth event (`reply`)
    /// never counts (design, rule 15).
    pub(super) fn customer_wrote_last(&self, taken: &[Turn<'_>]) -> bool {
        let by_now = taken.iter().rev().find(|t| !self.is_ahead(t.at)).or(taken.last());
        let Some(newest) = by_now.filter(|t| t.whose == Whose::Customer && !self.plan.more) else {
            return false;
        };
        // Nothing can have been written after now. If the newest is ahead, too, only the order of the dates is left.
        let is_later = |later: Option<GoodaysTime>, at: Option<GoodaysTime>| {
            later > at && (self.is_ahead(newest.at) || !self.is_ahead(later))
        };
        let timed = || with_times(self.turns.iter().map(AsRef::as_ref));
        let Some(place) = timed().position(|(_, turn)| turn.id == newest.id) else { return false };
        let at = timed().nth(place).and_then(|(at, _)| at);
        let known_later =
            at.is_some() && self.link().is_some_and(|l| l.known.iter().any(|k| is_later(k.at, at)));
        // A message without a date has its place alone.
        let told_later = timed()
            .skip(place + 1)
            .any(|(later, turn)| is_later(later, at) || turn.at.is_none() || newest.at.is_none());
        let only_reply = self.input.events.iter().all(|e| e.kind == EventKind::Reply);
        !known_later && !told_later && !only_reply
    }

    /// Whether a message has a date that Goodays' clock has not reached, which is a wrong one.
    fn is_ahead(&self, at: Option<GoodaysTime>) -> bool {
        at.zip(self.input.goodays_now).is_some_and(|(at, now)| at.millis_since(now) > AHEAD_MS)
    }
}

fn scalar_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}
