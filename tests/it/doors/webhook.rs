use std::sync::{Arc, Mutex};

use futures_util::future::join_all;
use goodays_salesforce::goodays::ResponseId;
use goodays_salesforce::goodays::signature::{HEADER, sign};
use goodays_salesforce::state::{Fault, RKey, Settings, Store};
use reqwest::{Method, StatusCode};
use serde_json::json;

use super::{House, PATH, Plan, SECRET, answered, event, fixture, house};

#[tokio::test]
async fn the_pages_own_vector_is_believed() {
    let house = house().await;
    let body = "{\r\n    \"event_type\": \"response\"\r\n}";
    let signature = "bcf95bdaa6dae4e97a44eb8d65273d3c5459f9a258b68c26f10d6cc69b359b51";
    let sent = house.hook().header("X-HMAC-SHA256", signature).body(body);
    let (status, said) = answered(sent).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(said, json!({ "status": "parked", "reason": "response is missing or no object" }));
}

#[tokio::test]
async fn nothing_comes_in_without_a_good_signature() {
    let house = house().await;
    let body = event("r1");
    let good = sign(body.as_bytes(), &SECRET.into());
    let other = sign(b"another body", &SECRET.into());
    let foreign = sign(body.as_bytes(), &"guess".into());
    for given in [None, Some(""), Some("x"), Some(&good[1..]), Some(&other), Some(&foreign)] {
        let request = given.iter().fold(house.hook(), |r, given| r.header(HEADER, *given));
        let (status, said) = answered(request.body(body.clone())).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{given:?}");
        assert_eq!(said, json!({ "error": "signature missing or wrong" }));
    }
    // The body is not parsed before its signature is verified.
    assert_eq!(answered(house.hook().body("no json")).await.0, StatusCode::UNAUTHORIZED);
    assert_eq!((house.pending(), house.counted("unsigned").await), (0, 7));
    let upper = house.hook().header("x-HMAC-sha256", good.to_uppercase()).body(body);
    assert_eq!(answered(upper).await, (StatusCode::OK, json!({ "status": "accepted" })));
}

#[tokio::test]
async fn either_of_two_secrets_will_do() {
    let house = Plan { webhook: "secrets: [old, new]", ..Plan::default() }.build().await;
    for (secret, expected) in [("old", 200), ("new", 200), ("older", 401)] {
        let body = event(secret);
        let signed = house.hook().header(HEADER, sign(body.as_bytes(), &secret.into()));
        assert_eq!(answered(signed.body(body)).await.0, expected, "{secret}");
    }
}

#[tokio::test]
async fn signatures_can_be_turned_off() {
    let house = Plan { webhook: "signature: off", ..Plan::default() }.build().await;
    let (status, said) = answered(house.hook().body(event("r1"))).await;
    assert_eq!((status, said), (StatusCode::OK, json!({ "status": "accepted" })));
}

#[tokio::test]
async fn what_is_not_json_is_not_kept() {
    let house = house().await;
    let deep = format!("{{\"response\": {}{}", "[".repeat(500), "]".repeat(499));
    let cut = event("r1")[..20].to_owned();
    let wrong = [&b""[..], b"no json", b"{} {}", b"{\"a\": \"\xff\"}", deep.as_bytes(), cut.as_bytes()];
    for body in wrong {
        let (status, said) = house.post(body).await;
        assert_eq!((status, said), (StatusCode::BAD_REQUEST, json!({ "error": "the body is not JSON" })));
    }
    assert_eq!(house.shared.parked(10).await.unwrap(), []);
    assert_eq!((house.pending(), house.counted("not_json").await), (0, 6));
}

