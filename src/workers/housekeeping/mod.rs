//! Housekeeping: edited files are reloaded, and old events and actions are pruned.

pub(crate) mod files;
pub(crate) mod in_force;
pub(crate) mod minutes;
pub(crate) mod reload;

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Notify;
use tracing::{error, info};

use crate::config::{Auth, Config};
use crate::remotes;
use crate::state::Store;
use crate::state::postgres::ConnectError;
use crate::time::age_clock_ms;
use crate::workers::inbound::damaged;
use crate::workers::runtime::retry::millis;
use crate::workers::{Fatal, Shared, Step, Worker};

/// How often the files are checked.
const LOOK: Duration = Duration::from_secs(1);
/// Events and actions that are pruned in one step.
const SLICE: usize = 500;
/// The pause after the last slice, when nothing more was to prune (milliseconds).
const PRUNE_EVERY_MS: i64 = 600_000;
/// The clock as last stored (milliseconds): the next process does not begin earlier.
pub const OUR_TIME: &str = "our time";
const NOTE_EVERY_MS: i64 = 60_000;

/// Secrets that may change while running.
pub struct Secrets {
    pub goodays_token: Arc<ArcSwap<SecretString>>,
    pub webhook: ArcSwap<Vec<SecretString>>,
    pub admin: ArcSwap<Option<SecretString>>,
    /// The addresses of `alerts`, in their order.
    pub alerts: ArcSwap<Vec<SecretString>>,
    /// Salesforce's consumer secret or private key.
    salesforce: ArcSwap<SecretString>,
}

/// Which secrets are new.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Fresh {
    pub goodays: bool,
    pub salesforce: bool,
    /// Those of the doors and of the alerts.
    pub others: bool,
}

impl Secrets {
    pub fn new(config: &Config) -> Self {
        Self {
            goodays_token: Arc::new(ArcSwap::from_pointee(config.goodays.token.clone())),
            webhook: ArcSwap::from_pointee(config.goodays.webhook.secrets.clone()),
            admin: ArcSwap::from_pointee(config.admin.token.clone()),
            alerts: ArcSwap::from_pointee(addresses(config)),
            salesforce: ArcSwap::from_pointee(of_login(&config.salesforce.auth).clone()),
        }
    }

    pub(crate) fn take(&self, config: &Config) -> Fresh {
        let webhook = replace(&self.webhook, &config.goodays.webhook.secrets, |s| s);
        let admin = replace(&self.admin, &config.admin.token, |s| s.as_slice());
        let alerts = replace(&self.alerts, &addresses(config), |s| s);
        Fresh {
            goodays: replace(&self.goodays_token, &config.goodays.token, std::slice::from_ref),
            salesforce: replace(&self.salesforce, of_login(&config.salesforce.auth), std::slice::from_ref),
            others: webhook || admin || alerts,
        }
    }
}

/// The database's address and certificate as their files have them now: its password may have been replaced. Connections
/// that are open stay. False if nothing is new.
pub(crate) fn reach_database(store: &Store, fresh: &Config) -> Result<bool, ConnectError> {
    let Some(postgres) = &fresh.state.postgres else { return Ok(false) };
    let is_new = store.reach_by(&remotes::database(postgres)?)?;
    if is_new {
        info!("the database's address was read anew");
    }
    Ok(is_new)
}

fn addresses(config: &Config) -> Vec<SecretString> {
    config.alerts.iter().map(|alert| alert.url.clone()).collect()
}

fn of_login(auth: &Auth) -> &SecretString {
    match auth {
        Auth::ClientCredentials { client_secret, .. } => client_secret,
        Auth::JwtBearer { private_key, .. } => private_key,
    }
}

/// Stores the new value; false when it is the old one. Secrets can only be compared when they are exposed.
fn replace<T: Clone>(place: &ArcSwap<T>, new: &T, secrets: impl Fn(&T) -> &[SecretString]) -> bool {
    let old = place.load_full();
    let same = secrets(&old)
        .iter()
        .map(ExposeSecret::expose_secret)
        .eq(secrets(new).iter().map(ExposeSecret::expose_secret));
    if !same {
        place.store(Arc::new(new.clone()));
    }
    !same
}

#[derive(Default)]
pub struct Keeper {
    prune_at_ms: i64,
    /// Numbers of the event and the action at which pruning continues.
    events_from: u64,
    intents_from: u64,
    noted_ms: i64,
    minutes: minutes::Keeping,
}

