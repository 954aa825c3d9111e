//! What changes while the daemon runs: secrets in files, and what Goodays itself counts; and the other login.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use goodays_salesforce::clock::Clock;
use goodays_salesforce::demo::stage::{Stage, Tuning, until};
use goodays_salesforce::goodays::signature::sign;
use goodays_salesforce::http::{Failure, client};
use goodays_salesforce::run::SweepOptions;
use goodays_salesforce::salesforce::auth::Credentials;
use goodays_salesforce::salesforce::client::{Client, Meter};
use goodays_salesforce::sim::goodays::Feedback;
use goodays_salesforce::sim::salesforce::{Options, Salesforce};
use serde_json::Value;
use tokio::net::TcpListener;

const PATIENCE: Duration = Duration::from_secs(30);
const EVENT: &str = include_str!("../fixtures/goodays/response.json");

/// The status of a signed webhook, and how that one event stands at the door.
async fn knock(stage: &Stage, body: &str, secret: &str) -> u16 {
    let url = format!("http://{}/webhooks/goodays", stage.webhook_addr());
    let request = client(PATIENCE).post(url).header("X-HMAC-SHA256", sign(body.as_bytes(), &secret.into()));
    request.body(body.to_owned()).send().await.unwrap().status().as_u16()
}

/// A stage whose Goodays token and webhook secret stand in files.
async fn stage_with_files() -> Stage {
    let mut stage = Stage::start(Tuning::default()).await.unwrap();
    assert!(stage.stop_daemon().await);
    let file = stage.config_file();
    let yaml = fs::read_to_string(&file).unwrap();
    let yaml = yaml
        .replace("token: goodays-simulator-token", "token_file: token.txt")
        .replace("secrets: [demo-secret]", "secrets: [{ file: secret.txt }]");
    fs::write(&file, yaml).unwrap();
    fs::write(stage.dir.path().join("token.txt"), "goodays-simulator-token\n").unwrap();
    fs::write(stage.dir.path().join("secret.txt"), "old-secret\n").unwrap();
    let config = goodays_salesforce::demo::stage::load(&file).unwrap();
    let app = goodays_salesforce::app::App::start(config, Clock::System).await.unwrap();
    stage.app = Some(app);
    stage
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn secrets_are_rotated_without_a_restart() {
    let mut stage = stage_with_files().await;
    assert_eq!(knock(&stage, EVENT, "old-secret").await, 200);
    assert_eq!(knock(&stage, EVENT, "new-secret").await, 401);
    fs::write(stage.dir.path().join("secret.txt"), "new-secret\n").unwrap();
    stage.app().shared.reload_secrets();
    assert_eq!(knock(&stage, EVENT, "new-secret").await, 200);
    assert_eq!(knock(&stage, EVENT, "old-secret").await, 401);
    fs::write(stage.dir.path().join("token.txt"), "no-such-token\n").unwrap();
    stage.app().shared.reload_secrets();
    let refused = stage.app().shared.goodays.session().await;
    assert!(matches!(refused, Err(Failure::Login { .. })), "{refused:?}");
    fs::write(stage.dir.path().join("token.txt"), "goodays-simulator-token\n").unwrap();
    stage.app().shared.reload_secrets();
    stage.app().shared.goodays.session().await.unwrap();
    assert!(stage.stop_daemon().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_processed_is_counted_on_both_sides() {
    let mut stage = Stage::start(Tuning::default()).await.unwrap();
    let ids = [1, 2, 3].map(|_| stage.goodays.customer_leaves(Feedback::default()));
    until(PATIENCE, || ids.iter().all(|id| stage.salesforce.case_by_key(id).is_some()).then_some(()))
        .await
        .unwrap();
    let shared = stage.app().shared.clone();
    let ours = || shared.store.unprocessed(100).unwrap().0;
    until(PATIENCE, || (ours() == 3).then_some(())).await.expect("three wait");
    let case = stage.salesforce.case_by_key(&ids[0]).unwrap();
    let agent = "jennifer.parker@brand.example";
    stage.salesforce.agent_comments(case["Id"].as_str().unwrap(), "an answer", true, agent).unwrap();
    until(PATIENCE, || (ours() == 2).then_some(())).await.expect("one is processed");
    let since = "2020-01-01T00:00:00Z".parse().unwrap();
    shared.sweep(SweepOptions { since, dry_run: true }).await.unwrap().unwrap();
    let url = format!("http://{}/status", stage.app().doors.admin_addr());
    let status: Value = client(PATIENCE).get(url).send().await.unwrap().json().await.unwrap();
    assert_eq!(status["unprocessed"]["count"], 2);
    assert_eq!(status["unprocessed"]["goodays_dashboard"], 2);
    assert!(stage.stop_daemon().await);
}

const KEY: &str = include_str!("../fixtures/salesforce/jwt_private_for_tests.pem");

async fn jwt_session(options: Options, audience: &str) -> Result<(), Failure> {
    let username = options.username.clone();
    let client_id = options.client_id.clone();
    let org = Salesforce::start(TcpListener::bind("127.0.0.1:0").await.unwrap(), options).await;
    let credentials = Credentials::JwtBearer {
        client_id,
        username,
        private_key_pem: KEY.into(),
        audience: audience.to_owned(),
    };
    let meter = Arc::new(Meter::new());
    meter.grant(10);
    let url = org.url().parse().unwrap();
    let client = Client::new(url, "66.0".to_owned(), credentials, client(PATIENCE), meter, Clock::System);
    client.session().await?;
    client.query("SELECT Id FROM Case").await.map(|_| ())
}

fn with_public_key(key: &str) -> Options {
    Options { jwt_public_key: Some(key.to_owned()), ..Options::default() }
}

#[tokio::test]
async fn a_signed_assertion_is_a_login() {
    let public = include_str!("../fixtures/salesforce/jwt_public_for_tests.pem");
    jwt_session(with_public_key(public), "https://login.salesforce.com").await.unwrap();
    let wrong = jwt_session(with_public_key(public), "https://example.com").await;
    assert!(matches!(&wrong, Err(Failure::Login { advice, .. }) if !advice.is_empty()), "{wrong:?}");
}
