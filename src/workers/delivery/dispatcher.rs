//! The dispatcher: which agents' actions are in flight to Goodays, and which one is next.
//!
//! What may be sent is decided in [`mod@crate::decide::outbound::eligibility`]; this module assigns the slots. A call
//! that hangs keeps its own slot only. Free slots are filled when a call has ended or something is new. A conversation
//! is checked when it changed or when it is due: never all of them again.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use futures_util::future::{BoxFuture, FutureExt};
use futures_util::stream::{FuturesUnordered, StreamExt};
use secrecy::SecretString;
use tokio::sync::Notify;

use crate::decide::outbound::waiting::Waiting;
use crate::decide::outbound::{Circumstances, Eligibility, Wait, eligibility};
use crate::decide::{Conversation, Intent, IntentState};
use crate::goodays::ResponseId;
use crate::state::{Loaded, RKey};
use crate::sync::lock;
use crate::workers::delivery::deliver::Delivery;
use crate::workers::delivery::queue::Queue;
use crate::workers::{Fatal, Remote, Shared, Step, Worker};

/// Responses that are handled at the same time (Goodays reference, 4.3: start low).
const AT_ONCE: usize = 5;
/// Conversations loaded in one step, at least and at most; the next step loads more.
const LOADED_AT_ONCE: (usize, usize) = (2 * AT_ONCE, 500);
const FIRST_BATCH: usize = 50;
/// How often the open actions are read from a store that other instances write to (milliseconds): an operator may have
/// asked one of those.
const READ_AGAIN_MS: i64 = 5_000;

/// Conversations with a changed action since the dispatcher last checked.
#[derive(Default)]
pub(crate) struct Changes {
    changed: Mutex<HashMap<RKey, ResponseId>>,
    /// Actions that an operator retries: what postponed them does not count any more.
    retried: Mutex<Vec<u64>>,
    /// Every open action has to be checked again: what decides when it may be sent was edited.
    all: AtomicBool,
}

impl Changes {
    pub(crate) fn add(&self, rkey: RKey, response_id: &ResponseId) {
        lock(&self.changed).entry(rkey).or_insert_with(|| response_id.clone());
    }

    fn take(&self) -> HashMap<RKey, ResponseId> {
        std::mem::take(&mut *lock(&self.changed))
    }

    /// Called before the action changes, so that the dispatcher meets both.
    pub(crate) fn retried(&self, seq: u64) {
        lock(&self.retried).push(seq);
    }

    fn take_retried(&self) -> Vec<u64> {
        std::mem::take(&mut *lock(&self.retried))
    }

    pub(crate) fn add_all(&self) {
        self.all.store(true, Ordering::SeqCst);
    }

    fn take_all(&self) -> bool {
        self.all.swap(false, Ordering::SeqCst)
    }
}

pub(crate) struct Dispatcher {
    delivery: Arc<Delivery>,
    /// Calls in flight; they continue while the worker waits.
    working: FuturesUnordered<BoxFuture<'static, Result<Ended, Fatal>>>,
    /// Old intents are being read again from Salesforce.
    reading: bool,
    /// Others that are old, too, and wait for the end of that reading.
    old: Vec<RKey>,
    /// Intents that wait for a slot.
    line: VecDeque<Intent>,
    queue: Queue,
    /// The responses with open actions when those were last read, with the numbers of [`crate::state::Store::open_responses`].
    open: HashMap<RKey, i64>,
    /// When they were read (milliseconds); none: they were not yet.
    read_ms: Option<i64>,
    /// How many conversations the next step loads, at most.
    batch: usize,
    /// A call has ended since the last step.
    ended: bool,
    /// The token of the calls in flight.
    token: Option<Arc<SecretString>>,
}

enum Ended {
    Action(RKey),
    /// Old intents were read again from Salesforce.
    Reading(Vec<RKey>),
}

impl Worker for Dispatcher {
    const NAME: &'static str = "deliver";

