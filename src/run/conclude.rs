//! How an action ends: in the outbox, in the ledger, and on the Case.

use std::sync::atomic::Ordering;

use tracing::{info, warn};

use super::{Fatal, Shared, mutant};
use crate::goodays::event::{Response, normalised};
use crate::goodays::{MessageId, Verb};
use crate::http::Failure;
use crate::plan::deliver::{Arrival, arrival};
use crate::plan::inbound::waiting_since;
use crate::plan::{How, Intent, IntentState, Link, Note, RepliedBy, Sending, Told, Wish, hash64};
use crate::store::inbox::put_note;
use crate::store::ledger::put_link;
use crate::store::outbox::put_intent;
use crate::store::{RKey, Tx, keys};

impl Shared {
    /// Ends an intent, tells it on the Case, and teaches the link.
    pub(super) fn conclude(
        &self,
        intent: &Intent,
        state: &IntentState,
        note: &Note,
        teach: impl Fn(&mut Link),
    ) -> Result<(), Fatal> {
        let rkey = RKey::of(&intent.response_id);
        let now_ms = self.clock.now_ms();
        let seq = self.store.next_seq();
        loop {
            let mut tx = Tx::default();
            let Some(mut stored) = self.store.guard_intent(&mut tx, intent.seq)? else { return Ok(()) };
            if !stored.state.is_open() {
                return Ok(());
            }
            stored.state = state.clone();
            put_intent(&mut tx, rkey, &stored);
            if let Some(before) = self.store.guard_link(&mut tx, rkey)? {
                let mut link = before.clone();
                teach(&mut link);
                if link != before {
                    put_link(&mut tx, rkey, Some(&before), &link);
                }
            }
            if !mutant::is_on("tell-nobody") {
                put_note(&mut tx, rkey, seq, now_ms, note);
            }
            if matches!(state, IntentState::Delivered { .. }) {
                let total = self.counts.delivered.load(Ordering::Relaxed) + 1;
                tx.set(keys::meta("delivered"), crate::store::encode(&total));
            }
            if self.store.try_transact(&tx)? {
                break;
            }
        }
        if matches!(state, IntentState::Delivered { .. }) {
            self.counts.delivered.fetch_add(1, Ordering::Relaxed);
        }
        self.metrics.action(&note.action, state.name());
        info!(response = %intent.response_id, action = %note.action, outcome = state.name(), "an action ended");
        if mutant::is_on("log-words") {
            info!(wish = ?intent.wish, "an action ended");
        }
        self.wake_lane(rkey.lane());
        Ok(())
    }

    pub(super) fn delivered(
        &self,
        intent: &Intent,
        verb: Verb,
        message: Option<&MessageId>,
        view: Option<&Response>,
    ) -> Result<(), Fatal> {
        let at_ms = self.clock.now_ms();
        let state = IntentState::Delivered { at_ms, verb, message: message.cloned() };
        let left_out = match &intent.wish {
            Wish::Call { left_out, .. } => left_out.clone(),
            _ => String::new(),
        };
        let note = Note {
            told: Told::Sent,
            action: verb.to_string(),
            reason: left_out,
            view: view.map(|v| v.raw.clone()),
        };
        let text = match &intent.wish {
            Wish::Answer { content, .. } => Some(hash64(&normalised(content))),
            _ => None,
        };
        self.conclude(intent, &state, &note, |link| {
            match (message, text) {
                _ if mutant::is_on("forget-sent") => {}
                (Some(id), _) => link.learn(id.clone(), Some(at_ms), How::Sent),
                (None, Some(text)) => link.unidentified.push(text),
                (None, None) => {}
            }
            if verb == Verb::Reply {
                link.replied.get_or_insert(RepliedBy::Us);
            }
            link.waiting_since = view.and_then(waiting_since);
        })
    }

    pub(super) fn park_intent(
        &self,
        intent: &Intent,
        code: &str,
        why: &str,
        view: Option<&Response>,
    ) -> Result<(), Fatal> {
        let since_ms = self.clock.now_ms();
        let state = IntentState::Parked { since_ms, code: code.to_owned(), why: why.to_owned() };
        let note = Note {
            told: Told::Failed,
            action: intent.wish.name().to_owned(),
            reason: why.to_owned(),
            view: view.map(|v| v.raw.clone()),
        };
        warn!(response = %intent.response_id, action = intent.wish.name(), code, "not sent");
        self.conclude(intent, &state, &note, |_| {})
    }

    pub(super) fn unclear(&self, intent: &Intent, sending: Sending, why: &str) -> Result<(), Fatal> {
        let since_ms = self.clock.now_ms();
        let state = IntentState::Unclear { since_ms, why: why.to_owned(), sending };
        let note = Note {
            told: Told::Unclear,
            action: intent.wish.name().to_owned(),
            reason: why.to_owned(),
            view: None,
        };
        warn!(response = %intent.response_id, action = intent.wish.name(), "unclear: it may have reached the customer or not");
        self.conclude(intent, &state, &note, |_| {})
    }

    /// Looks once more whether an unclear action arrived; true when that settled it.
    pub(super) async fn look_again(&self, intent: &Intent, sending: &Sending) -> Result<bool, Failure> {
        let view = self.goodays.response(&intent.response_id).await?;
        match arrival(intent, sending, &view) {
            Arrival::Arrived(id) => {
                self.delivered(intent, sending.verb, id.as_ref(), Some(&view))
                    .map_err(|e| Failure::NotSent(e.to_string()))?;
                Ok(true)
            }
            Arrival::NotSeen => Ok(false),
        }
    }
}

pub(super) fn note(told: Told, intent: &Intent, reason: &str, view: &Response) -> Note {
    Note {
        told,
        action: intent.wish.name().to_owned(),
        reason: reason.to_owned(),
        view: Some(view.raw.clone()),
    }
}
