//! The Goodays simulator against `reference/goodays-api.md`. Each test names the section that it checks.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests too")]

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use axum::Router;
use goodays_salesforce::clock::Clock;
use goodays_salesforce::sim::goodays::{Feedback, Goodays, Options, Order, Rate, Switches, UpdatedDate};
use goodays_salesforce::sim::wire::{self, Act, Fault, Server, Wire};
use serde_json::{Value, json};
use tokio::net::TcpListener;

const TOKEN: &str = "0123456789abcdef";
const JENNIFER: &str = "1a2b3c4";
/// 2020-02-05T10:20:39.810+01:00, as in the samples.
const START_MS: i64 = 1_580_894_439_810;

struct World {
    goodays: Goodays,
    client: reqwest::Client,
    millis: Arc<AtomicI64>,
}

async fn port() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

async fn world() -> World {
    world_with(Switches::default()).await
}

async fn world_with(switches: Switches) -> World {
    let millis = Arc::new(AtomicI64::new(START_MS));
    let clock = Clock::Manual(Arc::clone(&millis));
    let options = Options { token: TOKEN.to_owned(), clock, switches, ..Options::default() };
    let goodays = Goodays::start(port().await, options).await;
    World { goodays, client: goodays_salesforce::http::client(Duration::from_secs(10)), millis }
}

struct Got {
    status: u16,
    body: Value,
    headers: http::HeaderMap,
}

impl World {
    async fn send(&self, method: &str, url: &str, token: Option<&str>, body: Option<&str>) -> Got {
        let mut request = self.client.request(method.parse().unwrap(), url);
        if let Some(token) = token {
            request = request.header("Authorization", token);
        }
        if let Some(body) = body {
            request = request.header("Content-Type", "application/json").body(body.to_owned());
        }
        let answer = request.send().await.unwrap();
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        Got { status, body: answer.json().await.unwrap(), headers }
    }

    async fn get(&self, path: &str) -> Got {
        self.send("GET", &format!("{}{path}", self.goodays.url()), Some(TOKEN), None).await
    }

    async fn put(&self, id: &str, verb: &str, body: Value) -> Got {
        let url = format!("{}/responses/{id}/{verb}", self.goodays.url());
        self.send("PUT", &url, Some(TOKEN), Some(&body.to_string())).await
    }

    async fn control(&self, method: &str, path: &str, body: Value) -> Got {
        let url = format!("http://{}/__sim/{path}", self.goodays.addr());
        let body = if method == "GET" { None } else { Some(body.to_string()) };
        self.send(method, &url, None, body.as_deref()).await
    }

    fn leaves(&self) -> String {
        self.goodays.customer_leaves(Feedback::default())
    }

    fn advance(&self, millis: i64) {
        self.millis.fetch_add(millis, Ordering::SeqCst);
    }

    fn actions(&self, id: &str) -> Vec<String> {
        self.goodays.response(id).unwrap()["actions"].as_object().unwrap().keys().cloned().collect()
    }

    fn state(&self, id: &str) -> String {
        self.goodays.response(id).unwrap()["state"].as_str().unwrap().to_owned()
    }
}

fn answer(content: &str) -> Value {
    json!({"content": content, "user": JENNIFER})
}

/// A receiver of events: the log of its `Wire` is the inbox, and faults make it fail.
async fn receiver(goodays: &Goodays, secret: Option<&str>) -> (Server, Wire) {
    let wire = Wire::new();
    let server = wire::serve(port().await, Router::new().fallback(|| async { "{}" }), wire.clone()).await;
    goodays.set_webhook(&format!("http://{}/hook", server.addr()), secret.map(str::to_owned));
    (server, wire)
}

fn kinds(wire: &Wire) -> Vec<String> {
    let kind =
        |body: &str| serde_json::from_str::<Value>(body).unwrap()["event_type"].as_str().unwrap().to_owned();
    wire.requests().iter().map(|seen| kind(&seen.body)).collect()
}

// --- section 1: the token, and 4.1: refusals ---

#[tokio::test]
async fn section_1_the_token_stands_alone_without_bearer() {
    let world = world().await;
    let url = format!("{}/session", world.goodays.url());
    let none = world.send("GET", &url, None, None).await;
    assert_eq!((none.status, none.body), (401, json!({"message": "No API key found in request"})));
    for wrong in ["nonsense", "Bearer 0123456789abcdef"] {
        let refused = world.send("GET", &url, Some(wrong), None).await;
        assert_eq!(refused.status, 403);
        assert_eq!(refused.body, json!({"message": "Invalid authentication credentials"}));
    }
    let session = world.get("/session").await;
    assert_eq!((session.status, &session.body["token"]), (200, &json!(TOKEN)));
}

#[tokio::test]
async fn section_4_1_unknown_things_and_wrong_verbs() {
    let world = world().await;
    let id = world.leaves();
    for path in ["/nothing", "/responses/unknown", "/responses/unknown/reply/x", "/users/unknown"] {
        assert_eq!(world.get(path).await.status, 404, "{path}");
    }
    assert_eq!(world.put("unknown", "reply", answer("x")).await.body, json!({"detail": "Not found."}));
    let wrong = world.get(&format!("/responses/{id}/reply")).await;
    assert_eq!((wrong.status, &wrong.headers["allow"]), (405, &http::HeaderValue::from_static("PUT")));
    let url = format!("{}/responses/{id}", world.goodays.url());
    assert_eq!(world.send("DELETE", &url, Some(TOKEN), None).await.status, 405);
}

#[tokio::test]
async fn section_1_ids_are_case_sensitive_and_a_last_slash_is_tolerated() {
    let world = world().await;
    let id = world.leaves();
    assert_eq!(world.get(&format!("/responses/{id}/")).await.status, 200);
    let other: String = id
        .chars()
        .map(|c| if c.is_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() })
        .collect();
    assert_eq!(world.get(&format!("/responses/{other}")).await.status, 404);
}

