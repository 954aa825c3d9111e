//! The courier: which agents' actions are under way to Goodays, and which one is next.
//!
//! A response whose call hangs keeps its own place and no other one: whenever something has ended, or is new, the
//! free places are filled.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures_util::future::{BoxFuture, FutureExt};
use futures_util::stream::{FuturesUnordered, StreamExt};
use secrecy::SecretString;
use tokio::sync::Notify;

use super::deliver::Delivery;
use super::reread::is_old;
use super::retry::millis;
use super::{Fatal, Hands, Shared, Step};
use crate::plan::deliver::{Turn, turn};
use crate::plan::{Intent, IntentState};
use crate::store::{RKey, Store, StoreError};

/// Responses that are worked on at the same time (Goodays reference, 4.3: start low).
const AT_ONCE: usize = 5;

pub(super) struct Courier {
    delivery: Arc<Delivery>,
    /// Goes on whenever the loop waits.
    working: FuturesUnordered<BoxFuture<'static, Result<Ended, Fatal>>>,
    /// Old intents are being read again, beside the actions.
    reading: bool,
    /// Intents that wait for a place.
    line: VecDeque<Intent>,
    /// Responses in work or in line: no other intent of theirs begins.
    busy: HashSet<RKey>,
    /// Something has ended since the last step.
    ended: bool,
    /// The token of those in work.
    token: Option<Arc<SecretString>>,
}

enum Ended {
    Action(RKey),
    /// Intents that were read again, and those of them that go.
    Reading {
        asked: Vec<RKey>,
        go: Vec<Intent>,
    },
}

impl Hands for Courier {
    const NAME: &'static str = "deliver";

    fn wake<'s>(&self, shared: &'s Shared) -> &'s Notify {
        &shared.deliver
    }

    async fn step(&mut self, shared: &Arc<Shared>) -> Result<Step, Fatal> {
        let now_ms = shared.clock.now_ms();
        let until_ms = match self.pause(shared, now_ms).await? {
            None => self.fill(shared, now_ms)?,
            Some(until_ms) => {
                // What may go is looked at anew when the pause is over.
                self.line.drain(..).for_each(|intent| {
                    self.busy.remove(&rkey(&intent));
                });
                Some(until_ms)
            }
        };
        let delivering = !self.busy.is_empty();
        if shared.delivering.swap(delivering, Ordering::SeqCst) && !delivering {
            shared.lanes.iter().for_each(Notify::notify_one);
        }
        Ok(if std::mem::take(&mut self.ended) { Step::Did } else { Step::Idle { until_ms } })
    }

    async fn work(&mut self) -> Result<bool, Fatal> {
        let Some(ended) = self.working.next().await else { return Ok(false) };
        match ended? {
            Ended::Action(rkey) => {
                self.busy.remove(&rkey);
            }
            Ended::Reading { asked, go } => {
                self.reading = false;
                let kept: HashSet<RKey> = go.iter().map(rkey).collect();
                asked.iter().filter(|r| !kept.contains(r)).for_each(|r| {
                    self.busy.remove(r);
                });
                self.line.extend(go);
            }
        }
        self.ended = true;
        Ok(true)
    }
}

impl Courier {
    /// The courier of a process that begins now (milliseconds).
    pub(super) fn new(now_ms: i64) -> Self {
        Self {
            delivery: Arc::new(Delivery::new(now_ms)),
            working: FuturesUnordered::new(),
            reading: false,
            line: VecDeque::new(),
            busy: HashSet::new(),
            ended: false,
            token: None,
        }
    }

    /// Until when nothing may begin; none when it may.
    async fn pause(&mut self, shared: &Shared, now_ms: i64) -> Result<Option<i64>, Fatal> {
        if let Some(until_ms) = shared.goodays_gate.closed_until(now_ms) {
            return Ok(Some(until_ms));
        }
        let token = shared.secrets.goodays_token.load_full();
        if self.working.is_empty() {
            // At the start already, so that a wrong token shows before the first answer needs it.
            if let Err(failure) = shared.right_account().await? {
                let until_ms = shared.goodays_said::<()>(&Err(failure), now_ms);
                return Ok(Some(until_ms.unwrap_or(now_ms + 1000)));
            }
            self.token = Some(token);
        } else if !self.token.as_ref().is_some_and(|of| Arc::ptr_eq(of, &token)) {
            // Those in work end first: they must not stand still while Goodays is asked whose the new token is.
            return Ok(Some(now_ms + 1000));
        }
        // The poll wakes us when all of its page is in the outbox.
        Ok(shared.taking.load(Ordering::SeqCst).then_some(now_ms + 10))
    }

