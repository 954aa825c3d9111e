//! Plays a story, and checks its end.

use std::collections::BTreeMap;
use std::time::Duration;

use goodays_salesforce::clock::Clock;
use goodays_salesforce::demo::stage::{MAPPINGS, Tuning};
use goodays_salesforce::sim::goodays::{Feedback, Order};
use goodays_salesforce::sim::wire::{Act as WireAct, Fault};
use goodays_salesforce::workers::SweepOptions;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::act::{Act, Agent, Colleague, Daemon, How, Late, Line, Store, TALKS, Where};
use crate::mortal::{Mortal, Outcome};
use crate::now;
use crate::world::text;

const AGENT: &str = "jennifer.parker@brand.example";
/// Far below `settle`.
const A_WHILE_MS: u64 = 60;

pub struct Play {
    pub mortal: Mortal,
    talks: Vec<Talk>,
    /// Every text that anybody wrote.
    said: Vec<String>,
    /// The bytes of the first webhook.
    first: Vec<u8>,
    edits: usize,
    client: reqwest::Client,
}

#[derive(Default)]
struct Talk {
    id: String,
    /// The agent's comments, oldest first.
    comments: Vec<String>,
    /// The agent's text for the description.
    corrected: Option<String>,
    /// Answers that nobody had received when the state was lost: they are never sent, and nothing reports that.
    lost: usize,
    /// The same for changes of the Case.
    lost_status: bool,
}

impl Play {
    pub async fn begin() -> Self {
        let tuning = Tuning { poll_ms: 50, close_grace_ms: 60, settle_ms: 300, ..Tuning::default() };
        let mortal = Mortal::new(tuning).await;
        let client = goodays_salesforce::http::client(Duration::from_secs(10));
        let talks = (0..TALKS).map(|_| Talk::default()).collect();
        Self { mortal, talks, said: Vec::new(), first: Vec::new(), edits: 0, client }
    }

    pub async fn told(&mut self, story: &[Act]) -> Outcome {
        self.mortal.live(|_, _| true).await;
        self.enter(0);
        self.enter(1);
        self.first = self.mortal.stage.goodays.event_body(&self.talks[0].id, "response");
        self.mortal.rest().await?;
        self.agent(1, Agent::Answers)?;
        self.mortal.rest().await?;
        for act in story {
            self.play(act).await?;
        }
        Ok(())
    }

    /// A text that occurs only once.
    fn words(&mut self, who: &str) -> String {
        let words = format!("{who} says [{:05}]", self.said.len());
        self.said.push(words.clone());
        words
    }

    /// Begins the conversation, if it has not begun.
    fn enter(&mut self, talk: usize) {
        if self.talks[talk].id.is_empty() {
            let content = Some(self.words("customer"));
            let id = self.mortal.stage.goodays.customer_leaves(Feedback { content, ..Feedback::default() });
            self.talks[talk].id = id;
        }
    }

    /// Plays one act. An act that is not possible at that moment is skipped.
    async fn play(&mut self, act: &Act) -> Outcome {
        match *act {
            Act::Customer(talk) => {
                self.enter(talk);
                let words = self.words("customer");
                let _ = self.mortal.stage.goodays.customer_writes(&self.talks[talk].id, &words);
            }
            Act::Agent(talk, what) => {
                self.enter(talk);
                let _ = self.agent(talk, what);
            }
            Act::Colleague(talk, what) => {
                self.enter(talk);
                let _ = self.colleague(talk, what);
            }
            Act::Store(talk, what) => {
                self.enter(talk);
                let (id, goodays) = (&self.talks[talk].id, &self.mortal.stage.goodays);
                let _ = match what {
                    Store::Delegates => goodays.store_delegates(id),
                    Store::TakesBack => goodays.store_takes_back(id),
                };
            }
            Act::Line(what) => self.line(what).await,
            Act::Fault(call, how) => self.fault(call, how),
            Act::Late(who) => self.late(who),
            Act::Mapping => self.edit_mapping().await,
            Act::Expiry => self.mortal.stage.salesforce.expire_sessions(),
            Act::Daemon(what) => self.daemon(what).await?,
            Act::Moment(calls) => {
                let wires = [self.mortal.stage.goodays.wire(), self.mortal.stage.salesforce.wire()];
                let made = || wires.iter().map(|w| w.count()).sum::<u64>();
                let before = made();
                self.mortal.until("some calls", || made() >= before + calls).await?;
            }
            Act::Rest => self.mortal.rest().await?,
        }
        Ok(())
    }

