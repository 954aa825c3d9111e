//! Is it flowing? Both directions, both remotes, the budget and the last day.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use jiff::Timestamp;
use minijinja::{Value, context};
use serde::Serialize;

use super::plot::{Axes, Plot, Point};
use super::render::{Look, spoken, value};
use super::snapshot::Snapshot;
use super::{Asked, Console, Shown, broken};
use crate::messages::Language;
use crate::minutes::Minute;
use crate::operator::findings::{Finding, Level};

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;

pub async fn page(State(console): State<Arc<Console>>, asked: Asked) -> Shown {
    let look = &asked.look;
    let snapshot = console.snapshots.get(&console.shared()).await.map_err(|error| broken(look, &error))?;
    Ok(look.page(StatusCode::OK, "overview.html", values(&console, look, &snapshot)))
}

fn values(console: &Console, look: &Look, snapshot: &Snapshot) -> Value {
    context! {
        title => look.t("nav-overview"),
        status => value(&snapshot.status),
        numbers => Value::from_pairs(numbers(snapshot, look.language)),
        findings => findings(look, snapshot),
        forecast => value(&forecast(look, snapshot)),
        budget => value(&budget(look, snapshot)),
        plots => value(&last_day(console, look, snapshot.now_ms)),
    }
}

/// One finding as the page shows it.
#[derive(Serialize)]
struct Shows {
    code: &'static str,
    trouble: bool,
    words: String,
    since_ms: Option<i64>,
    retry_ms: Option<i64>,
}

fn findings(look: &Look, snapshot: &Snapshot) -> Value {
    let shown = snapshot.findings.iter().map(|finding: &Finding| Shows {
        code: finding.code,
        trouble: finding.level == Level::Trouble,
        words: look.say(&finding.words),
        since_ms: finding.since_ms,
        retry_ms: finding.retry_ms,
    });
    value(&shown.collect::<Vec<_>>())
}

/// The numbers of the page by name. The live stream sends the same.
pub fn numbers(snapshot: &Snapshot, language: Language) -> Vec<(&'static str, String)> {
    let status = &snapshot.status;
    let number = |at: &str| status.pointer(at).and_then(serde_json::Value::as_i64).unwrap_or_default();
    let age = |at: &str| {
        let seconds = status.pointer(at).and_then(serde_json::Value::as_i64);
        seconds.map_or_else(|| "–".to_owned(), |seconds| spoken(seconds * 1000, language))
    };
    vec![
        ("in_rate", snapshot.last_hour.written().to_string()),
        ("out_rate", snapshot.last_hour.delivered().to_string()),
        ("in_pending", number("/inbox/pending").to_string()),
        ("in_parked", number("/inbox/parked").to_string()),
        ("in_done", number("/inbox/done").to_string()),
        ("in_oldest", age("/inbox/oldest_seconds")),
        ("out_pending", number("/outbox/pending").to_string()),
        ("out_unclear", number("/outbox/unclear").to_string()),
        ("out_parked", number("/outbox/parked").to_string()),
        ("out_delivered", number("/outbox/delivered").to_string()),
        ("poll_lag", age("/poll/lag_seconds")),
        ("calls", number("/salesforce/api_calls_today").to_string()),
        ("calls_allowed", number("/salesforce/api_calls_allowed").to_string()),
        ("unprocessed", number("/unprocessed/count").to_string()),
        ("unprocessed_oldest", age("/unprocessed/oldest_seconds")),
        ("findings", codes(&snapshot.findings)),
        ("instances", instances(&status["instances"])),
    ]
}

/// What the list of findings depends on: their number stays the same when one ends and another begins.
fn codes(findings: &[Finding]) -> String {
    findings.iter().map(|finding| finding.code).collect::<Vec<_>>().join(" ")
}

/// What the list of instances depends on: who there is, with which mappings, and who works.
fn instances(seen: &serde_json::Value) -> String {
    let one = |one: &serde_json::Value| format!("{} {} {}", one["id"], one["version"], one["mapping"]);
    let all = seen["all"].as_array().map(|all| all.iter().map(one).collect::<Vec<_>>().join(", "));
    all.map_or_else(String::new, |all| format!("{} {} {all}", seen["works"], seen["trouble"]))
}

/// The forecast as times of day; none if the budget lasts.
#[derive(Serialize)]
struct Ends {
    polls_stop: Option<String>,
    used_up: Option<String>,
}

fn forecast(look: &Look, snapshot: &Snapshot) -> Ends {
    let said = |at_ms: Option<i64>| at_ms.map(|at_ms| clock(look, at_ms));
    Ends { polls_stop: said(snapshot.forecast.polls_stop_ms), used_up: said(snapshot.forecast.used_up_ms) }
}

/// A time of day in the page's zone.
fn clock(look: &Look, at_ms: i64) -> String {
    let at = Timestamp::from_millisecond(at_ms).unwrap_or_default();
    at.to_zoned(look.zone.clone()).strftime("%H:%M").to_string()
}

