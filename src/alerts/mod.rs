//! Tells people what is not as it should be, without any monitoring: once when it begins, and once when it is over.
//!
//! What is told is decided in `watch` from the findings that `status` shows, and from two of its own: the budget will
//! be used up before midnight, and no webhooks come in hours that usually have some (`silence`). Sending never delays
//! anything: each destination has its own short queue. What a destination has taken is in the state (`memory`), so that
//! it is not told again after a restart, or by another instance.

mod memory;
mod send;
mod silence;
mod watch;

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::warn;

pub use send::{Message, test};

use crate::config::{Alert, Topic};
use crate::messages::Words;
use crate::operator::findings::{Finding, Level, not_accepting};
use crate::operator::status::Status;
use crate::state::StoreError;
use crate::workers::{Current, Shared, supervised};
use memory::Memory;
use send::{Sender, Taken};
use watch::{Told, Watch};

/// How often the findings are looked at.
const EVERY: Duration = Duration::from_secs(5);
/// Codes of the findings that only alerts have.
const BUDGET: &str = "budget_forecast";
const SILENT: &str = "silent";

/// What destinations have taken and is not noted yet, at most.
const TAKEN: usize = 64;

/// Watches until the token is cancelled. Does nothing without `alerts` in connector.yaml.
pub fn start(current: &Current, token: CancellationToken) {
    let alerts = &current.process().config.alerts;
    if alerts.is_empty() {
        return;
    }
    let (acks, acked) = mpsc::channel(TAKEN);
    let destination = |(place, alert): (usize, &Alert)| Destination {
        name: memory::name(alert),
        watch: Watch::new(alert),
        sender: Sender::start(place, alert, acks.clone(), current.process(), &token),
    };
    let destinations = alerts.iter().enumerate().map(destination).collect();
    let teller = Teller { destinations, memory: Memory::default(), unwritten: Vec::new(), term: None };
    let watching = watch(current.clone(), teller, acked, token.clone());
    tokio::spawn(supervised("alerts", current.process().clone(), token, watching));
}

struct Destination {
    name: String,
    watch: Watch,
    sender: Sender,
}

/// What all destinations were told.
struct Teller {
    destinations: Vec<Destination>,
    /// As the state has it.
    memory: Memory,
    /// What was taken and is not in the state yet, the last of each destination and code.
    unwritten: Vec<Taken>,
    /// The term that the memory was read for.
    term: Option<Weak<Shared>>,
}

async fn watch(
    current: Current,
    mut teller: Teller,
    mut acked: mpsc::Receiver<Taken>,
    token: CancellationToken,
) {
    let started_ms = current.process().clock.now_ms();
    while !token.is_cancelled() {
        let shared = current.shared();
        // Of several instances, only the one that works tells people; so does the one that worked last, while it is without a
        // database.
        if shared.works {
            if let Err(error) = teller.look(&shared, started_ms).await {
                warn!(%error, "the alerts could not look at the state");
            }
        } else if current.standing().is_some_and(|standing| standing.another_works()) {
            teller.rest(&shared);
        }
        tokio::select! {
            () = token.cancelled() => {}
            () = tokio::time::sleep(EVERY) => {}
            Some(ack) = acked.recv() => teller.note(ack),
        }
    }
}

impl Teller {
    async fn look(&mut self, shared: &Arc<Shared>, started_ms: i64) -> Result<(), StoreError> {
        let remembered = self.remember(shared).await;
        if remembered.is_ok() && !self.unwritten.is_empty() {
            let known = self.known();
            match known.write(&shared.store).await {
                Ok(()) => (self.memory, self.unwritten) = (known, Vec::new()),
                // A disk that takes no writes is something to tell.
                Err(error) => warn!(%error, "what was told could not be noted"),
            }
        }
        let found = match remembered {
            Ok(()) => findings(shared, started_ms).await,
            Err(error) => Err(error),
        };
        let (unsure, now_ms) = (unsure(shared), shared.clock.now_ms());
        for Destination { watch, sender, .. } in &mut self.destinations {
            let told = match &found {
                Ok(findings) => watch.look(findings, &unsure, now_ms),
                Err(error) => watch.look_at_these(&[not_accepting(&error.to_string())], now_ms),
            };
            for told in told {
                sender.send(message(shared, &told), told);
            }
        }
        found.map(drop)
    }

    /// Another instance works, and tells the rest. That this one had lost the database stands nowhere else, so that it is
    /// over is told here.
    fn rest(&mut self, shared: &Shared) {
        for Destination { name, watch, sender } in &mut self.destinations {
            let code = not_accepting("").code;
            let is_noted = self.memory.of(name).contains_key(code);
            if let Some(told) = watch.ended(code).filter(|_| !is_noted) {
                sender.send(message(shared, &told), told);
            }
        }
        self.unwritten.clear();
    }

