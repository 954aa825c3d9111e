//! Several requests in one: composite, graphs and batch, and the references between steps (reference, section 4).

use std::collections::{BTreeSet, HashMap};

use serde_json::{Value, json};

use super::org::Org;
use super::problem::{Problem, rest_body};
use super::rest::{Call, Reply, execute, method_not_allowed, segments};

const ROLLED_BACK: &str =
    "The transaction was rolled back since another operation in the same transaction failed.";
const MOST_STEPS: usize = 25;
const MOST_QUERIES: usize = 5;
const MOST_GRAPHS: usize = 75;
const MOST_NODES: usize = 500;
const MOST_KINDS: usize = 15;
const MOST_DEPTH: usize = 15;
const MOST_FAILED_GRAPHS: usize = 14;

/// One step of the envelope.
struct Step<'a> {
    method: &'a str,
    url: &'a str,
    reference: &'a str,
    headers: &'a Value,
    body: &'a Value,
}

/// The bodies of the successful steps, by reference id.
#[derive(Default)]
struct Known<'a> {
    bodies: HashMap<&'a str, Value>,
    /// Until version 51, a reference to null fails its step.
    null_fails: bool,
}

fn bad_envelope(message: impl Into<String>) -> Problem {
    Problem::new(400, "JSON_PARSER_ERROR", message)
}

fn limit_exceeded(what: &str, most: usize) -> Problem {
    Problem::new(
        400,
        "LIMIT_EXCEEDED",
        format!("Limit exceeded: at most {most} {what} are allowed in one request"),
    )
}

pub fn composite(org: &mut Org, call: &Call) -> Reply {
    if call.method != "POST" {
        return method_not_allowed(&call.method);
    }
    let steps = match steps(&call.body).and_then(|steps| within_limits(&steps).map(|()| steps)) {
        Ok(steps) => steps,
        Err(problem) => return problem.into(),
    };
    let all_or_none = call.body["allOrNone"] == json!(true);
    let (answers, _) = run(org, call, &steps, all_or_none);
    Reply::new(200, json!({"compositeResponse": answers}))
}

fn within_limits(steps: &[Step<'_>]) -> Result<(), Problem> {
    if steps.len() > MOST_STEPS {
        return Err(limit_exceeded("subrequests", MOST_STEPS));
    }
    let counted = |step: &&Step<'_>| {
        let path = segments(step.url.split('?').next().unwrap_or_default());
        matches!(path.get(3).map(String::as_str), Some("query" | "queryAll" | "composite"))
    };
    if steps.iter().filter(counted).count() > MOST_QUERIES {
        return Err(limit_exceeded("query or collections subrequests", MOST_QUERIES));
    }
    Ok(())
}

/// The envelope's steps. A mistake in one step refuses the whole request.
fn steps(envelope: &Value) -> Result<Vec<Step<'_>>, Problem> {
    let list = envelope["compositeRequest"].as_array().filter(|list| !list.is_empty());
    let list = list.ok_or_else(|| bad_envelope("compositeRequest must hold at least one subrequest"))?;
    let mut seen = BTreeSet::new();
    let mut steps = Vec::new();
    for entry in list {
        let step = step(entry)?;
        if !seen.insert(step.reference) {
            return Err(bad_envelope(format!("Duplicate referenceId: {}", step.reference)));
        }
        steps.push(step);
    }
    Ok(steps)
}

fn step(entry: &Value) -> Result<Step<'_>, Problem> {
    let text = |name: &str| {
        entry[name].as_str().ok_or_else(|| bad_envelope(format!("{name} is required in each subrequest")))
    };
    let (method, url, reference) = (text("method")?, text("url")?, text("referenceId")?);
    if !matches!(method, "GET" | "POST" | "PATCH" | "PUT" | "DELETE" | "HEAD") {
        return Err(bad_envelope(format!("Invalid method: {method}")));
    }
    if !url.starts_with("/services/data/v") {
        return Err(bad_envelope(format!("Invalid url: {url}")));
    }
    let shaped = reference.starts_with(|c: char| c.is_ascii_alphanumeric())
        && reference.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if !shaped {
        let message = format!(
            "Provided referenceId ('{reference}') must start with a letter or a number, and it can contain only letters, numbers and underscores ('_')."
        );
        return Err(bad_envelope(message));
    }
    let headers = &entry["httpHeaders"];
    for name in headers.as_object().into_iter().flat_map(|headers| headers.keys()) {
        if matches!(name.to_ascii_lowercase().as_str(), "accept" | "authorization" | "content-type") {
            return Err(bad_envelope(format!("Header {name} is not allowed in a subrequest")));
        }
    }
    Ok(Step { method, url, reference, headers, body: &entry["body"] })
}

