//! Changes at run time: secrets in files, what Goodays itself counts, and the other kind of login.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use goodays_salesforce::clock::Clock;
use goodays_salesforce::demo::stage::{SECRET, Stage, Tuning, until};
use goodays_salesforce::goodays::ResponseId;
use goodays_salesforce::goodays::signature::sign;
use goodays_salesforce::http::{Failure, client};
use goodays_salesforce::operator::{IfUnclear, ItemId};
use goodays_salesforce::salesforce::auth::Credentials;
use goodays_salesforce::salesforce::client::{Client, Meter};
use goodays_salesforce::sim::goodays::Feedback;
use goodays_salesforce::sim::salesforce::{Options, Salesforce};
use goodays_salesforce::sim::wire::{Act, Fault};
use goodays_salesforce::state::{Receipt, Settings, Store};
use goodays_salesforce::workers::SweepOptions;
use serde_json::Value;
use tokio::net::TcpListener;

use crate::now;

const PATIENCE: Duration = Duration::from_secs(120);
const EVENT: &str = include_str!("../fixtures/goodays/response.json");

/// Posts a signed webhook. Returns its status.
async fn knock(stage: &Stage, body: &str, secret: &str) -> u16 {
    let url = format!("http://{}/webhooks/goodays", stage.webhook_addr());
    let request = client(PATIENCE).post(url).header("X-HMAC-SHA256", sign(body.as_bytes(), &secret.into()));
    request.body(body.to_owned()).send().await.unwrap().status().as_u16()
}

/// A stage whose configuration has these changes, with additional files.
async fn stage_with(changes: &[(&str, &str)], files: &[(&str, &str)]) -> Stage {
    let mut stage = Stage::start(Tuning::default()).await.unwrap();
    assert!(stage.stop_daemon().await);
    started(stage, changes, files).await
}

async fn started(mut stage: Stage, changes: &[(&str, &str)], files: &[(&str, &str)]) -> Stage {
    let file = stage.config_file();
    let mut yaml = fs::read_to_string(&file).unwrap();
    for (old, new) in changes {
        assert!(yaml.contains(old), "{old}");
        yaml = yaml.replace(old, new);
    }
    fs::write(&file, yaml).unwrap();
    for (name, text) in files {
        write(&stage, name, text);
    }
    let config = goodays_salesforce::demo::stage::load(&file).unwrap();
    let app = goodays_salesforce::app::App::start(config, Clock::System).await.unwrap();
    let url = format!("http://{}/webhooks/goodays", app.doors.webhook_addr());
    stage.goodays.set_webhook(&url, Some(SECRET.to_owned()));
    stage.app = Some(app);
    stage
}

fn write(stage: &Stage, name: &str, text: &str) {
    fs::write(stage.dir.path().join(name), text).unwrap();
}

