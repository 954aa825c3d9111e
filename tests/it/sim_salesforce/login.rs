//! Section 1: logging in, sessions.

use goodays_salesforce::clock::Clock;
use goodays_salesforce::sim::salesforce::Options;
use serde_json::{Value, json};
use std::sync::atomic::Ordering;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{CLIENT, Got, World, fixture, golden, read};

#[tokio::test]
async fn section_1_4_a_token_by_body_or_basic() {
    let world = World::new().await;
    let basic = world.login(&CLIENT[..1], Some(("sim-client", "sim-secret"))).await;
    let mut body = world.login(&CLIENT, None).await;
    assert_eq!((basic.status, body.status), (200, 200), "{}", basic.body);
    assert!(body.body["access_token"].as_str().unwrap().starts_with("00D"));
    assert!(body.body["issued_at"].as_str().unwrap().parse::<i64>().is_ok());
    assert_eq!(body.body["instance_url"], json!(world.org.url()));
    // Members that differ each time, or that are the simulator's own.
    let quoted: Value = serde_json::from_str(&fixture("token.json")).unwrap();
    for name in ["access_token", "signature", "issued_at", "instance_url"] {
        body.body[name] = quoted[name].clone();
    }
    golden("token", &body.body);
}

#[tokio::test]
async fn section_1_5_refused_logins() {
    let world = World::new().await;
    let mut refused = Vec::new();
    for form in [
        [CLIENT[0], CLIENT[1], ("client_secret", "wrong")],
        [CLIENT[0], ("client_id", "wrong"), CLIENT[2]],
        [("grant_type", "magic"), CLIENT[1], CLIENT[2]],
    ] {
        refused.push(world.login(&form, None).await);
    }
    world.org.with_settings(|settings| settings.not_my_domain = true);
    refused.push(world.login(&CLIENT, None).await);
    world.org.with_settings(|settings| (settings.not_my_domain, settings.run_as) = (false, false));
    refused.push(world.login(&CLIENT, None).await);
    world.org.with_settings(|settings| (settings.run_as, settings.pre_authorised) = (true, false));
    assert_eq!(world.login(&CLIENT, None).await.body["error"], json!("invalid_app_access"));
    assert!(refused.iter().all(|got| got.status == 400 && got.headers["cache-control"] == "no-store"));
    golden("oauth_errors", &refused.into_iter().map(|got| got.body).collect());
}

#[tokio::test]
async fn section_1_2_a_jwt_is_verified_with_the_key() {
    let jwt_public_key = Some(fixture("jwt_public_for_tests.pem"));
    let world = World::with(Options { jwt_public_key, ..Options::default() }).await;
    let claims = |aud: &str, ahead: i64| {
        json!({"iss": "sim-client", "sub": "connector@sim.example", "aud": aud,
            "exp": Clock::System.now_ms() / 1000 + ahead})
    };
    let login = "https://login.salesforce.com";
    assert_eq!(world.jwt(&claims(login, 170)).await.status, 200);
    let mut as_text = claims(login, 170);
    as_text["exp"] = json!(as_text["exp"].to_string());
    assert_eq!(world.jwt(&as_text).await.status, 200);
    assert_eq!(
        world.jwt(&claims("https://evil.example", 170)).await.body["error_description"],
        "audience is invalid"
    );
    assert_eq!(world.jwt(&claims(login, -5)).await.body["error_description"], "expired authorization code");
    assert_eq!(world.jwt(&claims(login, 3600)).await.body["error_description"], "expired authorization code");
    let mut stranger = claims(login, 170);
    stranger["sub"] = json!("somebody@else.example");
    assert_eq!(world.jwt(&stranger).await.body["error_description"], "user hasn't approved this consumer");
    let form = [("grant_type", JWT), ("assertion", "e30.e30.x")];
    assert_eq!(world.login(&form, None).await.body["error_description"], "invalid assertion");
}

const JWT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

