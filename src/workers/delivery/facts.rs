//! What a decision about an action needs beside the conversation: settings, clocks, and what Goodays has shown.

use std::sync::Arc;

use crate::config::{Actions, Approval};
use crate::decide::outbound::outcome::message_ends_turn;
use crate::decide::outbound::{Circumstances, Outcome, Reading, Refuses, fresh_ms};
use crate::decide::{Intent, Link};
use crate::goodays::ResponseId;
use crate::goodays::event::Response;
use crate::goodays::{MessageId, Verb};
use crate::http::Failure;
use crate::mutant;
use crate::state::{RKey, Store, StoreError};
use crate::time::{GoodaysTime, SalesforceTime, salesforce_to_goodays};
use crate::workers::runtime::retry::millis;
use crate::workers::{Remote, Shared, Stop};

/// Whether this account stops listing `message` once the brand has written a private message.
const MESSAGE_ENDS_TURN: &str = "a message ends the turn";
/// The same of earlier versions, which took it from public replies, too: only *no* counts.
const ANSWER_ENDS_TURN: &str = "message ends turn";

/// What is stored of [`Shared::learn_turns`].
pub(crate) async fn message_ends_turn_of(store: &Store) -> Result<Option<bool>, StoreError> {
    match store.meta(MESSAGE_ENDS_TURN).await? {
        Some(ends) => Ok(Some(ends)),
        None => Ok(store.meta(ANSWER_ENDS_TURN).await?.filter(|ends: &bool| !ends)),
    }
}

impl Shared {
    /// What applies to all actions now.
    pub(crate) fn circumstances(&self, now_ms: i64) -> Circumstances {
        let settle_ms = if mutant::is_on("skip-settle") { -1_000_000 } else { millis(self.config.settle) };
        let away = self.goodays_breaker.trouble_with_calls();
        let refuses = self.goodays_breaker.trouble_with_writes();
        let until_ms = self.goodays_breaker.writes_paused_until(now_ms);
        let live = self.live();
        let observe = live.actions == Actions::Observe;
        // What is only observed goes nowhere, so nobody has to take it back in time.
        let undo_ms = |span| if observe { 0 } else { millis(span) };
        Circumstances {
            now_ms,
            close_grace_ms: millis(live.poll.close_grace),
            settle_ms,
            poll_ms: fresh_ms(millis(live.poll.interval), millis(self.store.round_trip())),
            polled_ms: self.poll_state.began_ms(),
            observe,
            undo_reply_ms: undo_ms(live.undo.reply),
            undo_message_ms: undo_ms(live.undo.message),
            approval: live.approval == Approval::Public,
            goodays_away_ms: away.map(|trouble| trouble.since_ms),
            refuses: refuses
                .map(|it| Refuses { since_ms: it.since_ms, until_ms: until_ms.unwrap_or(now_ms) }),
            message_ends_turn: **self.message_ends_turn.load(),
        }
    }

    pub(crate) fn reading<'a>(&self, view: &'a Response, asked_ms: i64) -> Reading<'a> {
        let now = self.circumstances(asked_ms);
        Reading { view, asked_ms, settle_ms: now.settle_ms, message_ends_turn: now.message_ends_turn }
    }

    /// Learns from a view of Goodays whether `message` stays listed; `ours` as for [`message_ends_turn`].
    pub(super) async fn learn_turns(
        &self,
        view: &Response,
        ours: Option<(&MessageId, Option<Verb>)>,
    ) -> Result<(), StoreError> {
        match message_ends_turn(view, ours) {
            Some(ends) => self.learn(ends).await,
            None => Ok(()),
        }
    }

    /// Stores whether `message` is listed after the brand wrote. Once it was, a listed `message` no longer shows that an
    /// answer did not arrive.
    pub(crate) async fn learn(&self, ends: bool) -> Result<(), StoreError> {
        let known = **self.message_ends_turn.load();
        if known.is_none() || (known == Some(true) && !ends) {
            self.store.set_meta(MESSAGE_ENDS_TURN, &ends).await?;
            self.message_ends_turn.store(Arc::new(Some(ends)));
        }
        Ok(())
    }

    /// Reads back an action with unknown outcome. True, and stored, when it arrived.
    pub(crate) async fn look_for(&self, intent: &Intent) -> Result<bool, Stop> {
        let asked_ms = self.clock.now_ms();
        let result = self.goodays.response(&intent.response_id).await;
        self.call_ended(Remote::Goodays, &result, asked_ms);
        let view = result?;
        self.learn_turns(&view, None).await?;
        let (reading, now_ms) = (self.reading(&view, asked_ms), self.clock.now_ms());
        let found = self
            .change(&intent.response_id, |loaded| loaded.now.read_back(intent.seq, reading, now_ms))
            .await?;
        Ok(matches!(found, Some(Outcome::Arrived(_))))
    }

    /// Whether a refusal is Goodays' own, for this response, or the network's, for everything. The latter pauses all.
    pub(super) async fn whose_refusal(&self, failure: Failure, began_ms: i64) -> Failure {
        if !matches!(failure, Failure::Refused { .. } | Failure::Road(_)) {
            self.call_failed(Remote::Goodays, &failure, began_ms);
            return failure;
        }
        let well = self.goodays.is_well().await;
        self.call_ended(Remote::Goodays, &well, began_ms);
        match well {
            Ok(()) => failure,
            Err(all) => all,
        }
    }

    /// The same of a read of this response: something that Goodays lists besides may be shown or not.
    pub(super) async fn whose_unread(
        &self,
        id: &ResponseId,
        failure: Failure,
        began_ms: i64,
    ) -> Result<Failure, StoreError> {
        let failure = self.whose_refusal(failure, began_ms).await;
        if !matches!(failure, Failure::Refused { .. }) {
            return Ok(failure);
        }
        let shown = self.goodays.shows_others(id, self.knows_others(id).await?).await;
        self.call_ended(Remote::Goodays, &shown, began_ms);
        Ok(shown.err().unwrap_or(failure))
    }

    /// Whether the ledger has another response than this one.
    async fn knows_others(&self, id: &ResponseId) -> Result<bool, StoreError> {
        let first = self.store.links_from(RKey::FIRST).await?;
        Ok(first.next.is_some() || first.links.iter().any(|link| link.response_id != *id))
    }

    /// A time of Salesforce's clock converted to Goodays' clock; `None` while either clock is not known.
    pub(crate) fn on_goodays_clock(&self, moment: SalesforceTime) -> Option<GoodaysTime> {
        let salesforce = self.salesforce.now()?;
        Some(salesforce_to_goodays(moment, salesforce, self.goodays.now()?))
    }

    /// A newer Case of the same customer, named in the reason of a refused answer (design, rule 12).
    pub(crate) async fn newer_case(&self, intent: &Intent) -> Result<Option<String>, StoreError> {
        let link = self.store.link(RKey::of(&intent.response_id)).await?;
        let Some((link, customer)) = link.as_ref().and_then(|l| Some((l, l.customer?))) else {
            return Ok(None);
        };
        if !intent.kind.is_answer() {
            return Ok(None);
        }
        let others = self.store.links_of_customer(customer).await?;
        let newer = |o: &&Link| o.response_id != link.response_id && o.fresh.newest > link.fresh.newest;
        let newest = others.iter().filter(newer).max_by_key(|o| o.fresh.newest);
        Ok(newest.and_then(|l| l.case.as_ref()).map(|c| c.number.clone().unwrap_or_else(|| c.id.to_string())))
    }
}