    /// What was told, also what could not be written.
    fn known(&self) -> Memory {
        let mut known = self.memory.clone();
        for (place, told) in &self.unwritten {
            known.note(&self.destinations[*place].name, told);
        }
        known
    }

    /// At the beginning of a term: what was told before it, also without a database.
    async fn remember(&mut self, shared: &Arc<Shared>) -> Result<(), StoreError> {
        if self.term.as_ref().is_some_and(|term| term.ptr_eq(&Arc::downgrade(shared))) {
            return Ok(());
        }
        let names: Vec<String> = self.destinations.iter().map(|one| one.name.clone()).collect();
        self.memory = Memory::read(&shared.store, &names).await?;
        let known = self.known();
        for Destination { name, watch, .. } in &mut self.destinations {
            watch.remember(&known.of(name));
        }
        self.term = Some(Arc::downgrade(shared));
        Ok(())
    }

    fn note(&mut self, (place, told): Taken) {
        self.unwritten.retain(|(at, one)| (*at, &one.code) != (place, &told.code));
        self.unwritten.push((place, told));
    }
}

/// What is not a finding only because nobody has asked since the start of the term.
fn unsure(shared: &Shared) -> Vec<&'static str> {
    let asked = [
        ("salesforce", shared.salesforce_breaker.is_well()),
        ("goodays", shared.goodays_breaker.is_well()),
        ("poll", shared.poll_state.last_completed_ms.load().is_some()),
        ("sweep", shared.config.sweep.every.is_none() || shared.has_swept.load(Ordering::Relaxed)),
    ];
    asked.into_iter().filter(|(_, known)| !known).map(|(code, _)| code).collect()
}

/// What `status` finds, and what only alerts look at.
async fn findings(shared: &Shared, started_ms: i64) -> Result<Vec<Finding>, StoreError> {
    let now_ms = shared.clock.now_ms();
    let status = Status::read(shared, started_ms).await?;
    let mut findings = status.findings(shared).await?;
    let forecast = shared.budget.forecast(now_ms).await;
    let zone = shared.config.messages.zone();
    if let Some(at_ms) = forecast.used_up_ms.filter(|at_ms| *at_ms < midnight_ms(now_ms, zone)) {
        findings.push(of_alerts(BUDGET, Words::new("finding-budget-forecast").at("time", at_ms)));
    }
    if silence::is_silent(&shared.minutes.received_by_hour(), now_ms) {
        findings.push(of_alerts(SILENT, Words::new("finding-silent")));
    }
    Ok(findings)
}

fn of_alerts(code: &'static str, words: Words) -> Finding {
    Finding { code, level: Level::Waits, words, since_ms: None, retry_ms: None }
}

/// The next midnight (milliseconds).
fn midnight_ms(now_ms: i64, zone: &TimeZone) -> i64 {
    let now = Timestamp::from_millisecond(now_ms).unwrap_or_default().to_zoned(zone.clone());
    let next = now.tomorrow().and_then(|tomorrow| tomorrow.start_of_day());
    next.map_or(i64::MAX, |midnight| midnight.timestamp().as_millisecond())
}

/// Which topic a finding belongs to; none: it is not told.
fn topic(finding: &Finding) -> Option<Topic> {
    match finding.code {
        "unclear" => Some(Topic::Unclear),
        "parked" => Some(Topic::Parked),
        "mapping" | "rule" | "configuration" | "secrets" => Some(Topic::Mapping),
        BUDGET => Some(Topic::Budget),
        SILENT => Some(Topic::Silent),
        _ if finding.level == Level::Trouble => Some(Topic::Trouble),
        _ => None,
    }
}

fn message(shared: &Shared, told: &Told) -> Message {
    let messages = &shared.config.messages;
    let begins = if told.over { Words::new("alert-over") } else { Words::new("alert-begins") };
    Message {
        code: told.code.clone(),
        over: told.over,
        text: messages.say(&begins.and(told.words.clone())),
        since_ms: told.since_ms,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn midnight_is_the_zones() {
        let paris = TimeZone::get("Europe/Paris").unwrap();
        let at = |text: &str| text.parse::<Timestamp>().unwrap().as_millisecond();
        assert_eq!(midnight_ms(at("2026-06-01T21:00:00Z"), &paris), at("2026-06-01T22:00:00Z"));
        assert_eq!(midnight_ms(at("2026-06-01T22:00:00Z"), &paris), at("2026-06-02T22:00:00Z"));
    }
}