/// Runs the steps in order. Returns the answers, and whether all steps succeeded.
fn run(org: &mut Org, call: &Call, steps: &[Step<'_>], all_or_none: bool) -> (Vec<Value>, bool) {
    let mark = org.begin();
    let mut known = Known { bodies: HashMap::new(), null_fails: call.number() < 52 };
    let mut answers = Vec::new();
    for (place, step) in steps.iter().enumerate() {
        let reply = perform(org, call, step, &known);
        let failed = !reply.ok() || (all_or_none && has_failed_item(&reply.body));
        if failed && all_or_none {
            org.roll_back(mark);
            return (rolled_back(steps, place, &reply), false);
        }
        if !failed {
            known.bodies.insert(step.reference, reply.body.clone());
        }
        answers.push(answer(step, &reply));
    }
    let good = known.bodies.len() == steps.len();
    (answers, good)
}

/// A collections step answers 200 even if some of its items failed.
fn has_failed_item(body: &Value) -> bool {
    body.as_array().is_some_and(|items| items.iter().any(|item| item["success"] == json!(false)))
}

fn rolled_back(steps: &[Step<'_>], failed: usize, reply: &Reply) -> Vec<Value> {
    let all = steps.iter().enumerate();
    all.map(|(place, step)| if place == failed { answer(step, reply) } else { halted(step, ROLLED_BACK) })
        .collect()
}

fn halted(step: &Step<'_>, message: &str) -> Value {
    // `errorCode` comes first in this error.
    let body = json!([{"errorCode": "PROCESSING_HALTED", "message": message}]);
    answer(step, &Reply::new(400, body))
}

fn answer(step: &Step<'_>, reply: &Reply) -> Value {
    let headers: serde_json::Map<String, Value> =
        reply.headers.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    json!({"body": reply.body, "httpHeaders": headers, "httpStatusCode": reply.status,
        "referenceId": step.reference})
}

fn perform(org: &mut Org, outer: &Call, step: &Step<'_>, known: &Known<'_>) -> Reply {
    match prepared(outer, step, known) {
        Ok(call)
            if call.path.first().is_some_and(|first| first == "composite")
                && call.path.get(1).is_none_or(|next| next != "sobjects") =>
        {
            bad_envelope("A composite can't be a subrequest").into()
        }
        Ok(call) => execute(org, &call),
        Err(problem) => {
            let body = json!([{"errorCode": problem.code, "message": problem.message}]);
            Reply::new(problem.status, body)
        }
    }
}

/// The step as a separate call, with its references replaced.
fn prepared(outer: &Call, step: &Step<'_>, known: &Known<'_>) -> Result<Call, Problem> {
    let (path, query) = step.url.split_once('?').unwrap_or((step.url, ""));
    let text = |text: String| -> Result<String, Problem> {
        Ok(match resolved(&text, known)? {
            Value::String(text) => text,
            Value::Null => String::new(),
            other => other.to_string(),
        })
    };
    let mut parts = segments(path).into_iter().skip(2).map(text).collect::<Result<Vec<_>, _>>()?;
    let version = if parts.is_empty() { String::new() } else { parts.remove(0) };
    let pairs = url::form_urlencoded::parse(query.as_bytes()).into_owned();
    let query = pairs.map(|(key, value)| Ok((key, text(value)?))).collect::<Result<_, _>>()?;
    let mut call = Call {
        method: step.method.to_owned(),
        version,
        path: parts,
        query,
        actor: outer.actor.clone(),
        batch_size: outer.batch_size,
        modified_since: None,
        unmodified_since: None,
        body: replaced(step.body, known)?,
    };
    for (name, value) in step.headers.as_object().into_iter().flatten() {
        call.heed(name, value.as_str().unwrap_or_default());
    }
    Ok(call)
}

/// A body with each `@{..}` in its texts replaced. The origin of a text does not matter.
fn replaced(body: &Value, known: &Known<'_>) -> Result<Value, Problem> {
    Ok(match body {
        Value::String(text) => resolved(text, known)?,
        Value::Array(items) => items.iter().map(|item| replaced(item, known)).collect::<Result<_, _>>()?,
        Value::Object(members) => {
            let members = members.iter().map(|(name, value)| Ok((name.clone(), replaced(value, known)?)));
            Value::Object(members.collect::<Result<_, _>>()?)
        }
        other => other.clone(),
    })
}

/// A text with its references replaced. A text that is only one reference takes the type of the value.
fn resolved(text: &str, known: &Known<'_>) -> Result<Value, Problem> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((head, tail)) = rest.split_once("@{") {
        // Without an end it is not a reference.
        let Some((path, after)) = tail.split_once('}') else { break };
        let value = referenced(path, known)?;
        if head.is_empty() && out.is_empty() && after.is_empty() {
            return Ok(value);
        }
        out.push_str(head);
        match value {
            Value::String(text) => out.push_str(&text),
            Value::Null => {}
            other => out.push_str(&other.to_string()),
        }
        rest = after;
    }
    out.push_str(rest);
    Ok(json!(out))
}

/// Case-sensitive, for example `refCase.id` or `refQuery.records[0].Id`.
fn referenced(path: &str, known: &Known<'_>) -> Result<Value, Problem> {
    let name = path.split(['.', '[']).next().unwrap_or_default();
    let pointer = path[name.len()..].replace(['.', '['], "/").replace(']', "");
    let value = known.bodies.get(name).and_then(|body| body.pointer(&pointer)).cloned();
    value.filter(|value| !(known.null_fails && value.is_null())).ok_or_else(|| {
        let message = format!(
            "Invalid reference specified. No value for {path} found in {name}. Provided referenceId ('{name}') must start with a letter or a number, and it can contain only letters, numbers and underscores ('_')."
        );
        Problem::new(400, "PROCESSING_HALTED", message)
    })
}

pub fn graphs(org: &mut Org, call: &Call) -> Reply {
    if call.method != "POST" || call.number() < 50 {
        return method_not_allowed(&call.method);
    }
    let graphs = match read_graphs(&call.body) {
        Ok(graphs) => graphs,
        Err(problem) => return problem.into(),
    };
    let mut failed = 0;
    let mut answers = Vec::new();
    for (place, (id, steps)) in graphs.into_iter().enumerate() {
        let (responses, good) = if is_too_much(org, place, steps.len()) {
            (too_much(org, &steps), false)
        } else if failed < MOST_FAILED_GRAPHS {
            run(org, call, &steps, true)
        } else {
            let message = "Processing of the graph was halted because too many graphs failed.";
            (steps.iter().map(|step| halted(step, message)).collect(), false)
        };
        failed += usize::from(!good);
        answers.push(
            json!({"graphId": id, "graphResponse": {"compositeResponse": responses}, "isSuccessful": good}),
        );
    }
    Reply::new(200, json!({"graphs": answers}))
}

/// The graphs of a call share the limits that Apex has for one transaction.
fn is_too_much(org: &Org, place: usize, nodes: usize) -> bool {
    let over = |limit: usize, count: usize| limit > 0 && count > limit;
    over(org.settings.governor_graphs, place + 1) || over(org.settings.governor_nodes, nodes)
}

fn too_much(org: &Org, steps: &[Step<'_>]) -> Vec<Value> {
    let (code, message) = (org.settings.governor_code.as_str(), org.settings.governor_message.as_str());
    rolled_back(steps, 0, &Problem::new(400, code, message).into())
}

fn read_graphs(envelope: &Value) -> Result<Vec<(&str, Vec<Step<'_>>)>, Problem> {
    let list = envelope["graphs"].as_array().filter(|list| !list.is_empty());
    let list = list.ok_or_else(|| bad_envelope("graphs must hold at least one graph"))?;
    if list.len() > MOST_GRAPHS {
        return Err(limit_exceeded("graphs", MOST_GRAPHS));
    }
    let mut ids = BTreeSet::new();
    let mut graphs = Vec::new();
    for graph in list {
        let id =
            graph["graphId"].as_str().ok_or_else(|| bad_envelope("graphId is required in each graph"))?;
        if !ids.insert(id) {
            return Err(bad_envelope(format!("Duplicate graphId: {id}")));
        }
        let steps = steps(graph)?;
        graph_limits(&steps)?;
        graphs.push((id, steps));
    }
    if graphs.iter().map(|(_, steps)| steps.len()).sum::<usize>() > MOST_NODES {
        return Err(limit_exceeded("nodes", MOST_NODES));
    }
    Ok(graphs)
}

fn graph_limits(steps: &[Step<'_>]) -> Result<(), Problem> {
    let mut kinds = BTreeSet::new();
    let mut depths: HashMap<&str, usize> = HashMap::new();
    for step in steps {
        let path = segments(step.url.split('?').next().unwrap_or_default());
        let (Some("sobjects"), Some(object)) = (path.get(3).map(String::as_str), path.get(4)) else {
            return Err(bad_envelope(format!(
                "Only sobjects resources are allowed in a graph: {}",
                step.url
            )));
        };
        kinds.insert((path[2].clone(), object.to_lowercase()));
        let text = format!("{}{}", step.url, step.body);
        let parents = depths.iter().filter(|(name, _)| text.contains(&format!("@{{{name}.")));
        let depth = 1 + parents.map(|(_, depth)| *depth).max().unwrap_or_default();
        if depth > MOST_DEPTH {
            return Err(limit_exceeded("levels of a graph", MOST_DEPTH));
        }
        depths.insert(step.reference, depth);
    }
    if kinds.len() > MOST_KINDS { Err(limit_exceeded("kinds of nodes", MOST_KINDS)) } else { Ok(()) }
}

/// Independent steps. Each counts as a separate call.
pub fn batch(org: &mut Org, call: &Call) -> Reply {
    if call.method != "POST" {
        return method_not_allowed(&call.method);
    }
    let Some(list) = call.body["batchRequests"].as_array().filter(|list| !list.is_empty()) else {
        return bad_envelope("batchRequests must hold at least one request").into();
    };
    if list.len() > MOST_STEPS {
        return limit_exceeded("subrequests", MOST_STEPS).into();
    }
    if org.settings.batch_counts_steps {
        let extra = u64::try_from(list.len()).unwrap_or_default();
        org.calls += extra;
        org.used_today += extra;
    }
    let halt = call.body["haltOnError"] == json!(true);
    let mut errors = false;
    let mut results = Vec::new();
    for entry in list {
        if errors && halt {
            let halted = Problem::new(412, "BATCH_PROCESSING_HALTED", "Batch processing halted.");
            results.push(json!({"statusCode": 412, "result": rest_body(&[halted])}));
            continue;
        }
        let reply = batched(org, call, entry);
        errors |= !reply.ok();
        results.push(json!({"statusCode": reply.status, "result": reply.body}));
    }
    Reply::new(200, json!({"hasErrors": errors, "results": results}))
}

fn batched(org: &mut Org, outer: &Call, entry: &Value) -> Reply {
    let url = format!("/services/data/{}", entry["url"].as_str().unwrap_or_default().trim_start_matches('/'));
    let url = url.replacen("/services/data/services/data/", "/services/data/", 1);
    let method = entry["method"].as_str().unwrap_or_default();
    let step = Step { method, url: &url, reference: "", headers: &Value::Null, body: &entry["richInput"] };
    // A batch has no references: its bodies stay unchanged.
    match prepared(outer, &Step { body: &Value::Null, ..step }, &Known::default()) {
        Ok(call) => execute(org, &Call { body: entry["richInput"].clone(), ..call }),
        Err(problem) => problem.into(),
    }
}
