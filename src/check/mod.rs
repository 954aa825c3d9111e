//! `check`: reports now what would go wrong later, in the terms of the person who can fix it.
//!
//! Offline it reads connector.yaml and the mapping files. Online it also asks both remotes, but none of its calls
//! writes anything. Its output holds names, codes and texts of the mapping, but never what customers wrote and never
//! a secret.

mod actions;
mod budget;
mod codes;
mod customers;
mod database;
mod edited;
mod fields;
mod goodays;
mod named;
mod objects;
mod places;
mod reach;
mod render;
mod report;
mod roles;
mod salesforce;
mod samples;
mod saved;
mod tested;
mod values;

pub use edited::{Stood, edited};
pub use saved::{REFUSED_WHEN_SAVED, newly_lacking};

use std::path::Path;
use std::time::Duration;

pub use report::{Area, Finding, Report, Severity};

use crate::config::{Actions, Approval, Config, Secrets};
use crate::mapping::{self, Diagnostic, Mapping, Outcome};

/// How long one call may take. A remote that did not answer is not asked again, so checking both takes at most twice
/// that time.
const TIME_LIMIT: Duration = Duration::from_secs(15);

/// Checks the files and, unless `offline`, both remotes.
pub async fn run(config_path: &Path, offline: bool) -> Report {
    let secrets = if offline { Secrets::Optional } else { Secrets::Required };
    let (mut report, loaded) = files(config_path, secrets);
    if let (false, Some((config, mapping))) = (offline, loaded) {
        report.merge(online(&config, &mapping, TIME_LIMIT).await);
    }
    report
}

/// Checks connector.yaml and the mapping files. Secrets need not be set.
pub fn offline(config_path: &Path) -> Report {
    files(config_path, Secrets::Optional).0
}

/// Checks both remotes for files that are loaded already. Each call may take as long as `limit`.
pub async fn online(config: &Config, mapping: &Mapping, limit: Duration) -> Report {
    let mut report = Report { asked: true, ..Report::default() };
    proxies(&mut report);
    let samples = goodays::check(config, mapping, limit, &mut report).await;
    salesforce::check(config, mapping, &samples, limit, &mut report).await;
    budget::settings(config, &mut report);
    database::check(config, &mut report).await;
    report
}

/// A proxy that cannot be one is not used, so calls leave this machine in another way than was meant.
fn proxies(report: &mut Report) {
    for name in crate::http::unusable_proxies() {
        let message = format!("the variable `{name}` is no address of a proxy: calls do not use it");
        report
            .warn(Area::Configuration, codes::BAD_PROXY, message)
            .help("write it like http://proxy.example:3128, or unset it");
    }
}

fn files(config_path: &Path, secrets: Secrets) -> (Report, Option<(Config, Mapping)>) {
    let mut report = Report::default();
    let config = match Config::load(config_path, secrets) {
        Ok(config) => config,
        Err(found) => {
            report.unloaded = true;
            report.diagnostics(Area::Configuration, found);
            return (report, None);
        }
    };
    report.diagnostics(Area::Configuration, config.warnings.iter().cloned());
    report.ok(Area::Configuration, format!("{} can be read", config_path.display()));
    match load_mappings(&config, &mut report) {
        Some(mapping) => (report, Some((config, mapping))),
        None => (report, None),
    }
}

fn load_mappings(config: &Config, report: &mut Report) -> Option<Mapping> {
    match Mapping::load(&config.mappings) {
        Ok((mapping, warnings)) => {
            report.diagnostics(Area::Mapping, warnings);
            observed(config, &mapping, report);
            customers::warn_of_mails(&mapping, report);
            approved(config, &mapping, report);
            let count = mapping.sources().len();
            report.ok(Area::Mapping, format!("{count} files, version {}", mapping.version()));
            tested::check(config, &mapping, report);
            Some(mapping)
        }
        Err(found) => {
            report.unloaded = found.iter().any(Diagnostic::is_error);
            report.diagnostics(Area::Mapping, found);
            None
        }
    }
}

/// A public reply that waits for an approval needs a field in which somebody gives it.
fn approved(config: &Config, mapping: &Mapping, report: &mut Report) {
    let actions = mapping.actions();
    if config.goodays.approval == Approval::Public && actions.approved.is_none() && actions.acts() {
        let message = "`goodays.approval` is `public`, and no field of the Case approves: public replies would wait for ever";
        let found = mapping.finding(mapping::Severity::Error, codes::NOBODY_APPROVES, &actions.at, message);
        let help = "name the field under `case`, for example `approved: Goodays_Approved__c`, or set `goodays.approval: none`";
        report.diagnostic(Area::Mapping, found.with_help(help));
    }
}

/// With `observe`, nothing is sent, so the Cases should show what would be sent.
fn observed(config: &Config, mapping: &Mapping, report: &mut Report) {
    let actions = mapping.actions();
    if config.goodays.actions == Actions::Observe && actions.acts() && !actions.shows(Outcome::Observed) {
        let message = "`goodays.actions` is `observe`, and `feedback` has no field for what is `observed`";
        let found = mapping.finding(mapping::Severity::Warning, mapping::NOT_TOLD, &actions.at, message);
        let help =
            "add `observed: { Goodays_Sync_Status__c: \"Would be sent: {{ action }}\" }` under `feedback`";
        report.diagnostic(Area::Mapping, found.with_help(help));
    }
}

/// All codes of findings about the remotes. Those of the files are in `config` and `mapping`.
pub fn codes() -> &'static [&'static str] {
    codes::CODES
}