#[tokio::test]
async fn section_4_3_the_rate_is_limited_on_demand_with_and_without_retry_after() {
    let world = world().await;
    let rate = |retry_after| Some(Rate { calls: 1, per_ms: 60_000, retry_after });
    world.goodays.set_switches(|switches| switches.rate = rate(true));
    assert_eq!(world.get("/dashboard").await.status, 200);
    let busy = world.get("/dashboard").await;
    assert_eq!((busy.status, busy.body), (429, json!({"message": "API rate limit exceeded"})));
    assert!(busy.headers.contains_key("retry-after"));
    world.goodays.set_switches(|switches| switches.rate = rate(false));
    assert!(!world.get("/dashboard").await.headers.contains_key("retry-after"));
    world.advance(60_000);
    assert_eq!(world.get("/dashboard").await.status, 200);
}

// --- section 2: events ---

/// Every key in order with the kind of its value. Ids, texts and moments may differ.
fn shape(value: &Value, path: &str, lines: &mut Vec<String>) {
    match value {
        Value::Object(object) => {
            lines.push(format!("{path}: object"));
            object.iter().for_each(|(key, value)| shape(value, &format!("{path}/{key}"), lines));
        }
        Value::Array(items) => {
            lines.push(format!("{path}: {} items", items.len()));
            for item in items {
                shape(item, &format!("{path}/-"), lines);
            }
        }
        Value::String(text) => lines.push(format!("{path}: {}", kind_of_text(text))),
        Value::Null => lines.push(format!("{path}: null")),
        Value::Bool(flag) => lines.push(format!("{path}: {flag}")),
        Value::Number(number) => lines.push(format!("{path}: {number}")),
    }
}

fn kind_of_text(text: &str) -> String {
    if text.len() == 32 && text.ends_with(":00") && text.as_bytes()[10] == b'T' {
        return format!("date {}", &text[26..]);
    }
    if text.len() == 32 && text.chars().all(|c| c.is_ascii_hexdigit()) {
        return "token".to_owned();
    }
    let Some(rest) = text.strip_prefix("https://api.goodays.co") else {
        return if ["open", "closed", "text", "Message", "Problem"].contains(&text) {
            text.to_owned()
        } else {
            "text".to_owned()
        };
    };
    let parts: Vec<&str> = rest.split('/').collect();
    parts
        .iter()
        .map(|part| if part.len() > 5 && *part != "responses" { "*" } else { part })
        .collect::<Vec<_>>()
        .join("/")
}

fn assert_shape(world: &World, id: &str, kind: &str, fixture: &str) {
    let ours: Value = serde_json::from_slice(&world.goodays.event_body(id, kind)).unwrap();
    let fixture: Value = serde_json::from_str(fixture).unwrap();
    let (mut ours_lines, mut sample_lines) = (Vec::new(), Vec::new());
    shape(&ours, "", &mut ours_lines);
    shape(&fixture, "", &mut sample_lines);
    assert_eq!(ours_lines, sample_lines);
}

fn extra(value: Value) -> serde_json::Map<String, Value> {
    serde_json::from_value(value).unwrap()
}

#[tokio::test]
async fn section_2_2_a_response_event_has_the_sample_s_shape() {
    let world = world().await;
    let id = world.leaves();
    assert_shape(&world, &id, "response", include_str!("../fixtures/goodays/response.json"));
    let id = world.goodays.customer_leaves(Feedback {
        phone: Some(String::new()),
        crm_id: "12AB34".to_owned(),
        extra: extra(json!({"transaction_date": "2020-01-28", "transaction_time": "17:47:00"})),
        ..Feedback::default()
    });
    let fixture = include_str!("../fixtures/goodays/response_context_phone_crm_id.json");
    assert_shape(&world, &id, "response", fixture);
}

#[tokio::test]
async fn section_2_2_a_delegated_event_has_the_sample_s_shape() {
    let world = world().await;
    let id = world.goodays.customer_leaves(Feedback {
        phone: Some(String::new()),
        crm_id: "12AB34".to_owned(),
        extra: extra(json!({"transaction_date": "2020-01-28", "title": "Mr"})),
        ..Feedback::default()
    });
    world.goodays.store_delegates(&id).unwrap();
    assert_shape(&world, &id, "delegated", include_str!("../fixtures/goodays/delegated.json"));
    assert_eq!(world.goodays.response(&id).unwrap()["delegated_to"]["partner_id"], "CustomerService");
}

#[tokio::test]
async fn section_2_2_message_events_have_the_samples_shape() {
    let world = world().await;
    let id = world.goodays.customer_leaves(Feedback {
        extra: extra(json!({"transaction_date": "2020-01-28", "transaction_time": "17:47:00"})),
        ..Feedback::default()
    });
    world.put(&id, "reply", answer("Dear Customer")).await;
    world.goodays.customer_writes(&id, "How long does it last?").unwrap();
    assert_shape(&world, &id, "message", include_str!("../fixtures/goodays/message_first.json"));
    world.put(&id, "message", answer("Until March")).await;
    world.goodays.customer_writes(&id, "Thank you! See you soon 😊").unwrap();
    assert_shape(
        &world,
        &id,
        "message",
        include_str!("../fixtures/goodays/message_second_customer_turn.json"),
    );
}

#[tokio::test]
async fn section_5_2_attached_messages_are_newest_first_with_our_reply_and_without_the_first_verbatim() {
    let world = world().await;
    let id = world.leaves();
    world.put(&id, "reply", answer("Sorry")).await;
    let message_id = world.goodays.customer_writes(&id, "And now?").unwrap();
    let event: Value = serde_json::from_slice(&world.goodays.event_body(&id, "message")).unwrap();
    let response = &event["response"];
    let attached = response["attached_messages"].as_array().unwrap();
    assert_eq!(attached.len(), 2);
    assert_eq!((&attached[0]["id"], &event["message"]["id"]), (&json!(message_id), &json!(message_id)));
    assert_eq!(attached[1]["id"], response["reply"]["id"]);
    assert_eq!((&attached[1]["type"], &response["reply"]["type"]), (&json!("Message"), &json!("text")));
    assert_eq!(attached[1]["sender"]["email"], "jennifer.parker@brand.example");
    assert_eq!(attached[0]["sender"]["last_name"], "Copperpot");
    assert_eq!(event["message"]["sender"]["last_name"], "COPPERPOT");
    assert_eq!(response["message"]["content"], "The seller needs to respond in a timely manner.");
}

