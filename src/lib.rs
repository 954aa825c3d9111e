//! The bridge between Goodays (customer feedback) and Salesforce Service Cloud.
//!
//! ```text
//! Goodays POST --bytes--> web --> store (on disk, then 200)
//!                                   | run::inbound
//!               event --> plan --> salesforce::client --> ledger, entry done
//!
//! Salesforce rows --> run::poll --> plan::outbound --> a conversation's actions (on disk)
//!                                   | run::dispatcher
//!      look --> may it go? Sending (on disk) --> goodays::client --> look --> did it arrive? --> ledger
//! ```
//!
//! Facts come in through [`goodays`], [`salesforce`] and [`mapping`]; every decision is made in [`plan`], which
//! does no I/O and knows no clock: what reaches customers in [`plan::outbound`], on a conversation as a whole.
//! [`time`] keeps the remotes' clocks apart; [`run`] has the hands; only [`store`] knows the database; [`web`] has
//! the doors; [`sim`] stands in for both remotes.

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
pub mod metrics;
pub mod mutant;
pub mod operator;

pub mod preview;
pub mod salesforce;
pub mod samples;
pub mod sim;
pub mod state;
pub mod time;
pub mod web;
pub mod workers;
