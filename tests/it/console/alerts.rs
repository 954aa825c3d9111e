//! Alerts reach their destination once, and once more when it is over. A destination that hangs holds up nobody.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Json;
use axum::routing::post;
use goodays_salesforce::clock::Clock;
use goodays_salesforce::config::{Alert, Config, Destination, Topic};
use goodays_salesforce::demo::stage::{Tuning, until};
use goodays_salesforce::goodays::ResponseId;
use goodays_salesforce::state::postgres::Settings;
use serde_json::Value;
use tokio::net::TcpListener;

use crate::arena::PATIENCE;
use crate::database;
use crate::now;
use crate::terms::Cluster;
use crate::world::World;

type Got = Arc<Mutex<Vec<Value>>>;

/// A destination that keeps what it gets. Returns its address.
async fn destination(got: Got) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let keep = move |Json(message): Json<Value>| async move { got.lock().unwrap().push(message) };
    let router = axum::Router::new().route("/hook", post(keep));
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}/hook")
}

#[tokio::test]
async fn what_waits_is_told_once_and_again_when_it_is_over() {
    let got = Got::default();
    let good = destination(got.clone()).await;
    // It takes the connection and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let hangs = silent.local_addr().unwrap();
    let sections = format!(
        "alerts:\n  - {{ to: webhook, url: 'http://{hangs}/' }}\n  - {{ to: webhook, url: '{good}', on: [parked], link: 'https://console.example/console' }}\n"
    );
    let mut world = World::with(Tuning { sections, ..Tuning::default() }).await;
    world.parked_is_fine();
    world.post_bytes(b"{}".to_vec()).await;
    world.until("it is told", || got.lock().unwrap().len() == 1).await;
    let id = world.the_parked().await.id;
    world.app().shared.drop_parked(id).await.unwrap();
    world.until("its end is told", || got.lock().unwrap().len() == 2).await;
    let told = got.lock().unwrap().clone();
    assert_eq!((&told[0]["code"], &told[0]["over"]), (&"parked".into(), &false.into()));
    assert_eq!((&told[1]["code"], &told[1]["over"]), (&"parked".into(), &true.into()));
    assert_eq!(told[0]["text"], "goodays-salesforce: Waiting for an operator: 1.");
    assert_eq!(told[0]["link"], "https://console.example/console");
    assert!(!world.log().contains(&hangs.to_string()), "an address of a destination is a secret");
    world.stop().await;
}

#[tokio::test]
async fn what_was_told_before_a_restart_is_not_told_again() {
    let got = Got::default();
    let good = destination(got.clone()).await;
    let sections = format!("alerts:\n  - {{ to: webhook, url: '{good}', on: [parked] }}\n");
    let mut world = World::with(Tuning { sections, ..Tuning::default() }).await;
    world.parked_is_fine();
    world.post_bytes(b"{}".to_vec()).await;
    world.until("it is told", || got.lock().unwrap().len() == 1).await;
    let noted =
        || !now(world.app().shared.store.meta::<Value>("alerts told")).unwrap().unwrap_or_default().is_null();
    world.until("it is noted", noted).await;
    world.restart().await;
    for item in world.parked().await {
        world.app().shared.drop_parked(item.id).await.unwrap();
    }
    world.until("its end is told", || got.lock().unwrap().len() == 2).await;
    let told = got.lock().unwrap().clone();
    assert_eq!((&told[0]["over"], &told[1]["over"]), (&false.into(), &true.into()));
    assert_eq!(told[0]["since"], told[1]["since"]);
    let noted = world.app().shared.store.meta::<Value>("alerts told");
    assert!(now(noted).unwrap().is_some_and(|noted| !noted.to_string().contains("127.0.0.1")));
    world.stop().await;
}

/// A role of the database that may be shut out.
struct Role {
    name: String,
    somebody: tokio_postgres::Client,
}

impl Role {
    async fn make(config: &mut Config) -> Self {
        let postgres = config.state.postgres.as_mut().unwrap();
        let name = format!("cut_{}", postgres.schema);
        let url = database::url().unwrap();
        let settings = Settings { url: url.clone(), schema: postgres.schema.clone(), root_cert: None };
        let somebody = database::connect(&settings).await;
        somebody.batch_execute(&format!("create role {name} superuser login")).await.unwrap();
        postgres.url = url.replace("//goodays@", &format!("//{name}@")).into();
        Self { name, somebody }
    }