#[tokio::test]
async fn section_2_2_nothing_needs_to_be_there() {
    let world = world().await;
    let id = world.goodays.customer_leaves(Feedback {
        content: None,
        nps: None,
        source: "google".to_owned(),
        patch: json!({"user": null, "context": {"email": null}, "state": "archived"}),
        omit: vec!["/thread".to_owned(), "/context/cz_tag".to_owned()],
        ..Feedback::default()
    });
    let response = world.get(&format!("/responses/{id}")).await.body;
    assert_eq!(response["message"], Value::Null);
    assert_eq!((&response["survey"], &response["answers"]), (&Value::Null, &json!([])));
    assert_eq!((&response["user"], &response["context"]["email"]), (&Value::Null, &Value::Null));
    assert_eq!(response["state"], "archived");
    assert!(response.get("thread").is_none() && response["context"].get("cz_tag").is_none());
}

#[tokio::test]
async fn section_2_1_one_url_takes_all_events_signed_over_their_bytes() {
    let world = world().await;
    let (_server, inbox) = receiver(&world.goodays, Some("first secret")).await;
    let id = world.leaves();
    world.goodays.store_delegates(&id).unwrap();
    world.put(&id, "reply", answer("Merci à vous")).await;
    world.goodays.customer_writes(&id, "é 😊").unwrap();
    world.goodays.webhooks_sent().await;
    assert_eq!(kinds(&inbox), ["response", "delegated", "message"]);
    for seen in inbox.requests() {
        assert_eq!((seen.method.as_str(), seen.path.as_str()), ("POST", "/hook"));
        assert_eq!(seen.headers["content-type"], "application/json");
        let signature = world.goodays.sign(seen.body.as_bytes()).unwrap();
        assert_eq!(seen.headers["x-hmac-sha256"], signature);
    }
}

#[tokio::test]
async fn section_2_1_without_a_secret_there_is_no_header() {
    let world = world().await;
    let (_server, inbox) = receiver(&world.goodays, None).await;
    world.leaves();
    world.goodays.webhooks_sent().await;
    assert!(!inbox.requests()[0].headers.contains_key("x-hmac-sha256"));
}

#[tokio::test]
async fn section_5_1_the_signature_is_the_documented_one() {
    let world = world().await;
    let body = b"{\r\n    \"event_type\": \"response\"\r\n}";
    for (secret, signature) in [
        ("Critizr", "bcf95bdaa6dae4e97a44eb8d65273d3c5459f9a258b68c26f10d6cc69b359b51"),
        ("Goodays", "55b5d19fd02d8dc18f3c1d3a801d0837fb1fdc6699ce8ea439109c03ca19d176"),
    ] {
        world.goodays.set_webhook("http://localhost/", Some(secret.to_owned()));
        assert_eq!(world.goodays.sign(body).unwrap(), signature);
    }
}

#[tokio::test]
async fn section_6_webhooks_are_not_retried_unless_switched_on() {
    let world = world().await;
    let (_server, inbox) = receiver(&world.goodays, None).await;
    let refuse = |times| Fault {
        times: Some(times),
        ..Fault::once(
            "",
            Act::Answer { status: 503, body: String::new(), content_type: None, headers: [].into() },
        )
    };
    inbox.fault(refuse(1));
    world.leaves();
    world.goodays.webhooks_sent().await;
    assert_eq!(inbox.requests().len(), 1);
    world.goodays.set_switches(|switches| {
        switches.webhook_retries = 3;
        switches.webhook_retry_after_ms = 1;
    });
    inbox.fault(refuse(2));
    world.leaves();
    world.goodays.webhooks_sent().await;
    let statuses: Vec<_> =
        world.goodays.webhook_log().iter().map(|sent| (sent.attempt, sent.status)).collect();
    assert_eq!(statuses, [(1, Some(503)), (1, Some(503)), (2, Some(503)), (3, Some(200))]);
}

#[tokio::test]
async fn section_5_2_webhooks_get_lost_doubled_held_and_out_of_order() {
    let world = world().await;
    let goodays = &world.goodays;
    let (_server, inbox) = receiver(goodays, None).await;
    goodays.drop_webhooks(1);
    goodays.duplicate_webhooks(1);
    let id = world.leaves();
    goodays.store_delegates(&id).unwrap();
    goodays.webhooks_sent().await;
    assert_eq!(kinds(&inbox), ["delegated", "delegated"]);
    assert_eq!(inbox.requests()[0].body, inbox.requests()[1].body);

    inbox.clear_requests();
    goodays.pause_webhooks(true);
    goodays.order_webhooks(Order::Reversed);
    let id = world.leaves();
    goodays.store_delegates(&id).unwrap();
    goodays.webhooks_sent().await;
    assert_eq!(inbox.requests().len(), 0);
    goodays.pause_webhooks(false);
    goodays.webhooks_sent().await;
    assert_eq!(kinds(&inbox), ["delegated", "response"]);

    goodays.pause_webhooks(true);
    world.leaves();
    goodays.deliver().await;
    assert_eq!(inbox.requests().len(), 3);
    assert_eq!(goodays.send_event(&id, "response").await, Ok(200));
}

#[tokio::test]
async fn section_5_2_shuffled_webhooks_all_arrive() {
    let world = world().await;
    let (_server, inbox) = receiver(&world.goodays, None).await;
    world.goodays.pause_webhooks(true);
    world.goodays.order_webhooks(Order::Shuffled);
    let left: Vec<String> = (0..8).map(|_| world.leaves()).collect();
    world.goodays.deliver().await;
    let id = |body: &str| {
        serde_json::from_str::<Value>(body).unwrap()["response"]["id"].as_str().unwrap().to_owned()
    };
    let mut arrived: Vec<String> = inbox.requests().iter().map(|seen| id(&seen.body)).collect();
    assert_ne!(arrived, left);
    arrived.sort();
    let mut sorted = left.clone();
    sorted.sort();
    assert_eq!(arrived, sorted);
}