    fn wake<'s>(&self, shared: &'s Shared) -> &'s Notify {
        &shared.deliver
    }

    async fn step(&mut self, shared: &Arc<Shared>) -> Result<Step, Fatal> {
        let now_ms = shared.clock.now_ms();
        self.take_changes(shared).await?;
        let until_ms = match self.pause(shared, now_ms).await? {
            // The poller wakes the dispatcher when its whole page is in the outbox.
            None if shared.page.try_read().is_err() => Some(now_ms + 10),
            None => self.fill(shared, now_ms).await?,
            Some(until_ms) => {
                tell_waiting_in_outage(shared, now_ms).await?;
                // Intents in line are checked again after the pause.
                self.empty_line();
                Some(until_ms)
            }
        };
        let delivering = self.queue.is_anything_busy();
        if shared.delivering.swap(delivering, Ordering::SeqCst) && !delivering {
            shared.lanes.iter().for_each(Notify::notify_one);
        }
        let again = self.read_ms.filter(|_| shared.store.is_common()).map(|read_ms| read_ms + READ_AGAIN_MS);
        let until_ms = until_ms.into_iter().chain(again).min();
        Ok(if std::mem::take(&mut self.ended) { Step::Did } else { Step::Idle { until_ms } })
    }

    async fn work(&mut self) -> Result<bool, Fatal> {
        let Some(ended) = self.working.next().await else { return Ok(false) };
        match ended? {
            Ended::Action(rkey) => self.queue.look_again(rkey),
            Ended::Reading(asked) => {
                self.reading = false;
                // Before all others: behind many they would be old again before it is their turn, and nothing would ever
                // be sent.
                asked.into_iter().rev().for_each(|rkey| self.queue.look_first(rkey));
                self.old.drain(..).for_each(|rkey| self.queue.look_again(rkey));
            }
        }
        self.ended = true;
        Ok(true)
    }
}

impl Dispatcher {
    /// The dispatcher of a term that began at `now_ms`.
    pub(crate) fn new(epoch: i64, now_ms: i64) -> Self {
        Self {
            delivery: Arc::new(Delivery::new(epoch, now_ms)),
            working: FuturesUnordered::new(),
            reading: false,
            old: Vec::new(),
            line: VecDeque::new(),
            queue: Queue::default(),
            open: HashMap::new(),
            read_ms: None,
            batch: FIRST_BATCH,
            ended: false,
            token: None,
        }
    }

    /// Until when nothing may begin (milliseconds); `None` when it may.
    async fn pause(&mut self, shared: &Shared, now_ms: i64) -> Result<Option<i64>, Fatal> {
        if let Some(until_ms) = shared.goodays_breaker.paused_until(now_ms) {
            return Ok(Some(until_ms));
        }
        let token = shared.secrets.goodays_token.load_full();
        if self.working.is_empty() {
            // Also at the start, so that a wrong token shows before the first answer needs it.
            if let Err(stop) = shared.right_account().await {
                let failure = stop.remote()?;
                let until_ms = shared.call_failed(Remote::Goodays, &failure, now_ms);
                return Ok(Some(until_ms.unwrap_or(now_ms + 1000)));
            }
            self.token = Some(token);
        } else if !self.token.as_ref().is_some_and(|of| Arc::ptr_eq(of, &token)) {
            // Calls in flight end first: this worker does not poll them while the new token's account is checked.
            return Ok(Some(now_ms + 1000));
        }
        Ok(None)
    }

    /// Queues what changed since the last step; at first, and after an edit of the configuration, everything that is open.
    async fn take_changes(&mut self, shared: &Shared) -> Result<(), Fatal> {
        let now_ms = shared.clock.now_ms();
        let all = shared.changes.take_all() || self.read_ms.is_none();
        if all || shared.store.is_common() && self.read_ms.is_none_or(|at| now_ms >= at + READ_AGAIN_MS) {
            self.read_ms = Some(now_ms);
            let mut open = HashMap::new();
            for (id, version) in shared.store.open_responses().await? {
                let rkey = RKey::of(&id);
                // The others wait for what they waited for: to check all of them again would take longer than this pause.
                if all || self.open.get(&rkey) != Some(&version) {
                    self.queue.changed(rkey, id);
                }
                open.insert(rkey, version);
            }
            self.open = open;
        }
        for seq in shared.changes.take_retried() {
            self.delivery.begins_anew(seq);
        }
        for (rkey, response_id) in shared.changes.take() {
            self.queue.changed(rkey, response_id);
        }
        Ok(())
    }

