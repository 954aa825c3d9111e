//! Two instances on one database: one works, the other one waits with its doors open. Not tested where there is no
//! PostgreSQL.

use std::sync::Arc;
use std::time::{Duration, Instant};

use goodays_salesforce::app::App;
use goodays_salesforce::clock::Clock;
use goodays_salesforce::config::{Config, Postgres, Secrets};
use goodays_salesforce::demo::stage::{SECRET, Stage, Tuning, until};
use goodays_salesforce::sim::goodays::Feedback;
use goodays_salesforce::state::Store;
use goodays_salesforce::state::postgres::Settings;
use goodays_salesforce::state::postgres::lease::{Instance, Lease};
use goodays_salesforce::workers::Shared;
use serde_json::{Value, json};

use crate::arena::{Ahead, PATIENCE};
use crate::database;

const LEASE: Duration = Duration::from_secs(2);
const HOURS_MS: i64 = 2 * 3_600_000;
const AGENT: &str = "agent@brand.example";

pub struct Cluster {
    pub stage: Stage,
    database: Settings,
}

impl Cluster {
    /// None without a database.
    pub async fn start() -> Option<Self> {
        let database = database::settings()?;
        Some(Self { stage: Stage::set(Tuning::default()).await.unwrap(), database })
    }

    pub fn config(&self, name: &str) -> Config {
        let mut config = self.stage.config().unwrap();
        config.state.path = self.stage.dir.path().join(name);
        let Settings { url, schema, .. } = self.database.clone();
        config.state.postgres = Some(Postgres { url: url.into(), schema, root_cert: None, lease: LEASE });
        config
    }

    /// From connector.yaml with this as its `state`.
    fn written(&self, state: &str) -> Config {
        self.stage.config().unwrap();
        let file = self.stage.config_file();
        let text = std::fs::read_to_string(&file).unwrap();
        let edited = text.replace("state: { path: ./state }", state);
        assert_ne!(edited, text);
        std::fs::write(&file, edited).unwrap();
        Config::load(&file, Secrets::Required).unwrap()
    }

    async fn instance(&self, name: &str) -> App {
        Self::run(self.config(name)).await
    }

    pub async fn run(config: Config) -> App {
        std::fs::create_dir_all(&config.state.path).unwrap();
        App::start(config, Clock::System).await.unwrap()
    }

    /// Sends webhooks to this instance.
    fn door(&self, app: &App) {
        let url = format!("http://{}/webhooks/goodays", app.doors.webhook_addr());
        self.stage.goodays.set_webhook(&url, Some(SECRET.to_owned()));
    }

    /// A feedback becomes a Case, and an answer on that reaches the customer once.
    async fn carries(&self, words: &str) {
        let id = self.stage.goodays.customer_leaves(Feedback::default());
        let case = until(PATIENCE, || self.stage.salesforce.case_by_key(&id)).await.expect("a Case");
        let case = case["Id"].as_str().unwrap();
        self.stage.salesforce.agent_comments(case, words, true, AGENT).unwrap();
        let received = || self.stage.goodays.received_by_customer(&id);
        until(PATIENCE, || (!received().is_empty()).then_some(())).await.expect("an answer");
        assert_eq!(received().len(), 1, "{words}");
    }

    /// Another instance's eyes on the lease.
    pub async fn lease(&self) -> Lease {
        Lease::of(&Store::connect(&self.database).await.unwrap()).unwrap()
    }
}

async fn get(app: &App, path: &str) -> (u16, Value) {
    let answer = reqwest_get(&format!("http://{}{path}", app.doors.admin_addr())).await;
    (answer.0, serde_json::from_str(&answer.1).unwrap())
}

