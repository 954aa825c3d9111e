//! Sends agents' actions to Goodays, each exactly once.
//!
//! For each action: read the response for what is allowed now; decide on the current conversation and store `Sending`
//! with the ids of all messages seen, in one transaction; PUT; read back; update the ledger. What each answer means is
//! decided in [`crate::decide::outbound`]; this module makes the calls.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tracing::{info, warn};

use crate::config::Actions;
use crate::decide::outbound::eligibility::Wait;
use crate::decide::outbound::{Beside, Circumstances, Eligibility, Look, Outcome, Reading, outcome};
use crate::decide::{Intent, IntentState, Link, Sending, hash64};
use crate::goodays::action::Action;
use crate::goodays::event::Response;
use crate::http::Failure;
use crate::mutant;
use crate::state::{RKey, StoreError, Tx, keys};
use crate::time::{GoodaysTime, SalesforceTime, salesforce_to_goodays};
use crate::workers::delivery::dispatcher::When;
use crate::workers::runtime::circuit_breaker::code;
use crate::workers::runtime::read_failures::ReadFailures;
use crate::workers::runtime::retry::{REMOTE, interval, millis};
use crate::workers::{Fatal, Shared, Stop};

/// How long reading back may fail before the outcome is unclear (milliseconds).
const UNCLEAR_AFTER_MS: i64 = 600_000;
/// How many PUTs of one action something on the network path may refuse while Goodays itself works.
const MAX_BLOCKED: u32 = 4;
/// An unclear action is read back again: after `settle`, then after half its age, at least hourly, for three days.
const UNCLEAR_LOOKS_MS: i64 = 3_600_000;
const UNCLEAR_LOOKED_FOR_MS: i64 = 3 * 24 * 3_600_000;
/// Whether this account stops listing `message` once the brand has answered.
const MESSAGE_ENDS_TURN: &str = "message ends turn";

/// State shared by the actions in flight. Not stored: it starts empty after a restart.
pub(crate) struct Delivery {
    /// Until when an intent is postponed (milliseconds), by its number.
    hold: Mutex<HashMap<u64, i64>>,
    /// How often something on the network path refused the PUT, by intent.
    blocked: Mutex<HashMap<u64, u32>>,
    read_failures: ReadFailures,
    /// When this process began (milliseconds): a `Sending` that it found ended before.
    started_ms: i64,
}

impl Delivery {
    pub(crate) fn new(started_ms: i64) -> Self {
        Self {
            hold: Mutex::default(),
            blocked: Mutex::default(),
            read_failures: ReadFailures::default(),
            started_ms,
        }
    }

    pub(crate) fn postpone(&self, seq: u64, until_ms: i64) {
        self.holds().insert(seq, until_ms);
    }

    pub(crate) fn postponed_until(&self, seq: u64, now_ms: i64) -> Option<i64> {
        let mut holds = self.holds();
        let at_ms = holds.get(&seq).copied()?;
        if at_ms > now_ms {
            return Some(at_ms);
        }
        holds.remove(&seq);
        None
    }

