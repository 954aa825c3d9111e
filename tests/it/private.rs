//! Law 10: texts and data of people occur only where they belong. Every text of these worlds contains a mark, and the
//! tests search for it in logs at every level, metrics, refusals and, at the end, the state.

use std::process::Command;

use goodays_salesforce::app::{App, panics_without_words};
use goodays_salesforce::demo::stage::load;
use goodays_salesforce::http::client;
use goodays_salesforce::sim::goodays::Feedback;
use goodays_salesforce::sim::salesforce::settings::ValidationRule;
use goodays_salesforce::sim::wire::{Act, Fault};
use goodays_salesforce::state::engine::prefix_end;
use serde_json::{Map, Value, json};

use crate::arena::{Ahead, PATIENCE, Stage, Tuning, quick, until};
use crate::now;
use crate::world::log::Log;

/// Part of every text of this person.
const MARK: &str = "zq7";
/// Part of every text of another person.
const OTHER: &str = "xw9";
const DAY_MS: i64 = 86_400_000;

/// All of a customer's data that Goodays sends, marked.
fn marked(mark: &str) -> Feedback {
    Feedback {
        content: Some(format!("{mark} words with \"quotes\" and <tags>")),
        attachment: Some(format!("https://files.example/{mark}.jpg")),
        first_name: format!("{mark}first"),
        last_name: format!("{mark}last"),
        email: Some(format!("{mark}mail@customer.example")),
        phone: Some(format!("+33 1 {mark}")),
        crm_id: format!("{mark}crm"),
        extra: Map::from_iter([("loyalty".to_owned(), json!(format!("{mark}card")))]),
        ..Feedback::default()
    }
}

fn html(status: u16) -> Act {
    Act::Answer {
        status,
        body: format!("<html><body>We could not take {MARK}page</body></html>"),
        content_type: Some("text/html".to_owned()),
        headers: [].into(),
    }
}

fn refusal(status: u16, body: &Value) -> Act {
    Act::Answer { status, body: body.to_string(), content_type: None, headers: [].into() }
}

/// Sends it on its own connection: the server closes connections that are idle for long, perhaps just before the next
/// request.
fn alone(request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
    request.header("connection", "close")
}

struct House {
    stage: Stage,
    goodays_clock: Ahead,
    http: reqwest::Client,
    log: Log,
}

impl House {
    async fn start() -> Self {
        let log = Log::at("trace");
        let goodays_clock = Ahead::none();
        let tuning = Tuning { goodays_clock: goodays_clock.clock(), ..quick() };
        let mut stage = Stage::set(tuning).await.unwrap();
        crate::world::text_status(&stage.salesforce);
        stage.start_daemon().await.unwrap();
        Self { stage, goodays_clock, http: client(PATIENCE), log }
    }

    async fn holds<T>(&self, what: &str, holds: impl FnMut() -> Option<T>) -> T {
        until(PATIENCE, holds).await.unwrap_or_else(|| panic!("in vain: {what}\n{}", self.log.text()))
    }

    fn case(&self, id: &str) -> Option<String> {
        self.stage.salesforce.case_by_key(id)?["Id"].as_str().map(str::to_owned)
    }

    async fn arrives(&self, feedback: Feedback) -> (String, String) {
        let id = self.stage.goodays.customer_leaves(feedback);
        let case = self.holds("its Case", || self.case(&id)).await;
        (id, case)
    }

    fn agent_says(&self, case: &str, words: &str) -> String {
        let mail = format!("{MARK}agent@brand.example");
        self.stage.salesforce.agent_comments(case, words, true, &mail).unwrap()
    }

    async fn told(&self, id: &str, status: &str) {
        let told = || {
            let case = self.stage.salesforce.case_by_key(id)?;
            case["Goodays_Sync_Status__c"].as_str()?.starts_with(status).then_some(())
        };
        self.holds(status, told).await;
    }

    /// Waits until no event, action or note is pending.
    async fn rest(&self) {
        let store = &self.stage.app().shared.store;
        let still = || {
            let queued = (0..2).any(|lane| now(store.next_due(lane)).unwrap().is_some());
            (!queued && now(store.all_open_intents()).unwrap().is_empty()).then_some(())
        };
        self.holds("rest", still).await;
    }

