//! The share of the org's daily calls that polls use, and settings that deserve a second look.

use std::time::Duration;

use serde_json::Value;

use super::codes::{BUDGET, OBSERVES};
use super::report::{Area, Report};
use crate::config::{Actions, Config};

const DAY: Duration = Duration::from_secs(86_400);
/// Polls leave one call in this many to new feedback (`workers::runtime::budget`).
const RESERVE: u64 = 10;

pub fn settings(config: &Config, report: &mut Report) {
    if config.goodays.actions == Actions::Observe {
        report
            .warn(
                Area::Configuration,
                OBSERVES,
                "`goodays.actions` is `observe`: no answer goes to customers",
            )
            .help("set `goodays.actions: send` when what the Cases show is right");
    }
}

/// One poll is one call.
pub fn polls_per_day(interval: Duration) -> u64 {
    let millis = interval.as_millis().max(1);
    u64::try_from(DAY.as_millis() / millis).unwrap_or(u64::MAX)
}

/// `limits`: the answer of Salesforce.
pub fn check(config: &Config, limits: &Value, report: &mut Report) {
    let allowed = u64::from(config.salesforce.api_calls_per_day);
    let polls = polls_per_day(config.poll.interval);
    own(config, allowed, polls, report);
    let daily = &limits["DailyApiRequests"];
    let (Some(max), Some(left)) = (daily["Max"].as_u64(), daily["Remaining"].as_u64()) else {
        report.warn(Area::Salesforce, BUDGET, "Salesforce does not say how many calls the org has a day");
        return;
    };
    if allowed > max {
        report
            .error(
                Area::Salesforce,
                BUDGET,
                format!("`api_calls_per_day` is {allowed}, the whole org has {max} calls a day"),
            )
            .help(format!("lower `salesforce.api_calls_per_day`: a fifth of the org's would be {}", max / 5));
    } else if allowed > max / 2 {
        report
            .warn(
                Area::Salesforce,
                BUDGET,
                format!("`api_calls_per_day` is {allowed}, {} of the org's {max}", share(allowed, max)),
            )
            .help("other integrations share the org's calls: ask their owners, or lower `salesforce.api_calls_per_day`");
    } else {
        let share = share(allowed, max);
        report.ok(
            Area::Salesforce,
            format!(
                "at most {allowed} of the org's {max} calls a day ({share}), about {polls} of them for polls"
            ),
        );
    }
    if left < allowed && allowed <= max {
        report
            .warn(Area::Salesforce, BUDGET, format!("only {left} of the org's {max} calls are left for now"))
            .help("somebody uses many calls: Setup > Company Information shows API Requests, Last 24 Hours");
    }
}

/// Warns about polls that use up their own share of the calls.
fn own(config: &Config, allowed: u64, polls: u64, report: &mut Report) {
    let for_polls = allowed - allowed / RESERVE;
    if polls <= allowed / 2 {
        return;
    }
    let every = DAY.as_secs().div_ceil((allowed / 2).max(1));
    let message = format!(
        "a poll every {} takes {polls} calls a day, of the {allowed} that `api_calls_per_day` allows",
        spoken(config.poll.interval)
    );
    let found = if polls > for_polls {
        report.error(Area::Configuration, BUDGET, message)
    } else {
        report.warn(Area::Configuration, BUDGET, message)
    };
    found.help(format!("set `poll.interval: {every}s`, or raise `salesforce.api_calls_per_day`"));
}

fn spoken(interval: Duration) -> String {
    if interval.subsec_millis() == 0 {
        format!("{} s", interval.as_secs())
    } else {
        format!("{} ms", interval.as_millis())
    }
}

fn share(part: u64, whole: u64) -> String {
    format!("{} %", (part * 100).div_ceil(whole.max(1)))
}
