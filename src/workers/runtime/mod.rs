//! What every worker needs: its loop, a circuit breaker for each remote, the budget of calls, intervals between tries.

pub(super) mod activity;
pub(crate) mod budget;
mod change;
pub(crate) mod circuit_breaker;
pub(crate) mod org_identity;
pub(crate) mod page_size;
pub(crate) mod plan_context;
pub(crate) mod read_failures;
pub(crate) mod recent;
pub(crate) mod retry;
pub(crate) mod worker;