#[tokio::test]
async fn section_5_1_bodies_may_be_spelled_in_ascii() {
    let world = world().await;
    let id = world
        .goodays
        .customer_leaves(Feedback { content: Some("é 😊".to_owned()), ..Feedback::default() });
    let plain = world.goodays.event_body(&id, "response");
    world.goodays.set_switches(|switches| switches.ascii_bodies = true);
    let ascii = world.goodays.event_body(&id, "response");
    assert!(ascii.is_ascii() && !plain.is_ascii());
    let read = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).unwrap();
    assert_eq!(read(&ascii), read(&plain));
}

// --- section 3: actions ---

#[tokio::test]
async fn section_3_2_the_sets_of_allowed_actions() {
    let world = world().await;
    let id = world.leaves();
    assert_eq!(world.actions(&id), ["reply", "spam", "close", "call"]);
    world.goodays.store_delegates(&id).unwrap();
    assert_eq!(world.actions(&id), ["reply", "spam", "close"]);
    world.put(&id, "reply", answer("Sorry")).await;
    assert_eq!(world.actions(&id), Vec::<String>::new());
    world.goodays.customer_writes(&id, "And now?").unwrap();
    assert_eq!(world.actions(&id), ["message"]);
}

#[tokio::test]
async fn section_3_1_what_is_not_listed_is_refused() {
    let world = world().await;
    let id = world.leaves();
    let early = world.put(&id, "message", answer("x")).await;
    assert_eq!(early.status, 400);
    assert_eq!(early.body, json!({"detail": "Action \"message\" is not allowed on this response."}));
    assert_eq!(world.put(&id, "reply", answer("Sorry")).await.status, 200);
    for (verb, body) in
        [("reply", answer("x")), ("spam", json!({})), ("close", json!({})), ("call", json!({}))]
    {
        assert_eq!(world.put(&id, verb, body).await.status, 400, "{verb}");
    }
    world.goodays.set_switches(|switches| switches.refusal_status = 409);
    assert_eq!(world.put(&id, "spam", json!({})).await.status, 409);
    assert_eq!(world.goodays.received_by_customer(&id).len(), 1);
}

#[tokio::test]
async fn section_3_4_a_reply_closes_and_is_echoed_without_an_id() {
    let world = world().await;
    let id = world.leaves();
    let body: Value = serde_json::from_str(include_str!("../fixtures/goodays/action_reply.json")).unwrap();
    let echo = world.put(&id, "reply", body.clone()).await;
    assert_eq!(echo.status, 200);
    let expected = json!({"user": JENNIFER, "content": body["content"], "remark_type": "Problem"});
    assert_eq!(echo.body, expected);
    let response = world.get(&format!("/responses/{id}")).await.body;
    assert_eq!((&response["state"], &response["reply"]["type"]), (&json!("closed"), &json!("text")));
    assert_eq!(response["reply"]["sender"]["first_name"], "Jennifer");
    let received = world.goodays.received_by_customer(&id);
    assert_eq!((&received[0]["kind"], &received[0]["user"]), (&json!("reply"), &json!(JENNIFER)));
}

#[tokio::test]
async fn section_3_5_call_and_close_and_spam_end_it_without_a_text() {
    let world = world().await;
    for (verb, body, state) in [
        ("call", include_str!("../fixtures/goodays/action_call.json"), "closed"),
        ("close", include_str!("../fixtures/goodays/action_close.json"), "closed"),
        ("spam", include_str!("../fixtures/goodays/action_spam.json"), "spam"),
    ] {
        let id = world.leaves();
        let body: Value = serde_json::from_str(body).unwrap();
        let echo = world.put(&id, verb, body.clone()).await;
        assert_eq!((echo.status, &echo.body["user"]), (200, &json!(JENNIFER)), "{verb}");
        assert_eq!(world.state(&id), state);
        assert_eq!(world.actions(&id), Vec::<String>::new());
        assert_eq!(world.goodays.received_by_customer(&id).len(), 0);
        assert_eq!(world.goodays.processed(&id)[0]["action"], verb);
        let reply = &world.goodays.response(&id).unwrap()["reply"];
        assert_eq!(reply["type"].as_str(), if verb == "call" { Some("call") } else { None });
        assert!(world.goodays.customer_writes(&id, "hello?").is_err());
    }
}

#[tokio::test]
async fn section_3_5_the_state_stays_closed_and_updated_date_stays_when_the_customer_writes() {
    let world = world().await;
    let id = world.leaves();
    world.put(&id, "reply", answer("Sorry")).await;
    let before = world.goodays.response(&id).unwrap();
    world.advance(60_000);
    world.goodays.customer_writes(&id, "And now?").unwrap();
    let after = world.goodays.response(&id).unwrap();
    assert_eq!(after["state"], "closed");
    assert_eq!(before["updated_date"], after["updated_date"]);
    world.goodays.set_switches(|switches| switches.updated_date = UpdatedDate::Always);
    world.goodays.customer_writes(&id, "Hello?").unwrap();
    assert_ne!(after["updated_date"], world.goodays.response(&id).unwrap()["updated_date"]);
}

#[tokio::test]
async fn section_3_3_a_message_needs_a_turn_of_the_customer() {
    let world = world().await;
    let id = world.leaves();
    assert!(world.goodays.customer_writes(&id, "too early").is_err());
    world.put(&id, "reply", answer("Sorry")).await;
    assert_eq!(world.put(&id, "message", answer("not yet")).await.status, 400);
    world.goodays.customer_writes(&id, "And now?").unwrap();
    let body: Value = serde_json::from_str(include_str!("../fixtures/goodays/action_message.json")).unwrap();
    let echo = world.put(&id, "message", body.clone()).await;
    assert_eq!(echo.body, json!({"user": JENNIFER, "content": body["content"]}));
    assert_eq!(world.put(&id, "message", body).await.status, 400);
    let kinds: Vec<_> =
        world.goodays.received_by_customer(&id).iter().map(|text| text["kind"].clone()).collect();
    assert_eq!(kinds, ["reply", "message"]);
}

