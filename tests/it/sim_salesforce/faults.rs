//! Section 10.10: faults.

use goodays_salesforce::sim::wire::{Act, Fault};
use serde_json::json;

use super::World;

#[tokio::test]
async fn section_10_10_connections_are_cut_for_real() {
    let world = World::new().await;
    let url = format!("{}/services/data/v66.0/sobjects/Case", world.org.url());
    let create = || world.http.post(&url).bearer_auth(&world.token).json(&json!({"Subject": "x"})).send();
    for (act, done) in [
        (Act::ResetBefore, false),
        (Act::ResetAfter, true),
        (Act::HangBefore { ms: 1 }, false),
        (Act::HangAfter { ms: 1 }, true),
    ] {
        let before = world.org.records("Case").len();
        world.org.wire().fault(Fault::once("/sobjects/Case", act.clone()));
        assert!(create().await.is_err(), "{act:?}");
        assert_eq!(world.org.records("Case").len() > before, done, "{act:?}");
    }
    assert!(world.org.wire().requests().iter().all(|seen| seen.status == 0));
    world.org.wire().fault(Fault::once("/sobjects/Case", Act::CommitLater { ms: 1 }));
    let before = world.org.records("Case").len();
    assert!(create().await.is_err());
    while world.org.records("Case").len() == before {
        tokio::task::yield_now().await;
    }
    world.org.wire().fault(Fault::once("/sobjects/Case", Act::Slow { ms: 1 }));
    assert_eq!(create().await.unwrap().status(), 201);
    world.org.wire().fault(Fault::once("/limits", Act::Truncate));
    let limits = format!("{}/services/data/v66.0/limits", world.org.url());
    let response = world.http.get(limits).bearer_auth(&world.token).send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert!(response.bytes().await.is_err());
}

#[tokio::test]
async fn section_10_10_faults_choose_their_requests() {
    let world = World::new().await;
    let answer = Act::Answer {
        status: 503,
        body: "<html/>".into(),
        content_type: Some("text/html".into()),
        headers: [].into(),
    };
    let fault = Fault {
        method: Some("post".into()),
        body_contains: Some("second".into()),
        skip: 1,
        times: Some(2),
        ..Fault::once("/sobjects/Case", answer)
    };
    world.org.wire().fault(fault);
    let mut statuses = Vec::new();
    for subject in ["second", "first", "second", "second", "second"] {
        let url = format!("{}/services/data/v66.0/sobjects/Case", world.org.url());
        let request = world.http.post(url).bearer_auth(&world.token).json(&json!({"Subject": subject}));
        statuses.push(request.send().await.unwrap().status().as_u16());
    }
    assert_eq!(statuses, [201, 201, 503, 503, 201]);
    assert!(world.org.wire().faults().is_empty());
    world.org.wire().keep_bodies(false);
    world.org.wire().keep_requests(2);
    world.get("/limits").await;
    let log = world.org.wire().requests();
    assert_eq!((log.len(), log[1].path.as_str(), log[1].status), (2, "/services/data/v66.0/limits", 200));
}

/// Both simulators have the same addresses for scripted faults.
#[tokio::test]
async fn f07_faults_and_the_log_have_the_same_addresses_on_both_simulators() {
    let world = World::new().await;
    let faults = format!("{}/__sim/faults", world.org.url());
    let fault = json!({"path_contains": "/limits", "act": {"do": "reset_before"}});
    assert_eq!(world.http.post(&faults).json(&fault).send().await.unwrap().status(), 200);
    assert_eq!(world.org.wire().faults().len(), 1);
    assert_eq!(world.http.delete(&faults).send().await.unwrap().status(), 200);
    assert!(world.org.wire().faults().is_empty());
    world.get("/limits").await;
    let requests = format!("{}/__sim/requests", world.org.url());
    assert_eq!(world.http.delete(requests).send().await.unwrap().status(), 200);
    assert!(world.org.wire().requests().is_empty());
}

#[tokio::test]
async fn stopped_and_gone() {
    let world = World::new().await;
    world.create("Case", json!({})).await;
    world.org.stop().await;
    let url = format!("{}/services/data", world.org.url());
    assert!(world.http.get(url).send().await.is_err());
    assert_eq!(world.org.records("Case").len(), 1);
}
