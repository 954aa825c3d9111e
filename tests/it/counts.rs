//! Exact counts of what costs: Salesforce calls and syncs of the disk. Ratios of time are for the benches.

use std::time::Duration;

use futures_util::future::join_all;
use goodays_salesforce::demo::stage::{Stage, Tuning, until};
use goodays_salesforce::goodays::event::peek_response_id;
use goodays_salesforce::http::Failure;
use goodays_salesforce::sim::goodays::Feedback;

const PATIENCE: Duration = Duration::from_secs(60);
const LANES: usize = 2;

/// Both remotes and a daemon after its first contact. It polls once, and then not for an hour.
async fn stage() -> Stage {
    let stage = Stage::start(Tuning { poll_ms: 3_600_000, ..Tuning::default() }).await.expect("a stage");
    polled(&stage).await;
    stage
}

/// Waits until the first poll since the daemon's start is completed.
async fn polled(stage: &Stage) {
    let last = || *stage.app().shared.poll_state.last_completed_ms.load_full();
    until(PATIENCE, last).await.expect("a poll is completed");
}

/// Simulates an outage of Salesforce. It lasts until the test ends it.
fn close(stage: &Stage) {
    let shared = &stage.app().shared;
    let hour = Some(Duration::from_secs(3600));
    let failure = Failure::Busy { reason: "outage".to_owned(), retry_after: hour, daily_limit: false };
    shared.salesforce_breaker.failed(&failure, shared.clock.now_ms());
}

fn open(stage: &Stage) {
    let shared = &stage.app().shared;
    shared.salesforce_breaker.succeeded(shared.clock.now_ms());
    shared.wake_all();
}

/// Events of `count` new conversations, as bytes.
fn bodies(stage: &Stage, count: usize) -> Vec<Vec<u8>> {
    stage.goodays.pause_webhooks(true);
    let leaves = |_| stage.goodays.customer_leaves(Feedback::default());
    (0..count).map(leaves).map(|id| stage.goodays.event_body(&id, "response")).collect()
}

/// Posts a webhook. Returns the status word of the answer.
async fn post(stage: &Stage, client: &reqwest::Client, body: &[u8]) -> String {
    let url = format!("http://{}/webhooks/goodays", stage.webhook_addr());
    let signature = stage.goodays.sign(body).expect("the stage has a secret");
    let request = client.post(url).header("X-HMAC-SHA256", signature).body(body.to_vec());
    let answer = request.send().await.expect("an answer");
    assert_eq!(answer.status(), 200);
    let said: serde_json::Value = answer.json().await.expect("JSON");
    said["status"].as_str().expect("a status").to_owned()
}

async fn post_all(stage: &Stage, bodies: &[Vec<u8>], at_once: usize) -> Vec<String> {
    let client = goodays_salesforce::http::client(Duration::from_secs(30));
    let mut said = Vec::new();
    for group in bodies.chunks(at_once) {
        said.extend(join_all(group.iter().map(|body| post(stage, &client, body))).await);
    }
    said
}

fn cases(stage: &Stage) -> usize {
    stage.salesforce.count("Case")
}

async fn cases_are(stage: &Stage, count: usize) {
    let enough = || (cases(stage) >= count).then_some(());
    until(PATIENCE, enough).await.unwrap_or_else(|| panic!("{} of {count} Cases", cases(stage)));
    assert_eq!(cases(stage), count);
}

