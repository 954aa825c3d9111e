//! Removes what we store about a person (law 10): payloads, texts, addresses and their hashes.
//!
//! It is overwritten on the disk as well before the command ends. Ids stay, so that nothing is imported or sent a second time. Data in Salesforce and Goodays has to be removed
//! there.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use serde::Serialize;

use crate::decide::{Intent, IntentState, Link, hash64};
use crate::goodays::{ResponseId, event};
use crate::json;
use crate::state::{Entry, RKey, StoreError, Wipe};
use crate::workers::{Fatal, Shared};

/// Events and actions that are read together.
const SLICE: usize = 400;

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
        let index = self.store.responses_of_customer(hash64(&email)).await?;
        let mut responses: BTreeSet<RKey> = index.iter().copied().collect();
        // Waiting events have no link yet, and a person may have several addresses.
        let mut from = Some(0);
        while let Some(number) = from {
            let page = self.store.events_from(number, SLICE).await?;
            for entry in page.records {
                match &entry.response_id {
                    Some(id) => responses.extend(self.is_from(&entry, &email).await?.then(|| RKey::of(id))),
                    None => self.forget_unreadable(&entry, &email, &mut done).await?,
                }
                // A long loop: other tasks get their turn.
                tokio::task::yield_now().await;
            }
            from = page.next;
        }
        let done = self.forget(&Person { responses, email: Some(email.clone()) }, done).await?;
        // After the links: an address that was changed later has left its old hash.
        for rkey in index {
            self.store.forget_customer(hash64(&email), rkey).await?;
        }
        self.store.durable().await?;
        Ok(done)
    }

    async fn forget(&self, person: &Person, mut done: Forgotten) -> Result<Forgotten, Fatal> {
        for rkey in &person.responses {
            self.forget_one(*rkey, &mut done).await?;
        }
        let mut from = Some(0);
        while let Some(number) = from {
            let page = self.store.intents_from(number, SLICE).await?;
            for intent in page.records {
                self.forget_intent(&intent, person, &mut done).await?;
                tokio::task::yield_now().await;
            }
            from = page.next;
        }
        self.store.durable().await?;
        self.store.wipe().await?;
        Ok(done)
    }

    /// Whether the event has the address as its customer's.
    async fn is_from(&self, entry: &Entry, email: &str) -> Result<bool, StoreError> {
        let Some(bytes) = self.store.body(entry.seq).await? else { return Ok(false) };
        let event = json::read(&bytes).ok().and_then(|body| event::read_owned(body).ok());
        Ok(event.is_some_and(|event| event.response.emails.iter().any(|own| own == email)))
    }

    /// An unreadable event has no known response: it is removed if it contains the address.
    async fn forget_unreadable(
        &self,
        entry: &Entry,
        email: &str,
        done: &mut Forgotten,
    ) -> Result<(), StoreError> {
        let Some(bytes) = self.store.body(entry.seq).await? else { return Ok(()) };
        if names(&String::from_utf8_lossy(&bytes).to_lowercase(), email) {
            done.events += usize::from(self.store.forget_nameless_event(entry).await?);
        }
        Ok(())
    }

    /// Forgets the events, the notes and the ledger's values of one response.
    async fn forget_one(&self, rkey: RKey, done: &mut Forgotten) -> Result<(), StoreError> {
        let forgotten = self.store.forget_conversation(rkey, Link::forget_values).await?;
        self.counts.pending.fetch_sub(forgotten.pending, Ordering::Relaxed);
        done.events += forgotten.events;
        done.responses += usize::from(forgotten.known || forgotten.events > 0);
        Ok(())
    }

    /// Forgets the texts and author of a customer's action, or the address of an agent.
    async fn forget_intent(
        &self,
        found: &Intent,
        person: &Person,
        done: &mut Forgotten,
    ) -> Result<(), StoreError> {
        let of_customer = person.responses.contains(&RKey::of(&found.response_id));
        let change = |intent: &mut Intent| {
            let author = intent.author.as_deref().map(str::to_lowercase);
            if of_customer {
                self.without_customer(intent);
            } else if author.is_some() && author == person.email {
                intent.author = None;
                if !intent.state.is_open() {
                    intent.forget_texts();
                }
            }
        };
        if let Some((before, after)) = self.store.rewrite_intent(found.seq, change, Wipe::Earlier).await? {
            let sending = matches!(after.state, IntentState::Sending(_));
            done.in_flight += usize::from(sending && of_customer);
            done.actions += usize::from(after != before);
        }
        Ok(())
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
