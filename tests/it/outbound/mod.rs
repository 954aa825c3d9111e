//! Decisions about what reaches customers: each fault that was found, by its number, with similar cases.

mod addresses;
mod asked_for;
mod baseline;
mod clocks;
mod covered;
mod grace;
mod learnt;
mod proof;
mod refused;
mod road;
mod sequence;
mod skew;
mod words;

use std::collections::BTreeMap;

use goodays_salesforce::demo::stage::Tuning;
use goodays_salesforce::sim::wire::{Act, Fault};

use crate::world::World;

const UNCLEAR: &str = "Unclear: please check in Goodays";

/// Short waits, so that tests with several waits end soon.
fn brisk() -> Tuning {
    Tuning { settle_ms: 400, ..Tuning::default() }
}

/// An answer in place of Goodays'. Nothing is done.
fn instead(status: u16, body: &str, content_type: &str) -> Act {
    Act::Answer {
        status,
        body: body.to_owned(),
        content_type: Some(content_type.to_owned()),
        headers: BTreeMap::new(),
    }
}

/// Sets the fault for the next action of this verb.
fn next_put(world: &World, verb: &str, act: Act) {
    let fault = Fault { method: Some("PUT".to_owned()), ..Fault::once(&format!("/{verb}"), act) };
    world.goodays.wire().fault(fault);
}

/// Waits until the Case shows the agent this status.
async fn told(world: &World, id: &str, status: &str) {
    world.until(status, || world.told(id).0 == status && world.is_recorded()).await;
}

/// The verbs that were sent, in order.
fn verbs(world: &World, id: &str) -> Vec<String> {
    world.puts(id).into_iter().map(|(verb, _)| verb).collect()
}

/// How the Case calls a verb.
fn called(verb: &str) -> &str {
    match verb {
        "reply" => "public reply",
        "message" => "private message",
        other => other,
    }
}
