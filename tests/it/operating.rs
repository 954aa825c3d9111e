//! Views for people and monitoring: counters from the start, texts of `status`, groups of `parked`, edits at run
//! time, and readers that disconnect.

mod docs;
mod edits;
mod figures;
mod readers;
mod sim;
mod words;
