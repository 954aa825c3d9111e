use axum::Router;
use axum::routing::get;
use goodays_salesforce::decide::{ActionKind, Audience, CaseRef, Intent, IntentState, Link, Sending};
use goodays_salesforce::goodays::signature::{HEADER, sign};
use goodays_salesforce::goodays::{ResponseId, Verb};
use goodays_salesforce::messages::Words;
use goodays_salesforce::salesforce::RecordId;
use goodays_salesforce::state::Outbox;
use goodays_salesforce::state::{EntryState, Loaded, RKey, Receipt};
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{House, Plan, answered, event, fixture, house};

async fn told(house: &House, path: &str) -> (StatusCode, Value) {
    answered(house.order(path)).await
}

/// Sends an event and parks it, as an inbound worker would.
async fn park(house: &House, response: &str, code: &str) -> String {
    assert_eq!(house.post(event(response)).await.1["status"], "accepted");
    let id = ResponseId::new(response).unwrap();
    let state = EntryState::Parked { since_ms: 0, code: code.to_owned(), why: "because".to_owned() };
    let parked = house
        .shared
        .store
        .change(&id, 0, |loaded| {
            let waiting = loaded.waiting.entries.clone();
            loaded.end_events(&waiting, &state);
            waiting[0].seq
        })
        .await;
    format!("e{}", parked.unwrap().0)
}

#[tokio::test]
async fn what_is_unreadable_can_be_dropped_and_not_retried() {
    let house = house().await;
    house.post("{}").await;
    let (status, items) = answered(house.get("/parked")).await;
    assert_eq!(
        (status, &items[0]["kind"], &items[0]["reason_code"]),
        (StatusCode::OK, &json!("event"), &json!("unreadable"))
    );
    let id = items[0]["id"].as_str().unwrap();
    assert_eq!(told(&house, &format!("/parked/{id}/retry")).await.0, StatusCode::CONFLICT);
    assert_eq!(
        told(&house, &format!("/parked/{id}/drop")).await,
        (StatusCode::OK, json!({ "status": "dropped" }))
    );
    assert_eq!(told(&house, &format!("/parked/{id}/drop")).await.0, StatusCode::CONFLICT);
    assert_eq!(answered(house.get("/parked")).await.1, json!([]));
}

#[tokio::test]
async fn what_an_earlier_version_could_not_read_can_be_tried_again() {
    let house = house().await;
    let body = event("r1");
    let not_read = Err("as it was judged then".to_owned());
    let Receipt::Parked { seq, .. } =
        house.shared.store.accept(body.as_bytes(), "", &not_read, 0).await.unwrap()
    else {
        panic!("it is parked");
    };
    assert_eq!(told(&house, &format!("/parked/e{seq}/retry")).await.1["status"], "retrying");
    let waiting = house.shared.store.waiting(RKey::of(&ResponseId::new("r1").unwrap())).await.unwrap();
    assert_eq!(waiting.entries.iter().map(|entry| entry.seq).collect::<Vec<_>>(), [seq]);
    assert_eq!(answered(house.get("/parked")).await.1, json!([]));
}

#[tokio::test]
async fn what_is_parked_can_be_tried_again() {
    let house = house().await;
    let id = park(&house, "r1", "no_place").await;
    let (_, items) = answered(house.get("/parked")).await;
    assert_eq!(
        items,
        json!([{
            "id": id, "kind": "event", "response_id": "r1", "case_number": null,
            "case_id": null, "action": null, "state": "parked",
            "reason_code": "no_place", "reason": "because", "since": "1970-01-01T00:00:00Z", "attempts": 0,
        }])
    );
    assert_eq!(
        told(&house, &format!("/parked/{id}/retry")).await,
        (StatusCode::OK, json!({ "status": "retrying" }))
    );
    assert_eq!(house.pending(), 1);
    assert_eq!(told(&house, &format!("/parked/{id}/retry")).await.0, StatusCode::CONFLICT);
    for id in ["e999", "a999", "x1", "e", "%00"] {
        assert_eq!(told(&house, &format!("/parked/{id}/retry")).await.0, StatusCode::NOT_FOUND, "{id}");
        assert_eq!(told(&house, &format!("/parked/{id}/drop")).await.0, StatusCode::NOT_FOUND, "{id}");
    }
}

