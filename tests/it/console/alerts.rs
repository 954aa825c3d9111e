//! Alerts reach their destination once, and once more when it is over. A destination that hangs holds up nobody.

use std::sync::{Arc, Mutex};

use axum::Json;
use axum::routing::post;
use goodays_salesforce::demo::stage::Tuning;
use serde_json::Value;
use tokio::net::TcpListener;

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
    world.app().shared.drop_parked(&id).await.unwrap();
    world.until("its end is told", || got.lock().unwrap().len() == 2).await;
    let told = got.lock().unwrap().clone();
    assert_eq!((&told[0]["code"], &told[0]["over"]), (&"parked".into(), &false.into()));
    assert_eq!((&told[1]["code"], &told[1]["over"]), (&"parked".into(), &true.into()));
    assert_eq!(told[0]["text"], "goodays-salesforce: Waiting for an operator: 1.");
    assert_eq!(told[0]["link"], "https://console.example/console");
    assert!(!world.log().contains(&hangs.to_string()), "an address of a destination is a secret");
    world.stop().await;
}
