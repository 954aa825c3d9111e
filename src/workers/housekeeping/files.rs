//! Reloads mappings, connector.yaml and secrets when their files change. Each instance does that, whether it works or not.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::Notify;

use crate::config::Config;
use crate::mapping::is_mapping_file;
use crate::workers::runtime::retry::millis;
use crate::workers::{Fatal, Shared, Step, Worker};

/// How often the files are checked.
const LOOK: Duration = Duration::from_secs(1);
/// At which of these checks the secrets are read.
const SECRETS_EVERY: u64 = 10;

/// When a file was last changed, and its length.
type Stamp = (Option<SystemTime>, u64);

/// The mapping files and connector.yaml as they are at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files {
    mappings: Vec<(String, Stamp)>,
    config: Stamp,
}

impl Files {
    pub fn of(config: &Config) -> Self {
        Self { mappings: stamps(&config.mappings), config: stamp(&config.file) }
    }
}

#[derive(Default)]
pub struct FileWatch {
    looks: u64,
}

impl Worker for FileWatch {
    const NAME: &'static str = "files";

    fn wake<'s>(&self, shared: &'s Shared) -> &'s Notify {
        &shared.upkeep
    }

    async fn step(&mut self, shared: &Arc<Shared>) -> Result<Step, Fatal> {
        shared.look_at_files().await;
        if self.looks.is_multiple_of(SECRETS_EVERY) {
            shared.look_at_secrets();
        }
        self.looks += 1;
        Ok(Step::Idle { until_ms: Some(shared.clock.now_ms() + millis(LOOK)) })
    }
}

impl Shared {
    /// A saved edit takes effect at the next step of each worker; a bad edit is refused. What was read last is known to the
    /// process, so an edit counts that was saved while nobody watched: between two terms, or while the database was away.
    pub(crate) async fn look_at_files(&self) {
        let now = Files::of(&self.config);
        if self.files.load().config != now.config {
            // Refusals are in the log and in `status`.
            let _ = self.reload_config();
            self.files.rcu(|before| Files { config: now.config, ..Files::clone(before) });
        }
        if self.files.load().mappings != now.mappings {
            let _ = self.reload_mappings().await;
            // Afterwards: this may be cut off while it reads.
            self.files.rcu(|before| Files { mappings: now.mappings.clone(), ..Files::clone(before) });
        }
    }
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
    use crate::config::Actions;
    use crate::demo::stage::MAPPINGS;
    use crate::workers::runtime::worker::tests;

    /// As while the database was away: the watch of one term has ended, and the next one begins.
    #[tokio::test]
    async fn an_edit_that_was_saved_while_nobody_watched_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let shared = tests::shared(dir.path()).await;
        FileWatch::default().step(&shared).await.unwrap();
        let (file, before) = (&shared.config.file, shared.mapping().version().to_owned());
        let text = std::fs::read_to_string(file).unwrap().replace("token: t,", "token: t, actions: observe,");
        std::fs::write(file, text).unwrap();
        std::fs::create_dir_all(&shared.config.mappings).unwrap();
        for (name, text) in MAPPINGS {
            std::fs::write(shared.config.mappings.join(name), format!("{text}\n# edited\n")).unwrap();
        }
        FileWatch::default().step(&shared).await.unwrap();
        assert_eq!(shared.live().actions, Actions::Observe);
        assert_ne!(shared.mapping().version(), before);
    }
}
