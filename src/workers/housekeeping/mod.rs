//! Housekeeping: edited files are reloaded, and old events and actions are pruned.

pub(crate) mod reload;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Notify;
use tracing::{debug, error};

use crate::config::{Auth, Config};
use crate::mapping::is_mapping_file;
use crate::state::outbox::put_intent;
use crate::state::{EntryState, RKey, Store, StoreError, Tx, keys};
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
    /// Salesforce's consumer secret or private key.
    salesforce: ArcSwap<SecretString>,
}

/// Which secrets are new.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Fresh {
    pub goodays: bool,
    pub salesforce: bool,
    pub doors: bool,
}

impl Secrets {
    pub fn new(config: &Config) -> Self {
        Self {
            goodays_token: Arc::new(ArcSwap::from_pointee(config.goodays.token.clone())),
            webhook: ArcSwap::from_pointee(config.goodays.webhook.secrets.clone()),
            admin: ArcSwap::from_pointee(config.admin.token.clone()),
            salesforce: ArcSwap::from_pointee(of_login(&config.salesforce.auth).clone()),
        }
    }

    pub(crate) fn take(&self, config: &Config) -> Fresh {
        let webhook = replace(&self.webhook, &config.goodays.webhook.secrets, |s| s);
        let admin = replace(&self.admin, &config.admin.token, |s| s.as_slice());
        Fresh {
            goodays: replace(&self.goodays_token, &config.goodays.token, std::slice::from_ref),
            salesforce: replace(&self.salesforce, of_login(&config.salesforce.auth), std::slice::from_ref),
            doors: webhook || admin,
        }
    }
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

/// When a file was last changed, and its length.
type Stamp = (Option<SystemTime>, u64);

#[derive(Default)]
pub struct Keeper {
    /// The mapping files and connector.yaml as they were at the last check.
    mappings: Option<Vec<(String, Stamp)>>,
    config: Option<Stamp>,
    prune_at_ms: i64,
    /// Where pruning continues.
    events_from: Option<Vec<u8>>,
    intents_from: Option<Vec<u8>>,
    looks: u64,
    noted_ms: i64,
}

impl Worker for Keeper {
    const NAME: &'static str = "upkeep";

    fn wake<'s>(&self, shared: &'s Shared) -> &'s Notify {
        &shared.upkeep
    }

    async fn step(&mut self, shared: &Arc<Shared>) -> Result<Step, Fatal> {
        let now_ms = shared.clock.now_ms();
        self.watch_files(shared).await;
        if self.looks.is_multiple_of(10) {
            shared.reload_secrets();
        }
        self.looks += 1;
        if now_ms >= self.noted_ms + NOTE_EVERY_MS {
            shared.store.set_meta(OUR_TIME, &now_ms)?;
            self.noted_ms = now_ms;
        }
        if now_ms >= self.prune_at_ms {
            let more = self.prune(shared, now_ms)?;
            self.prune_at_ms = if more { now_ms } else { now_ms + PRUNE_EVERY_MS };
            if !more {
                // After the pruning: what it removed need not be kept in a younger journal.
                shared.store.retire(now_ms - millis(shared.config.state.keep_events)).await?;
                shared.store.wipe().await?;
            }
        }
        Ok(Step::Idle { until_ms: Some(now_ms + millis(LOOK)) })
    }
}

impl Keeper {
    /// A saved edit takes effect at the next step of each worker; a bad edit is refused.
    async fn watch_files(&mut self, shared: &Shared) {
        let config = stamp(&shared.config.file);
        if self.config.replace(config).is_some_and(|seen| seen != config) {
            // Refusals are in the log and in `status`.
            let _ = shared.reload_config();
        }
        let mappings = stamps(&shared.config.mappings);
        let changed = self.mappings.as_ref().is_some_and(|seen| *seen != mappings);
        self.mappings = Some(mappings);
        if changed {
            let _ = shared.reload_mappings().await;
        }
    }

    fn prune(&mut self, shared: &Shared, now_ms: i64) -> Result<bool, StoreError> {
        let oldest_ms = now_ms - millis(shared.config.state.keep_events);
        let aside = shared.store.set_actions_aside()?;
        if aside > 0 {
            error!(code = "damaged", actions = aside, "parked: its record is damaged");
        }
        let events = self.prune_events(shared, oldest_ms)?;
        let intents = self.prune_intents(shared, oldest_ms)?;
        Ok(events || intents)
    }

