//! Loading and writing a conversation as one unit (design, rule 22).

use crate::decide::{ActionKind, Conversation, Intent, IntentState, Link};
use crate::goodays::ResponseId;
use crate::messages::Words;
use crate::state::inbox::put_note;
use crate::state::keys::{self, RKey};
use crate::state::ledger::put_link;
use crate::state::outbox::{add_intent, put_intent};
use crate::state::{Store, StoreError, Tx, decode, encode};

/// A loaded conversation. Its change is written only if nothing of it changed since.
pub struct Loaded {
    rkey: RKey,
    pub now: Conversation,
    before: Conversation,
    /// Guards all that was read, the link first. Each change of an action changes the link's version, so a new action
    /// is noticed, too.
    guards: Tx,
}

impl Store {
    /// Loads a consistent snapshot of a conversation. `response_id` is used if the response has no link yet.
    pub fn conversation(&self, rkey: RKey, response_id: &ResponseId) -> Result<Loaded, StoreError> {
        loop {
            let loaded = self.conversation_in_pieces(rkey, response_id)?;
            // If an action ended between two reads, it would appear neither open nor sent, and its answer would be
            // taken for a colleague's. Each change of an action changes the link, so a link that changed is a reason to
            // load again.
            if loaded.guards.guards.first().map(|link| &link.expected) == Some(&self.get(&keys::link(rkey))?)
            {
                return Ok(loaded);
            }
        }
    }

    /// Reads the link first, because any change during the other reads changes the link.
    fn conversation_in_pieces(&self, rkey: RKey, response_id: &ResponseId) -> Result<Loaded, StoreError> {
        let mut guards = Tx::default();
        let link = self.guard_link(&mut guards, rkey)?;
        let response_id = link.as_ref().map_or(response_id, |link| &link.response_id).clone();
        let mut now = Conversation { link, ..Conversation::new(response_id) };
        for seq in self.actions_of(rkey, now.link.as_ref())? {
            if let Some(intent) = self.guard_intent(&mut guards, seq)? {
                now.put(intent);
            }
        }
        for identity in now.link.as_ref().map(identities).unwrap_or_default() {
            let seq = self.get(&keys::identity(&identity))?.as_deref().and_then(keys::tail_seq);
            if seq.is_some_and(|seq| now.intent(seq).is_none()) {
                now.unreadable.push(identity);
            }
        }
        Ok(Loaded { rkey, before: now.clone(), now, guards })
    }

    /// The open actions, those of comments, and those that the Case's state could request again.
    fn actions_of(&self, rkey: RKey, link: Option<&Link>) -> Result<Vec<u64>, StoreError> {
        let open = self.all_keys(keys::open_intents_of(rkey))?;
        let mut seqs: Vec<u64> = open.iter().filter_map(|key| keys::tail_seq(key)).collect();
        if let Some(link) = link {
            seqs.extend(link.answers.iter().map(|answered| answered.intent));
            seqs.extend(link.command.intent);
            for identity in identities(link) {
                seqs.extend(self.get(&keys::identity(&identity))?.as_deref().and_then(keys::tail_seq));
            }
        }
        seqs.sort_unstable();
        seqs.dedup();
        Ok(seqs)
    }

    /// Loads a conversation, applies `change` and writes the result. Retries if something else was written in between,
    /// so `change` may run several times and must only decide.
    pub fn change<T>(
        &self,
        rkey: RKey,
        response_id: &ResponseId,
        now_ms: i64,
        mut change: impl FnMut(&mut Loaded) -> Result<T, StoreError>,
    ) -> Result<(T, Changed), StoreError> {
        loop {
            let mut loaded = self.conversation(rkey, response_id)?;
            let outcome = change(&mut loaded)?;
            if let Some(changed) = self.write_change(loaded, now_ms)? {
                return Ok((outcome, changed));
            }
        }
    }

    /// Writes the changes of a conversation; none if any part of it changed since it was loaded.
    pub fn write_change(&self, loaded: Loaded, now_ms: i64) -> Result<Option<Changed>, StoreError> {
        let Loaded { rkey, now, before, guards: mut tx } = loaded;
        let actions: Vec<&Intent> =
            now.intents.iter().filter(|intent| before.intent(intent.seq) != Some(*intent)).collect();
        let ended: Vec<Ended> = actions.iter().filter_map(|intent| Ended::of(&before, intent)).collect();
        let delivered = ended.iter().filter(|one| one.outcome == "delivered").count() as u64;
        let changed = Changed { actions: !actions.is_empty(), notes: !now.notes.is_empty(), ended };
        let mut link = now.link.clone();
        if changed.actions
            && let Some(link) = &mut link
        {
            link.version += 1;
        }
        for intent in actions {
            match before.intent(intent.seq).map(Intent::identity) {
                Some(identity) if identity == intent.identity() => put_intent(&mut tx, rkey, intent),
                _ => add_intent(&mut tx, rkey, intent),
            }
        }
        if let Some(link) = link.filter(|link| before.link.as_ref() != Some(link)) {
            put_link(&mut tx, rkey, before.link.as_ref(), &link);
        }
        for note in &now.notes {
            put_note(&mut tx, rkey, self.next_seq(), now_ms, note);
        }
        if delivered > 0 {
            let key = keys::meta("delivered");
            let total: u64 = self.guard(&mut tx, key.clone())?.as_deref().map_or(Ok(0), decode)?;
            tx.set(key, encode(&(total + delivered)));
        }
        if tx.writes.is_empty() {
            return Ok(Some(changed));
        }
        Ok(self.try_transact(&tx)?.then_some(changed))
    }
}