#[tokio::test]
async fn section_3_12_the_same_bytes_twice_are_sent_twice() {
    let world = world_with(Switches { message_stays_allowed: true, ..Switches::default() }).await;
    let id = world.leaves();
    world.put(&id, "reply", answer("Sorry")).await;
    assert_eq!(world.actions(&id), ["message"]);
    world.put(&id, "message", answer("Twice")).await;
    world.put(&id, "message", answer("Twice")).await;
    assert_eq!(world.goodays.received_by_customer(&id).len(), 3);
    let attached = world.goodays.response(&id).unwrap()["attached_messages"].clone();
    assert_ne!(attached[0]["id"], attached[1]["id"]);
}

#[tokio::test]
async fn section_3_7_the_remark_type_is_required_when_the_source_is_not_goodays() {
    let world = world().await;
    let feedback =
        || Feedback { source: "google".to_owned(), remark_type: "NoType".to_owned(), ..Feedback::default() };
    for verb in ["reply", "close"] {
        let id = world.goodays.customer_leaves(feedback());
        let refused = world.put(&id, verb, answer("Thanks")).await;
        assert_eq!(
            (refused.status, refused.body),
            (400, json!({"remark_type": ["This field is required."]}))
        );
        let body = json!({"content": "Thanks", "remark_type": "NoType"});
        let refused = world.put(&id, verb, body).await.body;
        assert_eq!(refused, json!({"remark_type": ["\"NoType\" is not a valid choice."]}));
        let body = json!({"content": "Thanks", "remark_type": "Message"});
        assert_eq!(world.put(&id, verb, body).await.status, 200);
    }
    let id = world.goodays.customer_leaves(feedback());
    assert_eq!(world.put(&id, "call", json!({"rating": 5})).await.status, 200);
}

#[tokio::test]
async fn section_1_1_fields_are_checked_all_at_once() {
    let world = world().await;
    let id = world.leaves();
    let wrong = json!({"user": "jennifer.parker@brand.example", "content": "  "});
    assert_eq!(
        world.put(&id, "reply", wrong).await.body,
        json!({
            "user": ["Object with id=jennifer.parker@brand.example does not exist."],
            "content": ["This field may not be blank."],
        })
    );
    let missing = world.put(&id, "reply", json!({})).await;
    assert_eq!((missing.status, missing.body), (400, json!({"content": ["This field is required."]})));
    for (rating, why) in [
        (json!("five"), "A valid integer is required."),
        (json!(6), "Ensure this value is less than or equal to 5."),
        (json!(-1), "Ensure this value is greater than or equal to 0."),
    ] {
        let refused = world.put(&id, "call", json!({"rating": rating})).await;
        assert_eq!((refused.status, refused.body), (400, json!({"rating": [why]})));
    }
    let url = format!("{}/responses/{id}/reply", world.goodays.url());
    assert_eq!(world.send("PUT", &url, Some(TOKEN), Some("{\"content\": ")).await.status, 400);
    assert_eq!(world.send("PUT", &url, Some(TOKEN), Some("[]")).await.status, 400);
}

#[tokio::test]
async fn section_3_8_a_read_only_user_may_not_answer_and_none_is_the_token_s_own() {
    let world = world().await;
    let id = world.leaves();
    let refused = world.put(&id, "reply", json!({"content": "x", "user": "3c4d5e6"})).await;
    assert_eq!(refused.body, json!({"user": ["This user is read only."]}));
    assert_eq!(world.put(&id, "reply", json!({"content": "x"})).await.status, 200);
    let reply = world.goodays.response(&id).unwrap()["reply"].clone();
    assert_eq!(reply["sender"]["email"], "customer.service@brand.example");
    world.goodays.customer_writes(&id, "y").unwrap();
    world.goodays.set_switches(|switches| switches.message_needs_user = true);
    let refused = world.put(&id, "message", json!({"content": "x"})).await;
    assert_eq!(refused.body, json!({"user": ["This field is required."]}));
}

#[tokio::test]
async fn section_3_9_a_new_participation_ends_the_older_private_exchange() {
    let world = world().await;
    let feedback = || Feedback { email: Some("Chester@customer.example".to_owned()), ..Feedback::default() };
    let older = world.goodays.customer_leaves(feedback());
    world.put(&older, "reply", answer("Sorry")).await;
    world.goodays.customer_writes(&older, "And now?").unwrap();
    assert_eq!(world.actions(&older), ["message"]);
    let newer = world.goodays.customer_leaves(feedback());
    assert_eq!(world.actions(&older), Vec::<String>::new());
    assert_eq!(world.put(&older, "message", answer("too late")).await.status, 400);
    assert_eq!(world.actions(&newer), ["reply", "spam", "close", "call"]);
}

#[tokio::test]
async fn section_3_11_a_delegation_can_come_late_with_messages_and_be_undone() {
    let world = world().await;
    let id = world.leaves();
    world.goodays.colleague_replies(&id, "The store answers").unwrap();
    world.goodays.customer_writes(&id, "I want your boss").unwrap();
    world.goodays.store_delegates(&id).unwrap();
    let event: Value = serde_json::from_slice(&world.goodays.event_body(&id, "delegated")).unwrap();
    assert_eq!(event["response"]["attached_messages"].as_array().unwrap().len(), 2);
    assert_eq!(world.actions(&id), ["message"]);
    world.goodays.store_takes_back(&id).unwrap();
    assert_eq!(world.goodays.response(&id).unwrap()["delegated_to"], Value::Null);
}

#[tokio::test]
async fn section_2_1_the_fourth_event_tells_of_answers_when_switched_on() {
    let world = world_with(Switches { reply_event: true, ..Switches::default() }).await;
    let (_server, inbox) = receiver(&world.goodays, None).await;
    let (one, two) = (world.leaves(), world.leaves());
    world.goodays.colleague_replies(&one, "From the back office").unwrap();
    world.put(&two, "reply", answer("From the API")).await;
    world.goodays.webhooks_sent().await;
    assert_eq!(kinds(&inbox), ["response", "response", "reply"]);
    world.goodays.customer_writes(&two, "And?").unwrap();
    world.goodays.set_switches(|switches| switches.reply_event_echo = true);
    world.put(&two, "message", answer("From the API")).await;
    world.goodays.webhooks_sent().await;
    assert_eq!(kinds(&inbox)[3..], ["message", "reply"]);
}