async fn reqwest_get(url: &str) -> (u16, String) {
    let answer = goodays_salesforce::http::direct_client(PATIENCE).get(url).send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

async fn works(app: &App) {
    until(PATIENCE, || app.current.shared().works.then_some(())).await.expect("it works");
}

/// In another term than the one `before`, with its door open.
async fn works_again(app: &App, before: &Arc<Shared>) {
    until(PATIENCE, || {
        let now = app.current.shared();
        (now.works && !Arc::ptr_eq(&now, before) && now.accepting().is_ok()).then_some(())
    })
    .await
    .expect("it works again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_instance_stores_and_one_works_and_a_clean_stop_hands_over_at_once() {
    let Some(cluster) = Cluster::start().await else { return };
    let (first, second) = (cluster.instance("first").await, cluster.instance("second").await);
    assert!(first.current.shared().works && !second.current.shared().works);
    cluster.door(&second);
    cluster.carries("through the other one's door").await;

    let both = || second.current.standing().filter(|standing| standing.members.len() == 2);
    until(PATIENCE, both).await.expect("both are seen");
    let (_, status) = get(&second, "/status").await;
    let instances = &status["instances"];
    assert_ne!(instances["this"], instances["works"]);
    assert_eq!(instances["all"].as_array().unwrap().len(), 2, "{status}");
    assert_eq!((&instances["mappings_differ"], &status["ready"]), (&json!(false), &json!(true)));
    assert_eq!(get(&second, "/health/ready").await.0, 200);
    assert!(first.stop().await);
    let stopped = Instant::now();
    works(&second).await;
    assert!(stopped.elapsed() < LEASE / 2, "handed over after {:?}", stopped.elapsed());
    cluster.carries("by the other one").await;
    assert!(second.stop().await);
}

/// The lease's beat, as others see it.
async fn beats(lease: &Lease) -> i64 {
    lease.read(PATIENCE).await.unwrap().beat
}

/// A count that takes longer than the lease: the table is locked meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_term_begins_however_long_the_database_takes_to_tell_what_waits() {
    let Some(cluster) = Cluster::start().await else { return };
    let lease = cluster.lease().await;
    let database = database::connect(&cluster.database).await;
    database.batch_execute("begin; lock table events in access exclusive mode").await.unwrap();
    let starting = tokio::spawn(Cluster::run(cluster.config("only")));
    let beginning = lease.read(PATIENCE).await.unwrap().epoch;
    // The kernel's timer would have ended this process by then.
    while beats(&lease).await < 6 {
        assert!(!starting.is_finished());
        tokio::task::yield_now().await;
    }
    database.batch_execute("commit").await.unwrap();
    let app = starting.await.unwrap();
    assert!(app.current.shared().works);
    assert!(lease.read(PATIENCE).await.unwrap().epoch <= beginning + 1, "it was the first term");
    cluster.door(&app);
    cluster.carries("after a long beginning").await;
    assert!(app.stop().await);
}

/// The password in the file of the address is replaced, and the old one counts no more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_address_of_the_database_is_used_without_a_restart() {
    let Some(cluster) = Cluster::start().await else { return };
    let somebody = database::connect(&cluster.database).await;
    let (old, new) = (format!("old_{}", cluster.database.schema), format!("new_{}", cluster.database.schema));
    for role in [&old, &new] {
        somebody.batch_execute(&format!("create role {role} superuser login")).await.unwrap();
    }
    let url = |role: &str| cluster.database.url.replace("//goodays@", &format!("//{role}@"));
    let file = cluster.stage.dir.path().join("address");
    std::fs::write(&file, url(&old)).unwrap();
    let section = format!(
        "state: {{ path: ./only, postgres: {{ url_file: ./address, schema: {}, lease: 2s }} }}",
        cluster.database.schema
    );
    let config = cluster.written(&section);
    let app = Cluster::run(config).await;
    cluster.door(&app);
    cluster.carries("before").await;
    let before = app.current.shared();
    std::fs::write(&file, url(&new)).unwrap();
    let refuse = format!(
        "alter role {old} nologin; select pg_terminate_backend(pid) from pg_stat_activity where usename = '{old}'"
    );
    somebody.batch_execute(&refuse).await.unwrap();
    works_again(&app, &before).await;
    cluster.carries("after").await;
    assert!(app.stop().await);
    let tidy = format!("reassign owned by {old} to goodays; drop role {old}; drop role {new}");
    somebody.batch_execute(&tidy).await.unwrap();
}