impl Loaded {
    /// For a mutant: forgets the messages that we sent.
    pub fn forget_sent(&mut self) {
        if let Some(link) = &mut self.now.link {
            link.known.retain(|known| known.origin != crate::decide::MessageOrigin::Sent);
        }
    }

    /// For more writes and guards in the same transaction.
    pub fn with(&mut self) -> &mut Tx {
        &mut self.guards
    }
}

/// What a written change contained.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    pub actions: bool,
    /// Whether there are notes to write on the Case.
    pub notes: bool,
    /// Actions that ended, or now wait for a human.
    pub ended: Vec<Ended>,
}

/// An action that ended, or waits for a human.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// The verb that was sent, otherwise the kind of the action.
    pub action: &'static str,
    pub outcome: &'static str,
    /// Code of the reason, if it was parked.
    pub code: Option<String>,
}

impl Ended {
    fn of(before: &Conversation, intent: &Intent) -> Option<Self> {
        let same = before.intent(intent.seq).is_some_and(|old| old.state.name() == intent.state.name());
        let goes_on = matches!(intent.state, IntentState::Ready { .. } | IntentState::Sending(_));
        if same || goes_on {
            return None;
        }
        let (action, code) = match &intent.state {
            IntentState::Delivered { verb, .. } | IntentState::Observed { verb, .. } => (verb.as_str(), None),
            IntentState::Parked { code, .. } => (intent.kind.name(), Some(code.clone())),
            _ => (intent.kind.name(), None),
        };
        Some(Self { action, outcome: intent.state.name(), code })
    }
}

/// Identities of the actions that the Case's state could request now.
fn identities(link: &Link) -> Vec<String> {
    let Some(case) = &link.case else { return Vec::new() };
    let after = link.last_customer.clone();
    let wishes = [
        ActionKind::Call { rating: None, note: None, left_out: Words::default(), after: after.clone() },
        ActionKind::Close { remark_type: None, after: after.clone() },
        ActionKind::Spam { after },
    ];
    wishes.iter().map(|wish| wish.identity(&case.id)).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;
    use crate::decide::Audience;
    use crate::salesforce::RecordId;
    use crate::state::Settings;
    use crate::time::SalesforceTime;

    fn answer(seq: u64, id: &ResponseId) -> Intent {
        let comment = RecordId::new("00a000000000001").unwrap();
        let content = "Hello.".to_owned();
        Intent {
            seq,
            response_id: id.clone(),
            case_id: RecordId::new("500000000000001").unwrap(),
            kind: ActionKind::Answer {
                comment: Some(comment),
                content,
                remark_type: None,
                audience: Audience::Private,
            },
            author: None,
            acted: SalesforceTime::default(),
            seen_ms: 0,
            read_ms: 0,
            state: IntentState::Ready { not_before_ms: 0 },
            attempts: 0,
            unconfirmed: None,
            approved: false,
            by_operator: false,
            told_waiting: None,
            approved_text: None,
            command: None,
        }
    }

    /// While another thread ends an action, a reader sees it open, or sees its end in the link, and never neither.
    #[test]
    fn a_reader_sees_a_conversation_as_it_stood_at_one_moment() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), Settings::default()).unwrap();
        let id = ResponseId::new("r").unwrap();
        let rkey = RKey::of(&id);
        let ended = AtomicBool::new(false);
        let rounds = 300;
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for seq in 1..=rounds {
                    let begin = |loaded: &mut Loaded| {
                        let link = loaded.now.link.take().unwrap_or_else(|| Link::new(id.clone()));
                        loaded.now.link = Some(Link { mapping: format!("open {seq}"), ..link });
                        loaded.now.put(answer(seq, &id));
                        Ok(())
                    };
                    store.change(rkey, &id, 0, begin).unwrap();
                    let end = |loaded: &mut Loaded| {
                        loaded.now.link.as_mut().unwrap().mapping = "ended".to_owned();
                        loaded.now.intent_mut(seq).unwrap().state =
                            IntentState::Cancelled { at_ms: 0, why: String::new() };
                        Ok(())
                    };
                    store.change(rkey, &id, 0, end).unwrap();
                }
                ended.store(true, Ordering::SeqCst);
            });
            while !ended.load(Ordering::SeqCst) {
                let now = store.conversation(rkey, &id).unwrap().now;
                let open = now.intents.iter().find(|i| i.state.is_open()).map(|i| format!("open {}", i.seq));
                let said = now.link.map_or_else(|| "ended".to_owned(), |link| link.mapping);
                assert_eq!(open.unwrap_or_else(|| "ended".to_owned()), said);
            }
        });
    }
}
