//! Removes what we store about a person (law 10): payloads, texts, addresses and their hashes.
//!
//! Ids stay, so that nothing is imported or sent a second time. Data in Salesforce and Goodays has to be removed
//! there.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use serde::Serialize;

use crate::decide::{Intent, IntentState, hash64};
use crate::goodays::{ResponseId, event};
use crate::json;
use crate::state::inbox::{AT_ONCE, drop_note};
use crate::state::ledger::put_link;
use crate::state::outbox::put_intent;
use crate::state::pages::Pages;
use crate::state::{Entry, EntryState, RKey, StoreError, Tx, keys};
use crate::workers::{Fatal, Shared};

/// What was removed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Forgotten {
    pub responses: usize,
    pub events: usize,
    pub actions: usize,
    /// Actions in flight: they keep their text until their outcome is known. Forget them again in a minute.
    pub in_flight: usize,
}

/// The person to forget, as a customer and as an agent.
struct Person {
    responses: BTreeSet<RKey>,
    /// In lower case; `None`: only the responses are forgotten.
    email: Option<String>,
}

impl Shared {
    /// Forgets one response.
    pub async fn forget_response(&self, id: &ResponseId) -> Result<Forgotten, Fatal> {
        let person = Person { responses: [RKey::of(id)].into(), email: None };
        self.forget(&person, Forgotten::default()).await
    }

    /// Forgets every response from an address, unreadable events that contain it, and the address as an agent's.
    pub async fn forget_email(&self, email: &str) -> Result<Forgotten, Fatal> {
        let email = email.trim().to_lowercase();
        if email.is_empty() {
            return Ok(Forgotten::default());
        }
        let mut done = Forgotten::default();
        let index = self.store.all_keys(keys::customer_prefix(hash64(&email)))?;
        let tail = |key: &Vec<u8>| RKey::read(&key[key.len().saturating_sub(16)..]);
        let mut responses: BTreeSet<RKey> = index.iter().filter_map(tail).collect();
        // Waiting events have no link yet, and a person may have several addresses.
        let mut entries = Pages::new(keys::room(b'E'));
        while let Some(page) = entries.keys(&self.store)? {
            for key in page {
                let Some(entry) =
                    keys::tail_seq(&key).map(|seq| self.store.entry(seq)).transpose()?.flatten()
                else {
                    continue;
                };
                match &entry.response_id {
                    Some(id) => responses.extend(self.is_from(&entry, &email)?.then(|| RKey::of(id))),
                    None => self.forget_unreadable(&entry, &email, &mut done)?,
                }
                // A long loop: other tasks get their turn.
                tokio::task::yield_now().await;
            }
        }
        let done = self.forget(&Person { responses, email: Some(email.clone()) }, done).await?;
        // After the links: an address that was changed later has left its old hash.
        for key in &index {
            self.forget_index(key, hash64(&email))?;
        }
        self.store.durable().await?;
        Ok(done)
    }

    /// Removes an index entry, unless an event that just arrived has the address again.
    fn forget_index(&self, key: &[u8], hash: u64) -> Result<(), StoreError> {
        let rkey = RKey::read(&key[key.len().saturating_sub(16)..]);
        loop {
            let mut tx = Tx::default();
            let link = rkey.map(|rkey| self.store.guard_link(&mut tx, rkey)).transpose()?.flatten();
            if link.is_some_and(|link| link.customer == Some(hash)) {
                return Ok(());
            }
            tx.remove(key);
            if self.store.try_transact(&tx)? {
                return Ok(());
            }
        }
    }

    async fn forget(&self, person: &Person, mut done: Forgotten) -> Result<Forgotten, Fatal> {
        for rkey in &person.responses {
            self.forget_one(*rkey, &mut done)?;
        }
        let mut actions = Pages::new(keys::room(b'O'));
        while let Some(page) = actions.keys(&self.store)? {
            for seq in page.iter().filter_map(|key| keys::tail_seq(key)) {
                self.forget_intent(seq, person, &mut done)?;
                tokio::task::yield_now().await;
            }
        }
        self.store.durable().await?;
        Ok(done)
    }

    /// Whether the event has the address as its customer's.
    fn is_from(&self, entry: &Entry, email: &str) -> Result<bool, StoreError> {
        let bytes =
            self.store.or_damaged("body", &keys::payload(entry.seq), self.store.payload(entry.seq))?;
        let Some(bytes) = bytes else { return Ok(false) };
        let event = json::read(&bytes).ok().and_then(|body| event::read_owned(body).ok());
        Ok(event.is_some_and(|event| event.response.emails.iter().any(|own| own == email)))
    }

