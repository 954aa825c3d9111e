//! Goodays users of agents, found by e-mail (design, rule 13).

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tracing::warn;

use crate::http::Failure;
use crate::workers::Shared;

/// How long a found or missing user is kept (milliseconds).
const AGE_MS: i64 = 3_600_000;

#[derive(Default)]
pub struct Directory {
    /// Lower-case e-mail to the user id, and when it was queried (milliseconds).
    known: Mutex<Known>,
}

/// The Goodays user that an action is sent as.
pub(crate) struct Sender {
    pub id: Option<String>,
    /// The user has the agent's own address.
    pub is_author: bool,
}

impl Sender {
    fn author(id: Option<String>) -> Option<Self> {
        id.map(|id| Self { id: Some(id), is_author: true })
    }
}

type Known = HashMap<String, (Option<String>, i64)>;

impl Directory {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    /// The agent's Goodays user: the only match, if it may write; otherwise the default user, or none. Fails if Goodays
    /// itself did not answer the look-up.
    pub(crate) async fn user(&self, email: Option<&str>) -> Result<Sender, Failure> {
        let default = || Sender { id: self.config.goodays.default_user.clone(), is_author: false };
        let Some(email) = email.map(str::to_lowercase) else { return Ok(default()) };
        let now_ms = self.clock.now_ms();
        let known = self.users.known().get(&email).cloned();
        if let Some((id, asked_ms)) = known
            && now_ms - asked_ms < AGE_MS
        {
            return Ok(Sender::author(id).unwrap_or_else(default));
        }
        let began_ms = now_ms;
        let found = match self.goodays.users_by_email(&email).await {
            Ok(users) => {
                self.goodays_said::<()>(&Ok(()), began_ms);
                let mut same = users.into_iter().filter(|u| u.email.to_lowercase() == email);
                let first = same.next();
                let only = if same.next().is_some() { None } else { first };
                only.filter(|u| !u.read_only).map(|u| u.id)
            }
            Err(failure) => match self.whose_refusal(failure, began_ms).await {
                // An account that does not list its users has none for us; waiting would not help.
                failure @ Failure::Refused { .. } => {
                    warn!(%failure, "Goodays does not look up users; actions go out without the agent's name");
                    None
                }
                // What something on the way answered says nothing about users.
                failure => {
                    warn!(%failure, "the look-up of a user failed; the agent's actions wait for it");
                    return Err(failure);
                }
            },
        };
        self.users.known().insert(email, (found.clone(), now_ms));
        Ok(Sender::author(found).unwrap_or_else(default))
    }
}