    fn holds(&self) -> MutexGuard<'_, HashMap<u64, i64>> {
        self.hold.lock().unwrap_or_else(PoisonError::into_inner)
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
            IntentState::Sending(sending) => self.settle(shared, &intent, sending).await,
            IntentState::Unclear { since_ms, .. } => self.look_for(shared, &intent, since_ms).await,
            _ => self.send(shared, intent).await,
        }
    }

    async fn send(&self, shared: &Shared, intent: Intent) -> Result<(), Fatal> {
        let Ok(user) = shared.user(intent.author.as_deref()).await else {
            self.wait(shared, &intent);
            return Ok(());
        };
        let asked_ms = shared.clock.now_ms();
        let Some(view) = self.look(shared, &intent).await? else { return Ok(()) };
        let view = if mutant::is_on("skip-allowed") { everything_allowed(view) } else { view };
        let newer = shared.newer_case(&intent)?;
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
        is_author: bool,
    ) -> Result<Eligibility, Fatal> {
        // Not while half a page of the poll is applied: the other half may have an answer.
        let _whole_page = shared.page.read().await;
        let looked = shared.goodays.now();
        let now = shared.circumstances(shared.clock.now_ms());
        let (seq, now_ms) = (intent.seq, now.now_ms);
        let limit = shared.live().max_actions_per_hour;
        let decided = shared.change(&intent.response_id, |loaded| {
            let decided = loaded.now.begin(seq, look, looked, is_author, &now);
            let approved = loaded.now.intent(seq).is_some_and(|intent| intent.approved);
            if matches!(decided, Eligibility::Send(_))
                && !shared.within_hourly_limit(loaded.with(), approved, now_ms)?
            {
                loaded.now.was_not_done(seq, now_ms);
                let why = format!(
                    "Held back: more than {limit} actions in one hour. Somebody has to look and release them \
                     (goodays-salesforce retry --all --reason max_actions_per_hour)."
                );
                loaded.now.park(seq, "max_actions_per_hour", &why, None, now_ms);
                return Ok(Eligibility::Look);
            }
            Ok(decided)
        })?;
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
                shared.goodays_said::<()>(&Ok(()), began_ms);
                self.read_failures.shown(intent.seq, shared.clock.now_ms());
                return Ok(Some(view));
            }
            Err(failure) => failure,
        };
        let failure = shared.whose_refusal(failure, began_ms).await;
        self.not_shown(shared, intent);
        match failure {
            Failure::Refused { .. } => {
                let why = "Goodays does not show this feedback any more: it may have left the perimeter.";
                Self::park(shared, intent, &code(&failure), why)?;
            }
            Failure::NoAnswer(_) | Failure::Road(_) if self.read_failures.is_hopeless(intent.seq) => {
                let why = "Goodays gives no answer about this feedback, though it does about others.";
                self.read_failures.forget(intent.seq);
                Self::park(shared, intent, "no_answer", why)?;
            }
            _ => {}
        }
        Ok(None)
    }

    fn park(shared: &Shared, intent: &Intent, code: &str, why: &str) -> Result<(), Fatal> {
        let now_ms = shared.clock.now_ms();
        shared.change(&intent.response_id, |loaded| {
            if loaded.now.intent(intent.seq).is_some_and(|now| matches!(now.state, IntentState::Ready { .. }))
            {
                loaded.now.give_up(intent.seq, code, why, now_ms);
            }
            Ok(())
        })
    }

    /// Waits longer after each failure in a row, so that one response does not keep Goodays paused for all.
    fn not_shown(&self, shared: &Shared, intent: &Intent) {
        let now_ms = shared.clock.now_ms();
        let before = self.read_failures.again(intent.seq, now_ms);
        self.postpone(intent.seq, now_ms + millis(interval(REMOTE, before, None)));
    }

    /// Postpones the action, and changes nothing else.
    fn wait(&self, shared: &Shared, intent: &Intent) {
        let now_ms = shared.clock.now_ms();
        self.postpone(intent.seq, now_ms + millis(interval(REMOTE, intent.attempts.min(6), None)));
    }

    async fn put(&self, shared: &Shared, intent: &Intent, action: Action) -> Result<(), Fatal> {
        let (seq, id) = (intent.seq, &intent.response_id);
        let began_ms = shared.clock.now_ms();
        let result = shared.goodays.act(id, &action).await;
        let ended_ms = shared.clock.now_ms();
        if mutant::is_on("log-words") {
            info!(wish = ?intent.kind, "an action was sent");
        }
        if !matches!(result, Err(Failure::Road(_))) {
            shared.goodays_said(&result, began_ms);
        }
        match result {
            Ok(()) => {
                shared.change(id, |loaded| {
                    loaded.now.attempt_ended(seq, ended_ms);
                    Ok(())
                })?;
                self.read_back_now(shared, intent).await
            }
            Err(Failure::Refused { problem, status }) => {
                let why = format!("Goodays refused it ({status}): {}", problem.message);
                let code = code(&Failure::Refused { status, problem });
                // A close, spam or call may be refused only because it is already done.
                let view = shared.goodays.response(id).await.ok();
                let now_ms = shared.clock.now_ms();
                shared.change(id, |loaded| {
                    loaded.now.refused(seq, &code, &why, view.as_ref(), now_ms);
                    Ok(())
                })
            }
            Err(Failure::NoAnswer(_) | Failure::Road(_)) => {
                if matches!(result, Err(Failure::Road(_))) {
                    *self.blocks().entry(seq).or_default() += 1;
                }
                if mutant::is_on("skip-read-back") {
                    return shared.change(id, |loaded| {
                        loaded.now.was_not_done(seq, ended_ms);
                        Ok(())
                    });
                }
                warn!(response = %id, action = %action, "no answer from Goodays: it is read back");
                shared.change(id, |loaded| {
                    loaded.now.attempt_ended(seq, ended_ms);
                    Ok(())
                })
            }
            // Nothing was done: no connection, too many calls, or a refused token.
            Err(_) => {
                shared.change(id, |loaded| {
                    loaded.now.was_not_done(seq, ended_ms);
                    Ok(())
                })?;
                self.wait(shared, intent);
                Ok(())
            }
        }
    }

    fn blocks(&self) -> MutexGuard<'_, HashMap<u64, u32>> {
        self.blocked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// After a 2xx answer of the PUT. That answer is a claim; what the response shows now decides.
    async fn read_back_now(&self, shared: &Shared, intent: &Intent) -> Result<(), Fatal> {
        let asked_ms = shared.clock.now_ms();
        let result = shared.goodays.response(&intent.response_id).await;
        shared.goodays_said(&result, asked_ms);
        let Ok(view) = result else { return Ok(()) };
        self.read_back(shared, intent, &view, asked_ms)
    }

    /// An attempt with unknown outcome is read back: it is done, sent again, or unclear (design, rules 2 and 3).
    async fn settle(&self, shared: &Shared, intent: &Intent, sending: Sending) -> Result<(), Fatal> {
        let (seq, id) = (intent.seq, &intent.response_id);
        if sending.ended_ms.is_none() {
            // The process that sent it has ended, before this one began.
            shared.change(id, |loaded| {
                loaded.now.attempt_ended(seq, self.started_ms);
                Ok(())
            })?;
        }
        let began_ms = shared.clock.now_ms();
        let failure = match shared.goodays.response(id).await {
            Ok(view) => {
                shared.goodays_said::<()>(&Ok(()), began_ms);
                self.read_failures.shown(seq, shared.clock.now_ms());
                return self.read_back(shared, intent, &view, began_ms);
            }
            Err(failure) => shared.whose_refusal(failure, began_ms).await,
        };
        let now_ms = shared.clock.now_ms();
        let why = match failure {
            Failure::Refused { .. } => {
                "Goodays does not show this feedback any more, so it cannot be read back."
            }
            _ if now_ms - sending.since_ms > UNCLEAR_AFTER_MS => "Goodays could not be read back.",
            _ => {
                self.not_shown(shared, intent);
                return Ok(());
            }
        };
        shared.change(id, |loaded| {
            let now = loaded.now.intent(seq).map(|intent| intent.state.clone());
            if let Some(IntentState::Sending(sending)) = now {
                loaded.now.unclear(seq, sending, why, now_ms);
            }
            Ok(())
        })
    }

    fn read_back(
        &self,
        shared: &Shared,
        intent: &Intent,
        view: &Response,
        asked_ms: i64,
    ) -> Result<(), Fatal> {
        let seq = intent.seq;
        let now_ms = shared.clock.now_ms();
        let reading = shared.reading(view, asked_ms);
        let blocked = self.blocks().get(&seq).copied().unwrap_or_default() >= MAX_BLOCKED;
        let found = shared.change(&intent.response_id, |loaded| {
            let found = loaded.now.read_back(seq, reading, now_ms);
            if blocked && found == Some(Outcome::DidNotArrive) {
                let why = "Something between the connector and Goodays refuses this text and lets others pass: a \
                           firewall, perhaps. Please answer in Goodays, or in other words.";
                loaded.now.park(seq, "blocked_on_the_way", why, None, now_ms);
            }
            Ok(found)
        })?;
        match found {
            Some(Outcome::Arrived(Some(proof))) => {
                self.blocks().remove(&seq);
                if let Some(ends) = outcome::message_ends_turn(view, &proof.id) {
                    shared.learn_turns(ends)?;
                }
            }
            Some(Outcome::NotYet { look_again_ms }) => self.postpone(seq, look_again_ms),
            Some(Outcome::DidNotArrive) => {
                info!(response = %intent.response_id, "read back twice: it did not arrive; it is sent again");
                if intent.attempts > 1 {
                    self.wait(shared, intent);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Reads back an unclear action: it may be shown by now.
    async fn look_for(&self, shared: &Shared, intent: &Intent, since_ms: i64) -> Result<(), Fatal> {
        if let Err(stop) = shared.look_for(intent).await {
            stop.remote()?;
        }
        let now_ms = shared.clock.now_ms();
        let pause_ms = ((now_ms - since_ms) / 2).max(millis(shared.config.settle)).min(UNCLEAR_LOOKS_MS);
        self.postpone(intent.seq, now_ms + pause_ms);
        Ok(())
    }
}

/// The response as a mutant sees it.
fn everything_allowed(mut view: Response) -> Response {
    view.actions.extend(["reply", "message", "close", "spam", "call"].map(str::to_owned));
    view
}

impl Shared {
    /// What applies to all actions now.
    pub(crate) fn circumstances(&self, now_ms: i64) -> Circumstances {
        let settle_ms = if mutant::is_on("skip-settle") { -1_000_000 } else { millis(self.config.settle) };
        Circumstances {
            now_ms,
            close_grace_ms: millis(self.live().poll.close_grace),
            settle_ms,
            poll_ms: millis(self.live().poll.interval),
            observe: self.live().actions == Actions::Observe,
            message_ends_turn: self.message_ends_turn(),
        }
    }

    pub(crate) fn reading<'a>(&self, view: &'a Response, asked_ms: i64) -> Reading<'a> {
        let now = self.circumstances(asked_ms);
        Reading { view, asked_ms, settle_ms: now.settle_ms, message_ends_turn: now.message_ends_turn }
    }

    fn message_ends_turn(&self) -> Option<bool> {
        self.store.meta(MESSAGE_ENDS_TURN).ok().flatten()
    }

    /// Stores whether `message` is listed right after an answer of ours. Once it was, a listed `message` no longer
    /// shows that an answer did not arrive.
    pub(crate) fn learn_turns(&self, ends: bool) -> Result<(), StoreError> {
        let known = self.message_ends_turn();
        if known.is_none() || (known == Some(true) && !ends) {
            self.store.set_meta(MESSAGE_ENDS_TURN, &ends)?;
        }
        Ok(())
    }

    /// Reads back an action with unknown outcome. True, and stored, when it arrived.
    pub(crate) async fn look_for(&self, intent: &Intent) -> Result<bool, Stop> {
        let asked_ms = self.clock.now_ms();
        let result = self.goodays.response(&intent.response_id).await;
        self.goodays_said(&result, asked_ms);
        let view = result?;
        let (reading, now_ms) = (self.reading(&view, asked_ms), self.clock.now_ms());
        let found =
            self.change(&intent.response_id, |loaded| Ok(loaded.now.read_back(intent.seq, reading, now_ms)))?;
        Ok(matches!(found, Some(Outcome::Arrived(_))))
    }

    /// Whether a refusal is Goodays' own, for this response, or the network's, for everything. The latter pauses all.
    async fn whose_refusal(&self, failure: Failure, began_ms: i64) -> Failure {
        if !matches!(failure, Failure::Refused { .. } | Failure::Road(_)) {
            self.goodays_said::<()>(&Err(failure.clone()), began_ms);
            return failure;
        }
        let well = self.goodays.is_well().await;
        self.goodays_said(&well, began_ms);
        match well {
            Ok(()) => failure,
            Err(all) => all,
        }
    }

    /// A time of Salesforce's clock converted to Goodays' clock; `None` while either clock is not known.
    pub(crate) fn on_goodays_clock(&self, moment: SalesforceTime) -> Option<GoodaysTime> {
        let salesforce = self.salesforce.now()?;
        Some(salesforce_to_goodays(moment, salesforce, self.goodays.now()?))
    }

    /// A newer Case of the same customer, named in the reason of a refused answer (design, rule 12).
    pub(crate) fn newer_case(&self, intent: &Intent) -> Result<Option<String>, StoreError> {
        let link = self.store.link(RKey::of(&intent.response_id))?;
        let Some((link, customer)) = link.as_ref().and_then(|l| Some((l, l.customer?))) else {
            return Ok(None);
        };
        if !intent.kind.is_answer() {
            return Ok(None);
        }
        let others = self.store.links_of_customer(customer)?;
        let newer = |o: &&Link| o.response_id != link.response_id && o.fresh.newest > link.fresh.newest;
        let newest = others.iter().filter(newer).max_by_key(|o| o.fresh.newest);
        Ok(newest.and_then(|l| l.case.as_ref()).map(|c| c.number.clone().unwrap_or_else(|| c.id.to_string())))
    }

    /// Counts this action; false when the hourly limit is reached (design, `max_actions_per_hour`).
    fn within_hourly_limit(&self, tx: &mut Tx, approved: bool, now_ms: i64) -> Result<bool, StoreError> {
        const MINUTE_MS: i64 = 60_000;
        let key = keys::meta("sent minutes");
        // Guarded, since several actions begin at once. The limit protects customers from a mistake.
        let raw = self.store.guard(tx, key.clone())?;
        let mut minutes: BTreeMap<i64, u64> =
            raw.as_deref().map(crate::state::decode).transpose()?.unwrap_or_default();
        minutes.retain(|minute, _| *minute > now_ms / MINUTE_MS - 60);
        let sent: u64 = minutes.values().sum();
        if sent >= u64::from(self.live().max_actions_per_hour) && !approved {
            return Ok(false);
        }
        *minutes.entry(now_ms / MINUTE_MS).or_default() += 1;
        tx.set(key, crate::state::encode(&minutes));
        Ok(true)
    }

    /// Checks that the token is of the state's Goodays account (design, rule 16).
    pub(crate) async fn right_account(&self) -> Result<(), Stop> {
        let mut checked = self.goodays_account.lock().await;
        let token = self.secrets.goodays_token.load_full();
        if checked.as_ref().is_some_and(|of| Arc::ptr_eq(of, &token)) {
            return Ok(());
        }
        let began_ms = self.clock.now_ms();
        let stored: Option<u64> = self.store.meta("goodays_account")?;
        let result = self.goodays.session().await;
        let name = match result {
            Ok(name) => {
                self.goodays_said::<()>(&Ok(()), began_ms);
                name
            }
            // Not every account has this endpoint; then only the token counts.
            Err(Failure::Refused { .. }) => None,
            Err(failure @ Failure::Road(_)) => match self.whose_refusal(failure, began_ms).await {
                Failure::Road(_) if self.goodays_breaker.trouble().is_none() => None,
                failure => return Err(failure.into()),
            },
            // An account that never gave its name cannot be compared. It is asked again when nothing is in flight.
            Err(Failure::NoAnswer(_)) if stored.is_none() => return Ok(()),
            Err(failure) => return Err(failure.into()),
        };
        if let Some(hash) = name.map(|n| hash64(&n)) {
            if stored.is_some_and(|s| s != hash) {
                let advice = "This state belongs to another Goodays account than the token: use a state folder \
                              of its own (state.path), or the right token.";
                let code = "other_account".into();
                return Err(Failure::WrongSession { code, advice: advice.into() }.into());
            }
            if stored.is_none() {
                self.store.set_meta("goodays_account", &hash)?;
            }
        }
        *checked = Some(token);
        Ok(())
    }
}
