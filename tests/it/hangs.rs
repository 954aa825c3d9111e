//! Remotes that accept a call and never answer, stop in the middle, or send single bytes. A time limit ends the call,
//! its outcome is unknown, and nothing else waits for it.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use goodays_salesforce::clock::Clock;
use goodays_salesforce::goodays::ResponseId;
use goodays_salesforce::http::{Failure, TimeLimits, client};
use goodays_salesforce::salesforce::auth::Credentials;
use goodays_salesforce::salesforce::client::Meter;
use goodays_salesforce::sim::wire::{Act, Fault};
use goodays_salesforce::{goodays, salesforce};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::arena::{PATIENCE, Tuning, World, lane, quick};
use crate::now;

/// Long enough for every other call on a busy machine, and short enough for a test to wait.
const LIMIT: Duration = Duration::from_secs(2);
/// Longer than any test.
const FOR_EVER: u64 = 600_000;

/// How a remote does not answer.
#[derive(Debug, Clone, Copy)]
enum Silence {
    /// No byte is sent.
    Whole,
    /// The head and half of the announced body are sent.
    Half,
    /// Single bytes are sent without end: no single wait is long.
    Drip,
}

const SILENCES: [Silence; 3] = [Silence::Whole, Silence::Half, Silence::Drip];

/// A server that accepts every login and then does not answer, always in the same way. Returns its address.
async fn silent(silence: Silence, also_at_login: bool) -> url::Url {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = url::Url::parse(&format!("http://{}/", listener.local_addr().unwrap())).unwrap();
    let own = url.as_str().trim_end_matches('/').to_owned();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(treat(stream, silence, also_at_login, own.clone()));
        }
    });
    url
}

