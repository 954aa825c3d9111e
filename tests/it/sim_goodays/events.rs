//! Events (section 2).

use super::*;

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
    assert_shape(&world, &id, "response", include_str!("../../fixtures/goodays/response.json"));
    let id = world.goodays.customer_leaves(Feedback {
        phone: Some(String::new()),
        crm_id: "12AB34".to_owned(),
        extra: extra(json!({"transaction_date": "2020-01-28", "transaction_time": "17:47:00"})),
        ..Feedback::default()
    });
    let fixture = include_str!("../../fixtures/goodays/response_context_phone_crm_id.json");
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
    assert_shape(&world, &id, "delegated", include_str!("../../fixtures/goodays/delegated.json"));
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
    assert_shape(&world, &id, "message", include_str!("../../fixtures/goodays/message_first.json"));
    world.put(&id, "message", answer("Until March")).await;
    world.goodays.customer_writes(&id, "Thank you! See you soon 😊").unwrap();
    assert_shape(
        &world,
        &id,
        "message",
        include_str!("../../fixtures/goodays/message_second_customer_turn.json"),
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
