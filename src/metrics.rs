//! Metrics as OpenMetrics text. Labels are our own words, never a customer's text.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use crate::goodays::relationship::Relationship;
use crate::minutes::Tally;
use crate::sync::lock;

/// `outcome` labels of `webhooks`. Each exists from the start, because an alert on the growth of a counter needs a
/// first sample.
const WEBHOOKS: [&str; 12] = [
    "accepted",
    "duplicate",
    "parked",
    "not_json",
    "unsigned",
    "too_long",
    "too_slow",
    "cut",
    "busy",
    "unavailable",
    "wrong_method",
    "nowhere",
];
/// Outcomes of events.
const EVENTS: [&str; 5] = ["created", "updated", "unchanged", "skipped", "parked"];
/// Kinds of actions, and their outcomes.
const ACTIONS: [&str; 4] = ["answer", "call", "close", "spam"];
const ENDS: [&str; 6] = ["delivered", "settled", "unclear", "parked", "cancelled", "observed"];
const REMOTES: [&str; 2] = ["salesforce", "goodays"];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Outcome {
    pub outcome: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Done {
    pub action: String,
    pub outcome: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Remote {
    pub remote: String,
    pub outcome: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Version {
    pub version: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct FieldLabel {
    pub field: String,
    pub code: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Figure {
    pub figure: &'static str,
}

/// All metrics of one daemon.
pub struct Metrics {
    registry: Registry,
    /// Webhooks by outcome.
    pub webhooks: Family<Outcome, Counter>,
    /// Seconds from the last byte of a webhook to its response.
    pub acknowledgement: Histogram,
    /// Events by outcome.
    pub events: Family<Outcome, Counter>,
    /// Actions at Goodays by kind or verb, and outcome.
    pub actions: Family<Done, Counter>,
    /// Duration of calls to each remote, in seconds.
    pub remote: Family<Remote, Histogram>,
    /// Seconds from a webhook to its Case.
    pub to_case: Histogram,
    /// Seconds from an agent's act to the proof that Goodays has it.
    pub to_goodays: Histogram,
    /// What Goodays measures, by the name that it gives the figure.
    relationship: Family<Figure, Gauge<f64, AtomicU64>>,
    /// Fields that were dropped or shortened.
    pub fields: Family<FieldLabel, Counter>,
    /// The same for `status`, because the entries of a family cannot be listed.
    dropped: Mutex<BTreeMap<(String, String), u64>>,
    /// The same for the console's plots, by the minute.
    pub tally: Tally,
    /// 1 for the current mapping version.
    pub mapping: Family<Version, Gauge>,
    /// Number of refused edits of mapping files.
    pub mapping_refused: Counter,
    /// 1 while the current mapping files are refused, and an earlier version is used.
    pub mapping_files_refused: Gauge,
    /// 1 while the current connector.yaml or a secret's file is refused, and what was read earlier is used.
    pub configuration_refused: Gauge,
    /// Number of edited keys of connector.yaml that wait for a restart.
    pub configuration_waits: Gauge,
    /// 1 while nothing is sent to customers (`goodays.actions: observe`).
    pub observing: Gauge,
    /// The gauges from here on are set when `/metrics` is requested.
    pub inbox_pending: Gauge,
    pub inbox_parked: Gauge,
    pub outbox_pending: Gauge,
    pub outbox_unclear: Gauge,
    pub outbox_parked: Gauge,
    pub unprocessed: Gauge,
    pub unprocessed_dashboard: Gauge,
    pub unprocessed_oldest: Gauge,
    pub oldest_event: Gauge,
    pub poll_lag: Gauge,
    pub poll_last: Gauge,
    pub calls: Gauge,
    pub calls_allowed: Gauge,
    pub salesforce_up: Gauge,
    pub goodays_up: Gauge,
    pub used_disk: Gauge<f64, AtomicU64>,
    /// 1 while the workers of this instance run.
    pub leader: Gauge,
    /// The number of the term, while this instance works together with others.
    pub epoch: Gauge,
    /// Seconds that the last request about the lease took.
    pub store_round_trip: Gauge<f64, AtomicU64>,
}

fn seconds() -> Histogram {
    Histogram::new(exponential_buckets(0.000_5, 2.0, 18))
}

/// From a tenth of a second to half a day.
fn hours() -> Histogram {
    Histogram::new(exponential_buckets(0.1, 2.0, 19))
}

impl Metrics {
    pub fn new(mapping: &str) -> Self {
        let mut registry = Registry::with_prefix("goodays_salesforce");
        let build = Info::new(vec![("version".to_owned(), env!("CARGO_PKG_VERSION").to_owned())]);
        registry.register("build", "Version of the program", build);
        let remote = Family::<Remote, Histogram>::new_with_constructor(seconds);
        let mut metrics = Self {
            registry,
            webhooks: Family::default(),
            acknowledgement: seconds(),
            events: Family::default(),
            actions: Family::default(),
            remote,
            to_case: hours(),
            to_goodays: hours(),
            relationship: Family::default(),
            fields: Family::default(),
            dropped: Mutex::default(),
            tally: Tally::default(),
            mapping: Family::default(),
            mapping_refused: Counter::default(),
            mapping_files_refused: Gauge::default(),
            configuration_refused: Gauge::default(),
            configuration_waits: Gauge::default(),
            observing: Gauge::default(),
            inbox_pending: Gauge::default(),
            inbox_parked: Gauge::default(),
            outbox_pending: Gauge::default(),
            outbox_unclear: Gauge::default(),
            outbox_parked: Gauge::default(),
            unprocessed: Gauge::default(),
            unprocessed_dashboard: Gauge::default(),
            unprocessed_oldest: Gauge::default(),
            oldest_event: Gauge::default(),
            poll_lag: Gauge::default(),
            poll_last: Gauge::default(),
            calls: Gauge::default(),
            calls_allowed: Gauge::default(),
            salesforce_up: Gauge::default(),
            goodays_up: Gauge::default(),
            used_disk: Gauge::default(),
            leader: Gauge::default(),
            epoch: Gauge::default(),
            store_round_trip: Gauge::default(),
        };
        metrics.register();
        metrics.begin();
        metrics.mapping_is(mapping);
        metrics
    }

    fn register(&mut self) {
        let r = &mut self.registry;
        r.register("webhooks", "Webhooks by answer", self.webhooks.clone());
        r.register(
            "acknowledgement_seconds",
            "Time until a webhook was answered",
            self.acknowledgement.clone(),
        );
        r.register("events", "Events by how they ended", self.events.clone());
        r.register("actions", "Actions at Goodays by how they ended", self.actions.clone());
        r.register("remote_seconds", "Time of calls to the remotes", self.remote.clone());
        r.register("case_seconds", "Time from a webhook to its Case", self.to_case.clone());
        r.register(
            "delivery_seconds",
            "Time from an agent's act to the proof that Goodays has it",
            self.to_goodays.clone(),
        );
        r.register(
            "goodays_relationship",
            "What Goodays measures of the brand's work, as it gives it",
            self.relationship.clone(),
        );
        r.register("fields_refused", "Fields that were dropped or shortened", self.fields.clone());
        r.register("mapping", "1 for the mapping version in force", self.mapping.clone());
        r.register(
            "mapping_refused",
            "Edits of mapping files that were refused",
            self.mapping_refused.clone(),
        );
        r.register(
            "mapping_files_refused",
            "1 while the mapping files as they stand are refused",
            self.mapping_files_refused.clone(),
        );
        r.register(
            "configuration_refused",
            "1 while connector.yaml as it stands is refused",
            self.configuration_refused.clone(),
        );
        r.register(
            "configuration_waits_for_restart",
            "Edited keys of connector.yaml that wait for a restart",
            self.configuration_waits.clone(),
        );
        r.register("observing", "1 while nothing is sent to customers", self.observing.clone());
        r.register("leader", "1 while the workers of this instance run", self.leader.clone());
        r.register("epoch", "Number of the term, if there are several instances", self.epoch.clone());
        r.register(
            "store_round_trip_seconds",
            "Time of the last request about the lease, if there are several instances",
            self.store_round_trip.clone(),
        );
        r.register("inbox_pending", "Events that wait for Salesforce", self.inbox_pending.clone());
        r.register("inbox_parked", "Events that wait for a human", self.inbox_parked.clone());
        r.register("inbox_oldest_seconds", "Age of the oldest event that waits", self.oldest_event.clone());
        r.register("outbox_pending", "Actions that wait for Goodays", self.outbox_pending.clone());
        r.register("outbox_unclear", "Actions whose outcome is unknown", self.outbox_unclear.clone());
        r.register("outbox_parked", "Actions that wait for a human", self.outbox_parked.clone());
        r.register("unprocessed", "Responses that nobody processed yet", self.unprocessed.clone());
        r.register(
            "unprocessed_dashboard",
            "Returns that Goodays counts as waiting, as last read",
            self.unprocessed_dashboard.clone(),
        );
        r.register(
            "unprocessed_oldest_seconds",
            "Age of the oldest of them",
            self.unprocessed_oldest.clone(),
        );
        r.register("poll_lag_seconds", "Time since the last completed poll", self.poll_lag.clone());
        r.register("poll_last_completed_seconds", "When the last poll was completed", self.poll_last.clone());
        r.register("salesforce_calls_today", "Salesforce API calls of the last 24 hours", self.calls.clone());
        r.register(
            "salesforce_calls_allowed",
            "Salesforce API calls allowed in 24 hours",
            self.calls_allowed.clone(),
        );
        r.register(
            "salesforce_up",
            "1 when the last call to Salesforce worked, and while another instance works",
            self.salesforce_up.clone(),
        );
        r.register("goodays_up", "0 while calls to Goodays fail", self.goodays_up.clone());
        r.register(
            "log_lines_dropped",
            "Log lines that nobody read in time",
            crate::log_writer::dropped().clone(),
        );
        r.register("disk_used_bytes", "Bytes of the state on disk", self.used_disk.clone());
    }

    /// Creates all counters with known labels, at 0.
    fn begin(&self) {
        for outcome in WEBHOOKS {
            drop(self.webhooks.get_or_create(&Outcome { outcome: outcome.to_owned() }));
        }
        for outcome in EVENTS {
            drop(self.events.get_or_create(&Outcome { outcome: outcome.to_owned() }));
        }
        for (action, outcome) in ACTIONS.iter().flat_map(|action| ENDS.map(|end| (*action, end))) {
            let label = Done { action: action.to_owned(), outcome: outcome.to_owned() };
            drop(self.actions.get_or_create(&label));
        }
        for remote in REMOTES {
            let label = Remote { remote: remote.to_owned(), outcome: "ok".to_owned() };
            drop(self.remote.get_or_create(&label));
        }
    }

    pub fn event(&self, outcome: &str) {
        self.tally.event(outcome);
        self.events.get_or_create(&Outcome { outcome: outcome.to_owned() }).inc();
    }

    /// Sets the current mapping version.
    pub fn mapping_is(&self, version: &str) {
        self.mapping.clear();
        self.mapping.get_or_create(&Version { version: version.to_owned() }).set(1);
    }

    pub fn action(&self, action: &str, outcome: &str) {
        self.tally.action(outcome);
        self.actions.get_or_create(&Done { action: action.to_owned(), outcome: outcome.to_owned() }).inc();
    }

    pub fn webhook(&self, outcome: &str) {
        self.tally.webhook(outcome);
        self.webhooks.get_or_create(&Outcome { outcome: outcome.to_owned() }).inc();
    }

    pub fn call(&self, remote: &str, outcome: &str, took_ms: i64) {
        let label = Remote { remote: remote.to_owned(), outcome: outcome.to_owned() };
        #[expect(clippy::cast_precision_loss, reason = "milliseconds of a call")]
        self.remote.get_or_create(&label).observe(took_ms as f64 / 1000.0);
    }

    #[expect(clippy::cast_precision_loss, reason = "milliseconds of a duration")]
    pub fn took(&self, histogram: &Histogram, took_ms: i64) {
        histogram.observe(took_ms.max(0) as f64 / 1000.0);
    }

    /// Sets the figures that are there, and removes the others.
    pub fn relationship(&self, read: &Relationship) {
        self.relationship.clear();
        for (figure, value) in read.figures() {
            self.relationship.get_or_create(&Figure { figure }).set(value);
        }
    }

    pub fn field(&self, field: &str, code: &str) {
        self.fields.get_or_create(&FieldLabel { field: field.to_owned(), code: code.to_owned() }).inc();
        let mut dropped = lock(&self.dropped);
        *dropped.entry((field.to_owned(), code.to_owned())).or_default() += 1;
    }

    /// Dropped or shortened fields since the start: field, code, count; most frequent first.
    pub fn dropped(&self) -> Vec<(String, String, u64)> {
        let dropped = lock(&self.dropped);
        let mut all: Vec<_> =
            dropped.iter().map(|((field, code), count)| (field.clone(), code.clone(), *count)).collect();
        all.sort_by_key(|(.., count)| std::cmp::Reverse(*count));
        all
    }

    pub fn text(&self) -> String {
        let mut text = String::new();
        encode(&mut text, &self.registry).expect("writing into a text works");
        text
    }
}
