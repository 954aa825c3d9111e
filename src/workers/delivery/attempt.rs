//! One attempt of an action: the PUT, and what became of it. Goodays is read back, and the conversation changes by the
//! outcome (design, rules 2 and 3). What each answer leads to is decided in [`crate::decide::outbound::attempt`].

use tracing::{info, warn};

use super::deliver::{Delivery, UNCLEAR_LOOKS_MS};
use crate::decide::outbound::Outcome;
use crate::decide::outbound::attempt::{
    AfterPut, Mend, Refused, after_put, blocked_on_the_way, is_of_one, refuses_everything, unread_after_put,
};
use crate::decide::outcome::refusals::Whose;
use crate::decide::{Intent, IntentState, Sending};
use crate::goodays::Verb;
use crate::goodays::action::Action;
use crate::goodays::event::Response;
use crate::mutant;
use crate::sync::lock;
use crate::workers::runtime::retry::millis;
use crate::workers::{Fatal, Remote, Shared};

impl Delivery {
    pub(super) async fn put(&self, shared: &Shared, intent: &Intent, action: Action) -> Result<(), Fatal> {
        let (seq, id) = (intent.seq, &intent.response_id);
        let began_ms = shared.clock.now_ms();
        let result = shared.goodays.act(id, &action).await;
        let ended_ms = shared.clock.now_ms();
        if mutant::is_on("log-words") {
            info!(wish = ?intent.kind, "an action was sent");
        }
        let (verb, next) = (action.verb(), after_put(id, &action, &result));
        // What something on the way refused says nothing about Goodays: the read back asks Goodays itself.
        if next != (AfterPut::ReadBackLater { blocked: true }) {
            shared.call_ended(Remote::Goodays, &result, began_ms);
        }
        match next {
            AfterPut::ReadBack => {
                self.accepted(shared, intent, verb);
                self.attempt_ended(shared, intent, ended_ms).await?;
                self.read_back_now(shared, intent).await
            }
            AfterPut::ReadBackLater { .. } if mutant::is_on("skip-read-back") => {
                Self::was_not_done(shared, intent, ended_ms).await
            }
            AfterPut::ReadBackLater { blocked } => {
                if blocked && !self.is_of_everything(shared, intent, verb, ("blocked_on_the_way", "")).await?
                {
                    *lock(&self.blocked).entry(seq).or_default() += 1;
                }
                warn!(response = %id, action = %action, "no answer from Goodays: it is read back");
                self.attempt_ended(shared, intent, ended_ms).await
            }
            AfterPut::SendLater => {
                Self::was_not_done(shared, intent, ended_ms).await?;
                self.wait(shared, intent);
                Ok(())
            }
            AfterPut::PutOff => {
                if let Err(failure) = &result {
                    shared.writes_refused(Remote::Goodays, failure);
                }
                self.put_off(shared, intent, ended_ms).await
            }
            AfterPut::Refused(refused) => self.refused(shared, intent, verb, refused).await,
        }
    }

    /// Goodays refused the action. What it shows now may say more; otherwise equal refusals of others do.
    async fn refused(
        &self,
        shared: &Shared,
        intent: &Intent,
        verb: Verb,
        Refused { code, why, like, mend }: Refused,
    ) -> Result<(), Fatal> {
        let (seq, id) = (intent.seq, &intent.response_id);
        let Ok(view) = shared.goodays.response(id).await else {
            return self.put_off(shared, intent, shared.clock.now_ms()).await;
        };
        let now_ms = shared.clock.now_ms();
        let is_shown = shared.change(id, |loaded| loaded.now.shown_after_refusal(seq, &view, now_ms)).await?;
        if is_shown {
            return Ok(());
        }
        if let Some(mend) = mend {
            return self.mend(shared, intent, &mend, now_ms).await;
        }
        if let Some(like) = &like
            && self.is_of_everything(shared, intent, verb, (&code, like)).await?
        {
            return self.put_off(shared, intent, now_ms).await;
        }
        shared.change(id, |loaded| loaded.now.refused(seq, &code, why.clone(), &view, now_ms)).await?;
        // Others may have shown meanwhile that everything is refused, when this one was not parked yet.
        let concerns_everything = like.is_some_and(|like| {
            let (one, reason) = ((id.clone(), seq), equal_reason(&code, &like));
            lock(&self.refusals).entry(verb).or_default().concerns_everything(&one, &reason)
        });
        if concerns_everything {
            let now_ms = shared.clock.now_ms();
            shared.change_with(id, seq, |loaded| loaded.now.waits_again(seq, &code, now_ms)).await?;
        }
        Ok(())
    }

    /// The action is sent once more in another form, after a look that shows that it did not arrive all the same.
    async fn mend(&self, shared: &Shared, intent: &Intent, mend: &Mend, ended_ms: i64) -> Result<(), Fatal> {
        if let Some(user) = &mend.user {
            shared.users.refused(user, ended_ms);
        }
        let settle_ms = millis(shared.config.settle);
        shared
            .change(&intent.response_id, |loaded| {
                loaded.now.put_off_and_mend(intent.seq, mend, ended_ms, settle_ms);
            })
            .await?;
        self.wait(shared, intent);
        Ok(())
    }

    fn accepted(&self, shared: &Shared, intent: &Intent, verb: Verb) {
        lock(&self.refusals).entry(verb).or_default().accepted(&(intent.response_id.clone(), intent.seq));
        shared.writes_accepted(Remote::Goodays);
    }

