//! Carrying agents' actions to Goodays, each exactly once.
//!
//! For each action: read the response for what is allowed now; `Sending`, with the ids of all messages seen, on
//! disk; PUT; read back for the new message's id; ledger. What has no answer is read back before anything else
//! happens to it.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tracing::{info, warn};

use super::conclude::note;
use super::gate::code;
use super::missed::Missed;
use super::retry::{REMOTE, interval, millis};
use super::{Fatal, Shared, mutant};
use crate::config::Actions;
use crate::goodays::action::Action;
use crate::goodays::event::Response;
use crate::http::Failure;
use crate::plan::deliver::{Arrival, Decision, Settlement, arrival, decide, outdated, seen, settlement};
use crate::plan::inbound::waiting_since;
use crate::plan::{Intent, IntentState, Link, Sending, Told, hash64};
use crate::store::outbox::put_intent;
use crate::store::{RKey, StoreError, Tx, keys};

/// How long a read-back may fail before the agent is told that the outcome is unclear.
const UNCLEAR_AFTER_MS: i64 = 600_000;
/// Attempts of which two looks agreed that they did not arrive.
const MAX_ATTEMPTS: u32 = 20;

/// What the actions under way share.
pub(super) struct Delivery {
    /// Not before then (milliseconds), by intent.
    hold: Mutex<HashMap<u64, i64>>,
    missed: Missed,
    /// When this process began: what it found as `Sending` ended before.
    started_ms: i64,
}

impl Delivery {
    pub(super) fn new(started_ms: i64) -> Self {
        Self { hold: Mutex::default(), missed: Missed::default(), started_ms }
    }

    pub(super) fn hold(&self, seq: u64, until_ms: i64) {
        self.holds().insert(seq, until_ms);
    }

    pub(super) fn held_until(&self, seq: u64, now_ms: i64) -> Option<i64> {
        self.holds().get(&seq).copied().filter(|at_ms| *at_ms > now_ms)
    }

    /// Those that are over.
    pub(super) fn forget_holds(&self, now_ms: i64) {
        self.holds().retain(|_, at_ms| *at_ms > now_ms);
    }

    fn holds(&self) -> MutexGuard<'_, HashMap<u64, i64>> {
        self.hold.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Carries one action as far as it goes now.
    pub(super) async fn one(&self, shared: &Shared, intent: Intent) -> Result<(), Fatal> {
        match intent.state.clone() {
            IntentState::Sending(sending) => self.settle(shared, intent, sending).await,
            _ => self.send(shared, intent).await,
        }
    }

    async fn send(&self, shared: &Shared, intent: Intent) -> Result<(), Fatal> {
        let rkey = RKey::of(&intent.response_id);
        let Ok(user) = shared.user(intent.author.as_deref()).await else {
            self.wait(shared, &intent);
            return Ok(());
        };
        let Some(view) = self.look(shared, &intent).await? else { return Ok(()) };
        let view = if mutant::is_on("skip-allowed") { everything_allowed(view) } else { view };
        let link = shared.store.link(rkey)?;
        let (settle_ms, now_ms) = (millis(shared.config.settle), shared.clock.now_ms());
        if outdated(&intent, &view, link.as_ref(), settle_ms, now_ms) {
            self.wait(shared, &intent);
            return Ok(());
        }
        let newer = newer_case(shared, &intent, link.as_ref())?;
        match decide(&intent, &view, link.as_ref(), user, newer.as_deref()) {
            Decision::Settled(why) => {
                let now_ms = shared.clock.now_ms();
                let known = "Goodays has this feedback as processed already.".to_owned();
                let state = IntentState::Settled { at_ms: now_ms, why: known };
                shared.conclude(&intent, &state, &note(Told::Settled, &intent, &why, &view), |link| {
                    link.waiting_since = waiting_since(&view);
                })
            }
            Decision::NotSent { code, why } => shared.park_intent(&intent, code, &why, Some(&view)),
            Decision::Send(action) if shared.live().actions == Actions::Observe => {
                let state = IntentState::Observed { at_ms: shared.clock.now_ms(), verb: action.verb() };
                let why = "goodays.actions is observe: nothing was sent to the customer.";
                shared.conclude(&intent, &state, &note(Told::Observed, &intent, why, &view), |_| {})
            }
            Decision::Send(action) => self.put(shared, intent, action, &view).await,
        }
    }