    /// Begins what may be sent now while there is a slot; returns when the next may be (milliseconds).
    async fn fill(&mut self, shared: &Arc<Shared>, now_ms: i64) -> Result<Option<i64>, Fatal> {
        self.begin(shared, now_ms).await?;
        // Enough is old while some is read: to check more of it would only cost loads.
        if self.is_full(shared) || self.reading && self.old.len() >= self.batch {
            return Ok(None);
        }
        let mut old = Vec::new();
        let asked = self.queue.take(self.batch, now_ms);
        let found = self.next_of(shared, &asked, now_ms).await?;
        let took_ms = shared.clock.now_ms() - now_ms;
        self.batch = next_batch(self.batch, took_ms, shared.circumstances(now_ms).poll_ms);
        for (rkey, next) in found {
            match next {
                Next::Go(intent) => {
                    self.queue.begin(rkey);
                    self.line.push_back(*intent);
                }
                Next::ReadAgain(_) if self.reading => {
                    self.queue.at(rkey, i64::MAX);
                    self.old.push(rkey);
                }
                Next::ReadAgain(intent) => {
                    self.queue.begin(rkey);
                    old.push(*intent);
                }
                Next::At(at_ms) => self.queue.at(rkey, at_ms),
                Next::Nothing => self.queue.forget(rkey),
            }
        }
        if !old.is_empty() {
            self.read_again(shared, old);
        }
        self.begin(shared, now_ms).await?;
        Ok(self.queue.due_ms(now_ms))
    }

    /// While Goodays refuses everything, one action shows whether it still does.
    fn is_full(&self, shared: &Shared) -> bool {
        let most = if shared.goodays_breaker.trouble_with_writes().is_some() { 1 } else { AT_ONCE };
        self.working.len() - usize::from(self.reading) >= most
    }

    /// Begins intents of the line while there is a slot. Each is checked again: it may have waited long.
    async fn begin(&mut self, shared: &Arc<Shared>, now_ms: i64) -> Result<(), Fatal> {
        while !self.is_full(shared)
            && let Some(intent) = self.next_in_line(shared)
        {
            let rkey = RKey::of(&intent.response_id);
            // The next check finds what is sent instead.
            let found = self.next_of(shared, &[rkey], now_ms).await?.pop();
            match found {
                Some((_, Next::Go(still))) if *still == intent => {}
                // The others in line were read with it: one load checks all of them.
                Some((_, Next::ReadAgain(_))) => {
                    self.empty_line();
                    self.queue.look_first(rkey);
                    return Ok(());
                }
                _ => {
                    self.queue.look_again(rkey);
                    continue;
                }
            }
            let (delivery, shared) = (self.delivery.clone(), shared.clone());
            let action = async move {
                delivery.deliver(&shared, intent).await?;
                Ok(Ended::Action(rkey))
            };
            self.working.push(action.boxed());
        }
        Ok(())
    }

    /// What is in line is checked again, before all others.
    fn empty_line(&mut self) {
        for intent in std::mem::take(&mut self.line).iter().rev() {
            self.queue.look_first(RKey::of(&intent.response_id));
        }
    }

    /// While Goodays refuses everything, the one that was tried least: one text must not stop the others.
    fn next_in_line(&mut self, shared: &Shared) -> Option<Intent> {
        if shared.goodays_breaker.trouble_with_writes().is_none() {
            return self.line.pop_front();
        }
        let least = self.line.iter().enumerate().min_by_key(|(_, intent)| intent.attempts)?.0;
        self.line.remove(least)
    }

    /// Reads all old intents at once, so that few calls are needed.
    fn read_again(&mut self, shared: &Arc<Shared>, old: Vec<Intent>) {
        let asked: Vec<RKey> = old.iter().map(|intent| RKey::of(&intent.response_id)).collect();
        self.reading = true;
        let (delivery, shared) = (self.delivery.clone(), shared.clone());
        let reading = async move {
            delivery.read_again(&shared, old).await?;
            Ok(Ended::Reading(asked))
        };
        self.working.push(reading.boxed());
    }

    /// What of each response may be sent now, or when the next may be. One load for all of them.
    async fn next_of(
        &mut self,
        shared: &Shared,
        rkeys: &[RKey],
        now_ms: i64,
    ) -> Result<Vec<(RKey, Next)>, Fatal> {
        let known = |rkey: &RKey| Some((*rkey, self.queue.id(*rkey)?.clone()));
        let (rkeys, ids): (Vec<RKey>, Vec<ResponseId>) = rkeys.iter().filter_map(known).unzip();
        let now = shared.circumstances(now_ms);
        let mut found = Vec::with_capacity(ids.len());
        for ((rkey, id), loaded) in rkeys.into_iter().zip(&ids).zip(shared.store.load_many(&ids).await?) {
            let mut conversation = loaded.now;
            if conversation.has_waiting_to_tell(&now) {
                conversation = tell_waiting(shared, id, &now).await?;
            }
            if let Some(due_ms) = conversation.wants_poll(&now) {
                shared.want_poll(due_ms);
            }
            found.push((rkey, self.next(&conversation, &now)));
        }
        Ok(found)
    }