    /// Whether Goodays refuses everything for this reason. Then sending pauses, and what was parked for it waits again.
    async fn is_of_everything(
        &self,
        shared: &Shared,
        intent: &Intent,
        verb: Verb,
        (code, like): (&str, &str),
    ) -> Result<bool, Fatal> {
        let one = (intent.response_id.clone(), intent.seq);
        let whose = lock(&self.refusals).entry(verb).or_default().refused(&one, &equal_reason(code, like));
        let Whose::Everything { before } = whose else { return Ok(false) };
        shared.writes_refused(Remote::Goodays, &refuses_everything(code));
        for (id, seq) in before {
            let now_ms = shared.clock.now_ms();
            shared.change_with(&id, seq, |loaded| loaded.now.waits_again(seq, code, now_ms)).await?;
        }
        Ok(true)
    }

    async fn put_off(&self, shared: &Shared, intent: &Intent, ended_ms: i64) -> Result<(), Fatal> {
        let settle_ms = millis(shared.config.settle);
        shared
            .change(&intent.response_id, |loaded| loaded.now.put_off(intent.seq, ended_ms, settle_ms))
            .await?;
        self.wait(shared, intent);
        Ok(())
    }

    async fn attempt_ended(&self, shared: &Shared, intent: &Intent, ended_ms: i64) -> Result<(), Fatal> {
        shared.change(&intent.response_id, |loaded| loaded.now.attempt_ended(intent.seq, ended_ms)).await
    }

    pub(super) async fn was_not_done(shared: &Shared, intent: &Intent, ended_ms: i64) -> Result<(), Fatal> {
        shared.change(&intent.response_id, |loaded| loaded.now.was_not_done(intent.seq, ended_ms)).await
    }

    /// After a 2xx answer of the PUT. That answer is a claim; what the response shows now decides.
    pub(super) async fn read_back_now(&self, shared: &Shared, intent: &Intent) -> Result<(), Fatal> {
        let asked_ms = shared.clock.now_ms();
        let result = shared.goodays.response(&intent.response_id).await;
        shared.call_ended(Remote::Goodays, &result, asked_ms);
        let Ok(view) = result else { return Ok(()) };
        self.read_back(shared, intent, &view, asked_ms).await
    }

    /// An attempt with unknown outcome is read back: it is done, sent again, or unclear (design, rules 2 and 3).
    pub(super) async fn resolve(
        &self,
        shared: &Shared,
        intent: &Intent,
        sending: &Sending,
    ) -> Result<(), Fatal> {
        let (seq, id) = (intent.seq, &intent.response_id);
        if mutant::is_on("skip-read-back") {
            return Self::was_not_done(shared, intent, self.began_ms).await;
        }
        if sending.epoch != self.epoch || sending.ended_ms.is_none() {
            let now_ms = shared.clock.now_ms();
            shared
                .change(id, |loaded| loaded.now.found_under_way(seq, self.epoch, self.began_ms, now_ms))
                .await?;
        }
        let began_ms = shared.clock.now_ms();
        let failure = match shared.goodays.response(id).await {
            Ok(view) => {
                shared.call_succeeded(Remote::Goodays, began_ms);
                self.read_failures.shown(seq, shared.clock.now_ms());
                return self.read_back(shared, intent, &view, began_ms).await;
            }
            Err(failure) => shared.whose_unread(id, failure, began_ms).await?,
        };
        let now_ms = shared.clock.now_ms();
        self.not_shown(shared, intent, is_of_one(&failure));
        let reads = self.read_failures.of(seq);
        let Some(why) = unread_after_put(&failure, now_ms - sending.since_ms, reads) else { return Ok(()) };
        self.read_failures.forget(seq);
        shared
            .change(id, |loaded| {
                let now = loaded.now.intent(seq).map(|intent| intent.state.clone());
                if let Some(IntentState::Sending(sending)) = now {
                    loaded.now.unclear(seq, sending, why.clone(), now_ms);
                }
            })
            .await
    }

    async fn read_back(
        &self,
        shared: &Shared,
        intent: &Intent,
        view: &Response,
        asked_ms: i64,
    ) -> Result<(), Fatal> {
        let seq = intent.seq;
        let now_ms = shared.clock.now_ms();
        shared.learn_turns(view, None).await?;
        let reading = shared.reading(view, asked_ms);
        let blocked = lock(&self.blocked).get(&seq).copied().unwrap_or_default();
        let mut verb = None;
        let found = shared
            .change(&intent.response_id, |loaded| {
                verb = loaded.now.intent(seq).and_then(Intent::attempt).map(|attempt| attempt.verb);
                let found = loaded.now.read_back(seq, reading, now_ms);
                if let Some(park) = blocked_on_the_way(found.as_ref(), blocked) {
                    loaded.now.park(seq, &park.code, park.why, None, now_ms);
                }
                found
            })
            .await?;
        if let (Some(Outcome::Arrived(_)), Some(now)) = (&found, shared.salesforce.now()) {
            shared.reached_goodays(now.millis_since(intent.acted));
        }
        if let Some(Outcome::Arrived(Some(proof))) = &found {
            shared.learn_turns(view, Some((&proof.id, verb))).await?;
        }
        match found {
            Some(Outcome::Arrived(Some(_))) => {
                lock(&self.blocked).remove(&seq);
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
    pub(super) async fn look_for(
        &self,
        shared: &Shared,
        intent: &Intent,
        since_ms: i64,
    ) -> Result<(), Fatal> {
        if let Err(stop) = shared.look_for(intent).await {
            stop.remote()?;
        }
        let now_ms = shared.clock.now_ms();
        let pause_ms = ((now_ms - since_ms) / 2).max(millis(shared.config.settle)).min(UNCLEAR_LOOKS_MS);
        self.postpone(intent.seq, now_ms + pause_ms);
        Ok(())
    }
}

/// The reason by which refusals are compared.
fn equal_reason(code: &str, like: &str) -> String {
    format!("{code} {like}")
}
