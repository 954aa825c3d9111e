//! Sends agents' actions to Goodays, each exactly once.
//!
//! For each action: read the response for what is allowed now; decide on the current conversation and store `Sending`
//! with the ids of all messages seen, in one transaction; PUT; read back; update the ledger. What each answer means is
//! decided in [`crate::decide::outbound`]; this module makes the calls.

use std::collections::HashMap;
use std::sync::Mutex;

use crate::decide::outbound::attempt::{Park, held_back, is_of_one, is_told_of_look_up, unread_before_put};
use crate::decide::outbound::changes::Attempt;
use crate::decide::outbound::eligibility::Wait;
use crate::decide::outbound::{Beside, Circumstances, Eligibility, Look};
use crate::decide::outcome::refusals::Refusals;
use crate::decide::{Intent, IntentState};
use crate::goodays::event::Response;
use crate::goodays::{ResponseId, Verb};
use crate::http::Failure;
use crate::mutant;
use crate::state::{Loaded, RKey, SentMinutes};
use crate::sync::lock;
use crate::workers::delivery::dispatcher::When;
use crate::workers::runtime::read_failures::ReadFailures;
use crate::workers::runtime::retry::{REMOTE, interval, millis};
use crate::workers::{Fatal, Remote, Shared};

/// An unclear action is read back again: after `settle`, then after half its age, at least hourly, for three days.
pub(super) const UNCLEAR_LOOKS_MS: i64 = 3_600_000;
const UNCLEAR_LOOKED_FOR_MS: i64 = 3 * 24 * 3_600_000;

/// A refused action: its response and its number.
pub(super) type OfAction = (ResponseId, u64);

/// State shared by the actions in flight. Not stored: it starts empty after a restart.
pub(crate) struct Delivery {
    /// Until when an intent is postponed (milliseconds), by its number.
    postponed: Mutex<HashMap<u64, i64>>,
    /// How often something on the network path refused the PUT, by intent.
    pub(super) blocked: Mutex<HashMap<u64, u32>>,
    /// What Goodays refused since it accepted something, for each verb: an account may keep the right to one of them.
    pub(super) refusals: Mutex<HashMap<Verb, Refusals<OfAction>>>,
    pub(super) read_failures: ReadFailures,
    /// Failed look-ups of the agent's user, which say nothing about the response.
    look_ups: ReadFailures,
    /// This term, as the store numbers it: a `Sending` of another one ended before this one began.
    pub(super) epoch: i64,
    /// When this term began (milliseconds).
    pub(super) began_ms: i64,
}

impl Delivery {
    pub(crate) fn new(epoch: i64, began_ms: i64) -> Self {
        Self {
            postponed: Mutex::default(),
            blocked: Mutex::default(),
            refusals: Mutex::default(),
            read_failures: ReadFailures::default(),
            look_ups: ReadFailures::default(),
            epoch,
            began_ms,
        }
    }

    pub(crate) fn postpone(&self, seq: u64, until_ms: i64) {
        lock(&self.postponed).insert(seq, until_ms);
    }

    /// A human retries the action: earlier failures do not hold it up.
    pub(crate) fn begins_anew(&self, seq: u64) {
        lock(&self.postponed).remove(&seq);
        lock(&self.blocked).remove(&seq);
        self.read_failures.forget(seq);
        self.look_ups.forget(seq);
    }

    pub(crate) fn postponed_until(&self, seq: u64, now_ms: i64) -> Option<i64> {
        let mut holds = lock(&self.postponed);
        let at_ms = holds.get(&seq).copied()?;
        if at_ms > now_ms {
            return Some(at_ms);
        }
        holds.remove(&seq);
        None
    }

    /// When an unclear action is read back: it may still be shown. It is never sent again automatically.
    pub(crate) fn unclear_look(since_ms: i64, now: &Circumstances) -> When {
        let age_ms = now.now_ms - since_ms;
        if age_ms > UNCLEAR_LOOKED_FOR_MS {
            return When::Never;
        }
        if age_ms >= now.settle_ms { When::Go } else { When::At(since_ms + now.settle_ms) }
    }

    /// Handles one action as far as possible now.
    pub(crate) async fn deliver(&self, shared: &Shared, intent: Intent) -> Result<(), Fatal> {
        match intent.state.clone() {
            IntentState::Sending(sending) => self.resolve(shared, &intent, &sending).await,
            IntentState::Unclear { since_ms, .. } => self.look_for(shared, &intent, since_ms).await,
            _ => self.send(shared, intent).await,
        }
    }

    async fn send(&self, shared: &Shared, intent: Intent) -> Result<(), Fatal> {
        let user = match shared.user(intent.author.as_deref()).await {
            Ok(user) => user,
            Err(failure) => return self.user_not_found_out(shared, &intent, &failure).await,
        };
        self.look_ups.forget(intent.seq);
        let asked_ms = shared.clock.now_ms();
        let Some(view) = self.look(shared, &intent).await? else { return Ok(()) };
        shared.learn_turns(&view, None).await?;
        let view = if mutant::is_on("skip-allowed") { everything_allowed(view) } else { view };
        let newer = shared.newer_case(&intent).await?;
        let beside = Beside {
            link: None,
            user: user.id.as_deref(),
            newer_case: newer.as_deref(),
            acted: shared.on_goodays_clock(intent.acted),
        };
        let look = Look { view: &view, asked_ms, beside };
        let decided = self.begin(shared, &intent, look, user.is_author).await?;
        match decided {
            Eligibility::Send(action) => self.put(shared, &intent, action).await,
            Eligibility::NotYet(wait) => {
                self.not_yet(shared, &intent, wait);
                Ok(())
            }
            Eligibility::Look | Eligibility::Never(_) => Ok(()),
        }
    }

