//! Writes what was decided about a conversation, then counts it and wakes the workers that act on it.

use std::sync::atomic::Ordering;

use tracing::{info, warn};

use crate::goodays::ResponseId;
use crate::mutant;
use crate::state::{Changed, Commit, Ended, Loaded, RKey, SentMinutes};
use crate::workers::{Fatal, Shared};

impl Shared {
    /// Loads a conversation, lets `change` decide, and writes the result. `change` may run several times, since the
    /// conversation may change in between.
    pub(crate) async fn change<T: Send>(
        &self,
        id: &ResponseId,
        mut change: impl FnMut(&mut Loaded) -> T + Send,
    ) -> Result<T, Fatal> {
        let mut done = self.change_many(std::slice::from_ref(id), |_, loaded| change(loaded)).await?;
        Ok(done.pop().expect("one conversation was asked for"))
    }

    /// [`Self::change`] of many conversations, with one load and one commit for those that do not change in between.
    /// `change` has the conversation's place in `ids`; a response that is named twice is changed twice, in that order.
    pub(crate) async fn change_many<T: Send>(
        &self,
        ids: &[ResponseId],
        mut change: impl FnMut(usize, &mut Loaded) -> T + Send,
    ) -> Result<Vec<T>, Fatal> {
        let done = self
            .store
            .change_many(ids, self.clock.now_ms(), |place, loaded| {
                let outcome = change(place, loaded);
                mutate(loaded);
                outcome
            })
            .await?;
        let tell = |(id, (outcome, changed)): (&ResponseId, (T, Changed))| {
            self.changed(id, &changed);
            outcome
        };
        Ok(ids.iter().zip(done).map(tell).collect())
    }

    /// [`Self::change`] with this action of the conversation, which may be parked and forgotten by everything else.
    pub(crate) async fn change_with<T: Send>(
        &self,
        id: &ResponseId,
        action: u64,
        mut change: impl FnMut(&mut Loaded) -> T + Send,
    ) -> Result<T, Fatal> {
        loop {
            let mut loaded = self.store.load_with(id, action).await?;
            let outcome = change(&mut loaded);
            mutate(&mut loaded);
            let commits = self.store.commit_many(vec![loaded], self.clock.now_ms()).await?;
            if let [Commit::Applied(changed)] = &commits[..] {
                self.changed(id, changed);
                return Ok(outcome);
            }
        }
    }

    /// [`Self::change`] of a conversation of which an action may begin: `change` also gets how many actions were sent
    /// within the last hour, as of the same moment.
    pub(crate) async fn change_and_count<T: Send>(
        &self,
        id: &ResponseId,
        mut change: impl FnMut(&mut Loaded, &SentMinutes) -> T + Send,
    ) -> Result<T, Fatal> {
        loop {
            let (sent, mut loaded) = tokio::try_join!(self.store.sent(), self.store.load(id))?;
            let outcome = change(&mut loaded, &sent);
            mutate(&mut loaded);
            let commits = self.store.commit_many(vec![loaded], self.clock.now_ms()).await?;
            if let [Commit::Applied(changed)] = &commits[..] {
                self.changed(id, changed);
                return Ok(outcome);
            }
        }
    }

    /// Called after the change is written: a worker that is woken earlier finds nothing and sleeps again.
    fn changed(&self, response_id: &ResponseId, changed: &Changed) {
        let rkey = RKey::of(response_id);
        for ended in &changed.ended {
            self.ended(response_id, ended);
        }
        if changed.actions {
            self.changes.add(rkey, response_id);
            self.deliver.notify_one();
        }
        if changed.notes {
            self.wake_lane(rkey.lane());
        }
    }

    fn ended(&self, response_id: &ResponseId, ended: &Ended) {
        let Ended { action, outcome, code, took_ms } = ended;
        self.metrics.action(action, outcome);
        if let Some(ms) = took_ms {
            self.metrics.tally.carried_out(*ms);
        }
        match *outcome {
            "delivered" => {
                self.counts.delivered.fetch_add(1, Ordering::Relaxed);
                info!(response = %response_id, action, outcome, "an action ended");
            }
            "parked" => {
                let code = code.as_deref().unwrap_or_default();
                warn!(response = %response_id, action, code, "not sent: it waits for a human");
            }
            "unclear" => {
                warn!(response = %response_id, action, "unclear: it may have reached the customer or not");
            }
            _ => info!(response = %response_id, action, outcome, "an action ended"),
        }
    }
}

/// Laws broken on purpose.
fn mutate(loaded: &mut Loaded) {
    if mutant::is_on("tell-nobody") {
        loaded.now.notes.clear();
    }
    if mutant::is_on("forget-sent") {
        loaded.forget_sent();
    }
}