/// The other one's door takes the webhook; the one that works polls.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_webhook_at_any_door_ends_the_quiet_time_of_polls() {
    let Some(cluster) = Cluster::start().await else { return };
    let clock = Ahead::none();
    let mut config = cluster.config("first");
    config.poll.quiet = Duration::from_secs(3600);
    std::fs::create_dir_all(&config.state.path).unwrap();
    let first = App::start(config, clock.clock()).await.unwrap();
    let second = cluster.instance("second").await;
    cluster.door(&second);
    let shared = first.current.shared();
    let polled_ms = || (**shared.poll_state.last_completed_ms.load()).unwrap_or_default();
    until(PATIENCE, || (polled_ms() > 0).then_some(())).await.expect("a poll");
    // The poll after that is an hour away.
    let jumped_ms = clock.clock().now_ms() + HOURS_MS;
    clock.set(HOURS_MS);
    until(PATIENCE, || (polled_ms() >= jumped_ms).then_some(())).await.expect("a poll");
    let before_ms = polled_ms();
    cluster.stage.goodays.customer_leaves(Feedback::default());
    until(PATIENCE, || (polled_ms() > before_ms).then_some(())).await.expect("another poll");
    assert!(first.stop().await && second.stop().await);
}

/// For the plots, and for the alert that nothing comes in.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn webhooks_at_any_door_are_counted_by_the_one_that_works() {
    let Some(cluster) = Cluster::start().await else { return };
    let clock = Ahead::none();
    let start = async |name: &str| {
        let config = cluster.config(name);
        std::fs::create_dir_all(&config.state.path).unwrap();
        App::start(config, clock.clock()).await.unwrap()
    };
    let (first, second) = (start("first").await, start("second").await);
    for door in [&first, &second, &second] {
        cluster.door(door);
        let id = cluster.stage.goodays.customer_leaves(Feedback::default());
        until(PATIENCE, || cluster.stage.salesforce.case_by_key(&id)).await.expect("a Case");
    }
    let counted = || -> u64 { first.current.shared().minutes.received_by_hour().values().sum() };
    let mut ahead_ms = 0;
    let all = || {
        ahead_ms += 60_000;
        clock.set(ahead_ms);
        (counted() >= 3).then_some(())
    };
    until(PATIENCE, all).await.expect("all are counted");
    assert_eq!(counted(), 3);
    assert!(first.stop().await && second.stop().await);
}

