//! The control API: acts in the org, scripts faults, shows its state. Never logged, counted or faulted.
//!
//! A Case is named by `case` (id, number or response id) or `response_id`. Bodies and answers are JSON. A refusal is
//! 400 `{"error": ".."}`.
//!
//! | Request | Body | Does |
//! | --- | --- | --- |
//! | `POST /__sim/agent/comment` | `case`, `body`, `published`, `author_email` | writes a comment; answers `{"id"}` |
//! | `POST /__sim/agent/publish` | `comment`, `published` | publishes or takes back |
//! | `POST /__sim/agent/edit_comment` | `comment`, `body` | changes a comment's text |
//! | `POST /__sim/agent/delete_comment` | `comment` | deletes it |
//! | `POST /__sim/agent/case` | `case`, `fields`, `author_email` | changes a Case: status, owner, .. |
//! | `POST /__sim/agent/assign` | `case`, `owner` | gives it to a user (e-mail) or queue (name) |
//! | `POST /__sim/agent/create_case` | `fields`, `author_email` | makes a Case by hand; answers `{"id"}` |
//! | `POST /__sim/agent/delete_case` | `case` | deletes it with its comments |
//! | `POST /__sim/agent/merge` | `master`, `loser` | merges two Cases |
//! | `POST /__sim/record` | `object`, `fields` | makes any record; answers `{"id"}` |
//! | `GET /__sim/records/{object}` | | all records, deleted and uncommitted ones too |
//! | `GET /__sim/count/{object}` | | how many there are: `{"count"}` |
//! | `GET /__sim/case/{case}` | | the Case and its comments: `{"case", "comments"}` |
//! | `POST /__sim/touch_all` | | moves every SystemModstamp and nothing else |
//! | `POST /__sim/lock` | `case`, `times` | the Case's next writes fail with `UNABLE_TO_LOCK_ROW` |
//! | `POST /__sim/clock` | `advance_ms` | moves the clock ahead; answers `{"now_ms"}` |
//! | `POST /__sim/commit_delay` | `ms` | agents' changes are seen that much after their stamps |
//! | `POST /__sim/expire_sessions` | | all tokens become invalid |
//! | `POST /__sim/token` | | a fresh token without login: `{"access_token", "instance_url"}` |
//! | `POST /__sim/daily_limit` | `max`, `used` | the daily calls |
//! | `GET /__sim/calls` | | `{"calls", "used_today", "daily_limit"}` |
//! | `GET`, `POST /__sim/settings` | some of [`Settings`](super::settings::Settings) | reads, or changes those named |
//! | `POST /__sim/field` | `object`, `field`: a [`Field`](super::schema::Field) | adds a field to an object |
//! | `POST /__sim/faults` (or `fault`) | a [`Fault`](crate::sim::wire::Fault) | scripts a fault |
//! | `GET /__sim/faults` | | those that still wait |
//! | `DELETE /__sim/faults` (or `POST /__sim/clear_faults`) | | forgets them |
//! | `POST /__sim/latency` | `ms` | each request waits that long |
//! | `GET /__sim/requests` | | the log, as [`Seen`](crate::sim::wire::Seen) |
//! | `DELETE /__sim/requests` (or `POST /__sim/clear_requests`) | | empties it |
//! | `POST /__sim/log` | `bodies`, `most` | keeps bodies or not, and how many requests |
//! | `POST /__sim/reset` | | everything as at the start |

use axum::body::Bytes;
use http::Method;
use serde_json::{Value, json};

use super::Sim;
use super::rest::{Reply, method_not_allowed};

const SOMEBODY: &str = "agent@sim.example";

pub fn answer(sim: &Sim, method: &Method, path: &[&str], body: &Bytes) -> Reply {
    let body = if body.is_empty() { Ok(json!({})) } else { serde_json::from_slice(body) };
    let body: Value = match body {
        Ok(body) => body,
        Err(error) => return refused(&error.to_string()),
    };
    let result = match (method, path) {
        (&Method::GET, path) => look(sim, path),
        (&Method::POST, ["agent", verb]) => agent(sim, verb, &body),
        (&Method::POST, [verb]) => act(sim, verb, &body),
        // The same requests as in the Goodays simulator.
        (&Method::DELETE, ["faults"]) => act(sim, "clear_faults", &body),
        (&Method::DELETE, ["requests"]) => act(sim, "clear_requests", &body),
        _ => return method_not_allowed(method.as_str()),
    };
    match result {
        Ok(Value::Null) => Reply::new(200, json!({"ok": true})),
        Ok(value) => Reply::new(200, value),
        Err(error) => refused(&error),
    }
}

fn refused(error: &str) -> Reply {
    Reply::new(400, json!({"error": error}))
}

type Answer = Result<Value, String>;

