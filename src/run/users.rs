//! Goodays users of agents, found by e-mail (design, rule 13).

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tracing::warn;

use super::Shared;
use crate::http::Failure;

/// How long a found or missing user is believed.
const AGE_MS: i64 = 3_600_000;

#[derive(Default)]
pub struct Directory {
    /// E-mail in lower case, to the user id and when it was asked.
    known: Mutex<Known>,
}

type Known = HashMap<String, (Option<String>, i64)>;

impl Directory {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    /// The agent's Goodays user: exactly one match that may write; else the default user, or none.
    pub(super) async fn user(&self, email: Option<&str>) -> Result<Option<String>, Failure> {
        let default = self.config.goodays.default_user.clone();
        let Some(email) = email.map(str::to_lowercase) else { return Ok(default) };
        let now_ms = self.clock.now_ms();
        let known = self.users.known().get(&email).cloned();
        if let Some((id, asked_ms)) = known
            && now_ms - asked_ms < AGE_MS
        {
            return Ok(id.or(default));
        }
        let began_ms = now_ms;
        let result = self.goodays.users_by_email(&email).await;
        self.goodays_said(&result, began_ms);
        let found = match result {
            Ok(users) => {
                let mut same = users.into_iter().filter(|u| u.email.to_lowercase() == email);
                let first = same.next();
                let only = if same.next().is_some() { None } else { first };
                only.filter(|u| !u.read_only).map(|u| u.id)
            }
            // An account that does not show its users has none for us; waiting would not help.
            Err(Failure::Refused { status, .. }) => {
                warn!(status, "Goodays does not look up users; actions go out without the agent's name");
                None
            }
            Err(failure) => return Err(failure),
        };
        self.users.known().insert(email, (found.clone(), now_ms));
        Ok(found.or(default))
    }
}
