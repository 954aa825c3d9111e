//! Plans what to write to Salesforce from events of Goodays.
//!
//! Each event has the whole conversation, so any event is enough to create or complete a Case. Missing messages, told
//! apart by id, are imported. A view older than what we know changes no field.

mod commands;
mod fields;
mod snapshot;

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::decide::inbound::snapshot::{Snapshot, freshest, told_turns};
use crate::decide::outbound::outcome::{Proof, arrived, message_ends_turn};
use crate::decide::outbound::recognise::{Fit, fit};
use crate::decide::reconcile::action_fields;
use crate::decide::{
    Freshness, Intent, IntentState, Known, Link, LinkUpdate, MessageOrigin, Note, PlanContext, RepliedBy,
    Report, active_status_rule, hash64,
};
use crate::goodays::event::{Event, EventKind, Message, Response, Whose, normalised};
use crate::goodays::{MessageId, ResponseId, Verb};
use crate::mapping::{Assignment, CaseMapping, Facts, Moment, Rendered};
use crate::messages::Words;
use crate::salesforce::RecordId;
use crate::salesforce::describe::Purpose;
use crate::salesforce::query::{clean_text, split_comment};
use crate::time::{CARRIED_MS, GoodaysTime};

/// Comments per transaction; a longer conversation takes several, oldest first (design, 4).
pub const MAX_COMMENTS: usize = 150;
/// Bytes of a comment as Salesforce counts them (Salesforce reference, 6.2).
pub const COMMENT_BYTES: usize = 4000;

/// The facts of one conversation.
pub struct Input<'a> {
    pub response_id: &'a ResponseId,
    /// Events in the order in which they came; may be empty when only notes wait.
    pub events: &'a [Event],
    pub notes: &'a [Note],
    pub link: Option<&'a Link>,
    /// Actions of this response, as far as they are kept with it.
    pub intents: &'a [Intent],
    /// Comments of the Case as just read, when the link was read again (design, rule 5).
    pub comments: &'a [String],
    /// Our first start by Goodays' clock; `None` while that is not known. An older view may lack messages that are
    /// comments already.
    pub first_start: Option<GoodaysTime>,
}

/// What to write and to record.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Plan {
    pub write: Option<CaseWrite>,
    pub link_update: LinkUpdate,
    /// Actions that are proved done, with the verb that was sent, and the message if there is one.
    pub settles: Vec<(u64, Verb, Option<Proof>)>,
    /// Whether the account stops listing `message` after the brand's own answer, if the view shows it.
    pub message_ends_turn: Option<bool>,
    /// A message may be one that is in flight: the events are planned again when that is settled.
    pub waits: bool,
    /// Why nothing is written to Salesforce.
    pub skipped: Option<&'static str>,
    pub reports: Vec<Report>,
    /// More messages need another transaction.
    pub more: bool,
}

/// One Case with its comments and marker: a complete transaction.
#[derive(Debug, Clone, PartialEq)]
pub struct CaseWrite {
    pub object: String,
    /// `None`: insert.
    pub patch: Option<RecordId>,
    pub fields: Map<String, Value>,
    pub assignment: Assignment,
    pub comment_object: String,
    pub parent_field: String,
    pub comments: Vec<Map<String, Value>>,
}

pub fn plan(input: &Input<'_>, context: &PlanContext<'_>) -> Plan {
    let mut sketch = Planner::new(input, context);
    let Some(view) = freshest(input) else { return sketch.notes_only() };
    let facts = Facts::new(&view.name, &view.response.raw);
    if let Some(why) = sketch.not_ours(&view, &facts) {
        return Plan { skipped: Some(why), ..Plan::default() };
    }
    sketch.sort_turns(&facts);
    sketch.settle_by_state(&view);
    sketch.plan.message_ends_turn = sketch.ends_turn(&view);
    sketch.write(&view, &facts);
    sketch.remember(&view.response);
    sketch.plan
}

pub(super) struct Planner<'a> {
    pub(super) input: &'a Input<'a>,
    pub(super) context: &'a PlanContext<'a>,
    pub(super) plan: Plan,
    /// Messages that Salesforce does not have yet, oldest first.
    pub(super) fresh_turns: Vec<Turn<'a>>,
    /// Messages of all events, oldest first.
    pub(super) turns: Vec<Turn<'a>>,
    pub(super) unclaimed: Vec<String>,
}