#[tokio::test]
async fn section_3_colleagues_act_under_the_same_rules() {
    let world = world().await;
    let goodays = &world.goodays;
    let id = world.leaves();
    assert!(goodays.colleague_messages(&id, "too early").is_err());
    goodays.colleague_holds(&id).unwrap();
    assert_eq!(world.state(&id), "pending");
    goodays.colleague_replies(&id, "Hello").unwrap();
    goodays.customer_writes(&id, "Hello to you").unwrap();
    goodays.colleague_messages(&id, "Bye").unwrap();
    assert_eq!(goodays.received_by_customer(&id)[1]["user"], "2b3c4d5");
    assert_eq!(goodays.processed(&id)[1]["by"], "colleague");
    let (closed, spam, called) = (world.leaves(), world.leaves(), world.leaves());
    goodays.colleague_closes(&closed).unwrap();
    goodays.colleague_marks_spam(&spam).unwrap();
    goodays.colleague_calls(&called, "nice man").unwrap();
    assert_eq!(
        [world.state(&closed), world.state(&spam), world.state(&called)],
        ["closed", "spam", "closed"]
    );
    assert!(goodays.colleague_closes(&spam).is_err());
}

#[tokio::test]
async fn section_6_a_response_taken_back_may_be_out_of_reach() {
    let world = world().await;
    let id = world.leaves();
    let path = format!("/responses/{id}");
    assert!(world.goodays.store_takes_back(&id).is_err());
    world.goodays.store_delegates(&id).unwrap();
    world.goodays.store_takes_back(&id).unwrap();
    assert_eq!(world.get(&path).await.status, 200);
    for status in [403, 404] {
        world.goodays.set_switches(|switches| switches.taken_back_status = status);
        assert_eq!(world.get(&path).await.status, status);
        assert_eq!(world.put(&id, "reply", answer("x")).await.status, status);
        assert_eq!(world.get("/responses/bulk").await.body["results"], json!([]));
    }
    world.goodays.store_delegates(&id).unwrap();
    assert_eq!(world.get(&path).await.status, 200);
}

#[tokio::test]
async fn section_6_a_review_is_edited_and_later_gone() {
    let world = world().await;
    let (_server, inbox) = receiver(&world.goodays, None).await;
    let id = world.goodays.customer_leaves(Feedback { source: "google".to_owned(), ..Feedback::default() });
    world.goodays.customer_edits(&id, "On second thought").unwrap();
    world.goodays.webhooks_sent().await;
    assert_eq!(kinds(&inbox), ["response", "response"]);
    assert!(inbox.requests()[1].body.contains("On second thought"));
    world.goodays.removes(&id).unwrap();
    assert_eq!(world.get(&format!("/responses/{id}")).await.status, 404);
}

// --- section 5.3: reading back ---

#[tokio::test]
async fn section_5_3_the_read_back_may_show_our_message_late() {
    for whole in [false, true] {
        let switches = Switches { visible_after_ms: 5000, whole_response_late: whole, ..Switches::default() };
        let world = world_with(switches).await;
        let id = world.leaves();
        world.put(&id, "reply", answer("Sorry")).await;
        let early = world.get(&format!("/responses/{id}")).await.body;
        assert_eq!(early["reply"], Value::Null);
        assert_eq!(early["attached_messages"], json!([]));
        assert_eq!(early["state"], if whole { "open" } else { "closed" });
        assert_eq!(world.goodays.received_by_customer(&id).len(), 1);
        world.advance(5000);
        let late = world.get(&format!("/responses/{id}")).await.body;
        assert_eq!((&late["state"], &late["reply"]["content"]), (&json!("closed"), &json!("Sorry")));
    }
}

#[tokio::test]
async fn section_5_3_texts_may_come_back_trimmed_and_with_entities() {
    let world = world_with(Switches { html_entities: true, ..Switches::default() }).await;
    let id = world.leaves();
    world.put(&id, "reply", answer("  It's <b>\"&\"</b>\n")).await;
    let read = world.get(&format!("/responses/{id}")).await.body;
    assert_eq!(read["reply"]["content"], "It&#39;s &lt;b&gt;&quot;&amp;&quot;&lt;/b&gt;");
    assert_eq!(world.goodays.received_by_customer(&id)[0]["content"], "It's <b>\"&\"</b>");
}

#[tokio::test]
async fn section_5_3_an_action_can_be_done_although_the_line_was_cut() {
    let world = world().await;
    let id = world.leaves();
    world.goodays.wire().fault(Fault::once("/reply", Act::ResetAfter));
    let url = format!("{}/responses/{id}/reply", world.goodays.url());
    let request = world.client.put(url).header("Authorization", TOKEN).json(&answer("Sorry"));
    assert!(request.send().await.is_err());
    assert_eq!(world.goodays.received_by_customer(&id).len(), 1);
    assert_eq!(world.goodays.wire().requests().len(), 1);
}

// --- section 1.1 and 4.2: lists ---

async fn walk(world: &World, first: &str) -> Vec<Value> {
    let mut found = Vec::new();
    let mut next = Some(format!("{}{first}", world.goodays.url()));
    while let Some(url) = next {
        let page = world.send("GET", &url, Some(TOKEN), None).await.body;
        found.extend(page["results"].as_array().unwrap().iter().cloned());
        next = page["next"].as_str().map(str::to_owned);
    }
    found
}

#[tokio::test]
async fn section_4_2_pages_by_cursor_twenty_at_a_time() {
    let world = world().await;
    let mut ids: Vec<String> = (0..45).map(|_| world.leaves()).collect();
    let first = world.get("/responses").await.body;
    assert_eq!((first["results"].as_array().unwrap().len(), &first["previous"]), (20, &Value::Null));
    assert!(first["next"].as_str().unwrap().starts_with(&world.goodays.url()));
    ids.reverse();
    for path in ["/responses", "/responses/bulk?page_size=7"] {
        let found = walk(&world, path).await;
        assert_eq!(found.iter().map(|item| item["id"].as_str().unwrap()).collect::<Vec<_>>(), ids, "{path}");
    }
    let oldest_first = walk(&world, "/responses?sort=created_date&page_size=1000").await;
    assert_eq!(oldest_first[0]["id"], json!(ids[44]));
    assert_eq!(world.get("/responses?cursor=nonsense").await.status, 404);
}

