//! What every worker needs: its loop, a circuit breaker for each remote and how calls end, the budget of calls, intervals
//! between tries.

pub(super) mod activity;
pub(crate) mod budget;
pub(crate) mod calls;
mod change;
pub(crate) mod circuit_breaker;
pub(crate) mod org_identity;
pub(crate) mod page_size;
pub(crate) mod plan_context;
pub(crate) mod read_failures;
pub(crate) mod recent;
pub(crate) mod retry;
pub(crate) mod worker;
