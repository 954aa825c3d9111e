//! Sections 2.4, 6 and 10: refusals of a save, and its side effects.

use goodays_salesforce::sim::salesforce::settings::{DuplicateRule, ValidationRule};
use serde_json::{Value, json};
use std::sync::atomic::Ordering;

use super::{World, golden};

#[tokio::test]
async fn section_2_4_one_field_is_wrong() {
    let world = World::new().await;
    world.org.with_settings(|settings| {
        settings.restricted_picklists.insert("Case.Origin".into());
    });
    let mut refused = Vec::new();
    for body in [
        json!({"SuppliedEmail": "foo@"}),
        json!({"Origin": "Carrier pigeon"}),
        json!({"X__c": "1"}),
        json!({"CaseNumber": "1"}),
    ] {
        refused.push(world.post("/sobjects/Case", body).await);
    }
    refused.push(world.post("/sobjects/CaseComment", json!({"CommentBody": "x"})).await);
    assert!(refused.iter().all(|got| got.status == 400));
    golden("field_errors", &refused.into_iter().map(|got| got.body).collect());
}

#[tokio::test]
async fn section_2_4_lengths_types_and_ranges() {
    let world = World::new().await;
    let subject = "s".repeat(256);
    let got = world.post("/sobjects/Case", json!({"Subject": subject})).await;
    let message = format!("Subject: data value too large: {subject} (max length=255)");
    assert_eq!(
        got.body,
        json!([{"message": message, "errorCode": "STRING_TOO_LONG", "fields": ["Subject"]}])
    );
    world.create("Case", json!({"Subject": "é".repeat(255), "Description": "d".repeat(32_000)})).await;
    for (body, code) in [
        (json!({"Description": "d".repeat(32_001)}), "STRING_TOO_LONG"),
        (json!({"Goodays_Call_Rating__c": 12}), "NUMBER_OUTSIDE_VALID_RANGE"),
        (json!({"Goodays_Call_Rating__c": "banana"}), "JSON_PARSER_ERROR"),
        (json!({"Subject": 5}), "JSON_PARSER_ERROR"),
        (json!({"Subject": "a\u{0}b"}), "TEXT_DATA_OUTSIDE_SUPPORTED_CHARSET"),
        (json!({"ContactId": "nonsense"}), "MALFORMED_ID"),
        (json!({"ContactId": "003000000000001AAA"}), "INVALID_CROSS_REFERENCE_KEY"),
        (json!({"RecordTypeId": "012000000000001AAA"}), "INVALID_CROSS_REFERENCE_KEY"),
    ] {
        let got = world.post("/sobjects/Case", body).await;
        assert_eq!((got.status, got.body[0]["errorCode"].as_str()), (400, Some(code)), "{}", got.body);
    }
    // Two problems at once are both reported.
    let got = world.post("/sobjects/Case", json!({"Subject": subject, "SuppliedEmail": "foo@"})).await;
    assert_eq!(got.body.as_array().unwrap().len(), 2);
    let got = world.send("POST", "/sobjects/Case", json!("no object"), &[]).await;
    assert_eq!(got.body[0]["errorCode"], json!("JSON_PARSER_ERROR"));
}

#[tokio::test]
async fn section_6_2_comment_bodies_count_escaped_bytes() {
    let world = World::new().await;
    let case = world.create("Case", json!({})).await;
    let fits = async |text: String| {
        let body = json!({"ParentId": case, "CommentBody": text});
        world.post("/sobjects/CaseComment", body).await.status == 201
    };
    assert!(fits("x".repeat(4000)).await && !fits("x".repeat(4001)).await);
    assert!(fits("&".repeat(800)).await && !fits("&".repeat(801)).await);
    assert!(fits("é".repeat(2000)).await && !fits("é".repeat(2001)).await);
    assert!(
        fits(format!("{}x", "x\n".repeat(1333))).await && !fits(format!("{}xx", "x\n".repeat(1333))).await
    );
    // The reference's unverified point 2.
    world.org.with_settings(|settings| (settings.escape_weights, settings.newline_weight) = (false, 1));
    assert!(fits("&".repeat(4000)).await && fits(format!("{}xx", "x\n".repeat(1999))).await);
}