    /// Begins what may go now, while there is a place; gives when more of it may (milliseconds).
    fn fill(&mut self, shared: &Arc<Shared>, now_ms: i64) -> Result<Option<i64>, Fatal> {
        self.begin(shared, now_ms)?;
        if self.is_full() {
            return Ok(None);
        }
        let (ripe, until_ms) = self.ripe(shared, now_ms)?;
        let (old, fresh): (Vec<Intent>, Vec<Intent>) =
            ripe.into_iter().partition(|intent| is_old(shared, intent, now_ms));
        if !old.is_empty() && !self.reading {
            self.read_again(shared, old);
        }
        self.busy.extend(fresh.iter().map(rkey));
        self.line.extend(fresh);
        self.begin(shared, now_ms)?;
        Ok(until_ms)
    }

    fn is_full(&self) -> bool {
        self.working.len() - usize::from(self.reading) >= AT_ONCE
    }

    /// Begins those in line while there is a place, if they still may go: they may have waited for long.
    fn begin(&mut self, shared: &Arc<Shared>, now_ms: i64) -> Result<(), StoreError> {
        while !self.is_full()
            && let Some(intent) = self.line.pop_front()
        {
            let rkey = rkey(&intent);
            let open = shared.store.open_intents(rkey)?;
            let (next, _) = self.next(shared, rkey, &open, now_ms)?;
            // The next look finds what goes in its place.
            if next.as_ref() != Some(&intent) {
                self.busy.remove(&rkey);
                continue;
            }
            let (delivery, shared) = (self.delivery.clone(), shared.clone());
            let action = async move {
                delivery.one(&shared, intent).await?;
                Ok(Ended::Action(rkey))
            };
            self.working.push(action.boxed());
        }
        Ok(())
    }

    /// All that are old at once, so that they cost few calls.
    fn read_again(&mut self, shared: &Arc<Shared>, old: Vec<Intent>) {
        let asked: Vec<RKey> = old.iter().map(rkey).collect();
        self.busy.extend(&asked);
        self.reading = true;
        let (delivery, shared) = (self.delivery.clone(), shared.clone());
        let reading = async move {
            let go = delivery.read_again(&shared, old).await?;
            Ok(Ended::Reading { asked, go })
        };
        self.working.push(reading.boxed());
    }

    /// The intent of each response that is not busy and may go now, and when the next one may.
    fn ripe(&self, shared: &Shared, now_ms: i64) -> Result<(Vec<Intent>, Option<i64>), StoreError> {
        let mut by_response: BTreeMap<RKey, Vec<Intent>> = BTreeMap::new();
        for intent in shared.store.all_open_intents()? {
            by_response.entry(rkey(&intent)).or_default().push(intent);
        }
        self.delivery.forget_holds(now_ms);
        let (mut ripe, mut until): (Vec<Intent>, Option<i64>) = (Vec::new(), None);
        for (rkey, open) in by_response.into_iter().filter(|(rkey, _)| !self.busy.contains(rkey)) {
            let (next, at_ms) = self.next(shared, rkey, &open, now_ms)?;
            ripe.extend(next);
            until = until.into_iter().chain(at_ms).min();
        }
        Ok((ripe, until))
    }

    /// The intent of this response that may go now, and when another one may.
    fn next(
        &self,
        shared: &Shared,
        rkey: RKey,
        open: &[Intent],
        now_ms: i64,
    ) -> Result<(Option<Intent>, Option<i64>), StoreError> {
        let grace_ms = millis(shared.live().poll.close_grace);
        let parked_answers = parked_answers(&shared.store, rkey)?;
        let mut until: Option<i64> = None;
        for intent in open {
            let when = match &intent.state {
                IntentState::Sending(_) => Turn::Go,
                _ => turn(intent, open, parked_answers, grace_ms, now_ms),
            };
            let at_ms = match (when, self.delivery.held_until(intent.seq, now_ms)) {
                (Turn::Blocked, _) => continue,
                (_, Some(at_ms)) | (Turn::Wait { at_ms }, None) => at_ms,
                (Turn::Go, None) => return Ok((Some(intent.clone()), until)),
            };
            until = until.into_iter().chain([at_ms]).min();
        }
        Ok((None, until))
    }
}

fn rkey(intent: &Intent) -> RKey {
    RKey::of(&intent.response_id)
}

