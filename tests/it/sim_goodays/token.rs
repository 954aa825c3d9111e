//! The token, refusals and the rate (sections 1 and 4).

use super::*;

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