#[tokio::test]
async fn section_10_5_hidden_read_only_and_required_fields() {
    let world = World::new().await;
    world.org.with_settings(|settings| {
        settings.hidden_fields.insert("Case.Goodays_Sync_Status__c".into());
        settings.read_only_fields.insert("Case.Origin".into());
        settings.required_fields.insert("Case.Reason".into());
    });
    let described = world.get("/sobjects/Case/describe").await.body;
    let field = |name: &str| {
        described["fields"].as_array().unwrap().iter().find(|field| field["name"] == json!(name)).cloned()
    };
    assert!(field("Goodays_Sync_Status__c").is_none());
    assert_eq!(field("Origin").unwrap()["createable"], json!(false));
    let key = field("Goodays_Response_Id__c").unwrap();
    let told = [&key["externalId"], &key["unique"], &key["caseSensitive"], &key["length"]];
    assert_eq!(told, [&json!(true), &json!(true), &json!(true), &json!(64)]);
    assert_eq!(field("Goodays_Message_Ids__c").unwrap()["filterable"], json!(false));
    for (body, code) in [
        (json!({"Reason": "Other", "Goodays_Sync_Status__c": "x"}), "INVALID_FIELD"),
        (json!({"Reason": "Other", "Origin": "Web"}), "INVALID_FIELD_FOR_INSERT_UPDATE"),
        (json!({"Subject": "x"}), "REQUIRED_FIELD_MISSING"),
    ] {
        assert_eq!(world.post("/sobjects/Case", body).await.body[0]["errorCode"], json!(code));
    }
    let got = world.query("SELECT Goodays_Sync_Status__c FROM Case").await;
    assert_eq!(got.body[0]["errorCode"], json!("INVALID_FIELD"));
    world.org.change_settings(&json!({"hidden_objects": ["CaseComment"]})).unwrap();
    assert_eq!(world.query("SELECT Id FROM CaseComment").await.body[0]["errorCode"], json!("INVALID_TYPE"));
    assert_eq!(world.get("/sobjects/CaseComment/describe").await.status, 404);
}

#[tokio::test]
async fn section_10_5_validation_rules_and_locks() {
    let world = World::new().await;
    let rule = ValidationRule {
        object: "Case".into(),
        when: "Status = 'Closed' AND Reason = null".into(),
        message: "Give a reason before closing".into(),
        fields: Vec::new(),
        code: None,
    };
    world.org.with_settings(|settings| settings.validation_rules.push(rule));
    let case = world.create("Case", json!({"Subject": "x"})).await;
    let path = format!("/sobjects/Case/{case}");
    let got = world.patch(&path, json!({"Status": "Closed"})).await;
    let wanted = json!([{"message": "Give a reason before closing",
        "errorCode": "FIELD_CUSTOM_VALIDATION_EXCEPTION", "fields": []}]);
    assert_eq!(got.body, wanted);
    assert_eq!(world.patch(&path, json!({"Status": "Closed", "Reason": "Other"})).await.status, 204);
    world.org.lock_case(&case, 2).unwrap();
    let got = world.patch(&path, json!({"Subject": "y"})).await;
    assert_eq!(got.status, 400);
    golden("lock", &got.body);
    let comment = json!({"ParentId": case, "CommentBody": "x"});
    let got = world.post("/sobjects/CaseComment", comment.clone()).await;
    assert_eq!(got.body[0]["errorCode"], json!("UNABLE_TO_LOCK_ROW"));
    assert_eq!(world.post("/sobjects/CaseComment", comment).await.status, 201);
}

#[tokio::test]
async fn section_10_11_duplicate_rules_and_their_header() {
    let world = World::new().await;
    let rule = |allow_save| DuplicateRule {
        object: "Contact".into(),
        field: "Email".into(),
        name: "R".into(),
        allow_save,
    };
    world.org.with_settings(|settings| settings.duplicate_rules = vec![rule(true)]);
    let contact = json!({"LastName": "Doe", "Email": "doe@b.example"});
    world.create("Contact", contact.clone()).await;
    let got = world.post("/sobjects/Contact", contact.clone()).await;
    assert_eq!(got.status, 400);
    golden("duplicates_detected", &got.body);
    let allow = [("Sforce-Duplicate-Rule-Header", "allowSave=true; runAsCurrentUser=true")];
    assert_eq!(world.send("POST", "/sobjects/Contact", contact.clone(), &allow).await.status, 201);
    // `allowSave` does not pass a blocking rule.
    world.org.with_settings(|settings| settings.duplicate_rules = vec![rule(false)]);
    assert_eq!(world.send("POST", "/sobjects/Contact", contact, &allow).await.status, 400);
}

#[tokio::test]
async fn section_10_11_assignment_is_visible() {
    let world = World::new().await;
    let owner = async |header: &[(&str, &str)]| {
        let got = world.send("POST", "/sobjects/Case", json!({}), header).await;
        let id = got.body["id"].as_str().unwrap().to_owned();
        let found = world.query(&format!("SELECT Owner.Name FROM Case WHERE Id = '{id}'")).await;
        (id, found.body["records"][0]["Owner"]["Name"].as_str().unwrap().to_owned())
    };
    assert_eq!(owner(&[]).await.1, "Customer Service");
    assert_eq!(owner(&[("Sforce-Auto-Assign", "TRUE")]).await.1, "Customer Service");
    assert_eq!(owner(&[("Sforce-Auto-Assign", "01Qx0000000aBcD")]).await.1, "Customer Service");
    let (id, name) = owner(&[("Sforce-Auto-Assign", "FALSE")]).await;
    assert_eq!(name, "Goodays Connector");
    // An update also runs the rules, unless the header forbids it.
    let path = format!("/sobjects/Case/{id}");
    world.send("PATCH", &path, json!({"Subject": "x"}), &[("Sforce-Auto-Assign", "false")]).await;
    let of = |record: &Value| record["OwnerId"].as_str().unwrap()[..3].to_owned();
    assert_eq!(of(&world.get(&path).await.body), "005");
    world.patch(&path, json!({"Subject": "y"})).await;
    assert_eq!(of(&world.get(&path).await.body), "00G");
}

