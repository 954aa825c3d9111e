//! The daemon is killed after every single step of each loop, and during every call that it makes, while a story
//! runs. At the end everything must exist exactly once.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use futures_util::StreamExt;
use goodays_salesforce::demo::stage::{Stage, Tuning};
use goodays_salesforce::sim::goodays::Feedback;
use goodays_salesforce::sim::wire::{Act, Fault, Wire};
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::mortal::{Mortal, Outcome, TICK};
use crate::now;

const AGENT: &str = "jennifer.parker@brand.example";
/// How many stories run at the same time. Each of them mostly waits.
const AT_ONCE: usize = 16;
/// How many runs of the daemon are killed. The next one may finish the story.
const LIVES: usize = 2;

/// Where a run is killed.
#[derive(Clone, Copy)]
enum Stop {
    Never,
    /// After this many steps of the loop.
    Step {
        of: &'static str,
        number: usize,
    },
    /// During this call of each kind. `done`: the remote has done its work.
    Call {
        number: u32,
        done: bool,
    },
}

/// A kind of call, by remote, method and path.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Call {
    Write,
    Poll,
    Look,
    Act,
}

const CALLS: [Call; 4] = [Call::Write, Call::Poll, Call::Look, Call::Act];

impl Call {
    fn shape(self) -> (&'static str, &'static str) {
        match self {
            Self::Write => ("POST", "/composite/graph"),
            Self::Poll => ("POST", "/composite?"),
            Self::Look => ("GET", "/responses/"),
            Self::Act => ("PUT", "/responses/"),
        }
    }

    fn wire(self, mortal: &Mortal) -> &Wire {
        match self {
            Self::Write | Self::Poll => mortal.stage.salesforce.wire(),
            Self::Look | Self::Act => mortal.stage.goodays.wire(),
        }
    }

    fn count(self, mortal: &Mortal) -> u32 {
        let (method, path) = self.shape();
        let all = self.wire(mortal).requests();
        let hits = all.iter().filter(|r| r.method == method && format!("{}?", r.path).contains(path));
        u32::try_from(hits.count()).unwrap()
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Never => write!(f, "never killed"),
            Self::Step { of, number } => write!(f, "killed after each {number} steps of {of}"),
            Self::Call { number, done } => {
                let when = if *done { "after the remote did it" } else { "before the remote did it" };
                write!(f, "killed during write, poll, look and action number {number}, {when}")
            }
        }
    }
}

/// The steps of one run, counted by loop.
type Steps = Arc<Mutex<BTreeMap<&'static str, usize>>>;

struct Trial {
    mortal: Mortal,
    stop: Stop,
    steps: Steps,
    reached: Arc<Notify>,
    hits: AtomicUsize,
    /// Calls that have not occurred yet.
    traps: AtomicUsize,
}

impl Trial {
    async fn new(stop: Stop) -> Self {
        let tuning = Tuning { poll_ms: 60, close_grace_ms: 60, settle_ms: 300, ..Tuning::default() };
        let mortal = Mortal::new(tuning).await;
        // Goodays repeats webhooks that were not accepted.
        mortal.stage.goodays.set_switches(|s| (s.webhook_retries, s.webhook_retry_after_ms) = (10_000, 20));
        let (steps, reached) = (Steps::default(), Arc::new(Notify::new()));
        let (hits, traps) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let trial = Self { mortal, stop, steps, reached, hits, traps };
        trial.set_traps();
        trial.live().await;
        // An account in use: it is known to remove `message` from the list once the brand has answered.
        let shared = trial.mortal.shared().unwrap();
        shared.store.set_meta("a message ends the turn", &true).await.unwrap();
        trial
    }

    async fn live(&self) {
        self.steps.lock().unwrap().clear();
        let ends = self.hits.load(Ordering::SeqCst) < LIVES;
        let (steps, reached, stop) = (self.steps.clone(), self.reached.clone(), self.stop);
        let watcher = move |name: &'static str, did: bool| {
            // An idle inbound worker or dispatcher has changed nothing. The other loops' work ends with a pause.
            if !did && matches!(name, "inbound" | "deliver") {
                return true;
            }
            let mut steps = steps.lock().unwrap();
            let count = steps.entry(name).or_default();
            *count += 1;
            let here = matches!(stop, Stop::Step { of, number } if ends && of == name && *count == number);
            if here {
                reached.notify_one();
            }
            !here
        };
        self.mortal.live(watcher).await;
    }

    /// Calls at which a run is killed never get an answer.
    fn set_traps(&self) {
        let Stop::Call { number, done } = self.stop else { return };
        let act = if done { Act::HangAfter { ms: 5000 } } else { Act::HangBefore { ms: 5000 } };
        for of in CALLS {
            let (method, path) = of.shape();
            let fault =
                Fault { method: Some(method.to_owned()), skip: number, ..Fault::once(path, act.clone()) };
            of.wire(&self.mortal).fault(fault);
        }
        self.traps.store(CALLS.len(), Ordering::SeqCst);
    }

    async fn reached(&self) {
        if !matches!(self.stop, Stop::Call { .. }) {
            return self.reached.notified().await;
        }
        let Stage { goodays, salesforce, .. } = &self.mortal.stage;
        let left = || goodays.wire().faults().len() + salesforce.wire().faults().len();
        while left() == self.traps.load(Ordering::SeqCst) {
            tokio::time::sleep(TICK).await;
        }
        self.traps.store(left(), Ordering::SeqCst);
    }

    /// Kills runs and starts new ones.
    async fn reap(&self) {
        loop {
            self.reached().await;
            self.mortal.kill().await;
            self.hits.fetch_add(1, Ordering::SeqCst);
            self.live().await;
        }
    }

    async fn told(&self) -> Outcome {
        let everything = async {
            let Self { mortal, .. } = self;
            tokio::try_join!(talk(mortal), call(mortal), status(mortal, "Closed"), status(mortal, "Spam"))?;
            mortal.rest().await
        };
        tokio::select! {
            outcome = everything => outcome?,
            () = self.reap() => {}
        }
        let breaches = self.mortal.breaches(&|_| 0);
        if breaches.is_empty() {
            Ok(())
        } else {
            Err(format!("{}\n{}", breaches.join("\n"), self.mortal.account()))
        }
    }

    async fn run(self) -> (Self, Outcome) {
        let outcome = self.told().await.map_err(|why| format!("{}: {why}", self.stop));
        self.mortal.kill().await;
        (self, outcome)
    }
}

