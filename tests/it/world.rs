//! Both simulators and the real daemon between them, with verbs that read like a story.
//!
//! A [`World`] that is dropped with unsettled work or parked items fails its test, unless the test allowed that. So
//! does one whose log contains texts or addresses of people (law 10): every verb notes its texts.

pub mod log;
mod look;
mod second;

pub use self::look::text;
pub use self::second::background;

use std::ops::Deref;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use goodays_salesforce::demo::stage::{Stage, Tuning};
use goodays_salesforce::sim::goodays::Feedback;
use goodays_salesforce::sim::salesforce::Salesforce;
use goodays_salesforce::sim::salesforce::schema::Field;
use goodays_salesforce::state::LANES;
use serde_json::{Value, json};

use self::log::Log;

use crate::now;

/// An agent with a Goodays user.
pub const AGENT: &str = "jennifer.parker@brand.example";
/// The id of that user, as in the documentation.
pub const AGENT_USER: &str = "1a2b3c4";
/// All tests at once run on two busy cores.
const DEADLINE: Duration = Duration::from_secs(30);
const TICK: Duration = Duration::from_millis(5);

pub struct World {
    pub stage: Stage,
    /// Texts and addresses that a log must not contain.
    said: Mutex<Vec<String>>,
    log: Log,
    client: reqwest::Client,
    /// After `stage`: the daemon ends before its runtime.
    _background: second::Background,
    /// Whether parked items may be left when the test ends.
    parked_is_fine: bool,
    open_is_fine: bool,
    errors_are_fine: bool,
}

impl Deref for World {
    type Target = Stage;

    fn deref(&self) -> &Stage {
        &self.stage
    }
}

/// Gives the org the text field of earlier versions, whose text names the action that was sent; `tests/it/agent` has
/// the picklist that is deployed now.
pub fn text_status(org: &Salesforce) {
    let status = Field { name: "Goodays_Sync_Status__c".to_owned(), ..Field::default() };
    org.set_field("Case", status).unwrap();
}

/// The feedback of the documentation with this text.
pub fn words(content: &str) -> Feedback {
    Feedback { content: Some(content.to_owned()), ..Feedback::default() }
}

impl World {
    pub async fn start() -> Self {
        Self::with(Tuning::default()).await
    }

    pub async fn with(tuning: Tuning) -> Self {
        let log = Log::start();
        let tuning = Tuning { poll_ms: tuning.poll_ms.min(100), ..tuning };
        let mut stage = Stage::set(tuning).await.unwrap();
        let background = second::choose(&mut stage, log.lines());
        text_status(&stage.salesforce);
        stage.start_daemon().await.unwrap();
        Self::on(stage, log, background).await
    }

    /// With the org as salesforce/ deploys it.
    pub async fn as_deployed(tuning: Tuning) -> Self {
        let log = Log::start();
        let mut stage = Stage::set(Tuning { poll_ms: tuning.poll_ms.min(100), ..tuning }).await.unwrap();
        let background = second::choose(&mut stage, log.lines());
        stage.start_daemon().await.unwrap();
        Self::on(stage, log, background).await
    }

    async fn on(stage: Stage, log: Log, background: second::Background) -> Self {
        let world = Self {
            stage,
            said: Mutex::default(),
            log,
            client: goodays_salesforce::http::client(DEADLINE),
            _background: background,
            parked_is_fine: false,
            open_is_fine: false,
            errors_are_fine: false,
        };
        world.polled().await;
        world
    }

    /// With additional mapping files.
    pub async fn with_mapping(name: &str, text: &str) -> Self {
        let mut world = Self::start().await;
        world.stop().await;
        std::fs::write(world.dir.path().join("mappings").join(name), text).unwrap();
        world.go_on_without_state().await;
        world
    }

    /// Allows parked items at the end of the test.
    pub fn parked_is_fine(&mut self) {
        self.parked_is_fine = true;
    }

    /// Allows actions that wait for a parked item at the end of the test.
    pub fn open_is_fine(&mut self) {
        self.open_is_fine = true;
    }

    /// Allows errors in the log.
    pub fn errors_are_fine(&mut self) {
        self.errors_are_fine = true;
    }

    fn note(&self, said: &str) {
        self.said.lock().unwrap().push(said.to_owned());
    }
}

/// Running and stopping.
impl World {
    pub async fn stop(&mut self) {
        assert!(self.stage.stop_daemon().await, "the daemon stopped with a failure");
    }

    pub async fn go_on(&mut self) {
        self.stage.start_daemon().await.unwrap();
        self.polled().await;
    }

    pub async fn restart(&mut self) {
        self.stop().await;
        self.go_on().await;
    }

    /// Restarts as after the loss of the disk.
    pub async fn restart_without_state(&mut self) {
        self.stop().await;
        self.go_on_without_state().await;
    }

    pub async fn go_on_without_state(&mut self) {
        std::fs::remove_dir_all(self.dir.path().join("state")).unwrap();
        second::empty(&mut self.stage);
        self.go_on().await;
        // Stamps have whole seconds: changes from now on must be later than the start.
        self.salesforce.advance(1000);
    }
}

/// Customers.
impl World {
    pub fn customer_leaves(&self, feedback: Feedback) -> String {
        for said in [&feedback.content, &feedback.email].into_iter().flatten() {
            self.note(said);
        }
        self.goodays.customer_leaves(feedback)
    }

    /// A feedback that has become a Case.
    pub async fn arrives(&self, feedback: Feedback) -> String {
        let id = self.customer_leaves(feedback);
        self.settle().await;
        self.case(&id);
        id
    }