    /// An unreadable event has no known response: it is removed if it contains the address.
    fn forget_unreadable(&self, entry: &Entry, email: &str, done: &mut Forgotten) -> Result<(), StoreError> {
        let bytes =
            self.store.or_damaged("body", &keys::payload(entry.seq), self.store.payload(entry.seq))?;
        let Some(bytes) = bytes else { return Ok(()) };
        if !names(&String::from_utf8_lossy(&bytes).to_lowercase(), email) {
            return Ok(());
        }
        let mut tx = Tx::default();
        if self.store.guard_entry(&mut tx, entry.seq)?.as_ref() != Some(entry) {
            return Ok(());
        }
        tx.remove(keys::parked(b'e', entry.seq));
        tx.remove(keys::payload(entry.seq));
        tx.remove(keys::entry(entry.seq));
        done.events += usize::from(self.store.try_transact(&tx)?);
        Ok(())
    }

    /// Forgets the events, the notes and the ledger's values of one response.
    fn forget_one(&self, rkey: RKey, done: &mut Forgotten) -> Result<(), StoreError> {
        let known = done.events;
        loop {
            let mut tx = Tx::default();
            let waiting = self.store.waiting(rkey)?;
            let events = self.store.entries_of(rkey, AT_ONCE)?;
            let mut pending = 0;
            let unchanged = self.store.guard_unchanged(&mut tx, &events)?;
            if unchanged.len() < events.len() {
                continue;
            }
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
            for (seq, due_ms) in self.store.guard_notes(&mut tx, rkey, &waiting.notes)? {
                drop_note(&mut tx, rkey, seq, due_ms);
            }
            for seq in self.store.without_header(rkey)? {
                // Its queue item is removed when the inbound worker finds it.
                tx.remove(keys::parked(b'e', seq)).remove(keys::payload(seq));
                tx.remove(keys::entry(seq)).remove(keys::of_response(rkey, seq));
            }
            let before = self.store.guard_link(&mut tx, rkey)?;
            if let Some(before) = &before {
                let mut link = before.clone();
                link.last_seen_fields.clear();
                link.fields.clear();
                link.waiting_since = None;
                if let Some(hash) = link.customer.take() {
                    tx.remove(keys::customer(hash, rkey));
                }
                put_link(&mut tx, rkey, Some(before), &link);
            }
            if self.store.try_transact(&tx)? {
                self.counts.pending.fetch_sub(pending, Ordering::Relaxed);
                done.events += events.len();
                if events.len() < AT_ONCE {
                    done.responses += usize::from(before.is_some() || done.events > known);
                    return Ok(());
                }
            }
        }
    }

    /// Forgets the texts and author of a customer's action, or the address of an agent.
    fn forget_intent(&self, seq: u64, person: &Person, done: &mut Forgotten) -> Result<(), StoreError> {
        loop {
            let mut tx = Tx::default();
            let Some(mut intent) = self.store.guard_intent(&mut tx, seq)? else { return Ok(()) };
            let before = intent.clone();
            let rkey = RKey::of(&intent.response_id);
            let author = intent.author.as_deref().map(str::to_lowercase);
            if person.responses.contains(&rkey) {
                self.without_customer(&mut intent);
            } else if author.is_some() && author == person.email {
                intent.author = None;
                if !intent.state.is_open() {
                    intent.forget_texts();
                }
            }
            if intent != before {
                put_intent(&mut tx, rkey, &intent);
            }
            if self.store.try_transact(&tx)? {
                let sending = matches!(intent.state, IntentState::Sending(_));
                done.in_flight += usize::from(sending && person.responses.contains(&rkey));
                done.actions += usize::from(intent != before);
                return Ok(());
            }
        }
    }

    /// An unsent action is not sent any more. An action in flight keeps its text: the read back compares it.
    fn without_customer(&self, intent: &mut Intent) {
        let at_ms = self.clock.now_ms();
        match intent.state {
            IntentState::Sending(_) => return,
            IntentState::Ready { .. } | IntentState::Unclear { .. } | IntentState::Parked { .. } => {
                intent.state = IntentState::Settled { at_ms, why: "forgotten".to_owned() };
            }
            IntentState::Delivered { .. }
            | IntentState::Settled { .. }
            | IntentState::Cancelled { .. }
            | IntentState::Observed { .. } => {}
        }
        intent.forget_texts();
    }
}

/// Whether the text has the address, and not as part of a longer one.
fn names(text: &str, email: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || "_+-@%".contains(c);
    text.match_indices(email).any(|(at, _)| {
        let mut after = text[at + email.len()..].chars();
        let longer = match after.next() {
            Some('.') => after.next().is_some_and(char::is_alphanumeric),
            next => next.is_some_and(part),
        };
        let before = text[..at].chars().next_back();
        !longer && !before.is_some_and(|c| c == '.' || part(c))
    })
}

#[cfg(test)]
mod tests {
    use super::names;

    #[test]
    fn an_address_is_found_whole() {
        for text in ["ann@x.example", "\"ann@x.example\"", "write to ann@x.example.", "<ann@x.example>, bob"]
        {
            assert!(names(text, "ann@x.example"), "{text}");
        }
        for text in ["joann@x.example", "jo.ann@x.example", "ann@x.example.org", "ann@x.examples", "ann"] {
            assert!(!names(text, "ann@x.example"), "{text}");
        }
    }
}
