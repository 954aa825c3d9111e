//! Who works? The instances of a shared database, as this one sees them. Each of the others is asked at its admin door
//! whether its webhook door accepts.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use futures_util::future::join_all;
use minijinja::context;
use serde::Serialize;
use serde_json::Value;

use super::render::{Look, value};
use super::{Asked, Console, Shown};
use crate::http;
use crate::workers::{Member, Shared, Standing};

/// How long another instance may take to answer. They are asked side by side.
const LIMIT: Duration = Duration::from_secs(1);
/// The most instances that are asked.
const ASKED: usize = 32;

/// Whether webhooks are stored.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Door {
    Accepts,
    Refuses(String),
    /// Nobody, or somebody else, answers at its address.
    NotReached,
}

/// One instance as the page shows it.
#[derive(Serialize)]
struct Row<'m> {
    id: &'m str,
    admin: &'m str,
    version: &'m str,
    mapping: &'m str,
    started_ms: i64,
    seen_ms: i64,
    this: bool,
    works: bool,
    /// `accepts`, `refuses` or `unasked`.
    door: &'static str,
    why: String,
}

pub async fn page(State(console): State<Arc<Console>>, asked: Asked) -> Shown {
    let look = &asked.look;
    let shared = console.shared();
    let Some(standing) = console.current.standing() else {
        return Err(look.message(
            StatusCode::NOT_FOUND,
            look.t("instances-one"),
            look.t("instances-not-seen"),
        ));
    };
    let doors = join_all(standing.members.iter().take(ASKED).map(|one| door(&shared, &standing, one))).await;
    let rows: Vec<Row<'_>> =
        standing.members.iter().zip(&doors).map(|(one, door)| row(&standing, one, door)).collect();
    Ok(look.page(StatusCode::OK, "instances.html", values(look, &shared, &standing, &rows)))
}

fn values(look: &Look, shared: &Shared, standing: &Standing, rows: &[Row<'_>]) -> minijinja::Value {
    let since_ms = standing.leader.as_ref().map(|_| shared.clock.now_ms() - standing.works_for_ms());
    context! {
        title => look.t("nav-instances"),
        rows => value(&rows),
        leader => standing.leader.clone(),
        since_ms,
        epoch => standing.lease_epoch,
        lease_ms => standing.lease_ms,
        round_trip_us => micros(standing.round_trip),
        differ => standing.mappings_differ(),
        trouble => standing.trouble.clone(),
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a request takes seconds at most")]
fn micros(seconds: f64) -> i64 {
    (seconds * 1_000_000.0) as i64
}

fn row<'m>(standing: &Standing, one: &'m Member, door: &Door) -> Row<'m> {
    let (door, why) = match door {
        Door::Accepts => ("accepts", String::new()),
        Door::Refuses(why) => ("refuses", why.clone()),
        Door::NotReached => ("unasked", String::new()),
    };
    Row {
        id: &one.id,
        admin: &one.admin,
        version: &one.version,
        mapping: &one.mapping,
        started_ms: one.started_ms,
        seen_ms: one.seen_ms,
        this: one.id == standing.me,
        works: Some(&one.id) == standing.leader.as_ref(),
        door,
        why,
    }
}

async fn door(shared: &Shared, standing: &Standing, one: &Member) -> Door {
    if one.id == standing.me {
        return shared.accepting().map_or_else(|why| Door::Refuses(why.to_string()), |()| Door::Accepts);
    }
    let request = http::direct_client(LIMIT).get(format!("http://{}/health/accepting", one.admin));
    let answer = http::exchange(request).await.ok().and_then(|answer| answer.json());
    answer.map_or(Door::NotReached, |answer| said(&one.id, &answer))
}

/// What the answer says. An address such as 0.0.0.0, or a loopback one of another machine, leads to another instance.
fn said(id: &str, answer: &Value) -> Door {
    if answer["instance"] != id {
        return Door::NotReached;
    }
    match answer["accepting"].as_bool() {
        Some(true) => Door::Accepts,
        _ => Door::Refuses(answer["reason"].as_str().unwrap_or_default().to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_answer_of_somebody_else_says_nothing_of_this_one() {
        let answer = |id: &str| json!({ "accepting": true, "instance": id });
        assert_eq!(said("a", &answer("a")), Door::Accepts);
        assert_eq!(said("a", &answer("b")), Door::NotReached);
        assert_eq!(said("a", &json!({ "accepting": true })), Door::NotReached);
        let refuses = json!({ "accepting": false, "reason": "full", "instance": "a" });
        assert_eq!(said("a", &refuses), Door::Refuses("full".to_owned()));
    }
}
