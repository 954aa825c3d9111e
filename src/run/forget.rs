//! Removing what we hold of a person (law 10): payloads, texts, addresses and their hashes.
//!
//! Ids stay, so that nothing is imported or sent a second time; what stands in Salesforce and in Goodays is
//! theirs to remove.

use serde::Serialize;

use super::{Fatal, Shared};
use crate::goodays::ResponseId;
use crate::plan::{IntentState, hash64};
use crate::store::inbox::{AT_ONCE, drop_note};
use crate::store::ledger::put_link;
use crate::store::outbox::put_intent;
use crate::store::{EntryState, RKey, StoreError, Tx, keys};

/// What was removed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Forgotten {
    pub responses: usize,
    pub events: usize,
    pub actions: usize,
}

impl Shared {
    /// Forgets one response.
    pub async fn forget_response(&self, id: &ResponseId) -> Result<Forgotten, Fatal> {
        let mut done = Forgotten::default();
        self.forget_one(RKey::of(id), &mut done)?;
        self.store.durable().await?;
        Ok(done)
    }

    /// Forgets every response that was left under an address, and the address as an agent's.
    pub async fn forget_email(&self, email: &str) -> Result<Forgotten, Fatal> {
        let mut done = Forgotten::default();
        let email = email.trim().to_lowercase();
        for link in self.store.links_of_customer(hash64(&email))? {
            self.forget_one(RKey::of(&link.response_id), &mut done)?;
        }
        let (from, to) = keys::room(b'O');
        for key in self.store.keys(&from, &to, usize::MAX)? {
            let Some(intent) = keys::tail_seq(&key).map(|seq| self.store.intent(seq)).transpose()?.flatten()
            else {
                continue;
            };
            if intent.author.as_deref().is_some_and(|a| a.to_lowercase() == email) {
                self.forget_intent(intent.seq, false, &mut done)?;
            }
        }
        self.store.durable().await?;
        Ok(done)
    }

    fn forget_one(&self, rkey: RKey, done: &mut Forgotten) -> Result<(), StoreError> {
        let known = done.events;
        loop {
            let mut tx = Tx::default();
            let waiting = self.store.waiting(rkey)?;
            let events = self.store.entries_of(rkey, AT_ONCE)?;
            let mut pending = 0;
            for entry in &events {
                if let EntryState::Waiting { due_ms } = entry.state {
                    tx.remove(keys::queue(rkey.lane(), due_ms, entry.seq));
                    pending += 1;
                }
                tx.remove(keys::parked(b'e', entry.seq));
                tx.remove(keys::payload(entry.seq));
                tx.remove(keys::entry(entry.seq));
                tx.remove(keys::of_response(rkey, entry.seq));
            }
            for (seq, due_ms, _) in &waiting.notes {
                drop_note(&mut tx, rkey, *seq, *due_ms);
            }
            let before = self.store.guard_link(&mut tx, rkey)?;
            if let Some(before) = &before {
                let mut link = before.clone();
                link.row.clear();
                link.fields.clear();
                link.waiting_since = None;
                if let Some(hash) = link.customer.take() {
                    tx.remove(keys::customer(hash, rkey));
                }
                put_link(&mut tx, rkey, Some(before), &link);
            }
            if self.store.try_transact(&tx)? {
                self.counts.pending.fetch_sub(pending, std::sync::atomic::Ordering::Relaxed);
                done.events += events.len();
                if events.len() == AT_ONCE {
                    continue;
                }
                done.responses += usize::from(before.is_some() || done.events > known);
                for answered in before.iter().flat_map(|l| &l.answers) {
                    self.forget_intent(answered.intent, true, done)?;
                }
                for intent in self.store.open_intents(rkey)? {
                    self.forget_intent(intent.seq, true, done)?;
                }
                return Ok(());
            }
        }
    }

    /// Texts and author of an action; what was not sent yet is not sent any more when its customer is forgotten.
    fn forget_intent(&self, seq: u64, cancel: bool, done: &mut Forgotten) -> Result<(), StoreError> {
        let mut tx = Tx::default();
        let Some(mut intent) = self.store.guard_intent(&mut tx, seq)? else { return Ok(()) };
        let unsent = matches!(intent.state, IntentState::Ready { .. } | IntentState::Parked { .. });
        if !cancel && intent.state.is_open() {
            intent.author = None;
        } else {
            if cancel && unsent {
                let at_ms = self.clock.now_ms();
                intent.state = IntentState::Settled { at_ms, why: "forgotten".to_owned() };
            }
            intent.forget_texts();
        }
        put_intent(&mut tx, RKey::of(&intent.response_id), &intent);
        done.actions += usize::from(self.store.try_transact(&tx)?);
        Ok(())
    }
}
