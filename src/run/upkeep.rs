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
use crate::store::{EntryState, RKey, Store, StoreError, Tx, keys};

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
        let aside = shared.store.set_actions_aside()?;
        if aside > 0 {
            error!(code = "damaged", actions = aside, "parked: its record is damaged");
        }
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
        let young = loop {
            let (tx, young) = without_old(&shared.store, &found, oldest_ms)?;
            if tx.writes.is_empty() || shared.store.try_transact(&tx)? {
                debug!(keys = tx.writes.len(), "pruned events");
                break young;
            }
        };
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

/// Removes those of the events that are finished and old, as long as they stay so: a repeat brings a dropped one back
/// to life. Also says whether there is a young one among them.
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
                self.fixes.forget();
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
pub fn remember_mapping(store: &Store, mapping: &Mapping) -> Result<(), StoreError> {
    let sources: Vec<(String, String)> =
        mapping.sources().iter().map(|s| (s.name.clone(), s.text.clone())).collect();
    store.set_meta(LAST_GOOD, &sources)
}

/// The last good version, if one was kept.
pub fn last_good_mapping(store: &Store) -> Result<Option<Mapping>, StoreError> {
    let Some(kept) = store.meta::<Vec<(String, String)>>(LAST_GOOD)? else { return Ok(None) };
    let sources = kept.into_iter().map(|(name, text)| Source { name, text }).collect();
    Ok(Mapping::from_sources(sources).ok().map(|(mapping, _)| mapping))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::goodays::ResponseId;
    use crate::store::inbox::finish;
    use crate::store::{Receipt, Settings};

    const BODY: &[u8] = br#"{"response":{"id":"r1"}}"#;

    fn receive(store: &Store, now_ms: i64) -> (u64, RKey) {
        let id = Ok(ResponseId::new("r1").unwrap());
        match store.receive(BODY, "response", &id, now_ms).unwrap() {
            Receipt::Accepted { seq, rkey } => (seq, rkey),
            other => panic!("{other:?}"),
        }
    }

    /// A repeat of an old dropped event arrives while it is being pruned: the repeat is acknowledged, so it must stay.
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
        // The second look leaves it alone.
        let (pruning, _) = without_old(&store, &[keys::entry(seq)], 5_000).unwrap();
        assert!(pruning.writes.is_empty());
    }

    /// The same for whoever puts it off, parks it or notes that it is done.
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
    /// An action that cannot be read is not sent, is shown, and is dropped by a human; its identity stays taken.
    #[test]
    fn d02_a_damaged_action_is_parked_and_never_sent() {
        let dir = tempfile::tempdir().unwrap();
        let shared = crate::run::drive::tests::shared(dir.path());
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
        assert_eq!(shared.drop_parked("a7").unwrap(), crate::run::RetryOutcome::Again);
        assert!(shared.parked(9).unwrap().is_empty());
        assert!(shared.store.intent_by_identity("a wish").is_err(), "it must not begin anew");
        assert_eq!(shared.store.damaged(), 1);
    }
}
