use std::time::Duration;

use futures_util::future::{join, join_all};
use goodays_salesforce::goodays::signature::{HEADER, sign};
use goodays_salesforce::web::{Doors, Limits};
use reqwest::StatusCode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_util::sync::CancellationToken;

use super::{Plan, SECRET, answered, event, hear, house, say};

const SMALL: &str = "listen: '127.0.0.1:0', max_body_bytes: 16384";

/// Short enough for a test to wait.
const SHORT: Duration = Duration::from_millis(50);

fn with(limits: Limits) -> Plan {
    Plan { limits, server: SMALL, ..Plan::default() }
}

/// The head of a post with a body of this length, and a signature that may be valid.
fn head(length: usize, more: &str) -> String {
    let more = if more.contains(HEADER) { more.to_owned() } else { format!("{}{more}", forged()) };
    format!("POST /webhooks/goodays HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n{more}\r\n")
}

/// A header that looks like a signature. Only the body's bytes show that it is wrong.
fn forged() -> String {
    format!("{HEADER}: {}\r\n", "0".repeat(64))
}

#[tokio::test]
async fn a_body_that_is_too_long_is_refused_however_it_comes() {
    let house = with(Limits::default()).build().await;
    let (status, _) = house.post(vec![b' '; 16385]).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE, "by its declared length");

    let chunk = format!("1000\r\n{}\r\n", " ".repeat(0x1000)).repeat(5);
    let chunked = format!(
        "POST /webhooks/goodays HTTP/1.1\r\nhost: x\r\n{}transfer-encoding: chunked\r\n\r\n{chunk}0\r\n\r\n",
        forged()
    );
    let said = hear(&mut say(&house, &chunked).await).await;
    assert!(said.starts_with("HTTP/1.1 413"), "{said}");

    let asks_first = head(99_999_999_999, "expect: 100-continue\r\n");
    let said = hear(&mut say(&house, &asks_first).await).await;
    assert!(said.starts_with("HTTP/1.1 413"), "{said}");
    assert_eq!(house.counted("too_long").await, 3);

    let (status, _) = house.post(format!("{:16384}", event("r1"))).await;
    assert_eq!(status, StatusCode::OK, "the longest that is allowed");
}

#[tokio::test]
async fn who_sends_too_much_is_heard_out_before_the_answer() {
    let house = with(Limits::default()).build().await;
    let mut stream = say(&house, &head(40_000, "")).await;
    stream.write_all(&vec![b' '; 20_000]).await.unwrap();
    let mut first = [0; 12];
    let early = tokio::time::timeout(SHORT, stream.read(&mut first)).await;
    assert!(early.is_err(), "a cut connection would hide the answer from one that is still sending");
    stream.write_all(&vec![b' '; 20_000]).await.unwrap();
    let said = hear(&mut stream).await;
    assert!(said.starts_with("HTTP/1.1 413"), "{said}");
}

#[tokio::test]
async fn a_body_without_end_is_not_read_for_ever() {
    let house = with(Limits { linger: SHORT, ..Limits::default() }).build().await;
    let mut stream = say(&house, &head(99_999_999_999, "")).await;
    let said = hear(&mut stream).await;
    assert!(said.starts_with("HTTP/1.1 413"), "{said}");
}

#[tokio::test]
async fn slow_heads_and_slow_bodies_are_cut() {
    let house = with(Limits { head_time: SHORT, body_time: SHORT, ..Limits::default() }).build().await;
    let said = hear(&mut say(&house, "POST /webhooks/goodays HTTP/1.1\r\nhost:").await).await;
    assert!(!said.contains("200"), "{said}");
    assert_eq!(hear(&mut say(&house, "").await).await, "", "one that says nothing");
    let said = hear(&mut say(&house, &format!("{}{{\"a", head(100, ""))).await).await;
    assert!(said.starts_with("HTTP/1.1 408"), "{said}");
    assert_eq!(house.counted("too_slow").await, 1);
}

#[tokio::test]
async fn heads_have_a_measure() {
    let house = house().await;
    let many = "x: y\r\n".repeat(100);
    let said = hear(&mut say(&house, &head(0, &many)).await).await;
    assert!(said.starts_with("HTTP/1.1 431"), "{said}");
    let long = format!("x: {}\r\n", "y".repeat(100_000));
    let said = hear(&mut say(&house, &head(0, &long)).await).await;
    assert!(said.is_empty() || said.starts_with("HTTP/1.1 431"), "{said}");
}

/// More half-open connections, slow heads and bodies that never arrive than there is room for.
#[tokio::test]
async fn d08_over_the_limit_who_has_shown_nothing_leaves_for_a_new_one() {
    let house = with(Limits { webhook_connections: 8, ..Limits::default() }).build().await;
    let heads = [String::new(), "POST /webhooks/goodays HTTP/1.1\r\nx: y".to_owned(), head(1000, "")];
    let mut silent = Vec::new();
    for round in 0..20 {
        for head in &heads {
            silent.push(say(&house, head).await);
        }
        let (status, _) = house.post(event(&format!("r{round}"))).await;
        assert_eq!(status, StatusCode::OK);
    }
    assert_eq!(hear(&mut silent[0]).await, "", "the first one was cut");
    assert_eq!(answered(house.get("/health/live")).await.0, StatusCode::OK);
    assert_eq!(house.counted("accepted").await, 20);
}

