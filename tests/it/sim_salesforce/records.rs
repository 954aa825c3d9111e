//! Section 2: records, one at a time.

use serde_json::{Value, json};
use std::sync::atomic::Ordering;

use super::{World, golden};

#[tokio::test]
async fn section_2_create_read_update_delete() {
    let world = World::new().await;
    let made =
        world.post("/sobjects/Case", json!({"subject": "Hello", "SuppliedEmail": "a@b.example"})).await;
    assert_eq!(made.status, 201);
    golden("created", &made.body);
    let id = made.body["id"].as_str().unwrap();
    assert_eq!(made.headers["location"], format!("/services/data/v66.0/sobjects/Case/{id}").as_str());
    let read =
        world.get(&format!("/sobjects/Case/{id}?fields=Id,Subject,Status,ClosedDate,CaseNumber")).await;
    let wanted = json!({"attributes": {"type": "Case", "url": format!("/services/data/v66.0/sobjects/Case/{id}")},
        "Id": id, "Subject": "Hello", "Status": "New", "ClosedDate": null, "CaseNumber": "00001001"});
    assert_eq!(read.body, wanted);
    assert_eq!(
        world.patch(&format!("/sobjects/Case/{}", &id[..15]), json!({"Subject": null})).await.status,
        204
    );
    assert_eq!(world.get(&format!("/sobjects/Case/{id}")).await.body["Subject"], Value::Null);
    assert_eq!(world.delete(&format!("/sobjects/Case/{id}")).await.status, 204);
    let got = world.post("/sobjects/Case", json!({"Id": id})).await;
    assert_eq!(got.status, 400);
    golden("id_in_body", &got.body);
}

#[tokio::test]
async fn section_2_1_upserts() {
    let world = World::new().await;
    let path = "/sobjects/Case/Goodays_Response_Id__c/a%20b";
    let made = world.patch(path, json!({"Subject": "one"})).await;
    assert_eq!(made.status, 201);
    golden("upsert_created", &made.body);
    let again = world.patch(path, json!({"Subject": "two"})).await;
    assert_eq!(again.status, 200);
    golden("upsert_updated", &again.body);
    assert_eq!(world.org.case_by_key("a b").unwrap()["Subject"], json!("two"));
    let old = world.patch("/services/data/v45.0/sobjects/Case/Goodays_Response_Id__c/a%20b", json!({})).await;
    assert_eq!((old.status, old.body), (204, Value::Null));
    let old = world.patch("/services/data/v45.0/sobjects/Case/Goodays_Response_Id__c/old", json!({})).await;
    assert_eq!((old.status, old.body.get("created")), (201, None));
    assert_eq!(
        world.patch("/sobjects/Case/Goodays_Response_Id__c/none?updateOnly=true", json!({})).await.status,
        404
    );
    let unknown = world.patch("/sobjects/Case/X__c/1", json!({})).await;
    assert_eq!(unknown.status, 404);
    golden("external_id_unknown", &unknown.body);
    assert_eq!(world.get(path).await.body["Subject"], json!("two"));
    // Case-sensitive.
    assert_eq!(world.get("/sobjects/Case/Goodays_Response_Id__c/A%20B").await.status, 404);
}

#[tokio::test]
async fn section_2_1_several_matches() {
    let world = World::new().await;
    for name in ["one", "two"] {
        world.create("Store__c", json!({"Name": name, "Region_Code__c": "north"})).await;
    }
    let got = world.patch("/sobjects/Store__c/Region_Code__c/north", json!({"Name": "three"})).await;
    assert_eq!(got.status, 300);
    golden("upsert_several", &got.body);
    assert_eq!(world.get("/sobjects/Store__c/Region_Code__c/north").await.status, 300);
}

/// Another insert is not committed: the lookup does not find it, but the unique index does.
#[tokio::test]
async fn section_2_1_concurrent_upserts_race() {
    let (world, time) = World::at(1_780_000_000_000).await;
    world.org.set_commit_delay(5_000);
    world.org.create_case(json!({"Goodays_Response_Id__c": "r1"}), "other@sim.example").unwrap();
    let path = "/sobjects/Case/Goodays_Response_Id__c/r1";
    let got = world.patch(path, json!({"Subject": "mine"})).await;
    assert_eq!(got.status, 400);
    golden("duplicate_value", &got.body);
    time.fetch_add(5_000, Ordering::SeqCst);
    assert_eq!(world.patch(path, json!({"Subject": "mine"})).await.status, 200);
}

#[tokio::test]
async fn section_2_2_relations_by_external_id() {
    let world = World::new().await;
    let store = world.create("Store__c", json!({"Name": "Lyon", "Partner_Id__c": "77"})).await;
    let case = world
        .create("Case", json!({"Store__r": {"Partner_Id__c": "77"}, "Goodays_Response_Id__c": "r1"}))
        .await;
    assert_eq!(world.org.case_by_key("r1").unwrap()["Store__c"], json!(store));
    let found = world.query("SELECT Store__r.Name FROM Case").await;
    assert_eq!(found.body["records"][0]["Store__r"]["Name"], json!("Lyon"));
    let got = world.post("/sobjects/Case", json!({"Store__r": {"Partner_Id__c": "1234"}})).await;
    assert_eq!(got.status, 400);
    golden("foreign_key", &got.body);
    let comment = json!({"Parent": {"Goodays_Response_Id__c": "r1"}, "CommentBody": "x"});
    world.create("CaseComment", comment.clone()).await;
    assert_eq!(world.org.comments_of(&case).len(), 1);
    // The reference's unverified point 3.
    world.org.with_settings(|settings| settings.parent_by_external_id = false);
    assert_eq!(world.post("/sobjects/CaseComment", comment).await.status, 400);
}

#[tokio::test]
async fn section_2_3_wrong_records() {
    let world = World::new().await;
    let case = world.create("Case", json!({"Goodays_Response_Id__c": "r1"})).await;
    let comment = world.comment(&case, "gone with it").await;
    let none = "/sobjects/Case/500000000000001AAA";
    golden("not_found", &world.get(none).await.body);
    golden("not_found", &world.get("/sobjects/Nothing__c/500000000000001AAA").await.body);
    for got in [world.patch(none, json!({})).await, world.delete(none).await] {
        assert_eq!(got.status, 404);
        golden("invalid_cross_reference", &got.body);
    }
    let wrong = world.get("/sobjects/Case/0018M000003uKqqAAE").await;
    assert_eq!(wrong.status, 400);
    golden("malformed_id", &wrong.body);
    assert_eq!(world.get("/sobjects/Case/500").await.status, 404);
    let path = format!("/sobjects/Case/{case}");
    world.delete(&path).await;
    for got in [world.patch(&path, json!({})).await, world.delete(&path).await] {
        assert_eq!(got.status, 404);
        golden("entity_is_deleted", &got.body);
    }
    golden("not_found", &world.get(&path).await.body);
    // The reference's unverified point 4.
    world.org.with_settings(|settings| settings.deleted_get_code = "ENTITY_IS_DELETED".into());
    golden("entity_is_deleted", &world.get(&path).await.body);
    let orphan = world.post("/sobjects/CaseComment", json!({"ParentId": case, "CommentBody": "x"})).await;
    assert_eq!((orphan.status, orphan.body[0]["errorCode"].as_str()), (400, Some("ENTITY_IS_DELETED")));
    assert_eq!(world.patch(&format!("/sobjects/CaseComment/{comment}"), json!({})).await.status, 404);
    // Unverified point 5: a deleted key is free again.
    assert_eq!(world.patch("/sobjects/Case/Goodays_Response_Id__c/r1", json!({})).await.status, 201);
}
