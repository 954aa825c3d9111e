//! What is lost and what is doubled: the same faults for everybody, then the org's records are counted.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use serde::Serialize;
use serde_json::{Value, json};

use crate::load::{request, send_at_rate};
use crate::org::Org;
use crate::scenes::{Scenes, share};
use crate::target::{Kind, Respond, Target};

/// Webhooks per second: below what ten calls in flight can carry at [`LATENCY_MS`]. n8n falls behind, and catches up
/// afterwards.
const RATE: u32 = 25;
/// Of each Salesforce call.
const LATENCY_MS: u64 = 150;
/// Webhooks of a run.
const SENT: usize = 500;
const SENT_QUICK: usize = 50;
/// Of so many webhooks, the answer to one write of comments is lost.
const LOSE_EACH: usize = 25;
/// Of so many webhooks, one comes a second time.
const REPEAT_EACH: usize = 10;
/// When the org has not changed for this long, nothing will come any more. Longer than all pauses before a repetition.
const QUIET: Duration = Duration::from_secs(25);
/// The same for ours alone: `settle` is 10 seconds.
const QUIET_QUICK: Duration = Duration::from_secs(14);
const AT_ONCE: usize = 10;
/// Comments of each event's conversation.
const COMMENTS: usize = 2;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// The receiver is killed with SIGKILL in the middle of the load and started again at once.
    Killed,
    /// Salesforce has written, and its answer does not arrive.
    AnswersLost,
    /// Some webhooks come twice, with the same bytes.
    Repeated,
}

impl Trouble {
    const ALL: [Self; 3] = [Self::Killed, Self::AnswersLost, Self::Repeated];

    fn name(self) -> &'static str {
        match self {
            Self::Killed => "kill -9",
            Self::AnswersLost => "answers lost",
            Self::Repeated => "webhooks twice",
        }
    }
}

/// What one receiver made of one trouble. Events are counted by conversation.
#[derive(Debug, Clone, Serialize)]
pub struct TrustRow {
    pub trouble: &'static str,
    pub who: String,
    pub latency_ms: u64,
    pub sent: usize,
    /// Not answered with a success within the time limit.
    pub refused: usize,
    pub acknowledged: usize,
    /// Acknowledged, and the Case or one of its comments is not there.
    pub lost: usize,
    /// Cases with a comment that stands there twice.
    pub doubled: usize,
    pub calls_per_event: f64,
}

impl Scenes {
    pub async fn trust(&self, with_peers: bool) -> anyhow::Result<Vec<TrustRow>> {
        let mut kinds = vec![Kind::Ours];
        if with_peers {
            kinds.extend([Kind::Express { at_once: AT_ONCE }, Kind::FastApi { at_once: AT_ONCE }]);
            kinds.extend(
                [Respond::Immediately, Respond::LastNode]
                    .map(|respond| Kind::N8n { at_once: AT_ONCE, respond }),
            );
        }
        let mut rows = Vec::new();
        for trouble in Trouble::ALL {
            for &kind in &kinds {
                rows.push(self.trouble(trouble, kind).await?);
            }
        }
        let ours = rows.iter().filter(|row| row.who == Kind::Ours.name());
        let broken: Vec<_> = ours.filter(|row| row.lost + row.doubled > 0).collect();
        anyhow::ensure!(broken.is_empty(), "a law is broken: {broken:?}");
        Ok(rows)
    }