#[tokio::test]
async fn d08_without_a_signature_the_answer_comes_before_the_body() {
    let house = house().await;
    for signature in
        ["", "x-hmac-sha256: \r\n", "x-hmac-sha256: abc\r\n", "x-hmac-sha256: zz\r\nexpect: 100-continue\r\n"]
    {
        let head = format!(
            "POST /webhooks/goodays HTTP/1.1\r\nhost: x\r\ncontent-length: 8000000\r\n{signature}\r\n"
        );
        let mut stream = say(&house, &head).await;
        let mut status = [0; 12];
        stream.read_exact(&mut status).await.unwrap();
        assert_eq!(&status, b"HTTP/1.1 401", "{signature}");
    }
    assert_eq!(house.counted("unsigned").await, 4);
}

/// A forged signature is detected only at the end of a body. Many such bodies at once take no room from others.
#[tokio::test]
async fn d08_bodies_that_nobody_verified_give_way() {
    let limits = Limits { bodies: 40_000, ..Limits::default() };
    let house = with(limits).build().await;
    let mut stuck = Vec::new();
    for _ in 0..6 {
        let mut stream = say(&house, &head(16_000, "expect: 100-continue\r\n")).await;
        let mut go_on = [0; 25];
        stream.read_exact(&mut go_on).await.unwrap();
        stream.write_all(&[b' '; 15_000]).await.unwrap();
        stuck.push(stream);
    }
    for n in 0..20 {
        let (status, said) = house.post(format!("{:16000}", event(&format!("r{n}")))).await;
        assert_eq!((status, &said["status"]), (StatusCode::OK, &serde_json::json!("accepted")));
    }
}

/// A connection that sends requests at full speed: each refusal closes it, and above a rate its answers are delayed.
#[tokio::test]
async fn d08_refusals_beyond_a_measure_wait_and_genuine_webhooks_do_not() {
    let house = house().await;
    let unsigned = || answered(house.hook().body("{}"));
    for _ in 0..100 {
        assert_eq!(unsigned().await.0, StatusCode::UNAUTHORIZED);
    }
    let flood = join_all((0..50).map(|_| unsigned()));
    let genuine = async {
        for n in 0..20 {
            assert_eq!(house.post(event(&format!("r{n}"))).await.0, StatusCode::OK);
        }
    };
    let (refused, ()) = join(flood, genuine).await;
    assert!(refused.iter().all(|(status, _)| *status == StatusCode::UNAUTHORIZED));
    assert_eq!(house.counted("accepted").await, 20);
}

#[tokio::test]
async fn closing_waits_for_what_is_in_flight() {
    let house = house().await;
    let body = event("r1");
    let signature =
        format!("{HEADER}: {}\r\nexpect: 100-continue\r\n", sign(body.as_bytes(), &SECRET.into()));
    let mut stream = say(&house, &head(body.len(), &signature)).await;
    let mut go_on = [0; 25];
    stream.read_exact(&mut go_on).await.unwrap();
    let address = house.doors.webhook_addr();
    let closing = tokio::spawn(house.doors.close());
    while tokio::net::TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    stream.write_all(body.as_bytes()).await.unwrap();
    let said = hear(&mut stream).await;
    assert!(said.starts_with("HTTP/1.1 200") && said.ends_with(r#"{"status":"accepted"}"#), "{said}");
    closing.await.unwrap();
    assert_eq!(house.shared.store.counters().await.unwrap().pending, 1);
}

#[tokio::test]
async fn closing_does_not_wait_for_ever() {
    let house = with(Limits { stop: SHORT, ..Limits::default() }).build().await;
    let mut stream = say(&house, &head(100, "expect: 100-continue\r\n")).await;
    let mut go_on = [0; 25];
    stream.read_exact(&mut go_on).await.unwrap();
    house.doors.close().await;
    assert_eq!(hear(&mut stream).await, "");
}

#[tokio::test]
async fn a_cancelled_token_closes_both_doors() {
    let dir = tempfile::tempdir().unwrap();
    let token = CancellationToken::new();
    let doors = Doors::open(Plan::default().shared(dir.path()).await, token.clone()).await.unwrap();
    let (webhook, admin) = (doors.webhook_addr(), doors.admin_addr());
    token.cancel();
    doors.close().await;
    assert!(tokio::net::TcpStream::connect(webhook).await.is_err());
    assert!(tokio::net::TcpStream::connect(admin).await.is_err());
}

#[tokio::test]
async fn a_taken_port_is_told_with_its_key() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let admin: &'static str = format!("listen: '{address}'").leak();
    let shared = Plan { admin, ..Plan::default() }.shared(dir.path()).await;
    let Err(refused) = Doors::open(shared, CancellationToken::new()).await else { panic!("it is open") };
    let words = refused.to_string();
    for word in [address.to_string().as_str(), "`admin.listen` in connector.yaml", "address in use"] {
        assert!(words.contains(word), "{words}");
    }
}
