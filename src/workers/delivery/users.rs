//! Goodays users of agents, found by e-mail (design, rule 13).

use std::collections::HashMap;
use std::sync::Mutex;

use tracing::warn;

use crate::http::Failure;
use crate::sync::lock;
use crate::workers::{Remote, Shared};

/// How long a found or missing user is kept (milliseconds).
const AGE_MS: i64 = 3_600_000;

const UNASKED: &str = "something on the way to Goodays refuses the look-up of an agent's user, so his actions wait: check the proxies and firewalls on the way";
const DEFAULT_REFUSED: &str = "Goodays does not take the user of goodays.default_user, so actions of agents without a user of their own go out as the account: correct it";

#[derive(Default)]
pub struct Directory {
    /// Lower-case e-mail to the user id, and when it was queried (milliseconds).
    known: Mutex<Known>,
    /// Ids of users that Goodays refused to act as, and when (milliseconds).
    refused: Mutex<HashMap<String, i64>>,
    /// Lower-case e-mails of users whose look-up something on the way refuses, and when it last did (milliseconds).
    unasked: Mutex<HashMap<String, i64>>,
}

/// The Goodays user that an action is sent as.
pub(crate) struct Sender {
    pub id: Option<String>,
    /// The user has the agent's own address.
    pub is_author: bool,
}

type Known = HashMap<String, (Option<String>, i64)>;

impl Directory {
    /// Goodays refused to act as this user: it was deleted, or may not act for this place. It is not used for a while,
    /// and whoever has it is looked up again.
    pub(crate) fn refused(&self, id: &str, now_ms: i64) {
        warn!("Goodays does not take a user: actions go out as the default user, or as the account");
        lock(&self.known).retain(|_, (known, _)| known.as_deref() != Some(id));
        let mut refused = lock(&self.refused);
        refused.retain(|_, at_ms| now_ms - *at_ms < AGE_MS);
        refused.insert(id.to_owned(), now_ms);
    }

    fn is_refused(&self, id: &str, now_ms: i64) -> bool {
        let refused = lock(&self.refused);
        refused.get(id).is_some_and(|at_ms| now_ms - at_ms < AGE_MS)
    }
}

impl Shared {
    /// The agent's Goodays user: the only match, if it may write; otherwise the default user, or none. Fails if Goodays
    /// itself did not answer the look-up.
    pub(crate) async fn user(&self, email: Option<&str>) -> Result<Sender, Failure> {
        let default = || Sender { id: self.default_user(), is_author: false };
        let Some(email) = email.map(str::to_lowercase) else { return Ok(default()) };
        let now_ms = self.clock.now_ms();
        let known = lock(&self.users.known).get(&email).cloned();
        if let Some((id, asked_ms)) = known
            && now_ms - asked_ms < AGE_MS
        {
            return Ok(self.author(id).unwrap_or_else(default));
        }
        let began_ms = now_ms;
        let found = match self.goodays.users_by_email(&email).await {
            Ok(users) => {
                self.call_succeeded(Remote::Goodays, began_ms);
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
                    if matches!(failure, Failure::Road(_)) {
                        lock(&self.users.unasked).insert(email, now_ms);
                    }
                    return Err(failure);
                }
            },
        };
        lock(&self.users.unasked).remove(&email);
        lock(&self.users.known).insert(email, (found.clone(), now_ms));
        Ok(self.author(found).unwrap_or_else(default))
    }

    fn author(&self, id: Option<String>) -> Option<Sender> {
        let now_ms = self.clock.now_ms();
        let id = id.filter(|id| !self.users.is_refused(id, now_ms))?;
        Some(Sender { id: Some(id), is_author: true })
    }

    fn default_user(&self) -> Option<String> {
        let now_ms = self.clock.now_ms();
        self.config.goodays.default_user.clone().filter(|id| !self.users.is_refused(id, now_ms))
    }

    /// What is wrong with users, for `status`.
    pub(crate) fn trouble_with_users(&self) -> Option<String> {
        let now_ms = self.clock.now_ms();
        if lock(&self.users.unasked).values().any(|at_ms| now_ms - at_ms < AGE_MS) {
            return Some(UNASKED.to_owned());
        }
        let default = self.config.goodays.default_user.as_ref()?;
        self.users.is_refused(default, now_ms).then(|| DEFAULT_REFUSED.to_owned())
    }
}
