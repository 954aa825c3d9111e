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

/// 4 while something does not work now, 1 while something waits for an operator, 0 when all is well: as the daemon found.
pub fn of(status: &Value) -> u8 {
    let findings = status["findings"].as_array().map(Vec::as_slice).unwrap_or_default();
    if findings.iter().any(|finding| finding["level"] == "trouble") {
        TROUBLE
    } else if findings.is_empty() {
        OK
    } else {
        FINDINGS
    }
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

    #[test]
    fn f03_trouble_now_is_told_from_what_waits_for_a_human() {
        let status = |levels: &[&str]| {
            let findings: Vec<Value> = levels.iter().map(|level| json!({ "level": level })).collect();
            json!({ "findings": findings })
        };
        assert_eq!(of(&status(&[])), OK);
        assert_eq!(of(&status(&["waits", "waits"])), FINDINGS);
        assert_eq!(of(&status(&["trouble", "waits"])), TROUBLE);
    }

    #[test]
    fn f03_what_an_agent_settles_is_nothing_for_an_operator() {
        let status = json!({ "inbox": { "parked": 0 }, "outbox": { "parked": 2, "unclear": 0 } });
        let waits = json!({ "reason_code": "wait_for_customer" });
        assert_eq!(for_an_operator(&status, &[waits.clone(), waits.clone()]), 0);
        assert_eq!(for_an_operator(&status, &[waits, json!({ "reason_code": "not_allowed" })]), 1);
    }
}