#[tokio::test]
async fn what_is_parked_names_its_case_as_far_as_it_is_known() {
    let house = house().await;
    park(&house, "r1", "no_place").await;
    let response = ResponseId::new("r1").unwrap();
    let id = RecordId::new("500KB00000AbCdEYAV").unwrap();
    for number in [None, Some("00001001".to_owned())] {
        let case = Some(CaseRef { id: id.clone(), number: number.clone() });
        let known = |loaded: &mut Loaded| {
            loaded.now.link = Some(Link { case: case.clone(), ..Link::new(response.clone()) });
        };
        house.shared.store.change(&response, 0, known).await.unwrap();
        let (_, items) = answered(house.get("/parked")).await;
        assert_eq!((&items[0]["case_id"], &items[0]["case_number"]), (&json!(id), &json!(number)));
    }
}

#[tokio::test]
async fn all_of_one_reason_can_be_tried_again() {
    let house = house().await;
    for (response, code) in [("r1", "one"), ("r2", "two"), ("r3", "one")] {
        park(&house, response, code).await;
    }
    let (status, counts) = answered(house.order("/parked/retry").json(&json!({ "reason": "one" }))).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(
        counts,
        json!({ "retrying": 2, "delivered": 0, "confirm": 0, "refused": 0, "damaged": 0, "not_now": 0 })
    );
    assert_eq!(told(&house, "/parked/retry").await.1["retrying"], 1);
    assert_eq!(house.pending(), 3);
    let misspelt = house.order("/parked/retry").json(&json!({ "reasn": "one" }));
    assert_eq!(answered(misspelt).await.0, StatusCode::BAD_REQUEST);
    let long = house.order("/parked/retry").body(" ".repeat(100_000));
    assert_eq!(answered(long).await.0, StatusCode::PAYLOAD_TOO_LARGE);
}

/// An answer with an unknown outcome.
async fn unclear(house: &House, seq: u64, content: &str) -> String {
    let response_id = ResponseId::new("vdOpL1NJ74l").unwrap();
    let sending = Sending { ended_ms: Some(0), ..Sending::new(Verb::Reply, 0, Vec::new()) };
    let comment = RecordId::new(&format!("00aKB0000{seq:06}")).unwrap();
    let case = RecordId::new("500KB00000AbCdEYAV").unwrap();
    let kind = ActionKind::answer(comment, content, Audience::Public);
    let intent = Intent {
        state: IntentState::Unclear { since_ms: 0, why: Words::plain("no answer"), sending },
        attempts: 1,
        ..Intent::new(seq, response_id.clone(), case, kind, 0)
    };
    let begun = |loaded: &mut Loaded| loaded.now.put(intent.clone());
    house.shared.store.change(&response_id, 0, begun).await.unwrap();
    format!("a{seq}")
}