/// The calls of the last day added up, and as they will go on.
#[expect(clippy::cast_precision_loss, reason = "numbers of calls")]
fn budget(look: &Look, snapshot: &Snapshot) -> Plot {
    let allowed = snapshot.status["salesforce"]["api_calls_allowed"].as_u64().unwrap_or_default() as f64;
    let (from_ms, until_ms) = (snapshot.now_ms - DAY_MS, snapshot.now_ms + DAY_MS);
    let mut total = 0;
    let mut spent: Vec<Point> = vec![(from_ms, 0.0)];
    for (hour, calls) in &snapshot.hours {
        total += calls;
        spent.push((((hour + 1) * HOUR_MS).min(snapshot.now_ms), total as f64));
    }
    spent.push((snapshot.now_ms, total as f64));
    let ahead: Vec<Point> =
        snapshot.forecast.ahead.iter().map(|(at_ms, calls)| (*at_ms, *calls as f64)).collect();
    let highest = ahead.iter().map(|(_, calls)| *calls).fold(allowed, f64::max);
    let axes = Axes::new(from_ms, until_ms, highest.min(allowed * 2.0));
    let lines = vec![
        axes.line("limit", look.t("budget-allowed"), &[(from_ms, allowed), (until_ms, allowed)]),
        axes.line("spent", look.t("budget-spent"), &spent),
        axes.line("ahead", look.t("budget-ahead"), &ahead),
    ];
    axes.plot(lines, |at_ms| clock(look, at_ms), "")
}

/// Minutes of one point of the plots of the last day.
const PIECE: i64 = 5;

/// A longer time without anything is a gap in the line (milliseconds).
const GAP_MS: i64 = 3 * PIECE * MINUTE_MS;

/// The plots of the last day.
#[derive(Serialize)]
struct LastDay {
    inwards: Plot,
    outwards: Plot,
    outcomes: Plot,
}

fn last_day(console: &Console, look: &Look, now_ms: i64) -> LastDay {
    let pieces = console.shared().minutes.pieces(PIECE);
    let lasting = |of: fn(&Minute) -> Option<(u64, u64)>| {
        let points = |which: fn((u64, u64)) -> u64| {
            let found = pieces.iter().filter_map(|(minute, row)| Some((*minute, which(of(row)?))));
            found.map(|(minute, ms)| (minute * MINUTE_MS, seconds(ms))).collect::<Vec<Point>>()
        };
        (points(|(mean, _)| mean), points(|(_, most)| most))
    };
    LastDay {
        inwards: lasting_plot(look, now_ms, lasting(Minute::inwards)),
        outwards: lasting_plot(look, now_ms, lasting(Minute::outwards)),
        outcomes: outcomes(look, now_ms, &pieces),
    }
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds of a day")]
fn seconds(ms: u64) -> f64 {
    ms as f64 / 1000.0
}

fn highest(points: &[Point]) -> f64 {
    points.iter().map(|(_, value)| *value).fold(0.0, f64::max)
}

fn lasting_plot(look: &Look, now_ms: i64, (mean, most): (Vec<Point>, Vec<Point>)) -> Plot {
    let axes = Axes::new(now_ms - DAY_MS, now_ms, highest(&most));
    let lines = vec![
        axes.line_with_gaps("worst", look.t("plot-longest"), &most, GAP_MS),
        axes.line_with_gaps("mean", look.t("plot-mean"), &mean, GAP_MS),
    ];
    axes.plot(lines, |at_ms| clock(look, at_ms), " s")
}

/// How many ended in which way, for each piece; 0 where nothing happened.
fn outcomes(look: &Look, now_ms: i64, pieces: &[(i64, Minute)]) -> Plot {
    let points = |count: fn(&Minute) -> u64| spread(now_ms, pieces, count);
    let (written, delivered) = (points(Minute::written), points(Minute::delivered));
    let bad = points(|row| row.parked() + row.not_sent());
    let top = [&written, &delivered, &bad].into_iter().map(|points| highest(points)).fold(0.0, f64::max);
    let axes = Axes::new(now_ms - DAY_MS, now_ms, top);
    let lines = vec![
        axes.line("mean", look.t("plot-written"), &written),
        axes.line("good", look.t("plot-delivered"), &delivered),
        axes.line("bad", look.t("plot-waits"), &bad),
    ];
    axes.plot(lines, |at_ms| clock(look, at_ms), "")
}

/// A point for each piece with something, and zeros beside it.
#[expect(clippy::cast_precision_loss, reason = "a count of five minutes")]
fn spread(now_ms: i64, pieces: &[(i64, Minute)], count: fn(&Minute) -> u64) -> Vec<Point> {
    let mut points: Vec<Point> = vec![(now_ms - DAY_MS, 0.0)];
    let mut last = i64::MIN;
    for (minute, row) in pieces {
        if *minute > last.saturating_add(PIECE) {
            if last > i64::MIN {
                points.push(((last + PIECE) * MINUTE_MS, 0.0));
            }
            points.push(((minute - PIECE) * MINUTE_MS, 0.0));
        }
        points.push((minute * MINUTE_MS, count(row) as f64));
        last = *minute;
    }
    if last > i64::MIN {
        points.push((((last + PIECE) * MINUTE_MS).min(now_ms), 0.0));
    }
    points.push((now_ms, 0.0));
    points
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messages::Words;

    #[test]
    fn another_finding_instead_of_one_is_a_change() {
        let of = |code| Finding {
            code,
            level: Level::Waits,
            words: Words::default(),
            since_ms: None,
            retry_ms: None,
        };
        assert_eq!(codes(&[of("parked"), of("rule")]), "parked rule");
        assert_ne!(codes(&[of("parked")]), codes(&[of("mapping")]));
    }
}
