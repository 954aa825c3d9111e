//! Loading conversations, each as it stood at one moment.

use crate::decide::{ActionKind, Conversation, Intent, Link};
use crate::goodays::ResponseId;
use crate::messages::Words;
use crate::state::conversation::Version;
use crate::state::embedded::Tx;
use crate::state::records::Records;
use crate::state::records::keys;
use crate::state::{Due, Loaded, RKey, StoreError};

impl Records {
    /// Loads the conversations of these responses, known or not, in their order.
    pub fn load_many(&self, ids: &[ResponseId]) -> Result<Vec<Loaded>, StoreError> {
        // To collect results would grow the list step by step, and a conversation is large.
        let mut loaded = Vec::with_capacity(ids.len());
        for id in ids {
            loaded.push(self.load_known(id, None)?);
        }
        Ok(loaded)
    }

    /// The same of one, with this action of it.
    pub fn load_with(&self, id: &ResponseId, action: u64) -> Result<Loaded, StoreError> {
        self.load_known(id, Some(action))
    }

    fn load_known(&self, id: &ResponseId, action: Option<u64>) -> Result<Loaded, StoreError> {
        match self.load_one(RKey::of(id), Some(id), action)? {
            Due::Known(loaded) => Ok(*loaded),
            Due::Nameless(_) => unreachable!("its name is given"),
        }
    }

    /// Loads conversations that are due, in their order.
    pub fn load_due(&self, rkeys: &[RKey]) -> Result<Vec<Due>, StoreError> {
        rkeys.iter().map(|rkey| self.load_one(*rkey, None, None)).collect()
    }

    /// What waits is read first: an event that shows our own answer came in after that answer was noted as `Sending`,
    /// so it is always met by the action or by the ledger, and never taken for a colleague's.
    fn load_one(&self, rkey: RKey, id: Option<&ResponseId>, action: Option<u64>) -> Result<Due, StoreError> {
        loop {
            let mut version = Tx::default();
            let waiting = self.guard_waiting(&mut version, rkey)?;
            let link: Option<Link> = self.guarded(&mut version, "link", &keys::link(rkey))?;
            let of_link = version.guards.len() - 1;
            let of_event = || waiting.entries.iter().find_map(|entry| entry.response_id.clone());
            let name = link.as_ref().map(|link| link.response_id.clone());
            let Some(name) = name.or_else(|| id.cloned()).or_else(of_event) else {
                return Ok(Due::Nameless(waiting));
            };
            let mut now = Conversation { link, ..Conversation::new(name) };
            self.guard_actions(&mut version, rkey, &mut now, action)?;
            // If an action ended between two reads, it would appear neither open nor sent, and its answer would be
            // taken for a colleague's. Each change of an action changes the link, so a link that changed is a reason to
            // load again.
            if !self.engine.holds(&version.guards[of_link])? {
                continue;
            }
            let version = Version::Embedded(version);
            return Ok(Due::Known(Box::new(Loaded::new(rkey, now, waiting, version))));
        }
    }

    fn guard_actions(
        &self,
        version: &mut Tx,
        rkey: RKey,
        now: &mut Conversation,
        action: Option<u64>,
    ) -> Result<(), StoreError> {
        let mut wishes = Vec::new();
        for identity in now.link.as_ref().map(identities).unwrap_or_default() {
            if let Some(seq) = self.action_with(&identity)? {
                wishes.push((identity, seq));
            }
        }
        let mut seqs = self.actions_of(rkey, now.link.as_ref())?;
        seqs.extend(wishes.iter().map(|(_, seq)| *seq).chain(action));
        seqs.sort_unstable();
        seqs.dedup();
        for seq in seqs {
            let read = self.guarded::<Intent>(version, "action", &keys::intent(seq))?;
            if let Some(intent) = read.filter(|it| action != Some(seq) || RKey::of(&it.response_id) == rkey) {
                now.put(intent);
            }
        }
        wishes.retain(|(_, seq)| now.intent(*seq).is_none());
        now.unreadable.extend(wishes.into_iter().map(|(identity, _)| identity));
        Ok(())
    }

    /// The open actions, and those of comments and of commands.
    fn actions_of(&self, rkey: RKey, link: Option<&Link>) -> Result<Vec<u64>, StoreError> {
        let open = self.all_keys(keys::open_intents_of(rkey))?;
        let mut seqs: Vec<u64> = open.iter().filter_map(|key| keys::tail_seq(key)).collect();
        if let Some(link) = link {
            seqs.extend(link.answers.iter().map(|answered| answered.intent));
            seqs.extend(link.command.intents());
        }
        Ok(seqs)
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
    use crate::decide::{Audience, IntentState};
    use crate::salesforce::RecordId;
    use crate::state::{Commit, Settings};

    fn answer(seq: u64, id: &ResponseId) -> Intent {
        let comment = RecordId::new("00a000000000001").unwrap();
        let case = RecordId::new("500000000000001").unwrap();
        Intent::new(seq, id.clone(), case, ActionKind::answer(comment, "Hello.", Audience::Private), 0)
    }

    fn load(store: &Records, id: &ResponseId) -> Loaded {
        store.load_many(std::slice::from_ref(id)).unwrap().pop().unwrap()
    }

    fn change(store: &Records, id: &ResponseId, change: impl Fn(&mut Loaded)) {
        let mut loaded = load(store, id);
        change(&mut loaded);
        let commits = store.commit_many(vec![loaded], 0).unwrap();
        assert!(matches!(commits[..], [Commit::Applied(_)]));
    }

    /// While another thread ends an action, a reader sees it open, or sees its end in the link, and never neither.
    #[test]
    fn a_reader_sees_a_conversation_as_it_stood_at_one_moment() {
        let dir = tempfile::tempdir().unwrap();
        let store = Records::open(dir.path(), Settings::default()).unwrap();
        let id = ResponseId::new("r").unwrap();
        let ended = AtomicBool::new(false);
        let rounds = 300;
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for seq in 1..=rounds {
                    let begin = |loaded: &mut Loaded| {
                        let link = loaded.now.link.take().unwrap_or_else(|| Link::new(id.clone()));
                        loaded.now.link = Some(Link { mapping: format!("open {seq}"), ..link });
                        loaded.now.put(answer(seq, &id));
                    };
                    change(&store, &id, begin);
                    let end = |loaded: &mut Loaded| {
                        loaded.now.link.as_mut().unwrap().mapping = "ended".to_owned();
                        loaded.now.intent_mut(seq).unwrap().state =
                            IntentState::Cancelled { at_ms: 0, why: String::new() };
                    };
                    change(&store, &id, end);
                }
                ended.store(true, Ordering::SeqCst);
            });
            while !ended.load(Ordering::SeqCst) {
                let now = load(&store, &id).now;
                let open = now.intents.iter().find(|i| i.state.is_open()).map(|i| format!("open {}", i.seq));
                let said = now.link.map_or_else(|| "ended".to_owned(), |link| link.mapping);
                assert_eq!(open.unwrap_or_else(|| "ended".to_owned()), said);
            }
        });
    }
}