    /// Reads the response as it is now; none when that alone decides, or has to wait.
    async fn look(&self, shared: &Shared, intent: &Intent) -> Result<Option<Response>, Fatal> {
        let began_ms = shared.clock.now_ms();
        let result = shared.goodays.response(&intent.response_id).await;
        shared.goodays_said(&result, began_ms);
        match result {
            Ok(view) => {
                self.missed.shown(intent.seq, shared.clock.now_ms());
                Ok(Some(view))
            }
            Err(failure @ Failure::Refused { .. }) => {
                let why = "Goodays does not show this feedback any more: it may have left the perimeter.";
                shared.park_intent(intent, &code(&failure), why, None)?;
                Ok(None)
            }
            Err(failure) => {
                self.not_shown(shared, intent);
                if matches!(failure, Failure::NoAnswer(_)) && self.missed.is_hopeless(intent.seq) {
                    let why = "Goodays gives no answer about this feedback, though it does about others.";
                    self.missed.forget(intent.seq);
                    shared.park_intent(intent, "no_answer", why, None)?;
                }
                Ok(None)
            }
        }
    }

    /// Each time in a row it waits longer, so that one response does not keep Goodays paused for all.
    fn not_shown(&self, shared: &Shared, intent: &Intent) {
        let now_ms = shared.clock.now_ms();
        let before = self.missed.again(intent.seq, now_ms);
        self.hold(intent.seq, now_ms + millis(interval(REMOTE, before, None)));
    }

    /// Left as it is, for a while.
    fn wait(&self, shared: &Shared, intent: &Intent) {
        let now_ms = shared.clock.now_ms();
        self.hold(intent.seq, now_ms + millis(interval(REMOTE, intent.attempts.min(6), None)));
    }

    async fn put(
        &self,
        shared: &Shared,
        intent: Intent,
        action: Action,
        view: &Response,
    ) -> Result<(), Fatal> {
        let rkey = RKey::of(&intent.response_id);
        let now_ms = shared.clock.now_ms();
        let sending = Sending { verb: action.verb(), since_ms: now_ms, ended_ms: None, seen: seen(view) };
        let mut tx = Tx::default();
        let Some(mut noted) = shared.store.guard_intent(&mut tx, intent.seq)? else { return Ok(()) };
        if noted != intent {
            return Ok(());
        }
        if !shared.within_hourly_limit(&mut tx, &intent, now_ms)? {
            let limit = shared.live().max_actions_per_hour;
            let why = format!(
                "Held back: more than {limit} actions in one hour. Somebody has to look and release them \
                 (goodays-salesforce retry --all --reason max_actions_per_hour)."
            );
            return shared.park_intent(&intent, "max_actions_per_hour", &why, None);
        }
        noted.attempts += 1;
        noted.state = IntentState::Sending(sending.clone());
        put_intent(&mut tx, rkey, &noted);
        if !shared.store.try_transact(&tx)? {
            return Ok(());
        }
        shared.store.durable().await?;
        let began_ms = shared.clock.now_ms();
        let result = shared.goodays.act(&intent.response_id, &action).await;
        shared.goodays_said(&result, began_ms);
        match result {
            Ok(()) => self.arrived(shared, noted, &sending).await,
            Err(Failure::NotSent(_) | Failure::Busy { .. } | Failure::Login { .. } | Failure::Budget) => {
                let not_before_ms = shared.clock.now_ms();
                set_state(shared, &noted, IntentState::Ready { not_before_ms })?;
                self.wait(shared, &noted);
                Ok(())
            }
            Err(failure @ Failure::Refused { .. }) => {
                let Failure::Refused { problem, status } = &failure else { return Ok(()) };
                if !noted.wish.is_answer() && self.processed_meanwhile(shared, &noted).await? {
                    return Ok(());
                }
                let why = format!("Goodays refused it ({status}): {}", problem.message);
                shared.park_intent(&noted, &code(&failure), &why, None)
            }
            Err(Failure::NoAnswer(_)) => {
                if mutant::is_on("skip-read-back") {
                    let not_before_ms = shared.clock.now_ms();
                    return set_state(shared, &noted, IntentState::Ready { not_before_ms });
                }
                let ended_ms = Some(shared.clock.now_ms());
                let sending = Sending { ended_ms, ..sending };
                warn!(response = %noted.response_id, action = %sending.verb, "no answer from Goodays: it is read back");
                set_state(shared, &noted, IntentState::Sending(sending))
            }
        }
    }

