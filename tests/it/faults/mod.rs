//! Unknown outcomes, refusals, limits and outages, against the real daemon between both simulators.

mod bounded;
mod families;
mod limits;
mod lost_state;
mod outcomes;
mod polling;
mod refusals;
mod sessions;
mod sweeping;
mod unclear;
