//! What the ledger keeps of a written Case and of the newest view.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::Planner;
use crate::decide::inbound::snapshot::with_times;
use crate::decide::reconcile::action_fields;
use crate::decide::{Freshness, Known, MessageOrigin, RepliedBy, active_status_rule, hash64};
use crate::goodays::MessageId;
use crate::goodays::event::{Event, Response, Whose};
use crate::time::{CARRIED_MS, GoodaysTime};

impl Planner<'_> {
    /// Stores the active status rule after our own write, so that the write fires nothing (design, rule 6).
    pub(super) fn baseline(&mut self, fields: &Map<String, Value>, creating: bool) {
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
    pub(super) fn remember(&mut self, newest: &Response) {
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
            let turns = with_times(self.turns.iter().map(Cow::as_ref)).chain(with_times(newest.turns.iter()));
            let last = turns.filter(|(_, t)| t.whose == Whose::Customer).max_by_key(|(at, _)| *at);
            link_update.last_customer = last.map(|(_, t)| t.id.clone());
        }
        let reply =
            self.input.events.iter().map(|e| &e.response).chain([newest]).find_map(|r| r.reply.as_ref());
        if let Some(reply) = reply {
            self.plan.link_update.replied = Some(self.replied_by(&reply.id));
        }
    }

    pub(super) fn replied_by(&self, reply: &MessageId) -> RepliedBy {
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