    fn agent(&mut self, talk: usize, what: Agent) -> Outcome {
        let words = self.words("agent");
        let salesforce = &self.mortal.stage.salesforce;
        let Talk { id, comments, corrected, .. } = &mut self.talks[talk];
        let last = comments.last().cloned();
        let sets = |fields: Value| salesforce.agent_updates_case(id, fields, AGENT);
        match what {
            Agent::Answers => comments.push(salesforce.agent_comments(id, &words, true, AGENT)?),
            Agent::Drafts => comments.push(salesforce.agent_comments(id, &words, false, AGENT)?),
            Agent::Publishes => last.map_or(Ok(()), |comment| salesforce.agent_publishes(&comment, true))?,
            Agent::TakesBack => last.map_or(Ok(()), |comment| salesforce.agent_publishes(&comment, false))?,
            Agent::Closes => sets(json!({ "Status": "Closed" }))?,
            Agent::Calls => sets(json!({ "Status": "Closed by phone", "Goodays_Call_Note__c": words }))?,
            Agent::MarksSpam => sets(json!({ "Status": "Spam" }))?,
            Agent::Reopens => sets(json!({ "Status": "New" }))?,
            Agent::Locks => salesforce.lock_case(id, 1)?,
            Agent::Corrects => {
                sets(json!({ "Description": words }))?;
                *corrected = Some(words);
            }
        }
        Ok(())
    }

    fn colleague(&mut self, talk: usize, what: Colleague) -> Outcome {
        let words = self.words("colleague");
        let (id, goodays) = (&self.talks[talk].id, &self.mortal.stage.goodays);
        match what {
            Colleague::Replies => goodays.colleague_replies(id, &words).map(|_| ()),
            Colleague::Writes => goodays.colleague_messages(id, &words).map(|_| ()),
            Colleague::Closes => goodays.colleague_closes(id),
            Colleague::Calls => goodays.colleague_calls(id, &words),
            Colleague::MarksSpam => goodays.colleague_marks_spam(id),
        }
    }

    async fn line(&self, what: Line) {
        let goodays = &self.mortal.stage.goodays;
        match what {
            Line::Loses => goodays.drop_webhooks(1),
            Line::Doubles => goodays.duplicate_webhooks(1),
            Line::Holds => goodays.pause_webhooks(true),
            Line::Releases | Line::ReleasesReversed => {
                let reversed = matches!(what, Line::ReleasesReversed);
                goodays.order_webhooks(if reversed { Order::Reversed } else { Order::Kept });
                goodays.pause_webhooks(false);
            }
            Line::RepeatsTheFirst => {
                let Some(url) = self.mortal.webhook() else { return };
                let signature = goodays.sign(&self.first).unwrap();
                let request = self.client.post(url).header("X-HMAC-SHA256", signature);
                // The answer is ignored: a daemon that is killed gives none.
                let _ = request.body(self.first.clone()).send().await;
            }
        }
    }

