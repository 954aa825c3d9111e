//! Plans what to write to Salesforce from events of Goodays.
//!
//! Each event has the whole conversation, so any event is enough to create or complete a Case. Missing messages, told
//! apart by id, are imported. A view older than what we know changes no field.

mod commands;
mod comments;
pub mod customer;
mod fields;
mod key;
mod remember;
mod snapshot;

pub use remember::{freshness, waiting_since};

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::decide::inbound::snapshot::{Snapshot, freshest, told_turns};
use crate::decide::outbound::outcome::{Proof, arrived, message_ends_turn};
use crate::decide::outbound::recognise::{Fit, fit, likeness_to};
use crate::decide::{
    Intent, IntentState, Known, Link, LinkUpdate, MessageOrigin, Note, PlanContext, Report, hash64,
};
use crate::goodays::event::{Event, Message, Whose, normalised};
use crate::goodays::{MessageId, ResponseId, Verb};
use crate::mapping::{Assignment, CaseMapping, Facts, Mapping, Moment};
use crate::salesforce::RecordId;
use crate::time::GoodaysTime;

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
    /// Goodays' clock as these events are planned; `None` while that is not known.
    pub goodays_now: Option<GoodaysTime>,
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
    /// Parts of a command's answer need another transaction: the notes stay.
    pub notes_stay: bool,
    /// Whose Case it becomes has to be looked up before it is written.
    pub customer: Option<customer::Wanted>,
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
    let mut planner = Planner::new(input, context);
    let Some(view) = freshest(input) else { return planner.notes_only() };
    let facts = Facts::new(&view.name, &view.response.raw);
    if let Some(why) = planner.not_ours(&view, &facts) {
        return Plan { skipped: Some(why), ..Plan::default() };
    }
    planner.sort_turns(&facts);
    planner.settle_by_state(&view);
    planner.plan.message_ends_turn = planner.ends_turn(&view);
    planner.write(&view, &facts);
    planner.remember(&view.response);
    planner.plan
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
        self.context.mapping.case_mapping(facts).mapping.is_none().then_some("no mapping wants it")
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
        // A call of ours without an answer may have written the id of our own answer to the Case's marker.
        for turn in marked.iter().filter(|t| !link.is_some_and(|l| l.has_origin(&t.id))) {
            self.whose_own(turn);
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
        if let Some(link) = self.link().filter(|link| !link.unidentified.is_empty()) {
            let text = hash64(&normalised(&turn.content));
            let count = |texts: &[u64]| texts.iter().filter(|t| **t == text).count();
            if count(&link.unidentified) > count(&self.plan.link_update.identified) {
                self.plan.link_update.identified.push(text);
                self.learn(turn, MessageOrigin::Sent);
                return Fit::Ours;
            }
        }
        let settled = |seq: u64| self.plan.settles.iter().any(|(other, _, _)| *other == seq);
        let attempts = self.input.intents.iter().filter(|i| !settled(i.seq));
        let fits =
            attempts.filter_map(|i| Some((i, i.possible_attempt()?))).map(|(i, a)| (fit(i, a, turn), i, a));
        // Of attempts that fit equally the one whose words are more alike; then one that is not known to have failed; then
        // the older one, since they were sent in that order.
        let best = fits.max_by_key(|(fit, intent, attempt)| {
            let may_have_arrived = intent.state.is_open() && !attempt.is_refused();
            let alike = likeness_to(intent, attempt, turn);
            (*fit, alike, may_have_arrived, std::cmp::Reverse(intent.seq))
        });
        let Some((fit, intent, attempt)) = best else { return Fit::Stranger };
        // A message is held back only while it may become known whose it is.
        if fit == Fit::Doubtful && !intent.state.is_open() {
            return Fit::Stranger;
        }
        if fit == Fit::Ours {
            let proof = Proof::new(intent, attempt, turn);
            self.plan.settles.push((intent.seq, attempt.verb, Some(proof)));
            self.learn(turn, MessageOrigin::Sent);
        }
        self.plan.waits |= fit == Fit::Doubtful && matches!(intent.state, IntentState::Sending(_));
        fit
    }

    /// Whether `message` is still listed when the brand wrote the newest message of the view.
    fn ends_turn(&self, view: &Snapshot<'_>) -> Option<bool> {
        let last = view.response.turns.last().filter(|_| !view.stale)?;
        let sent = |id: &MessageId| self.link().is_some_and(|link| link.sent(id));
        let now = |id: &MessageId| {
            self.plan.link_update.known.iter().any(|k| k.id == *id && k.origin == MessageOrigin::Sent)
        };
        let ours = (sent(&last.id) || now(&last.id)).then(|| (&last.id, self.verb_of(&last.id)));
        message_ends_turn(&view.response, ours)
    }

    /// The verb that created this message of ours; `None` if it is not known any more.
    fn verb_of(&self, id: &MessageId) -> Option<Verb> {
        let now = |(_, verb, proof): &(u64, Verb, Option<Proof>)| {
            proof.as_ref().is_some_and(|proof| proof.id == *id).then_some(*verb)
        };
        let before = |intent: &Intent| match &intent.state {
            IntentState::Delivered { verb, message: Some(of), .. } if of == id => Some(*verb),
            _ => None,
        };
        self.plan.settles.iter().find_map(now).or_else(|| self.input.intents.iter().find_map(before))
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
        comments.extend(self.answer_comments(facts, comments.len()));
        let message = self.customer_wrote_last(&taken);
        let moment = Moment { create: creating, message };
        if creating || !view.stale {
            self.plan.link_update.case_file = self.mapping(facts).map(|mapping| mapping.name().to_owned());
        }
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
        // Object, key and marker are the same in all mappings.
        let Some(mapping) = self.mapping(facts).or(self.context.mapping.case_mappings().first()) else {
            self.plan.skipped = Some("no mapping wants it");
            return;
        };
        self.claim_survivor(mapping, &mut fields);
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
            self.plan.customer = self.customer(facts);
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

    /// The mapping whose rules are written.
    pub(super) fn mapping(&self, facts: &Facts) -> Option<&'a CaseMapping> {
        mapping_of(self.context.mapping, facts, self.link())
    }

    /// The comment's text, in as many parts as Salesforce requires.
    pub(super) fn comment_texts(&self, facts: &Facts, turn: &Message) -> Vec<String> {
        self.texts(turn, &self.context.mapping.comment().fields(facts, &turn.raw))
    }

    /// Only notes wait: they are written to the existing Case.
    fn notes_only(mut self) -> Plan {
        let Some(case) = self.case().cloned() else {
            self.plan.skipped = Some("no Case to tell it on");
            return self.plan;
        };
        let mut fields = Map::new();
        self.note_fields(&mut fields);
        let comments = self.answer_comments(&Facts::new("", &Value::Null), 0);
        let context = self.context;
        let Some(mapping) = context.mapping.case_mappings().first() else { return self.plan };
        if self.marks_missing() {
            let marker = self.marker(mapping);
            fields.insert(mapping.marker_field.clone(), Value::String(marker));
        }
        self.claim_survivor(mapping, &mut fields);
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
}

