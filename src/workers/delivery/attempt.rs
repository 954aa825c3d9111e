//! What became of an attempt: Goodays is read back, and the conversation changes by the outcome (design, rules 2 and 3).

use tracing::info;

use super::deliver::{Delivery, UNCLEAR_LOOKS_MS};
use crate::decide::outbound::attempt::{blocked_on_the_way, unread_after_put};
use crate::decide::outbound::{Outcome, outcome};
use crate::decide::{Intent, IntentState, Sending};
use crate::goodays::event::Response;
use crate::mutant;
use crate::workers::runtime::retry::millis;
use crate::workers::{Fatal, Shared};

impl Delivery {
    /// After a 2xx answer of the PUT. That answer is a claim; what the response shows now decides.
    pub(super) async fn read_back_now(&self, shared: &Shared, intent: &Intent) -> Result<(), Fatal> {
        let asked_ms = shared.clock.now_ms();
        let result = shared.goodays.response(&intent.response_id).await;
        shared.goodays_said(&result, asked_ms);
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
            return Self::was_not_done(shared, intent, self.started_ms).await;
        }
        if self.ended().insert(seq) {
            // The process that sent it has ended, before this one began.
            shared
                .change(id, |loaded| {
                    loaded.now.ended_before(seq, self.started_ms);
                    Ok(())
                })
                .await?;
        }
        let began_ms = shared.clock.now_ms();
        let failure = match shared.goodays.response(id).await {
            Ok(view) => {
                shared.goodays_said::<()>(&Ok(()), began_ms);
                self.read_failures.shown(seq, shared.clock.now_ms());
                return self.read_back(shared, intent, &view, began_ms).await;
            }
            Err(failure) => shared.whose_refusal(failure, began_ms).await,
        };
        let now_ms = shared.clock.now_ms();
        let Some(why) = unread_after_put(&failure, now_ms - sending.since_ms) else {
            self.not_shown(shared, intent);
            return Ok(());
        };
        shared
            .change(id, |loaded| {
                let now = loaded.now.intent(seq).map(|intent| intent.state.clone());
                if let Some(IntentState::Sending(sending)) = now {
                    loaded.now.unclear(seq, sending, why.clone(), now_ms);
                }
                Ok(())
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
        let reading = shared.reading(view, asked_ms);
        let blocked = self.blocks().get(&seq).copied().unwrap_or_default();
        let found = shared
            .change(&intent.response_id, |loaded| {
                let found = loaded.now.read_back(seq, reading, now_ms);
                if let Some(park) = blocked_on_the_way(found.as_ref(), blocked) {
                    loaded.now.park(seq, &park.code, park.why, None, now_ms);
                }
                Ok(found)
            })
            .await?;
        if let (Some(Outcome::Arrived(_)), Some(now)) = (&found, shared.salesforce.now()) {
            shared.reached_goodays(now.millis_since(intent.acted));
        }
        if !matches!(found, Some(Outcome::NotYet { .. })) {
            self.ended().remove(&seq);
        }
        match found {
            Some(Outcome::Arrived(Some(proof))) => {
                self.blocks().remove(&seq);
                if let Some(ends) = outcome::message_ends_turn(view, &proof.id) {
                    shared.learn_turns(ends).await?;
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