    fn fault(&self, call: Where, how: How) {
        let (goodays, salesforce) = (self.mortal.stage.goodays.wire(), self.mortal.stage.salesforce.wire());
        let (wire, method, path) = match call {
            Where::Write => (salesforce, "POST", "/composite/graph"),
            Where::Poll => (salesforce, "POST", "/composite?"),
            Where::Look => (goodays, "GET", "/responses/"),
            Where::Act => (goodays, "PUT", "/responses/"),
        };
        let answer = |status, body: &str, kind: &str| WireAct::Answer {
            status,
            body: body.to_owned(),
            content_type: Some(kind.to_owned()),
            headers: BTreeMap::new(),
        };
        let act = match how {
            How::CutBefore => WireAct::ResetBefore,
            How::CutAfter => WireAct::ResetAfter,
            How::DoneLater => WireAct::CommitLater { ms: A_WHILE_MS },
            How::HalfAnswered => WireAct::Truncate,
            How::Slow => WireAct::Slow { ms: A_WHILE_MS },
            How::Unavailable => answer(503, "<html>Service Unavailable</html>", "text/html"),
            How::TooMany => answer(429, r#"{"detail":"Request was throttled."}"#, "application/json"),
        };
        wire.fault(Fault { method: Some(method.to_owned()), ..Fault::once(path, act) });
    }

    fn late(&self, who: Late) {
        let (goodays, salesforce) = match who {
            Late::Goodays => (A_WHILE_MS, 0),
            Late::Salesforce => (0, 100),
            Late::Nobody => (0, 0),
        };
        self.mortal.stage.goodays.set_switches(|s| s.visible_after_ms = goodays);
        self.mortal.stage.salesforce.set_commit_delay(salesforce);
    }

    async fn edit_mapping(&mut self) {
        self.edits += 1;
        let (name, text) = MAPPINGS[0];
        let file = self.mortal.stage.dir.path().join("mappings").join(name);
        std::fs::write(file, format!("{text}\n# edited {} times\n", self.edits)).unwrap();
        if let Some(shared) = self.mortal.shared() {
            shared.reload_mappings().await.unwrap();
        }
    }

    async fn daemon(&mut self, what: Daemon) -> Outcome {
        match what {
            Daemon::Restarts => self.mortal.stop().await?,
            Daemon::Dies => self.mortal.kill().await,
            Daemon::LosesItsState => return self.lose_state().await,
            Daemon::Sweeps => {
                // A fault may stop the sweep. The last sweep of the story runs without faults.
                let _ = self.sweep(false).await;
                return Ok(());
            }
        }
        self.mortal.live(|_, _| true).await;
        Ok(())
    }

    /// Loses the state. Unsent work would be lost with it (docs/guarantees.md), so the test lets it end first.
    async fn lose_state(&mut self) -> Outcome {
        self.mended().await?;
        self.mortal.stop().await?;
        self.mortal.lose_state();
        for talk in &mut self.talks {
            let received = self.mortal.stage.goodays.received_by_customer(&talk.id);
            let by_agent = received.iter().filter(|r| text(&r["content"]).starts_with("agent"));
            talk.lost = talk.comments.len() - by_agent.count();
            talk.lost_status = true;
        }
        self.mortal.live(|_, _| true).await;
        self.mortal.rest().await?;
        // Stamps have whole seconds: later changes must be later than the start.
        let now_ms = || Clock::System.now_ms();
        let later_ms = (now_ms() / 1000 + 1) * 1000;
        self.mortal.until("the first second is over", || now_ms() >= later_ms).await
    }

    async fn sweep(&self, dry_run: bool) -> Result<Vec<String>, String> {
        let since = Timestamp::UNIX_EPOCH;
        let shared = self.mortal.shared().ok_or("nobody lives")?;
        let options = SweepOptions { since, named: false, dry_run };
        let swept = shared.sweep(options).await.map_err(|stop| stop.to_string())?;
        Ok(swept.missing)
    }

    /// Removes all faults, and delivers everything that is still in transit.
    async fn mended(&self) -> Outcome {
        let (goodays, salesforce) = (&self.mortal.stage.goodays, &self.mortal.stage.salesforce);
        goodays.wire().clear_faults();
        salesforce.wire().clear_faults();
        self.late(Late::Nobody);
        goodays.drop_webhooks(0);
        goodays.duplicate_webhooks(0);
        goodays.order_webhooks(Order::Kept);
        goodays.pause_webhooks(false);
        if let Some(shared) = self.mortal.shared() {
            shared.salesforce_breaker.reopen();
            shared.goodays_breaker.reopen();
            shared.wake_all();
        }
        self.mortal.rest().await?;
        self.sweep(false).await?;
        self.mortal.rest().await
    }

    pub async fn ends_well(&self) -> Outcome {
        self.mended().await?;
        let lost = |id: &str| self.talks.iter().find(|talk| talk.id == id).map_or(0, |talk| talk.lost);
        let mut found = self.mortal.breaches(&lost);
        let missing = self.sweep(true).await?;
        found.extend(missing.iter().map(|id| format!("{id}: a second sweep still misses something")));
        for talk in self.talks.iter().filter(|talk| !talk.id.is_empty()) {
            found.extend(self.agents_work(talk));
        }
        let log = self.mortal.log();
        let told = self.said.iter().filter(|words| log.contains(words.as_str()));
        found.extend(told.map(|words| format!("the log tells what somebody said: {words}")));
        if found.is_empty() { Ok(()) } else { Err(found.join("\n")) }
    }

    /// The agent's correction is kept, and a Case he closed is not open at Goodays unless somebody is told why.
    fn agents_work(&self, talk: &Talk) -> Vec<String> {
        let mut found = Vec::new();
        let Some(case) = self.mortal.stage.salesforce.case_by_key(&talk.id) else { return found };
        if let Some(corrected) = talk.corrected.as_ref().filter(|words| case["Description"] != json!(words)) {
            found.push(format!("{}: {corrected:?} became {}", talk.id, case["Description"]));
        }
        let parked = self.mortal.shared().map(|s| now(s.parked(1000)).unwrap()).unwrap_or_default();
        let excused = talk.lost_status || parked.iter().any(|p| p.response_id.as_ref() == Some(&talk.id));
        let response = self.mortal.stage.goodays.response(&talk.id).unwrap_or_default();
        if case["IsClosed"] == json!(true) && response["state"] == json!("open") && !excused {
            found.push(format!("{}: {} in Salesforce, and open at Goodays", talk.id, case["Status"]));
        }
        found
    }
}