    async fn is_shut_out(&self) {
        let Self { name, somebody } = self;
        let refuse = format!(
            "alter role {name} nologin; select pg_terminate_backend(pid) from pg_stat_activity where usename = '{name}'"
        );
        somebody.batch_execute(&refuse).await.unwrap();
    }

    async fn is_let_in(&self) {
        self.somebody.batch_execute(&format!("alter role {} login", self.name)).await.unwrap();
    }

    async fn goes(self) {
        let Self { name, somebody } = self;
        let tidy = format!("reassign owned by {name} to goodays; drop role {name}");
        somebody.batch_execute(&tidy).await.unwrap();
    }
}

/// Waits until this was told of the doors: whether it was their end.
async fn doors_are_told(got: &Got, wanted: &[bool]) {
    let told = || {
        let got = got.lock().unwrap();
        let of_doors = got.iter().filter(|one| one["code"] == "not_accepting");
        of_doors.map(|one| one["over"].as_bool().unwrap()).collect::<Vec<_>>()
    };
    until(PATIENCE, || (told().len() >= wanted.len()).then_some(())).await.expect("it is told");
    assert_eq!(told(), wanted);
}

fn telling(mut config: Config, url: &str) -> Config {
    let (to, on, after) = (Destination::Webhook, vec![Topic::Trouble], Duration::ZERO);
    config.alerts = vec![Alert { to, url: url.to_owned().into(), on, after, link: None }];
    config
}

/// Not tested where there is no PostgreSQL.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_of_an_outage_of_the_database_is_told() {
    let Some(cluster) = Cluster::start().await else { return };
    let got = Got::default();
    let mut config = telling(cluster.config("only"), &destination(got.clone()).await);
    let role = Role::make(&mut config).await;
    let app = Cluster::run(config).await;
    role.is_shut_out().await;
    doors_are_told(&got, &[false]).await;
    role.is_let_in().await;
    doors_are_told(&got, &[false, true]).await;
    assert!(app.stop().await);
    role.goes().await;
}

/// It lost the database, and nobody else did.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_told_of_an_outage_tells_its_end_although_another_instance_works() {
    let Some(cluster) = Cluster::start().await else { return };
    let got = Got::default();
    let url = destination(got.clone()).await;
    let mut config = telling(cluster.config("first"), &url);
    let role = Role::make(&mut config).await;
    let first = Cluster::run(config).await;
    let second = Cluster::run(telling(cluster.config("second"), &url)).await;
    role.is_shut_out().await;
    doors_are_told(&got, &[false]).await;
    until(PATIENCE, || second.current.shared().works.then_some(())).await.expect("the other one works");
    role.is_let_in().await;
    doors_are_told(&got, &[false, true]).await;
    assert!(second.current.shared().works);
    assert!(first.stop().await && second.stop().await);
    role.goes().await;
}

/// Not tested where there is no PostgreSQL.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_instance_does_not_tell_it_again() {
    let Some(cluster) = Cluster::start().await else { return };
    let got = Got::default();
    let url = destination(got.clone()).await;
    let config = |name: &str| {
        let mut config = cluster.config(name);
        let (to, on, after) = (Destination::Webhook, vec![Topic::Parked], Duration::ZERO);
        config.alerts = vec![Alert { to, url: url.clone().into(), on, after, link: None }];
        config
    };
    let first = Cluster::run(config("first")).await;
    let second = Cluster::run(config("second")).await;
    // What waits for a human since long ago is dropped.
    let now_ms = Clock::System.now_ms();
    first
        .current
        .store()
        .accept(b"{}", "response", &ResponseId::new("").map_err(|why| why.to_string()), now_ms)
        .await
        .unwrap();
    until(PATIENCE, || (got.lock().unwrap().len() == 1).then_some(())).await.expect("it is told");
    let store = second.current.store().clone();
    let noted = async { while store.meta::<Value>("alerts told").await.unwrap().is_none() {} };
    tokio::time::timeout(PATIENCE, noted).await.expect("it is noted");
    assert!(first.stop().await);
    until(PATIENCE, || second.current.shared().works.then_some(())).await.expect("the other one works");
    for item in second.current.shared().parked(9).await.unwrap() {
        second.current.shared().drop_parked(item.id).await.unwrap();
    }
    until(PATIENCE, || (got.lock().unwrap().len() == 2).then_some(())).await.expect("its end is told");
    let told = got.lock().unwrap().clone();
    assert_eq!((&told[0]["over"], &told[1]["over"]), (&false.into(), &true.into()));
    assert!(second.stop().await);
}
