//! Reloads files that are edited while the daemon runs: mappings, connector.yaml, secrets.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tracing::{error, info, warn};

use crate::config::{Actions, Config, Live, Secrets, waiting};
use crate::http::Failure;
use crate::mapping::{Diagnostic, Mapping, NO_FILE, Source};
use crate::remotes::credentials;
use crate::salesforce::describe::Describe;
use crate::state::StoreError;
use crate::workers::Shared;
use crate::workers::housekeeping::{in_force, reach_database};
use crate::workers::runtime::budget::Purpose;

/// How long a check of an edited mapping waits for the org's answer.
const ASKING: Duration = Duration::from_secs(15);

/// How connector.yaml and the secrets' files on disk differ from what runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Edits {
    /// Keys that were edited and wait for a restart.
    pub waiting: Vec<&'static str>,
    /// Why the current file is refused, for people.
    pub refused: Option<String>,
    /// Why files of secrets cannot be used now, for people. A restart would fail.
    pub secrets: Option<String>,
}

impl Shared {
    /// Reloads secrets, connector.yaml and mappings. Returns the mapping version in force, or all refusals.
    pub async fn reload(&self) -> Result<String, String> {
        self.reload_secrets();
        let config = self.reload_config();
        match (config, self.reload_mappings().await) {
            (Ok(()), read) => read,
            (Err(refused), Ok(_)) => Err(refused),
            (Err(refused), Err(mistakes)) => Err(format!("{refused}\n{mistakes}")),
        }
    }

    /// Reloads the mapping files. A bad edit is refused with its reasons, and the old mapping stays in force.
    pub async fn reload_mappings(&self) -> Result<String, String> {
        let _one_at_a_time = self.reloading.lock().await;
        match self.read_mappings().await {
            Ok((mapping, warnings)) => Ok(self.apply_mapping(mapping, &warnings).await),
            Err(mistakes) => Err(self.refuse_mapping(mistakes)),
        }
    }

    async fn read_mappings(&self) -> Result<(Mapping, Vec<Diagnostic>), Vec<Diagnostic>> {
        let dir = self.config.mappings.clone();
        let read = tokio::task::spawn_blocking(move || Mapping::load(&dir)).await;
        let cut_off =
            |_| vec![Diagnostic::without_place(NO_FILE, "the mapping files could not be read to their end")];
        let (mapping, warnings) = read.map_err(cut_off)??;
        let lacking = self.lacking(&mapping).await;
        if lacking.is_empty() { Ok((mapping, warnings)) } else { Err(lacking) }
    }

    /// What an edit names and the org lacks. Empty when the org cannot be asked now.
    async fn lacking(&self, edited: &Mapping) -> Vec<Diagnostic> {
        let in_force = self.mapping();
        let schema = self.contacts.schema.load_full();
        if schema.read_ms == 0 || edited.version() == in_force.version() {
            return Vec::new();
        }
        let known: Vec<Describe> = schema.case.iter().chain(&schema.comment).cloned().collect();
        let Some(newly_lacking) = self.edit_check.get() else { return Vec::new() };
        let found = newly_lacking(edited, &in_force, &known);
        if found.is_empty() {
            return found;
        }
        // The known describe is up to an hour old; the field may have been created since.
        if let Ok(Ok(org)) = tokio::time::timeout(ASKING, self.described_for(edited)).await {
            return newly_lacking(edited, &in_force, &org);
        }
        warn!(
            "the edited mappings name what the org had not when it was asked last, and it cannot be asked now"
        );
        Vec::new()
    }

    /// Describes the objects of a mapping; an object that the org does not show is left out.
    async fn described_for(&self, mapping: &Mapping) -> Result<Vec<Describe>, Failure> {
        let case = mapping.case_mappings().first().map_or("Case", |case| case.object.as_str());
        let mut org = Vec::new();
        for object in [case, &mapping.comment().object] {
            self.allowance(Purpose::Feedback).await?;
            match self.salesforce.describe(object).await {
                Ok(describe) => org.push(describe),
                Err(Failure::Refused { .. }) => {}
                Err(failure) => return Err(failure),
            }
        }
        Ok(org)
    }

    async fn apply_mapping(&self, mapping: Mapping, warnings: &[Diagnostic]) -> String {
        let version = mapping.version().to_owned();
        self.mapping_trouble.store(Arc::default());
        // A permission may have been repaired, even if the files are the same.
        self.describe_again();
        if version == self.mapping().version() {
            return version;
        }
        for warning in warnings {
            warn!("{}", warning.render());
        }
        info!(mapping = %version, "the edited mappings are in force");
        if let Err(error) = remember_mapping(&self.store, &mapping).await {
            error!(%error, "the mappings could not be kept for a later start");
        }
        let now_ms = self.clock.now_ms();
        let since_ms = in_force::since(&self.store, &version, now_ms).await.unwrap_or(now_ms);
        self.mapping_since_ms.store(since_ms, Ordering::Relaxed);
        self.metrics.mapping_is(&version);
        if mapping.rules_version() != self.mapping().rules_version() {
            self.rules_edited.at(self.clock.now_ms());
        }
        self.set_mapping(mapping);
        version
    }