/// The mapping whose rules are written: the one that takes the response, or else the one that took it last. If that is not
/// known, or is gone, another one's rules could overwrite what an agent corrected: a Case then keeps its fields as they
/// are.
pub fn mapping_of<'a>(mapping: &'a Mapping, facts: &Facts, link: Option<&Link>) -> Option<&'a CaseMapping> {
    let all = mapping.case_mappings();
    let last = link.and_then(|link| link.case_file.as_deref());
    let of_last = || last.and_then(|name| all.iter().find(|case| case.name() == name));
    let has_case = link.is_some_and(|link| link.case.is_some());
    // Earlier states know no mapping. A new Case in place of a deleted one has no field that an agent corrected.
    let may_be_first = !has_case || (last.is_none() && all.len() == 1);
    let otherwise = || all.first().filter(|_| may_be_first);
    mapping.case_mapping(facts).mapping.or_else(of_last).or_else(otherwise)
}

/// Reports by field, for the log: names and codes, no values.
pub fn report_list(reports: &[Report]) -> String {
    let by_field: BTreeMap<&str, &str> =
        reports.iter().map(|r| (r.field.as_str(), r.code.as_str())).collect();
    by_field.iter().map(|(f, c)| format!("{f}:{c}")).collect::<Vec<_>>().join(" ")
}
