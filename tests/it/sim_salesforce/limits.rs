//! Section 3: limits and headers.

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{World, encoded, golden, read};

#[tokio::test]
async fn section_3_limits_are_told_and_kept() {
    let world = World::new().await;
    let versions =
        read(world.http.get(format!("{}/services/data", world.org.url())).send().await.unwrap()).await;
    assert_eq!(versions.body.as_array().unwrap().last().unwrap()["label"], json!("Summer '26"));
    assert!(!versions.headers.contains_key("sforce-limit-info"));
    assert_eq!(world.org.api_calls(), 0);
    world.org.set_daily_limit(100, 98);
    let got = world.get("/limits").await;
    assert_eq!(got.headers["sforce-limit-info"], "api-usage=99/100");
    assert_eq!(got.body["DailyApiRequests"], json!({"Max": 100, "Remaining": 1}));
    assert_eq!(got.headers["content-type"], "application/json;charset=UTF-8");
    assert_eq!(world.get("/limits").await.status, 200);
    let got = world.get("/limits").await;
    assert_eq!(got.status, 403);
    golden("request_limit", &got.body);
    // A new day begins.
    world.org.advance(24 * 3600 * 1000);
    world.org.with_settings(|settings| settings.session_ttl_ms = 0);
    assert_eq!(world.get("/limits").await.headers["sforce-limit-info"], "api-usage=1/100");
}

#[tokio::test]
async fn section_9_2_and_9_4_slashes_and_versions() {
    let world = World::new().await;
    for path in [
        "/limits/",
        "//services/data/v66.0//limits",
        "/services/data/v31.0/limits",
        "/services/data/v67.0/limits",
    ] {
        assert_eq!(world.get(path).await.status, 200, "{path}");
    }
    assert_eq!(world.get("/services/data/v20.0/limits").await.status, 410);
    assert_eq!(world.get("/services/data/v99.0/limits").await.status, 404);
    assert_eq!(world.get("/services/data/v66.0").await.status, 200);
    assert_eq!(world.send("PUT", "/sobjects/Case/500000000000001", json!({}), &[]).await.status, 405);
}

/// The first requests of the `sf` command.
#[tokio::test]
async fn section_9_4_the_command_line_client_finds_what_it_asks_for() {
    let world = World::new().await;
    assert!(world.token.starts_with("00D") && world.token.contains('!'));
    let info = world.get("/services/oauth2/userinfo").await.body;
    let user = info["user_id"].as_str().unwrap();
    let shown = world.get(&format!("//services/data/v51.0/sobjects/User/{user}")).await.body;
    assert_eq!(shown["Username"], info["preferred_username"]);
    let soql = "SELECT Name, InstanceName, IsSandbox, TrialExpirationDate, NamespacePrefix FROM Organization";
    let found = world.get(&format!("/services/data/v50.0/query?q={}", encoded(soql))).await.body;
    assert_eq!(found["totalSize"], json!(1), "{found}");
    assert!(world.get("/services/data/v50.0").await.body["sobjects"].is_string());
    assert_eq!(world.query("SELECT Id FROM ScratchOrgInfo").await.status, 400);
}

#[tokio::test]
async fn section_10_3_gzip_both_ways() {
    let world = World::new().await;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    std::io::Write::write_all(&mut encoder, br#"{"Subject":"packed"}"#).unwrap();
    let url = format!("{}/services/data/v66.0/sobjects/Case", world.org.url());
    let request = world.http.post(url).bearer_auth(&world.token).header("Content-Type", "application/json");
    let request = request.header("Content-Encoding", "gzip").body(encoder.finish().unwrap());
    assert_eq!(request.send().await.unwrap().status(), 201);
    assert_eq!(world.org.records("Case")[0]["Subject"], json!("packed"));
    let described = world.get("/sobjects/Case/describe").await;
    assert_eq!(described.body["name"], json!("Case"));
    // With a raw socket, because the client unpacks the body and removes the header.
    let mut stream = TcpStream::connect(world.org.url().trim_start_matches("http://")).await.unwrap();
    let request = format!(
        "GET /services/data/v66.0/sobjects/Case/describe HTTP/1.1\r\nHost: sim\r\nAuthorization: Bearer {}\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n",
        world.token
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    assert!(String::from_utf8_lossy(&answer).to_lowercase().contains("content-encoding: gzip"));
}