    /// Logged once for the same files with the same mistakes. Returns them as text.
    fn refuse_mapping(&self, mistakes: Vec<Diagnostic>) -> String {
        let text = text_of(&mistakes);
        if **self.mapping_trouble.load() != mistakes {
            let version = self.mapping().version().to_owned();
            error!("the edited mappings are refused, version {version} goes on:\n{text}");
            self.metrics.mapping_refused.inc();
        }
        self.mapping_trouble.store(Arc::new(mistakes));
        text
    }

    /// Reloads connector.yaml. Some keys take effect at once, the others wait for a restart; a bad edit is refused.
    pub fn reload_config(&self) -> Result<(), String> {
        match Config::load(&self.config.file, Secrets::Required) {
            Ok(edited) => {
                self.apply_live(Live::of(&edited));
                self.note_waiting(&waiting(&self.config, &edited));
                Ok(())
            }
            Err(mistakes) => {
                let text = text_of(&mistakes);
                self.refuse_config(&text);
                Err(text)
            }
        }
    }

    fn apply_live(&self, now: Live) {
        let before = self.live();
        let changed = before.changed(&now);
        if changed.is_empty() {
            return;
        }
        if let (true, Some(set)) = (before.level != now.level, self.log_level.get()) {
            set(&now.level);
        }
        info!(keys = %changed.join(", "), "edited keys of connector.yaml are in force");
        if now.actions == Actions::Observe && before.actions != now.actions {
            warn!("goodays.actions is observe: nothing is sent to customers");
        }
        self.live.store(now.into());
        self.changes.add_all();
        self.wake_all();
    }

    fn note_waiting(&self, waiting: &[&'static str]) {
        if !waiting.is_empty() && self.edits.load().waiting != waiting {
            warn!(keys = %waiting.join(", "), "edited keys of connector.yaml wait for a restart");
        }
        self.edits.rcu(|before| Edits {
            waiting: waiting.to_vec(),
            refused: None,
            secrets: before.secrets.clone(),
        });
    }

    fn refuse_config(&self, text: &str) {
        if self.edits.load().refused.as_deref() != Some(text) {
            error!("the edited connector.yaml is refused, what was read before goes on:\n{text}");
        }
        self.edits.rcu(|before| Edits { refused: Some(text.to_owned()), ..Edits::clone(before) });
    }

    /// Logged once for the same files with the same problems; `status` shows them until they are mended.
    fn note_secrets(&self, problem: Option<&str>) {
        if self.edits.load().secrets.as_deref() == problem {
            return;
        }
        if let Some(text) = problem {
            warn!("files of secrets cannot be used, what was read before goes on:\n{text}");
        }
        self.edits.rcu(|before| Edits { secrets: problem.map(str::to_owned), ..Edits::clone(before) });
    }

    /// Reads secrets again from their files: rotation needs no restart. A connector.yaml that is refused is read again,
    /// too: a secret's file may have been all that was wrong.
    pub fn look_at_secrets(&self) {
        self.reload_secrets();
        if self.edits.load().refused.is_some() {
            // It is in the log and in `status`.
            let _ = self.reload_config();
        }
    }

    /// Reads secrets again from their files.
    pub fn reload_secrets(&self) {
        match self.config.reload_secrets() {
            Ok(fresh) => {
                let unreached = reach_database(&self.store, &fresh).err();
                let unreached = unreached.map(|error| format!("the database is reached as before: {error}"));
                self.note_secrets(unreached.as_deref());
                let taken = self.secrets.take(&fresh);
                if taken.salesforce {
                    self.salesforce.set_credentials(credentials(&fresh));
                    self.salesforce_breaker.reopen();
                }
                if taken.goodays {
                    self.goodays_breaker.reopen();
                }
                if taken.goodays || taken.salesforce || taken.others {
                    info!("secrets were changed in their files");
                    self.wake_all();
                }
            }
            Err(problems) => self.note_secrets(Some(&text_of(&problems))),
        }
    }
}

/// The mistakes as `check` shows them.
pub(crate) fn text_of(mistakes: &[Diagnostic]) -> String {
    mistakes.iter().map(Diagnostic::render).collect::<Vec<_>>().join("\n")
}

const LAST_GOOD: &str = "mapping sources";

/// Stores the sources of a good version, for a start with bad files (design, rule 1).
pub async fn remember_mapping(store: &crate::state::Store, mapping: &Mapping) -> Result<(), StoreError> {
    let sources: Vec<(String, String)> =
        mapping.sources().iter().map(|s| (s.name.clone(), s.text.clone())).collect();
    store.set_meta(LAST_GOOD, &sources).await
}

/// The last good version, if one was stored.
pub async fn last_good_mapping(store: &crate::state::Store) -> Result<Option<Mapping>, StoreError> {
    let Some(kept) = store.meta::<Vec<(String, String)>>(LAST_GOOD).await? else { return Ok(None) };
    let sources = kept.into_iter().map(|(name, text)| Source { name, text }).collect();
    Ok(Mapping::from_sources(sources).ok().map(|(mapping, _)| mapping))
}
