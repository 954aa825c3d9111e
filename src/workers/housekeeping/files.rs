//! Reloads mappings, connector.yaml and secrets when their files change. Each instance does that, whether it works or not.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::Notify;

use crate::mapping::is_mapping_file;
use crate::workers::runtime::retry::millis;
use crate::workers::{Fatal, Shared, Step, Worker};

/// How often the files are checked.
const LOOK: Duration = Duration::from_secs(1);
/// At which of these checks the secrets are read.
const SECRETS_EVERY: u64 = 10;

/// When a file was last changed, and its length.
type Stamp = (Option<SystemTime>, u64);

#[derive(Default)]
pub struct FileWatch {
    /// The mapping files and connector.yaml as they were at the last check.
    mappings: Option<Vec<(String, Stamp)>>,
    config: Option<Stamp>,
    looks: u64,
}

impl Worker for FileWatch {
    const NAME: &'static str = "files";

    fn wake<'s>(&self, shared: &'s Shared) -> &'s Notify {
        &shared.upkeep
    }

    async fn step(&mut self, shared: &Arc<Shared>) -> Result<Step, Fatal> {
        self.watch_files(shared).await;
        if self.looks.is_multiple_of(SECRETS_EVERY) {
            shared.look_at_secrets();
        }
        self.looks += 1;
        Ok(Step::Idle { until_ms: Some(shared.clock.now_ms() + millis(LOOK)) })
    }
}

impl FileWatch {
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