fn look(sim: &Sim, path: &[&str]) -> Answer {
    match path {
        ["records", object] => Ok(Value::Array(sim.records(object))),
        ["count", object] => Ok(json!({"count": sim.count(object)})),
        ["case", case] => {
            let id = super::agents::find_case(&sim.org(), case).map_err(|_| format!("no Case {case}"))?;
            let found = sim.records("Case").into_iter().find(|record| record["Id"] == json!(id));
            Ok(json!({"case": found, "comments": sim.comments_of(&id)}))
        }
        ["calls"] => {
            let org = sim.org();
            Ok(
                json!({"calls": org.calls, "used_today": org.used_today, "daily_limit": org.settings.daily_limit}),
            )
        }
        ["settings"] => serde_json::to_value(sim.settings()).map_err(|error| error.to_string()),
        ["faults"] => serde_json::to_value(sim.wire().faults()).map_err(|error| error.to_string()),
        ["requests"] => serde_json::to_value(sim.wire().requests()).map_err(|error| error.to_string()),
        _ => Err(format!("nothing to see at {}", path.join("/"))),
    }
}

fn text<'a>(body: &'a Value, name: &str) -> Result<&'a str, String> {
    body[name].as_str().ok_or_else(|| format!("{name} (a text) is missing"))
}

fn number(body: &Value, name: &str) -> Result<i64, String> {
    body[name].as_i64().ok_or_else(|| format!("{name} (a number) is missing"))
}

fn count(body: &Value, name: &str) -> Result<u64, String> {
    body[name].as_u64().ok_or_else(|| format!("{name} (a number) is missing"))
}

fn case(body: &Value) -> Result<&str, String> {
    text(body, "case").or_else(|_| text(body, "response_id"))
}

fn agent(sim: &Sim, verb: &str, body: &Value) -> Answer {
    let author = body["author_email"].as_str().unwrap_or(SOMEBODY);
    let published = body["published"].as_bool().unwrap_or(true);
    let id = |id: String| json!({"id": id});
    match verb {
        "comment" => sim.agent_comments(case(body)?, text(body, "body")?, published, author).map(id),
        "publish" => sim.agent_publishes(text(body, "comment")?, published).map(Value::from),
        "edit_comment" => {
            sim.agent_edits_comment(text(body, "comment")?, text(body, "body")?).map(Value::from)
        }
        "delete_comment" => sim.agent_deletes_comment(text(body, "comment")?).map(Value::from),
        "case" => sim.agent_updates_case(case(body)?, body["fields"].clone(), author).map(Value::from),
        "assign" => sim.assign_case(case(body)?, text(body, "owner")?).map(Value::from),
        "create_case" => sim.create_case(body["fields"].clone(), author).map(id),
        "delete_case" => sim.delete_case(case(body)?).map(Value::from),
        "merge" => sim.merge_cases(text(body, "master")?, text(body, "loser")?).map(Value::from),
        _ => Err(format!("no agent does {verb}")),
    }
}

fn act(sim: &Sim, verb: &str, body: &Value) -> Answer {
    let wire = sim.wire();
    match verb {
        "record" => {
            let id = sim.create_record(text(body, "object")?, body["fields"].clone())?;
            return Ok(json!({"id": id}));
        }
        "clock" => {
            sim.advance(number(body, "advance_ms")?);
            return Ok(json!({"now_ms": sim.now_ms()}));
        }
        "token" => return Ok(json!({"access_token": sim.new_token(), "instance_url": sim.url()})),
        "touch_all" => sim.touch_all(),
        "lock" => sim.lock_case(case(body)?, u32::try_from(count(body, "times")?).unwrap_or(u32::MAX))?,
        "commit_delay" => sim.set_commit_delay(number(body, "ms")?),
        "expire_sessions" => sim.expire_sessions(),
        "daily_limit" => sim.set_daily_limit(count(body, "max")?, count(body, "used")?),
        "settings" => sim.change_settings(body)?,
        "field" => {
            let field = serde_json::from_value(body["field"].clone()).map_err(|error| error.to_string())?;
            sim.set_field(text(body, "object")?, field)?;
        }
        "fault" | "faults" => {
            wire.fault(serde_json::from_value(body.clone()).map_err(|error| error.to_string())?);
        }
        "clear_faults" => wire.clear_faults(),
        "latency" => wire.set_latency(count(body, "ms")?),
        "clear_requests" => wire.clear_requests(),
        "log" => {
            wire.keep_bodies(body["bodies"].as_bool().unwrap_or(true));
            wire.keep_requests(
                body["most"]
                    .as_u64()
                    .and_then(|most| usize::try_from(most).ok())
                    .unwrap_or(crate::sim::wire::MAX_KEPT),
            );
        }
        "reset" => sim.reset(),
        _ => return Err(format!("nothing is called {verb}")),
    }
    Ok(Value::Null)
}
