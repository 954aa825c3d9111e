//! Section 10.9: agents, in-process and over HTTP.

use serde_json::{Value, json};
use std::sync::atomic::Ordering;

use super::World;

#[tokio::test]
async fn section_10_9_agents_comment_publish_delete_and_merge() {
    let (world, time) = World::at(1_780_000_000_000).await;
    let case = world.create("Case", json!({"Goodays_Response_Id__c": "r1"})).await;
    let other = world.create("Case", json!({"Goodays_Response_Id__c": "r2"})).await;
    let private = world.org.agent_comments("r1", "draft", false, "anna.berg@shop.example").unwrap();
    time.fetch_add(60_000, Ordering::SeqCst);
    world.org.agent_publishes(&private, true).unwrap();
    world.org.agent_edits_comment(&private, "final").unwrap();
    let comment = world.org.comments_of(&case).remove(0);
    assert_eq!((&comment["IsPublished"], &comment["CommentBody"]), (&json!(true), &json!("final")));
    assert_ne!(comment["SystemModstamp"], comment["CreatedDate"]);
    world.org.agent_comments("r1", "robot", true, "autoproc@sim.example").unwrap();
    world.org.agent_comments("r1", "portal", true, "portal.customer@sim.example").unwrap();
    let found =
        world.query("SELECT CreatedBy.Name, CreatedBy.UserType FROM CaseComment ORDER BY Id").await.body;
    let kinds: Vec<&Value> =
        found["records"].as_array().unwrap().iter().map(|r| &r["CreatedBy"]["UserType"]).collect();
    assert_eq!(kinds, [&json!("Standard"), &json!("AutomatedProcess"), &json!("CspLitePortal")]);
    assert_eq!(found["records"][0]["CreatedBy"]["Name"], json!("Anna Berg"));
    world.org.agent_deletes_comment(&private).unwrap();
    assert_eq!(world.org.comments_of(&case).len(), 2);
    world
        .org
        .agent_updates_case("r1", json!({"Status": "Closed", "OwnerId": null}), "anna.berg@shop.example")
        .unwrap();
    assert!(world.org.agent_updates_case("r1", json!({"Nothing__c": 1}), "anna.berg@shop.example").is_err());
    world.org.merge_cases("r2", "r1").unwrap();
    let loser = world.org.records("Case").remove(0);
    assert_eq!((&loser["IsDeleted"], &loser["MasterRecordId"]), (&json!(true), &json!(other)));
    assert_eq!(world.org.comments_of(&other).len(), 2);
}

#[tokio::test]
async fn section_10_9_the_same_verbs_over_http() {
    let world = World::new().await;
    let made = world
        .post("/__sim/agent/create_case", json!({"fields": {"Goodays_Response_Id__c": "r1"}}))
        .await
        .body;
    assert!(made["id"].is_string());
    let comment =
        json!({"response_id": "r1", "body": "hello", "published": false, "author_email": "a@b.example"});
    let comment = world.post("/__sim/agent/comment", comment).await.body["id"].clone();
    assert_eq!(world.post("/__sim/agent/publish", json!({"comment": comment})).await.status, 200);
    world.post("/__sim/agent/case", json!({"case": "r1", "fields": {"Status": "Spam"}})).await;
    let shown = world.get("/__sim/case/r1").await.body;
    assert_eq!(
        (&shown["case"]["Status"], &shown["comments"][0]["IsPublished"]),
        (&json!("Spam"), &json!(true))
    );
    world.post("/__sim/agent/assign", json!({"case": "r1", "owner": "Night shift"})).await;
    let owner = world.query("SELECT Owner.Name FROM Case").await.body["records"][0]["Owner"]["Name"].clone();
    assert_eq!(owner, json!("Night shift"));
    let field = json!({"object": "Case", "field": {"name": "Shop__c", "type": "text", "length": 5}});
    assert_eq!(world.post("/__sim/field", field).await.status, 200);
    assert_eq!(
        world.post("/sobjects/Case", json!({"Shop__c": "123456"})).await.body[0]["errorCode"],
        json!("STRING_TOO_LONG")
    );
    assert_eq!(world.post("/__sim/settings", json!({"page_size": 7})).await.status, 200);
    assert_eq!(world.get("/__sim/settings").await.body["page_size"], json!(7));
    assert_eq!(world.post("/__sim/settings", json!({"page_sise": 7})).await.status, 400);
    let fault = json!({"path_contains": "/limits", "act": {"do": "answer", "status": 420, "body": "<html>slow down</html>", "content_type": "text/html"}});
    world.post("/__sim/fault", fault).await;
    let url = format!("{}/services/data/v66.0/limits", world.org.url());
    let refused = world.http.get(&url).bearer_auth(&world.token).send().await.unwrap();
    assert_eq!(
        (refused.status().as_u16(), refused.headers()["content-type"].as_bytes()),
        (420, &b"text/html"[..])
    );
    assert_eq!(world.get("/__sim/calls").await.body["calls"], json!(2));
    let token = world.post("/__sim/token", Value::Null).await.body;
    assert!(token["access_token"].is_string());
    let log = world.get("/__sim/requests").await.body;
    assert_eq!(log.as_array().unwrap().len(), 3, "the control API is not in its own log");
    assert_eq!(log[2]["status"], json!(420));
    for verb in ["touch_all", "expire_sessions", "clear_faults", "clear_requests", "reset"] {
        assert_eq!(world.post(&format!("/__sim/{verb}"), Value::Null).await.status, 200, "{verb}");
    }
    assert_eq!(world.get("/__sim/records/Case").await.body, json!([]));
    assert_eq!(world.post("/__sim/nonsense", Value::Null).await.status, 400);
}
