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
use crate::state::{Entry, ForgottenConversation, RKey, StoreError, Wipe};
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
        let mut done = Forgotten::default();
        self.forget(&person, &mut done).await?;
        Ok(done)
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
        let in_flight = self.forget(&Person { responses, email: Some(email.clone()) }, &mut done).await?;
        // After the links: an address that was changed later has left its old hash.
        for rkey in index.into_iter().filter(|rkey| !in_flight.contains(rkey)) {
            self.store.forget_customer(hash64(&email), rkey).await?;
        }
        self.store.durable().await?;
        Ok(done)
    }

    /// Returns the responses with an action in flight. They keep their customer's hash, by which the next run finds them.
    async fn forget(&self, person: &Person, done: &mut Forgotten) -> Result<BTreeSet<RKey>, Fatal> {
        for rkey in &person.responses {
            self.forget_one(*rkey, done).await?;
        }
        let mut in_flight = BTreeSet::new();
        let mut from = Some(0);
        while let Some(number) = from {
            let page = self.store.intents_from(number, SLICE).await?;
            for intent in page.records {
                if self.forget_intent(&intent, person, done).await? {
                    in_flight.insert(RKey::of(&intent.response_id));
                }
                tokio::task::yield_now().await;
            }
            from = page.next;
        }
        for rkey in person.responses.difference(&in_flight) {
            self.forget_conversation(*rkey, Link::forget_values, done).await?;
        }
        self.store.durable().await?;
        self.store.wipe().await?;
        Ok(in_flight)
    }

    /// Whether the event has the address as its customer's; one that cannot be read, whether it has it at all.
    async fn is_from(&self, entry: &Entry, email: &str) -> Result<bool, StoreError> {
        let Some(bytes) = self.store.body(entry.seq).await? else { return Ok(false) };
        let event = json::read(&bytes).ok().and_then(|body| event::read_owned(body).ok());
        Ok(match event {
            Some(event) => event.response.emails.iter().any(|own| own == email),
            // It has too many values, for example: nobody can tell whose address it has.
            None => contains(&bytes, email),
        })
    }

    /// An unreadable event has no known response: it is removed if it contains the address.
    async fn forget_unreadable(
        &self,
        entry: &Entry,
        email: &str,
        done: &mut Forgotten,
    ) -> Result<(), StoreError> {
        let Some(bytes) = self.store.body(entry.seq).await? else { return Ok(()) };
        if contains(&bytes, email) {
            done.events += usize::from(self.store.forget_nameless_event(entry).await?);
        }
        Ok(())
    }

    /// Forgets the events, the notes and the ledger's values of one response, but not yet whose it is.
    async fn forget_one(&self, rkey: RKey, done: &mut Forgotten) -> Result<(), StoreError> {
        let clean = |link: &mut Link| {
            let customer = link.customer;
            link.forget_values();
            link.customer = customer;
        };
        let forgotten = self.forget_conversation(rkey, clean, done).await?;
        done.responses += usize::from(forgotten.known || forgotten.events > 0);
        Ok(())
    }

    async fn forget_conversation(
        &self,
        rkey: RKey,
        clean: impl Fn(&mut Link) + Send + Sync,
        done: &mut Forgotten,
    ) -> Result<ForgottenConversation, StoreError> {
        let forgotten = self.store.forget_conversation(rkey, clean).await?;
        self.counts.pending.fetch_sub(forgotten.pending, Ordering::Relaxed);
        done.events += forgotten.events;
        Ok(forgotten)
    }

    /// Forgets the texts and author of a customer's action, or the address of an agent. True if it is the customer's and
    /// in flight.
    async fn forget_intent(
        &self,
        found: &Intent,
        person: &Person,
        done: &mut Forgotten,
    ) -> Result<bool, StoreError> {
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
        let rewritten = self.store.rewrite_intent(found.seq, change, Wipe::Earlier).await?;
        let Some((before, after)) = rewritten else { return Ok(false) };
        let in_flight = of_customer && matches!(after.state, IntentState::Sending(_));
        done.in_flight += usize::from(in_flight);
        done.actions += usize::from(after != before);
        Ok(in_flight)
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

/// Whether a body has the address anywhere.
fn contains(body: &[u8], email: &str) -> bool {
    names(&String::from_utf8_lossy(body).to_lowercase(), email)
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
