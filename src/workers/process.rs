//! What belongs to the process, whoever works: its configuration, its mappings, its clock, its counters.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};

use arc_swap::{ArcSwap, ArcSwapOption};

use crate::clock::Clock;
use crate::config::{Config, Live};
use crate::http::TimeLimits;
use crate::mapping::{Diagnostic, Mapping};
use crate::metrics::Metrics;
use crate::salesforce::describe::Describe;
use crate::workers::housekeeping::Secrets;
use crate::workers::housekeeping::files::Files;
use crate::workers::housekeeping::reload::{Edits, text_of};
use crate::workers::terms::Standing;

/// What the workers of all terms and the web servers share. It lasts as long as the process.
pub struct Process {
    pub config: Config,
    pub clock: Clock,
    pub metrics: Metrics,
    pub secrets: Secrets,
    pub(crate) limits: TimeLimits,
    pub(crate) mapping: ArcSwap<Mapping>,
    /// What an edit of connector.yaml changes at once.
    pub(crate) live: ArcSwap<Live>,
    /// How connector.yaml on disk differs from the running configuration, for `status`.
    pub edits: ArcSwap<Edits>,
    /// Changes the log's level, where the log is our own.
    pub(crate) log_level: OnceLock<LogLevel>,
    /// Checks an edited mapping against the org, where somebody gave such a check.
    pub(crate) edit_check: OnceLock<EditCheck>,
    /// The files as they were read last.
    pub(crate) files: ArcSwap<Files>,
    /// One reload at a time: a signal, the admin server and the file watch can each start one.
    pub(crate) reloading: tokio::sync::Mutex<()>,
    /// What is wrong with the mapping files on disk; empty if they are in force.
    pub mapping_trouble: ArcSwap<Vec<Diagnostic>>,
    /// Why the sweep does not get through.
    pub(crate) sweep_trouble: ArcSwap<Option<String>>,
    /// Whether a sweep of this process has ended, well or not.
    pub(crate) has_swept: AtomicBool,
    /// A rule of actions.yaml that could not be evaluated since the mapping is in force.
    pub(crate) rule_failure: ArcSwap<Option<String>>,
    /// The other instances; none if there can be none.
    pub standing: ArcSwapOption<Standing>,
    /// Set by a worker that cannot continue.
    pub(crate) failed: AtomicBool,
    pub(crate) watcher: OnceLock<Watcher>,
}

/// Called after each step of a worker, with its name and whether it steps again at once. The worker stops there when
/// this returns false.
type Watcher = Box<dyn Fn(&'static str, bool) -> bool + Send + Sync>;

/// Sets the level of the log, written as `log.level`.
pub type LogLevel = Box<dyn Fn(&str) + Send + Sync>;

/// What an edited mapping names and the org lacks: of the edited mapping, the one in force, and the org's objects.
pub type EditCheck = fn(&Mapping, &Mapping, &[Describe]) -> Vec<Diagnostic>;

impl Process {
    pub fn new(config: Config, mapping: Mapping, clock: Clock, limits: TimeLimits) -> Self {
        Self {
            metrics: Metrics::new(mapping.version()),
            secrets: Secrets::new(&config),
            limits,
            mapping: ArcSwap::from_pointee(mapping),
            live: ArcSwap::from_pointee(Live::of(&config)),
            edits: ArcSwap::default(),
            log_level: OnceLock::new(),
            edit_check: OnceLock::new(),
            files: ArcSwap::from_pointee(Files::of(&config)),
            reloading: tokio::sync::Mutex::new(()),
            mapping_trouble: ArcSwap::default(),
            sweep_trouble: ArcSwap::default(),
            has_swept: AtomicBool::new(false),
            rule_failure: ArcSwap::default(),
            standing: ArcSwapOption::empty(),
            failed: AtomicBool::new(false),
            watcher: OnceLock::new(),
            config,
            clock,
        }
    }

    /// The settings of connector.yaml that an edit changes while running, as they are now.
    pub fn live(&self) -> Arc<Live> {
        self.live.load_full()
    }

    /// Sets how edited mappings are checked against the org. The first one stays.
    pub fn check_edits_by(&self, check: EditCheck) {
        let _ = self.edit_check.set(check);
    }

    /// Sets how the log's level is changed. The first one stays.
    pub fn log_level_by(&self, set: LogLevel) {
        let _ = self.log_level.set(set);
    }

    pub fn mapping(&self) -> Arc<Mapping> {
        self.mapping.load_full()
    }

    /// What is wrong with the mapping files on disk, as `check` shows it; none if they are in force.
    pub fn mapping_refusal(&self) -> Option<String> {
        let mistakes = self.mapping_trouble.load();
        (!mistakes.is_empty()).then(|| text_of(&mistakes))
    }

    pub fn set_mapping(&self, mapping: Mapping) {
        if mapping.rules_version() != self.mapping().rules_version() {
            self.rule_failure.store(Arc::default());
        }
        self.mapping.store(Arc::new(mapping));
    }

    /// Sets a watcher before any worker starts: tests stop a daemon at an exact place. The first one stays.
    pub fn watch_steps(&self, watcher: impl Fn(&'static str, bool) -> bool + Send + Sync + 'static) {
        let _ = self.watcher.set(Box::new(watcher));
    }

    pub(super) fn goes_on(&self, name: &'static str, did: bool) -> bool {
        self.watcher.get().is_none_or(|watcher| watcher(name, did))
    }
}
