use reqwest::StatusCode;
use serde_json::json;

use super::{House, Plan, answered, event, house};

async fn asked(house: &House, path: &str, headers: &[(&'static str, &str)]) -> StatusCode {
    let request =
        headers.iter().fold(house.get(path), |request, (name, value)| request.header(*name, *value));
    answered(request).await.0
}

#[tokio::test]
async fn on_loopback_only_local_names_come_in() {
    let house = house().await;
    let own = house.doors.admin_addr().to_string();
    for host in [own.as_str(), "localhost", "LOCALHOST:1", "127.0.0.1:80", "127.9.9.9", "[::1]:9464"] {
        assert_eq!(asked(&house, "/status", &[("host", host)]).await, 200, "{host}");
    }
    for host in ["evil.example", "evil.example:9464", "localhost.evil.example", "192.0.2.1", "", "a b"] {
        for path in ["/status", "/health/live", "/nothing"] {
            assert_eq!(asked(&house, path, &[("host", host)]).await, 403, "{host} {path}");
        }
    }
}

#[tokio::test]
async fn web_pages_never_come_in() {
    let house = house().await;
    for (name, value) in [
        ("origin", "http://evil.example"),
        ("origin", "null"),
        ("origin", "http://localhost"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
    ] {
        assert_eq!(asked(&house, "/status", &[(name, value)]).await, 403, "{name}: {value}");
        assert_eq!(answered(house.order("/reload").header(name, value)).await.0, 403);
    }
    for value in ["none", "same-origin"] {
        assert_eq!(asked(&house, "/status", &[("sec-fetch-site", value)]).await, 200, "{value}");
    }
}

#[tokio::test]
async fn a_configured_token_is_wanted_on_loopback_too() {
    let house = Plan { admin: "listen: '127.0.0.1:0', token: open", ..Plan::default() }.build().await;
    for given in ["", "Bearer", "Bearer ", "Bearer opens", "Bearer ope", "Basic open", "open"] {
        assert_eq!(asked(&house, "/status", &[("authorization", given)]).await, 401, "{given}");
    }
    let refused = house.get("/metrics").send().await.unwrap();
    assert_eq!(
        (refused.status(), &refused.headers()["www-authenticate"]),
        (StatusCode::UNAUTHORIZED, &"Bearer".parse().unwrap())
    );
    for given in ["Bearer open", "bearer  open "] {
        assert_eq!(asked(&house, "/status", &[("authorization", given)]).await, 200, "{given}");
    }
    for path in ["/health/live", "/health/accepting"] {
        assert_eq!(asked(&house, path, &[]).await, 200, "{path}");
    }
    assert_eq!(asked(&house, "/health/../status", &[]).await, 401);
}

#[tokio::test]
async fn elsewhere_the_token_counts_and_not_the_name() {
    let house = Plan { admin: "listen: '0.0.0.0:0', token: open", ..Plan::default() }.build().await;
    let port = house.doors.admin_addr().port();
    let ask = |path: &str| {
        house.http.get(format!("http://127.0.0.1:{port}{path}")).header("host", "connector.svc:9464")
    };
    assert_eq!(answered(ask("/status")).await.0, 401);
    assert_eq!(answered(ask("/health/live")).await.0, 200, "probes have no token");
    assert_eq!(answered(ask("/status").bearer_auth("open")).await.0, 200);
    assert_eq!(answered(ask("/status").bearer_auth("open").header("origin", "https://x")).await.0, 403);
}

#[tokio::test]
async fn unknown_paths_and_methods_are_told_in_json() {
    let house = house().await;
    assert_eq!(
        answered(house.get("/nothing")).await,
        (StatusCode::NOT_FOUND, json!({ "error": "nothing is here" }))
    );
    let answer = house.get("/reload").send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(answer.headers()["allow"], "POST");
    assert_eq!(answer.headers()["cache-control"], "no-store");
    assert!(answer.json::<serde_json::Value>().await.unwrap()["error"].is_string());
    let webhook = house.http.post(format!("http://{}{}", house.doors.admin_addr(), super::PATH));
    assert_eq!(answered(webhook).await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn readiness_says_what_is_missing() {
    let house = house().await;
    let (status, said) = answered(house.get("/health/ready")).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(said, json!({ "ready": false, "salesforce": "not reached yet", "goodays": null }));
    house.shared.salesforce_breaker.succeeded(house.shared.clock.now_ms());
    assert_eq!(answered(house.get("/health/ready")).await.0, StatusCode::OK);
    let failure = goodays_salesforce::http::Failure::login("bad_token", "Set goodays.token.");
    house.shared.goodays_breaker.failed(&failure, 0);
    let (status, said) = answered(house.get("/health/ready")).await;
    assert_eq!(
        (status, &said["goodays"]["advice"]),
        (StatusCode::SERVICE_UNAVAILABLE, &json!("Set goodays.token."))
    );
    assert_eq!(said["goodays"]["since"], "1970-01-01T00:00:00Z");
    assert_eq!(asked(&house, "/health/accepting", &[]).await, 200, "the webhook's door stays open");
}

#[tokio::test]
async fn status_has_all_its_numbers() {
    let house = house().await;
    house.post(event("r1")).await;
    house.post("{}").await;
    let (_, said) = answered(house.get("/status")).await;
    for (place, expected) in [
        ("/inbox", json!({ "pending": 1, "parked": 1, "done": 0, "oldest_seconds": 0 })),
        ("/outbox", json!({ "pending": 0, "unclear": 0, "parked": 0, "delivered": 0 })),
        ("/poll/last_completed", json!(null)),
        ("/poll/lag_seconds", json!(0)),
        ("/salesforce/api_calls_today", json!(0)),
        ("/salesforce/api_calls_allowed", json!(20000)),
        ("/salesforce/trouble", json!(null)),
        ("/goodays/trouble", json!(null)),
        ("/unprocessed", json!({ "count": 0, "goodays_dashboard": null, "oldest_seconds": null })),
        ("/mapping/version", json!(house.shared.mapping().version())),
        ("/mapping/trouble", json!(null)),
        ("/actions", json!("send")),
        ("/accepting", json!(true)),
        ("/version", json!(env!("CARGO_PKG_VERSION"))),
    ] {
        assert_eq!(said.pointer(place), Some(&expected), "{place}");
    }
    assert!(said["state"]["disk_bytes"].as_u64() > Some(0));
    house.shared.poll_state.last_completed_ms.store(std::sync::Arc::new(Some(1000)));
    let (_, said) = answered(house.get("/status")).await;
    assert_eq!(said["poll"]["last_completed"], "1970-01-01T00:00:01Z");
}

#[tokio::test]
async fn metrics_are_open_metrics() {
    let house = house().await;
    house.post(event("r1")).await;
    let answer = house.get("/metrics").send().await.unwrap();
    let kind = answer.headers()["content-type"].to_str().unwrap().to_owned();
    assert!(kind.starts_with("application/openmetrics-text"), "{kind}");
    let text = answer.text().await.unwrap();
    for line in [
        "goodays_salesforce_webhooks_total{outcome=\"accepted\"} 1",
        "goodays_salesforce_acknowledgement_seconds_count 1",
        "goodays_salesforce_inbox_pending 1",
        "goodays_salesforce_salesforce_calls_allowed 20000",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} in {text}");
    }
    assert!(text.ends_with("# EOF\n"));
}

/// The root page lists what the admin API offers, and all of it exists.
#[tokio::test]
async fn f06_the_root_lists_what_the_door_offers() {
    let house = house().await;
    let (status, said) = answered(house.get("/")).await;
    assert_eq!(status, StatusCode::OK);
    for (method, least) in [("GET", 9), ("POST", 7)] {
        let paths = said[method].as_object().unwrap();
        assert!(paths.len() >= least, "{paths:?}");
        for path in paths.keys() {
            let path = path.replace("{id}", "e1").replace("{id or number}", "1");
            let asked = if method == "GET" { house.get(&path) } else { house.order(&path) };
            let answer = asked.send().await.unwrap();
            assert_ne!(answer.status(), StatusCode::METHOD_NOT_ALLOWED, "{method} {path}");
            assert!(!answer.text().await.unwrap().contains("nothing is here"), "{method} {path}");
        }
    }
    let house = Plan { admin: "listen: '127.0.0.1:0', token: open", ..Plan::default() }.build().await;
    assert_eq!(asked(&house, "/", &[]).await, 401, "behind the token like the rest");
}