    /// Finished events older than `keep_events` lose their bytes and their header. The hash of the body stays, so that
    /// a late repeat is still a duplicate.
    fn prune_events(&mut self, shared: &Shared, oldest_ms: i64) -> Result<bool, StoreError> {
        let (start, end) = keys::room(b'E');
        let from = self.events_from.take().unwrap_or(start);
        let found = shared.store.keys(&from, &end, SLICE)?;
        let young = loop {
            let (tx, young) = without_old(&shared.store, &found, oldest_ms)?;
            if tx.writes.is_empty() || shared.store.try_transact(&tx)? {
                debug!(keys = tx.writes.len(), "pruned events");
                break young;
            }
        };
        // Numbers grow with time: after a young event there is no old one.
        self.events_from = found.last().filter(|_| !young && found.len() == SLICE).map(|k| next(k));
        Ok(self.events_from.is_some())
    }

    /// Removes the agent's text from finished actions; the record that they were done stays.
    fn prune_intents(&mut self, shared: &Shared, oldest_ms: i64) -> Result<bool, StoreError> {
        let (start, end) = keys::room(b'O');
        let from = self.intents_from.take().unwrap_or(start);
        let found = shared.store.keys(&from, &end, SLICE)?;
        let mut young = false;
        for key in &found {
            let Some(seq) = keys::tail_seq(key) else { continue };
            let mut tx = Tx::default();
            let Some(mut intent) = shared.store.guard_intent(&mut tx, seq)? else { continue };
            young |= intent.seen_ms > oldest_ms;
            let final_state = !intent.state.is_open() && !intent.state.is_parked();
            if final_state && intent.seen_ms <= oldest_ms && intent.forget_texts() {
                put_intent(&mut tx, RKey::of(&intent.response_id), &intent);
                shared.store.try_transact(&tx)?;
            }
        }
        self.intents_from = found.last().filter(|_| !young && found.len() == SLICE).map(|k| next(k));
        Ok(self.intents_from.is_some())
    }
}

/// Removes finished and old events, guarded: a repeat turns a dropped event into a waiting one. Also says whether a
/// young event is among them.
fn without_old(store: &Store, events: &[Vec<u8>], oldest_ms: i64) -> Result<(Tx, bool), StoreError> {
    let (mut tx, mut young) = (Tx::default(), false);
    for seq in events.iter().filter_map(|key| keys::tail_seq(key)) {
        let Some(entry) = store.guard_entry(&mut tx, seq)? else { continue };
        young |= entry.received_ms > oldest_ms;
        let finished = matches!(entry.state, EntryState::Done { .. } | EntryState::Dropped { .. });
        if finished && entry.received_ms <= oldest_ms {
            tx.remove(keys::entry(seq)).remove(keys::payload(seq));
            if let Some(id) = &entry.response_id {
                tx.remove(keys::of_response(RKey::of(id), seq));
            }
        }
    }
    Ok((tx, young))
}

fn next(key: &[u8]) -> Vec<u8> {
    [key, &[0]].concat()
}

/// Empty when the file does not exist. Follows links: a mounted ConfigMap is one.
fn stamp(file: &Path) -> Stamp {
    std::fs::metadata(file).map_or((None, 0), |meta| (meta.modified().ok(), meta.len()))
}