/// A Goodays that knows one response.
async fn goodays() -> String {
    let event: Value = serde_json::from_str(&fixture("message_first.json")).unwrap();
    let response = event["response"].to_string();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v2", listener.local_addr().unwrap());
    let body = move || async move { ([("content-type", "application/json")], response) };
    let router =
        Router::new().route("/v2/responses/{id}", get(body.clone())).route("/v2/responses/{id}/", get(body));
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

#[tokio::test]
async fn something_unclear_is_read_back_and_asked_about() {
    let house = Plan { goodays: goodays().await, ..Plan::default() }.build().await;
    let arrived = "Dear Customer, thank you for your feedback. We are sorry for the inconvenience. What information \
                   you were looking for? Regards,";
    let there = unclear(&house, 700_001, arrived).await;
    let (_, said) = answered(house.get("/status")).await;
    assert_eq!(said["outbox"], json!({ "pending": 0, "unclear": 1, "parked": 0, "delivered": 0 }));
    assert_eq!(
        told(&house, &format!("/parked/{there}/retry")).await,
        (StatusCode::OK, json!({ "status": "delivered" }))
    );

    let gone = unclear(&house, 700_002, "Nobody has seen this.").await;
    let path = format!("/parked/{gone}/retry");
    let (status, said) = told(&house, &path).await;
    assert_eq!((status, &said["status"]), (StatusCode::CONFLICT, &json!("confirm")));
    assert_eq!(told(&house, "/parked/retry").await.1["confirm"], 1);
    let (status, said) = answered(house.order(&path).json(&json!({ "send_again": true }))).await;
    assert_eq!((status, said), (StatusCode::OK, json!({ "status": "retrying" })));
    assert_eq!(told(&house, &path).await.0, StatusCode::CONFLICT);
}

/// Unclear items are neither sent, nor settled, nor given up by bulk commands. Each needs its own command.
#[tokio::test]
async fn f04_what_is_unclear_is_left_by_everything_that_is_for_all() {
    let house = Plan { goodays: goodays().await, ..Plan::default() }.build().await;
    let id = unclear(&house, 700_001, "Nobody has seen this.").await;
    let tally = told(&house, "/parked/retry").await.1;
    assert_eq!(
        tally,
        json!({ "retrying": 0, "delivered": 0, "confirm": 1, "refused": 0, "damaged": 0, "not_now": 0 })
    );
    let order = house.order("/parked/drop").json(&json!({ "reason": "unclear" }));
    assert_eq!(answered(order).await.1, json!({ "dropped": 0, "unclear": 1, "refused": 0 }));
    let (_, items) = answered(house.get("/parked")).await;
    assert_eq!((&items[0]["id"], &items[0]["state"]), (&json!(id), &json!("unclear")));
    // A command for one item gives it up.
    assert_eq!(told(&house, &format!("/parked/{id}/drop")).await.0, StatusCode::OK);
}

#[tokio::test]
async fn f04_all_of_one_reason_can_be_given_up_and_of_no_reason_nothing() {
    let house = house().await;
    for (response, code) in [("r1", "one"), ("r2", "two"), ("r3", "one")] {
        park(&house, response, code).await;
    }
    for body in [json!({}), json!({ "reason": null }), json!({ "reason": "" })] {
        assert_eq!(
            answered(house.order("/parked/drop").json(&body)).await.0,
            StatusCode::BAD_REQUEST,
            "{body}"
        );
    }
    let order = house.order("/parked/drop").json(&json!({ "reason": "one" }));
    assert_eq!(answered(order).await.1, json!({ "dropped": 2, "unclear": 0, "refused": 0 }));
    let (_, items) = answered(house.get("/parked")).await;
    assert_eq!(
        items.as_array().unwrap().iter().map(|item| &item["reason_code"]).collect::<Vec<_>>(),
        ["two"]
    );
}

/// The list of waiting items is bounded, and so is the amount that `status` reads.
#[tokio::test]
async fn a_status_counts_actions_without_reading_them() {
    let house = house().await;
    for seq in 700_001..700_004 {
        unclear(&house, seq, "one of three").await;
    }
    let Outbox { pending, unclear, parked } = house.shared.store.figures(10).await.unwrap().outbox;
    assert_eq!((pending, unclear, parked), (0, 3, 0));
    assert_eq!(house.shared.store.figures(2).await.unwrap().outbox.unclear, 2, "no more than asked for");
    assert_eq!(house.shared.store.some_open_intents(2).await.unwrap().len(), 2);
}

#[tokio::test]
async fn what_cannot_be_read_back_is_left_alone() {
    let house = house().await;
    let one = unclear(&house, 700_001, "one").await;
    unclear(&house, 700_002, "two").await;
    let (status, said) =
        answered(house.order(&format!("/parked/{one}/retry")).json(&json!({ "send_again": true }))).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{said}");
    assert_eq!(told(&house, "/parked/retry").await.1["confirm"], 2, "nothing unclear is touched");
    assert_eq!(told(&house, &format!("/parked/{one}/drop")).await.0, StatusCode::OK);
    assert_eq!(answered(house.get("/parked")).await.1.as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn a_stored_payload_is_shown_without_its_token() {
    let house = house().await;
    let body = fixture("message_first.json");
    house.post(body.as_str()).await;
    let rkey = RKey::of(&ResponseId::new("vdOpL1NJ74l").unwrap());
    let seq = house.shared.store.entries_of(rkey, 100).await.unwrap()[0].seq;
    let mut expected: Value = serde_json::from_str(&body).unwrap();
    expected["response"].as_object_mut().unwrap().remove("token").unwrap();
    for id in [format!("e{seq}"), seq.to_string()] {
        assert_eq!(answered(house.get(&format!("/events/{id}"))).await, (StatusCode::OK, expected.clone()));
    }
    for id in ["e0", "a1", "e", "-1", "x"] {
        assert_eq!(answered(house.get(&format!("/events/{id}"))).await.0, StatusCode::NOT_FOUND, "{id}");
    }
}

#[tokio::test]
async fn mappings_and_secrets_are_read_anew() {
    let dir = tempfile::tempdir().unwrap();
    let mappings = dir.path().join("mappings");
    std::fs::create_dir(&mappings).unwrap();
    for name in ["case.yaml", "comment.yaml", "actions.yaml"] {
        std::fs::copy(Plan::default().mappings.join(name), mappings.join(name)).unwrap();
    }
    std::fs::write(dir.path().join("hook"), "old").unwrap();
    let house = Plan { webhook: "secrets: [{ file: hook }]", mappings: mappings.clone(), ..Plan::default() };
    let house = house.build_in(dir).await;
    let first = house.shared.mapping().version().to_owned();
    assert_eq!(
        told(&house, "/reload").await,
        (StatusCode::OK, json!({ "mapping": first, "waits_for_restart": [] }))
    );

    let case = mappings.join("case.yaml");
    let good = std::fs::read_to_string(&case).unwrap();
    std::fs::write(&case, "object: [").unwrap();
    let (status, said) = told(&house, "/reload").await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(said["errors"].as_str().unwrap().contains("case.yaml"), "{said}");
    let (_, said) = answered(house.get("/status")).await;
    assert!(said["mapping"]["trouble"].is_string() && said["mapping"]["version"] == json!(first), "{said}");

    std::fs::write(&case, good.replace("value: Goodays,", "value: Shop,")).unwrap();
    std::fs::write(house.dir.path().join("hook"), "new").unwrap();
    let (status, said) = told(&house, "/reload").await;
    assert_eq!(status, StatusCode::OK, "{said}");
    assert_ne!(said["mapping"], json!(first));
    for (secret, expected) in [("old", 401), ("new", 200)] {
        let body = event(secret);
        let signed = house.hook().header(HEADER, sign(body.as_bytes(), &secret.into()));
        assert_eq!(answered(signed.body(body)).await.0, expected, "{secret}");
    }
}

#[tokio::test]
async fn applying_rules_needs_salesforce_and_a_readable_order() {
    let house = house().await;
    for (body, expected) in [
        (json!({ "dry_run": true }), StatusCode::SERVICE_UNAVAILABLE),
        (json!({ "dry_run": "yes" }), StatusCode::BAD_REQUEST),
        (json!({ "dry": true }), StatusCode::BAD_REQUEST),
    ] {
        let (status, said) = answered(house.order("/apply-actions").json(&body)).await;
        assert_eq!(status, expected, "{said}");
    }
}

#[tokio::test]
async fn a_sweep_needs_its_remotes_and_a_readable_time() {
    let house = house().await;
    for since in ["yesterday", "", "2026-13-01T00:00:00Z"] {
        let request = house.order("/sweep").json(&json!({ "since": since }));
        assert_eq!(answered(request).await.0, StatusCode::BAD_REQUEST, "{since}");
    }
    for since in [json!(null), json!("48h"), json!("2026-01-31T08:00:00Z")] {
        let request = house.order("/sweep").json(&json!({ "since": since, "dry_run": true }));
        let (status, said) = answered(request).await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{said}");
    }
}
