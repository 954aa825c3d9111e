//! Housekeeping: secrets that were changed in their files, mappings that were edited, events that were kept
//! long enough.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Notify;
use tracing::{debug, error, info, warn};

use super::retry::millis;
use super::{Fatal, Hands, Shared, Step, credentials};
use crate::config::{Auth, Config};
use crate::mapping::{Mapping, Source, is_mapping_file};
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
struct Fresh {
    goodays: bool,
    salesforce: bool,
    doors: bool,
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

    fn take(&self, config: &Config) -> Fresh {
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

#[derive(Default)]
pub struct Keeper {
    seen: Option<Vec<(String, Option<SystemTime>, u64)>>,
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
        self.watch_mappings(shared);
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
    /// A saved mapping file takes effect at the next step of each loop; a bad one is refused.
    fn watch_mappings(&mut self, shared: &Shared) {
        let now = stamps(&shared.config.mappings);
        let changed = self.seen.as_ref().is_some_and(|seen| *seen != now);
        self.seen = Some(now);
        if changed {
            let _ = shared.reload_mappings();
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

fn stamps(dir: &Path) -> Vec<(String, Option<SystemTime>, u64)> {
    let Ok(entries) = std::fs::read_dir(dir) else { return Vec::new() };
    let mut stamps: Vec<_> = entries
        .filter_map(Result::ok)
        .filter(|e| is_mapping_file(&e.file_name().to_string_lossy()))
        .filter_map(|e| {
            // Behind links too: a mounted ConfigMap is one.
            let meta = std::fs::metadata(e.path()).ok()?;
            Some((e.file_name().to_string_lossy().into_owned(), meta.modified().ok(), meta.len()))
        })
        .collect();
    stamps.sort();
    stamps
}

const LAST_GOOD: &str = "mapping sources";

impl Shared {
    /// Reads the mapping files anew. A bad edit is refused with its reasons, and the old one goes on.
    pub fn reload_mappings(&self) -> Result<String, String> {
        match Mapping::load(&self.config.mappings) {
            Ok((mapping, warnings)) => {
                let version = mapping.version().to_owned();
                self.mapping_trouble.store(Arc::new(None));
                self.look_anew();
                if version == self.mapping().version() {
                    return Ok(version);
                }
                for warning in &warnings {
                    warn!("{}", warning.render());
                }
                info!(mapping = %version, "the edited mappings are in force");
                if let Err(error) = remember_mapping(&self.store, &mapping) {
                    error!(%error, "the mappings could not be kept for a later start");
                }
                self.metrics.mapping_is(&version);
                self.set_mapping(mapping);
                Ok(version)
            }
            Err(mistakes) => {
                let text =
                    mistakes.iter().map(crate::mapping::Diagnostic::render).collect::<Vec<_>>().join("\n");
                if self.mapping_trouble.load().as_ref().as_deref() != Some(text.as_str()) {
                    error!(
                        "the edited mappings are refused, version {} goes on:\n{text}",
                        self.mapping().version()
                    );
                    self.metrics.mapping_refused.inc();
                }
                self.mapping_trouble.store(Arc::new(Some(text.clone())));
                Err(text)
            }
        }
    }

    /// Secrets that stand in files are read again: rotation needs no restart.
    pub fn reload_secrets(&self) {
        match self.config.reload_secrets() {
            Ok(fresh) => {
                let taken = self.secrets.take(&fresh);
                if taken.salesforce {
                    self.salesforce.set_credentials(credentials(&fresh));
                    self.salesforce_gate.reopen();
                }
                if taken.goodays {
                    self.goodays_gate.reopen();
                }
                if taken.goodays || taken.salesforce || taken.doors {
                    info!("secrets were changed in their files");
                    self.wake_all();
                }
            }
            Err(problems) => {
                for problem in problems {
                    warn!("{}", problem.render());
                }
            }
        }
    }
}

/// Keeps the sources of a good version, for a start with bad files (design, rule 1).
pub fn remember_mapping(store: &crate::store::Store, mapping: &Mapping) -> Result<(), StoreError> {
    let sources: Vec<(String, String)> =
        mapping.sources().iter().map(|s| (s.name.clone(), s.text.clone())).collect();
    store.set_meta(LAST_GOOD, &sources)
}

/// The last good version, if one was kept.
pub fn last_good_mapping(store: &crate::store::Store) -> Result<Option<Mapping>, StoreError> {
    let Some(kept) = store.meta::<Vec<(String, String)>>(LAST_GOOD)? else { return Ok(None) };
    let sources = kept.into_iter().map(|(name, text)| Source { name, text }).collect();
    Ok(Mapping::from_sources(sources).ok().map(|(mapping, _)| mapping))
}