/// A message of an event; copied only if another event adds to it.
pub(super) type Turn<'a> = Cow<'a, Message>;

impl<'a> Planner<'a> {
    fn new(input: &'a Input<'a>, context: &'a PlanContext<'a>) -> Self {
        let turns = told_turns(input.events);
        let unclaimed = input.comments.iter().map(|c| normalised(c)).collect();
        Self { input, context, plan: Plan::default(), fresh_turns: Vec::new(), turns, unclaimed }
    }

    pub(super) fn link(&self) -> Option<&'a Link> {
        self.input.link
    }

    pub(super) fn case(&self) -> Option<&'a RecordId> {
        self.link().and_then(|l| l.case.as_ref()).map(|c| &c.id)
    }

    fn not_ours(&self, view: &Snapshot<'_>, facts: &Facts) -> Option<&'static str> {
        if self.link().is_some_and(|l| l.case.is_some() || !l.gone.is_empty()) {
            return None;
        }
        if !self.context.perimeter.holds(&view.response) {
            return Some("outside the perimeter");
        }
        match self.context.mapping.case_mapping(facts) {
            Ok(None) => Some("no mapping wants it"),
            // A condition that cannot be evaluated must not lose feedback.
            Ok(Some(_)) | Err(_) => None,
        }
    }

    /// Separates new messages from those that Salesforce has, and from our own answers.
    fn sort_turns(&mut self, facts: &Facts) {
        let link = self.link();
        let (marked, others): (Vec<Turn<'a>>, Vec<Turn<'a>>) =
            self.turns.iter().cloned().partition(|t| link.is_some_and(|l| l.knows(&t.id)));
        // Known messages claim their comments first; the others may claim the rest.
        if !self.unclaimed.is_empty() {
            for turn in &marked {
                self.claim(facts, turn);
            }
        }
        let mut fresh = Vec::new();
        for turn in others {
            let claimed = !self.unclaimed.is_empty() && self.claim(facts, &turn);
            // The action that it settles decides before a matching comment does.
            match self.whose_own(&turn) {
                Fit::Ours => continue,
                // Not imported until its author is known (design, rule 4).
                Fit::Doubtful if !claimed => continue,
                Fit::Doubtful | Fit::Stranger => {}
            }
            if claimed {
                self.learn(&turn, MessageOrigin::Imported);
            } else {
                fresh.push(turn);
            }
        }
        self.fresh_turns = fresh;
    }

    fn learn(&mut self, turn: &Message, how: MessageOrigin) {
        self.plan.link_update.known.push(Known { id: turn.id.clone(), at: turn.at, origin: how });
    }

    /// Rule 5: a comment with this text that no other id claims is this message.
    fn claim(&mut self, facts: &Facts, turn: &Message) -> bool {
        let parts: Vec<String> =
            self.comment_texts(facts, turn).iter().map(|p| normalised(p)).filter(|p| !p.is_empty()).collect();
        // An agent's own text, sent by us. Not for customers' messages: we write their comments ourselves.
        let plain = (turn.whose != Whose::Customer).then(|| vec![normalised(&turn.content)]);
        for wanted in [parts].into_iter().chain(plain) {
            if wanted.iter().any(String::is_empty) {
                continue;
            }
            // One comment for each part: the same text twice is two messages.
            let mut rest = self.unclaimed.clone();
            let all = wanted.iter().all(|w| {
                let found = rest.iter().position(|c| c == w);
                found.map(|at| rest.remove(at)).is_some()
            });
            if all && !wanted.is_empty() {
                self.unclaimed = rest;
                return true;
            }
        }
        false
    }

    /// Whether a message is our own answer, shown by Goodays (design, rules 3 and 4).
    fn whose_own(&mut self, turn: &Message) -> Fit {
        if turn.whose == Whose::Customer {
            return Fit::Stranger;
        }
        let text = hash64(&normalised(&turn.content));
        let count = |texts: &[u64]| texts.iter().filter(|t| **t == text).count();
        if self.link().is_some_and(|l| count(&l.unidentified) > count(&self.plan.link_update.identified)) {
            self.plan.link_update.identified.push(text);
            self.learn(turn, MessageOrigin::Sent);
            return Fit::Ours;
        }
        let settled = |seq: u64| self.plan.settles.iter().any(|(other, _, _)| *other == seq);
        let attempts = self.input.intents.iter().filter(|i| !settled(i.seq));
        let fits = attempts.filter_map(|i| Some((i, i.attempt()?))).map(|(i, a)| (fit(i, a, turn), i, a));
        // If two attempts fit equally, the older one: they were sent in that order.
        let best = fits.max_by_key(|(fit, intent, _)| (*fit, std::cmp::Reverse(intent.seq)));
        let Some((fit, intent, attempt)) = best else { return Fit::Stranger };
        if fit == Fit::Ours {
            let proof = Proof { id: turn.id.clone(), at: turn.at };
            self.plan.settles.push((intent.seq, attempt.verb, Some(proof)));
            self.learn(turn, MessageOrigin::Sent);
        }
        self.plan.waits |= fit == Fit::Doubtful && matches!(intent.state, IntentState::Sending(_));
        fit
    }

    /// Whether `message` is still listed when an answer of ours is the newest message of the view.
    fn ends_turn(&self, view: &Snapshot<'_>) -> Option<bool> {
        let last = view.response.turns.last().filter(|_| !view.stale)?;
        let now =
            self.plan.link_update.known.iter().any(|k| k.id == last.id && k.origin == MessageOrigin::Sent);
        let ours = now || self.link().is_some_and(|l| l.sent(&last.id));
        ours.then(|| message_ends_turn(&view.response, &last.id)).flatten()
    }

    /// Settles a close, spam or call with unknown outcome if the view's state proves it.
    fn settle_by_state(&mut self, view: &Snapshot<'_>) {
        let statuses = self.input.intents.iter().filter(|i| !view.stale && !i.kind.is_answer());
        for (intent, attempt) in statuses.filter_map(|i| Some((i, i.attempt()?))) {
            if arrived(intent, attempt, self.input.link, &view.response).is_some() {
                self.plan.settles.push((intent.seq, attempt.verb, None));
            }
        }
    }

    fn write(&mut self, view: &Snapshot<'_>, facts: &Facts) {
        let creating = self.case().is_none();
        let new_words = self.fresh_turns.iter().any(|t| t.whose == Whose::Customer);
        if creating && self.link().is_some_and(|l| !l.gone.is_empty()) && !new_words {
            self.plan.skipped = Some("its Case was deleted and the customer wrote nothing new");
            return;
        }
        let (mut comments, taken) = self.comments(facts);
        comments.extend(self.answer_comments(facts));
        let message = self.customer_wrote_last(&taken);
        let moment = Moment { create: creating, message };
        let mut fields = self.case_fields(view, facts, moment);
        self.note_fields(&mut fields);
        self.finish(view, facts, creating, fields, comments);
    }

    fn finish(
        &mut self,
        view: &Snapshot<'_>,
        facts: &Facts,
        creating: bool,
        mut fields: Map<String, Value>,
        comments: Vec<Map<String, Value>>,
    ) {
        let Some(mapping) = self.mapping(facts) else {
            self.plan.skipped = Some("no mapping wants it");
            return;
        };
        let marker = self.marker(mapping);
        let marks_change = !comments.is_empty() || self.marks_missing();
        if !creating && fields.is_empty() && !marks_change {
            return;
        }
        self.baseline(&fields, creating);
        if marks_change || creating {
            fields.insert(mapping.marker_field.clone(), Value::String(marker));
        }
        if creating {
            fields.insert(mapping.key_field.clone(), json!(view.response.id.as_str()));
        }
        let comment = self.context.mapping.comment();
        self.plan.link_update.mapping = Some(self.context.mapping.version().to_owned());
        self.plan.write = Some(CaseWrite {
            object: mapping.object.clone(),
            patch: self.case().cloned(),
            fields,
            assignment: mapping.assignment.clone(),
            comment_object: comment.object.clone(),
            parent_field: comment.parent_field.clone(),
            comments,
        });
    }

    /// The mapping of this response; if none matches any more, a known Case keeps the first one.
    pub(super) fn mapping(&self, facts: &Facts) -> Option<&'a CaseMapping> {
        let chosen = self.context.mapping.case_mapping(facts).ok().flatten();
        chosen.or_else(|| self.context.mapping.case_mappings().first())
    }

    /// Comments for the new messages, and the messages that they contain.
    fn comments(&mut self, facts: &Facts) -> (Vec<Map<String, Value>>, Vec<Turn<'a>>) {
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
            let parts = self.comment_records(facts, &turn);
            if (may_be_none || !comments.is_empty()) && comments.len() + parts.len() > most {
                self.plan.more = true;
                break;
            }
            let how = if parts.is_empty() { MessageOrigin::Skipped } else { MessageOrigin::Imported };
            comments.extend(parts);
            self.learn(&turn, how);
            taken.push(turn);
        }
        (comments, taken)
    }

    fn imports(&self, turn: &Message) -> bool {
        let comment = self.context.mapping.comment();
        match turn.whose {
            Whose::Customer => comment.import_customer,
            Whose::Brand => comment.import_brand,
            // It must not be lost, even if its author is unknown.
            Whose::Unknown => comment.import_customer || comment.import_brand,
        }
    }

    /// The comment of a new Case that names the deleted one before it.
    fn successor_comment(&self) -> Vec<Map<String, Value>> {
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

    /// The comment's text, in as many parts as Salesforce requires.
    pub(super) fn comment_texts(&self, facts: &Facts, turn: &Message) -> Vec<String> {
        self.texts(turn, &self.context.mapping.comment().fields(facts, &turn.raw))
    }

    fn texts(&self, turn: &Message, rendered: &[Rendered]) -> Vec<String> {
        let comment = self.context.mapping.comment();
        let body = rendered.iter().find(|r| r.field == comment.body_field);
        let text = match body.map(|r| &r.value) {
            Some(Ok(Some(value))) => scalar_text(value),
            Some(Ok(None)) | None => String::new(),
            // The template failed: the message's own text is written instead of nothing.
            Some(Err(_)) => turn.content.clone(),
        };
        split_comment(&clean_text(&text), self.comment_bytes())
    }

    fn comment_records(&mut self, facts: &Facts, turn: &Message) -> Vec<Map<String, Value>> {
        let comment = self.context.mapping.comment();
        let rendered = comment.fields(facts, &turn.raw);
        let parts = self.texts(turn, &rendered);
        let mut record = Map::new();
        for field in rendered.into_iter().filter(|r| r.field != comment.body_field) {
            if let Some(value) = self.value(&field, self.context.comment, Purpose::Create) {
                record.insert(field.field, value);
            }
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
    fn customer_wrote_last(&self, taken: &[Turn<'_>]) -> bool {
        let Some(newest) = taken.last().filter(|t| t.whose == Whose::Customer && !self.plan.more) else {
            return false;
        };
        let known_later = self.link().is_some_and(|l| l.known.iter().any(|k| k.at > newest.at));
        let told_later = self.turns.iter().any(|t| t.at > newest.at);
        let only_reply = self.input.events.iter().all(|e| e.kind == EventKind::Reply);
        !known_later && !told_later && !only_reply
    }

    /// Only notes wait: they are written to the existing Case.
    fn notes_only(mut self) -> Plan {
        let Some(case) = self.case().cloned() else {
            self.plan.skipped = Some("no Case to tell it on");
            return self.plan;
        };
        let mut fields = Map::new();
        self.note_fields(&mut fields);
        let comments = self.answer_comments(&Facts::new("", &Value::Null));
        let context = self.context;
        let Some(mapping) = context.mapping.case_mappings().first() else { return self.plan };
        if self.marks_missing() {
            let marker = self.marker(mapping);
            fields.insert(mapping.marker_field.clone(), Value::String(marker));
        }
        if fields.is_empty() && comments.is_empty() {
            return self.plan;
        }
        self.baseline(&fields, false);
        let comment = self.context.mapping.comment();
        self.plan.write = Some(CaseWrite {
            object: mapping.object.clone(),
            patch: Some(case),
            fields,
            assignment: mapping.assignment.clone(),
            comment_object: comment.object.clone(),
            parent_field: comment.parent_field.clone(),
            comments,
        });
        self.plan
    }

    /// Stores the active status rule after our own write, so that the write fires nothing (design, rule 6).
    fn baseline(&mut self, fields: &Map<String, Value>, creating: bool) {
        let mut written = action_fields(fields, self.context);
        if let Some(status) = fields.get("Status").and_then(Value::as_str) {
            let closed = self.context.closed.iter().any(|c| c == status);
            written.insert("IsClosed".to_owned(), Value::Bool(closed));
        }
        if written.is_empty() && !creating {
            return;
        }
        // A new Case keeps no field of the deleted one.
        let before = self.link().filter(|_| !creating);
        let mut row = before.map(|l| l.last_seen_fields.clone()).unwrap_or_default();
        row.extend(written.clone());
        self.plan.link_update.active_status_rule =
            Some(active_status_rule(self.context.mapping, &Value::Object(row)));
        self.plan.link_update.rules = self.context.mapping.rules_version();
        self.plan.link_update.last_seen_fields = written;
    }

    /// Stores what this view says of the conversation, even if nothing is written.
    fn remember(&mut self, newest: &Response) {
        let link_update = &mut self.plan.link_update;
        for response in self.input.events.iter().map(|e| &e.response).chain([newest]) {
            let fresh = freshness(response);
            link_update.fresh = link_update.fresh.max(Some(fresh));
        }
        link_update.source.clone_from(&newest.source);
        link_update.customer = newest.emails.first().map(|mail| hash64(mail));
        let stale = self.input.link.is_some_and(|l| freshness(newest) < l.fresh);
        if !stale {
            link_update.waiting = Some(waiting_since(newest));
        }
        // A view newer than our first start has every message that the Case had before us, so these were compared.
        let since_start = |e: &Event| {
            let surely = |at: GoodaysTime| at.plus_millis(CARRIED_MS);
            self.input.first_start.is_some_and(|at| freshness(&e.response).newest >= surely(at))
        };
        link_update.read = self.input.events.iter().any(since_start);
        if !stale {
            let turns = self.turns.iter().map(Cow::as_ref).chain(&newest.turns);
            let last = turns.filter(|t| t.whose == Whose::Customer).max_by_key(|t| t.at);
            link_update.last_customer = last.map(|t| t.id.clone());
        }
        let reply =
            self.input.events.iter().map(|e| &e.response).chain([newest]).find_map(|r| r.reply.as_ref());
        if let Some(reply) = reply {
            self.plan.link_update.replied = Some(self.replied_by(&reply.id));
        }
    }

    fn replied_by(&self, reply: &MessageId) -> RepliedBy {
        let sent = |k: &Known| k.origin == MessageOrigin::Sent && k.id == *reply;
        let link_says = self.input.link.is_some_and(|l| l.known.iter().any(sent));
        if link_says || self.plan.link_update.known.iter().any(sent) {
            RepliedBy::Us
        } else {
            RepliedBy::Other
        }
    }
}

/// How new a view is.
pub fn freshness(response: &Response) -> Freshness {
    let spoken = response.turns.iter().chain(&response.first).chain(&response.reply).filter_map(|m| m.at);
    let newest = spoken.chain(response.created).max().unwrap_or_default();
    let turns = u32::try_from(response.turns.len()).unwrap_or(u32::MAX);
    Freshness { newest, turns, updated: response.updated.unwrap_or_default() }
}

/// Since when the customer waits for the brand: a return is open until it is processed ("process each one", Goodays
/// reference, 3.6), a private message until it is answered.
pub fn waiting_since(response: &Response) -> Option<GoodaysTime> {
    if response.actions.contains("reply") || response.actions.contains("close") {
        let first = response.first.as_ref().and_then(|m| m.at).or(response.created);
        return Some(first.unwrap_or_default());
    }
    let last = response.turns.last()?;
    (last.whose == Whose::Customer && response.actions.contains("message"))
        .then(|| last.at.unwrap_or_default())
}

fn scalar_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// Reports by field, for the log: names and codes, no values.
pub fn report_list(reports: &[Report]) -> String {
    let by_field: BTreeMap<&str, &str> =
        reports.iter().map(|r| (r.field.as_str(), r.code.as_str())).collect();
    by_field.iter().map(|(f, c)| format!("{f}:{c}")).collect::<Vec<_>>().join(" ")
}
