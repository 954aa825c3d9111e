//! What holds all actions back: the token's account.

use std::sync::Arc;

use crate::decide::hash64;
use crate::http::Failure;
use crate::workers::{Remote, Shared, Stop};

impl Shared {
    /// Checks that the token is of the state's Goodays account (design, rule 16).
    pub(crate) async fn right_account(&self) -> Result<(), Stop> {
        let mut checked = self.goodays_account.lock().await;
        let token = self.secrets.goodays_token.load_full();
        if checked.as_ref().is_some_and(|of| Arc::ptr_eq(of, &token)) {
            return Ok(());
        }
        let began_ms = self.clock.now_ms();
        let stored: Option<u64> = self.store.meta("goodays_account").await?;
        let result = self.goodays.session().await;
        let name = match result {
            Ok(name) => {
                self.call_succeeded(Remote::Goodays, began_ms);
                if name.is_none() && stored.is_none() {
                    // It is asked again: the next answer may name the account.
                    return Ok(());
                }
                name
            }
            // An account that gave its name once has this endpoint: it is compared, or nothing is sent.
            Err(failure @ (Failure::Refused { .. } | Failure::Road(_))) if stored.is_some() => {
                return Err(not_compared(&failure.to_string()).into());
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
        if name.is_none() && stored.is_some() {
            return Err(not_compared("an answer without the account's name").into());
        }
        if let Some(hash) = name.map(|n| hash64(&n)) {
            if stored.is_some_and(|s| s != hash) {
                let advice = "This state belongs to another Goodays account than the token: use a state folder \
                              of its own (state.path), or the right token.";
                let code = "other_account".into();
                return Err(Failure::WrongSession { code, advice: advice.into() }.into());
            }
            if stored.is_none() {
                self.store.set_meta("goodays_account", &hash).await?;
            }
        }
        *checked = Some(token);
        Ok(())
    }
}

/// The state knows its account, and the token's is not told now. All waits for it.
fn not_compared(why: &str) -> Failure {
    Failure::Road(format!(
        "GET /session does not tell the token's account, and this state belongs to one: {why}"
    ))
}