/// A parked answer holds back close, spam and call (design, rule 7).
fn parked_answers(store: &Store, rkey: RKey) -> Result<bool, StoreError> {
    let Some(link) = store.link(rkey)? else { return Ok(false) };
    for answered in &link.answers {
        let intent = store.intent(answered.intent)?;
        if intent.is_some_and(|i| i.state.is_parked()) {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::super::drive::tests::shared;
    use super::*;
    use crate::goodays::ResponseId;
    use crate::plan::{Meant, Wish};
    use crate::salesforce::RecordId;
    use crate::store::Tx;
    use crate::store::outbox::{add_intent, put_intent};

    /// An agent's answer to a response, in the outbox.
    fn answer(shared: &Shared, seq: u64, response: &str) -> Intent {
        let id = |start: &str| RecordId::new(&format!("{start}{seq:012}")).unwrap();
        let now_ms = shared.clock.now_ms();
        let intent = Intent {
            seq,
            response_id: ResponseId::new(response).unwrap(),
            case_id: id("500"),
            wish: Wish::Answer {
                comment: id("00a"),
                content: "Thank you.".to_owned(),
                remark_type: None,
                meant: Meant::Public,
            },
            author: None,
            acted_ms: now_ms,
            seen_ms: now_ms,
            read_ms: now_ms,
            state: IntentState::Ready { not_before_ms: now_ms },
            attempts: 0,
            approved: false,
        };
        let mut tx = Tx::default();
        add_intent(&mut tx, rkey(&intent), &intent);
        assert!(shared.store.try_transact(&tx).unwrap());
        intent
    }

    fn change(shared: &Shared, intent: &Intent) {
        let mut tx = Tx::default();
        put_intent(&mut tx, rkey(intent), intent);
        assert!(shared.store.try_transact(&tx).unwrap());
    }

    fn fill(courier: &mut Courier, shared: &Arc<Shared>) {
        courier.fill(shared, shared.clock.now_ms()).unwrap();
    }

    #[tokio::test]
    async fn five_responses_are_in_work_and_a_free_place_is_filled() {
        let dir = tempfile::tempdir().unwrap();
        let shared = shared(dir.path());
        let mut courier = Courier::new(0);
        for seq in 1..=4 {
            answer(&shared, seq, &format!("early-{seq}"));
        }
        fill(&mut courier, &shared);
        assert_eq!((courier.working.len(), courier.line.len()), (4, 0));
        for seq in 5..=8 {
            answer(&shared, seq, &format!("late-{seq}"));
        }
        fill(&mut courier, &shared);
        assert_eq!((courier.working.len(), courier.line.len()), (5, 3));
        assert!(courier.work().await.unwrap());
        fill(&mut courier, &shared);
        assert_eq!((courier.working.len(), courier.line.len()), (5, 2));
    }

    #[tokio::test]
    async fn no_two_of_one_response_are_in_work() {
        let dir = tempfile::tempdir().unwrap();
        let shared = shared(dir.path());
        let mut courier = Courier::new(0);
        let mut first = answer(&shared, 1, "the same");
        fill(&mut courier, &shared);
        // A webhook settles it while its call is under way.
        first.state = IntentState::Settled { at_ms: 0, why: String::new() };
        change(&shared, &first);
        answer(&shared, 2, "the same");
        fill(&mut courier, &shared);
        assert_eq!((courier.working.len(), courier.line.len()), (1, 0));
        assert!(courier.work().await.unwrap());
        assert!(courier.working.is_empty());
        fill(&mut courier, &shared);
        assert_eq!(courier.working.len(), 1);
    }

    #[test]
    fn what_waited_in_line_goes_only_if_it_still_may() {
        let dir = tempfile::tempdir().unwrap();
        let shared = shared(dir.path());
        let mut courier = Courier::new(0);
        let mut changed = answer(&shared, 1, "edited");
        courier.busy.insert(rkey(&changed));
        courier.line.push_back(changed.clone());
        changed.attempts = 1;
        change(&shared, &changed);
        courier.begin(&shared, shared.clock.now_ms()).unwrap();
        assert!(courier.working.is_empty() && courier.busy.is_empty());
        fill(&mut courier, &shared);
        assert_eq!(courier.working.len(), 1, "as it is now");
    }

    #[tokio::test]
    async fn old_ones_are_read_together_and_take_no_place() {
        let dir = tempfile::tempdir().unwrap();
        let shared = shared(dir.path());
        let mut courier = Courier::new(0);
        for seq in 1..=2 {
            change(&shared, &Intent { read_ms: 0, ..answer(&shared, seq, &format!("old-{seq}")) });
        }
        fill(&mut courier, &shared);
        assert_eq!((courier.working.len(), courier.busy.len()), (1, 2));
        for seq in 3..=8 {
            answer(&shared, seq, &format!("fresh-{seq}"));
        }
        fill(&mut courier, &shared);
        assert_eq!((courier.working.len(), courier.line.len()), (6, 1));
        while courier.reading {
            assert!(courier.work().await.unwrap());
        }
        assert!(courier.line.len() == 1, "Salesforce could not be asked: they wait");
    }
}