#[tokio::test]
async fn json_that_cannot_be_read_is_kept_for_a_human() {
    let house = house().await;
    let bodies = [
        ("[]", "the body is missing or no object"),
        (r#"{"response": {}}"#, "response.id is missing, or neither a text nor an integer"),
        (r#"{"response": {"id": "r", "x": 1e999}}"#, "the body has a number out of range"),
    ];
    for (body, reason) in bodies {
        let parked = (StatusCode::OK, json!({ "status": "parked", "reason": reason }));
        assert_eq!(house.post(body).await, parked);
        assert_eq!(house.post(body).await, parked, "a repeat is no second one");
    }
    let waiting = house.shared.parked(10).await.unwrap();
    assert_eq!(waiting.iter().map(|item| item.reason_code.as_str()).collect::<Vec<_>>(), ["unreadable"; 3]);
    assert_eq!(house.counted("parked").await, 6);
}

#[tokio::test]
async fn half_a_character_costs_no_event_and_its_bytes_stay_as_they_came() {
    let house = house().await;
    let body = r#"{"response": {"id": "r", "x": "half a pair: \ud83d"}}"#;
    let accepted = (StatusCode::OK, json!({ "status": "accepted" }));
    assert_eq!(house.post(body).await, accepted);
    assert_eq!(house.post(body).await.1["status"], "duplicate");
    let rkey = RKey::of(&ResponseId::new("r").unwrap());
    let seq = house.shared.store.entries_of(rkey, 100).await.unwrap()[0].seq;
    assert_eq!(house.shared.store.body(seq).await.unwrap().unwrap(), body.as_bytes());
    let (_, shown) = answered(house.get(&format!("/events/e{seq}"))).await;
    assert_eq!(shown["response"]["x"], "half a pair: \u{fffd}");
}

#[tokio::test]
async fn the_same_bytes_are_a_duplicate_and_others_are_not() {
    let house = house().await;
    assert_eq!(house.post(event("r1")).await.1["status"], "accepted");
    assert_eq!(house.post(event("r1")).await.1["status"], "duplicate");
    assert_eq!(house.post(format!("{} ", event("r1"))).await.1["status"], "accepted");
    assert_eq!(house.pending(), 2);
    let (_, status) = answered(house.get("/status")).await;
    assert_eq!(status["inbox"]["pending"], 2);
}

#[tokio::test]
async fn other_paths_and_methods_are_told_so() {
    let house = house().await;
    let url = |path: &str| format!("http://{}{path}", house.doors.webhook_addr());
    for method in [Method::GET, Method::PUT, Method::DELETE] {
        let answer = house.http.request(method, url(PATH)).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(answer.headers()["allow"], "POST");
    }
    for path in ["/", "/webhooks", "/webhooks/goodays/", "/status", "/metrics", "/health/live"] {
        assert_eq!(answered(house.http.get(url(path))).await.0, StatusCode::NOT_FOUND, "{path}");
    }
    // The query is ignored.
    let body = event("r1");
    let signed =
        house.http.post(url("/webhooks/goodays?x=1")).header(HEADER, sign(body.as_bytes(), &SECRET.into()));
    assert_eq!(answered(signed.body(body)).await.0, StatusCode::OK);
}

/// The sender is asked to retry. A repeat of an event that never reached the disk is not a duplicate.
async fn turned_away(house: &House) {
    for _ in 0..2 {
        let body = event("r1");
        let signed = house.hook().header(HEADER, sign(body.as_bytes(), &SECRET.into()));
        let answer = signed.body(body).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(answer.headers().contains_key("retry-after"));
    }
    let (status, said) = answered(house.get("/health/accepting")).await;
    assert_eq!((status, &said["accepting"]), (StatusCode::SERVICE_UNAVAILABLE, &json!(false)));
    assert_eq!(answered(house.get("/health/live")).await.0, StatusCode::OK);
    assert_eq!(answered(house.get("/status")).await.1["accepting"], false);
    assert_eq!(house.counted("unavailable").await, 2);
}

#[tokio::test]
async fn a_disk_that_refuses_turns_webhooks_away() {
    let store = Settings { fault: Fault::FailSyncAfter(0), ..Settings::default() };
    turned_away(&Plan { store, ..Plan::default() }.build().await).await;
}

#[tokio::test]
async fn a_full_disk_turns_webhooks_away() {
    let store = Settings { free_space_floor: u64::MAX, ..Settings::default() };
    let house = Plan { store, ..Plan::default() }.build().await;
    turned_away(&house).await;
    assert_eq!(house.pending(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_at_once_are_all_on_disk_when_they_are_answered() {
    let house = house().await;
    let posts = (0..64).map(|n| {
        let house = &house;
        async move { house.post(event(&format!("r{n}"))).await }
    });
    for (status, said) in join_all(posts).await {
        assert_eq!((status, said), (StatusCode::OK, json!({ "status": "accepted" })));
    }
    let commits = house.shared.store.commits();
    assert!((1..=64).contains(&commits), "{commits} commits");
    assert_eq!(house.counted("accepted").await, 64);
    let House { dir, shared, doors, .. } = house;
    let folder = shared.config.state.path.clone();
    doors.close().await;
    drop(shared);
    assert_eq!(Store::open(&folder, Settings::default()).unwrap().counters().await.unwrap().pending, 64);
    drop(dir);
}

#[tokio::test]
async fn no_word_of_a_customer_is_in_numbers_or_status() {
    let house = house().await;
    let bodies = [fixture("message_first.json"), fixture("response_context_phone_crm_id.json")];
    for body in bodies {
        assert_eq!(house.post(body).await.1["status"], "accepted");
    }
    house.post(r#"{"event_type": "Chester", "response": "COPPERPOT"}"#).await;
    for path in ["/metrics", "/status", "/parked", "/health/ready", "/health/accepting"] {
        let text = house.get(path).send().await.unwrap().text().await.unwrap();
        for word in ["Chester", "COPPERPOT", "frustrating", "protected", "1234abcd", "vdOpL1NJ74l"] {
            assert!(!text.contains(word), "{word} in {path}: {text}");
        }
    }
}

/// A log that the test can read.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

#[tokio::test]
async fn the_log_has_a_line_for_each_webhook_and_no_word_of_a_customer() {
    // With only one subscriber, a log call that another test reaches first is disabled for all threads.
    let _second = tracing::Dispatch::new(tracing_subscriber::fmt().finish());
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::DEBUG)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let house = house().await;
    let body = fixture("message_first.json");
    house.post(body.as_str()).await;
    house.post(body.as_str()).await;
    house.post(r#"{"event_type": "Chester\nERROR", "response": "COPPERPOT"}"#).await;
    house.post(r#"{"event_type": "Chester", "response": {"id": "r1"}}"#).await;
    house.post("Chester").await;
    answered(house.hook().header(HEADER, "Chester").body(body)).await;
    let text = log.text();
    for line in [
        r#"response=vdOpL1NJ74l event="message" outcome="accepted""#,
        r#"response=vdOpL1NJ74l event="message" outcome="duplicate""#,
        r#"response= event="other" outcome="parked""#,
        r#"response=r1 event="other" outcome="accepted""#,
        "its body is not JSON",
        "a webhook was refused problem=the signature is not 64 hex digits",
    ] {
        assert_eq!(text.matches(line).count(), 1, "{line} in {text}");
    }
    for word in ["Chester", "COPPERPOT", "frustrating", "protected", "1234abcd", SECRET] {
        assert!(!text.contains(word), "{word} in {text}");
    }
}