    fn next(&self, conversation: &Conversation, now: &Circumstances) -> Next {
        let mut until: Option<i64> = None;
        for intent in conversation.intents.iter().filter(|intent| intent.state.is_open()) {
            let at_ms = match self.when(conversation, intent, now) {
                When::Go => return Next::Go(Box::new(intent.clone())),
                When::ReadAgain => return Next::ReadAgain(Box::new(intent.clone())),
                When::At(at_ms) => at_ms,
                When::Never => continue,
            };
            until = until.into_iter().chain([at_ms]).min();
        }
        until.map_or(Next::Nothing, Next::At)
    }

    fn when(&self, conversation: &Conversation, intent: &Intent, now: &Circumstances) -> When {
        let postponed = self.delivery.postponed_until(intent.seq, now.now_ms);
        let decided = match &intent.state {
            IntentState::Sending(_) => When::Go,
            IntentState::Unclear { since_ms, .. } => Delivery::unclear_look(*since_ms, now),
            _ => match eligibility(conversation, intent.seq, None, now) {
                Eligibility::Look | Eligibility::Send(_) => When::Go,
                Eligibility::NotYet(Wait::ReadAgain) => When::ReadAgain,
                Eligibility::NotYet(wait) => wait.until_ms().map_or(When::Never, When::At),
                Eligibility::Never(_) => When::Never,
            },
        };
        match (decided, postponed) {
            (When::Go | When::ReadAgain, Some(at_ms)) => When::At(at_ms),
            (When::At(at_ms), Some(held_ms)) => When::At(at_ms.max(held_ms)),
            (decided, _) => decided,
        }
    }
}

/// How many conversations are loaded at once, after a load of `batch` took this long. What is read of Salesforce counts for
/// `fresh_ms`: if loads took longer, everything would be read again for ever, and nothing would be sent.
fn next_batch(batch: usize, took_ms: i64, fresh_ms: i64) -> usize {
    let (least, most) = LOADED_AT_ONCE;
    let next = if took_ms > fresh_ms / 4 {
        batch / 2
    } else if took_ms < fresh_ms / 16 {
        batch * 2
    } else {
        batch
    };
    next.clamp(least, most)
}

/// While Goodays is away nothing is checked, so everything that waits is told here, each action once.
async fn tell_waiting_in_outage(shared: &Shared, now_ms: i64) -> Result<(), Fatal> {
    let now = shared.circumstances(now_ms);
    if now.goodays_away_ms.is_none_or(|since_ms| now_ms - since_ms < now.settle_ms) {
        return Ok(());
    }
    let tells = |intent: &Intent| {
        let told = matches!(intent.told_waiting, Some(Waiting::Outage { .. }));
        !told && matches!(intent.state, IntentState::Ready { .. })
    };
    let open = shared.store.all_open_intents().await?;
    let ids: Vec<ResponseId> = open.into_iter().filter(tells).map(|intent| intent.response_id).collect();
    for some in ids.chunks(FIRST_BATCH) {
        let tell = |_, loaded: &mut Loaded| loaded.now.tell_waiting(&now);
        shared.change_many(some, tell).await?;
    }
    Ok(())
}

async fn tell_waiting(
    shared: &Shared,
    response_id: &ResponseId,
    now: &Circumstances,
) -> Result<Conversation, Fatal> {
    shared
        .change(response_id, |loaded| {
            loaded.now.tell_waiting(now);
            loaded.now.clone()
        })
        .await
}

/// The next step for a response.
enum Next {
    Go(Box<Intent>),
    ReadAgain(Box<Intent>),
    /// Something may be sent then (milliseconds).
    At(i64),
    Nothing,
}

/// Whether and when an intent may be sent.
pub(crate) enum When {
    Go,
    ReadAgain,
    At(i64),
    Never,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_load_takes_so_long_that_what_was_read_for_it_is_old() {
        let fresh_ms = 1000;
        // Five milliseconds for each conversation: a debug build behind a database.
        let mut batch = LOADED_AT_ONCE.1;
        for _ in 0..10 {
            batch = next_batch(batch, 5 * i64::try_from(batch).unwrap(), fresh_ms);
        }
        assert!((LOADED_AT_ONCE.0..=50).contains(&batch), "{batch}");
        assert_eq!(
            next_batch(LOADED_AT_ONCE.0, 60_000, fresh_ms),
            LOADED_AT_ONCE.0,
            "some are loaded all the same"
        );
        for _ in 0..10 {
            batch = next_batch(batch, 10, fresh_ms);
        }
        assert_eq!(batch, LOADED_AT_ONCE.1, "a fast store");
    }
}
