//! The result of `status` as an exit code, for a watchdog.

use serde_json::Value;

use super::{FINDINGS, OK, TROUBLE};
use crate::operator::reasons;

/// Numbers that the answer must have. A missing number must not be read as zero.
pub const NUMBERS: [&str; 10] = [
    "/inbox/pending",
    "/inbox/parked",
    "/inbox/done",
    "/outbox/pending",
    "/outbox/unclear",
    "/outbox/parked",
    "/outbox/delivered",
    "/salesforce/api_calls_today",
    "/salesforce/api_calls_allowed",
    "/unprocessed/count",
];

/// 4 while something does not work now, 1 while something waits for an operator, 0 when all is well.
pub fn of(status: &Value, parked: &[Value]) -> u8 {
    if is_in_trouble(status) {
        TROUBLE
    } else if for_an_operator(status, parked) > 0 || is_edit_left(status) {
        FINDINGS
    } else {
        OK
    }
}

/// Webhooks are not accepted, a remote is away or refuses us, or agents' actions are not read.
fn is_in_trouble(status: &Value) -> bool {
    let troubles = ["/salesforce/trouble", "/goodays/trouble", "/poll/trouble", "/refusing"];
    troubles.iter().any(|at| status.pointer(at).is_some_and(|trouble| !trouble.is_null()))
        || status["poll"]["stopped_by_budget"] == true
}

/// An edit that is refused, or that takes effect only after a restart.
fn is_edit_left(status: &Value) -> bool {
    let configuration = &status["configuration"];
    !status["mapping"]["trouble"].is_null()
        || !configuration["refused"].is_null()
        || configuration["waits_for_restart"].as_array().is_some_and(|keys| !keys.is_empty())
}

/// How much is parked or unclear, without what agents see on their Case and settle there.
pub fn for_an_operator(status: &Value, parked: &[Value]) -> u64 {
    let n = |path: &str| status.pointer(path).and_then(Value::as_u64).unwrap_or_default();
    let all = n("/inbox/parked") + n("/outbox/parked") + n("/outbox/unclear");
    let agents =
        parked.iter().filter(|item| reasons::is_the_agents(item["reason_code"].as_str().unwrap_or_default()));
    all.saturating_sub(agents.count() as u64)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn well() -> Value {
        json!({
            "refusing": null,
            "inbox": { "parked": 0 },
            "outbox": { "parked": 0, "unclear": 0 },
            "poll": { "trouble": null, "stopped_by_budget": false },
            "salesforce": { "trouble": null },
            "goodays": { "trouble": null },
            "mapping": { "trouble": null },
            "configuration": { "refused": null, "waits_for_restart": [] },
        })
    }

    fn with(at: &str, value: Value) -> Value {
        let mut status = well();
        *status.pointer_mut(at).unwrap() = value;
        status
    }

    #[test]
    fn f03_trouble_now_is_told_from_what_waits_for_a_human() {
        assert_eq!(of(&well(), &[]), OK);
        for (at, value) in [
            ("/salesforce/trouble", json!({ "code": "not_sent" })),
            ("/goodays/trouble", json!({ "code": "401" })),
            ("/poll/trouble", json!("refused")),
            ("/poll/stopped_by_budget", json!(true)),
            ("/refusing", json!("the disk is full")),
        ] {
            assert_eq!(of(&with(at, value), &[]), TROUBLE, "{at}");
        }
        for (at, value) in [
            ("/inbox/parked", json!(1)),
            ("/outbox/parked", json!(1)),
            ("/outbox/unclear", json!(1)),
            ("/mapping/trouble", json!("refused")),
            ("/configuration/refused", json!("refused")),
            ("/configuration/waits_for_restart", json!(["state.path"])),
        ] {
            assert_eq!(of(&with(at, value), &[]), FINDINGS, "{at}");
        }
    }

    #[test]
    fn f03_what_an_agent_settles_is_nothing_for_an_operator() {
        let status = with("/outbox/parked", json!(2));
        let waits = json!({ "reason_code": "wait_for_customer" });
        assert_eq!(of(&status, &[waits.clone(), waits.clone()]), OK);
        assert_eq!(of(&status, &[waits, json!({ "reason_code": "not_allowed" })]), FINDINGS);
    }
}