#[tokio::test]
async fn section_4_2_previous_leads_back_and_new_rows_do_not_shift_pages() {
    let world = world().await;
    (0..6).for_each(|_| drop(world.leaves()));
    let first = world.get("/responses?page_size=3").await.body;
    world.leaves();
    let second = world.send("GET", first["next"].as_str().unwrap(), Some(TOKEN), None).await.body;
    assert_eq!(second["next"], Value::Null);
    let back = world.send("GET", second["previous"].as_str().unwrap(), Some(TOKEN), None).await.body;
    assert_eq!(back["results"], first["results"]);
    assert!(back["previous"].is_string());
}

#[tokio::test]
async fn section_1_1_the_list_is_light_and_bulk_is_full() {
    let world = world().await;
    let id = world.leaves();
    let light = world.get("/responses").await.body["results"][0].clone();
    let keys: Vec<&str> = light.as_object().unwrap().keys().map(String::as_str).collect();
    let expected = [
        "id",
        "created_date",
        "updated_date",
        "has_answers",
        "has_message",
        "has_reply",
        "alert_triggered",
        "detail_url",
    ];
    assert_eq!(keys, expected);
    let full = world.get("/responses/bulk").await.body["results"][0].clone();
    assert_eq!(full, world.get(&format!("/responses/{id}")).await.body);
    assert_eq!(full, world.goodays.response(&id).unwrap());
}

#[tokio::test]
async fn section_4_4_dates_are_in_utc_and_without_zone() {
    let world = world().await;
    let early = world.leaves();
    world.advance(3_600_000);
    let late = world.leaves();
    let ids = |body: Value| -> Vec<String> {
        let items = body["results"].as_array().unwrap().clone();
        items.iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect()
    };
    // 10:20:39 in Paris is 09:20:39 in UTC.
    let after = world.get("/responses/bulk?start_date=2020-02-05T09:20:40").await.body;
    assert_eq!(ids(after), std::slice::from_ref(&late));
    let before = world.get("/responses?end_date=2020-02-05T09:20:40").await.body;
    assert_eq!(ids(before), [early]);
    for wrong in ["2020-02-05T09:20:40Z", "2020-02-05T09:20:40%2B01:00", "yesterday"] {
        let refused = world.get(&format!("/responses?start_date={wrong}")).await;
        let expected = json!({"start_date": ["Enter a valid date/time."]});
        assert_eq!((refused.status, refused.body), (400, expected), "{wrong}");
    }
    let end = "/responses?end_date=2020-02-05T10:20:39.810&start_date=2020-02-05T10:00:00";
    assert_eq!(ids(world.get(end).await.body), [late]);
    world.goodays.set_switches(|switches| switches.end_inclusive = false);
    assert_eq!(ids(world.get(end).await.body), Vec::<String>::new());
}

#[tokio::test]
async fn section_1_1_filters() {
    let world = world().await;
    let id = world.goodays.customer_leaves(Feedback {
        email: Some("anna@customer.example".to_owned()),
        source: "google".to_owned(),
        place_partner_id: "77".to_owned(),
        content: None,
        ..Feedback::default()
    });
    world.leaves();
    let place = world.goodays.response(&id).unwrap()["place"]["id"].as_str().unwrap().to_owned();
    for path in [
        "/responses?email=Anna@customer.example".to_owned(),
        "/responses?place=77".to_owned(),
        "/responses/bulk?source=google".to_owned(),
        "/responses?has_message=false".to_owned(),
        format!("/places/{place}/responses"),
        format!("/places/{place}/responses/bulk"),
    ] {
        let found = world.get(&path).await.body["results"].clone();
        assert_eq!((found.as_array().unwrap().len(), &found[0]["id"]), (1, &json!(id)), "{path}");
    }
    assert_eq!(walk(&world, "/surveys/12AB34/responses").await.len(), 1);
}

#[tokio::test]
async fn section_1_1_users_are_found_by_e_mail() {
    let world = world().await;
    let found = world.get("/users?email=Jennifer.Parker@brand.example").await.body["results"].clone();
    assert_eq!(found.as_array().unwrap().len(), 1);
    assert_eq!((&found[0]["id"], &found[0]["read_only"]), (&json!(JENNIFER), &json!(false)));
    assert_eq!(world.get("/users?email=nobody@brand.example").await.body["results"], json!([]));
    assert_eq!(world.get("/users?email=parker@brand.example").await.body["results"], json!([]));
    world.goodays.set_switches(|switches| switches.user_email_contains = true);
    assert_eq!(world.get("/users?email=parker@brand.example").await.body["results"][0]["id"], JENNIFER);
    assert_eq!(world.get(&format!("/users/{JENNIFER}")).await.body["last_name"], "Parker");
    assert_eq!(world.get(&format!("/users/{JENNIFER}/places")).await.status, 200);
}

#[tokio::test]
async fn section_1_1_the_dashboard_sums_up_to_all_that_wait() {
    let world = world().await;
    world.goodays.customer_leaves(Feedback { alert: true, ..Feedback::default() });
    let id = world.leaves();
    assert_eq!(world.get("/dashboard").await.body, json!({"pending_alert": 1, "pending_reply": 1}));
    world.put(&id, "reply", answer("Sorry")).await;
    assert_eq!(world.get("/dashboard").await.body, json!({"pending_alert": 1, "pending_reply": 0}));
    world.goodays.customer_writes(&id, "And now?").unwrap();
    assert_eq!(
        world.get("/dashboard?place=1234").await.body,
        json!({"pending_alert": 1, "pending_reply": 1})
    );
    assert_eq!(world.get("/dashboard?place=9").await.body, json!({"pending_alert": 0, "pending_reply": 0}));
}

