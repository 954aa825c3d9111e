//! The demo's output: who did what, the requests, the state of both sides, counts.

use std::time::Instant;

use serde_json::Value;

use super::stage::Stage;
use crate::out::say;
use crate::sim::wire::Seen;

pub struct Transcript {
    began: Instant,
    shown_salesforce: usize,
    shown_goodays: usize,
    pub responses: Vec<(String, &'static str)>,
}

impl Transcript {
    pub fn new(stage: &Stage) -> Self {
        say!("goodays-salesforce demo: both remotes simulated on loopback, everything over real HTTP\n");
        say!("  Goodays     {}", stage.goodays.url());
        say!("  Salesforce  {}", stage.salesforce.url());
        say!("  webhook     http://{}/webhooks/goodays\n", stage.webhook_addr());
        Self { began: Instant::now(), shown_salesforce: 0, shown_goodays: 0, responses: Vec::new() }
    }

    /// Prints what somebody did.
    pub fn act(&mut self, who: &str, what: &str) {
        say!("[{:6.2}s] {who:<10} {what}", self.began.elapsed().as_secs_f64());
    }

    /// Prints the requests since the last call. Idle polls are left out.
    pub fn wire(&mut self, stage: &Stage) {
        let salesforce = stage.salesforce.wire().requests();
        for seen in &salesforce[self.shown_salesforce.min(salesforce.len())..] {
            if let Some(line) = salesforce_line(seen) {
                say!("           wire       {line}");
            }
        }
        self.shown_salesforce = salesforce.len();
        let goodays = stage.goodays.wire().requests();
        for seen in &goodays[self.shown_goodays.min(goodays.len())..] {
            if seen.method == "PUT" {
                say!("           wire       PUT {} {} -> {}", seen.path, seen.body, seen.status);
            }
        }
        self.shown_goodays = goodays.len();
    }

    /// Prints what each side holds at the end.
    pub fn both_sides(&self, stage: &Stage) {
        say!("\n{:<58} | Salesforce", "Goodays: what the customer got");
        say!("{:-<58}-+-{:-<58}", "", "");
        for (id, title) in &self.responses {
            let mut left = vec![format!("{id}  {title}")];
            for processed in stage.goodays.processed(id) {
                let verb = text(&processed, &["action", "verb", "do", "kind"]);
                left.push(format!("  {verb}: {}", cut(&processed_text(&processed))));
            }
            let mut right = Vec::new();
            if let Some(case) = stage.salesforce.case_by_key(id) {
                right.push(format!("Case {} [{}]", text(&case, &["CaseNumber"]), text(&case, &["Status"])));
                right.push(format!("  {}", text(&case, &["Goodays_Sync_Status__c"])));
                for comment in stage.salesforce.comments_of(&text(&case, &["Id"])) {
                    right.push(format!("  - {}", cut(&text(&comment, &["CommentBody"]))));
                }
            }
            for line in 0..left.len().max(right.len()) {
                let side = |lines: &[String]| lines.get(line).cloned().unwrap_or_default();
                say!("{:<58} | {}", side(&left), side(&right));
            }
            say!("{:58} |", "");
        }
    }

    pub fn counts(&self, stage: &Stage) {
        let events = stage.goodays.webhook_log().len();
        let goodays = stage.goodays.wire().requests();
        let puts = goodays.iter().filter(|s| s.method == "PUT").count();
        let writes = stage.salesforce.wire().requests().iter().filter(|s| s.path.ends_with("/graph")).count();
        say!(
            "{:.1} s; {events} events in; {} Salesforce API calls ({writes} of them writes); {} Goodays calls ({puts} of them actions)",
            self.began.elapsed().as_secs_f64(),
            stage.salesforce.api_calls(),
            goodays.len(),
        );
    }
}

fn salesforce_line(seen: &Seen) -> Option<String> {
    if seen.path.ends_with("/composite") || seen.path.contains("/query") {
        return None;
    }
    let detail = if seen.path.ends_with("/graph") { graph_detail(&seen.body) } else { String::new() };
    Some(format!("{} {}{detail} -> {}", seen.method, seen.path, seen.status))
}

/// `Case POST + 2 CaseComment` for each graph.
fn graph_detail(body: &str) -> String {
    let Ok(body) = serde_json::from_str::<Value>(body) else { return String::new() };
    let graphs = body["graphs"].as_array().map(Vec::as_slice).unwrap_or_default();
    let one = |graph: &Value| {
        let steps = graph["compositeRequest"].as_array().map(Vec::as_slice).unwrap_or_default();
        let comments =
            steps.iter().filter(|s| s["url"].as_str().is_some_and(|u| u.ends_with("CaseComment"))).count();
        let method = steps.first().and_then(|s| s["method"].as_str()).unwrap_or("?");
        format!("{method} Case + {comments} comments")
    };
    format!(" [{}]", graphs.iter().map(one).collect::<Vec<_>>().join("; "))
}

fn text(value: &Value, keys: &[&str]) -> String {
    keys.iter().find_map(|k| value[*k].as_str()).unwrap_or_default().to_owned()
}

fn processed_text(value: &Value) -> String {
    let body = value.get("body").unwrap_or(value);
    ["content", "note"].iter().find_map(|k| body[*k].as_str()).unwrap_or_default().to_owned()
}

fn cut(text: &str) -> String {
    let line = text.replace('\n', " / ");
    if line.chars().count() > 44 { line.chars().take(43).chain(['…']).collect() } else { line }
}