impl Worker for Keeper {
    const NAME: &'static str = "upkeep";

    fn wake<'s>(&self, shared: &'s Shared) -> &'s Notify {
        &shared.upkeep
    }

    async fn step(&mut self, shared: &Arc<Shared>) -> Result<Step, Fatal> {
        let now_ms = shared.clock.now_ms();
        if now_ms >= self.noted_ms + NOTE_EVERY_MS {
            shared.store.set_meta(OUR_TIME, &now_ms).await?;
            self.noted_ms = now_ms;
            self.minutes.turn(shared, now_ms).await?;
        }
        let aged_ms = age_clock_ms(now_ms, shared.goodays.now(), shared.salesforce.now());
        if let Some(aged_ms) = aged_ms.filter(|_| now_ms >= self.prune_at_ms) {
            let more = self.prune(shared, aged_ms).await?;
            self.prune_at_ms = if more { now_ms } else { now_ms + PRUNE_EVERY_MS };
            if !more {
                // After the pruning: what it removed need not be kept in a younger journal.
                shared.store.retire(aged_ms - millis(shared.config.state.keep_events)).await?;
                shared.store.wipe().await?;
            }
        }
        Ok(Step::Idle { until_ms: Some(now_ms + millis(LOOK)) })
    }
}

impl Keeper {
    async fn prune(&mut self, shared: &Shared, aged_ms: i64) -> Result<bool, Fatal> {
        let oldest_ms = aged_ms - millis(shared.config.state.keep_events);
        let aside = shared.store.set_actions_aside().await?;
        if aside > 0 {
            error!(code = "damaged", actions = aside, "parked: its record is damaged");
        }
        // Before the pruning, which removes their words.
        let since_ms = shared.drop_overdue(aged_ms - millis(shared.config.state.keep_parked)).await?;
        let ends_ms = since_ms.map(|since_ms| since_ms + millis(shared.config.state.keep_parked));
        shared.parked_ends_ms.store(Arc::new(ends_ms));
        let events = shared.store.prune_events(self.events_from, oldest_ms, SLICE).await?;
        damaged::set_aside(shared)?;
        let intents = shared.store.prune_intents(self.intents_from, oldest_ms, SLICE).await?;
        (self.events_from, self.intents_from) = (events.unwrap_or(0), intents.unwrap_or(0));
        Ok(events.is_some() || intents.is_some())
    }
}

#[cfg(test)]
mod tests {
    use crate::goodays::ResponseId;
    use crate::operator::{ItemId, Outcome};
    use crate::state::RKey;
    use crate::state::StoreError;
    use crate::state::engine::{Tx, keys};

    /// A damaged action is not sent, is shown, and can be dropped by a human; its identity stays taken.
    #[tokio::test]
    async fn d02_a_damaged_action_is_parked_and_never_sent() {
        let dir = tempfile::tempdir().unwrap();
        let shared = crate::workers::runtime::worker::tests::shared(dir.path()).await;
        let rkey = RKey::of(&ResponseId::new("r1").unwrap());
        let mut tx = Tx::default();
        tx.set(keys::intent(7), "junk").set(keys::open_intent(rkey, 7), Vec::new());
        tx.set(keys::identity("a wish"), 7u64.to_be_bytes().to_vec());
        shared.store.engine().unwrap().transact(&tx).unwrap();
        assert!(shared.store.all_open_intents().await.unwrap().is_empty());
        let wish = ["a wish".to_owned()];
        let wished = shared.store.intents_by_identity(&wish).await.unwrap();
        assert!(matches!(wished[..], [Err(StoreError::Damaged(_))]));
        assert_eq!(
            (shared.store.set_actions_aside().await, shared.store.set_actions_aside().await),
            (Ok(1), Ok(0))
        );
        let parked = shared.parked(9).await.unwrap();
        assert_eq!(
            (parked.len(), parked[0].id, parked[0].reason_code.as_str()),
            (1, ItemId::Action(7), "damaged")
        );
        assert_eq!(shared.drop_parked(ItemId::Action(7)).await.unwrap(), Outcome::Done);
        assert!(shared.parked(9).await.unwrap().is_empty());
        let wished = shared.store.intents_by_identity(&wish).await.unwrap();
        assert!(wished[0].is_err(), "it must not begin anew");
        assert_eq!(shared.store.damaged(), 1);
    }
}
