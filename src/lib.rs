//! The bridge between Goodays (customer feedback) and Salesforce Service Cloud.
//!
//! ```text
//! Goodays POST --bytes--> web --> state (on disk, then 200)
//!                                   | workers::inbound
//!               event --> decide --> salesforce::client --> ledger, event done
//!
//! Salesforce rows --> workers::poll --> decide::outbound --> a conversation's actions (on disk)
//!                                   | workers::delivery
//!      look --> may it go? Sending (on disk) --> goodays::client --> look --> did it arrive? --> ledger
//! ```
//!
//! The rooms, in the order of the data:
//!
//! - [`web`]: the webhook's door, and the admin door.
//! - [`state`]: what is on disk. The only room that knows the database.
//! - [`goodays`], [`salesforce`]: what each remote says and accepts. Neither knows the other.
//! - [`mapping`]: the YAML rules, compiled. [`document`] reads YAML with places, for it and for [`config`].
//! - [`messages`]: what agents read on a Case, in their language.
//! - [`decide`]: every decision. It does no I/O and knows no clock. What reaches customers is in [`decide::outbound`].
//! - [`workers`]: they load, let [`decide`] decide, act and record.
//! - [`operator`]: what a human asks for at the admin door, and what is not as it should be. [`alerts`] tells it.
//! - [`sim`]: both remotes, for the demo and the tests.
//!
//! [`time`] keeps the remotes' clocks apart, [`clock`] is our own. docs/architecture.md follows one feedback in and one
//! answer out.

pub mod alerts;
pub mod app;
pub mod aside;
pub mod check;
pub mod cli;
pub mod clock;
pub mod config;
pub mod decide;
pub mod demo;
pub mod descriptors;
pub mod document;
pub mod goodays;
pub mod http;
pub mod json;
pub mod log_writer;
pub mod mapping;
pub mod mapping_tests;
pub mod messages;
pub mod metrics;
pub mod minutes;
pub mod mutant;
pub mod operator;
pub mod out;
pub mod preview;
pub mod remotes;
pub mod salesforce;
pub mod samples;
pub mod schemas;
pub mod sim;
pub mod state;
mod sync;
pub mod time;
pub mod web;
pub mod workers;