/// The number of requests that the simulated org has answered at a path since the log was cleared.
fn requests(stage: &Stage, path: &str) -> usize {
    let seen = stage.salesforce.wire().requests();
    seen.iter().filter(|seen| seen.status != 0 && seen.path.ends_with(path)).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backlog_takes_one_call_for_75_conversations_of_a_lane() {
    const EVENTS: usize = 500;
    let stage = stage().await;
    close(&stage);
    let bodies = bodies(&stage, EVENTS);
    assert!(post_all(&stage, &bodies, 50).await.iter().all(|said| said == "accepted"));
    assert_eq!(cases(&stage), 0);
    let before = stage.salesforce.api_calls();
    open(&stage);
    cases_are(&stage, EVENTS).await;
    let calls = stage.salesforce.api_calls() - before;
    // Full calls, and for each lane one that is not full.
    let most = (EVENTS / 75 + LANES) as u64;
    assert!(calls <= most, "{calls} calls for {EVENTS} events, at most {most}");
    assert!(calls * 50 <= EVENTS as u64, "{calls} calls for {EVENTS} events are more than 0.02 each");
}

/// A stage whose daemon looks for the customer's Contact.
async fn matching() -> Stage {
    let tuning = Tuning { poll_ms: 3_600_000, ..Tuning::default() };
    let mut stage = Stage::set(tuning).await.expect("a stage");
    let case = stage.dir.path().join("mappings/case.yaml");
    let text = std::fs::read_to_string(&case).expect("the shipped one");
    let text = format!("{text}\nmatch: {{ email: {{ from: response.user.email }} }}\n");
    std::fs::write(case, text).expect("a folder of its own");
    stage.start_daemon().await.expect("a daemon");
    polled(&stage).await;
    stage
}

fn contact(stage: &Stage, email: &str) {
    let fields = serde_json::json!({ "LastName": "Copperpot", "Email": email });
    stage.salesforce.create_record("Contact", fields).expect("a Contact");
}

/// Events of customers with these addresses.
fn bodies_of(stage: &Stage, emails: &[String]) -> Vec<Vec<u8>> {
    stage.goodays.pause_webhooks(true);
    let of = |email: &String| Feedback { email: Some(email.clone()), ..Feedback::default() };
    let ids = emails.iter().map(|email| stage.goodays.customer_leaves(of(email)));
    ids.map(|id| stage.goodays.event_body(&id, "response")).collect()
}

/// How many Cases have a Contact.
fn matched(stage: &Stage) -> usize {
    stage.salesforce.records("Case").iter().filter(|case| !case["ContactId"].is_null()).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_customers_of_all_cases_of_a_call_are_one_query() {
    const EVENTS: usize = 300;
    let stage = matching().await;
    let emails: Vec<String> = (0..EVENTS).map(|n| format!("customer.{n}@brand.example")).collect();
    emails.iter().step_by(2).for_each(|email| contact(&stage, email));
    close(&stage);
    let bodies = bodies_of(&stage, &emails);
    post_all(&stage, &bodies, 50).await;
    stage.salesforce.wire().clear_requests();
    let before = stage.salesforce.api_calls();
    open(&stage);
    cases_are(&stage, EVENTS).await;
    assert_eq!(matched(&stage), EVENTS / 2);
    let (queries, writes) = (requests(&stage, "/query"), requests(&stage, "/composite/graph"));
    assert_eq!(queries, writes, "one query for each call that writes");
    assert!(writes <= EVENTS / 75 + LANES, "{writes} calls for {EVENTS} events");
    assert_eq!(stage.salesforce.api_calls() - before, (queries + writes) as u64);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_on_thousands_of_contacts_hides_no_other() {
    let stage = matching().await;
    (0..2100).for_each(|_| contact(&stage, "shared@brand.example"));
    let email = |n: usize| match n % 2 {
        0 => "shared@brand.example".to_owned(),
        _ => format!("customer.{n}@brand.example"),
    };
    let emails: Vec<String> = (0..20).map(email).collect();
    emails.iter().skip(1).step_by(2).for_each(|email| contact(&stage, email));
    close(&stage);
    let bodies = bodies_of(&stage, &emails);
    post_all(&stage, &bodies, 20).await;
    stage.salesforce.wire().clear_requests();
    open(&stage);
    cases_are(&stage, 20).await;
    assert_eq!(matched(&stage), 10);
    // The first answer of each call was cut, the second is about the others only.
    assert_eq!(requests(&stage, "/query"), 2 * requests(&stage, "/composite/graph"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_after_the_other_each_event_takes_one_call_and_a_duplicate_none() {
    const EVENTS: usize = 50;
    let stage = stage().await;
    let bodies = bodies(&stage, EVENTS + 1);
    let before = stage.salesforce.api_calls();
    for (index, body) in bodies[..EVENTS].iter().enumerate() {
        assert_eq!(post_all(&stage, std::slice::from_ref(body), 1).await, ["accepted"]);
        cases_are(&stage, index + 1).await;
    }
    assert_eq!(stage.salesforce.api_calls() - before, EVENTS as u64);

    let again = post_all(&stage, &bodies[..EVENTS], 10).await;
    assert!(again.iter().all(|said| said == "duplicate"), "{again:?}");
    // Only later events are written.
    post_all(&stage, &bodies[EVENTS..], 1).await;
    cases_are(&stage, EVENTS + 1).await;
    assert_eq!(stage.salesforce.api_calls() - before, EVENTS as u64 + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_poll_with_nothing_new_is_one_call_at_any_number_of_cases() {
    let stage = &mut stage().await;
    let bodies = bodies(stage, 100);
    post_all(stage, &bodies, 50).await;
    cases_are(stage, 100).await;
    stage.stop_daemon().await;
    stage.tuning.poll_ms = 50;
    stage.start_daemon().await.unwrap();
    // The first poll reads our writes back. Known rows change nothing.
    polled(stage).await;
    let calls = stage.salesforce.api_calls();
    stage.salesforce.wire().clear_requests();
    let polls = || (requests(stage, "/composite") >= 5).then_some(());
    until(PATIENCE, polls).await.expect("five polls");
    stage.stop_daemon().await;
    let asked = stage.salesforce.wire().requests();
    assert!(asked.iter().all(|seen| seen.path.ends_with("/composite")), "only polls");
    // A poll during the clearing of the log may be counted but not logged.
    let calls = stage.salesforce.api_calls() - calls;
    let noted = asked.len() as u64;
    assert!(calls == noted || calls == noted + 1, "{calls} calls for {noted} polls");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_all_actions_of_one_poll_have_to_tell_is_one_write() {
    const ANSWERS: usize = 20;
    let mut stage = stage().await;
    let bodies = bodies(&stage, ANSWERS);
    post_all(&stage, &bodies, ANSWERS).await;
    cases_are(&stage, ANSWERS).await;
    // One poll sees all answers.
    stage.stop_daemon().await;
    for id in stage.goodays.response_ids() {
        stage.salesforce.agent_comments(&id, "Thank you.", true, "agent@brand.example").unwrap();
    }
    stage.salesforce.wire().clear_requests();
    stage.start_daemon().await.unwrap();
    let told = || {
        let all = stage.salesforce.records("Case");
        all.iter().all(|case| case["Goodays_Sync_Status__c"] == "sent").then_some(())
    };
    until(PATIENCE, told).await.expect("every answer is told on its Case");
    // Work in progress ends first.
    stage.stop_daemon().await;
    let writes = requests(&stage, "/composite/graph");
    assert_eq!(writes, 1, "{writes} calls tell of {ANSWERS} answers");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn webhooks_of_one_moment_share_syncs_and_each_waits_for_one() {
    const EVENTS: usize = 64;
    let stage = stage().await;
    close(&stage);
    let bodies = bodies(&stage, EVENTS + 1);
    let store = &stage.app().shared.store;
    let before = store.commits();
    post_all(&stage, &bodies[..1], 1).await;
    assert_eq!(store.commits() - before, 1, "one event alone is one sync");
    post_all(&stage, &bodies[..1], 1).await;
    assert_eq!(store.commits() - before, 1, "what is on disk already is not synced again");
    let before = store.commits();
    for body in &bodies[1..] {
        let event = serde_json::from_slice(body).unwrap();
        let id = peek_response_id(&event).map_err(|e| e.to_string());
        store.accept(body, "response", &id, 0).await.unwrap();
    }
    // Written before, so that all waiters wait at the same moment, even on a busy machine.
    for durable in join_all((0..EVENTS).map(|_| store.durable())).await {
        durable.unwrap();
    }
    let syncs = store.commits() - before;
    assert!(syncs >= 1 && syncs * 4 <= EVENTS as u64, "{syncs} syncs for {EVENTS} webhooks");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_written_event_takes_two_syncs_one_before_the_answer_and_one_before_the_call() {
    const EVENTS: u64 = 10;
    let stage = stage().await;
    let bodies = bodies(&stage, 10);
    let store = &stage.app().shared.store;
    let before = store.commits();
    for (index, body) in bodies.iter().enumerate() {
        post_all(&stage, std::slice::from_ref(body), 1).await;
        cases_are(&stage, index + 1).await;
    }
    // The budget reserves its calls on disk in blocks of 50.
    let syncs = store.commits() - before;
    assert!((2 * EVENTS..=2 * EVENTS + 1).contains(&syncs), "{syncs} syncs for {EVENTS} events");
}
