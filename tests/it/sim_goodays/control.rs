//! The control API.

use super::*;

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
    let page = include_str!("../../../docs/simulators.md");
    let switches = serde_json::to_value(Switches::default()).unwrap();
    for name in switches.as_object().unwrap().keys() {
        assert!(page.contains(&format!("`{name}`")), "{name}");
    }
}