    /// Like [`World::arrives`], while other work waits.
    pub async fn arrives_beside(&self, feedback: Feedback) -> String {
        let id = self.customer_leaves(feedback);
        self.until("it is a Case", || self.cases(&id).len() == 1).await;
        id
    }

    /// The customer writes privately. Returns the message's id.
    pub fn customer_writes(&self, id: &str, words: &str) -> String {
        self.note(words);
        self.goodays.customer_writes(id, words).unwrap()
    }

    /// Posts a signed event. Returns the answer.
    pub async fn post(&self, event: &Value) -> (u16, Value) {
        self.post_bytes(event.to_string().into_bytes()).await
    }

    pub async fn post_bytes(&self, body: Vec<u8>) -> (u16, Value) {
        let signature = self.goodays.sign(&body).unwrap();
        let url = format!("http://{}/webhooks/goodays", self.webhook_addr());
        let answer =
            self.client.post(url).header("X-HMAC-SHA256", signature).body(body).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }
}

/// Agents.
impl World {
    /// Publishes a comment. Returns its id.
    pub fn agent_comments(&self, id: &str, words: &str) -> String {
        self.comments_by(id, words, true, AGENT)
    }

    /// Writes a comment for colleagues.
    pub fn agent_drafts(&self, id: &str, words: &str) -> String {
        self.comments_by(id, words, false, AGENT)
    }

    pub fn comments_by(&self, id: &str, words: &str, published: bool, email: &str) -> String {
        self.note(words);
        self.note(email);
        self.salesforce.agent_comments(id, words, published, email).unwrap()
    }

    /// Changes fields of the Case.
    pub fn agent_sets(&self, id: &str, fields: Value) {
        self.salesforce.agent_updates_case(id, fields, AGENT).unwrap();
    }

    /// An agent's comment that the customer receives.
    pub async fn answers(&self, id: &str, words: &str) {
        let before = self.received(id).len();
        self.agent_comments(id, words);
        self.settle().await;
        let got = self.received(id);
        assert_eq!(got.len(), before + 1, "the customer received {got:?}");
        assert_eq!(got.last().unwrap().1, words);
    }

    /// A response that was replied to, so that customer and agent can write privately.
    pub async fn replied(&self) -> String {
        let id = self.arrives(Feedback::default()).await;
        self.answers(&id, "We are sorry to hear that.").await;
        id
    }
}

/// Waiting.
impl World {
    /// Waits until nothing is pending and all earlier acts of agents have been seen.
    pub async fn settle(&self) {
        self.goodays.webhooks_sent().await;
        self.polled().await;
        self.until("nothing is pending", || now(self.is_settled(0))).await;
    }

    /// Like [`World::settle`], with `open` actions that wait for a parked item.
    pub async fn settle_with_open(&self, open: usize) {
        self.goodays.webhooks_sent().await;
        self.polled().await;
        self.until("all but the blocked is done", || now(self.is_settled(open))).await;
    }

    async fn is_settled(&self, open: usize) -> bool {
        let store = &self.app().shared.store;
        store.all_open_intents().await.unwrap().len() == open
            && self.is_recorded()
            && store.counters().await.unwrap().pending == 0
    }

    /// What was written to Salesforce is in the ledger as well: Salesforce shows it a moment earlier.
    pub fn is_recorded(&self) -> bool {
        let store = &self.app().shared.store;
        (0..LANES).all(|lane| now(store.next_due(lane)).unwrap().is_none())
    }

    /// Waits until a poll that began after this call is completed.
    pub async fn polled(&self) {
        let last = || **self.app().shared.poll_state.last_completed_ms.load();
        for _ in 0..2 {
            let before = last();
            self.until("a poll is completed", || last() != before).await;
        }
    }

    pub async fn until(&self, what: &str, holds: impl Fn() -> bool) {
        let began = Instant::now();
        while !holds() {
            assert!(began.elapsed() < DEADLINE, "not after {DEADLINE:?}: {what}\n{}", self.dump().await);
            tokio::time::sleep(TICK).await;
        }
    }

    /// The state for failure messages.
    pub async fn dump(&self) -> String {
        let shared = &self.app().shared;
        let open = shared.store.all_open_intents().await.unwrap();
        let due: Vec<_> = (0..LANES).map(|lane| now(shared.store.next_due(lane)).unwrap()).collect();
        json!({
            "open": format!("{open:#?}"),
            "due": due,
            "events pending": shared.store.counters().await.unwrap().pending,
            "parked": format!("{:#?}", shared.parked(50).await.unwrap()),
            "salesforce": format!("{:?}", shared.salesforce_breaker.trouble()),
            "goodays": format!("{:?}", shared.goodays_breaker.trouble()),
            "poll": **shared.poll_state.trouble.load(),
        })
        .to_string()
        .replace("\\n", "\n")
            + &self.log.text()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.log.text());
            return;
        }
        let log = self.log.text();
        for said in self.said.lock().unwrap().iter().filter(|s| s.chars().count() > 7) {
            assert!(
                !log.contains(said.as_str()),
                "a log line holds somebody's words or address: {said}\n{log}"
            );
        }
        assert!(self.errors_are_fine || !log.contains("ERROR"), "something went wrong\n{log}");
        if self.stage.app.is_some() {
            now(self.nothing_is_left());
        }
    }
}

impl World {
    /// Checks as at a test's end. For tests with several worlds, each of which would see the others' folders go.
    pub async fn end(mut self) {
        self.nothing_is_left().await;
        self.stop().await;
    }

    async fn nothing_is_left(&self) {
        if !self.open_is_fine {
            assert!(self.is_settled(0).await, "work was left\n{}", self.dump().await);
        }
        if !self.parked_is_fine {
            let parked = self.parked().await;
            assert!(parked.is_empty(), "parked: {parked:#?}");
        }
    }
}