#[tokio::test]
async fn section_6_1_statuses_close_and_reopen() {
    let world = World::new().await;
    let found = world.query("SELECT ApiName FROM CaseStatus WHERE IsClosed = true ORDER BY SortOrder").await;
    let names: Vec<&str> =
        found.body["records"].as_array().unwrap().iter().map(|r| r["ApiName"].as_str().unwrap()).collect();
    assert_eq!(names, ["Closed", "Closed by phone"]);
    let case = world.create("Case", json!({})).await;
    let path = format!("/sobjects/Case/{case}");
    world.patch(&path, json!({"Status": "Closed by phone"})).await;
    let closed = world.get(&path).await.body;
    assert_eq!((&closed["IsClosed"], closed["ClosedDate"].is_string()), (&json!(true), true));
    world.patch(&path, json!({"Status": "Spam"})).await;
    let open = world.get(&path).await.body;
    assert_eq!((&open["IsClosed"], &open["ClosedDate"]), (&json!(false), &Value::Null));
    // Unrestricted: an unknown value is accepted.
    assert_eq!(world.patch(&path, json!({"Status": "Brand new"})).await.status, 204);
    // Unverified point 7.
    world.create("Case", json!({"Comments": "by the way", "Goodays_Response_Id__c": "r1"})).await;
    let comment = world.org.comments_of("r1").remove(0);
    assert_eq!((&comment["CommentBody"], &comment["IsPublished"]), (&json!("by the way"), &json!(false)));
}

#[tokio::test]
async fn each_other_assumption_can_be_set() {
    use goodays_salesforce::sim::salesforce::settings::Settings;
    let world = World::new().await;
    let start = world.org.settings();
    for change in Settings::other_assumptions() {
        world.org.change_settings(&change).unwrap();
        assert_ne!(world.org.settings(), start, "{change}");
        world.org.reset();
        assert_eq!(world.org.settings(), start);
    }
}

#[tokio::test]
async fn section_10_12_comments_have_their_own_rules() {
    let (world, time) = World::at(1_780_000_000_000).await;
    let case = world.create("Case", json!({})).await;
    let comment = world.comment(&case, "x").await;
    let path = format!("/sobjects/CaseComment/{comment}");
    assert_eq!(world.patch(&path, json!({"IsPublished": true})).await.status, 204);
    let got = world.patch(&path, json!({"CommentBody": "y"})).await;
    assert_eq!(
        (got.status, got.body[0]["errorCode"].as_str()),
        (403, Some("INSUFFICIENT_ACCESS_OR_READONLY"))
    );
    assert_eq!(world.delete(&path).await.status, 403);
    let got = world.patch(&path, json!({"ParentId": case})).await;
    assert_eq!(got.body[0]["errorCode"], json!("INVALID_FIELD_FOR_INSERT_UPDATE"));
    let got = world.post("/sobjects/CaseComment", json!({"ParentId": case, "Key__c": "x"})).await;
    assert_eq!(got.body[0]["errorCode"], json!("INVALID_FIELD"));
    // Unverified points 8 and 1.
    world.org.with_settings(|settings| settings.insufficient_access_status = 400);
    assert_eq!(world.delete(&path).await.status, 400);
    let stamp = |world: &World| world.org.records("Case")[0]["SystemModstamp"].clone();
    let before = stamp(&world);
    time.fetch_add(5_000, Ordering::SeqCst);
    world.comment(&case, "silent").await;
    assert_eq!(stamp(&world), before);
    world.org.with_settings(|settings| settings.comment_touches_case = true);
    world.comment(&case, "loud").await;
    assert_ne!(stamp(&world), before);
}

#[tokio::test]
async fn section_3_conditional_requests_and_the_orgs_date() {
    let (world, time) = World::at(1_780_000_000_000).await;
    let path = format!("/sobjects/Case/{}", world.create("Case", json!({})).await);
    let got = world.get(&path).await;
    let date = got.headers["date"].to_str().unwrap().to_owned();
    assert_eq!(date, "Thu, 28 May 2026 20:26:40 GMT");
    assert_eq!(world.send("GET", &path, Value::Null, &[("If-Modified-Since", &date)]).await.status, 304);
    time.fetch_add(5_000, Ordering::SeqCst);
    assert_eq!(world.patch(&path, json!({"Subject": "x"})).await.status, 204);
    assert_eq!(world.send("GET", &path, Value::Null, &[("If-Modified-Since", &date)]).await.status, 200);
    let unless = [("If-Unmodified-Since", date.as_str())];
    assert_eq!(world.send("PATCH", &path, json!({"Subject": "y"}), &unless).await.status, 412);
}