#[tokio::test]
async fn section_1_1_events_have_samples_of_all_four_kinds() {
    let world = world().await;
    let events = world.get("/events").await.body;
    let samples = events[0]["samples"].as_object().unwrap().clone();
    for kind in ["response", "message", "delegated", "reply"] {
        let url = samples[&format!("sample_{kind}")].as_str().unwrap();
        let sample = world.send("GET", url, Some(TOKEN), None).await.body;
        assert_eq!(sample["event_type"], kind);
        assert_eq!(sample.get("message").is_some(), kind == "message");
    }
    world.goodays.set_switches(|switches| switches.events_as_page = true);
    assert_eq!(world.get("/events").await.body["results"], events);
    assert_eq!(world.get("/events/other/sample_response").await.status, 404);
    assert_eq!(world.get("/events/ev3NtWbHk1/sample_other").await.status, 404);
}

#[tokio::test]
async fn section_1_1_places_surveys_and_configuration() {
    let world = world().await;
    let place = world.get("/places?partner_id=1234").await.body["results"][0].clone();
    let detail = world.get(&format!("/places/{}", place["id"].as_str().unwrap())).await.body;
    assert_eq!((&detail["name"], &detail["lang"]), (&json!("place name"), &json!("fr")));
    assert_eq!(world.get("/surveys?slug=survey1").await.body["results"][0]["id"], "12AB34");
    assert!(world.get("/surveys/12AB34").await.body["questions"].is_array());
    let parameters = world.get("/configuration").await.body["custom_parameters"].clone();
    assert_eq!(parameters[0]["key"], "transaction_date");
}

// --- the control API ---

#[tokio::test]
async fn control_the_whole_conversation_over_http() {
    let world = world().await;
    let (_server, inbox) = receiver(&world.goodays, None).await;
    let left = world.control("POST", "responses", json!({"content": "Hello", "nps": 9})).await;
    assert_eq!(left.status, 201);
    let id = left.body["id"].as_str().unwrap().to_owned();
    assert_eq!(world.control("POST", &format!("responses/{id}/hold"), json!({})).await.status, 200);
    assert_eq!(world.control("POST", &format!("responses/{id}/delegate"), json!({})).await.status, 200);
    let early = world.control("POST", &format!("responses/{id}/messages"), json!({"content": "x"})).await;
    assert_eq!(early.status, 409);
    let reply = format!("responses/{id}/colleague/reply");
    assert_eq!(world.control("POST", &reply, json!({"content": "Hi"})).await.status, 201);
    assert_eq!(world.control("POST", &reply, json!({"content": "Hi"})).await.status, 409);
    let written = world.control("POST", &format!("responses/{id}/messages"), json!({"content": "y"})).await;
    assert_eq!(written.status, 201);
    world.control("POST", "webhook/wait", json!({})).await;
    assert_eq!(kinds(&inbox), ["response", "delegated", "message"]);
    assert_eq!(world.control("GET", "webhook/log", Value::Null).await.body.as_array().unwrap().len(), 3);
    assert_eq!(world.control("GET", &format!("received/{id}"), Value::Null).await.body[0]["content"], "Hi");
    let processed = world.control("GET", &format!("processed/{id}"), Value::Null).await.body;
    assert_eq!(processed[0]["action"], "reply");
    assert_eq!(world.control("GET", "responses", Value::Null).await.body[0]["id"], json!(id));
    let event = world.control("GET", &format!("events/{id}/message"), Value::Null).await.body;
    assert_eq!(event["message"]["id"], written.body["id"]);
    let sent = world.control("POST", &format!("events/{id}/message"), json!({})).await.body;
    assert_eq!(sent, json!({"status": 200}));
}

#[tokio::test]
async fn control_switches_clock_faults_users_and_reset() {
    let world = world().await;
    let id = world.leaves();
    let all = world.control("POST", "settings", json!({"refusal_status": 422})).await.body;
    assert_eq!((&all["refusal_status"], &all["end_inclusive"]), (&json!(422), &json!(true)));
    assert_eq!(world.put(&id, "message", answer("x")).await.status, 422);
    assert_eq!(world.control("POST", "settings", json!({"nonsense": 1})).await.status, 400);
    let clock = world.control("POST", "clock", json!({"advance_ms": 5})).await.body;
    assert_eq!(clock, json!({"now_ms": START_MS + 5, "manual": true}));
    let fault = json!({"path_contains": "/session", "act": {"do": "answer", "status": 500, "body": "{}"}});
    assert_eq!(world.control("POST", "faults", fault).await.status, 200);
    assert_eq!(world.get("/session").await.status, 500);
    assert_eq!(world.get("/session").await.status, 200);
    let agent = json!({"id": "77", "email": "new@brand.example"});
    world.control("POST", "users", agent).await;
    assert_eq!(world.get("/users?email=new@brand.example").await.body["results"][0]["id"], "77");
    let line = world.control(
        "POST",
        "webhook",
        json!({"url": "http://localhost:1/", "secret": "s", "paused": true}),
    );
    assert_eq!(line.await.body["signed"], true);
    assert_eq!(world.control("POST", "reset", json!({})).await.status, 200);
    assert_eq!(world.control("GET", "requests", Value::Null).await.body, json!([]));
    assert_eq!(world.goodays.response_ids().len(), 0);
    assert_eq!(world.control("GET", "webhook", Value::Null).await.body["paused"], false);
    assert_ne!(world.leaves(), id);
}

#[tokio::test]
async fn control_needs_no_token_and_is_not_logged() {
    let world = world().await;
    assert_eq!(world.control("GET", "responses", Value::Null).await.status, 200);
    assert_eq!(world.control("GET", "nonsense", Value::Null).await.status, 404);
    assert_eq!(world.control("POST", "responses", json!({"contents": "x"})).await.status, 400);
    assert_eq!(world.goodays.wire().requests().len(), 0);
}

#[test]
fn docs_every_switch_is_explained_to_integrators() {
    let page = include_str!("../../docs/simulators.md");
    let switches = serde_json::to_value(Switches::default()).unwrap();
    for name in switches.as_object().unwrap().keys() {
        assert!(page.contains(&format!("`{name}`")), "{name}");
    }
}