async fn post(app: &App, path: &str, meant: Option<&str>) -> (u16, Value) {
    let url = format!("http://{}{path}", app.doors.admin_addr());
    let mut request = goodays_salesforce::http::direct_client(PATIENCE).post(url);
    if let Some(meant) = meant {
        request = request.header("x-goodays-instance", meant);
    }
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_only_the_working_instance_can_do_is_handed_on_to_it() {
    let Some(cluster) = Cluster::start().await else { return };
    let (first, second) = (cluster.instance("first").await, cluster.instance("second").await);
    cluster.door(&second);
    cluster.carries("before").await;
    let both = || second.current.standing().filter(|standing| standing.members.len() == 2);
    let standing = until(PATIENCE, both).await.expect("both are seen");
    let leader = standing.leader.clone().unwrap();

    let (status, report) = post(&second, "/sweep", None).await;
    assert_eq!(status, 200, "{report}");
    assert!(report.is_object(), "{report}");
    let case = &cluster.stage.salesforce.records("Case")[0];
    let (status, explained) = get(&second, &format!("/cases/{}", case["Id"].as_str().unwrap())).await;
    assert!(status == 200 && explained.is_array(), "{explained}");
    // For a plan: what the org's fields take.
    let id = cluster.stage.goodays.customer_leaves(Feedback::default());
    let (status, knowledge) = get(&second, &format!("/responses/{id}")).await;
    assert!(
        status == 200 && knowledge["case"].is_object() && knowledge.get("waits").is_none(),
        "{knowledge}"
    );
    // The leader's own words, from the other one's door.
    let (status, refused) = post(&second, "/parked/a999/retry", None).await;
    assert_eq!(
        (status, &refused["error"]),
        (404, &post(&first, "/parked/a999/retry", None).await.1["error"])
    );

    // Who gets a request that is meant for another one does nothing with it, and hands it on to nobody.
    let (status, refused) = post(&second, "/sweep", Some(&leader)).await;
    assert_eq!(status, 421, "{refused}");
    assert_eq!(post(&first, "/sweep", Some(&leader)).await.0, 200);
    assert_eq!(post(&second, "/sweep", Some(&standing.me)).await.0, 409, "it does not work");
    // The number of a Case that the ledger does not have: the one that works asks Salesforce.
    let calls = cluster.stage.salesforce.api_calls();
    assert_eq!(get(&second, "/timeline/99999999").await.0, 404);
    assert!(cluster.stage.salesforce.api_calls() > calls);
    assert!(first.stop().await && second.stop().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_working_instance_that_cannot_be_asked_is_named() {
    let Some(cluster) = Cluster::start().await else { return };
    let lease = cluster.lease().await;
    let ghost = Instance {
        id: "ghost".to_owned(),
        version: String::new(),
        mapping: String::new(),
        started_ms: 0,
        admin_addr: "127.0.0.1:1".to_owned(),
    };
    lease.register(&ghost, PATIENCE).await.unwrap();
    let row = lease.read(PATIENCE).await.unwrap();
    lease.take(&row, "ghost", PATIENCE).await.unwrap().unwrap();
    let mut config = cluster.config("only");
    config.state.postgres.as_mut().unwrap().lease = Duration::from_secs(60);
    let app = App::start(config, Clock::System).await.unwrap();
    let seen = || app.current.standing().filter(|standing| standing.leaders_door().is_some());
    until(PATIENCE, seen).await.expect("the other one is seen");
    let (status, refused) = post(&app, "/sweep", None).await;
    let words = refused["error"].as_str().unwrap();
    assert!(status == 503 && words.contains("ghost") && words.contains("127.0.0.1:1"), "{words}");
    // An address of another machine that leads to this one.
    let own = Instance { admin_addr: app.doors.admin_addr().to_string(), ..ghost };
    lease.register(&own, PATIENCE).await.unwrap();
    let own_door = || {
        let door = app.current.standing()?.leaders_door()? == own.admin_addr;
        door.then_some(())
    };
    until(PATIENCE, own_door).await.expect("the new address is seen");
    let (status, refused) = post(&app, "/sweep", None).await;
    let words = refused["error"].as_str().unwrap();
    assert!(status == 503 && words.contains("something else answers there"), "{words}");
    // Not even a look: the calls would not be in the books of the one that works.
    let (status, refused) = get(&app, "/timeline/99999999").await;
    let words = refused["error"].as_str().unwrap();
    assert!(status == 503 && words.contains("the instance ghost works"), "{words}");
    assert_eq!(cluster.stage.salesforce.api_calls(), 0);
    // What needs no remote is done here.
    assert_eq!(post(&app, "/parked/a999/retry", None).await.0, 404);
    let (status, knowledge) = get(&app, "/responses/r1").await;
    assert!(status == 200 && knowledge["waits"] == true && knowledge["case"].is_null(), "{knowledge}");
    assert!(app.stop().await);
}

/// As if this instance had been silent for too long: another one has a newer epoch, and then says nothing either.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_lost_the_lease_stops_working_and_works_again_when_it_has_it() {
    let Some(cluster) = Cluster::start().await else { return };
    let app = cluster.instance("only").await;
    cluster.door(&app);
    cluster.carries("before").await;
    let lease = cluster.lease().await;
    let row = lease.read(PATIENCE).await.unwrap();
    let stolen = until_taken(&lease, row).await;
    until(PATIENCE, || (!app.current.shared().works).then_some(())).await.expect("it stops working");
    // Stored meanwhile, whoever works.
    let id = cluster.stage.goodays.customer_leaves(Feedback::default());
    works(&app).await;
    until(PATIENCE, || cluster.stage.salesforce.case_by_key(&id)).await.expect("a Case");
    assert!(lease.read(PATIENCE).await.unwrap().epoch > stolen);
    cluster.carries("after").await;
    assert!(app.stop().await);
}

/// Takes the lease from the instance that has it, which goes on beating.
async fn until_taken(lease: &Lease, mut row: goodays_salesforce::state::postgres::lease::LeaseRow) -> i64 {
    loop {
        match lease.take(&row, "a thief", PATIENCE).await.unwrap() {
            Some(epoch) => return epoch,
            None => row = lease.read(PATIENCE).await.unwrap(),
        }
    }
}