impl World {
    async fn jwt(&self, claims: &Value) -> Got {
        use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
        let key = EncodingKey::from_rsa_pem(fixture("jwt_private_for_tests.pem").as_bytes()).unwrap();
        let assertion = encode(&Header::new(Algorithm::RS256), claims, &key).unwrap();
        self.login(&[("grant_type", JWT), ("assertion", &assertion)], None).await
    }
}

/// A hand-written request: jsforce sends its login in chunks (section 9.3).
#[tokio::test]
async fn section_9_3_a_login_in_chunks() {
    let world = World::new().await;
    let mut stream = TcpStream::connect(world.org.url().trim_start_matches("http://")).await.unwrap();
    let form = "grant_type=client_credentials&client_id=sim-client&client_secret=sim-secret";
    let (first, second) = form.split_at(20);
    let request = format!(
        "POST /services/oauth2/token HTTP/1.1\r\nHost: sim\r\nContent-Type: application/x-www-form-urlencoded\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n{:x}\r\n{first}\r\n{:x}\r\n{second}\r\n0\r\n\r\n",
        first.len(),
        second.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains(r#""instance_url":"http://sim""#), "{answer}");
}

#[tokio::test]
async fn section_1_6_sessions_end_by_command_count_and_time() {
    let (mut world, time) = World::at(1_780_000_000_000).await;
    world.org.expire_sessions();
    let got = world.get("/limits").await;
    assert_eq!(got.status, 401);
    golden("session_expired", &got.body);
    world.token = world.org.new_token();
    world.org.with_settings(|settings| settings.session_calls = 2);
    let statuses = [
        world.get("/limits").await.status,
        world.get("/limits").await.status,
        world.get("/limits").await.status,
    ];
    assert_eq!(statuses, [200, 200, 401]);
    world.org.with_settings(|settings| settings.session_calls = 0);
    world.token = world.org.new_token();
    // Sessions slide: each call extends them.
    for _ in 0..3 {
        time.fetch_add(3600 * 1000, Ordering::SeqCst);
        assert_eq!(world.get("/limits").await.status, 200);
    }
    time.fetch_add(2 * 3600 * 1000, Ordering::SeqCst);
    assert_eq!(world.get("/limits").await.status, 401);
}

#[tokio::test]
async fn section_1_6_introspection_and_revocation() {
    let world = World::new().await;
    let token = world.token.clone();
    let mut got = world.oauth("introspect", &token).await;
    let quoted: Value = serde_json::from_str(&fixture("introspect.json")).unwrap();
    for name in ["exp", "iat", "nbf"] {
        assert!(got.body[name].is_i64());
        got.body[name] = quoted[name].clone();
    }
    golden("introspect", &got.body);
    let info = world.get("/services/oauth2/userinfo").await;
    assert_eq!(info.body["preferred_username"], json!("connector@sim.example"));
    assert_eq!(world.oauth("revoke", &token).await.status, 200);
    assert_eq!(world.oauth("introspect", &token).await.body, json!({"active": false}));
    assert_eq!(world.get("/limits").await.status, 401);
}

impl World {
    async fn oauth(&self, what: &str, token: &str) -> Got {
        let url = format!("{}/services/oauth2/{what}", self.org.url());
        let form = [("token", token), CLIENT[1], CLIENT[2]];
        read(self.http.post(url).form(&form).send().await.unwrap()).await
    }
}

#[tokio::test]
async fn unverified_6_a_repeated_login_may_give_the_same_token() {
    let world = World::new().await;
    let (one, two) = (world.login(&CLIENT, None).await, world.login(&CLIENT, None).await);
    assert_ne!(one.body["access_token"], two.body["access_token"]);
    world.org.expire_sessions();
    world.org.with_settings(|settings| settings.same_token = true);
    let (one, two) = (world.login(&CLIENT, None).await, world.login(&CLIENT, None).await);
    assert_eq!(one.body["access_token"], two.body["access_token"]);
}