/// Waits until Salesforce has a trouble, and returns its code.
async fn salesforce_trouble(stage: &Stage) -> String {
    let trouble = || stage.app().shared.salesforce_breaker.trouble().map(|t| t.code);
    until(PATIENCE, trouble).await.expect("a login that is refused")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn secrets_are_rotated_without_a_restart() {
    let changes = [
        ("token: goodays-simulator-token", "token_file: token.txt"),
        ("secrets: [demo-secret]", "secrets: [{ file: secret.txt }]"),
    ];
    let files = [("token.txt", "goodays-simulator-token\n"), ("secret.txt", "old-secret\n")];
    let mut stage = stage_with(&changes, &files).await;
    assert_eq!(knock(&stage, EVENT, "old-secret").await, 200);
    assert_eq!(knock(&stage, EVENT, "new-secret").await, 401);
    write(&stage, "secret.txt", "new-secret\n");
    stage.app().shared.reload_secrets();
    assert_eq!(knock(&stage, EVENT, "new-secret").await, 200);
    assert_eq!(knock(&stage, EVENT, "old-secret").await, 401);
    write(&stage, "token.txt", "no-such-token\n");
    stage.app().shared.reload_secrets();
    let refused = stage.app().shared.goodays.session().await;
    assert!(matches!(refused, Err(Failure::Login { .. })), "{refused:?}");
    write(&stage, "token.txt", "goodays-simulator-token\n");
    stage.app().shared.reload_secrets();
    stage.app().shared.goodays.session().await.unwrap();
    assert!(stage.stop_daemon().await);
}

/// No command is needed: the files are checked, and what was refused is retried at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn salesforces_secret_is_rotated_without_a_restart() {
    let secret = Options::default().client_secret;
    let change = format!("client_secret: {secret}");
    let changes = [(change.as_str(), "client_secret_file: secret.txt")];
    let mut stage = stage_with(&changes, &[("secret.txt", "out of date")]).await;
    assert_eq!(salesforce_trouble(&stage).await, "invalid_client");
    let id = stage.goodays.customer_leaves(Feedback::default());
    write(&stage, "secret.txt", &secret);
    until(PATIENCE, || stage.salesforce.case_by_key(&id)).await.expect("its Case");
    assert!(stage.stop_daemon().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn salesforces_key_is_rotated_without_a_restart() {
    let public = include_str!("../fixtures/salesforce/jwt_public_for_tests.pem");
    let options = with_public_key(public);
    let signed = format!(
        "flow: jwt_bearer, client_id: {}, username: {}, audience: https://login.salesforce.com, private_key_file: key.pem",
        options.client_id, options.username
    );
    let plain = format!(
        "flow: client_credentials, client_id: {}, client_secret: {}",
        options.client_id, options.client_secret
    );
    let mut stage = Stage::start(Tuning::default()).await.unwrap();
    assert!(stage.stop_daemon().await);
    let before = stage.salesforce.url();
    stage.salesforce = Salesforce::start(TcpListener::bind("127.0.0.1:0").await.unwrap(), options).await;
    let now = stage.salesforce.url();
    let changes = [(plain.as_str(), signed.as_str()), (before.as_str(), now.as_str())];
    let mut stage = started(stage, &changes, &[("key.pem", "-----BEGIN PRIVATE KEY-----\nold\n")]).await;
    assert_eq!(salesforce_trouble(&stage).await, "PRIVATE_KEY");
    let id = stage.goodays.customer_leaves(Feedback::default());
    write(&stage, "key.pem", KEY);
    until(PATIENCE, || stage.salesforce.case_by_key(&id)).await.expect("its Case");
    assert!(stage.stop_daemon().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_admin_token_is_rotated_without_a_restart() {
    let changes =
        [("admin: { listen: '127.0.0.1:0' }", "admin: { listen: '127.0.0.1:0', token_file: admin.txt }")];
    let mut stage = stage_with(&changes, &[("admin.txt", "the-old-one")]).await;
    let url = format!("http://{}/status", stage.app().doors.admin_addr());
    let status = |token: &'static str| {
        let request = client(PATIENCE).get(&url).bearer_auth(token);
        async move { request.send().await.unwrap().status().as_u16() }
    };
    assert_eq!((status("the-old-one").await, status("the-new-one").await), (200, 401));
    write(&stage, "admin.txt", "the-new-one");
    stage.app().shared.reload_secrets();
    assert_eq!((status("the-old-one").await, status("the-new-one").await), (401, 200));
    assert!(stage.stop_daemon().await);
}

/// What `/status` and `/metrics` tell of secrets' files and connector.yaml: the findings' codes, and the gauge.
async fn refused(stage: &Stage) -> (Vec<String>, bool) {
    let base = format!("http://{}", stage.app().doors.admin_addr());
    let get = |path: &str| client(PATIENCE).get(format!("{base}{path}")).send();
    let status: Value = get("/status").await.unwrap().json().await.unwrap();
    let metrics = get("/metrics").await.unwrap().text().await.unwrap();
    let codes =
        status["findings"].as_array().unwrap().iter().map(|one| one["code"].as_str().unwrap().to_owned());
    (codes.collect(), metrics.contains("\ngoodays_salesforce_configuration_refused 1\n"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn e05_a_secret_file_that_breaks_is_told_until_it_is_mended() {
    let changes = [("secrets: [demo-secret]", "secrets: [{ file: secret.txt }]")];
    let mut stage = stage_with(&changes, &[("secret.txt", SECRET)]).await;
    let edits = |stage: &Stage| stage.app().shared.edits.load_full();
    assert_eq!(refused(&stage).await, (vec![], false));
    // Nobody asks for it: the files are looked at.
    fs::remove_file(stage.dir.path().join("secret.txt")).unwrap();
    until(PATIENCE, || edits(&stage).secrets.clone()).await.expect("it is noticed");
    assert_eq!(refused(&stage).await, (vec!["secrets".to_owned()], true));
    assert!(edits(&stage).secrets.as_ref().unwrap().contains("secret.txt"));
    assert_eq!(knock(&stage, EVENT, SECRET).await, 200, "what was read before goes on");
    write(&stage, "secret.txt", "");
    assert!(stage.app().shared.reload().await.is_err());
    assert_eq!(refused(&stage).await, (vec!["configuration".to_owned(), "secrets".to_owned()], true));
    write(&stage, "secret.txt", SECRET);
    until(PATIENCE, || (*edits(&stage) == goodays_salesforce::workers::Edits::default()).then_some(()))
        .await
        .expect("it is noticed that both are mended");
    assert_eq!(refused(&stage).await, (vec![], false));
    assert!(stage.stop_daemon().await);
}

/// The account of a new token is compared with that of the state before anything is sent (design, rule 16).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotated_token_of_another_account_sends_nothing() {
    let changes = [("token: goodays-simulator-token", "token_file: token.txt")];
    let mut stage = stage_with(&changes, &[("token.txt", "goodays-simulator-token")]).await;
    let id = stage.goodays.customer_leaves(Feedback::default());
    until(PATIENCE, || stage.salesforce.case_by_key(&id)).await.expect("its Case");
    let body = r#"{"username": "another-brand", "token": "t"}"#.to_owned();
    let other = Act::Answer { status: 200, body, content_type: None, headers: [].into() };
    stage.goodays.wire().fault(Fault { times: None, ..Fault::once("/session", other) });
    write(&stage, "token.txt", "the-token-of-another-brand");
    stage.app().shared.reload_secrets();
    let trouble = || stage.app().shared.goodays_breaker.trouble().map(|t| t.code);
    assert_eq!(until(PATIENCE, trouble).await.as_deref(), Some("other_account"));
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
    let ours = || now(shared.store.figures(100)).unwrap().unprocessed.0;
    until(PATIENCE, || (ours() == 3).then_some(())).await.expect("three wait");
    let case = stage.salesforce.case_by_key(&ids[0]).unwrap();
    let agent = "jennifer.parker@brand.example";
    stage.salesforce.agent_comments(case["Id"].as_str().unwrap(), "an answer", true, agent).unwrap();
    until(PATIENCE, || (ours() == 2).then_some(())).await.expect("one is processed");
    let since = "2020-01-01T00:00:00Z".parse().unwrap();
    shared.sweep(SweepOptions { since, named: false, dry_run: true }).await.unwrap();
    let url = format!("http://{}/status", stage.app().doors.admin_addr());
    let status: Value = client(PATIENCE).get(url).send().await.unwrap().json().await.unwrap();
    assert_eq!(status["unprocessed"]["count"], 2);
    assert_eq!(status["unprocessed"]["goodays_dashboard"], 2);
    assert!(stage.stop_daemon().await);
}

/// The state after three processes that ended during the same event.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c10_an_event_that_ended_three_processes_is_parked_and_the_others_go_on() {
    let mut stage = Stage::start(Tuning::default()).await.unwrap();
    assert!(stage.stop_daemon().await);
    let config = goodays_salesforce::demo::stage::load(&stage.config_file()).unwrap();
    let store = Store::open(&config.state.path, Settings::default()).unwrap();
    let [bad, _] = ["bad", "good"].map(|name| {
        let mut event: Value = serde_json::from_str(EVENT).unwrap();
        event["response"]["id"] = name.into();
        let id = Ok(ResponseId::new(name).unwrap());
        match now(store.accept(event.to_string().as_bytes(), "response", &id, 0)).unwrap() {
            Receipt::Accepted { seq, .. } => seq,
            other => panic!("{other:?}"),
        }
    });
    store.close().unwrap();
    std::fs::write(config.state.path.join("in_progress"), format!("{{\"{bad}\":3}}\n")).unwrap();
    let mut stage = started(stage, &[], &[]).await;
    until(PATIENCE, || stage.salesforce.case_by_key("good")).await.expect("its Case");
    let shared = stage.app().shared.clone();
    let parked = || now(shared.parked(10)).unwrap().into_iter().next();
    let parked = until(PATIENCE, parked).await.expect("one waits for a human");
    assert_eq!((parked.id, parked.reason_code.as_str()), (ItemId::Event(bad), "crashed"));
    assert!(stage.salesforce.case_by_key("bad").is_none());
    shared.retry(parked.id, IfUnclear::Confirm).await.unwrap();
    until(PATIENCE, || stage.salesforce.case_by_key("bad"))
        .await
        .expect("its Case, once somebody asks for it");
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
