//! World tests: the promises of `docs/guarantees.md` and the rules of the design, tested on both simulators with the
//! real daemon between them. One test for each rule, named after it.
#![allow(clippy::unwrap_used, reason = "tests")]

mod answers;
mod bodies;
mod cases;
mod conversation;
mod customers;
mod echo;
mod edges;
mod fields;
mod frugal;
mod guard;
mod loss;
mod mixed;
mod order;
mod people;
mod perimeter;
mod several;
mod start;
mod switches;
mod texts;
mod together;