fn stamps(dir: &Path) -> Vec<(String, Stamp)> {
    let Ok(entries) = std::fs::read_dir(dir) else { return Vec::new() };
    let named = entries.filter_map(Result::ok).map(|entry| (entry.file_name(), entry.path()));
    let mut stamps: Vec<_> = named
        .map(|(name, path)| (name.to_string_lossy().into_owned(), path))
        .filter(|(name, _)| is_mapping_file(name))
        .map(|(name, path)| (name, stamp(&path)))
        .collect();
    stamps.sort();
    stamps
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::goodays::ResponseId;
    use crate::state::inbox::finish;
    use crate::state::{Receipt, Settings};

    const BODY: &[u8] = br#"{"response":{"id":"r1"}}"#;

    fn receive(store: &Store, now_ms: i64) -> (u64, RKey) {
        let id = Ok(ResponseId::new("r1").unwrap());
        match store.receive(BODY, "response", &id, now_ms).unwrap() {
            Receipt::Accepted { seq, rkey } => (seq, rkey),
            other => panic!("{other:?}"),
        }
    }

    /// A repeat of an old dropped event arrives while that is pruned: the repeat is acknowledged, so it must stay.
    #[test]
    fn d14_a_repeat_that_is_taken_while_its_event_is_pruned_is_not_lost() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), Settings::default()).unwrap();
        let (seq, rkey) = receive(&store, 1_000);
        let mut tx = Tx::default();
        let entry = store.guard_entry(&mut tx, seq).unwrap().unwrap();
        finish(&mut tx, entry, rkey, EntryState::Dropped { at_ms: 1_000 });
        assert!(store.try_transact(&tx).unwrap());

        let (pruning, young) = without_old(&store, &[keys::entry(seq)], 5_000).unwrap();
        assert!(!pruning.writes.is_empty() && !young);
        assert_eq!(receive(&store, 9_000), (seq, rkey));
        assert!(!store.try_transact(&pruning).unwrap(), "the acknowledged event is pruned");
        assert_eq!(store.waiting(rkey).unwrap().entries.len(), 1);
        assert_eq!(store.payload(seq).unwrap().as_deref(), Some(BODY));
        // The second try does not remove it.
        let (pruning, _) = without_old(&store, &[keys::entry(seq)], 5_000).unwrap();
        assert!(pruning.writes.is_empty());
    }

    /// The same when an event is postponed, parked or marked as done.
    #[test]
    fn d14_what_changed_since_it_was_read_is_not_written_over() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), Settings::default()).unwrap();
        let (seq, rkey) = receive(&store, 1_000);
        let read = store.waiting(rkey).unwrap().entries;
        let mut late = Tx::default();
        let same = store.guard_unchanged(&mut late, &read).unwrap();
        assert_eq!(same, read);
        let mut tx = Tx::default();
        finish(&mut tx, read[0].clone(), rkey, EntryState::Dropped { at_ms: 2_000 });
        assert!(store.try_transact(&tx).unwrap());
        finish(&mut late, same[0].clone(), rkey, EntryState::Waiting { due_ms: 3_000 });
        assert!(!store.try_transact(&late).unwrap());
        assert!(store.guard_unchanged(&mut Tx::default(), &read).unwrap().is_empty());
        assert_eq!(store.entry(seq).unwrap().unwrap().state, EntryState::Dropped { at_ms: 2_000 });
    }
    /// A damaged action is not sent, is shown, and can be dropped by a human; its identity stays taken.
    #[test]
    fn d02_a_damaged_action_is_parked_and_never_sent() {
        let dir = tempfile::tempdir().unwrap();
        let shared = crate::workers::runtime::worker::tests::shared(dir.path());
        let rkey = RKey::of(&ResponseId::new("r1").unwrap());
        let mut tx = Tx::default();
        tx.set(keys::intent(7), "junk").set(keys::open_intent(rkey, 7), Vec::new());
        tx.set(keys::identity("a wish"), 7u64.to_be_bytes().to_vec());
        assert!(shared.store.try_transact(&tx).unwrap());
        assert!(shared.store.all_open_intents().unwrap().is_empty());
        assert!(matches!(shared.store.intent_by_identity("a wish"), Err(StoreError::Damaged(_))));
        assert_eq!((shared.store.set_actions_aside(), shared.store.set_actions_aside()), (Ok(1), Ok(0)));
        let parked = shared.parked(9).unwrap();
        assert_eq!(
            (parked.len(), parked[0].id.as_str(), parked[0].reason_code.as_str()),
            (1, "a7", "damaged")
        );
        assert_eq!(shared.drop_parked("a7").unwrap(), crate::operator::RetryOutcome::Again);
        assert!(shared.parked(9).unwrap().is_empty());
        assert!(shared.store.intent_by_identity("a wish").is_err(), "it must not begin anew");
        assert_eq!(shared.store.damaged(), 1);
    }
}