async fn treat(mut stream: TcpStream, silence: Silence, also_at_login: bool, own: String) {
    let mut some = [0; 4096];
    let read = stream.read(&mut some).await.unwrap_or_default();
    if !also_at_login && some[..read].starts_with(b"POST /services/oauth2/token") {
        let body = format!(
            r#"{{"access_token":"t","token_type":"Bearer","instance_url":"{own}","id":"https://login.salesforce.com/id/00Dx0000000BV7zEAG/005x00000012Q9PAAU"}}"#
        );
        let answer = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        let _ = stream.write_all(answer.as_bytes()).await;
        return;
    }
    let head =
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100000\r\n\r\n{\"id\": \"r\"";
    if !matches!(silence, Silence::Whole) && stream.write_all(head).await.is_err() {
        return;
    }
    let mut ticks = tokio::time::interval(Duration::from_millis(20));
    while matches!(silence, Silence::Drip) && stream.write_all(b" ").await.is_ok() {
        ticks.tick().await;
    }
    // Waits until the client closes the connection.
    while stream.read(&mut some).await.is_ok_and(|read| read > 0) {}
}

/// Asserts that the call ends without an answer, after its limit and not after the longer ones.
async fn ends<T: std::fmt::Debug>(what: &str, call: impl Future<Output = Result<T, Failure>>) {
    let began = Instant::now();
    let failure = call.await.unwrap_err();
    assert!(matches!(failure, Failure::NoAnswer(_)), "{what}: {failure:?}");
    assert!(began.elapsed() >= SHORT, "{what}: {:?}", began.elapsed());
}

const SHORT: Duration = Duration::from_millis(300);
/// A call with the wrong limit would not end within the test.
const LONG: Duration = Duration::from_secs(86_400);
const UNLIMITED: TimeLimits =
    TimeLimits { salesforce_write: LONG, salesforce_read: LONG, login: LONG, goodays: LONG };

fn salesforce(url: url::Url, limits: TimeLimits) -> salesforce::client::Client {
    let credentials = Credentials::ClientCredentials { client_id: "k".into(), client_secret: "s".into() };
    let meter = Arc::new(Meter::new());
    meter.grant(10);
    let http = client(limits.salesforce_write);
    salesforce::client::Client::new(url, "66.0".into(), credentials, http, meter, Clock::System)
        .with_limits(limits)
}

#[tokio::test]
async fn every_call_to_goodays_has_an_end() {
    join_all(SILENCES.map(|silence| async move {
        let url = silent(silence, false).await;
        let goodays = goodays::client::Client::new(url, || "t".into(), client(SHORT));
        let id = ResponseId::new("r").unwrap();
        let close = goodays::action::Action::Close { remark_type: None, user: None };
        ends(&format!("a PUT, {silence:?}"), async {
            // Only the status counts, but a body without end is still no answer.
            goodays.act(&id, &close).await
        })
        .await;
        ends(&format!("a GET, {silence:?}"), goodays.response(&id)).await;
    }))
    .await;
}

#[tokio::test]
async fn every_call_to_salesforce_has_an_end_of_its_own() {
    join_all(SILENCES.map(|silence| async move {
        let reads = TimeLimits { salesforce_read: SHORT, ..UNLIMITED };
        let reading = salesforce(silent(silence, false).await, reads);
        ends(&format!("a query, {silence:?}"), reading.query("SELECT Id FROM Case")).await;
        let asked = [salesforce::client::Asked::Current("SELECT Id FROM Case".to_owned())];
        ends(&format!("queries, {silence:?}"), reading.pages(&asked)).await;
        let writes = TimeLimits { salesforce_write: SHORT, ..UNLIMITED };
        let writing = salesforce(silent(silence, false).await, writes);
        ends(&format!("a write, {silence:?}"), writing.graphs(&[])).await;
        let logins = TimeLimits { login: SHORT, ..UNLIMITED };
        let outside = salesforce(silent(silence, true).await, logins);
        ends(&format!("a login, {silence:?}"), outside.session()).await;
    }))
    .await;
}

fn past_the_limit() -> [Act; 3] {
    [Act::HangBefore { ms: FOR_EVER }, Act::HangAfter { ms: FOR_EVER }, Act::Stall { ms: FOR_EVER }]
}

fn limited(calls: TimeLimits) -> Tuning {
    let mut tuning = quick();
    tuning.knobs.calls = calls;
    tuning
}

#[tokio::test]
async fn a_write_that_hangs_past_its_limit_is_read_back_and_counts_once() {
    join_all(past_the_limit().map(|act| async move {
        let mut world =
            World::with(limited(TimeLimits { salesforce_write: LIMIT, ..TimeLimits::default() })).await;
        let (id, case) = world.answered().await;
        world.graph_fault(act.clone());
        let first = world.customer_writes(&id);
        world
            .holds("the comment", || world.comments(&case).iter().find(|c| c.contains(&first)).cloned())
            .await;
        let new = world.leaves();
        world.case(&new).await;
        world.quiet().await;
        world.laws_hold().await;
        assert!(world.stage.salesforce.wire().faults().is_empty(), "{act:?} was not met");
    }))
    .await;
}

#[tokio::test]
async fn an_answer_that_hangs_past_its_limit_is_read_back_and_arrives_once() {
    join_all(past_the_limit().map(|act| async move {
        let mut world = World::with(limited(TimeLimits { goodays: LIMIT, ..TimeLimits::default() })).await;
        let (id, case) = world.answered().await;
        world.customer_writes(&id);
        world.quiet().await;
        // This shows that the account takes `message` away with each message.
        let first = world.agent_answers(&case);
        world.receives(&id, &first).await;
        world.quiet().await;
        world.customer_writes(&id);
        world.quiet().await;
        world.goodays_fault("message", act.clone());
        let text = world.agent_answers(&case);
        world.receives(&id, &text).await;
        world.quiet().await;
        world.laws_hold().await;
        assert_eq!(world.parked().await, [], "{act:?}");
        assert!(world.stage.goodays.wire().faults().is_empty(), "{act:?} was not met");
    }))
    .await;
}

#[tokio::test]
async fn a_poll_that_hangs_past_its_limit_misses_nothing() {
    let mut world =
        World::with(limited(TimeLimits { salesforce_read: LIMIT, ..TimeLimits::default() })).await;
    let (id, case) = world.arrives().await;
    let poll = Fault::once("/composite?", Act::Stall { ms: FOR_EVER });
    world.stage.salesforce.wire().fault(Fault { body_contains: Some("CaseComment".to_owned()), ..poll });
    let text = world.agent_answers(&case);
    world.receives(&id, &text).await;
    world.quiet().await;
    world.laws_hold().await;
    assert!(world.stage.salesforce.wire().faults().is_empty(), "the poll was not met");
}

#[tokio::test]
async fn a_login_that_hangs_closes_no_door_and_is_tried_again() {
    let mut world = World::with(limited(TimeLimits { login: LIMIT, ..TimeLimits::default() })).await;
    world.stage.stop_daemon().await;
    world.stage.salesforce.wire().fault(Fault::once("/oauth2/token", Act::HangBefore { ms: FOR_EVER }));
    world.stage.start_daemon().await.unwrap();
    let id = world.leaves();
    world.stage.goodays.webhooks_sent().await;
    assert_eq!(world.stage.goodays.webhook_log().last().unwrap().status, Some(200));
    world.holds("it is told", || world.salesforce_trouble()).await;
    assert_eq!(world.salesforce_trouble().as_deref(), Some("no_answer"));
    world.case(&id).await;
    world.quiet().await;
    world.laws_hold().await;
}

/// One write and one action hang for as long as the real limits allow.
async fn hanging(world: &mut World) -> (String, String) {
    let (id, case) = world.answered().await;
    world.customer_writes(&id);
    world.quiet().await;
    world.goodays_fault("message", Act::HangAfter { ms: FOR_EVER });
    let text = world.agent_answers(&case);
    world.receives(&id, &text).await;
    world.graph_fault(Act::HangAfter { ms: FOR_EVER });
    let other = world.leaves();
    world.case(&other).await;
    (id, other)
}

#[tokio::test]
async fn what_hangs_holds_up_nobody_else() {
    let mut world = World::start().await;
    let (_, hangs) = hanging(&mut world).await;
    for _ in 0..3 {
        let id = loop {
            let id = world.leaves();
            if lane(&id) != lane(&hangs) {
                break id;
            }
        };
        let case = world.case(&id).await;
        let text = world.agent_answers(&case);
        world.receives(&id, &text).await;
    }
    assert_eq!(world.stage.salesforce.wire().under_way("POST", "/composite/graph"), 1);
    assert_eq!(world.stage.goodays.wire().under_way("PUT", "/message"), 1);
    assert!(world.stage.stop_daemon().await);
}

#[tokio::test]
async fn a_stop_does_not_wait_for_what_hangs_and_the_next_start_settles_it() {
    let mut world = World::start().await;
    let (id, _) = hanging(&mut world).await;
    let began = Instant::now();
    assert!(world.stage.stop_daemon().await, "the stop was not clean");
    assert!(began.elapsed() < PATIENCE / 2, "{:?}", began.elapsed());
    world.stage.start_daemon().await.unwrap();
    world.quiet().await;
    world.laws_hold().await;
    assert_eq!(world.received(&id).len(), 2);
    assert_eq!(world.parked().await, []);
}

/// A world in which calls to Goodays do not time out.
async fn patient() -> World {
    World::with(limited(TimeLimits { goodays: LONG, ..TimeLimits::default() })).await
}

#[tokio::test]
async fn an_answer_that_hangs_holds_up_no_other_and_is_overtaken_by_none_of_its_own() {
    let mut world = patient().await;
    let (hangs, its_case) = world.answered().await;
    world.customer_writes(&hangs);
    world.quiet().await;
    world.goodays_fault("message", Act::HangAfter { ms: FOR_EVER });
    let first = world.agent_answers(&its_case);
    world.receives(&hangs, &first).await;
    // Goodays accepts another answer, and its webhook has settled the one that hangs.
    world.customer_writes(&hangs);
    let second = world.agent_answers(&its_case);

    let mut others = Vec::new();
    for _ in 0..3 {
        let (id, case) = world.arrives().await;
        let text = world.agent_answers(&case);
        world.receives(&id, &text).await;
        others.push(id);
    }
    for id in others {
        let told = || {
            world.stage.salesforce.case_by_key(&id).unwrap()["Goodays_Sync_Status__c"] == "Sent: public reply"
        };
        world.holds("the Case tells it", || told().then_some(())).await;
    }
    assert_eq!(world.stage.goodays.wire().under_way("PUT", "/message"), 1);
    assert_eq!(world.puts("/message"), 1, "nothing overtakes it");

    assert!(world.stage.stop_daemon().await);
    world.stage.start_daemon().await.unwrap();
    world.receives(&hangs, &second).await;
    world.quiet().await;
    world.laws_hold().await;
    assert_eq!(world.received(&hangs)[1..], [first, second]);
    assert_eq!(world.parked().await, []);
}

#[tokio::test]
async fn the_look_up_of_an_agent_that_hangs_holds_up_no_other_agent() {
    let mut world = patient().await;
    let (_, known) = world.arrives().await;
    let look_up = Fault::once("another.agent@", Act::HangBefore { ms: FOR_EVER });
    world.stage.goodays.wire().fault(look_up);
    let salesforce = &world.stage.salesforce;
    salesforce.agent_comments(&known, "Good morning.", true, "another.agent@brand.example").unwrap();
    let hangs = |world: &World| world.stage.goodays.wire().under_way("GET", "/users");
    world.holds("the look-up hangs", || (hangs(&world) == 1).then_some(())).await;
    let (id, case) = world.arrives().await;
    let text = world.agent_answers(&case);
    world.receives(&id, &text).await;
    assert_eq!(hangs(&world), 1);
    assert!(world.stage.stop_daemon().await);
}

async fn hanging_replies(world: &World, count: usize) {
    let under_way = || world.stage.goodays.wire().under_way("PUT", "/reply");
    world.holds("replies hang", || (under_way() == count).then_some(())).await;
}

#[tokio::test]
async fn at_most_five_answers_are_under_way_and_the_others_wait() {
    const PLACES: usize = 5;
    let mut world = patient().await;
    for _ in 0..PLACES {
        world.goodays_fault("reply", Act::HangBefore { ms: FOR_EVER });
    }
    let mut cases = Vec::new();
    for _ in 0..PLACES + 2 {
        cases.push(world.arrives().await);
    }
    let (together, later) = cases.split_at(3);
    for (_, case) in together {
        world.agent_answers(case);
    }
    hanging_replies(&world, 3).await;
    for (_, case) in later {
        world.agent_answers(case);
    }
    hanging_replies(&world, PLACES).await;
    let store = &world.stage.app().shared.store;
    let open = || now(store.all_open_intents()).unwrap().len();
    world.holds("all are noted", || (open() == cases.len()).then_some(())).await;
    world.polled().await;
    assert_eq!(world.puts("/reply"), PLACES, "the sixth waits");

    assert!(world.stage.stop_daemon().await);
    world.stage.start_daemon().await.unwrap();
    world.quiet().await;
    world.laws_hold().await;
    assert!(cases.iter().all(|(id, _)| world.received(id).len() == 1));
    assert_eq!(world.parked().await, []);
}