    /// A refused close, spam or call may be late only: somebody processed the response after we looked.
    async fn processed_meanwhile(&self, shared: &Shared, intent: &Intent) -> Result<bool, Fatal> {
        let Ok(view) = shared.goodays.response(&intent.response_id).await else { return Ok(false) };
        let link = shared.store.link(RKey::of(&intent.response_id))?;
        let Decision::Settled(why) = decide(intent, &view, link.as_ref(), None, None) else {
            return Ok(false);
        };
        let known = "Goodays has this feedback as processed already.".to_owned();
        let state = IntentState::Settled { at_ms: shared.clock.now_ms(), why: known };
        shared.conclude(intent, &state, &note(Told::Settled, intent, &why, &view), |link| {
            link.waiting_since = waiting_since(&view);
        })?;
        Ok(true)
    }

    /// The PUT was answered with success: read back for the new message's id.
    async fn arrived(&self, shared: &Shared, intent: Intent, sending: &Sending) -> Result<(), Fatal> {
        let began_ms = shared.clock.now_ms();
        let result = shared.goodays.response(&intent.response_id).await;
        shared.goodays_said(&result, began_ms);
        let view = result.ok();
        let message = view.as_ref().and_then(|v| match arrival(&intent, sending, v) {
            Arrival::Arrived(id) => id,
            Arrival::NotSeen => None,
        });
        shared.delivered(&intent, sending.verb, message.as_ref(), view.as_ref())
    }

    /// An attempt without known outcome: read back, then done, tried again, or unclear (design, rules 2 and 3).
    async fn settle(&self, shared: &Shared, intent: Intent, mut sending: Sending) -> Result<(), Fatal> {
        if sending.ended_ms.is_none() {
            // The process that sent it is gone; it ended before this one began.
            sending.ended_ms = Some(self.started_ms);
        }
        let began_ms = shared.clock.now_ms();
        let result = shared.goodays.response(&intent.response_id).await;
        shared.goodays_said(&result, began_ms);
        let now_ms = shared.clock.now_ms();
        let view = match result {
            Ok(view) => view,
            Err(Failure::Refused { .. }) => {
                let why = "Goodays does not show this feedback any more, so it cannot be read back.";
                return shared.unclear(&intent, sending, why);
            }
            Err(_) if now_ms - sending.since_ms > UNCLEAR_AFTER_MS => {
                return shared.unclear(&intent, sending, "Goodays could not be read back.");
            }
            Err(_) => {
                self.not_shown(shared, &intent);
                return Ok(());
            }
        };
        self.missed.shown(intent.seq, now_ms);
        let settle_ms = if mutant::is_on("skip-settle") { -1_000_000 } else { millis(shared.config.settle) };
        // What a view shows is as old as its question.
        match settlement(&intent, &sending, &view, settle_ms, began_ms) {
            Settlement::Arrived(id) => shared.delivered(&intent, sending.verb, id.as_ref(), Some(&view)),
            Settlement::LookAgain { at_ms } => {
                self.hold(intent.seq, at_ms);
                Ok(())
            }
            Settlement::NotDone if intent.attempts >= MAX_ATTEMPTS => {
                let why = "Goodays gives no answer, and it does not arrive.";
                shared.park_intent(&intent, "no_answer", why, Some(&view))
            }
            Settlement::NotDone => {
                info!(response = %intent.response_id, action = %sending.verb, "read back twice: it did not arrive; it is sent again");
                set_state(shared, &intent, IntentState::Ready { not_before_ms: now_ms })
            }
        }
    }
}

