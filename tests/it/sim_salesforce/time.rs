//! Sections 7 and 10.8: time.

use serde_json::json;
use std::sync::atomic::Ordering;

use super::{World, encoded, graph};

#[tokio::test]
async fn section_7_1_rows_become_visible_later_than_their_stamps_say() {
    let (world, time) = World::at(1_780_000_000_700).await;
    let case = world.create("Case", json!({"Goodays_Response_Id__c": "r1"})).await;
    world.org.set_commit_delay(30_000);
    let late = world.org.agent_comments("r1", "late", true, "anna@shop.example").unwrap();
    world.org.agent_updates_case("r1", json!({"Status": "Closed"}), "anna@shop.example").unwrap();
    time.fetch_add(10_000, Ordering::SeqCst);
    world.comment(&case, "mine").await;
    let query = "SELECT Id, SystemModstamp FROM CaseComment ORDER BY SystemModstamp, Id";
    assert_eq!(world.ids(query).await.len(), 1);
    assert_eq!(world.get(&format!("/sobjects/Case/{case}")).await.body["Status"], json!("New"));
    assert_eq!(world.get(&format!("/sobjects/CaseComment/{late}")).await.status, 404);
    let start = "2026-01-01T00:00:00%2B00:00";
    let covered = world
        .get("/sobjects/CaseComment/updated/?start=2026-05-28T00:00:00%2B00:00&end=2026-05-29T00:00:00%2B00:00")
        .await;
    assert_eq!(
        covered.body["latestDateCovered"],
        json!("2026-05-28T20:26:40.000+0000"),
        "{start}: {}",
        covered.body
    );
    time.fetch_add(20_000, Ordering::SeqCst);
    let found = world.query(query).await.body;
    // Its stamp is older than those seen before.
    assert_eq!(found["records"][0]["Id"], json!(late));
    assert_eq!(found["records"][0]["SystemModstamp"], json!("2026-05-28T20:26:40.000+0000"));
    assert_eq!(world.get(&format!("/sobjects/Case/{case}")).await.body["IsClosed"], json!(true));
}

#[tokio::test]
async fn section_7_2_equal_stamps_and_mass_touch() {
    let (world, time) = World::at(1_780_000_000_000).await;
    for key in ["a", "b", "c"] {
        world.create("Case", json!({"Goodays_Response_Id__c": key})).await;
        time.fetch_add(300, Ordering::SeqCst);
    }
    let cases = world.org.records("Case");
    let stamp = cases[0]["SystemModstamp"].as_str().unwrap().replace("+0000", "Z");
    assert!(cases.iter().all(|case| case["SystemModstamp"] == cases[0]["SystemModstamp"]));
    let first = cases[0]["Id"].as_str().unwrap();
    let keyset = format!(
        "SELECT Id FROM Case WHERE (SystemModstamp > {stamp} OR (SystemModstamp = {stamp} AND Id > '{first}')) ORDER BY SystemModstamp, Id"
    );
    assert_eq!(world.ids(&keyset).await.len(), 2);
    assert!(world.ids(&format!("SELECT Id FROM Case WHERE SystemModstamp > {stamp}")).await.is_empty());
    time.fetch_add(60_000, Ordering::SeqCst);
    world.org.touch_all();
    let after = world.org.records("Case");
    assert!(after.iter().zip(&cases).all(|(new, old)| new["SystemModstamp"] != old["SystemModstamp"]
        && new["LastModifiedDate"] == old["LastModifiedDate"]
        && new["LastModifiedById"] == old["LastModifiedById"]));
}

#[tokio::test]
async fn section_7_3_changed_and_deleted_ids() {
    let (world, time) = World::at(1_780_000_000_000).await;
    let kept = world.create("Case", json!({})).await;
    let gone = world.create("Case", json!({})).await;
    time.fetch_add(60_000, Ordering::SeqCst);
    world.org.delete_case(&gone).unwrap();
    time.fetch_add(60_000, Ordering::SeqCst);
    let span = "start=2026-05-28T00:00:00%2B00:00&end=2026-05-29T00:00:00%2B00:00";
    let got = world.get(&format!("/sobjects/Case/updated?{span}")).await.body;
    assert_eq!(got["ids"], json!([kept]));
    let got = world.get(&format!("/sobjects/Case/deleted/?{span}")).await.body;
    assert_eq!(got["deletedRecords"][0]["id"], json!(gone));
    let wrong = world.get("/sobjects/Case/updated?start=2026-05-28T00:00:00Z&end=2026-05-28T00:00:30Z").await;
    assert_eq!(wrong.body[0]["errorCode"], json!("INVALID_REPLICATION_DATE"));
    let found = world
        .get(&format!("/queryAll?q={}", encoded("SELECT Id FROM Case WHERE IsDeleted = true")))
        .await
        .body;
    assert_eq!(found["records"][0]["Id"], json!(gone));
    assert_eq!(world.ids("SELECT Id FROM Case").await, [kept]);
}

#[tokio::test]
async fn section_7_1_a_transaction_goes_on_after_its_client_gave_up() {
    let (world, time) = World::at(1_780_000_000_000).await;
    world.org.change_settings(&json!({"api_commit_delay_ms": 30_000})).unwrap();
    let graphs = json!({"graphs": [graph("r1", "once")]});
    assert_eq!(
        world.post("/composite/graph", graphs.clone()).await.body["graphs"][0]["isSuccessful"],
        json!(true)
    );
    let find = "SELECT Id FROM Case WHERE Goodays_Response_Id__c IN ('r1')";
    assert!(world.ids(find).await.is_empty());
    // Nothing is visible, but the key is taken.
    let again = world.post("/composite/graph", graphs).await.body;
    let code = &again["graphs"][0]["graphResponse"]["compositeResponse"][0]["body"][0]["errorCode"];
    assert_eq!(code, &json!("DUPLICATE_VALUE"));
    time.fetch_add(30_000, Ordering::SeqCst);
    assert_eq!(world.ids(find).await.len(), 1);
}

#[tokio::test]
async fn section_7_1_an_open_record_may_be_locked() {
    let (world, time) = World::at(1_780_000_000_000).await;
    let case = world.create("Case", json!({"Goodays_Response_Id__c": "r1"})).await;
    world.org.change_settings(&json!({"commit_delay_ms": 5_000, "open_records_are_locked": true})).unwrap();
    world.org.agent_updates_case("r1", json!({"Status": "Working"}), "anna@shop.example").unwrap();
    let got = world.patch(&format!("/sobjects/Case/{case}"), json!({"Subject": "x"})).await;
    assert_eq!(got.body[0]["errorCode"], json!("UNABLE_TO_LOCK_ROW"));
    time.fetch_add(5_000, Ordering::SeqCst);
    world.comment(&case, "now").await;
}

#[tokio::test]
async fn section_5_without_order_by_there_is_no_order() {
    let world = World::new().await;
    let case = world.create("Case", json!({"Description": "two\nlines"})).await;
    let other = world.create("Case", json!({})).await;
    assert_eq!(world.ids("SELECT Id FROM Case").await, [case.clone(), other.clone()]);
    world.org.change_settings(&json!({"reverse_unordered": true, "crlf_texts": true})).unwrap();
    assert_eq!(world.ids("SELECT Id FROM Case").await, [other.clone(), case.clone()]);
    assert_eq!(world.ids("SELECT Id FROM Case ORDER BY Id").await, [case.clone(), other]);
    world.patch(&format!("/sobjects/Case/{case}"), json!({"Description": "two\nlines"})).await;
    assert_eq!(world.org.record(&case).unwrap()["Description"], json!("two\r\nlines"));
}