    async fn post(&self, body: &str, signature: &str) -> (u16, String) {
        let url = format!("http://{}/webhooks/goodays", self.stage.webhook_addr());
        let sent = alone(self.http.post(url)).header("X-HMAC-SHA256", signature).body(body.to_owned());
        let answer = sent.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    async fn signed(&self, body: &str) -> (u16, String) {
        let signature = self.stage.goodays.sign(body.as_bytes()).unwrap();
        self.post(body, &signature).await
    }

    async fn order(&self, path: &str, body: &str) -> (u16, String) {
        let url = format!("http://{}{path}", self.stage.app().doors.admin_addr());
        let answer = alone(self.http.post(url)).body(body.to_owned()).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    /// Asserts that pages for machines and strangers do not contain the mark.
    async fn pages_are_clean(&self) {
        for path in ["/metrics", "/status", "/health/live", "/health/accepting", "/health/ready"] {
            let url = format!("http://{}{path}", self.stage.app().doors.admin_addr());
            let text = alone(self.http.get(url)).send().await.unwrap().text().await.unwrap();
            assert!(!text.contains(MARK), "{path}: {text}");
        }
    }

    /// The keys of records that contain the mark.
    fn held(&self, mark: &str) -> Vec<String> {
        let all =
            self.stage.app().shared.store.engine().unwrap().range(&[], &prefix_end(&[]), usize::MAX).unwrap();
        let lower = |bytes: &[u8]| String::from_utf8_lossy(bytes).to_lowercase();
        let holds =
            all.into_iter().filter(|(key, value)| lower(key).contains(mark) || lower(value).contains(mark));
        holds
            .map(|(key, value)| format!("{} {}", char::from(key[0]), String::from_utf8_lossy(&value)))
            .collect()
    }

    /// The files of the state folder that contain the mark, other than behind `no`.
    fn on_disk(&self, mark: &str) -> Vec<String> {
        let mut found = Vec::new();
        let mut folders = vec![self.stage.dir.path().join("state")];
        while let Some(folder) = folders.pop() {
            for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                // A journal may go meanwhile.
                let Ok(bytes) = std::fs::read(&path) else { continue };
                let text = String::from_utf8_lossy(&bytes).to_lowercase();
                if text.match_indices(mark).any(|(at, _)| !text[..at].ends_with("no")) {
                    found.push(path.display().to_string());
                }
            }
        }
        found
    }

    async fn drop_all_parked(&self) {
        for item in self.stage.app().shared.parked(100).await.unwrap() {
            assert_eq!(self.order(&format!("/parked/{}/drop", item.id), "").await.0, 200);
        }
    }

    /// Restarts some days later, by the daemon's clock and by Goodays'.
    async fn days_later(&mut self, days: i64) {
        self.goodays_clock.set(days * DAY_MS);
        self.restarts_ahead(days).await;
    }

    /// Restarts with a clock that is so many days ahead of now.
    async fn restarts_ahead(&mut self, days: i64) {
        assert!(self.stage.stop_daemon().await);
        let ours = Ahead::none();
        ours.set(days * DAY_MS);
        let config = load(&self.stage.config_file()).unwrap();
        self.stage.app = Some(App::start(config, ours.clock()).await.unwrap());
    }
}

/// An ordinary conversation: feedback, answer, message, a call with a note.
async fn conversation(house: &House) {
    let (id, case) = house.arrives(marked(MARK)).await;
    house.agent_says(&case, &format!("{MARK} an answer"));
    house.told(&id, "Sent: public reply").await;
    house.stage.goodays.customer_writes(&id, &format!("{MARK} thanks")).unwrap();
    house.rest().await;
    house.agent_says(&case, &format!("{MARK} a message"));
    house.told(&id, "Sent: private message").await;
    let (called, case) = house.arrives(marked(MARK)).await;
    let note = json!({ "Status": "Closed by phone", "Goodays_Call_Note__c": format!("{MARK} she was nice"),
        "Goodays_Call_Rating__c": 4 });
    house.stage.salesforce.agent_updates_case(&case, note, "agent@brand.example").unwrap();
    house.told(&called, "Sent: call").await;
    house.rest().await;
}

/// Values that Salesforce refuses, each time with a message that quotes the value.
async fn refused_by_salesforce(house: &House) {
    let bad_mail = Feedback { email: Some(format!("{MARK} is no address")), ..marked(MARK) };
    house.arrives(bad_mail).await;
    let rule = ValidationRule {
        object: "Case".to_owned(),
        when: format!("SuppliedName LIKE '{MARK}%'"),
        message: format!("We do not serve {MARK}first"),
        fields: Vec::new(),
        code: None,
    };
    house.stage.salesforce.with_settings(|s| s.validation_rules = vec![rule]);
    house.stage.goodays.customer_leaves(marked(MARK));
    let parked = || now(house.stage.app().shared.parked(10)).unwrap().pop();
    let item = house.holds("it is parked", parked).await;
    assert!(item.reason.contains(MARK), "people may read it: {}", item.reason);
    house.pages_are_clean().await;
    house.stage.salesforce.with_settings(|s| s.validation_rules.clear());
    let wire = house.stage.salesforce.wire();
    let lock = json!([{ "message": format!("{MARK} is locked"), "errorCode": "UNABLE_TO_LOCK_ROW" }]);
    for act in [html(503), html(500), html(413), refusal(400, &lock)] {
        wire.fault(Fault::once("/composite/graph", act));
        house.stage.goodays.customer_leaves(marked(MARK));
        house.holds("the fault is met", || wire.faults().is_empty().then_some(())).await;
        house.pages_are_clean().await;
    }
}

/// Texts that Goodays refuses, and an answer that is withdrawn while Goodays is away.
async fn refused_by_goodays(house: &House) {
    let wire = house.stage.goodays.wire();
    let put = |act: Act| Fault { method: Some("PUT".to_owned()), ..Fault::once("/reply", act) };
    let words = format!("Your text {MARK} is too rude");
    for act in [refusal(400, &json!({ "message": words, "code": words })), html(404), html(502)] {
        let (_, case) = house.arrives(marked(MARK)).await;
        wire.fault(put(act));
        house.agent_says(&case, &format!("{MARK} a rude answer"));
        house.holds("the fault is met", || wire.faults().is_empty().then_some(())).await;
        house.pages_are_clean().await;
    }
    house.rest().await;
    let (id, case) = house.arrives(marked(MARK)).await;
    wire.fault(Fault { times: None, ..Fault::once(&format!("/responses/{id}"), html(503)) });
    let comment = house.agent_says(&case, &format!("{MARK} a hasty answer"));
    let store = &house.stage.app().shared.store;
    house.holds("it waits", || now(store.all_open_intents()).unwrap().pop()).await;
    house.stage.salesforce.agent_publishes(&comment, false).unwrap();
    house.holds("it is taken back", || now(store.all_open_intents()).unwrap().is_empty().then_some(())).await;
    wire.clear_faults();
}

/// Requests of strangers, and the answers to them.
async fn at_the_doors(house: &House) {
    let event =
        |id: &str| json!({ "event_type": MARK, "response": { "id": id, "message": MARK } }).to_string();
    let good = house.stage.goodays.sign(event("r").as_bytes()).unwrap();
    let bodies = [format!("{MARK} is no JSON"), format!("{{\"{MARK}\": "), json!([MARK]).to_string()];
    let mut said = Vec::new();
    for body in &bodies {
        said.push(house.signed(body).await);
    }
    said.push(house.post(&event("other"), &good).await);
    said.push(house.post(&event("r"), MARK).await);
    said.push(house.signed(&event("r")).await);
    said.push(house.signed(&json!({ "response": { "id": [MARK] } }).to_string()).await);
    said.push(house.order("/sweep", &format!("{{\"since\": \"{MARK}\"}}")).await);
    said.push(house.order("/retry", MARK).await);
    said.push(house.order("/forget", &format!("{{\"{MARK}\": 1}}")).await);
    for (status, text) in said {
        assert!(!text.contains(MARK), "{status} {text}");
    }
}

#[tokio::test]
async fn no_word_of_anybody_stands_where_it_does_not_belong() {
    let mut house = House::start().await;
    conversation(&house).await;
    refused_by_salesforce(&house).await;
    refused_by_goodays(&house).await;
    at_the_doors(&house).await;
    let swept = house.order("/sweep", "{\"since\": \"48h\", \"dry_run\": true}").await;
    assert!(swept.0 == 200 && !swept.1.contains(MARK), "{swept:?}");
    house.rest().await;
    house.pages_are_clean().await;
    for held in [house.held(MARK), house.on_disk(MARK)] {
        assert!(!held.is_empty(), "the state is searched in vain: the test shows nothing");
    }
    house.drop_all_parked().await;
    house.days_later(8).await;
    house.holds("everything is pruned", || house.held(MARK).is_empty().then_some(())).await;
    house.holds("nothing is on the disk", || house.on_disk(MARK).is_empty().then_some(())).await;
    house.pages_are_clean().await;
    let log = house.log.text();
    assert!(log.contains("TRACE") && log.contains("event applied"), "the log is not complete");
    let told: Vec<&str> = log.lines().filter(|line| line.contains(MARK)).collect();
    assert!(told.is_empty(), "{}", told.join("\n"));
}

#[tokio::test]
async fn a_refused_login_tells_nothing_but_what_to_do() {
    let mut house = House::start().await;
    assert!(house.stage.stop_daemon().await);
    let said = json!({ "error": "invalid_grant", "error_description": format!("{MARK}user is locked") });
    let fault = Fault::once("/oauth2/token", refusal(400, &said));
    house.stage.salesforce.wire().fault(Fault { times: None, ..fault });
    house.stage.start_daemon().await.unwrap();
    let trouble = || house.stage.app().shared.salesforce_breaker.trouble();
    let trouble = house.holds("it is refused", trouble).await;
    assert_eq!(trouble.code, "invalid_grant");
    house.pages_are_clean().await;
    assert!(!house.log.text().contains(MARK), "{}", house.log.text());
}

/// Unfinished work is kept, even if it is older than the retention time of events.
#[tokio::test]
async fn what_is_not_done_yet_is_kept_however_old_it_is() {
    let mut house = House::start().await;
    let wire = house.stage.salesforce.wire().clone();
    wire.fault(Fault { times: None, ..Fault::once("/composite/graph", html(503)) });
    let id = house.stage.goodays.customer_leaves(marked(MARK));
    house.stage.goodays.webhooks_sent().await;
    house.days_later(30).await;
    let pruning = || house.log.text().contains("the remote is left alone").then_some(());
    house.holds("it is tried again", pruning).await;
    assert!(!house.held(MARK).is_empty());
    wire.clear_faults();
    house.days_later(31).await;
    house.holds("its Case", || house.case(&id)).await;
}

/// What is parked waits for a human, but not for ever: its end is announced, and its words go from the disk.
#[tokio::test]
async fn what_nobody_decides_on_is_announced_and_then_dropped_with_its_words() {
    let mut house = House::start().await;
    house.signed(&json!({ "from": format!("{MARK}mail@customer.example"), "words": MARK }).to_string()).await;
    let no = refusal(400, &json!({ "message": "no", "code": "rude" }));
    house.stage.goodays.wire().fault(Fault { method: Some("PUT".to_owned()), ..Fault::once("/call", no) });
    let (_, case) = house.arrives(marked(MARK)).await;
    let note = json!({ "Status": "Closed by phone", "Goodays_Call_Note__c": format!("{MARK} was rude") });
    house.stage.salesforce.agent_updates_case(&case, note, "agent@brand.example").unwrap();
    let parked = |house: &House| now(house.stage.app().shared.parked(10)).unwrap().len();
    house.holds("both are parked", || (parked(&house) == 2).then_some(())).await;
    let kinds: Vec<_> =
        house.stage.app().shared.parked(1).await.unwrap().iter().map(|item| item.kind).collect();
    assert!(kinds.contains(&"event") && kinds.contains(&"action"), "many actions hide no event: {kinds:?}");
    house.rest().await;
    house.days_later(60).await;
    house.holds("the end is known", || house.stage.app().shared.parked_ends_ms.load().map(|_| ())).await;
    let status = |house: &House| format!("http://{}/status", house.stage.app().doors.admin_addr());
    let asked = alone(house.http.get(status(&house))).send().await.unwrap().json::<Value>().await.unwrap();
    assert_eq!(asked["state"]["parked_until"], Value::Null, "not yet");
    house.days_later(85).await;
    house.holds("the end is known", || house.stage.app().shared.parked_ends_ms.load().map(|_| ())).await;
    let asked = alone(house.http.get(status(&house))).send().await.unwrap().json::<Value>().await.unwrap();
    assert!(asked["state"]["parked_until"].is_string(), "{asked}");
    assert_eq!(parked(&house), 2);
    assert!(!house.on_disk(MARK).is_empty(), "the disk is searched in vain: the test shows nothing");
    house.days_later(91).await;
    house.holds("both are dropped", || (parked(&house) == 0).then_some(())).await;
    house.holds("nothing is on the disk", || house.on_disk(MARK).is_empty().then_some(())).await;
    assert!(house.log.text().contains("nobody decided within state.keep_parked"));
}

/// A machine that starts in the wrong year: nobody had the time to decide, so nothing is dropped.
#[tokio::test]
async fn b04_a_clock_far_ahead_of_both_remotes_drops_nothing() {
    let mut house = House::start().await;
    house.signed(&json!({ "words": MARK }).to_string()).await;
    let parked = |house: &House| now(house.stage.app().shared.parked(10)).unwrap().len();
    house.holds("it is parked", || (parked(&house) == 1).then_some(())).await;
    house.restarts_ahead(100).await;
    let ends = || house.stage.app().shared.parked_ends_ms.load().map(|_| ());
    house.holds("what is old was looked for", ends).await;
    assert_eq!(parked(&house), 1);
    house.goodays_clock.set(100 * DAY_MS);
    house.restarts_ahead(100).await;
    house.holds("it is dropped when the time has really come", || (parked(&house) == 0).then_some(())).await;
}

// --- forget

async fn forget(house: &House, email: &str) -> Value {
    let (status, said) = house.order("/forget", &json!({ "email": email }).to_string()).await;
    assert_eq!(status, 200, "{said}");
    serde_json::from_str(&said).unwrap()
}

#[tokio::test]
async fn a_person_is_forgotten_wherever_he_stands() {
    let house = House::start().await;
    conversation(&house).await;
    let (others, _) = house.arrives(marked(OTHER)).await;
    // An action that waits for a human, an unreadable event, and an event that waits for Salesforce.
    let (_, case) = house.arrives(marked(MARK)).await;
    let no = refusal(400, &json!({ "message": "no", "code": "rude" }));
    house.stage.goodays.wire().fault(Fault { method: Some("PUT".to_owned()), ..Fault::once("/call", no) });
    let note = json!({ "Status": "Closed by phone", "Goodays_Call_Note__c": format!("{MARK} was rude") });
    house.stage.salesforce.agent_updates_case(&case, note, "agent@brand.example").unwrap();
    let parked = || now(house.stage.app().shared.parked(10)).unwrap().pop();
    house.holds("the call is parked", parked).await;
    house.rest().await;
    house.signed(&json!({ "from": format!("{MARK}MAIL@customer.example"), "words": MARK }).to_string()).await;
    house.signed(&json!({ "from": format!("no{MARK}mail@customer.example") }).to_string()).await;
    house.stage.salesforce.wire().fault(Fault { times: None, ..Fault::once("/composite/graph", html(503)) });
    house.stage.goodays.customer_leaves(marked(MARK));
    house.stage.goodays.webhooks_sent().await;

    let done = forget(&house, &format!(" {}MAIL@customer.example ", MARK.to_uppercase())).await;
    assert_eq!(done["responses"], 4, "{done}");
    assert_eq!(done["in_flight"], 0, "{done}");
    let left = house.held(MARK);
    assert_eq!(left.len(), 1, "only the stranger's longer address may stay: {left:#?}");
    assert!(left[0].contains("nozq7mail"), "{left:#?}");
    assert!(!house.held(OTHER).is_empty(), "somebody else was forgotten");
    assert_eq!(house.on_disk(MARK), [""; 0]);
    assert!(!house.on_disk(OTHER).is_empty());

    house.stage.salesforce.wire().clear_faults();
    let cases = house.stage.salesforce.count("Case");
    for id in house.stage.goodays.response_ids() {
        let body = String::from_utf8(house.stage.goodays.event_body(&id, "response")).unwrap();
        house.signed(&body).await;
    }
    house
        .holds("the other one is read again", || {
            (house.stage.salesforce.count("Case") >= cases).then_some(())
        })
        .await;
    assert!(house.case(&others).is_some());
    let again = forget(&house, "nobody@customer.example").await;
    assert_eq!(again, json!({ "responses": 0, "events": 0, "actions": 0, "in_flight": 0 }));
    assert_eq!(house.order("/forget", r#"{"email": " "}"#).await.0, 400);
    let log = house.log.text();
    assert!(!log.to_lowercase().contains(MARK), "{log}");
}

#[tokio::test]
async fn who_is_forgotten_while_an_answer_is_on_its_way_receives_it_once() {
    let house = House::start().await;
    let (id, case) = house.arrives(marked(MARK)).await;
    let wire = house.stage.goodays.wire();
    wire.fault(Fault {
        method: Some("PUT".to_owned()),
        ..Fault::once("/reply", Act::HangAfter { ms: 3000 })
    });
    house.agent_says(&case, &format!("{MARK} an answer"));
    let received = || house.stage.goodays.received_by_customer(&id).len();
    house.holds("it is on its way", || (received() == 1).then_some(())).await;
    let mail = format!("{MARK}mail@customer.example");
    assert_eq!(forget(&house, &mail).await["in_flight"], 1);
    house.told(&id, "Sent: public reply").await;
    house.rest().await;
    assert_eq!(
        forget(&house, &mail).await,
        json!({ "responses": 1, "events": 0, "actions": 1, "in_flight": 0 })
    );
    assert_eq!((house.held(MARK), house.on_disk(MARK)), (Vec::new(), Vec::new()));
    assert_eq!(forget(&house, &mail).await["responses"], 0, "nothing leads to the response any more");
    // It is still recognised as our user's answer, and changes nothing.
    house.stage.goodays.send_event(&id, "response").await.unwrap();
    house.rest().await;
    assert_eq!(received(), 1);
    assert_eq!(house.stage.salesforce.comments_of(&case).len(), 1);
}

/// It was parked at the door: its response has no Case and no link.
#[tokio::test]
async fn an_event_too_large_to_read_is_forgotten_by_the_address_in_its_text() {
    let house = House::start().await;
    let large = |id: &str, mark: &str| {
        let mail = format!("{mark}Mail@customer.example");
        let response = json!({ "id": id, "from": mail, "content": mark, "extra": vec![0; 260_000] });
        json!({ "event_type": "response", "response": response }).to_string()
    };
    for (id, mark) in [("large", MARK), ("others", OTHER)] {
        assert_eq!(house.signed(&large(id, mark)).await.0, 200);
    }
    let codes: Vec<String> =
        house.stage.app().shared.parked(9).await.unwrap().into_iter().map(|item| item.reason_code).collect();
    assert_eq!(codes, ["too_large", "too_large"]);
    let done = forget(&house, &format!("{MARK}mail@customer.example")).await;
    assert_eq!(done, json!({ "responses": 1, "events": 1, "actions": 0, "in_flight": 0 }));
    assert_eq!((house.held(MARK), house.on_disk(MARK)), (Vec::new(), Vec::new()));
    assert!(!house.held(OTHER).is_empty(), "somebody else was forgotten");
}

// --- panics

const CHILD: &str = "PRIVATE_PANIC";

/// Not a test of its own (it ends at once unless the one below runs it): the child that panics over a text.
#[test]
fn child_of_the_panic_test() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    panics_without_words();
    let words = format!("{MARK}é");
    assert!(std::thread::spawn(move || words[..4].len()).join().is_err());
}

#[test]
fn a_panic_is_noted_by_its_place_alone() {
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "private::child_of_the_panic_test", "--nocapture"])
        .env(CHILD, "1")
        .env("RUST_BACKTRACE", "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stderr) + String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success(), "{said}");
    assert!(said.contains("panicked at") && said.contains("private.rs"), "{said}");
    assert!(!said.contains(MARK), "{said}");
}
