//! What people and machines that watch see: counters from the start, words of `status`, groups of `parked`, edits while
//! running, and readers that go away.

mod docs;
mod edits;
mod readers;
mod sim;
mod words;