fn leaves(mortal: &Mortal, words: &str) -> String {
    let content = Some(format!("{words} begins here"));
    mortal.stage.goodays.customer_leaves(Feedback { content, ..Feedback::default() })
}

async fn case(mortal: &Mortal, id: &str) -> Result<String, String> {
    let found = || mortal.stage.salesforce.case_by_key(id);
    mortal.until("its Case", || found().is_some()).await?;
    Ok(found().unwrap()["Id"].as_str().unwrap().to_owned())
}

async fn received(mortal: &Mortal, id: &str, words: &str) -> Outcome {
    let got = || mortal.stage.goodays.received_by_customer(id);
    mortal.until(words, || got().iter().any(|r| r["content"] == json!(words))).await
}

async fn shown(mortal: &Mortal, case: &str, words: &str) -> Outcome {
    let holds = |c: &Value| c["CommentBody"].as_str().is_some_and(|b| b.contains(words));
    mortal.until(words, || mortal.stage.salesforce.comments_of(case).iter().any(holds)).await
}

/// An answer, a customer who writes again, a draft that is published, an answer that Goodays refuses, and a customer
/// who edits the first message.
async fn talk(mortal: &Mortal) -> Outcome {
    let (goodays, salesforce) = (&mortal.stage.goodays, &mortal.stage.salesforce);
    let id = leaves(mortal, "A talk");
    let case = case(mortal, &id).await?;
    salesforce.agent_comments(&case, "The public answer", true, AGENT)?;
    received(mortal, &id, "The public answer").await?;
    goodays.customer_writes(&id, "A first question")?;
    goodays.customer_writes(&id, "A second question")?;
    shown(mortal, &case, "A second question").await?;
    let draft = salesforce.agent_comments(&case, "The private answer", false, AGENT)?;
    salesforce.agent_publishes(&draft, true)?;
    received(mortal, &id, "The private answer").await?;
    salesforce.agent_comments(&case, "One answer too many", true, AGENT)?;
    goodays.customer_edits(&id, "A talk is corrected")?;
    let description = || salesforce.case_by_key(&id).map(|c| c["Description"].clone());
    mortal.until("the correction", || description() == Some(json!("A talk is corrected"))).await?;
    mortal
        .until("what waits", || {
            mortal.shared().is_some_and(|shared| {
                now(shared.parked(10)).unwrap().iter().any(|p| p.reason_code == "wait_for_customer")
            })
        })
        .await
}

async fn call(mortal: &Mortal) -> Outcome {
    let id = leaves(mortal, "A call");
    let case = case(mortal, &id).await?;
    let fields = json!({ "Status": "Closed by phone", "Goodays_Call_Note__c": "Was glad", "Goodays_Call_Rating__c": "5" });
    mortal.stage.salesforce.agent_updates_case(&case, fields, AGENT)?;
    processed(mortal, &id, "call").await
}

async fn status(mortal: &Mortal, status: &str) -> Outcome {
    let id = leaves(mortal, status);
    let case = case(mortal, &id).await?;
    mortal.stage.salesforce.agent_updates_case(&case, json!({ "Status": status }), AGENT)?;
    processed(mortal, &id, if status == "Spam" { "spam" } else { "close" }).await
}

async fn processed(mortal: &Mortal, id: &str, verb: &str) -> Outcome {
    let done = || mortal.stage.goodays.processed(id);
    mortal.until(verb, || done().iter().any(|p| p["action"] == json!(verb))).await
}

/// Every step and every call of a story without kills.
async fn stops() -> Vec<Stop> {
    let (trial, outcome) = Trial::new(Stop::Never).await.run().await;
    outcome.unwrap();
    let mut stops = Vec::new();
    for (of, count) in trial.steps.lock().unwrap().iter() {
        stops.extend((1..=*count).map(|number| Stop::Step { of, number }));
    }
    let calls = CALLS.map(|of| of.count(&trial.mortal)).into_iter().max().unwrap_or_default();
    stops.extend((0..calls).flat_map(|number| [true, false].map(|done| Stop::Call { number, done })));
    stops
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_after_any_step_and_during_any_call_loses_and_doubles_nothing() {
    let began = Instant::now();
    let stops = stops().await;
    let trials = stops.len();
    let runs = stops.into_iter().map(|stop| async move { Trial::new(stop).await.run().await });
    let told: Vec<(Trial, Outcome)> =
        futures_util::stream::iter(runs).buffer_unordered(AT_ONCE).collect().await;
    let hits: usize = told.iter().map(|(trial, _)| trial.hits.load(Ordering::SeqCst)).sum();
    println!("{trials} stories, {hits} kills, {:?}", began.elapsed());
    let failed: Vec<&String> = told.iter().filter_map(|(_, outcome)| outcome.as_ref().err()).collect();
    assert!(failed.is_empty(), "{} of {trials} stories:\n{}", failed.len(), failed[0]);
    assert!(hits >= trials, "{hits} kills in {trials} stories");
}