/// Moves on from `Sending`, unless somebody (a webhook that proves it) settled it meanwhile.
fn set_state(shared: &Shared, intent: &Intent, state: IntentState) -> Result<(), Fatal> {
    let mut tx = Tx::default();
    if let Some(mut stored) = shared.store.guard_intent(&mut tx, intent.seq)?
        && matches!(stored.state, IntentState::Sending(_))
    {
        stored.state = state;
        put_intent(&mut tx, RKey::of(&stored.response_id), &stored);
        shared.store.try_transact(&tx)?;
    }
    Ok(())
}

/// A mutant's view.
fn everything_allowed(mut view: Response) -> Response {
    view.actions.extend(["reply", "message", "close", "spam", "call"].map(str::to_owned));
    view
}

/// A newer Case of the same customer, for the reason of a refused answer (design, rule 12).
pub(super) fn newer_case(
    shared: &Shared,
    intent: &Intent,
    link: Option<&Link>,
) -> Result<Option<String>, StoreError> {
    let Some((link, customer)) = link.and_then(|l| Some((l, l.customer?))) else { return Ok(None) };
    if !intent.wish.is_answer() {
        return Ok(None);
    }
    let others = shared.store.links_of_customer(customer)?;
    let newer = others
        .iter()
        .filter(|o| o.response_id != link.response_id && o.fresh.newest > link.fresh.newest)
        .max_by_key(|o| o.fresh.newest);
    Ok(newer.and_then(|l| l.case.as_ref()).map(|c| c.number.clone().unwrap_or_else(|| c.id.to_string())))
}

impl Shared {
    /// Counts this action; false when the hour is full (design, `max_actions_per_hour`).
    fn within_hourly_limit(&self, tx: &mut Tx, intent: &Intent, now_ms: i64) -> Result<bool, StoreError> {
        const MINUTE_MS: i64 = 60_000;
        let key = keys::meta("sent minutes");
        let raw = self.store.get(&key)?;
        let mut minutes: BTreeMap<i64, u64> =
            raw.as_deref().map(crate::store::decode).transpose()?.unwrap_or_default();
        minutes.retain(|minute, _| *minute > now_ms / MINUTE_MS - 60);
        let sent: u64 = minutes.values().sum();
        if sent >= u64::from(self.live().max_actions_per_hour) && !intent.approved {
            return Ok(false);
        }
        *minutes.entry(now_ms / MINUTE_MS).or_default() += 1;
        // Guarded, for several go at once, and the limit is what protects customers from a mistake.
        tx.expect(key.clone(), raw);
        tx.set(key, crate::store::encode(&minutes));
        Ok(true)
    }

    /// The state belongs to one Goodays account (design, rule 16).
    pub(super) async fn right_account(&self) -> Result<Result<(), Failure>, Fatal> {
        let mut checked = self.goodays_account.lock().await;
        let token = self.secrets.goodays_token.load_full();
        if checked.as_ref().is_some_and(|of| Arc::ptr_eq(of, &token)) {
            return Ok(Ok(()));
        }
        let began_ms = self.clock.now_ms();
        let stored: Option<u64> = self.store.meta("goodays_account")?;
        let result = self.goodays.session().await;
        let name = match result {
            Ok(name) => {
                self.goodays_said::<()>(&Ok(()), began_ms);
                name
            }
            // Not every account has this endpoint; the token is what counts.
            Err(Failure::Refused { .. }) => None,
            // An account that never told its name has none to be compared; it is asked again when work begins anew.
            Err(Failure::NoAnswer(_)) if stored.is_none() => return Ok(Ok(())),
            Err(failure) => return Ok(Err(failure)),
        };
        if let Some(hash) = name.map(|n| hash64(&n)) {
            if stored.is_some_and(|s| s != hash) {
                let advice = "This state belongs to another Goodays account than the token: use a state folder \
                              of its own (state.path), or the right token.";
                return Ok(Err(Failure::Login { code: "other_account".into(), advice: advice.into() }));
            }
            if stored.is_none() {
                self.store.set_meta("goodays_account", &hash)?;
            }
        }
        *checked = Some(token);
        Ok(Ok(()))
    }
}
