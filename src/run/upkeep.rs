//! Housekeeping: files that were edited are read anew, events that were kept long enough go.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Notify;
use tracing::debug;

use super::retry::millis;
use super::{Fatal, Hands, Shared, Step};
use crate::config::{Auth, Config};
use crate::mapping::is_mapping_file;
use crate::store::outbox::put_intent;
use crate::store::{EntryState, RKey, StoreError, Tx, keys};

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(1);
/// Events and actions that are pruned in one go.
const SLICE: usize = 500;
/// How long after the last slice, when there was nothing more to prune (milliseconds).
const PRUNE_EVERY_MS: i64 = 600_000;

/// Secrets that may change while running.
pub struct Secrets {
    pub goodays_token: Arc<ArcSwap<SecretString>>,
    pub webhook: ArcSwap<Vec<SecretString>>,
    pub admin: ArcSwap<Option<SecretString>>,
    /// Salesforce's consumer secret or private key.
    salesforce: ArcSwap<SecretString>,
}

/// Whose secrets are new.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Fresh {
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

    pub(super) fn take(&self, config: &Config) -> Fresh {
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

/// Puts the new one into its place; false when it is the old one. Secrets cannot be compared but by exposing them.
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

/// When a file was changed last, and its length.
type Stamp = (Option<SystemTime>, u64);

#[derive(Default)]
pub struct Keeper {
    /// The mapping files, and connector.yaml, as they were when they were looked at last.
    mappings: Option<Vec<(String, Stamp)>>,
    config: Option<Stamp>,
    prune_at_ms: i64,
    /// Where pruning goes on.
    events_from: Option<Vec<u8>>,
    intents_from: Option<Vec<u8>>,
    looks: u64,
}

impl Hands for Keeper {
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
        if now_ms >= self.prune_at_ms {
            let more = self.prune(shared, now_ms)?;
            self.prune_at_ms = if more { now_ms } else { now_ms + PRUNE_EVERY_MS };
        }
        Ok(Step::Idle { until_ms: Some(now_ms + millis(LOOK)) })
    }
}

impl Keeper {
    /// What is saved takes effect at the next step of each loop; a bad edit is refused.
    async fn watch_files(&mut self, shared: &Shared) {
        let config = stamp(&shared.config.file);
        if self.config.replace(config).is_some_and(|seen| seen != config) {
            // Refusals stand in the log and in `status`.
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
        let events = self.prune_events(shared, oldest_ms)?;
        let intents = self.prune_intents(shared, oldest_ms)?;
        Ok(events || intents)
    }

    /// Finished events older than `keep_events` lose their bytes and their header; the hash of the body stays,
    /// so that a late repeat is still a duplicate.
    fn prune_events(&mut self, shared: &Shared, oldest_ms: i64) -> Result<bool, StoreError> {
        let (start, end) = keys::room(b'E');
        let from = self.events_from.take().unwrap_or(start);
        let found = shared.store.keys(&from, &end, SLICE)?;
        let mut tx = Tx::default();
        let mut young = false;
        for key in &found {
            let Some(seq) = keys::tail_seq(key) else { continue };
            let Some(entry) = shared.store.entry(seq)? else { continue };
            young |= entry.received_ms > oldest_ms;
            let finished = matches!(entry.state, EntryState::Done { .. } | EntryState::Dropped { .. });
            if finished && entry.received_ms <= oldest_ms {
                tx.remove(key.clone());
                tx.remove(keys::payload(seq));
                if let Some(id) = &entry.response_id {
                    tx.remove(keys::of_response(RKey::of(id), seq));
                }
            }
        }
        if !tx.is_empty() {
            debug!(keys = tx.writes.len(), "pruned events");
            shared.store.try_transact(&tx)?;
        }
        // Numbers grow with time: behind a young one nothing is old.
        self.events_from = found.last().filter(|_| !young && found.len() == SLICE).map(|k| next(k));
        Ok(self.events_from.is_some())
    }

    /// Finished actions lose the agent's text; that they were done stays known.
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

fn next(key: &[u8]) -> Vec<u8> {
    [key, &[0]].concat()
}

/// Nothing when the file is not there. Behind links too: a mounted ConfigMap is one.
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