    async fn trouble(&self, trouble: Trouble, kind: Kind) -> anyhow::Result<TrustRow> {
        let sent = if self.quick { SENT_QUICK } else { SENT };
        eprintln!("{}: {}, {LATENCY_MS} ms, {sent} events", trouble.name(), kind.name());
        let mut org = Org::start().await?;
        let mut target = Target::start(kind, &org, &self.peers).await?;
        org.tell("latency", &json!({"ms": LATENCY_MS})).await?;
        let calls = org.calls().await?;
        let requests = Arc::new(requests(trouble, sent));
        let load = send_at_rate(target.addr, requests.clone(), RATE);
        let (answered, caused) = tokio::join!(load, cause(trouble, sent, &mut target, &mut org));
        caused?;
        org.is_quiet(if self.quick { QUIET_QUICK } else { QUIET }).await?;
        let acknowledged: HashSet<usize> =
            requests.iter().zip(answered).filter(|(_, ok)| *ok).map(|((number, _), _)| *number).collect();
        let found = Found::read(&mut org).await?;
        Ok(TrustRow {
            trouble: trouble.name(),
            who: kind.name(),
            latency_ms: LATENCY_MS,
            sent,
            refused: sent - acknowledged.len(),
            acknowledged: acknowledged.len(),
            lost: acknowledged.iter().filter(|number| !found.is_whole(**number)).count(),
            doubled: found.doubled(),
            calls_per_event: share(org.calls().await? - calls, found.comments.len()),
        })
    }
}

/// The requests in their order, each with the number of its conversation.
fn requests(trouble: Trouble, sent: usize) -> Vec<(usize, Vec<u8>)> {
    let times = |number: usize| {
        if trouble == Trouble::Repeated && number.is_multiple_of(REPEAT_EACH) { 2 } else { 1 }
    };
    (0..sent).flat_map(|n| std::iter::repeat_n(n, times(n))).map(|n| (n, request(n))).collect()
}

/// Causes the trouble while the load is on its way.
async fn cause(trouble: Trouble, sent: usize, target: &mut Target, org: &mut Org) -> anyhow::Result<()> {
    let each = Duration::from_secs(1) / RATE;
    match trouble {
        Trouble::Killed => {
            tokio::time::sleep(each * u32::try_from(sent / 2)?).await;
            target.kill_and_start(org).await
        }
        Trouble::AnswersLost => {
            let act = json!({"do": "reset_after"});
            let fault = json!({"method": "POST", "path_contains": "/composite/", "times": 1, "act": act});
            for _ in 0..sent / LOSE_EACH {
                org.tell("fault", &fault).await?;
                tokio::time::sleep(each * u32::try_from(LOSE_EACH)?).await;
            }
            Ok(())
        }
        Trouble::Repeated => Ok(()),
    }
}

/// What stands in the org: for each conversation's number, its Case's comments.
struct Found {
    comments: HashMap<usize, Vec<String>>,
}

impl Found {
    async fn read(org: &mut Org) -> anyhow::Result<Self> {
        let mut by_case: HashMap<String, Vec<String>> = HashMap::new();
        for comment in org.records("CaseComment").await? {
            let text = |name: &str| comment[name].as_str().unwrap_or_default().to_owned();
            by_case.entry(text("ParentId")).or_default().push(text("CommentBody"));
        }
        let mut comments = HashMap::new();
        for case in org.records("Case").await? {
            let number = number(&case).context("a Case of nobody")?;
            let id = case["Id"].as_str().unwrap_or_default();
            let twice = comments.insert(number, by_case.remove(id).unwrap_or_default());
            anyhow::ensure!(twice.is_none(), "two Cases of one response");
        }
        Ok(Self { comments })
    }

    fn is_whole(&self, number: usize) -> bool {
        self.comments.get(&number).is_some_and(|comments| distinct(comments) == COMMENTS)
    }

    fn doubled(&self) -> usize {
        self.comments.values().filter(|comments| distinct(comments) < comments.len()).count()
    }
}

fn distinct(texts: &[String]) -> usize {
    texts.iter().collect::<HashSet<_>>().len()
}

/// The number in a response's id.
fn number(case: &Value) -> Option<usize> {
    case["Goodays_Response_Id__c"].as_str()?.strip_prefix("bench")?.parse().ok()
}

impl Org {
    /// Waits until no Case and no comment has come for this long.
    async fn is_quiet(&mut self, quiet: Duration) -> anyhow::Result<()> {
        let (mut last, mut since) = ((0, 0), Instant::now());
        while since.elapsed() < quiet {
            let now = (self.count("Case").await?, self.count("CaseComment").await?);
            if now != last {
                (last, since) = (now, Instant::now());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok(())
    }
}