    /// Decides on the conversation as it is in the transaction that stores `Sending`: what came in since the read of
    /// Goodays counts.
    async fn begin(
        &self,
        shared: &Shared,
        intent: &Intent,
        look: Look<'_>,
        as_author: bool,
    ) -> Result<Eligibility, Fatal> {
        // Not while half a page of the poll is applied: the other half may have an answer.
        let _whole_page = shared.page.read().await;
        let attempt = Attempt { epoch: self.epoch, looked: shared.goodays.now(), as_author };
        let now = shared.circumstances(shared.clock.now_ms());
        let (seq, now_ms) = (intent.seq, now.now_ms);
        let limit = shared.live().max_actions_per_hour;
        let begin = |loaded: &mut Loaded, sent: &SentMinutes| {
            let decided = loaded.now.begin(seq, look, attempt, &now);
            let approved = loaded.now.intent(seq).is_some_and(|intent| intent.approved);
            // The limit protects customers from a mistake; what a human approved goes.
            let most = (!approved).then_some(u64::from(limit));
            if matches!(decided, Eligibility::Send(_)) && !loaded.count_sending(sent, most, now_ms) {
                loaded.now.was_not_done(seq, now_ms);
                let (code, why) = held_back(limit);
                loaded.now.park(seq, code, why, None, now_ms);
                return Eligibility::Look;
            }
            decided
        };
        let decided = shared.change_and_count(&intent.response_id, begin).await?;
        if matches!(decided, Eligibility::Send(_)) {
            shared.store.durable().await?;
        }
        Ok(decided)
    }

    fn not_yet(&self, shared: &Shared, intent: &Intent, wait: Wait) {
        match wait.until_ms() {
            Some(until_ms) => self.postpone(intent.seq, until_ms),
            // The conversation changed: the dispatcher checks it again.
            None => shared.changes.add(RKey::of(&intent.response_id), &intent.response_id),
        }
    }

    /// Reads the response as it is now; `None` when the failure already decides, or the action has to wait.
    async fn look(&self, shared: &Shared, intent: &Intent) -> Result<Option<Response>, Fatal> {
        let began_ms = shared.clock.now_ms();
        let failure = match shared.goodays.response(&intent.response_id).await {
            Ok(view) => {
                shared.call_succeeded(Remote::Goodays, began_ms);
                self.read_failures.shown(intent.seq, shared.clock.now_ms());
                return Ok(Some(view));
            }
            Err(failure) => failure,
        };
        let failure = shared.whose_unread(&intent.response_id, failure, began_ms).await?;
        self.not_shown(shared, intent, is_of_one(&failure));
        if let Some(park) = unread_before_put(&failure, self.read_failures.of(intent.seq)) {
            self.read_failures.forget(intent.seq);
            Self::park(shared, intent, &park).await?;
        }
        Ok(None)
    }

    async fn park(shared: &Shared, intent: &Intent, park: &Park) -> Result<(), Fatal> {
        let now_ms = shared.clock.now_ms();
        shared
            .change(&intent.response_id, |loaded| {
                if loaded
                    .now
                    .intent(intent.seq)
                    .is_some_and(|now| matches!(now.state, IntentState::Ready { .. }))
                {
                    loaded.now.give_up(intent.seq, &park.code, park.why.clone(), now_ms);
                }
            })
            .await
    }

    /// Waits longer after each failure in a row, so that one response does not keep Goodays paused for all.
    pub(super) fn not_shown(&self, shared: &Shared, intent: &Intent, is_refused: bool) {
        let now_ms = shared.clock.now_ms();
        let before = self.read_failures.again(intent.seq, now_ms, is_refused);
        self.postpone(intent.seq, now_ms + millis(interval(REMOTE, before, None)));
    }

    /// Waits longer after each failed look-up in a row: one address may be refused on the way while all else works. Then
    /// nothing else tells it, so the Case does.
    async fn user_not_found_out(
        &self,
        shared: &Shared,
        intent: &Intent,
        failure: &Failure,
    ) -> Result<(), Fatal> {
        let now_ms = shared.clock.now_ms();
        let before = self.look_ups.again(intent.seq, now_ms, false);
        self.postpone(intent.seq, now_ms + millis(interval(REMOTE, before, None)));
        if !is_told_of_look_up(failure, before) {
            return Ok(());
        }
        shared.change(&intent.response_id, |loaded| loaded.now.tell_user_not_asked(intent.seq)).await
    }

    /// Postpones the action, and changes nothing else.
    pub(super) fn wait(&self, shared: &Shared, intent: &Intent) {
        let now_ms = shared.clock.now_ms();
        self.postpone(intent.seq, now_ms + millis(interval(REMOTE, intent.attempts.min(6), None)));
    }
}

/// The response as a mutant sees it.
fn everything_allowed(mut view: Response) -> Response {
    view.actions.extend(["reply", "message", "close", "spam", "call"].map(str::to_owned));
    view
}
